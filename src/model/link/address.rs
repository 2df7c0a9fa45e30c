//! Addresses of links, after ip-address(8).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::{SCOPES, shown};
use super::words::{Line, Words, number};
use super::{Dev, Name};
use crate::model::address::Address;
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// An address with the length of its network; unlike in a [`Prefix`], the bits of the host count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Host {
    /// The address.
    pub address: IpAddr,
    /// The length of its network.
    pub length: u8,
}

impl Host {
    /// Gives the family.
    pub fn family(&self) -> Family {
        Address(self.address).family()
    }

    /// Gives the network that it is in.
    pub fn network(&self) -> Prefix {
        Prefix::new(self.address, self.length)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Host {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        // Whatever is no prefix is no address with a length.
        let prefix: Prefix = text.parse()?;
        let (address, _) = text.split_once('/').unwrap_or((text, ""));
        let address: Address = address.parse()?;
        Ok(Self { address: address.0, length: prefix.length() })
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for Host {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

/// What the kernel is told about an address besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Nobody is asked whether it is in use.
    Nodad,
    /// No route to its network comes with it.
    Noprefixroute,
    /// It is the home address of a mobile host.
    Home,
    /// Temporary addresses are made of it.
    Mngtmpaddr,
    /// The group is joined on the wire.
    Autojoin,
}

impl Flag {
    /// All of them, with their words and their bits (`IFA_F_NODAD` and the like).
    pub const ALL: [(Self, &'static str, u32); 5] = [
        (Self::Nodad, "nodad", 0x02),
        (Self::Home, "home", 0x10),
        (Self::Mngtmpaddr, "mngtmpaddr", 0x100),
        (Self::Noprefixroute, "noprefixroute", 0x200),
        (Self::Autojoin, "autojoin", 0x400),
    ];
}

/// A time that does not end.
pub const FOREVER: u32 = u32::MAX;

/// What an address of a link has besides its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The other end of a point-to-point link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// Where broadcasts go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// How far it is valid.
    pub scope: u8,
    /// The name that old programs show it by, if it is not that of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The metric of the route that comes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// For how many seconds it is valid.
    #[serde(default = "forever", skip_serializing_if = "is_forever")]
    pub valid: u32,
    /// For how many seconds it is preferred.
    #[serde(default = "forever", skip_serializing_if = "is_forever")]
    pub preferred: u32,
    /// What the kernel was told about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Whether it goes when another one of its network goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secondary: bool,
    /// Whether the kernel made it by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

fn forever() -> u32 {
    FOREVER
}

fn is_forever(seconds: &u32) -> bool {
    *seconds == FOREVER
}

impl About {
    /// Gives what the kernel makes of an address about which nothing is said.
    pub fn of(host: &Host) -> Self {
        let is_loopback =
            matches!(host.address, IpAddr::V4(v4) if v4.is_loopback()) || host.address == IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
        let is_local = Address(host.address).is_link_local() && host.address.is_ipv6();
        Self {
            peer: None,
            broadcast: None,
            scope: if is_loopback {
                254
            } else if is_local {
                253
            } else {
                0
            },
            label: None,
            metric: None,
            valid: FOREVER,
            preferred: FOREVER,
            flags: Vec::new(),
            secondary: false,
            automatic: false,
        }
    }

    /// Tells whether the kernel can make another one of it: for the rest it has to go first.
    pub fn can_become(&self, other: &Self) -> bool {
        (self.peer, self.broadcast, self.scope, &self.label) == (other.peer, other.broadcast, other.scope, &other.label)
    }

    /// Tells whether another one is the same, but for what runs on and what the kernel adds.
    pub fn agrees(&self, other: &Self) -> bool {
        let plain = |about: &Self| Self { valid: 0, preferred: 0, secondary: false, automatic: false, ..about.clone() };
        plain(self) == plain(other) && is_forever(&self.valid) == is_forever(&other.valid)
    }
}

/// An address with all that belongs to it, as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The address.
    pub host: Host,
    /// What it has besides.
    pub about: About,
    /// The link, where it was named.
    pub dev: Option<Name>,
}

impl FromStr for Wanted {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut words = Words::new("an address", text);
        let first = words.next().ok_or_else(|| words.fault("it is empty"))?;
        let first = if ["local", "address"].contains(&first) { words.after(first)? } else { first };
        let mut host: Host = first.parse()?;
        let (mut about, mut dev) = (About::of(&host), None);
        while let Some(word) = words.next() {
            match word {
                "peer" => {
                    let peer: Host = words.value(word)?;
                    if peer.family() != host.family() {
                        return Err(words.fault("its peer is of another family"));
                    }
                    match (first.contains('/'), peer.length == Prefix::bits(peer.address)) {
                        (false, _) => host.length = peer.length,
                        (true, false) if peer.length != host.length => return Err(words.fault("it has two lengths")),
                        _ => {}
                    }
                    about.peer = Some(peer.address);
                }
                "broadcast" | "brd" => about.broadcast = Some(broadcast(&host, word, &mut words)?),
                "scope" => about.scope = words.named(word, SCOPES, 255)? as u8,
                "label" => about.label = Some(words.value::<Label>(word)?.0),
                "metric" => about.metric = Some(words.number(word, u32::MAX)?).filter(|metric| *metric > 0),
                "valid_lft" => about.valid = seconds(word, &mut words)?,
                "preferred_lft" => about.preferred = seconds(word, &mut words)?,
                "dev" => dev = Some(words.value(word)?),
                _ => match Flag::ALL.iter().find(|(_, name, _)| *name == word) {
                    Some((flag, ..)) => about.flags.push(*flag),
                    None => return Err(words.odd(word)),
                },
            }
        }
        about.flags.sort();
        about.flags.dedup();
        if host.family() == Family::V6 && (about.broadcast.is_some() || about.label.is_some()) {
            return Err(words.fault("IPv6 has neither broadcasts nor labels"));
        }
        if host.family() == Family::V6 && about.scope != About::of(&host).scope {
            return Err(words.fault("IPv6 finds the scope in the address itself"));
        }
        if about.preferred > about.valid {
            return Err(words.fault("preferred_lft is longer than valid_lft"));
        }
        Ok(Self { host, about, dev })
    }
}

/// A label, which the kernel bounds as it bounds a name.
struct Label(String);

impl FromStr for Label {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| Err(Fault::input(format!("use {text:?} as a label"), why));
        if text.len() > Name::MAX { refuse("it has more than 15 bytes") } else { Ok(Self(text.to_owned())) }
    }
}

fn broadcast(host: &Host, key: &str, words: &mut Words<'_>) -> Result<Ipv4Addr, Fault> {
    let of_network = |words: &Words<'_>| match host.network().broadcast().map(|last| last.0) {
        Some(IpAddr::V4(last)) => Ok(last),
        _ => Err(words.fault("IPv6 has no broadcasts")),
    };
    if words.peek() == Some("+") {
        words.next();
        return of_network(words);
    }
    match words.address(key, Some(Family::V4))? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => of_network(words),
    }
}

