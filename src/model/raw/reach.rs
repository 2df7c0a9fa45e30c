//! How far away an address is: packets that a script makes are not for the world unless its user says so.

use std::net::IpAddr;

use crate::model::Fault;
use crate::model::address::Address;
use crate::model::fault::Kind;
use crate::model::packet::{First, Packet};

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

/// Finds where bytes that begin with a layer go.
pub fn destination_of(bytes: &[u8], first: First) -> Option<IpAddr> {
    destination(&Packet::new(bytes, first))
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
}
