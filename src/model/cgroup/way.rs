//! The ways to keep a group from the network.

use std::fmt;
use std::str::FromStr;

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// How packets of the processes in a group are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a program that is attached to the group.
    Bpf,
    /// By the class id that net_cls gives to the sockets of the processes, and a rule that asks for it.
    ClassId,
    /// By the group in which a socket was made, and a rule that asks for its path.
    Path,
}

impl Way {
    /// All ways, that which covers most first.
    pub const ALL: [Self; 3] = [Self::Bpf, Self::ClassId, Self::Path];

    /// Gives the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::ClassId => "classid",
            Self::Path => "path",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Way {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::input(format!("use {text:?} as a way to block a cgroup"), "there is no such way");
        let names = || Self::ALL.into_iter().map(Self::name);
        let hint = || did_you_mean(text, names()).unwrap_or_else(|| format!("the ways are {}", names().collect::<Vec<_>>().join(", ")));
        Self::ALL.into_iter().find(|way| way.name() == text).ok_or_else(|| fault().hint(hint()))
    }
}