/// Reads a time: seconds, with or without their unit, or `forever`.
fn seconds(key: &str, words: &mut Words<'_>) -> Result<u32, Fault> {
    match words.after(key)? {
        "forever" => Ok(FOREVER),
        word => number(word.strip_suffix("sec").unwrap_or(word))
            .and_then(|number| u32::try_from(number).ok())
            .filter(|seconds| (1..FOREVER).contains(seconds))
            .ok_or_else(|| words.fault(format!("{key} takes seconds or `forever`, not {word:?}"))),
    }
}

impl About {
    fn write(&self, line: &mut Line, host: &Host) {
        let usual = Self::of(host);
        line.pair("peer", self.peer).pair("brd", self.broadcast);
        line.pair("scope", (self.scope != usual.scope).then(|| shown(SCOPES, self.scope.into())));
        line.pair("label", self.label.as_ref()).pair("metric", self.metric);
        for (flag, word, _) in Flag::ALL {
            line.flag(self.flags.contains(&flag), word);
        }
        line.pair("valid_lft", (self.valid != FOREVER).then_some(self.valid));
        line.pair("preferred_lft", (self.preferred != FOREVER).then_some(self.preferred));
    }

    /// Writes what stands behind the address.
    pub fn behind(&self, host: &Host) -> String {
        let mut line = Line::default();
        self.write(&mut line, host);
        line.text().to_owned()
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        line.word(self.host);
        self.about.write(&mut line, &self.host);
        line.pair("dev", self.dev.as_ref());
        f.write_str(line.text())
    }
}

/// Names an address of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The link.
    pub dev: Dev,
    /// The address.
    pub host: Host,
}
