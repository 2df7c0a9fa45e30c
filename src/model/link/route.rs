//! Routes, after ip-route(8).

mod read;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::read::Reader;
use super::names::{PROTOCOLS, SCOPES, TABLES, shown};
use super::words::{Line, Words};
use super::{Dev, Raw};
use crate::model::address::Address;
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// The table that packets ask if no rule says otherwise.
pub const MAIN: u32 = 254;
/// The table of what is on this host.
pub const LOCAL: u32 = 255;
/// The metric that IPv6 gives where none is given: `IP6_RT_PRIO_USER`.
const METRIC_V6: u32 = 1024;
/// Who has set a route, if it does not say: `RTPROT_BOOT`, as ip(8) has it.
const BOOT: u8 = 3;
/// What the kernel sets by itself: `RTPROT_KERNEL`, and what it learned.
const AUTOMATIC: [u8; 3] = [1, 2, 9];

/// What tells a route from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The table.
    pub table: u32,
    /// Where it leads.
    pub to: Prefix,
    /// Of several to the same place, the lowest is taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub metric: u32,
    /// The type of service that it is for; IPv4 only.
    #[serde(default, skip_serializing_if = "is_zero_byte")]
    pub tos: u8,
    /// From where; IPv6 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Prefix>,
    /// Its number among those of IPv4 that are equal in all of this, from 0.
    #[serde(default, skip_serializing_if = "is_zero_byte")]
    pub twin: u8,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_byte(number: &u8) -> bool {
    *number == 0
}

impl Key {
    /// Gives the family.
    pub fn family(&self) -> Family {
        self.to.family()
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It goes to the next hop.
    #[default]
    Unicast,
    /// It is for this host.
    Local,
    /// It is for everybody on the wire.
    Broadcast,
    /// It is for this host, and for the nearest of several.
    Anycast,
    /// It is for a group.
    Multicast,
    /// It is dropped.
    Blackhole,
    /// It is dropped, and the sender is told that there is no way.
    Unreachable,
    /// It is dropped, and the sender is told that it may not pass.
    Prohibit,
    /// The next rule decides.
    Throw,
    /// Its address is another one.
    Nat,
}

impl Fate {
    /// All of them, with their words and the numbers of the kernel (`RTN_UNICAST` and the like).
    pub const ALL: [(Self, &'static str, u8); 10] = [
        (Self::Unicast, "unicast", 1),
        (Self::Local, "local", 2),
        (Self::Broadcast, "broadcast", 3),
        (Self::Anycast, "anycast", 4),
        (Self::Multicast, "multicast", 5),
        (Self::Blackhole, "blackhole", 6),
        (Self::Unreachable, "unreachable", 7),
        (Self::Prohibit, "prohibit", 8),
        (Self::Throw, "throw", 9),
        (Self::Nat, "nat", 10),
    ];

    /// Gives the word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(fate, ..)| *fate == self).map_or("unicast", |(_, word, _)| word)
    }

    /// Tells whether it needs no next hop.
    pub fn ends(self) -> bool {
        matches!(self, Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw)
    }
}

/// One way out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop {
    /// The neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<Dev>,
    /// How much of the traffic it takes, beside others; 1 is the least.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u16,
    /// Whether the neighbour is on the link, whatever the addresses say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onlink: bool,
    /// What fyke does not look into: encapsulations and the like.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub rest: Raw,
}

fn one() -> u16 {
    1
}

fn is_one(weight: &u16) -> bool {
    *weight == 1
}

/// The measures of a route that fyke knows by name: `RTAX_MTU` and the like.
pub const MEASURES: &[(&str, u16)] = &[
    ("mtu", 2),
    ("window", 3),
    ("ssthresh", 6),
    ("cwnd", 7),
    ("advmss", 8),
    ("reordering", 9),
    ("hoplimit", 10),
    ("initcwnd", 11),
    ("initrwnd", 14),
    ("quickack", 15),
];

