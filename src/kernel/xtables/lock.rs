//! /run/xtables.lock, by which the legacy programs take turns, held by fyke itself over reading and writing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};

use crate::kernel::errno;
use crate::model::{Fault, Kind};

/// Where the lock is, see XTABLES_LOCKFILE in iptables(8).
const PATH: &str = "/run/xtables.lock";
/// How long it is waited for.
const BOUND: Duration = Duration::from_secs(5);
/// How often it is tried.
const STEP: Duration = Duration::from_millis(5);

/// The lock, held as long as this lives.
pub(super) struct XtablesLock {
    _held: File,
}

impl XtablesLock {
    /// Takes the lock, or says who has it.
    pub(super) fn take() -> Result<Self, Fault> {
        Self::take_at(PATH, BOUND)
    }

    fn take_at(path: &str, bound: Duration) -> Result<Self, Fault> {
        let tried = || format!("take the lock {path}");
        let mut options = OpenOptions::new();
        // As the programs themselves do: whoever comes first makes the file.
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path);
        let file = opened.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => Fault::new(Kind::Permission, tried(), error.to_string()).hint("run as root"),
            _ => Fault::new(Kind::System, tried(), error.to_string()),
        })?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _held: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(errno::fault(tried(), error)),
            }
            if begun.elapsed() >= bound {
                return Err(busy(tried(), &holders(&file), bound));
            }
            sleep(STEP);
        }
    }
}

fn busy(tried: String, holders: &[String], bound: Duration) -> Fault {
    let who = match holders {
        [] => "somebody else".to_owned(),
        names => names.join(", "),
    };
    Fault::new(Kind::Busy, tried, format!("{who} has held it for the {} s that it was waited for", bound.as_secs_f32()))
        .hint("try again when that program has ended")
}

/// Finds who has a lock on a file: /proc/locks names the process, the device and the inode.
fn holders(file: &File) -> Vec<String> {
    let Ok(about) = file.metadata() else { return Vec::new() };
    let inode = format!("{:02x}:{:02x}:{}", major(about.dev()), minor(about.dev()), about.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pids = locks.lines().filter_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 00:1a:5678 0 EOF; a waiting one has "->" in front and is no holder.
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&inode.as_str())).then(|| fields[4].to_owned())
    });
    let name = |pid: String| match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (process {pid})", name.trim_end()),
        Err(_) => format!("process {pid}"),
    };
    pids.map(name).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_holds_the_lock_is_named() {
        let path = std::env::temp_dir().join(format!("fyke-lock-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let bound = Duration::from_millis(30);
        let held = XtablesLock::take_at(path, bound).unwrap();
        let fault = XtablesLock::take_at(path, bound).err().unwrap();
        assert_eq!(fault.kind, Kind::Busy);
        assert!(fault.why.contains(&format!("(process {})", std::process::id())), "{fault}");
        drop(held);
        XtablesLock::take_at(path, bound).unwrap();
        fs::remove_file(path).unwrap();
    }
}
