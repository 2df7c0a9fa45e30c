//! Network namespaces: their names, what tells them apart, and where changes are made. After ip-netns(8) and network_namespaces(7).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Fault;

/// The name of a network namespace: of a file in the folder where ip-netns(8) keeps them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let why = match name {
            "" => "the name is empty",
            "." | ".." => "that is a folder",
            _ if name.len() > 255 => "the name is longer than 255 bytes",
            _ if name.contains(['/', '\0']) => "the name has a slash or a NUL byte in it",
            _ if name.starts_with('-') => "the name begins with a hyphen",
            _ => return Ok(Self(name.into())),
        };
        Err(Fault::input(format!("use {name:?} as the name of a network namespace"), why))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = Fault;

    fn try_from(name: String) -> Result<Self, Fault> {
        name.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

/// What somebody calls a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// By its name.
    Name(Name),
    /// By a file that stands for it.
    Path(String),
    /// By a process that is in it.
    Pid(u32),
}

impl FromStr for Word {
    type Err = Fault;

    /// Reads a path if there is a slash in it, else a name.
    fn from_str(word: &str) -> Result<Self, Fault> {
        match word {
            path if path.contains('\0') => Err(Fault::input(format!("use {path:?} as a network namespace"), "it has a NUL byte in it")),
            path if path.contains('/') => Ok(Word::Path(path.to_owned())),
            name => name.parse().map(Word::Name),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Name(name) => write!(f, "{name}"),
            Word::Path(path) => write!(f, "{path}"),
            Word::Pid(pid) => write!(f, "pid:{pid}"),
        }
    }
}

/// A network namespace in which something is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// Its cookie: unlike a name or an inode, none is used twice before a reboot.
    pub namespace: u64,
    /// How it is found again: `host`, a name of ip-netns(8), a path, `pid:` and a process that is in it, or `anonymous`.
    pub home: String,
}

impl Site {
    /// How a namespace is called that has no name, and is found again only as long as a process is in it.
    pub const ANONYMOUS: &str = "anonymous";

    /// Makes the site of a namespace.
    pub fn new(namespace: u64, home: impl Into<String>) -> Self {
        Self { namespace, home: home.into() }
    }

    /// Makes the site of a namespace that has a name. A name that is a word of another meaning here is told by its file.
    pub fn named(namespace: u64, name: &Name) -> Self {
        match name.as_str() {
            odd if odd == "host" || odd == Self::ANONYMOUS || odd.starts_with("pid:") => Self::new(namespace, format!("/run/netns/{odd}")),
            name => Self::new(namespace, name),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network namespace {}", self.home)
    }
}

/// What of namespaces can be changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// The namespace of a name.
    Name(Name),
    /// A namespace, by its cookie, that was taken out of the way and may be wanted back.
    Aside(u64),
}

impl Object {
    /// Gives what has to be read in order to know it.
    pub fn scope(&self) -> Scope {
        match self {
            // To read all at once is cheaper than to count the processes of each.
            Object::Name(_) => Scope::Names,
            Object::Aside(cookie) => Scope::Aside(*cookie),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Name(name) => write!(f, "network namespace {name}"),
            Object::Aside(cookie) => write!(f, "network namespace {cookie} that is kept aside"),
        }
    }
}

/// What can be read of namespaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A namespace that was taken out of the way.
    Aside(u64),
    /// All that have a name.
    Names,
}

impl Scope {
    /// Tells whether an object is in it.
    pub fn covers(&self, object: &Object) -> bool {
        match (self, object) {
            (Scope::Aside(cookie), Object::Aside(other)) => cookie == other,
            (Scope::Names, Object::Name(_)) => true,
            _ => false,
        }
    }
}

/// What there is of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A namespace.
    Made {
        /// Its cookie.
        cookie: u64,
        /// How many processes are in it.
        #[serde(default, skip_serializing_if = "is_zero")]
        processes: usize,
    },
    /// A file on which no namespace is mounted: whoever made it was killed between the two.
    Half,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl State {
    /// Gives the state of a namespace in which nobody is.
    pub fn empty(cookie: u64) -> Self {
        State::Made { cookie, processes: 0 }
    }

    /// Gives the cookie.
    pub fn cookie(&self) -> Option<u64> {
        match self {
            State::Made { cookie, .. } => Some(*cookie),
            State::Half => None,
        }
    }

    /// Tells whether it is the same namespace, whoever is in it.
    pub fn agrees(&self, other: &State) -> bool {
        self.cookie() == other.cookie()
    }

    /// Says who is in it, if anybody is.
    pub fn held(&self) -> Option<String> {
        match self {
            State::Made { processes: 1, .. } => Some("a process is in it".to_owned()),
            State::Made { processes: many @ 2.., .. } => Some(format!("{many} processes are in it")),
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Made { cookie, processes: 0 } => write!(f, "number {cookie}"),
            State::Made { cookie, .. } => write!(f, "number {cookie}, {}", self.held().unwrap_or_default()),
            State::Half => write!(f, "half made"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for odd in ["", ".", "..", "-x", "a\0b", "a/b", "../x", &"n".repeat(256)] {
            let fault = odd.parse::<Name>().unwrap_err();
            assert_eq!(fault.kind.name(), "input", "{odd:?}");
        }
        for name in ["blue", "a b", "ü", "host", &"n".repeat(255)] {
            assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_word_with_a_slash_is_a_path() {
        assert_eq!("blue".parse(), Ok(Word::Name("blue".parse().unwrap())));
        assert_eq!("/run/netns/blue".parse(), Ok(Word::Path("/run/netns/blue".to_owned())));
        assert_eq!("a\0/b".parse::<Word>().unwrap_err().why, "it has a NUL byte in it");
    }

    #[test]
    fn a_name_that_means_something_else_is_told_by_its_file() {
        let home = |name: &str| Site::named(7, &name.parse().unwrap()).home;
        assert_eq!([home("blue"), home("host"), home("pid:7")], ["blue", "/run/netns/host", "/run/netns/pid:7"]);
    }

    #[test]
    fn who_is_inside_does_not_make_it_another_one() {
        let (empty, full) = (State::empty(7), State::Made { cookie: 7, processes: 2 });
        assert!(empty.agrees(&full) && !empty.agrees(&State::empty(8)) && !empty.agrees(&State::Half));
        assert_eq!((empty.held(), full.held().as_deref()), (None, Some("2 processes are in it")));
        assert_eq!((full.to_string().as_str(), State::Half.to_string().as_str()), ("number 7, 2 processes are in it", "half made"));
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), full);
    }
}
