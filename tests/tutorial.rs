//! The tutorial, played line by line: what it shows is what happens. `FYKE_BLESS=1` writes what happens into it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::Folder;
use crate::terminal::{ENTER, Terminal};

/// A terminal so high that nothing leaves it.
const SIZE: (u16, u16) = (300, 100);

/// What the page and a run of it have in common: ids are made anew each time.
fn without_ids(text: &str) -> String {
    let line = |line: &str| match line.split_once("fyke undo ") {
        Some((before, _)) => format!("{before}fyke undo RUN\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Tells what of a line was typed at the prompt, if it has one.
fn typed(line: &str) -> Option<&str> {
    let (prompt, typed) = line.split_once("> ")?;
    (prompt.starts_with("fyke sandbox") && prompt.len() < 30).then_some(typed)
}

/// Types what a block says, and gives what the screen shows of it.
fn play(terminal: &mut Terminal, block: &str) -> String {
    let before = terminal.until_it("shows a prompt", |shown| shown.ends_with('>'));
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = typed(line) else { continue };
        let mut input = first.to_owned();
        let before = terminal.shown();
        terminal.press(first);
        while fyke::host::wants_more(&input)
            && let Some(more) = lines.next()
        {
            terminal.until_it("shows what was typed", |shown| shown.ends_with(input.lines().last().unwrap_or_default().trim_end()));
            terminal.press(&format!("{ENTER}{more}"));
            input = format!("{input}\n{more}");
        }
        terminal.until_it("shows what was typed", |shown| shown != before && shown.ends_with(input.lines().last().unwrap_or_default()));
        terminal.press(ENTER);
        if first == ":quit" {
            terminal.code();
            return format!("{}\n", &terminal.shown()[begin..]);
        }
        terminal.until_it("has an answer", |shown| shown.ends_with('>') && shown[before.len()..].contains('\n'));
    }
    let shown = terminal.shown();
    let end = shown.rfind('\n').unwrap_or(begin);
    // The first block shows the greeting, the others begin at their prompt.
    let begin = if block.trim().is_empty() || before.lines().count() <= 3 && typed(block).is_none() { 0 } else { begin };
    format!("{}\n", &shown[begin.min(end)..end])
}

/// Runs the commands of a block, and gives them with what they print.
fn run(folder: &Path, block: &str) -> String {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_fyke"));
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.parent().unwrap().display());
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let said = |command: &str| {
        let output =
            Command::new("bash").args(["-c", &format!("exec 2>&1; {command}")]).current_dir(folder).env("PATH", &path).output().unwrap();
        format!("$ {command}\n{}", String::from_utf8_lossy(&output.stdout))
    };
    commands.map(said).collect()
}

#[test]
fn every_line_of_the_tutorial_is_true() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fyke"));
    command.args(["--sandbox", "--color", "never", "repl"]).current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state"));
    let mut terminal = Terminal::open(SIZE, &command);
    let (mut played, mut rest) = (String::new(), page.as_str());
    while let Some((text, block)) = rest.split_once("\n```") {
        let (language, block) = block.split_once('\n').unwrap();
        let (block, after) = block.split_once("```").unwrap();
        let happened = match language {
            "fyke" => play(&mut terminal, block),
            // The session that the page begins is the one in the terminal.
            "console" if block == "$ fyke --sandbox repl\n" => block.to_owned(),
            "console" => run(folder.path(), block),
            other => panic!("what is a block of {other:?}?"),
        };
        played.push_str(&format!("{text}\n```{language}\n{happened}```"));
        rest = after;
    }
    played.push_str(rest);
    if std::env::var_os("FYKE_BLESS").is_some() && without_ids(&page) != without_ids(&played) {
        std::fs::write(&file, &played).unwrap();
        return;
    }
    for (wanted, happened) in without_ids(&page).lines().zip(without_ids(&played).lines()) {
        assert_eq!(wanted, happened, "docs/tutorial.md; FYKE_BLESS=1 writes it anew");
    }
    assert_eq!(without_ids(&page), without_ids(&played));
}
