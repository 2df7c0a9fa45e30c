//! One part of an element: an address, a network, a port, an interface.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::definition::{Definition, Mask, Range};
use super::kind::{Dimension, Method};
use super::words::number;
use super::{Service, SetName, service};
use crate::model::net::{InterfaceMatch, Prefix};
use crate::model::{Family, Fault};

/// One of the comma-separated parts of an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// An address (a prefix of full length) or a network.
    Net(Prefix),
    /// A port of whatever protocol.
    Port(u16),
    /// A port of a protocol.
    Service(Service),
    /// A MAC address.
    Mac([u8; 6]),
    /// A packet mark.
    Mark(u32),
    /// An interface; `physdev` means a port of a bridge.
    Iface {
        /// Its name, or how its name begins.
        name: Box<str>,
        /// Whether it is meant as a port of a bridge.
        physdev: bool,
    },
    /// Another set.
    Set(SetName),
}

/// The most elements that one text may stand for: as many as a set holds if nothing else is said.
pub(super) const MOST: usize = 65_536;

fn refuse(text: &str, why: impl Into<String>) -> Fault {
    Fault::input(format!("use {text:?} as an element of a set"), why)
}

fn too_many(text: &str) -> Fault {
    refuse(text, format!("it stands for more than {MOST} elements")).hint("a set of networks (hash:net) holds it as a few")
}

impl Part {
    /// Reads one part, and gives everything that it stands for: the kernel has no ranges but takes each of their elements.
    pub(super) fn expand(text: &str, dimension: Dimension, definition: &Definition) -> Result<Vec<Part>, Fault> {
        match dimension {
            Dimension::Ip => addresses(text, definition),
            Dimension::Net => networks(text, definition),
            Dimension::Port => {
                let (first, last) = service::ports(text)?;
                match definition.range {
                    Some(Range::Ports(least, most)) if first < least || last > most => {
                        Err(refuse(text, format!("the set is for the ports {least}-{most}")))
                    }
                    _ => Ok((first..=last).map(Part::Port).collect()),
                }
            }
            Dimension::Service => Ok(Service::expand(text, definition.family)?.into_iter().map(Part::Service).collect()),
            Dimension::Mac => mac(text, definition).map(|mac| vec![Part::Mac(mac)]),
            Dimension::Mark => {
                let mark: u32 = number(text).ok_or_else(|| refuse(text, "a mark is a number of 32 bits"))?;
                Ok(vec![Part::Mark(mark & definition.markmask.unwrap_or(u32::MAX))])
            }
            Dimension::Iface => interface(text).map(|part| vec![part]),
            Dimension::Set => Ok(vec![Part::Set(text.parse()?)]),
        }
    }
}

/// Reads an address, a prefix, or `first-last`, and gives the first and the last address as numbers.
fn span(text: &str, definition: &Definition) -> Result<(Family, u128, u128), Fault> {
    let prefix = |text: &str| -> Result<Prefix, Fault> { text.parse() };
    let (family, first, last) = match text.split_once('-') {
        None => {
            let prefix = prefix(text)?;
            let first = to_bits(prefix.network().0);
            (prefix.family(), first, first | hosts(prefix))
        }
        Some((first, last)) => {
            let (first, last) = (prefix(first)?, prefix(last)?);
            if hosts(first) > 0 || hosts(last) > 0 || first.family() != last.family() {
                return Err(refuse(text, "a range is written first-last, with two addresses of a family"));
            }
            (first.family(), to_bits(first.network().0), to_bits(last.network().0))
        }
    };
    let wanted = definition.family.unwrap_or(Family::V4);
    match family == wanted {
        false => Err(refuse(text, format!("the set is for {wanted}"))),
        true if first > last => Err(refuse(text, "the range is the wrong way round")),
        true => Ok((family, first, last)),
    }
}

