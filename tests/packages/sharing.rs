//! The page about sharing, walked through: what stands there as a command is run, and what stands below it is what it says.
//! `FYKE_BLESS=1` writes what it says into the page.

use std::path::Path;
use std::process::Command;

use super::yard::Yard;
use crate::program::binary;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sharing.md");

/// Runs a block in the folder in which the last one ended, and gives what it says.
fn play(yard: &Yard, at: &mut String, block: &str) -> String {
    let programs = Path::new(&binary()).parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let script = format!("set -e\nexec 2>&1\n{block}\npwd >\"$HOME/at\"");
    let command = Command::new("bash");
    let output =
        yard.settle(command, at).args(["-c", &script]).env("PATH", path).env("TERM", "dumb").env_remove("COLUMNS").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{block}\nsaid:\n{said}");
    let now = yard.read("home/at");
    *at = Path::new(now.trim()).strip_prefix(yard.path(".").canonicalize().unwrap()).unwrap().display().to_string();
    said
}

#[test]
fn the_page_says_what_happens() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let yard = Yard::new();
    let (mut at, mut said, mut told, mut blocks) = (".".to_owned(), None, String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        told.push_str(line);
        told.push('\n');
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else { continue };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "sh" => {
                said = Some(play(&yard, &mut at, &block));
                told.push_str(&block);
                blocks += 1;
            }
            "text" => told.push_str(&said.take().expect("a block of output stands below a block of commands")),
            _ => told.push_str(&block),
        }
        told.push_str("```\n");
    }
    assert!(blocks > 10, "{blocks} blocks of commands");
    if std::env::var_os("FYKE_BLESS").is_some() {
        std::fs::write(PAGE, &told).unwrap();
    }
    assert!(page == told || std::env::var_os("FYKE_BLESS").is_some(), "the page shows other words than these:\n{told}");
}
