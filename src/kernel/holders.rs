//! Which process holds which socket: one walk through the descriptors of all processes, see proc_pid_fd(5).
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::thread;

use crate::model::sockets::{Holder, Holders};

/// What stands before the inode in the link of a descriptor.
const SOCKET: &[u8] = b"socket:[";
/// From so many descriptors on, several threads look at them.
const CROWD: i32 = 2048;
/// As many numbers are tried beyond those of the descriptors that there are, before the folder is listed; where there are fewer, it is listed at once.
const HOLES: i32 = 64;

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
            // Most are held once.
            found.entry(inode).or_insert_with(|| Vec::with_capacity(1)).push(Holder {
                pid,
                fd,
                name: name.clone(),
                cgroup: cgroup.clone(),
            });
        }
    }
    found
}

/// Lists the sockets that a process holds: its descriptors, and the inodes. Whose files may not be looked at holds none that could be told.
pub fn of_process(pid: i32) -> Vec<(i32, u64)> {
    let path = format!("/proc/{pid}/fd");
    let Ok(folder) = File::open(&path) else { return Vec::new() };
    // Since Linux 6.2 the folder has the number of its entries for a size; descriptors are given from 0 on, so most are found without a list.
    let many = folder.metadata().map_or(0, |about| i32::try_from(about.len()).unwrap_or(0));
    if many > HOLES {
        let (found, seen) = shared_out(&folder, many);
        if seen == many {
            return found;
        }
    }
    let Ok(entries) = fs::read_dir(&path) else { return Vec::new() };
    let named = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    look(&folder, named).0
}

/// Looks at the first descriptors of a process, several threads at a time where there are many; and at as many more as may be holes among them.
fn shared_out(folder: &File, many: i32) -> (Vec<(i32, u64)>, i32) {
    let part = if many < CROWD { many } else { many / 4 + 1 };
    let parts: Vec<_> = (0..many).step_by(part.max(1) as usize).map(|first| first..(first + part).min(many)).collect();
    let done: Vec<_> = match &parts[..] {
        [_, _, ..] => thread::scope(|scope| {
            let started: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || look(folder, part))).collect();
            started.into_iter().filter_map(|thread| thread.join().ok()).collect()
        }),
        _ => parts.into_iter().map(|part| look(folder, part)).collect(),
    };
    let (mut found, mut seen) = (Vec::new(), 0);
    for (mut sockets, are_there) in done {
        found.append(&mut sockets);
        seen += are_there;
    }
    let mut next = many;
    while seen < many && next < many + HOLES {
        let (mut sockets, is_there) = look(folder, next..next + 1);
        found.append(&mut sockets);
        (seen, next) = (seen + is_there, next + 1);
    }
    (found, seen)
}

/// Looks at descriptors: those that are sockets, with their inodes, and how many there are at all.
fn look(folder: &File, fds: impl Iterator<Item = i32>) -> (Vec<(i32, u64)>, i32) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for fd in fds {
        let Some(inode) = inode(folder.as_raw_fd(), fd) else { continue };
        seen += 1;
        found.extend(inode.map(|inode| (fd, inode)));
    }
    (found, seen)
}

/// Tells whether there is a process of this number.
pub fn is_there(pid: i32) -> bool {
    pid > 0 && fs::exists(format!("/proc/{pid}")).unwrap_or(false)
}

/// Reads the inode of a descriptor, if there is such a descriptor, and if it is a socket. The link is read and never followed: what is behind it may
/// hang.
fn inode(folder: RawFd, fd: i32) -> Option<Option<u64>> {
    let (mut name, mut link) = ([0u8; 16], [0u8; 32]);
    // It has room for every number, with a NUL byte behind it.
    write!(&mut name[..15], "{fd}").ok()?;
    // SAFETY: the descriptor is open, the name ends in a NUL byte, and no more is written than there is room for.
    let len = unsafe { libc::readlinkat(folder, name.as_ptr().cast(), link.as_mut_ptr().cast(), link.len()) };
    let digits = link.get(..usize::try_from(len).ok()?)?.strip_prefix(SOCKET).and_then(|rest| rest.strip_suffix(b"]"));
    Some(digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
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
    fn many_descriptors_with_holes_are_found() {
        use nix::fcntl::{FcntlArg, fcntl};
        let own = i32::try_from(std::process::id()).unwrap();
        let sockets: Vec<_> = (0..300).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let kept: Vec<_> = sockets.into_iter().step_by(3).collect();
        let far = fcntl(&kept[0], FcntlArg::F_DUPFD_CLOEXEC(900)).unwrap();
        let mut wanted: Vec<i32> = kept.iter().map(AsRawFd::as_raw_fd).chain([far]).collect();
        wanted.sort_unstable();
        let held = of_process(own);
        assert!(wanted.iter().all(|fd| held.iter().filter(|(held, _)| held == fd).count() == 1), "{wanted:?}: {held:?}");
        let folder = File::open(format!("/proc/{own}/fd")).unwrap();
        let one_by_one = look(&folder, 0..1000);
        assert_eq!(one_by_one.0.iter().filter(|(fd, _)| wanted.contains(fd)).count(), wanted.len());
        nix::unistd::close(far).unwrap();
    }

    #[test]
    fn a_cgroup_is_that_of_systemd_or_the_only_one() {
        assert_eq!(path("0::/system.slice/ssh.service\n"), "/system.slice/ssh.service");
        assert_eq!(path("2:cpu:/x\n1:name=systemd:/user.slice/a.scope\n0::/\n"), "/user.slice/a.scope");
        assert_eq!((path("1:name=systemd:/\n0::/y\n"), path(""), path("x")), ("/y", "/", "/"));
    }
}
