//! The statements of a session as a recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::forms::Forms;
use super::items::{Item, What, is_block, items, mentions};
use super::lost::Lost;
use super::steps::{Fate, Step};
use crate::host::check::{check, rooms};
use crate::host::lex::{self, Kind, Piece};
use crate::host::reflect;
use crate::host::{Recipe, Severity};
use crate::kernel::files;
use crate::model::{Fault, Kind as FaultKind};

/// A recipe that was made of a session.
struct Draft {
    text: String,
    /// The line on which each step begins in it, and the step.
    lines: Vec<(usize, usize)>,
    /// How many statements are left out.
    out: usize,
}

/// Writes the recipe, which is good. Gives how many statements had to be left out for that.
pub(super) fn write(file: &str, steps: &[Step], force: bool) -> Result<usize, Fault> {
    let tried = || format!("save {file}");
    if !steps.iter().any(|step| step.fate == Fate::Done) {
        return Err(Fault::new(FaultKind::NotFound, tried(), "nothing of this session is worth a recipe yet"));
    }
    if files::exists(Path::new(file)) && !force {
        return Err(
            Fault::new(FaultKind::Exists, tried(), "there is such a file already").hint(format!("to take its place: :save! {file}"))
        );
    }
    let (text, out) = good(&path(file), steps)?;
    files::write(Path::new(file), text.as_bytes())?;
    Ok(out)
}

/// Names the file of a recipe, which may be given without its ending.
pub(super) fn file(name: &str) -> String {
    if Path::new(name).extension().is_some() { name.to_owned() } else { format!("{name}.rhai") }
}

/// Gives a file as a path, which nobody takes for the name of a built-in recipe.
pub(super) fn path(file: &str) -> String {
    if file.contains('/') { file.to_owned() } else { format!("./{file}") }
}

/// Makes a recipe that passes its check. A statement that a recipe cannot have, though it worked when it was typed, becomes a comment.
fn good(path: &str, steps: &[Step]) -> Result<(String, usize), Fault> {
    let mut out = BTreeSet::new();
    loop {
        let bare = draft(steps, &out, &BTreeSet::new());
        let used = rooms(&Recipe::at(path, &bare.text));
        let draft = draft(steps, &out, &used);
        let (findings, _) = check(&Recipe::at(path, &draft.text));
        let Some(found) = findings.into_iter().find(|finding| finding.severity == Severity::Error) else {
            return Ok((draft.text, draft.out));
        };
        let at = found.fault.origin.as_ref().filter(|origin| *origin.at.file == *path).map_or(0, |origin| origin.at.line as usize);
        let step = draft.lines.iter().rev().find(|(line, _)| *line <= at).map(|(_, step)| *step);
        // An import that is not found there would take everything along that uses it.
        let alone = |step: &usize| !items(&steps[*step].text).iter().any(|item| item.what == What::Import);
        match step.filter(alone) {
            Some(step) if out.insert(step) => {}
            _ => return Err(found.fault.hint("nothing is saved; what is imported lies in the folder of the recipe or below it")),
        }
    }
}

/// Writes the text of the recipe; the steps that are `out` become comments.
fn draft(steps: &[Step], out: &BTreeSet<usize>, rooms: &BTreeSet<&str>) -> Draft {
    let changes = steps.iter().any(|step| step.fate == Fate::Done && !step.changes.is_empty());
    let mut text = "//! Does what was tried at the prompt; say here what that is for.\n".to_owned();
    if !rooms.is_empty() {
        text.push_str(&format!("//! needs: {}\n", rooms.iter().copied().collect::<Vec<_>>().join(", ")));
    }
    text.push_str(&format!("//! risk: {}\n\n", if changes { "changes" } else { "reads" }));
    let own: Vec<&str> = steps.iter().map(|step| if step.fate == Fate::Looked { "" } else { without_header(&step.text) }).collect();
    let defined = last_functions(&own, out);
    let mut forms = Forms::new(&own, out);
    let mut params = own.iter().flat_map(|text| declared(text)).collect();
    let (mut lines, mut lost, mut left_out) = (Vec::new(), Lost::default(), out.len());
    for (index, step) in steps.iter().enumerate() {
        lines.push((text.lines().count() + 1, index));
        let is_last = |item: &Item| match &item.what {
            What::Function(name, arity) => defined.get(&(name.clone(), *arity)) == Some(&(index, item.range.start)),
            _ => true,
        };
        let later =
            |name: &str, from: usize| mentions(&own[index][from..], name) || own[index + 1..].iter().any(|text| mentions(text, name));
        text.push_str(&match step.fate {
            _ if out.contains(&index) => comment("left out", own[index]),
            Fate::Done => match parameter(own[index], &mut params) {
                Some(parameter) => {
                    lost.keep(own[index]);
                    format!("{parameter}\n")
                }
                None => {
                    let (live, left) = done(own[index], is_last, later, &mut lost, |text, early| forms.of_then(text, index, early));
                    left_out += left;
                    live
                }
            },
            Fate::Undone => lasting(own[index], "undone", is_last, later, &mut lost),
            Fate::Planned => lasting(own[index], "planned", is_last, later, &mut lost),
            Fate::Looked => String::new(),
        });
    }
    Draft { text, lines, out: left_out }
}

