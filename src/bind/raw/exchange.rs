//! Requests that are sent, with what answers them.

use std::collections::HashMap;
use std::net::IpAddr;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::{given, row};
use crate::bind::call::{self, Answer};
use crate::bind::packet::handle::Packet;
use crate::bind::{options, types};
use crate::model::Fault;
use crate::model::address::Address;
use crate::model::link::Name;
use crate::model::packet::exchange::{Counts, Exchange, Outcome, Terms, fill};
use crate::transaction::Door;

const OPTIONS: [&str; 5] = ["timeout", "rate", "interval", "retries", "interface"];

/// Reads the options.
fn options_of(options: &Map) -> Result<(Terms, Option<Name>), Fault> {
    options::known(options, &OPTIONS).map_err(|fault| Fault { tried: format!("{} of an exchange", fault.tried), ..fault })?;
    let given = |name: &str| options::given(options, name);
    let mut terms = Terms::default();
    if let Some(timeout) = given("timeout") {
        terms.timeout = types::quantity::span("`timeout`", timeout)?.0;
    }
    match (given("rate"), given("interval")) {
        (Some(_), Some(_)) => return Err(Fault::input("exchange packets", "`rate` and `interval` say the same: one of them is enough")),
        (Some(rate), None) => {
            let text = rate.as_int().map_or_else(|_| types::text_for("`rate`", rate), |number| Ok(number.to_string()))?;
            terms.interval = Terms::interval_of(&text)?;
        }
        (None, Some(interval)) => terms.interval = types::quantity::span("`interval`", interval)?.0,
        (None, None) => {}
    }
    if let Some(retries) = given("retries") {
        let number = retries.as_int().ok().and_then(|number| u32::try_from(number).ok());
        let odd = || Fault::input(format!("use {retries} as `retries`"), "it is a number from 0 to 99");
        terms.tries = number.ok_or_else(odd)?.saturating_add(1);
    }
    let link = given("interface").map(|name| types::text_for("`interface`", name)).transpose()?;
    let link = link.filter(|name| !name.is_empty()).map(|name| name.parse()).transpose()?;
    Ok((terms.checked()?, link))
}

/// Takes the packets, with what was left out of them filled in: the own address, the own port, the id of an echo.
fn requests(door: &Door, packets: &Array, link: Option<&Name>) -> Result<Vec<Packet>, Fault> {
    let mut ends: HashMap<IpAddr, IpAddr> = HashMap::new();
    let mut port = None;
    let mut end = |to: IpAddr| -> Result<(IpAddr, u16), Fault> {
        let own = match ends.get(&to) {
            Some(own) => *own,
            None => {
                let own = door.own_end(to, link)?;
                port.get_or_insert(own.port());
                ends.insert(to, own.ip());
                own.ip()
            }
        };
        Ok((own, port.unwrap_or_default()))
    };
    let mut filled = Vec::with_capacity(packets.len());
    for (at, value) in packets.iter().enumerate() {
        let odd = || Fault::input("exchange packets", format!("element {at} is of type {}, and a packet is wanted", value.type_name()));
        let packet = value.read_lock::<Packet>().ok_or_else(odd)?.clone();
        filled.push(match packet.draft() {
            Some(stack) => Packet::drafted(fill(stack.clone(), &mut end)?),
            None => packet,
        });
    }
    Ok(filled)
}

/// Exchanges the packets, and gives a row for each.
fn exchange(ctx: &NativeCallContext, packets: &Array, options: &Map, each: Option<&FnPtr>) -> Answer<Array> {
    let origin = call::origin(ctx);
    let fault = |fault: Fault| call::fault(ctx, fault);
    let (terms, link) = options_of(options).map_err(fault)?;
    let door = call::door(ctx)?;
    let requests = requests(&door, packets, link.as_ref()).map_err(fault)?;
    let whole = requests.iter().map(|packet| packet.whole().cloned()).collect::<Result<Vec<_>, _>>().map_err(fault)?;
    let mut exchange = Exchange::new(whole.clone(), terms).map_err(fault)?;
    if whole.is_empty() {
        return Ok(Array::new());
    }
    let _until_enough = door.until_enough();
    let mut desk = door.exchange(&whole, link.as_ref(), &origin).map_err(fault)?;
    loop {
        let ended = desk.step(&mut exchange).map_err(fault)?;
        if ended.is_empty() {
            break;
        }
        for (each, at) in each.iter().flat_map(|each| ended.iter().map(move |at| (each, *at))) {
            let row = row::Row::of(requests[at].clone(), &exchange.rows[at]);
            let _: Dynamic = each.call_within_context(ctx, (row,))?;
        }
    }
    if exchange.rows.iter().any(|row| row.outcome == Outcome::Open && row.tries == 0) {
        door.sent_less(&whole, exchange.rows.iter().filter(|row| row.tries > 0).count());
    }
    if let Some(line) = told(&exchange.counts) {
        call::session(ctx)?.log(&line);
    }
    Ok(requests.into_iter().zip(&exchange.rows).map(|(request, row)| Dynamic::from(row::Row::of(request, row))).collect())
}

