//! `fyke add`: a package, into the project.

use std::path::Path;

use serde_json::json;

use super::args::Add;
use super::packages::{ask, difference, json, table};
use super::show::Screen;
use super::word;
use crate::host::package::Project;
use crate::host::package::fetch::{Fetcher, Fresh};
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::model::Fault;
use crate::model::package::edit::Edit;
use crate::model::package::{At, Least, MANIFEST, Manifest, Source, Url};

/// Adds a package, and all that it needs.
pub(crate) fn run(screen: &Screen, words: &Add) -> Result<u8, Fault> {
    let project = Project::present()?;
    let news = |line: &str| screen.note(line);
    let mut fetcher = Fetcher::new(&project, Fresh::New, &news)?;
    let source = source(&project, &mut fetcher, words)?;
    let name = fetcher.get(&source)?.manifest.name;
    let mut edit = Edit::of(MANIFEST, &project.text)?;
    edit.depend(&name, &source);
    let manifest = Manifest::parse(MANIFEST, &edit.to_string())?;
    fetcher.refresh(&name);
    let lock = fetcher.resolve(&manifest)?;
    let before = project.lock_if_there()?;
    // Whatever is not granted yet is asked for, also of what was added before.
    let asked = ask(screen, None, &lock, &project, words.grant)?;
    asked.write(&mut edit);
    project.write(&edit.to_string(), &lock)?;
    if screen.json {
        let packages: Vec<_> = lock.packages.values().map(json).collect();
        let document = json!({ "added": name.as_str(), "granted": asked.granted, "packages": packages, "exit": 0 });
        return screen.document(&document).map(|()| 0);
    }
    screen.print(&table(screen, lock.packages.values()))?;
    difference(before, &lock).iter().for_each(|line| screen.note(line));
    asked.remind(screen);
    Ok(0)
}

/// Tells what kind of source a word names, and what of it is wanted.
fn source(project: &Project, fetcher: &mut Fetcher<'_>, words: &Add) -> Result<Source, Fault> {
    let text = word(&words.source)?;
    let at = [
        words.at_least.as_deref().map(|text| text.parse().map(At::Version)),
        words.tag.as_deref().map(|text| text.parse().map(At::Tag)),
        words.branch.as_deref().map(|text| text.parse().map(At::Branch)),
        words.rev.as_deref().map(|text| text.parse().map(At::Revision)),
    ];
    let at = at.into_iter().flatten().next().transpose()?;
    let path = Path::new(text);
    let is_file = files::exists(path) && !folder::is_folder(path);
    let is_archive = is_file || [".tar", ".tar.gz", ".tgz"].iter().any(|end| text.ends_with(end));
    let is_package = folder::is_folder(path) && files::exists(&path.join(MANIFEST));
    let only_git = || match &at {
        Some(at) => Err(Fault::input(format!("add {at} of {text}"), "only a git repository has versions to choose from")),
        None => Ok(()),
    };
    if is_package && at.is_none() {
        return Ok(Source::Path(seen_from(project, path)?));
    }
    let url: Url = text.parse()?;
    // A path is written as it is seen from the project, wherever somebody stood who typed it.
    let url = if url.is_path() { seen_from(project, path)?.parse()? } else { url };
    if is_archive {
        only_git()?;
        return Ok(Source::Archive { url, content: None });
    }
    let at = match at {
        Some(at) => at,
        None => {
            let latest = fetcher.releases(&url)?.pop();
            let none =
                || Fault::input(format!("add {url}"), "it has no tag that is a version").hint("choose something else of it: --branch main");
            At::Version(Least(latest.ok_or_else(none)?))
        }
    };
    Ok(Source::Git { url, at })
}

/// Gives a path as it is seen from the folder of the project.
fn seen_from(project: &Project, path: &Path) -> Result<String, Fault> {
    let real = files::canonical(path)?;
    if path.is_absolute() {
        return Ok(real.display().to_string());
    }
    let common = real.components().zip(project.folder.components()).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), project.folder.components().count() - common);
    let down = real.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.first().is_some_and(|part| part == "..") { Ok(parts.join("/")) } else { Ok(format!("./{}", parts.join("/"))) }
}
