//! A process, known by more than its number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// A process: numbers are used again, but never with the same time of start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started, in clock ticks since the boot (proc_pid_stat(5), field 22).
    pub start: u64,
}

impl Process {
    /// The most that the number of a process can be (`PID_MAX_LIMIT` of the kernel).
    const MAX: i64 = 1 << 22;

    /// Reads a number that can be that of a process.
    pub fn number(given: i64) -> Result<i32, Fault> {
        let refuse = |why: &str| Err(Fault::input(format!("use {given} as the number of a process"), why));
        match given {
            ..=0 => refuse("it is no number of a process"),
            1..=Self::MAX => Ok(given as i32),
            _ => refuse("no process has a number above 4194304"),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)
    }
}
