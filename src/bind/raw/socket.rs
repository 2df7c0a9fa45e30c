//! Sockets that are open: sending, receiving, options.

use std::time::Duration;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::outgoing::{To, outgoing};
use super::{given, handle};
use crate::bind::call::{self, Answer, answer};
use crate::bind::packet::handle::Packet;
use crate::bind::types::address::or_unit;
use crate::bind::types::quantity::span;
use crate::bind::{options, types};
use crate::model::Fault;
use crate::model::packet::First;
use crate::model::packet::protocols::{icmp, icmpv6};
use crate::model::raw::option::DISCOVER;
use crate::model::raw::{Opt, Received, Report, Way};

/// How long `recv()` waits.
const PATIENCE: Duration = Duration::from_secs(1);

fn send(ctx: &NativeCallContext, socket: &handle::Socket, packet: &Dynamic, to: To, ttl: Option<u8>) -> Answer<()> {
    let door = socket.door_of(ctx)?;
    let sent = outgoing(socket, &door, packet, to).and_then(|mut packet| {
        packet.ttl = ttl;
        door.send_raw(socket.id(), &packet, &call::origin(ctx))
    });
    answer(ctx, sent.map(drop))
}

/// Reads where a packet is to go: to a host, or to a link address.
fn destination(socket: &handle::Socket, to: &Dynamic) -> Result<To, Fault> {
    match types::text(to) {
        Some(text) if matches!(socket.way(), Way::Packet { .. }) => text.parse().map(To::Link),
        _ => given::address("an address to send to", to).map(To::Host),
    }
}

fn ttl(value: &Dynamic) -> Result<u8, Fault> {
    let setting = given::setting(Opt::Ttl, value)?;
    // The bounds of the option are those of a byte.
    Ok(u8::try_from(setting.value).unwrap_or(u8::MAX))
}

/// Gives a received packet to a script.
fn received(way: &Way, packet: Received) -> Dynamic {
    Dynamic::from(Packet::received(packet.bytes, way.first(), packet.seen))
}

