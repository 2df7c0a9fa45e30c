//! What the verbs about packages have in common: how packages are shown, and how somebody is asked for what they may touch.

use std::io::IsTerminal;

use serde_json::{Value, json};

use super::show::{Screen, Table};
use crate::host::package::Project;
use crate::model::grant::Permission;
use crate::model::package::edit::Edit;
use crate::model::package::{Entry, Lock, Name};
use crate::model::{Fault, Kind};

/// Makes a table of packages.
pub(crate) fn table<'a>(screen: &Screen, entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut table = Table::new(["package", "version", "from", "content", "may touch"]);
    for entry in entries {
        let touches: Vec<String> = entry.permissions.allow.iter().map(ToString::to_string).collect();
        let touches = if touches.is_empty() { "nothing".to_owned() } else { touches.join(", ") };
        table.row([entry.name.to_string(), entry.version.to_string(), entry.source.to_string(), entry.content.short(), touches]);
    }
    table.text(screen.paint, screen.bound())
}

/// Gives what there is to know about a package, for a program.
pub(crate) fn json(entry: &Entry) -> Value {
    json!({
        "name": entry.name.as_str(), "version": entry.version.to_string(), "source": entry.source.to_string(),
        "revision": entry.revision.as_ref().map(ToString::to_string), "content": entry.content.to_string(), "signed": entry.signed,
        "permissions": entry.permissions, "dependencies": entry.dependencies.iter().map(Name::as_str).collect::<Vec<_>>(), "why": entry.why,
    })
}

/// What one lock asks for beyond another, and whether it is granted.
pub(crate) struct Asked {
    /// The packages with what is new of theirs.
    pub(crate) news: Vec<(Name, Vec<Permission>)>,
    /// Whether whoever sits here has granted it.
    pub(crate) granted: bool,
}

/// Shows what packages ask for that is new, and asks for it where somebody can answer.
pub(crate) fn ask(screen: &Screen, before: Option<&Lock>, after: &Lock, project: &Project, grant: bool) -> Result<Asked, Fault> {
    let nothing = Lock::default();
    let mut news = before.unwrap_or(&nothing).wants_more(after);
    // What the project has granted before it need not be asked for again.
    for (name, permissions) in &mut news {
        let had = project.manifest.grants.get(name);
        permissions.retain(|permission| !had.is_some_and(|had| had.allow.iter().any(|granted| granted.covers(permission))));
    }
    news.retain(|(_, permissions)| !permissions.is_empty());
    for (name, permissions) in &news {
        let was = before.is_some_and(|lock| lock.packages.contains_key(name));
        screen.note(&format!("{name} asks for{}:", if was { " more than before" } else { "" }));
        permissions.iter().for_each(|permission| screen.note(&format!("  {permission}  ({})", permission.power.told())));
    }
    let granted = !news.is_empty() && (grant || (std::io::stdin().is_terminal() && screen.ask("Grant that?")?));
    Ok(Asked { news, granted })
}

impl Asked {
    /// Writes what was granted into a manifest.
    pub(crate) fn write(&self, edit: &mut Edit) {
        if self.granted {
            self.news.iter().for_each(|(name, permissions)| edit.grant(name, permissions));
        }
    }

    /// Says how to grant later what was not granted.
    pub(crate) fn remind(&self, screen: &Screen) {
        if self.granted || self.news.is_empty() {
            return;
        }
        screen.note("not granted: what needs it will be refused. To grant it, write into fyke.toml:");
        self.lines().iter().for_each(|line| screen.note(&format!("  {line}")));
    }

    /// Refuses where something that is new was not granted.
    pub(crate) fn or_stop(&self, tried: &str) -> Result<(), Fault> {
        if self.granted || self.news.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = self
            .news
            .iter()
            .map(|(name, all)| format!("{name}: {}", all.iter().map(|p| format!("{:?}", p.to_string())).collect::<Vec<_>>().join(", ")))
            .collect();
        Err(Fault::new(Kind::Permission, tried, format!("what is new asks for more than was granted: {}", told.join("; ")))
            .hint("see that it is right, then say --grant"))
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.news.iter().flat_map(|(name, permissions)| {
            let all: Vec<String> = permissions.iter().map(|permission| format!("{:?}", permission.to_string())).collect();
            [format!("[grants.{name}]"), format!("allow = [{}]", all.join(", "))]
        });
        lines.collect()
    }
}

/// Says what is not the same in two locks: `teamlib 1.0.0 -> 1.1.0`.
pub(crate) fn difference(before: Option<&Lock>, after: &Lock) -> Vec<String> {
    let had = |name: &Name| before.and_then(|lock| lock.packages.get(name));
    let mut lines = Vec::new();
    for entry in after.packages.values() {
        match had(&entry.name) {
            None => lines.push(format!("{} is new", entry.title())),
            Some(had) if had.version != entry.version => lines.push(format!("{} {} -> {}", entry.name, had.version, entry.version)),
            Some(had) if had.content != entry.content => {
                lines.push(format!("{} {} -> {}", entry.title(), had.content.short(), entry.content.short()));
            }
            Some(_) => {}
        }
    }
    let gone = before.into_iter().flat_map(|lock| lock.packages.values()).filter(|had| !after.packages.contains_key(&had.name));
    lines.extend(gone.map(|had| format!("{} is needed no longer", had.title())));
    lines
}
