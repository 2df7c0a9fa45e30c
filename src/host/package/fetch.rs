//! Gets packages from where they come from, and makes the lock of what was taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Project;
use crate::kernel::files;
use crate::kernel::package::cache::Cache;
use crate::kernel::package::git::Git;
use crate::kernel::package::{curl, folder};
use crate::model::grant::Grants;
use crate::model::package::content::MOST_BYTES;
use crate::model::package::select::{Found, select};
use crate::model::package::signature::{self, Policy};
use crate::model::package::{
    At, Content, Dependency, Entry, Hash, Least, Lock, Manifest, Name, Place, Revision, Source, Url, Version, archive,
};
use crate::model::{Fault, Kind};

/// How many packages are fetched at a time.
const AT_ONCE: usize = 8;

/// What of an earlier lock is to be looked up anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Only what is not in it.
    New,
    /// These packages.
    Some(BTreeSet<Name>),
    /// All.
    All,
}

impl Fresh {
    fn has(&self, name: &Name) -> bool {
        match self {
            Fresh::New => false,
            Fresh::Some(names) => names.contains(name),
            Fresh::All => true,
        }
    }
}

/// A package that was got.
#[derive(Clone, Debug)]
pub struct Got {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its files.
    pub content: Content,
    revision: Option<Revision>,
}

/// Gets packages for a project.
pub struct Fetcher<'a> {
    base: PathBuf,
    policies: &'a [Policy],
    lock: Option<&'a Lock>,
    fresh: Fresh,
    cache: Cache,
    got: HashMap<(Name, Source), Kept>,
    refs: HashMap<Url, BTreeMap<String, Revision>>,
    commits: HashMap<(Url, Revision), Content>,
    news: &'a dyn Fn(&str),
}

/// What is remembered of a package that was got.
struct Kept {
    hash: Hash,
    revision: Option<Revision>,
    permissions: Grants,
    signed: Option<String>,
}

impl<'a> Fetcher<'a> {
    /// Begins; `news` hears what is fetched.
    pub fn new(project: &'a Project, fresh: Fresh, news: &'a dyn Fn(&str)) -> Result<Self, Fault> {
        let (lock, policies) = (project.lock_if_there()?, project.policies()?);
        let cache = Cache::locate()?;
        Ok(Self {
            base: project.folder.clone(),
            policies,
            lock,
            fresh,
            cache,
            got: HashMap::new(),
            refs: HashMap::new(),
            commits: HashMap::new(),
            news,
        })
    }

    /// Looks up anew what is at a name, whatever the lock says.
    pub fn refresh(&mut self, name: &Name) {
        self.fresh = Fresh::Some([name.clone()].into());
    }

    /// Chooses a version of everything that a manifest needs, gets it, and makes the lock of it.
    pub fn resolve(&mut self, manifest: &Manifest) -> Result<Lock, Fault> {
        let needs: Vec<Dependency> = manifest.dependencies.values().cloned().collect();
        let taken = select(&needs, &mut |name, source| self.look(name, source))?;
        let mut lock = Lock::default();
        for (name, taken) in taken {
            let kept = self.got.get(&(name.clone(), taken.source.clone()));
            let kept = kept.ok_or_else(|| Fault::new(Kind::System, format!("lock {name}"), "it was not fetched"))?;
            let entry = Entry {
                version: taken.version,
                source: plain(taken.source),
                revision: kept.revision.clone(),
                content: kept.hash,
                signed: kept.signed.clone(),
                permissions: kept.permissions.clone(),
                dependencies: taken.dependencies,
                why: taken.why,
                name: name.clone(),
            };
            lock.packages.insert(name, entry);
        }
        match self.lock {
            Some(before) => before.is_followed_by(&lock).map(|()| lock),
            None => Ok(lock),
        }
    }

