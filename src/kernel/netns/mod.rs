//! Network namespaces: found, made, entered, and told apart.
#![allow(unsafe_code)]

pub mod names;
mod seek;

use std::fs::{self, File, OpenOptions};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};

use super::errno;
use crate::model::netns::{Name, Word};
use crate::model::{Fault, Kind};

pub use seek::{all, find, hold, is_held, release, seek};

/// Where ip-netns(8) keeps its names.
pub const NAMED: &str = "/run/netns";
const OWN: &str = "/proc/thread-self/ns/net";
const NSFS_MAGIC: FsType = FsType(libc::NSFS_MAGIC);
/// ioctl_ns(2); nix and libc know it under no name.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
/// SO_NETNS_COOKIE of socket(7), since Linux 5.14.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// A network namespace, kept alive by a descriptor.
#[derive(Debug)]
pub struct Netns {
    file: OwnedFd,
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Netns {
    /// Opens what a user calls a namespace: a path if there is a slash in it, else a name of ip-netns(8).
    pub fn open(word: &str) -> Result<Netns, Fault> {
        Netns::of(&word.parse().map_err(|fault| Fault { tried: format!("open the network namespace {word:?}"), ..fault })?)
    }

    /// Opens a namespace by its name, by a path, or by a process that is in it.
    pub fn of(word: &Word) -> Result<Netns, Fault> {
        match word {
            Word::Name(name) => Netns::named(name),
            Word::Path(path) => Netns::at(Path::new(path)),
            Word::Pid(pid) => {
                let tried = format!("open the network namespace of the process {pid}");
                Netns::at(&PathBuf::from(format!("/proc/{pid}/ns/net"))).map_err(|fault| match fault.kind {
                    Kind::NotFound => Fault { tried, why: "there is no such process".to_owned(), ..fault },
                    _ => Fault { tried, ..fault },
                })
            }
        }
    }

    /// Opens the namespace that ip-netns(8) knows by this name.
    pub fn named(name: &Name) -> Result<Netns, Fault> {
        let tried = format!("open the network namespace {:?}", name.as_str());
        Netns::at(&Path::new(NAMED).join(name.as_str())).map_err(|fault| Fault { tried, ..fault }.hint("see ip netns list"))
    }

    /// Opens the namespace that a file stands for: a bind mount, or /proc/PID/ns/net.
    pub fn at(path: &Path) -> Result<Netns, Fault> {
        let tried = || format!("open the network namespace {}", path.display());
        // Non-blocking, as the path may name a FIFO or a device.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        let file = file.map_err(|error| errno::fault(tried(), error))?;
        let is_namespace = fstatfs(&file).is_ok_and(|about| about.filesystem_type() == NSFS_MAGIC);
        // SAFETY: this request takes no argument; it is made of a namespace file only.
        let kind = is_namespace.then(|| unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) });
        match kind {
            Some(libc::CLONE_NEWNET) => Ok(Netns { file: file.into() }),
            Some(_) => Err(Fault::input(tried(), "it is a namespace of another kind")),
            None => Err(Fault::input(tried(), "it is no namespace")),
        }
    }

    /// Opens the namespace that the calling thread is in.
    pub fn current() -> Result<Netns, Fault> {
        let file = File::open(OWN).map_err(|error| errno::fault("open the present network namespace", error))?;
        Ok(Netns { file: file.into() })
    }

    /// Makes a namespace without a name: it is gone with the last descriptor, socket or process in it. The calling thread stays where it is.
    pub fn create() -> Result<Netns, Fault> {
        let _visit = Visit { own: Netns::current()? };
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| errno::fault("make a network namespace", error))?;
        Netns::current()
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) -> Result<(), Fault> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|error| errno::fault("enter the network namespace", error))
    }

    /// Moves the calling thread into the namespace, until what it gives is dropped: on an error and in a panic, too.
    pub fn visit(&self) -> Result<Visit, Fault> {
        let own = Netns::current()?;
        self.enter()?;
        Ok(Visit { own })
    }

    /// Gives the number by which the kernel knows the namespace.
    pub fn cookie(&self) -> Result<u64, Fault> {
        let _visit = self.visit()?;
        cookie()
    }

    /// Gives what tells the files of two namespaces apart as long as both are there.
    fn file_number(&self) -> Option<(u64, u64)> {
        fstat(&self.file).ok().map(|about| (about.st_dev, about.st_ino))
    }

    /// Does some work on a thread of its own inside of the namespace. A thread that came back could fail to come back.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
        on_a_thread("work in the network namespace", || self.enter().and_then(|()| work()))
    }
}

/// A thread that is in another namespace for a while.
#[derive(Debug)]
pub struct Visit {
    own: Netns,
}

impl Drop for Visit {
    fn drop(&mut self) {
        // What a thread did that cannot come back, it would do to the wrong network. The guardian lifts the run of a process that ends so.
        if self.own.enter().is_err() {
            std::process::abort();
        }
    }
}

