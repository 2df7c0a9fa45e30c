//! Objects that are known by a name of their own: what there is of them, what is asked for, and the way back.
//!
//! Rules are known by their places and have a model of their own. For all else an object has a state or is not there, a change goes from one
//! state to another, and what was changed is put back if it still is what it was changed to.

mod edit;
mod revert;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::change::{Change, Object, State};
use super::ipset::{Element, SetName};
use super::sysctl;

pub use edit::{Edit, Wish, wish};
pub use revert::revert;

/// What there is, by its names.
pub type Inventory = BTreeMap<Object, State>;

/// What has to be read in order to know some objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A kernel parameter, or all below a folder of them.
    Sysctl(sysctl::Key),
    /// A set with what is in it.
    Set(SetName),
    /// The sets, without what is in them.
    Sets,
    /// The reserved ports.
    ReservedPorts,
}

impl Scope {
    /// Tells whether an object is in it.
    pub fn covers(&self, object: &Object) -> bool {
        match (self, object) {
            (Scope::Sysctl(folder), Object::Sysctl(key)) => folder.covers(key),
            (Scope::Set(set), Object::Set(name) | Object::Member(name, _)) => set == name,
            (Scope::Sets, Object::Set(_)) | (Scope::ReservedPorts, Object::ReservedPort(_)) => true,
            _ => false,
        }
    }
}

impl Object {
    /// Gives what has to be read in order to know the object, and all that changes with it.
    pub fn scopes(&self) -> Vec<Scope> {
        match self {
            Object::Sysctl(key) => key.scope().into_iter().map(Scope::Sysctl).collect(),
            Object::Set(set) | Object::Member(set, _) => vec![Scope::Set(set.clone())],
            Object::SetPair(one, other) => vec![Scope::Set(one.clone()), Scope::Set(other.clone())],
            Object::ReservedPort(_) => vec![Scope::ReservedPorts],
            _ => Vec::new(),
        }
    }

    /// Tells whether it can be made and taken away; what cannot has a value as long as what it belongs to is there.
    fn can_be_made(&self) -> bool {
        !matches!(self, Object::Sysctl(_))
    }

    /// Tells whether several runs may rely on the same state of it: the last one that is lifted puts it back.
    pub fn is_shared(&self) -> bool {
        matches!(self, Object::Sysctl(_) | Object::Member(..) | Object::ReservedPort(_))
    }

    /// Gives what has to be there for it to be there.
    fn container(&self) -> Option<Object> {
        match self {
            Object::Member(set, _) => Some(Object::Set(set.clone())),
            _ => None,
        }
    }

    /// Tells whether others are in it, which go when it goes.
    fn holds_others(&self) -> bool {
        matches!(self, Object::Set(_))
    }
}

impl State {
    /// Tells whether another state is the same, as far as somebody has chosen it: what runs on by itself does not count.
    pub fn agrees(&self, other: &State) -> bool {
        match (self, other) {
            (State::Set(one), State::Set(other)) => one.agrees(other),
            (State::Entry(one), State::Entry(other)) => one.agrees(other),
            _ => self == other,
        }
    }

    /// Tells whether what has this state goes away by itself.
    fn passes(&self) -> bool {
        matches!(self, State::Entry(entry) if entry.timeout.is_some_and(|seconds| seconds > 0))
    }
}

/// Tells whether two objects are in the same state, or both not there.
pub fn agree(one: Option<&State>, other: Option<&State>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.agrees(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Gives the state of an object; of a pair of sets, which of them is which.
fn state_of(inventory: &Inventory, object: &Object) -> Option<State> {
    let Object::SetPair(one, other) = object else { return inventory.get(object).cloned() };
    let identity = |set: &SetName| match inventory.get(&Object::Set(set.clone())) {
        // The seed of a hash is chosen when the set is made, and goes where the set goes.
        Some(State::Set(definition)) if definition.tuning.initval.is_some() => {
            definition.tuning.initval.map(|seed| format!("{seed:#010x}"))
        }
        Some(_) => Some(contents(inventory, &Object::Set(set.clone())).map(|(object, _)| object.to_string()).collect::<Vec<_>>().join(" ")),
        None => None,
    };
    Some(State::Pair(identity(one)?, identity(other)?))
}

/// Gives what is in an object.
pub fn contents<'a>(inventory: &'a Inventory, container: &'a Object) -> impl Iterator<Item = (&'a Object, &'a State)> {
    // What is in one set stands together, and the element of no parts would be the first.
    let first = match container {
        Object::Set(set) => Some(Object::Member(set.clone(), Element([].into()))),
        _ => None,
    };
    let is_inside = move |object: &Object| matches!((object, container), (Object::Member(of, _), Object::Set(set)) if of == set);
    first.into_iter().flat_map(|first| inventory.range(first..)).take_while(move |(object, _)| is_inside(object))
}

/// Gives what the kernel sets by itself when an object gets another state, also where that is what it was.
fn followers(object: &Object, state: &State, inventory: &Inventory) -> Vec<(Object, State)> {
    let (Object::Sysctl(key), State::Value(value)) = (object, state) else { return Vec::new() };
    if inventory.get(object) == Some(state) {
        return Vec::new();
    }
    let made = |(other, _): (&Object, &State)| match other {
        Object::Sysctl(name) => Some((other.clone(), State::Value(key.makes(value, name)?))),
        _ => None,
    };
    inventory.iter().filter_map(made).collect()
}

/// Lets two sets have each other's name.
fn swap(inventory: &mut Inventory, one: &SetName, other: &SetName) {
    let renamed = |object: Object| match object {
        Object::Set(name) if name == *one => Object::Set(other.clone()),
        Object::Set(name) if name == *other => Object::Set(one.clone()),
        Object::Member(name, element) if name == *one => Object::Member(other.clone(), element),
        Object::Member(name, element) if name == *other => Object::Member(one.clone(), element),
        object => object,
    };
    *inventory = std::mem::take(inventory).into_iter().map(|(object, state)| (renamed(object), state)).collect();
}

/// Does changes to what there is.
pub fn apply(inventory: &mut Inventory, changes: &[Change]) {
    for change in changes {
        match (&change.object, &change.after) {
            (Object::SetPair(one, other), _) => swap(inventory, one, other),
            (object, Some(state)) => drop(inventory.insert(object.clone(), state.clone())),
            (object, None) => drop(inventory.remove(object)),
        }
    }
}

/// Tells whether the kernel makes a change by itself when it makes another one.
pub fn follows(change: &Change, lead: &Change) -> bool {
    match (&change.object, &lead.object, &lead.after) {
        (Object::Sysctl(key), Object::Sysctl(leader), Some(State::Value(value))) => leader.makes(value, key).is_some(),
        _ => false,
    }
}

/// A state as it is told in a sentence.
pub struct Told<'a>(pub &'a State);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            State::Value(value) => write!(f, "{value}"),
            State::Present => write!(f, "present"),
            State::Policy(policy) => write!(f, "{policy}"),
            State::Name(name) => write!(f, "{name}"),
            State::Rule(rule, _) => write!(f, "{}", rule.words),
            State::Set(definition) => write!(f, "{}", definition.in_short()),
            State::Entry(entry) => write!(f, "{entry}"),
            State::Pair(..) => write!(f, "as they were named"),
        }
    }
}
