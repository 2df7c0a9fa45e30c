//! The lock: what was taken for each package that a project needs, directly or not, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml_edit::{Array, Value};

use super::LOCK;
use super::content::Hash;
use super::manifest::Manifest;
use super::name::Name;
use super::reader::{Reader, Text};
use super::source::{At, Ref, Revision, Source, Url};
use super::version::Version;
use crate::model::grant::{Grants, Permission};
use crate::model::{Fault, Kind};

const HEAD: &str = "# Written by fyke: what was taken for each package. `fyke update` changes it; it belongs in version control.\n";

/// The form of the file.
const FORM: i64 = 1;

/// One package as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// Where it comes from, as it was asked for; in the place of the least version stands the one that was taken.
    pub source: Source,
    /// The commit, if it comes from git.
    pub revision: Option<Revision>,
    /// The hash of its content.
    pub content: Hash,
    /// The id of the key that has signed it.
    pub signed: Option<String>,
    /// What it may touch, as its manifest says it.
    pub permissions: Grants,
    /// What it needs.
    pub dependencies: Vec<Name>,
    /// Who needs it, and which version: the greatest of these was taken.
    pub why: Vec<String>,
}

impl Entry {
    /// Gives name and version in one word, as people say them.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// What stands in `fyke.lock`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages, by name.
    pub packages: BTreeMap<Name, Entry>,
}

impl Lock {
    /// Reads a lock; `file` is what faults call it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Fault> {
        let text = Text::parse(file, text)?;
        let top = text.reader();
        match top.number("form")? {
            Some(FORM) => {}
            Some(form) => return Err(top.fault_at("form", format!("it is of the form {form}, and this fyke knows {FORM}"))),
            None => return Err(top.fault("it has no `form`")),
        }
        let mut packages = BTreeMap::new();
        for table in top.tables("package")? {
            let entry = entry(&table)?;
            let name = entry.name.clone();
            if packages.insert(name.clone(), entry).is_some() {
                return Err(table.fault(format!("{name} is in it twice")));
            }
        }
        top.finish()?;
        let missing =
            |entry: &Entry| entry.dependencies.iter().find(|name| !packages.contains_key(name)).map(|name| (entry.title(), name.clone()));
        match packages.values().find_map(missing) {
            Some((title, name)) => Err(top.fault(format!("{title} needs {name}, which is not in it"))),
            None => Ok(Self { packages }),
        }
    }

    /// Says where the lock is not what a manifest asks for.
    pub fn misfit(&self, manifest: &Manifest) -> Option<String> {
        for (name, dependency) in &manifest.dependencies {
            let Some(entry) = self.packages.get(name) else { return Some(format!("{name} is not in it")) };
            if let Some(why) = misfit(&dependency.source, entry) {
                return Some(why);
            }
        }
        let mut reached: BTreeSet<&Name> = BTreeSet::new();
        let mut next: Vec<&Name> = manifest.dependencies.keys().collect();
        while let Some(name) = next.pop() {
            if reached.insert(name) {
                next.extend(self.packages.get(name).into_iter().flat_map(|entry| &entry.dependencies));
            }
        }
        let spare = self.packages.keys().find(|name| !reached.contains(name));
        spare.map(|name| format!("{name} is in it, and nobody needs it"))
    }

    /// Says in what the packages of another lock ask for more, or come with other signatures, than those of this one do.
    pub fn wants_more(&self, later: &Lock) -> Vec<(Name, Vec<Permission>)> {
        let news = later.packages.values().filter_map(|entry| {
            let nothing = Grants::default();
            let had = self.packages.get(&entry.name).map_or(&nothing, |entry| &entry.permissions);
            let more: Vec<Permission> = entry.permissions.beyond(had).into_iter().cloned().collect();
            (!more.is_empty()).then(|| (entry.name.clone(), more))
        });
        news.collect()
    }

    /// Says which package is older in a later lock: with what others need now, or because somebody offers it as the newest.
    pub fn goes_back(&self, later: &Lock) -> Option<String> {
        let older = |entry: &&Entry| self.packages.get(&entry.name).is_some_and(|had| entry.version < had.version);
        let entry = later.packages.values().find(older)?;
        Some(format!(
            "{} would go back from {} to {}: {}",
            entry.name,
            self.packages[&entry.name].version,
            entry.version,
            entry.why.join("; ")
        ))
    }

    /// Refuses a later lock in which a package comes from a moved tag, or is no longer signed by the same key.
    pub fn is_followed_by(&self, later: &Lock) -> Result<(), Fault> {
        for entry in later.packages.values() {
            let Some(had) = self.packages.get(&entry.name).filter(|had| had.source.place() == entry.source.place()) else { continue };
            let refused =
                |why: String| Fault::new(Kind::Permission, format!("take {} in the place of {}", entry.title(), had.version), why);
            let again = || format!("`fyke remove {0}` and `fyke add` take it as something new", entry.name);
            let is_same = entry.version == had.version && entry.source == had.source;
            let is_fixed = matches!(&entry.source, Source::Git { at: At::Version(_) | At::Tag(_), .. });
            if is_same && is_fixed && entry.revision != had.revision {
                let short = |entry: &Entry| entry.revision.as_ref().map_or_else(String::new, |revision| revision.short().to_owned());
                let why = format!("its tag was {}, and has been moved to {}", short(had), short(entry));
                return Err(refused(why).hint(format!("a tag that moves is a warning: ask whoever publishes it; {}", again())));
            }
            if let Some(id) = had.signed.as_ref().filter(|id| entry.signed.as_ref() != Some(id)) {
                let now = entry.signed.as_ref().map_or_else(|| "nobody".to_owned(), |id| format!("the key {id}"));
                return Err(refused(format!("that was signed by the key {id}, and this is signed by {now}")).hint(again()));
            }
        }
        Ok(())
    }
}

