//! The Internet Protocol, version 4 (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use super::told;
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::build::least;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::numbers::{self, PROTOCOL_NAMES};
use crate::model::packet::options::{self, Style};
use crate::model::packet::protocol::{Part, Protocol};
use crate::model::packet::value::Value;

const FIXED: usize = 20;

const FIELDS: &[Field] = &[
    Field::number("version", 0, 4),
    Field::number("ihl", 4, 4),
    Field::of("tos", 8, 8, Form::Hex),
    Field::number("total_length", 16, 16),
    Field::number("id", 32, 16),
    Field::of("flags", 48, 3, Form::Flags(&["evil", "DF", "MF"])),
    Field::number("fragment_offset", 51, 13),
    Field::number("ttl", 64, 8),
    Field::of("protocol", 72, 8, Form::Named(PROTOCOL_NAMES)),
    Field::checksum(80),
    Field::of("src", 96, 32, Form::V4),
    Field::of("dst", 128, 32, Form::V4),
];

const OPTIONS: Style = Style {
    layer: "ipv4",
    single: &[1],
    end: Some(0),
    unit: 1,
    uncounted: 0,
    parts: &["pointer", "route", "value", "overflow", "flag", "entries"],
};
const NAMES: &[(u8, &str)] = &[
    (0, "end"),
    (1, "nop"),
    (7, "record-route"),
    (68, "timestamp"),
    (130, "security"),
    (131, "loose-source-route"),
    (137, "strict-source-route"),
    (148, "router-alert"),
];
/// The option in which routers write when they saw the packet, and the least that its pointer is.
const TIMESTAMP: u8 = 68;
const FIRST_STAMP: u8 = 5;
/// The options that are a list of addresses with a pointer into it.
const ROUTES: [u8; 3] = [7, 131, 137];

/// Packets of IPv4.
pub static IPV4: Protocol = Protocol {
    name: "ipv4",
    title: "Internet Protocol, version 4",
    fields: |_| FIELDS,
    parts: &[Part { name: "options", is_one: false, read, write }],
    switches: &[],
    blank: |_| {
        let mut header = vec![0; FIXED];
        (header[0], header[8]) = (0x45, 64);
        header
    },
    walk: |bytes, walk| {
        let short = || Defect::truncated("ipv4", FIXED, bytes.len());
        let first = *bytes.first().ok_or_else(short)?;
        if first >> 4 != 4 {
            return Err(Defect::malformed("ipv4", format!("its version is {}", first >> 4)));
        }
        let fixed: &[u8; FIXED] = bytes.first_chunk().ok_or_else(short)?;
        let header = usize::from(first & 15) * 4;
        if header < FIXED {
            return Err(Defect::malformed("ipv4", format!("its IHL is {}, and 5 is the least", header / 4)));
        }
        if header > bytes.len() {
            return Err(Defect::malformed("ipv4", format!("its header has {header} bytes, the packet {}", bytes.len())));
        }
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let end = match total {
            0 => {
                walk.defects.push(Defect::odd("ipv4", "its total length is 0, as before segmentation: what is there is taken"));
                bytes.len()
            }
            _ if total < header => {
                walk.defects
                    .push(Defect::malformed("ipv4", format!("its total length is {total}, and its header alone has {header} bytes")));
                bytes.len()
            }
            _ => walk.declared("ipv4", total, bytes.len()),
        };
        let part = u16::from_be_bytes([fixed[6], fixed[7]]);
        let (offset, more) = (usize::from(part & 0x1fff) * 8, part & 0x2000 != 0);
        if offset + end - header > usize::from(u16::MAX) - header {
            walk.defects.push(Defect::odd("ipv4", "the fragment ends behind the longest packet that there can be"));
        }
        let next = match numbers::by_protocol(fixed[9], false) {
            // What has no head of its own in it cannot be read.
            _ if offset > 0 => Next::Payload,
            Next::Layer(above) if more && end - header < least(above) => Next::Payload,
            next => next,
        };
        walk.fragment |= more;
        Ok(Step { header, end, next })
    },
    complete: |around| {
        around.pad(4, |missing| vec![0; missing]);
        around.fill("ihl", (around.header.len() / 4) as u64);
        around.fill("total_length", (around.header.len() + around.payload.len()) as u64);
        around.fill_next("protocol");
        around.fill_checksum();
    },
    summary: |header| format!("{} > {}", told(&IPV4, header, "src"), told(&IPV4, header, "dst")),
};

