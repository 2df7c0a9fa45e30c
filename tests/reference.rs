//! `docs/reference` is generated, and committed: a change of a doc comment is a change that a reader can review.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fyke::host::reflect;

/// Compares the committed pages with those of the sources; with `FYKE_BLESS` set, writes them.
#[test]
fn the_reference_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let pages = reflect::reference();
    if std::env::var_os("FYKE_BLESS").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        pages.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        return;
    }
    let committed: BTreeSet<String> =
        fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let made: BTreeSet<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(committed, made, "the pages are others: `make docs`");
    for (name, text) in pages {
        assert!(fs::read_to_string(folder.join(&name)).unwrap() == text, "docs/reference/{name} is not up to date: `make docs`");
    }
}
