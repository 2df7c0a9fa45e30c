//! A class of a qdisc.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Handle, Kind, Options};

/// A class, without its handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// The index of its device; 0 as long as it is not known.
    pub link: u32,
    /// The class that it is in, or the qdisc.
    pub parent: Handle,
    /// The kind of its qdisc.
    pub kind: Kind,
    /// How much of the rate it has.
    pub options: Options,
}

impl Class {
    /// Makes a class of a kind, on whatever device.
    pub fn new(parent: Handle, kind: Kind, options: Options) -> Self {
        Self { link: 0, parent, kind, options }
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        (self.link == other.link || self.link == 0 || other.link == 0)
            && self.parent == other.parent
            && self.kind == other.kind
            && self.options.agrees(&other.options)
    }
}

impl fmt::Display for Class {
    /// Writes it as tc(8) takes it, behind the class: `parent 1: htb rate 1Mbit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parent {} {}{}", self.parent, self.kind, self.options)
    }
}
