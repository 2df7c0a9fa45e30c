//! What a field of a packet holds.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::model::Fault;
use crate::model::hex::hex;

/// The address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that all listen to.
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl FromStr for Mac {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse =
            || Fault::input(format!("use {text:?} as a link address"), "it is written as six bytes in hex, as in 02:00:00:00:00:01");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(refuse)?;
        }
        if parts.next().is_none() { Ok(Self(bytes)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The value of a field, as it is read and as it is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// An address of a host.
    Address(IpAddr),
    /// An address of a network card.
    Mac(Mac),
    /// A name or several, as flags have them.
    Text(String),
    /// Bytes without a meaning.
    Bytes(Vec<u8>),
    /// Several of a kind.
    List(Vec<Value>),
    /// Something with parts.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Makes a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a thing with parts.
    pub fn map<const N: usize>(parts: [(&str, Value); N]) -> Self {
        Self::Map(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Gives a part.
    pub fn part(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(parts) => parts.iter().find(|(part, _)| part == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Gives a number that it is, or is written as.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        }
    }

    /// Gives the address of a host that it is, or is written as.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Gives the link address that it is, or is written as.
    pub fn mac(&self) -> Option<Mac> {
        match self {
            Self::Mac(mac) => Some(*mac),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Gives the bytes that it is; those of a text are UTF-8.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Text(text) => Some(text.as_bytes().to_vec()),
            Self::Mac(mac) => Some(mac.0.to_vec()),
            Self::Address(IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
            Self::Address(IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Mac(mac) => write!(f, "{mac}"),
            // What comes from the wire never reaches a terminal as it is.
            Self::Text(text) => write!(f, "{}", text.escape_debug()),
            Self::Bytes(bytes) => write!(f, "{}", hex(bytes)),
            Self::List(list) => {
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Map(parts) => {
                for (at, (name, value)) in parts.iter().enumerate() {
                    let blank = if at == 0 { "" } else { " " };
                    match (at, name.as_str()) {
                        (0, "kind" | "name") => write!(f, "{value}")?,
                        _ => write!(f, "{blank}{name} {value}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn link_addresses_are_strict() {
        assert_eq!("02:0:0:0:0:AB".parse::<Mac>().unwrap().to_string(), "02:00:00:00:00:ab");
        for odd in ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "02-00-00-00-00-01", "02:00:00:00:00:1g", "002:0:0:0:0:1", "+2:0:0:0:0:1"]
        {
            assert!(odd.parse::<Mac>().is_err(), "{odd}");
        }
    }

    #[test]
    fn text_from_the_wire_is_escaped() {
        assert_eq!(Value::text("a\u{1b}[2J\0").to_string(), "a\\u{1b}[2J\\0");
    }
}
