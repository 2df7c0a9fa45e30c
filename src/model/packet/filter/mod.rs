//! Which packets are meant: a small map, and the program of classic BPF that the kernel runs for it (pcap-filter(7), socket(7), `SO_ATTACH_FILTER`).
//!
//! What a filter means is what tcpdump means by its words: a port is one of TCP, UDP or SCTP, and behind IPv6 the next header is looked at, and what a
//! fragment header says, but no other extension header.

mod code;
mod compile;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

pub use code::{Ins, MOST, drop_all};
pub use compile::Begin;

use crate::model::net::Ports;
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// The keys of a filter, as scripts have them.
pub const KEYS: [&str; 11] = ["host", "src", "dst", "net", "port", "sport", "dport", "proto", "family", "vlan", "not"];

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Src,
    /// Where it goes to.
    Dst,
    /// Either.
    Either,
}

/// What is asked of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is of this type of Ethernet.
    Ethertype(u16),
    /// It carries this protocol of IP; over one family, where the protocol belongs to one.
    Protocol(Option<Family>, u8),
    /// An address of it lies there.
    Host(Side, Prefix),
    /// A port of it is among these.
    Port(Side, Ports),
}

/// A question with its parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of these.
    All(Vec<Expr>),
    /// One of these.
    Any(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// One test.
    Is(Test),
}

/// Which packets are meant; by default all.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What is asked of them.
    pub expr: Expr,
    /// Whether they have a tag of a virtual network, and which.
    pub vlan: Option<Option<u16>>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { expr: Expr::All(Vec::new()), vlan: None }
    }
}

impl Filter {
    /// Tells whether all packets are meant.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Writes the program that gives 0 for the packets that are not meant, for sockets that see packets from `begin` on.
    pub fn program(&self, begin: Begin) -> Result<Vec<Ins>, Fault> {
        self.keeping(begin, u32::MAX)
    }

    /// Writes such a program, which lets no more than so many bytes of a packet through.
    pub fn keeping(&self, begin: Begin, bytes: u32) -> Result<Vec<Ins>, Fault> {
        compile::program(self, begin, bytes)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Src => "src ",
            Self::Dst => "dst ",
            Self::Either => "",
        })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ethertype(0x0800) => f.write_str("ip"),
            Self::Ethertype(0x86dd) => f.write_str("ip6"),
            Self::Ethertype(0x0806) => f.write_str("arp"),
            Self::Ethertype(other) => write!(f, "ether proto {other:#06x}"),
            Self::Protocol(Some(Family::V4), number) => write!(f, "ip proto {number}"),
            Self::Protocol(Some(Family::V6), number) => write!(f, "ip6 proto {number}"),
            Self::Protocol(None, number) => write!(f, "(ip proto {number} or ip6 proto {number})"),
            Self::Host(side, prefix) if prefix.length() == Prefix::bits(prefix.network().0) => {
                write!(f, "{side}host {}", prefix.network())
            }
            Self::Host(side, prefix) => write!(f, "{side}net {prefix}"),
            Self::Port(side, ports) if ports.first == ports.last => write!(f, "{side}port {}", ports.first),
            Self::Port(side, ports) => write!(f, "{side}portrange {}-{}", ports.first, ports.last),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str| {
            f.write_str("(")?;
            for (at, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if at == 0 { "" } else { word })?;
            }
            f.write_str(")")
        };
        match self {
            Self::All(parts) | Self::Any(parts) if parts.len() == 1 => write!(f, "{}", parts[0]),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Any(parts) => joined(f, parts, " or "),
            Self::Not(part) => write!(f, "not {part}"),
            Self::Is(test) => write!(f, "{test}"),
        }
    }
}

/// Writes the filter in the words of pcap-filter(7); nothing where all packets are meant.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vlan = self.vlan.map(|id| id.map_or("vlan".to_owned(), |id| format!("vlan {id}")));
        let rest = (self.expr != Expr::All(Vec::new())).then(|| self.expr.to_string());
        let words: Vec<String> = vlan.into_iter().chain(rest).collect();
        let text = words.join(" and ");
        // The outermost brackets say nothing.
        match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            Some(inner) if words.len() == 1 && is_balanced(inner) => f.write_str(inner),
            _ => f.write_str(&text),
        }
    }
}

/// Tells whether no bracket is closed that was not opened.
fn is_balanced(text: &str) -> bool {
    let mut open = 0i32;
    text.chars().all(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open >= 0
    })
}
