//! Several sockets at once: requests go out by some of them, and answers come in by others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::{Socket, Wire, open, options, refusal, socket};
use crate::kernel::errno;
use crate::kernel::process::enough;
use crate::model::link::Name;
use crate::model::packet::answer;
use crate::model::packet::exchange::{Came, Exchange};
use crate::model::packet::filter::drop_all;
use crate::model::packet::{Packet, answer::Reply};
use crate::model::raw::exchange::{Sockets, outgoing};
use crate::model::raw::{Batch, Direction, Report, Way};
use crate::model::{Family, Fault, Kind};

/// As many requests are sent before answers are looked for.
const BURST: usize = 64;
/// As many packets are received at once.
const BATCH: usize = 256;

/// The sockets of an exchange. They belong to the network namespace in which they were opened.
pub trait Desk: Send {
    /// Sends what is due and receives what comes, until some requests have come to an end, and tells which; none where all have, or where a Ctrl-C says that it
    /// is enough: then some are open. A request to stop makes it fail.
    fn step(&mut self, exchange: &mut Exchange) -> Result<Vec<usize>, Fault>;
}

/// Sockets of Linux.
pub struct Desks {
    sockets: Vec<Socket>,
    of: Vec<usize>,
    /// Which requests each socket has sent, in the order in which the kernel numbers them; none where that is not known.
    sent: Vec<Option<Vec<usize>>>,
    /// Keep the own ports of datagrams, and read nothing.
    _ports: Vec<UdpSocket>,
    begun: Option<Instant>,
}

impl Desks {
    /// Opens the sockets of an exchange in the network namespace of the calling thread.
    pub fn new(chosen: &Sockets) -> Result<Self, Fault> {
        let ports = chosen.ports.iter().map(|(family, port)| keep(*family, *port)).collect::<Result<_, _>>()?;
        let mut sockets = chosen.specs.iter().map(open::open).collect::<Result<Vec<_>, _>>()?;
        // Where the kernel does not tell when something left, the time at which it was sent is good enough.
        // A ping socket gives numbers to what it has not sent, too, because an error was waiting.
        let numbered = |socket: &mut Socket| !matches!(socket.way(), Way::Ping { .. }) && socket.stamp().is_ok();
        let sent = sockets.iter_mut().map(|socket| numbered(socket).then(Vec::new)).collect();
        Ok(Self { sockets, of: chosen.of.clone(), sent, _ports: ports, begun: None })
    }

    fn drops(&mut self) -> Result<u64, Fault> {
        self.sockets.iter_mut().map(Wire::drops).sum()
    }