/// Gives a report to a script.
fn reported(way: &Way, report: Report) -> Dynamic {
    let v6 = way.family() == Some(crate::model::Family::V6);
    let names = if v6 { icmpv6::TYPES } else { icmp::TYPES };
    let name = names.iter().find(|(number, _)| *number == u64::from(report.kind)).map(|(_, name)| *name);
    let kind = match report.by {
        None => "local".into(),
        Some(_) => name.map_or_else(|| Dynamic::from(i64::from(report.kind)), Dynamic::from),
    };
    let first = First::Layer(if v6 { &icmpv6::ICMPV6 } else { &icmp::ICMP });
    let entries: [(&str, Dynamic); 8] = [
        ("type", kind),
        ("code", i64::from(report.code).into()),
        ("message", std::io::Error::from_raw_os_error(report.errno).to_string().into()),
        ("by", or_unit(report.by)),
        ("to", or_unit(report.to)),
        ("mtu", if report.info == 0 { Dynamic::UNIT } else { i64::from(report.info).into() }),
        ("time", report.at.as_secs_f64().into()),
        ("packet", Dynamic::from(Packet::read(report.bytes, first, None))),
    ];
    Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A socket for packets.
    pub type Socket = handle::Socket;

    /// Sends a packet to where it says itself: a whole IP packet, or a frame.
    ///
    /// - `packet`: a packet, or a blob with its bytes
    ///
    /// What is queued is written first. The bytes are sent as they are; what the kernel writes into them, `raw::open` says. A plan lists what would be sent.
    ///
    /// # Changes
    /// Whatever the packet brings about, which cannot be lifted. The journal has one entry for all packets of a kind to an address.
    ///
    /// # Fails
    /// `input`: the packet does not begin with what the socket sends, or says no address. `permission`: the address is public, and `--allow-public` was not
    /// given. `refused`: it is longer than the link takes, the link is down, there is no route, or a rule drops it. `busy`: there is no room for it.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "raw");
    /// socket.send(packet::ipv4(#{ dst: "127.0.0.1" }) / packet::udp(#{ dport: 9 }) / "hello");
    /// ```
    ///
    /// # Source
    /// raw(7), packet(7)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn send(ctx: NativeCallContext, socket: &mut Socket, packet: Dynamic) -> Answer<()> {
        super::send(&ctx, socket, &packet, To::Itself, None)
    }

    /// Sends a packet to an address.
    ///
    /// - `packet`: what stands on the IP header, a whole packet if the socket has the option `header`, or a blob. The checksums of TCP, UDP and
    ///   ICMPv6 are computed with the addresses, unless they were given
    /// - `to`: the address; through a cooked packet socket a link address
    ///
    /// # Changes
    /// Whatever the packet brings about, which cannot be lifted.
    ///
    /// # Fails
    /// As without an address.
    ///
    /// # Example
    /// ```rhai
    /// raw::open("ipv4", "udp").send(packet::udp(#{ sport: 4000, dport: 9 }) / "hello", "127.0.0.1");
    /// ```
    ///
    /// # Source
    /// raw(7)
    #[rhai_fn(name = "send", global, return_raw, volatile)]
    pub fn send_to(ctx: NativeCallContext, socket: &mut Socket, packet: Dynamic, to: Dynamic) -> Answer<()> {
        let to = answer(&ctx, destination(socket, &to))?;
        super::send(&ctx, socket, &packet, to, None)
    }

    /// Sends a packet to an address, with options of its own.
    ///
    /// - `options`: a map; `ttl`: the TTL or hop limit of this packet alone
    ///
    /// # Changes
    /// Whatever the packet brings about, which cannot be lifted.
    ///
    /// # Fails
    /// As without options.
    ///
    /// # Example
    /// ```rhai
    /// raw::ping("ipv4").send(packet::icmp(#{ type: "echo-request" }), "127.0.0.1", #{ ttl: 1 });
    /// ```
    ///
    /// # Source
    /// ip(7), ipv6(7)
    #[rhai_fn(name = "send", global, return_raw, volatile)]
    pub fn send_with(ctx: NativeCallContext, socket: &mut Socket, packet: Dynamic, to: Dynamic, options: Map) -> Answer<()> {
        answer(&ctx, options::known(&options, &["ttl"]))?;
        let limit = answer(&ctx, options::given(&options, "ttl").map(ttl).transpose())?;
        let to = answer(&ctx, destination(socket, &to))?;
        super::send(&ctx, socket, &packet, to, limit)
    }

    /// Receives a packet; `()` when none comes within a second.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the socket is of the protocol RAW, which receives nothing. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::ping("ipv4");
    /// socket.send(packet::icmp(#{ type: "echo-request" }), "127.0.0.1");
    /// socket.recv().ipv4.src == "127.0.0.1"
    /// ```
    ///
    /// # Source
    /// raw(7), packet(7)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn recv(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Dynamic> {
        let next = answer(&ctx, socket.next(&socket.door_of(&ctx)?, PATIENCE))?;
        Ok(next.map_or(Dynamic::UNIT, |packet| received(socket.way(), packet)))
    }

    /// Receives a packet; `()` when none comes in time.
    ///
    /// - `timeout`: a duration, or a number of seconds; `0` gives what is there already
    ///
    /// What is queued is written first. Ctrl-C and the deadline end the wait. A plan ends here: only the network knows what comes.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the socket is of the protocol RAW, which receives nothing; the timeout is no duration. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// raw::open("ipv4", "icmp", #{ filter: #{ host: "192.0.2.99" } }).recv("10ms") == ()
    /// ```
    ///
    /// # Source
    /// raw(7), packet(7)
    #[rhai_fn(name = "recv", global, return_raw, volatile)]
    pub fn recv_for(ctx: NativeCallContext, socket: &mut Socket, timeout: Dynamic) -> Answer<Dynamic> {
        let patience = answer(&ctx, socket.way().may_receive().and_then(|()| span("a timeout", &timeout)))?;
        let next = answer(&ctx, socket.next(&socket.door_of(&ctx)?, patience.0))?;
        Ok(next.map_or(Dynamic::UNIT, |packet| received(socket.way(), packet)))
    }

    /// Closes the socket. A second time does nothing.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::ping("ipv4");
    /// socket.close();
    /// ```
    ///
    /// # Source
    /// close(2)
    #[rhai_fn(global, volatile)]
    pub fn close(socket: &mut Socket) {
        socket.close();
    }

    /// Gives how many packets the kernel has dropped since the socket was opened, because the script had not fetched those before them.
    ///
    /// # Example
    /// ```rhai
    /// raw::ping("ipv4").drops == 0
    /// ```
    #[rhai_fn(get = "drops", global, return_raw)]
    pub fn drops(ctx: NativeCallContext, socket: &mut Socket) -> Answer<i64> {
        let drops = answer(&ctx, socket.door_of(&ctx)?.drops_raw(socket.id()))?;
        Ok(i64::try_from(drops).unwrap_or(i64::MAX))
    }

    /// Gives what ICMP has said about echo requests of a ping socket since it was asked last.
    ///
    /// Each is a map: `type` and `code` of the message (`"local"` where this
    /// host itself could not send), what it means as a `message`, who sent it (`by`), where the request was to go (`to`), the `mtu` where one is told,
    /// the `time`, and the `packet`.
    ///
    /// # Example
    /// ```rhai
    /// raw::ping("ipv4").errors == []
    /// ```
    #[rhai_fn(get = "errors", global, return_raw)]
    pub fn errors(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Array> {
        let reports = answer(&ctx, socket.reports(&socket.door_of(&ctx)?))?;
        Ok(reports.into_iter().map(|report| reported(socket.way(), report)).collect())
    }

    /// Gives an option of the socket, as `socket.ttl` does.
    ///
    /// - `option`: `"ttl"`, `"tos"`, `"mark"`, `"broadcast"`, `"receive_buffer"`, `"send_buffer"` in bytes, `"mtu_discover"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such option, or such sockets do not have it. `unknown`: in a plan, if it was not set.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "icmp", #{ mtu_discover: "do" });
    /// socket.mtu_discover == "do" && socket.ttl == 64
    /// ```
    ///
    /// # Source
    /// socket(7), ip(7), ipv6(7)
    #[rhai_fn(index_get, global, return_raw)]
    pub fn option(ctx: NativeCallContext, socket: &mut Socket, option: &str) -> Answer<Dynamic> {
        let door = socket.door_of(&ctx)?;
        let found = Opt::named(option).and_then(|option| Ok((option, door.get_raw(socket.id(), option)?)));
        let (option, value) = answer(&ctx, found)?;
        Ok(match option {
            Opt::Broadcast => (value != 0).into(),
            Opt::MtuDiscover => usize::try_from(value).ok().and_then(|at| DISCOVER.get(at)).map_or(value.into(), |word| (*word).into()),
            _ => value.into(),
        })
    }

    /// Sets an option of the socket, as `socket.ttl = 5` does.
    ///
    /// - `option`: `"ttl"` (1 to 255), `"tos"` (0 to 255), `"mark"`, `"broadcast"` (true: broadcast addresses may be sent to), `"receive_buffer"` and
    ///   `"send_buffer"` (a size, or bytes; beyond the bound of the machine with CAP_NET_ADMIN), `"mtu_discover"` (`"dont"`, `"want"`, `"do"`, `"probe"`, `"interface"`, `"omit"`)
    /// - `value`: a number, a word, or a size
    ///
    /// # Changes
    /// The socket, which is gone with the run.
    ///
    /// # Fails
    /// `input`: there is no such option, it cannot have this value, or such sockets do not have it. `permission`: a mark takes CAP_NET_ADMIN.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "icmp");
    /// socket.ttl = 5;
    /// socket.receive_buffer = "1mb";
    /// ```
    ///
    /// # Source
    /// socket(7), ip(7), ipv6(7)
    #[rhai_fn(index_set, global, return_raw)]
    pub fn set_option(ctx: NativeCallContext, socket: &mut Socket, option: &str, value: Dynamic) -> Answer<()> {
        let setting = Opt::named(option).and_then(|option| given::setting(option, &value));
        let door = socket.door_of(&ctx)?;
        answer(&ctx, setting.and_then(|setting| door.set_raw(socket.id(), setting)))
    }

    /// Tells what kind of socket it is.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn line(socket: &mut Socket) -> ImmutableString {
        socket.way().to_string().into()
    }
}
