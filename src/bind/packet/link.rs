//! Layers of the link: one function for each.

use rhai::plugin::*;
use rhai::{Map, NativeCallContext};

use super::{handle, layer};
use crate::bind::call::Answer;

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
    /// `type`: a number or a name, as `"service-vlan"` for the outer tag of two (from the layer above).
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

    /// Makes the header of a packet that was captured on any link.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `packet_type`: `"host"`, `"broadcast"`, `"multicast"`, `"otherhost"`, `"outgoing"` or a number (host).
    /// `src`: a link address (all zero).
    /// `hardware` (1), `address_length` (6), `unused` (0).
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
    /// packet::sll(#{ packet_type: "outgoing" }) / packet::ipv4(#{ dst: "192.0.2.2" })
    /// ```
    ///
    /// # Source
    /// LINKTYPE_LINUX_SLL of the tcpdump group, packet(7)
    #[rhai_fn(return_raw)]
    pub fn sll(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "sll", &fields)
    }

    /// Makes the header of a packet that was captured on any link, with the link's index.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `packet_type`: `"host"`, `"broadcast"`, `"multicast"`, `"otherhost"`, `"outgoing"` or a number (host).
    /// `interface`: the index of the link (0).
    /// `src`: a link address (all zero).
    /// `hardware` (1), `address_length` (6), `reserved`, `unused` (0).
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
    /// packet::sll2(#{ interface: 2 }) / packet::ipv4(#{ dst: "192.0.2.2" })
    /// ```
    ///
    /// # Source
    /// LINKTYPE_LINUX_SLL2 of the tcpdump group, packet(7)
    #[rhai_fn(return_raw)]
    pub fn sll2(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "sll2", &fields)
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
    /// Two tags stand on one another; the outer one is that of a service provider if Ethernet says so.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let tagged = packet::ethernet(#{ type: "service-vlan" }) / packet::vlan(#{ id: 100 }) / packet::vlan(#{ id: 7 }) / packet::arp(#{});
    /// tagged[1].id == 100 && tagged[2].id == 7
    /// ```
    ///
    /// # Source
    /// IEEE 802.1Q, IEEE 802.1ad
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
}
