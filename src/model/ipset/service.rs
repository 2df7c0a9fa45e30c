//! A port of a protocol, or the type of an ICMP message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::near::did_you_mean;
use crate::model::{Family, Fault};

/// A protocol with a port. For ICMP the port is type and code of the message, for protocols without ports it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// The number of the protocol.
    pub protocol: u8,
    /// The port, or `type << 8 | code`.
    pub port: u16,
}

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;

/// The protocols that are written by name, in the words of /etc/protocols; all others are written as numbers.
const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", TCP),
    ("udp", 17),
    ("sctp", 132),
    ("udplite", 136),
    ("icmp", ICMP),
    ("ipv6-icmp", ICMP6),
    ("icmpv6", ICMP6),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("igmp", 2),
    ("ospf", 89),
    ("vrrp", 112),
    ("dccp", 33),
];
/// The protocols with ports: tcp, udp, sctp, udplite.
const WITH_PORTS: &[u8] = &[TCP, 17, 132, 136];

/// The messages of ICMP that ipset(8) knows by name: type and code (RFC 792, RFC 1812).
const MESSAGES: &[(&str, u8, u8)] = &[
    ("echo-reply", 0, 0),
    ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("protocol-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("fragmentation-needed", 3, 4),
    ("source-route-failed", 3, 5),
    ("network-unknown", 3, 6),
    ("host-unknown", 3, 7),
    ("network-prohibited", 3, 9),
    ("host-prohibited", 3, 10),
    ("TOS-network-unreachable", 3, 11),
    ("TOS-host-unreachable", 3, 12),
    ("communication-prohibited", 3, 13),
    ("host-precedence-violation", 3, 14),
    ("precedence-cutoff", 3, 15),
    ("source-quench", 4, 0),
    ("network-redirect", 5, 0),
    ("host-redirect", 5, 1),
    ("TOS-network-redirect", 5, 2),
    ("TOS-host-redirect", 5, 3),
    ("echo-request", 8, 0),
    ("router-advertisement", 9, 0),
    ("router-solicitation", 10, 0),
    ("ttl-zero-during-transit", 11, 0),
    ("ttl-zero-during-reassembly", 11, 1),
    ("ip-header-bad", 12, 0),
    ("required-option-missing", 12, 1),
    ("timestamp-request", 13, 0),
    ("timestamp-reply", 14, 0),
    ("address-mask-request", 17, 0),
    ("address-mask-reply", 18, 0),
];

/// The messages of ICMPv6 (RFC 4443, RFC 4861).
const MESSAGES6: &[(&str, u8, u8)] = &[
    ("no-route", 1, 0),
    ("communication-prohibited", 1, 1),
    ("address-unreachable", 1, 3),
    ("port-unreachable", 1, 4),
    ("packet-too-big", 2, 0),
    ("ttl-zero-during-transit", 3, 0),
    ("ttl-zero-during-reassembly", 3, 1),
    ("bad-header", 4, 0),
    ("unknown-header-type", 4, 1),
    ("unknown-option", 4, 2),
    ("echo-request", 128, 0),
    ("echo-reply", 129, 0),
    ("router-solicitation", 133, 0),
    ("router-advertisement", 134, 0),
    ("neighbour-solicitation", 135, 0),
    ("neighbour-advertisement", 136, 0),
    ("redirect", 137, 0),
];

fn messages(protocol: u8) -> Option<&'static [(&'static str, u8, u8)]> {
    match protocol {
        ICMP => Some(MESSAGES),
        ICMP6 => Some(MESSAGES6),
        _ => None,
    }
}

fn refuse(text: &str, why: &str) -> Fault {
    Fault::input(format!("use {text:?} as a port of a set"), why)
}

