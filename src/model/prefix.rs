//! Ranges of addresses that share their first bits.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::{Family, Fault};

/// An address with the length of its network part; host bits are cleared. Prefixes are in the order of their addresses, a shorter one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix(IpNet);

impl Ord for Prefix {
    // As numbers: ten thousand routes are compared some hundred thousand times.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |prefix: &Self| match prefix.0 {
            IpNet::V4(net) => (false, u128::from(u32::from(net.addr())), net.prefix_len()),
            IpNet::V6(net) => (true, u128::from(net.addr()), net.prefix_len()),
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Prefix {
    /// The most addresses or subnets that are listed at once: those of a /16.
    pub const LISTED: u32 = 1 << 16;

    /// Gives the most bits that count in addresses of the family of this one.
    pub fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// Makes a prefix; bits behind its length are cleared, and a length beyond the last bit is that of the address alone.
    pub fn new(address: IpAddr, length: u8) -> Self {
        // A length that fits is not refused.
        Self(IpNet::new(address, length.min(Self::bits(address))).map_or_else(|_| address.into(), |net| net.trunc()))
    }

    /// Makes the prefix of so many bits that an address lies in.
    pub fn around(address: Address, length: u8) -> Result<Self, Fault> {
        let most = Self::bits(address.0);
        let refuse =
            || Fault::input(format!("use {address}/{length} as a prefix"), format!("its length must be a number from 0 to {most}"));
        if length > most { Err(refuse()) } else { Ok(Self::new(address.0, length)) }
    }

    /// Reads a prefix, and refuses bits of a host: who writes them means something else than what they would do.
    pub fn exact(text: &str) -> Result<Self, Fault> {
        let net = read(text)?;
        if net.addr() == net.network() {
            return Ok(Self(net));
        }
        let fault = Fault::input(format!("use {text:?} as a prefix"), format!("bits are set behind the first {}", net.prefix_len()));
        Err(fault.hint(format!("write \"{}\" for the network, \"{}\" for the host", net.trunc(), net.addr())))
    }

    /// Gives the family.
    pub fn family(&self) -> Family {
        self.network().family()
    }

    /// Gives how many bits are the same in all its addresses.
    pub fn length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Gives the first address.
    pub fn network(&self) -> Address {
        Address(self.0.network())
    }

    /// Gives the last address, to which broadcasts go; none for IPv6, which has no broadcasts.
    pub fn broadcast(&self) -> Option<Address> {
        self.0.addr().is_ipv4().then(|| Address(self.0.broadcast()))
    }

    /// Gives the length as a mask.
    pub fn netmask(&self) -> Address {
        Address(self.0.netmask())
    }

    /// Tells whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Tells whether all addresses of another one lie in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Tells whether it shares an address with another one: then one of them lies in the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Lists the addresses that hosts can have: of IPv4 those between the first and the last, where there are any between.
    pub fn hosts(&self) -> Result<Vec<Address>, Fault> {
        let bits = self.0.max_prefix_len() - self.length();
        if bits > Self::LISTED.ilog2() as u8 {
            let why = format!("it has 2^{bits} addresses, and {} are the most", Self::LISTED);
            return Err(Fault::input(format!("list the hosts of {self}"), why)
                .hint("take one of its `subnets(..)`, or count on from its `network`"));
        }
        Ok(self.0.hosts().map(Address).collect())
    }

    /// Lists the parts of it that have a greater length.
    pub fn subnets(&self, length: i64) -> Result<Vec<Self>, Fault> {
        let (tried, most) = (format!("list the subnets /{length} of {self}"), self.0.max_prefix_len());
        let Some(length) = u8::try_from(length).ok().filter(|length| (self.length()..=most).contains(length)) else {
            return Err(Fault::input(tried, format!("their length must be a number from {} to {most}", self.length())));
        };
        let bits = length - self.length();
        if bits > Self::LISTED.ilog2() as u8 {
            return Err(Fault::input(tried, format!("there are 2^{bits}, and {} are the most", Self::LISTED)));
        }
        // The lengths are in order, so that there is nothing to refuse.
        Ok(self.0.subnets(length).map_or_else(|_| Vec::new(), |nets| nets.map(Self).collect()))
    }
}

/// Reads an address, with the length of its network part or a netmask or neither.
fn read(text: &str) -> Result<IpNet, Fault> {
    let refuse = |why: &str| Fault::input(format!("use {text:?} as an address or prefix"), why);
    if text.contains(',') {
        return Err(refuse("it is a list, and a rule takes one").hint("write a rule for each"));
    }
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: Address = address.parse().map_err(|fault: Fault| Fault { hint: fault.hint, ..refuse(&fault.why) })?;
    let most = Prefix::bits(address.0);
    let length = match (length, address.0) {
        (None, _) => most,
        (Some(mask), IpAddr::V4(_)) if mask.contains('.') => {
            let mask = mask.parse::<Ipv4Addr>().map_err(|_| refuse("its netmask is not four decimal numbers"))?;
            ipnet::ip_mask_to_prefix(mask.into()).map_err(|_| refuse("its netmask has a hole"))?
        }
        (Some(digits), _) => {
            let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            let length = digits.parse::<u8>().ok().filter(|length| plain && *length <= most);
            length.ok_or_else(|| refuse(&format!("its length must be a number from 0 to {most}")))?
        }
    };
    IpNet::new(address.0, length).map_err(|error| refuse(&error.to_string()))
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for Prefix {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl FromStr for Prefix {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        read(text).map(|net| Self(net.trunc()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    /// Any prefix of both families, but those of mapped IPv4 addresses.
    fn any_prefix() -> impl Strategy<Value = Prefix> {
        (any::<bool>(), any::<u128>(), 0u8..=128).prop_map(|(v4, bits, length)| {
            let address = if v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6((bits | 1 << 127).into()) };
            Prefix::around(Address(address), if v4 { length % 33 } else { length.max(1) }).unwrap()
        })
    }

    proptest! {
        #[test]
        fn every_prefix_reads_back(prefix in any_prefix()) {
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
            prop_assert_eq!(Prefix::exact(&prefix.to_string()).unwrap(), prefix);
            let json = serde_json::to_string(&prefix).unwrap();
            prop_assert_eq!(serde_json::from_str::<Prefix>(&json).unwrap(), prefix);
        }

        #[test]
        fn an_address_is_where_its_bits_say(one in any_prefix(), other in any_prefix()) {
            let inside = other.network().family() == one.family()
                && Prefix::around(other.network(), one.length()).unwrap() == one;
            prop_assert_eq!(one.contains(other.network().0), inside);
            prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
            prop_assert!(!one.covers(&other) || one.overlaps(&other));
        }

        #[test]
        fn subnets_fill_their_prefix(prefix in any_prefix(), deeper in 0u8..10) {
            let Ok(parts) = prefix.subnets(i64::from(prefix.length() + deeper)) else { return Ok(()) };
            prop_assert_eq!(parts.len(), 1 << deeper);
            prop_assert_eq!(parts[0].network(), prefix.network());
            prop_assert!(parts.iter().all(|part| prefix.covers(part)) && parts.is_sorted());
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
    fn bits_of_a_host_are_refused_where_they_are_a_slip() {
        assert_eq!(Prefix::exact("10.0.0.0/8").unwrap(), prefix("10.0.0.0/8"));
        assert_eq!(Prefix::exact("10.0.0.1").unwrap(), prefix("10.0.0.1/32"));
        let fault = Prefix::exact("10.1.2.3/8").unwrap_err();
        assert_eq!(fault.to_string(), "cannot use \"10.1.2.3/8\" as a prefix: bits are set behind the first 8");
        assert_eq!(fault.hint.unwrap(), "write \"10.0.0.0/8\" for the network, \"10.1.2.3\" for the host");
    }

    #[test]
    fn prefixes_are_in_the_order_of_their_addresses() {
        let sorted = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/24",
            "10.0.1.0/24",
            "255.255.255.255/32",
            "::/0",
            "2001:db8::/32",
            "2001:db8::/48",
            "fe80::/10",
        ];
        let prefixes = sorted.map(|text| text.parse::<Prefix>().unwrap());
        assert!(prefixes.is_sorted() && prefixes.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn a_prefix_knows_its_parts() {
        let lan = prefix("192.0.2.0/29");
        let shown = |all: Vec<Address>| all.iter().map(Address::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(lan.hosts().unwrap()), "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6");
        assert_eq!(shown(prefix("192.0.2.4/31").hosts().unwrap()), "192.0.2.4 192.0.2.5");
        assert_eq!(shown(prefix("192.0.2.4").hosts().unwrap()), "192.0.2.4");
        assert_eq!((lan.netmask().to_string(), lan.broadcast().unwrap().to_string()), ("255.255.255.248".into(), "192.0.2.7".into()));
        assert_eq!(prefix("2001:db8::/64").broadcast(), None);
        assert_eq!(prefix("10.0.0.0/16").hosts().unwrap().len(), 65_534);
        assert_eq!(prefix("10.0.0.0/8").hosts().unwrap_err().why, "it has 2^24 addresses, and 65536 are the most");
        assert_eq!(prefix("::/0").subnets(64).unwrap_err().why, "there are 2^64, and 65536 are the most");
        for length in [28, 33, -1, i64::MAX] {
            assert!(lan.subnets(length).is_err(), "{length}");
        }
    }
}
