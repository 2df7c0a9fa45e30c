//! Options of sockets, as setsockopt(2) takes them.
#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use crate::model::Family;
use crate::model::raw::Opt;

/// What is missing in libc: linux/in6.h, linux/sock_diag.h.
pub(super) const SO_MEMINFO: libc::c_int = 55;

/// Sets an option to plain data.
pub(super) fn set<T>(socket: &impl AsFd, level: libc::c_int, name: libc::c_int, value: &T) -> nix::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads so many bytes of a value that outlives the call.
    Errno::result(unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) }).map(drop)
}

/// Sets an option to some bytes.
pub(super) fn set_bytes(socket: &impl AsFd, level: libc::c_int, name: libc::c_int, value: &[u8]) -> nix::Result<()> {
    let length = value.len() as libc::socklen_t;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), length) }).map(drop)
}

/// Reads an option that is plain data, of which all zero is a value; shorter answers leave zeroes.
pub(super) fn get<T: Default + Copy>(socket: &impl AsFd, level: libc::c_int, name: libc::c_int) -> nix::Result<T> {
    let (mut value, mut length) = (T::default(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the kernel writes no more than the length that it is told.
    Errno::result(unsafe { libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) })?;
    Ok(value)
}

/// Gives the levels and names that an option has; the first is the one that is read.
fn names(option: Opt, family: Option<Family>) -> &'static [(libc::c_int, libc::c_int)] {
    let v6 = family == Some(Family::V6);
    match option {
        Opt::Ttl if v6 => &[(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS), (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS)],
        Opt::Ttl => &[(libc::IPPROTO_IP, libc::IP_TTL), (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL)],
        Opt::Tos if v6 => &[(libc::IPPROTO_IPV6, libc::IPV6_TCLASS)],
        Opt::Tos => &[(libc::IPPROTO_IP, libc::IP_TOS)],
        Opt::Mark => &[(libc::SOL_SOCKET, libc::SO_MARK)],
        Opt::Broadcast => &[(libc::SOL_SOCKET, libc::SO_BROADCAST)],
        Opt::ReceiveBuffer => &[(libc::SOL_SOCKET, libc::SO_RCVBUF)],
        Opt::SendBuffer => &[(libc::SOL_SOCKET, libc::SO_SNDBUF)],
        Opt::MtuDiscover if v6 => &[(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER)],
        Opt::MtuDiscover => &[(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)],
    }
}

/// Sets an option to a number.
pub(super) fn write(socket: &impl AsFd, option: Opt, family: Option<Family>, value: i64) -> nix::Result<()> {
    let number = value as libc::c_int;
    // The forced ones pass the bound of the machine, and take CAP_NET_ADMIN. The kernel doubles what it is told, and tells the double.
    let forced = match option {
        Opt::ReceiveBuffer => Some(libc::SO_RCVBUFFORCE),
        Opt::SendBuffer => Some(libc::SO_SNDBUFFORCE),
        _ => None,
    };
    let halved = if forced.is_some() { number / 2 } else { number };
    if let Some(forced) = forced
        && set(socket, libc::SOL_SOCKET, forced, &halved).is_ok()
    {
        return Ok(());
    }
    names(option, family).iter().try_for_each(|(level, name)| set(socket, *level, *name, &halved))
}

/// Reads the number of an option.
pub(super) fn read(socket: &impl AsFd, option: Opt, family: Option<Family>) -> nix::Result<i64> {
    let Some((level, name)) = names(option, family).first() else { return Err(Errno::ENOPROTOOPT) };
    let number: libc::c_int = get(socket, *level, *name)?;
    // A mark is a number without a sign.
    Ok(if option == Opt::Mark { number.cast_unsigned().into() } else { number.into() })
}
