//! Questions and answers of the domain name system (RFC 1035).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::number;
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form, Names};
use crate::model::packet::protocol::{Part, Protocol};
use crate::model::packet::value::Value;

const FIXED: usize = 12;
/// The most bytes of a name, and of one of its labels.
const NAME: usize = 255;
const LABEL: usize = 63;

const CODES: Names = &[(0, "noerror"), (1, "formerr"), (2, "servfail"), (3, "nxdomain"), (4, "notimp"), (5, "refused")];
const OPCODES: Names = &[(0, "query"), (1, "iquery"), (2, "status"), (4, "notify"), (5, "update")];

const FIELDS: &[Field] = &[
    Field::number("id", 0, 16),
    Field::number("response", 16, 1),
    Field::of("opcode", 17, 4, Form::Named(OPCODES)),
    Field::of("flags", 21, 7, Form::Flags(&["aa", "tc", "rd", "ra", "z", "ad", "cd"])),
    Field::of("rcode", 28, 4, Form::Named(CODES)),
    Field::number("question_count", 32, 16),
    Field::number("answer_count", 48, 16),
    Field::number("authority_count", 64, 16),
    Field::number("additional_count", 80, 16),
];

const TYPES: Names = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (41, "OPT"),
    (43, "DS"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (255, "ANY"),
    (257, "CAA"),
];

/// Questions and answers.
pub static DNS: Protocol = Protocol {
    name: "dns",
    title: "Domain Name System",
    fields: |_| FIELDS,
    parts: &[
        Part {
            name: "questions",
            read: |message| section(message, 0),
            write: |list| list.iter().map(question).collect::<Result<Vec<_>, _>>().map(|all| all.concat()),
        },
        Part { name: "answers", read: |message| section(message, 1), write: records },
        Part { name: "authorities", read: |message| section(message, 2), write: records },
        Part { name: "additionals", read: |message| section(message, 3), write: records },
    ],
    blank: |_| {
        let mut header = vec![0; FIXED];
        header[2] = 1;
        header
    },
    walk: |bytes, _| match bytes.len() {
        0..FIXED => Err(Defect::truncated("dns", FIXED, bytes.len())),
        all => Ok(Step { header: all, end: all, next: Next::Payload }),
    },
    complete: |around| {
        for (name, count) in [
            ("questions", "question_count"),
            ("answers", "answer_count"),
            ("authorities", "authority_count"),
            ("additionals", "additional_count"),
        ] {
            let given = match around.draft.value(name) {
                Some(Value::List(list)) => list.len() as u64,
                Some(_) => 1,
                None => 0,
            };
            around.fill(count, given);
        }
    },
    summary: |message| {
        let of = |section: usize| self::section(message, section).0.first().map(ToString::to_string).unwrap_or_default();
        match number(&DNS, message, "response") {
            0 => format!("dns query {}", of(0)),
            _ => format!("dns answer {} ({} answers)", of(0), number(&DNS, message, "answer_count")),
        }
    },
};

/// Reads one of the four sections. The defects are told with the last one, so that each is told once.
fn section(message: &[u8], wanted: usize) -> (Vec<Value>, Vec<Defect>) {
    let (mut at, mut found, mut defects) = (FIXED, Vec::new(), Vec::new());
    for section in 0..=wanted {
        let count = bits::read(message, 32 + 16 * section, 16).unwrap_or_default();
        for _ in 0..count {
            let entry = if section == 0 { read_question(message, at) } else { read_record(message, at) };
            match entry {
                Ok((value, next)) => {
                    at = next;
                    if section == wanted {
                        found.push(value);
                    }
                }
                Err(defect) => {
                    defects.push(defect);
                    return (found, if section == wanted { defects } else { Vec::new() });
                }
            }
        }
    }
    (found, defects)
}

fn cut(needed: usize, message: &[u8]) -> Defect {
    Defect::truncated("dns", needed, message.len())
}

