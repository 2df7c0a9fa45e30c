//! Raw sockets, packet sockets and ping sockets: what they are opened with, and what comes out of them (raw(7), packet(7), icmp(7)).

pub mod exchange;
pub mod limits;
pub mod option;
pub mod query;
pub mod reach;
pub mod tally;
pub mod template;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use limits::Limits;
pub use option::{Opt, Setting};
pub use query::Query;
pub use tally::{Sent, Talk, Tally};
pub use template::Template;

use super::link::Name;
use super::packet::filter::Filter;
use super::packet::protocols::cooked::SLL2;
use super::packet::{First, numbers};
use super::{Family, Fault};

/// The protocol of sockets that send whole IP packets, and receive nothing.
pub const RAW: u8 = 255;
/// The most bytes that are sent at once: the length of an IP packet has 16 bits, and a frame has a head before it.
pub const MOST: usize = 65_535 + 18;

/// What kind of socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// IP packets of a protocol.
    Raw {
        /// Their family.
        family: Family,
        /// The number of the protocol.
        protocol: u8,
        /// Whether what is sent has its IP header.
        header: bool,
    },
    /// Frames of a link.
    Packet {
        /// The link.
        link: Name,
        /// Whether the kernel takes the head of the link off, and puts it on.
        cooked: bool,
        /// Whether frames for others are received, too.
        promiscuous: bool,
    },
    /// Packets of all links, each behind a head that says from which (LINKTYPE_LINUX_SLL2). They are received only.
    Every,
    /// Echo requests, for which no capability is needed.
    Ping {
        /// Their family.
        family: Family,
    },
}

impl Way {
    /// Tells what a received packet begins with.
    pub fn first(&self) -> First {
        match self {
            Self::Packet { cooked: false, .. } => First::Ethernet,
            Self::Every => First::Layer(&SLL2),
            _ => First::Ip,
        }
    }

    /// Tells whether it is a packet socket (packet(7)).
    pub fn is_of_links(&self) -> bool {
        matches!(self, Self::Packet { .. } | Self::Every)
    }

    /// Gives the family of the packets, if it is always the same.
    pub fn family(&self) -> Option<Family> {
        match self {
            Self::Raw { family, .. } | Self::Ping { family } => Some(*family),
            Self::Packet { .. } | Self::Every => None,
        }
    }

    /// Refuses to receive where nothing ever comes.
    pub fn may_receive(&self) -> Result<(), Fault> {
        match self {
            Self::Raw { protocol: RAW, .. } => {
                let why = "the protocol RAW is for sending only: the kernel never gives it a packet";
                Err(Fault::input(format!("receive from the {self}"), why)
                    .hint("open another one of the protocol that is to be received, or raw::packet(..) for all of them"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw { family, protocol, .. } => write!(f, "raw socket of {} over {family}", protocol_name(*protocol)),
            Self::Packet { link, cooked, .. } => write!(f, "{}packet socket on {link}", if *cooked { "cooked " } else { "" }),
            Self::Every => f.write_str("cooked packet socket on all links"),
            Self::Ping { family } => write!(f, "ping socket over {family}"),
        }
    }
}

/// Gives the name of a protocol of IP, or its number.
pub fn protocol_name(number: u8) -> String {
    let known = numbers::PROTOCOL_NAMES.iter().find(|(known, _)| *known == u64::from(number));
    match known {
        _ if number == RAW => "RAW".to_owned(),
        Some((_, name)) => (*name).to_owned(),
        None => format!("protocol {number}"),
    }
}

/// Reads a protocol of IP: its number, or a name.
pub fn protocol(name: &str) -> Result<u8, Fault> {
    let known = numbers::PROTOCOL_NAMES.iter().find(|(_, known)| *known == name).and_then(|(number, _)| u8::try_from(*number).ok());
    match name {
        "raw" => Ok(RAW),
        _ => known.or_else(|| name.parse().ok()).ok_or_else(|| {
            let fault = Fault::input(format!("use {name:?} as a protocol of IP"), "there is no protocol of this name, and it is no number");
            let names = numbers::PROTOCOL_NAMES.iter().map(|(_, name)| *name).chain(["raw"]);
            super::near::did_you_mean(name, names).into_iter().fold(fault, Fault::hint)
        }),
    }
}

/// A socket that is to be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What kind.
    pub way: Way,
    /// The link that an IP socket is bound to, if it is.
    pub link: Option<Name>,
    /// The address that an IP socket is bound to: it receives what is for this one, and sends from it.
    pub local: Option<IpAddr>,
    /// The id that a ping socket gives its requests; the kernel chooses one if there is none.
    pub id: Option<u16>,
    /// What is received.
    pub filter: Filter,
    /// How many bytes of each frame are kept, where frames are captured through memory that is shared with the kernel.
    pub ring: Option<u32>,
    /// Its options.
    pub settings: Vec<Setting>,
}

impl Spec {
    /// Makes one without options.
    pub fn new(way: Way) -> Self {
        Self { way, link: None, local: None, id: None, filter: Filter::default(), ring: None, settings: Vec::new() }
    }
}

/// A packet that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its bytes, as the socket takes them.
    pub bytes: Arc<[u8]>,
    /// Whether they begin with what a received packet begins with: the IP header, or the head of the frame.
    pub is_whole: bool,
    /// Where it goes, where the bytes alone do not say it.
    pub to: Option<IpAddr>,
    /// The type of Ethernet and the link address that a cooked packet socket puts before it.
    pub frame: Option<(u16, [u8; 6])>,
    /// The TTL or hop limit of this packet alone.
    pub ttl: Option<u8>,
    /// What it is, in a few words.
    pub what: String,
}

/// How a packet came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this host.
    Host,
    /// To all hosts.
    Broadcast,
    /// To some hosts.
    Multicast,
    /// To another host.
    Other,
    /// From this host.
    Outgoing,
}

