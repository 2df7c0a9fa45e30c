//! The connection by which somebody is logged in, as far as rules, shapers and routes can tell it from others.

use std::fmt;
use std::net::SocketAddr;

use super::Family;

/// What connection tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracking {
    /// The first that it sees of a connection; also from the middle of one that it did not see before.
    New,
    /// Both sides have been heard.
    Established,
    /// It makes no sense; also from the middle of a connection, where `nf_conntrack_tcp_loose` is 0.
    Invalid,
    /// It is not to be tracked.
    Untracked,
    /// Nobody can tell.
    Unknown,
}

/// An established TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The far end.
    pub peer: SocketAddr,
    /// The end on this host.
    pub here: SocketAddr,
    /// The interface by which it comes and goes, where that is certain.
    pub interface: Option<String>,
    /// What connection tracking may say of its next packet.
    pub tracking: Vec<Tracking>,
    /// The processes that hold its socket, by their numbers.
    pub holders: Vec<i32>,
}

impl Flow {
    /// Gives the family.
    pub fn family(&self) -> Family {
        if self.peer.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (to port {} here)", self.peer, self.here.port())
    }
}
