//! A tracer: follows a program and all that it starts, counts their system calls, and lets one of them end badly.
//!
//! A seccomp filter in the program stops it once at the entry of each call; there the tracer can kill, or have the call fail unheard.
#![allow(unsafe_code)]

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, kill, raise, sigaction};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::time::ClockId;
use nix::unistd::{ForkResult, Pid, fork, gettid};

use super::calls;
use crate::kernel::world::World;
use crate::program::{Folder, Said};

/// How long a program may take until it counts as hanging: more than its own bounds for locks and for what is left to die.
const BOUND: Duration = Duration::from_secs(30);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    /// The process that was started.
    Guardian,
    /// What it forked.
    Runner,
    /// What either of them started, by its number.
    Tool(usize),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Guardian => f.write_str("guardian"),
            Who::Runner => f.write_str("runner"),
            Who::Tool(number) => write!(f, "tool {number}"),
        }
    }
}

/// A system call by its place: the how manieth of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// The process.
    pub(crate) who: Who,
    /// The number of the call, from 1.
    pub(crate) at: usize,
}

/// A system call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its place.
    pub(crate) point: Point,
    /// Which one it is.
    pub(crate) number: i64,
    /// Whether it is not to fail: the program could not say so, or the kernel would not.
    pub(crate) is_spared: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {}", self.point.who, self.point.at, calls::name(self.number))
    }
}

/// What is done at the entry of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The process is killed.
    Kill,
    /// All processes are killed.
    KillAll,
    /// The call fails with this error, and is not made.
    Fail(Errno),
}

impl Deed {
    /// Tells whether it can be done: runs differ by a few calls, so that a number may stand for another call this time, and the next one is taken
    /// that fits.
    fn fits(self, call: &Call) -> bool {
        !matches!(self, Deed::Fail(error) if call.is_spared || !calls::errors(call.number).contains(&error))
    }
}

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Trace {
    /// All calls in the order in which they were made.
    pub(crate) calls: Vec<Call>,
    /// The call at which something was done.
    pub(crate) hit: Option<Call>,
    /// Whether it did not end, and was killed.
    pub(crate) hung: bool,
    /// What it said.
    pub(crate) said: Said,
}

/// A call that is about to be made.
pub(crate) struct Entry {
    /// The call.
    pub(crate) call: Call,
    /// The thread that makes it.
    pub(crate) thread: Pid,
}

impl Entry {
    /// Gives the first three arguments.
    pub(crate) fn arguments(&self) -> [u64; 3] {
        ptrace::getregs(self.thread).map_or([0; 3], |registers| [registers.rdi, registers.rsi, registers.rdx])
    }

    /// Reads the memory of the process.
    pub(crate) fn memory(&self, at: u64, bytes: &mut [u8]) -> usize {
        File::open(format!("/proc/{}/mem", self.thread)).and_then(|memory| memory.read_at(bytes, at)).unwrap_or(0)
    }

    /// Tells whether the thread is in the network namespace of this one.
    pub(crate) fn is_here(&self) -> bool {
        let net = |thread: &str| fs::read_link(format!("/proc/{thread}/ns/net")).ok();
        net(&self.thread.to_string()) == net("thread-self")
    }
}

/// Says why programs cannot be traced here, if they cannot.
pub(crate) fn why_not(world: &World) -> Option<String> {
    if !world.is_root {
        return Some("an ordinary user cannot filter the calls of a program".to_owned());
    }
    let trace = trace(&world.folder, Command::new("true"), None);
    (trace.said.code != Some(0)).then(|| format!("a program cannot be traced here: {}", trace.said.err.trim_end()))
}

/// Runs a command to its end, and does one thing at one call.
pub(crate) fn trace(folder: &Folder, command: Command, deed: Option<(Point, Deed)>) -> Trace {
    watch(folder, command, deed, &mut |_| ())
}

