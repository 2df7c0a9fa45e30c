//! TCP (RFC 9293), with the options of RFC 2018 and RFC 7323.

use super::{number, told};
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form};
use crate::model::packet::options::{self, Raw, Style};
use crate::model::packet::protocol::{Part, Protocol};
use crate::model::packet::value::Value;

const FIXED: usize = 20;

const FIELDS: &[Field] = &[
    Field::number("sport", 0, 16),
    Field::number("dport", 16, 16),
    Field::number("seq", 32, 32),
    Field::number("ack", 64, 32),
    Field::number("data_offset", 96, 4),
    Field::number("reserved", 100, 3),
    Field::of("flags", 103, 9, Form::FlagsUp(&["AE", "CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"])),
    Field::number("window", 112, 16),
    Field::checksum(128),
    Field::number("urgent_pointer", 144, 16),
];

const OPTIONS: Style = Style { layer: "tcp", single: &[1], end: Some(0), unit: 1, uncounted: 0, parts: &["value", "echo", "edges"] };
const NAMES: &[(u8, &str)] = &[
    (0, "end"),
    (1, "nop"),
    (2, "mss"),
    (3, "window-scale"),
    (4, "sack-permitted"),
    (5, "sack"),
    (8, "timestamps"),
    (19, "md5"),
    (28, "user-timeout"),
    (29, "authentication"),
    (30, "mptcp"),
    (34, "fast-open"),
];

/// Segments of TCP.
pub static TCP: Protocol = Protocol {
    name: "tcp",
    title: "Transmission Control Protocol",
    fields: |_| FIELDS,
    parts: &[Part { name: "options", is_one: false, read, write }],
    switches: &[],
    blank: |_| {
        let mut header = vec![0; FIXED];
        (header[12], header[13], header[14]) = (0x50, 0x02, 0x20);
        header
    },
    walk: |bytes, walk| {
        let Some(fixed) = bytes.first_chunk::<FIXED>() else {
            return match bytes.len() {
                // An ICMP error quotes eight bytes of it.
                8.. if walk.quoted => Ok(Step { header: bytes.len(), end: bytes.len(), next: Next::Payload }),
                there => Err(Defect::truncated("tcp", FIXED, there)),
            };
        };
        let header = usize::from(fixed[12] >> 4) * 4;
        if header < FIXED {
            return Err(Defect::malformed("tcp", format!("its data offset is {}, and 5 is the least", header / 4)));
        }
        if header > bytes.len() {
            return match walk.quoted {
                true => Ok(Step { header: bytes.len(), end: bytes.len(), next: Next::Payload }),
                false => Err(Defect::malformed("tcp", format!("its header has {header} bytes, the segment {}", bytes.len()))),
            };
        }
        Ok(Step { header, end: bytes.len(), next: Next::Payload })
    },
    complete: |around| {
        around.pad(4, |missing| vec![0; missing]);
        around.fill("data_offset", (around.header.len() / 4) as u64);
        around.fill_checksum();
    },
    summary: |header| {
        let of = |name| told(&TCP, header, name);
        let ack = if number(&TCP, header, "ack") > 0 { format!(" ack {}", of("ack")) } else { String::new() };
        let flags = of("flags");
        format!(
            "tcp {} > {} {} seq {}{ack} win {}",
            of("sport"),
            of("dport"),
            if flags.is_empty() { "none" } else { &flags },
            of("seq"),
            of("window")
        )
    },
};

fn read(header: &[u8]) -> (Vec<Value>, Vec<Defect>) {
    let (found, mut defects) = OPTIONS.split(header.get(FIXED..).unwrap_or_default());
    (found.iter().map(|raw| tell(raw, &mut defects)).collect(), defects)
}

fn tell(raw: &Raw<'_>, defects: &mut Vec<Defect>) -> Value {
    let name = NAMES.iter().find(|(kind, _)| *kind == raw.kind).map(|(_, name)| *name);
    let at = |start: usize, width: usize| bits::read(raw.value, start, width).map(Value::Number);
    let wanted = match raw.kind {
        2 | 28 => 2,
        3 => 1,
        4 => 0,
        8 => 8,
        5 if raw.value.len().is_multiple_of(8) => raw.value.len(),
        0 | 1 | 34 => raw.value.len(),
        5 => usize::MAX,
        _ => return options::opaque(raw.kind, name, raw.value),
    };
    if raw.value.len() != wanted {
        let name = name.unwrap_or_default();
        defects.push(Defect::malformed("tcp", format!("option {name} has {} bytes", raw.value.len() + 2)));
        return options::opaque(raw.kind, (!name.is_empty()).then_some(name), raw.value);
    }
    let parts = match raw.kind {
        2 | 28 => at(0, 16).map(|value| vec![("value", value)]),
        3 => at(0, 8).map(|value| vec![("value", value)]),
        8 => at(0, 32).zip(at(32, 32)).map(|(value, echo)| vec![("value", value), ("echo", echo)]),
        5 => {
            let edge = |bytes: &[u8]| bits::read(bytes, 0, 32).map(Value::Number);
            Some(vec![("edges", Value::List(raw.value.chunks(4).filter_map(edge).collect()))])
        }
        _ => None,
    };
    parts.map_or_else(|| options::opaque(raw.kind, name, raw.value), |parts| options::told(raw.kind, name, parts))
}

fn write(list: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for option in list {
        let (kind, _) = OPTIONS.kind(option, NAMES)?;
        let short = |part| options::number(option, part, u16::MAX.into()).map(|value| (value as u16).to_be_bytes().to_vec());
        let long = |part| options::number(option, part, u32::MAX.into()).map(|value| (value as u32).to_be_bytes());
        let value = match kind {
            _ if option.part("data").is_some() => options::data(option)?,
            2 | 28 => short("value")?,
            3 => vec![options::number(option, "value", 255)? as u8],
            8 => [long("value")?, long("echo")?].concat(),
            5 => {
                let refuse =
                    || Fault::input(format!("use {option} as an option"), "`edges` is a list of sequence numbers, two for a block");
                let Some(Value::List(edges)) = option.part("edges") else { return Err(refuse()) };
                let edge = |edge: &Value| edge.number().and_then(|edge| u32::try_from(edge).ok()).ok_or_else(refuse);
                edges.iter().map(|value| Ok(edge(value)?.to_be_bytes())).collect::<Result<Vec<_>, Fault>>()?.concat()
            }
            _ => Vec::new(),
        };
        OPTIONS.write(&mut bytes, option, kind, &value)?;
    }
    if bytes.len() > 40 {
        return Err(Fault::input("write the options of tcp", format!("they have {} bytes, and 40 is the most", bytes.len())));
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}
