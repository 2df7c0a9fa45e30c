//! Options: a kind, a length, and a value. Those of IPv4, TCP, the headers of IPv6 and neighbour discovery differ in how they count.

use super::defect::Defect;
use super::value::Value;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The part of an option that is its length, where it is not to be the right one.
pub const LENGTH: &str = "option_length";

/// One option as it stands in a header.
pub struct Raw<'a> {
    /// The kind.
    pub kind: u8,
    /// What is behind kind and length.
    pub value: &'a [u8],
}

/// How options are counted.
#[derive(Clone, Copy)]
pub struct Style {
    /// The protocol, for its defects.
    pub layer: &'static str,
    /// The kinds that are one byte, without a length.
    pub single: &'static [u8],
    /// The kind that ends the list.
    pub end: Option<u8>,
    /// How many bytes one of its length stands for.
    pub unit: usize,
    /// How many bytes of an option its length does not count.
    pub uncounted: usize,
    /// The names of what options are made of, besides those that all have.
    pub parts: &'static [&'static str],
}

impl Style {
    /// Takes a list of options apart. One that lies about its length ends the list.
    pub fn split<'a>(&self, bytes: &'a [u8]) -> (Vec<Raw<'a>>, Vec<Defect>) {
        let (mut found, mut defects, mut rest) = (Vec::new(), Vec::new(), bytes);
        while let Some((&kind, behind)) = rest.split_first() {
            if self.end == Some(kind) {
                found.push(Raw { kind, value: &[] });
                break;
            }
            if self.single.contains(&kind) {
                found.push(Raw { kind, value: &[] });
                rest = behind;
                continue;
            }
            let length = behind.first().map(|length| usize::from(*length) * self.unit + self.uncounted);
            let value = length.and_then(|length| rest.get(..length)).and_then(|option| option.get(2..));
            match (length, value) {
                (Some(length), Some(value)) => {
                    found.push(Raw { kind, value });
                    rest = &rest[length..];
                }
                (length, _) => {
                    let why = match length {
                        None => format!("option {kind} has no length"),
                        Some(length) if length < 2 => format!("option {kind} says that it has {length} bytes"),
                        Some(length) => format!("option {kind} says that it has {length} bytes, and {} are there", rest.len()),
                    };
                    defects.push(Defect::malformed(self.layer, why));
                    break;
                }
            }
        }
        (found, defects)
    }

    /// Writes an option; its length is the right one, unless another one was given.
    pub fn write(&self, bytes: &mut Vec<u8>, option: &Value, kind: u8, value: &[u8]) -> Result<(), Fault> {
        if option.part(LENGTH).is_some() {
            bytes.extend([kind, number(option, LENGTH, u8::MAX.into())? as u8]);
            bytes.extend(value);
            return Ok(());
        }
        if self.end == Some(kind) || self.single.contains(&kind) {
            bytes.push(kind);
            return Ok(());
        }
        let length = (value.len() + 2).checked_sub(self.uncounted).filter(|length| length.is_multiple_of(self.unit));
        let length = length.and_then(|length| u8::try_from(length / self.unit).ok());
        let fault = || Fault::input(format!("write option {kind} of {}", self.layer), format!("its {} bytes do not fit", value.len()));
        bytes.extend([kind, length.ok_or_else(fault)?]);
        bytes.extend(value);
        Ok(())
    }

    /// Reads what a script gives of an option: its name alone, or a map with its kind.
    pub fn kind<'a>(&self, option: &'a Value, names: &[(u8, &str)]) -> Result<(u8, Option<&'a str>), Fault> {
        let kind = match option {
            Value::Map(_) => option.part("kind"),
            name => Some(name),
        };
        let refuse = |why: String| Err(Fault::input(format!("use {option} as an option of {}", self.layer), why));
        only(option, &format!("an option of {}", self.layer), &[&["kind", "data", LENGTH], self.parts])?;
        match kind {
            Some(Value::Text(name)) => match names.iter().find(|(_, known)| known == name) {
                Some((number, _)) => Ok((*number, Some(name))),
                None => {
                    let known = || names.iter().map(|(_, name)| *name);
                    let all = || format!("its kinds are {}, or a number with `data`", known().collect::<Vec<_>>().join(", "));
                    refuse("there is no such kind".into()).map_err(|fault| fault.hint(did_you_mean(name, known()).unwrap_or_else(all)))
                }
            },
            Some(Value::Number(number)) => match u8::try_from(*number) {
                Ok(number) => Ok((number, None)),
                Err(_) => refuse("its kind is a number from 0 to 255".into()),
            },
            _ => refuse("it needs a `kind`: a name or a number".into()),
        }
    }
}

/// Refuses a map in which there is a name that means nothing.
pub fn only(map: &Value, what: &str, known: &[&[&str]]) -> Result<(), Fault> {
    let Value::Map(parts) = map else { return Ok(()) };
    let known = || known.iter().flat_map(|names| names.iter().copied());
    match parts.iter().find(|(name, _)| !known().any(|known| known == name)) {
        None => Ok(()),
        Some((odd, _)) => {
            let all = || format!("what there can be: {}", known().collect::<Vec<_>>().join(", "));
            Err(Fault::input(format!("use {odd:?} in {what}"), "there is no such name")
                .hint(did_you_mean(odd, known()).unwrap_or_else(all)))
        }
    }
}

/// Tells an option by its name, or by its number and bytes.
pub fn told(kind: u8, name: Option<&str>, parts: Vec<(&str, Value)>) -> Value {
    let kind = name.map_or(Value::Number(kind.into()), Value::text);
    Value::Map([("kind", kind)].into_iter().chain(parts).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Tells an option whose meaning is not known.
pub fn opaque(kind: u8, name: Option<&str>, value: &[u8]) -> Value {
    told(kind, name, if value.is_empty() { Vec::new() } else { vec![("data", Value::Bytes(value.to_vec()))] })
}

/// Gives a number that an option needs.
pub fn number(option: &Value, part: &str, most: u64) -> Result<u64, Fault> {
    let given = option.part(part).and_then(Value::number).filter(|number| *number <= most);
    given.ok_or_else(|| Fault::input(format!("use {option} as an option"), format!("`{part}` is a number from 0 to {most}")))
}

/// Gives the bytes that an option has, if any.
pub fn data(option: &Value) -> Result<Vec<u8>, Fault> {
    match option.part("data") {
        None => Ok(Vec::new()),
        Some(data) => data.bytes().ok_or_else(|| Fault::input(format!("use {option} as an option"), "`data` is no blob")),
    }
}
