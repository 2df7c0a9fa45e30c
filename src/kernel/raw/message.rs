//! Messages with what the kernel tells beside them (sendmsg(2), recvmsg(2), cmsg(3)).
#![allow(unsafe_code)]

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use super::address::Sockaddr;

/// What is missing in libc: linux/if_packet.h.
const PACKET_TX_TIMESTAMP: libc::c_int = 16;

/// Room for all that is asked for: a time, a link with an address, TTL, type of service, a tag, a report with its offender.
const CONTROL: usize = 512;

/// Bytes that are aligned as control messages have to be.
#[repr(C, align(8))]
struct Room([u8; CONTROL]);

/// What the kernel tells beside a packet.
#[derive(Default)]
pub(super) struct Beside {
    /// When it came, since 1970.
    pub(super) at: Option<Duration>,
    /// The link on which it came.
    pub(super) link: Option<u32>,
    /// Where it went to.
    pub(super) to: Option<IpAddr>,
    /// Its TTL or hop limit.
    pub(super) ttl: Option<u8>,
    /// Its type of service or traffic class.
    pub(super) tos: Option<u8>,
    /// The tag that was taken off the frame: its type, and what it says.
    pub(super) tag: Option<(u16, u16)>,
    /// When a packet that was sent left, since 1970.
    pub(super) left: Option<Duration>,
    /// What is wrong with a packet that was sent, and who says so.
    pub(super) error: Option<(libc::sock_extended_err, Option<IpAddr>)>,
}

/// A packet that was heard.
pub(super) struct Heard {
    /// How many of its bytes are in the buffer.
    pub(super) kept: usize,
    /// How many it has.
    pub(super) length: usize,
    /// Who sent it, or the link on which it came.
    pub(super) from: Sockaddr,
    /// What else is known.
    pub(super) beside: Beside,
}

/// Receives a packet, without waiting for one; `flags` may ask for the queue of errors.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], flags: libc::c_int) -> nix::Result<Heard> {
    let (mut from, mut room) = (Sockaddr::empty(), Room([0; CONTROL]));
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid value of this plain struct.
    let mut head: libc::msghdr = unsafe { std::mem::zeroed() };
    head.msg_name = (&raw mut from.storage).cast();
    head.msg_namelen = from.length;
    (head.msg_iov, head.msg_iovlen) = (&raw mut part, 1);
    head.msg_control = room.0.as_mut_ptr().cast();
    head.msg_controllen = CONTROL as _;
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: every pointer of the head leads to something that outlives the call and is as long as the head says.
    let length = Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut head, flags) })?.cast_unsigned();
    // SAFETY: the kernel has filled the control messages of this head.
    let beside = unsafe { beside(&head) };
    Ok(Heard { kept: length.min(buffer.len()), length, from, beside })
}