impl Direction {
    /// Reads the type of a packet (packet(7)).
    pub fn of(kind: u8) -> Self {
        match kind {
            0 => Self::Host,
            1 => Self::Broadcast,
            2 => Self::Multicast,
            4 => Self::Outgoing,
            _ => Self::Other,
        }
    }

    /// Gives the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Other => "other",
            Self::Outgoing => "outgoing",
        }
    }
}

/// When and how a packet was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When, since 1970.
    pub at: Duration,
    /// How many bytes it had on the wire.
    pub length: usize,
    /// The link on which it came.
    pub link: Option<Arc<str>>,
    /// How it came by, where frames are received.
    pub direction: Option<Direction>,
}

impl Seen {
    /// Makes one of a packet about which no more is known.
    pub fn at(at: Duration, length: usize) -> Self {
        Self { at, length, link: None, direction: None }
    }
}

/// A packet that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes. They begin with an IP header, or with the head of a frame.
    ///
    /// Only raw sockets of IPv4 and packet sockets are given the header by the kernel; that of the others is made of what the kernel tells about it.
    pub bytes: Vec<u8>,
    /// When and how.
    pub seen: Seen,
}

/// What an ICMP message said about a packet that was sent (IP_RECVERR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it came, since 1970.
    pub at: Duration,
    /// The type of the message; 0 where this host itself could not send.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// What the kernel makes of it, an error number.
    pub errno: i32,
    /// The MTU, or whatever else the message has to say.
    pub info: u32,
    /// Who said it; nobody where this host itself could not send.
    pub by: Option<IpAddr>,
    /// Where the packet was to go.
    pub to: Option<IpAddr>,
    /// The packet, behind its IP header.
    pub bytes: Vec<u8>,
}

/// What has come out of a socket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Packets.
    pub packets: Vec<Received>,
    /// What became of packets that were sent.
    pub reports: Vec<Report>,
}

impl Batch {
    /// Tells whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.reports.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_names_and_numbers() {
        assert_eq!((protocol("icmp").unwrap(), protocol("raw").unwrap(), protocol("47").unwrap()), (1, RAW, 47));
        assert_eq!((protocol_name(58), protocol_name(RAW), protocol_name(200)), ("icmpv6".into(), "RAW".into(), "protocol 200".into()));
        for odd in ["", "256", "-1", "icpm"] {
            assert!(protocol(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_protocol_raw_receives_nothing() {
        let way = |protocol| Way::Raw { family: Family::V4, protocol, header: true };
        assert!(way(1).may_receive().is_ok());
        let fault = way(RAW).may_receive().unwrap_err();
        assert!(fault.to_string().starts_with("cannot receive from the raw socket of RAW over IPv4: "), "{fault}");
    }
}
