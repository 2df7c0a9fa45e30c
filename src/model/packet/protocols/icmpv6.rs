//! Messages about IPv6 (RFC 4443), with the discovery of neighbours (RFC 4861).

use std::net::{IpAddr, Ipv6Addr};

use super::{dns, number, told};
use crate::model::Fault;
use crate::model::packet::bits;
use crate::model::packet::defect::Defect;
use crate::model::packet::dissect::{Next, Step};
use crate::model::packet::field::{Field, Form, Names};
use crate::model::packet::options::{self, Raw, Style};
use crate::model::packet::protocol::{Part, Protocol};
use crate::model::packet::protocols::icmp::EXCEEDED_CODES;
use crate::model::packet::protocols::ipv6::IPV6;
use crate::model::packet::value::{Mac, Value};

/// Names of the types, as ip6tables(8) has them.
pub const TYPES: Names = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "router-solicitation"),
    (134, "router-advertisement"),
    (135, "neighbour-solicitation"),
    (136, "neighbour-advertisement"),
    (137, "redirect"),
    (143, "mld2-listener-report"),
    (135, "neighbor-solicitation"),
    (136, "neighbor-advertisement"),
];
const UNREACHABLE_CODES: Names = &[
    (0, "no-route"),
    (1, "communication-prohibited"),
    (2, "beyond-scope"),
    (3, "address-unreachable"),
    (4, "port-unreachable"),
    (5, "failed-policy"),
    (6, "reject-route"),
];
const PROBLEM_CODES: Names = &[(0, "bad-header"), (1, "unknown-header-type"), (2, "unknown-option")];

const TYPE: Field = Field::of("type", 0, 8, Form::Named(TYPES));
const CODE: Field = Field::number("code", 8, 8);
const SUM: Field = Field::checksum(16);
const TARGET: Field = Field::of("target", 64, 128, Form::V6);
const RESERVED: Field = Field::of("reserved", 32, 32, Form::Hex);
const ECHO: &[Field] = &[TYPE, CODE, SUM, Field::number("id", 32, 16), Field::number("seq", 48, 16)];
const TOO_BIG: &[Field] = &[TYPE, CODE, SUM, Field::number("mtu", 32, 32)];
const PROBLEM: &[Field] = &[TYPE, Field::of("code", 8, 8, Form::Named(PROBLEM_CODES)), SUM, Field::number("pointer", 32, 32)];
const UNREACHABLE: &[Field] = &[TYPE, Field::of("code", 8, 8, Form::Named(UNREACHABLE_CODES)), SUM, Field::of("rest", 32, 32, Form::Hex)];
const EXCEEDED: &[Field] = &[TYPE, Field::of("code", 8, 8, Form::Named(EXCEEDED_CODES)), SUM, Field::of("rest", 32, 32, Form::Hex)];
/// Those of the discovery of listeners (RFC 2710).
const LISTENER: &[Field] = &[
    TYPE,
    CODE,
    SUM,
    Field::number("max_response_delay", 32, 16),
    Field::number("reserved", 48, 16),
    Field::of("group", 64, 128, Form::V6),
];
const REPORT: &[Field] = &[TYPE, CODE, SUM, Field::number("reserved", 32, 16), Field::number("record_count", 48, 16)];
const SOLICIT_ROUTER: &[Field] = &[TYPE, CODE, SUM, RESERVED];
const ADVERTISE_ROUTER: &[Field] = &[
    TYPE,
    CODE,
    SUM,
    Field::number("hop_limit", 32, 8),
    Field::of("flags", 40, 8, Form::Flags(&["managed", "other", "home-agent", "preference-high", "preference-low", "proxy", "-", "-"])),
    Field::number("lifetime", 48, 16),
    Field::number("reachable_time", 64, 32),
    Field::number("retransmit_timer", 96, 32),
];
const SOLICIT: &[Field] = &[TYPE, CODE, SUM, RESERVED, TARGET];
const ADVERTISE: &[Field] = &[
    TYPE,
    CODE,
    SUM,
    Field::of("flags", 32, 3, Form::Flags(&["router", "solicited", "override"])),
    Field::number("reserved", 35, 29),
    TARGET,
];
const REDIRECT: &[Field] = &[TYPE, CODE, SUM, RESERVED, TARGET, Field::of("destination", 192, 128, Form::V6)];
const OTHER: &[Field] = &[TYPE, CODE, SUM, Field::of("rest", 32, 32, Form::Hex)];

/// The length of the fixed part of a message.
fn fixed(kind: u8) -> usize {
    match kind {
        134 => 16,
        130..=132 | 135 | 136 => 24,
        137 => 40,
        _ => 8,
    }
}