/// Reads a port, or a range of ports written `first-last`.
pub(super) fn ports(text: &str) -> Result<(u16, u16), Fault> {
    let port = |digits: &str| -> Result<u16, Fault> {
        let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let hint = "names are not looked up, and a range is written first-last";
        digits.parse().ok().filter(|_| plain).ok_or_else(|| refuse(text, "a port is a number from 0 to 65535").hint(hint))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last { Err(refuse(text, "the range is the wrong way round")) } else { Ok((first, last)) }
}

impl Service {
    /// Reads `[proto:]port`, `proto:first-last`, `icmp:echo-request`, `icmp:8/0` or `gre:0`, and gives every port that is meant.
    pub fn expand(text: &str, family: Option<Family>) -> Result<Vec<Service>, Fault> {
        let (protocol, rest) = match text.split_once(':') {
            Some((name, rest)) => (protocol(text, name)?, rest),
            None => (TCP, text),
        };
        if let Some(wrong) = [(ICMP, Family::V6), (ICMP6, Family::V4)].iter().find(|(p, f)| *p == protocol && Some(*f) == family) {
            return Err(refuse(text, &format!("no such message is in {}", wrong.1)));
        }
        if let Some(known) = messages(protocol) {
            return message(text, rest, known).map(|port| vec![Service { protocol, port }]);
        }
        let (first, last) = ports(rest).map_err(|fault| Fault { tried: refuse(text, "").tried, ..fault })?;
        if last > 0 && !WITH_PORTS.contains(&protocol) {
            return Err(refuse(text, "the protocol has no ports").hint("write 0 as its port"));
        }
        Ok((first..=last).map(|port| Service { protocol, port }).collect())
    }
}

fn protocol(text: &str, name: &str) -> Result<u8, Fault> {
    let number = name.parse().ok().filter(|n| *n > 0 && name.len() <= 3 && name.bytes().all(|b| b.is_ascii_digit()));
    let named = PROTOCOLS.iter().find(|(known, _)| *known == name.to_ascii_lowercase()).map(|(_, number)| *number);
    number.or(named).ok_or_else(|| {
        let fault = refuse(text, &format!("the protocol {name:?} is not known"));
        fault.hint(did_you_mean(name, PROTOCOLS.iter().map(|(known, _)| *known)).unwrap_or_else(|| "write its number".into()))
    })
}

/// Reads the name of a message, or `type/code`.
fn message(text: &str, word: &str, known: &[(&str, u8, u8)]) -> Result<u16, Fault> {
    let digits = |word: &str| word.parse::<u8>().ok().filter(|_| word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit()));
    let numbers = word.split_once('/').and_then(|(kind, code)| Some((digits(kind)?, digits(code)?)));
    let named = known.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word)).map(|(_, kind, code)| (*kind, *code));
    let (kind, code) = numbers.or(named).ok_or_else(|| {
        let fault = refuse(text, "it is neither the name of a message nor its type/code");
        fault.hint(did_you_mean(word, known.iter().map(|(name, ..)| *name)).unwrap_or_else(|| "write it as 8/0".into()))
    })?;
    Ok(u16::from(kind) << 8 | u16::from(code))
}

impl FromStr for Service {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match Self::expand(text, None)?[..] {
            [one] => Ok(one),
            _ => Err(refuse(text, "it is a range")),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(_, number)| *number == self.protocol) {
            Some((name, _)) => write!(f, "{name}:")?,
            None => write!(f, "{}:", self.protocol)?,
        }
        let Some(known) = messages(self.protocol) else { return write!(f, "{}", self.port) };
        let [kind, code] = self.port.to_be_bytes();
        match known.iter().find(|(_, k, c)| (*k, *c) == (kind, code)) {
            Some((name, ..)) => f.write_str(name),
            None => write!(f, "{kind}/{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn services_are_strict() {
        for (text, shown) in [
            ("80", "tcp:80"),
            ("TCP:80", "tcp:80"),
            ("17:53", "udp:53"),
            ("icmp:8/0", "icmp:echo-request"),
            ("icmp:77/3", "icmp:77/3"),
            ("icmpv6:135/0", "ipv6-icmp:neighbour-solicitation"),
            ("gre:0", "gre:0"),
            ("200:0", "200:0"),
        ] {
            assert_eq!(text.parse::<Service>().unwrap().to_string(), shown);
        }
        for text in
            ["", ":", "http", "tcp:", "tcp:65536", "0:0", "256:0", "gre:3", "icmp:256/0", "icmp:8", "80-81", "tcp:-1", "+6:80", "tcp:1:2"]
        {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
        assert_eq!(Service::expand("udp:5-7", None).unwrap().len(), 3);
        assert!(Service::expand("7-5", None).is_err());
        assert!(Service::expand("icmp:8/0", Some(Family::V6)).is_err() && Service::expand("icmpv6:1/0", Some(Family::V4)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(protocol in 1u8.., port: u16) {
            let port = if WITH_PORTS.contains(&protocol) || messages(protocol).is_some() { port } else { 0 };
            let service = Service { protocol, port };
            prop_assert_eq!(service.to_string().parse::<Service>().unwrap(), service);
        }
    }
}
