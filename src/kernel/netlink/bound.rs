//! Sockets that wait at a port, and the end of connections, through sock_diag(7).
//!
//! The layouts are those of `linux/inet_diag.h`.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;

use super::connection::PATIENCE;
use super::message::{Messages, flag};
use super::{Dump, Socket};
use crate::kernel::processes::Socket as Held;

/// `SOCK_DIAG_BY_FAMILY` and `SOCK_DESTROY`.
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
/// `TCP_CLOSE`, which is what a socket of UDP is in that has no peer, and `TCP_LISTEN`, as bits.
const CLOSED: u32 = 1 << 7;
const LISTENS: u32 = 1 << 10;
/// The bytes of `struct inet_diag_sockid`: in a question all zero, for any socket.
const ANY: [u8; 48] = [0; 48];

fn open() -> io::Result<Socket> {
    let socket = Socket::open(libc::NETLINK_SOCK_DIAG)?;
    socket.set_timeout(PATIENCE)?;
    Ok(socket)
}

/// Lists the sockets of the network namespace of the calling thread that listen on a port of TCP, or wait at one of UDP, by their inodes.
pub fn at_port(port: u16) -> io::Result<Vec<u64>> {
    let mut socket = open()?;
    let mut found = Vec::new();
    let families = [libc::AF_INET, libc::AF_INET6];
    for (protocol, states) in [(libc::IPPROTO_TCP, LISTENS), (libc::IPPROTO_UDP, CLOSED)] {
        for family in families {
            let (sequence, mut messages) = (socket.next_sequence(), Messages::new());
            messages.message(BY_FAMILY, flag::REQUEST | flag::DUMP, sequence, |m| {
                m.raw(&[family as u8, protocol as u8, 0, 0]);
                m.raw(&states.to_ne_bytes());
                m.raw(&ANY);
            });
            // A torn list is repeated once; a listener that comes and goes is nobody's to wait for.
            for _ in 0..2 {
                if socket.dump(messages.bytes(), sequence, &mut |_, body| found.extend(inode(body, port)))? == Dump::Whole {
                    break;
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Reads the inode of `struct inet_diag_msg`, if its own port is the one that is asked for.
fn inode(body: &[u8], port: u16) -> Option<u64> {
    let own = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let inode = u32::from_ne_bytes(*body.get(68..)?.first_chunk()?);
    (own == port && inode != 0).then(|| inode.into())
}

/// Destroys sockets of TCP: who holds one gets an error, and its peer a reset. One that is gone is fine. Gives the error of the first that the kernel
/// does not destroy.
pub fn destroy(sockets: &[Held]) -> io::Result<Result<(), Errno>> {
    let mut left = sockets;
    let mut socket = open()?;
    while let Some(stopped) = socket.order(left.len(), |messages, at, sequence| write(messages, sequence, &left[at]))? {
        match Errno::from_raw(stopped.refused.errno) {
            Errno::ENOENT => left = left.get(stopped.at + 1..).unwrap_or_default(),
            other => return Ok(Err(other)),
        }
    }
    Ok(Ok(()))
}

fn write(messages: &mut Messages, sequence: u32, socket: &Held) {
    let ends = [socket.here, socket.peer].map(|end| end.map_or((0, [0; 16]), number));
    messages.message(DESTROY, flag::REQUEST, sequence, |m| {
        m.raw(&[socket.domain as u8, socket.protocol as u8, 0, 0]);
        m.raw(&u32::MAX.to_ne_bytes());
        ends.iter().for_each(|(port, _)| m.raw(&port.to_be_bytes()));
        ends.iter().for_each(|(_, address)| m.raw(address));
        m.raw(&[0; 4]);
        // In two halves, the low one first.
        m.raw(&(socket.cookie as u32).to_ne_bytes());
        m.raw(&((socket.cookie >> 32) as u32).to_ne_bytes());
    });
}

fn number(end: SocketAddr) -> (u16, [u8; 16]) {
    let mut bytes = [0; 16];
    match end.ip() {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    (end.port(), bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::kernel::processes;

    #[test]
    fn who_waits_at_a_port_is_found() {
        let own = std::process::id() as i32;
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0"));
        let mut ports = vec![tcp.local_addr().unwrap().port()];
        ports.extend(udp.iter().map(|udp| udp.local_addr().unwrap().port()));
        for port in ports {
            let inodes = at_port(port).unwrap();
            assert!(!inodes.is_empty() && processes::holding(&inodes).iter().any(|facts| facts.process.pid == own), "{port}");
        }
        assert_eq!(at_port(0).unwrap(), [0; 0]);
    }

    #[test]
    fn a_connection_is_destroyed_and_the_others_are_not() {
        let own = processes::identity(std::process::id() as i32).unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut near, other) =
            (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), TcpStream::connect(listener.local_addr().unwrap()));
        let mine = processes::sockets(&own).unwrap().into_iter().filter(|socket| socket.here == near.local_addr().ok()).collect::<Vec<_>>();
        match destroy(&mine).unwrap() {
            Err(Errno::EPERM) => return println!("skipped: sockets may not be destroyed here (not root)"),
            done => done.unwrap(),
        }
        assert_eq!(near.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(other.unwrap().peer_addr().is_ok());
        destroy(&mine).unwrap().unwrap();
    }
}
