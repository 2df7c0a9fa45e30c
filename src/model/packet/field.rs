//! A field of a header: where its bits are, what they mean, and how they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bits;
use super::value::{Mac, Value};
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// Names of some numbers.
pub type Names = &'static [(u64, &'static str)];

/// What the bits of a field mean.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A number.
    Number,
    /// A number that people read in hex.
    Hex,
    /// A number, some of which have names.
    Named(Names),
    /// Bits, each with a name, the highest first; one without a name is a dash.
    Flags(&'static [&'static str]),
    /// The same, told from the lowest bit on: everybody says SYN,ACK.
    FlagsUp(&'static [&'static str]),
    /// A link address.
    Mac,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
}

/// A field of a header.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// The first bit, from the beginning of the header.
    pub start: usize,
    /// How many bits it has.
    pub width: usize,
    /// What they mean.
    pub form: Form,
}

impl Field {
    /// Makes a field that is a number.
    pub const fn number(name: &'static str, start: usize, width: usize) -> Self {
        Self { name, start, width, form: Form::Number }
    }

    /// Makes a field of another form.
    pub const fn of(name: &'static str, start: usize, width: usize, form: Form) -> Self {
        Self { name, start, width, form }
    }

    /// Makes a checksum.
    pub const fn checksum(start: usize) -> Self {
        Self::of("checksum", start, 16, Form::Hex)
    }

    fn bytes<const N: usize>(&self, header: &[u8]) -> Option<[u8; N]> {
        header.get(self.start / 8..)?.first_chunk().copied()
    }

    /// Reads the value; none where the header ends before.
    pub fn read(&self, header: &[u8]) -> Option<Value> {
        match self.form {
            Form::Mac => self.bytes(header).map(|bytes| Value::Mac(Mac(bytes))),
            Form::V4 => self.bytes::<4>(header).map(|bytes| Value::Address(IpAddr::V4(Ipv4Addr::from(bytes)))),
            Form::V6 => self.bytes::<16>(header).map(|bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(bytes)))),
            Form::Flags(names) => bits::read(header, self.start, self.width).map(|bits| Value::Text(flags(names, bits, false))),
            Form::FlagsUp(names) => bits::read(header, self.start, self.width).map(|bits| Value::Text(flags(names, bits, true))),
            Form::Number | Form::Hex | Form::Named(_) => bits::read(header, self.start, self.width).map(Value::Number),
        }
    }

    /// Writes a value that was given.
    pub fn write(&self, header: &mut [u8], value: &Value) -> Result<(), Fault> {
        let refuse = |why: String| Fault::input(format!("use {value} as the field `{}`", self.name), why);
        let short = || refuse("the header has no room for it".into());
        let bytes: Option<Vec<u8>> = match self.form {
            Form::Mac => Some(value.mac().ok_or_else(|| refuse("it is no link address".into()))?.0.to_vec()),
            Form::V4 => match value.address() {
                Some(IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
                _ => return Err(refuse("it is no IPv4 address".into())),
            },
            Form::V6 => match value.address() {
                Some(IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
                _ => return Err(refuse("it is no IPv6 address".into())),
            },
            _ => None,
        };
        if let Some(bytes) = bytes {
            let at = self.start / 8;
            header.get_mut(at..at + bytes.len()).ok_or_else(short)?.copy_from_slice(&bytes);
            return Ok(());
        }
        let number = self.meant(value)?;
        let most = if self.width >= 64 { u64::MAX } else { (1 << self.width) - 1 };
        if number > most {
            return Err(refuse(format!("it is a number from 0 to {most}")));
        }
        bits::write(header, self.start, self.width, number).ok_or_else(short)
    }

    /// Finds the number that is meant by a number or by names.
    fn meant(&self, value: &Value) -> Result<u64, Fault> {
        let refuse = |why: &str| Fault::input(format!("use {value} as the field `{}`", self.name), why);
        if let Some(number) = value.number() {
            return Ok(number);
        }
        match (self.form, value) {
            (Form::Named(names), Value::Text(text)) => {
                let found = names.iter().find(|(_, name)| name == text).map(|(number, _)| *number);
                found.ok_or_else(|| {
                    let known = || names.iter().map(|(_, name)| *name);
                    let all = || format!("its names are {}; a number is taken as it is", known().collect::<Vec<_>>().join(", "));
                    refuse("it has no such name").hint(did_you_mean(text, known()).unwrap_or_else(all))
                })
            }
            (Form::Flags(names) | Form::FlagsUp(names), Value::Text(text)) => {
                let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
                parts.map(|part| self.flag(names, part)).try_fold(0, |all, flag| Ok(all | flag?))
            }
            (Form::Flags(_) | Form::FlagsUp(_), Value::List(flags)) => {
                flags.iter().map(|flag| self.meant(flag)).try_fold(0, |all, flag| Ok(all | flag?))
            }
            (Form::Flags(_) | Form::FlagsUp(_), _) => Err(refuse("flags are wanted, as a text or an array of texts")),
            (Form::Named(_), _) => Err(refuse("a number or a name is wanted")),
            _ => Err(refuse("a number is wanted")),
        }
    }

    fn flag(&self, names: &[&str], flag: &str) -> Result<u64, Fault> {
        let at = names.iter().position(|name| name.eq_ignore_ascii_case(flag));
        at.map(|at| 1 << (self.width - 1 - at)).ok_or_else(|| {
            let fault = Fault::input(format!("use {flag:?} as a flag of the field `{}`", self.name), "there is no such flag");
            fault.hint(format!("the flags are {}", names.iter().filter(|name| **name != "-").copied().collect::<Vec<_>>().join(", ")))
        })
    }

    /// Gives the name of a number that has one.
    pub fn name_of(&self, value: &Value) -> Option<&'static str> {
        match (self.form, value) {
            (Form::Named(names), Value::Number(number)) => names.iter().find(|(named, _)| named == number).map(|(_, name)| *name),
            _ => None,
        }
    }

    /// Tells the value as people read it.
    pub fn told(&self, value: &Value) -> String {
        match (self.form, value) {
            (Form::Hex, Value::Number(number)) => format!("{number:#0digits$x}", digits = self.width.div_ceil(4) + 2),
            (Form::Named(_), Value::Number(number)) => match self.name_of(value) {
                Some(name) => format!("{number} ({name})"),
                None => number.to_string(),
            },
            (Form::Flags(_) | Form::FlagsUp(_), Value::Text(text)) if text.is_empty() => "none".to_owned(),
            _ => value.to_string(),
        }
    }
}

