//! `fyke check`: the faults of a recipe, without running it.

use serde_json::json;

use super::args::Recipes;
use super::show::Screen;
use super::word;
use crate::host::check::check;
use crate::host::{Recipe, Severity};
use crate::model::Fault;

/// The most findings of one recipe that are shown: nobody reads more, and each is looked up in its line.
const MOST: usize = 100;

/// Checks each recipe and shows what is wrong with it.
pub(crate) fn run(screen: &Screen, options: &Recipes) -> Result<u8, Fault> {
    let mut documents = Vec::new();
    let mut code = 0;
    for name in &options.recipes {
        let recipe = Recipe::find(word(name)?)?;
        let (findings, library) = check(&recipe);
        let bad = findings.iter().any(|finding| finding.severity == Severity::Error);
        if bad {
            code = 2;
        }
        if screen.json {
            let found = findings.iter().map(|finding| json!({ "error": finding.severity == Severity::Error, "fault": finding.fault }));
            documents.push(json!({ "recipe": recipe.file, "findings": found.collect::<Vec<_>>() }));
            continue;
        }
        let sources = library.sources();
        for finding in findings.iter().take(MOST) {
            screen.finding(&finding.fault, finding.severity == Severity::Error, &|at| sources.line(at).map(str::to_owned));
        }
        if findings.len() > MOST {
            screen.note(&format!("{} more are not shown", findings.len() - MOST));
        }
        screen.print_line(&format!("{}: {}", recipe.file, if bad { "not good" } else { "good" }))?;
    }
    if screen.json {
        screen.document(&json!({ "recipes": documents, "exit": code }))?;
    }
    Ok(code)
}
