//! Layers: one function for each.

use rhai::plugin::*;
use rhai::{Map, NativeCallContext};

use super::handle::{self, Packet as Handle};
use crate::bind::call::{self, Answer};
use crate::model::packet::named;

fn layer(ctx: &NativeCallContext, name: &str, fields: &Map) -> Answer<Handle> {
    named(name).and_then(|protocol| Handle::layer(protocol, fields)).map_err(|f| call::fault(ctx, f))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;

    /// Makes a frame of Ethernet.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `dst`, `src`: link addresses (broadcast, all zero).
    /// `type`: a number or a name (from the layer above).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ethernet(#{ dst: "02:00:00:00:00:02", src: "02:00:00:00:00:01" })
    /// ```
    ///
    /// # Source
    /// IEEE 802.3
    #[rhai_fn(return_raw)]
    pub fn ethernet(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "ethernet", &fields)
    }

    /// Makes the logical link of a frame that says its length.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `dsap`, `ssap`, `control`: numbers from 0 to 255 (0, 0, 3).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::llc(#{ dsap: 0x42, ssap: 0x42 })
    /// ```
    ///
    /// # Source
    /// IEEE 802.2
    #[rhai_fn(return_raw)]
    pub fn llc(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "llc", &fields)
    }

    /// Makes the tag of a virtual network.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `id`: 0 to 4095 (1).
    /// `priority`: 0 to 7 (0).
    /// `drop_eligible`: 0 or 1 (0).
    /// `type` (from the layer above).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::vlan(#{ id: 100, priority: 5 })
    /// ```
    ///
    /// # Source
    /// IEEE 802.1Q
    #[rhai_fn(return_raw)]
    pub fn vlan(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "vlan", &fields)
    }

    /// Makes a question for a link address, or an answer.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `op`: `"request"`, `"reply"` or a number (request).
    /// `src_mac`, `src`, `dst_mac`, `dst`: addresses (all zero).
    /// `hardware`, `protocol`, `hardware_length`, `protocol_length`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::arp(#{ src: "192.0.2.1", dst: "192.0.2.2" })
    /// ```
    ///
    /// # Source
    /// RFC 826
    #[rhai_fn(return_raw)]
    pub fn arp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "arp", &fields)
    }

    /// Makes a packet of IPv4.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `src`, `dst`: addresses.
    /// `ttl` (64).
    /// `tos`, `id`, `fragment_offset` (0).
    /// `flags`: of `"DF,MF"` (none).
    /// `options`: an array, as in `#{ kind: "record-route", route: [..] }` or `"nop"`.
    /// `version`, `ihl`, `total_length`, `protocol`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv4(#{ src: "192.0.2.1", dst: "192.0.2.2", ttl: 1 })
    /// ```
    ///
    /// # Source
    /// RFC 791
    #[rhai_fn(return_raw)]
    pub fn ipv4(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "ipv4", &fields)
    }

    /// Makes a packet of IPv6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `src`, `dst`: addresses.
    /// `hop_limit` (64).
    /// `traffic_class`, `flow_label` (0).
    /// `version`, `payload_length`, `next_header` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv6(#{ src: "2001:db8::1", dst: "2001:db8::2" })
    /// ```
    ///
    /// # Source
    /// RFC 8200
    #[rhai_fn(return_raw)]
    pub fn ipv6(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "ipv6", &fields)
    }

    /// Makes options of IPv6 that every router looks at.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `options`: an array, as in `#{ kind: "router-alert", value: 0 }`.
    /// `next_header`, `length` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::hop_by_hop(#{ options: ["router-alert"] })
    /// ```
    ///
    /// # Source
    /// RFC 8200, 4.3
    #[rhai_fn(return_raw)]
    pub fn hop_by_hop(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "hop_by_hop", &fields)
    }

    /// Makes options of IPv6 for the destination.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `options`: an array, as in `#{ kind: "padn", bytes: 4 }`.
    /// `next_header`, `length` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::destination(#{ options: [#{ kind: "padn", bytes: 4 }] })
    /// ```
    ///
    /// # Source
    /// RFC 8200, 4.6
    #[rhai_fn(return_raw)]
    pub fn destination(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "destination", &fields)
    }

    /// Makes the way that a packet of IPv6 is to go.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`, `segments_left`: numbers from 0 to 255 (0).
    /// `addresses`: an array of IPv6 addresses.
    /// `next_header`, `length` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::routing(#{ addresses: ["2001:db8::2"], segments_left: 1 })
    /// ```
    ///
    /// # Source
    /// RFC 8200, 4.4
    #[rhai_fn(return_raw)]
    pub fn routing(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "routing", &fields)
    }

    /// Makes a part of a packet of IPv6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `id`: 32 bits.
    /// `offset`: in units of eight bytes (0).
    /// `more`: 0 or 1 (0).
    /// `next_header` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::fragment(#{ id: 7, more: true })
    /// ```
    ///
    /// # Source
    /// RFC 8200, 4.5
    #[rhai_fn(return_raw)]
    pub fn fragment(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "fragment", &fields)
    }

    /// Makes a message about IPv4.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name of iptables(8) or a number (echo-request).
    /// `code` (0).
    /// `id`, `seq` of an echo.
    /// `mtu`, `gateway`, `pointer` of an error.
    /// `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::icmp(#{ id: 7, seq: 1 })
    /// ```
    ///
    /// # Source
    /// RFC 792
    #[rhai_fn(return_raw)]
    pub fn icmp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "icmp", &fields)
    }

    /// Makes a message about IPv6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name of ip6tables(8) or a number (echo-request).
    /// `code` (0).
    /// `id`, `seq` of an echo.
    /// `target`, `flags`, `options` of a neighbour.
    /// `mtu`, `pointer` of an error.
    /// `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::icmpv6(#{ type: "neighbour-solicitation", target: "2001:db8::2", options: [#{ kind: "source-link-address", address: "02:00:00:00:00:01" }] })
    /// ```
    ///
    /// # Source
    /// RFC 4443, RFC 4861
    #[rhai_fn(return_raw)]
    pub fn icmpv6(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "icmpv6", &fields)
    }

    /// Makes a segment of TCP.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `sport`, `dport`: 0 to 65535.
    /// `seq`, `ack`: 32 bits (0).
    /// `flags`: of `"SYN,ACK,FIN,RST,PSH,URG,ECE,CWR,AE"` (SYN).
    /// `window` (8192).
    /// `options`: an array, as in `#{ kind: "mss", value: 1460 }`.
    /// `data_offset`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::tcp(#{ sport: 40000, dport: 80, flags: "SYN", options: [#{ kind: "mss", value: 1460 }] })
    /// ```
    ///
    /// # Source
    /// RFC 9293
    #[rhai_fn(return_raw)]
    pub fn tcp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "tcp", &fields)
    }

    /// Makes a datagram.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `sport`, `dport`: 0 to 65535.
    /// `length`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::udp(#{ sport: 40000, dport: 9 })
    /// ```
    ///
    /// # Source
    /// RFC 768
    #[rhai_fn(return_raw)]
    pub fn udp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "udp", &fields)
    }

    /// Makes a question to the domain name system, or an answer.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `id` (0).
    /// `flags`: of `"rd,ra,aa,tc,ad,cd"` (rd).
    /// `response`: 0 or 1.
    /// `opcode`, `rcode`.
    /// `questions`: names, or maps with `name`, `type` (A) and `class` (IN).
    /// `answers`, `authorities`, `additionals`: maps with `name`, `type`, `ttl` and `data`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::dns(#{ id: 7, questions: [#{ name: "www.example.org", type: "AAAA" }] })
    /// ```
    ///
    /// # Source
    /// RFC 1035
    #[rhai_fn(return_raw)]
    pub fn dns(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "dns", &fields)
    }
}
