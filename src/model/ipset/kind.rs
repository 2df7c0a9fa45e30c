//! The types of sets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// How a set keeps what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A bit for each place of a range.
    Bitmap,
    /// A hash that grows.
    Hash,
    /// A list of other sets, in order.
    List,
}

/// What one of the comma-separated parts of an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// An address.
    Ip,
    /// A network.
    Net,
    /// A port of whatever protocol.
    Port,
    /// A port of a protocol, or the type of an ICMP message.
    Service,
    /// A MAC address.
    Mac,
    /// A packet mark.
    Mark,
    /// An interface.
    Iface,
    /// Another set.
    Set,
}

/// A type of sets, known by its name: `hash:ip,port`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetType(&'static (&'static str, &'static [Dimension]));

use Dimension::{Iface, Ip, Mac, Mark, Net, Port, Service, Set};

/// All types of Linux 6.18.
const TYPES: &[(&str, &[Dimension])] = &[
    ("bitmap:ip", &[Ip]),
    ("bitmap:ip,mac", &[Ip, Mac]),
    ("bitmap:port", &[Port]),
    ("hash:ip", &[Ip]),
    ("hash:mac", &[Mac]),
    ("hash:ip,mac", &[Ip, Mac]),
    ("hash:net", &[Net]),
    ("hash:net,net", &[Net, Net]),
    ("hash:ip,port", &[Ip, Service]),
    ("hash:net,port", &[Net, Service]),
    ("hash:ip,port,ip", &[Ip, Service, Ip]),
    ("hash:ip,port,net", &[Ip, Service, Net]),
    ("hash:ip,mark", &[Ip, Mark]),
    ("hash:net,port,net", &[Net, Service, Net]),
    ("hash:net,iface", &[Net, Iface]),
    ("list:set", &[Set]),
];

impl SetType {
    /// Gives all types.
    pub fn all() -> impl Iterator<Item = SetType> {
        TYPES.iter().map(SetType)
    }

    /// Gives the name.
    pub fn name(self) -> &'static str {
        self.0.0
    }

    /// Gives what the parts of an element are, in order.
    pub fn dimensions(self) -> &'static [Dimension] {
        self.0.1
    }

    /// Tells how a set of this type keeps what is in it.
    pub fn method(self) -> Method {
        match self.name().split_once(':') {
            Some(("bitmap", _)) => Method::Bitmap,
            Some(("list", _)) => Method::List,
            _ => Method::Hash,
        }
    }

    /// Tells whether its elements are of one IP family that is chosen when a set is made.
    pub fn has_family(self) -> bool {
        self.method() == Method::Hash && self.dimensions() != [Mac]
    }

    /// Tells whether a part is a network, so that an element can be an exception (`nomatch`).
    pub fn has_net(self) -> bool {
        self.dimensions().contains(&Net)
    }
}

impl fmt::Debug for SetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for SetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SetType {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::all().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = || Self::all().map(Self::name);
            let fault = Fault::input(format!("use {text:?} as the type of a set"), "there is no such type");
            let hint = did_you_mean(text, names()).unwrap_or_else(|| format!("the types are {}", names().collect::<Vec<_>>().join(" ")));
            fault.hint(hint)
        })
    }
}

impl TryFrom<String> for SetType {
    type Error = Fault;

    fn try_from(name: String) -> Result<Self, Fault> {
        name.parse()
    }
}

impl From<SetType> for String {
    fn from(kind: SetType) -> Self {
        kind.name().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name() {
        for kind in SetType::all() {
            assert_eq!(kind.name().parse::<SetType>().unwrap(), kind);
        }
        let refused = "hash:ips".parse::<SetType>().unwrap_err();
        assert_eq!(refused.hint.as_deref(), Some("did you mean `hash:ip`?"));
        assert!("iphash".parse::<SetType>().is_err() && "".parse::<SetType>().is_err());
    }
}
