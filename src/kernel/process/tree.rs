//! The processes below this one, and their end; the processes above it.

use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Longer than any process takes to die that can die at all; one in uninterruptible sleep is found by the run lock that it still holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills and reaps all descendants of this process, which has to be a child subreaper: what loses its parent becomes our child, so
/// killing children until there are none reaches all of them. A pid cannot be reused under us, because only we can reap it.
pub(super) fn fell() {
    let start = Instant::now();
    while start.elapsed() < PATIENCE && reap() {
        for child in children() {
            let _ = kill(child, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends what still runs below this process, which has to be a child subreaper, and names it.
pub fn fell_the_rest() -> Vec<String> {
    if !reap() {
        return Vec::new();
    }
    let name =
        |pid: Pid| fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| pid.to_string(), |name| name.trim_end().to_owned());
    let names = children().into_iter().map(name).collect();
    fell();
    names
}

/// Reaps what is dead, and tells whether there are children left.
fn reap() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Lists the children of this process. /proc/self/task/*/children would be shorter, but depends on CONFIG_PROC_CHILDREN.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid).as_deref() == Some(&own)).map(Pid::from_raw).collect()
}

/// Gives this process and those above it, as far as they can be told, without the first process of all.
pub fn ancestry() -> Vec<i32> {
    const MOST: usize = 1000;
    let own = i32::try_from(std::process::id()).ok();
    std::iter::successors(own, |pid| parent(*pid)?.parse().ok()).take_while(|pid| *pid > 1).take(MOST).collect()
}

/// Reads the parent from proc_pid_stat(5): the second field after the last parenthesis, since a program's name may contain any byte.
fn parent(pid: i32) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    stat[stat.rfind(')')? + 1..].split_whitespace().nth(1).map(str::to_owned)
}
