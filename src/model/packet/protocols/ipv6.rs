//! The Internet Protocol, version 6, with its extension headers (RFC 8200).

use std::net::{IpAddr, Ipv6Addr};

use super::{number, told};
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step, Walk};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::numbers::{self, NO_NEXT_HEADER, PROTOCOL_NAMES};
use crate::model::packet::options::{self, Raw, Style};
use crate::model::packet::protocol::{Part, Protocol};
use crate::model::packet::value::Value;

const FIXED: usize = 40;

const FIELDS: &[Field] = &[
    Field::number("version", 0, 4),
    Field::of("traffic_class", 4, 8, Form::Hex),
    Field::number("flow_label", 12, 20),
    Field::number("payload_length", 32, 16),
    Field::of("next_header", 48, 8, Form::Named(PROTOCOL_NAMES)),
    Field::number("hop_limit", 56, 8),
    Field::of("src", 64, 128, Form::V6),
    Field::of("dst", 192, 128, Form::V6),
];

const NEXT: Field = Field::of("next_header", 0, 8, Form::Named(PROTOCOL_NAMES));
const LENGTH: Field = Field::number("length", 8, 8);
const OPTION_FIELDS: &[Field] = &[NEXT, LENGTH];
const WAY: Field = Field::of("type", 16, 8, Form::Named(&[(0, "source-route"), (2, "mobile"), (3, "rpl"), (4, "segments")]));
const LEFT: Field = Field::number("segments_left", 24, 8);
const ROUTING_FIELDS: &[Field] = &[NEXT, LENGTH, WAY, LEFT, Field::of("reserved", 32, 32, Form::Hex)];
/// Those of segment routing (RFC 8754).
const SEGMENT_FIELDS: &[Field] = &[
    NEXT,
    LENGTH,
    WAY,
    LEFT,
    Field::number("last_entry", 32, 8),
    Field::of("flags", 40, 8, Form::Hex),
    Field::of("tag", 48, 16, Form::Hex),
];
const SEGMENTS: u8 = 4;
const FRAGMENT_FIELDS: &[Field] = &[
    NEXT,
    Field::number("reserved", 8, 8),
    Field::number("offset", 16, 13),
    Field::number("reserved2", 29, 2),
    Field::number("more", 31, 1),
    Field::number("id", 32, 32),
];

/// Packets of IPv6.
pub static IPV6: Protocol = Protocol {
    name: "ipv6",
    title: "Internet Protocol, version 6",
    fields: |_| FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| {
        let mut header = vec![0; FIXED];
        (header[0], header[7]) = (0x60, 64);
        header
    },
    walk: |bytes, walk| {
        let short = || Defect::truncated("ipv6", FIXED, bytes.len());
        let version = bytes.first().ok_or_else(short)? >> 4;
        if version != 6 {
            return Err(Defect::malformed("ipv6", format!("its version is {version}")));
        }
        let fixed: &[u8; FIXED] = bytes.first_chunk().ok_or_else(short)?;
        let end = walk.declared("ipv6", FIXED + usize::from(u16::from_be_bytes([fixed[4], fixed[5]])), bytes.len());
        let next = if end > FIXED { next(fixed[6], end - FIXED, walk) } else { Next::Payload };
        Ok(Step { header: FIXED, end, next })
    },
    complete: |around| {
        around.fill("payload_length", around.payload.len() as u64);
        around.fill_next("next_header");
    },
    summary: |header| format!("{} > {}", told(&IPV6, header, "src"), told(&IPV6, header, "dst")),
};

/// Finds what follows a header, of which there are so many bytes.
pub(super) fn next(number: u8, left: usize, walk: &mut Walk) -> Next {
    match number {
        NO_NEXT_HEADER if left > 0 => {
            walk.defects.push(Defect::odd("ipv6", format!("{left} bytes follow where nothing should")));
            Next::Payload
        }
        number => numbers::by_protocol(number, true),
    }
}

/// Walks over a header that says its length in units of eight bytes, without the first.
pub(super) fn counted(layer: &'static str, bytes: &[u8], walk: &mut Walk) -> Result<Step, Defect> {
    let fixed: &[u8; 8] = bytes.first_chunk().ok_or_else(|| Defect::truncated(layer, 8, bytes.len()))?;
    let header = 8 + usize::from(fixed[1]) * 8;
    if header > bytes.len() {
        return Err(Defect::malformed(layer, format!("it says that it has {header} bytes, and {} are there", bytes.len())));
    }
    Ok(Step { header, end: bytes.len(), next: next(fixed[0], bytes.len() - header, walk) })
}

