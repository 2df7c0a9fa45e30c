//! Packets that are read: their layers, their fields, and what is wrong with them.

use rhai::plugin::*;
use rhai::{Array, Blob, Dynamic, ImmutableString, Map, NativeCallContext};

use super::handle::{self, Packet as Handle};
use crate::bind::call::{Answer, answer};
use crate::model::Fault;
use crate::model::packet::{Check, First, named};

fn from_hex(text: &str) -> Result<Vec<u8>, Fault> {
    let refuse = |why: &str| Err(Fault::input("read bytes in hex", why));
    let digits: Option<Vec<u32>> = text.chars().filter(|c| !c.is_whitespace() && *c != ':').map(|c| c.to_digit(16)).collect();
    match digits {
        None => refuse("there is a character that is no digit of hex"),
        Some(digits) if digits.len() % 2 == 1 => refuse("the number of digits is odd"),
        Some(digits) => Ok(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()),
    }
}

fn part(ctx: &NativeCallContext, packet: &Handle, of: fn(&crate::model::packet::Dissection) -> std::ops::Range<usize>) -> Answer<Blob> {
    answer(ctx, packet.found().map(|(whole, found)| whole.bytes[of(found)].to_vec()))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;
    /// A layer of a packet.
    pub type Layer = handle::Layer;

    /// Takes bytes for a packet, and finds its layers.
    ///
    /// - `bytes`: a blob that begins with the IP header
    ///
    /// What is wrong with it is in `defects`; what can be read can be read all the same.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let bytes = (packet::ipv4(#{ src: "192.0.2.1", dst: "192.0.2.2" }) / packet::udp(#{ dport: 9 })).bytes;
    /// packet::parse(bytes).udp.dport == 9
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(volatile)]
    pub fn parse(bytes: Blob) -> Packet {
        handle::Packet::read(bytes, First::Ip, None)
    }

    /// Takes bytes for a packet that begins with a layer, and finds all of them.
    ///
    /// - `bytes`: a blob
    /// - `first`: `"ethernet"`, `"ip"` for either version of it, or the name of another layer
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such layer.
    ///
    /// # Example
    /// ```rhai
    /// packet::parse(blob(60), "ethernet").ethernet.dst == "00:00:00:00:00:00"
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "parse", return_raw)]
    pub fn parse_from(ctx: NativeCallContext, bytes: Blob, first: &str) -> Answer<Packet> {
        let first = match first {
            "ethernet" => First::Ethernet,
            "ip" => First::Ip,
            layer => First::Layer(answer(&ctx, named(layer))?),
        };
        Ok(handle::Packet::read(bytes, first, None))
    }

    /// Reads bytes that are written in hex, with or without blanks and colons between them.
    ///
    /// - `text`: an even number of hex digits
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no hex.
    ///
    /// # Example
    /// ```rhai
    /// packet::from_hex("4500 001c").len() == 4
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw)]
    pub fn from_hex(ctx: NativeCallContext, text: &str) -> Answer<Blob> {
        answer(&ctx, super::from_hex(text))
    }

    /// Gives the bytes of the packet, built if need be.
    ///
    /// # Example
    /// ```rhai
    /// packet::udp(#{}).bytes.len() == 8
    /// ```
    #[rhai_fn(get = "bytes", global, pure, return_raw)]
    pub fn bytes(ctx: NativeCallContext, packet: &mut Packet) -> Answer<Blob> {
        answer(&ctx, packet.whole().map(|whole| whole.bytes.to_vec()))
    }

    /// Gives how many bytes the packet has; of a captured one, how many it had on the wire.
    #[rhai_fn(get = "length", global, pure, return_raw)]
    pub fn length(ctx: NativeCallContext, packet: &mut Packet) -> Answer<i64> {
        let length = match packet.seen() {
            Some(seen) => Ok(seen.length),
            None => packet.whole().map(|whole| whole.bytes.len()),
        };
        answer(&ctx, length.map(|length| length as i64))
    }

    /// Gives when the packet was captured, in seconds since 1970; `()` for one that was not.
    #[rhai_fn(get = "time", global, pure)]
    pub fn time(packet: &mut Packet) -> Dynamic {
        packet.seen().map_or(Dynamic::UNIT, |seen| seen.at.as_secs_f64().into())
    }

    /// Gives the name of the link on which a socket has received the packet; `()` of others.
    #[rhai_fn(get = "interface", global, pure)]
    pub fn interface(packet: &mut Packet) -> Dynamic {
        packet.seen().and_then(|seen| seen.link.as_ref()).map_or(Dynamic::UNIT, |name| name.to_string().into())
    }

    /// Gives how a frame came by: `"host"`, `"broadcast"`, `"multicast"`, `"other"` for another host, `"outgoing"`; `()` of packets that no packet socket has received.
    #[rhai_fn(get = "direction", global, pure)]
    pub fn direction(packet: &mut Packet) -> Dynamic {
        packet.seen().and_then(|seen| seen.direction).map_or(Dynamic::UNIT, |direction| direction.name().into())
    }

    /// Gives what is behind the last header.
    ///
    /// # Example
    /// ```rhai
    /// (packet::udp(#{ dport: 9 }) / "hello").payload.as_string() == "hello"
    /// ```
    #[rhai_fn(get = "payload", global, pure, return_raw)]
    pub fn payload(ctx: NativeCallContext, packet: &mut Packet) -> Answer<Blob> {
        part(&ctx, packet, |found| found.payload.clone())
    }

    /// Gives what is behind the packet and belongs to nothing in it, as at the end of a short frame of Ethernet.
    #[rhai_fn(get = "padding", global, pure, return_raw)]
    pub fn padding(ctx: NativeCallContext, packet: &mut Packet) -> Answer<Blob> {
        part(&ctx, packet, |found| found.padding.clone())
    }

    /// Gives the names of the layers, that of the wire first.
    ///
    /// # Example
    /// ```rhai
    /// (packet::ipv4(#{}) / packet::udp(#{})).layers == ["ipv4", "udp"]
    /// ```
    #[rhai_fn(get = "layers", global, pure, return_raw)]
    pub fn layers(ctx: NativeCallContext, packet: &mut Packet) -> Answer<Array> {
        answer(&ctx, packet.found().map(|(_, found)| found.layers.iter().map(|layer| layer.protocol.name.into()).collect()))
    }

    /// Gives what is wrong with the packet, in words; nothing for a good one.
    ///
    /// # Example
    /// ```rhai
    /// let broken = packet::ipv4(#{ ihl: 2 });
    /// broken.defects == ["malformed ipv4: its IHL is 2, and 5 is the least"]
    /// ```
    #[rhai_fn(get = "defects", global, pure, return_raw)]
    pub fn defects(ctx: NativeCallContext, packet: &mut Packet) -> Answer<Array> {
        let defects = packet.found().map(|(whole, found)| found.defects(&whole.bytes));
        answer(&ctx, defects.map(|defects| defects.iter().map(|defect| defect.to_string().into()).collect()))
    }

    /// Gives a layer of the packet, as `packet.tcp` does.
    ///
    /// - `name`: the name of a layer
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: the packet has no such layer.
    ///
    /// # Example
    /// ```rhai
    /// let segment = packet::ipv4(#{}) / packet::tcp(#{ dport: 80 });
    /// segment.tcp.dport == 80 && segment["ipv4"].protocol == 6
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(index_get, global, pure, return_raw)]
    pub fn layer(ctx: NativeCallContext, packet: &mut Packet, name: &str) -> Answer<Layer> {
        answer(&ctx, packet.get(name))
    }

    /// Tells whether the packet has a layer; the operator `in` asks the same.
    ///
    /// - `name`: the name of a layer
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let segment = packet::ipv4(#{}) / packet::tcp(#{});
    /// "tcp" in segment && !segment.contains("udp")
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure, return_raw)]
    pub fn contains(ctx: NativeCallContext, packet: &mut Packet, name: &str) -> Answer<bool> {
        answer(&ctx, packet.find(name).map(|found| found.is_some()))
    }

    /// Tells the packet as a tree: its layers with their fields, what is wrong, and the bytes in hex.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// print((packet::ipv4(#{}) / packet::udp(#{}) / "hello").tree());
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure, return_raw)]
    pub fn tree(ctx: NativeCallContext, packet: &mut Packet) -> Answer<ImmutableString> {
        answer(&ctx, packet.whole().map(|whole| whole.tree().into()))
    }

    /// Tells the packet in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn line(packet: &mut Packet) -> ImmutableString {
        packet.whole().map_or_else(|fault| fault.to_string(), |whole| whole.line()).into()
    }

    /// Gives a field of the layer, as `layer.dport` does.
    ///
    /// - `field`: the name of a field or of a part, as `"options"` is one
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: the layer has no such field, or ends before it.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv4(#{ dst: "192.0.2.2" }).ipv4.dst == address("192.0.2.2")
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(index_get, global, pure, return_raw)]
    pub fn field(ctx: NativeCallContext, layer: &mut Layer, field: &str) -> Answer<Dynamic> {
        answer(&ctx, layer.get(field))
    }

    /// Gives the name of the layer's protocol.
    #[rhai_fn(get = "name", global, pure, return_raw)]
    pub fn name(ctx: NativeCallContext, layer: &mut Layer) -> Answer<ImmutableString> {
        answer(&ctx, layer.name().map(Into::into))
    }

    /// Gives the bytes of the layer's header.
    #[rhai_fn(get = "header", global, pure, return_raw)]
    pub fn header(ctx: NativeCallContext, layer: &mut Layer) -> Answer<Blob> {
        answer(&ctx, layer.header())
    }

    /// Tells whether the layer's checksum is right; `()` where it has none, or not all of what it covers is there.
    ///
    /// # Example
    /// ```rhai
    /// packet::ipv4(#{ checksum: 1 }).ipv4.checksum_ok == false
    /// ```
    #[rhai_fn(get = "checksum_ok", global, pure, return_raw)]
    pub fn checksum_ok(ctx: NativeCallContext, layer: &mut Layer) -> Answer<Dynamic> {
        answer(&ctx, layer.check()).map(|check| match check {
            Some(Check::Good) => true.into(),
            Some(Check::Wrong { .. }) => false.into(),
            Some(Check::Absent | Check::Unknown) | None => Dynamic::UNIT,
        })
    }

    /// Gives the fields of the layer as a map; given again to the function of its name, it makes the same layer.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let fields = packet::udp(#{ dport: 9 }).udp.to_map();
    /// packet::udp(fields).bytes == packet::udp(#{ dport: 9 }).bytes
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "to_map", global, pure, return_raw)]
    pub fn fields(ctx: NativeCallContext, layer: &mut Layer) -> Answer<Map> {
        answer(&ctx, layer.fields())
    }

    /// Tells the layer in a few words.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn layer_line(layer: &mut Layer) -> ImmutableString {
        layer.line().unwrap_or_else(|fault| fault.to_string()).into()
    }
}
