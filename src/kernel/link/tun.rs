//! Links that a program stands behind: only `/dev/net/tun` makes them, see Documentation/networking/tuntap.rst of Linux.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

use crate::kernel::errno;
use crate::model::link::kind::Shape;
use crate::model::link::{Dev, Link};
use crate::model::{Fault, Kind};

const DEVICE: &str = "/dev/net/tun";

// The requests and flags of `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
const TUNSETOWNER: libc::c_ulong = 0x4004_54cc;
const TUNSETGROUP: libc::c_ulong = 0x4004_54ce;
const TUNSETIFINDEX: libc::c_ulong = 0x4004_54da;
const IFF_TUN: libc::c_int = 0x0001;
const IFF_TAP: libc::c_int = 0x0002;
const IFF_MULTI_QUEUE: libc::c_int = 0x0100;
const IFF_NO_PI: libc::c_int = 0x1000;
const IFF_VNET_HDR: libc::c_int = 0x4000;
/// Refuses to take one that is there.
const IFF_TUN_EXCL: libc::c_int = 0x8000;

/// Makes a link that stays when nobody holds it.
pub(super) fn make(dev: &Dev, link: &Link) -> Result<(), Fault> {
    let tried = format!("make the link {dev} ({})", link.kind);
    let file = OpenOptions::new().read(true).write(true).open(DEVICE).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::new(Kind::Unsupported, tried.clone(), format!("there is no {DEVICE}")).hint("see `modprobe tun`"),
        _ => errno::fault(tried.clone(), error),
    })?;
    let is_on = |name: &str| link.options.number(name, Shape::Toggle) == Some(1);
    let number = |name: &str| link.options.number(name, Shape::Number(u32::MAX));
    let mut flags = IFF_NO_PI | IFF_TUN_EXCL | if link.kind == "tap" { IFF_TAP } else { IFF_TUN };
    flags |= if is_on("multi_queue") { IFF_MULTI_QUEUE } else { 0 };
    flags |= if is_on("vnet_hdr") { IFF_VNET_HDR } else { 0 };
    let done = attach(&file, dev, flags).and_then(|()| {
        number("user").map_or(Ok(()), |user| tell(&file, TUNSETOWNER, user))?;
        number("group").map_or(Ok(()), |group| tell(&file, TUNSETGROUP, group))?;
        tell(&file, TUNSETPERSIST, 1)
    });
    done.map_err(|error| match error.raw_os_error() {
        Some(libc::EBUSY) => Fault::new(Kind::Exists, tried.clone(), "there is one of this name or index already"),
        _ => errno::fault(tried.clone(), error),
    })
}

/// Makes the link; it goes with the file until it is told to stay.
fn attach(file: &File, dev: &Dev, flags: libc::c_int) -> io::Result<()> {
    let index = dev.index.cast_signed();
    // SAFETY: the request reads an int at the pointer, which lives longer than the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFINDEX, &raw const index) })?;
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(dev.name.as_str().bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    let mut request = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short } };
    // SAFETY: the request reads and writes a `struct ifreq` at the pointer, which lives longer than the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) })
}

fn tell(file: &File, request: libc::c_ulong, number: u32) -> io::Result<()> {
    // SAFETY: these requests take a number, and no pointer.
    check(unsafe { libc::ioctl(file.as_raw_fd(), request, libc::c_ulong::from(number)) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
