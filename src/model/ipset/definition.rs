//! How a set was made: everything that `ipset create` takes behind the name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{self, Options};
use super::{Method, SetType, service};
use crate::model::net::Prefix;
use crate::model::{Family, Fault};

/// The longest timeout in seconds: the kernel counts milliseconds in 31 bits.
pub(super) const TIMEOUT: u64 = 2_147_483;
/// How many elements a hash holds if nothing else is said.
const MAXELEM: u32 = 65_536;
/// The most places of a bitmap.
const PLACES: u64 = 65_536;

/// The places of a bitmap, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// From one address to another.
    Addresses(Ipv4Addr, Ipv4Addr),
    /// From one port to another.
    Ports(u16, u16),
}

/// What is kept of an address before it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// So many of its first bits (`netmask`).
    Length(u8),
    /// The bits that are set here (`bitmask`).
    Bits(IpAddr),
}

/// What the kernel chooses, or changes as a set grows: it can be asked for, but two sets that differ in it hold the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// How many buckets the hash begins with.
    pub hashsize: Option<u32>,
    /// How many elements one bucket takes.
    pub bucketsize: Option<u8>,
    /// The seed of the hash.
    pub initval: Option<u32>,
    /// The size of a list, which has not counted for years.
    pub size: Option<u32>,
}

/// How a set was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The type.
    pub kind: SetType,
    /// The family of its addresses, where a type leaves a choice.
    pub family: Option<Family>,
    /// The places of a bitmap.
    pub range: Option<Range>,
    /// What is kept of an address.
    pub mask: Option<Mask>,
    /// What is kept of a mark.
    pub markmask: Option<u32>,
    /// The most elements of a hash.
    pub maxelem: Option<u32>,
    /// The seconds that an element stays if nothing else is said, 0 for good; none if elements have no timeouts at all.
    pub timeout: Option<u32>,
    /// Whether packets and bytes are counted.
    pub counters: bool,
    /// Whether elements can have a remark.
    pub comment: bool,
    /// Whether elements can have marks, classes and queues for the SET target.
    pub skbinfo: bool,
    /// Whether a full hash drops an element for a new one.
    pub forceadd: bool,
    /// What does not take part in comparison.
    pub tuning: Tuning,
}

impl Definition {
    /// Begins a definition with what the kernel takes where nothing is said.
    pub fn new(kind: SetType) -> Self {
        Self {
            kind,
            family: kind.has_family().then_some(Family::V4),
            range: None,
            mask: None,
            markmask: None,
            maxelem: (kind.method() == Method::Hash).then_some(MAXELEM),
            timeout: None,
            counters: false,
            comment: false,
            skbinfo: false,
            forceadd: false,
            tuning: Tuning::default(),
        }
    }

    /// Gives it without what goes without saying.
    pub fn in_short(&self) -> Self {
        Self { maxelem: self.maxelem.filter(|most| *most != MAXELEM), tuning: Tuning::default(), ..self.clone() }
    }

    /// Tells whether another one makes a set that holds the same.
    pub fn agrees(&self, other: &Self) -> bool {
        *self == Self { tuning: self.tuning, ..other.clone() }
    }

    pub(super) fn parse(words: &[&str]) -> Result<Self, Fault> {
        let Some((kind, rest)) = words.split_first() else { return Err(Fault::input("make a set", "its type is missing")) };
        let mut definition = Self::new(kind.parse()?);
        let mut options = Options::new(rest, format!("make a set of the type {kind}"));
        while let Some(option) = options.next()? {
            if !definition.takes(option) {
                return Err(options.refuse(format!("`{option}` is no option of this type")));
            }
            definition.set(option, &mut options)?;
        }
        definition.check().map_err(|why| options.refuse(why))?;
        Ok(definition)
    }

    fn takes(&self, option: &str) -> bool {
        let (name, method) = (self.kind.name(), self.kind.method());
        match option {
            "timeout" | "counters" | "comment" | "skbinfo" => true,
            "family" => self.kind.has_family(),
            "hashsize" | "maxelem" | "bucketsize" | "initval" | "forceadd" => method == Method::Hash,
            "range" => method == Method::Bitmap,
            "netmask" => ["bitmap:ip", "hash:ip", "hash:ip,port", "hash:net,net"].contains(&name),
            "bitmask" => ["hash:ip", "hash:ip,port", "hash:net,net"].contains(&name),
            "markmask" => name == "hash:ip,mark",
            "size" => method == Method::List,
            _ => false,
        }
    }

