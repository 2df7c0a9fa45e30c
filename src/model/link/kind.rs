//! The kinds of links, and what can be chosen when one is made: after ip-link(8).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::{Line, Words};
use crate::model::Fault;
use crate::model::address::Address;
use crate::model::near::did_you_mean;

/// What an option takes, and how the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number up to the most that is given.
    Number(u32),
    /// A number that the kernel has in network byte order: a port.
    Port,
    /// One of some words, or the number of one.
    Choice(&'static [(&'static str, u32)]),
    /// The word alone, or the word with `no` before it.
    Toggle,
    /// An address of either family.
    Address,
}

/// An option with what it takes.
pub type Option_ = (&'static str, Shape);

const OFF_ON: Shape = Shape::Number(1);
const SECONDS: Shape = Shape::Number(u32::MAX);

/// The protocols of tagged frames, by their Ethertype.
pub const TAGS: &[(&str, u32)] = &[("802.1Q", 0x8100), ("802.1ad", 0x88a8)];

/// The kinds that fyke makes, each with its options.
pub const KINDS: &[(&str, &[Option_])] = &[
    (
        "bridge",
        &[
            ("forward_delay", SECONDS),
            ("hello_time", SECONDS),
            ("max_age", SECONDS),
            ("ageing_time", SECONDS),
            ("stp_state", OFF_ON),
            ("priority", Shape::Number(65_535)),
            ("vlan_filtering", OFF_ON),
            ("vlan_protocol", Shape::Choice(TAGS)),
            ("vlan_default_pvid", Shape::Number(4094)),
            ("group_fwd_mask", Shape::Number(65_535)),
            ("mcast_snooping", OFF_ON),
            ("mcast_querier", OFF_ON),
            ("nf_call_iptables", OFF_ON),
            ("nf_call_ip6tables", OFF_ON),
            ("nf_call_arptables", OFF_ON),
        ],
    ),
    ("dummy", &[]),
    ("ifb", &[]),
    (
        "ipvlan",
        &[
            ("mode", Shape::Choice(&[("l2", 0), ("l3", 1), ("l3s", 2)])),
            ("flags", Shape::Choice(&[("bridge", 0), ("private", 1), ("vepa", 2)])),
        ],
    ),
    ("macvlan", &[("mode", Shape::Choice(&[("private", 1), ("vepa", 2), ("bridge", 4), ("passthru", 8), ("source", 16)]))]),
    ("tap", &[("multi_queue", Shape::Toggle), ("vnet_hdr", Shape::Toggle), ("user", SECONDS), ("group", SECONDS)]),
    ("tun", &[("multi_queue", Shape::Toggle), ("vnet_hdr", Shape::Toggle), ("user", SECONDS), ("group", SECONDS)]),
    ("veth", &[]),
    ("vlan", &[("id", Shape::Number(4095)), ("protocol", Shape::Choice(TAGS))]),
    (
        "vxlan",
        &[
            ("id", Shape::Number(16_777_215)),
            ("remote", Shape::Address),
            ("local", Shape::Address),
            ("dstport", Shape::Port),
            ("ttl", Shape::Number(255)),
            ("tos", Shape::Number(255)),
            ("ageing", SECONDS),
            ("maxaddress", SECONDS),
            ("learning", Shape::Toggle),
            ("proxy", Shape::Toggle),
            ("rsc", Shape::Toggle),
            ("l2miss", Shape::Toggle),
            ("l3miss", Shape::Toggle),
            ("external", Shape::Toggle),
        ],
    ),
    ("wireguard", &[]),
];

/// Gives the options of a kind; none where fyke does not make links of it.
pub fn options(kind: &str) -> Option<&'static [Option_]> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, options)| *options)
}

/// The options that a link was made with, or has: texts by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Notes a value as the kernel tells it.
    pub fn note(&mut self, name: &str, shape: Shape, number: u32) {
        self.0.insert(name.to_owned(), shown(shape, number));
    }

    /// Notes an address as the kernel tells it.
    pub fn note_address(&mut self, name: &str, address: Address) {
        self.0.insert(name.to_owned(), address.to_string());
    }

    /// Gives the number that the kernel has for an option, where one was given.
    pub fn number(&self, name: &str, shape: Shape) -> Option<u32> {
        let text = self.0.get(name)?;
        match shape {
            Shape::Choice(names) => names.iter().find(|(name, _)| name == text).map(|(_, number)| *number).or_else(|| text.parse().ok()),
            Shape::Toggle => Some(u32::from(text == "on")),
            _ => text.parse().ok(),
        }
    }

    /// Gives the address of an option, where one was given.
    pub fn address(&self, name: &str) -> Option<Address> {
        self.0.get(name)?.parse().ok()
    }

    /// Tells whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Tells whether others are the same, as far as both are known.
    pub fn agrees(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, value)| other.0.get(name).is_none_or(|theirs| theirs == value))
    }

    /// Takes one option of a kind.
    pub(super) fn take(&mut self, kind: &str, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        let known = options(kind).unwrap_or_default();
        let alias = if kind == "vxlan" && word == "group" { "remote" } else { word };
        let toggled = |name: &str| known.iter().any(|(known, shape)| *known == name && *shape == Shape::Toggle);
        if let Some(name) = alias.strip_prefix("no").filter(|name| toggled(name)) {
            self.0.insert(name.to_owned(), "off".into());
            return Ok(());
        }
        let Some((name, shape)) = known.iter().find(|(name, _)| *name == alias) else {
            let names = known.iter().map(|(name, _)| *name);
            let fault = words.fault(format!("a {kind} has no option {word:?}"));
            return Err(did_you_mean(word, names).into_iter().fold(fault, Fault::hint));
        };
        let value = match *shape {
            Shape::Number(most) => words.number(word, most)?.to_string(),
            Shape::Port => words.number(word, u16::MAX)?.to_string(),
            Shape::Choice(names) => {
                let value = words.after(word)?;
                if !names.iter().any(|(name, _)| *name == value) {
                    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                    return Err(words.fault(format!("{word} is one of {}, not {value:?}", names.join(", "))));
                }
                value.to_owned()
            }
            Shape::Toggle => match words.peek().filter(|next| ["on", "off"].contains(next)) {
                Some(_) => words.after(word)?.to_owned(),
                None => "on".to_owned(),
            },
            Shape::Address => words.address(word, None)?.to_string(),
        };
        match self.0.insert((*name).to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(words.fault(format!("{word} stands there twice"))),
        }
    }

    /// Writes them behind the kind.
    pub(super) fn write(&self, kind: &str, line: &mut Line) {
        let shape = |name: &str| options(kind).unwrap_or_default().iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape);
        for (name, value) in &self.0 {
            match (shape(name), value.as_str()) {
                (Some(Shape::Toggle), "on") => line.word(name),
                (Some(Shape::Toggle), _) => line.word(format!("no{name}")),
                (_, value) => line.word(name).word(value),
            };
        }
    }
}

fn shown(shape: Shape, number: u32) -> String {
    match shape {
        Shape::Choice(names) => {
            names.iter().find(|(_, of)| *of == number).map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
        }
        Shape::Toggle => if number == 0 { "off" } else { "on" }.to_owned(),
        _ => number.to_string(),
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&pairs.join(" "))
    }
}
