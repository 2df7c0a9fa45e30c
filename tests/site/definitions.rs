//! Definition files for the language server of Rhai, read by the grammar of its own parser (`rhai-rowan`, `parsers/def.rs`, `parsers/ty.rs`), as far as
//! these files use it: a head, then functions with typed parameters, and doc comments before each.

use super::Docs;

/// Reads one file, and gives the module that it is about and how many functions it defines.
fn read(name: &str, text: &str) -> (String, usize) {
    let mut lines =
        text.lines().filter(|line| !line.is_empty() && line.starts_with("///") == line.starts_with('/') && !line.starts_with("///"));
    let head = lines.next().unwrap_or_default();
    let module = head.strip_prefix("module ").and_then(|rest| rest.strip_suffix(';')).unwrap_or_else(|| panic!("{name}: {head}"));
    let is_text =
        |word: &str| word.len() > 2 && word.starts_with('"') && word.ends_with('"') && !word[1..word.len() - 1].contains(['"', '\\']);
    assert!(module == "static" || is_word(module) || is_text(module), "{name}: {module}");
    let functions: Vec<&str> = lines.collect();
    functions.iter().for_each(|line| function(line).unwrap_or_else(|| panic!("{name}: {line}")));
    (module.to_owned(), functions.len())
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn function(line: &str) -> Option<()> {
    // The words that its lexer takes for keywords; one of them as a name ends the reading of the file.
    const RESERVED: &[&str] = &[
        "exit",
        "goto",
        "match",
        "case",
        "public",
        "protected",
        "new",
        "use",
        "with",
        "module",
        "package",
        "super",
        "thread",
        "spawn",
        "go",
        "await",
        "async",
        "sync",
        "yield",
        "default",
        "void",
        "null",
        "nil",
        "let",
        "const",
        "fn",
        "if",
        "else",
        "for",
        "in",
        "loop",
        "while",
        "do",
        "until",
        "switch",
        "try",
        "catch",
        "throw",
        "return",
        "break",
        "continue",
        "import",
        "export",
        "as",
        "private",
        "this",
        "true",
        "false",
        "var",
        "shared",
        "is",
        "static",
        "global",
    ];
    let is_name = |word: &str| is_word(word) && !RESERVED.contains(&word);
    let is_type = |word: &str| word == "?" || is_word(word);
    let rest = line.strip_prefix("fn ")?.strip_suffix(';')?;
    let (name, rest) = rest.split_once('(')?;
    let (params, returns) = rest.rsplit_once(')')?;
    let mut names: Vec<&str> = Vec::new();
    for param in params.split(", ").filter(|param| !param.is_empty()) {
        let (name, of) = param.split_once(": ")?;
        (is_name(name) && is_type(of) && !names.contains(&name)).then_some(())?;
        names.push(name);
    }
    let is_returned = returns.is_empty() || returns.strip_prefix(" -> ").is_some_and(is_type);
    (is_returned && is_name(name.strip_prefix("get ").unwrap_or(name))).then_some(())
}

#[test]
fn every_room_and_module_has_a_file_that_the_language_server_reads() {
    let docs = Docs::new();
    assert_eq!(docs.yard.well("firewall", &["doc", "--definitions", ".rhai"]).out, ".rhai\n");
    let files = docs.yard.files("firewall/.rhai");
    let mut modules = Vec::new();
    let mut count = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "rhai")) {
        let (module, functions) = read(path.to_str().unwrap(), std::str::from_utf8(bytes).unwrap());
        modules.push(module);
        count += functions;
    }
    for wanted in ["static", "iptables", "tc", "\"std:nat\"", "\"../teamlib/limits\"", "\"../hostile/odd\""] {
        assert!(modules.iter().any(|module| module == wanted), "{wanted}: {modules:?}");
    }
    // The server takes `exit` for a word of the language.
    let known = fyke::host::reflect::functions().iter().filter(|function| function.name != "exit").count();
    assert_eq!(count, known + 2);
    let module = docs.yard.read("firewall/.rhai/teamlib.limits.d.rhai");
    assert!(module.contains("/// - `port`: the port, 1 to 65535\n") && module.contains("\nfn close(port: ?);\n"), "{module}");
}
