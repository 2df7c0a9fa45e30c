//! What a protocol has to say about itself.

use super::build::{Around, Draft};
use super::defect::Defect;
use super::dissect::{Step, Walk};
use super::field::Field;
use super::protocols::{arp, dns, ethernet, icmp, icmpv6, ipv4, ipv6, tcp, udp};
use super::value::Value;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// What a list holds, and what is wrong with it.
pub type Listed = (Vec<Value>, Vec<Defect>);

/// A part of a header whose length is its own, as options are.
pub struct Part {
    /// The name, as that of a field.
    pub name: &'static str,
    /// Reads it out of the header.
    pub read: fn(&[u8]) -> Listed,
    /// Gives its bytes.
    pub write: fn(&[Value]) -> Result<Vec<u8>, Fault>,
}

/// A protocol: one layer of a packet.
pub struct Protocol {
    /// The name, as scripts have it.
    pub name: &'static str,
    /// The name in words.
    pub title: &'static str,
    /// Gives the fields; which they are, the type of a message may say.
    pub fields: fn(&[u8]) -> &'static [Field],
    /// The parts behind the fields.
    pub parts: &'static [Part],
    /// Gives the fixed part of a header in which nothing was set yet, for some given fields.
    pub blank: fn(&Draft) -> Vec<u8>,
    /// Finds the end of the header and of what belongs to it, and what comes next. The bytes begin with the header, and end where the layer below ends.
    pub walk: fn(&[u8], &mut Walk) -> Result<Step, Defect>,
    /// Fills in what was not given: lengths, checksums, what comes next.
    pub complete: fn(&mut Around<'_>),
    /// Says the most important things in a few words.
    pub summary: fn(&[u8]) -> String,
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Protocol {}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Protocol {
    /// Reads a field or a part of a header.
    pub fn read(&self, header: &[u8], name: &str) -> Option<Value> {
        match (self.fields)(header).iter().find(|field| field.name == name) {
            Some(field) => field.read(header),
            None => self.parts.iter().find(|part| part.name == name).map(|part| Value::List((part.read)(header).0)),
        }
    }
}

/// All protocols, from the wire upwards.
pub static PROTOCOLS: [&Protocol; 14] = [
    &ethernet::ETHERNET,
    &ethernet::LLC,
    &ethernet::VLAN,
    &arp::ARP,
    &ipv4::IPV4,
    &ipv6::IPV6,
    &ipv6::HOP_BY_HOP,
    &ipv6::DESTINATION,
    &ipv6::ROUTING,
    &ipv6::FRAGMENT,
    &icmp::ICMP,
    &icmpv6::ICMPV6,
    &tcp::TCP,
    &udp::UDP,
];

/// Gives the names of the protocols.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name).chain([dns::DNS.name])
}

/// Finds a protocol by its name.
pub fn named(name: &str) -> Result<&'static Protocol, Fault> {
    let all = || PROTOCOLS.iter().copied().chain([&dns::DNS]);
    all().find(|protocol| protocol.name == name).ok_or_else(|| {
        let fault = Fault::input(format!("use {name:?} as a layer of a packet"), "there is no such layer");
        did_you_mean(name, names()).into_iter().fold(fault, Fault::hint)
    })
}