    fn send(&mut self, exchange: &mut Exchange, now: Duration, ended: &mut Vec<usize>) -> Result<(), Fault> {
        for _ in 0..BURST {
            let Some(at) = exchange.due(now) else { break };
            let (socket, sent) = (&mut self.sockets[self.of[at]], &mut self.sent[self.of[at]]);
            let packet = outgoing(socket.way(), &exchange.rows[at].packet);
            match socket.send(&packet) {
                Ok(when) => {
                    exchange.left(at, when);
                    sent.iter_mut().for_each(|sent| sent.push(at));
                }
                Err(fault) if fault.kind == Kind::Interrupted => return Err(fault),
                Err(fault) => {
                    // Whether the kernel has given it a number depends on where it stopped.
                    *sent = None;
                    exchange.unsent(at, fault);
                    ended.push(at);
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, exchange: &mut Exchange, begun: Instant, ended: &mut Vec<usize>) -> Result<(), Fault> {
        for (socket, sent) in self.sockets.iter_mut().zip(&self.sent) {
            for (number, when) in socket.take_stamps() {
                let sent = sent.as_ref().and_then(|sent| sent.get(number as usize));
                sent.into_iter().for_each(|at| exchange.left(*at, when));
            }
        }
        for socket in self.sockets.iter_mut().filter(|socket| socket.way().may_receive().is_ok()) {
            loop {
                let Batch { packets, reports } = socket.receive(BATCH, Duration::ZERO)?;
                let (is_last, now) = (packets.len() < BATCH, begun.elapsed());
                let (first, family) = (socket.way().first(), socket.way().family());
                let came = packets.into_iter().filter(|it| !matches!(it.seen.direction, Some(Direction::Outgoing | Direction::Other)));
                let came = came.map(|it| exchange.received(Packet::new(it.bytes, first), it.seen.at, now)).collect::<Vec<_>>();
                let told = reports.iter().filter_map(|report| Some((reply(report, family?)?, report.at)));
                let told = told.map(|(reply, at)| exchange.take(reply, None, at, now)).collect::<Vec<_>>();
                ended.extend(came.into_iter().chain(told).filter_map(|came| if let Came::Answer(at) = came { Some(at) } else { None }));
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Desk for Desks {
    fn step(&mut self, exchange: &mut Exchange) -> Result<Vec<usize>, Fault> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        loop {
            if enough::take("exchange packets")? {
                exchange.counts.dropped = self.drops()?;
                return Ok(Vec::new());
            }
            let mut ended = exchange.expire(begun.elapsed());
            self.send(exchange, begun.elapsed(), &mut ended)?;
            self.receive(exchange, begun, &mut ended)?;
            let wake = exchange.wake();
            if !ended.is_empty() || wake.is_none() {
                exchange.counts.dropped = self.drops()?;
                return Ok(ended);
            }
            let patience = wake.unwrap_or_default().saturating_sub(begun.elapsed());
            let sockets: Vec<BorrowedFd<'_>> = self.sockets.iter().map(AsFd::as_fd).collect();
            socket::wait(&sockets, patience, &|| "exchange packets".to_owned())?;
        }
    }
}

/// The sockets of a plan.
pub struct Blank;

impl Desk for Blank {
    fn step(&mut self, _: &mut Exchange) -> Result<Vec<usize>, Fault> {
        Err(Fault::new(Kind::Unknown, "exchange packets", "a plan sends nothing, and so nothing answers"))
    }
}

/// What a report of the kernel says about an echo request.
fn reply(report: &Report, family: Family) -> Option<Reply> {
    answer::reported(family, report.by?, report.to?, [report.kind, report.code], &report.bytes)
}

/// Keeps an own port of datagrams.
fn keep(family: Family, port: u16) -> Result<UdpSocket, Fault> {
    let tried = || format!("keep the own UDP port {port}");
    let busy = |error: &std::io::Error| error.raw_os_error() == Some(Errno::EADDRINUSE as i32);
    let any: IpAddr = if family == Family::V6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let kept = UdpSocket::bind((any, port)).map_err(|error| match busy(&error) {
        true => Fault::new(Kind::Busy, tried(), "another socket has it, and answers would go there, too")
            .hint("leave `sport` out: a free one is taken"),
        false => errno::fault(tried(), error),
    })?;
    // What comes is for another socket.
    open::attach(&kept, &drop_all()).map_err(|error| errno::fault(tried(), error))?;
    Ok(kept)
}

/// Gives the own end of packets to a host: the address that the routes choose, and a port that is free. A datagram socket that is connected sends nothing
/// yet.
pub fn own_end(to: IpAddr, link: Option<&Name>) -> Result<SocketAddr, Fault> {
    let scope = match link {
        Some(name) => if_nametoindex(name.as_str()).map_err(|error| refusal::of_link(name.as_str(), error))?,
        None => 0,
    };
    let host = to;
    let (any, to): (IpAddr, SocketAddr) = match to {
        IpAddr::V4(v4) => (Ipv4Addr::UNSPECIFIED.into(), (v4, 9).into()),
        IpAddr::V6(v6) => (Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(v6, 9, 0, scope).into()),
    };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        if let Some(name) = link {
            options::set_bytes(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_str().as_bytes())?;
        }
        socket.set_broadcast(true)?;
        socket.connect(to)?;
        socket.local_addr()
    });
    asked.map_err(|error| refusal::of_route(host, error.raw_os_error().map_or(Errno::ENETUNREACH, Errno::from_raw)))
}
