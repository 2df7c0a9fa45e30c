#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::*;
use crate::kernel::netns::cookie;
use crate::kernel::process::{Limits, guarded};
use crate::kernel::state::state_dir;
use crate::kernel::tests::aside;

/// Becomes an ordinary user, then does the work.
fn as_nobody(work: impl FnOnce() -> String) -> String {
    if geteuid().is_root() {
        let (group, user) = (Gid::from_raw(65534), Uid::from_raw(65534));
        setgroups(&[]).unwrap();
        setresgid(group, group, group).unwrap();
        setresuid(user, user, user).unwrap();
        // A change of the user hides /proc/self from the process itself.
        set_dumpable(true).unwrap();
    }
    work()
}

/// Whether somebody answers behind eth0: a connection to a closed port is refused by a packet that came back.
fn answers((address, _): (IpAddr, u8)) -> bool {
    let error = TcpStream::connect_timeout(&SocketAddr::new(address, 9), Duration::from_secs(3)).unwrap_err();
    if error.kind() != ErrorKind::ConnectionRefused {
        println!("{address}: {error}");
    }
    error.kind() == ErrorKind::ConnectionRefused
}

fn tour() -> String {
    let outside = cookie().unwrap();
    if let Err(fault) = enter() {
        return format!("{fault} ({:?})", fault.hint);
    }
    assert_ne!(cookie().unwrap(), outside);
    assert!(PEER_ADDRESSES.map(answers) == [true, true], "from here");
    let peer = Netns::open(PEER).unwrap();
    assert_eq!(peer.run(|| Ok(OWN_ADDRESSES.map(answers))), Ok([true, true]), "from the peer");
    assert!(geteuid().is_root());
    assert_eq!(state_dir().unwrap(), Path::new("/run/fyke"));
    fs::write("/run/xtables.lock", "").unwrap();
    assert!(Command::new("/usr/sbin/iptables").args(["-A", "INPUT", "-j", "DROP"]).status().map_or(true, |status| status.success()));
    assert!(Command::new("/sbin/ip").args(["netns", "add", "another"]).status().map_or(true, |status| status.success()));
    assert_eq!(guarded(&Limits::default(), |_| 7, |_, ending| ending.exit_code()), Ok(7), "no thread was left behind");
    let mut inside: Vec<_> = fs::read_dir(NAMED).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    inside.sort();
    format!("done {inside:?}")
}

#[test]
fn root_gets_a_sandbox_with_a_peer() {
    if !geteuid().is_root() {
        return println!("skipped: this test is about root");
    }
    assert_eq!(aside(tour), r#"done ["another", "peer"]"#);
    assert!(!Path::new("/run/netns/peer").exists(), "nothing of it is seen outside");
}

#[test]
fn an_ordinary_user_gets_a_sandbox_with_a_peer() {
    assert_eq!(aside(|| as_nobody(tour)), r#"done ["another", "peer"]"#);
}

#[test]
fn a_process_with_threads_is_refused() {
    let entered = || std::thread::spawn(|| enter().map_or_else(|fault| fault.why, |()| "entered".into())).join().unwrap();
    let fault = aside(|| as_nobody(entered));
    assert_eq!(fault, "this process has more than one thread, or the kernel knows no user namespaces");
}

#[test]
fn the_switch_that_is_off_is_named() {
    let switched =
        |name: &'static str, value: &'static str| cure(move |asked| if asked == name { format!("{value}\n") } else { String::new() });
    assert_eq!(
        switched("kernel.apparmor_restrict_unprivileged_userns", "1"),
        "user namespaces are switched off here (kernel.apparmor_restrict_unprivileged_userns = 1); \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
    );
    assert!(switched("user.max_user_namespaces", "0").contains("sysctl -w user.max_user_namespaces=10000"));
    assert!(switched("user.max_user_namespaces", "96365").starts_with("something forbids"));
}
