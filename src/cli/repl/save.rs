//! The statements of a session as a recipe.

use std::collections::BTreeSet;
use std::path::Path;

use super::steps::{Fate, Step};
use crate::bind::ROOMS;
use crate::host::check::check;
use crate::host::lex::{self, Kind, Piece};
use crate::host::reflect;
use crate::host::{Recipe, Severity};
use crate::kernel::files;
use crate::model::{Fault, Kind as FaultKind};

/// Writes the recipe, and sees to it that it is good.
pub(super) fn write(file: &str, steps: &[Step], force: bool) -> Result<(), Fault> {
    let tried = || format!("save {file}");
    if !steps.iter().any(|step| step.fate == Fate::Done) {
        return Err(Fault::new(FaultKind::NotFound, tried(), "nothing of this session is worth a recipe yet"));
    }
    let there = files::exists(Path::new(file));
    if there && !force {
        return Err(
            Fault::new(FaultKind::Exists, tried(), "there is such a file already").hint(format!("to take its place: :save! {file}"))
        );
    }
    files::write(Path::new(file), recipe(steps).as_bytes())?;
    let (findings, _) = check(&Recipe::read(&path(file))?);
    match findings.into_iter().find(|finding| finding.severity == Severity::Error) {
        Some(finding) => {
            Err(Fault { hint: Some(format!("it is saved all the same; to see where: fyke check {}", path(file))), ..finding.fault })
        }
        None => Ok(()),
    }
}

/// Gives a file as a path, which nobody takes for the name of a built-in recipe.
pub(super) fn path(file: &str) -> String {
    if file.contains('/') { file.to_owned() } else { format!("./{file}") }
}

/// Writes the text of the recipe.
fn recipe(steps: &[Step]) -> String {
    let done = || steps.iter().filter(|step| step.fate == Fate::Done);
    let rooms: BTreeSet<&str> = done().flat_map(|step| rooms(&step.text)).collect();
    let risk = if done().any(|step| !step.changes.is_empty()) { "changes" } else { "reads" };
    let mut text = "//! Does what was tried at the prompt; say here what that is for.\n".to_owned();
    if !rooms.is_empty() {
        text.push_str(&format!("//! needs: {}\n", rooms.into_iter().collect::<Vec<_>>().join(", ")));
    }
    text.push_str(&format!("//! risk: {risk}\n\n"));
    let mut params = BTreeSet::new();
    for step in steps {
        let own = without_header(&step.text);
        let out = |word: &str| own.lines().map(|line| format!("// {word}: {line}\n")).collect();
        let lines: String = match step.fate {
            Fate::Done => format!("{}\n", parameter(own, &mut params).unwrap_or_else(|| ended(own))),
            Fate::Undone => out("undone"),
            Fate::Planned => out("planned"),
            Fate::Looked => String::new(),
        };
        text.push_str(&lines);
    }
    text
}

/// Names the rooms that a statement uses.
fn rooms(text: &str) -> Vec<&'static str> {
    let pieces = lex::pieces(text);
    let qualified = pieces.windows(2).filter(|pair| &text[pair[1].range.clone()] == "::");
    qualified.filter_map(|pair| ROOMS.iter().find(|room| room.name == &text[pair[0].range.clone()])).map(|room| room.name).collect()
}

/// Tells whether a statement does nothing but give its value: it defines and assigns nothing, and all that it calls is documented to change
/// nothing.
pub(super) fn is_look(text: &str) -> bool {
    const READING: &[&str] = &["contains", "is_empty", "keys", "len", "type_of", "values"];
    let pieces = lex::pieces(text);
    let word = |at: usize| pieces.get(at).map_or("", |piece| &text[piece.range.clone()]);
    let nothing = |doc: &str| ["# Changes\nNothing", "# Changes\nWhat is queued is written first."].iter().any(|text| doc.contains(text));
    let changes_nothing = |function: &str| {
        let found = reflect::find(function);
        READING.contains(&function) || (!found.is_empty() && found.iter().all(|one| nothing(&one.doc)))
    };
    (0..pieces.len()).all(|at| match pieces[at].kind {
        Kind::Word if word(at + 1) == "(" => changes_nothing(word(at)),
        Kind::Word => !lex::KEYWORDS.contains(&word(at)) || matches!(word(at), "true" | "false"),
        // `==` is two signs here, and `<=` and `!=` end in this one.
        Kind::Sign if word(at) == "=" => word(at + 1) == "=" || matches!(word(at.wrapping_sub(1)), "=" | "<" | ">" | "!"),
        Kind::Sign => word(at) != "|",
        _ => !text[pieces[at].range.clone()].contains('`'),
    })
}

