//! Recipes: where they come from, and what their header says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::declare::{self, Param};
use super::embedded::RECIPES;
use super::fault;
use super::package::{Project, Unit, first_part};
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::model::iptables::Owner;
use crate::model::near::did_you_mean;
use crate::model::package::Hash;
use crate::model::source::{MAX_BYTES, decode};
use crate::model::{Fault, Kind};

/// What stands for the file of a recipe that came from standard input.
const STDIN: &str = "<stdin>";

/// A recipe as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The name, by which its rules are tagged: of a file its name without folder and extension.
    pub name: String,
    /// The file as the user named it, as positions show it.
    pub file: String,
    /// Where it lies, if it is a file.
    pub path: Option<PathBuf>,
    /// The package that it is a file of, if it is one of a package.
    pub package: Option<Unit>,
    /// The text.
    pub text: String,
    /// The SHA-256 of the text, in hexadecimal.
    pub hash: String,
}

impl Recipe {
    /// Finds a recipe by what the user typed: a path, `-` for standard input, the name of a built-in one, or that of one of a package.
    pub fn find(word: &str) -> Result<Self, Fault> {
        if word == "-" {
            let text = decode("standard input", &files::read_stdin(MAX_BYTES)?)?;
            return Ok(Self::new("stdin", STDIN, None, text));
        }
        let is_path = word.contains('/') || word.ends_with(".rhai");
        match RECIPES.iter().find(|(name, _)| !is_path && *name == word) {
            Some((name, text)) => Ok(Self::new(name, name, None, (*text).to_owned())),
            None if word.contains('/') && !word.ends_with(".rhai") => Self::of_package(word)?.map_or_else(|| Self::read(word), Ok),
            None if is_path || files::exists(Path::new(word)) => Self::read(word),
            None => Err(unknown(word)),
        }
    }

    /// Finds a recipe of a package that the project needs; none if the word begins with the name of no such package.
    fn of_package(word: &str) -> Result<Option<Self>, Fault> {
        let tried = || format!("find the recipe {word:?}");
        let Some((name, own)) = first_part(word) else { return Ok(None) };
        let Some(project) = Project::around(&folder::present()?)?.filter(|project| project.manifest.dependencies.contains_key(&name))
        else {
            return Ok(None);
        };
        if files::exists(Path::new(word)) {
            return Err(Fault::input(tried(), "there is a package and a file of this name").hint(format!("the file is ./{word}")));
        }
        let package = project.load(&name)?;
        let (title, file) = (package.manifest.title(), format!("{own}.rhai"));
        let bytes = package.content.file(&file).filter(|_| package.manifest.recipes.iter().any(|recipe| recipe == own));
        let Some(bytes) = bytes else {
            let recipes = || package.manifest.recipes.iter().map(String::as_str);
            let all = || {
                if recipes().next().is_none() {
                    "it gives none".to_owned()
                } else {
                    format!("it gives {}", recipes().collect::<Vec<_>>().join(", "))
                }
            };
            let fault = Fault::input(tried(), format!("{title} gives no recipe {own:?}"));
            return Err(fault.hint(did_you_mean(own, recipes()).unwrap_or_else(all)));
        };
        let text = decode(word, bytes)?;
        Ok(Some(Self { package: Some(Unit { package: name.clone(), file }), ..Self::new(&format!("{name}:{own}"), word, None, text) }))
    }

    /// Reads a recipe from a file.
    pub fn read(file: &str) -> Result<Self, Fault> {
        Ok(Self::at(file, &decode(file, &files::read_bounded(Path::new(file), MAX_BYTES)?)?))
    }

    /// Makes a recipe of the text of a file, which may be there later only.
    pub fn at(file: &str, text: &str) -> Self {
        let path = PathBuf::from(file);
        let stem = path.file_stem().map_or_else(|| "recipe".to_owned(), |s| s.to_string_lossy().into_owned());
        Self::new(&stem, file, Some(path), text.to_owned())
    }

    /// Makes a recipe of a text that is no file.
    pub fn inline(name: &str, text: &str) -> Self {
        Self::new(name, name, None, text.to_owned())
    }

    /// Gives the word by which it is found again: what the user typed.
    pub fn word(&self) -> &str {
        if self.file == STDIN { "-" } else { &self.file }
    }

    /// Gives the owner of what the recipe sets. What has no name of its own is known by its text: two one-liners are not two versions of one
    /// recipe, and the second does not replace the rules of the first.
    pub fn owner(&self, instance: &str) -> Owner {
        let name = self.name.trim_matches(['<', '>']);
        match (self.file.starts_with('<'), self.hash.get(..8)) {
            (true, Some(hash)) => Owner::new(&format!("{name}-{hash}"), instance),
            _ => Owner::new(name, instance),
        }
    }

    fn new(name: &str, file: &str, path: Option<PathBuf>, text: String) -> Self {
        Self { name: name.to_owned(), file: file.to_owned(), path, package: None, hash: hash(&text), text }
    }

    /// Lists the built-in recipes.
    pub fn built_in() -> impl Iterator<Item = Self> {
        RECIPES.iter().map(|(name, text)| Self::new(name, name, None, (*text).to_owned()))
    }

    /// Reads the `//!` lines at the head of the text.
    pub fn header(&self) -> Result<Header, Fault> {
        self.text.parse().map_err(|f: Fault| Fault { tried: format!("read the header of {}", self.name), ..f })
    }

