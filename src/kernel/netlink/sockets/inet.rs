//! Sockets with addresses of IP, in the layouts of `linux/inet_diag.h` and `linux/tcp.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Names, bytecode, memory, number};
use crate::kernel::netlink::message::{Messages, attributes, text};
use crate::model::sockets::{Details, End, Filter, Id, Proto, Socket, State, Timer};

/// The bytes of `struct inet_diag_sockid`: in a question all zero, for any socket.
const ANY: [u8; 48] = [0; 48];
/// The bytes of `struct inet_diag_msg`.
const MESSAGE: usize = 72;
/// `INET_DIAG_REQ_BYTECODE`.
const BYTECODE: u16 = 1;

/// `INET_DIAG_INFO` and its like.
mod attribute {
    pub(super) const INFO: u16 = 2;
    pub(super) const CONG: u16 = 4;
    pub(super) const SKMEMINFO: u16 = 7;
    pub(super) const SKV6ONLY: u16 = 11;
    pub(super) const MARK: u16 = 15;
    pub(super) const CGROUP_ID: u16 = 21;
}

/// What is to be told beside the message: a bit for each attribute, the first one counted from 0.
const EXTENDED: u8 = 1 << (attribute::INFO - 1) | 1 << (attribute::CONG - 1) | 1 << (attribute::SKMEMINFO - 1);

fn protocol(proto: Proto) -> u8 {
    let protocol = match proto {
        Proto::Udp => libc::IPPROTO_UDP,
        Proto::Raw => libc::IPPROTO_RAW,
        _ => libc::IPPROTO_TCP,
    };
    protocol as u8
}

/// Writes `struct inet_diag_req_v2`, for all that a filter means.
pub(super) fn ask(m: &mut Messages, family: u8, proto: Proto, filter: &Filter) {
    m.raw(&[family, protocol(proto), if filter.extended { EXTENDED } else { 0 }, 0]);
    m.raw(&states(filter).to_ne_bytes());
    m.raw(&ANY);
    if let Some(code) = bytecode::of(&filter.all) {
        m.attribute(BYTECODE, &code);
    }
}

/// Writes `struct inet_diag_req`, for the sockets of TCP of both families.
pub(super) fn ask_of_tcp(m: &mut Messages, filter: &Filter) {
    m.raw(&[0, 0, 0, if filter.extended { EXTENDED } else { 0 }]);
    m.raw(&ANY);
    m.raw(&states(filter).to_ne_bytes());
    m.raw(&[0; 4]);
    if let Some(code) = bytecode::of(&filter.all) {
        m.attribute(BYTECODE, &code);
    }
}

/// Gives the states that are asked for. What has a port and does nothing else is closed, and is listed for a bit of its own (`TCP_BOUND_INACTIVE`).
fn states(filter: &Filter) -> u32 {
    const BOUND_INACTIVE: u32 = 1 << 13;
    filter.states.bits() | if filter.states.holds(State::Closed) { BOUND_INACTIVE } else { 0 }
}

/// Writes `struct inet_diag_req_v2`, for one socket.
pub(super) fn ask_one(m: &mut Messages, family: u8, proto: Proto, id: &[u8; 48]) {
    m.raw(&[family, protocol(proto), EXTENDED, 0]);
    m.raw(&u32::MAX.to_ne_bytes());
    m.raw(id);
}

