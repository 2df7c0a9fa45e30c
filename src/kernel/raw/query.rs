//! A question over a connection of TCP, from the first step of the connection to the last byte of the answer within one time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV6, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt};

use super::options::set_bytes;
use super::refusal;
use super::socket::wait_for;
use crate::model::link::Name;
use crate::model::packet::Packet;
use crate::model::packet::answer::Reply;
use crate::model::packet::exchange::{Answered, Outcome};
use crate::model::raw::Query;
use crate::model::{Fault, Kind};

/// As many bytes are read at once. What a server announces has no say in how much memory is taken: that grows with what has come.
const PIECE: usize = 4096;

/// Why there is no answer.
enum End {
    /// The time is over, or the server has closed the connection.
    Over(Option<Errno>),
    /// What came is none.
    Broken(String),
    /// It cannot go on: the run was asked to stop, or there is no such link.
    Failed(Fault),
}

/// Asks a question in the network namespace of the calling thread. A request to stop ends it.
pub fn query(query: &mut Query) -> Result<Outcome, Fault> {
    let begun = Instant::now();
    let server = query.server;
    let unsent = |error| Ok(Outcome::Unsent(refusal::of_connecting(server, error)));
    let mut stream = match open(query, begun) {
        Ok(stream) => stream,
        Err(End::Failed(fault)) => return Err(fault),
        Err(End::Over(Some(error))) => return unsent(error),
        Err(_) => return Ok(Outcome::Silent),
    };
    let asked = Instant::now();
    let tried = format!("read the answer of {server}");
    match talk(&mut stream, query, begun) {
        Ok(packet) => {
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let reply = Reply { kind: "reply", keys: Vec::new(), from: server, to: None };
            Ok(Outcome::Answered(Box::new(Answered { reply, packet: Some(packet), at, rtt: asked.elapsed() })))
        }
        Err(End::Failed(fault)) => Err(fault),
        Err(End::Broken(why)) => Ok(Outcome::Broken(Fault::new(Kind::Refused, tried, why))),
        Err(End::Over(error)) => Ok(match (query.cut_short(), error) {
            (None, None) => Outcome::Silent,
            (part, error) => Outcome::Broken(Fault::new(Kind::Refused, tried, ended(part, error))),
        }),
    }
}

/// Says how a connection ended before its time; without an error the time was over.
fn ended(part: Option<String>, error: Option<Errno>) -> String {
    let how = match error {
        None => "the time was over",
        Some(Errno::ECONNRESET) => "the server reset the connection",
        Some(Errno::ENODATA) => "the server closed the connection",
        Some(error) => error.desc(),
    };
    match part {
        Some(part) => format!("{how}; {part}"),
        None => format!("{how} without an answer"),
    }
}

fn left(query: &Query, begun: Instant) -> Duration {
    query.timeout.saturating_sub(begun.elapsed())
}

/// Waits until the connection is ready.
fn ready(stream: &impl AsFd, events: PollFlags, query: &Query, begun: Instant) -> Result<(), End> {
    let tried = || format!("ask {} by TCP", query.server);
    match wait_for(&[stream.as_fd()], events, left(query, begun), &tried) {
        Ok(true) => Ok(()),
        Ok(false) => Err(End::Over(None)),
        Err(fault) => Err(End::Failed(fault)),
    }
}

/// Connects, and waits for it no longer than there is time.
fn open(query: &Query, begun: Instant) -> Result<TcpStream, End> {
    let over = |error: Errno| End::Over(Some(error));
    let scope = query.link.as_ref().map_or(Ok(0), |name| if_nametoindex(name.as_str()));
    let scope = scope.map_err(|error| End::Failed(refusal::of_link(query.link.as_ref().map_or("", Name::as_str), error)))?;
    let to = match SocketAddr::from((query.server, query.port)) {
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope).into(),
        v4 => v4,
    };
    let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None).map_err(over)?;
    if let Some(name) = &query.link {
        set_bytes(&fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_str().as_bytes()).map_err(over)?;
    }
    let stream = TcpStream::from(fd);
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => return Ok(stream),
        // A connect(2) that a signal has interrupted goes on by itself.
        Err(Errno::EINPROGRESS | Errno::EINTR) => ready(&stream, PollFlags::POLLOUT, query, begun)?,
        Err(error) => return Err(over(error)),
    }
    match getsockopt(&stream, sockopt::SocketError).map_err(over)? {
        0 => Ok(stream),
        error => Err(over(Errno::from_raw(error))),
    }
}

/// Sends the question and reads until the answer is whole.
fn talk(stream: &mut TcpStream, query: &mut Query, begun: Instant) -> Result<Packet, End> {
    let out = query.outgoing();
    let mut rest = &out[..];
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(End::Over(Some(Errno::ENODATA))),
            Ok(written) => rest = &rest[written..],
            Err(error) => again(error, stream, PollFlags::POLLOUT, query, begun)?,
        }
    }
    let mut piece = [0; PIECE];
    while query.wanted() > 0 {
        // Also where bytes never cease to come, one by one, the time has an end.
        if left(query, begun).is_zero() {
            return Err(End::Over(None));
        }
        let most = query.wanted().min(PIECE);
        match stream.read(&mut piece[..most]) {
            Ok(0) => return Err(End::Over(Some(Errno::ENODATA))),
            Ok(came) => query.take(&piece[..came]).map_err(End::Broken)?,
            Err(error) => again(error, stream, PollFlags::POLLIN, query, begun)?,
        }
    }
    query.answer().map_err(End::Broken)
}

/// Waits until a call that would have blocked may be made again.
fn again(error: std::io::Error, stream: &TcpStream, events: PollFlags, query: &Query, begun: Instant) -> Result<(), End> {
    match error.kind() {
        ErrorKind::WouldBlock => ready(stream, events, query, begun),
        ErrorKind::Interrupted => Ok(()),
        _ => Err(End::Over(Some(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))),
    }
}
