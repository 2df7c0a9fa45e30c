//! The protocols, one file each.

pub mod arp;
pub mod cooked;
pub mod dns;
pub mod ethernet;
pub mod extension;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;
pub mod udp;

use super::protocol::Protocol;
use super::value::Value;

/// Reads a number of a header.
fn number(protocol: &Protocol, header: &[u8], name: &str) -> u64 {
    protocol.read(header, name).and_then(|value| value.number()).unwrap_or_default()
}

/// Tells a field of a header.
fn told(protocol: &Protocol, header: &[u8], name: &str) -> String {
    let value: Option<Value> = protocol.read(header, name);
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Tells the code of an ICMP message by its name, or by its number.
fn code(protocol: &Protocol, header: &[u8]) -> String {
    let field = protocol.field(header, "code");
    let name = field.and_then(|field| field.name_of(&field.read(header)?));
    name.map_or_else(|| format!("code {}", told(protocol, header, "code")), str::to_owned)
}