/// Reads `struct inet_diag_msg` and what follows it.
pub(super) fn read(proto: Proto, body: &[u8], names: &mut Names) -> Option<Socket> {
    let [family, state, timer, tries] = *body.first_chunk()?;
    let word = |at: usize| number(body, at);
    let mut socket = Socket {
        proto,
        kind: None,
        state: State::of(state)?,
        local: end(body, family, 4, 8)?,
        peer: end(body, family, 6, 24)?,
        interface: names.of(word(40)?),
        recv_q: word(56)?,
        send_q: word(60)?,
        uid: word(64)?,
        inode: word(68)?.into(),
        peer_inode: None,
        mark: None,
        cgroup: None,
        timer: name(timer).and_then(|name| Some(Timer { name, left: word(52)?, tries })),
        details: None,
        id: Id::Inet(family, *body.get(4..)?.first_chunk()?),
    };
    let (mut details, mut v6only) = (Details::default(), true);
    for (kind, value) in attributes(body.get(MESSAGE..)?) {
        match kind {
            attribute::INFO => details.info = info(value),
            attribute::CONG => details.congestion = Some(text(value).to_owned()),
            attribute::SKMEMINFO => details.memory = memory(value),
            attribute::SKV6ONLY => v6only = value.first() == Some(&1),
            attribute::MARK => socket.mark = number(value, 0),
            attribute::CGROUP_ID => socket.cgroup = value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes)),
            _ => {}
        }
    }
    if !v6only && let End::Inet(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port) = socket.local {
        socket.local = End::Both(port);
        socket.peer = End::Both(socket.peer.port().unwrap_or(0));
    }
    socket.details = (details != Details::default()).then(|| Box::new(details));
    Some(socket)
}

/// Reads a port and an address.
fn end(body: &[u8], family: u8, port: usize, address: usize) -> Option<End> {
    let port = u16::from_be_bytes(*body.get(port..)?.first_chunk()?);
    let address = match libc::c_int::from(family) {
        libc::AF_INET => IpAddr::from(Ipv4Addr::from(*body.get(address..)?.first_chunk::<4>()?)),
        libc::AF_INET6 => IpAddr::from(Ipv6Addr::from(*body.get(address..)?.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(End::Inet(address, port))
}

fn name(timer: u8) -> Option<&'static str> {
    ["on", "keepalive", "timewait", "persist"].get(usize::from(timer).checked_sub(1)?).copied()
}

/// Reads `struct tcp_info`; an older kernel has a shorter one.
fn info(value: &[u8]) -> Vec<(&'static str, u64)> {
    /// Fields with the place and the number of their bytes.
    const FIELDS: &[(&str, usize, usize)] = &[
        ("ca_state", 1, 1),
        ("retransmits", 2, 1),
        ("probes", 3, 1),
        ("backoff", 4, 1),
        ("options", 5, 1),
        ("rto", 8, 4),
        ("ato", 12, 4),
        ("snd_mss", 16, 4),
        ("rcv_mss", 20, 4),
        ("unacked", 24, 4),
        ("sacked", 28, 4),
        ("lost", 32, 4),
        ("retrans", 36, 4),
        ("last_data_sent", 44, 4),
        ("last_data_recv", 52, 4),
        ("last_ack_recv", 56, 4),
        ("pmtu", 60, 4),
        ("rcv_ssthresh", 64, 4),
        ("rtt", 68, 4),
        ("rttvar", 72, 4),
        ("snd_ssthresh", 76, 4),
        ("snd_cwnd", 80, 4),
        ("advmss", 84, 4),
        ("reordering", 88, 4),
        ("rcv_rtt", 92, 4),
        ("rcv_space", 96, 4),
        ("total_retrans", 100, 4),
        ("pacing_rate", 104, 8),
        ("max_pacing_rate", 112, 8),
        ("bytes_acked", 120, 8),
        ("bytes_received", 128, 8),
        ("segs_out", 136, 4),
        ("segs_in", 140, 4),
        ("notsent_bytes", 144, 4),
        ("min_rtt", 148, 4),
        ("data_segs_in", 152, 4),
        ("data_segs_out", 156, 4),
        ("delivery_rate", 160, 8),
        ("busy_time", 168, 8),
        ("rwnd_limited", 176, 8),
        ("sndbuf_limited", 184, 8),
        ("delivered", 192, 4),
        ("delivered_ce", 196, 4),
        ("bytes_sent", 200, 8),
        ("bytes_retrans", 208, 8),
        ("dsack_dups", 216, 4),
        ("reord_seen", 220, 4),
        ("rcv_ooopack", 224, 4),
        ("snd_wnd", 228, 4),
    ];
    let read = |at: usize, len: usize| match len {
        1 => value.get(at).map(|byte| u64::from(*byte)),
        4 => number(value, at).map(u64::from),
        _ => Some(u64::from_ne_bytes(*value.get(at..)?.first_chunk()?)),
    };
    FIELDS.iter().map_while(|(name, at, len)| Some((*name, read(*at, *len)?))).collect()
}
