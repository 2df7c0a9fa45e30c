//! The packages of a project: found, fetched, and loaded as what the lock says they are.

pub mod check;
pub mod fetch;
mod import;
pub mod publish;
mod rights;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::Recipe;
use crate::kernel::files;
use crate::kernel::package::cache::Cache;
use crate::kernel::package::folder;
use crate::model::near::did_you_mean;
use crate::model::package::signature;
use crate::model::package::{Content, Entry, LOCK, Lock, MANIFEST, Manifest, Name, Policy, Source, VENDOR, archive, lock};
use crate::model::source::{MAX_BYTES, decode};
use crate::model::{Fault, Kind};

pub use import::Unit;
pub(super) use import::{Imports, first_part};

/// The configuration of the system, which only root can write.
const SYSTEM: &str = "/etc/fyke/fyke.toml";

/// A folder with a manifest in it.
#[derive(Debug)]
pub struct Project {
    /// The folder, without links.
    pub folder: PathBuf,
    /// What its manifest says.
    pub manifest: Manifest,
    /// The manifest as it is written.
    pub text: String,
    locked: OnceLock<Result<Option<Lock>, Fault>>,
    /// Where the lock is not what the manifest asks for.
    misfit: OnceLock<Option<String>>,
    policies: OnceLock<Result<Vec<Policy>, Fault>>,
}

/// A package that was found to be what the lock says.
#[derive(Debug)]
pub struct Package {
    /// What the lock says of it.
    pub entry: Entry,
    /// What it says itself.
    pub manifest: Manifest,
    /// Its files. What runs is compiled from these bytes, and nothing is read a second time.
    pub content: Content,
}