pub(super) fn complete_counted(around: &mut crate::model::packet::build::Around<'_>, padding: fn(usize) -> Vec<u8>) {
    around.pad(8, padding);
    around.fill_next("next_header");
    around.fill("length", (around.header.len() / 8).saturating_sub(1) as u64);
}

/// Options that every router looks at.
pub static HOP_BY_HOP: Protocol = Protocol {
    name: "hop_by_hop",
    title: "IPv6 hop-by-hop options",
    fields: |_| OPTION_FIELDS,
    parts: &[Part { name: "options", is_one: false, read, write }],
    switches: &[],
    blank: |_| vec![NO_NEXT_HEADER, 0],
    walk: |bytes, walk| {
        if walk.below.last().is_some_and(|below| *below != "ipv6") {
            walk.defects.push(Defect::odd("hop_by_hop", "it does not stand first"));
        }
        counted("hop_by_hop", bytes, walk)
    },
    complete: |around| complete_counted(around, padding),
    summary: |_| "hop-by-hop options".into(),
};

/// Options for the destination.
pub static DESTINATION: Protocol = Protocol {
    name: "destination",
    title: "IPv6 destination options",
    fields: |_| OPTION_FIELDS,
    parts: &[Part { name: "options", is_one: false, read, write }],
    switches: &[],
    blank: |_| vec![NO_NEXT_HEADER, 0],
    walk: |bytes, walk| counted("destination", bytes, walk),
    complete: |around| complete_counted(around, padding),
    summary: |_| "destination options".into(),
};

/// The way that a packet is to go.
pub static ROUTING: Protocol = Protocol {
    name: "routing",
    title: "IPv6 routing header",
    fields: |header| if header.get(2) == Some(&SEGMENTS) { SEGMENT_FIELDS } else { ROUTING_FIELDS },
    parts: &[
        Part { name: "addresses", is_one: false, read: read_addresses, write: write_addresses },
        Part::opaque("data", |header| {
            let rest = header.get(8 + addresses(header) * 16..).unwrap_or_default();
            (vec![Value::Bytes(rest.to_vec())], Vec::new())
        }),
    ],
    switches: &[],
    blank: |draft| vec![NO_NEXT_HEADER, 0, draft.first(&WAY, 0), 0, 0, 0, 0, 0],
    walk: |bytes, walk| {
        let step = counted("routing", bytes, walk)?;
        let room = (step.header - 8) / 16;
        if bytes[2] == 0 && usize::from(bytes[3]) > room {
            walk.defects.push(Defect::odd("routing", format!("{} segments are left of {room}", bytes[3])));
        }
        if bytes[2] == SEGMENTS && usize::from(bytes[4]) >= room {
            walk.defects.push(Defect::odd("routing", format!("its last entry is {}, and it has room for {room}", bytes[4])));
        }
        Ok(step)
    },
    complete: |around| {
        if let Some(Value::List(list)) = around.draft.value("addresses") {
            around.fill("last_entry", (list.len() as u64).saturating_sub(1));
        }
        complete_counted(around, |missing| vec![0; missing]);
    },
    summary: |header| format!("routing type {}", number(&ROUTING, header, "type")),
};

/// Gives where the way of a routing header ends, if there are stops left on it; segments are listed from the end (RFC 8754).
pub(in crate::model::packet) fn last_stop(header: &[u8]) -> Option<IpAddr> {
    let (kind, left) = (*header.get(2)?, *header.get(3)?);
    let (stops, _) = read_addresses(header);
    let stop = match kind {
        SEGMENTS => stops.first(),
        0 | 2 => stops.last(),
        _ => None,
    };
    stop.filter(|_| left > 0)?.address()
}

/// How many addresses a routing header has.
fn addresses(header: &[u8]) -> usize {
    let room = header.len().saturating_sub(8) / 16;
    match (header.get(2), header.get(4)) {
        (Some(&SEGMENTS), Some(last)) => room.min(usize::from(*last) + 1),
        _ => room,
    }
}

/// A part of a packet.
pub static FRAGMENT: Protocol = Protocol {
    name: "fragment",
    title: "IPv6 fragment header",
    fields: |_| FRAGMENT_FIELDS,
    parts: &[],
    switches: &[],
    blank: |_| vec![NO_NEXT_HEADER, 0, 0, 0, 0, 0, 0, 0],
    walk: |bytes, walk| {
        let fixed: &[u8; 8] = bytes.first_chunk().ok_or_else(|| Defect::truncated("fragment", 8, bytes.len()))?;
        if walk.below.contains(&"fragment") {
            walk.defects.push(Defect::odd("fragment", "it is the second one"));
        }
        let (offset, more) = (u16::from_be_bytes([fixed[2], fixed[3]]) >> 3, fixed[3] & 1 == 1);
        let left = bytes.len() - 8;
        if more && !left.is_multiple_of(8) {
            walk.defects.push(Defect::odd("fragment", format!("it is not the last, and its {left} bytes are no multiple of 8")));
        }
        walk.fragment |= more;
        let next = if offset > 0 { Next::Payload } else { next(fixed[0], left, walk) };
        Ok(Step { header: 8, end: bytes.len(), next })
    },
    complete: |around| around.fill_next("next_header"),
    summary: |header| format!("fragment at {}", number(&FRAGMENT, header, "offset") * 8),
};

