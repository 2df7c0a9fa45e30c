//! How a run is asked to stop, and how the runner hears of it.
//!
//! Handlers only note the first request and make a pipe readable; the run itself decides where it is safe to stop. A second request
//! changes nothing, so an impatient Ctrl-C cannot tear a rollback.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::{getpid, pipe2};

use super::enough;
use crate::kernel::errno;
use crate::model::{Fault, Kind};

/// What asked the run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C, or SIGINT from elsewhere.
    Interrupt,
    /// SIGTERM; also the death of the guardian.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// The deadline of the run is over (the guardian says so with SIGALRM).
    Deadline,
}

impl Stop {
    /// All of them.
    pub(super) const ALL: [Stop; 4] = [Stop::Interrupt, Stop::Terminate, Stop::HangUp, Stop::Deadline];

    pub(super) fn signal(self) -> Signal {
        match self {
            Stop::Interrupt => Signal::SIGINT,
            Stop::Terminate => Signal::SIGTERM,
            Stop::HangUp => Signal::SIGHUP,
            Stop::Deadline => Signal::SIGALRM,
        }
    }

    /// Finds what a signal asks for, by its number.
    pub fn from_number(number: i32) -> Option<Stop> {
        Stop::ALL.into_iter().find(|stop| stop.signal() as i32 == number)
    }

    /// Gives the exit code of a run that stopped for this reason and was rolled back.
    pub fn exit_code(self) -> u8 {
        match self {
            Stop::Interrupt => 130,
            Stop::Terminate => 143,
            Stop::HangUp => 129,
            Stop::Deadline => 8,
        }
    }

    /// Makes the fault of something that was given up for this reason.
    pub fn fault(self, tried: impl Into<String>) -> Fault {
        match self {
            Stop::Interrupt => Fault::new(Kind::Interrupted, tried, "interrupted"),
            Stop::Terminate => Fault::new(Kind::Interrupted, tried, "asked to terminate (SIGTERM)"),
            Stop::HangUp => Fault::new(Kind::Interrupted, tried, "the terminal hung up (SIGHUP)"),
            Stop::Deadline => Fault::new(Kind::Limit, tried, "the deadline is over"),
        }
    }
}

static ASKED: AtomicI32 = AtomicI32::new(0);
/// When the last Ctrl-C came that counts, in milliseconds of the clock that nobody sets, and 1; 0 if none did.
static INTERRUPTED: AtomicI64 = AtomicI64::new(0);
/// Whether something came while a request was noted already.
static URGENT: AtomicBool = AtomicBool::new(false);
static WAKE_WRITE: AtomicI32 = AtomicI32::new(-1);
static WAKE: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// One Ctrl-C comes several times where the terminal, the guardian or timeout(1) tell the whole group of it: so soon after one another it is one.
const ECHO: i64 = 200;

extern "C" fn note(signal: libc::c_int) {
    if signal == libc::SIGINT && enough::may_sum_up() && is_echo() {
        return;
    }
    if ASKED.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Acquire).is_err() {
        URGENT.store(true, Ordering::Release);
        return;
    }
    // SAFETY: errno of this thread is saved and restored around write(2), which is async-signal-safe; the pipe is never closed.
    unsafe {
        let saved = *libc::__errno_location();
        libc::write(WAKE_WRITE.load(Ordering::Acquire), [1u8].as_ptr().cast(), 1);
        *libc::__errno_location() = saved;
    }
}

/// Tells whether an interrupt repeats one that came a moment ago.
fn is_echo() -> bool {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) is async-signal-safe, and writes the struct that it is given; with this clock it does not fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let now = now.tv_sec * 1000 + now.tv_nsec / 1_000_000 + 1;
    let last = INTERRUPTED.load(Ordering::Acquire);
    if last > 0 && now - last < ECHO {
        return true;
    }
    INTERRUPTED.store(now, Ordering::Release);
    false
}

/// Starts to listen for requests to stop. A signal that this process was told to ignore (`nohup`, a background job) stays ignored.
pub fn listen() -> Result<(), Fault> {
    let tried = "listen for signals";
    if WAKE.get().is_none() {
        let pipe = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|error| errno::fault(tried, error))?;
        let (_, write) = WAKE.get_or_init(|| pipe);
        WAKE_WRITE.store(write.as_raw_fd(), Ordering::Release);
    }
    for stop in Stop::ALL {
        // No SA_RESTART: a system call that blocks has to return, so that the run looks up.
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
        if stop == Stop::Deadline || !is_ignored(stop.signal()) {
            // SAFETY: the handler touches atomics and write(2) only.
            unsafe { sigaction(stop.signal(), &action) }.map_err(|error| errno::fault(tried, error))?;
        }
    }
    Ok(())
}

/// Tells whether the process ignores a signal, by what it inherited.
pub(super) fn is_ignored(signal: Signal) -> bool {
    let mut present = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null action only asks; the result is a plain struct, valid when zeroed.
    let present = unsafe {
        libc::sigaction(signal as libc::c_int, std::ptr::null(), present.as_mut_ptr());
        present.assume_init()
    };
    present.sa_sigaction == libc::SIG_IGN
}

