//! Steps as messages to the kernel.

use std::net::IpAddr;

use super::{attribute, cadt, command, head};
use crate::kernel::netlink::message::{Messages, flag};
use crate::model::Family;
use crate::model::ipset::{Beside, Definition, Element, Entry, Mask, Member, Part, Range, SetName, Step};
use crate::model::net::Prefix;

/// The most bytes of a message before one more element: the length of an attribute has 16 bits, and an error repeats all of the message
/// in a datagram that must fit into the buffer of the socket.
const FULL: usize = 32 * 1024;
/// `NLM_F_EXCL`: what is asked for must not be so already.
const STRICT: u16 = libc::NLM_F_EXCL as u16;
const CREATE: u16 = libc::NLM_F_CREATE as u16;
/// `NLA_F_NET_BYTEORDER`, which ipset asks of every number.
pub(super) const NET: u16 = 0x4000;

/// Writes the first of some steps, and as many of the same kind behind it as fit into the message. Gives how many those are.
pub(super) fn order(messages: &mut Messages, steps: &[Step], sequence: u32, version: u8, revision: u8) -> usize {
    let Some(first) = steps.first() else { return 0 };
    let (command, flags) = match first {
        Step::Create(..) => (command::CREATE, CREATE | STRICT),
        Step::Destroy(_) => (command::DESTROY, STRICT),
        Step::Flush(_) => (command::FLUSH, STRICT),
        Step::Rename(..) => (command::RENAME, STRICT),
        Step::Swap(..) => (command::SWAP, STRICT),
        Step::Add(..) => (command::ADD, STRICT),
        Step::Put(..) => (command::ADD, 0),
        Step::Remove(..) => (command::DEL, STRICT),
        Step::Take(..) => (command::DEL, 0),
    };
    let mut taken = 1;
    head(messages, command, flag::REQUEST | flag::ACK | flags, sequence, version, |m| {
        m.text(attribute::SETNAME, first.set().as_str());
        match first {
            Step::Create(_, definition) => create(m, definition, revision),
            Step::Destroy(_) | Step::Flush(_) => {}
            Step::Rename(_, other) | Step::Swap(_, other) => m.text(attribute::SETNAME2, other.as_str()),
            Step::Add(..) | Step::Put(..) | Step::Remove(..) | Step::Take(..) => taken = elements(m, first, steps),
        }
    });
    taken
}

fn be32(m: &mut Messages, kind: u16, value: u32) {
    m.attribute(kind | NET, &value.to_be_bytes());
}

/// The number of a family (`NFPROTO_IPV4`, `NFPROTO_IPV6`); types that have none take the first.
pub(super) fn family(definition: &Definition) -> u8 {
    match (definition.family, definition.range) {
        (Some(Family::V6), _) => libc::AF_INET6 as u8,
        (Some(Family::V4), _) | (None, Some(Range::Addresses(..))) => libc::AF_INET as u8,
        _ => libc::AF_UNSPEC as u8,
    }
}

