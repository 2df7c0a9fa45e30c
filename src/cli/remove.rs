//! `fyke remove`: a package, out of the project.

use serde_json::json;

use super::args::Names;
use super::packages::difference;
use super::show::Screen;
use crate::host::package::Project;
use crate::host::package::fetch::{Fetcher, Fresh};
use crate::kernel::package::folder;
use crate::model::Fault;
use crate::model::package::edit::Edit;
use crate::model::package::{MANIFEST, Manifest, Name};

/// Removes packages, with what was granted to them, and with all that nobody else needs.
pub(crate) fn run(screen: &Screen, words: &Names) -> Result<u8, Fault> {
    let project = Project::present()?;
    let mut edit = Edit::of(MANIFEST, &project.text)?;
    for name in &words.names {
        let name: Name = name.parse()?;
        if !project.manifest.dependencies.contains_key(&name) {
            return Err(project.unknown(&name));
        }
        edit.forget(&name);
    }
    let manifest = Manifest::parse(MANIFEST, &edit.to_string())?;
    let news = |line: &str| screen.note(line);
    let lock = Fetcher::new(&project, Fresh::New, &news)?.resolve(&manifest)?;
    let before = project.lock_if_there()?;
    // What nobody needs any more has no rights any more, either.
    for name in project.manifest.grants.keys().filter(|name| !lock.packages.contains_key(*name)) {
        edit.forget(name);
    }
    project.write(&edit.to_string(), &lock)?;
    let gone: Vec<&Name> = before.iter().flat_map(|lock| lock.packages.keys()).filter(|name| !lock.packages.contains_key(*name)).collect();
    for name in &gone {
        if let Some(vendored) = project.vendored(name) {
            folder::remove(&vendored)?;
        }
    }
    if screen.json {
        let gone: Vec<&str> = gone.iter().map(|name| name.as_str()).collect();
        return screen.document(&json!({ "removed": gone, "exit": 0 })).map(|()| 0);
    }
    difference(before, &lock).iter().for_each(|line| screen.note(line));
    Ok(0)
}
