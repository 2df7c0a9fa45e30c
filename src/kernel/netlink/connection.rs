//! What the kernel knows of one TCP connection: whether it is tracked, and the interface behind which its far end is.
//!
//! The layouts are those of `linux/netfilter/nfnetlink_conntrack.h` and `linux/rtnetlink.h`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_indextoname;

use super::Socket;
use super::message::{Messages, attributes, be32, flag};

/// `NFNL_SUBSYS_CTNETLINK` with `IPCTNL_MSG_CT_GET`.
const GET_CONNECTION: u16 = 1 << 8 | 1;
/// `IPS_SEEN_REPLY` of `enum ip_conntrack_status`.
const SEEN_REPLY: u32 = 1 << 1;
/// More than the kernel ever takes for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// `enum ctattr_type` and its like.
mod attribute {
    pub(super) const TUPLE_ORIG: u16 = 1;
    pub(super) const STATUS: u16 = 3;
    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTO: u16 = 2;
    pub(super) const IP_V4_SRC: u16 = 1;
    pub(super) const IP_V4_DST: u16 = 2;
    pub(super) const IP_V6_SRC: u16 = 3;
    pub(super) const IP_V6_DST: u16 = 4;
    pub(super) const PROTO_NUM: u16 = 1;
    pub(super) const PROTO_SRC_PORT: u16 = 2;
    pub(super) const PROTO_DST_PORT: u16 = 3;
}

/// Tells whether connection tracking has heard both sides of a connection; none where it does not know the connection.
pub fn is_tracked(peer: SocketAddr, here: SocketAddr) -> io::Result<Option<bool>> {
    let mut socket = open(libc::NETLINK_NETFILTER)?;
    let (sequence, mut messages) = (socket.next_sequence(), Messages::new());
    let (family, source, destination) = match peer.ip() {
        IpAddr::V4(_) => (libc::AF_INET, attribute::IP_V4_SRC, attribute::IP_V4_DST),
        IpAddr::V6(_) => (libc::AF_INET6, attribute::IP_V6_SRC, attribute::IP_V6_DST),
    };
    messages.message(GET_CONNECTION, flag::REQUEST, sequence, |m| {
        m.raw(&[family as u8, 0, 0, 0]);
        m.nest(attribute::TUPLE_ORIG, |m| {
            m.nest(attribute::TUPLE_IP, |m| {
                m.attribute(source, &bytes(peer.ip()));
                m.attribute(destination, &bytes(here.ip()));
            });
            m.nest(attribute::TUPLE_PROTO, |m| {
                m.attribute(attribute::PROTO_NUM, &[libc::IPPROTO_TCP as u8]);
                m.attribute(attribute::PROTO_SRC_PORT, &peer.port().to_be_bytes());
                m.attribute(attribute::PROTO_DST_PORT, &here.port().to_be_bytes());
            });
        });
    });
    match socket.ask(messages.bytes(), sequence) {
        Ok(body) => {
            let mut found = attributes(body.get(4..).unwrap_or_default());
            let status = found.find(|(kind, _)| *kind == attribute::STATUS).map_or(0, |(_, value)| be32(value));
            Ok(Some(status & SEEN_REPLY != 0))
        }
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds the interface by which packets to `peer` leave that carry the address `here`.
pub fn way_out(peer: IpAddr, here: IpAddr) -> io::Result<String> {
    const RTA_DST: u16 = 1;
    const RTA_SRC: u16 = 2;
    const RTA_OIF: u16 = 4;
    let mut socket = open(libc::NETLINK_ROUTE)?;
    let (sequence, mut messages) = (socket.next_sequence(), Messages::new());
    let (family, bits) = if peer.is_ipv4() { (libc::AF_INET, 32) } else { (libc::AF_INET6, 128) };
    messages.message(libc::RTM_GETROUTE, flag::REQUEST, sequence, |m| {
        m.raw(&[family as u8, bits, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        m.attribute(RTA_DST, &bytes(peer));
        m.attribute(RTA_SRC, &bytes(here));
    });
    let body = socket.ask(messages.bytes(), sequence)?;
    let mut found = attributes(body.get(12..).unwrap_or_default());
    let index = found.find(|(kind, _)| *kind == RTA_OIF).and_then(|(_, value)| value.first_chunk().copied()).map_or(0, u32::from_ne_bytes);
    let name = if_indextoname(index)?;
    name.into_string().map_err(|_| io::Error::other("the interface has an odd name"))
}

fn open(protocol: libc::c_int) -> io::Result<Socket> {
    let socket = Socket::open(protocol)?;
    socket.set_timeout(PATIENCE)?;
    Ok(socket)
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
