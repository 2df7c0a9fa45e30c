//! Tests that need a process of their own: with one thread, or to be signalled, or to be somebody else.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::io::{Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Runs work in a forked copy of the test program, and gives what it reports.
pub(in crate::kernel) fn aside(work: impl FnOnce() -> String) -> String {
    let (mut read, mut write) = pipe().unwrap();
    // SAFETY: the child goes on with one thread; no lock that it uses is held by another thread of the test program.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let report = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| "it panicked".into());
            write.write_all(report.as_bytes()).unwrap();
            // SAFETY: ends the copy without the test program's own clean-up.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(write);
            let mut report = String::new();
            read.read_to_string(&mut report).unwrap();
            assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0)));
            report
        }
    }
}
