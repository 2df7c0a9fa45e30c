//! How near the ephemeral ports are to their end.
//!
//! A port that the kernel chooses for a connection has to be free only towards that destination: what must not be there twice is the four of own
//! address, own port, far address and far port. So the ports of a range can be used up for one destination, and be free for all others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{PortSet, range_key, reserved_key};
use crate::model::sockets::{Proto, Socket, State};

/// The share of TIME-WAIT, in percent, from which on it is worth a word.
const MANY_WAIT: usize = 50;

/// What is looked at.
pub struct Measure<'a> {
    /// The ephemeral range.
    pub range: PortSet,
    /// The ports that are not given to whoever asks for any.
    pub reserved: PortSet,
    /// The lowest port that needs no privilege.
    pub unprivileged: u16,
    /// `net.ipv4.tcp_tw_reuse`, where there is one.
    pub reuse: Option<i64>,
    /// The share of a destination, in percent, from which on something should be done.
    pub threshold: usize,
    /// The sockets of TCP and UDP.
    pub sockets: &'a [Socket],
}

/// A protocol, the address here, and the address and the port there.
type Direction = (Proto, IpAddr, IpAddr, u16);

/// What is used towards one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The protocol.
    pub proto: Proto,
    /// The own address.
    pub from: IpAddr,
    /// The far address.
    pub to: IpAddr,
    /// The far port.
    pub port: u16,
    /// The ephemeral ports that are in use towards it.
    pub used: usize,
    /// Those of them that wait for late packets only.
    pub time_wait: usize,
    /// The share of the ports that there are, in percent.
    pub percent: usize,
}

/// What can be done, as a parameter with its value now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The parameter.
    pub parameter: String,
    /// What it is now.
    pub now: String,
    /// What it should be.
    pub value: String,
    /// Why.
    pub why: String,
}

/// How many ports there are, what they are used for, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The ports that connections can get: the range without what is reserved.
    pub usable: usize,
    /// The reserved ports in the range.
    pub reserved: usize,
    /// The ports of the range that are in use at all.
    pub used: usize,
    /// Sockets with a port of the range, by protocol and state.
    pub states: BTreeMap<(Proto, State), usize>,
    /// The share of TIME-WAIT of the connections of TCP among them, in percent.
    pub time_wait: usize,
    /// The destinations, the most used first.
    pub destinations: Vec<Destination>,
    /// The share of the most used one, in percent.
    pub worst: usize,
    /// What to do.
    pub advice: Vec<Advice>,
}

/// Finds out how near the ephemeral ports are to their end.
pub fn report(measure: &Measure<'_>) -> Report {
    let usable = measure.range.without(&measure.reserved);
    let all = usable.len();
    let mut states: BTreeMap<(Proto, State), usize> = BTreeMap::new();
    let mut towards: BTreeMap<Direction, (BTreeSet<u16>, usize)> = BTreeMap::new();
    let mut used = PortSet::new();
    for socket in measure.sockets {
        let Some(port) = socket.local.port().filter(|port| usable.contains(*port)) else { continue };
        used.extend([port]);
        *states.entry((socket.proto, socket.state)).or_default() += 1;
        let (Some(from), Some(to), Some(far)) = (socket.local.address(), socket.peer.address(), socket.peer.port()) else { continue };
        if socket.state.has_a_peer() {
            let entry = towards.entry((socket.proto, from.to_canonical(), to.to_canonical(), far)).or_default();
            entry.0.insert(port);
            entry.1 += usize::from(socket.state == State::TimeWait);
        }
    }
    let destination = |((proto, from, to, port), (ports, time_wait))| {
        let ports: BTreeSet<u16> = ports;
        Destination { proto, from, to, port, used: ports.len(), time_wait, percent: share(ports.len(), all) }
    };
    let mut destinations: Vec<Destination> = towards.into_iter().map(destination).collect();
    destinations.sort_by_key(|destination| std::cmp::Reverse(destination.used));
    let count = |is: &dyn Fn(&(Proto, State)) -> bool| states.iter().filter(|(of, _)| is(of)).map(|(_, count)| count).sum::<usize>();
    let connections = count(&|(proto, state)| *proto == Proto::Tcp && state.has_a_peer());
    let time_wait = share(count(&|(_, state)| *state == State::TimeWait), connections);
    let worst = destinations.first().map_or(0, |destination| destination.percent);
    let mut report = Report {
        usable: all,
        reserved: measure.range.and(&measure.reserved).len(),
        used: used.len(),
        states,
        time_wait,
        worst,
        advice: Vec::new(),
        destinations,
    };
    report.advice = advice(measure, &report);
    report
}

fn share(part: usize, of: usize) -> usize {
    (part * 100).checked_div(of).unwrap_or(0)
}

