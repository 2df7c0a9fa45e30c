//! Tools that run: their output is taken, their time is kept, their end is waited for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};

use super::spawn::Child;
use super::{End, Listener, Output, Request};
use crate::kernel::process::signals;
use crate::model::{Fault, Kind};

/// nft repeats the whole line that it refuses; the beginning of an error text says what there is to say.
const STDERR_MAX: usize = 64 << 10;

/// How much a tool may write before it waits for a reader; what it gets where the kernel does not grant that is 64 KiB.
const PIPE: i32 = 1 << 20;

/// How much a tool has written at once that is left alone for a [`NAP`]: what it writes meanwhile finds room in its pipe.
const MUCH: usize = 4096;
/// To be woken up for each piece of a long listing costs more than to write it.
const NAP: Duration = Duration::from_millis(1);

/// A tool that was started.
pub(super) struct Running<'a> {
    request: &'a Request<'a>,
    child: Child,
    stdout: Capture,
    stderr: Capture,
    started: Instant,
    given_up: Option<Fault>,
    end: Option<End>,
}

/// The reading end of a pipe, and what came out of it.
struct Capture {
    pipe: Option<File>,
    bytes: Vec<u8>,
    max: usize,
    overflown: bool,
    roomy: bool,
    /// Whether the tool is in the middle of writing much.
    busy: bool,
}

/// What a tool says, once it runs.
pub(super) struct Ears {
    stdout: Capture,
    stderr: Capture,
}

impl Ears {
    /// Prepares to listen. All that can fail is done here, before the tool is started: what runs is waited for.
    pub(super) fn new(request: &Request<'_>, stdout: OwnedFd, stderr: OwnedFd) -> nix::Result<Self> {
        Ok(Self { stdout: Capture::new(stdout, request.output)?, stderr: Capture::new(stderr, STDERR_MAX)? })
    }
}

impl Capture {
    fn new(pipe: OwnedFd, max: usize) -> nix::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let roomy = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE)).is_ok();
        Ok(Self { pipe: Some(File::from(pipe)), bytes: Vec::new(), max, overflown: false, roomy, busy: false })
    }

    /// Takes what is there. What is beyond the maximum is read, so that the tool goes on, and dropped.
    fn take(&mut self, buffer: &mut [u8]) {
        let before = self.bytes.len();
        self.drain(buffer);
        self.busy = self.roomy && self.bytes.len() - before >= MUCH;
    }

    fn drain(&mut self, buffer: &mut [u8]) {
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = (self.max - self.bytes.len()).min(count);
                    self.bytes.extend_from_slice(&buffer[..room]);
                    self.overflown |= room < count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

impl<'a> Running<'a> {
    pub(super) fn new(request: &'a Request<'a>, child: Child, Ears { stdout, stderr }: Ears) -> Self {
        Self { request, child, stdout, stderr, started: Instant::now(), given_up: None, end: None }
    }

    fn sources(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listened = [&self.stdout, &self.stderr].into_iter().filter(|capture| !capture.busy);
        let pipes = listened.filter_map(|capture| Some(capture.pipe.as_ref()?.as_fd()));
        pipes.chain([self.child.pidfd.as_fd()]).map(|fd| PollFd::new(fd, PollFlags::POLLIN))
    }

    fn is_busy(&self) -> bool {
        self.stdout.busy || self.stderr.busy
    }

    fn left(&self) -> Duration {
        self.request.timeout.saturating_sub(self.started.elapsed())
    }

    /// Takes what it wrote, notes its end, and gives it up when it went too far.
    fn attend(&mut self, buffer: &mut [u8]) {
        self.stdout.take(buffer);
        self.stderr.take(buffer);
        if self.stdout.overflown {
            self.give_up(Fault::new(Kind::Limit, self.request.tried(), format!("it wrote more than {} MiB", self.request.output >> 20)));
        } else if let Some(stop) = signals::pending().filter(|_| self.request.interruptible) {
            self.give_up(stop.fault(self.request.tried()));
        } else if self.left().is_zero() {
            self.give_up(Fault::new(Kind::Limit, self.request.tried(), format!("it did not end within {:?}", self.request.timeout)));
        }
        let mut ended = [PollFd::new(self.child.pidfd.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ended, PollTimeout::ZERO) == Ok(1) {
            // What it wrote last; a program that it left behind may hold the pipe open, and is not waited for.
            self.stdout.take(buffer);
            self.stderr.take(buffer);
            self.end = Some(self.reap());
        }
    }

    fn give_up(&mut self, fault: Fault) {
        if self.given_up.is_none() {
            self.given_up = Some(fault);
            // It is the leader of its own group; until it is reaped the number is taken.
            let _ = killpg(self.child.pid, Signal::SIGKILL);
        }
    }

    fn reap(&self) -> End {
        loop {
            return match waitpid(self.child.pid, None) {
                Ok(WaitStatus::Exited(_, code)) => End::Code(code as u8),
                Ok(WaitStatus::Signaled(_, signal, _)) => End::Signal(signal as i32),
                Ok(_) | Err(Errno::EINTR) => continue,
                // Only a process that ignores SIGCHLD gets here: the status is lost.
                Err(_) => End::Signal(0),
            };
        }
    }

    /// Gives its result, when [`wait`] is done with it.
    pub(super) fn result(mut self) -> Result<Output, Fault> {
        match (self.given_up.take(), self.end) {
            (Some(fault), _) => Err(fault),
            (None, Some(end)) => Ok(Output { end, stdout: take(&mut self.stdout.bytes), stderr: take(&mut self.stderr.bytes) }),
            (None, None) => Err(Fault::new(Kind::System, self.request.tried(), "it cannot be waited for")),
        }
    }
}

impl Drop for Running<'_> {
    /// Leaves no tool behind that nobody waits for.
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = killpg(self.child.pid, Signal::SIGKILL);
            self.end = Some(self.reap());
        }
    }
}

/// Waits for the end of all of them, and says what each has written so far.
pub(super) fn wait(tools: &mut [(usize, &mut Running<'_>)], listener: &mut Listener<'_>) {
    let mut buffer = vec![0; 64 << 10];
    while let Some(left) = going(tools).map(Running::left).min() {
        let mut sources: Vec<PollFd<'_>> = going(tools).flat_map(Running::sources).collect();
        if going(tools).any(|tool| tool.request.interruptible && tool.given_up.is_none()) {
            sources.extend(signals::wake().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        }
        // Rounded up, so that the time is really over; a minute is as good as longer, as the loop comes round.
        let left = if going(tools).any(Running::is_busy) { left.min(NAP) } else { left + Duration::from_millis(1) };
        let milliseconds = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        let _ = poll(&mut sources, PollTimeout::from(milliseconds));
        for (at, tool) in tools.iter_mut().filter(|(_, tool)| tool.end.is_none()) {
            let before = tool.stdout.bytes.len();
            tool.attend(&mut buffer);
            if tool.stdout.bytes.len() > before {
                listener(*at, &tool.stdout.bytes);
            }
        }
    }
}

fn going<'a, 'r>(tools: &'a [(usize, &mut Running<'r>)]) -> impl Iterator<Item = &'a Running<'r>> {
    tools.iter().map(|(_, tool)| &**tool).filter(|tool| tool.end.is_none())
}
