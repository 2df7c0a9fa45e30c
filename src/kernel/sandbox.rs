//! A throw-away machine for one run: a network of its own, and a /run of its own.
//!
//! ```text
//!   the sandbox                            the peer (ip netns exec peer ...)
//!   lo, eth0 192.0.2.1/24        ◄─veth─►  lo, eth0 192.0.2.2/24
//!            2001:db8::1/64                         2001:db8::2/64
//! ```
//!
//! All of it is gone with the last process in it: nothing has to be cleaned up, whatever happens.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::errno;
use super::netlink::route::Connection;
use super::netns::{NAMED, Netns};
use crate::model::{Fault, Kind};

/// The name by which ip-netns(8), and `--netns`, know the other end of eth0.
pub const PEER: &str = "peer";

/// The addresses of eth0 in the sandbox.
pub const OWN_ADDRESSES: [(IpAddr, u8); 2] = addresses(1);
/// The addresses of the peer behind it.
pub const PEER_ADDRESSES: [(IpAddr, u8); 2] = addresses(2);

/// From the blocks for documentation (RFC 5737, RFC 3849), which nobody has.
const fn addresses(host: u8) -> [(IpAddr, u8); 2] {
    [(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), 24), (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host as u16)), 64)]
}

/// Whether this process, or the one that it was forked from, has moved into a sandbox.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Tells whether this process is in a sandbox.
pub fn is_entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// Moves this process into a sandbox, for good. It must not have started a thread yet; none is started here.
///
/// An ordinary user becomes root of a user namespace, which has power over the sandbox and nothing else.
pub fn enter() -> Result<(), Fault> {
    ENTERED.store(true, Ordering::Relaxed);
    leave_the_machine()?;
    private_run().map_err(|error| forbidden("give the sandbox a /run of its own", error))?;
    // This first network namespace is the peer's. A mount keeps it, so it needs no process, and no descriptor that a tool could inherit.
    let peer = Netns::current()?;
    name_the_peer()?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| forbidden("make the network of the sandbox", error))?;
    let own = Netns::current()?;
    let route = Connection::open()?;
    route.add_veth("eth0", "eth0", peer.as_fd())?;
    peer.enter()?;
    let far = Connection::open().and_then(|route| configure(&route, PEER_ADDRESSES));
    own.enter()?;
    far?;
    configure(&route, OWN_ADDRESSES)?;
    // A fresh network lets nobody ping without a capability. Where this is refused, it stays so.
    let _ = fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0");
    PEER_ADDRESSES.iter().try_for_each(|(address, _)| route.add_default_route(*address))
}

fn configure(route: &Connection, addresses: [(IpAddr, u8); 2]) -> Result<(), Fault> {
    route.set_up("lo")?;
    route.set_up("eth0")?;
    addresses.into_iter().try_for_each(|(address, prefix)| route.add_address("eth0", address, prefix))
}

fn leave_the_machine() -> Result<(), Fault> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    // Root of a container may lack the capability, and is an ordinary user then.
    if geteuid().is_root() && unshare(own).is_ok() {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    let tried = "make a sandbox";
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| match error {
        Errno::EINVAL => Fault::new(Kind::System, tried, "this process has more than one thread, or the kernel knows no user namespaces"),
        _ => forbidden(tried, error),
    })?;
    // Without setgroups a group that is refused something could not shed itself (user_namespaces(7)); the kernel wants it denied first.
    let maps = [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))];
    maps.into_iter()
        .try_for_each(|(file, text)| fs::write(format!("/proc/self/{file}"), text))
        .map_err(|error| forbidden(tried, Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    // One after the other: the files of /proc/net belong to root of the user namespace only if it has its users by then.
    unshare(own).map_err(|error| forbidden(tried, error))
}

/// Puts a fresh file system on /run: the journal and the lock of xtables live and die there.
fn private_run() -> nix::Result<()> {
    const NOTHING: Option<&Path> = None;
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755"))
}

/// Gives the present namespace a name, as ip-netns(8) does it.
fn name_the_peer() -> Result<(), Fault> {
    let tried = "name the peer of the sandbox";
    let path = Path::new(NAMED).join(PEER);
    fs::create_dir(NAMED).and_then(|()| File::create(&path)).map_err(|error| errno::fault(tried, error))?;
    let nothing: Option<&Path> = None;
    mount(Some("/proc/self/ns/net"), &path, nothing, MsFlags::MS_BIND, nothing).map_err(|error| errno::fault(tried, error))
}

/// Makes the fault of a machine that does not let its users make namespaces, naming the switch that is off.
fn forbidden(tried: &str, error: Errno) -> Fault {
    let switch = |name: &str| fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap_or_default();
    Fault::new(Kind::Permission, tried, error.desc()).hint(cure(switch))
}

fn cure(switch: impl Fn(&str) -> String) -> String {
    let switches = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "10000"),
    ];
    match switches.into_iter().find(|(name, off, _)| switch(name).trim() == *off) {
        Some((name, off, on)) => format!("user namespaces are switched off here ({name} = {off}); sysctl -w {name}={on}, or run as root"),
        None => "something forbids user namespaces here, a container's seccomp profile perhaps; run as root, or outside of it".into(),
    }
}

#[cfg(test)]
mod tests;