/// Takes the header of a loaded recipe away: the new one has its own.
fn without_header(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with("//!") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

/// Makes a parameter of the first `let` of a name that gives it a plain value.
fn parameter(text: &str, params: &mut BTreeSet<String>) -> Option<String> {
    let pieces = lex::pieces(text);
    let pieces: Vec<&Piece> = pieces.iter().filter(|piece| piece.kind != Kind::Comment).collect();
    let word = |piece: &&Piece| &text[piece.range.clone()];
    let words: Vec<&str> = pieces.iter().map(word).collect();
    let words = words.strip_suffix(&[";"]).unwrap_or(&words);
    let ["let", name, "=", value @ ..] = words else { return None };
    let plain = match value {
        [one] => matches!(*one, "true" | "false") || one.starts_with('"') || one.starts_with(|c: char| c.is_ascii_digit()),
        ["-", one] => one.starts_with(|c: char| c.is_ascii_digit()),
        _ => false,
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let good = plain && *name != "help" && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed);
    (good && params.insert((*name).to_owned()))
        .then(|| format!("let {name} = param(\"{name}\", {}, \"{}\");", value.concat(), name.replace('_', " ")))
}

/// Ends a statement, so that another can follow; a comment may stand behind it.
pub(super) fn ended(text: &str) -> String {
    let text = text.trim();
    let pieces = lex::pieces(text);
    let last = pieces.iter().rev().find(|piece| piece.kind != Kind::Comment);
    let block =
        pieces.first().is_some_and(|piece| ["fn", "if", "for", "while", "loop", "switch", "try"].contains(&&text[piece.range.clone()]));
    match last.map(|piece| (&text[piece.range.clone()], piece.range.end)) {
        None | Some((";", _)) => text.to_owned(),
        Some(("}", _)) if block => text.to_owned(),
        Some((_, end)) => format!("{};{}", &text[..end], &text[end..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::repl::steps::Steps;
    use crate::model::Report;

    #[test]
    fn statements_become_a_recipe() {
        let mut steps = Steps::default();
        let typed = [
            "let port = 2222 // mine",
            "//! Old.\nlet dry_run = false;",
            "let port = 1",
            "let x = port + 1",
            "fn f(a) {\n  a\n}",
            "f(x) /* so */",
            "let m = #{ a: 1 }",
        ];
        for text in typed {
            steps.add(text, (0, 0), &Report::default(), false, is_look(text));
        }
        let wanted = "//! Does what was tried at the prompt; say here what that is for.\n//! risk: reads\n\n\
            let port = param(\"port\", 2222, \"port\");\nlet dry_run = param(\"dry_run\", false, \"dry run\");\nlet port = 1;\nlet x = port + 1;\n\
            fn f(a) {\n  a\n}\nf(x); /* so */\nlet m = #{ a: 1 };\n";
        let text = recipe(steps.all());
        assert_eq!(text, wanted);
        let (findings, _) = check(&Recipe::inline("x", &text));
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn a_look_is_told_from_a_deed() {
        for look in [
            "6 * 7",
            "x",
            "input.policy",
            "input.list().len()",
            "a == b",
            "a <= 1",
            "iptables::table(\"filter\").list_chains()",
            "m.keys()",
        ] {
            assert!(is_look(look), "{look}");
        }
        for deed in
            ["x = 1", "a.pop()", "f(1)", "input.ensure(\"-j DROP\")", "let x = 1", "[1].map(|x| x)", "x += 1", "if a { 1 }", "`${a.pop()}`"]
        {
            assert!(!is_look(deed), "{deed}");
        }
    }

    #[test]
    fn rooms_are_named_in_the_header() {
        assert_eq!(rooms("let a = iptables::table(\"ip6tables::\"); x::y()"), ["iptables"]);
    }
}
