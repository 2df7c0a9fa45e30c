//! Traffic control, as tc(8) knows it: what queues packets on a device, in which classes, and how both are written.

pub mod action;
pub mod argv;
pub mod attribute;
pub mod bytecode;
mod class;
pub mod command;
mod device;
pub mod distribution;
mod edit;
pub mod effect;
pub mod filter;
mod handle;
mod kind;
mod options;
pub mod protocol;
mod qdisc;
#[cfg(test)]
mod tests;
pub mod transmission;
mod tree;
pub mod units;
pub mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;
use super::named::Inventory;

pub use class::Class;
pub use device::Device;
pub use filter::Filter;
pub use handle::Handle;
pub use kind::{KNOWN as KINDS, Kind};
pub use options::{Burst, Fifo, Framing, Htb, HtbClass, Loss, Netem, Options, Pace, Prio, Red, Settings, Sfq, Slot, Tbf, are_settings};
pub use qdisc::Qdisc;

/// What a change of traffic control is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A device. It is never changed here, but everything here is on one.
    Device(Device),
    /// The qdisc at a place of a device: its root, its ingress, or one of its classes.
    Qdisc(Device, Handle),
    /// A class that somebody made, by its handle.
    Class(Device, Handle),
    /// A filter, or a table of filters.
    Filter(Device, filter::Key),
}

/// The state of such an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The index of a device, which no other device of the namespace ever had.
    Link(u32),
    /// A qdisc.
    Qdisc(Box<Qdisc>),
    /// A class.
    Class(Box<Class>),
    /// A filter.
    Filter(Box<Filter>),
}

/// What has to be read in order to know some of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The devices, and nothing that is on them.
    Devices,
    /// All that is on a device.
    Device(Device),
    /// Whether the kernel has a kind of qdisc; nothing is read, but it is a fault if it has none.
    Kind(Kind),
    /// Whether there is a distribution of delays of a name; nothing is read, but it is a fault if there is none.
    Distribution(Box<str>),
}

impl Scope {
    /// Tells whether an object is in it.
    pub fn covers(&self, object: &Object) -> bool {
        match (self, object) {
            (Scope::Devices, Object::Device(_)) => true,
            (Scope::Device(device), object) => device == object.device(),
            _ => false,
        }
    }
}

impl Object {
    /// Gives the device.
    pub fn device(&self) -> &Device {
        match self {
            Object::Device(device) | Object::Qdisc(device, _) | Object::Class(device, _) | Object::Filter(device, _) => device,
        }
    }

    /// Gives what has to be read in order to know the object, and all that changes with it.
    pub fn scopes(&self) -> Vec<Scope> {
        vec![Scope::Device(self.device().clone())]
    }

    /// Tells whether it can be made and taken away here.
    pub fn can_be_made(&self) -> bool {
        !matches!(self, Object::Device(_))
    }

    /// Tells whether several runs may rely on the same state of it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Object::Qdisc(..) | Object::Class(..) | Object::Filter(..))
    }

    /// Tells whether others are in it, which go when it goes.
    pub fn holds_others(&self) -> bool {
        match self {
            Object::Filter(_, key) => !key.looks,
            object => object.is_shared(),
        }
    }

    /// Gives what it is in, or says what is not there that it would have to be in.
    pub fn container(&self, state: Option<&State>, inventory: &Inventory) -> Result<Option<Object>, String> {
        tree::container(self, state, inventory)
    }
}