/// What a route says besides where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What becomes of a packet.
    #[serde(default, rename = "type", skip_serializing_if = "is_unicast")]
    pub fate: Fate,
    /// The ways out; several share the traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Who has set it.
    pub proto: u8,
    /// How far it reaches; IPv6 knows only one.
    #[serde(default, skip_serializing_if = "is_zero_byte")]
    pub scope: u8,
    /// The address that packets of this host get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpAddr>,
    /// Measures, by the numbers of the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<(u16, u32)>,
    /// Those of the measures that are not to be changed by what the wire says, as bits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub locked: u32,
    /// The congestion control of connections over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub congctl: Option<String>,
    /// How much a router is preferred; IPv6 only.
    #[serde(default, skip_serializing_if = "is_zero_byte")]
    pub pref: u8,
    /// What fyke does not look into, as attributes.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub rest: Raw,
}

fn is_unicast(fate: &Fate) -> bool {
    *fate == Fate::Unicast
}

impl Way {
    /// Gives the links that it leads over.
    pub fn devs(&self) -> impl Iterator<Item = &Dev> {
        self.hops.iter().filter_map(|hop| hop.dev.as_ref())
    }

    /// Tells whether the kernel has set it by itself.
    pub fn is_automatic(&self) -> bool {
        AUTOMATIC.contains(&self.proto)
    }

    /// Tells whether another one is the same. The kernel finds out the link of a neighbour that was named without one.
    pub fn agrees(&self, other: &Self) -> bool {
        let hops = |one: &Hop, other: &Hop| {
            let dev = one.dev.is_none() || other.dev.is_none() || one.dev == other.dev;
            dev && (one.via, one.weight, one.onlink, &one.rest) == (other.via, other.weight, other.onlink, &other.rest)
        };
        let plain = |way: &Self| Self { hops: Vec::new(), ..way.clone() };
        plain(self) == plain(other) && self.hops.len() == other.hops.len() && self.hops.iter().zip(&other.hops).all(|(a, b)| hops(a, b))
    }
}

/// A route: from words, or as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What tells it from others.
    pub key: Key,
    /// What it says.
    pub way: Way,
    /// What of the key stands in the words; the rest is what the kernel takes where nothing stands.
    pub given: Given,
}

/// What was said of a route, so that one can be found by as much as is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The table.
    pub table: bool,
    /// The metric.
    pub metric: bool,
    /// The type.
    pub fate: bool,
    /// Who has set it.
    pub proto: bool,
    /// The scope.
    pub scope: bool,
}

impl Route {
    /// Makes one of what was read.
    pub fn of(key: Key, way: Way) -> Self {
        Self { key, way, given: Given { table: true, metric: true, fate: true, proto: true, scope: true } }
    }

    /// Gives the links that it names as those that have these names now.
    pub fn resolve(&mut self, find: &dyn Fn(&super::Name) -> Option<Dev>) -> Result<(), Fault> {
        for dev in self.way.hops.iter_mut().filter_map(|hop| hop.dev.as_mut()) {
            *dev = dev.resolved(find)?;
        }
        Ok(())
    }

    /// Tells whether what was said of this one is true of another one.
    pub fn means(&self, key: &Key, way: &Way) -> bool {
        let (given, mine) = (self.given, &self.way);
        key.to == self.key.to
            && key.from == self.key.from
            && key.tos == self.key.tos
            && key.table == self.key.table
            && (!given.metric || key.metric == self.key.metric)
            && (!given.fate || way.fate == mine.fate)
            && (!given.proto || way.proto == mine.proto)
            && (!given.scope || way.scope == mine.scope)
            && (mine.src.is_none() || way.src == mine.src)
            && mine.measures.iter().all(|measure| way.measures.contains(measure))
            && mine.hops.iter().all(|hop| way.hops.iter().any(|other| leads(hop, other)))
    }

    /// Reads the words, for a family where the words alone do not tell it; `default` alone is of IPv4.
    pub fn parse(text: &str, family: Option<Family>) -> Result<Self, Fault> {
        Self::read(text, family, true)
    }

