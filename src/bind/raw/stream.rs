//! Many packets: sent as copies of one, or captured.

use std::time::{Duration, Instant};

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::given::{address, spec};
use super::handle;
use super::outgoing::{To, outgoing};
use super::talk::Talk;
use crate::bind::call::{self, Answer, answer};
use crate::bind::options::{self, given};
use crate::bind::packet::given::value;
use crate::bind::packet::handle::Packet;
use crate::bind::types;
use crate::bind::types::quantity::span;
use crate::model::duration::Span;
use crate::model::packet::{Packet as Bytes, Value};
use crate::model::raw::tally::PARTS;
use crate::model::raw::{Limits, Sent, Spec, Tally, Template, Way};
use crate::model::{Fault, Kind};

/// As many packets are given to a function at once.
const BATCH: usize = 1000;
/// How often it is told how far a capture has come.
const NEWS: Duration = Duration::from_millis(250);
/// The most bytes that are kept of a frame, where nothing else is said.
const KEPT: i64 = 262_144;

const SENDING: [&str; 6] = ["to", "count", "time", "rate", "vary", "seed"];
const CAPTURING: [&str; 8] = ["filter", "count", "time", "rate", "file", "snaplen", "promiscuous", "mark"];

/// What stands in the place of a name for all links, as in tcpdump(8).
const EVERY: &str = "any";

fn whole(name: &str, value: &Dynamic) -> Result<i64, Fault> {
    value.as_int().map_err(|found| Fault::input(format!("use `{name}`"), format!("it is of type {found}, and a whole number is wanted")))
}

/// Reads the bounds, each of which has a value in any case.
fn limits(options: &Map, mut limits: Limits) -> Result<Limits, Fault> {
    given(options, "count").map(|count| limits.count(whole("count", count)?)).transpose()?;
    given(options, "rate").map(|rate| limits.rate(whole("rate", rate)?)).transpose()?;
    given(options, "time").map(|time| limits.time(span("`time`", time)?.0)).transpose()?;
    Ok(limits)
}

/// Reads which fields vary, and makes a template of the packet as the socket takes it.
fn template(socket: &handle::Socket, packet: &Dynamic, bytes: &[u8], options: &Map) -> Result<Template, Fault> {
    let vary = match given(options, "vary").map(value).transpose()? {
        None => Vec::new(),
        Some(Value::Map(fields)) => fields,
        Some(other) => {
            return Err(Fault::input(format!("vary {other}"), "a map is wanted").hint("vary: #{ \"udp.sport\": 1024..=65535 }"));
        }
    };
    let seed = given(options, "seed").map_or_else(
        || Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64)),
        |seed| whole("seed", seed).map(i64::cast_unsigned),
    )?;
    // What a socket sends without an IP header begins with the layer that the packet begins with.
    let own = packet.read_lock::<Packet>().and_then(|packet| packet.whole().ok().map(|whole| whole.first));
    Template::new(&Bytes::new(bytes, own.unwrap_or(socket.way().first())), &vary, seed)
}

fn send(ctx: &NativeCallContext, socket: &handle::Socket, packet: &Dynamic, options: &Map) -> Answer<Map> {
    let door = socket.door_of(ctx)?;
    let made = options::known(options, &SENDING).and_then(|()| {
        let to = match given(options, "to") {
            None => To::Itself,
            Some(to) if matches!(socket.way(), Way::Packet { .. }) => To::Link(types::text_for("`to`", to)?.parse()?),
            Some(to) => To::Host(address("`to`", to)?),
        };
        let packet_out = outgoing(socket, &door, packet, to)?;
        let template = template(socket, packet, &packet_out.bytes, options)?;
        Ok((packet_out, template, limits(options, Limits::SEND)?))
    });
    let (packet, template, limits) = answer(ctx, made)?;
    let session = call::session(ctx)?;
    let _until_enough = door.until_enough();
    let mut news = |sent: &Sent| session.progress(&told(sent.packets, sent.time, &limits));
    let sent = door.stream_raw(socket.id(), &packet, template, &limits, &mut news, &call::origin(ctx));
    session.progress("");
    let sent = answer(ctx, sent)?;
    let seconds = sent.time.as_secs_f64();
    let rate = if seconds > 0.0 { sent.packets as f64 / seconds } else { 0.0 };
    Ok(map([
        ("packets", number(sent.packets)),
        ("bytes", number(sent.bytes)),
        ("refused", number(sent.refused)),
        ("time", duration(sent.time)),
        ("rate", Dynamic::from(rate)),
        ("interrupted", sent.interrupted.into()),
    ]))
}

/// Tells how far a stream has come.
fn told(packets: u64, time: Duration, limits: &Limits) -> String {
    let seconds = time.as_secs_f64();
    let rate = if seconds > 0.0 { packets as f64 / seconds } else { 0.0 };
    format!("{packets} packets of at most {}, {seconds:.1}s of at most {:.0}s, {rate:.0} a second", limits.count, limits.time.as_secs_f64())
}

