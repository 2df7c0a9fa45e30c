//! Sockets without addresses of IP: those of files, in the layouts of `linux/unix_diag.h`, and those of interfaces, of `linux/packet_diag.h`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Names, memory, number};
use crate::kernel::netlink::message::{Messages, attributes};
use crate::model::sockets::{Details, End, Filter, Id, Proto, Socket, State};

/// What is to be told of a socket of files: `UDIAG_SHOW_NAME`, `PEER`, `RQLEN`, `UID`, and for more `MEMINFO`.
const UNIX: u32 = 0x01 | 0x04 | 0x10 | 0x40;
const UNIX_MEMORY: u32 = 0x20;
/// What is to be told of a packet socket: `PACKET_SHOW_INFO`, and for more `MEMINFO`.
const PACKET: u32 = 0x01;
const PACKET_MEMORY: u32 = 0x10;

/// `UNIX_DIAG_NAME` and its like.
mod of_unix {
    pub(super) const NAME: u16 = 0;
    pub(super) const PEER: u16 = 2;
    pub(super) const RQLEN: u16 = 4;
    pub(super) const MEMINFO: u16 = 5;
    pub(super) const UID: u16 = 7;
}

/// `PACKET_DIAG_INFO` and its like.
mod of_packet {
    pub(super) const INFO: u16 = 0;
    pub(super) const UID: u16 = 5;
    pub(super) const MEMINFO: u16 = 6;
}

/// Writes `struct unix_diag_req`.
pub(super) fn ask_unix(m: &mut Messages, filter: &Filter) {
    m.raw(&[libc::AF_UNIX as u8, 0, 0, 0]);
    m.raw(&filter.states.bits().to_ne_bytes());
    m.raw(&[0; 4]);
    m.raw(&(if filter.extended { UNIX | UNIX_MEMORY } else { UNIX }).to_ne_bytes());
    m.raw(&[0xff; 8]);
}

/// Writes `struct packet_diag_req`.
pub(super) fn ask_packet(m: &mut Messages, filter: &Filter) {
    m.raw(&[libc::AF_PACKET as u8, 0, 0, 0]);
    m.raw(&[0; 4]);
    m.raw(&(if filter.extended { PACKET | PACKET_MEMORY } else { PACKET }).to_ne_bytes());
    m.raw(&[0xff; 8]);
}

/// Makes a socket of which nothing is known but what it is.
fn socket(proto: Proto, kind: u8, state: State, inode: u32, cookie: [u8; 8]) -> Socket {
    let kind = match libc::c_int::from(kind) {
        libc::SOCK_STREAM => Some("stream"),
        libc::SOCK_DGRAM => Some("dgram"),
        libc::SOCK_SEQPACKET => Some("seqpacket"),
        libc::SOCK_RAW => Some("raw"),
        _ => None,
    };
    let nothing = || End::Name(Arc::from(""));
    Socket {
        proto,
        kind,
        state,
        local: nothing(),
        peer: nothing(),
        interface: None,
        recv_q: 0,
        send_q: 0,
        uid: 0,
        inode: inode.into(),
        peer_inode: None,
        mark: None,
        cgroup: None,
        timer: None,
        details: None,
        id: Id::Plain(inode, cookie),
    }
}

fn with_memory(value: &[u8]) -> Option<Box<Details>> {
    Some(Box::new(Details { memory: memory(value), ..Details::default() }))
}

/// Reads `struct unix_diag_msg` and what follows it.
pub(super) fn read_unix(body: &[u8]) -> Option<Socket> {
    let [_, kind, state, _] = *body.first_chunk()?;
    let mut socket = socket(Proto::Unix, kind, State::of(state)?, number(body, 4)?, *body.get(8..)?.first_chunk()?);
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            of_unix::NAME => socket.local = End::Name(name(value)),
            of_unix::PEER => socket.peer_inode = number(value, 0).map(u64::from),
            of_unix::RQLEN => (socket.recv_q, socket.send_q) = (number(value, 0)?, number(value, 4)?),
            of_unix::MEMINFO => socket.details = with_memory(value),
            of_unix::UID => socket.uid = number(value, 0)?,
            _ => {}
        }
    }
    Some(socket)
}

/// Reads a name: what begins with a NUL byte is no path.
fn name(value: &[u8]) -> Arc<str> {
    match value.split_first() {
        Some((0, rest)) => format!("@{}", String::from_utf8_lossy(rest).replace('\0', "@")).into(),
        _ => String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into(),
    }
}

/// Gives the far ends their names: the kernel tells their inodes only.
pub(super) fn introduce(sockets: &mut [Socket]) {
    let is_named = |socket: &&Socket| matches!(&socket.local, End::Name(name) if !name.is_empty());
    let names: HashMap<u64, End> = sockets.iter().filter(is_named).map(|socket| (socket.inode, socket.local.clone())).collect();
    for socket in sockets {
        if let Some(name) = socket.peer_inode.and_then(|inode| names.get(&inode)) {
            socket.peer = name.clone();
        }
    }
}

/// Reads `struct packet_diag_msg` and what follows it.
pub(super) fn read_packet(body: &[u8], names: &mut Names) -> Option<Socket> {
    let [_, kind, low, high] = *body.first_chunk()?;
    let mut socket = socket(Proto::Packet, kind, State::Closed, number(body, 4)?, *body.get(8..)?.first_chunk()?);
    let protocol = match u16::from_ne_bytes([low, high]) {
        0x0003 => "*".to_owned(),
        0x0800 => "ip".to_owned(),
        0x0806 => "arp".to_owned(),
        0x86dd => "ipv6".to_owned(),
        other => format!("0x{other:04x}"),
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            of_packet::INFO => socket.interface = names.of(number(value, 0)?),
            of_packet::UID => socket.uid = number(value, 0)?,
            of_packet::MEMINFO => socket.details = with_memory(value),
            _ => {}
        }
    }
    socket.local = End::Name(format!("{protocol}:{}", socket.interface.as_deref().unwrap_or("*")).into());
    Some(socket)
}
