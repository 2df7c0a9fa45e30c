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

const UNREACHABLE_CODES: Names = &[
    (0, "network-unreachable"),
    (1, "host-unreachable"),
    (2, "protocol-unreachable"),
    (3, "port-unreachable"),
    (4, "fragmentation-needed"),
    (5, "source-route-failed"),
    (6, "network-unknown"),
    (7, "host-unknown"),
    (9, "network-prohibited"),
    (10, "host-prohibited"),
    (11, "TOS-network-unreachable"),
    (12, "TOS-host-unreachable"),
    (13, "communication-prohibited"),
    (14, "host-precedence-violation"),
    (15, "precedence-cutoff"),
];
const REDIRECT_CODES: Names = &[(0, "network-redirect"), (1, "host-redirect"), (2, "TOS-network-redirect"), (3, "TOS-host-redirect")];
pub(super) const EXCEEDED_CODES: Names = &[(0, "ttl-zero-during-transit"), (1, "ttl-zero-during-reassembly")];
const PROBLEM_CODES: Names = &[(0, "ip-header-bad"), (1, "required-option-missing")];

const TYPE: Field = Field::of("type", 0, 8, Form::Named(TYPES));
const CODE: Field = Field::number("code", 8, 8);
const SUM: Field = Field::checksum(16);
const ID: Field = Field::number("id", 32, 16);
const SEQ: Field = Field::number("seq", 48, 16);

const fn code(names: Names) -> Field {
    Field::of("code", 8, 8, Form::Named(names))
}

const ECHO: &[Field] = &[TYPE, CODE, SUM, ID, SEQ];
const STAMPS: &[Field] =
    &[TYPE, CODE, SUM, ID, SEQ, Field::number("originate", 64, 32), Field::number("receive", 96, 32), Field::number("transmit", 128, 32)];
const MASK: &[Field] = &[TYPE, CODE, SUM, ID, SEQ, Field::of("mask", 64, 32, Form::V4)];
const ROUTERS: &[Field] =
    &[TYPE, CODE, SUM, Field::number("count", 32, 8), Field::number("entry_size", 40, 8), Field::number("lifetime", 48, 16)];
const UNUSED: Field = Field::number("unused", 32, 8);
const QUOTED: Field = Field::number("length", 40, 8);
const UNREACHABLE: &[Field] = &[TYPE, code(UNREACHABLE_CODES), SUM, UNUSED, QUOTED, Field::number("mtu", 48, 16)];
const EXCEEDED: &[Field] = &[TYPE, code(EXCEEDED_CODES), SUM, UNUSED, QUOTED, Field::number("unused2", 48, 16)];
const REDIRECT: &[Field] = &[TYPE, code(REDIRECT_CODES), SUM, Field::of("gateway", 32, 32, Form::V4)];
const PROBLEM: &[Field] = &[TYPE, code(PROBLEM_CODES), SUM, Field::number("pointer", 32, 8), QUOTED, Field::number("unused", 48, 16)];
const OTHER: &[Field] = &[TYPE, CODE, SUM, Field::of("rest", 32, 32, Form::Hex)];

/// The length of the fixed part of a message.
fn fixed(kind: u8) -> usize {
    match kind {
        13 | 14 => 20,
        17 | 18 => 12,
        _ => 8,
    }
}

/// The types whose message quotes the packet that it is about.
const QUOTING: [u8; 5] = [3, 4, 5, 11, 12];

/// Messages about IPv4.
pub static ICMP: Protocol = Protocol {
    name: "icmp",
    title: "Internet Control Message Protocol",
    fields: |header| match header.first() {
        Some(0 | 8) | None => ECHO,
        Some(3) => UNREACHABLE,
        Some(5) => REDIRECT,
        Some(9) => ROUTERS,
        Some(11) => EXCEEDED,
        Some(13 | 14) => STAMPS,
        Some(17 | 18) => MASK,
        Some(12) => PROBLEM,
        Some(_) => OTHER,
    },
    parts: &[],
    switches: &[],
    blank: |draft| {
        let kind = draft.first(&TYPE, 8);
        let mut header = vec![0; fixed(kind)];
        header[0] = kind;
        header
    },
    walk: |bytes, walk| {
        let kind = *bytes.first().ok_or_else(|| Defect::truncated("icmp", 8, 0))?;
        let header = fixed(kind);
        if bytes.len() < header {
            return Err(Defect::truncated("icmp", header, bytes.len()));
        }
        let quotes = QUOTING.contains(&kind) && bytes.len() > header;
        walk.quoted |= quotes;
        Ok(Step { header, end: bytes.len(), next: if quotes { Next::Layer(&IPV4) } else { Next::Payload } })
    },
    complete: |around| around.fill_checksum(),
    summary: |header| {
        let kind = number(&ICMP, header, "type");
        let name = TYPES.iter().find(|(known, _)| *known == kind).map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned());
        match kind {
            0 | 8 => format!("icmp {name} id {} seq {}", told(&ICMP, header, "id"), told(&ICMP, header, "seq")),
            _ => format!("icmp {name} {}", super::code(&ICMP, header)),
        }
    },
};