/// Runs a command to its end, does one thing at one call, and shows every call before it is made.
pub(crate) fn watch(folder: &Folder, mut command: Command, deed: Option<(Point, Deed)>, see: &mut dyn FnMut(&Entry)) -> Trace {
    // Whoever loses its parent becomes our child, so that nobody is left when there are no children left.
    set_child_subreaper(true).unwrap();
    let [out, err] = ["out", "err"].map(|name| folder.path().join(name));
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let root = start(command);
    let guardian = Process { pid: root, who: Who::Guardian, calls: 0 };
    let mut tracer = Tracer {
        deed,
        see,
        processes: vec![guardian],
        threads: [(root, 0)].into(),
        early: BTreeSet::new(),
        felled: false,
        code: None,
        trace: (Vec::new(), None, false),
    };
    tracer.follow();
    let (calls, hit, hung) = tracer.trace;
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Trace { calls, hit, hung, said: Said { code: tracer.code, out: text(out), err: text(err) } }
}

/// Starts the command in a child that is traced from its first call on.
fn start(mut command: Command) -> Pid {
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    // A stop before the filter, so that the options are set when the first call is filtered.
    let ready = || Ok(ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP)).and_then(|()| filter())?);
    // SAFETY: as for the fork.
    unsafe { command.pre_exec(ready) };
    // SAFETY: the child calls the system, and what `exec` needs; glibc keeps the allocator usable after a fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            eprintln!("{}", command.exec());
            // SAFETY: ends the process.
            unsafe { libc::_exit(127) }
        }
        ForkResult::Parent { child } => {
            if let WaitStatus::Stopped(..) = waitpid(child, None).unwrap() {
                ptrace::setoptions(child, options).unwrap();
                ptrace::cont(child, None).unwrap();
            }
            child
        }
    }
}

/// Has every call of this process, and of its children, stop for the tracer, and tell it the number of the call.
fn filter() -> nix::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, libc::SECCOMP_RET_DATA),
        statement(libc::BPF_ALU | libc::BPF_OR | libc::BPF_K, libc::SECCOMP_RET_TRACE),
        statement(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is copied.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    Errno::result(done).map(drop)
}

struct Process {
    pid: Pid,
    who: Who,
    calls: usize,
}

struct Tracer<'a> {
    deed: Option<(Point, Deed)>,
    see: &'a mut dyn FnMut(&Entry),
    processes: Vec<Process>,
    /// The living threads, and which process they belong to.
    threads: HashMap<Pid, usize>,
    /// Threads that have stopped for the first time before their parent said that it had made them.
    early: BTreeSet<Pid>,
    /// Whether all are to die.
    felled: bool,
    code: Option<i32>,
    trace: (Vec<Call>, Option<Call>, bool),
}