/// Reads a name, and gives the place behind it. A byte of it that is not printable is written as in zone files: `\\000`.
fn read_name(message: &[u8], start: usize) -> Result<(String, usize), Defect> {
    let (mut name, mut bytes, mut behind) = (String::new(), 0, None);
    // A pointer leads to the front of where it was looked for, so that there is no way round in circles.
    let (mut at, mut limit) = (start, start);
    for _ in 0..NAME {
        let length = *message.get(at).ok_or_else(|| cut(at + 1, message))?;
        match length >> 6 {
            0 if length == 0 => {
                let name = if name.is_empty() { ".".to_owned() } else { name };
                return Ok((name, behind.unwrap_or(at + 1)));
            }
            0 => {
                let end = at + 1 + usize::from(length);
                let label = message.get(at + 1..end).ok_or_else(|| cut(end, message))?;
                bytes += label.len() + 1;
                if bytes >= NAME {
                    return Err(Defect::malformed("dns", format!("a name has more than {NAME} bytes")));
                }
                push_label(&mut name, label);
                at = end;
            }
            3 => {
                let low = *message.get(at + 1).ok_or_else(|| cut(at + 2, message))?;
                let to = usize::from(length & 0x3f) << 8 | usize::from(low);
                if !(FIXED..limit).contains(&to) {
                    return Err(Defect::malformed("dns", format!("a name points from {at} to {to}")));
                }
                behind.get_or_insert(at + 2);
                (at, limit) = (to, to);
            }
            _ => return Err(Defect::malformed("dns", format!("a label begins with {length:#04x}"))),
        }
    }
    Err(Defect::malformed("dns", "a name has no end"))
}

fn push_label(name: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'.' | b'\\' => name.extend(['\\', char::from(*byte)]),
            b'!'..=b'~' => name.push(char::from(*byte)),
            _ => name.push_str(&format!("\\{byte:03}")),
        }
    }
    name.push('.');
}

fn kind(number: u64) -> Value {
    TYPES.iter().find(|(known, _)| *known == number).map_or(Value::Number(number), |(_, name)| Value::text(*name))
}

fn class(number: u64) -> Value {
    if number == 1 { Value::text("IN") } else { Value::Number(number) }
}

fn read_question(message: &[u8], at: usize) -> Result<(Value, usize), Defect> {
    let (name, at) = read_name(message, at)?;
    let of = |bits: usize| bits::read(message, at * 8 + bits, 16).ok_or_else(|| cut(at + 4, message));
    Ok((Value::map([("name", Value::Text(name)), ("type", kind(of(0)?)), ("class", class(of(16)?))]), at + 4))
}

fn read_record(message: &[u8], at: usize) -> Result<(Value, usize), Defect> {
    let (name, at) = read_name(message, at)?;
    let of = |bits: usize, width: usize| bits::read(message, at * 8 + bits, width).ok_or_else(|| cut(at + 10, message));
    let (number, length) = (of(0, 16)?, of(64, 16)? as usize);
    let data = message.get(at + 10..at + 10 + length).ok_or_else(|| cut(at + 10 + length, message))?;
    let parts = [
        ("name", Value::Text(name)),
        ("type", kind(number)),
        ("class", class(of(16, 16)?)),
        ("ttl", Value::Number(of(32, 32)?)),
        ("data", read_data(message, number, at + 10, data)?),
    ];
    Ok((Value::map(parts), at + 10 + length))
}

/// Reads what a record says, where its type is known.
fn read_data(message: &[u8], kind: u64, at: usize, data: &[u8]) -> Result<Value, Defect> {
    let opaque = || Value::Bytes(data.to_vec());
    Ok(match kind {
        1 => data.as_array::<4>().map_or_else(opaque, |bytes| Value::Address(IpAddr::V4(Ipv4Addr::from(*bytes)))),
        28 => data.as_array::<16>().map_or_else(opaque, |bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(*bytes)))),
        2 | 5 | 12 => Value::Text(read_name(message, at)?.0),
        15 if data.len() > 2 => {
            let preference = u64::from(u16::from_be_bytes([data[0], data[1]]));
            Value::map([("preference", Value::Number(preference)), ("exchange", Value::Text(read_name(message, at + 2)?.0))])
        }
        16 => {
            let (mut texts, mut rest) = (Vec::new(), data);
            while let Some((length, behind)) = rest.split_first() {
                let text = behind.get(..usize::from(*length)).unwrap_or(behind);
                texts.push(Value::Text(String::from_utf8_lossy(text).into_owned()));
                rest = &behind[text.len()..];
            }
            Value::List(texts)
        }
        _ => opaque(),
    })
}

