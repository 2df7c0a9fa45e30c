//! Addresses as the kernel has them (sockaddr of ip(7), ipv6(7), packet(7)).
#![allow(unsafe_code)]

use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of any family, with its length.
#[derive(Clone, Copy)]
pub(super) struct Sockaddr {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) length: libc::socklen_t,
}

impl Sockaddr {
    /// Makes room for one that the kernel fills.
    pub(super) fn empty() -> Self {
        // SAFETY: all zero is a valid value of this plain struct: the family AF_UNSPEC.
        Self { storage: unsafe { MaybeUninit::zeroed().assume_init() }, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    fn of<T: Copy>(address: T) -> Self {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        let mut made = Self { length: size_of::<T>() as libc::socklen_t, ..Self::empty() };
        // SAFETY: the storage is larger than every address and aligned for each, and T is plain data.
        unsafe { (&raw mut made.storage).cast::<T>().write(address) };
        made
    }

    /// Makes the address of a host. A link-local one is of a link.
    pub(super) fn ip(address: IpAddr, link: u32) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) },
                sin_zero: [0; 8],
            }),
            IpAddr::V6(v6) => Self::of(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: v6.octets() },
                sin6_scope_id: if v6.is_unicast_link_local() || v6.is_multicast() { link } else { 0 },
            }),
        }
    }

    /// Gives it a port; ping sockets have the id of their requests there.
    pub(super) fn with_port(mut self, port: u16) -> Self {
        let place = (&raw mut self.storage).cast::<libc::sockaddr_in>();
        // SAFETY: the storage is larger than both addresses and aligned for them, and both have their port at the same place.
        unsafe { (*place).sin_port = port.to_be() };
        self
    }

    /// Makes the address of a link, with the host on it that a cooked socket sends to.
    pub(super) fn link(index: u32, ethertype: u16, to: [u8; 6]) -> Self {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&to);
        Self::of(libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as libc::c_ushort,
            sll_protocol: ethertype.to_be(),
            sll_ifindex: index.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: address,
        })
    }

    /// Reads the address of a host.
    pub(super) fn to_ip(self) -> Option<IpAddr> {
        match libc::c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says that this is what the storage holds.
                let address: libc::sockaddr_in = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in>().read() };
                Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let address: libc::sockaddr_in6 = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in6>().read() };
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }

    /// Reads the link, and how a frame came by.
    pub(super) fn to_link(self) -> Option<(u32, u8)> {
        if libc::c_int::from(self.storage.ss_family) != libc::AF_PACKET {
            return None;
        }
        // SAFETY: the family says that this is what the storage holds.
        let address: libc::sockaddr_ll = unsafe { (&raw const self.storage).cast::<libc::sockaddr_ll>().read() };
        Some((address.sll_ifindex.cast_unsigned(), address.sll_pkttype))
    }

    /// Puts another host in its place; that of a link stays, whatever host the frame is for.
    pub(super) fn redirect(&mut self, to: IpAddr) {
        if self.to_link().is_none() {
            *self = Self::ip(to, 0);
        }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
}
