//! The proof that a group is blocked: a process of our own goes into it and tries to send and to receive.
//!
//! A group that is blocked by a program is tried in a network of the probe's own, over its loopback: nothing else can be in the way there. Rules are tried where
//! they are.
#![allow(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::tree;
use crate::kernel::errno;
use crate::kernel::netlink::route::Connection;
use crate::kernel::netns::Netns;
use crate::model::cgroup::{Group, Way};
use crate::model::{Fault, Kind};

/// How long a datagram is waited for that has to arrive, and one that must not. Over loopback it is there before the call that sends it returns.
const PATIENCE: u16 = 1000;
const MOMENT: libc::c_int = 50;
/// What the process says by its exit code, as bits: what passed, and whether it came into the group at all.
const LEAVES: i32 = 1;
const ARRIVES: i32 = 2;
const STAYED_OUT: i32 = 64;

/// Fails if something still passes, or if nobody can tell.
pub fn run(group: &Group, way: Way) -> Result<(), Fault> {
    let tried = format!("prove that the cgroup {group} is blocked");
    let folder = tree::open_there(group, &tried)?;
    let procs = tree::to_write(&folder, "cgroup.procs").map_err(|error| tree::fault(tried.clone(), error))?;
    let attempt = || {
        let mut tries = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter().filter_map(Attempt::prepare).peekable();
        let fault = || Fault::new(Kind::Refused, tried.clone(), "nothing passes over the loopback of this network, so nothing is proved");
        if tries.peek().is_none() {
            return Err(fault().hint("is it up? ip link set lo up; or do other rules drop it?"));
        }
        tries.try_for_each(|attempt| attempt.judge(&tried, procs.as_raw_fd(), way))
    };
    match way {
        Way::Bpf => Netns::create()?.run(|| Connection::open()?.set_up("lo").and_then(|()| attempt())),
        Way::ClassId | Way::Path => attempt(),
    }
}

/// Two sockets outside of the group, of which one has heard the other.
struct Attempt {
    outside: UdpSocket,
    address: SocketAddr,
}

impl Attempt {
    /// Sees to it that a datagram passes between sockets outside; none where there is no such family, or where it does not.
    fn prepare(loopback: IpAddr) -> Option<Self> {
        let bound = || {
            let socket = UdpSocket::bind((loopback, 0)).ok()?;
            socket.set_nonblocking(true).ok().map(|()| socket)
        };
        let (outside, other) = (bound()?, bound()?);
        let address = outside.local_addr().ok()?;
        other.send_to(b"control", address).ok()?;
        let heard = poll(&mut [PollFd::new(outside.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE)) == Ok(1);
        (heard && outside.recv(&mut [0; 16]).is_ok()).then_some(Self { outside, address })
    }

    /// Lets a process try from within the group.
    fn judge(&self, tried: &str, procs: RawFd, way: Way) -> Result<(), Fault> {
        let fail = |error: Errno| errno::fault(tried, error);
        // SAFETY: the child makes system calls only, on what is there already, and ends without coming back.
        let child = match unsafe { fork() }.map_err(fail)? {
            ForkResult::Child => {
                let said = self.try_from_within(procs);
                // SAFETY: it ends the process at once, and nothing of its parent's is cleaned up twice.
                unsafe { libc::_exit(said) }
            }
            ForkResult::Parent { child } => child,
        };
        let status = loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                other => break other.map_err(fail)?,
            }
        };
        let WaitStatus::Exited(_, said) = status else {
            return Err(Fault::new(Kind::System, tried, "the process that tried it was killed"));
        };
        let family = if self.address.is_ipv4() { "IPv4" } else { "IPv6" };
        let refuse = |why: String| Err(Fault::new(Kind::Refused, tried, why).hint("another way may do: `bpf`, `classid` or `path`"));
        match said {
            said if said & STAYED_OUT != 0 => refuse("a process of fyke's own could not be moved into it".to_owned()),
            said if said & LEAVES != 0 => refuse(format!("an {family} datagram of a process in it still leaves")),
            // Rules see the sockets of what comes in too late, which is said of them.
            said if said & ARRIVES != 0 && way == Way::Bpf => refuse(format!("an {family} datagram still reaches a process in it")),
            _ => Ok(()),
        }
    }

    /// Goes into the group, makes a socket there, sends from it and to it. Gives what passed.
    fn try_from_within(&self, procs: RawFd) -> i32 {
        // SAFETY: a plain system call on a descriptor that is open.
        if unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } != 1 {
            return STAYED_OUT;
        }
        let Ok(inside) = UdpSocket::bind((self.address.ip(), 0)) else { return STAYED_OUT };
        let Ok(address) = inside.local_addr() else { return STAYED_OUT };
        let mut said = 0;
        if inside.send_to(b"leaves", self.address).is_ok() && arrives(self.outside.as_raw_fd()) {
            said |= LEAVES;
        }
        if self.outside.send_to(b"arrives", address).is_ok() && arrives(inside.as_raw_fd()) {
            said |= ARRIVES;
        }
        said
    }
}

/// Tells whether something can be read soon.
fn arrives(socket: RawFd) -> bool {
    let mut wanted = libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 };
    // SAFETY: it is one, as is said.
    unsafe { libc::poll(&raw mut wanted, 1, MOMENT) == 1 }
}
