//! Collects the book: from the engine, from the texts in the program, from the project and from its packages.

use super::{Book, Chapter, PackageDoc, RecipeDoc, Shelf};
use crate::bind::ROOMS;
use crate::host::embedded::{RECIPES, STDLIB};
use crate::host::package::{Project, shown};
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

/// Lists the functions of the packages that the project around needs. What is the matter with one of them is told when it is used.
pub fn functions_of_packages() -> Vec<FunctionDoc> {
    let project = folder::present().and_then(|folder| Project::around(&folder));
    let (Ok(Some(project)), mut book) = (project, Book::default()) else { return Vec::new() };
    let _ = book.own(&project);
    for name in project.manifest.dependencies.keys() {
        let _ = book.package(&project, name);
    }
    book.chapters.into_iter().flat_map(|chapter| chapter.functions).collect()
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
        let text = |file: &str| {
            let path = project.folder.join(file);
            decode(&shown(&path), &folder::read_file(&path)?)
        };
        self.exports(manifest, &text)?;
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
        let text = |file: &str| {
            let shown = format!("{name}@{}/{file}", package.entry.version);
            let missing =
                || Fault::input(format!("document {}", package.manifest.title()), format!("it says that it gives {file}, and has none"));
            decode(&shown, package.content.file(file).ok_or_else(missing)?)
        };
        self.exports(&package.manifest, &text)?;
        let is_direct = project.manifest.dependencies.contains_key(name);
        self.packages.push(PackageDoc { manifest: package.manifest.clone(), entry: Some(package.entry.clone()), is_direct });
        Ok(())
    }

    /// Adds the modules and recipes that a manifest names; `text` reads a file of its package.
    fn exports(&mut self, manifest: &Manifest, text: &dyn Fn(&str) -> Result<String, Fault>) -> Result<(), Fault> {
        for module in &manifest.modules {
            let text = text(&format!("{module}.rhai"))?;
            let room = format!("{}/{module}", manifest.name);
            let functions = reflect::of_script(&room, &text)?;
            let Header { summary, details, .. } =
                text.parse().map_err(|fault: Fault| Fault { tried: format!("read the head of {room}"), ..fault })?;
            let shelf = Shelf::Package(manifest.name.clone());
            self.chapters.push(Chapter { shelf, name: module.clone(), summary, details, functions, text: Some(text) });
        }
        for recipe in &manifest.recipes {
            self.recipe(format!("{}/{recipe}", manifest.name), Some(manifest.name.clone()), text(&format!("{recipe}.rhai"))?)?;
        }
        Ok(())
    }

    fn recipe(&mut self, word: String, package: Option<Name>, text: String) -> Result<(), Fault> {
        let interface = Recipe::inline(&word, &text).interface()?;
        self.recipes.push(RecipeDoc { word, package, interface, text });
        Ok(())
    }
}