impl Tracer<'_> {
    /// Follows all processes until none is left.
    fn follow(&mut self) {
        let (_timer, begun) = (interruption(), Instant::now());
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Err(Errno::ECHILD) => return,
                Err(Errno::EINTR) if begun.elapsed() < BOUND => {}
                Err(Errno::EINTR) => {
                    assert!(begun.elapsed() < 2 * BOUND, "{:?} cannot be killed", self.threads);
                    self.trace.2 = true;
                    self.fell();
                }
                Err(error) => panic!("{error}"),
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid, Some(code)),
                Ok(WaitStatus::Signaled(pid, ..)) => self.ended(pid, None),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.event(pid, event),
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) if !self.threads.contains_key(&pid) => {
                    self.early.insert(pid);
                    if self.felled {
                        self.fell();
                    }
                }
                // The first stop of a new thread.
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) => go_on(pid, None),
                Ok(WaitStatus::Stopped(pid, signal)) => go_on(pid, Some(signal)),
                Ok(other) => panic!("{other:?}"),
            }
        }
    }

    fn ended(&mut self, pid: Pid, code: Option<i32>) {
        self.early.remove(&pid);
        self.threads.remove(&pid);
        if pid == self.processes[0].pid {
            self.code = code;
        }
        // Whoever made them may be the one that died.
        for orphan in std::mem::take(&mut self.early) {
            let number = self.tools() + 1;
            self.add(orphan, Who::Tool(number));
            go_on(orphan, None);
        }
    }

    fn event(&mut self, pid: Pid, event: i32) {
        let message = ptrace::getevent(pid).unwrap_or(0);
        match event {
            libc::PTRACE_EVENT_SECCOMP => return self.entry(pid, message),
            libc::PTRACE_EVENT_FORK => self.born(message, Some(Who::Runner), pid),
            libc::PTRACE_EVENT_VFORK => self.born(message, Some(Who::Tool(self.tools() + 1)), pid),
            libc::PTRACE_EVENT_CLONE => self.born(message, None, pid),
            _ => {}
        }
        go_on(pid, None);
    }

    /// Takes note of a new process, or of a new thread of a known one.
    fn born(&mut self, pid: i64, who: Option<Who>, parent: Pid) {
        let pid = Pid::from_raw(pid as i32);
        if pid.as_raw() == 0 || self.threads.contains_key(&pid) {
            return;
        }
        match who {
            Some(who) => self.add(pid, who),
            None => drop(self.threads.insert(pid, self.threads[&parent])),
        }
        if self.early.remove(&pid) {
            go_on(pid, None);
        }
        if self.felled {
            self.fell();
        }
    }

    fn add(&mut self, pid: Pid, who: Who) {
        self.threads.insert(pid, self.processes.len());
        self.processes.push(Process { pid, who, calls: 0 });
    }

    fn tools(&self) -> usize {
        self.processes.iter().filter(|process| matches!(process.who, Who::Tool(_))).count()
    }

    fn entry(&mut self, thread: Pid, number: i64) {
        let process = &mut self.processes[self.threads[&thread]];
        process.calls += 1;
        let (pid, point) = (process.pid, Point { who: process.who, at: process.calls });
        let call = Call { point, number, is_spared: is_spared(thread, number) };
        self.trace.0.push(call);
        (self.see)(&Entry { call, thread });
        if let Some((_, deed)) = self.deed.take_if(|(at, deed)| at.who == point.who && at.at <= point.at && deed.fits(&call)) {
            self.trace.1 = Some(call);
            match deed {
                Deed::Kill => kill(pid, Signal::SIGKILL).unwrap(),
                Deed::KillAll => self.fell(),
                Deed::Fail(error) => skip(thread, error),
            }
        }
        go_on(thread, None);
    }

    /// Kills all that there are.
    fn fell(&mut self) {
        self.felled = true;
        let pids: BTreeSet<Pid> = self.threads.values().map(|at| self.processes[*at].pid).chain(self.early.iter().copied()).collect();
        for pid in pids {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// Tells whether a call is not to fail: the program could not say so, or the kernel would not, for to let go of a lock does not fail.
fn is_spared(thread: Pid, number: i64) -> bool {
    let Ok(registers) = ptrace::getregs(thread) else { return false };
    let lock = || ptrace::read(thread, registers.rdx as ptrace::AddressType).map_or(0, |word| word as libc::c_short);
    match number {
        libc::SYS_write => matches!(registers.rdi, 1 | 2),
        libc::SYS_fcntl => registers.rsi == libc::F_SETLK as u64 && libc::c_int::from(lock()) == libc::F_UNLCK as libc::c_int,
        _ => false,
    }
}

/// Has the call not be made, and give an error.
fn skip(thread: Pid, error: Errno) {
    let mut registers = ptrace::getregs(thread).unwrap();
    registers.orig_rax = u64::MAX;
    registers.rax = i64::from(-(error as i32)).cast_unsigned();
    ptrace::setregs(thread, registers).unwrap();
}

/// Lets a stopped thread go on; one that was killed meanwhile cannot.
fn go_on(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::cont(pid, signal);
}

/// Interrupts the waiting of this thread every second.
fn interruption() -> Timer {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let to = SigevNotify::SigevThreadId { signal: Signal::SIGUSR1, thread_id: gettid().as_raw(), si_value: 0 };
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(to)).unwrap();
    timer.set(Expiration::Interval(TimeSpec::new(1, 0)), TimerSetTimeFlags::empty()).unwrap();
    timer
}
