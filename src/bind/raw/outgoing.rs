//! Packets on their way out: what of a packet value a socket takes.

use std::net::IpAddr;
use std::sync::Arc;

use rhai::{Blob, Dynamic};

use super::handle::Socket;
use crate::bind::packet::handle::Packet;
use crate::model::packet::{First, Mac, Packet as Bytes, Value, numbers};
use crate::model::raw::{Outgoing, Way, protocol_name, reach};
use crate::model::{Family, Fault};
use crate::transaction::Door;

/// The layers whose checksum covers the addresses of the layer below.
const WITH_PSEUDO_HEADER: [&str; 3] = ["tcp", "udp", "icmpv6"];

/// Where a script sends a packet to.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// To where the packet itself says.
    Itself,
    /// To a host.
    Host(IpAddr),
    /// To a host on the link.
    Link(Mac),
}

/// Makes ready a value that a script sends: a packet, or bytes.
pub(super) fn outgoing(socket: &Socket, door: &Door, value: &Dynamic, to: To) -> Result<Outgoing, Fault> {
    let refuse = |why: String| Fault::input(format!("send through the {}", socket.way()), why);
    let packet = value.read_lock::<Packet>().map(|packet| packet.clone());
    let bytes: Option<Blob> = value.read_lock::<Blob>().map(|bytes| bytes.clone());
    let given = match (packet, bytes) {
        (Some(packet), _) => Given::Packet(packet),
        (None, Some(bytes)) => Given::Bytes(bytes),
        (None, None) => {
            return Err(
                refuse(format!("a value of type {} is no packet", value.type_name())).hint("a packet of the room `packet`, or a blob")
            );
        }
    };
    match (socket.way(), to) {
        (Way::Every, _) => Err(refuse("it receives only".into())),
        (Way::Packet { cooked: false, .. }, To::Itself) => given.frame(socket.way()),
        (Way::Packet { cooked: false, .. }, _) => Err(refuse("a frame says itself where it goes".into()).hint("leave the address out")),
        (Way::Packet { .. }, To::Link(mac)) => given.cooked(socket.way(), mac),
        (Way::Packet { .. }, _) => {
            Err(refuse("the kernel has to be told the link address".into()).hint("socket.send(packet, \"ff:ff:ff:ff:ff:ff\")"))
        }
        (_, To::Link(mac)) => Err(refuse(format!("{mac} is a link address, and hosts are sent to"))),
        (Way::Raw { header: true, family, .. }, to) => given.with_source(socket, door)?.with_header(socket.way(), *family, to),
        (Way::Raw { header: false, .. } | Way::Ping { .. }, To::Host(to)) => given.without_header(socket, door, to),
        (Way::Raw { .. } | Way::Ping { .. }, To::Itself) => Err(refuse("it has to be told where to".into())
            .hint("socket.send(packet, \"192.0.2.2\"); the kernel writes the IP header, unless the socket has the option `header: true`")),
    }
}

/// What a script gives to be sent.
enum Given {
    Packet(Packet),
    Bytes(Blob),
}

fn refuse(way: &Way, why: String) -> Fault {
    Fault::input(format!("send through the {way}"), why)
}

fn plain(bytes: impl Into<Arc<[u8]>>, what: String) -> Outgoing {
    Outgoing { bytes: bytes.into(), is_whole: true, to: None, frame: None, ttl: None, what }
}

/// Names the last layer of a packet.
fn top(whole: &Bytes) -> &'static str {
    whole.layers().layers.last().map_or("bytes", |layer| layer.protocol.name)
}

impl Given {
    /// Gives the bytes, which have to begin with a layer.
    fn whole(&self, first: First) -> Result<Bytes, First> {
        match self {
            Self::Bytes(bytes) => Ok(Bytes::new(bytes.clone(), first)),
            // What cannot be built was refused when it was made.
            Self::Packet(packet) => match packet.whole() {
                Ok(whole) if whole.first == first => Ok(whole.clone()),
                Ok(whole) => Err(whole.first),
                Err(_) => Err(first),
            },
        }
    }

    fn frame(&self, way: &Way) -> Result<Outgoing, Fault> {
        let whole = self.whole(First::Ethernet).map_err(|first| {
            refuse(way, format!("the packet begins with {}, and a frame with ethernet", name(first)))
                .hint("packet::ethernet(#{ dst: .. }) / packet")
        })?;
        let to = whole.layers().layer("ethernet").and_then(|layer| layer.read(&whole.bytes, "dst")).map(|mac| mac.to_string());
        let to = reach::destination(&whole).map(|to| to.to_string()).or(to).unwrap_or_else(|| "nobody".into());
        Ok(plain(whole.bytes.clone(), format!("{} to {to}", top(&whole))))
    }

