//! `fyke check`: the faults of a recipe, or of a whole package, without running anything.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Recipes;
use super::show::{Screen, line_of_file};
use super::word;
use crate::host::package::{self, Project};
use crate::host::{Finding, Library, Recipe, Severity};
use crate::kernel::files;
use crate::model::Fault;
use crate::model::package::MANIFEST;

/// The most findings of one file that are shown: nobody reads more, and each is looked up in its line.
const MOST: usize = 100;

/// Checks each recipe, or each file of a package, and shows what is wrong with it.
pub(crate) fn run(screen: &Screen, options: &Recipes) -> Result<u8, Fault> {
    let (mut documents, mut code) = (Vec::new(), 0);
    let mut tell = |file: &str, findings: &[Finding], library: &Library| {
        if is_bad(findings) {
            code = 2;
        }
        match screen.json {
            true => documents.push(document(file, findings)),
            false => show(screen, file, findings, library)?,
        }
        Ok(())
    };
    if options.recipes.is_empty() {
        of_package(screen, &Project::present()?, &mut tell)?;
    }
    for own in &options.recipes {
        let name = word(own)?;
        if files::exists(&Path::new(name).join(MANIFEST)) {
            of_package(screen, &Project::open(Path::new(name))?, &mut tell)?;
        } else {
            let one = package::check::of_one(Recipe::find(name)?);
            tell(&one.file, &one.findings, &one.library)?;
        }
    }
    if screen.json {
        screen.document(&json!({ "recipes": documents, "exit": code }))?;
    }
    Ok(code)
}

/// Takes what was found in a file.
type Tell<'a> = dyn FnMut(&str, &[Finding], &Library) -> Result<(), Fault> + 'a;

fn of_package(screen: &Screen, project: &Project, tell: &mut Tell<'_>) -> Result<(), Fault> {
    let checked = package::check::check(project)?;
    checked.iter().try_for_each(|one| tell(&one.file, &one.findings, &one.library))?;
    let bad = checked.iter().filter(|one| is_bad(&one.findings)).count();
    let count =
        if bad > 0 { format!("{bad} of {} files are not good", checked.len()) } else { format!("{} files, all good", checked.len()) };
    if !screen.json {
        screen.print_line(&format!("{}: {count}", project.manifest.title()))?;
    }
    Ok(())
}

fn is_bad(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

fn document(file: &str, findings: &[Finding]) -> Value {
    let found = findings.iter().map(|finding| json!({ "error": finding.severity == Severity::Error, "fault": finding.fault }));
    json!({ "recipe": file, "findings": found.collect::<Vec<_>>() })
}

fn show(screen: &Screen, file: &str, findings: &[Finding], library: &Library) -> Result<(), Fault> {
    let sources = library.sources();
    for finding in findings.iter().take(MOST) {
        screen.finding(&finding.fault, finding.severity == Severity::Error, &|at| {
            sources.line(at).map(str::to_owned).or_else(|| line_of_file(at))
        });
    }
    if findings.len() > MOST {
        screen.note(&format!("{} more are not shown", findings.len() - MOST));
    }
    screen.print_line(&format!("{file}: {}", if is_bad(findings) { "not good" } else { "good" }))
}
