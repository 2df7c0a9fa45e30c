//! The connections by which the user of this program may be logged in from elsewhere.
//!
//! sshd(8) tells its children of their connection in `SSH_CONNECTION`, but sudo(8) takes that away, and in a terminal that was left and
//! entered again it is out of date. So the processes above this one are asked as well: for their environment, and for the sockets that they
//! hold. Whatever they say counts only if it is an established connection of the network namespace in which the changes are made.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;

use super::netlink::connection;
use super::sockets::{self, Sockets};
use super::{holders, proc_net, process, processes};
use crate::model::sockets::{End, Filter, Proto, Socket, State, States};
use crate::model::{Flow, Tracking};

/// What sshd tells its children: where the login comes from, and where it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    peer: SocketAddr,
    here: SocketAddr,
}

/// An established connection of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Established {
    peer: SocketAddr,
    here: SocketAddr,
    inode: u64,
}

/// What the processes above this one say of the login: what was claimed when they were started, and the sockets that they hold.
struct Above {
    claims: Vec<Claim>,
    held: HashSet<u64>,
}

impl Above {
    fn look() -> Self {
        let above = process::ancestry();
        Self {
            claims: above.iter().filter_map(|pid| claim_of(*pid)).collect(),
            held: above.iter().flat_map(|pid| holders::of_process(*pid)).map(|(_, inode)| inode).collect(),
        }
    }
}

/// Gives what finds the connections in the network namespace of the calling thread; none where the user sits at this host, or where the login comes
/// through another one. The processes above are asked once: they were there before this one.
pub fn finder() -> impl FnMut() -> Vec<Flow> + Send {
    let mut above = None;
    move || flows(above.get_or_insert_with(Above::look))
}

fn flows(Above { claims, held }: &Above) -> Vec<Flow> {
    if claims.is_empty() && held.is_empty() {
        return Vec::new();
    }
    let all = established();
    let holders = |ends: (SocketAddr, SocketAddr)| {
        let sockets: Vec<u64> = all.iter().filter(|one| (one.peer, one.here) == ends).map(|one| one.inode).collect();
        processes::holding(&sockets).into_iter().map(|facts| facts.process.pid).collect()
    };
    chosen(claims, held, &all, &|address| !interfaces_of(address).is_empty())
        .into_iter()
        .map(|(peer, here)| flow(peer, here, holders((peer, here))))
        .collect()
}

/// Reads what was said to a process of its login, when it was started.
fn claim_of(pid: i32) -> Option<Claim> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="))?;
    claim(std::str::from_utf8(value).ok()?)
}

/// Reads `192.0.2.2 50022 192.0.2.1 22`, as ssh(1) describes it.
fn claim(text: &str) -> Option<Claim> {
    let parts: Vec<&str> = text.split(' ').collect();
    let [peer, peer_port, here, here_port] = parts[..] else { return None };
    let end = |address: &str, port: &str| {
        // An address of one link only has the link behind it.
        let address = address.split_once('%').map_or(address, |(address, _)| address);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?.to_canonical(), port.parse().ok().filter(|port| digits && *port != 0)?))
    };
    Some(Claim { peer: end(peer, peer_port)?, here: end(here, here_port)? })
}

/// Lists the established connections of the network namespace of the calling thread.
fn established() -> Vec<Established> {
    let filter = Filter { protos: vec![Proto::Tcp], states: States::only(State::Established), ..Filter::default() };
    // Not every kernel has sock_diag, and what is not seen here could be cut.
    let listed = sockets::Here::default().list(&filter).unwrap_or_else(|_| proc_net::sockets(Proto::Tcp));
    listed.iter().filter(|socket| filter.matches(socket)).filter_map(of_socket).collect()
}

fn of_socket(socket: &Socket) -> Option<Established> {
    let end = |end: &End| Some(SocketAddr::new(end.address()?.to_canonical(), end.port()?));
    Some(Established { peer: end(&socket.peer)?, here: end(&socket.local)?, inode: socket.inode })
}

