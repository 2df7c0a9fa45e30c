//! What code may do: what its package declares, and what the project grants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::import::Imports;
use super::{Project, shown};
use crate::kernel::package::folder;
use crate::model::Fault;
use crate::model::grant::{Grants, Rights};
use crate::model::package::{MANIFEST, Name};
use crate::transaction::{Limit, Party, Place};

impl Imports {
    /// Gives who the code of a package is.
    pub(in crate::host) fn party(&mut self, name: &Name) -> Result<Arc<Party>, Fault> {
        if let Some(party) = self.parties.get(Path::new(name.as_str())) {
            return Ok(party.clone());
        }
        let package = self.package(name)?;
        let (place, declared) = (format!("{MANIFEST} of {}", package.manifest.title()), package.manifest.permissions.clone());
        let project = self.project()?;
        Ok(self.met(name.as_str().into(), party(name, declared, place, project.as_deref())))
    }

    /// Gives who the code of a file is that was imported by its path: a folder with a manifest of its own is a package, however it is imported.
    pub(in crate::host) fn party_around(&mut self, file: &Path) -> Result<Option<Arc<Party>>, Fault> {
        let project = self.project()?;
        let Some(folder) = self.nested(file)? else { return Ok(None) };
        if let Some(party) = self.parties.get(&folder) {
            return Ok(Some(party.clone()));
        }
        let own = Project::open(&folder)?;
        let place = shown(&own.manifest_file());
        let party = party(&own.manifest.name, own.manifest.permissions, place, project.as_deref());
        Ok(Some(self.met(folder, party)))
    }

    /// Gives the folder of the package that a file lies in, if that is not the project of the run.
    pub(in crate::host) fn nested(&mut self, file: &Path) -> Result<Option<PathBuf>, Fault> {
        let project = self.project()?;
        let folder = file.parent().and_then(folder::above);
        Ok(folder.filter(|folder| project.is_none_or(|project| project.folder != *folder) && !self.is_around_all(folder)))
    }

    fn met(&mut self, by: PathBuf, party: Party) -> Arc<Party> {
        let party = Arc::new(party);
        self.parties.insert(by, party.clone());
        party
    }

    /// Gives what the project declares, if others may import or run something of it: that is all that they can grant, and no declaration is one, too.
    pub(in crate::host) fn given_to_others(&mut self) -> Result<Option<(Grants, Place)>, Fault> {
        let project = self.project()?.filter(|project| !project.manifest.modules.is_empty() || !project.manifest.recipes.is_empty());
        Ok(project.map(|project| declared(&project)))
    }

    /// Gives what the project declares of its own recipes, if it declares anything.
    pub(in crate::host) fn own(&mut self) -> Result<Option<(Grants, Place)>, Fault> {
        let project = self.project()?;
        Ok(project.filter(|project| project.manifest.permissions != Grants::default()).map(|project| declared(&project)))
    }
}

/// Gives what a project declares, and where.
fn declared(project: &Project) -> (Grants, Place) {
    (project.manifest.permissions.clone(), Place::new("permissions", shown(&project.manifest_file())))
}

fn party(name: &Name, declared: Grants, place: String, project: Option<&Project>) -> Party {
    let mut bounds = vec![Limit::new(Rights::of(declared), Place::new("permissions", place))];
    if let Some(project) = project {
        let granted = project.manifest.grants.get(name).cloned().unwrap_or_default();
        bounds.push(Limit::new(Rights::of(granted), Place::new(format!("grants.{name}"), shown(&project.manifest_file()))));
    }
    Party { name: format!("the package {name}"), bounds }
}
