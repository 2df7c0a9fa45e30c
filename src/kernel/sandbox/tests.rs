#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

use std::io::{ErrorKind, Read, Write, pipe};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use nix::sys::prctl::set_dumpable;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, setgroups, setresgid, setresuid};

use super::*;
use crate::kernel::netns::cookie;
use crate::kernel::process::{Limits, guarded};
use crate::kernel::state::state_dir;

/// Runs work in a forked copy of the test, which has one thread, as some user; gives what it reports.
fn aside(user: Option<u32>, work: impl FnOnce() -> String) -> String {
    let (mut read, mut write) = pipe().unwrap();
    // SAFETY: the child goes on with one thread; no lock that it uses is held by another thread of the test program.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            if let Some(id) = user {
                setgroups(&[]).unwrap();
                let (group, user) = (Gid::from_raw(id), Uid::from_raw(id));
                setresgid(group, group, group).unwrap();
                setresuid(user, user, user).unwrap();
                // A change of the user hides /proc/self from the process itself.
                set_dumpable(true).unwrap();
            }
            let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| "it panicked".into());
            write.write_all(report.as_bytes()).unwrap();
            // SAFETY: ends the copy without the test program's own clean-up.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(write);
            let mut report = String::new();
            read.read_to_string(&mut report).unwrap();
            assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0)));
            report
        }
    }
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
    let peer = Netns::named(PEER).unwrap();
    peer.run(|| Ok(assert!(OWN_ADDRESSES.map(answers) == [true, true], "from the peer"))).unwrap();
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
    assert_eq!(aside(None, tour), r#"done ["another", "peer"]"#);
    assert!(!Path::new("/run/netns/peer").exists(), "nothing of it is seen outside");
}

#[test]
fn an_ordinary_user_gets_a_sandbox_with_a_peer() {
    if !geteuid().is_root() {
        assert_eq!(aside(None, tour), r#"done ["another", "peer"]"#);
    }
    assert_eq!(aside(Some(65534), tour), r#"done ["another", "peer"]"#);
}

#[test]
fn a_process_with_threads_is_refused() {
    let fault = aside(Some(65534), || std::thread::spawn(|| enter().map_or_else(|fault| fault.why, |()| "entered".into())).join().unwrap());
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