fn advice(measure: &Measure<'_>, report: &Report) -> Vec<Advice> {
    let mut advice = Vec::new();
    let is_near = report.worst >= measure.threshold || share(report.used, report.usable) >= measure.threshold;
    let served = |socket: &&Socket| matches!(socket.state, State::Listening | State::Closed);
    let served: PortSet = measure.sockets.iter().filter(served).filter_map(|socket| socket.local.port()).filter(|port| *port > 0).collect();
    let listening: PortSet =
        measure.sockets.iter().filter(|socket| socket.state == State::Listening).filter_map(|socket| socket.local.port()).collect();
    // Where every port is unprivileged, as in many containers, those of well-known services are left alone all the same.
    let wide: PortSet = (measure.unprivileged.max(1024)..=u16::MAX).collect();
    // What listens in the range as it is could lose its port while it is restarted; in the wider one, what serves by datagrams, too.
    let mut to_reserve = listening.and(&measure.range).without(&measure.reserved);
    if is_near && measure.range != wide {
        to_reserve = to_reserve.or(&served.and(&wide).without(&measure.range).without(&measure.reserved));
        let span = |set: &PortSet| set.ranges().first().map_or(String::new(), |range| format!("{} {}", range.first, range.last));
        let why = format!("{} ports in place of {}", wide.without(&measure.reserved.or(&to_reserve)).len(), report.usable);
        advice.push(Advice { parameter: range_key().to_string(), now: span(&measure.range), value: span(&wide), why });
    }
    if !to_reserve.is_empty() {
        let why = format!("{} is served here, and a connection could take it while its program is restarted", to_reserve.in_short());
        let (now, value) = (measure.reserved.to_string(), measure.reserved.or(&to_reserve).to_string());
        // Before the range grows over them.
        advice.insert(0, Advice { parameter: reserved_key().to_string(), now, value, why });
    }
    if let Some(reuse) = measure.reuse.filter(|reuse| *reuse != 1 && is_near && report.time_wait >= MANY_WAIT) {
        let why = format!("{} % wait for late packets only; new connections from here may have their ports", report.time_wait);
        advice.push(Advice { parameter: "net.ipv4.tcp_tw_reuse".to_owned(), now: reuse.to_string(), value: "1".to_owned(), why });
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sockets::End;
    use crate::model::sockets::tests::socket;

    fn end(text: &str) -> End {
        let at: std::net::SocketAddr = text.parse().unwrap();
        End::Inet(at.ip(), at.port())
    }

    fn measured(sockets: &[Socket], threshold: usize) -> Report {
        report(&Measure {
            range: "2000-2009".parse().unwrap(),
            reserved: "2009,80".parse().unwrap(),
            unprivileged: 1024,
            reuse: Some(2),
            threshold,
            sockets,
        })
    }

    fn to(port: u16, peer: &str, state: State) -> Socket {
        socket(Proto::Tcp, state, end(&format!("192.0.2.1:{port}")), end(peer))
    }

    #[test]
    fn ports_are_counted_towards_each_destination() {
        let mut sockets: Vec<Socket> = (2000..2006).map(|port| to(port, "192.0.2.7:443", State::TimeWait)).collect();
        // The same port towards somebody else, one that is not of the range, one that is reserved, one that listens.
        sockets.push(to(2000, "192.0.2.8:443", State::Established));
        sockets.push(to(22, "192.0.2.8:50000", State::Established));
        sockets.push(to(2009, "192.0.2.7:443", State::Established));
        sockets.push(to(2008, "0.0.0.0:0", State::Listening));
        sockets.push(socket(Proto::Udp, State::Closed, end("0.0.0.0:2007"), end("0.0.0.0:0")));
        // Of both families as IPv4 is, when it comes by a socket of IPv6.
        sockets.push(socket(Proto::Tcp, State::Established, end("[::ffff:192.0.2.1]:2006"), end("[::ffff:192.0.2.7]:443")));
        let report = measured(&sockets, 80);
        assert_eq!((report.usable, report.reserved, report.used, report.worst, report.time_wait), (9, 1, 9, 77, 75));
        let told: Vec<String> =
            report.destinations.iter().map(|to| format!("{} {}:{} {} {}", to.from, to.to, to.port, to.used, to.time_wait)).collect();
        assert_eq!(told, ["192.0.2.1 192.0.2.7:443 7 6", "192.0.2.1 192.0.2.8:443 1 0"]);
        assert_eq!(report.states[&(Proto::Tcp, State::TimeWait)], 6);
        assert_eq!(measured(&[], 80).destinations, []);
    }

    #[test]
    fn what_is_advised_is_in_the_order_in_which_it_is_to_be_done() {
        let mut sockets: Vec<Socket> = (2000..2008).map(|port| to(port, "192.0.2.7:443", State::TimeWait)).collect();
        sockets.push(to(8080, "0.0.0.0:0", State::Listening));
        sockets.push(to(80, "0.0.0.0:0", State::Listening));
        let told = |report: &Report| -> Vec<String> {
            report.advice.iter().map(|it| format!("{} {} -> {}", it.parameter, it.now, it.value)).collect()
        };
        let wanted = [
            "net.ipv4.ip_local_reserved_ports 80,2009 -> 80,2009,8080",
            "net.ipv4.ip_local_port_range 2000 2009 -> 1024 65535",
            "net.ipv4.tcp_tw_reuse 2 -> 1",
        ];
        assert_eq!(told(&measured(&sockets, 80)), wanted);
        assert_eq!(told(&measured(&sockets, 90)), Vec::<String>::new());
        // What listens in the range is worth a word in any case.
        sockets.push(to(2008, "0.0.0.0:0", State::Listening));
        assert_eq!(told(&measured(&sockets[9..], 80)), ["net.ipv4.ip_local_reserved_ports 80,2009 -> 80,2008-2009"]);
    }
}