/// Says what did not come as it should; nothing where all did.
fn told(counts: &Counts) -> Option<String> {
    let many = |count: u64, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        count => Some(format!("{count} {what}s")),
    };
    let odd = [
        (counts.duplicates as u64, "duplicate answer"),
        (counts.late as u64, "late answer"),
        (counts.dropped, "packet dropped by the kernel before it was read"),
    ];
    let odd: Vec<String> = odd.iter().filter_map(|(count, what)| many(*count, what)).collect();
    (!odd.is_empty()).then(|| format!("exchange: {}", odd.join(", ")))
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Sends packets, waits for what answers each, and gives a row for each in their order.
    ///
    /// - `packets`: an array of packets that begin with IP; what is left out of them, the kernel's choice is taken for: the source address, the own port, the id
    ///   of an echo request, the same for all of them. Or frames, with the option `interface`
    ///
    /// Many are on the way at once. What is an answer: the reply to an echo request by its host, id and number; to a segment of TCP what acknowledges it, or a reset;
    /// to a datagram one by the swapped ports, and of DNS that with the id and the question; to an ARP request or a neighbour solicitation the one for its target;
    /// and to each of them, as to any IP packet, an ICMP error that quotes it. A row has `request`, `answer` (a packet, or `()`), `kind`, `from`,
    /// `rtt`, `tries`, `duplicates` and `others`.
    ///
    /// `kind` is `"reply"`, `"syn-ack"`, `"reset"`, `"ack"`, `"silent"` if nothing came in time, `"unsent"` if the kernel refused it (`error` has why),
    /// `"interrupted"` if a Ctrl-C ended the exchange before (`tries` says whether it was sent), or what the ICMP error says, in the words of iptables(8) and ip6tables(8): `"time-exceeded"`, `"port-unreachable"`, `"host-unreachable"`, `"fragmentation-needed"` …
    ///
    /// It takes CAP_NET_RAW; but plain echo requests of one id go by ping sockets where that is missing. Then an ICMP error has no `answer`, only `kind`
    /// and `from`. The own ports of datagrams are kept meanwhile. To an answered SYN the kernel says a reset, because it knows of no connection: that closes it at the other
    /// host; `std:probe` has `without_resets` for exchanges that go on. Duplicate and late answers, and packets that the kernel has dropped, are logged.
    ///
    /// A Ctrl-C ends the exchange, and the script may sum up: it can change and send nothing any more, and the run ends as an interrupted one.
    ///
    /// # Changes
    /// Nothing here; sending is an act, which cannot be lifted. What is queued is written first. A plan lists the act and ends there.
    ///
    /// # Fails
    /// `input`: an element is no packet, or one to which no answer is known. `permission`: it takes CAP_NET_RAW; a destination is public. `busy`: another
    /// socket has the own port. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// let rows = raw::exchange([packet::ipv4(#{ dst: "127.0.0.1" }) / packet::icmp(#{ type: "echo-request", seq: 1 })]);
    /// rows[0].kind == "reply" && rows[0].from == address("127.0.0.1")
    /// ```
    ///
    /// # Source
    /// raw(7), packet(7), icmp(7); RFC 792, RFC 4443, RFC 9293, RFC 826, RFC 4861, RFC 1035
    #[rhai_fn(return_raw, volatile)]
    pub fn exchange(ctx: NativeCallContext, packets: Array) -> Answer<Array> {
        super::exchange(&ctx, &packets, &Map::new(), None)
    }

    /// Sends packets and waits for what answers each, with options.
    ///
    /// - `options`: a map. `timeout`: how long each waits for its answer, up to an hour; by default 1s. `rate`: how many are sent, `"100/s"`, `"6/min"`, by default
    ///   1000 a second; or `interval`, the time between two. `retries`: how often a silent one is sent again, 0 to 99, by default 0; the `rtt` is then from the
    ///   last time. `interface`: the link on which it is all done
    ///
    /// # Changes
    /// Nothing here; sending is an act, which cannot be lifted.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown or of the wrong type. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let syns = [79, 80].map(|port| packet::ipv4(#{ dst: "127.0.0.1" }) / packet::tcp(#{ dport: port, seq: 1 }));
    /// raw::exchange(syns, #{ timeout: "200ms", rate: "100/s" }).all(|row| row.kind in ["syn-ack", "reset"])
    /// ```
    ///
    /// # Source
    /// As without options.
    #[rhai_fn(name = "exchange", return_raw, volatile)]
    pub fn exchange_with(ctx: NativeCallContext, packets: Array, options: Map) -> Answer<Array> {
        super::exchange(&ctx, &packets, &options, None)
    }

    /// Sends packets and waits for what answers each, and gives every row to a function as soon as it is known.
    ///
    /// - `each`: a function of one row
    ///
    /// # Changes
    /// Nothing here; sending is an act, which cannot be lifted.
    ///
    /// # Fails
    /// As without it.
    ///
    /// # Example
    /// ```rhai
    /// let ping = |seq| packet::ipv4(#{ dst: "127.0.0.1" }) / packet::icmp(#{ type: "echo-request", seq: seq });
    /// raw::exchange([1, 2, 3].map(ping), #{ interval: "10ms" }, |row| print(`${row.from}: ${row.rtt}`));
    /// ```
    ///
    /// # Source
    /// As without it.
    #[rhai_fn(name = "exchange", return_raw, volatile)]
    pub fn exchange_each(ctx: NativeCallContext, packets: Array, options: Map, each: FnPtr) -> Answer<Array> {
        super::exchange(&ctx, &packets, &options, Some(&each))
    }

    /// Gives the address from which packets to a host are sent, as the routes have it.
    ///
    /// - `host`: an address
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `refused`: there is no route to it. `input`: it is no address.
    ///
    /// # Example
    /// ```rhai
    /// raw::source("127.0.0.1") == address("127.0.0.1")
    /// ```
    ///
    /// # Source
    /// ip-route(8), get
    #[rhai_fn(return_raw, volatile)]
    pub fn source(ctx: NativeCallContext, host: Dynamic) -> Answer<Dynamic> {
        let door = call::door(&ctx)?;
        let own = given::address("a host", &host).and_then(|host| door.own_end(host, None));
        own.map(|own| Dynamic::from(Address(own.ip()))).map_err(|fault| call::fault(&ctx, fault))
    }
}
