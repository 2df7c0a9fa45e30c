//! Every way in which a runner can end, each in a forked copy of the test: `guarded` wants a process with one thread.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, clippy::zombie_processes)]

use std::fs::File;
use std::io::{Read, Write, pipe, stdin};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::pty::{ForkptyResult, forkpty};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::termios::{LocalFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

use super::*;

/// A guardian with a runner, seen from outside.
struct Job {
    guardian: Pid,
    report: File,
    /// The keyboard's side of its terminal, when it has one.
    keys: Option<File>,
}

/// What came of it: the report of `after`, and the exit code of the guardian.
type Result = (String, i32);

fn start(limits: Limits, runner: impl FnOnce(&'static Page, &mut File) -> u8) -> Job {
    let (read, write) = pipe().unwrap();
    // SAFETY: the child goes on with one thread; no lock that it uses is held by another thread of the test program.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => Job { guardian: child, report: File::from(OwnedFd::from(read)), keys: None },
        ForkResult::Child => guardian(limits, File::from(OwnedFd::from(write)), runner),
    }
}

/// The same in the foreground of a terminal of its own.
fn start_in_terminal(limits: Limits, runner: impl FnOnce(&'static Page, &mut File) -> u8) -> Job {
    let (read, write) = pipe().unwrap();
    // SAFETY: as above.
    match unsafe { forkpty(None, None) }.unwrap() {
        ForkptyResult::Parent { child, master } => {
            Job { guardian: child, report: File::from(OwnedFd::from(read)), keys: Some(File::from(master)) }
        }
        ForkptyResult::Child => guardian(limits, File::from(OwnedFd::from(write)), runner),
    }
}

fn guardian(limits: Limits, mut report: File, runner: impl FnOnce(&'static Page, &mut File) -> u8) -> ! {
    let mut shared = report.try_clone().unwrap();
    let after = |page: &Page, ending: &Ending| {
        report.write_all(format!("{ending:?} {:?}", page.open_run()).as_bytes()).unwrap();
        ending.exit_code()
    };
    let code = guarded(&limits, |page| runner(page, &mut shared), after).unwrap_or(99);
    // SAFETY: ends the copy without the test program's own clean-up.
    unsafe { libc::_exit(i32::from(code)) }
}

impl Job {
    /// Reads the first line, by which the runner says that it is ready.
    fn ready(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.report.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    fn end(mut self) -> Result {
        let mut text = String::new();
        self.report.read_to_string(&mut text).unwrap();
        match waitpid(self.guardian, None).unwrap() {
            WaitStatus::Exited(_, code) => (text, code),
            other => panic!("the guardian itself was ended: {other:?}"),
        }
    }
}

fn outcome(limits: Limits, runner: impl FnOnce(&'static Page) -> u8) -> Result {
    start(limits, |page, _| runner(page)).end()
}

fn is(text: &str, code: i32) -> Result {
    (text.to_owned(), code)
}

#[test]
fn an_orderly_end_keeps_its_code() {
    assert_eq!(outcome(Limits::default(), |_| 7), is("Exited(7) None", 7));
}

#[test]
fn a_run_that_is_left_open_is_told_of() {
    let left_open = |page: &'static Page| page.begin("r1").map_or(1, |()| 0);
    assert_eq!(outcome(Limits::default(), left_open), is("Exited(0) Some(\"r1\")", 0));
}

#[test]
fn a_killed_runner_is_reported() {
    let killed = |page: &'static Page| {
        page.begin("r1").unwrap();
        raise(Signal::SIGKILL).unwrap();
        0
    };
    assert_eq!(outcome(Limits::default(), killed), is("Killed(9) Some(\"r1\")", 1));
    assert_eq!(outcome(Limits::default(), |_| std::process::abort()), is("Killed(6) None", 1));
}

#[test]
fn a_panic_ends_with_its_words() {
    let (report, code) = outcome(Limits::default(), |_| panic!("on purpose"));
    assert!(report.starts_with("Panicked(\"panicked at ") && report.contains("on purpose"), "{report}");
    assert_eq!(code, 1);
}

#[test]
fn a_panic_of_the_script_thread_is_a_fault() {
    let caught = |_: &'static Page| match with_big_stack(1 << 20, || panic!("on purpose")) {
        Err::<(), _>(fault) if fault.why.contains("on purpose") && fault.why.contains("tests.rs") => 3,
        _ => 4,
    };
    assert_eq!(outcome(Limits::default(), caught), is("Exited(3) None", 3));
}

#[inline(never)]
fn nest(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { nest(depth + 1) + room[(depth % 64) as usize] }
}

#[test]
fn a_stack_overflow_is_told_from_other_bad_accesses() {
    let overflow = |_: &'static Page| with_big_stack(16 << 20, || nest(0)).map_or(1, |_| 0);
    assert_eq!(outcome(Limits::default(), overflow), is("StackOverflow None", 8));
    // SAFETY: it is not, and that is the point; the process is a copy made for it.
    let wild = |_: &'static Page| with_big_stack(1 << 20, || unsafe { *std::hint::black_box(16 as *const u8) }).unwrap_or(1);
    assert_eq!(outcome(Limits::default(), wild), is("Killed(11) None", 1));
}

#[test]
fn the_memory_cap_holds_and_tools_are_free_of_it() {
    #[allow(unsafe_code)]
    let hungry = |_: &'static Page| {
        // The test program has the plain allocator, so ask the capped one.
        let layout = std::alloc::Layout::from_size_align(64 << 20, 16).unwrap();
        // SAFETY: the layout has a size.
        (0..100).for_each(|_| unsafe { std::ptr::write_bytes(std::alloc::GlobalAlloc::alloc(&Capped, layout), 1, layout.size()) });
        0
    };
    let limits = Limits { memory: Some(200 << 20), ..Limits::default() };
    assert_eq!(outcome(limits, hungry), is("OutOfMemory None", 8));
    assert_eq!(outcome(limits, |_| limits::inherited().is_some_and(|all| all[0].1.0 > 200 << 20).into()), is("Exited(1) None", 1));
}

#[test]
fn what_a_dead_runner_started_is_dead_too() {
    let mut job = start(Limits::default(), |_, report| {
        // Two generations, one of them in a session of its own.
        Command::new("sh")
            .args(["-c", "setsid sleep 1000 & echo $!; exec sleep 1000"])
            .stdout(report.try_clone().unwrap())
            .spawn()
            .unwrap();
        loop {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let pid: i32 = job.ready().parse().unwrap();
    assert_eq!(kill(Pid::from_raw(pid), None), Ok(()));
    kill(job.guardian, Signal::SIGQUIT).unwrap();
    assert_eq!(job.end(), is("Killed(3) None", 1));
    assert_eq!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH));
}

/// Waits for the first request to stop, and ends with its code.
fn obedient(_: &'static Page, report: &mut File) -> u8 {
    report.write_all(b"ready\n").unwrap();
    sleep(Duration::from_secs(60)).err().map_or(0, Stop::exit_code)
}

#[test]
fn requests_to_stop_reach_the_runner() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let mut job = start(Limits::default(), obedient);
        job.ready();
        kill(job.guardian, signal).unwrap();
        assert_eq!(job.end(), is(&format!("Exited({code}) None"), code));
    }
}

#[test]
fn a_request_interrupts_the_script_thread_in_a_system_call() {
    let blocked = |_: &'static Page, report: &mut File| {
        let (mut read, _write) = pipe().unwrap();
        report.write_all(b"ready\n").unwrap();
        let error = with_big_stack(1 << 20, move || read.read(&mut [0]).unwrap_err().kind()).unwrap();
        if error == std::io::ErrorKind::Interrupted { 9 } else { 1 }
    };
    let mut job = start(Limits::default(), blocked);
    job.ready();
    std::thread::sleep(Duration::from_millis(100));
    kill(job.guardian, Signal::SIGTERM).unwrap();
    assert_eq!(job.end(), is("Exited(9) None", 9));
}