/// Says where an entry is not what is asked for.
pub fn misfit(source: &Source, entry: &Entry) -> Option<String> {
    let Entry { name, version, .. } = entry;
    if source.place() != entry.source.place() {
        return Some(format!("{name} comes from {} in it, and {} is asked for", entry.source.place(), source.place()));
    }
    match (source, &entry.source) {
        (Source::Git { at: At::Version(least), .. }, Source::Git { at: At::Version(_), .. }) => {
            (!least.admits(version)).then(|| format!("it has {name} {version}, and {least} is the least"))
        }
        (Source::Git { at, .. }, Source::Git { at: taken, .. }) => {
            (at != taken).then(|| format!("it has {name} at {taken}, and {at} is asked for"))
        }
        (Source::Archive { content: Some(content), .. }, _) => {
            (*content != entry.content).then(|| format!("it has {name} with the content {}, and {content} is asked for", entry.content))
        }
        _ => None,
    }
}

fn entry(table: &Reader<'_>) -> Result<Entry, Fault> {
    let (name, version): (Name, Version) = (table.needed("name")?, table.needed("version")?);
    let (git, path, archive) = (table.parsed::<Url>("git")?, table.text("path")?, table.parsed::<Url>("archive")?);
    let revision = table.parsed::<Revision>("revision")?;
    let (tag, branch, rev) = (table.parsed::<Ref>("tag")?, table.parsed::<Ref>("branch")?, table.parsed::<Revision>("rev")?);
    let source = match (git, path, archive) {
        (Some(url), None, None) => {
            let at = match (tag, branch, rev) {
                (Some(tag), None, None) => At::Tag(tag),
                (None, Some(branch), None) => At::Branch(branch),
                (None, None, Some(rev)) => At::Revision(rev),
                (None, None, None) => At::Version(super::Least(version.clone())),
                _ => return Err(table.fault(format!("{name} has more than one of `tag`, `branch` and `rev`"))),
            };
            if revision.is_none() {
                return Err(table.fault(format!("{name} comes from git and has no `revision`")));
            }
            Source::Git { url, at }
        }
        (None, Some(path), None) => Source::Path(path.to_owned()),
        (None, None, Some(url)) => Source::Archive { url, content: None },
        _ => return Err(table.fault(format!("{name} has none, or more than one, of `git`, `path` and `archive`"))),
    };
    let entry = Entry {
        content: table.needed("content")?,
        signed: table.text("signed")?.map(str::to_owned),
        permissions: Grants { allow: permissions(table, "allow")?, deny: permissions(table, "deny")? },
        dependencies: table.texts("dependencies")?.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        why: table.texts("why")?,
        name,
        version,
        source,
        revision,
    };
    table.finish()?;
    Ok(entry)
}

fn permissions(table: &Reader<'_>, key: &'static str) -> Result<Vec<Permission>, Fault> {
    table.texts(key)?.iter().map(|text| text.parse().map_err(|fault: Fault| fault.at(table.origin(key)))).collect()
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HEAD)?;
        writeln!(f, "form = {FORM}")?;
        self.packages.values().try_for_each(|entry| f.write_str(&table(entry)))
    }
}

fn table(entry: &Entry) -> String {
    let mut text = "\n[[package]]\n".to_owned();
    let mut line = |key: &str, value: Value| {
        let _ = writeln!(text, "{key} = {}", value.to_string().trim());
    };
    line("name", entry.name.as_str().into());
    line("version", entry.version.to_string().into());
    match &entry.source {
        Source::Git { url, at } => {
            line("git", url.as_str().into());
            match at {
                At::Version(_) => {}
                At::Tag(tag) => line("tag", tag.as_str().into()),
                At::Branch(branch) => line("branch", branch.as_str().into()),
                At::Revision(revision) => line("rev", revision.as_str().into()),
            }
        }
        Source::Path(path) => line("path", path.as_str().into()),
        Source::Archive { url, .. } => line("archive", url.as_str().into()),
    }
    entry.revision.iter().for_each(|revision| line("revision", revision.as_str().into()));
    line("content", entry.content.to_string().into());
    entry.signed.iter().for_each(|id| line("signed", id.as_str().into()));
    let array = |texts: Vec<String>| Value::Array(texts.into_iter().collect::<Array>());
    let lists = [
        ("allow", entry.permissions.allow.iter().map(ToString::to_string).collect::<Vec<_>>()),
        ("deny", entry.permissions.deny.iter().map(ToString::to_string).collect()),
        ("dependencies", entry.dependencies.iter().map(ToString::to_string).collect()),
        ("why", entry.why.clone()),
    ];
    lists.into_iter().filter(|(_, texts)| !texts.is_empty()).for_each(|(key, texts)| line(key, array(texts)));
    text
}

/// Makes the fault of a project whose lock is not there.
pub fn missing(folder: &str) -> Fault {
    Fault::new(Kind::NotFound, format!("use the packages of {folder}"), format!("there is no {LOCK}"))
        .hint("`fyke fetch` writes it, and gets what it names")
}
