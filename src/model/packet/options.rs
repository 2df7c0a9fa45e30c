//! Options: a kind, a length, and a value. Those of IPv4, TCP, the headers of IPv6 and neighbour discovery differ in how they count.

use super::defect::Defect;
use super::value::Value;
use crate::model::Fault;

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

    /// Writes an option.
    pub fn write(&self, bytes: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), Fault> {
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
        match kind {
            Some(Value::Text(name)) => match names.iter().find(|(_, known)| known == name) {
                Some((number, _)) => Ok((*number, Some(name))),
                None => refuse(format!("the kinds with names are {}", names.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", "))),
            },
            Some(Value::Number(number)) => match u8::try_from(*number) {
                Ok(number) => Ok((number, None)),
                Err(_) => refuse("its kind is a number from 0 to 255".into()),
            },
            _ => refuse("it needs a `kind`: a name or a number".into()),
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
