//! `fyke tree`: what the project needs, and why.

use std::collections::BTreeSet;

use serde_json::json;

use super::packages::json;
use super::show::Screen;
use crate::host::package::Project;
use crate::model::Fault;
use crate::model::package::{Lock, Name};

/// Prints the packages below those that need them, each with its reasons where it stands first.
pub(crate) fn run(screen: &Screen) -> Result<u8, Fault> {
    let project = Project::present()?;
    let lock = project.lock()?;
    if screen.json {
        let packages: Vec<_> = lock.packages.values().map(json).collect();
        let needs: Vec<&str> = project.manifest.dependencies.keys().map(Name::as_str).collect();
        let document = json!({ "project": project.manifest.title(), "dependencies": needs, "packages": packages, "exit": 0 });
        return screen.document(&document).map(|()| 0);
    }
    let mut text = format!("{}\n", project.manifest.title());
    let names: Vec<&Name> = project.manifest.dependencies.keys().collect();
    branch(&mut text, lock, &names, "", &mut BTreeSet::new());
    screen.print_text(&text).map(|()| 0)
}

fn branch<'a>(text: &mut String, lock: &'a Lock, names: &[&'a Name], before: &str, shown: &mut BTreeSet<&'a Name>) {
    for (at, name) in names.iter().enumerate() {
        let Some(entry) = lock.packages.get(*name) else { continue };
        let is_last = at + 1 == names.len();
        let (fork, below) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let below = format!("{before}{below}");
        if !shown.insert(name) {
            text.push_str(&format!("{before}{fork}{} (above)\n", entry.title()));
            continue;
        }
        text.push_str(&format!("{before}{fork}{}  {}  {}\n", entry.title(), entry.source.place(), entry.content.short()));
        let needs: Vec<&Name> = entry.dependencies.iter().collect();
        let bar = if needs.is_empty() { "  " } else { "│ " };
        // One reason is no choice.
        if entry.why.len() > 1 {
            text.push_str(&format!("{below}{bar}{}: the greatest is taken\n", entry.why.join("; ")));
        }
        branch(text, lock, &needs, &below, shown);
    }
}
