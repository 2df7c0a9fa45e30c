//! The lists of remembered sources of the `recent` match, see iptables-extensions(8).

use std::net::IpAddr;

use crate::model::Fault;

/// A remembered source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its address.
    pub address: IpAddr,
    /// The TTL of its last packet.
    pub ttl: u8,
    /// How long ago each of its packets was seen, in seconds, the latest first.
    pub seen: Vec<f64>,
}

/// What can be done to a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Remembers an address as if a packet of it had been seen now.
    Add(IpAddr),
    /// Forgets an address.
    Remove(IpAddr),
    /// Forgets all addresses.
    Clear,
}

/// The lists of one network namespace.
pub trait Recent: Send {
    /// Gives the names of all lists.
    fn lists(&mut self) -> Result<Vec<String>, Fault>;

    /// Reads a list.
    fn read(&mut self, list: &str) -> Result<Vec<Source>, Fault>;

    /// Changes a list.
    fn edit(&mut self, list: &str, edit: &Edit) -> Result<(), Fault>;
}
