//! The kernel's listing of sets, read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{attribute, cadt, find};
use crate::kernel::netlink::message::{attributes, be32, be64, text};
use crate::model::Family;
use crate::model::ipset::{About, Definition, Dimension, Element, Entry, Mask, Member, Part, Range, Service, Set, SetName, Sets};
use crate::model::net::Prefix;

/// What has been read of a listing; a set of many elements comes in several messages.
#[derive(Debug, Default)]
pub(super) struct Reader {
    sets: BTreeMap<String, Result<Set, String>>,
}

impl Reader {
    /// Reads one message: a set, or more of the elements of the set of the message before it.
    pub(super) fn message(&mut self, body: &[u8]) {
        let body = body.get(4..).unwrap_or_default();
        let Some(name) = find(body, attribute::SETNAME).map(lossy) else { return };
        let set = self.sets.entry(name.clone()).or_insert_with(|| begin(&name, body));
        if let Ok(known) = set
            && let Err(why) = add(known, find(body, attribute::ADT).unwrap_or_default())
        {
            *set = Err(why);
        }
    }

    /// Gives what was read.
    pub(super) fn sets(self) -> Sets {
        let mut sets = Sets::default();
        for (name, set) in self.sets {
            match (name.parse::<SetName>(), set) {
                (Ok(name), Ok(set)) => drop(sets.sets.insert(name, set)),
                (Err(fault), _) => drop(sets.opaque.insert(name, fault.why)),
                (_, Err(why)) => drop(sets.opaque.insert(name, why)),
            }
        }
        sets
    }
}