fn addresses(text: &str, definition: &Definition) -> Result<Vec<Part>, Fault> {
    let (family, first, last) = span(text, definition)?;
    if let Some(Range::Addresses(least, most)) = definition.range
        && (first < to_bits(least.into()) || last > to_bits(most.into()))
    {
        return Err(refuse(text, format!("the set is for the addresses {least}-{most}")));
    }
    let bits = u32::from(Prefix::bits(from_bits(family, first)));
    let step = match definition.mask {
        Some(Mask::Length(length)) => 1u128.checked_shl(bits.saturating_sub(length.into())).unwrap_or(u128::MAX),
        _ => 1,
    };
    let keep = match definition.mask {
        Some(Mask::Bits(mask)) => to_bits(mask),
        _ => !(step - 1),
    };
    let first = first & !(step - 1);
    if (last - first) / step >= MOST as u128 {
        return Err(too_many(text));
    }
    let each = std::iter::successors(Some(first), |at| at.checked_add(step).filter(|at| *at <= last));
    let found: BTreeSet<u128> = each.map(|at| at & keep).collect();
    // The kernel marks what is empty in a hash with zero.
    if definition.kind.name() == "hash:ip" && found.contains(&0) {
        return Err(refuse(text, format!("{} cannot be stored in a hash", from_bits(family, 0))));
    }
    Ok(found.into_iter().map(|at| host(from_bits(family, at))).collect())
}

fn networks(text: &str, definition: &Definition) -> Result<Vec<Part>, Fault> {
    let (family, mut first, last) = span(text, definition)?;
    let bits = u32::from(Prefix::bits(from_bits(family, first)));
    let mut found = Vec::new();
    loop {
        // The largest network that begins here and does not reach behind the last address.
        let room = (last - first).checked_add(1).map_or(bits, u128::ilog2);
        let size = first.trailing_zeros().min(room).min(bits);
        let length = (bits - size) as u8;
        if length == 0 && definition.kind.name() != "hash:net,iface" {
            return Err(refuse(text, "a set of this type holds no prefix of length 0").hint("two prefixes of length 1 are the same"));
        }
        let address = from_bits(
            family,
            match definition.mask {
                Some(Mask::Bits(mask)) => first & to_bits(mask),
                _ => first,
            },
        );
        let length = match definition.mask {
            Some(Mask::Length(most)) => length.min(most),
            _ => length,
        };
        found.push(Part::Net(Prefix::new(address, length)));
        match 1u128.checked_shl(size).and_then(|step| first.checked_add(step)).filter(|next| *next <= last) {
            Some(next) => first = next,
            None => return Ok(found),
        }
    }
}

fn mac(text: &str, definition: &Definition) -> Result<[u8; 6], Fault> {
    let byte = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
    let mac = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    let mac = mac.ok_or_else(|| refuse(text, "a MAC address is six pairs of hexadecimal digits with colons between"))?;
    match mac == [0; 6] && definition.kind.method() == Method::Hash {
        true => Err(refuse(text, "the MAC address of zeros cannot be stored in a hash")),
        false => Ok(mac),
    }
}

fn interface(text: &str) -> Result<Part, Fault> {
    let (name, physdev) = text.strip_prefix("physdev:").map_or((text, false), |name| (name, true));
    name.parse::<InterfaceMatch>()?;
    match name.ends_with('+') {
        true => Err(refuse(text, "'+' stands for itself here").hint("leave it out, and add the word `wildcard`")),
        false => Ok(Part::Iface { name: name.into(), physdev }),
    }
}

fn host(address: IpAddr) -> Part {
    Part::Net(Prefix::new(address, Prefix::bits(address)))
}

/// Gives the bits behind a prefix, all set.
fn hosts(prefix: Prefix) -> u128 {
    1u128.checked_shl(u32::from(Prefix::bits(prefix.network().0) - prefix.length())).map_or(u128::MAX, |size| size - 1)
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn from_bits(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from((bits as u32).to_be_bytes()),
        Family::V6 => IpAddr::from(bits.to_be_bytes()),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Net(prefix) if prefix.length() == Prefix::bits(prefix.network().0) => write!(f, "{}", prefix.network().0),
            Part::Net(prefix) => write!(f, "{prefix}"),
            Part::Port(port) => write!(f, "{port}"),
            Part::Service(service) => write!(f, "{service}"),
            Part::Mac([a, b, c, d, e, g]) => write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}"),
            Part::Mark(mark) => write!(f, "{mark:#010x}"),
            Part::Iface { name, physdev } => write!(f, "{}{name}", if *physdev { "physdev:" } else { "" }),
            Part::Set(name) => write!(f, "{name}"),
        }
    }
}
