//! Makes the archive of a package, when there is nothing about it that its users would stumble over.

use std::path::PathBuf;

use super::Project;
use crate::host::check::{Role, check_as};
use crate::host::{Recipe, Severity};
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::kernel::package::git::Git;
use crate::model::package::{Content, DIST, Hash, LOCK, Manifest, Place, Revision, archive, gzip};
use crate::model::source::decode;
use crate::model::{Fault, Kind};

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The archive.
    pub archive: PathBuf,
    /// The list of its files with their hashes, which is what is signed.
    pub sums: PathBuf,
    /// The hash of the content.
    pub content: Hash,
    /// The SHA-256 of the archive.
    pub checksum: Hash,
    /// Whether it comes with a signature.
    pub is_signed: bool,
    /// The tag that stands for it.
    pub tag: String,
    /// The commit that it is, if the folder is one of git, and whether the tag is there.
    pub commit: Option<(Revision, bool)>,
}

/// Checks a package, and writes its archive into `dist`; makes the tag if it is to be there.
pub fn publish(project: &Project, wants_tag: bool) -> Result<Published, Fault> {
    let manifest = &project.manifest;
    let refused = |why: String| Fault::input(format!("publish {}", manifest.title()), why);
    is_complete(manifest).map_err(refused)?;
    let content = Content::take(&manifest.title(), folder::read(&project.folder)?)?;
    exports(project, &content)?;
    let tag = format!("v{}", manifest.version);
    let commit = commit(project, &content, &tag, wants_tag)?;
    let tried = format!("publish {}", manifest.title());
    let tar = archive::write(&content);
    let bytes = gzip::pack(&tried, &tar)?;
    // What others will unpack is what is here, and only that.
    if archive::read(&manifest.title(), &bytes)? != content || gzip::pack(&tried, &tar)? != bytes {
        return Err(Fault::new(Kind::System, tried, "the archive does not give back what went into it"));
    }
    let name = format!("{}-{}", manifest.name, manifest.version);
    let dist = project.folder.join(DIST);
    folder::make(&dist)?;
    let (archive, sums) = (dist.join(format!("{name}.tar.gz")), dist.join(format!("{name}.sums")));
    folder::replace(&archive, &bytes)?;
    folder::replace(&sums, content.listing().as_bytes())?;
    let is_signed = content.signature().is_some();
    Ok(Published { archive, sums, content: content.hash(), checksum: Hash::of(&bytes), is_signed, tag, commit })
}

/// Says what a manifest lacks for others.
fn is_complete(manifest: &Manifest) -> Result<(), String> {
    let lacks = |what: &str| Err(format!("its manifest has no {what}"));
    if manifest.description.is_empty() {
        return lacks("`description`");
    }
    if manifest.license.is_empty() {
        return lacks("`license`");
    }
    if manifest.modules.is_empty() && manifest.recipes.is_empty() {
        return lacks("`modules` and no `recipes`, so nobody could use anything of it");
    }
    let local = manifest.dependencies.values().find(|need| match need.source.place() {
        Place::Path(_) => true,
        Place::Git(url) | Place::Archive(url) => url.is_path(),
    });
    match local {
        Some(need) => Err(format!("it needs {} from {}, a path that only this machine has", need.name, need.source)),
        None => Ok(()),
    }
}

/// Sees to it that what it gives is there, and is good.
fn exports(project: &Project, content: &Content) -> Result<(), Fault> {
    let Manifest { modules, recipes, .. } = &project.manifest;
    for name in modules.iter().chain(recipes) {
        let file = format!("{name}.rhai");
        let tried = || format!("publish {}", project.manifest.title());
        let bytes = content
            .file(&file)
            .ok_or_else(|| Fault::new(Kind::NotFound, tried(), format!("it exports {name:?}, and there is no {file}")))?;
        let path = project.folder.join(&file);
        let recipe = Recipe::at(&super::shown(&path), &decode(&file, bytes)?);
        let (findings, _) = check_as(&recipe, if recipes.contains(name) { Role::Recipe } else { Role::Module });
        if let Some(finding) = findings.into_iter().find(|finding| finding.severity == Severity::Error) {
            return Err(finding.fault);
        }
    }
    Ok(())
}

/// Sees to it that what is published is what is committed, and what the tag stands for.
fn commit(project: &Project, content: &Content, tag: &str, wants_tag: bool) -> Result<Option<(Revision, bool)>, Fault> {
    let refused = |why: String| Fault::new(Kind::Drift, format!("publish {}", project.manifest.title()), why);
    if !files::exists(&project.folder.join(".git")) {
        return match wants_tag {
            true => Err(refused(format!("{} is no git repository", project.folder.display()))),
            false => Ok(None),
        };
    }
    let git = Git::find()?;
    let head = git.head(&project.folder).ok_or_else(|| refused("nothing is committed yet".to_owned()))?;
    let committed = Content::take("the commit", git.own_files(&project.folder, &head)?)?;
    if committed.kept().ne(content.kept()) {
        let listed = committed.listing();
        let differs = content.listing().lines().find(|line| !listed.contains(*line)).map(|line| line[66..].to_owned());
        let what = differs.unwrap_or_else(|| "a file".to_owned());
        return Err(refused(format!("{what} is not as it is committed"))
            .hint(format!("commit it, or leave it out; {LOCK} and what begins with a dot do not count")));
    }
    match git.tagged(&project.folder, tag) {
        Some(revision) if revision != head => {
            Err(refused(format!("the tag {tag} stands for {}, and this is {}", revision.short(), head.short()))
                .hint("a version is published once: give this one the next number"))
        }
        Some(_) => Ok(Some((head, true))),
        None if wants_tag => git.tag(&project.folder, tag, &head).map(|()| Some((head, true))),
        None => Ok(Some((head, false))),
    }
}
