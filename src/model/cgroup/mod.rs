//! Control groups (cgroups(7)): the groups, which process is in which, and what they do to packets.

mod class;
mod group;
mod process;
mod program;
#[cfg(test)]
mod tests;
mod way;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use class::ClassId;
pub use group::{Group, Hierarchy};
pub use process::Process;
pub use program::{Direction, Filter, Program};
pub use way::Way;

use super::change;
use super::named::{self, Inventory};
use super::{Fault, Kind};

/// What a change of this room is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A group as such.
    Group(Group),
    /// The group of a hierarchy in which a process is.
    Place(Process, Hierarchy),
    /// The class id that net_cls gives to the packets of a group.
    ClassId(Group),
    /// A program that fyke has attached to a group.
    Program(Program),
}

/// The state of an object of this room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there: a group.
    Present,
    /// The process is in this group.
    In(Group),
    /// The class id.
    ClassId(ClassId),
    /// The program is attached.
    Attached,
}

/// What has to be read in order to know some objects of this room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A group: whether it is there, what it is in, the groups and processes that are in it, and its class id.
    Group(Group),
    /// The group in which a process is.
    Place(Process, Hierarchy),
    /// A program that may be attached, and whether its group is there.
    Program(Program),
}

impl Scope {
    /// Tells whether an object in this state is in it.
    pub fn covers(&self, object: &Object, state: Option<&State>) -> bool {
        match (self, object) {
            (Scope::Group(group), Object::Group(other)) => {
                other == group || other.parent().as_ref() == Some(group) || group.parent().as_ref() == Some(other)
            }
            (Scope::Group(group), Object::ClassId(other)) => group == other,
            (Scope::Group(group), Object::Place(..)) => matches!(state, Some(State::In(place)) if place == group),
            (Scope::Place(process, hierarchy), Object::Place(other, of)) => (process, hierarchy) == (other, of),
            (Scope::Program(program), Object::Program(other)) => program == other,
            (Scope::Program(program), Object::Group(group)) => program.group == *group,
            _ => false,
        }
    }
}

impl Object {
    /// Gives the name of its kind, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Object::Group(_) => "cgroup",
            Object::Place(..) => "cgroup-of-process",
            Object::ClassId(_) => "class-id",
            Object::Program(_) => "cgroup-program",
        }
    }

    /// Gives what has to be read in order to know the object.
    pub fn scope(&self) -> Scope {
        match self {
            Object::Group(group) | Object::ClassId(group) => Scope::Group(group.clone()),
            Object::Place(process, hierarchy) => Scope::Place(*process, hierarchy.clone()),
            Object::Program(program) => Scope::Program(program.clone()),
        }
    }

    /// Tells whether it can be made and taken away; a process is always in some group.
    pub fn can_be_made(&self) -> bool {
        !matches!(self, Object::Place(..))
    }

    /// Tells whether it makes what belongs to who makes it.
    pub fn is_owned(&self) -> bool {
        matches!(self, Object::Group(_))
    }

    /// Tells whether several runs may rely on it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Object::Program(_))
    }

    /// Gives what has to be there for it to be there.
    pub fn container(&self) -> Option<Object> {
        match self {
            Object::Group(group) => group.parent().map(Object::Group),
            Object::ClassId(group) => Some(Object::Group(group.clone())),
            Object::Program(program) => Some(Object::Group(program.group.clone())),
            Object::Place(..) => None,
        }
    }

    /// Tells whether it is in a group.
    pub fn is_inside(&self, state: &State, group: &Group) -> bool {
        match (self, state) {
            (Object::Group(other), _) => other.parent().as_ref() == Some(group),
            (Object::ClassId(other), _) => other == group,
            (Object::Place(..), State::In(place)) => place == group,
            _ => false,
        }
    }

    /// Gives the state in which the end of a group leaves what is in it: a process is in the group above then.
    pub fn left_by(&self, group: &Group) -> Option<State> {
        let Object::Place(..) = self else { return None };
        group.parent().map(State::In)
    }

    /// Tells whether a later change is in what an earlier one made.
    pub fn is_in(&self, after: Option<&State>, made: &Object) -> bool {
        let Object::Group(group) = made else { return false };
        after.is_some_and(|state| self.is_inside(state, group)) || after.is_some() && self.container().as_ref() == Some(made)
    }

    /// Refuses to take away a group in which somebody is: the kernel does so, too.
    pub fn may_go(&self, inventory: &Inventory) -> Result<(), Fault> {
        let Object::Group(group) = self else { return Ok(()) };
        let whole = change::Object::Cgroup(self.clone());
        let (mut processes, mut groups) = (0, 0);
        for (object, _) in named::contents(inventory, &whole) {
            match object {
                change::Object::Cgroup(Object::Place(..)) => processes += 1,
                change::Object::Cgroup(Object::Group(_)) => groups += 1,
                _ => {}
            }
        }
        let hint = match (processes, groups) {
            (0, 0) if !group.is_root() => return Ok(()),
            (0, 0) => return Err(Fault::input(format!("take away the {whole}"), "it is the root of its hierarchy")),
            (0, _) => "take those away first",
            _ => "`group.add(pid)` of another one moves a process",
        };
        let why = match (processes, groups) {
            (0, 1) => "another one is in it".to_owned(),
            (0, several) => format!("{several} others are in it"),
            (1, _) => "a process is in it".to_owned(),
            (several, _) => format!("{several} processes are in it"),
        };
        Err(Fault::new(Kind::Busy, format!("take away the {whole}"), why).hint(hint))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Group(group) => write!(f, "cgroup {group}"),
            Object::Place(process, hierarchy) if hierarchy.is_unified() => write!(f, "cgroup of {process}"),
            Object::Place(process, hierarchy) => write!(f, "{hierarchy} cgroup of {process}"),
            Object::ClassId(group) => write!(f, "class id of cgroup {group}"),
            Object::Program(program) => write!(f, "{program}"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Present | State::Attached => Ok(()),
            State::In(group) => write!(f, "{}", group.path()),
            State::ClassId(class) => write!(f, "{class}"),
        }
    }
}
