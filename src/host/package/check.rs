//! Checks a whole package: what it says of itself, what it needs, and all files in it. Nothing is run.

use std::collections::HashSet;
use std::path::Path;

use rhai::FnAccess;

use super::{Project, shown};
use crate::host::cases::{self, TESTS};
use crate::host::check::{Role, check_as};
use crate::host::reflect::markdown;
use crate::host::{Finding, Library, Recipe, Severity, declare, fault};
use crate::kernel::files;
use crate::model::package::{DIST, VENDOR};
use crate::model::{Fault, Kind, Origin};

/// One file of a package, checked.
#[derive(Debug)]
pub struct Checked {
    /// Its name, as it is shown.
    pub file: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// The sources, to show the lines of the findings.
    pub library: Library,
}

/// Checks the package of a folder. The manifest comes first, then the files in their order; what is wrong with a file that several import is told once.
pub fn check(project: &Project) -> Result<Vec<Checked>, Fault> {
    let manifest = shown(&project.manifest_file());
    let mut all = vec![Checked { file: manifest.clone(), findings: of_manifest(project, &manifest), library: Library::default() }];
    let mut told = HashSet::new();
    let found = files::below(&project.folder, &is_left_out);
    for path in found.files.iter().filter(|path| is_script(path)) {
        let file = shown(path);
        let read = if path.to_str().is_some() { Recipe::read(&file) } else { Err(unread(&file, "its name is not UTF-8")) };
        let mut checked = match read {
            Ok(recipe) => of_file(project, recipe),
            Err(fault) => Checked::unread(file, fault),
        };
        checked.findings.retain(|finding| told.insert(format!("{:?} {}", finding.fault.origin, finding.fault)));
        all.push(checked);
    }
    for path in found.folders.iter().filter(|path| **path != project.folder && is_script(path)) {
        all.push(Checked::unread(shown(path), unread(&shown(path), "it is a directory")));
    }
    all.extend(found.shut.into_iter().map(|(path, fault)| Checked::unread(shown(&path), fault)));
    Ok(all)
}

impl Checked {
    fn unread(file: String, fault: Fault) -> Self {
        Self { file, findings: vec![error(fault)], library: Library::default() }
    }
}

/// Tells whether a folder is left out of a package: what is hidden, fetched or made.
fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || [VENDOR, DIST, "target"].contains(&name)
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rhai")
}

fn unread(file: &str, why: &str) -> Fault {
    Fault::input(format!("read {file}"), why)
}

fn error(fault: Fault) -> Finding {
    Finding { severity: Severity::Error, fault }
}

fn warning(fault: Fault) -> Finding {
    Finding { severity: Severity::Warning, fault }
}

/// Checks that what the manifest names is there: its own files, and the packages that it needs, as the lock says they are.
fn of_manifest(project: &Project, file: &str) -> Vec<Finding> {
    let manifest = &project.manifest;
    let head = |fault: Fault| fault.at(Origin::at(file, 1, 1));
    let mut found = Vec::new();
    for name in manifest.modules.iter().chain(&manifest.recipes) {
        if !files::exists(&project.folder.join(format!("{name}.rhai"))) {
            let why = format!("it gives {name:?} to others, and there is no {name}.rhai");
            found.push(error(head(Fault::new(Kind::NotFound, format!("check {}", manifest.title()), why))));
        }
    }
    for (text, what) in [(&manifest.description, "description"), (&manifest.license, "license")] {
        let gives = !(manifest.modules.is_empty() && manifest.recipes.is_empty());
        if gives && text.is_empty() {
            let why = format!("its manifest has no `{what}`");
            found.push(warning(head(Fault::input(format!("publish {}", manifest.title()), why))));
        }
    }
    if !manifest.dependencies.is_empty() || files::exists(&project.lock_file()) {
        match project.lock() {
            Ok(lock) => found.extend(lock.packages.keys().filter_map(|name| project.load(name).err()).map(error)),
            Err(fault) => found.push(error(fault)),
        }
    }
    found
}

/// Checks one file, as the package would in which it lies, if it lies in one.
pub fn of_one(recipe: Recipe) -> Checked {
    let folder = recipe.path.as_deref().and_then(|path| files::canonical(path).ok()).and_then(|path| Some(path.parent()?.to_owned()));
    match folder.and_then(|folder| Project::around(&folder).ok().flatten()) {
        Some(project) => of_file(&project, recipe),
        None => {
            let role = if recipe.file.ends_with(TESTS) { Role::Test } else { Role::Recipe };
            in_role(recipe, role)
        }
    }
}

fn of_file(project: &Project, recipe: Recipe) -> Checked {
    let own = recipe.path.as_deref().and_then(|path| files::canonical(path).ok());
    let own =
        own.as_deref().and_then(|path| path.strip_prefix(&project.folder).ok()).map(|path| path.with_extension("")).unwrap_or_default();
    let is_given = |names: &[String]| names.iter().any(|name| own.as_os_str() == name.as_str());
    let says_so = || recipe.header().is_ok_and(|header| header.risk.is_some() || !header.needs.is_empty());
    let role = match () {
        () if recipe.file.ends_with(TESTS) => Role::Test,
        () if is_given(&project.manifest.recipes) || !is_given(&project.manifest.modules) && says_so() => Role::Recipe,
        () => Role::Module,
    };
    let undocumented = if is_given(&project.manifest.modules) { undocumented(&recipe) } else { Vec::new() };
    let mut checked = in_role(recipe, role);
    checked.findings.extend(undocumented.into_iter().map(warning));
    checked
}

fn in_role(recipe: Recipe, role: Role) -> Checked {
    let (mut findings, library) = check_as(&recipe, role);
    let odd = match role {
        Role::Module => cases::examples(&recipe).odd,
        Role::Test => cases::tests(&recipe).map(|tests| tests.odd).unwrap_or_default(),
        Role::Recipe => Vec::new(),
    };
    findings.extend(odd.into_iter().map(warning));
    Checked { file: recipe.file, findings, library }
}

/// Finds the functions of a module that nothing explains to those who import it.
fn undocumented(recipe: &Recipe) -> Vec<Fault> {
    let Ok(ast) = declare::parser().compile(&recipe.text) else { return Vec::new() };
    let lacks = |(_, access, name, _, function): (_, FnAccess, &str, _, &rhai::Shared<rhai::ScriptFuncDef>)| {
        let is_open = access == FnAccess::Public && !name.starts_with("anon$");
        let is_lacking = is_open && markdown(function.comments.iter().map(AsRef::as_ref)).is_empty();
        let fault = Fault::input(format!("explain {name} to others"), "it has no description");
        is_lacking.then(|| fault.hint("begin the line above it with ///").at(fault::in_file(&recipe.file, function.body.start_position())))
    };
    let mut found: Vec<Fault> = ast.shared_lib().iter_script_fn_info().filter_map(lacks).collect();
    found.sort_by_key(|fault| fault.origin.as_ref().map(|origin| origin.at.line));
    found
}
