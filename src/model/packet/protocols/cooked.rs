//! What Linux puts in the place of a link's own header when packets of all links are captured at once (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).

use super::told;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form, Names};
use crate::model::packet::numbers::{self, ETHERTYPE_NAMES};
use crate::model::packet::protocol::Protocol;
use crate::model::packet::protocols::ethernet::LLC;

/// Which way a packet went, by the names of packet(7).
const WAYS: Names = &[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "otherhost"), (4, "outgoing")];

const SLL_FIELDS: &[Field] = &[
    Field::of("packet_type", 0, 16, Form::Named(WAYS)),
    Field::number("hardware", 16, 16),
    Field::number("address_length", 32, 16),
    Field::of("src", 48, 48, Form::Mac),
    Field::number("unused", 96, 16),
    Field::of("type", 112, 16, Form::Named(ETHERTYPE_NAMES)),
];

const SLL2_FIELDS: &[Field] = &[
    Field::of("type", 0, 16, Form::Named(ETHERTYPE_NAMES)),
    Field::number("reserved", 16, 16),
    Field::number("interface", 32, 32),
    Field::number("hardware", 64, 16),
    Field::of("packet_type", 80, 8, Form::Named(WAYS)),
    Field::number("address_length", 88, 8),
    Field::of("src", 96, 48, Form::Mac),
    Field::number("unused", 144, 16),
];

/// The length of the second version.
pub const SLL2_HEAD: usize = 20;

/// How a packet came by a link, as the kernel tells it (sockaddr_ll of packet(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The type of Ethernet, or what the kernel has in its place.
    pub ethertype: u16,
    /// The index of the link.
    pub index: u32,
    /// The kind of the link (ARPHRD_).
    pub hardware: u16,
    /// Which way it went.
    pub kind: u8,
    /// How long the address of the sender is.
    pub length: u8,
    /// That address.
    pub address: [u8; 8],
}

impl By {
    /// Writes the head of the second version.
    pub fn head(&self) -> [u8; SLL2_HEAD] {
        let mut head = [0; SLL2_HEAD];
        head[..2].copy_from_slice(&self.ethertype.to_be_bytes());
        head[4..8].copy_from_slice(&self.index.to_be_bytes());
        head[8..10].copy_from_slice(&self.hardware.to_be_bytes());
        (head[10], head[11]) = (self.kind, self.length.min(8));
        head[12..].copy_from_slice(&self.address);
        head
    }

    /// Tells whether a packet is seen a second time: what leaves by the loopback link comes in by it.
    pub fn is_echo(&self) -> bool {
        const LOOPBACK: u16 = 772;
        const OUTGOING: u8 = 4;
        (self.hardware, self.kind) == (LOOPBACK, OUTGOING)
    }
}

/// What is behind a header that says it by the number of Ethernet, or by a number for frames that say their length (ETH_P_802_2).
fn above(number: u16) -> Next {
    if number == 4 { Next::Layer(&LLC) } else { numbers::by_ethertype(number) }
}

/// A packet of any link.
pub static SLL: Protocol = Protocol {
    name: "sll",
    title: "Linux cooked capture",
    fields: |_| SLL_FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| vec![0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    walk: |bytes, _| {
        let header: &[u8; 16] = bytes.first_chunk().ok_or_else(|| Defect::truncated("sll", 16, bytes.len()))?;
        Ok(Step { header: 16, end: bytes.len(), next: above(u16::from_be_bytes([header[14], header[15]])) })
    },
    complete: |around| around.fill_ethertype("type"),
    summary: |header| format!("cooked from {}", told(&SLL, header, "src")),
};

/// A packet of any link, with the index of the link.
pub static SLL2: Protocol = Protocol {
    name: "sll2",
    title: "Linux cooked capture, version 2",
    fields: |_| SLL2_FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| [&[0; 9][..], &[1, 0, 6], &[0; 8]].concat(),
    walk: |bytes, _| {
        let header: &[u8; 20] = bytes.first_chunk().ok_or_else(|| Defect::truncated("sll2", 20, bytes.len()))?;
        Ok(Step { header: 20, end: bytes.len(), next: above(u16::from_be_bytes([header[0], header[1]])) })
    },
    complete: |around| around.fill_ethertype("type"),
    summary: |header| format!("cooked from {} at interface {}", told(&SLL2, header, "src"), told(&SLL2, header, "interface")),
};
