//! A filter, as scripts write it: a map.

use super::{Expr, Filter, KEYS, Side, Test};
use crate::model::near::did_you_mean;
use crate::model::net::Ports;
use crate::model::packet::Value;
use crate::model::packet::numbers::{ETHERTYPE_NAMES, PROTOCOL_NAMES};
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// The names of what tcpdump has as protocols of its own, with what they are.
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

impl Filter {
    /// Reads the entries of a map.
    pub fn read(map: &[(String, Value)]) -> Result<Self, Fault> {
        let vlan = map.iter().find(|(key, _)| key == "vlan").map(|(_, value)| vlan(value)).transpose()?.flatten();
        let parts = map.iter().filter(|(key, _)| key != "vlan").map(|(key, value)| part(key, value)).collect::<Result<_, _>>()?;
        Ok(Self { expr: Expr::All(parts), vlan })
    }
}

/// Reads an entry of the map.
fn part(key: &str, value: &Value) -> Result<Expr, Fault> {
    let host = |side| any(key, value, |one| Ok(Expr::Is(Test::Host(side, prefix(key, one)?))));
    let port = |side| any(key, value, |one| ports(side, key, one));
    match key {
        "host" | "net" => host(Side::Either),
        "src" => host(Side::Src),
        "dst" => host(Side::Dst),
        "port" => port(Side::Either),
        "sport" => port(Side::Src),
        "dport" => port(Side::Dst),
        "proto" => any(key, value, protocol),
        "family" => any(key, value, |one| match one {
            Value::Text(name) => name.parse().map(|family| Expr::Is(Test::Ethertype(ethertype(family)))),
            other => Err(refuse(key, other, "it is neither \"ipv4\" nor \"ipv6\"")),
        }),
        "not" => match value {
            Value::Map(parts) if parts.iter().any(|(key, _)| key == "vlan") => {
                Err(refuse(key, value, "a tag is asked for at the outside only"))
            }
            Value::Map(parts) => Ok(Expr::Not(Box::new(Filter::read(parts)?.expr))),
            other => Err(refuse(key, other, "it is a filter itself: `not: #{ port: 22 }`")),
        },
        odd => {
            let fault = Fault::input(format!("filter packets by `{odd}`"), "there is no such key");
            Err(fault.hint(did_you_mean(odd, KEYS).unwrap_or_else(|| format!("the keys are {}", KEYS.join(", ")))))
        }
    }
}

fn refuse(key: &str, value: &Value, why: &str) -> Fault {
    Fault::input(format!("filter packets by `{key}: {value}`"), why)
}

/// Reads one value, or several as a list or with commas, of which one is to be so.
fn any(key: &str, value: &Value, read: impl Fn(&Value) -> Result<Expr, Fault>) -> Result<Expr, Fault> {
    match value {
        Value::List(none) if none.is_empty() => Err(refuse(key, value, "the list is empty, and no packet would be meant")),
        Value::List(list) => list.iter().map(read).collect::<Result<_, _>>().map(Expr::Any),
        Value::Text(text) if text.contains(',') => {
            text.split(',').map(|part| read(&Value::text(part.trim()))).collect::<Result<_, _>>().map(Expr::Any)
        }
        one => read(one),
    }
}

fn prefix(key: &str, value: &Value) -> Result<Prefix, Fault> {
    match value {
        Value::Address(address) => Ok(Prefix::new(*address, Prefix::bits(*address))),
        Value::Text(text) => Prefix::exact(text),
        other => Err(refuse(key, other, "it is neither an address nor a prefix")),
    }
}

/// Reads a port or a range.
fn ports(side: Side, key: &str, value: &Value) -> Result<Expr, Fault> {
    let expr = |ports| Expr::Is(Test::Port(side, ports));
    match value {
        Value::Number(number) => {
            let number = i64::try_from(*number).unwrap_or(i64::MAX);
            Ports::new(number, number).map(expr)
        }
        Value::Text(text) => Ports::either(text).map(expr),
        other => Err(refuse(key, other, "it is no port, no range and no set of ports")),
    }
}

fn protocol(value: &Value) -> Result<Expr, Fault> {
    let of_ip = |family, number| Ok(Expr::Is(Test::Protocol(family, number)));
    let number = |name: &str| PROTOCOL_NAMES.iter().find(|(_, known)| *known == name).and_then(|(number, _)| u8::try_from(*number).ok());
    match value {
        Value::Number(number) => {
            u8::try_from(*number).map_or_else(|_| Err(refuse("proto", value, "it is a number from 0 to 255")), |number| of_ip(None, number))
        }
        Value::Text(name) => match name.as_str() {
            "icmp" => of_ip(Some(Family::V4), ICMP),
            "icmpv6" => of_ip(Some(Family::V6), ICMPV6),
            "ipv4" | "ipv6" => Err(refuse("proto", value, "that is a family").hint(format!("family: \"{name}\""))),
            _ => {
                let ethertype = ETHERTYPE_NAMES.iter().find(|(_, known)| known == name).and_then(|(number, _)| u16::try_from(*number).ok());
                match (number(name).or_else(|| name.parse().ok()), ethertype) {
                    (Some(number), _) => of_ip(None, number),
                    (None, Some(ethertype)) => Ok(Expr::Is(Test::Ethertype(ethertype))),
                    (None, None) => {
                        let names = PROTOCOL_NAMES.iter().chain(ETHERTYPE_NAMES).map(|(_, name)| *name);
                        let fault = refuse("proto", value, "there is no such protocol");
                        Err(did_you_mean(name, names).into_iter().fold(fault, Fault::hint))
                    }
                }
            }
        },
        other => Err(refuse("proto", other, "it is neither a name nor a number")),
    }
}

fn ethertype(family: Family) -> u16 {
    match family {
        Family::V4 => 0x0800,
        Family::V6 => 0x86dd,
    }
}

/// Reads whether a tag is wanted, and which one; `false` asks for nothing.
fn vlan(value: &Value) -> Result<Option<Option<u16>>, Fault> {
    match value {
        // True and false are numbers by now: 1 as the number of a network has to be written as text.
        Value::Number(0) => Ok(None),
        Value::Number(1) => Ok(Some(None)),
        Value::Text(any) if any == "any" => Ok(Some(None)),
        other => match other.number().and_then(|id| u16::try_from(id).ok()).filter(|id| *id < 4096) {
            Some(id) => Ok(Some(Some(id))),
            None => Err(refuse("vlan", other, "it is true, \"any\", or a number from 0 to 4095")),
        },
    }
}