    /// Looks what is at a source; the content is in the cache afterwards.
    fn look(&mut self, name: &Name, source: &Source) -> Result<Found, Fault> {
        let got = match self.known(name, source)? {
            Some(got) => got,
            None => self.get(source)?,
        };
        let title = got.manifest.title();
        let refused = |why: String| Fault::input(format!("take {source} as the package {name}"), why);
        if got.manifest.name != *name {
            return Err(refused(format!("it calls itself {}", got.manifest.name)).hint("a package has one name, wherever it comes from"));
        }
        if let Some(least) = source.least().filter(|least| least.0 != got.manifest.version) {
            return Err(refused(format!("what is tagged as {least} calls itself {title}")).hint("its publisher has to set this right"));
        }
        let hash = got.content.hash();
        if let Source::Archive { content: Some(wanted), .. } = source
            && *wanted != hash
        {
            return Err(Fault::new(Kind::Drift, format!("take {title}"), format!("it has the content {hash}, and {wanted} is asked for")));
        }
        let signer = signature::check(&title, &got.content, self.policies)?;
        if !matches!(source, Source::Path(_)) {
            self.cache.keep(&hash, &archive::write(&got.content))?;
        }
        let needs = got.manifest.dependencies.values().cloned();
        let dependencies = needs.map(|need| self.seen_from(&title, source, need)).collect::<Result<_, _>>()?;
        let signed = signer.filter(|signer| signer.name.is_some()).map(|signer| signer.id);
        let kept = Kept { hash, revision: got.revision, permissions: got.manifest.permissions.clone(), signed };
        self.got.insert((name.clone(), source.clone()), kept);
        Ok(Found { version: got.manifest.version, dependencies })
    }

    /// Gives what the lock has for a source, if it is not to be looked up anew.
    fn known(&self, name: &Name, source: &Source) -> Result<Option<Got>, Fault> {
        let entry = self.lock.and_then(|lock| lock.packages.get(name)).filter(|_| !self.fresh.has(name));
        let Some(entry) = entry.filter(|entry| plain(source.clone()) == entry.source) else { return Ok(None) };
        let content = match source {
            Source::Path(path) => {
                let content = self.folder(path)?.content;
                if content.hash() != entry.content {
                    return Err(super::changed(entry, &content, &self.base.join(path)));
                }
                content
            }
            _ => match self.cache.read(&entry.content)? {
                Some(bytes) => archive::read(&entry.title(), &bytes)?,
                None => return Ok(None),
            },
        };
        if content.hash() != entry.content {
            return Err(super::changed(entry, &content, &self.cache.path(&entry.content)));
        }
        let manifest = Manifest::of(&content, &entry.title())?;
        Ok(Some(Got { manifest, content, revision: entry.revision.clone() }))
    }

    /// Gets what is at a source now.
    pub fn get(&mut self, source: &Source) -> Result<Got, Fault> {
        match source {
            Source::Path(path) => self.folder(path),
            Source::Archive { url, .. } => self.archive(url),
            Source::Git { url, at } => {
                let revision = match at {
                    At::Revision(revision) => revision.clone(),
                    at => self.revision(url, at)?,
                };
                let content = self.commit(source, url, &revision)?;
                Ok(Got { manifest: Manifest::of(&content, &source.to_string())?, content, revision: Some(revision) })
            }
        }
    }

    fn folder(&self, path: &str) -> Result<Got, Fault> {
        let content = Content::take(path, folder::read(&self.base.join(path))?)?;
        Ok(Got { manifest: Manifest::of(&content, path)?, content, revision: None })
    }

    fn archive(&self, url: &Url) -> Result<Got, Fault> {
        (self.news)(&format!("getting {url}"));
        let content = archive::read(url.as_str(), &archive_bytes(&self.base, url)?)?;
        Ok(Got { manifest: Manifest::of(&content, url.as_str())?, content, revision: None })
    }

