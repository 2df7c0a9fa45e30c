//! `fyke update`: later versions of packages.

use std::collections::BTreeSet;

use serde_json::json;

use super::args::Packages;
use super::packages::{ask, difference, json, table};
use super::show::Screen;
use crate::host::package::Project;
use crate::host::package::fetch::{Fetcher, Fresh};
use crate::model::package::edit::Edit;
use crate::model::package::{At, Dependency, Least, MANIFEST, Manifest, Name, Source, Version};
use crate::model::{Fault, Kind};

/// Takes later versions of packages, if nothing about them asks for a second look.
pub(crate) fn run(screen: &Screen, words: &Packages) -> Result<u8, Fault> {
    let project = Project::present()?;
    let names = words.names.iter().map(|name| name.parse()).collect::<Result<BTreeSet<Name>, _>>()?;
    if let Some(odd) = names.iter().find(|name| !project.manifest.dependencies.contains_key(name)) {
        return Err(project.unknown(odd));
    }
    let fresh = if names.is_empty() { Fresh::All } else { Fresh::Some(names.clone()) };
    let news = |line: &str| screen.note(line);
    let mut fetcher = Fetcher::new(&project, fresh, &news)?;
    let mut edit = Edit::of(MANIFEST, &project.text)?;
    for need in project.manifest.dependencies.values().filter(|need| names.is_empty() || names.contains(&need.name)) {
        if let Some(version) = later(screen, &project, &mut fetcher, need)? {
            let Source::Git { url, .. } = &need.source else { continue };
            edit.depend(&need.name, &Source::Git { url: url.clone(), at: At::Version(Least(version)) });
        }
    }
    let manifest = Manifest::parse(MANIFEST, &edit.to_string())?;
    let lock = fetcher.resolve(&manifest)?;
    let before = project.lock_if_there()?;
    if let Some(why) = before.and_then(|before| before.goes_back(&lock)) {
        return Err(Fault::new(Kind::Drift, "update the packages", why).hint("if that is meant, `fyke add --at-least` says so"));
    }
    let asked = ask(screen, before, &lock, &project, words.grant)?;
    asked.or_stop("update the packages")?;
    asked.write(&mut edit);
    project.write(&edit.to_string(), &lock)?;
    let changes = difference(before, &lock);
    if screen.json {
        let packages: Vec<_> = lock.packages.values().map(json).collect();
        return screen.document(&json!({ "changes": changes, "granted": asked.granted, "packages": packages, "exit": 0 })).map(|()| 0);
    }
    if changes.is_empty() {
        screen.note("everything is as late as it can be");
        return Ok(0);
    }
    screen.print(&table(screen, lock.packages.values()))?;
    changes.iter().for_each(|line| screen.note(line));
    Ok(0)
}

/// Finds a later release of the same line, if there is one. A repository whose releases are all older than what was taken is not believed.
fn later(screen: &Screen, project: &Project, fetcher: &mut Fetcher<'_>, need: &Dependency) -> Result<Option<Version>, Fault> {
    let (Source::Git { url, .. }, Some(least)) = (&need.source, need.source.least()) else { return Ok(None) };
    let releases = fetcher.releases(url)?;
    let taken = project.lock_if_there()?.and_then(|lock| lock.packages.get(&need.name)).map_or(&least.0, |entry| &entry.version);
    if !releases.contains(taken) && !taken.is_preview() {
        let latest = releases.last().map_or_else(|| "no release".to_owned(), |version| format!("{version} as its latest release"));
        let why = format!("{taken} was taken from {url}, which now has {latest} and no {taken}");
        return Err(Fault::new(Kind::Drift, format!("update {}", need.name), why)
            .hint("a published version that goes away is a warning: ask whoever publishes it"));
    }
    if let Some(next) = releases.iter().rev().find(|version| version.line() > taken.line()) {
        screen.note(&format!("{} {next} is there, too; its users have to be changed for it: fyke add --at-least {next} {url}", need.name));
    }
    Ok(releases.into_iter().rev().find(|version| Least(taken.clone()).admits(version)).filter(|version| *version > least.0))
}
