//! The archives of the hostile suite: each is taken or refused whole, and nothing is written outside of the cache.

use std::path::Path;

use super::yard::{Yard, flat};
use crate::bad_inputs::shared;

/// Those that are packages after all.
const TAKEN: &[&str] = &["good.tgz", "nul-name.tgz", "setuid.tgz", "two-manifests.tgz", "non-utf8.tgz"];

/// Words of the fault for each of the others.
const REFUSED: &[(&str, &str)] = &[
    ("dotdot.tgz", "leads out of the package"),
    ("abs.tgz", "is an absolute path"),
    ("dotdot-mid.tgz", "leads out of the package"),
    ("symlink.tgz", "is a symbolic link"),
    ("symlink-then-file.tgz", "is a symbolic link"),
    ("symlink-then-dir.tgz", "is a symbolic link"),
    ("hardlink.tgz", "is a hard link"),
    ("chardev.tgz", "is a device"),
    ("fifo.tgz", "is a pipe"),
    ("dup.tgz", "is in it twice"),
    ("casefold.tgz", "differ in capitals only"),
    ("dot-dup.tgz", "is in it twice"),
    ("newline-name.tgz", "is not made of printable ASCII"),
    ("bidi-name.tgz", "is not made of printable ASCII"),
    ("long-name.tgz", "are the most"),
    ("deep.tgz", "are the most"),
    ("bomb.tgz", "unpacked it has more than"),
    ("many.tgz", "more than 2000 files"),
    ("no-manifest.tgz", "there is no fyke.toml at its top"),
    ("empty.tgz", "it is cut short, or empty"),
    ("trunc.tgz", "it is damaged or cut short"),
    ("garbage.tgz", "it is no tar archive"),
    ("trailing.tgz", "there is something behind its end"),
    ("pax-size.tar", "a pax header says \"size\""),
    ("slip.zip", "it is a zip archive"),
    ("backslash.zip", "it is a zip archive"),
    ("symlink.zip", "it is a zip archive"),
];

#[test]
fn every_hostile_archive_is_taken_or_refused_whole() {
    let Some(folder) = shared("suites/hostile/archives") else { return };
    let expected: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expect.json")).unwrap()).unwrap();
    let yard = Yard::new();
    yard.project("project");
    let before = yard.files("project");
    let mut wrong = Vec::new();
    for name in expected.as_object().unwrap().keys() {
        let archive = folder.join(name);
        let said = yard.fyke("project", &["add", archive.to_str().unwrap()]);
        if TAKEN.contains(&name.as_str()) {
            if said.code != Some(0) {
                wrong.push(format!("{name} is refused: {said:?}"));
            }
            yard.fyke("project", &["remove", "x"]);
            std::fs::remove_file(yard.path("project/fyke.lock")).unwrap();
            yard.write("project/fyke.toml", &before[&yard.path("project/fyke.toml")]);
            continue;
        }
        let why = REFUSED.iter().find(|(archive, _)| archive == name).map(|(_, why)| *why);
        if said.code != Some(2) || !why.is_some_and(|why| flat(&said.err).contains(why)) {
            wrong.push(format!("{name}: {why:?}: {said:?}"));
        }
        if yard.files("project") != before {
            wrong.push(format!("{name} left something in the project"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was taken lies in the cache, as archives by their hashes, with the modes of plain files of this user.
    for path in yard.files("home").keys().filter(|path| !path.ends_with(".gitconfig")) {
        let cache = yard.path("home/.cache/fyke/packages");
        assert!(path.starts_with(&cache) && path.extension().is_some_and(|end| end == "tar"), "{path:?}");
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o7777, 0o600, "{path:?}");
    }
    for outside in ["/tmp/rtest", "/tmp/fyke-escape"] {
        assert!(!Path::new(outside).join("evil").exists());
    }
}