    fn commit(&mut self, source: &Source, url: &Url, revision: &Revision) -> Result<Content, Fault> {
        let key = (url.clone(), revision.clone());
        if let Some(content) = self.commits.get(&key) {
            return Ok(content.clone());
        }
        (self.news)(&format!("getting {source}"));
        let members = Git::find()?.files(&self.word(url), revision, &self.cache.room()?)?;
        let content = Content::take(url.as_str(), members)?;
        self.commits.insert(key, content.clone());
        Ok(content)
    }

    fn word(&self, url: &Url) -> String {
        word(&self.base, url)
    }

    fn refs(&mut self, url: &Url) -> Result<&BTreeMap<String, Revision>, Fault> {
        if !self.refs.contains_key(url) {
            let refs = Git::find()?.refs(&self.word(url))?;
            self.refs.insert(url.clone(), refs);
        }
        Ok(&self.refs[url])
    }

    /// Gives the releases that a repository has tags for, the latest last.
    pub fn releases(&mut self, url: &Url) -> Result<Vec<Version>, Fault> {
        let tags = self.refs(url)?.keys().filter_map(|name| Version::of_tag(name.strip_prefix("refs/tags/")?));
        let mut versions: Vec<Version> = tags.filter(|version| !version.is_preview()).collect();
        versions.sort();
        versions.dedup();
        Ok(versions)
    }

    fn revision(&mut self, url: &Url, at: &At) -> Result<Revision, Fault> {
        let names = match at {
            At::Version(Least(version)) => vec![format!("refs/tags/v{version}"), format!("refs/tags/{version}")],
            At::Tag(tag) => vec![format!("refs/tags/{tag}")],
            At::Branch(branch) => vec![format!("refs/heads/{branch}")],
            At::Revision(revision) => return Ok(revision.clone()),
        };
        let refs = self.refs(url)?;
        let found: BTreeSet<&Revision> = names.iter().filter_map(|name| refs.get(name)).collect();
        let fault = |why: String| Fault::new(Kind::NotFound, format!("get {at} of {url}"), why);
        match found.len() {
            1 => found.first().map(|revision| (*revision).clone()).ok_or_else(|| fault("it is gone".to_owned())),
            0 => {
                let word = names[0].rsplit('/').next().unwrap_or_default().to_owned();
                let versions: Vec<String> = self.releases(url)?.iter().rev().take(5).map(|version| format!("v{version}")).collect();
                let hint = if versions.is_empty() {
                    "it has no tags that are versions".to_owned()
                } else {
                    format!("it has {}", versions.join(", "))
                };
                Err(fault(format!("it has no {word}")).hint(hint))
            }
            _ => Err(fault("the tags with and without `v` stand for different commits".to_owned())),
        }
    }

    /// Gives a need of a package as the project sees it. What comes from elsewhere cannot point into this machine.
    fn seen_from(&self, title: &str, source: &Source, mut need: Dependency) -> Result<Dependency, Fault> {
        let refused = |place: &Place| {
            Fault::input(
                format!("take what {title} needs"),
                format!("it names {place}, a place on this machine, and comes from {source} itself"),
            )
            .hint("a package that others get names places that they can get, too")
            .at(need.origin.clone())
        };
        let is_here = |url: &Url| url.is_path() || url.scheme() == Some("file");
        let comes_from_here = match source {
            Source::Path(_) => true,
            Source::Git { url, .. } | Source::Archive { url, .. } => is_here(url),
        };
        let place = need.source.place();
        let above = match source {
            Source::Path(path) => Some(Path::new(path)),
            _ => None,
        };
        let local = match &place {
            Place::Path(path) => Some(path.as_str()),
            Place::Git(url) | Place::Archive(url) if is_here(url) => Some(url.as_str()),
            _ => None,
        };
        let Some(local) = local else { return Ok(need) };
        let relative = !local.starts_with('/') && !local.starts_with("file:");
        if !comes_from_here || (above.is_none() && (relative || matches!(place, Place::Path(_)))) {
            return Err(refused(&place));
        }
        if let (Some(above), true) = (above, relative) {
            let path = joined(above, local);
            need.source = match need.source {
                Source::Path(_) => Source::Path(path),
                Source::Git { at, .. } => Source::Git { url: path.parse()?, at },
                Source::Archive { content, .. } => Source::Archive { url: path.parse()?, content },
            };
        }
        Ok(need)
    }
}