fn lossy(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// Reads the number of a line that the kernel names as the one at fault, and gives how many are before it.
pub(super) fn line(value: &[u8]) -> Option<usize> {
    (be32(value) as usize).checked_sub(1)
}

/// Reads the head of a set.
fn begin(name: &str, body: &[u8]) -> Result<Set, String> {
    name.parse::<SetName>().map_err(|fault| fault.why)?;
    let kind = find(body, attribute::TYPENAME).map(text).unwrap_or_default();
    let mut definition = Definition::new(kind.parse().map_err(|_| format!("its type {kind:?} is not known"))?);
    if definition.kind.has_family() && find(body, attribute::FAMILY) == Some(&[libc::AF_INET6 as u8]) {
        definition.family = Some(Family::V6);
    }
    let data = find(body, attribute::DATA).unwrap_or_default();
    let mut about = About::default();
    for (kind, value) in attributes(data) {
        match kind {
            attribute::TIMEOUT => definition.timeout = Some(be32(value)),
            attribute::CADT_FLAGS => {
                let has = |flag| be32(value) & flag != 0;
                (definition.counters, definition.comment) = (has(cadt::COUNTERS), has(cadt::COMMENT));
                (definition.forceadd, definition.skbinfo) = (has(cadt::FORCEADD), has(cadt::SKBINFO));
            }
            attribute::MARKMASK => definition.markmask = Some(be32(value)),
            attribute::BITMASK => definition.mask = address(value).map(Mask::Bits),
            attribute::CREATE_NETMASK => definition.mask = value.first().copied().map(Mask::Length),
            attribute::CREATE_MAXELEM => definition.maxelem = Some(be32(value)),
            attribute::CREATE_HASHSIZE => definition.tuning.hashsize = Some(be32(value)),
            attribute::CREATE_BUCKETSIZE => definition.tuning.bucketsize = value.first().copied(),
            attribute::CREATE_INITVAL => definition.tuning.initval = Some(be32(value)),
            attribute::CREATE_SIZE => definition.tuning.size = Some(be32(value)),
            attribute::CREATE_REFERENCES => about.references = be32(value),
            attribute::CREATE_MEMSIZE => about.memory = be32(value),
            _ => {}
        }
    }
    definition.range = range(data);
    Ok(Set { about, ..Set::new(definition) })
}

fn range(data: &[u8]) -> Option<Range> {
    let four = |kind| match find(data, kind).and_then(address) {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    };
    let ports = || Some(Range::Ports(be16(find(data, attribute::PORT)?), be16(find(data, attribute::PORT_TO)?)));
    let addresses: Option<(Ipv4Addr, Ipv4Addr)> = four(attribute::IP).zip(four(attribute::IP_TO));
    addresses.map(|(first, last)| Range::Addresses(first, last)).or_else(ports)
}

fn add(set: &mut Set, data: &[u8]) -> Result<(), String> {
    for (_, data) in attributes(data) {
        let element = element(&set.definition, data).ok_or("one of its elements is not understood")?;
        let entry = entry(&set.definition, data).ok_or("one of its comments is no text")?;
        set.members.insert(Member { element, entry });
    }
    Ok(())
}

fn element(definition: &Definition, data: &[u8]) -> Option<Element> {
    let mut nets = [(attribute::IP, attribute::CIDR), (attribute::IP2, attribute::CIDR2)].into_iter();
    let mut parts = Vec::with_capacity(definition.kind.dimensions().len());
    for dimension in definition.kind.dimensions() {
        parts.push(match dimension {
            Dimension::Ip | Dimension::Net => {
                let (ip, cidr) = nets.next()?;
                let address = address(find(data, ip)?)?;
                let length = find(data, cidr).and_then(|value| value.first().copied()).unwrap_or(Prefix::bits(address));
                Part::Net(Prefix::new(address, length))
            }
            Dimension::Port => Part::Port(be16(find(data, attribute::PORT)?)),
            Dimension::Service => {
                Part::Service(Service { protocol: *find(data, attribute::PROTO)?.first()?, port: be16(find(data, attribute::PORT)?) })
            }
            Dimension::Mac => match find(data, attribute::ETHER) {
                Some(mac) => Part::Mac(mac.try_into().ok()?),
                // A bitmap learns it from the first packet.
                None => continue,
            },
            Dimension::Mark => Part::Mark(be32(find(data, attribute::MARK)?)),
            Dimension::Iface => {
                let flags = find(data, attribute::CADT_FLAGS).map_or(0, be32);
                Part::Iface { name: text(find(data, attribute::IFACE)?).into(), physdev: flags & cadt::PHYSDEV != 0 }
            }
            Dimension::Set => Part::Set(text(find(data, attribute::NAME)?).parse().ok()?),
        });
    }
    Some(Element(parts.into()))
}

fn entry(definition: &Definition, data: &[u8]) -> Option<Entry> {
    let mut entry = Entry { timeout: None, ..Entry::new(definition) };
    for (kind, value) in attributes(data) {
        let counters = entry.counters.unwrap_or_default();
        match kind {
            attribute::TIMEOUT => entry.timeout = Some(be32(value)),
            attribute::CADT_FLAGS => {
                entry.nomatch = be32(value) & cadt::NOMATCH != 0;
                entry.wildcard = be32(value) & cadt::WILDCARD != 0;
            }
            attribute::PACKETS => entry.counters = Some((be64(value), counters.1)),
            attribute::BYTES => entry.counters = Some((counters.0, be64(value))),
            attribute::COMMENT => entry.comment = Some(std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()?.into()),
            attribute::SKBMARK => entry.skbmark = Some(((be64(value) >> 32) as u32, be64(value) as u32)),
            attribute::SKBPRIO => entry.skbprio = Some(((be32(value) >> 16) as u16, be32(value) as u16)),
            attribute::SKBQUEUE => entry.skbqueue = Some(be16(value)),
            _ => {}
        }
    }
    Some(entry)
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let (kind, value) = attributes(value).next()?;
    match kind {
        attribute::IPADDR_IPV4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        attribute::IPADDR_IPV6 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

fn be16(value: &[u8]) -> u16 {
    value.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}
