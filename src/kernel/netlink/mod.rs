//! Netlink (RFC 3549, netlink(7)): a socket, messages and their attributes, blocking and without a reactor.

pub mod connection;
pub mod ipset;
pub mod message;
pub mod nftables;
pub mod route;
pub mod rtnl;
pub mod sockets;
pub mod tc;

use std::io;
use std::time::Duration;

use netlink_sys::{Socket as Raw, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use message::{Answer, Messages, Refused, answers, flag};

/// The bytes that one datagram of the kernel has at most; a dump is cut into pieces of at most 32 KiB.
const DATAGRAM: usize = 64 * 1024;
/// The most bytes, and the most orders, that are sent before an answer is waited for. An answer that finds no room in the buffer of the socket is lost.
const BURST: (usize, usize) = (32 * 1024, 500);

/// A netlink socket of the network namespace in which the thread was that opened it.
pub struct Socket {
    raw: Raw,
    sequence: u32,
    buffer: Vec<u8>,
}

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// It is complete and consistent.
    Whole,
    /// Something was changed meanwhile (NLM_F_DUMP_INTR): entries can be missing or stand twice.
    Torn,
}

/// One of several orders that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Which of them, from 0.
    pub at: usize,
    /// What the kernel said.
    pub refused: Refused,
}

impl Socket {
    /// Opens a socket of a netlink protocol, with the kernel's own words in its errors.
    pub fn open(protocol: libc::c_int) -> io::Result<Self> {
        let mut raw = Raw::new(protocol as isize)?;
        raw.bind(&SocketAddr::new(0, 0))?;
        // Both are conveniences: a kernel without them answers with numbers only.
        let _ = raw.set_ext_ack(true);
        let _ = raw.set_cap_ack(true);
        Ok(Self { raw, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// Bounds the wait for an answer.
    pub fn set_timeout(&self, bound: Duration) -> io::Result<()> {
        let bound = TimeVal::microseconds(i64::try_from(bound.as_micros()).unwrap_or(i64::MAX));
        Ok(setsockopt(&self.raw, sockopt::ReceiveTimeout, &bound)?)
    }

    /// Gives the next sequence number, by which an answer is known as the answer to its question.
    pub fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends messages in one datagram.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > 64 * 1024 {
            // The bound of root only; where it is refused, the send itself will say so.
            let _ = setsockopt(&self.raw, sockopt::SndBufForce, &(bytes.len() * 2));
        }
        self.raw.send_to(bytes, &SocketAddr::new(0, 0), 0).map(drop)
    }

    /// Receives one datagram and gives each of its messages to `each`. Only the kernel is listened to: any process can send to the socket.
    pub fn receive(&mut self, each: &mut dyn FnMut(Answer<'_>) -> io::Result<()>) -> io::Result<()> {
        loop {
            let mut space = &mut self.buffer[..];
            match self.raw.recv_from(&mut space, libc::MSG_TRUNC) {
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((len, _)) if len > self.buffer.len() => return Err(io::Error::other("an answer of the kernel is too long")),
                Ok((len, _)) => return answers(&self.buffer[..len]).try_for_each(each),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends orders, many in a datagram, and gives the first that is refused. The kernel goes on behind it to the end of the datagram; of those in later
    /// datagrams none is sent.
    ///
    /// `write` adds one order as a message with the sequence number that it is given. It asks for no acknowledgement: a message that does nothing stands
    /// at the end of each datagram and is acknowledged instead, and what is refused is told in any case.
    pub fn order(&mut self, count: usize, write: impl FnMut(&mut Messages, usize, u32)) -> io::Result<Option<Stopped>> {
        self.order_forgiving(count, write, |_, _| false)
    }

    /// Sends orders as [`order`](Self::order) does, and goes on behind those that are refused for a reason that is `forgiven`.
    pub fn order_forgiving(
        &mut self,
        count: usize,
        mut write: impl FnMut(&mut Messages, usize, u32),
        forgiven: impl Fn(usize, &Refused) -> bool,
    ) -> io::Result<Option<Stopped>> {
        let mut next = 0;
        while next < count {
            let (first, begun) = (next, self.sequence);
            let mut messages = Messages::new();
            while next < count && messages.bytes().len() < BURST.0 && next - first < BURST.1 {
                let sequence = self.next_sequence();
                write(&mut messages, next, sequence);
                next += 1;
            }
            let last = self.next_sequence();
            messages.message(libc::NLMSG_NOOP as u16, flag::REQUEST | flag::ACK, last, |_| {});
            self.send(messages.bytes())?;
            let (mut done, mut stopped) = (false, None);
            while !done {
                self.receive(&mut |answer| {
                    match answer.status() {
                        Some(_) if answer.sequence == last => done = true,
                        Some(Err(refused)) if stopped.is_none() => {
                            let at = answer.sequence.wrapping_sub(begun) as usize;
                            let mine = (1..=next - first).contains(&at).then(|| Stopped { at: first + at - 1, refused });
                            stopped = mine.filter(|stopped| !forgiven(stopped.at, &stopped.refused));
                        }
                        _ => {}
                    }
                    Ok(())
                })?;
            }
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    /// Sends a question that has one answer, and gives its body.
    pub fn ask(&mut self, question: &[u8], sequence: u32) -> io::Result<Vec<u8>> {
        self.send(question)?;
        let mut body = None;
        while body.is_none() {
            self.receive(&mut |answer| {
                if answer.sequence == sequence {
                    if let Some(Err(refused)) = answer.status() {
                        return Err(refused.error());
                    }
                    body.get_or_insert_with(|| answer.body.to_vec());
                }
                Ok(())
            })?;
        }
        Ok(body.unwrap_or_default())
    }

    /// Sends a question for a list, and gives each entry (its message type and its body) to `each`.
    pub fn dump(&mut self, question: &[u8], sequence: u32, each: &mut dyn FnMut(u16, &[u8])) -> io::Result<Dump> {
        self.send(question)?;
        let (mut done, mut end) = (false, Dump::Whole);
        while !done {
            self.receive(&mut |answer| {
                if answer.sequence != sequence {
                    return Ok(());
                }
                if answer.torn {
                    end = Dump::Torn;
                }
                match answer.status() {
                    Some(Ok(())) => done = true,
                    Some(Err(refused)) => return Err(refused.error()),
                    None => each(answer.kind, answer.body),
                }
                Ok(())
            })?;
        }
        Ok(end)
    }
}
