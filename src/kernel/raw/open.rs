//! Opening a socket so that nothing slips in: what is not meant, or came before all options were set, is never seen.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::address::Sockaddr;
use super::options::{self, set, set_bytes};
use super::ring::Ring;
use super::{Socket, message, refusal};
use crate::kernel::errno;
use crate::model::link::Name;
use crate::model::packet::filter::{Begin, Ins, drop_all};
use crate::model::raw::{Spec, Way};
use crate::model::{Family, Fault};

/// Opens a socket in the network namespace of the calling thread.
pub fn open(spec: &Spec) -> Result<Socket, Fault> {
    let way = &spec.way;
    let family = way.family();
    let link = |name: &str| if_nametoindex(name).map_err(|error| refusal::of_link(name, error));
    let all = spec.filter.is_all() && spec.ring.is_none();
    let program = if all { None } else { Some(spec.filter.keeping(begin(way), spec.ring.unwrap_or(u32::MAX))?) };
    let index = match (way, &spec.link) {
        (Way::Packet { link: name, .. }, _) | (_, Some(name)) => link(name.as_str())?,
        (_, None) => 0,
    };
    let refused = |error: Errno| refusal::of_opening(way, error.into());
    let socket = make(way).map_err(refused)?;
    // A packet socket of protocol 0 receives nothing yet; others receive from their first moment on, what this one lets through: nothing.
    attach(&socket, &drop_all()).map_err(refused)?;
    let ring = if spec.ring.is_some() { Some(Ring::new(&socket).map_err(refused)?) } else { None };
    for setting in &spec.settings {
        let tried = || format!("set {setting} of the {way}");
        options::write(&socket, setting.option, family, setting.value).map_err(|error| errno::fault(tried(), error))?;
    }
    ask(&socket, way).map_err(refused)?;
    match way {
        Way::Packet { .. } | Way::Every => {
            attach_or_detach(&socket, program.as_deref()).map_err(refused)?;
            bind(&socket, &Sockaddr::link(index, libc::ETH_P_ALL as u16, [0; 6])).map_err(refused)?;
            if let Way::Packet { promiscuous: true, .. } = way {
                listen_to_all(&socket, index).map_err(refused)?;
            }
        }
        Way::Raw { .. } | Way::Ping { .. } => {
            if let Some(name) = &spec.link {
                set_bytes(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_str().as_bytes()).map_err(refused)?;
            }
            if spec.local.is_some() || spec.id.is_some() {
                let local = spec.local.unwrap_or_else(|| unspecified(family));
                let fault = |error| errno::fault(format!("bind the {way} to {local}"), error);
                bind(&socket, &Sockaddr::ip(local, index).with_port(spec.id.unwrap_or(0))).map_err(fault)?;
            }
            // What came between the first moment and the first filter.
            while message::receive(socket.as_fd(), &mut [], 0).is_ok() {}
            attach_or_detach(&socket, program.as_deref()).map_err(refused)?;
        }
    }
    let probe = probe(way, spec.link.as_ref().map(Name::as_str)).map_err(|error| refusal::of_opening(way, error))?;
    Ok(Socket::new(socket, spec, index, (probe, ring)))
}

/// Tells whether this user may open sockets of a kind, by opening one.
pub fn may_open(way: &Way) -> Result<(), Fault> {
    make(way).map(drop).map_err(|error| refusal::of_opening(way, error.into()))
}

/// Tells what a program sees first of a packet.
fn begin(way: &Way) -> Begin {
    match way {
        Way::Packet { cooked: false, .. } => Begin::Frame,
        Way::Packet { cooked: true, .. } | Way::Every => Begin::Cooked,
        Way::Raw { family: Family::V4, .. } => Begin::Ip,
        Way::Raw { family: Family::V6, .. } | Way::Ping { .. } => Begin::Transport,
    }
}

