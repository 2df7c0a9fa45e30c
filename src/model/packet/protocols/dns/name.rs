//! Names of the domain name system: as labels, as text, and shortened by pointers to where the rest stands already (RFC 1035, 4.1.4).

use std::collections::HashMap;

use super::FIXED;
use crate::model::Fault;
use crate::model::packet::defect::Defect;
use crate::model::packet::value::Value;

/// The most bytes of a name, and of one of its labels.
const NAME: usize = 255;
const LABEL: usize = 63;
/// The first place that a pointer cannot lead to.
const FAR: usize = 0x4000;

/// A name as it stands in a message.
pub(super) struct Labels<'a> {
    /// Its labels.
    pub(super) labels: Vec<&'a [u8]>,
    /// The place behind it.
    pub(super) behind: usize,
    /// Whether a part of it stands elsewhere.
    pub(super) is_short: bool,
}

fn cut(needed: usize, message: &[u8]) -> Defect {
    Defect::truncated("dns", needed, message.len())
}

/// Finds the labels of a name.
pub(super) fn labels(message: &[u8], start: usize) -> Result<Labels<'_>, Defect> {
    let (mut labels, mut bytes, mut behind) = (Vec::new(), 0, None);
    // A pointer leads to the front of where it was looked for, so that there is no way round in circles.
    let (mut at, mut limit) = (start, start);
    for _ in 0..NAME {
        let length = *message.get(at).ok_or_else(|| cut(at + 1, message))?;
        match length >> 6 {
            0 if length == 0 => return Ok(Labels { labels, behind: behind.unwrap_or(at + 1), is_short: behind.is_some() }),
            0 => {
                let end = at + 1 + usize::from(length);
                let label = message.get(at + 1..end).ok_or_else(|| cut(end, message))?;
                bytes += label.len() + 1;
                if bytes >= NAME {
                    return Err(Defect::malformed("dns", format!("a name has more than {NAME} bytes")));
                }
                labels.push(label);
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

/// Reads a name, and gives the place behind it. A byte of it that is not printable is written as in zone files: `\\000`.
pub(in crate::model::packet::protocols) fn read(message: &[u8], start: usize) -> Result<(String, usize), Defect> {
    let found = labels(message, start)?;
    let mut name = String::new();
    found.labels.iter().for_each(|label| push_label(&mut name, label));
    Ok((if name.is_empty() { ".".to_owned() } else { name }, found.behind))
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

/// Writes a name; `\.` and `\000` stand for bytes.
pub(in crate::model::packet::protocols) fn write(value: Option<&Value>) -> Result<Vec<u8>, Fault> {
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

/// The names of a message that is being written, so that later ones can point to them.
#[derive(Default)]
pub(super) struct Written {
    places: HashMap<Vec<u8>, usize>,
}

impl Written {
    /// Writes a name behind a message, as short as can be.
    pub(super) fn push(&mut self, message: &mut Vec<u8>, labels: &[&[u8]]) {
        for (number, label) in labels.iter().enumerate() {
            let rest: Vec<u8> = labels[number..].iter().flat_map(|label| [&[label.len() as u8], *label].concat()).collect();
            if let Some(place) = self.places.get(&rest) {
                message.extend((0xc000 | *place as u16).to_be_bytes());
                return;
            }
            if message.len() < FAR {
                self.places.insert(rest, message.len());
            }
            message.push(label.len() as u8);
            message.extend(*label);
        }
        message.push(0);
    }
}