/// Tells whether, and by what, the run was asked to stop. Cheap enough for every step of a script.
pub fn pending() -> Option<Stop> {
    Stop::from_number(ASKED.load(Ordering::Relaxed))
}

/// Tells whether more than one request to stop has come.
pub(super) fn is_urgent() -> bool {
    URGENT.load(Ordering::Acquire)
}

/// Forgets a Ctrl-C that has ended one input of somebody who goes on typing; any other request stays. One that came meanwhile was noted by the
/// guardian.
pub fn forgive_interrupt() {
    if ASKED.compare_exchange(libc::SIGINT, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
        && let Some(wake) = wake()
    {
        while let Ok(1..) = nix::unistd::read(wake, &mut [0; 8]) {}
    }
}

/// Gives the signals that only the thread of the script is to take: requests to stop, so that they interrupt the system call it is in; and the stop by
/// Ctrl-Z, so that it does not run on while another thread is about to stop the process (a line editor would set the terminal that it has left).
pub(super) fn of_the_script() -> SigSet {
    Stop::ALL.into_iter().map(Stop::signal).chain([Signal::SIGTSTP]).collect()
}

/// Sees to it that a line editor, which wakes up for SIGINT only, hears of every other request, too.
pub fn wake_editor() -> Result<(), Fault> {
    const AGAIN: Duration = Duration::from_millis(50);
    let watch = || {
        while let (Ok(()), Some(wake)) = (of_the_script().thread_block(), wake()) {
            let _ = poll(&mut [PollFd::new(wake, PollFlags::POLLIN)], PollTimeout::NONE);
            if pending().is_some_and(|stop| stop != Stop::Interrupt) {
                let _ = kill(getpid(), Signal::SIGINT);
            }
            std::thread::sleep(AGAIN);
        }
    };
    let watcher = std::thread::Builder::new().name("editor".into()).spawn(watch);
    watcher.map(drop).map_err(|error| errno::fault("listen for signals", error))
}

/// Fails when the run was asked to stop. `tried` is the end of "cannot ...".
pub fn check(tried: &str) -> Result<(), Fault> {
    pending().map_or(Ok(()), |stop| Err(stop.fault(tried)))
}

/// Gives a descriptor that becomes readable, and stays so, once the run is asked to stop; nothing before [`listen`].
pub fn wake() -> Option<BorrowedFd<'static>> {
    WAKE.get().map(|(read, _)| read.as_fd())
}

/// Sleeps; returns early, with what asked for it, when the run is asked to stop.
pub fn sleep(time: Duration) -> Result<(), Stop> {
    let start = Instant::now();
    loop {
        if let Some(stop) = pending() {
            return Err(stop);
        }
        let left = time.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        // Rounded up: a sleep may be late, but is never short. poll(2) counts in an i32 of milliseconds; the loop asks again.
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let mut wake = wake().map(|fd| [PollFd::new(fd, PollFlags::POLLIN)]);
        match poll(wake.as_mut().map_or(&mut [], |fds| &mut fds[..]), timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Nothing to wait on is left: the plain sleep cannot be cut short, but it is right.
            Err(_) => std::thread::sleep(left),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kernel::tests::aside;
    use nix::sys::signal::raise;

    fn asked_twice() -> String {
        listen().unwrap();
        assert_eq!(pending(), None);
        assert_eq!(sleep(Duration::from_millis(20)), Ok(()));
        let sleeper = std::thread::spawn(|| (sleep(Duration::from_secs(60)), Instant::now()));
        std::thread::sleep(Duration::from_millis(50));
        let asked = Instant::now();
        raise(Signal::SIGTERM).unwrap();
        raise(Signal::SIGINT).unwrap();
        let (result, woken) = sleeper.join().unwrap();
        assert_eq!((result, pending()), (Err(Stop::Terminate), Some(Stop::Terminate)));
        assert!(woken - asked < Duration::from_millis(500), "{:?}", woken - asked);
        check("go on").unwrap_err().to_string()
    }

    fn forgiven() -> String {
        listen().unwrap();
        raise(Signal::SIGINT).unwrap();
        assert_eq!(pending(), Some(Stop::Interrupt));
        forgive_interrupt();
        assert_eq!((pending(), sleep(Duration::from_millis(20))), (None, Ok(())));
        raise(Signal::SIGTERM).unwrap();
        forgive_interrupt();
        check("go on").unwrap_err().to_string()
    }

    #[test]
    fn an_interrupt_is_forgiven_and_nothing_else_is() {
        assert_eq!(aside(forgiven), "cannot go on: asked to terminate (SIGTERM)");
    }

    #[test]
    fn the_first_request_counts_and_cuts_a_sleep_short() {
        assert_eq!(aside(asked_twice), "cannot go on: asked to terminate (SIGTERM)");
    }
}