fn on_a_thread<T: Send>(tried: &str, work: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("netns".into()).spawn_scoped(scope, work);
        let worker = worker.map_err(|error| errno::fault(tried, error))?;
        worker.join().unwrap_or_else(|_| Err(Fault::new(Kind::System, tried, "its thread panicked")))
    })
}

/// Gives the number by which the kernel knows the namespace of the calling thread: unlike an inode, none is used twice before a reboot.
pub fn cookie() -> Result<u64, Fault> {
    let fail = |error| errno::fault("read the cookie of the network namespace", error);
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).map_err(fail)?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the option writes at most `length` bytes, which is the size of what it is given.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, (&raw mut cookie).cast(), &raw mut length) };
    nix::errno::Errno::result(result).map_err(fail)?;
    Ok(cookie)
}

/// Tells how the namespace of the calling thread is found again: as `host`, by its name for ip-netns(8), or by this process.
pub fn home() -> String {
    let number = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    let own = number(Path::new(OWN));
    if own.is_some() && own == number(Path::new("/proc/1/ns/net")) {
        return "host".to_owned();
    }
    let named = fs::read_dir(NAMED).into_iter().flatten().flatten().find(|entry| own.is_some() && number(&entry.path()) == own);
    match named.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        None => format!("pid:{}", std::process::id()),
        Some(name) if name == "host" => format!("{NAMED}/{name}"),
        Some(name) => name,
    }
}

/// Gives the id of the present boot: what it says about an older one is history.
pub fn boot_id() -> Result<String, Fault> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|error| errno::fault("read the id of this boot", error))?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_before_anything_is_opened() {
        for name in ["", ".", "..", "-x", "a\0b", &"n".repeat(256)] {
            assert_eq!(Netns::open(name).unwrap_err().kind, Kind::Input, "{name:?}");
        }
        let fault = Netns::open("no-such-namespace").unwrap_err();
        assert_eq!((fault.kind, fault.hint.as_deref()), (Kind::NotFound, Some("see ip netns list")));
        assert_eq!(fault.to_string(), "cannot open the network namespace \"no-such-namespace\": No such file or directory");
    }

    #[test]
    fn only_a_network_namespace_is_one() {
        assert!(Netns::open("/proc/self/ns/net").is_ok());
        let why = |path| Netns::open(path).unwrap_err().why;
        assert_eq!(why("/proc/self/ns/mnt"), "it is a namespace of another kind");
        assert_eq!(why("/dev/null"), "it is no namespace");
        assert_eq!(why("/proc"), "it is no namespace");
    }

    #[test]
    fn cookies_tell_namespaces_apart() {
        let here = cookie().unwrap();
        assert_eq!(cookie().unwrap(), here);
        assert_eq!(boot_id().unwrap().len(), 36);
        let Ok(other) = Netns::create() else {
            println!("skipped: no network namespace may be made here (not root)");
            return;
        };
        assert_ne!(other.run(cookie).unwrap(), here);
        assert_eq!(cookie().unwrap(), here, "the calling thread stayed where it was");
    }

    /// Gives where a thread is in a namespace, in another one from there, and when it has come back from that one, by a panic.
    fn visited(one: &Netns, other: &Netns) -> [u64; 3] {
        let _first = one.visit().unwrap();
        let (here, mut there) = (cookie().unwrap(), 0);
        let fall = std::panic::AssertUnwindSafe(|| {
            let _second = other.visit().unwrap();
            there = cookie().unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(std::panic::catch_unwind(fall).is_err());
        [here, there, cookie().unwrap()]
    }

    #[test]
    fn no_thread_ends_up_in_the_wrong_namespace() {
        let here = cookie().unwrap();
        let Ok(namespaces) = (0..8).map(|_| Netns::create()).collect::<Result<Vec<_>, _>>() else {
            println!("skipped: no network namespace may be made here (not root)");
            return;
        };
        let cookies: Vec<u64> = namespaces.iter().map(|namespace| namespace.run(cookie).unwrap()).collect();
        // One that cannot be entered: its work is not done at all, least of all here.
        let broken = Netns { file: File::open("/dev/null").unwrap().into() };
        thread::scope(|scope| {
            for turn in 0..8 {
                let (namespaces, cookies, broken) = (&namespaces, &cookies, &broken);
                scope.spawn(move || {
                    for at in (0..8).cycle().skip(turn).take(100) {
                        assert_eq!(namespaces[at].run(cookie).unwrap(), cookies[at]);
                        assert_eq!(visited(&namespaces[at], &namespaces[turn]), [cookies[at], cookies[turn], cookies[at]]);
                        assert_eq!(broken.visit().unwrap_err().kind, Kind::System);
                        assert_eq!(
                            broken.run(|| -> Result<(), Fault> { panic!("done in the wrong namespace") }).unwrap_err().kind,
                            Kind::System
                        );
                        assert_eq!(cookie().unwrap(), here);
                    }
                });
            }
        });
    }
}
