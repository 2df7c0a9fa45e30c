//! `fyke doc`: the functions and recipes that there are here, as a web site, as JSON, or as definitions for editors.
//!
//! [`crate::host::book`] collects what there is, as plain values; the files here turn it into text, and [`generated`] writes that.

mod chapter;
mod code;
mod html;
mod index;
mod json;
mod markdown;
mod package;
mod recipes;
mod site;

use std::path::{Path, PathBuf};

use super::args::Doc;
use super::show::Screen;
use crate::host::book::{self, Book};
use crate::host::definitions;
use crate::host::package::{Project, shown};
use crate::kernel::package::folder;
use crate::kernel::{files, generated};
use crate::model::Fault;
use crate::model::package::DIST;

/// Collects the book, and writes it in the form that is wanted.
pub(crate) fn run(screen: &Screen, words: &Doc) -> Result<u8, Fault> {
    if screen.json && (words.out.is_some() || words.definitions.is_some()) {
        return Err(
            Fault::input("print the documentation as JSON", "with --json no files are written").hint("leave --json or the folder out")
        );
    }
    let book = book::open()?;
    for (package, why) in &book.left_out {
        screen.note(&format!("left out: {package}: {why}"));
    }
    if screen.json {
        return screen.document(&json::document(&book)).map(|()| 0);
    }
    let (folder, files, told) = match &words.definitions {
        Some(folder) => (folder.clone(), definitions::files(&book, &above(folder)?), folder.clone()),
        None => {
            let folder = words.out.clone().map_or_else(usual, Ok)?;
            (folder.clone(), site::files(&book)?, folder.join("index.html"))
        }
    };
    let files: Vec<_> = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    generated::write(&folder, &files)?;
    screen.print_line(&shown(&told)).map(|()| 0)
}

/// Gives the folder for the site where none is named. It lies where no package looks for its own files.
fn usual() -> Result<PathBuf, Fault> {
    let present = folder::present()?;
    let base = Project::around(&present)?.map_or(present, |project| project.folder);
    Ok(base.join(DIST).join("doc"))
}

/// Gives the way from a folder in the project up to the project, `../`; nothing for any other folder.
fn above(folder: &Path) -> Result<String, Fault> {
    let project = Project::around(&folder::present()?)?;
    let folder = files::real(&files::spelled(folder)?);
    let below = project.as_ref().and_then(|project| folder.strip_prefix(&project.folder).ok());
    Ok("../".repeat(below.map_or(0, |below| below.components().count())))
}

/// Gives the name of the page of a chapter. Neither names of packages nor of modules have dots in them, so no two pages meet.
fn page_of(chapter: &book::Chapter) -> String {
    use book::Shelf;
    match &chapter.shelf {
        Shelf::Everywhere => "functions.html".to_owned(),
        Shelf::Room => format!("{}.html", chapter.name),
        Shelf::Standard => format!("std.{}.html", chapter.name),
        Shelf::Package(package) => format!("package.{package}.{}.html", chapter.name.replace('/', ".")),
    }
}

/// Gives the name of the page of a package.
fn page_of_package(name: &crate::model::package::Name) -> String {
    format!("package.{name}.html")
}

/// Lists the pages that a book has, for links.
fn pages(book: &Book) -> impl Iterator<Item = String> + '_ {
    let fixed = ["index.html", "recipes.html"].into_iter().map(str::to_owned);
    fixed.chain(book.chapters.iter().map(page_of)).chain(book.packages.iter().map(|package| page_of_package(&package.manifest.name)))
}
