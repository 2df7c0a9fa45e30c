//! Datagrams (RFC 768).

use super::{number, told};
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::Field;
use crate::model::packet::numbers;
use crate::model::packet::protocol::Protocol;

const FIELDS: &[Field] =
    &[Field::number("sport", 0, 16), Field::number("dport", 16, 16), Field::number("length", 32, 16), Field::checksum(48)];

/// Datagrams.
pub static UDP: Protocol = Protocol {
    name: "udp",
    title: "User Datagram Protocol",
    fields: |_| FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| vec![0; 8],
    walk: |bytes, walk| {
        let header: &[u8; 8] = bytes.first_chunk().ok_or_else(|| Defect::truncated("udp", 8, bytes.len()))?;
        let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let length = usize::from(port(4));
        if length < 8 {
            walk.defects.push(Defect::malformed("udp", format!("its length is {length}, and its header alone has 8 bytes")));
            return Ok(Step { header: 8, end: bytes.len(), next: Next::Payload });
        }
        let end = walk.declared("udp", length, bytes.len());
        let next = if end > 8 { numbers::by_ports(port(0), port(2)) } else { Next::Payload };
        Ok(Step { header: 8, end, next })
    },
    complete: |around| {
        if around.carries("dns") && !around.was_read() {
            around.fill("dport", 53);
        }
        around.fill("length", (around.header.len() + around.payload.len()) as u64);
        around.fill_checksum();
    },
    summary: |header| format!("udp {} > {}", told(&UDP, header, "sport"), number(&UDP, header, "dport")),
};
