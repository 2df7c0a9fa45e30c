//! Which tests there are.

use std::path::{Path, PathBuf};

use super::nothing;
use super::outcome::Complaint;
use crate::cli::args::Test;
use crate::cli::word;
use crate::host::cases::{self, TESTS};
use crate::host::package::{Project, shown};
use crate::host::{Case, Recipe};
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::model::package::{DIST, MANIFEST, VENDOR};
use crate::model::{Fault, Kind};

/// How the names of all scripts end.
const SCRIPTS: &str = ".rhai";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What can be run.
    pub(super) cases: Vec<Case>,
    /// Files that cannot be read as scripts.
    pub(super) broken: Vec<(String, Complaint)>,
    /// What looks like a test and is none.
    pub(super) odd: Vec<Complaint>,
}

impl Found {
    /// Keeps those only that have a text in their title.
    pub(super) fn keep(&mut self, text: &str) -> Result<(), Fault> {
        let all = self.cases.len();
        self.cases.retain(|case| case.title().contains(text));
        match self.cases.is_empty() && self.broken.is_empty() {
            true => Err(nothing(
                &format!("find a test with {text:?} in its name"),
                &format!("none of {all} has it"),
                "`fyke test --list` shows all",
            )),
            false => Ok(()),
        }
    }
}

/// Finds what the words ask for.
pub(super) fn find(words: &Test) -> Result<Found, Fault> {
    let mut all = Found::default();
    let files = files_of(words)?;
    for file in &files {
        if let Err(fault) = add(file, words.doc, &mut all) {
            all.broken.push((file.clone(), Complaint::in_file(fault, file)));
        }
    }
    if all.cases.is_empty() && all.broken.is_empty() {
        return Err(match (files.is_empty(), words.doc) {
            (_, true) => {
                nothing("find an example", "no doc comment has a block of rhai", "a block begins with /// ```rhai and ends with /// ```")
            }
            (true, false) => nothing("find a test", "there is no file whose name ends in _test.rhai", "`fyke help test` says what is one"),
            (false, false) => nothing(
                "find a test",
                &format!("no function is called test_... in {}", files.join(", ")),
                "a test is `fn test_that_it_works() { .. }`",
            ),
        });
    }
    Ok(all)
}

fn add(file: &str, is_doc: bool, all: &mut Found) -> Result<(), Fault> {
    let recipe = Recipe::read(file)?;
    if is_doc {
        all.cases.extend(cases::examples(&recipe));
        return Ok(());
    }
    let tests = cases::tests(&recipe)?;
    all.cases.extend(tests.cases);
    all.odd.extend(tests.odd.into_iter().map(|fault| Complaint::in_file(fault, file)));
    Ok(())
}

/// Gives the files, as they are shown. One that is named counts whatever it is called.
fn files_of(words: &Test) -> Result<Vec<String>, Fault> {
    let mut found: Vec<PathBuf> = Vec::new();
    for own in &words.paths {
        let path = Path::new(word(own)?);
        match folder::is_folder(path) {
            true => found.extend(in_folder(path, words.doc)?),
            false if files::exists(path) => found.push(path.to_owned()),
            false => {
                return Err(Fault::new(Kind::NotFound, format!("find tests in {}", path.display()), "there is no such file or folder"));
            }
        }
    }
    if words.paths.is_empty() {
        let present = folder::present()?;
        let top = Project::around(&present)?.map_or(present, |project| project.folder);
        found = in_folder(&top, words.doc)?;
    }
    let mut names = Vec::new();
    for path in found {
        let shown = shown(&path);
        let name = path.to_str().map(|_| shown.strip_prefix("./").unwrap_or(&shown).to_owned());
        let name = name.ok_or_else(|| Fault::input(format!("read {}", path.display()), "its name is not UTF-8"))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Finds files below a folder. What was fetched or made is not a part of the project, and what is hidden is nobody's business.
fn in_folder(folder: &Path, is_doc: bool) -> Result<Vec<PathBuf>, Fault> {
    let is_left_out = |name: &str| name.starts_with('.') || [VENDOR, DIST, "target"].contains(&name);
    let mut found = files::below(folder, &is_left_out)?;
    // A package within the project is another one, with rights of its own: whoever wants its tests names its folder.
    let is_of_another =
        |path: &Path| path.ancestors().skip(1).take_while(|above| *above != folder).any(|above| files::exists(&above.join(MANIFEST)));
    found.retain(|path| !is_of_another(path));
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_doc { name.ends_with(SCRIPTS) && !name.ends_with(TESTS) } else { name.ends_with(TESTS) }
    });
    Ok(found)
}
