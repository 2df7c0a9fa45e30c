//! Collects the book: from the engine, from the texts in the program, from the project and from its packages.

use super::{Book, Chapter, PackageDoc, RecipeDoc, Shelf};
use crate::bind::ROOMS;
use crate::host::embedded::{RECIPES, STDLIB};
use crate::host::package::{Package, Project, shown};
use crate::host::reflect::{self, FunctionDoc};
use crate::host::{Header, Recipe};
use crate::kernel::package::folder;
use crate::model::package::{Manifest, Name};
use crate::model::source::decode;
use crate::model::{Fault, Kind};

/// Collects the book for the present folder: of fyke itself, and of the project around and the packages that it needs, if there is one.
pub fn open() -> Result<Book, Fault> {
    let mut book = Book { chapters: native(), ..Book::default() };
    for (name, text) in RECIPES {
        book.recipe((*name).to_owned(), None, (*text).to_owned())?;
    }
    if let Some(project) = Project::around(&folder::present()?)? {
        book.project = Some(project.manifest.title());
        book.own(&project)?;
        book.needed(&project)?;
    }
    Ok(book)
}

/// What the packages of a project give, as far as it can be read.
#[derive(Debug, Default)]
pub struct Given {
    /// The functions.
    pub functions: Vec<FunctionDoc>,
    /// What cannot be read.
    pub unread: Vec<Unread>,
}

/// A module, or a whole package, that cannot be read.
#[derive(Debug)]
pub struct Unread {
    /// Why.
    pub fault: Fault,
    /// The text of a module, as far as it has one.
    pub text: String,
}

/// Lists the functions of the project around, and of the packages that it needs. What cannot be read leaves the others as they are.
pub fn functions_of_packages() -> Given {
    let mut given = Given::default();
    let project = match folder::present().and_then(|folder| Project::around(&folder)) {
        Ok(Some(project)) => project,
        Ok(None) => return given,
        Err(fault) => {
            given.lacks(fault);
            return given;
        }
    };
    given.add(&project.manifest, &|file| own(&project, file));
    for name in project.manifest.dependencies.keys() {
        match project.load(name) {
            Ok(package) => given.add(&package.manifest, &|file| of_package(&package, file)),
            Err(fault) => given.lacks(fault),
        }
    }
    given
}

impl Given {
    /// Notes what is the matter with a package as a whole, once: all may lack the same lock.
    fn lacks(&mut self, fault: Fault) {
        if !self.unread.iter().any(|other| other.fault == fault) {
            self.unread.push(Unread { fault, text: String::new() });
        }
    }

    fn add(&mut self, manifest: &Manifest, read: Read) {
        for module in &manifest.modules {
            match read(&format!("{module}.rhai")) {
                Ok(source) => match chapter(manifest, module, &source) {
                    Ok(chapter) => self.functions.extend(chapter.functions),
                    Err(fault) => self.unread.push(Unread { fault, text: source.text }),
                },
                Err(fault) => self.unread.push(Unread { fault, text: String::new() }),
            }
        }
    }
}

/// A file of a package: what it is called, and what is in it.
struct Source {
    name: String,
    text: String,
}

/// Reads a file of a package.
type Read<'a> = &'a dyn Fn(&str) -> Result<Source, Fault>;

/// Reads a file of the project itself.
fn own(project: &Project, file: &str) -> Result<Source, Fault> {
    let path = project.folder.join(file);
    let name = shown(&path);
    let text = decode(&name, &folder::read_file(&path)?)?;
    Ok(Source { name, text })
}

/// Reads a file of a package that the project needs.
fn of_package(package: &Package, file: &str) -> Result<Source, Fault> {
    let (manifest, version) = (&package.manifest, &package.entry.version);
    let name = format!("{}@{version}/{file}", manifest.name);
    let missing = || Fault::input(format!("document {}", manifest.title()), format!("it says that it gives {file}, and has none"));
    let text = decode(&name, package.content.file(file).ok_or_else(missing)?)?;
    Ok(Source { name, text })
}

