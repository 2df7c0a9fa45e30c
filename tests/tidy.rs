//! The house rules, as a test: layers, crates, and what a source file may hold.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with the layers that it may use. `model` may be used by all and uses none.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli", "kernel"]),
    ("cli", &["host", "bind", "transaction", "kernel", "model"]),
    ("host", &["bind", "transaction", "kernel", "model"]),
    ("bind", &["transaction", "kernel", "model"]),
    ("transaction", &["kernel", "model"]),
    ("kernel", &["model"]),
    ("model", &[]),
    ("lib", &[]),
];

/// Each dependency with the layers that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("rhai", &["host", "bind"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("annotate_snippets", &["cli"]),
    ("unicode_width", &["cli"]),
    ("pulldown_cmark", &["cli"]),
    ("rustyline", &["cli"]),
    ("vt100", &[]),
    ("nix", &["kernel"]),
    ("libc", &["kernel"]),
    ("socket2", &["kernel"]),
    ("netlink_sys", &["kernel"]),
    ("rtnetlink", &["kernel"]),
    ("netlink_packet_route", &["kernel"]),
    ("futures_util", &["kernel"]),
    ("tokio", &["kernel"]),
    ("iptables", &["kernel"]),
    ("rusqlite", &["kernel"]),
    ("sha2", &["host", "model"]),
    ("toml_edit", &["model"]),
    ("semver", &["model"]),
    ("flate2", &["model"]),
    ("minisign_verify", &["model"]),
    ("strsim", &["model"]),
    ("ipnet", &["model"]),
    ("serde", &["cli", "host", "bind", "transaction", "kernel", "model"]),
    ("serde_json", &["cli", "host", "bind", "transaction", "kernel", "model"]),
    ("proptest", &["transaction", "kernel", "model"]),
];

/// Words of the standard library that belong to one place.
const PLACES: &[(&str, &str)] = &[
    ("unsafe", "src/kernel/"),
    ("std::fs", "src/kernel/"),
    ("std::process::Command", "src/kernel/"),
    ("std::net::TcpStream", "src/kernel/"),
    ("println!", "src/cli/show/"),
    ("print!", "src/cli/show/"),
    ("eprintln!", "src/cli/show/"),
    ("eprint!", "src/cli/show/"),
    ("io::stdout", "src/cli/show/"),
    ("io::stderr", "src/cli/show/"),
];

const PANICS: &[&str] = &[".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("];
const LINES: usize = 500;

/// One source file, read once for all rules.
struct Source {
    /// The path from the crate's root.
    path: String,
    text: String,
    /// The text with comments and literals blanked, and without its tests.
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_string();
        let tests = path.contains("/tests/") || for_tests_only(&path);
        let code = if tests { String::new() } else { without_tests(&blank(&text)) };
        Self { path, text, code }
    }

    /// Gives the layer: `cli` for `src/cli/run.rs` and for `src/cli.rs`.
    fn layer(&self) -> &str {
        let rest = self.path.trim_start_matches("src/");
        rest.split(['/', '.']).next().unwrap_or(rest)
    }

    /// Gives the modules that lead to this file: `cli::run` for `src/cli/run.rs`.
    fn modules(&self) -> Vec<&str> {
        let rest = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        rest.split('/').filter(|part| *part != "mod").collect()
    }
}

/// Tells whether the module above declares this file under `#[cfg(test)]`.
fn for_tests_only(path: &str) -> bool {
    let Some((folder, name)) = path.trim_end_matches(".rs").rsplit_once('/') else { return false };
    let above =
        [format!("{folder}/mod.rs"), format!("{folder}.rs")].into_iter().find_map(|above| fs::read_to_string(root().join(above)).ok());
    let declared = |lines: &[&str]| lines[0].trim() == "#[cfg(test)]" && lines[1].trim().ends_with(&format!("mod {name};"));
    above.is_some_and(|text| text.lines().collect::<Vec<_>>().windows(2).any(declared))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|e| e == extension) {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    files("src", "rs").iter().map(|path| Source::read(path)).collect()
}

