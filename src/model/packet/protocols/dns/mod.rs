//! Questions and answers of the domain name system (RFC 1035), as UDP carries them, and TCP behind their length.

pub(super) mod name;
mod record;

use record::{CLASSES, Span, TYPES};

use super::number;
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form, Names};
use crate::model::packet::options::only;
use crate::model::packet::protocol::{Part, Protocol, Switch};
use crate::model::packet::value::Value;

const FIXED: usize = 12;

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

/// Questions and answers.
pub static DNS: Protocol = Protocol {
    name: "dns",
    title: "Domain Name System",
    fields: |_| FIELDS,
    parts: &[
        Part {
            name: "questions",
            is_one: false,
            read: |message| section(message, 0),
            write: |list| list.iter().map(question).collect::<Result<Vec<_>, _>>().map(|all| all.concat()),
        },
        Part { name: "answers", is_one: false, read: |message| section(message, 1), write: records },
        Part { name: "authorities", is_one: false, read: |message| section(message, 2), write: records },
        Part { name: "additionals", is_one: false, read: |message| section(message, 3), write: records },
    ],
    switches: &[Switch { name: "compress", read: is_short }],
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
            match around.draft.value(name) {
                Some(Value::List(list)) => around.fill(count, list.len() as u64),
                Some(_) => around.fill(count, 1),
                None => {}
            }
        }
        if around.draft.value("compress").and_then(Value::number).is_some_and(|yes| yes > 0) {
            around.header = shortened(&around.header).unwrap_or_else(|| around.header.clone());
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
                Ok((value, next, odd)) => {
                    at = next;
                    if section == wanted {
                        found.push(value);
                        defects.extend(odd);
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

/// Gives a number by its name, if it has one.
fn by_name(names: Names, number: u64) -> Value {
    names.iter().find(|(known, _)| *known == number).map_or(Value::Number(number), |(_, name)| Value::text(*name))
}

/// An entry, the place behind it, and what is odd about it.
type Entry = (Value, usize, Option<Defect>);

fn read_question(message: &[u8], at: usize) -> Result<Entry, Defect> {
    let (name, at) = name::read(message, at)?;
    let of = |bits: usize| bits::read(message, at * 8 + bits, 16).ok_or_else(|| cut(at + 4, message));
    let (kind, class) = (by_name(TYPES, of(0)?), by_name(CLASSES, of(16)?));
    Ok((Value::map([("name", Value::Text(name)), ("type", kind), ("class", class)]), at + 4, None))
}

fn read_record(message: &[u8], at: usize) -> Result<Entry, Defect> {
    let (name, at) = name::read(message, at)?;
    let of = |bits: usize, width: usize| bits::read(message, at * 8 + bits, width).ok_or_else(|| cut(at + 10, message));
    let (kind, end) = (of(0, 16)?, at + 10 + of(64, 16)? as usize);
    if end > message.len() {
        return Err(cut(end, message));
    }
    let (data, defect) = record::read(message, kind, at + 10, end);
    let parts = [
        ("name", Value::Text(name)),
        ("type", by_name(TYPES, kind)),
        ("class", by_name(CLASSES, of(16, 16)?)),
        ("ttl", Value::Number(of(32, 32)?)),
        ("data", data),
    ];
    Ok((Value::map(parts), end, defect))
}

/// Where an entry stands: its name, the numbers behind the name, and what it says.
struct Place {
    name: usize,
    behind: usize,
    end: usize,
}

/// Finds the entries of a message, up to the first that cannot be read, and tells whether that is all of them.
fn places(message: &[u8]) -> (Vec<Place>, bool) {
    let (mut found, mut at) = (Vec::new(), FIXED);
    for section in 0..4 {
        for _ in 0..bits::read(message, 32 + 16 * section, 16).unwrap_or_default() {
            let Ok(name) = name::labels(message, at) else { return (found, false) };
            let head = if section == 0 { Some(4) } else { bits::read(message, (name.behind + 8) * 8, 16).map(|data| 10 + data as usize) };
            let Some(end) = head.map(|head| name.behind + head).filter(|end| *end <= message.len()) else { return (found, false) };
            found.push(Place { name: at, behind: name.behind, end });
            at = end;
        }
    }
    (found, true)
}

/// Tells whether a name of a message points to another one.
fn is_short(message: &[u8]) -> bool {
    let points = |place: Place| name::labels(message, place.name).is_ok_and(|name| name.is_short);
    places(message).0.into_iter().any(points)
}

/// Writes a message again with names that point to earlier ones; none where it cannot be read to its end.
fn shortened(message: &[u8]) -> Option<Vec<u8>> {
    let (places, true) = places(message) else { return None };
    let questions = bits::read(message, 32, 16)? as usize;
    let (mut bytes, mut written) = (message.get(..FIXED)?.to_vec(), name::Written::default());
    for (number, place) in places.iter().enumerate() {
        written.push(&mut bytes, &name::labels(message, place.name).ok()?.labels);
        if number < questions {
            bytes.extend(message.get(place.behind..place.end)?);
            continue;
        }
        let data = place.behind + 10;
        bytes.extend(message.get(place.behind..data)?);
        let start = bytes.len();
        for part in record::spread(message, bits::read(message, place.behind * 8, 16)?, data, place.end)? {
            match part {
                Span::Name(labels) => written.push(&mut bytes, &labels),
                Span::Bytes(between) => bytes.extend(between),
            }
        }
        let length = u16::try_from(bytes.len() - start).ok()?;
        bytes[start - 2..start].copy_from_slice(&length.to_be_bytes());
    }
    bytes.extend(message.get(places.last().map_or(FIXED, |place| place.end)..)?);
    Some(bytes)
}

/// Writes a number of 16 bits that may have a name, in capital letters as everybody writes them.
fn named(entry: &Value, part: &'static str, names: Names) -> Result<u16, Fault> {
    let mut bytes = [0; 2];
    let value = match entry.part(part) {
        Some(Value::Text(text)) => Value::Text(text.to_uppercase()),
        Some(other) => other.clone(),
        None => Value::Number(1),
    };
    Field::of(part, 0, 16, Form::Named(names)).write(&mut bytes, &value)?;
    Ok(u16::from_be_bytes(bytes))
}

fn question(entry: &Value) -> Result<Vec<u8>, Fault> {
    only(entry, "a question of dns", &[&["name", "type", "class"]])?;
    let asked = if matches!(entry, Value::Text(_)) { Some(entry) } else { entry.part("name") };
    let numbers = [named(entry, "type", TYPES)?.to_be_bytes(), named(entry, "class", CLASSES)?.to_be_bytes()];
    Ok([&name::write(asked)?[..], &numbers.concat()].concat())
}

fn records(list: &[Value]) -> Result<Vec<u8>, Fault> {
    Ok(list.iter().map(record).collect::<Result<Vec<_>, _>>()?.concat())
}

fn record(entry: &Value) -> Result<Vec<u8>, Fault> {
    let refuse = |why: &str| Fault::input(format!("use {entry} as a record of dns"), why);
    if !matches!(entry, Value::Map(_)) {
        return Err(refuse("a map is wanted, with name, type, ttl and data"));
    }
    only(entry, "a record of dns", &[&["name", "type", "class", "ttl", "data"]])?;
    let kind = named(entry, "type", TYPES)?;
    let data = record::write(kind.into(), entry.part("data"))?;
    let length = u16::try_from(data.len()).map_err(|_| refuse("`data` has more than 65535 bytes"))?;
    let ttl = entry.part("ttl").map_or(Some(0), Value::number).and_then(|ttl| u32::try_from(ttl).ok());
    let ttl = ttl.ok_or_else(|| refuse("`ttl` is a number of 32 bits"))?;
    let name = entry.part("name").cloned().unwrap_or_else(|| Value::text("."));
    let numbers = [kind.to_be_bytes(), named(entry, "class", CLASSES)?.to_be_bytes()].concat();
    Ok([&name::write(Some(&name))?[..], &numbers, &ttl.to_be_bytes(), &length.to_be_bytes(), &data].concat())
}