/// Finds the last definition of each function: step, and place in it.
fn last_functions(steps: &[&str], out: &BTreeSet<usize>) -> BTreeMap<(String, usize), (usize, usize)> {
    let mut found = BTreeMap::new();
    for (index, text) in steps.iter().enumerate().filter(|(index, _)| !out.contains(index)) {
        for item in items(text) {
            if let What::Function(name, arity) = item.what {
                found.insert((name, arity), (index, item.range.start));
            }
        }
    }
    found
}

/// Writes a statement that was done, without the functions that were defined again later; `then` has it call those that it called. Gives how
/// many of its parts are left out, since they read what is lost, too.
fn done(
    text: &str,
    is_last: impl Fn(&Item) -> bool,
    later: impl Fn(&str, usize) -> bool,
    lost: &mut Lost,
    mut then: impl FnMut(&str, &mut String) -> String,
) -> (String, usize) {
    let (mut early, mut kept, mut returned, mut out) = (String::new(), String::new(), false, 0);
    for item in items(text).iter().filter(|item| is_last(item)) {
        let own = &text[item.range.clone()];
        let part = match item.what {
            What::Function(..) => own.to_owned(),
            _ if returned => String::new(),
            _ if lost.is_read(own) => {
                out += 1;
                format!("\n{}", without(text, item, "left out", &later, lost))
            }
            // It ended the input, and would end the recipe.
            What::Return(value) => then(&text[value..item.range.end], &mut early),
            _ => {
                lost.keep(own);
                then(own, &mut early)
            }
        };
        returned |= matches!(item.what, What::Return(_));
        kept.push_str(if kept.ends_with('\n') { part.trim_start() } else { &part });
    }
    match kept.trim() {
        "" => (String::new(), out),
        kept => (format!("{early}{}\n", ended(kept)), out),
    }
}

/// Writes what lasts of a statement whose changes do not: what it defined, and the variables that are used later.
fn lasting(text: &str, word: &str, is_last: impl Fn(&Item) -> bool, later: impl Fn(&str, usize) -> bool, lost: &mut Lost) -> String {
    let write = |item: &Item| {
        let own = text[item.range.clone()].trim();
        match &item.what {
            What::Function(..) if !is_last(item) => String::new(),
            What::Function(..) | What::Import => format!("{}\n", ended(own)),
            What::Assign | What::Let(_, true) if !lost.is_read(own) => {
                lost.keep(own);
                format!("{}\n", ended(own))
            }
            _ => without(text, item, word, &later, lost),
        }
    };
    items(text).iter().map(write).collect()
}

/// Writes a statement as a comment; what it would declare is there, but has no value.
fn without(text: &str, item: &Item, word: &str, later: impl Fn(&str, usize) -> bool, lost: &mut Lost) -> String {
    let own = text[item.range.clone()].trim();
    lost.lose(own);
    match &item.what {
        What::Let(name, _) if later(name, item.range.end) => format!("{}let {name};\n", comment(word, own)),
        _ => comment(word, own),
    }
}

fn comment(word: &str, text: &str) -> String {
    text.lines().map(|line| format!("// {word}: {line}\n")).collect()
}

