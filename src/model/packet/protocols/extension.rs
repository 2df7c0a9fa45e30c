//! The extension headers of IPv6 that are protocols of their own: AH and ESP (RFC 4302, RFC 4303), mobility (RFC 6275), HIP (RFC 7401) and Shim6
//! (RFC 5533).

use super::ipv6::{complete_counted, counted, next};
use super::{number, told};
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::numbers::{NO_NEXT_HEADER, PROTOCOL_NAMES};
use crate::model::packet::protocol::{Listed, Part, Protocol};
use crate::model::packet::value::Value;

const NEXT: Field = Field::of("next_header", 0, 8, Form::Named(PROTOCOL_NAMES));
const LENGTH: Field = Field::number("length", 8, 8);
const SPI: &str = "spi";

const AH_FIXED: usize = 12;
const AH_FIELDS: &[Field] =
    &[NEXT, LENGTH, Field::number("reserved", 16, 16), Field::of(SPI, 32, 32, Form::Hex), Field::number("seq", 64, 32)];
const ESP_FIELDS: &[Field] = &[Field::of(SPI, 0, 32, Form::Hex), Field::number("seq", 32, 32)];

const MOBILITY_TYPES: &[(u64, &str)] = &[
    (0, "binding-refresh-request"),
    (1, "home-test-init"),
    (2, "care-of-test-init"),
    (3, "home-test"),
    (4, "care-of-test"),
    (5, "binding-update"),
    (6, "binding-acknowledgement"),
    (7, "binding-error"),
];
const MOBILITY_FIELDS: &[Field] = &[
    NEXT,
    LENGTH,
    Field::of("type", 16, 8, Form::Named(MOBILITY_TYPES)),
    Field::number("reserved", 24, 8),
    Field::checksum(32),
    Field::number("reserved2", 48, 16),
];

const HIP_TYPES: &[(u64, &str)] =
    &[(1, "i1"), (2, "r1"), (3, "i2"), (4, "r2"), (16, "update"), (17, "notify"), (18, "close"), (19, "close-ack")];
const HIP_FIELDS: &[Field] = &[
    NEXT,
    LENGTH,
    Field::of("type", 16, 8, Form::Named(HIP_TYPES)),
    Field::of("version", 24, 8, Form::Hex),
    Field::checksum(32),
    Field::of("controls", 48, 16, Form::Hex),
];

const SHIM6_FIELDS: &[Field] = &[NEXT, LENGTH, Field::of("rest", 16, 48, Form::Hex)];

/// Gives what is behind the fixed part of a header, as one value.
fn behind(header: &[u8], fixed: usize) -> Listed {
    let rest = header.get(fixed..).unwrap_or_default();
    (vec![Value::Bytes(rest.to_vec())], Vec::new())
}

/// Whose bytes nobody has changed on the way.
pub static AH: Protocol = Protocol {
    name: "ah",
    title: "IP Authentication Header",
    fields: |_| AH_FIELDS,
    parts: &[Part::opaque("icv", |header| behind(header, AH_FIXED))],
    switches: &[],
    blank: |_| [&[NO_NEXT_HEADER][..], &[0; AH_FIXED - 1]].concat(),
    walk: |bytes, walk| {
        let fixed: &[u8; AH_FIXED] = bytes.first_chunk().ok_or_else(|| Defect::truncated("ah", AH_FIXED, bytes.len()))?;
        let header = (usize::from(fixed[1]) + 2) * 4;
        if header < AH_FIXED {
            return Err(Defect::malformed("ah", format!("it says that it has {header} bytes, and {AH_FIXED} is the least")));
        }
        if header > bytes.len() {
            return Err(Defect::malformed("ah", format!("it says that it has {header} bytes, and {} are there", bytes.len())));
        }
        Ok(Step { header, end: bytes.len(), next: next(fixed[0], bytes.len() - header, walk) })
    },
    complete: |around| {
        let over_v6 = around.stands_on("ipv6");
        around.pad(if over_v6 { 8 } else { 4 }, |missing| vec![0; missing]);
        around.fill("length", (around.header.len() / 4).saturating_sub(2) as u64);
        around.fill_next("next_header");
    },
    summary: |header| format!("ah spi {} seq {}", told(&AH, header, SPI), told(&AH, header, "seq")),
};

/// What is behind it only those can read who have the key.
pub static ESP: Protocol = Protocol {
    name: "esp",
    title: "IP Encapsulating Security Payload",
    fields: |_| ESP_FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| vec![0; 8],
    walk: |bytes, _| match bytes.len() {
        0..8 => Err(Defect::truncated("esp", 8, bytes.len())),
        end => Ok(Step { header: 8, end, next: Next::Payload }),
    },
    complete: |_| {},
    summary: |header| format!("esp spi {} seq {}", told(&ESP, header, SPI), told(&ESP, header, "seq")),
};

/// Where a mobile node is.
pub static MOBILITY: Protocol = Protocol {
    name: "mobility",
    title: "IPv6 mobility header",
    fields: |_| MOBILITY_FIELDS,
    parts: &[Part::opaque("data", |header| behind(header, 8))],
    switches: &[],
    blank: |_| vec![NO_NEXT_HEADER, 0, 0, 0, 0, 0, 0, 0],
    walk: |bytes, walk| counted("mobility", bytes, walk),
    complete: |around| {
        complete_counted(around, |missing| vec![0; missing]);
        around.fill_checksum();
    },
    summary: |header| format!("mobility type {}", number(&MOBILITY, header, "type")),
};

/// Who a host is, wherever it is.
pub static HIP: Protocol = Protocol {
    name: "hip",
    title: "Host Identity Protocol",
    fields: |_| HIP_FIELDS,
    parts: &[Part::opaque("data", |header| behind(header, 8))],
    switches: &[],
    // The bit that is always 1, and version 2.
    blank: |_| vec![NO_NEXT_HEADER, 0, 1, 0x21, 0, 0, 0, 0],
    walk: |bytes, walk| counted("hip", bytes, walk),
    complete: |around| {
        complete_counted(around, |missing| vec![0; missing]);
        around.fill_checksum();
    },
    summary: |header| format!("hip type {}", number(&HIP, header, "type")),
};

/// Which of its addresses a host uses.
pub static SHIM6: Protocol = Protocol {
    name: "shim6",
    title: "Shim6",
    fields: |_| SHIM6_FIELDS,
    parts: &[Part::opaque("data", |header| behind(header, 8))],
    switches: &[],
    blank: |_| vec![NO_NEXT_HEADER, 0, 0, 0, 0, 0, 0, 0],
    walk: |bytes, walk| counted("shim6", bytes, walk),
    complete: |around| complete_counted(around, |missing| vec![0; missing]),
    summary: |_| "shim6".into(),
};
