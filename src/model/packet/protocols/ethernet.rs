//! Ethernet (IEEE 802.3), its tags (802.1Q) and its logical links (802.2).

use super::{number, told};
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::numbers::{self, ETHERTYPE_NAMES};
use crate::model::packet::protocol::Protocol;

/// The largest number that is a length, and the smallest that is a type.
const LONGEST: u64 = 1500;
const TYPES: u64 = 1536;

const FIELDS: &[Field] =
    &[Field::of("dst", 0, 48, Form::Mac), Field::of("src", 48, 48, Form::Mac), Field::of("type", 96, 16, Form::Named(ETHERTYPE_NAMES))];

const TAG: &[Field] = &[
    Field::number("priority", 0, 3),
    Field::number("drop_eligible", 3, 1),
    Field::number("id", 4, 12),
    Field::of("type", 16, 16, Form::Named(ETHERTYPE_NAMES)),
];

const LLC_FIELDS: &[Field] =
    &[Field::of("dsap", 0, 8, Form::Hex), Field::of("ssap", 8, 8, Form::Hex), Field::of("control", 16, 8, Form::Hex)];

/// Frames of Ethernet.
pub static ETHERNET: Protocol = Protocol {
    name: "ethernet",
    title: "Ethernet",
    fields: |_| FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| [&[0xff; 6][..], &[0; 8]].concat(),
    walk: |bytes, walk| {
        let kind = u64::from(u16::from_be_bytes(
            *bytes.get(12..).and_then(<[u8]>::first_chunk).ok_or_else(|| Defect::truncated("ethernet", 14, bytes.len()))?,
        ));
        let (end, next) = match kind {
            0..=LONGEST => {
                let length = walk.declared("llc", kind as usize, bytes.len() - 14);
                (14 + length, Next::Layer(&LLC))
            }
            TYPES.. => (bytes.len(), numbers::by_ethertype(kind as u16)),
            _ => {
                walk.defects.push(Defect::odd("ethernet", format!("{kind} is neither a length nor a type")));
                (bytes.len(), Next::Payload)
            }
        };
        Ok(Step { header: 14, end, next })
    },
    complete: |around| {
        if around.carries("llc") {
            around.fill("type", around.payload.len() as u64);
        }
        around.fill_ethertype("type");
    },
    summary: |header| format!("{} > {}", told(&ETHERNET, header, "src"), told(&ETHERNET, header, "dst")),
};

/// The tag of a virtual network.
pub static VLAN: Protocol = Protocol {
    name: "vlan",
    title: "802.1Q tag",
    fields: |_| TAG,
    parts: &[],
    switches: &[],
    blank: |_| vec![0, 1, 0, 0],
    walk: |bytes, _| {
        let tag: &[u8; 4] = bytes.first_chunk().ok_or_else(|| Defect::truncated("vlan", 4, bytes.len()))?;
        Ok(Step { header: 4, end: bytes.len(), next: numbers::by_ethertype(u16::from_be_bytes([tag[2], tag[3]])) })
    },
    complete: |around| around.fill_ethertype("type"),
    summary: |header| format!("vlan {}", number(&VLAN, header, "id")),
};

/// The head of a frame that says its length instead of its type.
pub static LLC: Protocol = Protocol {
    name: "llc",
    title: "802.2 logical link control",
    fields: |_| LLC_FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| vec![0, 0, 3],
    walk: |bytes, _| match bytes.len() {
        0..3 => Err(Defect::truncated("llc", 3, bytes.len())),
        _ => Ok(Step { header: 3, end: bytes.len(), next: Next::Payload }),
    },
    complete: |_| {},
    summary: |header| format!("llc dsap {:#04x}", number(&LLC, header, "dsap")),
};