impl Project {
    /// Opens the project in a folder.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        let folder = files::canonical(folder)?;
        let text = read(&folder.join(MANIFEST))?;
        let manifest = Manifest::parse(&shown(&folder.join(MANIFEST)), &text)?;
        Ok(Self { folder, manifest, text, locked: OnceLock::new(), misfit: OnceLock::new(), policies: OnceLock::new() })
    }

    /// Finds the project that a folder lies in, if it lies in one.
    pub fn around(place: &Path) -> Result<Option<Self>, Fault> {
        folder::above(&files::canonical(place)?).map(|folder| Self::open(&folder)).transpose()
    }

    /// Finds the project that this process works in.
    pub fn present() -> Result<Self, Fault> {
        let place = folder::present()?;
        let none = || Fault::new(Kind::NotFound, format!("find a project around {}", place.display()), format!("there is no {MANIFEST}"));
        Self::around(&place)?.ok_or_else(|| none().hint("`fyke new NAME` makes one; `fyke new .` makes one of this folder"))
    }

    /// Gives the file with the manifest.
    pub fn manifest_file(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    /// Gives the file with the lock.
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join(LOCK)
    }

    /// Reads the lock, if there is one.
    pub fn lock_if_there(&self) -> Result<Option<&Lock>, Fault> {
        let read = || {
            let path = self.lock_file();
            if !files::exists(&path) {
                return Ok(None);
            }
            Lock::parse(&shown(&path), &read(&path)?).map(Some)
        };
        self.locked.get_or_init(read).as_ref().map(Option::as_ref).map_err(Fault::clone)
    }

    /// Reads the lock, which must be there and be what the manifest asks for.
    pub fn lock(&self) -> Result<&Lock, Fault> {
        let lock = self.lock_if_there()?.ok_or_else(|| lock::missing(&self.folder.display().to_string()))?;
        match self.misfit.get_or_init(|| lock.misfit(&self.manifest)) {
            None => Ok(lock),
            Some(why) => Err(Fault::new(
                Kind::Drift,
                format!("use {}", shown(&self.lock_file())),
                format!("it is not what {MANIFEST} asks for: {why}"),
            )
            .hint("`fyke fetch` brings it up to date; see what it changes")),
        }
    }

    /// Gives what the system and the project demand of signatures.
    pub fn policies(&self) -> Result<&[Policy], Fault> {
        let read = || Ok(vec![system()?, self.manifest.trust.clone()]);
        self.policies.get_or_init(read).as_ref().map(Vec::as_slice).map_err(Fault::clone)
    }

    /// Gives the folder in which a package itself stands in the project, if it does.
    pub fn vendored(&self, name: &Name) -> Option<PathBuf> {
        let folder = self.folder.join(VENDOR).join(name.as_str());
        files::exists(&folder.join(MANIFEST)).then_some(folder)
    }

    /// Loads a package, from wherever it is on this machine, if it is what the lock says.
    pub fn load(&self, name: &Name) -> Result<Arc<Package>, Fault> {
        let lock = self.lock()?;
        let entry = lock.packages.get(name).ok_or_else(|| self.unknown(name))?;
        let content = self.content(entry)?;
        let manifest = Manifest::of(&content, &entry.title())?;
        let differs = |what: &str, is: String, locked: String| {
            Fault::new(Kind::Drift, format!("use {}", entry.title()), format!("its {what} is {is}, and {LOCK} says {locked}"))
                .hint(format!("{LOCK} was changed by hand: restore it from version control"))
        };
        if (&manifest.name, &manifest.version) != (&entry.name, &entry.version) {
            return Err(differs("own name", manifest.title(), entry.title()));
        }
        if manifest.permissions != entry.permissions {
            let told = |grants: &crate::model::grant::Grants| grants.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(differs("list of permissions", told(&manifest.permissions), told(&entry.permissions)));
        }
        if !manifest.dependencies.keys().eq(&entry.dependencies) {
            return Err(differs("list of needs", manifest.dependencies.len().to_string(), entry.dependencies.len().to_string()));
        }
        for need in manifest.dependencies.values() {
            let taken = lock.packages.get(&need.name).map(|entry| &entry.version);
            if let (Some(least), Some(taken)) = (need.source.least(), taken)
                && !least.admits(taken)
            {
                return Err(differs(&format!("need for {}", need.name), least.to_string(), taken.to_string()));
            }
        }
        self.trust(entry, &content)?;
        Ok(Arc::new(Package { entry: entry.clone(), manifest, content }))
    }

    /// Sees to it that a package is signed as it was when it was taken, and as the policies want it.
    fn trust(&self, entry: &Entry, content: &Content) -> Result<(), Fault> {
        let policies = self.policies()?;
        if entry.signed.is_none() && policies.iter().all(|policy| !policy.required) {
            return Ok(());
        }
        let signer = signature::check(&entry.title(), content, policies)?;
        match (&entry.signed, signer) {
            (Some(id), signer) if signer.as_ref().is_none_or(|signer| signer.id != *id) => {
                let now = signer.map_or_else(|| "nobody".to_owned(), |signer| format!("the key {}", signer.id));
                Err(Fault::new(
                    Kind::Permission,
                    format!("trust {}", entry.title()),
                    format!("it was signed by the key {id}, and now is by {now}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Reads the content of a package from where it is on this machine, and compares it with the lock.
    pub fn content(&self, entry: &Entry) -> Result<Content, Fault> {
        let title = entry.title();
        let (content, place) = match (self.vendored(&entry.name), &entry.source) {
            (Some(vendored), _) => (Content::take(&title, folder::read(&vendored)?)?, vendored),
            (None, Source::Path(path)) => {
                let place = self.folder.join(path);
                (Content::take(&title, folder::read(&place)?)?, place)
            }
            (None, _) => {
                let cache = Cache::locate()?;
                let place = cache.path(&entry.content);
                let bytes = cache.read(&entry.content)?.ok_or_else(|| {
                    Fault::new(Kind::NotFound, format!("use {title}"), "it is not on this machine")
                        .hint("`fyke fetch` gets what the lock names")
                })?;
                (archive::read(&title, &bytes)?, place)
            }
        };
        match content.hash() == entry.content {
            true => Ok(content),
            false => Err(changed(entry, &content, &place)),
        }
    }

    /// Makes the fault of a package that nobody needs.
    pub fn unknown(&self, name: &Name) -> Fault {
        let fault =
            Fault::new(Kind::NotFound, format!("use the package {name}"), format!("{} does not need it", shown(&self.manifest_file())));
        let hint = did_you_mean(name.as_str(), self.manifest.dependencies.keys().map(Name::as_str));
        fault.hint(hint.unwrap_or_else(|| "`fyke add` adds a package".to_owned()))
    }

    /// Writes another manifest and another lock.
    pub fn write(&self, manifest: &str, lock: &Lock) -> Result<(), Fault> {
        folder::replace(&self.lock_file(), lock.to_string().as_bytes())?;
        if manifest == self.text { Ok(()) } else { folder::replace(&self.manifest_file(), manifest.as_bytes()) }
    }
}

fn changed(entry: &Entry, content: &Content, place: &Path) -> Fault {
    let place = shown(place);
    let why = format!("{place} has the content {}, and {LOCK} says {}", content.hash(), entry.content);
    let hint = match entry.source {
        Source::Path(_) => format!("`fyke update {}` takes it as it is now", entry.name),
        _ => format!("somebody has changed it: remove {place}, and `fyke fetch` gets it anew"),
    };
    Fault::new(Kind::Drift, format!("use {}", entry.title()), why).hint(hint)
}

/// Gives the recipes of the packages that the project around the present folder needs; none where there is no project.
pub fn recipes() -> Result<Vec<Recipe>, Fault> {
    let Some(project) = Project::around(&folder::present()?)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for name in project.manifest.dependencies.keys() {
        for recipe in &project.load(name)?.manifest.recipes {
            all.push(Recipe::find(&format!("{name}/{recipe}"))?);
        }
    }
    Ok(all)
}

/// Reads what the system demands of signatures.
fn system() -> Result<Policy, Fault> {
    let path = Path::new(SYSTEM);
    if !files::exists(path) {
        return Ok(Policy { file: SYSTEM.to_owned(), ..Policy::default() });
    }
    let text = read(path)?;
    let text = crate::model::package::reader::Text::parse(SYSTEM, &text)?;
    let top = text.reader();
    let policy = Policy::read(SYSTEM, top.table("trust")?)?;
    top.finish()?;
    Ok(policy)
}

fn read(path: &Path) -> Result<String, Fault> {
    folder::is_of_user(path)?;
    decode(&shown(path), &files::read_bounded(path, MAX_BYTES)?)
}

/// Gives a path as somebody in the present folder would write it.
pub fn shown(path: &Path) -> String {
    let present = folder::present().ok();
    let short = present.as_deref().and_then(|present| path.strip_prefix(present).ok());
    short.unwrap_or(path).display().to_string()
}