fn read(header: &[u8]) -> (Vec<Value>, Vec<Defect>) {
    let (found, mut defects) = OPTIONS.split(header.get(FIXED..).unwrap_or_default());
    let tell = |raw: &options::Raw<'_>| {
        let name = NAMES.iter().find(|(kind, _)| *kind == raw.kind).map(|(_, name)| *name);
        match raw.value.split_first() {
            Some((pointer, route)) if ROUTES.contains(&raw.kind) => {
                if *pointer < 4 || (pointer - 4) % 4 != 0 || route.len() % 4 != 0 {
                    defects.push(Defect::malformed("ipv4", format!("the pointer of option {} is {pointer}", raw.kind)));
                }
                let hops = route.as_chunks::<4>().0.iter().map(|bytes| Value::Address(IpAddr::V4(Ipv4Addr::from(*bytes)))).collect();
                options::told(raw.kind, name, vec![("pointer", Value::Number((*pointer).into())), ("route", Value::List(hops))])
            }
            _ if raw.kind == TIMESTAMP && raw.value.len() >= 2 => options::told(raw.kind, name, stamps(raw.value)),
            _ if raw.kind == 148 && raw.value.len() == 2 => {
                let value = u16::from_be_bytes([raw.value[0], raw.value[1]]);
                options::told(raw.kind, name, vec![("value", Value::Number(value.into()))])
            }
            _ => options::opaque(raw.kind, name, raw.value),
        }
    };
    (found.iter().map(tell).collect(), defects)
}

/// Takes the timestamps of an option apart; where its flag says so, each has the address of who wrote it.
fn stamps(value: &[u8]) -> Vec<(&'static str, Value)> {
    let (n, flag) = (|number: u8| Value::Number(number.into()), value[1] & 15);
    let time = |bytes: &[u8]| bits::read(bytes, 0, 32).map(Value::Number);
    let pair = |bytes: &[u8; 8]| {
        let address = Ipv4Addr::from(bits::read(bytes, 0, 32)? as u32);
        Some(Value::map([("address", Value::Address(IpAddr::V4(address))), ("time", time(&bytes[4..])?)]))
    };
    let entries = match flag {
        0 => value[2..].as_chunks::<4>().0.iter().filter_map(|bytes| time(bytes)).collect(),
        _ => value[2..].as_chunks::<8>().0.iter().filter_map(pair).collect(),
    };
    vec![("pointer", n(value[0])), ("overflow", n(value[1] >> 4)), ("flag", n(flag)), ("entries", Value::List(entries))]
}

/// Writes what [`stamps`] reads.
fn write_stamps(option: &Value) -> Result<Vec<u8>, Fault> {
    let refuse =
        || Fault::input(format!("use {option} as an option"), "`entries` is an array of numbers, or of maps with `address` and `time`");
    let or = |part: &str, most: u64, default: u8| option.part(part).map_or(Ok(default.into()), |_| options::number(option, part, most));
    let mut value = vec![or("pointer", 255, FIRST_STAMP)? as u8, (or("overflow", 15, 0)? << 4 | or("flag", 15, 0)?) as u8];
    let Some(Value::List(entries)) = option.part("entries") else { return Err(refuse()) };
    for entry in entries {
        let time = match (entry.part("address").map(Value::address), entry) {
            (Some(Some(IpAddr::V4(address))), _) => {
                value.extend(address.octets());
                entry.part("time").map_or(Some(0), Value::number)
            }
            (None, Value::Number(time)) => Some(*time),
            _ => None,
        };
        value.extend(time.and_then(|time| u32::try_from(time).ok()).ok_or_else(refuse)?.to_be_bytes());
    }
    Ok(value)
}

fn write(list: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for option in list {
        let (kind, _) = OPTIONS.kind(option, NAMES)?;
        let value = match (kind, option.part("route")) {
            (TIMESTAMP, None) if option.part("data").is_none() => write_stamps(option)?,
            (148, None) if option.part("data").is_none() => {
                let value = option.part("value").map_or(Ok(0), |_| options::number(option, "value", u16::MAX.into()))?;
                (value as u16).to_be_bytes().to_vec()
            }
            (kind, Some(Value::List(route))) if ROUTES.contains(&kind) => {
                let refuse = || Fault::input(format!("use {option} as an option"), "`route` is a list of IPv4 addresses");
                let mut value = vec![option.part("pointer").map_or(Ok(4), |_| options::number(option, "pointer", 255))? as u8];
                for hop in route {
                    let Some(IpAddr::V4(hop)) = hop.address() else { return Err(refuse()) };
                    value.extend(hop.octets());
                }
                value
            }
            _ => options::data(option)?,
        };
        OPTIONS.write(&mut bytes, option, kind, &value)?;
    }
    if bytes.len() > 40 {
        return Err(Fault::input("write the options of ipv4", format!("they have {} bytes, and 40 is the most", bytes.len())));
    }
    // The fields behind the options are written into the header, so what is written has no gap.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}