impl State {
    /// Tells whether another state is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &State) -> bool {
        match (self, other) {
            (State::Qdisc(one), State::Qdisc(other)) => one.agrees(other),
            (State::Class(one), State::Class(other)) => one.agrees(other),
            (State::Filter(one), State::Filter(other)) => one.agrees(other),
            _ => self == other,
        }
    }

    /// Tells whether the kernel makes it anew where another state is to follow: all that is in it goes.
    pub fn is_made_anew_for(&self, next: &State) -> bool {
        match (self, next) {
            (State::Qdisc(now), State::Qdisc(next)) => !now.becomes(next),
            (State::Filter(now), State::Filter(next)) => !now.becomes(next),
            _ => false,
        }
    }

    /// Says what of it the kernel does not tell, so that it could not be put back.
    pub fn lacks(&self) -> Option<&'static str> {
        match self {
            State::Filter(filter) => filter.cannot_return(),
            State::Link(_) | State::Qdisc(_) | State::Class(_) => None,
        }
    }

    /// Tells whether the kernel may not tell all of it, though it can be put back: the journal may know the rest.
    pub fn is_told_in_part(&self) -> bool {
        self.netem().is_some_and(Netem::may_have_a_distribution)
    }

    /// Completes what was read with what the kernel does not tell, from what is known to have been set in the place of another state.
    pub fn recall(&mut self, known: &State, before: Option<&State>) {
        if let (State::Qdisc(now), State::Qdisc(known)) = (self, known)
            && now.agrees(known)
        {
            let before = if let Some(State::Qdisc(before)) = before { Some(&**before) } else { None };
            now.options.recall(&known.options, before.filter(|before| before.handle == known.handle).map(|before| &before.options));
        }
    }

    /// Learns what the kernel does not tell from a state that somebody asks for, and that agrees.
    pub fn learn(&mut self, said: &State) {
        if let (State::Qdisc(now), State::Qdisc(said)) = (self, said) {
            now.options.learn(&said.options);
        }
    }

    /// Gives the netem that it is.
    pub(super) fn netem(&self) -> Option<&Netem> {
        if let State::Qdisc(qdisc) = self { qdisc.options.netem() } else { None }
    }

    /// Gives the kind of the qdisc in which it is: one of another kind is another one, though it has the same handle.
    pub fn within(&self) -> Option<&Kind> {
        match self {
            State::Qdisc(qdisc) => qdisc.within.as_ref(),
            State::Class(class) => Some(&class.kind),
            State::Filter(filter) => filter.within.as_ref(),
            State::Link(_) => None,
        }
    }

    /// Gives the index of the device; nothing where it is not known yet.
    pub fn link(&self) -> Option<u32> {
        let link = match self {
            State::Link(link) => *link,
            State::Qdisc(qdisc) => qdisc.link,
            State::Class(class) => class.link,
            State::Filter(filter) => filter.link,
        };
        (link != 0).then_some(link)
    }
}

/// What the kernel has counted of a qdisc or of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes that were sent.
    pub bytes: u64,
    /// Packets that were sent.
    pub packets: u64,
    /// Packets that were dropped.
    pub drops: u32,
    /// How often a packet had to wait for the rate.
    pub overlimits: u32,
    /// How often the device took a packet back.
    pub requeues: u32,
    /// Bytes that wait.
    pub backlog: u32,
    /// Packets that wait.
    pub queued: u32,
}

/// Completes what is asked for with what is known only beside the others: the device, and handles that nobody chose; and refuses what cannot be.
pub fn settle(object: &Object, state: &State, inventory: &Inventory) -> Result<State, Fault> {
    edit::settle(object, state, inventory)
}

pub use tree::{all_on, contents, is_on, tell_what_they_are_in};

/// Gives a device that is there, as an object with its state.
pub fn device(device: Device, index: u32) -> (super::change::Object, super::change::State) {
    (super::change::Object::Tc(Object::Device(device)), super::change::State::Tc(State::Link(index)))
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Device(device) => write!(f, "device {device}"),
            Object::Qdisc(device, Handle::ROOT) => write!(f, "root qdisc of {device}"),
            Object::Qdisc(device, Handle::INGRESS) => write!(f, "ingress qdisc of {device}"),
            Object::Qdisc(device, parent) => write!(f, "qdisc of class {parent} of {device}"),
            Object::Class(device, class) => write!(f, "class {class} of {device}"),
            Object::Filter(device, key) => write!(f, "{key} of {device}"),
        }
    }
}

impl fmt::Display for State {
    /// Writes the state as tc(8) takes it, behind the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Link(link) => write!(f, "index {link}"),
            State::Qdisc(qdisc) => write!(f, "{qdisc}"),
            State::Class(class) => write!(f, "{class}"),
            State::Filter(filter) => write!(f, "{filter}"),
        }
    }
}