/// Writes how a set is to be made, attributes in the order of their numbers.
fn create(m: &mut Messages, definition: &Definition, revision: u8) {
    m.text(attribute::TYPENAME, definition.kind.name());
    m.attribute(attribute::REVISION, &[revision]);
    m.attribute(attribute::FAMILY, &[family(definition)]);
    let flags = [
        (definition.counters, cadt::COUNTERS),
        (definition.comment, cadt::COMMENT),
        (definition.forceadd, cadt::FORCEADD),
        (definition.skbinfo, cadt::SKBINFO),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
    m.nest(attribute::DATA, |m| {
        let number = |m: &mut Messages, kind, value: Option<u32>| value.into_iter().for_each(|value| be32(m, kind, value));
        match definition.range {
            Some(Range::Addresses(first, last)) => {
                address(m, attribute::IP, first.into());
                address(m, attribute::IP_TO, last.into());
            }
            Some(Range::Ports(first, last)) => {
                m.attribute(attribute::PORT | NET, &first.to_be_bytes());
                m.attribute(attribute::PORT_TO | NET, &last.to_be_bytes());
            }
            None => {}
        }
        number(m, attribute::TIMEOUT, definition.timeout);
        number(m, attribute::CADT_FLAGS, Some(flags).filter(|flags| *flags != 0));
        number(m, attribute::MARKMASK, definition.markmask);
        if let Some(Mask::Bits(mask)) = definition.mask {
            address(m, attribute::BITMASK, mask);
        }
        number(m, attribute::CREATE_INITVAL, definition.tuning.initval);
        number(m, attribute::CREATE_HASHSIZE, definition.tuning.hashsize);
        number(m, attribute::CREATE_MAXELEM, definition.maxelem);
        if let Some(Mask::Length(length)) = definition.mask {
            m.attribute(attribute::CREATE_NETMASK, &[length]);
        }
        if let Some(size) = definition.tuning.bucketsize {
            m.attribute(attribute::CREATE_BUCKETSIZE, &[size]);
        }
        number(m, attribute::CREATE_SIZE, definition.tuning.size);
    });
}

/// Writes elements as long as they are for the same set in the same way, each with its number from 1, which the kernel names where it stops.
fn elements(m: &mut Messages, first: &Step, steps: &[Step]) -> usize {
    let alike = |step: &&Step| std::mem::discriminant(*step) == std::mem::discriminant(first) && step.set() == first.set();
    be32(m, attribute::LINENO, 1);
    let mut taken = 0;
    let start = m.bytes().len();
    m.nest(attribute::ADT, |m| {
        for step in steps.iter().take_while(alike) {
            if m.bytes().len() - start > FULL {
                break;
            }
            taken += 1;
            m.nest(attribute::DATA, |m| {
                match step {
                    Step::Add(_, member, beside) => one(m, &member.element, Some(&member.entry), beside.as_ref()),
                    Step::Put(_, Member { element, entry }) => one(m, element, Some(entry), None),
                    Step::Remove(_, element) | Step::Take(_, element) => one(m, element, None, None),
                    _ => {}
                }
                be32(m, attribute::LINENO, taken as u32);
            });
        }
    });
    taken
}

fn address(m: &mut Messages, kind: u16, address: IpAddr) {
    m.nest(kind, |m| match address {
        IpAddr::V4(address) => m.attribute(attribute::IPADDR_IPV4 | NET, &address.octets()),
        IpAddr::V6(address) => m.attribute(attribute::IPADDR_IPV6 | NET, &address.octets()),
    });
}

/// Writes one element with what is to be kept about it.
pub(super) fn one(m: &mut Messages, element: &Element, entry: Option<&Entry>, beside: Option<&Beside>) {
    let mut flags = 0;
    let mut nets = [(attribute::IP, attribute::CIDR), (attribute::IP2, attribute::CIDR2)].into_iter();
    for part in element.0.iter() {
        match part {
            Part::Net(prefix) => nets.next().into_iter().for_each(|kinds| net(m, kinds, *prefix)),
            Part::Port(port) => m.attribute(attribute::PORT | NET, &port.to_be_bytes()),
            Part::Service(service) => {
                m.attribute(attribute::PORT | NET, &service.port.to_be_bytes());
                m.attribute(attribute::PROTO, &[service.protocol]);
            }
            Part::Mac(mac) => m.attribute(attribute::ETHER, mac),
            Part::Mark(mark) => be32(m, attribute::MARK, *mark),
            Part::Iface { name, physdev } => {
                m.text(attribute::IFACE, name);
                flags |= if *physdev { cadt::PHYSDEV } else { 0 };
            }
            Part::Set(name) => m.text(attribute::NAME, name.as_str()),
        }
    }
    if let Some(beside) = beside {
        let (name, flag): (&SetName, _) = match beside {
            Beside::Before(name) => (name, cadt::BEFORE),
            Beside::After(name) => (name, 0),
        };
        m.text(attribute::NAMEREF, name.as_str());
        flags |= flag;
    }
    match entry {
        Some(entry) => kept(m, entry, flags),
        None if flags != 0 => be32(m, attribute::CADT_FLAGS, flags),
        None => {}
    }
}

/// Writes an address, or a network: a length that is not full makes it one.
fn net(m: &mut Messages, (ip, cidr): (u16, u16), prefix: Prefix) {
    address(m, ip, prefix.network().0);
    if prefix.length() != Prefix::bits(prefix.network().0) {
        m.attribute(cidr, &[prefix.length()]);
    }
}

fn kept(m: &mut Messages, entry: &Entry, mut flags: u32) {
    if let Some(timeout) = entry.timeout {
        be32(m, attribute::TIMEOUT, timeout);
    }
    flags |= if entry.nomatch { cadt::NOMATCH } else { 0 } | if entry.wildcard { cadt::WILDCARD } else { 0 };
    if flags != 0 {
        be32(m, attribute::CADT_FLAGS, flags);
    }
    if let Some((packets, bytes)) = entry.counters.filter(|counters| *counters != (0, 0)) {
        m.attribute(attribute::BYTES | NET, &bytes.to_be_bytes());
        m.attribute(attribute::PACKETS | NET, &packets.to_be_bytes());
    }
    if let Some(comment) = &entry.comment {
        m.text(attribute::COMMENT, comment);
    }
    if let Some((mark, mask)) = entry.skbmark {
        m.attribute(attribute::SKBMARK | NET, &(u64::from(mark) << 32 | u64::from(mask)).to_be_bytes());
    }
    if let Some((major, minor)) = entry.skbprio {
        be32(m, attribute::SKBPRIO, u32::from(major) << 16 | u32::from(minor));
    }
    if let Some(queue) = entry.skbqueue {
        m.attribute(attribute::SKBQUEUE | NET, &queue.to_be_bytes());
    }
}
