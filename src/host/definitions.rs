//! Definition files for the language server of Rhai (<https://github.com/rhaiscript/lsp>): what an editor completes and shows of functions that are not
//! written in the file that is open.
//!
//! Rhai can write such files itself (`Engine::definitions`), but with the types of Rust in them, and it knows neither the standard library nor packages.

use std::fmt::Write;

use super::book::{Book, Shelf};
use super::reflect::FunctionDoc;

/// Writes the definition files, by name: one for what every script can call, methods among it, and one for each room and module.
///
/// The server looks for what is imported beside the file that imports it. So the modules of packages are named as files of the project, which is `above`
/// the folder of the definitions, for example `../`.
pub fn files(book: &Book, above: &str) -> Vec<(String, String)> {
    let mut everywhere = "/// What every script of fyke can call.\nmodule static;\n".to_owned();
    let mut files = Vec::new();
    for chapter in &book.chapters {
        let (bare, own): (Vec<_>, Vec<_>) = chapter.functions.iter().partition(|f| f.bare || f.method || f.property);
        // The server takes the name of `exit` for a word of the language, and reads no further.
        bare.iter().filter(|function| function.name != "exit").for_each(|function| everywhere.push_str(&definition(function)));
        let (file, module) = match &chapter.shelf {
            Shelf::Everywhere => continue,
            Shelf::Room => (chapter.name.clone(), chapter.name.clone()),
            Shelf::Standard => (format!("std.{}", chapter.name), format!("\"std:{}\"", chapter.name)),
            Shelf::Package(package) => {
                (format!("{package}.{}", chapter.name.replace('/', ".")), format!("\"{above}{package}/{}\"", chapter.name))
            }
        };
        // The functions of some rooms stand without its name, all of them.
        if own.is_empty() {
            continue;
        }
        let mut text = format!("{}module {module};\n", commented(&chapter.summary));
        own.iter().filter(|function| function.name != "exit").for_each(|function| text.push_str(&definition(function)));
        files.push((format!("{file}.d.rhai"), text));
    }
    files.insert(0, ("fyke.d.rhai".to_owned(), everywhere));
    files
}

fn definition(function: &FunctionDoc) -> String {
    let mut text = format!("\n{}fn {}{}(", commented(&function.doc), if function.property { "get " } else { "" }, function.name);
    for (at, (name, of)) in function.params.iter().enumerate() {
        // What has no name in the sources has a number here.
        let name = if name == "_" { format!("value{}", at + 1) } else { name.clone() };
        let _ = write!(text, "{}{name}: {}", if at == 0 { "" } else { ", " }, type_of(of));
    }
    text.push(')');
    if !function.returns.is_empty() {
        let _ = write!(text, " -> {}", type_of(&function.returns));
    }
    text.push_str(";\n");
    text
}

/// Names a type as the definitions of the language itself do.
fn type_of(script: &str) -> &str {
    match script {
        "any" | "" => "?",
        "string" => "String",
        "array" => "Array",
        "map" => "Map",
        "blob" => "Blob",
        "function" => "FnPtr",
        other if other.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => other,
        // The server has no words for it.
        _ => "?",
    }
}

fn commented(text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{}", format!("/// {line}").trim_end());
        out
    })
}