#[test]
fn the_keys_of_the_terminal_stop_a_run_but_not_its_rollback() {
    let mut job = start_in_terminal(Limits::default(), |page, report| {
        page.begin("r1").unwrap();
        obedient(page, report);
        page.roll_back();
        // A tool of the rollback, in the middle of which the second Ctrl-C arrives.
        let sh = crate::kernel::tool::Tool::find("sh").unwrap();
        let tool = crate::kernel::tool::Request::new(&sh).args(["-c", "sleep 0.3; echo finished"]);
        report.write_all(b"rolling back\n").unwrap();
        let output = tool.run().unwrap();
        page.settle();
        if output.stdout == b"finished\n" { 130 } else { 1 }
    });
    for said in ["ready", "rolling back"] {
        assert_eq!(job.ready(), said);
        std::thread::sleep(Duration::from_millis(50));
        job.keys.as_mut().unwrap().write_all(b"\x03").unwrap();
    }
    assert_eq!(job.end(), is("Exited(130) None", 130));
}

#[test]
fn a_terminal_that_a_dead_runner_left_raw_is_put_right() {
    let mut job = start_in_terminal(Limits::default(), |_, report| {
        let mut modes = tcgetattr(stdin()).unwrap();
        cfmakeraw(&mut modes);
        tcsetattr(stdin(), SetArg::TCSANOW, &modes).unwrap();
        report.write_all(b"raw\n").unwrap();
        std::process::abort()
    });
    let modes = |job: &Job| tcgetattr(job.keys.as_ref().unwrap()).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO);
    job.ready();
    let mut last = [0; 64];
    let count = job.report.read(&mut last).unwrap();
    assert_eq!(std::str::from_utf8(&last[..count]), Ok("Killed(6) None"));
    assert!(modes(&job), "a shell could be used again");
    waitpid(job.guardian, None).unwrap();
}

