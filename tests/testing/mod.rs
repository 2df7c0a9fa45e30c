//! `fyke test`, and `fyke check` over a package: projects with tests that pass, fail, are skipped, and leave something.

mod ends;
mod found;
mod left;
mod package;
mod reports;

use std::path::Path;

use crate::packages::yard::Yard;
use crate::program::{Folder, Said, fyke};

/// Tells, with the reason, where no sandbox can be made.
fn no_sandbox() -> bool {
    let said = fyke(["--sandbox", "eval", "1"]);
    if said.code != Some(0) {
        println!("skipped: no sandbox can be made here: {}", said.err);
    }
    said.code != Some(0)
}

/// Makes a folder with one file of tests.
fn with_tests(text: &str) -> Yard {
    let yard = Yard::new();
    yard.write("project/some_test.rhai", text);
    yard
}

/// Runs the tests of the project.
fn test(yard: &Yard, words: &[&str]) -> Said {
    let said = yard.fyke("project", &[&["test", "--color", "never"], words].concat());
    Said { out: timeless(&said.out), ..said }
}

/// Takes the time out of the summary.
fn timeless(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(" in ") {
        Some((before, time)) if time.ends_with(" s") && before.contains("passed") => before.to_owned(),
        _ => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

/// A copy of the program that everybody may run.
fn for_everybody(folder: &Folder) -> std::path::PathBuf {
    let copy = folder.path().join("fyke");
    std::fs::copy(Path::new(&crate::program::binary()), &copy).unwrap();
    copy
}
