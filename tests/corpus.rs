//! Inputs that were interesting to the fuzzer, or broke something once, against what must always hold (`fuzz/invariants.rs`).

use std::fs;
use std::path::Path;

#[path = "../fuzz/invariants.rs"]
mod invariants;

fn each(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0);
    println!("{count} inputs");
}

#[test]
fn packets_of_the_corpus_hold() {
    each("packet", invariants::packet);
}

#[test]
fn files_of_the_corpus_hold() {
    each("capture", invariants::capture);
}

#[test]
fn wishes_of_the_corpus_hold() {
    each("draft", invariants::draft);
}