/// Gets what a lock names and this machine has not, several at a time; gives how many were got.
pub fn fetch(project: &Project, lock: &Lock, offline: bool, news: &(dyn Fn(&str) + Sync)) -> Result<usize, Fault> {
    let cache = Cache::locate()?;
    let here = |entry: &&Entry| matches!(entry.source, Source::Path(_)) || project.vendored(&entry.name).is_some();
    let (local, remote): (Vec<&Entry>, Vec<&Entry>) = lock.packages.values().partition(here);
    local.into_iter().try_for_each(|entry| project.content(entry).map(drop))?;
    let mut missing = Vec::new();
    for entry in remote {
        match cache.read(&entry.content)? {
            Some(_) => drop(project.content(entry)?),
            None => missing.push(entry),
        }
    }
    if let Some(entry) = missing.first().filter(|_| offline) {
        return Err(Fault::new(
            Kind::NotFound,
            format!("use {}", entry.title()),
            "it is not on this machine, and nothing is to be fetched",
        )
        .hint("`fyke fetch` without --frozen gets it"));
    }
    let (next, done, faults) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(entry) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            match fetch_one(project, &cache, entry) {
                Ok(()) => news(&format!("got {} ({} of {})", entry.title(), done.fetch_add(1, Ordering::Relaxed) + 1, missing.len())),
                Err(fault) => faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault),
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE.min(missing.len())).for_each(|_| drop(scope.spawn(work))));
    let mut faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    match faults.pop() {
        Some(fault) => Err(fault.followed_by(faults)),
        None => Ok(missing.len()),
    }
}

fn fetch_one(project: &Project, cache: &Cache, entry: &Entry) -> Result<(), Fault> {
    let content = match (&entry.source, &entry.revision) {
        (Source::Git { url, .. }, Some(revision)) => {
            let members = Git::find()?.files(&word(&project.folder, url), revision, &cache.room()?)?;
            Content::take(&entry.title(), members)?
        }
        (Source::Archive { url, .. }, _) => archive::read(&entry.title(), &archive_bytes(&project.folder, url)?)?,
        _ => return Ok(()),
    };
    if content.hash() != entry.content {
        let why = format!("{} gives the content {}, and the lock says {}", entry.source.place(), content.hash(), entry.content);
        return Err(
            Fault::new(Kind::Drift, format!("get {}", entry.title()), why).hint("somebody has changed what was published: ask them")
        );
    }
    signature::check(&entry.title(), &content, project.policies()?)?;
    cache.keep(&entry.content, &archive::write(&content))
}

/// Gives the address of a repository as git gets it: a path is seen from the project.
fn word(base: &Path, url: &Url) -> String {
    if url.is_path() { base.join(url.as_str()).display().to_string() } else { url.to_string() }
}

fn archive_bytes(base: &Path, url: &Url) -> Result<Vec<u8>, Fault> {
    match url.scheme() {
        Some("http" | "https") => curl::get(url.as_str(), MOST_BYTES),
        Some("file") => files::read_bounded(Path::new(url.as_str().trim_start_matches("file://")), MOST_BYTES),
        None if url.is_path() => files::read_bounded(&base.join(url.as_str()), MOST_BYTES),
        _ => Err(Fault::input(format!("get {url}"), "an archive comes over https or http, or is a file")),
    }
}

/// Gives a source as the lock has it: there the content has a line of its own.
fn plain(source: Source) -> Source {
    match source {
        Source::Archive { url, .. } => Source::Archive { url, content: None },
        other => other,
    }
}

/// Joins two relative paths, and takes the dots out as far as that can be done by words alone.
fn joined(above: &Path, below: &str) -> String {
    let path = above.join(below).components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir if path.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
        path
    });
    path.display().to_string()
}