fn make(way: &Way) -> nix::Result<OwnedFd> {
    let domain = |family: &Family| if *family == Family::V6 { libc::AF_INET6 } else { libc::AF_INET };
    let (domain, kind, protocol) = match way {
        Way::Raw { family, protocol, .. } => (domain(family), libc::SOCK_RAW, libc::c_int::from(*protocol)),
        Way::Packet { cooked, .. } => (libc::AF_PACKET, if *cooked { libc::SOCK_DGRAM } else { libc::SOCK_RAW }, 0),
        Way::Every => (libc::AF_PACKET, libc::SOCK_DGRAM, 0),
        Way::Ping { family: Family::V4 } => (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        Way::Ping { family: Family::V6 } => (libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6),
    };
    // SAFETY: socket(2) takes numbers and gives a new descriptor, which nobody else owns.
    Errno::result(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) }).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn unspecified(family: Option<Family>) -> IpAddr {
    if family == Some(Family::V6) { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn bind(socket: &OwnedFd, address: &Sockaddr) -> nix::Result<()> {
    // SAFETY: the address outlives the call and is as long as it says.
    Errno::result(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr(), address.length) }).map(drop)
}

fn attach_or_detach(socket: &OwnedFd, program: Option<&[Ins]>) -> nix::Result<()> {
    match program {
        Some(program) => attach(socket, program),
        None => set(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0),
    }
}

/// Attaches a program in the place of the one before.
pub(super) fn attach(socket: &impl AsFd, program: &[Ins]) -> nix::Result<()> {
    let mut words: Vec<libc::sock_filter> =
        program.iter().map(|ins| libc::sock_filter { code: ins.code, jt: ins.jt, jf: ins.jf, k: ins.k }).collect();
    let length = libc::c_ushort::try_from(words.len()).map_err(|_| Errno::EINVAL)?;
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &libc::sock_fprog { len: length, filter: words.as_mut_ptr() })
}

/// Has the link listen to frames for others; it stops when the socket is closed.
fn listen_to_all(socket: &OwnedFd, link: u32) -> nix::Result<()> {
    let all = libc::packet_mreq { mr_ifindex: link.cast_signed(), mr_type: libc::PACKET_MR_PROMISC as u16, mr_alen: 0, mr_address: [0; 8] };
    set(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &all)
}

/// Makes a datagram socket that is asked from which address packets go: connecting one sends nothing.
fn probe(way: &Way, link: Option<&str>) -> io::Result<Option<UdpSocket>> {
    let Some(family) = way.family() else { return Ok(None) };
    let probe = UdpSocket::bind(if family == Family::V6 { "[::]:0" } else { "0.0.0.0:0" })?;
    probe.set_broadcast(true)?;
    if let Some(link) = link {
        set_bytes(&probe, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, link.as_bytes())?;
    }
    Ok(Some(probe))
}

/// Asks for what the kernel is to tell beside the packets.
fn ask(socket: &OwnedFd, way: &Way) -> nix::Result<()> {
    const V4: libc::c_int = libc::IPPROTO_IP;
    const V6: libc::c_int = libc::IPPROTO_IPV6;
    let on = |level, name| set(socket, level, name, &1 as &libc::c_int);
    on(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    match way {
        Way::Packet { .. } | Way::Every => on(libc::SOL_PACKET, libc::PACKET_AUXDATA),
        Way::Raw { family: Family::V4, header, .. } => {
            set(socket, V4, libc::IP_HDRINCL, &libc::c_int::from(*header))?;
            on(V4, libc::IP_PKTINFO)
        }
        Way::Raw { family: Family::V6, header, .. } => {
            if *header {
                on(V6, libc::IPV6_HDRINCL)?;
            }
            [libc::IPV6_RECVPKTINFO, libc::IPV6_RECVHOPLIMIT, libc::IPV6_RECVTCLASS].into_iter().try_for_each(|name| on(V6, name))
        }
        Way::Ping { family: Family::V4 } => {
            [libc::IP_PKTINFO, libc::IP_RECVTTL, libc::IP_RECVTOS, libc::IP_RECVERR].into_iter().try_for_each(|name| on(V4, name))
        }
        Way::Ping { family: Family::V6 } => {
            let asked = [libc::IPV6_RECVPKTINFO, libc::IPV6_RECVHOPLIMIT, libc::IPV6_RECVTCLASS, libc::IPV6_RECVERR];
            asked.into_iter().try_for_each(|name| on(V6, name))
        }
    }
}
