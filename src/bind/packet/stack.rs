//! Layers on top of one another, and what is on top of all of them.

use rhai::plugin::*;
use rhai::{Blob, Dynamic, Map, NativeCallContext};

use super::{given, handle};
use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::packet::{Stack, Value};

fn payload(data: &Dynamic) -> Result<Stack, Fault> {
    match given::value(data)? {
        Value::Bytes(payload) => Ok(Stack { layers: Vec::new(), payload }),
        Value::Text(text) => Ok(Stack { layers: Vec::new(), payload: text.into_bytes() }),
        _ => Err(Fault::input("use a value as a payload", format!("it is of type {}", data.type_name())).hint("a string or a blob")),
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;

    /// Puts a packet on top of another one: lengths, checksums, and what comes next are computed when it is built.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the lower one has a payload already.
    ///
    /// A packet that was read stays as it was read, also where it lies; `edit` computes anew.
    ///
    /// # Example
    /// ```rhai
    /// let ping = packet::ipv4(#{ src: "192.0.2.1", dst: "192.0.2.2" }) / packet::icmp(#{ id: 7, seq: 1 }) / "hello";
    /// ping.ipv4.total_length == 33 && ping.icmp.checksum_ok
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn stack(ctx: NativeCallContext, below: Packet, above: Packet) -> Answer<Packet> {
        below.on(above.stack()).map_err(|f| call::fault(&ctx, f))
    }

    /// Puts a payload on top of a packet.
    ///
    /// - `payload`: a string, whose UTF-8 is taken, or a blob
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// (packet::udp(#{ dport: 9 }) / blob(100, 0x55)).udp.length == 108
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn stack_text(ctx: NativeCallContext, below: Packet, payload: &str) -> Answer<Packet> {
        below.on(Stack { layers: Vec::new(), payload: payload.as_bytes().to_vec() }).map_err(|f| call::fault(&ctx, f))
    }

    /// Puts bytes on top of a packet.
    ///
    /// - `payload`: a blob
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// (packet::udp(#{ dport: 9 }) / blob(2, 0)).payload.len() == 2
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "/", global, return_raw)]
    pub fn stack_bytes(ctx: NativeCallContext, below: Packet, payload: Blob) -> Answer<Packet> {
        below.on(Stack { layers: Vec::new(), payload }).map_err(|f| call::fault(&ctx, f))
    }

    /// Makes a packet of a map of layers, each with its fields; `payload` is what is on top of them.
    ///
    /// - `layers`: a map with names of layers, each with a map of fields, or with an array of such maps where it is there several times; they are put in
    ///   the order in which they stand on one another
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such layer or field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let tagged = packet::of(#{ ethernet: #{}, vlan: [#{ id: 1 }, #{ id: 2 }], ipv4: #{ dst: "192.0.2.2" }, tcp: #{ dport: 80 }, payload: "GET /" });
    /// tagged.layers == ["ethernet", "vlan", "vlan", "ipv4", "tcp"]
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw)]
    pub fn of(ctx: NativeCallContext, layers: Map) -> Answer<Packet> {
        handle::Packet::of(&layers, payload).map_err(|f| call::fault(&ctx, f))
    }
}
