//! Addresses of hosts, of both families.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Family, Fault};

/// An IPv4 or IPv6 address. IPv4 comes before IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub IpAddr);

impl Address {
    /// Gives the family.
    pub fn family(self) -> Family {
        if self.0.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Gives the address so many places further on; back for a negative number.
    pub fn offset(self, places: i64) -> Result<Self, Fault> {
        let moved = match self.0 {
            IpAddr::V4(v4) => {
                let to = i64::from(v4.to_bits()).checked_add(places).and_then(|bits| u32::try_from(bits).ok());
                to.map(|bits| IpAddr::V4(bits.into()))
            }
            IpAddr::V6(v6) => v6.to_bits().checked_add_signed(places.into()).map(|bits| IpAddr::V6(bits.into())),
        };
        moved.map(Self).ok_or_else(|| Fault::input(format!("add {places} to {self}"), format!("{} has no such address", self.family())))
    }

    /// Tells how many places lie between another address and this one; negative where the other comes later.
    pub fn distance(self, from: Self) -> Result<i64, Fault> {
        let refuse = |why: &str| Fault::input(format!("take {from} from {self}"), why);
        let bits = match (self.0, from.0) {
            (IpAddr::V4(to), IpAddr::V4(from)) => Some(i128::from(to.to_bits()) - i128::from(from.to_bits())),
            (IpAddr::V6(to), IpAddr::V6(from)) => to.to_bits().checked_signed_diff(from.to_bits()),
            _ => return Err(refuse("they are of two families")),
        };
        bits.and_then(|bits| i64::try_from(bits).ok()).ok_or_else(|| refuse("the distance is no number of 64 bits"))
    }

    /// Tells whether it is for private networks: RFC 1918, and the unique local addresses of RFC 4193.
    pub fn is_private(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        }
    }

    /// Tells whether it is valid on its link only: RFC 3927, RFC 4291.
    pub fn is_link_local(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        }
    }
}

impl FromStr for Address {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str, hint: &str| Fault::input(format!("use {text:?} as an address"), why).hint(hint);
        match text.parse() {
            Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
                Err(refuse("an IPv4-mapped IPv6 address never stands in a packet", "write the IPv4 address"))
            }
            Ok(address) => Ok(Self(address)),
            Err(_) if text.contains('/') => Err(refuse("it has a length", "a range of addresses is a `prefix(..)`")),
            Err(_) => Err(refuse(
                "it is neither four decimal numbers nor an IPv6 address",
                "names are not looked up: a run and its plan could differ",
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_address_reads_back(v4: bool, bits: u128) {
            let address = Address(if v4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6((bits | 1 << 127).into()) });
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }

        #[test]
        fn there_and_back_is_nowhere(bits: u64, places in -1_000_000_000_000i64..1_000_000_000_000) {
            let from = Address(IpAddr::V6((u128::from(bits) | 1 << 127).into()));
            let to = from.offset(places).unwrap();
            prop_assert_eq!((to.distance(from).unwrap(), to.offset(-places).unwrap()), (places, from));
        }
    }

    #[test]
    fn addresses_are_strict() {
        for text in
            ["1.2.3", "010.0.0.1", "0x7f000001", "1.2.3.4/8", "::ffff:1.2.3.4", "fe80::1%eth0", "example.org", "", " 1.2.3.4", "[::1]"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert_eq!("1.2.3.4/8".parse::<Address>().unwrap_err().hint.unwrap(), "a range of addresses is a `prefix(..)`");
    }

    #[test]
    fn addresses_are_counted_with() {
        assert_eq!(address("10.0.0.255").offset(1).unwrap(), address("10.0.1.0"));
        assert_eq!(address("2001:db8::1").offset(-2).unwrap(), address("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"));
        for (text, places) in [("255.255.255.255", 1), ("0.0.0.0", -1), ("::", -1), ("1.2.3.4", i64::MAX), ("1.2.3.4", i64::MIN)] {
            assert!(address(text).offset(places).is_err(), "{text}");
        }
        assert_eq!(address("10.0.1.0").distance(address("10.0.0.0")).unwrap(), 256);
        assert!(address("::1").distance(address("10.0.0.0")).is_err() && address("2001:db8::").distance(address("::")).is_err());
        assert!(address("9.255.255.255") < address("10.0.0.0") && address("255.0.0.0") < address("::"));
    }

    #[test]
    fn addresses_know_what_they_are_for() {
        let of = |text: &str| (address(text).is_private(), address(text).is_link_local());
        assert_eq!([of("10.1.2.3"), of("172.32.0.1"), of("169.254.1.1")], [(true, false), (false, false), (false, true)]);
        assert_eq!([of("fd00::1"), of("fe80::1"), of("2001:db8::1")], [(true, false), (false, true), (false, false)]);
    }
}
