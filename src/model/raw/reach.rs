//! How far away an address is: packets that a script makes are not for the world unless its user says so.

use std::net::IpAddr;

use super::{Outgoing, Way};
use crate::model::address::Address;
use crate::model::fault::Kind;
use crate::model::packet::protocols::ipv6::ROUTING;
use crate::model::packet::{First, Layer, Packet, Value, numbers};
use crate::model::{Family, Fault};

/// The option in which routers write down which way a packet came.
const RECORD_ROUTE: &str = "record-route";

/// Tells whether packets to an address stay on this host, on its links, or in private networks: loopback, RFC 1918, unique local addresses (RFC 4193),
/// link-local addresses, the limited broadcast, and groups that no router passes on.
pub fn is_near(address: IpAddr) -> bool {
    let near = Address(address).is_private() || Address(address).is_link_local() || address.is_loopback() || address.is_unspecified();
    near || match address {
        // 224.0.0.0/24 (RFC 5771, 4), and what is administratively scoped (RFC 2365).
        IpAddr::V4(v4) => v4.is_broadcast() || matches!(v4.octets(), [224, 0, 0, _] | [239, ..]),
        // The scope of a group is in its second byte: up to that of the site (RFC 7346).
        IpAddr::V6(v6) => v6.is_multicast() && v6.octets()[1] & 15 <= 5,
    }
}

/// Finds where a packet goes: the addresses of its IP layers that a router reads.
pub fn destination(packet: &Packet) -> Option<IpAddr> {
    let found = packet.layers();
    let layer = found.layers.iter().find(|layer| ["ipv4", "ipv6"].contains(&layer.protocol.name))?;
    layer.read(&packet.bytes, "dst")?.address()
}

/// Finds everywhere a packet goes: to its destination, and to the stops that a source route (RFC 791, 3.1) or a routing header (RFC 8200, 4.4) names.
pub fn stops(packet: &Packet) -> Vec<IpAddr> {
    let found = packet.layers();
    let listed = |layer: &Layer, name: &str| match layer.read(&packet.bytes, name) {
        Some(Value::List(list)) => list,
        _ => Vec::new(),
    };
    let on_the_way = found.layers.iter().flat_map(|layer| match layer.protocol.name {
        "ipv4" => listed(layer, "options").iter().flat_map(route).collect(),
        "routing" => listed(layer, "addresses"),
        _ => Vec::new(),
    });
    destination(packet).into_iter().chain(on_the_way.filter_map(|stop| stop.address())).collect()
}

/// Gives the stops of an option of IPv4; a recorded route is told and not gone.
fn route(option: &Value) -> Vec<Value> {
    match (option.part("kind"), option.part("route")) {
        (Some(Value::Text(kind)), _) if kind == RECORD_ROUTE => Vec::new(),
        (_, Some(Value::List(stops))) => stops.clone(),
        _ => Vec::new(),
    }
}

/// Finds everywhere what a socket is given goes: by what the kernel is told, and by what the bytes say themselves.
pub fn stops_of(outgoing: &Outgoing, way: &Way) -> Vec<IpAddr> {
    let first = match way {
        _ if outgoing.is_whole => Some(way.first()),
        Way::Raw { family: Family::V6, protocol, .. } if numbers::protocol_of(&ROUTING) == Some(*protocol) => Some(First::Layer(&ROUTING)),
        _ => None,
    };
    let inside = first.map(|first| stops(&Packet::new(outgoing.bytes.as_ref(), first))).unwrap_or_default();
    outgoing.to.into_iter().chain(inside).collect()
}

/// Makes the fault of a packet that would go too far.
pub fn too_far(to: IpAddr) -> Fault {
    let why = format!("packets that a script makes go to loopback, private and link-local addresses, and {to} is none of them");
    Fault::new(Kind::Permission, format!("send to {to}"), why).hint(
        "`--allow-public` before the name of the recipe sends it all the same; `fyke --sandbox` has a network where everything may be sent",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::packet::protocols::ipv4::IPV4;
    use crate::model::packet::protocols::ipv6::IPV6;
    use crate::model::packet::{Draft, Protocol, Stack};

    #[test]
    fn what_is_near_is_known() {
        let near = |text: &str| is_near(text.parse().unwrap());
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.9.9",
            "255.255.255.255",
            "224.0.0.251",
            "239.1.2.3",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "ff05::2",
        ] {
            assert!(near(text), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "192.0.2.1", "100.64.0.1", "224.0.1.1", "2001:db8::1", "2606::1", "ff0e::1"] {
            assert!(!near(text), "{text}");
        }
    }
    /// Gives where a packet goes whose layers are given, each with its parts.
    fn goes(layers: &[(&'static Protocol, &[(&str, Value)])]) -> Vec<String> {
        let draft = |(protocol, parts): &(&'static Protocol, &[(&str, Value)])| {
            Draft::new(protocol, parts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()).unwrap()
        };
        let stack = Stack { layers: layers.iter().map(draft).collect(), payload: Vec::new() };
        stops(&stack.build().unwrap()).iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn the_stops_on_the_way_count() {
        let address = |text: &str| Value::Address(text.parse().unwrap());
        let v4 = |kind: &str| {
            let option = Value::map([("kind", Value::text(kind)), ("route", Value::List(vec![address("8.8.8.8")]))]);
            goes(&[(&IPV4, &[("dst", address("10.0.0.1")), ("options", Value::List(vec![option]))])])
        };
        assert_eq!(v4("loose-source-route"), ["10.0.0.1", "8.8.8.8"]);
        assert_eq!(v4("strict-source-route"), ["10.0.0.1", "8.8.8.8"]);
        assert_eq!(v4("record-route"), ["10.0.0.1"]);
        let way = [("addresses", Value::List(vec![address("2606::1")]))];
        assert_eq!(goes(&[(&IPV6, &[("dst", address("fd00::1"))]), (&ROUTING, &way)]), ["fd00::1", "2606::1"]);
    }
}
