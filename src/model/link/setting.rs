//! What a link is set to: each of it is an object of its own, so that to undo one says nothing about the others.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::Words;
use super::{Dev, Mac, Name};
use crate::model::Fault;

/// What can be set, in the order in which it is set: a link is up when all else is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// The name.
    Name,
    /// The address on the wire.
    Address,
    /// The greatest packet, in bytes.
    Mtu,
    /// How many packets wait.
    TxQueueLen,
    /// A text for people.
    Alias,
    /// The bridge that it is a port of, or the like.
    Master,
    /// Whether addresses are asked for on the wire.
    Arp,
    /// Whether it takes packets to groups.
    Multicast,
    /// Whether it takes packets to all groups.
    AllMulticast,
    /// Whether it takes packets to anybody.
    Promisc,
    /// Whether it is up.
    Up,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
    /// An address on the wire.
    Mac(Mac),
    /// A name.
    Name(Name),
    /// Another link, or none.
    Link(Option<Dev>),
    /// What the kernel will choose, in a plan.
    Unknown,
}

/// What a link is to be set to at once: after `ip link set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is set.
    pub settings: Vec<(Setting, Value)>,
    /// The network namespace that it is moved to: a name, a path or the number of a process.
    pub netns: Option<String>,
}

impl Wanted {
    /// Makes one of a single setting.
    pub fn of(setting: Setting, value: Value) -> Self {
        Self { settings: vec![(setting, value)], netns: None }
    }
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Name,
        Self::Address,
        Self::Mtu,
        Self::TxQueueLen,
        Self::Alias,
        Self::Master,
        Self::Arp,
        Self::Multicast,
        Self::AllMulticast,
        Self::Promisc,
        Self::Up,
    ];

    /// Gives the word of ip(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Address => "address",
            Self::Mtu => "mtu",
            Self::TxQueueLen => "txqueuelen",
            Self::Alias => "alias",
            Self::Master => "master",
            Self::Arp => "arp",
            Self::Multicast => "multicast",
            Self::AllMulticast => "allmulticast",
            Self::Promisc => "promisc",
            Self::Up => "up",
        }
    }

    /// Tells whether the kernel takes away other things when it changes.
    pub fn has_effects(self) -> bool {
        matches!(self, Self::Up | Self::Mtu | Self::Address)
    }

    /// Tells whether a word begins a setting.
    pub(super) fn is_word(word: &str) -> bool {
        ["down", "nomaster", "qlen", "txqlen"].contains(&word) || (word != "name" && Self::ALL.iter().any(|setting| setting.word() == word))
    }

    /// Reads one behind its first word.
    pub(super) fn read(word: &str, words: &mut Words<'_>) -> Result<(Self, Value), Fault> {
        let flag = |words: &mut Words<'_>| match words.after(word)? {
            "on" => Ok(Value::Flag(true)),
            "off" => Ok(Value::Flag(false)),
            other => Err(words.fault(format!("{word} is on or off, not {other:?}"))),
        };
        Ok(match word {
            "up" => (Self::Up, Value::Flag(true)),
            "down" => (Self::Up, Value::Flag(false)),
            "nomaster" => (Self::Master, Value::Link(None)),
            "master" => (Self::Master, Value::Link(Some(Dev::named(words.value(word)?)))),
            "mtu" => (Self::Mtu, Value::Number(words.number(word, u32::MAX)?)),
            "txqueuelen" | "qlen" | "txqlen" => (Self::TxQueueLen, Value::Number(words.number(word, u32::MAX)?)),
            "address" => (Self::Address, Value::Mac(super::device::mac(words, word)?)),
            "name" => (Self::Name, Value::Name(words.value(word)?)),
            "alias" => (Self::Alias, Value::Text(words.after(word)?.to_owned())),
            "arp" => (Self::Arp, flag(words)?),
            "multicast" => (Self::Multicast, flag(words)?),
            "allmulticast" => (Self::AllMulticast, flag(words)?),
            "promisc" => (Self::Promisc, flag(words)?),
            _ => return Err(words.odd(word)),
        })
    }

    /// Reads the words of `ip link set dev NAME ...`.
    pub fn read_all(text: &str) -> Result<Wanted, Fault> {
        let mut words = Words::new("settings of a link", text);
        let (mut found, mut netns): (Vec<(Self, Value)>, _) = (Vec::new(), None);
        while let Some(word) = words.next() {
            if word == "netns" && netns.is_none() {
                netns = Some(words.netns(word)?);
                continue;
            }
            let (setting, value) = Self::read(word, &mut words)?;
            if found.iter().any(|(other, _)| *other == setting) {
                return Err(words.fault(format!("{} stands there twice", setting.word())));
            }
            found.push((setting, value));
        }
        let other = found.iter().find(|(setting, _)| *setting != Self::Name);
        match (&netns, other) {
            (None, _) if found.is_empty() => Err(words.fault("nothing is set")),
            (Some(_), Some((setting, _))) => {
                let why = format!("only `name` is set together with `netns`, not {}", setting.word());
                Err(words.fault(why).hint("set the rest in that namespace: `netns::enter(name, || link::get(..).set(..))`"))
            }
            _ => Ok(Wanted { settings: found, netns }),
        }
    }

    /// Writes it as ip(8) takes it.
    pub fn command(self, value: &Value) -> String {
        match (self, value) {
            (Self::Up, Value::Flag(up)) => if *up { "up" } else { "down" }.to_owned(),
            (Self::Master, Value::Link(None)) => "nomaster".to_owned(),
            (_, value) => format!("{} {value}", self.word()),
        }
    }

    /// Gives the value that the link has when it was made and nothing else is known.
    pub(super) fn initial(self, name: &Name) -> Value {
        match self {
            Self::Name => Value::Name(name.clone()),
            Self::Master => Value::Link(None),
            Self::Alias => Value::Text(String::new()),
            Self::Up | Self::AllMulticast | Self::Promisc => Value::Flag(false),
            _ => Value::Unknown,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "on" } else { "off" }),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) if text.is_empty() => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::Mac(mac) => mac.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Link(Some(dev)) => dev.fmt(f),
            Self::Link(None) => f.write_str("none"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