/// Tells whether options follow.
fn has_options(kind: u8) -> bool {
    (133..=137).contains(&kind)
}

/// Messages about IPv6.
pub static ICMPV6: Protocol = Protocol {
    name: "icmpv6",
    title: "Internet Control Message Protocol for IPv6",
    fields: |header| match header.first() {
        Some(128 | 129) | None => ECHO,
        Some(1) => UNREACHABLE,
        Some(2) => TOO_BIG,
        Some(3) => EXCEEDED,
        Some(4) => PROBLEM,
        Some(130..=132) => LISTENER,
        Some(143) => REPORT,
        Some(133) => SOLICIT_ROUTER,
        Some(134) => ADVERTISE_ROUTER,
        Some(135) => SOLICIT,
        Some(136) => ADVERTISE,
        Some(137) => REDIRECT,
        Some(_) => OTHER,
    },
    parts: &[Part { name: "options", is_one: false, read, write }],
    switches: &[],
    blank: |draft| {
        let kind = draft.first(&TYPE, 128);
        let mut header = vec![0; fixed(kind)];
        header[0] = kind;
        header
    },
    walk: |bytes, walk| {
        let kind = *bytes.first().ok_or_else(|| Defect::truncated("icmpv6", 8, 0))?;
        let fixed = fixed(kind);
        if bytes.len() < fixed {
            return Err(Defect::truncated("icmpv6", fixed, bytes.len()));
        }
        let quotes = kind < 128 && (1..=4).contains(&kind) && bytes.len() > fixed;
        walk.quoted |= quotes;
        let header = if has_options(kind) { bytes.len() } else { fixed };
        Ok(Step { header, end: bytes.len(), next: if quotes { Next::Layer(&IPV6) } else { Next::Payload } })
    },
    complete: |around| around.fill_checksum(),
    summary: |header| {
        let kind = number(&ICMPV6, header, "type");
        let name = TYPES.iter().find(|(known, _)| *known == kind).map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned());
        match kind {
            128 | 129 => format!("icmpv6 {name} id {} seq {}", told(&ICMPV6, header, "id"), told(&ICMPV6, header, "seq")),
            135..=137 => format!("icmpv6 {name} {}", told(&ICMPV6, header, "target")),
            2 => format!("icmpv6 {name} mtu {}", told(&ICMPV6, header, "mtu")),
            _ => format!("icmpv6 {name} {}", super::code(&ICMPV6, header)),
        }
    },
};

const PARTS: &[&str] =
    &["address", "prefix", "length", "flags", "valid", "preferred", "value", "lifetime", "servers", "preference", "domains"];
const OPTIONS: Style = Style { layer: "icmpv6", single: &[], end: None, unit: 8, uncounted: 0, parts: PARTS };
const NAMES: &[(u8, &str)] = &[
    (1, "source-link-address"),
    (2, "target-link-address"),
    (3, "prefix"),
    (4, "redirected-header"),
    (5, "mtu"),
    (14, "nonce"),
    (24, "route"),
    (25, "dns-servers"),
    (31, "dns-search"),
];
const PREFIX_FLAGS: Field = Field::of("flags", 8, 3, Form::Flags(&["on-link", "autonomous", "router-address"]));
/// How much better than others a way is (RFC 4191).
const PREFERENCE: Field = Field::of("preference", 11, 2, Form::Named(&[(0, "medium"), (1, "high"), (3, "low")]));

fn read(header: &[u8]) -> (Vec<Value>, Vec<Defect>) {
    let Some(kind) = header.first().filter(|kind| has_options(**kind)) else { return Default::default() };
    let (found, defects) = OPTIONS.split(header.get(fixed(*kind)..).unwrap_or_default());
    (found.iter().map(tell).collect(), defects)
}