const OPTIONS: Style = Style { layer: "ipv6", single: &[0], end: None, unit: 1, uncounted: 2, parts: &["value", "bytes"] };
const NAMES: &[(u8, &str)] = &[(0, "pad1"), (1, "padn"), (4, "tunnel-limit"), (5, "router-alert"), (194, "jumbo"), (201, "home-address")];

fn padding(missing: usize) -> Vec<u8> {
    match missing {
        0 => Vec::new(),
        1 => vec![0],
        more => [&[1, (more - 2) as u8][..], &vec![0; more - 2]].concat(),
    }
}

fn read(header: &[u8]) -> (Vec<Value>, Vec<Defect>) {
    let (found, defects) = OPTIONS.split(header.get(2..).unwrap_or_default());
    (found.iter().map(tell).collect(), defects)
}

fn tell(raw: &Raw<'_>) -> Value {
    let name = NAMES.iter().find(|(kind, _)| *kind == raw.kind).map(|(_, name)| *name);
    let of = |width: usize| bits::read(raw.value, 0, width).filter(|_| raw.value.len() * 8 == width).map(Value::Number);
    let value = match raw.kind {
        4 => of(8),
        5 => of(16),
        194 => of(32),
        201 => raw.value.as_array::<16>().map(|bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(*bytes)))),
        1 => return options::told(1, name, vec![("bytes", Value::Number(raw.value.len() as u64))]),
        _ => None,
    };
    value.map_or_else(|| options::opaque(raw.kind, name, raw.value), |value| options::told(raw.kind, name, vec![("value", value)]))
}

/// Where an option has to stand (RFC 8200, 4.2): at a multiple of the first number of bytes, and so many behind it.
const ALIGNED: &[(u8, usize, usize)] = &[(5, 2, 0), (194, 4, 2), (201, 8, 6)];

fn write(list: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for option in list {
        let (kind, _) = OPTIONS.kind(option, NAMES)?;
        let value = match kind {
            _ if option.part("data").is_some() => options::data(option)?,
            1 => vec![0; option.part("bytes").map_or(Ok(0), |_| options::number(option, "bytes", 253))? as usize],
            4 => vec![option.part("value").map_or(Ok(0), |_| options::number(option, "value", 0xff))? as u8],
            5 => (option.part("value").map_or(Ok(0), |_| options::number(option, "value", 0xffff))? as u16).to_be_bytes().to_vec(),
            194 => {
                (option.part("value").map_or(Ok(0), |_| options::number(option, "value", u32::MAX.into()))? as u32).to_be_bytes().to_vec()
            }
            201 => match option.part("value").map(Value::address) {
                Some(Some(IpAddr::V6(address))) => address.octets().to_vec(),
                None => vec![0; 16],
                _ => return Err(Fault::input(format!("use {option} as an option"), "`value` is an IPv6 address")),
            },
            _ => Vec::new(),
        };
        if let Some((_, multiple, behind)) = ALIGNED.iter().find(|(aligned, ..)| *aligned == kind) {
            // Two bytes of the header stand before the options.
            let at = bytes.len() + 2;
            let missing = (behind + multiple - at % multiple) % multiple;
            bytes.extend(padding(missing));
        }
        OPTIONS.write(&mut bytes, option, kind, &value)?;
    }
    Ok(bytes)
}

fn read_addresses(header: &[u8]) -> (Vec<Value>, Vec<Defect>) {
    let chunks = header.get(8..).unwrap_or_default().as_chunks::<16>().0;
    (chunks.iter().take(addresses(header)).map(|bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(*bytes)))).collect(), Vec::new())
}

fn write_addresses(list: &[Value]) -> Result<Vec<u8>, Fault> {
    let octets = |value: &Value| match value.address() {
        Some(IpAddr::V6(address)) => Ok(address.octets()),
        _ => Err(Fault::input(format!("use {value} as an address of a routing header"), "it is no IPv6 address")),
    };
    Ok(list.iter().map(octets).collect::<Result<Vec<_>, _>>()?.concat())
}
