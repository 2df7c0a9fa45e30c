//! Workers: several pieces of work side by side, each in a process of its own, whose words are kept.
//!
//! ```text
//!   side_by_side() ── fork ──► worker        what it prints goes into a file in memory, what it notes into another
//!      │            ── fork ──► worker
//!      ▼
//!   gives each, when it has ended, with both files; passes on what asks it to stop
//! ```
//!
//! A worker may be a guardian itself, so the work in it can be a run with a runner of its own.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write, stderr, stdout};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

use super::has_one_thread;
use super::signals::{Stop, is_ignored};
use crate::kernel::errno;
use crate::model::Fault;

/// The most bytes that are kept of what a worker notes.
const NOTES: u64 = 4 << 20;
/// The most bytes that are kept of what it prints: there may be hundreds of them.
const PRINTED: u64 = 64 << 10;

/// Where a worker notes what its starter is to know; all processes of the worker may add to it.
#[derive(Debug)]
pub struct Slip(File);

impl Slip {
    /// Adds a line.
    pub fn note(&self, line: &str) -> Result<(), Fault> {
        (&self.0).write_all(format!("{line}\n").as_bytes()).map_err(|error| errno::fault("note what came of it", error))
    }
}

/// A worker that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which piece of work it did.
    pub at: usize,
    /// Its exit code; where a signal ended it, the number of that.
    pub status: Result<i32, i32>,
    /// How long it took.
    pub time: Duration,
    /// What it noted.
    pub notes: String,
    /// What it printed, to either stream, in the order in which it did.
    pub printed: String,
}

/// Does pieces of work, so many at a time, and gives each to `ended` when it has ended; that says whether more are to be begun. Gives what asked it to
/// stop, if anything did: then none is begun any more, those at work are asked as well, and waited for. The process must not have a second thread.
pub fn side_by_side(
    jobs: usize,
    count: usize,
    work: &dyn Fn(usize, &Slip) -> u8,
    ended: &mut dyn FnMut(Ended) -> bool,
) -> Result<Option<Stop>, Fault> {
    let tried = "start the workers";
    has_one_thread(tried)?;
    let desk = Desk::open().map_err(|error| errno::fault(tried, error))?;
    let (mut at_work, mut next, mut goes_on, mut stop): (Vec<Worker>, _, _, Option<Stop>) = (Vec::new(), 0, true, None);
    loop {
        while goes_on && stop.is_none() && next < count && at_work.len() < jobs {
            match desk.begin(next, work) {
                Ok(worker) => at_work.push(worker),
                Err(error) if at_work.is_empty() => return Err(errno::fault(tried, error)),
                // There is room for another one when one of these has ended.
                Err(_) => break,
            }
            next += 1;
        }
        if at_work.is_empty() {
            return Ok(stop);
        }
        if let Some(asked) = desk.wait().map_err(|error| errno::fault("wait for the workers", error))? {
            for worker in &at_work {
                let _ = kill(worker.pid, asked.signal());
            }
            stop.get_or_insert(asked);
        }
        while let Some((pid, status)) = reap() {
            let Some(place) = at_work.iter().position(|worker| worker.pid == pid) else { continue };
            goes_on &= ended(at_work.swap_remove(place).end(status));
        }
    }
}

/// What the starter of workers holds: its signals are blocked and read from a descriptor, until it is dropped.
struct Desk {
    before: SigSet,
    inbox: SignalFd,
    own: Pid,
}

impl Desk {
    fn open() -> nix::Result<Self> {
        let stops = [Stop::Interrupt, Stop::Terminate, Stop::HangUp].map(Stop::signal);
        let heeded: SigSet = stops.into_iter().filter(|signal| !is_ignored(*signal)).chain([Signal::SIGCHLD]).collect();
        let inbox = SignalFd::with_flags(&heeded, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { before: heeded.thread_swap_mask(SigmaskHow::SIG_BLOCK)?, inbox, own: getpid() })
    }