    /// Reads the header and the declared parameters, without running anything.
    pub fn interface(&self) -> Result<Interface, Fault> {
        let ast = declare::parser().compile(&self.text).map_err(|e| fault::of_parsing(&self.file, &self.text, &e))?;
        let mut declared = declare::declared(&ast, &|pos| fault::in_file(&self.file, pos));
        match declared.faults.is_empty() {
            true => Ok(Interface { header: self.header()?, params: declared.params }),
            false => Err(declared.faults.swap_remove(0)),
        }
    }
}

/// Gives the SHA-256 of a text, in hexadecimal.
pub(super) fn hash(text: &str) -> String {
    Hash::of(text.as_bytes()).hex()
}

fn unknown(word: &str) -> Fault {
    let hint = did_you_mean(word, RECIPES.iter().map(|(name, _)| *name));
    let hint = hint.unwrap_or_else(|| format!("`fyke list` shows the built-in recipes; a file is given as a path: ./{word}"));
    Fault::input(format!("find the recipe {word:?}"), "there is no built-in recipe and no file of this name").hint(hint)
}

/// Everything about a recipe that can be told without running it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// What the `//!` lines say.
    pub header: Header,
    /// The parameters, in the order of their declaration.
    pub params: Vec<Param>,
}

/// The `//!` lines of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What it does, in one sentence.
    pub summary: String,
    /// The rest of the text, if there is any.
    pub details: String,
    /// The rooms that it changes.
    pub needs: Vec<String>,
    /// The recipe that it lifts, with the same values of its key parameters, where that is all that it does.
    pub lifts: Option<String>,
    /// What it can do to the machine, if it says so.
    pub risk: Option<Risk>,
}

/// What a recipe can do to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It only looks.
    Reads,
    /// It changes something.
    Changes,
    /// It can cut connections.
    Disrupts,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Risk::Reads => "reads",
            Risk::Changes => "changes",
            Risk::Disrupts => "disrupts",
        })
    }
}

impl FromStr for Risk {
    type Err = Fault;

    fn from_str(word: &str) -> Result<Self, Fault> {
        match word {
            "reads" => Ok(Risk::Reads),
            "changes" => Ok(Risk::Changes),
            "disrupts" => Ok(Risk::Disrupts),
            _ => Err(Fault::input("read a risk", format!("{word:?} is none of reads, changes, disrupts"))),
        }
    }
}

impl FromStr for Header {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut header = Header::default();
        let mut prose = Vec::new();
        let lines = text.lines().map(str::trim).skip_while(|l| l.is_empty() || (l.starts_with("//") && !l.starts_with("//!")));
        for line in lines.map_while(|l| l.strip_prefix("//!")).map(str::trim) {
            if let Some(rooms) = line.strip_prefix("needs:") {
                header.needs.extend(rooms.split([',', ' ']).filter(|r| !r.is_empty()).map(str::to_owned));
            } else if let Some(recipe) = line.strip_prefix("lifts:") {
                header.lifts = Some(recipe.trim().to_owned());
            } else if let Some(risk) = line.strip_prefix("risk:") {
                header.risk = Some(risk.trim().parse()?);
            } else {
                prose.push(line);
            }
        }
        let prose = prose.join("\n");
        let (summary, details) = prose.trim().split_once("\n\n").unwrap_or((prose.trim(), ""));
        header.summary = summary.replace('\n', " ");
        header.details = details.trim().to_owned();
        Ok(header)
    }
}

impl Header {
    /// Says what the header lacks.
    pub fn lacks(&self) -> Option<Fault> {
        let lack = |what: &str| Some(Fault::new(Kind::Input, "know what the recipe does", format!("its header lacks {what}")));
        match self {
            h if h.summary.is_empty() => lack("a sentence (`//! Drop a source that ...`)"),
            h if h.risk.is_none() => lack("`//! risk:` with reads, changes or disrupts"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_without_running() {
        let text = "#!/usr/bin/env fyke\n//! Drop a source that\n//! opens too much.\n//!\n//! More words.\n//! needs: iptables, sysctl\n//! \
                    risk: disrupts\n\nlet x = 1;\n//! not this\n";
        let header: Header = decode("a", text.as_bytes()).unwrap().parse().unwrap();
        assert_eq!(header.summary, "Drop a source that opens too much.");
        assert_eq!(header.details, "More words.");
        assert_eq!(header.needs, ["iptables", "sysctl"]);
        assert_eq!(header.risk, Some(Risk::Disrupts));
        assert!(header.lacks().is_none());
        assert!("//! risk: none".parse::<Header>().is_err());
        assert!("let x = 1;".parse::<Header>().unwrap().lacks().is_some());
    }

    #[test]
    fn a_recipe_is_found_or_not() {
        assert_eq!(Recipe::find("./no-such.rhai").unwrap_err().kind, Kind::NotFound);
        let fault = Recipe::find("nonesuch").unwrap_err();
        assert_eq!(fault.to_string(), "cannot find the recipe \"nonesuch\": there is no built-in recipe and no file of this name");
        assert_eq!(Recipe::find("/").unwrap_err().why, "it is a directory");
    }

    #[test]
    fn the_hash_is_of_the_text() {
        let recipe = Recipe::inline("x", "abc");
        assert_eq!(recipe.hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
