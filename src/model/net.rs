//! Values of the trade: ports and names of interfaces, each with its strict border.

use std::fmt;
use std::str::FromStr;

use super::Fault;
pub use super::prefix::Prefix;

/// One port or a range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Makes a range of numbers as a script has them.
    pub fn new(first: i64, last: i64) -> Result<Self, Fault> {
        let shown = if first == last { first.to_string() } else { format!("{first}:{last}") };
        let refuse = |why: &str| Fault::input(format!("use {shown} as a port"), why);
        let port = |number: i64| u16::try_from(number).map_err(|_| refuse("a port is a number from 0 to 65535"));
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first > range.last { Err(refuse("the range is the wrong way round")) } else { Ok(range) }
    }

    /// Reads a port, or a range as the kernel writes it (`first-last`) or as iptables(8) does (`first:last`).
    pub fn either(text: &str) -> Result<Self, Fault> {
        Self::read(text, if text.contains('-') { '-' } else { ':' })
    }

    fn read(text: &str, between: char) -> Result<Self, Fault> {
        let refuse = |why: &str| Fault::input(format!("use {text:?} as a port"), why);
        let odd = || refuse(&format!("a port is a number from 0 to 65535, a range is written first{between}last"));
        let port = |digits: &str| -> Result<i64, Fault> {
            let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or_else(odd)
        };
        let (first, last) = text.split_once(between).unwrap_or((text, text));
        Self::new(port(first)?, port(last)?).map_err(|fault| refuse(&fault.why))
    }
}

impl FromStr for Ports {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::read(text, ':')
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}:{}", self.first, self.last) }
    }
}

/// The name of a network interface; in a match a final `+` stands for any ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceMatch(String);

impl InterfaceMatch {
    /// The most bytes of a name: IFNAMSIZ is 16 with the final NUL.
    pub const MAX: usize = 15;
}

impl FromStr for InterfaceMatch {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("use {name:?} as the name of an interface"), why));
        if name.is_empty() {
            return refuse("it is empty".into());
        }
        if name.len() > Self::MAX {
            return refuse(format!("it has {} bytes, and {} is the most", name.len(), Self::MAX));
        }
        if let Some(bad) = name.chars().find(|c| c.is_whitespace() || c.is_control() || "/:!\"'\\".contains(*c)) {
            return refuse(format!("it has {bad:?}, and the kernel has no such names"));
        }
        if name[..name.len() - 1].contains('+') {
            return refuse("'+' stands for any ending, and only at the end".into());
        }
        if name == "." || name == ".." || name.starts_with('-') {
            return refuse("the kernel has no such names".into());
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for InterfaceMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_strict() {
        for (text, shown) in [("22", "22"), ("0", "0"), ("1024:65535", "1024:65535"), ("7:7", "7")] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), shown);
        }
        for text in [
            "65536", "-1", "1.5", "NaN", "22;id", "22 ", " 22", "0x16", "000026", "٢٢", "22:21", ":", "5:", ":5", "1-2-3", "1,,2", "",
            "ssh",
        ] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
        for number in [-1, 65536, 1 << 31, i64::MAX, i64::MIN] {
            assert!(Ports::new(number, number).is_err(), "{number}");
        }
    }

    #[test]
    fn names_of_interfaces_are_strict() {
        for name in ["eth0", "ppp+", "br-1234567890ab", "veth_a.100"] {
            assert_eq!(name.parse::<InterfaceMatch>().unwrap().to_string(), name);
        }
        for name in ["", "a234567890123456", "a b", "a/b", ".", "..", "a:b", "eth0+x", "-x", "a\nb", "!eth0", "a\"b"] {
            assert!(name.parse::<InterfaceMatch>().is_err(), "{name}");
        }
    }
}
