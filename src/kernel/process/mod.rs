//! Runner and guardian: two processes, so that nothing relies on a destructor.
//!
//! ```text
//!   guarded() ── fork ──► runner      interpreter, kernel handles, memory cap; parent death signal TERM: it rolls back
//!      │                    │
//!      │ ◄── Page ──────────┘         run id, phase, script position, last words
//!      ▼
//!   guardian                          waits, passes signals on, keeps the deadline; when the runner died it kills what the
//!                                     runner started, then `after` takes the run lock and lifts the run from the journal
//! ```
#![allow(unsafe_code)]

mod ending;
pub mod enough;
mod guard;
pub(in crate::kernel) mod limits;
mod memory;
mod page;
mod runner;
pub mod signals;
mod tree;
pub mod watcher;
pub mod workers;

use std::io::{Write, stderr, stdout};

use nix::sys::stat::stat;
use nix::unistd::{ForkResult, fork, getpid};

pub use ending::Ending;
pub use limits::Limits;
pub use memory::{Capped, share_one_heap};
pub use page::{Page, Phase, RUN_ID_MAX};
pub use runner::with_big_stack;
pub use signals::{Stop, sleep};
pub use tree::{ancestry, fell_the_rest};

use super::errno;
use crate::model::{Fault, Kind};
use guard::Guard;

/// Runs a runner in a process of its own, under the eyes of this one, and gives the exit code that `after` decides on.
///
/// `after` runs in this process when the runner has ended, however it ended, and with signals held back. If it did not end in order, or
/// left an [open run](Page::open_run), everything that it had started is dead by then. The process must not have a second thread.
pub fn guarded(limits: &Limits, runner: impl FnOnce(&'static Page) -> u8, after: impl FnOnce(&Page, &Ending) -> u8) -> Result<u8, Fault> {
    let tried = "start the runner";
    let fail = |error| errno::fault(tried, error);
    has_one_thread(tried)?;
    let page = Page::share()?;
    let guard = Guard::new().map_err(fail)?;
    // What is in the buffers now would be written by both processes.
    let _ = (stdout().flush(), stderr().flush());
    let guardian = getpid();
    // SAFETY: there is one thread, so the child's memory is as consistent as ours.
    match unsafe { fork() }.map_err(fail)? {
        ForkResult::Child => runner::run(guardian, guard.mask(), limits, page, runner),
        ForkResult::Parent { child } => {
            let ending = guard.watch(child, limits, page);
            if !ending.is_orderly() || page.open_run().is_some() {
                guard.clean_up();
            }
            let code = after(page, &ending);
            if Stop::ALL.iter().any(|stop| stop.exit_code() == code) {
                guard.stay();
            }
            Ok(code)
        }
    }
}

/// Refuses to fork a process that has a second thread. `tried` is the end of "cannot ...".
fn has_one_thread(tried: &str) -> Result<(), Fault> {
    // A directory has two links and one for each sub-directory: here, one for each thread.
    match stat("/proc/self/task").map_err(|error| errno::fault(tried, error))?.st_nlink {
        ..=3 => Ok(()),
        _ => Err(Fault::new(Kind::System, tried, "this process has more than one thread")),
    }
}

#[cfg(test)]
mod tests;
