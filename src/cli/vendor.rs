//! `fyke vendor`: all packages, into the project itself.

use serde_json::json;

use super::show::Screen;
use crate::host::package::Project;
use crate::host::package::fetch::fetch;
use crate::kernel::package::folder;
use crate::model::Fault;
use crate::model::package::{Source, VENDOR};

/// Copies every package but those of folders into `vendor`, and takes away those that nobody needs any more.
pub(crate) fn run(screen: &Screen) -> Result<u8, Fault> {
    let project = Project::present()?;
    let lock = project.lock()?;
    fetch(&project, lock, false, &|line| screen.note(line))?;
    let base = project.folder.join(VENDOR);
    let mut written = Vec::new();
    for entry in lock.packages.values().filter(|entry| !matches!(entry.source, Source::Path(_))) {
        // From there or from the cache: it is what the lock says.
        folder::write(&base.join(entry.name.as_str()), &project.content(entry)?)?;
        written.push(entry.name.to_string());
    }
    let spare: Vec<String> = folder::packages(&base).into_iter().filter(|name| !written.contains(name)).collect();
    spare.iter().try_for_each(|name| folder::remove(&base.join(name)))?;
    if screen.json {
        return screen.document(&json!({ "folder": base, "packages": written, "removed": spare, "exit": 0 })).map(|()| 0);
    }
    screen.print(&format!("{} in {VENDOR}/: {}\n", written.len(), written.join(", ")))?;
    spare.iter().for_each(|name| screen.note(&format!("removed {VENDOR}/{name}, which nobody needs")));
    Ok(0)
}
