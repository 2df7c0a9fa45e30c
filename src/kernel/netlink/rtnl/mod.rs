//! rtnetlink(7), blocking: links, addresses, neighbours, routes and rules, and the bytes of each.
//!
//! The layouts are those of `linux/if_link.h`, `linux/if_addr.h`, `linux/neighbour.h`, `linux/rtnetlink.h` and `linux/fib_rules.h`.

pub mod address;
pub mod link;
pub mod neighbour;
pub mod route;
pub mod rule;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::message::{Messages, Refused, flag};
use super::{Dump, Socket, Stopped};
use crate::model::Family;
use crate::model::prefix::Prefix;

/// `NLM_F_CREATE` and its like.
pub(super) mod how {
    /// Another one may be there, and gives way.
    pub(crate) const REPLACE: u16 = 0x100;
    /// No other one may be there.
    pub(crate) const EXCL: u16 = 0x200;
    /// It is made if it is not there.
    pub(crate) const CREATE: u16 = 0x400;
    /// It stands behind another one that is equal to it.
    pub(crate) const APPEND: u16 = 0x800;
}

/// More than the kernel ever takes for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// As often a list is read that is changed meanwhile.
const READS: usize = 5;

/// An order to the kernel: a message without its header, and the errors that say that it was done already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `RTM_NEWROUTE` and the like.
    pub kind: u16,
    /// The flags besides that it is a request.
    pub flags: u16,
    /// What follows the header.
    pub body: Vec<u8>,
    /// The error numbers that do not matter.
    pub forgiven: &'static [i32],
}

impl Order {
    /// Makes an order; `body` writes what follows the header of the message.
    pub(super) fn new(kind: u16, flags: u16, forgiven: &'static [i32], body: impl FnOnce(&mut Messages)) -> Self {
        let mut messages = Messages::new();
        body(&mut messages);
        Self { kind, flags, body: messages.bytes().to_vec(), forgiven }
    }
}

/// A socket of rtnetlink.
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens a socket of the network namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_ROUTE)?;
        socket.set_timeout(PATIENCE)?;
        // Kernels before 4.20 do not choose for us; what they give too much is left out.
        let _ = socket.raw.set_netlink_get_strict_chk(true);
        Ok(Self { socket })
    }

    /// Gives the orders in turn, and stops at the first that is refused for a reason that matters.
    pub fn order(&mut self, orders: &[&Order]) -> io::Result<Option<Stopped>> {
        let write = |messages: &mut Messages, at: usize, sequence: u32| {
            let order = orders[at];
            messages.message(order.kind, flag::REQUEST | order.flags, sequence, |m| m.raw(&order.body));
        };
        let forgiven = |at: usize, refused: &Refused| orders[at].forgiven.contains(&refused.errno);
        self.socket.order_forgiving(orders.len(), write, forgiven)
    }

    /// Reads a list, again if it was changed meanwhile; `read` takes each entry of it.
    fn dump<T>(&mut self, kind: u16, body: &[u8], read: &dyn Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
        whole(|| {
            let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
            messages.message(kind, flag::REQUEST | flag::DUMP, sequence, |m| m.raw(body));
            let mut found = Vec::new();
            let end = self.socket.dump(messages.bytes(), sequence, &mut |_, body| found.extend(read(body)))?;
            Ok((found, end))
        })
    }
}

/// Reads until a list is whole.
fn whole<T>(mut read: impl FnMut() -> io::Result<(T, Dump)>) -> io::Result<T> {
    for _ in 0..READS {
        if let (found, Dump::Whole) = read()? {
            return Ok(found);
        }
    }
    Err(busy())
}

/// Reads until the same is read twice, where the kernel does not say that something was changed meanwhile.
fn steady<T: PartialEq>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut last = read()?;
    for _ in 1..READS {
        let again = read()?;
        if again == last {
            return Ok(again);
        }
        last = again;
    }
    Err(busy())
}

/// Says that something is changed faster than it can be read.
fn busy() -> io::Error {
    io::Error::other(format!("it is changed faster than it can be read ({READS} times)"))
}

fn family(number: u8) -> Option<Family> {
    match libc::c_int::from(number) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn number(family: Family) -> u8 {
    (if family == Family::V4 { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Reads an address by its length.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

fn u32_of(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn u16_of(value: &[u8]) -> u16 {
    value.first_chunk().map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

fn prefix(address: Option<IpAddr>, length: u8, family: Family) -> Prefix {
    let nothing = if family == Family::V4 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    Prefix::new(address.unwrap_or(nothing), length)
}
