//! What records of the domain name system say. A type is a list of pieces, by which it is read and written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name;
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::field::Names;
use crate::model::packet::options::only;
use crate::model::packet::value::Value;

/// A piece of what a record says.
pub(super) enum Piece {
    /// A number of so many bytes.
    Number(&'static str, usize),
    /// A name.
    Name(&'static str),
    /// A text with its length before it.
    Text(&'static str),
    /// All that is left, which is text as a rule.
    Rest(&'static str),
}

use Piece::{Name, Number, Rest, Text};

/// What a record says.
pub(super) enum Form {
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A name and nothing else.
    Name,
    /// Texts.
    Texts,
    /// Options of EDNS: a code, a length, and a value.
    Options,
    /// Several pieces.
    Pieces(&'static [Piece]),
    /// Bytes.
    Opaque,
}

/// Names of the types.
pub(super) const TYPES: Names = &[
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (39, "DNAME"),
    (41, "OPT"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (257, "CAA"),
];

/// Names of the classes.
pub(super) const CLASSES: Names = &[(1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

const SOA: &[Piece] = &[
    Name("mname"),
    Name("rname"),
    Number("serial", 4),
    Number("refresh", 4),
    Number("retry", 4),
    Number("expire", 4),
    Number("minimum", 4),
];
const NAPTR: &[Piece] =
    &[Number("order", 2), Number("preference", 2), Text("flags"), Text("services"), Text("regexp"), Name("replacement")];
const RRSIG: &[Piece] = &[
    Number("type_covered", 2),
    Number("algorithm", 1),
    Number("labels", 1),
    Number("original_ttl", 4),
    Number("expiration", 4),
    Number("inception", 4),
    Number("key_tag", 2),
    Name("signer"),
    Rest("signature"),
];

/// Says what a type of record holds (RFC 1035, 2782, 3403, 4034, 4255, 6698, 8659, 9460).
pub(super) fn form(kind: u64) -> Form {
    match kind {
        1 => Form::V4,
        28 => Form::V6,
        2 | 5 | 12 | 39 => Form::Name,
        16 | 99 => Form::Texts,
        41 => Form::Options,
        6 => Form::Pieces(SOA),
        13 => Form::Pieces(&[Text("cpu"), Text("os")]),
        15 => Form::Pieces(&[Number("preference", 2), Name("exchange")]),
        33 => Form::Pieces(&[Number("priority", 2), Number("weight", 2), Number("port", 2), Name("target")]),
        35 => Form::Pieces(NAPTR),
        43 => Form::Pieces(&[Number("key_tag", 2), Number("algorithm", 1), Number("digest_type", 1), Rest("digest")]),
        44 => Form::Pieces(&[Number("algorithm", 1), Number("type", 1), Rest("fingerprint")]),
        46 => Form::Pieces(RRSIG),
        47 => Form::Pieces(&[Name("next"), Rest("types")]),
        48 => Form::Pieces(&[Number("flags", 2), Number("protocol", 1), Number("algorithm", 1), Rest("key")]),
        52 => Form::Pieces(&[Number("usage", 1), Number("selector", 1), Number("matching", 1), Rest("data")]),
        64 | 65 => Form::Pieces(&[Number("priority", 2), Name("target"), Rest("parameters")]),
        257 => Form::Pieces(&[Number("flags", 1), Text("tag"), Rest("value")]),
        _ => Form::Opaque,
    }
}

/// Tells whether the names in a type of record may be shortened: in those of RFC 1035 alone (RFC 3597, 4).
pub(super) fn may_be_short(kind: u64) -> bool {
    [2, 5, 6, 12, 15].contains(&kind)
}

/// Bytes as text where they are text.
fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| Value::Bytes(bytes.to_vec()), Value::text)
}

/// Reads what a record says; what contradicts its type is given as bytes, with the defect.
pub(super) fn read(message: &[u8], kind: u64, at: usize, end: usize) -> (Value, Option<Defect>) {
    let data = message.get(at..end).unwrap_or_default();
    let found = match form(kind) {
        Form::V4 => data.as_array::<4>().map(|bytes| Value::Address(IpAddr::V4(Ipv4Addr::from(*bytes)))),
        Form::V6 => data.as_array::<16>().map(|bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(*bytes)))),
        Form::Name => name::read(message, at).ok().filter(|(_, behind)| *behind == end).map(|(name, _)| Value::Text(name)),
        Form::Texts => texts(data),
        Form::Options => options(data),
        Form::Pieces(pieces) => read_pieces(message, pieces, at, end),
        Form::Opaque => Some(Value::Bytes(data.to_vec())),
    };
    // An update asks to take a record out by one that says nothing (RFC 2136, 2.5).
    let is_empty = data.is_empty();
    let defect = (found.is_none() && !is_empty).then(|| {
        let name = TYPES.iter().find(|(number, _)| *number == kind).map_or("", |(_, name)| name);
        Defect::malformed("dns", format!("the {} bytes of a record are no {name}", data.len()))
    });
    (found.unwrap_or_else(|| Value::Bytes(data.to_vec())), defect)
}

fn read_pieces(message: &[u8], pieces: &[Piece], mut at: usize, end: usize) -> Option<Value> {
    let mut parts = Vec::new();
    for piece in pieces {
        let rest = message.get(at..end)?;
        let (part, value, behind) = match piece {
            Number(part, width) => (part, Value::Number(bits::read(rest, 0, width * 8)?), at + width),
            Name(part) => {
                let (name, behind) = name::read(message, at).ok()?;
                (part, Value::Text(name), behind)
            }
            Text(part) => {
                let length = usize::from(*rest.first()?);
                (part, text(rest.get(1..=length)?), at + 1 + length)
            }
            Rest(part) => (part, text(rest), end),
        };
        parts.push(((*part).to_owned(), value));
        at = behind;
    }
    (at == end).then_some(Value::Map(parts))
}

fn texts(data: &[u8]) -> Option<Value> {
    let (mut texts, mut rest) = (Vec::new(), data);
    while let Some((length, behind)) = rest.split_first() {
        let (one, left) = behind.split_at_checked(usize::from(*length))?;
        texts.push(text(one));
        rest = left;
    }
    Some(Value::List(texts))
}

fn options(data: &[u8]) -> Option<Value> {
    let (mut options, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (code, length) = (bits::read(rest, 0, 16)?, bits::read(rest, 16, 16)? as usize);
        options.push(Value::map([("code", Value::Number(code)), ("data", Value::Bytes(rest.get(4..4 + length)?.to_vec()))]));
        rest = &rest[4 + length..];
    }
    Some(Value::List(options))
}

/// Writes what a record says.
pub(super) fn write(kind: u64, data: Option<&Value>) -> Result<Vec<u8>, Fault> {
    let Some(value) = data else { return Ok(Vec::new()) };
    let name = TYPES.iter().find(|(number, _)| *number == kind).map_or_else(|| kind.to_string(), |(_, name)| (*name).to_owned());
    let refuse = |why: String| Fault::input(format!("use {value} as the `data` of a record {name}"), why);
    match (form(kind), value) {
        // Bytes are taken for what they are, also where they make no sense.
        (_, Value::Bytes(bytes)) => Ok(bytes.clone()),
        (Form::V4, _) => match value.address() {
            Some(IpAddr::V4(v4)) => Ok(v4.octets().to_vec()),
            _ => Err(refuse("it is no IPv4 address".into())),
        },
        (Form::V6, _) => match value.address() {
            Some(IpAddr::V6(v6)) => Ok(v6.octets().to_vec()),
            _ => Err(refuse("it is no IPv6 address".into())),
        },
        (Form::Name, _) => name::write(data),
        (Form::Texts, Value::List(texts)) => {
            texts.iter().map(|text| short(text, &refuse)).collect::<Result<Vec<_>, Fault>>().map(|all| all.concat())
        }
        (Form::Texts, one) => short(one, &refuse),
        (Form::Options, Value::List(options)) => options.iter().map(option).collect::<Result<Vec<_>, _>>().map(|all| all.concat()),
        (Form::Pieces(pieces), Value::Map(_)) => write_pieces(pieces, value, &name),
        (Form::Pieces(pieces), _) => Err(refuse(format!("a map is wanted, with {}", names(pieces).join(", ")))),
        (Form::Options, _) => Err(refuse("an array of maps is wanted, with code, data".into())),
        (Form::Opaque, _) => value.bytes().ok_or_else(|| refuse("a blob is wanted where the type is not known here".into())),
    }
}

fn names(pieces: &[Piece]) -> Vec<&'static str> {
    let name = |piece: &Piece| match piece {
        Number(name, _) | Name(name) | Text(name) | Rest(name) => *name,
    };
    pieces.iter().map(name).collect()
}

/// Writes a text with its length before it.
fn short(text: &Value, refuse: &dyn Fn(String) -> Fault) -> Result<Vec<u8>, Fault> {
    let bytes = text.bytes().ok_or_else(|| refuse("a text is wanted".into()))?;
    let length = u8::try_from(bytes.len()).map_err(|_| refuse(format!("a text has {} bytes, and 255 is the most", bytes.len())))?;
    Ok([&[length][..], &bytes].concat())
}

fn option(option: &Value) -> Result<Vec<u8>, Fault> {
    only(option, "an option of dns", &[&["code", "data"]])?;
    let refuse = |why: &str| Fault::input(format!("use {option} as an option of dns"), why);
    let code = option.part("code").and_then(Value::number).and_then(|code| u16::try_from(code).ok());
    let data = option.part("data").map_or(Some(Vec::new()), Value::bytes).ok_or_else(|| refuse("`data` is a blob"))?;
    let length = u16::try_from(data.len()).map_err(|_| refuse("`data` has more than 65535 bytes"))?;
    let code = code.ok_or_else(|| refuse("`code` is a number from 0 to 65535"))?;
    Ok([&code.to_be_bytes()[..], &length.to_be_bytes(), &data].concat())
}

fn write_pieces(pieces: &[Piece], value: &Value, name: &str) -> Result<Vec<u8>, Fault> {
    only(value, &format!("the `data` of a record {name}"), &[&names(pieces)])?;
    let refuse = |why: String| Fault::input(format!("use {value} as the `data` of a record {name}"), why);
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Number(part, width) => {
                let most = (1u64 << (8 * width)) - 1;
                let number = value.part(part).map_or(Some(0), Value::number).filter(|number| *number <= most);
                let number = number.ok_or_else(|| refuse(format!("`{part}` is a number from 0 to {most}")))?;
                bytes.extend(&number.to_be_bytes()[8 - width..]);
            }
            Name(part) => bytes.extend(name::write(Some(value.part(part).unwrap_or(&Value::text("."))))?),
            Text(part) => bytes.extend(short(value.part(part).unwrap_or(&Value::text("")), &refuse)?),
            Rest(part) => {
                let rest = value.part(part).map_or(Some(Vec::new()), Value::bytes);
                bytes.extend(rest.ok_or_else(|| refuse(format!("`{part}` is a string or a blob")))?);
            }
        }
    }
    Ok(bytes)
}

/// A part of what a record says, as it stands in a message.
pub(super) enum Span<'a> {
    /// The labels of a name.
    Name(Vec<&'a [u8]>),
    /// What is no name.
    Bytes(&'a [u8]),
}

/// Gives the names in what a record says, and what stands between them, so that they can be written shorter.
pub(super) fn spread(message: &[u8], kind: u64, at: usize, end: usize) -> Option<Vec<Span<'_>>> {
    let pieces: &[Piece] = match form(kind) {
        _ if !may_be_short(kind) => return Some(vec![Span::Bytes(message.get(at..end)?)]),
        Form::Name => &[Name("")],
        Form::Pieces(pieces) => pieces,
        _ => return None,
    };
    let (mut at, mut found) = (at, Vec::new());
    for piece in pieces {
        match piece {
            Name(_) => {
                let labels = name::labels(message, at).ok()?;
                at = labels.behind;
                found.push(Span::Name(labels.labels));
            }
            Number(_, width) => {
                found.push(Span::Bytes(message.get(at..at + width)?));
                at += width;
            }
            Text(_) | Rest(_) => return None,
        }
    }
    (at == end).then_some(found)
}
