//! The manifest: what a package is, what it gives, what it may touch, and what it needs.

use std::collections::BTreeMap;

use super::MANIFEST;
use super::content::Hash;
use super::name::Name;
use super::reader::{Reader, Text};
use super::signature::Policy;
use super::source::{At, Ref, Revision, Source, Url};
use super::version::{Least, Version};
use crate::model::grant::{Grants, Permission};
use crate::model::{Fault, Kind, Origin};

/// One package that another one, or a project, needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name, which is the one in its own manifest, too.
    pub name: Name,
    /// Where it comes from.
    pub source: Source,
    /// Where that stands.
    pub origin: Origin,
}

/// What stands in `fyke.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// What it is, in one sentence; may be empty.
    pub description: String,
    /// Its licence, as <https://spdx.org/licenses/> calls it; may be empty.
    pub license: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// The least version of fyke that it needs.
    pub fyke: Option<Least>,
    /// The modules that others may import, by their paths without `.rhai`.
    pub modules: Vec<String>,
    /// The recipes that others may run, by their paths without `.rhai`.
    pub recipes: Vec<String>,
    /// What it may touch.
    pub permissions: Grants,
    /// What it needs.
    pub dependencies: BTreeMap<Name, Dependency>,
    /// What the project grants to the packages that it needs, directly or not.
    pub grants: BTreeMap<Name, Grants>,
    /// Whose signatures count in the project.
    pub trust: Policy,
}

impl Manifest {
    /// Reads a manifest; `file` is what faults call it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Fault> {
        let text = Text::parse(file, text)?;
        let top = text.reader();
        let manifest = Self {
            name: top.needed("name")?,
            version: top.needed("version")?,
            description: top.text("description")?.unwrap_or_default().to_owned(),
            license: top.text("license")?.unwrap_or_default().to_owned(),
            authors: top.texts("authors")?,
            fyke: top.parsed("fyke")?,
            modules: exports(&top, "modules")?,
            recipes: exports(&top, "recipes")?,
            permissions: top.table("permissions")?.map_or(Ok(Grants::default()), |table| permissions(&table))?,
            dependencies: top.table("dependencies")?.map_or(Ok(BTreeMap::new()), |table| dependencies(&table))?,
            grants: top.table("grants")?.map_or(Ok(BTreeMap::new()), |table| grants(&table))?,
            trust: Policy::read(file, top.table("trust")?)?,
        };
        top.finish()?;
        if manifest.dependencies.contains_key(&manifest.name) {
            return Err(top.fault(format!("{} needs itself", manifest.name)));
        }
        if let Some(least) = manifest.fyke.as_ref().filter(|least| !least.admits(&Version::of_fyke())) {
            let why = format!("{} needs fyke {least}, and this one is {}", manifest.name, Version::of_fyke());
            return Err(Fault { kind: Kind::Unsupported, ..top.fault_at("fyke", why) });
        }
        Ok(manifest)
    }

    /// Reads the manifest of a package out of its content.
    pub fn of(content: &super::Content, what: &str) -> Result<Self, Fault> {
        let file = format!("{what}/{MANIFEST}");
        let bytes = content.file(MANIFEST).unwrap_or_default();
        Self::parse(&file, &crate::model::source::decode(&file, bytes)?)
    }

    /// Gives name and version in one word, as people say them.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

fn exports(top: &Reader<'_>, key: &'static str) -> Result<Vec<String>, Fault> {
    let names = top.texts(key)?;
    let is_plain = |name: &String| {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        name.len() <= 100 && name.split('/').all(part)
    };
    match names.iter().find(|name| !is_plain(name)) {
        Some(odd) => Err(top
            .fault_at(key, format!("{odd:?} is no path without its `.rhai`"))
            .hint("a path is made of letters, digits, `-`, `_` and slashes between them: modules = [\"limits\"]")),
        None => Ok(names),
    }
}

fn permissions(table: &Reader<'_>) -> Result<Grants, Fault> {
    let list = |key: &'static str| -> Result<Vec<Permission>, Fault> {
        table.texts(key)?.iter().map(|text| text.parse().map_err(|fault: Fault| fault.at(table.origin(key)))).collect()
    };
    let permissions = Grants { allow: list("allow")?, deny: list("deny")? };
    table.finish()?;
    Ok(permissions)
}

fn grants(table: &Reader<'_>) -> Result<BTreeMap<Name, Grants>, Fault> {
    let of = |key: String| {
        let name: Name = key.parse().map_err(|fault: Fault| fault.at(table.origin(&key)))?;
        Ok((name, permissions(&table.table_of(&key)?)?))
    };
    table.keys().into_iter().map(of).collect()
}

fn dependencies(table: &Reader<'_>) -> Result<BTreeMap<Name, Dependency>, Fault> {
    let mut all = BTreeMap::new();
    for key in table.keys() {
        let name: Name = key.parse().map_err(|fault: Fault| fault.at(table.origin(&key)))?;
        let source = source(&table.table_of(&key)?)?;
        all.insert(name.clone(), Dependency { name, source, origin: table.origin(&key) });
    }
    Ok(all)
}

/// Reads where a package comes from: `{ git = "..", version = ".." }`, `{ path = ".." }`, `{ archive = ".." }`.
fn source(table: &Reader<'_>) -> Result<Source, Fault> {
    let (git, path, archive) = (table.parsed::<Url>("git")?, table.text("path")?, table.parsed::<Url>("archive")?);
    let (version, tag) = (table.parsed::<Least>("version")?, table.parsed::<Ref>("tag")?);
    let (branch, revision) = (table.parsed::<Ref>("branch")?, table.parsed::<Revision>("rev")?);
    let content = table.parsed::<Hash>("content")?;
    table.finish()?;
    let mut ats: Vec<At> = version.map(At::Version).into_iter().chain(tag.map(At::Tag)).collect();
    ats.extend(branch.map(At::Branch).into_iter().chain(revision.map(At::Revision)));
    let only = |key: &str| table.fault(format!("`{key}` goes with something else than what stands here"));
    let source = match (git, path, archive) {
        (Some(url), None, None) => match (ats.pop(), ats.is_empty()) {
            (Some(at), true) => Source::Git { url, at },
            (Some(_), false) => return Err(table.fault("it names more than one of `version`, `tag`, `branch` and `rev`")),
            (None, _) => {
                return Err(table
                    .fault("it does not say what of the repository is meant")
                    .hint("version = \"1.0\", or a tag, a branch or a rev"));
            }
        },
        (None, Some(path), None) if !path.is_empty() && !path.contains("://") && !path.chars().any(char::is_control) => {
            Source::Path(path.to_owned())
        }
        (None, None, Some(url)) => match content {
            None if url.scheme() == Some("http") => {
                let fault = table.fault("an archive comes over http, where anybody on the way can change it");
                return Err(fault.hint("use https, or say `content = \"sha256:..\"`, which `fyke publish` prints"));
            }
            content => Source::Archive { url, content },
        },
        (None, Some(_), None) => return Err(table.fault_at("path", "it is no path of a folder").hint("git = \"..\" or archive = \"..\"")),
        _ => return Err(table.fault("it names none, or more than one, of `git`, `path` and `archive`")),
    };
    match &source {
        Source::Git { .. } | Source::Path(_) if content.is_some() => Err(only("content")),
        Source::Path(_) | Source::Archive { .. } if !ats.is_empty() => Err(only("version, tag, branch or rev")),
        _ => Ok(source),
    }
}
