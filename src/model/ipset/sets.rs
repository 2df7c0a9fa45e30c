//! All sets of a network namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Definition, Members, Method, SetName, words};
use crate::model::Fault;

/// What the kernel tells of a set besides what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// How many rules and lists ask it; a set that is asked cannot be destroyed.
    pub references: u32,
    /// How many bytes of memory it takes.
    pub memory: u32,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// How it was made.
    pub definition: Definition,
    /// What is in it.
    pub members: Members,
    /// What else the kernel tells of it.
    pub about: About,
}

impl Set {
    /// Makes an empty set.
    pub fn new(definition: Definition) -> Self {
        Self { members: Members::new(&definition), definition, about: About::default() }
    }

    /// Tells whether another set is the same, as far as a script can choose it.
    pub fn agrees(&self, other: &Self) -> bool {
        self.definition.agrees(&other.definition) && self.members.agrees(&other.members)
    }
}

/// The sets of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Those that are understood.
    pub sets: BTreeMap<SetName, Set>,
    /// Those that are not, by name, and why: they are other people's, and are left alone.
    pub opaque: BTreeMap<String, String>,
}

impl Sets {
    /// Tells whether others are the same, as far as [sets agree](Set::agrees).
    pub fn agrees(&self, other: &Self) -> bool {
        self.sets.len() == other.sets.len() && self.sets.iter().zip(&other.sets).all(|(a, b)| a.0 == b.0 && a.1.agrees(b.1))
    }
}

impl FromStr for Sets {
    type Err = Fault;

    /// Reads what `ipset save` writes.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut sets = Self::default();
        for line in text.lines() {
            let words = words::split(line)?;
            let refuse = |why: &str| Fault::input(format!("read {line:?}"), why);
            match words[..] {
                [] => {}
                ["create", name, ref definition @ ..] => {
                    let set = Set::new(Definition::parse(definition)?);
                    if sets.sets.insert(name.parse()?, set).is_some() {
                        return Err(refuse("the set is there already"));
                    }
                }
                ["add", name, ref member @ ..] => {
                    let set = sets.sets.get_mut(&name.parse()?).ok_or_else(|| refuse("the set was not created before"))?;
                    for member in set.definition.members_of(member)? {
                        set.members.insert(member);
                    }
                }
                [first, ..] if first.starts_with('#') => {}
                _ => return Err(refuse("a line begins with create or add")),
            }
        }
        Ok(sets)
    }
}

impl fmt::Display for Sets {
    /// Writes what `ipset restore` reads: lists of sets last, because they name others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_list = |set: &Set| set.definition.kind.method() == Method::List;
        let (lists, others): (Vec<_>, Vec<_>) = self.sets.iter().partition(|(_, set)| is_list(set));
        for (name, set) in others.iter().chain(&lists) {
            writeln!(f, "create {name} {}", set.definition)?;
        }
        for (name, set) in others.iter().chain(&lists) {
            for (element, entry) in set.members.iter() {
                writeln!(f, "add {name} {element}{entry}")?;
            }
        }
        Ok(())
    }
}
