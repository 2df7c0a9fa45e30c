//! The sockets of a network namespace, through sock_diag(7).
//!
//! To read /proc/net/tcp instead takes milliseconds: it walks the hash table of all namespaces once more for every piece that is read, and does not
//! tell half of it.

mod bytecode;
mod inet;
mod plain;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use nix::net::if_::if_indextoname;

use super::Socket as Netlink;
use super::connection::PATIENCE;
use super::message::{Messages, flag};
use crate::model::sockets::{Filter, Id, Proto, Socket};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`.
const OF_TCP: u16 = 18;
/// `SOCK_DESTROY`.
const DESTROY: u16 = 21;

/// Reads and destroys sockets of the network namespace in which the thread was that opened it.
pub struct Diag {
    socket: Netlink,
    names: Names,
}

/// The names of interfaces by their numbers, each looked up once.
#[derive(Default)]
struct Names(HashMap<u32, Option<Arc<str>>>);

impl Names {
    fn of(&mut self, index: u32) -> Option<Arc<str>> {
        let name = || if_indextoname(index).ok()?.into_string().ok().map(Arc::from);
        if index == 0 { None } else { self.0.entry(index).or_insert_with(name).clone() }
    }
}

impl Diag {
    /// Opens the way to the kernel.
    pub fn open() -> io::Result<Self> {
        let socket = Netlink::open(libc::NETLINK_SOCK_DIAG)?;
        socket.set_timeout(PATIENCE)?;
        Ok(Self { socket, names: Names::default() })
    }

    /// Lists the sockets of a protocol that a filter means. Who holds them is not looked at.
    pub fn list(&mut self, proto: Proto, filter: &Filter) -> io::Result<Vec<Socket>> {
        let mut found = match proto {
            Proto::Tcp => self.list_tcp(filter)?,
            Proto::Udp | Proto::Raw => self.list_inet(proto, filter)?,
            Proto::Unix => self.list_unix(filter)?,
            Proto::Packet => self.list_packet(filter)?,
        };
        found.retain(|socket| filter.matches(socket));
        Ok(found)
    }

    /// Lists the sockets of TCP by the older question, which is for both families: the kernel walks through its table of connections once, and not twice.
    fn list_tcp(&mut self, filter: &Filter) -> io::Result<Vec<Socket>> {
        let (mut found, names) = (Vec::new(), &mut self.names);
        dump(&mut self.socket, (OF_TCP, |m| inet::ask_of_tcp(m, filter)), |body| found.extend(inet::read(Proto::Tcp, body, names)))?;
        found.sort_by_key(Socket::family);
        Ok(found)
    }

    fn list_inet(&mut self, proto: Proto, filter: &Filter) -> io::Result<Vec<Socket>> {
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let names = &mut self.names;
            let read = |body: &[u8]| found.extend(inet::read(proto, body, names));
            match dump(&mut self.socket, (BY_FAMILY, |m| inet::ask(m, family as u8, proto, filter)), read) {
                // A kernel without IPv6 has no sockets of it.
                Err(error) if family == libc::AF_INET6 && error.raw_os_error() == Some(Errno::ENOENT as i32) => {}
                done => done?,
            }
        }
        Ok(found)
    }

    fn list_unix(&mut self, filter: &Filter) -> io::Result<Vec<Socket>> {
        let mut found = Vec::new();
        dump(&mut self.socket, (BY_FAMILY, |m| plain::ask_unix(m, filter)), |body| found.extend(plain::read_unix(body)))?;
        plain::introduce(&mut found);
        Ok(found)
    }

    fn list_packet(&mut self, filter: &Filter) -> io::Result<Vec<Socket>> {
        let (mut found, names) = (Vec::new(), &mut self.names);
        dump(&mut self.socket, (BY_FAMILY, |m| plain::ask_packet(m, filter)), |body| found.extend(plain::read_packet(body, names)))?;
        Ok(found)
    }

    /// Reads a socket again, with what the protocol keeps about it; none where it is gone.
    pub fn details(&mut self, socket: &Socket) -> io::Result<Option<Socket>> {
        let filter = Filter { protos: vec![socket.proto], extended: true, ..Filter::default() };
        if let Id::Inet(family, id) = &socket.id {
            let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
            messages.message(BY_FAMILY, flag::REQUEST, sequence, |m| inet::ask_one(m, *family, socket.proto, id));
            if let Ok(body) = self.socket.ask(messages.bytes(), sequence) {
                return Ok(inet::read(socket.proto, &body, &mut self.names));
            }
            // Of several sockets with the same port the kernel finds another one first.
        }
        Ok(self.list(socket.proto, &filter)?.into_iter().find(|other| other.is(socket)))
    }

    /// Destroys a socket: the program gets an error (ECONNABORTED), and the other side of a connection of TCP a reset. False where it was gone already.
    pub fn destroy(&mut self, socket: &Socket) -> io::Result<bool> {
        let Id::Inet(family, id) = &socket.id else { return Err(Errno::EOPNOTSUPP.into()) };
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        messages.message(DESTROY, flag::REQUEST | flag::ACK, sequence, |m| inet::ask_one(m, *family, socket.proto, id));
        match self.socket.ask(messages.bytes(), sequence) {
            Ok(_) => Ok(true),
            Err(error) if [Errno::ENOENT as i32, Errno::ESTALE as i32].map(Some).contains(&error.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Orders a socket to be destroyed that there cannot be: what comes back is whether the kernel would do it.
    pub fn destroy_none(&mut self) -> io::Result<()> {
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        messages.message(DESTROY, flag::REQUEST | flag::ACK, sequence, |m| inet::ask_one(m, libc::AF_INET as u8, Proto::Tcp, &[0; 48]));
        match self.socket.ask(messages.bytes(), sequence) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(()),
            done => done.map(drop),
        }
    }
}

/// Asks for a list. One that is torn is taken as it is: what there was of sockets is over by the time that somebody reads of it.
fn dump(socket: &mut Netlink, (kind, ask): (u16, impl FnOnce(&mut Messages)), mut read: impl FnMut(&[u8])) -> io::Result<()> {
    let (sequence, mut messages) = (socket.next_sequence(), Messages::new());
    messages.message(kind, flag::REQUEST | flag::DUMP, sequence, ask);
    socket.dump(messages.bytes(), sequence, &mut |_, body| read(body)).map(drop)
}

/// Reads a number of 32 bits in the byte order of the machine.
fn number(body: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*body.get(at..)?.first_chunk()?))
}

/// `enum` of SK_MEMINFO, by the names of the fields of `struct sock`.
fn memory(value: &[u8]) -> Vec<(&'static str, u64)> {
    const NAMES: [&str; 9] = ["rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf", "fwd_alloc", "wmem_queued", "optmem", "backlog", "drops"];
    NAMES.into_iter().zip(value.chunks_exact(4)).filter_map(|(name, bytes)| Some((name, number(bytes, 0)?.into()))).collect()
}
