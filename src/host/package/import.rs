//! What an import means where packages are: the name of a package, or a file of the same package.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Package, Project};
use crate::kernel::package::folder;
use crate::model::near::did_you_mean;
use crate::model::package::{LOCK, MANIFEST, Name};
use crate::model::source::decode;
use crate::model::{Fault, Kind};
use crate::transaction::Party;

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The package.
    pub package: Name,
    /// The path of the file in it.
    pub file: String,
}

/// The packages of a run, as far as it has asked for them.
#[derive(Debug, Default)]
pub(in crate::host) struct Imports {
    /// The folder around which the project is looked for; nothing for the present one.
    place: Option<PathBuf>,
    project: Option<Option<Arc<Project>>>,
    loaded: HashMap<Name, Arc<Package>>,
    /// Who the code of packages is, by the names of these, or by the folders from which it was imported.
    pub(super) parties: HashMap<PathBuf, Arc<Party>>,
    /// The sources that are files of packages, by the names that they have in the run.
    units: HashMap<String, Unit>,
}

impl Imports {
    /// Begins anew: packages are those of the project around a folder.
    pub(in crate::host) fn begin(&mut self, place: Option<&Path>) {
        *self = Self { place: place.map(Path::to_path_buf), ..Self::default() };
    }

    /// Tells whether a folder is the one around which the project is looked for, or is around that.
    pub(super) fn is_around_all(&self, folder: &Path) -> bool {
        self.place.as_deref().is_none_or(|place| place.starts_with(folder))
    }

    /// Notes that a source of the run is a file of a package.
    pub(in crate::host) fn note(&mut self, source: &str, unit: Unit) {
        self.units.insert(source.to_owned(), unit);
    }

    /// Gives the project, if there is one.
    pub(in crate::host) fn project(&mut self) -> Result<Option<Arc<Project>>, Fault> {
        if self.project.is_none() {
            let place = self.place.clone().map_or_else(folder::present, Ok)?;
            self.project = Some(Project::around(&place)?.map(Arc::new));
        }
        Ok(self.project.clone().flatten())
    }

    /// Finds the file of a package that an import means; none if it is about no package.
    pub(in crate::host) fn find(&mut self, importer: &str, path: &str) -> Result<Option<Unit>, Fault> {
        // What is the matter with a package is said of the package; the place of the import stands beside it.
        let tried = |fault: Fault| if fault.tried.is_empty() { Fault { tried: format!("import {path:?}"), ..fault } } else { fault };
        let named = first_part(path);
        if let Some(unit) = self.units.get(importer).cloned() {
            let package = self.package(&unit.package)?;
            return match named.filter(|(name, _)| package.manifest.dependencies.contains_key(name)) {
                Some((name, module)) => self.exported(&name, module).map(Some).map_err(tried),
                None => beside(&package, &unit, path).map(Some).map_err(tried),
            };
        }
        let Some((name, module)) = named else { return Ok(None) };
        match self.project()?.filter(|project| project.manifest.dependencies.contains_key(&name)) {
            Some(_) => self.exported(&name, module).map(Some).map_err(tried),
            None => Ok(None),
        }
    }

    /// Finds the file of a module of the project itself that an import names as users of the project do; none if it is about something else.
    pub(in crate::host) fn own_module(&mut self, path: &str) -> Result<Option<PathBuf>, Fault> {
        let (Some((name, module)), Some(project)) = (first_part(path), self.project()?) else { return Ok(None) };
        let is_own = project.manifest.name == name && project.manifest.modules.iter().any(|given| given == module);
        Ok(is_own.then(|| project.folder.join(format!("{module}.rhai"))))
    }

    /// Says what may have been meant by an import for which there is no file.
    pub(in crate::host) fn hint(&mut self, path: &str) -> Option<String> {
        let (name, module) = first_part(path)?;
        let project = self.project().ok().flatten();
        if project.as_ref().is_some_and(|project| project.manifest.name == name) {
            return Some(format!("only users import it by this name; here it is a file: import \"./{module}\""));
        }
        let needs: Vec<&str> = project.iter().flat_map(|project| project.manifest.dependencies.keys().map(Name::as_str)).collect();
        did_you_mean(name.as_str(), needs).or_else(|| Some(format!("if {name} is a package: `fyke add` adds it to {MANIFEST}")))
    }

    /// Gives the name that a file of a package has in the run.
    pub(in crate::host) fn shown(&mut self, unit: &Unit) -> Result<String, Fault> {
        let version = &self.package(&unit.package)?.entry.version;
        Ok(format!("{}@{version}/{}", unit.package, unit.file))
    }

    /// Gives the text of a file of a package.
    pub(in crate::host) fn text(&mut self, unit: &Unit) -> Result<String, Fault> {
        let (shown, package) = (self.shown(unit)?, self.package(&unit.package)?);
        decode(&shown, package.content.file(&unit.file).unwrap_or_default())
    }

    /// Loads a package, once.
    pub(in crate::host) fn package(&mut self, name: &Name) -> Result<Arc<Package>, Fault> {
        if let Some(package) = self.loaded.get(name) {
            return Ok(package.clone());
        }
        let none = || Fault::new(Kind::NotFound, format!("use the package {name}"), "there is no project here");
        let package = self.project()?.ok_or_else(none)?.load(name)?;
        self.loaded.insert(name.clone(), package.clone());
        Ok(package)
    }

    fn exported(&mut self, name: &Name, module: &str) -> Result<Unit, Fault> {
        let package = self.package(name)?;
        let (title, file) = (package.manifest.title(), format!("{module}.rhai"));
        let Some(_) = package.manifest.modules.iter().find(|exported| *exported == module) else {
            let fault = Fault::new(Kind::NotFound, "", format!("{title} gives no module {module:?}"));
            let modules = || package.manifest.modules.iter().map(String::as_str);
            let all = || {
                if modules().next().is_none() {
                    "it gives none".to_owned()
                } else {
                    format!("it gives {}", modules().collect::<Vec<_>>().join(", "))
                }
            };
            return Err(fault.hint(did_you_mean(module, modules()).unwrap_or_else(all)));
        };
        match package.content.file(&file) {
            Some(_) => Ok(Unit { package: name.clone(), file }),
            None => Err(Fault::new(Kind::NotFound, "", format!("{title} says that it gives {module:?}, and has no {file}"))),
        }
    }
}

/// Takes the name of a package off an import; none where there is none at its beginning.
pub(in crate::host) fn first_part(path: &str) -> Option<(Name, &str)> {
    let (first, rest) = path.split_once('/')?;
    Some((first.parse().ok()?, rest))
}

/// Finds a file beside another one of the same package.
fn beside(package: &Package, unit: &Unit, path: &str) -> Result<Unit, Fault> {
    let file = if path.ends_with(".rhai") { path.to_owned() } else { format!("{path}.rhai") };
    let outside = || Fault::input("", format!("it is outside of the package {}", package.manifest.title()));
    let mut parts: Vec<&str> = unit.file.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop().ok_or_else(outside)?),
            "." => {}
            // An absolute path begins with an empty part.
            "" => return Err(outside()),
            part => parts.push(part),
        }
    }
    let file = parts.join("/");
    match package.content.file(&file) {
        Some(_) => Ok(Unit { package: unit.package.clone(), file }),
        None => {
            let hint = format!("what {} needs of others is in its own {MANIFEST}, and so in {LOCK}", package.manifest.name);
            Err(Fault::new(Kind::NotFound, "", format!("{} has no file {file}", package.manifest.title())).hint(hint))
        }
    }
}