fn flags(names: &[&str], bits: u64, up: bool) -> String {
    let is_set = |at: &usize| bits >> (names.len() - 1 - at) & 1 == 1;
    let mut set: Vec<&str> = (0..names.len()).filter(is_set).map(|at| names[at]).collect();
    if up {
        set.reverse();
    }
    set.join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FLAGS: Field = Field::of("flags", 0, 3, Form::Flags(&["-", "DF", "MF"]));
    const KIND: Field = Field::of("type", 8, 8, Form::Named(&[(8, "echo-request"), (0, "echo-reply")]));

    #[test]
    fn values_are_written_and_read() {
        let mut header = [0; 8];
        FLAGS.write(&mut header, &Value::text("df")).unwrap();
        KIND.write(&mut header, &Value::text("echo-request")).unwrap();
        assert_eq!((header[0], FLAGS.read(&header), KIND.read(&header)), (0x40, Some(Value::text("DF")), Some(Value::Number(8))));
        assert_eq!(KIND.told(&Value::Number(8)), "8 (echo-request)");
        assert_eq!(Field::checksum(16).told(&Value::Number(255)), "0x00ff");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut header = [0; 2];
        let said = |field: Field, value: Value| field.write(&mut header.clone(), &value).unwrap_err().to_string();
        assert_eq!(said(KIND, Value::Number(256)), "cannot use 256 as the field `type`: it is a number from 0 to 255");
        assert_eq!(said(KIND, Value::text("echo")), "cannot use echo as the field `type`: it has no such name");
        assert_eq!(said(FLAGS, Value::text("XF")), "cannot use \"XF\" as a flag of the field `flags`: there is no such flag");
        assert_eq!(said(Field::of("src", 0, 32, Form::V4), Value::text("::1")), "cannot use ::1 as the field `src`: it is no IPv4 address");
        assert_eq!(said(Field::number("far", 16, 8), Value::Number(1)), "cannot use 1 as the field `far`: the header has no room for it");
        FLAGS.write(&mut header, &Value::Number(7)).unwrap();
    }
}
