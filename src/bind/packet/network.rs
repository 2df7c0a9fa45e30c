//! Layers of IP, with the extension headers of IPv6: one function for each.

use rhai::plugin::*;
use rhai::{Map, NativeCallContext};

use super::{handle, layer, version};
use crate::bind::call::{self, Answer};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;

    /// Makes a packet of IPv4 or of IPv6, by its addresses.
    ///
    /// - `fields`: a map as for `packet::ipv4` or `packet::ipv6`, with `dst` or `src`
    ///
    /// The layer has the name `ipv4` or `ipv6`; `packet.ip` finds either.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: neither `dst` nor `src` is an address, or they are of both families; there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let to = |host| packet::ip(#{ dst: host }) / packet::udp(#{ dport: 9 });
    /// to.call("2001:db8::2").layers == ["ipv6", "udp"] && to.call("192.0.2.2").ip.dst == address("192.0.2.2")
    /// ```
    ///
    /// # Source
    /// RFC 791, RFC 8200
    #[rhai_fn(return_raw)]
    pub fn ip(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        super::version(&fields).map_err(|f| call::fault(&ctx, f)).and_then(|name| layer(&ctx, name, &fields))
    }

    /// Makes a packet of IPv4.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `src`, `dst`: addresses (0.0.0.0).
    /// `ttl` (64).
    /// `tos`, `id`, `fragment_offset` (0).
    /// `flags`: of `"DF,MF"` (none).
    /// `options`: an array of `"end"`, `"nop"`, `"router-alert"`, and of `#{ kind: "record-route", route: ["0.0.0.0"] }`,
    /// `#{ kind: "loose-source-route", route: [..] }`, `"strict-source-route"` alike, `#{ kind: "timestamp", flag: 1, entries: [#{ address: "..", time: 0 }] }`,
    /// or of any kind, as in `#{ kind: 130, data: blob(9) }`; with `option_length` where the length is to be a wrong one.
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
    /// `src`, `dst`: addresses (`::`).
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
    /// `options`: an array, as in `#{ kind: "router-alert", value: 0 }`; the kinds are `pad1`, `padn`, `tunnel-limit`, `router-alert`, `jumbo` and
    /// `home-address`, or a number with `data`. What is missing up to a multiple of 8 bytes is filled with `padn`.
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
    /// `type`: `"source-route"`, `"mobile"`, `"rpl"`, `"segments"` or a number (0).
    /// `segments_left`: 0 to 255 (0).
    /// `addresses`: an array of IPv6 addresses.
    /// `data`: what is behind them, as the TLVs of segment routing (empty).
    /// `reserved` (0); for segments in its place `flags`, `tag` (0), `last_entry` (computed).
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
    /// RFC 8200, 4.4; RFC 8754
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

    /// Makes an authentication header of IP.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `spi`, `seq`: 32 bits (0).
    /// `icv`: a blob (empty).
    /// `reserved` (0).
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
    /// packet::ipv6(#{ dst: "2001:db8::2" }) / packet::ah(#{ spi: 7, seq: 1, icv: blob(12) }) / packet::udp(#{ dport: 9 })
    /// ```
    ///
    /// # Source
    /// RFC 4302
    #[rhai_fn(return_raw)]
    pub fn ah(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "ah", &fields)
    }

    /// Makes the head of an encrypted payload of IP.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `spi`, `seq`: 32 bits (0). What is behind them is the payload, as it is: nothing is encrypted here.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv4(#{ dst: "192.0.2.2" }) / packet::esp(#{ spi: 7, seq: 1 }) / blob(32, 0x55)
    /// ```
    ///
    /// # Source
    /// RFC 4303
    #[rhai_fn(return_raw)]
    pub fn esp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "esp", &fields)
    }

    /// Makes a mobility header of IPv6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name, as `"binding-update"`, or a number (binding-refresh-request).
    /// `data`: a blob, what the type says (empty); it is filled up to a multiple of 8 bytes.
    /// `reserved`, `reserved2` (0).
    /// `next_header`, `length`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv6(#{ dst: "2001:db8::2" }) / packet::mobility(#{ type: "home-test-init", data: blob(8) })
    /// ```
    ///
    /// # Source
    /// RFC 6275, 6.1
    #[rhai_fn(return_raw)]
    pub fn mobility(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "mobility", &fields)
    }

    /// Makes a header of the host identity protocol.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name, as `"i1"`, or a number (0 and the bit that is always 1).
    /// `version`: 0x21 for version 2 (0x21).
    /// `controls` (0).
    /// `data`: a blob, from the identity tags on (empty).
    /// `next_header`, `length`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv6(#{ dst: "2001:db8::2" }) / packet::hip(#{ type: "i1", data: blob(32) })
    /// ```
    ///
    /// # Source
    /// RFC 7401, 5.1
    #[rhai_fn(return_raw)]
    pub fn hip(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "hip", &fields)
    }

    /// Makes a header of Shim6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `rest`: 48 bits behind the length (0).
    /// `data`: a blob behind them (empty).
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
    /// packet::ipv6(#{ dst: "2001:db8::2" }) / packet::shim6(#{}) / packet::udp(#{ dport: 9 })
    /// ```
    ///
    /// # Source
    /// RFC 5533, 5.1
    #[rhai_fn(return_raw)]
    pub fn shim6(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "shim6", &fields)
    }
}
