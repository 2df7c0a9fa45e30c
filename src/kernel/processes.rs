//! Processes: what /proc tells of them, and the sockets that they hold.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{errno, holders};
use crate::model::cgroup::Process;
use crate::model::{Fault, Kind};

/// `PF_KTHREAD` of `linux/sched.h`: a thread of the kernel's own.
const KERNEL_THREAD: u64 = 0x20_0000;
/// SO_COOKIE of socket(7), which libc does not name.
const SO_COOKIE: libc::c_int = 57;

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which it is.
    pub process: Process,
    /// The name that the kernel has it by: at most 15 bytes, and it can choose it itself.
    pub name: String,
    /// The words that it was started with.
    pub words: Vec<String>,
    /// The number of the process that started it, or has taken it over since.
    pub parent: i32,
    /// The id of its user.
    pub user: u32,
    /// Whether it is a thread of the kernel's own.
    pub is_of_kernel: bool,
}

/// What is read of proc_pid_stat(5).
struct Stat {
    name: String,
    state: char,
    parent: i32,
    flags: u64,
    start: u64,
}

/// Reads what is known of a number; none where nobody has it. What cannot be read is an error: nobody is to be taken for one that has ended.
fn stat(pid: i32) -> io::Result<Option<Stat>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(bytes) => Ok(read_stat(&String::from_utf8_lossy(&bytes))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells whether an error of /proc says that the process has ended.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// A name may hold any byte, so what is behind the last parenthesis counts.
fn read_stat(text: &str) -> Option<Stat> {
    let (front, back) = text.rsplit_once(')')?;
    let fields: Vec<&str> = back.split_whitespace().collect();
    Some(Stat {
        name: front.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        flags: fields.get(6)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

impl Stat {
    /// Tells whether it still runs: one that has ended is listed until its parent asks for it.
    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Tells which process has a number now.
pub fn identity(pid: i32) -> io::Result<Option<Process>> {
    Ok(stat(pid)?.filter(Stat::is_alive).map(|stat| Process { pid, start: stat.start }))
}

/// Tells whether a process is still the one that it was.
pub fn is(process: &Process) -> io::Result<bool> {
    Ok(identity(process.pid)?.as_ref() == Some(process))
}

/// Tells what is known of a process.
pub fn find(pid: i32) -> Option<Facts> {
    let stat = stat(pid).ok()?.filter(Stat::is_alive)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>();
    Some(Facts {
        process: Process { pid, start: stat.start },
        name: stat.name,
        words: words.split_last().map(|(_, words)| words.to_vec()).unwrap_or_default(),
        parent: stat.parent,
        user,
        is_of_kernel: stat.flags & KERNEL_THREAD != 0,
    })
}

/// Lists the processes, by their numbers.
pub fn all() -> Vec<Facts> {
    let mut found: Vec<Facts> = numbers().into_iter().filter_map(find).collect();
    found.sort_by_key(|facts| facts.process.pid);
    found
}

/// Lists the numbers and names of the processes, for whoever types them.
pub fn names() -> Vec<(i32, String)> {
    numbers().into_iter().filter_map(|pid| Some((pid, stat(pid).ok()??.name))).collect()
}

fn numbers() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Lists a process and those that it has started, and these have, as far as they still run.
pub fn tree(of: &Process) -> Vec<Process> {
    let all: Vec<(i32, Stat)> =
        numbers().into_iter().filter_map(|pid| Some((pid, stat(pid).ok()??))).filter(|(_, stat)| stat.is_alive()).collect();
    let mut found: Vec<Process> =
        all.iter().map(|(pid, stat)| Process { pid: *pid, start: stat.start }).filter(|process| process == of).collect();
    let mut next = 0;
    while let Some(above) = found.get(next).copied() {
        let children = all.iter().filter(|(_, stat)| stat.parent == above.pid);
        let children: Vec<Process> = children.map(|(pid, stat)| Process { pid: *pid, start: stat.start }).collect();
        found.extend(children.into_iter().filter(|child| child.pid != of.pid));
        next += 1;
    }
    found
}

/// A process that is held by a descriptor: its number is nobody else's as long as it runs.
pub struct Held(OwnedFd);

impl Held {
    /// Tells whether it still runs.
    pub fn is_alive(&self) -> bool {
        poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0)
    }
}

/// Takes hold of a process, if it is still there.
pub fn hold(process: &Process) -> io::Result<Option<Held>> {
    // SAFETY: it takes a number and flags, and gives a descriptor that is ours.
    let held =
        unsafe { Errno::result(libc::syscall(libc::SYS_pidfd_open, process.pid, 0)).map(|fd| Held(OwnedFd::from_raw_fd(fd as i32))) };
    match held {
        // Only what has been opened before it is looked at is certainly the same.
        Ok(held) => Ok(is(process)?.then_some(held)),
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A socket that a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The number of its descriptor in the process.
    pub fd: i32,
    /// The number by which the kernel knows it, and never knows another one before the next boot.
    pub cookie: u64,
    /// `AF_INET` and its like.
    pub domain: i32,
    /// `SOCK_STREAM` and its like.
    pub kind: i32,
    /// `IPPROTO_TCP` and its like.
    pub protocol: i32,
    /// The own end of a socket of the internet.
    pub here: Option<SocketAddr>,
    /// The far end, if it is connected.
    pub peer: Option<SocketAddr>,
}

impl Socket {
    /// Gives the name of its family, or the number of one that is seldom.
    pub fn family(&self) -> String {
        let name = match self.domain {
            libc::AF_INET => "ipv4",
            libc::AF_INET6 => "ipv6",
            libc::AF_UNIX => "unix",
            libc::AF_NETLINK => "netlink",
            libc::AF_PACKET => "packet",
            other => return other.to_string(),
        };
        name.to_owned()
    }

    /// Tells whether it is one of IPv4 or IPv6.
    pub fn is_of_internet(&self) -> bool {
        [libc::AF_INET, libc::AF_INET6].contains(&self.domain)
    }
}

/// Lists the sockets that a process holds. They are looked at through copies of its descriptors, so it is all the same in which network they are.
pub fn sockets(process: &Process) -> Result<Vec<Socket>, Fault> {
    let tried = || format!("list the sockets of {process}");
    let Some(held) = hold(process).map_err(|error| errno::fault(tried(), error))? else { return Ok(Vec::new()) };
    let listed = match fs::read_dir(format!("/proc/{}/fd", process.pid)) {
        Ok(listed) => listed,
        Err(_) if !held.is_alive() => return Ok(Vec::new()),
        Err(error) => return Err(errno::fault(tried(), error)),
    };
    let mut found = Vec::new();
    for entry in listed.flatten() {
        let is_socket = fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|_| is_socket) else { continue };
        match copy(&held, fd) {
            Ok(copy) => found.extend(look(fd, copy)),
            // Closed by now, or the process is gone.
            Err(Errno::EBADF | Errno::ESRCH) => {}
            Err(Errno::EPERM) => {
                return Err(Fault::new(Kind::Permission, tried(), "its descriptors may not be looked at").hint("it takes CAP_SYS_PTRACE"));
            }
            Err(Errno::ENOSYS) => {
                return Err(Fault::new(Kind::Unsupported, tried(), "this kernel has no pidfd_getfd(2), it is older than 5.6"));
            }
            Err(error) => return Err(errno::fault(tried(), error)),
        }
    }
    Ok(found)
}

fn copy(held: &Held, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: it takes two descriptors and flags, and gives one that is ours.
    unsafe { Errno::result(libc::syscall(libc::SYS_pidfd_getfd, held.0.as_raw_fd(), fd, 0)).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
}

fn look(fd: i32, socket: OwnedFd) -> Option<Socket> {
    // Whatever it is, it is asked for its ends in the same way; one of another family has none that are addresses.
    let socket = UdpSocket::from(socket);
    let number = |option| of_socket::<i32>(&socket, option);
    Some(Socket {
        fd,
        cookie: of_socket(&socket, SO_COOKIE)?,
        domain: number(libc::SO_DOMAIN)?,
        kind: number(libc::SO_TYPE)?,
        protocol: number(libc::SO_PROTOCOL).unwrap_or_default(),
        here: socket.local_addr().ok(),
        peer: socket.peer_addr().ok(),
    })
}

/// Reads a number of a socket.
fn of_socket<T: Copy + Default>(socket: &UdpSocket, option: libc::c_int) -> Option<T> {
    let (mut value, mut length) = (T::default(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the option writes at most `length` bytes, which is the size of what it is given.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length) };
    (result == 0 && length as usize == size_of::<T>()).then_some(value)
}

/// Lists the processes that hold one of some sockets.
pub fn holding(sockets: &[u64]) -> Vec<Facts> {
    let holds = |pid: &i32| holders::of_process(*pid).iter().any(|(_, inode)| sockets.contains(inode));
    let mut found: Vec<i32> = if sockets.is_empty() { Vec::new() } else { numbers().into_iter().filter(holds).collect() };
    found.sort_unstable();
    found.into_iter().filter_map(find).collect()
}

/// Tells whether a process is in the network namespace of the calling thread.
pub fn is_in_this_network(pid: i32) -> bool {
    let link = |path: String| fs::read_link(path).ok();
    let own = link("/proc/thread-self/ns/net".to_owned());
    own.is_some() && own == link(format!("/proc/{pid}/ns/net"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = std::process::id() as i32;
        let process = identity(own).unwrap().unwrap();
        assert!(is(&process).unwrap() && !is(&Process { start: process.start + 1, ..process }).unwrap());
        assert!(hold(&process).unwrap().unwrap().is_alive() && hold(&Process { start: 1, ..process }).unwrap().is_none());
        let facts = find(own).unwrap();
        assert!(facts.process == process && !facts.is_of_kernel && !facts.words.is_empty());
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = read_stat("7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0").unwrap();
        assert_eq!((stat.name.as_str(), stat.parent, stat.start, stat.is_alive()), ("a) b", 1, 4711, true));
        assert!(read_stat("7 (a").is_none() && read_stat("").is_none());
    }

    #[test]
    fn children_are_found_and_who_has_ended_is_not() {
        let own = identity(std::process::id() as i32).unwrap().unwrap();
        let mut child = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let pid = child.id() as i32;
        let begun = std::time::Instant::now();
        while tree(&identity(pid).unwrap().unwrap()).len() < 2 && begun.elapsed().as_secs() < 10 {}
        let found = tree(&own);
        assert!(found[0] == own && found.iter().any(|process| process.pid == pid) && found.len() > 2, "{found:?}");
        for process in tree(&identity(pid).unwrap().unwrap()).iter().rev() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid), nix::sys::signal::Signal::SIGKILL);
        }
        child.wait().unwrap();
        assert!(identity(pid).unwrap().is_none());
    }

    #[test]
    fn the_sockets_of_a_process_are_seen_through_its_descriptors() {
        let own = identity(std::process::id() as i32).unwrap().unwrap();
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let found = sockets(&own).unwrap();
        let at = |address: SocketAddr| found.iter().find(|socket| socket.here == Some(address)).unwrap();
        let (tcp, udp) = (at(tcp.local_addr().unwrap()), at(udp.local_addr().unwrap()));
        assert_eq!((tcp.kind, tcp.protocol, udp.kind, udp.protocol), (libc::SOCK_STREAM, 6, libc::SOCK_DGRAM, 17));
        assert!(tcp.cookie != udp.cookie && tcp.cookie != 0 && tcp.is_of_internet() && tcp.family() == "ipv4");
    }
}