    fn set(&mut self, option: &str, options: &mut Options<'_>) -> Result<(), Fault> {
        let most = u64::from(u32::MAX);
        match option {
            "timeout" => self.timeout = Some(options.number(0, TIMEOUT)?),
            "counters" => self.counters = true,
            "comment" => self.comment = true,
            "skbinfo" => self.skbinfo = true,
            "forceadd" => self.forceadd = true,
            "family" => self.family = Some(family(options)?),
            "range" => self.range = Some(range(self.kind, options.value()?)?),
            "netmask" | "bitmask" if self.mask.is_some() => return Err(options.refuse("netmask and bitmask exclude each other")),
            "netmask" => self.mask = Some(Mask::Length(options.number(1, 128)?)),
            "bitmask" => {
                let mask = options.value()?.parse().map_err(|_| options.refuse("a bitmask is written as an address"))?;
                self.mask = Some(Mask::Bits(mask));
            }
            "markmask" => self.markmask = Some(options.number(1, most)?),
            "maxelem" => self.maxelem = Some(options.number(1, most)?),
            // The kernel rounds up to a power of two, and takes no more than this.
            "hashsize" => self.tuning.hashsize = Some(options.number(1, 1 << 31)?),
            "bucketsize" => self.tuning.bucketsize = Some(options.number(2, 14)?),
            "initval" => self.tuning.initval = Some(options.number(0, most)?),
            _ => self.tuning.size = Some(options.number(1, most)?),
        }
        Ok(())
    }

    /// Checks what depends on several options, and makes it what the kernel makes of it.
    fn check(&mut self) -> Result<(), String> {
        let bits: u8 = if self.family == Some(Family::V6) { 128 } else { 32 };
        match self.mask {
            Some(Mask::Length(length)) if length > bits => return Err(format!("a netmask must be a number from 1 to {bits}")),
            Some(Mask::Bits(mask)) if mask.is_unspecified() => return Err("an empty bitmask would make all addresses equal".into()),
            Some(Mask::Bits(mask)) if Prefix::bits(mask) != bits => return Err("the bitmask is of the other family".into()),
            _ => {}
        }
        match &mut self.range {
            None if self.kind.method() == Method::Bitmap => Err("a bitmap needs its range".into()),
            Some(Range::Addresses(first, last)) => {
                let step = match self.mask {
                    Some(Mask::Length(length)) => 1u64 << (32 - length),
                    _ => 1,
                };
                let places = (u64::from(last.to_bits()) - u64::from(first.to_bits())) / step + 1;
                if places > PLACES { Err(format!("its range has {places} places, and {PLACES} is the most")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

fn family(options: &mut Options<'_>) -> Result<Family, Fault> {
    match options.value()? {
        "inet" | "ipv4" => Ok(Family::V4),
        "inet6" | "ipv6" => Ok(Family::V6),
        other => Err(options.refuse(format!("{other:?} is no family")).hint("write inet or inet6")),
    }
}

fn range(kind: SetType, text: &str) -> Result<Range, Fault> {
    if kind.name() == "bitmap:port" {
        return service::ports(text).map(|(first, last)| Range::Ports(first, last));
    }
    let refuse = |why: &str| Fault::input(format!("use {text:?} as the range of a set"), why);
    let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| refuse("it is neither first-last nor an IPv4 prefix"));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (address(first)?, address(last)?),
        None => {
            let prefix: Prefix = text.parse()?;
            let IpAddr::V4(first) = prefix.network().0 else { return Err(refuse("a bitmap has IPv4 addresses only")) };
            (first, Ipv4Addr::from_bits(first.to_bits() | u32::MAX.checked_shr(prefix.length().into()).unwrap_or(0)))
        }
    };
    if first > last { Err(refuse("the range is the wrong way round")) } else { Ok(Range::Addresses(first, last)) }
}

impl FromStr for Definition {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(&words::split(text)?)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Addresses(first, last) => write!(f, "{first}-{last}"),
            Range::Ports(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// Writes an option with its value, if it has one.
fn option(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name} {value}"))
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuning { hashsize, bucketsize, initval, size } = self.tuning;
        write!(f, "{}", self.kind)?;
        option(f, "range", self.range)?;
        option(f, "family", self.family.map(|family| if family == Family::V4 { "inet" } else { "inet6" }))?;
        option(f, "hashsize", hashsize)?;
        option(f, "maxelem", self.maxelem)?;
        option(f, "size", size)?;
        option(f, "markmask", self.markmask.map(|mask| format!("{mask:#010x}")))?;
        match self.mask {
            Some(Mask::Length(length)) => write!(f, " netmask {length}")?,
            Some(Mask::Bits(mask)) => write!(f, " bitmask {mask}")?,
            None => {}
        }
        option(f, "timeout", self.timeout)?;
        let flags = [("counters", self.counters), ("comment", self.comment), ("forceadd", self.forceadd), ("skbinfo", self.skbinfo)];
        for (name, _) in flags.iter().filter(|(_, set)| *set) {
            write!(f, " {name}")?;
        }
        option(f, "bucketsize", bucketsize)?;
        option(f, "initval", initval.map(|seed| format!("{seed:#010x}")))
    }
}
