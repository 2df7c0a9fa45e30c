//! The TCP sockets of a network namespace, through sock_diag(7).
//!
//! The layouts are those of `linux/inet_diag.h`. To read /proc/net/tcp instead takes milliseconds: it walks the hash table of all namespaces
//! once more for every piece that is read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Socket;
use super::connection::PATIENCE;
use super::message::{Messages, flag};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `TCP_ESTABLISHED` of the kernel's enum of states, as a bit.
const ESTABLISHED: u32 = 1 << 1;
/// The bytes of `struct inet_diag_sockid`: in a question all zero, for any socket.
const ANY: [u8; 48] = [0; 48];

/// An established connection of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Established {
    /// The far end.
    pub peer: SocketAddr,
    /// The own end.
    pub here: SocketAddr,
    /// The inode of the socket.
    pub inode: u64,
}

/// Lists the established connections of the network namespace of the calling thread.
pub fn established() -> io::Result<Vec<Established>> {
    let mut socket = Socket::open(libc::NETLINK_SOCK_DIAG)?;
    socket.set_timeout(PATIENCE)?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let (sequence, mut messages) = (socket.next_sequence(), Messages::new());
        messages.message(BY_FAMILY, flag::REQUEST | flag::DUMP, sequence, |m| {
            m.raw(&[family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
            m.raw(&ESTABLISHED.to_ne_bytes());
            m.raw(&ANY);
        });
        socket.dump(messages.bytes(), sequence, &mut |_, body| found.extend(read(body)))?;
    }
    Ok(found)
}

/// Reads `struct inet_diag_msg`.
fn read(body: &[u8]) -> Option<Established> {
    let port = |at: usize| Some(u16::from_be_bytes(*body.get(at..)?.first_chunk()?));
    let address = |at: usize| match libc::c_int::from(*body.first()?) {
        libc::AF_INET => Some(IpAddr::from(Ipv4Addr::from(*body.get(at..)?.first_chunk::<4>()?))),
        _ => Some(IpAddr::from(Ipv6Addr::from(*body.get(at..)?.first_chunk::<16>()?)).to_canonical()),
    };
    let here = SocketAddr::new(address(8)?, port(4)?);
    let peer = SocketAddr::new(address(24)?, port(6)?);
    Some(Established { peer, here, inode: u32::from_ne_bytes(*body.get(68..)?.first_chunk()?).into() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_connection_is_listed_from_both_ends() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_far, _) = listener.accept().unwrap();
            let (here, peer) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
            let link = std::fs::read_link(format!("/proc/self/fd/{}", near.as_raw_fd())).unwrap();
            let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            let all = established().unwrap();
            assert!(all.contains(&Established { peer, here, inode }), "{here} to {peer}");
            assert!(all.iter().any(|one| (one.peer, one.here) == (here, peer)), "{peer} to {here}");
        }
    }

    #[test]
    fn what_is_cut_short_is_no_connection() {
        let mut body = vec![0; 72];
        body[0] = libc::AF_INET as u8;
        assert!(read(&body).is_some());
        assert_eq!(read(&body[..70]), None);
        assert_eq!(read(&[]), None);
    }
}
