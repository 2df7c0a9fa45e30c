//! `fyke import`: rules that others wrote, as a recipe.

mod recipe;

use std::path::Path;

use serde_json::json;

use super::args::{Import as Words, RuleFamily, RuleFormat};
use super::show::Screen;
use super::word;
use crate::host::check::check;
use crate::host::{Recipe, Severity};
use crate::kernel::files;
use crate::model::iptables::import::{Format, Import, Sets, Tabled, read};
use crate::model::source::{MAX_BYTES, MAX_LINES};
use crate::model::{Family, Fault, Kind};

/// The most bytes that are read.
const MOST: usize = 64 << 20;

/// Reads rules, and prints or writes the recipe; says 1 where a rule could not be read.
pub(crate) fn run(screen: &Screen, words: &Words) -> Result<u8, Fault> {
    let file = word(&words.file)?;
    let (shown, bytes) = match file {
        "-" => ("standard input", files::read_stdin(MOST)?),
        path => (path, files::read_bounded(Path::new(path), MOST)?),
    };
    // Comments of old scripts are in any encoding; a rule with an odd byte is kept as a comment.
    let text = String::from_utf8_lossy(&bytes);
    let format = match words.format {
        Some(RuleFormat::Save) => Format::Save,
        Some(RuleFormat::Sets) => Format::Sets,
        Some(RuleFormat::Shell) => Format::Shell,
        None => Format::of(&text),
    };
    let family = words.family.map(|family| if family == RuleFamily::V4 { Family::V4 } else { Family::V6 });
    let import = read(&text, format, family);
    if import.is_empty() {
        let hint = "it reads what iptables-save and `ipset save` print, and shell scripts with lines of iptables and ipset";
        return Err(Fault::new(Kind::NotFound, format!("import {shown}"), "there are no rules in it").hint(hint));
    }
    let name = words.name.as_deref().unwrap_or_else(|| shown.rsplit('/').next().unwrap_or(shown));
    let text = recipe::text(&import, name, words.exact);
    is_good(&text)?;
    let code = u8::from(import.lost() > 0);
    if let Some(output) = &words.output {
        write(output, &text)?;
    }
    if screen.json {
        let kept: Vec<_> = import.kept.iter().map(|k| json!({ "line": k.line, "text": k.text, "why": k.why, "rule": k.is_rule })).collect();
        let params = import.params.iter().filter(|param| param.uses > 0).map(|param| json!({ "name": param.name, "value": param.value }));
        let params: Vec<_> = params.collect();
        let document = json!({ "recipe": text, "rules": import.rules(), "sets": import.sets.all.len(), "kept": kept, "parameters": params, "exit": code });
        return screen.document(&document).map(|()| code);
    }
    if words.output.is_none() {
        screen.print_text(&text)?;
    }
    summary(screen, &import, words.exact);
    Ok(code)
}

/// Sees to it that the recipe is one.
fn is_good(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_BYTES || text.lines().count() > MAX_LINES as usize {
        let why = format!(
            "the recipe would have {} bytes and {} lines, and {MAX_BYTES} and {MAX_LINES} are the most",
            text.len(),
            text.lines().count()
        );
        return Err(Fault::new(Kind::Limit, "import the rules", why).hint("import the tables one by one"));
    }
    let (findings, _) = check(&Recipe::inline("the imported recipe", text));
    findings.into_iter().find(|finding| finding.severity == Severity::Error).map_or(Ok(()), |finding| Err(finding.fault))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    if files::exists(path) {
        return Err(Fault::new(Kind::Exists, format!("write {}", path.display()), "there is such a file already")
            .hint("name a new one, or print the recipe and compare"));
    }
    files::write(path, text.as_bytes())
}

fn summary(screen: &Screen, import: &Import, exact: bool) {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let params = import.params.iter().filter(|param| param.uses > 0).count();
    let (lost, other) = (import.lost(), import.kept.len() - import.lost());
    let sets = Some(import.sets.all.len()).filter(|sets| *sets > 0).map_or_else(String::new, |sets| format!(", {}", count(sets, "set")));
    screen.note(&format!(
        "{} in {}{sets}, {}; kept as comments: {} for iptables and ipset, {}",
        count(import.rules(), "rule"),
        count(import.tables.len(), "table"),
        count(params, "parameter"),
        count(lost, "line"),
        count(other, "other line")
    ));
    let empties = |table: &Tabled| table.is_flushed || table.chains.iter().any(|chain| chain.is_flushed && !chain.is_made);
    let Sets { all, is_destroyed, is_flushed, .. } = &import.sets;
    let empties_sets = *is_destroyed || *is_flushed || all.iter().any(|set| set.is_flushed && set.made.is_none());
    if !exact && (empties_sets || import.tables.values().any(empties)) {
        screen.note("the original takes out first what is there; this recipe leaves that alone, unless imported with --exact");
    }
}
