//! The watcher: a process that outlives the run, its terminal and its session, to lift it if nobody says that it may stay.
//!
//! ```text
//!   start() ── fork ── setsid ── fork ──► watcher      own session, no terminal, deaf to the signals that end jobs
//!      │                                    │
//!      │ ◄────────── ready ─────────────────┤
//!   guarded() ...                           │
//!     runner ───────── run id ────────────► │          before the first change; the answer is waited for
//!            ◄──────── armed ───────────────┤
//!            ───────── settled ───────────► │          or the end of the line: guardian and runner are both dead
//! ```
#![allow(unsafe_code)]

use std::io::{Write, stderr, stdout};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fs, io};

use nix::errno::Errno;
use nix::sys::prctl::{set_child_subreaper, set_name};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, fork, setsid};

use super::has_one_thread;
use crate::kernel::errno;
use crate::model::{Fault, Kind};

/// What ends a job, stops it, or breaks a write. SIGKILL cannot be kept out: then the next invocation does what the watcher would have done.
const UNHEARD: [Signal; 12] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGXFSZ,
];

/// How long a watcher may take to answer.
const PATIENCE: i64 = 5;
const LONGEST: usize = 1024;
const READY: &str = "ready";
const SETTLED: &str = "settled";

/// The run's end of the line to its watcher, which knows by it whether anybody of the run still lives.
#[derive(Debug)]
pub struct Leash(OwnedFd);

impl Leash {
    /// Names the run to the watcher, and waits until it watches: before that nothing may be changed.
    pub fn arm(&self, run: &str) -> Result<(), Fault> {
        say(&self.0, run).map_err(refused)?;
        self.answer()
    }

    /// Says that the run has ended: from here on the journal tells what is to be done.
    pub fn settle(&self) {
        // A watcher that is dead is the business of the next invocation.
        let _ = say(&self.0, SETTLED);
    }

    fn answer(&self) -> Result<(), Fault> {
        match hear(&self.0).map_err(refused)?.as_deref() {
            Some(READY) => Ok(()),
            Some(why) => Err(fault(why)),
            None => Err(fault("it is dead")),
        }
    }
}

/// The watcher's end of the line.
#[derive(Debug)]
pub struct Watcher(OwnedFd);

impl Watcher {
    /// Waits for the name of the run; none when it has ended without a change. `arm` does what is needed to watch it.
    pub fn hear<T>(&self, arm: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let run = hear(&self.0).ok()?.filter(|run| run != SETTLED)?;
        let armed = arm(&run);
        let answer = armed.as_ref().map_or_else(Fault::to_string, |_| READY.to_owned());
        say(&self.0, &answer).ok()?;
        armed.ok()
    }

    /// Waits until the run has ended, or its processes have.
    pub fn wait(&self) {
        let _ = hear(&self.0);
    }
}

/// Starts a watcher, and gives the leash that its run has to hold. To be called before the run's processes exist.
pub fn start(work: impl FnOnce(&Watcher)) -> Result<Leash, Fault> {
    has_one_thread("start a watcher")?;
    let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(refused)?;
    let patience = TimeVal::seconds(PATIENCE);
    setsockopt(&ours, ReceiveTimeout, &patience).map_err(refused)?;
    // A guardian that this process may have been before would be the parent of all orphans, and it kills its children.
    set_child_subreaper(false).map_err(refused)?;
    // What is in the buffers now would be written by both processes.
    let _ = (stdout().flush(), stderr().flush());
    // SAFETY: there is one thread, so the child's memory is as consistent as ours.
    match unsafe { fork() }.map_err(refused)? {
        ForkResult::Child => {
            drop(ours);
            be(its, work)
        }
        ForkResult::Parent { child } => {
            drop(its);
            while waitpid(child, None) == Err(Errno::EINTR) {}
            let leash = Leash(ours);
            leash.answer().map(|()| leash)
        }
    }
}

/// Becomes the watcher, in the child; never returns into the program that was forked.
fn be(line: OwnedFd, work: impl FnOnce(&Watcher)) -> ! {
    let code = catch_unwind(AssertUnwindSafe(|| {
        let answer = detach(&line).map_or_else(|error| error.to_string(), |()| READY.to_owned());
        if say(&line, &answer).is_ok() && answer == READY {
            work(&Watcher(line));
        }
    }));
    // SAFETY: _exit(2) ends this copy of the program without the clean-up that belongs to the original.
    unsafe { libc::_exit(i32::from(code.is_err())) }
}

/// Leaves everything that the run's processes may die of.
fn detach(line: &OwnedFd) -> io::Result<()> {
    setsid()?;
    // SAFETY: as in `start`. The child is no leader of its session, so no terminal that it opens becomes its own.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        // SAFETY: as in `be`.
        unsafe { libc::_exit(0) }
    }
    for unheard in UNHEARD {
        // SAFETY: no handler runs. Tools that are started later get the default actions back.
        unsafe { signal(unheard, SigHandler::SigIgn) }?;
    }
    // SAFETY: as above. A watcher waits for its tools, so their deaths must not be ignored, as may be inherited.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    SigSet::empty().thread_set_mask()?;
    chdir("/")?;
    let _ = set_name(c"fyke-watcher");
    let_go(line.as_raw_fd())
}

/// Closes every descriptor but one, and puts /dev/null in the place of the standard streams: who reads them must not wait for a watcher.
fn let_go(but: RawFd) -> io::Result<()> {
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for stream in 0..=2 {
        // SAFETY: dup2(2) on two plain numbers; the streams of the standard library go on with the new file.
        Errno::result(unsafe { libc::dup2(null.as_raw_fd(), stream) })?;
    }
    drop(null);
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && *fd != but) {
        // SAFETY: what owned it lies in a frame of the program that this process never returns to; the listing's own is closed already.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

fn say(line: &OwnedFd, text: &str) -> nix::Result<()> {
    let text = &text.as_bytes()[..text.len().min(LONGEST)];
    retried(|| send(line.as_raw_fd(), text, MsgFlags::MSG_NOSIGNAL)).map(drop)
}

/// Hears one message; nothing at the end of the line.
fn hear(line: &OwnedFd) -> nix::Result<Option<String>> {
    let mut text = [0; LONGEST];
    let length = match retried(|| recv(line.as_raw_fd(), &mut text, MsgFlags::empty())) {
        Err(Errno::ECONNRESET) => 0,
        length => length?,
    };
    Ok((length > 0).then(|| String::from_utf8_lossy(&text[..length]).into_owned()))
}

fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

fn refused(error: Errno) -> Fault {
    match error {
        Errno::EAGAIN => fault(&format!("it does not answer within {PATIENCE} s")),
        Errno::EPIPE | Errno::ECONNRESET => fault("it is dead"),
        error => errno::fault(TRIED, error).hint(HINT),
    }
}

const TRIED: &str = "have the run watched";
const HINT: &str = "nothing was changed: without a watcher nobody would lift the run in time";

fn fault(why: &str) -> Fault {
    Fault::new(Kind::System, TRIED, format!("its watcher failed: {why}")).hint(HINT)
}
