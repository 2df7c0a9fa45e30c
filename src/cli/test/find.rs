//! Which tests there are.

use std::path::Path;

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
    let Files { good, bad } = files_of(words)?;
    for (name, fault) in bad {
        all.broken.push((name, Complaint::new(fault)));
    }
    for file in &good {
        if let Err(fault) = add(file, words.doc, &mut all) {
            all.broken.push((file.clone(), Complaint::in_file(fault)));
        }
    }
    all.broken.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.broken.dedup_by(|(one, _), (other, _)| one == other);
    if all.cases.is_empty() && all.broken.is_empty() {
        return Err(match (good.is_empty(), words.doc) {
            (_, true) => {
                nothing("find an example", "no doc comment has a block of rhai", "a block begins with /// ```rhai and ends with /// ```")
            }
            (true, false) => nothing("find a test", "there is no file whose name ends in _test.rhai", "`fyke help test` says what is one"),
            (false, false) => nothing(
                "find a test",
                &format!("no function is called test_... in {}", good.join(", ")),
                "a test is `fn test_that_it_works() { .. }`",
            ),
        });
    }
    Ok(all)
}

fn add(file: &str, is_doc: bool, all: &mut Found) -> Result<(), Fault> {
    let recipe = Recipe::read(file)?;
    let tests = if is_doc { cases::examples(&recipe) } else { cases::tests(&recipe)? };
    all.cases.extend(tests.cases);
    all.odd.extend(tests.odd.into_iter().map(Complaint::in_file));
    Ok(())
}

/// The files in which tests are looked for.
#[derive(Default)]
struct Files {
    /// What they are called.
    good: Vec<String>,
    /// What is called like one, or may have some in it, and cannot be read.
    bad: Vec<(String, Fault)>,
}

impl Files {
    /// Adds one, once.
    fn add(&mut self, path: &Path) {
        let name = name_of(path);
        match path.to_str() {
            Some(_) if self.good.contains(&name) => {}
            Some(_) => self.good.push(name),
            None => self.bad.push((name, Fault::input(format!("read {}", path.display()), "its name is not UTF-8"))),
        }
    }

    /// Adds those below a folder. What was fetched or made is not a part of the project, and what is hidden is nobody's business.
    fn add_below(&mut self, folder: &Path, is_doc: bool) {
        let is_left_out = |name: &str| name.starts_with('.') || [VENDOR, DIST, "target"].contains(&name);
        let found = files::below(folder, &is_left_out);
        // A package within the project is another one, with rights of its own: whoever wants its tests names its folder.
        let is_of_another =
            |path: &Path| path.ancestors().skip(1).take_while(|above| *above != folder).any(|above| files::exists(&above.join(MANIFEST)));
        let is_one = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_wanted = if is_doc { name.ends_with(SCRIPTS) && !name.ends_with(TESTS) } else { name.ends_with(TESTS) };
            is_wanted && !is_of_another(path)
        };
        found.files.iter().filter(|path| is_one(path)).for_each(|path| self.add(path));
        for path in found.folders.iter().filter(|path| *path != folder && is_one(path)) {
            self.bad.push((name_of(path), Fault::input(format!("read {}", path.display()), "it is a directory")));
        }
        self.bad.extend(found.shut.into_iter().map(|(path, fault)| (name_of(&path), fault)));
    }
}

/// Gives the name by which a file is shown.
fn name_of(path: &Path) -> String {
    let shown = shown(path);
    shown.strip_prefix("./").unwrap_or(&shown).to_owned()
}

/// Gives the files, as they are shown. One that is named counts whatever it is called.
fn files_of(words: &Test) -> Result<Files, Fault> {
    let mut found = Files::default();
    for own in &words.paths {
        let path = Path::new(word(own)?);
        match folder::is_folder(path) {
            true => found.add_below(path, words.doc),
            false if files::exists(path) => found.add(path),
            false => {
                return Err(Fault::new(Kind::NotFound, format!("find tests in {}", path.display()), "there is no such file or folder"));
            }
        }
    }
    if words.paths.is_empty() {
        let present = folder::present()?;
        let top = Project::around(&present)?.map_or(present, |project| project.folder);
        found.add_below(&top, words.doc);
    }
    Ok(found)
}