/// Tells whether a statement does nothing but give its value: it defines and assigns nothing, and all that it calls is documented to change
/// nothing.
pub(super) fn is_look(text: &str) -> bool {
    const READING: &[&str] = &["contains", "is_empty", "keys", "len", "type_of", "values"];
    let pieces = lex::pieces(text);
    let word = |at: usize| pieces.get(at).map_or("", |piece| &text[piece.range.clone()]);
    let nothing = |doc: &str| ["# Changes\nNothing", "# Changes\nWhat is queued is written first."].iter().any(|text| doc.contains(text));
    let changes_nothing = |function: &str| {
        let found: Vec<_> = reflect::find(function).into_iter().filter(|one| !one.property).collect();
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

/// Names the parameters that a text declares itself.
fn declared(text: &str) -> Vec<String> {
    let pieces = lex::pieces(text);
    let words: Vec<&str> = pieces.iter().map(|piece| &text[piece.range.clone()]).collect();
    words.windows(3).filter(|words| words[..2] == ["param", "("]).map(|words| words[2].trim_matches('"').to_owned()).collect()
}

/// Ends a statement, so that another can follow; a comment may stand behind it.
pub(super) fn ended(text: &str) -> String {
    let text = text.trim();
    let pieces = lex::pieces(text);
    let last = pieces.iter().rev().find(|piece| piece.kind != Kind::Comment);
    let block = items(text).last().is_some_and(|item| is_block(&text[item.range.clone()]));
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
    use crate::model::iptables::{ChainName, ChainRef, Table};
    use crate::model::{Change, Family, Object, Report, State};

    /// Makes a session of statements: those that begin with a sign are undone (`-`), planned (`?`) or changed something (`+`).
    fn session(typed: &[&str]) -> Steps {
        let at = ChainRef::new(Family::V4, Table::Filter, ChainName::listed("X"));
        let change = Change::new(Object::Chain(at), None, Some(State::Present));
        let made = Report { changes: vec![change], ..Report::default() };
        let (mut steps, mut standing) = (Steps::default(), Vec::new());
        for (mark, line) in (0..).zip(typed) {
            let text = line.trim_start_matches(['-', '?', '+']);
            let report = if text.len() < line.len() { made.clone() } else { Report::default() };
            steps.add(text, (mark, mark + 1), &report, line.starts_with('?'), is_look(text));
            standing.extend(line.starts_with('+').then_some(mark + 1));
        }
        steps.only(&standing);
        steps
    }

    /// Gives the saved recipe without its header, and how many statements are left out.
    fn saved(typed: &[&str]) -> (String, usize) {
        let (text, out) = good("./x.rhai", session(typed).all()).unwrap();
        let (findings, _) = check(&Recipe::at("./x.rhai", &text));
        assert!(findings.is_empty(), "{findings:?}\n{text}");
        (text.split_once("\n\n").unwrap().1.to_owned(), out)
    }

    #[test]
    fn what_is_saved_is_good_whatever_was_typed() {
        const FILTER: &str = "let t = iptables::table(\"filter\")";
        let sessions: &[&[&str]] = &[
            &["fn f(a) { a }", "fn f(a) { a + 1 }", "fn f(a, b) { a + b }", "let x = f(1) + f(1, 2)"],
            &["fn f(a) { a }\nlet y = f(1);", "fn f(a) { a }\nlet y = f(1);"],
            &["/// Old.\nfn f(a) { if a { 1 } else { 2 } } let x = f(true);", "private fn f(a) { 3 }", "x = f(true)"],
            &[FILTER, "-let c = t.new_chain(\"X\")", "c = t.chain(\"INPUT\")", "+c.append(\"-j DROP\")"],
            &[FILTER, "-let c = t.chain(\"INPUT\"); c.append(\"-j DROP\")", "+c.append(\"-j ACCEPT\")"],
            &["-import \"std:firewall\" as wall; iptables::table(\"filter\").new_chain(\"X\")", "let x = type_of(wall::of_family)"],
            &[FILTER, "?fn set(t) { t.new_chain(\"X\") } set(t);", "+set(t)"],
            &["+iptables::table(\"filter\").new_chain(`X${1}`)", "let s = `${ip6tables::table(\"nat\")}`"],
            &["let port = 5", "//! Old.\n//! risk: reads\n\nlet port = param(\"port\", 22, \"the port\");", "let port = 7"],
            &["let help = 1", "let X = 2", "const c = 3", "let c = 4", "let s = \"a\\\"b\"", "let n = -1.5"],
            &["if false { 1 }", "let x = 1 // so", "/* a\nb */", "x += 1 /* b */"],
            &["let m = #{ f: |x| x + 1 }", "let y = m.f(1)", "let f = |x| { x }", "if y == 2 { f.call(1) } else { 3 }"],
            &["-let a = 1; let b = 2;\niptables::table(\"filter\").new_chain(\"A\")", "let d = a + b"],
        ];
        for typed in sessions {
            assert_eq!(saved(typed).1, 0, "{typed:?}");
        }
    }

    #[test]
    fn the_last_definition_is_the_one_that_is_saved() {
        let (text, _) = saved(&["fn f(a) { a }", "fn f(a) { a + 1 }", "let y = f(2)"]);
        assert_eq!(text, "fn f(a) { a + 1 }\nlet y = f(2);\n");
        // What the first one has done is done by the first one.
        let (text, _) = saved(&["fn f(a) { a }\nlet x = f(1)", "fn f(a) { a + 1 }", "let y = f(2)"]);
        assert_eq!(text, "fn f_1(a) { a }\nlet x = f_1(1);\nfn f(a) { a + 1 }\nlet y = f(2);\n");
    }

    #[test]
    fn what_ended_an_input_does_not_end_the_recipe() {
        let (text, out) = saved(&["let a = [1]; return a.pop(); a.push(2)", "let b = a"]);
        assert_eq!((text.as_str(), out), ("let a = [1]; a.pop();\nlet b = a;\n", 0));
    }

    #[test]
    fn what_outlives_its_changes_is_saved() {
        let filter = "let t = iptables::table(\"filter\")";
        let (text, _) = saved(&[filter, "-let c = t.new_chain(\"X\")", "-let d = t.new_chain(\"Y\")", "c = 5"]);
        let wanted = "// undone: let c = t.new_chain(\"X\")\nlet c;\n// undone: let d = t.new_chain(\"Y\")\nc = 5;\n";
        assert_eq!(text, format!("{filter};\n{wanted}"));
        let (text, _) = saved(&["?let a = 1; iptables::table(\"filter\").new_chain(\"X\")", "let b = a"]);
        assert_eq!(text, "let a = 1;\n// planned: iptables::table(\"filter\").new_chain(\"X\")\nlet b = a;\n");
    }

    #[test]
    fn what_looks_at_what_is_undone_is_left_out() {
        let filter = "let t = iptables::table(\"filter\")";
        let made = "-let c = t.new_chain(\"X\")";
        let (text, out) =
            saved(&[filter, made, "let n = c.list()", "let k = n; let m = [k.len()]; m.push(1)", "c = [1]", "let n = c.len()"]);
        let wanted = "// undone: let c = t.new_chain(\"X\")\nlet c;\n// left out: let n = c.list()\nlet n;\n\
            // left out: let k = n;\nlet k;\n// left out: let m = [k.len()];\nlet m;\n// left out: m.push(1)\n\
            c = [1];\nlet n = c.len();\n";
        assert_eq!((text, out), (format!("{filter};\n{wanted}"), 4));
        let (text, out) = saved(&[filter, "-let c = t.new_chain(\"X\"); let n = c.list(); let a = 1;", "let b = a; return c.list(); b"]);
        let wanted = "// undone: let c = t.new_chain(\"X\");\nlet c;\n// undone: let n = c.list();\nlet a = 1;\n\
            let b = a;\n// left out: return c.list();\n";
        assert_eq!((text, out), (format!("{filter};\n{wanted}"), 1));
        // A variable keeps its earlier value, which is another one.
        let (text, out) = saved(&[filter, "let x = [1]", "?x = t.new_chain(\"X\")", "let n = x.list()"]);
        assert_eq!((text.lines().last(), out), (Some("// left out: let n = x.list()"), 1));
    }

    #[test]
    fn what_a_recipe_cannot_have_is_left_out_and_counted() {
        let (text, out) = saved(&["let a = 1", "if false { no_such() }", "let b = a + 1"]);
        assert_eq!((text.lines().nth(1), out), (Some("// left out: if false { no_such() }"), 1));
        assert_eq!(saved(&["let a = param(\"a\", 1, \"one\")", "let a = param(\"a\", 2, \"two\")"]).1, 1);
        let fault = good("./x.rhai", session(&["import \"no-such-module\" as m", "let a = 1"]).all()).unwrap_err();
        assert!(fault.hint.is_some_and(|hint| hint.starts_with("nothing is saved")));
    }

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
            "let y = 1; if y == 1 { 2 } // end",
            "let m = #{ a: 1 }",
        ];
        for text in typed {
            steps.add(text, (0, 0), &Report::default(), false, is_look(text));
        }
        let wanted = "//! Does what was tried at the prompt; say here what that is for.\n//! risk: reads\n\n\
            let port = param(\"port\", 2222, \"port\");\nlet dry_run = param(\"dry_run\", false, \"dry run\");\nlet port = 1;\nlet x = port + 1;\n\
            fn f(a) {\n  a\n}\nf(x); /* so */\nlet y = 1; if y == 1 { 2 } // end\nlet m = #{ a: 1 };\n";
        assert_eq!(good("./x.rhai", steps.all()).unwrap(), (wanted.to_owned(), 0));
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
            "t.chain(\"INPUT\")",
        ] {
            assert!(is_look(look), "{look}");
        }
        for deed in
            ["x = 1", "a.pop()", "f(1)", "input.ensure(\"-j DROP\")", "let x = 1", "[1].map(|x| x)", "x += 1", "if a { 1 }", "`${a.pop()}`"]
        {
            assert!(!is_look(deed), "{deed}");
        }
    }
}
