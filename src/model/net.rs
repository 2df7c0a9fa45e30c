//! Values of the trade: ports, prefixes and names of interfaces, each with its strict border.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Family, Fault};

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
}

impl FromStr for Ports {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| Fault::input(format!("use {text:?} as a port"), why);
        let port = |digits: &str| -> Result<i64, Fault> {
            let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or_else(|| refuse("a port is a number from 0 to 65535, a range is written first:last"))
        };
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Self::new(port(first)?, port(last)?).map_err(|fault| refuse(&fault.why))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}:{}", self.first, self.last) }
    }
}

/// An address with the length of its network part; host bits are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The first address.
    pub address: IpAddr,
    /// How many bits of it count.
    pub length: u8,
}

impl Prefix {
    /// Gives the family.
    pub fn family(&self) -> Family {
        if self.address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Tells whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::new(address, self.length).address == self.address
    }

    /// Gives the most bits that count in addresses of the family of this one.
    pub fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// Makes a prefix; bits behind its length are cleared.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let length = length.min(Self::bits(address));
        let address = match address {
            IpAddr::V4(a) => IpAddr::from((a.to_bits() & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_be_bytes()),
            IpAddr::V6(a) => IpAddr::from((a.to_bits() & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).to_be_bytes()),
        };
        Self { address, length }
    }
}

impl FromStr for Prefix {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| Fault::input(format!("use {text:?} as an address or prefix"), why);
        if text.contains(',') {
            return Err(refuse("it is a list, and a rule takes one").hint("write a rule for each"));
        }
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| {
            refuse("it is neither four decimal numbers nor an IPv6 address")
                .hint("names are not looked up: a rule and its plan could differ")
        })?;
        if let IpAddr::V6(v6) = address
            && v6.to_ipv4_mapped().is_some()
        {
            return Err(refuse("an IPv4-mapped IPv6 address never stands in a packet").hint("write the IPv4 address"));
        }
        let most = Self::bits(address);
        let length = match (length, address) {
            (None, _) => most,
            (Some(mask), IpAddr::V4(_)) if mask.contains('.') => {
                let mask = mask.parse::<std::net::Ipv4Addr>().map_err(|_| refuse("its netmask is not four decimal numbers"))?.to_bits();
                if mask.leading_ones() + mask.trailing_zeros() != 32 && mask != 0 {
                    return Err(refuse("its netmask has a hole"));
                }
                mask.leading_ones() as u8
            }
            (Some(digits), _) => {
                let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let length = digits.parse::<u8>().ok().filter(|length| plain && *length <= most);
                length.ok_or_else(|| refuse(&format!("its length must be a number from 0 to {most}")))?
            }
        };
        Ok(Self::new(address, length))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
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
    fn prefixes_are_strict_and_lose_their_host_bits() {
        for (text, shown) in [
            ("1.2.3.4", "1.2.3.4/32"),
            ("1.2.3.4/8", "1.0.0.0/8"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), shown);
        }
        for text in [
            "1.2.3",
            "127.1",
            "010.0.0.1",
            "0x7f000001",
            "1.2.3.4/33",
            "1.2.3.4/-1",
            "1.2.3.4/",
            "1.2.3.4/255.0.255.0",
            "1.2.3.4/+8",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
            "example.org",
            "",
            "1.2.3.4 -j ACCEPT",
            "1.2.3.4,1.2.3.5",
            "::1/129",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_lies_in_its_prefix_only() {
        let lies = |prefix: &str, address: &str| prefix.parse::<Prefix>().unwrap().contains(address.parse().unwrap());
        assert!(lies("192.0.2.0/24", "192.0.2.255") && lies("0.0.0.0/0", "1.2.3.4") && lies("2001:db8::/64", "2001:db8::9"));
        assert!(!lies("192.0.2.0/24", "192.0.3.0") && !lies("::/0", "1.2.3.4") && !lies("192.0.2.1", "192.0.2.2"));
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
