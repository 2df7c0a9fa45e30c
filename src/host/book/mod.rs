//! The book of everything that scripts can call and that people can run, as plain values: what `fyke doc` renders.

mod collect;
mod comment;

use super::reflect::FunctionDoc;
use super::{Interface, Param};
use crate::model::package::{Entry, Manifest, Name};

pub use collect::{Given, Unread, functions_of_packages, open};
pub use comment::{Comment, Parameter};

/// Everything that there is to document here.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The project, if the present folder is in one; it is among the packages, too, if it gives something to others.
    pub project: Option<String>,
    /// What scripts can call, in the order in which it is shown.
    pub chapters: Vec<Chapter>,
    /// The packages: first the project itself, then those that it needs.
    pub packages: Vec<PackageDoc>,
    /// What people can run: the built-in recipes, then those of the packages.
    pub recipes: Vec<RecipeDoc>,
    /// The packages that are not in the book, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// Where the functions of a chapter come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// Fyke has them, without a room.
    Everywhere,
    /// They are a room of fyke.
    Room,
    /// They are a module of the standard library.
    Standard,
    /// They are a module of a package.
    Package(Name),
}

/// The functions of one room or module.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Where they come from.
    pub shelf: Shelf,
    /// The name of the room, or of the module without its package; empty for the functions without a room.
    pub name: String,
    /// What it is about, in one line.
    pub summary: String,
    /// The rest of what its head says, as markdown.
    pub details: String,
    /// The functions.
    pub functions: Vec<FunctionDoc>,
    /// The text of the module, if it is written in Rhai.
    pub text: Option<String>,
}

impl Chapter {
    /// Gives the words of the import, `std:nat` or `teamlib/limits`; none for what is there without one.
    pub fn import(&self) -> Option<String> {
        match &self.shelf {
            Shelf::Everywhere | Shelf::Room => None,
            Shelf::Standard => Some(format!("std:{}", self.name)),
            Shelf::Package(package) => Some(format!("{package}/{}", self.name)),
        }
    }

    /// Gives the name that stands before `::` where the module is imported under its own.
    pub fn alias(&self) -> String {
        super::reflect::alias(&self.name)
    }

    /// Gives the title.
    pub fn title(&self) -> String {
        match self.shelf {
            Shelf::Everywhere => "Functions without a room".to_owned(),
            _ => self.import().unwrap_or_else(|| self.name.clone()),
        }
    }
}

/// What is known of a package.
#[derive(Clone, Debug)]
pub struct PackageDoc {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What the lock says of it; nothing for the project itself.
    pub entry: Option<Entry>,
    /// Whether the project can import it: it is the project itself, or named in its manifest.
    pub is_direct: bool,
}

/// A recipe, with everything that it says of itself.
#[derive(Clone, Debug)]
pub struct RecipeDoc {
    /// The word by which it is run.
    pub word: String,
    /// The package that it is one of.
    pub package: Option<Name>,
    /// Its head and its parameters.
    pub interface: Interface,
    /// Its text.
    pub text: String,
}

impl RecipeDoc {
    /// Gives the parameters.
    pub fn params(&self) -> &[Param] {
        &self.interface.params
    }
}