/// Blanks comments, strings and characters, keeping every line where it is.
fn blank(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(&bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Gives the end of the comment or literal that begins at `at`, or `at` where none does.
fn literal_end(text: &[char], at: usize) -> usize {
    let starts = |word: &str| word.chars().enumerate().all(|(i, c)| text.get(at + i) == Some(&c));
    let find = |from: usize, word: &str| {
        let word: Vec<char> = word.chars().collect();
        (from..text.len()).find(|i| text[*i..].starts_with(&word)).map_or(text.len(), |i| i + word.len())
    };
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    if starts("//") {
        return (at..text.len()).find(|i| text[*i] == '\n').unwrap_or(text.len());
    }
    if starts("/*") {
        return find(at + 2, "*/");
    }
    if !after_word && text[at] == 'r' {
        let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
        if text.get(at + 1 + hashes) == Some(&'"') {
            return find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if text[at] == '"' {
        let mut i = at + 1;
        while i < text.len() && text[i] != '"' {
            i += if text[i] == '\\' { 2 } else { 1 };
        }
        return (i + 1).min(text.len());
    }
    if text[at] == '\'' {
        let close =
            if text.get(at + 1) == Some(&'\\') { (at + 3..text.len().min(at + 12)).find(|i| text[*i] == '\'') } else { Some(at + 2) };
        if let Some(close) = close.filter(|i| text.get(*i) == Some(&'\'')) {
            return close + 1;
        }
    }
    at
}

/// Blanks the items that are marked `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut indent = None;
    let mut begun = false;
    for line in code.lines() {
        let depth = line.len() - line.trim_start().len();
        if indent.is_none() && line.trim() == "#[cfg(test)]" {
            indent = Some(depth);
            begun = false;
        } else if let Some(start) = indent {
            begun |= line.contains('{') || line.trim_end().ends_with(';');
            let closes = depth == start && line.trim_start().starts_with('}');
            let single = depth == start && line.trim_end().ends_with([';', '}']);
            if begun && (closes || single) {
                indent = None;
            }
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// Gives line number and rest of the text for each place where `word` stands as a word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let joined = before.ends_with(part) && word.starts_with(part) || after.starts_with(part) && word.ends_with(part);
        (!joined && !before.ends_with("::")).then(|| (before.matches('\n').count() + 1, after))
    })
}

/// Gives the first name of `::name` or `::{name`.
fn first_name(path: &str) -> Vec<&str> {
    let name = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let Some(rest) = path.strip_prefix("::") else { return Vec::new() };
    match rest.strip_prefix('{') {
        Some(list) => {
            let list = &list[..list.find("};").unwrap_or(list.len())];
            list.split([',', '\n']).map(|item| &item.trim()[..name(item.trim())]).filter(|item| !item.is_empty()).collect()
        }
        None => vec![&rest[..name(rest)]],
    }
}

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(key, _)| *key == name).map(|(_, values)| *values)
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn arrows_between_layers_point_right() {
    let mut faults = Vec::new();
    for source in sources() {
        let layer = source.layer();
        let may = allowed(ARROWS, layer).unwrap_or_else(|| panic!("{}: {layer} is no layer of the architecture", source.path));
        let depth = source.modules().len();
        let climb = format!("super{}", "::super".repeat(depth.saturating_sub(1)));
        for start in ["crate", climb.as_str(), "fyke"] {
            for (line, rest) in words(&source.code, start) {
                for name in first_name(rest).into_iter().filter(|name| *name != layer && *name != "super") {
                    if allowed(ARROWS, name).is_some() && !may.contains(&name) {
                        faults.push(format!("{}:{line}: {layer} must not use {name}", source.path));
                    }
                }
            }
        }
    }
    none(faults);
}

#[test]
fn crates_stay_in_their_layers() {
    let mut faults = Vec::new();
    for source in sources() {
        for (name, layers) in CRATES.iter().filter(|(_, layers)| !layers.contains(&source.layer())) {
            // A module of ours may have the name of a crate.
            let ours = |line: &str| line.starts_with("use crate::") && words(&line.replace("::", " "), name).next().is_some();
            let own = source.code.contains(&format!("mod {name};")) || source.code.lines().any(ours);
            let named = words(&source.code, name).filter(|(_, rest)| rest.starts_with("::"));
            let used = format!("use {name}");
            faults.extend(
                named
                    .chain(words(&source.code, &used))
                    .filter(|_| !own)
                    .map(|(line, _)| format!("{}:{line}: {name} belongs to {}", source.path, layers.join(", "))),
            );
        }
    }
    none(faults);
}

#[test]
fn every_dependency_has_a_place_and_a_reason() {
    let mut faults = Vec::new();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let decision = fs::read_to_string(root().join("docs/adr/0002-dependencies.md")).unwrap();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || line == "[dev-dependencies]";
        } else if let Some((name, rest)) = line.split_once('=').filter(|_| inside) {
            if allowed(CRATES, &name.trim().replace('-', "_")).is_none() {
                faults.push(format!("Cargo.toml: {name}: tests/tidy.rs does not say which layer may use it"));
            }
            if words(&decision, name.trim()).next().is_none() {
                faults.push(format!("Cargo.toml: {name}: docs/adr/0002-dependencies.md does not name it"));
            }
            if !rest.contains(" # ") {
                faults.push(format!("Cargo.toml: {name}: a comment says why it is here"));
            }
        }
    }
    none(faults);
}