/// Writes a name; `\.` and `\000` stand for bytes.
fn name(value: Option<&Value>) -> Result<Vec<u8>, Fault> {
    let Some(Value::Text(text)) = value else { return Err(Fault::input("write a name of dns", "a text is wanted")) };
    let refuse = |why: String| Fault::input(format!("use {text:?} as a name of dns"), why);
    let (mut bytes, mut label, mut rest) = (Vec::new(), Vec::new(), text.bytes());
    let mut close = |label: &mut Vec<u8>| match label.len() {
        0 => Err(refuse("a label of it is empty".into())),
        1..=LABEL => {
            bytes.push(label.len() as u8);
            bytes.append(label);
            Ok(())
        }
        long => Err(refuse(format!("a label of it has {long} bytes, and {LABEL} is the most"))),
    };
    while let Some(byte) = rest.next().filter(|_| text != ".") {
        match byte {
            b'.' => close(&mut label)?,
            b'\\' => {
                let next = rest.next().ok_or_else(|| refuse("it ends in a backslash".into()))?;
                label.push(match next {
                    b'0'..=b'9' => {
                        let digits = [next, rest.next().unwrap_or(b'x'), rest.next().unwrap_or(b'x')];
                        let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
                        number.ok_or_else(|| refuse("three digits are wanted behind a backslash".into()))?
                    }
                    other => other,
                });
            }
            _ => label.push(byte),
        }
    }
    if !label.is_empty() {
        close(&mut label)?;
    }
    bytes.push(0);
    if bytes.len() > NAME { Err(refuse(format!("it has {} bytes, and {NAME} is the most", bytes.len()))) } else { Ok(bytes) }
}

fn kind_of(entry: &Value) -> Result<u16, Fault> {
    let field = Field::of("type", 0, 16, Form::Named(TYPES));
    let mut bytes = [0; 2];
    let upper = entry.part("type").map(|value| match value {
        Value::Text(text) => Value::Text(text.to_uppercase()),
        other => other.clone(),
    });
    field.write(&mut bytes, &upper.unwrap_or(Value::Number(1)))?;
    Ok(u16::from_be_bytes(bytes))
}

fn class_of(entry: &Value) -> Result<u16, Fault> {
    match entry.part("class") {
        None => Ok(1),
        Some(Value::Text(text)) if text == "IN" => Ok(1),
        Some(value) => {
            let number = value.number().and_then(|number| u16::try_from(number).ok());
            number.ok_or_else(|| Fault::input(format!("use {value} as a class of dns"), "it is \"IN\" or a number from 0 to 65535"))
        }
    }
}

fn question(entry: &Value) -> Result<Vec<u8>, Fault> {
    let asked = if matches!(entry, Value::Text(_)) { Some(entry) } else { entry.part("name") };
    Ok([&name(asked)?[..], &kind_of(entry)?.to_be_bytes(), &class_of(entry)?.to_be_bytes()].concat())
}

fn records(list: &[Value]) -> Result<Vec<u8>, Fault> {
    Ok(list.iter().map(record).collect::<Result<Vec<_>, _>>()?.concat())
}

fn record(entry: &Value) -> Result<Vec<u8>, Fault> {
    let kind = kind_of(entry)?;
    let refuse = |why: &str| Fault::input(format!("use {entry} as a record of dns"), why);
    let data = entry.part("data");
    let data = match (kind, data) {
        (1 | 28, Some(value)) if value.address().is_some() => match (kind, value.address()) {
            (1, Some(IpAddr::V4(v4))) => v4.octets().to_vec(),
            (28, Some(IpAddr::V6(v6))) => v6.octets().to_vec(),
            _ => return Err(refuse("`data` is an address of the other family")),
        },
        (2 | 5 | 12, Some(Value::Text(_))) => name(data)?,
        (15, Some(value @ Value::Map(_))) => {
            let preference = value.part("preference").and_then(Value::number).and_then(|number| u16::try_from(number).ok());
            [&preference.unwrap_or_default().to_be_bytes()[..], &name(value.part("exchange"))?].concat()
        }
        (16, Some(Value::List(texts))) => {
            let text = |text: &Value| {
                let bytes = text.bytes().filter(|bytes| bytes.len() < 256).ok_or_else(|| refuse("a text has at most 255 bytes"))?;
                Ok([&[bytes.len() as u8][..], &bytes].concat())
            };
            texts.iter().map(text).collect::<Result<Vec<_>, Fault>>()?.concat()
        }
        (_, Some(value)) => value.bytes().ok_or_else(|| refuse("`data` is a blob where its type is not known here"))?,
        (_, None) => Vec::new(),
    };
    let length = u16::try_from(data.len()).map_err(|_| refuse("`data` has more than 65535 bytes"))?;
    let ttl = entry.part("ttl").map_or(Some(0), Value::number).and_then(|ttl| u32::try_from(ttl).ok());
    let ttl = ttl.ok_or_else(|| refuse("`ttl` is a number of 32 bits"))?;
    let head = [&name(entry.part("name"))?[..], &kind.to_be_bytes(), &class_of(entry)?.to_be_bytes(), &ttl.to_be_bytes()];
    Ok([&head.concat()[..], &length.to_be_bytes(), &data].concat())
}
