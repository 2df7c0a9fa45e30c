//! Which sockets are meant: a question to the kernel, and the same question to a socket that was read.

use std::net::IpAddr;

use super::{End, Proto, Socket, States};
use crate::model::net::Ports;
use crate::model::prefix::Prefix;

/// An end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That on this host: `src` and `sport` of ss(8).
    Local,
    /// The far one: `dst` and `dport`.
    Peer,
}

/// A condition, put together of others.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The port of an end lies in a range.
    Port(Side, Ports),
    /// The address of an end lies in a prefix.
    Address(Side, Prefix),
    /// The name of an end is this one; `*` in it stands for anything.
    Name(Side, String),
    /// The mark, under a mask.
    Mark(u32, u32),
    /// The interface that it is bound to.
    Interface(String),
    /// All of them.
    And(Vec<Expr>),
    /// One of them.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
}

impl Expr {
    /// Tells whether a socket fulfils it.
    pub fn matches(&self, socket: &Socket) -> bool {
        let end = |side: &Side| if *side == Side::Local { &socket.local } else { &socket.peer };
        match self {
            Expr::Port(side, ports) => end(side).port().is_some_and(|port| (ports.first..=ports.last).contains(&port)),
            Expr::Address(side, prefix) => lies_in(end(side), prefix),
            Expr::Name(side, pattern) => matches!(end(side), End::Name(name) if is_like(name, pattern)),
            Expr::Mark(mark, mask) => socket.mark.unwrap_or(0) & mask == *mark,
            Expr::Interface(name) => socket.interface.as_deref() == Some(name),
            Expr::And(all) => all.iter().all(|one| one.matches(socket)),
            Expr::Or(any) => any.iter().any(|one| one.matches(socket)),
            Expr::Not(inner) => !inner.matches(socket),
        }
    }

    /// Tells whether some part of it is so.
    fn has(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        is_so(self)
            || match self {
                Expr::And(inner) | Expr::Or(inner) => inner.iter().any(|one| one.has(is_so)),
                Expr::Not(inner) => inner.has(is_so),
                _ => false,
            }
    }
}

/// A socket of IPv6 that is connected with IPv4 has that address in a longer one.
fn lies_in(end: &End, prefix: &Prefix) -> bool {
    match end {
        End::Inet(address, _) => prefix.contains(*address) || prefix.contains(address.to_canonical()),
        // The unspecified address of both.
        End::Both(_) => prefix.contains(IpAddr::from([0; 16])),
        End::Name(_) => false,
    }
}

/// Compares a name with a pattern, in which `*` stands for anything.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let (last, between) = parts.split_last().map_or(("", &[][..]), |(last, between)| (*last, between));
    for part in between {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// Which sockets are meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What they speak; empty is anything.
    pub protos: Vec<Proto>,
    /// The states that they may be in.
    pub states: States,
    /// The conditions, all of which they have to fulfil.
    pub all: Vec<Expr>,
    /// Whose they are.
    pub uid: Option<u32>,
    /// The process that holds them.
    pub pid: Option<i32>,
    /// Whether what the protocol keeps about them is read, too.
    pub extended: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { protos: Vec::new(), states: States::ALL, all: Vec::new(), uid: None, pid: None, extended: false }
    }
}

impl Filter {
    /// Gives what is to be listed: what cannot fulfil the conditions is left out.
    pub fn protos(&self) -> Vec<Proto> {
        let named = if self.protos.is_empty() { &Proto::ALL[..] } else { &self.protos };
        let is_of_ip = |expr: &Expr| matches!(expr, Expr::Port(..) | Expr::Address(..));
        let is_of_files = |expr: &Expr| matches!(expr, Expr::Name(..));
        let has = |is_so: &dyn Fn(&Expr) -> bool| self.all.iter().any(|expr| expr.has(is_so));
        let (ip, files) = (has(&is_of_ip), has(&is_of_files));
        let fits = |proto: &Proto| if ip && !files { proto.is_inet() } else { !files || ip || *proto == Proto::Unix };
        named.iter().copied().filter(|proto| !self.protos.is_empty() || fits(proto)).collect()
    }

    /// Tells whether it names no socket in particular.
    pub fn is_empty(&self) -> bool {
        self.states == States::ALL && self.all.is_empty() && self.uid.is_none() && self.pid.is_none()
    }

    /// Tells whether a socket is meant, as far as the socket itself can tell: who holds it is known elsewhere.
    pub fn matches(&self, socket: &Socket) -> bool {
        self.states.holds(socket.state) && self.uid.is_none_or(|uid| uid == socket.uid) && self.all.iter().all(|expr| expr.matches(socket))
    }
}
