//! What a protocol has to say about itself.

use super::build::{Around, Draft};
use super::defect::Defect;
use super::dissect::{Step, Walk};
use super::field::Field;
use super::protocols::{arp, cooked, dns, ethernet, extension, icmp, icmpv6, ipv4, ipv6, tcp, udp};
use super::value::Value;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// What a list holds, and what is wrong with it.
pub type Listed = (Vec<Value>, Vec<Defect>);

/// A part of a header whose length is its own, as options are.
pub struct Part {
    /// The name, as that of a field.
    pub name: &'static str,
    /// Whether it is one value, and not a list of them.
    pub is_one: bool,
    /// Reads it out of the header.
    pub read: fn(&[u8]) -> Listed,
    /// Gives its bytes.
    pub write: fn(&[Value]) -> Result<Vec<u8>, Fault>,
}

impl Part {
    /// Gives what it holds.
    pub fn value(&self, header: &[u8]) -> Value {
        let list = (self.read)(header).0;
        if self.is_one { list.into_iter().next().unwrap_or_else(|| Value::Bytes(Vec::new())) } else { Value::List(list) }
    }

    /// Makes a part of bytes whose meaning is not known here.
    pub const fn opaque(name: &'static str, read: fn(&[u8]) -> Listed) -> Self {
        Self { name, is_one: true, read, write: |list| list.iter().map(bytes).collect::<Result<Vec<_>, _>>().map(|all| all.concat()) }
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, Fault> {
    value.bytes().ok_or_else(|| Fault::input(format!("use {value} as bytes"), "a blob or a string is wanted"))
}

/// Something about a header that is no field of it, and that can be asked for.
pub struct Switch {
    /// The name, as that of a field.
    pub name: &'static str,
    /// Tells whether a header is so.
    pub read: fn(&[u8]) -> bool,
}

impl Switch {
    /// Gives it as a number.
    pub fn value(&self, header: &[u8]) -> Value {
        Value::Number((self.read)(header).into())
    }
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
    /// What can be asked for besides.
    pub switches: &'static [Switch],
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
        let part = || self.parts.iter().find(|part| part.name == name).map(|part| part.value(header));
        let switch = || self.switches.iter().find(|switch| switch.name == name).map(|switch| switch.value(header));
        match self.field(header, name) {
            Some(field) => field.read(header),
            None => part().or_else(switch),
        }
    }

    /// Finds a field of a header.
    pub fn field(&self, header: &[u8], name: &str) -> Option<&'static Field> {
        (self.fields)(header).iter().find(|field| field.name == name)
    }

    /// Gives the names of all that can be given of a header.
    pub fn known(&self, header: &[u8]) -> impl Iterator<Item = &'static str> {
        let fields = (self.fields)(header).iter().map(|field| field.name);
        fields.chain(self.parts.iter().map(|part| part.name)).chain(self.switches.iter().map(|switch| switch.name))
    }
}

/// All protocols, from the wire upwards.
pub static PROTOCOLS: [&Protocol; 22] = [
    &ethernet::ETHERNET,
    &cooked::SLL,
    &cooked::SLL2,
    &ethernet::LLC,
    &ethernet::VLAN,
    &arp::ARP,
    &ipv4::IPV4,
    &ipv6::IPV6,
    &ipv6::HOP_BY_HOP,
    &ipv6::DESTINATION,
    &ipv6::ROUTING,
    &ipv6::FRAGMENT,
    &extension::AH,
    &extension::ESP,
    &extension::MOBILITY,
    &extension::HIP,
    &extension::SHIM6,
    &icmp::ICMP,
    &icmpv6::ICMPV6,
    &tcp::TCP,
    &udp::UDP,
    &dns::DNS,
];

/// Gives the names of the protocols.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name)
}

/// Finds a protocol by its name.
pub fn named(name: &str) -> Result<&'static Protocol, Fault> {
    PROTOCOLS.iter().copied().find(|protocol| protocol.name == name).ok_or_else(|| {
        let fault = Fault::input(format!("use {name:?} as a layer of a packet"), "there is no such layer");
        fault.hint(did_you_mean(name, names()).unwrap_or_else(|| format!("the layers are {}", names().collect::<Vec<_>>().join(", "))))
    })
}