/// Chooses the connections that count: far end and own end. `own` tells whether an address is of this network namespace.
fn chosen(claims: &[Claim], held: &HashSet<u64>, all: &[Established], own: &dyn Fn(IpAddr) -> bool) -> Vec<(SocketAddr, SocketAddr)> {
    let ends: HashSet<(SocketAddr, SocketAddr)> = all.iter().map(|one| (one.peer, one.here)).collect();
    // Where both ends are of this host, nobody comes from elsewhere.
    let remote = |one: &&Established| !one.peer.ip().is_loopback() && !ends.contains(&(one.here, one.peer));
    let pick = |wanted: &dyn Fn(&Established) -> bool| -> Vec<(SocketAddr, SocketAddr)> {
        let mut found: Vec<_> = all.iter().filter(remote).filter(|one| wanted(one)).map(|one| (one.peer, one.here)).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let claimed = |one: &Established| claims.iter().any(|claim| (claim.peer, claim.here) == (one.peer, one.here));
    let named = pick(&|one| held.contains(&one.inode) || claimed(one));
    if !named.is_empty() {
        return named;
    }
    // The login that was claimed is over; who has come back by another one comes from the same host, or at least to the same door.
    let over: Vec<&Claim> = claims.iter().filter(|claim| own(claim.here.ip())).collect();
    let door = pick(&|one| over.iter().any(|claim| claim.here.port() == one.here.port()));
    let host: Vec<_> = door.iter().filter(|(peer, _)| over.iter().any(|claim| claim.peer.ip() == peer.ip())).copied().collect();
    if host.is_empty() { door } else { host }
}

fn flow(peer: SocketAddr, here: SocketAddr, holders: Vec<i32>) -> Flow {
    let tracking = match connection::is_tracked(peer, here) {
        Ok(Some(true)) => vec![Tracking::Established],
        // From the middle of a connection tracking begins anew, if it is let.
        _ if is_strict() => vec![Tracking::New, Tracking::Established, Tracking::Invalid],
        _ => vec![Tracking::New, Tracking::Established],
    };
    Flow { peer, here, interface: interface(peer.ip(), here.ip()), tracking, holders }
}

fn is_strict() -> bool {
    fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_tcp_loose").is_ok_and(|value| value.trim() == "0")
}

/// Finds the interface of a connection: the one by which the way back leads, if the own address is on it and on no other one.
fn interface(peer: IpAddr, here: IpAddr) -> Option<String> {
    let way = connection::way_out(peer, here).ok()?;
    (interfaces_of(here) == [way.as_str()]).then_some(way)
}

/// Lists the interfaces that have an address.
fn interfaces_of(address: IpAddr) -> Vec<String> {
    let holders = getifaddrs().into_iter().flatten().filter(|one| {
        let storage = one.address.as_ref();
        let v4 = storage.and_then(|storage| storage.as_sockaddr_in()).map(|found| IpAddr::from(found.ip()));
        let v6 = storage.and_then(|storage| storage.as_sockaddr_in6()).map(|found| IpAddr::from(found.ip()));
        v4.or(v6) == Some(address)
    });
    holders.map(|one| one.interface_name).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_sshd_says_is_read_strictly() {
        let read = |text: &str| claim(text).map(|claim| (claim.peer.to_string(), claim.here.to_string()));
        let both = |peer: &str, here: &str| Some((peer.to_owned(), here.to_owned()));
        assert_eq!(read("192.0.2.2 50022 192.0.2.1 22"), both("192.0.2.2:50022", "192.0.2.1:22"));
        assert_eq!(read("fe80::2%eth0 50022 fe80::1%eth0 22"), both("[fe80::2]:50022", "[fe80::1]:22"));
        assert_eq!(read("::ffff:192.0.2.2 50022 ::ffff:192.0.2.1 22"), both("192.0.2.2:50022", "192.0.2.1:22"));
        for bad in [
            "",
            "x",
            "192.0.2.2 50022 192.0.2.1",
            "192.0.2.2 50022 192.0.2.1 22 ",
            "192.0.2.2  50022 192.0.2.1 22",
            "UNKNOWN 65535 UNKNOWN 65535",
            "192.0.2.2 +5 192.0.2.1 22",
            "192.0.2.2 70000 192.0.2.1 22",
            "192.0.2.2 0 192.0.2.1 22",
            "192.0.2.2 5 192.0.2.1 22\n",
            "host 5 192.0.2.1 22",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_login_is_told_from_other_connections() {
        let one = |peer: &str, here: &str, inode: u64| Established { peer: at(peer), here: at(here), inode };
        let all = [
            one("192.0.2.2:5001", "192.0.2.1:22", 1),
            one("192.0.2.2:5002", "192.0.2.1:22", 2),
            one("192.0.2.3:5003", "192.0.2.1:22", 3),
            one("127.0.0.1:5004", "127.0.0.1:22", 4),
            one("192.0.2.1:5005", "192.0.2.1:22", 5),
            one("192.0.2.1:22", "192.0.2.1:5005", 6),
            one("192.0.2.9:443", "192.0.2.1:6000", 7),
        ];
        let peers = |claims: &[&str], held: &[u64]| -> Vec<u16> {
            let claims: Vec<Claim> = claims.iter().map(|text| claim(text).unwrap()).collect();
            chosen(&claims, &held.iter().copied().collect(), &all, &|address| address == IpAddr::from([192, 0, 2, 1]))
                .iter()
                .map(|(peer, _)| peer.port())
                .collect()
        };
        assert_eq!(peers(&[], &[]), [0; 0]);
        assert_eq!(peers(&["192.0.2.2 5001 192.0.2.1 22"], &[]), [5001]);
        assert_eq!(peers(&[], &[3, 4, 5, 6, 99]), [5003]);
        assert_eq!(peers(&["192.0.2.2 5001 192.0.2.1 22"], &[1, 7]), [5001, 443]);
        assert_eq!(peers(&["192.0.2.2 4000 192.0.2.1 22"], &[3]), [5003]);
        // Out of date: whoever came from there, or at least to that port.
        assert_eq!(peers(&["192.0.2.2 4000 192.0.2.1 22"], &[]), [5001, 5002]);
        assert_eq!(peers(&["192.0.2.8 4000 192.0.2.1 22"], &[]), [5001, 5002, 5003]);
        assert_eq!(peers(&["192.0.2.2 4000 192.0.2.1 2222"], &[]), [0; 0]);
        assert_eq!(peers(&["192.0.2.2 4000 198.51.100.1 22"], &[]), [0; 0], "the claim is about another network namespace");
    }
}