    fn cooked(&self, way: &Way, mac: Mac) -> Result<Outgoing, Fault> {
        let Self::Packet(packet) = self else {
            return Err(refuse(way, "of bytes alone it is not known what they begin with".into()).hint("packet::parse(bytes)"));
        };
        let whole = packet.whole()?.clone();
        let ethertype = match whole.first {
            First::Ip if whole.bytes.first().is_some_and(|byte| byte >> 4 == 6) => Some(0x86dd),
            First::Ip => Some(0x0800),
            First::Layer(protocol) => numbers::ethertype_of(protocol),
            First::Ethernet => None,
        };
        let ethertype = ethertype
            .ok_or_else(|| refuse(way, format!("the packet begins with {}, which nothing on a link carries", name(whole.first))))?;
        let to = reach::destination(&whole).map_or_else(|| mac.to_string(), |to| to.to_string());
        let what = format!("{} to {to}", top(&whole));
        Ok(Outgoing { frame: Some((ethertype, mac.0)), is_whole: whole.first == First::Ip, ..plain(whole.bytes.clone(), what) })
    }

    /// Gives a packet that does not say where it comes from the address that it will have: the checksums above cover it.
    fn with_source(self, socket: &Socket, door: &Door) -> Result<Self, Fault> {
        let Self::Packet(packet) = &self else { return Ok(self) };
        let Some(mut stack) = packet.draft().cloned() else { return Ok(self) };
        let Some(lowest) = stack.layers.first_mut().filter(|lowest| ["ipv4", "ipv6"].contains(&lowest.protocol.name)) else {
            return Ok(self);
        };
        match lowest.value("dst").and_then(Value::address) {
            Some(to) if !lowest.has("src") && socket.way().family().is_some_and(|family| to.is_ipv4() == (family == Family::V4)) => {
                let from = door.source_raw(socket.id(), to)?;
                *lowest = lowest.with("src", Value::Address(from))?;
                Ok(Self::Packet(Packet::drafted(stack)))
            }
            _ => Ok(self),
        }
    }

    fn with_header(&self, way: &Way, family: Family, to: To) -> Result<Outgoing, Fault> {
        let whole = self.whole(First::Ip).map_err(|first| {
            refuse(way, format!("the packet begins with {}, and the socket sends whole IP packets", name(first)))
                .hint("packet::ipv4(#{ dst: .. }) / packet")
        })?;
        let inside = reach::destination(&whole);
        let to = match (to, inside) {
            (To::Host(to), _) | (To::Itself, Some(to)) => to,
            _ => return Err(refuse(way, "its header does not say where it goes".into()).hint("socket.send(packet, \"192.0.2.2\")")),
        };
        if to.is_ipv4() != (family == Family::V4) {
            return Err(refuse(way, format!("{to} is of the other family")));
        }
        let what = format!("{} to {}", top(&whole), inside.unwrap_or(to));
        Ok(Outgoing { to: Some(to), ..plain(whole.bytes.clone(), what) })
    }

    fn without_header(&self, socket: &Socket, door: &Door, to: IpAddr) -> Result<Outgoing, Fault> {
        let way = socket.way();
        if way.family().is_some_and(|family| to.is_ipv4() != (family == Family::V4)) {
            return Err(refuse(way, format!("{to} is of the other family")));
        }
        let (bytes, name) = match self {
            Self::Bytes(bytes) => (bytes.clone().into(), own_name(way)),
            Self::Packet(packet) => {
                let whole = packet.whole()?;
                let First::Layer(protocol) = whole.first else {
                    return Err(refuse(way, format!("the packet begins with {}, and the kernel writes the IP header", name(whole.first)))
                        .hint("give what stands on it, with the address to send it to; or open the socket with `header: true`"));
                };
                (summed(socket, door, packet, whole, to)?, protocol.name.to_owned())
            }
        };
        Ok(Outgoing { to: Some(to), is_whole: false, ..plain(bytes, format!("{name} to {to}")) })
    }
}

fn own_name(way: &Way) -> String {
    match way {
        Way::Raw { protocol, .. } => protocol_name(*protocol),
        Way::Ping { .. } | Way::Packet { .. } | Way::Every => "bytes".to_owned(),
    }
}

fn name(first: First) -> &'static str {
    match first {
        First::Ethernet => "ethernet",
        First::Ip => "an IP header",
        First::Layer(protocol) => protocol.name,
    }
}

/// Gives the bytes of a packet whose checksum covers addresses that only the kernel knows: built on a header with these, which is cut off again.
fn summed(socket: &Socket, door: &Door, packet: &Packet, whole: &Bytes, to: IpAddr) -> Result<Arc<[u8]>, Fault> {
    let built = whole.first;
    let First::Layer(protocol) = built else { return Ok(whole.bytes.clone()) };
    let Some(stack) = packet.draft() else { return Ok(whole.bytes.clone()) };
    if !WITH_PSEUDO_HEADER.contains(&protocol.name) {
        return Ok(whole.bytes.clone());
    }
    let from = door.source_raw(socket.id(), to)?;
    let below = if to.is_ipv4() { "ipv4" } else { "ipv6" };
    let ends = [("src", from), ("dst", to)].map(|(name, address)| (name.to_owned(), Value::Address(address)));
    let head = Packet::of_fields(below, ends.to_vec())?;
    let whole = head.on(stack.clone())?;
    let bytes = &whole.whole()?.bytes;
    let header = if to.is_ipv4() { 20 } else { 40 };
    Ok(bytes[header.min(bytes.len())..].into())
}
