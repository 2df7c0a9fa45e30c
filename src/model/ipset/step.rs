//! What can be done to sets, one thing at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Definition, Element, Member, SetName};

/// The place of a new element in a list of sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Right before this one.
    Before(SetName),
    /// Right after this one.
    After(SetName),
}

/// One thing that is done to the sets of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Makes a set that is not there yet.
    Create(SetName, Definition),
    /// Takes a set away with all that is in it.
    Destroy(SetName),
    /// Takes out all that is in a set.
    Flush(SetName),
    /// Gives a set a name that is free.
    Rename(SetName, SetName),
    /// Lets two sets of a type have each other's name, at once for all rules that ask them.
    Swap(SetName, SetName),
    /// Puts in what is not there yet, in a list of sets at its end or beside another one.
    Add(SetName, Member, Option<Beside>),
    /// Puts in what may be there, with what is to be kept about it now.
    Put(SetName, Member),
    /// Takes out what is there.
    Remove(SetName, Element),
    /// Takes out what may be there: an element may go by itself when its time is over.
    Take(SetName, Element),
}

impl Step {
    /// Gives the set that is changed.
    pub fn set(&self) -> &SetName {
        match self {
            Step::Create(set, _) | Step::Destroy(set) | Step::Flush(set) | Step::Rename(set, _) | Step::Swap(set, _) => set,
            Step::Add(set, ..) | Step::Put(set, _) | Step::Remove(set, _) | Step::Take(set, _) => set,
        }
    }
}

impl fmt::Display for Step {
    /// Writes the step as the end of "cannot ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Create(set, definition) => write!(f, "create the set {set} ({})", definition.kind),
            Step::Destroy(set) => write!(f, "destroy the set {set}"),
            Step::Flush(set) => write!(f, "flush the set {set}"),
            Step::Rename(from, to) => write!(f, "rename the set {from} to {to}"),
            Step::Swap(one, other) => write!(f, "swap the sets {one} and {other}"),
            Step::Add(set, member, None) => write!(f, "add {} to the set {set}", member.element),
            Step::Add(set, member, Some(Beside::Before(name))) => write!(f, "add {} before {name} to the set {set}", member.element),
            Step::Add(set, member, Some(Beside::After(name))) => write!(f, "add {} after {name} to the set {set}", member.element),
            Step::Put(set, member) => write!(f, "put {} into the set {set}", member.element),
            Step::Remove(set, element) | Step::Take(set, element) => write!(f, "remove {element} from the set {set}"),
        }
    }
}
