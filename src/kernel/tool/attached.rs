//! Programs that a user runs through fyke: with the user's terminal, environment and folder, and as long as they like.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use super::spawn::{Child, Program, spawn};
use super::{End, Request, errno};
use crate::kernel::process::signals;
use crate::model::Fault;

/// How long a program has to end by itself that is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked at: a program that stops has no other way to be seen.
const PAUSE: u16 = 200;

impl Request<'_> {
    /// Runs it with the standard streams and the environment of this process, in the foreground of its terminal, and waits for its end. A request to stop ends it.
    pub fn run_attached(&self) -> Result<End, Fault> {
        let fail = |error: nix::Error| errno::fault(self.tried(), error);
        let stdio = own_streams().map_err(fail)?;
        let pair = |(name, value): (OsString, OsString)| {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            self.word(&pair)
        };
        let env = std::env::vars_os().map(pair).collect::<Result<_, _>>()?;
        let [stdin, stdout, stderr] = &stdio;
        let (path, args) = (self.word(self.tool.path.as_os_str())?, self.words()?);
        let program = Program { path, args, env, stdio: [stdin, stdout, stderr], netns: self.netns.map(|fd| fd.as_raw_fd()), covers: None };
        let child = spawn(&program).map_err(fail)?;
        let foreground = Foreground::give(stdin.as_fd(), child.pid);
        let end = wait(&child);
        drop(foreground);
        match signals::pending() {
            Some(stop) => Err(stop.fault(self.tried())),
            None => Ok(end),
        }
    }
}

/// Copies the standard streams to numbers that the child does not need.
fn own_streams() -> nix::Result<[OwnedFd; 3]> {
    #[allow(unsafe_code)]
    let copy = |number: i32| {
        // SAFETY: the standard streams are open as long as this process runs; what fcntl gives is ours.
        unsafe { fcntl(BorrowedFd::borrow_raw(number), FcntlArg::F_DUPFD_CLOEXEC(10)).map(|fd| OwnedFd::from_raw_fd(fd)) }
    };
    Ok([copy(0)?, copy(1)?, copy(2)?])
}

/// The terminal, given to a program until this is dropped.
struct Foreground<'a>(BorrowedFd<'a>);

impl<'a> Foreground<'a> {
    /// Gives the terminal to the process group of a program, if it is ours to give.
    fn give(terminal: BorrowedFd<'a>, group: Pid) -> Option<Self> {
        (tcgetpgrp(terminal) == Ok(getpgrp())).then(|| hand_over(terminal, group))?;
        // It may have wanted to read before it was allowed to.
        let _ = killpg(group, Signal::SIGCONT);
        Some(Self(terminal))
    }
}

impl Drop for Foreground<'_> {
    fn drop(&mut self) {
        let _ = hand_over(self.0, getpgrp());
    }
}

/// Who is in the background is stopped for this, unless it does not listen.
fn hand_over(terminal: BorrowedFd<'_>, group: Pid) -> Option<()> {
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    let mask = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok()?;
    let done = tcsetpgrp(terminal, group);
    let _ = mask.thread_set_mask();
    done.ok()
}

fn wait(child: &Child) -> End {
    let mut asked: Option<Instant> = None;
    loop {
        let mut sources = vec![PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
        if asked.is_none() {
            sources.extend(signals::wake().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        }
        let _ = poll(&mut sources, PollTimeout::from(PAUSE));
        match waitpid(child.pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => return End::Code(code as u8),
            Ok(WaitStatus::Signaled(_, signal, _)) => return End::Signal(signal as i32),
            // Nobody could let it go on again: fyke is no shell.
            Ok(WaitStatus::Stopped(..)) => drop(killpg(child.pid, Signal::SIGCONT)),
            Err(nix::Error::ECHILD) => return End::Signal(0),
            _ => {}
        }
        match (signals::pending(), asked) {
            (Some(_), None) => {
                let _ = killpg(child.pid, Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            (_, Some(since)) if since.elapsed() > GRACE => drop(killpg(child.pid, Signal::SIGKILL)),
            _ => {}
        }
    }
}