fn number(number: u64) -> Dynamic {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn duration(time: Duration) -> Dynamic {
    Dynamic::from(Span(Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))))
}

fn map<const N: usize>(entries: [(&str, Dynamic); N]) -> Map {
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Gives what was counted to a script.
fn counted(tally: &Tally, limits: &Limits, interrupted: bool) -> Map {
    let seconds = tally.time.as_secs_f64();
    let talks = tally.loudest().into_iter().map(|(talk, (packets, bytes))| Dynamic::from(Talk { talk, packets, bytes }));
    map([
        ("packets", number(tally.packets)),
        ("bytes", number(tally.bytes)),
        ("dropped", number(tally.dropped)),
        ("limited", number(tally.limited)),
        ("time", duration(tally.time)),
        ("rate", Dynamic::from(if seconds > 0.0 { tally.packets as f64 / seconds } else { 0.0 })),
        ("parts", tally.parts.iter().map(|count| number(*count)).collect::<Array>().into()),
        ("part", duration(limits.time / PARTS as u32)),
        ("talks", talks.collect::<Array>().into()),
        ("others", number(tally.others.0)),
        ("interrupted", interrupted.into()),
    ])
}

fn capture(ctx: &NativeCallContext, interface: &str, options: &Map, each: Option<&FnPtr>) -> Answer<Map> {
    let made = options::known(options, &CAPTURING).and_then(|()| {
        let kept = given(options, "snaplen").map_or(Ok(KEPT), |kept| whole("snaplen", kept))?;
        let kept = u32::try_from(kept)
            .ok()
            .filter(|kept| (14..=KEPT as u32).contains(kept))
            .ok_or_else(|| Fault::input(format!("keep {kept} bytes of each frame"), format!("`snaplen` is a number from 14 to {KEPT}")))?;
        let of_socket = options.iter().filter(|(name, _)| ["filter", "promiscuous", "mark"].contains(&name.as_str()));
        let way = match interface {
            EVERY => Way::Every,
            name => Way::Packet { link: name.parse()?, cooked: false, promiscuous: false },
        };
        let spec = spec(way, &of_socket.map(|(name, value)| (name.clone(), value.clone())).collect())?;
        let file = given(options, "file").map(|path| types::text_for("`file`", path)).transpose()?;
        Ok((Spec { ring: Some(kept), ..spec }, limits(options, Limits::CAPTURE)?, file))
    });
    let (spec, limits, file) = answer(ctx, made)?;
    let (door, session) = (call::door(ctx)?, call::session(ctx)?);
    let _until_enough = door.until_enough();
    let id = answer(ctx, door.capture_raw(&spec, &limits, file.as_deref(), &call::origin(ctx)))?;
    let first = spec.way.first();
    let (mut told_at, want) = (Instant::now(), if each.is_some() { BATCH } else { 0 });
    let outcome = loop {
        let step = match door.capture_on(id, want) {
            Ok(step) => step,
            Err(fault) => break Err(call::fault(ctx, fault)),
        };
        if told_at.elapsed() >= NEWS {
            told_at = Instant::now();
            session.progress(&told(step.tally.packets, step.tally.time, &limits));
        }
        if let Some(each) = each.filter(|_| !step.packets.is_empty()) {
            let packet = |packet: crate::model::raw::Received| Dynamic::from(Packet::received(packet.bytes, first, packet.seen));
            let packets: Array = step.packets.into_iter().map(packet).collect();
            // A function that gives `false` has seen enough.
            match each.call_within_context::<Dynamic>(ctx, (packets,)) {
                Ok(enough) if enough.as_bool() == Ok(false) => break Ok((step.tally, false)),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        }
        if step.over {
            break Ok((step.tally, step.interrupted));
        }
    };
    session.progress("");
    let dropped = door.drops_raw(id).ok();
    door.close_raw(id);
    let (mut tally, interrupted) = outcome?;
    tally.dropped = dropped.unwrap_or(tally.dropped);
    if tally.packets == 0 && tally.time.is_zero() {
        return Err(call::fault(ctx, Fault::new(Kind::System, "capture frames", "the capture ended before it began")));
    }
    Ok(counted(&tally, &limits, interrupted))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A socket for packets.
    pub type Socket = handle::Socket;

    /// Sends packets like one, each with some fields of its own, until a limit is reached.
    ///
    /// Gives a map: `packets`, `bytes`, how many found no room
    /// in the queue of the link (`refused`), the `time`, the `rate` in packets a second, and whether a Ctrl-C ended it (`interrupted`).
    ///
    /// - `packet`: the packet, or a blob with its bytes
    /// - `options`: a map. `to`: the address, where the packet does not say it. The limits, which there are always: `count` (1000), `time` (`"10s"`, at most
    ///   24h), `rate` in packets a second (1000, at most 1000000000). `vary`: a map of fields by their names, `"udp.sport"`, each with `"counter"` (up from the value that it has),
    ///   `"random"`, a range `1024..=65535`, an array whose values come in turn, or `#{ from: 1, to: 9, step: 2, random: false }`. `seed`: a number from which
    ///   what is random follows
    ///
    /// The bytes are built once; only the fields that vary are written anew, and the checksums that cover them and are right. What is queued is written
    /// first. The deadline ends it, and so does Ctrl-C: then the script may sum up, but change and send nothing any more, and the run ends as an interrupted one.
    ///
    /// # Changes
    /// Whatever the packets bring about, which cannot be lifted. The journal has one entry for all of them. A plan lists it, and ends there.
    ///
    /// # Fails
    /// `input`: there is no such option or field, or it cannot vary so. `permission`: an address is public. `refused`: as `send`. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "raw");
    /// let packet = packet::ipv4(#{ src: "127.0.0.1", dst: "127.0.0.1" }) / packet::udp(#{ dport: 9 }) / blob(100, 0x55);
    /// let sent = socket.send_many(packet, #{ count: 50, rate: 100000, vary: #{ "udp.sport": 1024..=65535, "ipv4.ttl": "random" } });
    /// sent.packets == 50
    /// ```
    ///
    /// # Source
    /// sendmmsg(2), RFC 1624
    #[rhai_fn(global, return_raw, volatile)]
    pub fn send_many(ctx: NativeCallContext, socket: &mut Socket, packet: Dynamic, options: Map) -> Answer<Map> {
        super::send(&ctx, socket, &packet, &options)
    }

    /// Captures the frames of a link until a limit is reached.
    ///
    /// Gives a map: `packets`, `bytes`, how many the kernel has `dropped` because nobody
    /// fetched those before them, how many came beyond the rate (`limited`), the `time`, the `rate` in packets a second, how many came in each of sixty
    /// `parts` of the time, how long such a `part` is, and the `talks`: an array of values with `proto`, `src`, `dst`, `packets` and `bytes`, the one of most packets first
    /// (beyond ten thousand, their packets are counted as `others`), and whether a Ctrl-C ended it (`interrupted`).
    ///
    /// - `interface`: the name of the link; or `"any"` for all links, also those that come later. Then each packet has lost the head of its link and begins with the
    ///   layer `sll2`, which says by which link it came (its name is the property `interface`), and the file is a cooked one (LINKTYPE_LINUX_SLL2)
    /// - `options`: a map. The limits, which there are always: `count` (10000), `time` (`"10s"`), `rate` in packets a second (1000000). `filter`: as for `raw::packet`.
    ///   `file`: a file of pcap that is written. `snaplen`: how many bytes of each frame are kept (262144). `promiscuous`: true for frames to others, too; of one link
    ///
    /// Nothing is missed between the first moment and the last: the frames are in memory that is shared with the kernel, and the filter stands before them.
    /// A Ctrl-C is the last moment, too: the file is whole, and the script may sum up, but change and send nothing any more; the run ends as an interrupted one.
    /// What leaves by the loopback link comes in by it again, and is counted once.
    ///
    /// # Changes
    /// The file: an act, which cannot be lifted. A plan lists it, and ends there.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_RAW. `not-found`: there is no such link. `input`: there is no such option, or it cannot have this value. `unknown`: in a
    /// plan.
    ///
    /// # Example
    /// ```rhai
    /// let seen = raw::capture("lo", #{ time: "10ms", filter: #{ proto: "icmp" } });
    /// seen.packets == 0 && seen.dropped == 0
    /// ```
    ///
    /// # Source
    /// packet(7), PACKET_RX_RING
    #[rhai_fn(name = "capture", return_raw, volatile)]
    pub fn capture_all(ctx: NativeCallContext, interface: &str, options: Map) -> Answer<Map> {
        super::capture(&ctx, interface, &options, None)
    }

    /// Captures the frames of a link, and gives them to a function, many at once.
    ///
    /// - `each`: a function that is called with an array of packets, at most a thousand; it ends the capture by giving `false`. The kernel goes on collecting meanwhile
    ///
    /// # Changes
    /// The file, if one is asked for, which cannot be lifted. A plan lists it, and ends there.
    ///
    /// # Fails
    /// As without a function, and as the function does.
    ///
    /// # Example
    /// ```rhai
    /// let seen = raw::capture("lo", #{ time: "10ms" }, |packets| { for packet in packets { print(packet); } });
    /// ```
    ///
    /// # Source
    /// packet(7), PACKET_RX_RING
    #[rhai_fn(name = "capture", return_raw, volatile)]
    pub fn capture_each(ctx: NativeCallContext, interface: &str, options: Map, each: FnPtr) -> Answer<Map> {
        super::capture(&ctx, interface, &options, Some(&each))
    }
}
