//! Sets over netlink (nfnetlink): questions, orders in batches, and where one of them was refused.
//!
//! The layouts are those of `linux/netfilter/ipset/ip_set.h`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::time::Duration;

use super::message::{Messages, attributes, flag, text};
use super::{Dump, Socket};
use crate::model::ipset::{Definition, SetName, Sets, Step};

/// `NFNL_SUBSYS_IPSET`, the high byte of a message's type.
const IPSET: u16 = 6;
/// The versions of the protocol that are spoken here: `IPSET_PROTOCOL_MIN` and `IPSET_PROTOCOL`.
const VERSIONS: std::ops::RangeInclusive<u8> = 6..=7;
/// How often a torn listing is asked for again.
const TRIES: usize = 20;

/// `enum ipset_cmd`.
mod command {
    pub(super) const PROTOCOL: u16 = 1;
    pub(super) const CREATE: u16 = 2;
    pub(super) const DESTROY: u16 = 3;
    pub(super) const FLUSH: u16 = 4;
    pub(super) const RENAME: u16 = 5;
    pub(super) const SWAP: u16 = 6;
    pub(super) const LIST: u16 = 7;
    pub(super) const ADD: u16 = 9;
    pub(super) const DEL: u16 = 10;
    pub(super) const HEADER: u16 = 12;
    pub(super) const TYPE: u16 = 13;
}

/// Asks for a list without what is in the sets: `IPSET_FLAG_LIST_HEADER`.
const LIST_HEADER: u32 = 1 << 2;

/// The attributes of a message, of a set (`CREATE_`) and of an element.
mod attribute {
    pub(super) const PROTOCOL: u16 = 1;
    pub(super) const SETNAME: u16 = 2;
    pub(super) const TYPENAME: u16 = 3;
    pub(super) const SETNAME2: u16 = 3;
    pub(super) const REVISION: u16 = 4;
    pub(super) const FAMILY: u16 = 5;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const DATA: u16 = 7;
    pub(super) const ADT: u16 = 8;
    pub(super) const LINENO: u16 = 9;
    pub(super) const PROTOCOL_MIN: u16 = 10;

    pub(super) const IP: u16 = 1;
    pub(super) const IP_TO: u16 = 2;
    pub(super) const CIDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const PORT_TO: u16 = 5;
    pub(super) const TIMEOUT: u16 = 6;
    pub(super) const PROTO: u16 = 7;
    pub(super) const CADT_FLAGS: u16 = 8;
    pub(super) const MARK: u16 = 10;
    pub(super) const MARKMASK: u16 = 11;
    pub(super) const BITMASK: u16 = 12;

    pub(super) const CREATE_INITVAL: u16 = 17;
    pub(super) const CREATE_HASHSIZE: u16 = 18;
    pub(super) const CREATE_MAXELEM: u16 = 19;
    pub(super) const CREATE_NETMASK: u16 = 20;
    pub(super) const CREATE_BUCKETSIZE: u16 = 21;
    pub(super) const CREATE_SIZE: u16 = 23;
    pub(super) const CREATE_REFERENCES: u16 = 25;
    pub(super) const CREATE_MEMSIZE: u16 = 26;

    pub(super) const ETHER: u16 = 17;
    pub(super) const NAME: u16 = 18;
    pub(super) const NAMEREF: u16 = 19;
    pub(super) const IP2: u16 = 20;
    pub(super) const CIDR2: u16 = 21;
    pub(super) const IFACE: u16 = 23;
    pub(super) const BYTES: u16 = 24;
    pub(super) const PACKETS: u16 = 25;
    pub(super) const COMMENT: u16 = 26;
    pub(super) const SKBMARK: u16 = 27;
    pub(super) const SKBPRIO: u16 = 28;
    pub(super) const SKBQUEUE: u16 = 29;

    pub(super) const IPADDR_IPV4: u16 = 1;
    pub(super) const IPADDR_IPV6: u16 = 2;
}

/// `enum ipset_cadt_flags`.
mod cadt {
    pub(super) const BEFORE: u32 = 1 << 0;
    pub(super) const PHYSDEV: u32 = 1 << 1;
    pub(super) const NOMATCH: u32 = 1 << 2;
    pub(super) const COUNTERS: u32 = 1 << 3;
    pub(super) const COMMENT: u32 = 1 << 4;
    pub(super) const FORCEADD: u32 = 1 << 5;
    pub(super) const SKBINFO: u32 = 1 << 6;
    pub(super) const WILDCARD: u32 = 1 << 7;
}

/// What the kernel refused, and what it had done by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The error number: of errno(3), or of `enum ipset_errno` from 4096.
    pub errno: i32,
    /// How many steps are done; the one behind them was refused.
    pub done: usize,
}

/// The sets of one network namespace.
pub struct Ipset {
    socket: Socket,
    version: u8,
}

