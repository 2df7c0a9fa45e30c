//! Neighbours: who has which address on the wire, after ip-neighbour(8).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{Line, Words};
use super::{Dev, Mac, Name};
use crate::model::Fault;
use crate::model::address::Address;

/// Names a neighbour on a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The link.
    pub dev: Dev,
    /// Its address.
    pub address: IpAddr,
}

/// The states of an entry: `NUD_PERMANENT` and the like.
pub const STATES: &[(&str, u32)] = &[
    ("none", 0),
    ("incomplete", 0x01),
    ("reachable", 0x02),
    ("stale", 0x04),
    ("delay", 0x08),
    ("probe", 0x10),
    ("failed", 0x20),
    ("noarp", 0x40),
    ("permanent", 0x80),
];

/// The state of an entry that stays.
pub const PERMANENT: u16 = 0x80;

/// What is known of a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its address on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lladdr: Option<Mac>,
    /// The state; only a permanent entry stays.
    pub state: u16,
    /// Whether it is a router.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub router: bool,
}

impl About {
    /// Tells whether somebody has set it, and the kernel does not forget it.
    pub fn is_permanent(&self) -> bool {
        self.state & PERMANENT != 0
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        line.pair("lladdr", self.lladdr.as_ref()).flag(self.router, "router");
        line.pair("nud", Some(super::names::shown(STATES, self.state.into())));
        f.write_str(line.text())
    }
}

/// A neighbour as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its address.
    pub address: IpAddr,
    /// The link, where it was named.
    pub dev: Option<Name>,
    /// What is known of it.
    pub about: About,
}

impl FromStr for Wanted {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut words = Words::new("a neighbour", text);
        let first = words.next().ok_or_else(|| words.fault("it is empty"))?;
        let address: Address = if ["to", "address"].contains(&first) { words.value(first)? } else { first.parse()? };
        let (mut dev, mut about) = (None, About { lladdr: None, state: PERMANENT, router: false });
        while let Some(word) = words.next() {
            match word {
                "lladdr" => about.lladdr = Some(words.value(word)?),
                "dev" => dev = Some(words.value(word)?),
                "router" => about.router = true,
                "permanent" => {}
                "nud" => match words.after(word)? {
                    "permanent" => {}
                    other => {
                        return Err(words.fault(format!("what is {other} goes by itself, and cannot be lifted")).hint("leave `nud` away"));
                    }
                },
                _ => return Err(words.odd(word)),
            }
        }
        Ok(Self { address: address.0, dev, about })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        line.word(self.address).pair("dev", self.dev.as_ref()).pair("lladdr", self.about.lladdr.as_ref());
        line.flag(self.about.router, "router").word("nud permanent");
        f.write_str(line.text())
    }
}