#[test]
fn some_words_have_one_place() {
    let mut faults = Vec::new();
    for source in sources() {
        for (word, place) in PLACES.iter().filter(|(_, place)| !source.path.starts_with(place)) {
            faults.extend(words(&source.code, word).map(|(line, _)| format!("{}:{line}: {word} belongs to {place}", source.path)));
        }
    }
    none(faults);
}

/// The door of a session has the rights of the recipe; that of a call has those of whoever calls.
#[test]
fn rooms_take_the_door_of_their_callers() {
    let rooms = sources().into_iter().filter(|source| source.layer() == "bind" && source.path != "src/bind/session.rs");
    none(
        rooms
            .filter(|source| source.code.contains(".door()"))
            .map(|source| format!("{}: `call::door` gives the door", source.path))
            .collect(),
    );
}

#[test]
fn nothing_panics_on_purpose() {
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            faults.extend(
                PANICS
                    .iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{}:{}: {word} outside of a test", source.path, number + 1)),
            );
        }
    }
    none(faults);
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut faults = Vec::new();
    for path in [files("src", "rs"), files("tests", "rs")].concat() {
        let source = Source::read(&path);
        let lines = source.text.lines().count();
        if lines > LINES {
            faults.push(format!("{}: {lines} lines, {LINES} are the most", source.path));
        }
        if !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs") {
            faults.push(format!("{}: the first line is a `//!` sentence", source.path));
        }
        // Put together here, so that this file does not hold them.
        for word in ["TO-DO", "FIX-ME", "X-XX", "HA-CK"].map(|word| word.replace('-', "")) {
            faults.extend(words(&source.text, &word).map(|(line, _)| format!("{}:{line}: {word}", source.path)));
        }
    }
    none(faults);
}

#[test]
fn every_public_item_has_a_doc_comment() {
    const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "type", "const", "static", "unsafe", "async"];
    let mut faults = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, code) in source.code.lines().enumerate() {
            let Some(rest) = code.trim_start().strip_prefix("pub ").or_else(|| code.trim_start().strip_prefix("pub(crate) ")) else {
                continue;
            };
            let item = rest.split_whitespace().next().unwrap_or("");
            let doc = lines[..number]
                .iter()
                .rev()
                .map(|line| line.trim_start())
                .take_while(|line| line.starts_with("//") || line.starts_with("#["))
                .last();
            let first = lines[..number].iter().rev().map(|line| line.trim_start()).find(|line| !line.starts_with("#["));
            // The name by which Rhai's macro finds a type of ours.
            let alias = item == "type" && rest.contains("= super::");
            // What a macro declares brings its doc comment along.
            let declared = rest.contains('$');
            if ITEMS.contains(&item) && !alias && !declared && !first.is_some_and(|line| line.starts_with("///")) {
                faults.push(format!("{}:{}: no doc comment before `{}`", source.path, number + 1, code.trim()));
            }
            let verb = doc.and_then(|line| line.strip_prefix("/// ")).and_then(|line| line.split_whitespace().next()).unwrap_or("");
            if item == "fn" && source.path.matches('/').count() > 2 && source.layer() == "bind" && !verb.ends_with('s') {
                faults.push(format!(
                    "{}:{}: the doc of a binding begins with a verb in the third person, not `{verb}`",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    none(faults);
}

#[test]
fn every_recipe_has_a_header() {
    let mut faults = Vec::new();
    for path in files("scripts", "rhai") {
        let text = fs::read_to_string(&path).unwrap();
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let value = |key: &str| header.iter().find_map(|line| line.strip_prefix("//! ")?.strip_prefix(key)).map(str::trim);
        let mut want = |good: bool, what: &str| {
            if !good {
                faults.push(format!("{}: {what}", path.display()));
            }
        };
        want(header.first().is_some_and(|line| line.ends_with('.')), "the first line is one sentence after `//! `");
        want(value("needs:").is_some_and(|rooms| !rooms.is_empty()), "a line `//! needs:` names the rooms");
        want(
            value("risk:").is_some_and(|risk| ["reads", "changes", "disrupts"].contains(&risk)),
            "a line `//! risk:` says reads, changes or disrupts",
        );
    }
    none(faults);
}

#[test]
fn blanking_keeps_code_and_lines() {
    let text = "let a = \"crate::x // y\"; // unsafe\nlet b: &'static str = r#\"\"unsafe\"\"#; let c = '\"'; let d = '\\'';\n/* x */ e\n";
    let code = blank(text);
    assert_eq!(code.lines().count(), 3);
    assert!(!code.contains("unsafe") && !code.contains("crate") && code.contains("&'static str") && code.contains("let d"), "{code}");
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod t {\n  x\n}\nb\n#[cfg(test)]\nmod u;\nc\n"), "a\n\n\n\n\nb\n\n\nc\n");
}