impl Ipset {
    /// Opens a socket in the network namespace of the calling thread and agrees with the kernel on a version of the protocol.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        // The kernel answers at once; should it ever not, a fault is better than silence.
        socket.set_timeout(Duration::from_secs(30))?;
        let mut ipset = Self { socket, version: *VERSIONS.end() };
        let body = ipset.ask(command::PROTOCOL, |_| {})?;
        let most = byte(&body, attribute::PROTOCOL).unwrap_or_default();
        let least = byte(&body, attribute::PROTOCOL_MIN).unwrap_or(most);
        ipset.version = most.min(*VERSIONS.end());
        if ipset.version < least.max(*VERSIONS.start()) {
            return Err(io::Error::other(format!(
                "the kernel speaks the versions {least} to {most} of the protocol of ipset, and fyke does not"
            )));
        }
        Ok(ipset)
    }

    /// Lists all sets, or those of some names that are there; with what is in them, or without.
    pub fn list(&mut self, names: Option<&[SetName]>, whole: bool) -> io::Result<Sets> {
        for _ in 0..TRIES {
            let mut reader = read::Reader::default();
            let mut end = Dump::Whole;
            for name in names.map_or_else(|| vec![None], |names| names.iter().map(Some).collect()) {
                match self.dump(name, whole, &mut reader) {
                    Ok(Dump::Whole) => {}
                    Ok(Dump::Torn) => end = Dump::Torn,
                    Err(error) if name.is_some() && error.raw_os_error() == Some(libc::ENOENT) => {}
                    Err(error) => return Err(error),
                }
            }
            if end == Dump::Whole {
                return Ok(reader.sets());
            }
        }
        Err(io::Error::other("the sets changed all the time while they were listed"))
    }

    fn dump(&mut self, name: Option<&SetName>, whole: bool, reader: &mut read::Reader) -> io::Result<Dump> {
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        head(&mut messages, command::LIST, flag::REQUEST | flag::DUMP, sequence, self.version, |m| {
            if let Some(name) = name {
                m.text(attribute::SETNAME, name.as_str());
            }
            if !whole {
                m.attribute(attribute::FLAGS | write::NET, &LIST_HEADER.to_be_bytes());
            }
        });
        self.socket.dump(messages.bytes(), sequence, &mut |_, body| reader.message(body))
    }

    /// Does steps in order, as many as one message holds, and gives their number.
    pub fn order(&mut self, steps: &[Step], revision: Option<u8>) -> io::Result<Result<usize, Stopped>> {
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        let taken = write::order(&mut messages, steps, sequence, self.version, revision.unwrap_or_default());
        self.socket.send(messages.bytes())?;
        let mut end = None;
        while end.is_none() {
            self.socket.receive(&mut |answer| {
                let status = answer.status().filter(|_| answer.sequence == sequence);
                end = end.or(status.map(|status| match status {
                    Ok(()) => Ok(taken),
                    // The kernel repeats the message with the number of the line at fault in it.
                    Err(refused) => {
                        let line = answer.echo().and_then(|echo| find(echo.get(4..)?, attribute::LINENO)).and_then(read::line);
                        Err(Stopped { errno: refused.errno, done: line.unwrap_or_default() })
                    }
                }));
                Ok(())
            })?;
        }
        end.ok_or_else(|| io::Error::other("no answer"))
    }

    /// Tells the latest revision of a type that the kernel has; this loads the module of the type.
    pub fn revision(&mut self, definition: &Definition) -> io::Result<u8> {
        let body = self.ask(command::TYPE, |m| {
            m.text(attribute::TYPENAME, definition.kind.name());
            m.attribute(attribute::FAMILY, &[write::family(definition)]);
        })?;
        Ok(byte(&body, attribute::REVISION).unwrap_or_default())
    }

    /// Tells the name of the type of a set.
    pub fn kind(&mut self, name: &SetName) -> io::Result<String> {
        let body = self.ask(command::HEADER, |m| m.text(attribute::SETNAME, name.as_str()))?;
        Ok(body.get(4..).and_then(|body| find(body, attribute::TYPENAME)).map(text).unwrap_or_default().to_owned())
    }

    fn ask(&mut self, command: u16, body: impl FnOnce(&mut Messages)) -> io::Result<Vec<u8>> {
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        head(&mut messages, command, flag::REQUEST, sequence, self.version, body);
        self.socket.ask(messages.bytes(), sequence)
    }
}

/// Writes a message to ipset. The family in its head is always that of IPv4; it is an attribute that counts.
fn head(messages: &mut Messages, command: u16, flags: u16, sequence: u32, version: u8, body: impl FnOnce(&mut Messages)) {
    messages.message(IPSET << 8 | command, flags, sequence, |m| {
        m.raw(&[libc::AF_INET as u8, 0, 0, 0]);
        m.attribute(attribute::PROTOCOL, &[version]);
        body(m);
    });
}

/// Finds an attribute among others.
fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Finds a number of one byte in an answer.
fn byte(body: &[u8], wanted: u16) -> Option<u8> {
    find(body.get(4..)?, wanted)?.first().copied()
}
