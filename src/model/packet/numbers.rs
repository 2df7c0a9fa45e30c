//! The numbers by which protocols know one another (IANA).

use super::dissect::Next;
use super::field::Names;
use super::protocol::Protocol;
use super::protocols::{arp, dns, ethernet, extension, icmp, icmpv6, ipv4, ipv6, tcp, udp};

/// What says that nothing follows.
pub const NO_NEXT_HEADER: u8 = 59;

/// What Ethernet carries, by its number.
const ETHERTYPES: [(u16, &Protocol); 6] = [
    (0x0800, &ipv4::IPV4),
    (0x86dd, &ipv6::IPV6),
    (0x0806, &arp::ARP),
    (0x8100, &ethernet::VLAN),
    (0x88a8, &ethernet::VLAN),
    // Two tags before there was a standard for it.
    (0x9100, &ethernet::VLAN),
];

/// What IP carries, by its number.
const PROTOCOLS: [(u8, &Protocol); 15] = [
    (1, &icmp::ICMP),
    (6, &tcp::TCP),
    (17, &udp::UDP),
    (58, &icmpv6::ICMPV6),
    (4, &ipv4::IPV4),
    (41, &ipv6::IPV6),
    (0, &ipv6::HOP_BY_HOP),
    (43, &ipv6::ROUTING),
    (44, &ipv6::FRAGMENT),
    (60, &ipv6::DESTINATION),
    (50, &extension::ESP),
    (51, &extension::AH),
    (135, &extension::MOBILITY),
    (139, &extension::HIP),
    (140, &extension::SHIM6),
];

/// Those that mean nothing in IPv4.
const OF_V6: [u8; 6] = [0, 43, 44, 60, 135, 140];

/// The ports at which DNS is spoken: its own, that of multicast DNS, and that of names of the link (RFC 4795).
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

/// Names of what Ethernet carries.
pub const ETHERTYPE_NAMES: Names = &[
    (0x0800, "ipv4"),
    (0x86dd, "ipv6"),
    (0x0806, "arp"),
    (0x8100, "vlan"),
    (0x88a8, "service-vlan"),
    (0x9100, "old-service-vlan"),
    (0x8847, "mpls"),
    (0x88cc, "lldp"),
];

/// Names of what IP carries.
pub const PROTOCOL_NAMES: Names = &[
    (0, "hop_by_hop"),
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipv4"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (43, "routing"),
    (44, "fragment"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmpv6"),
    (59, "none"),
    (60, "destination"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (132, "sctp"),
    (135, "mobility"),
    (139, "hip"),
    (140, "shim6"),
];

/// Finds what Ethernet carries.
pub fn by_ethertype(number: u16) -> Next {
    ETHERTYPES.iter().find(|(known, _)| *known == number).map_or(Next::Payload, |(_, protocol)| Next::Layer(protocol))
}

/// Finds what IP carries. The extension headers of IPv6 mean nothing in IPv4.
pub fn by_protocol(number: u8, over_v6: bool) -> Next {
    let found = PROTOCOLS.iter().find(|(known, _)| *known == number).map(|(_, protocol)| *protocol);
    match found {
        Some(protocol) if over_v6 || !OF_V6.contains(&number) => Next::Layer(protocol),
        _ => Next::Payload,
    }
}

/// Finds what UDP carries.
pub fn by_ports(one: u16, other: u16) -> Next {
    if DNS_PORTS.iter().any(|port| [one, other].contains(port)) { Next::Layer(&dns::DNS) } else { Next::Payload }
}

/// Gives the number of a protocol for Ethernet.
pub fn ethertype_of(protocol: &'static Protocol) -> Option<u16> {
    ETHERTYPES.iter().find(|(_, known)| *known == protocol).map(|(number, _)| *number)
}

/// Gives the number of a protocol for IP.
pub fn protocol_of(protocol: &'static Protocol) -> Option<u8> {
    PROTOCOLS.iter().find(|(_, known)| *known == protocol).map(|(number, _)| *number)
}
