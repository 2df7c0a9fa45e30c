//! The guardian's side: it waits for the runner, passes on what reaches it, and keeps the time.
#![allow(unsafe_code)]

use std::io::{IsTerminal, stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, raise, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::ending::Ending;
use super::limits::Limits;
use super::page::{Page, Phase};
use super::signals::{Stop, is_ignored};
use super::tree;

/// What the guardian takes note of. SIGQUIT is the emergency exit: the runner dies of it at once, and the guardian lifts.
const HEEDED: [Signal; 7] =
    [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGTSTP, Signal::SIGCONT];

/// A guardian before, during and after the watch: its signals are blocked and read from a descriptor, so that none is lost and none
/// ends it, until it is dropped, or for good if it is to [`stay`](Guard::stay).
pub(super) struct Guard {
    before: SigSet,
    inbox: SignalFd,
    timer: TimerFd,
    terminal: Option<Termios>,
}

/// What the timer stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Deadline,
    Grace(Stop),
    Rollback(Stop),
    Over(Stop),
}

struct Watch<'a> {
    guard: &'a Guard,
    limits: &'a Limits,
    page: &'a Page,
    runner: Pid,
    clock: Clock,
}

impl Guard {
    /// Makes this process a guardian, before it forks its runner.
    pub(super) fn new() -> nix::Result<Guard> {
        set_child_subreaper(true)?;
        // SAFETY: the default action runs no code. If SIGCHLD were ignored, as may be inherited, the kernel would reap behind our back.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        // SAFETY: as above. A journal that reaches a limit of file sizes is to be a fault, and not the end of guardian and runner.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
        let heeded: SigSet = HEEDED.into_iter().filter(|signal| *signal == Signal::SIGCHLD || !is_ignored(*signal)).collect();
        let inbox = SignalFd::with_flags(&heeded, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        // A deadline is a promise to the people outside, so the time that a laptop sleeps counts.
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        let terminal = if stdin().is_terminal() { tcgetattr(stdin()).ok() } else { None };
        let before = heeded.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Guard { before, inbox, timer, terminal })
    }

    /// The signal mask that the program was started with, for the runner.
    pub(super) fn mask(&self) -> &SigSet {
        &self.before
    }

    /// Waits for the end of the runner. One that cannot be watched is as good as killed: [`clean_up`](Self::clean_up) sees to it.
    pub(super) fn watch(&self, runner: Pid, limits: &Limits, page: &Page) -> Ending {
        self.until_its_end(runner, limits, page).unwrap_or(Ending::Killed(Signal::SIGKILL as i32))
    }

    fn until_its_end(&self, runner: Pid, limits: &Limits, page: &Page) -> nix::Result<Ending> {
        let mut watch = Watch { guard: self, limits, page, runner, clock: Clock::Deadline };
        if let Some(deadline) = limits.deadline {
            watch.set_timer(deadline)?;
        }
        loop {
            if let Some(status) = watch.reap()? {
                let overdue = if let Clock::Over(stop) = watch.clock { Some(stop) } else { None };
                return Ok(Ending::of(page, status, overdue));
            }
            let mut sources = [PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN), PollFd::new(self.timer.as_fd(), PollFlags::POLLIN)];
            match poll(&mut sources, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
            if sources[1].any() == Some(true) {
                watch.time_is_up()?;
            }
            while let Some(info) = self.inbox.read_signal()? {
                watch.pass_on(&info)?;
            }
        }
    }

    /// Keeps signals away to the end of the process. Somebody has asked it to end, and it does: a second signal would only take the exit code from him.
    pub(super) fn stay(self) {
        std::mem::forget(self);
    }

    /// Kills what the runner has left, and puts the terminal back as it was (a line editor may have died in raw mode).
    pub(super) fn clean_up(&self) {
        tree::fell();
        if let Some(terminal) = &self.terminal {
            let quiet = SigSet::from(Signal::SIGTTOU);
            // From the background, tcsetattr(3) would stop the guardian unless SIGTTOU is blocked.
            if quiet.thread_block().is_ok() {
                let _ = tcsetattr(stdin(), SetArg::TCSANOW, terminal);
                let _ = quiet.thread_unblock();
            }
        }
    }
}

impl Drop for Guard {
    /// Forgets what arrived during the watch, then lets signals through again: the run is over, nobody is left to be told.
    fn drop(&mut self) {
        while let Ok(Some(_)) = self.inbox.read_signal() {}
        let _ = self.before.thread_set_mask();
    }
}

impl Watch<'_> {
    /// Reaps all that is dead, orphans of the runner included; gives the runner's status (or the signal that killed it) when it is among
    /// them.
    fn reap(&self) -> nix::Result<Option<Result<i32, i32>>> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.runner => return Ok(Some(Ok(code))),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.runner => return Ok(Some(Err(signal as i32))),
                Ok(WaitStatus::StillAlive) => return Ok(None),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn set_timer(&self, time: Duration) -> nix::Result<()> {
        // Zero would disarm the timer.
        let time = time.max(Duration::from_nanos(1));
        self.guard.timer.set(Expiration::OneShot(TimeSpec::from_duration(time)), TimerSetTimeFlags::empty())
    }

    fn time_is_up(&mut self) -> nix::Result<()> {
        match self.clock {
            Clock::Deadline => self.ask(Stop::Deadline),
            Clock::Grace(stop) if self.page.phase() == Phase::RollingBack => {
                self.clock = Clock::Rollback(stop);
                self.set_timer(self.limits.rollback)
            }
            Clock::Grace(stop) | Clock::Rollback(stop) | Clock::Over(stop) => {
                self.clock = Clock::Over(stop);
                self.guard.timer.unset()?;
                kill(self.runner, Signal::SIGKILL)
            }
        }
    }

    /// Asks the runner to stop, and starts the grace if nothing asked before.
    fn ask(&mut self, stop: Stop) -> nix::Result<()> {
        kill(self.runner, stop.signal())?;
        // One that is stopped could not hear it.
        kill(self.runner, Signal::SIGCONT)?;
        self.allow(stop)
    }

    fn allow(&mut self, stop: Stop) -> nix::Result<()> {
        if self.clock == Clock::Deadline {
            self.clock = Clock::Grace(stop);
            self.set_timer(self.limits.grace)?;
        }
        Ok(())
    }

    /// Passes a signal on to the runner. What the terminal's keys send has reached it already, as it is in the same process group.
    fn pass_on(&mut self, info: &siginfo) -> nix::Result<()> {
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { return Ok(()) };
        let by_key = info.ssi_code == libc::SI_KERNEL;
        match (signal, Stop::from_number(signal as i32)) {
            (Signal::SIGCHLD, _) => Ok(()),
            (_, Some(Stop::Interrupt)) if !self.limits.interrupt_ends => {
                if by_key {
                    Ok(())
                } else {
                    kill(self.runner, signal)
                }
            }
            (_, Some(stop)) if by_key => self.allow(stop),
            (_, Some(stop)) => self.ask(stop),
            (Signal::SIGQUIT, _) if by_key => Ok(()),
            (Signal::SIGTSTP, _) => self.pause(),
            _ => kill(self.runner, signal),
        }
    }

    /// Stops the runner, then this process, as the shell expects of a job. SIGTSTP itself does it, and not SIGSTOP: the kernel discards
    /// it where no shell is left to continue the job.
    fn pause(&self) -> nix::Result<()> {
        kill(self.runner, Signal::SIGTSTP)?;
        let stop = SigSet::from(Signal::SIGTSTP);
        raise(Signal::SIGTSTP)?;
        stop.thread_unblock()?;
        stop.thread_block()
    }
}
