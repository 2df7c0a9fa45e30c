//! Programs of the kernel's own machine (bpf(2)) that a group asks about each packet of its sockets.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Group;
use crate::model::iptables::rule::fingerprint;

/// The way of the packets that a program is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To a socket.
    Ingress,
    /// From a socket.
    Egress,
}

impl Direction {
    /// Both ways.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// Gives the name that bpf(2) and bpftool(8) have it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a program drops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Everything.
    All,
    /// What is of these sockets, by their cookies in rising order: a socket stays with the group in which it was made, whatever becomes of its process.
    Sockets(Arc<[u64]>),
}

impl Filter {
    /// The most sockets that one program can tell apart: a jump of the machine is no longer than 32767 instructions.
    pub const MOST: usize = 8000;

    /// Makes a filter of sockets.
    pub fn sockets(cookies: impl IntoIterator<Item = u64>) -> Self {
        let mut cookies: Vec<u64> = cookies.into_iter().collect();
        cookies.sort_unstable();
        cookies.dedup();
        Self::Sockets(cookies.into())
    }

    /// Gives the name of the program, by which it is found among those that are attached. It follows from what the program does.
    pub fn name(&self) -> String {
        let text = match self {
            Self::All => "all".to_owned(),
            Self::Sockets(cookies) => format!("{cookies:?}"),
        };
        format!("fyke_{:010x}", fingerprint(&text) & 0xff_ffff_ffff)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Sockets(cookies) if cookies.len() == 1 => f.write_str("1 socket"),
            Self::Sockets(cookies) => write!(f, "{} sockets", cookies.len()),
        }
    }
}

/// A program that is attached to a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Program {
    /// The group.
    pub group: Group,
    /// The way of the packets.
    pub direction: Direction,
    /// What it drops.
    pub filter: Filter,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} program {} of cgroup {} (drops {})", self.direction, self.filter.name(), self.group, self.filter)
    }
}
