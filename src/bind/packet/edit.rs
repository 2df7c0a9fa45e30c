//! Packets with other fields than they had.

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use super::handle;
use crate::bind::call::{self, Answer};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;
    /// A layer of a packet.
    pub type Layer = handle::Layer;

    /// Gives the packet with other fields; `packet.ipv4.ttl = 1` does the same to a variable.
    ///
    /// - `layers`: a map with names of layers, each with a map of fields; of a layer that is there several times the first is meant. A field that is
    ///   set to `()` is computed
    ///
    /// Lengths and checksums of all layers are computed anew, but for those that were given. What was read stays as it was otherwise, also options that
    /// are not known here. What an ICMP error quotes, what is behind a fragment's header, and what cannot be read are bytes, and stay as they are; padding
    /// is left out.
    ///
    /// # Changes
    /// Nothing. The packet itself stays as it is.
    ///
    /// # Fails
    /// `not-found`: the packet has no such layer. `input`: there is no such field, or it cannot have this value; the layer is one that is kept as bytes.
    ///
    /// # Example
    /// ```rhai
    /// let ping = packet::parse((packet::ipv4(#{ dst: "192.0.2.2" }) / packet::icmp(#{ id: 7 })).bytes);
    /// let other = ping.edit(#{ ipv4: #{ ttl: 1 }, icmp: #{ seq: 2 } });
    /// other.ipv4.ttl == 1 && other.icmp.checksum_ok && ping.ipv4.ttl == 64
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure, return_raw)]
    pub fn edit(ctx: NativeCallContext, packet: &mut Packet, layers: Map) -> Answer<Packet> {
        packet.edited(&layers).map_err(|f| call::fault(&ctx, f))
    }

    /// Sets a layer of the packet, as `packet.ipv4.ttl = 1` does in the end.
    ///
    /// - `name`: the name of a layer that is there
    /// - `layer`: a layer of that name, of this packet or of another one
    ///
    /// # Changes
    /// Nothing but the variable.
    ///
    /// # Fails
    /// `not-found`: the packet has no such layer. `input`: the other one has another name.
    ///
    /// # Example
    /// ```rhai
    /// let segment = packet::ipv4(#{ dst: "192.0.2.2" }) / packet::tcp(#{ dport: 80 });
    /// segment.tcp.dport = 443;
    /// segment.tcp.dport == 443 && segment.tcp.checksum_ok
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(index_set, global, return_raw)]
    pub fn set_layer(ctx: NativeCallContext, packet: &mut Packet, name: &str, layer: Layer) -> Answer<()> {
        packet.put(name, &layer).map_err(|f| call::fault(&ctx, f))
    }

    /// Sets a field of the layer, as `layer.ttl = 1` does.
    ///
    /// - `field`: the name of a field or of a part
    /// - `value`: its value; `()` lets it be computed
    ///
    /// # Changes
    /// Nothing but the variable.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value; the layer is one that is kept as bytes.
    ///
    /// # Example
    /// ```rhai
    /// let broken = packet::ipv4(#{ dst: "192.0.2.2" }) / packet::udp(#{ dport: 9 });
    /// broken.udp.checksum = 1;
    /// let told = broken.udp.checksum_ok;
    /// broken.udp.checksum = ();
    /// !told && broken.udp.checksum_ok
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(index_set, global, return_raw)]
    pub fn set_field(ctx: NativeCallContext, layer: &mut Layer, field: &str, value: Dynamic) -> Answer<()> {
        layer.set(field, &value).map_err(|f| call::fault(&ctx, f))
    }

    /// Gives a layer of the packet by its place.
    ///
    /// - `number`: 0 for the layer of the wire; -1 for the last
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: the packet has fewer layers.
    ///
    /// # Example
    /// ```rhai
    /// let tunnel = packet::ipv4(#{ dst: "192.0.2.1" }) / packet::ipv4(#{ dst: "192.0.2.2" }) / packet::udp(#{ dport: 9 });
    /// tunnel[1].dst == address("192.0.2.2") && tunnel[-1].name == "udp"
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(index_get, global, pure, return_raw)]
    pub fn nth(ctx: NativeCallContext, packet: &mut Packet, number: i64) -> Answer<Layer> {
        packet.nth(number).map_err(|f| call::fault(&ctx, f))
    }

    /// Gives the name of what a field holds: `()` where it has none.
    ///
    /// - `field`: the name of a field
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: the layer has no such field, or ends before it.
    ///
    /// # Example
    /// ```rhai
    /// let ping = packet::ipv4(#{ dst: "192.0.2.2" }) / packet::icmp(#{ id: 7 });
    /// ping.icmp.name_of("type") == "echo-request" && ping.ipv4.name_of("protocol") == "icmp"
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure, return_raw)]
    pub fn name_of(ctx: NativeCallContext, layer: &mut Layer, field: &str) -> Answer<Dynamic> {
        let name = layer.name_of(field).map_err(|f| call::fault(&ctx, f))?;
        Ok(name.map_or(Dynamic::UNIT, |name| ImmutableString::from(name).into()))
    }

    /// Tells whether two packets have the same bytes.
    #[rhai_fn(name = "==", global, return_raw)]
    pub fn equal(ctx: NativeCallContext, one: Packet, other: Packet) -> Answer<bool> {
        let bytes = |packet: &Packet| packet.whole().map(|whole| whole.bytes.clone());
        bytes(&one).and_then(|one| Ok(one == bytes(&other)?)).map_err(|f| call::fault(&ctx, f))
    }

    /// Tells whether two packets have different bytes.
    #[rhai_fn(name = "!=", global, return_raw)]
    pub fn differ(ctx: NativeCallContext, one: Packet, other: Packet) -> Answer<bool> {
        equal(ctx, one, other).map(|is_equal| !is_equal)
    }
}
