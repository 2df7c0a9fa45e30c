//! Who runs this program, and what may they do.
#![allow(unsafe_code)]

use std::fs;

use nix::unistd::{Uid, User, geteuid, getuid};

use super::errno;
use crate::model::{Fault, Kind};

/// CAP_NET_ADMIN, see capabilities(7).
const NET_ADMIN: u32 = 12;
/// What /proc/self/loginuid holds when nobody has logged in (audit_setloginuid(3)).
const NOBODY_LOGGED_IN: u32 = u32::MAX;

/// Who runs this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user id of the process.
    pub uid: u32,
    /// Its name, or the number when it has none.
    pub name: String,
    /// Who stands behind it, if that is somebody else: who logged in, or called sudo.
    pub behind: Option<String>,
}

/// Tells who runs this program.
pub fn user() -> Who {
    let uid = getuid();
    let behind = login().or_else(sudo).filter(|behind| *behind != uid).map(name);
    Who { uid: uid.as_raw(), name: name(uid), behind }
}

fn name(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The user who logged in. The kernel keeps it over su and sudo, and unlike an environment variable nobody can pretend it.
fn login() -> Option<Uid> {
    let uid = fs::read_to_string("/proc/self/loginuid").ok()?.trim().parse().ok()?;
    (uid != NOBODY_LOGGED_IN).then(|| Uid::from_raw(uid))
}

fn sudo() -> Option<Uid> {
    std::env::var("SUDO_UID").ok()?.parse().ok().map(Uid::from_raw)
}

/// Gives the words that this program was called with.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Gives the path of this program.
pub fn program() -> Result<String, Fault> {
    let path = std::env::current_exe().map_err(|error| errno::fault("find the file of this program", error))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Fault::new(Kind::System, "name the file of this program", "its path is not UTF-8"))
}

/// Tells whether this process may change the network of its namespace.
pub fn has_net_admin() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective(&status).is_some_and(|capabilities| capabilities >> NET_ADMIN & 1 == 1)
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Tells whether this process is root in the user namespace that the machine was booted with: to root of any other one, the files of the
/// system belong to nobody.
pub fn is_root_of_the_host() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Refuses to run with more rights than the caller has. A recipe is a program: a setuid fyke would be a root shell for everybody.
pub fn refuse_borrowed_rights() -> Result<(), Fault> {
    // SAFETY: getauxval(3) reads what the kernel has put on the stack at exec.
    if unsafe { libc::getauxval(libc::AT_SECURE) } == 0 {
        return Ok(());
    }
    Err(Fault::new(Kind::Permission, "run with borrowed rights", "this program file is set-user-id, or has file capabilities")
        .hint("take them away (chmod u-s, setcap -r), and use sudo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_capabilities_are_read() {
        assert_eq!(effective("Name:\tx\nCapPrm:\t0\nCapEff:\t0000000000001000\n"), Some(1 << NET_ADMIN));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn the_present_user_has_a_name() {
        let who = user();
        assert_eq!(who.uid, getuid().as_raw());
        assert!(!who.name.is_empty());
        assert!(refuse_borrowed_rights().is_ok());
    }
}
