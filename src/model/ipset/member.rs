//! What is in a set.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::part::{MOST, Part};
use super::{Definition, Entry, Method, SetName, words};
use crate::model::Fault;

/// What a set holds once: `10.0.0.0/8,tcp:80`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Element(pub Box<[Part]>);

/// An element with what the set keeps about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The element.
    pub element: Element,
    /// What is kept about it.
    pub entry: Entry,
}

impl Definition {
    /// Reads an element with its options (`10.0.0.1 timeout 60`), and gives everything that it stands for: a range, a network in a set of
    /// addresses, or several ports become as many members as the kernel would make of them.
    pub fn members(&self, text: &str) -> Result<Vec<Member>, Fault> {
        self.members_of(&words::split(text)?)
    }

    pub(super) fn members_of(&self, words: &[&str]) -> Result<Vec<Member>, Fault> {
        let Some((element, options)) = words.split_first() else {
            return Err(Fault::input("use \"\" as an element of a set", "it is empty"));
        };
        let entry = Entry::parse(options, format!("use {element:?} as an element of a set"), self)?;
        let elements = self.elements(element)?;
        Ok(elements.into_iter().map(|element| Member { element, entry: entry.clone() }).collect())
    }

    /// Reads an element without options, and gives everything that it stands for.
    pub fn elements(&self, text: &str) -> Result<Vec<Element>, Fault> {
        let refuse = |why: String| Fault::input(format!("use {text:?} as an element of a set"), why);
        let (dimensions, given): (_, Vec<&str>) = (self.kind.dimensions(), text.split(',').collect());
        // A MAC address that a bitmap is not told is learned from the first packet.
        let least = if self.kind.name() == "bitmap:ip,mac" { 1 } else { dimensions.len() };
        if given.len() < least || given.len() > dimensions.len() {
            let (_, shape) = self.kind.name().split_once(':').unwrap_or_default();
            return Err(refuse(format!("an element of this set is written {shape}")));
        }
        let mut found: Vec<Vec<Part>> = vec![Vec::with_capacity(given.len())];
        for (text, dimension) in given.iter().zip(dimensions) {
            let parts = Part::expand(text, *dimension, self)?;
            if found.len().saturating_mul(parts.len()) > MOST {
                return Err(refuse(format!("it stands for more than {MOST} elements")));
            }
            found = match &parts[..] {
                [one] => {
                    found.iter_mut().for_each(|before| before.push(one.clone()));
                    found
                }
                _ => found.iter().flat_map(|before| parts.iter().map(|part| [&before[..], std::slice::from_ref(part)].concat())).collect(),
            };
        }
        Ok(found.into_iter().map(|parts| Element(parts.into())).collect())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            write!(f, "{}{part}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.element, self.entry)
    }
}

/// All that is in a set. A list of sets has an order that counts, everything else has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Elements in no order of their own.
    Keyed(BTreeMap<Element, Entry>),
    /// Elements in the order in which they are asked.
    Listed(Vec<Member>),
}

impl Members {
    /// Begins with nothing in a set of this definition.
    pub fn new(definition: &Definition) -> Self {
        if definition.kind.method() == Method::List { Members::Listed(Vec::new()) } else { Members::Keyed(BTreeMap::new()) }
    }

    /// Tells how many there are.
    pub fn len(&self) -> usize {
        match self {
            Members::Keyed(members) => members.len(),
            Members::Listed(members) => members.len(),
        }
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds what is kept about an element.
    pub fn get(&self, element: &Element) -> Option<&Entry> {
        match self {
            Members::Keyed(members) => members.get(element),
            Members::Listed(members) => members.iter().find(|member| member.element == *element).map(|member| &member.entry),
        }
    }

    /// Puts an element in, a new one of a list at its end, and gives what was kept about it before.
    pub fn insert(&mut self, Member { element, entry }: Member) -> Option<Entry> {
        match self {
            Members::Keyed(members) => members.insert(element, entry),
            Members::Listed(members) => match members.iter_mut().find(|member| member.element == element) {
                Some(member) => Some(std::mem::replace(&mut member.entry, entry)),
                None => {
                    members.push(Member { element, entry });
                    None
                }
            },
        }
    }

    /// Takes an element out, and gives what was kept about it.
    pub fn remove(&mut self, element: &Element) -> Option<Entry> {
        match self {
            Members::Keyed(members) => members.remove(element),
            Members::Listed(members) => {
                let at = members.iter().position(|member| member.element == *element)?;
                Some(members.remove(at).entry)
            }
        }
    }

    /// Gives all members, those of a list in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Element, &Entry)> {
        let (keyed, listed) = match self {
            Members::Keyed(members) => (Some(members), None),
            Members::Listed(members) => (None, Some(members)),
        };
        let listed = listed.into_iter().flatten().map(|member| (&member.element, &member.entry));
        keyed.into_iter().flatten().chain(listed)
    }

    /// Gives the sets that are named.
    pub fn sets(&self) -> impl Iterator<Item = &SetName> {
        self.iter().flat_map(|(element, _)| element.0.iter()).filter_map(|part| match part {
            Part::Set(name) => Some(name),
            _ => None,
        })
    }

    /// Tells whether others are the same, as far as [entries agree](Entry::agrees).
    pub fn agrees(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a.0 == b.0 && a.1.agrees(b.1))
    }
}
