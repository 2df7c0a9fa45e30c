//! Which process holds which socket: one walk through the descriptors of all processes, see proc_pid_fd(5).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use crate::model::sockets::{Holder, Holders};

/// What stands before the inode in the link of a descriptor.
const SOCKET: &[u8] = b"socket:[";

/// Finds who holds which socket, as far as the descriptors of a process may be looked at.
pub fn all() -> Holders {
    let mut found = Holders::new();
    for pid in processes() {
        let held = of_process(pid);
        if held.is_empty() {
            continue;
        }
        let (name, cgroup): (Arc<str>, Arc<str>) = (name(pid).into(), cgroup(pid).into());
        for (fd, inode) in held {
            found.entry(inode).or_default().push(Holder { pid, fd, name: name.clone(), cgroup: cgroup.clone() });
        }
    }
    found
}

/// Lists the sockets that a process holds: its descriptors, and the inodes. Whose files may not be looked at holds none that could be told.
pub fn of_process(pid: i32) -> Vec<(i32, u64)> {
    let path = format!("/proc/{pid}/fd");
    let (Ok(folder), Ok(entries)) = (File::open(&path), fs::read_dir(&path)) else { return Vec::new() };
    let held = |name: CString| Some((name.to_str().ok()?.parse().ok()?, inode(folder.as_raw_fd(), &name)?));
    entries.flatten().filter_map(|entry| held(CString::new(entry.file_name().into_vec()).ok()?)).collect()
}

/// Tells whether there is a process of this number.
pub fn is_there(pid: i32) -> bool {
    pid > 0 && fs::exists(format!("/proc/{pid}")).unwrap_or(false)
}

/// Reads the inode of a descriptor that is a socket. The link is read and never followed: what is behind it may hang.
fn inode(folder: RawFd, name: &CStr) -> Option<u64> {
    let mut link = [0u8; 32];
    // SAFETY: the descriptor is open, the name ends in a NUL byte, and no more is written than there is room for.
    let len = unsafe { libc::readlinkat(folder, name.as_ptr(), link.as_mut_ptr().cast(), link.len()) };
    let digits = link.get(..usize::try_from(len).ok()?)?.strip_prefix(SOCKET)?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn name(pid: i32) -> String {
    fs::read(format!("/proc/{pid}/comm")).map_or_else(|_| String::new(), |name| String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// Reads the path of the cgroup of a process, see cgroups(7): of version 2, else that of the hierarchy of systemd.
fn cgroup(pid: i32) -> String {
    path(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()).to_owned()
}

fn path(text: &str) -> &str {
    let of = |hierarchy: &str| text.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(hierarchy)).filter(|path| *path != "/");
    of("name=systemd:").or_else(|| of(":")).unwrap_or("/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_holds_its_sockets() {
        let own = i32::try_from(std::process::id()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let held = of_process(own);
        let (_, inode) = held.iter().find(|(fd, _)| *fd == listener.as_raw_fd()).unwrap();
        let holder = all().remove(inode).unwrap().into_iter().find(|holder| holder.pid == own).unwrap();
        assert_eq!((holder.fd, holder.name.is_empty()), (listener.as_raw_fd(), false));
        assert!(is_there(own) && !is_there(0) && !is_there(-1) && !is_there(i32::MAX));
        assert_eq!(of_process(i32::MAX), []);
    }

    #[test]
    fn a_cgroup_is_that_of_systemd_or_the_only_one() {
        assert_eq!(path("0::/system.slice/ssh.service\n"), "/system.slice/ssh.service");
        assert_eq!(path("2:cpu:/x\n1:name=systemd:/user.slice/a.scope\n0::/\n"), "/user.slice/a.scope");
        assert_eq!((path("1:name=systemd:/\n0::/y\n"), path(""), path("x")), ("/y", "/", "/"));
    }
}