    /// Starts a worker.
    fn begin(&self, at: usize, work: &dyn Fn(usize, &Slip) -> u8) -> std::io::Result<Worker> {
        let (slip, printed) = (memory(c"notes")?, memory(c"printed")?);
        // What is in the buffers now would be written by both processes.
        let _ = (stdout().flush(), stderr().flush());
        let begun = Instant::now();
        // SAFETY: there is one thread, so the child's memory is as consistent as ours.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Worker { at, pid: child, begun, slip, printed }),
            ForkResult::Child => {
                let work = AssertUnwindSafe(|| self.prepare(&printed).map_or(1, |()| work(at, &Slip(slip))));
                let code = catch_unwind(work).unwrap_or(101);
                let _ = (stdout().flush(), stderr().flush());
                // SAFETY: _exit(2) ends this copy of the program without the clean-up that belongs to the original.
                unsafe { libc::_exit(i32::from(code)) }
            }
        }
    }

    /// Makes the freshly forked child a worker: it dies with its starter, reads nothing, and prints into its file.
    fn prepare(&self, printed: &File) -> std::io::Result<()> {
        set_pdeathsig(Signal::SIGTERM)?;
        if getppid() != self.own {
            // It died before it could be waited for.
            return Err(Errno::ESRCH.into());
        }
        let nothing = OpenOptions::new().read(true).open("/dev/null")?;
        for (stream, file) in [(0, &nothing), (1, printed), (2, printed)] {
            // SAFETY: dup2(2) on two plain numbers; the streams of the standard library go on with the new file.
            Errno::result(unsafe { libc::dup2(file.as_raw_fd(), stream) })?;
        }
        Ok(self.before.thread_set_mask()?)
    }

    /// Waits until a worker has ended, or somebody asks to stop, and gives the latter.
    fn wait(&self) -> nix::Result<Option<Stop>> {
        match poll(&mut [PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let mut asked = None;
        while let Some(info) = self.inbox.read_signal()? {
            asked = asked.or(Stop::from_number(info.ssi_signo as i32));
        }
        Ok(asked)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        while let Ok(Some(_)) = self.inbox.read_signal() {}
        let _ = self.before.thread_set_mask();
    }
}

/// A worker at work.
struct Worker {
    at: usize,
    pid: Pid,
    begun: Instant,
    slip: File,
    printed: File,
}

impl Worker {
    fn end(self, status: Result<i32, i32>) -> Ended {
        Ended { at: self.at, status, time: self.begun.elapsed(), notes: text(self.slip, NOTES), printed: text(self.printed, PRINTED) }
    }
}

/// Reaps a child that is dead, and gives its exit code or the signal that ended it.
fn reap() -> Option<(Pid, Result<i32, i32>)> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Some((pid, Ok(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => return Some((pid, Err(signal as i32))),
            Ok(WaitStatus::StillAlive) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

fn memory(name: &std::ffi::CStr) -> nix::Result<File> {
    memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from)
}

/// Reads what is in a file in memory, up to the most that is kept, and says how much is not.
fn text(mut file: File, most: u64) -> String {
    let mut bytes = Vec::new();
    let length = file.metadata().map_or(0, |about| about.len());
    let _ = file.rewind().and_then(|()| file.take(most).read_to_end(&mut bytes));
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if length > most {
        text.push_str(&format!("\n({} bytes more)\n", length - most));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kernel::tests::aside;

    /// Does four pieces of work, two at a time, of which one dies and one panics.
    fn four() -> String {
        let work = |at: usize, slip: &Slip| {
            println!("printed {at}");
            slip.note(&format!("noted {at}")).unwrap();
            match at {
                1 => drop(kill(getpid(), Signal::SIGKILL)),
                2 => std::panic::resume_unwind(Box::new("on purpose")),
                _ => {}
            }
            3
        };
        let mut found = Vec::new();
        let stop = side_by_side(2, 4, &work, &mut |ended| {
            found.push(format!("{} {:?} {:?} {:?}", ended.at, ended.status, ended.notes, ended.printed));
            true
        });
        found.sort();
        format!("{:?} {}", stop.unwrap(), found.join("; "))
    }

    #[test]
    fn each_piece_of_work_has_a_process_of_its_own() {
        let ended = |at: usize, status: &str| format!("{at} {status} \"noted {at}\\n\" \"printed {at}\\n\"");
        let all = [ended(0, "Ok(3)"), ended(1, "Err(9)"), ended(2, "Ok(101)"), ended(3, "Ok(3)")];
        assert_eq!(aside(four), format!("None {}", all.join("; ")));
    }

    /// Is asked to stop by the first of many workers that would take a minute each.
    fn asked() -> String {
        let starter = getpid();
        let work = |_: usize, _: &Slip| {
            kill(starter, Signal::SIGTERM).unwrap();
            std::thread::sleep(Duration::from_secs(60));
            0
        };
        let (begun, mut found) = (Instant::now(), Vec::new());
        let stop = side_by_side(1, 5, &work, &mut |ended| {
            found.push(ended.status);
            true
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
        format!("{:?} {found:?}", stop.unwrap())
    }

    #[test]
    fn who_is_asked_to_stop_asks_the_workers_and_begins_no_more() {
        assert_eq!(aside(asked), "Some(Terminate) [Err(15)]");
    }

    /// Begins no more after the first that has ended.
    fn enough() -> String {
        let mut found = 0;
        let stop = side_by_side(1, 5, &|_, _| 0, &mut |_| {
            found += 1;
            found < 2
        });
        format!("{:?} {found}", stop.unwrap())
    }

    #[test]
    fn no_more_is_begun_when_it_is_enough() {
        assert_eq!(aside(enough), "None 2");
    }
}