/// Makes the chapter of a module of a package.
fn chapter(manifest: &Manifest, module: &str, source: &Source) -> Result<Chapter, Fault> {
    let room = format!("{}/{module}", manifest.name);
    let functions = reflect::of_script(&room, &source.name, &source.text)?;
    let head = source.text.parse().map_err(|fault: Fault| Fault { tried: format!("read the head of {room}"), ..fault });
    let Header { summary, details, .. } = head?;
    let (shelf, text) = (Shelf::Package(manifest.name.clone()), Some(source.text.clone()));
    Ok(Chapter { shelf, name: module.to_owned(), summary, details, functions, text })
}

/// Makes the chapters of fyke itself.
fn native() -> Vec<Chapter> {
    let all = reflect::functions();
    let of = |room: &str| -> Vec<FunctionDoc> { all.iter().filter(|function| function.room == room).cloned().collect() };
    let plain = |shelf, name: &str, summary: &str| Chapter {
        shelf,
        name: name.to_owned(),
        summary: summary.to_owned(),
        details: String::new(),
        functions: of(name),
        text: None,
    };
    let mut chapters = vec![plain(Shelf::Everywhere, "", reflect::EVERYWHERE)];
    chapters.extend(ROOMS.iter().map(|room| plain(Shelf::Room, room.name, room.summary)));
    chapters.extend(STDLIB.iter().map(|(name, text)| {
        let Header { summary, details, .. } = text.parse().unwrap_or_default();
        let functions = of(&format!("std:{name}"));
        Chapter { shelf: Shelf::Standard, name: (*name).to_owned(), summary, details, functions, text: Some((*text).to_owned()) }
    }));
    chapters
}

impl Book {
    /// Adds what the project itself gives to others.
    fn own(&mut self, project: &Project) -> Result<(), Fault> {
        let manifest = &project.manifest;
        if manifest.modules.is_empty() && manifest.recipes.is_empty() {
            return Ok(());
        }
        self.exports(manifest, &|file| own(project, file))?;
        self.packages.push(PackageDoc { manifest: manifest.clone(), entry: None, is_direct: true });
        Ok(())
    }

    /// Adds the packages that the project needs, directly or not. What is not on this machine is left out and named.
    fn needed(&mut self, project: &Project) -> Result<(), Fault> {
        if project.manifest.dependencies.is_empty() {
            return Ok(());
        }
        let names: Vec<Name> = match project.lock() {
            Ok(lock) => lock.packages.keys().cloned().collect(),
            Err(fault) if fault.kind == Kind::NotFound => project.manifest.dependencies.keys().cloned().collect(),
            Err(fault) => return Err(fault),
        };
        for name in names {
            match self.package(project, &name) {
                Err(fault) if fault.kind == Kind::NotFound => {
                    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    self.left_out.push((name.to_string(), format!("{}{hint}", fault.why)));
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Adds one package.
    fn package(&mut self, project: &Project, name: &Name) -> Result<(), Fault> {
        let package = project.load(name)?;
        self.exports(&package.manifest, &|file| of_package(&package, file))?;
        let is_direct = project.manifest.dependencies.contains_key(name);
        self.packages.push(PackageDoc { manifest: package.manifest.clone(), entry: Some(package.entry.clone()), is_direct });
        Ok(())
    }

    /// Adds the modules and recipes that a manifest names.
    fn exports(&mut self, manifest: &Manifest, read: Read) -> Result<(), Fault> {
        for module in &manifest.modules {
            self.chapters.push(chapter(manifest, module, &read(&format!("{module}.rhai"))?)?);
        }
        for recipe in &manifest.recipes {
            self.recipe(format!("{}/{recipe}", manifest.name), Some(manifest.name.clone()), read(&format!("{recipe}.rhai"))?.text)?;
        }
        Ok(())
    }

    fn recipe(&mut self, word: String, package: Option<Name>, text: String) -> Result<(), Fault> {
        let interface = Recipe::inline(&word, &text).interface()?;
        self.recipes.push(RecipeDoc { word, package, interface, text });
        Ok(())
    }
}