fn tell(raw: &Raw<'_>) -> Value {
    let name = NAMES.iter().find(|(kind, _)| *kind == raw.kind).map(|(_, name)| *name);
    let at = |start: usize, width: usize| bits::read(raw.value, start, width).map(Value::Number);
    let address = |bytes: &[u8]| bytes.first_chunk::<16>().map(|bytes| Value::Address(IpAddr::V6(Ipv6Addr::from(*bytes))));
    let parts = match raw.kind {
        1 | 2 => raw.value.as_array::<6>().map(|bytes| vec![("address", Value::Mac(Mac(*bytes)))]),
        3 => (|| {
            let prefix = address(raw.value.get(14..)?)?;
            let lifetimes = (at(16, 32)?, at(48, 32)?);
            let flags = PREFIX_FLAGS.read(raw.value)?;
            Some(vec![("prefix", prefix), ("length", at(0, 8)?), ("flags", flags), ("valid", lifetimes.0), ("preferred", lifetimes.1)])
        })(),
        5 => at(16, 32).map(|mtu| vec![("value", mtu)]),
        24 => (|| {
            let (mut prefix, given) = ([0; 16], raw.value.get(6..)?);
            // As much of the prefix as there is; the rest is zero.
            prefix.get_mut(..given.len())?.copy_from_slice(given);
            let prefix = Value::Address(IpAddr::V6(Ipv6Addr::from(prefix)));
            Some(vec![("prefix", prefix), ("length", at(0, 8)?), ("preference", PREFERENCE.read(raw.value)?), ("lifetime", at(16, 32)?)])
        })(),
        25 => at(16, 32).map(|lifetime| {
            let servers = raw.value.get(6..).unwrap_or_default().as_chunks::<16>().0.iter().filter_map(|bytes| address(bytes)).collect();
            vec![("lifetime", lifetime), ("servers", Value::List(servers))]
        }),
        31 => at(16, 32)
            .zip(domains(raw.value.get(6..).unwrap_or_default()))
            .map(|(lifetime, domains)| vec![("lifetime", lifetime), ("domains", domains)]),
        _ => None,
    };
    parts.map_or_else(|| options::opaque(raw.kind, name, raw.value), |parts| options::told(raw.kind, name, parts))
}

/// Reads names one behind the other, up to the first that is empty.
fn domains(bytes: &[u8]) -> Option<Value> {
    let (mut at, mut names) = (0, Vec::new());
    while bytes.get(at).is_some_and(|length| *length > 0) {
        let (name, behind) = dns::name::read(bytes, at).ok()?;
        names.push(Value::Text(name));
        at = behind;
    }
    Some(Value::List(names))
}

fn write(list: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for option in list {
        let (kind, _) = OPTIONS.kind(option, NAMES)?;
        let refuse = |why: &str| Fault::input(format!("use {option} as an option of icmpv6"), why);
        let or = |part: &str, most: u64, default: u64| option.part(part).map_or(Ok(default), |_| options::number(option, part, most));
        let address = |value: Option<&Value>| match value.and_then(Value::address) {
            Some(IpAddr::V6(address)) => Ok(address.octets()),
            _ => Err(refuse("an IPv6 address is wanted")),
        };
        let value = match kind {
            _ if option.part("data").is_some() => options::data(option)?,
            1 | 2 => option.part("address").and_then(Value::mac).ok_or_else(|| refuse("`address` is a link address"))?.0.to_vec(),
            3 => {
                let mut value = vec![0; 14];
                value[0] = or("length", 128, 64)? as u8;
                PREFIX_FLAGS.write(&mut value, option.part("flags").unwrap_or(&Value::text("on-link,autonomous")))?;
                value[2..6].copy_from_slice(&(or("valid", u32::MAX.into(), u32::MAX.into())? as u32).to_be_bytes());
                value[6..10].copy_from_slice(&(or("preferred", u32::MAX.into(), u32::MAX.into())? as u32).to_be_bytes());
                value.extend(address(option.part("prefix"))?);
                value
            }
            5 => [&[0, 0][..], &(options::number(option, "value", u32::MAX.into())? as u32).to_be_bytes()].concat(),
            25 => {
                let mut value = vec![0, 0];
                value.extend((or("lifetime", u32::MAX.into(), 1800)? as u32).to_be_bytes());
                let Some(Value::List(servers)) = option.part("servers") else { return Err(refuse("`servers` is a list of addresses")) };
                for server in servers {
                    value.extend(address(Some(server))?);
                }
                value
            }
            24 => {
                let length = or("length", 128, 64)? as u8;
                let mut value = vec![length, 0];
                PREFERENCE.write(&mut value, option.part("preference").unwrap_or(&Value::Number(0)))?;
                value.extend((or("lifetime", u32::MAX.into(), 1800)? as u32).to_be_bytes());
                // A prefix takes as many units of eight bytes as its length needs (RFC 4191, 2.3).
                let room = usize::from(length.div_ceil(64)) * 8;
                value.extend(&address(option.part("prefix"))?[..room]);
                value
            }
            31 => {
                let mut value = vec![0, 0];
                value.extend((or("lifetime", u32::MAX.into(), 1800)? as u32).to_be_bytes());
                let Some(Value::List(names)) = option.part("domains") else { return Err(refuse("`domains` is a list of names")) };
                for name in names {
                    value.extend(dns::name::write(Some(name))?);
                }
                value.resize((value.len() + 2).next_multiple_of(8) - 2, 0);
                value
            }
            _ => Vec::new(),
        };
        OPTIONS.write(&mut bytes, option, kind, &value)?;
    }
    Ok(bytes)
}
