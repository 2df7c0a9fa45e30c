//! Messages about IPv4 (RFC 792).

use super::{number, told};
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form, Names};
use crate::model::packet::protocol::Protocol;
use crate::model::packet::protocols::ipv4::IPV4;

/// Names of the types, as iptables(8) has them.
pub const TYPES: Names = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

const TYPE: Field = Field::of("type", 0, 8, Form::Named(TYPES));
const CODE: Field = Field::number("code", 8, 8);
const SUM: Field = Field::checksum(16);
const ECHO: &[Field] = &[TYPE, CODE, SUM, Field::number("id", 32, 16), Field::number("seq", 48, 16)];
const UNREACHABLE: &[Field] = &[TYPE, CODE, SUM, Field::number("length", 40, 8), Field::number("mtu", 48, 16)];
const REDIRECT: &[Field] = &[TYPE, CODE, SUM, Field::of("gateway", 32, 32, Form::V4)];
const PROBLEM: &[Field] = &[TYPE, CODE, SUM, Field::number("pointer", 32, 8), Field::number("length", 40, 8)];
const OTHER: &[Field] = &[TYPE, CODE, SUM, Field::of("rest", 32, 32, Form::Hex)];

/// The types whose message quotes the packet that it is about.
const QUOTING: [u8; 5] = [3, 4, 5, 11, 12];

/// Messages about IPv4.
pub static ICMP: Protocol = Protocol {
    name: "icmp",
    title: "Internet Control Message Protocol",
    fields: |header| match header.first() {
        Some(0 | 8 | 13 | 14 | 17 | 18) | None => ECHO,
        Some(3 | 11) => UNREACHABLE,
        Some(5) => REDIRECT,
        Some(12) => PROBLEM,
        Some(_) => OTHER,
    },
    parts: &[],
    blank: |draft| {
        let kind = draft.value("type").map_or(8, |value| {
            let mut first = [0];
            // What is no type is refused when it is written.
            let _ = TYPE.write(&mut first, value);
            first[0]
        });
        vec![kind, 0, 0, 0, 0, 0, 0, 0]
    },
    walk: |bytes, walk| {
        if bytes.len() < 8 {
            return Err(Defect::truncated("icmp", 8, bytes.len()));
        }
        let quotes = QUOTING.contains(&bytes[0]) && bytes.len() > 8;
        walk.quoted |= quotes;
        Ok(Step { header: 8, end: bytes.len(), next: if quotes { Next::Layer(&IPV4) } else { Next::Payload } })
    },
    complete: |around| around.fill_checksum(),
    summary: |header| {
        let kind = number(&ICMP, header, "type");
        let name = TYPES.iter().find(|(known, _)| *known == kind).map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned());
        match kind {
            0 | 8 => format!("icmp {name} id {} seq {}", told(&ICMP, header, "id"), told(&ICMP, header, "seq")),
            _ => format!("icmp {name} code {}", told(&ICMP, header, "code")),
        }
    },
};