/// Reads the control messages.
///
/// # Safety
/// The head must be one that recvmsg(2) has filled, with its buffers still there.
unsafe fn beside(head: &libc::msghdr) -> Beside {
    let mut told = Beside::default();
    // SAFETY: the macros of cmsg(3) stay within msg_controllen.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(head) };
    while !at.is_null() {
        // SAFETY: as above; the data of a message has the length that it says.
        let (level, kind, data) = unsafe {
            let message = at.read_unaligned();
            let length = (message.cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            (message.cmsg_level, message.cmsg_type, std::slice::from_raw_parts(libc::CMSG_DATA(at), length))
        };
        told.read(level, kind, data);
        // SAFETY: as above.
        at = unsafe { libc::CMSG_NXTHDR(head, at) };
    }
    told
}

/// Reads plain data from bytes; none where there are too few.
fn plain<T: Copy>(data: &[u8]) -> Option<T> {
    // SAFETY: there are enough bytes, and every pattern of them is a value: only structs of numbers are read.
    (data.len() >= size_of::<T>()).then(|| unsafe { data.as_ptr().cast::<T>().read_unaligned() })
}

fn time(data: &[u8]) -> Option<Duration> {
    plain::<libc::timespec>(data).map(|time| Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

fn number(data: &[u8]) -> Option<i32> {
    plain::<i32>(data)
}

impl Beside {
    /// Gives the number of a packet that has left, with its time, if this is told.
    pub(super) fn stamp(&self) -> Option<(u32, Duration)> {
        let (error, _) = self.error.filter(|(error, _)| error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING)?;
        Some((error.ee_data, self.left?))
    }

    fn read(&mut self, level: libc::c_int, kind: libc::c_int, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => self.at = time(data),
            // The first of three: that of the software.
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => self.left = time(data),
            (libc::SOL_PACKET, PACKET_TX_TIMESTAMP) => self.error = plain::<libc::sock_extended_err>(data).map(|error| (error, None)),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some(info) = plain::<libc::in_pktinfo>(data) {
                    self.link = Some(info.ipi_ifindex.cast_unsigned());
                    self.to = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(info) = plain::<libc::in6_pktinfo>(data) {
                    self.link = Some(info.ipi6_ifindex);
                    self.to = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                self.ttl = number(data).and_then(|ttl| u8::try_from(ttl).ok());
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => self.tos = data.first().copied(),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => self.tos = number(data).and_then(|tos| u8::try_from(tos).ok()),
            (libc::SOL_PACKET, libc::PACKET_AUXDATA) => {
                let aux = plain::<libc::tpacket_auxdata>(data).filter(|aux| aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0);
                // Kernels that do not say which kind of tag it was know one kind only.
                let kind = |aux: &libc::tpacket_auxdata| if aux.tp_vlan_tpid == 0 { 0x8100 } else { aux.tp_vlan_tpid };
                self.tag = aux.map(|aux| (kind(&aux), aux.tp_vlan_tci));
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                let Some(error) = plain::<libc::sock_extended_err>(data) else { return };
                self.error = Some((error, offender(&data[size_of::<libc::sock_extended_err>()..])));
            }
            _ => {}
        }
    }
}

/// Reads who sent an error: an address behind it, of either family or none.
fn offender(data: &[u8]) -> Option<IpAddr> {
    match libc::c_int::from(plain::<libc::sa_family_t>(data)?) {
        libc::AF_INET => plain::<libc::sockaddr_in>(data).map(|address| Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into()),
        libc::AF_INET6 => plain::<libc::sockaddr_in6>(data).map(|address| Ipv6Addr::from(address.sin6_addr.s6_addr).into()),
        _ => None,
    }
}

/// Sends a packet, with a TTL of its own if one is given, and gives how many bytes the kernel took.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: Option<&Sockaddr>, ttl: Option<(bool, u8)>) -> nix::Result<usize> {
    let mut room = Room([0; CONTROL]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a valid value of this plain struct.
    let mut head: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(to) = to {
        head.msg_name = to.as_ptr().cast_mut().cast();
        head.msg_namelen = to.length;
    }
    (head.msg_iov, head.msg_iovlen) = (&raw mut part, 1);
    if let Some((v6, ttl)) = ttl {
        head.msg_control = room.0.as_mut_ptr().cast();
        // SAFETY: the room is large enough for one number, and aligned for the head of a control message.
        unsafe {
            head.msg_controllen = libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const head);
            let kind = if v6 { (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) } else { (libc::IPPROTO_IP, libc::IP_TTL) };
            ((*message).cmsg_level, (*message).cmsg_type) = kind;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as _;
            libc::CMSG_DATA(message).cast::<libc::c_int>().write_unaligned(ttl.into());
        }
    }
    // SAFETY: every pointer of the head leads to something that outlives the call and is as long as the head says; nothing of it is written to.
    Errno::result(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const head, libc::MSG_NOSIGNAL) }).map(isize::cast_unsigned)
}