    /// Reads as much of a route as somebody says to name it: it need not say where it leads out.
    pub fn parse_part(text: &str, family: Option<Family>) -> Result<Self, Fault> {
        Self::read(text, family, false)
    }

    fn read(text: &str, family: Option<Family>, is_whole: bool) -> Result<Self, Fault> {
        let mut words = Words::new("a route", text);
        let mut read = Reader::new(family, is_whole);
        while let Some(word) = words.next() {
            read.word(word, &mut words)?;
        }
        read.end(&words)
    }
}

fn leads(wanted: &Hop, other: &Hop) -> bool {
    wanted.via.is_none_or(|via| other.via == Some(via)) && wanted.dev.as_ref().is_none_or(|dev| other.dev.as_ref() == Some(dev))
}

impl FromStr for Route {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text, None)
    }
}

/// How much a router is preferred, RFC 4191.
const PREFS: &[(&str, u32)] = &[("medium", 0), ("high", 1), ("low", 3)];

impl Route {
    fn write(&self, line: &mut Line) {
        let Self { key, way, .. } = self;
        line.flag(way.fate != Fate::Unicast, way.fate.word());
        match key.to.length() {
            0 if key.family() == Family::V4 => line.word("default"),
            _ => line.word(key.to),
        };
        line.pair("from", key.from).pair("tos", (key.tos != 0).then(|| format!("{:#04x}", key.tos)));
        if let [hop] = &way.hops[..] {
            write_hop(line, hop, key.family());
        }
        line.pair("table", (key.table != usual_table(way.fate)).then(|| shown(TABLES, key.table)));
        line.pair("proto", (way.proto != BOOT).then(|| shown(PROTOCOLS, way.proto.into())));
        line.pair("scope", (way.scope != usual_scope(key.family(), way.fate, &way.hops)).then(|| shown(SCOPES, way.scope.into())));
        line.pair("src", way.src);
        line.pair("metric", (key.metric != if key.family() == Family::V6 { METRIC_V6 } else { 0 }).then_some(key.metric));
        for (number, value) in &way.measures {
            // What has no name here is kept all the same.
            let Some((name, _)) = MEASURES.iter().find(|(_, of)| of == number) else { continue };
            line.word(name).flag(way.locked >> number & 1 == 1, "lock").word(value);
        }
        line.pair("congctl", way.congctl.as_ref());
        line.pair("pref", (way.pref != 0).then(|| shown(PREFS, way.pref.into())));
        if way.hops.len() > 1 {
            for hop in &way.hops {
                line.word("nexthop");
                write_hop(line, hop, key.family());
                line.pair("weight", (hop.weight != 1).then_some(hop.weight));
            }
        }
    }
}

/// Gives the table that ip(8) takes if none is given.
fn usual_table(fate: Fate) -> u32 {
    if matches!(fate, Fate::Local | Fate::Broadcast | Fate::Nat | Fate::Anycast) { LOCAL } else { MAIN }
}

/// Gives the scope that ip(8) takes if none is given.
fn usual_scope(family: Family, fate: Fate, hops: &[Hop]) -> u8 {
    match (family, fate) {
        (Family::V6, _) => 0,
        (_, Fate::Local | Fate::Nat) => 254,
        (_, Fate::Broadcast | Fate::Multicast | Fate::Anycast) => 253,
        (_, Fate::Unicast) if hops.iter().all(|hop| hop.via.is_none()) => 253,
        _ => 0,
    }
}

fn write_hop(line: &mut Line, hop: &Hop, family: Family) {
    if let Some(via) = hop.via {
        let of = Address(via).family();
        line.word("via").flag(of != family, if of == Family::V6 { "inet6" } else { "inet" }).word(via);
    }
    line.pair("dev", hop.dev.as_ref()).flag(hop.onlink, "onlink");
}

impl fmt::Display for Route {
    /// Writes the words behind `ip route add`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        self.write(&mut line);
        f.write_str(line.text())
    }
}