fn stubborn(_: &'static Page) -> u8 {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_deadline_is_asked_for_and_then_enforced() {
    let limits = Limits { deadline: Some(Duration::from_millis(100)), grace: Duration::from_millis(200), ..Limits::default() };
    assert_eq!(start(limits, |page, _| obedient(page, &mut File::create("/dev/null").unwrap())).end(), is("Exited(8) None", 8));
    let begun = Instant::now();
    assert_eq!(outcome(limits, stubborn), is("Overdue(Deadline) None", 8));
    assert!((Duration::from_millis(300)..Duration::from_secs(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[test]
fn an_interrupt_that_is_not_heard_is_enforced_too() {
    let limits = Limits { grace: Duration::from_millis(100), ..Limits::default() };
    let mut job = start(limits, |page, report| {
        report.write_all(b"ready\n").unwrap();
        stubborn(page)
    });
    job.ready();
    kill(job.guardian, Signal::SIGINT).unwrap();
    assert_eq!(job.end(), is("Overdue(Interrupt) None", 130));
}

#[test]
fn a_rollback_that_began_in_time_gets_more_time() {
    let limits = Limits { grace: Duration::from_millis(100), rollback: Duration::from_secs(30), ..Limits::default() };
    let mut job = start(limits, |page, report| {
        page.begin("r1").unwrap();
        obedient(page, report);
        page.roll_back();
        std::thread::sleep(Duration::from_millis(500));
        page.settle();
        0
    });
    job.ready();
    kill(job.guardian, Signal::SIGTERM).unwrap();
    assert_eq!(job.end(), is("Exited(0) None", 0));
}

#[test]
fn a_runner_that_lost_its_guardian_hears_of_it() {
    let mut job = start(Limits::default(), |page, report| {
        let guardian = getppid();
        report.write_all(b"ready\n").unwrap();
        let code = sleep(Duration::from_secs(60)).err().map_or(0, Stop::exit_code);
        write!(report, "{code} {} {:?}", getppid() != guardian, page.phase()).unwrap();
        0
    });
    job.ready();
    kill(job.guardian, Signal::SIGKILL).unwrap();
    let mut text = String::new();
    job.report.read_to_string(&mut text).unwrap();
    assert_eq!(text, "143 true Idle");
    waitpid(job.guardian, None).unwrap();
}

#[test]
fn a_job_is_stopped_and_continued_as_one() {
    let mut job = start(Limits::default(), |page, report| {
        writeln!(report, "{}", getpid()).unwrap();
        let _ = sleep(Duration::from_secs(60));
        page.settle();
        5
    });
    let runner: i32 = job.ready().parse().unwrap();
    let state = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat[stat.rfind(')').unwrap() + 2..].chars().next().unwrap()
    };
    let settles = |wanted: &str| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if wanted.contains(state(job.guardian.as_raw())) && wanted.contains(state(runner)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    };
    kill(job.guardian, Signal::SIGTSTP).unwrap();
    assert!(settles("T"), "{} {}", state(job.guardian.as_raw()), state(runner));
    kill(job.guardian, Signal::SIGCONT).unwrap();
    assert!(settles("SR"), "{} {}", state(job.guardian.as_raw()), state(runner));
    kill(job.guardian, Signal::SIGTERM).unwrap();
    assert_eq!(job.end(), is("Exited(5) None", 5));
}

#[test]
fn a_second_thread_is_refused() {
    let refused = guarded(&Limits::default(), |_| 0, |_, _| 0).err().map(|fault| fault.why);
    assert_eq!(refused.as_deref(), Some("this process has more than one thread"));
}
