//! Address resolution (RFC 826), of IPv4 over Ethernet.

use super::{number, told};
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::numbers::ETHERTYPE_NAMES;
use crate::model::packet::protocol::Protocol;

const FIELDS: &[Field] = &[
    Field::number("hardware", 0, 16),
    Field::of("protocol", 16, 16, Form::Named(ETHERTYPE_NAMES)),
    Field::number("hardware_length", 32, 8),
    Field::number("protocol_length", 40, 8),
    Field::of("op", 48, 16, Form::Named(&[(1, "request"), (2, "reply"), (3, "rarp-request"), (4, "rarp-reply")])),
    Field::of("src_mac", 64, 48, Form::Mac),
    Field::of("src", 112, 32, Form::V4),
    Field::of("dst_mac", 144, 48, Form::Mac),
    Field::of("dst", 192, 32, Form::V4),
];

/// Those whose addresses have other lengths.
const HEAD: &[Field] = match FIELDS.split_first_chunk::<5>() {
    Some((head, _)) => head,
    None => &[],
};

/// Questions for the link address of a host, and answers.
pub static ARP: Protocol = Protocol {
    name: "arp",
    title: "Address Resolution Protocol",
    fields: |header| match header.get(4..6) {
        Some([6, 4]) | None => FIELDS,
        Some(_) => HEAD,
    },
    parts: &[],
    switches: &[],
    blank: |_| [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[0; 20]].concat(),
    walk: |bytes, walk| {
        let lengths: &[u8; 8] = bytes.first_chunk().ok_or_else(|| Defect::truncated("arp", 28, bytes.len()))?;
        let (hardware, protocol) = (usize::from(lengths[4]), usize::from(lengths[5]));
        let kind = (u16::from_be_bytes([lengths[0], lengths[1]]), u16::from_be_bytes([lengths[2], lengths[3]]));
        if (kind == (1, 0x0800) && (hardware, protocol) != (6, 4)) || hardware == 0 || protocol == 0 {
            walk.defects.push(Defect::malformed("arp", format!("address lengths: {hardware} and {protocol} bytes")));
        }
        let header = 8 + 2 * (hardware + protocol);
        match bytes.len() < header {
            true => Err(Defect::truncated("arp", header, bytes.len())),
            false => Ok(Step { header, end: header, next: Next::Payload }),
        }
    },
    complete: |_| {},
    summary: |header| match number(&ARP, header, "op") {
        1 => format!("arp who has {}, tell {}", told(&ARP, header, "dst"), told(&ARP, header, "src")),
        2 => format!("arp {} is at {}", told(&ARP, header, "src"), told(&ARP, header, "src_mac")),
        op => format!("arp op {op}"),
    },
};
