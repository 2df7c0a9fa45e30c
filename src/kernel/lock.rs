//! The run lock: who may touch what a run has changed.
//!
//! A tool that waits for a lock of its own survives its killed parent, and writes seconds later (`iptables-legacy-restore -w` does). So a
//! dead runner does not mean that its changes have come to rest. The runner takes this lock before its first change, and everything that
//! it starts inherits the descriptor: flock(2) belongs to the open file, and is gone only when the last of them has closed it. Who wants
//! to lift the run (its guardian, or a later invocation) opens the file anew, and has the lock only when nobody is left who could write.
//! So a free lock is also the proof that a run is dead, which a process number never is.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::errno;
use crate::model::{Fault, Kind};

const PAUSE: Duration = Duration::from_millis(2);

/// How long somebody waits for his turn who wants to begin, and can begin later.
pub const TO_BEGIN: Duration = Duration::from_secs(5);

/// How long somebody waits for his turn who has to lift what would be left half done.
pub const TO_LIFT: Duration = Duration::from_secs(60);

/// How often a lock is tried again whose holder nobody sees: most often it has just let go.
const UNSEEN: usize = 10;

/// The lock of one run, held by this process and whatever it starts from now on.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    file: File,
}

impl AsFd for RunLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl RunLock {
    /// Takes the lock of a run, in the state directory. While others hold it, waits as long as patience allows.
    pub fn take(state: &Path, run: &str, patience: Duration) -> Result<RunLock, Fault> {
        let path = state.join(format!("{run}.lock"));
        let tried = format!("lock the run {run}");
        let start = Instant::now();
        let mut unseen = 0;
        loop {
            let file = open(&path).map_err(|error| errno::fault(tried.clone(), error))?;
            match file.try_lock() {
                Ok(()) if is_still_there(&file, &path) => {
                    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|error| errno::fault(tried, error))?;
                    return Ok(RunLock { path, file });
                }
                // It was removed by who held it: the next one is another file.
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    if start.elapsed() >= patience {
                        let holders = holders(&path);
                        if !holders.is_empty() || unseen == UNSEEN {
                            return Err(busy(tried, &holders));
                        }
                        unseen += 1;
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(fs::TryLockError::Error(error)) => return Err(errno::fault(tried, error)),
            }
        }
    }

    /// Tells whether somebody holds the lock of a run: it is not over. The file stays: of a dead run it is the trace.
    pub fn is_held(state: &Path, run: &str) -> bool {
        let options = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(state.join(format!("{run}.lock")));
        options.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Tells whether a run has a lock, held or not: somebody works on it, or it was left.
    pub fn is_there(state: &Path, run: &str) -> bool {
        state.join(format!("{run}.lock")).symlink_metadata().is_ok()
    }

    /// Waits until nobody else writes to a network namespace, and keeps the others waiting as long as the lock is held.
    pub fn turn(state: &Path, namespace: u64, patience: Duration) -> Result<RunLock, Fault> {
        let in_the_way = |fault: Fault| Fault { tried: "write to this network namespace".to_owned(), ..fault };
        Self::take(state, &format!("writing-{namespace}"), patience).map_err(in_the_way)
    }

    /// Waits so for several, always in the same order: two that want the same do not wait for one another.
    pub fn turns(state: &Path, namespaces: &BTreeSet<u64>, patience: Duration) -> Result<Vec<RunLock>, Fault> {
        namespaces.iter().map(|namespace| Self::turn(state, *namespace, patience)).collect()
    }

    /// Does work while nobody else writes to some network namespaces.
    pub fn in_turn<T>(
        state: &Path,
        namespaces: &BTreeSet<u64>,
        patience: Duration,
        work: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let turns = Self::turns(state, namespaces, patience)?;
        let done = work();
        turns.into_iter().for_each(Self::remove);
        done
    }

    /// Removes the lock of a run that is settled: nobody will ask for it again.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn is_still_there(file: &File, path: &Path) -> bool {
    let number = |about: &fs::Metadata| (about.dev(), about.ino());
    matches!((file.metadata(), fs::symlink_metadata(path)), (Ok(open), Ok(named)) if number(&open) == number(&named))
}

fn busy(tried: String, holders: &[Holder]) -> Fault {
    let holders: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let why = if holders.is_empty() { "somebody else holds it".to_owned() } else { format!("it is held by {}", holders.join(", ")) };
    Fault::new(Kind::Busy, tried, why)
}

/// A process that has a file open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Lists who has a file open, as far as this user may see: who holds a lock on it is among them, and who waits for one. Not this process.
pub fn holders(path: &Path) -> Vec<Holder> {
    let Ok(path) = path.canonicalize() else { return Vec::new() };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|pid| *pid != std::process::id());
    let has_it = |pid: &u32| {
        fs::read_dir(format!("/proc/{pid}/fd"))
            .is_ok_and(|mut fds| fds.any(|fd| fd.is_ok_and(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path))))
    };
    let name =
        |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "a process".into(), |name| name.trim().to_owned());
    others.filter(has_it).map(|pid| Holder { pid, name: name(pid) }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kernel::tool::{Request, Tool};

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("fyke-lock-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_tool_that_outlives_its_run_keeps_the_lock() {
        let folder = Folder::new("outlives");
        let lock = RunLock::take(&folder.0, "r1", Duration::ZERO).unwrap();
        let sh = Tool::find("sh").unwrap();
        let output = Request::new(&sh).args(["-c", "sleep 0.5 >/dev/null 2>&1 & echo $!"]).run().unwrap();
        let pid = String::from_utf8(output.stdout).unwrap();
        drop(lock);
        let fault = RunLock::take(&folder.0, "r1", Duration::from_millis(20)).unwrap_err();
        assert_eq!(
            (fault.kind, fault.to_string()),
            (Kind::Busy, format!("cannot lock the run r1: it is held by sleep (pid {})", pid.trim()))
        );
        RunLock::take(&folder.0, "r1", Duration::from_secs(5)).unwrap().remove();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    }

    #[test]
    fn a_lock_that_was_removed_while_waited_for_is_taken_anew() {
        let folder = Folder::new("removed");
        let lock = RunLock::take(&folder.0, "r1", Duration::ZERO).unwrap();
        let state = folder.0.clone();
        let waiting = std::thread::spawn(move || RunLock::take(&state, "r1", Duration::from_secs(5)));
        std::thread::sleep(Duration::from_millis(50));
        lock.remove();
        let second = waiting.join().unwrap().unwrap();
        assert!(is_still_there(&second.file, &second.path));
        assert_eq!(RunLock::take(&folder.0, "r1", Duration::ZERO).unwrap_err().why, "somebody else holds it");
    }
}
