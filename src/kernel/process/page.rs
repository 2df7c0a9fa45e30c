//! The page of memory that guardian and runner share.
//!
//! The runner writes, the guardian reads when the runner has ended. Nothing in it is ever freed or locked, so a runner that was killed
//! in the middle of anything leaves it readable.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::kernel::errno;
use crate::model::Fault;

/// The longest run id that the page takes, in bytes.
pub const RUN_ID_MAX: usize = 16;
const WORDS_MAX: usize = 512;

/// How far a run has come with its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing was journaled: whatever happens now, there is nothing to lift.
    Idle,
    /// The journal knows the run, and the run may have changed the machine.
    Open,
    /// The runner is rolling its own changes back.
    RollingBack,
    /// The runner has committed, or rolled back: its changes are nobody's business any more.
    Settled,
}

/// Why a runner ended, as far as it could still say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    None,
    Panic,
    Memory,
    Stack,
    /// It could not begin.
    Unready,
}

/// The page of memory that guardian and runner share.
///
/// All of it is atomic and zero at the start: two processes look at it, and one of them may die between any two instructions.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    phase: AtomicU8,
    run: Text<RUN_ID_MAX>,
    position: AtomicU64,
    done: AtomicU64,
    planned: AtomicU64,
    cause: AtomicU8,
    words: Text<WORDS_MAX>,
}

#[derive(Debug)]
#[repr(C)]
struct Text<const N: usize> {
    length: AtomicUsize,
    bytes: [AtomicU8; N],
}

impl<const N: usize> Text<N> {
    /// Stores as much as fits. The length is written last, so that a reader never sees bytes that are not there yet.
    fn set(&self, text: &str) {
        let length = text.len().min(N);
        for (cell, byte) in self.bytes.iter().zip(text.bytes()) {
            cell.store(byte, Ordering::Relaxed);
        }
        self.length.store(length, Ordering::Release);
    }

    fn get(&self) -> String {
        let length = self.length.load(Ordering::Acquire).min(N);
        let bytes: Vec<u8> = self.bytes[..length].iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Page {
    /// Maps a page that stays shared over a fork. It is never unmapped: it lives as long as the processes that look at it.
    /// An embedding program, which has no guardian, makes one for itself.
    pub fn share() -> Result<&'static Page, Fault> {
        let length = NonZeroUsize::MIN.saturating_add(size_of::<Page>());
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in use.
        let start = unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) }
            .map_err(|error| errno::fault("share a page with the guardian", error))?;
        // SAFETY: the mapping is page aligned, at least as long as a Page, never unmapped, and all zeros are a valid Page of atomics.
        Ok(unsafe { start.cast::<Page>().as_ref() })
    }

    /// Says that the journal knows this run from now on. Call it before the first line is journaled: a page that promises too much costs
    /// a look at the journal, one that promises too little costs the rollback.
    pub fn begin(&self, run: &str) -> Result<(), Fault> {
        if run.is_empty() || run.len() > RUN_ID_MAX {
            return Err(Fault::input("begin a run", format!("its id `{run}` has not 1 to {RUN_ID_MAX} bytes")));
        }
        self.run.set(run);
        self.phase.store(Phase::Open as u8, Ordering::Release);
        Ok(())
    }

    /// Says that the runner rolls back by itself: the guardian then gives it the time of [`Limits::rollback`](super::Limits::rollback).
    pub fn roll_back(&self) {
        self.phase.store(Phase::RollingBack as u8, Ordering::Release);
    }

    /// Says that the run is committed or rolled back, and nothing is left to lift.
    pub fn settle(&self) {
        self.phase.store(Phase::Settled as u8, Ordering::Release);
    }

    /// Tells how far the run has come.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Open,
            2 => Phase::RollingBack,
            _ => Phase::Settled,
        }
    }

    /// Gives the id of the run that somebody has to lift if the runner is dead: begun, and not settled.
    pub fn open_run(&self) -> Option<String> {
        matches!(self.phase(), Phase::Open | Phase::RollingBack).then(|| self.run.get())
    }

    /// Publishes where the script is: a line of the interpreter's own counting (source range and line), and a column.
    pub fn set_position(&self, line: u32, column: u32) {
        self.position.store(u64::from(line) << 32 | u64::from(column), Ordering::Relaxed);
    }

    /// Tells where the script was last, as line and column; nothing before its first statement.
    pub fn position(&self) -> Option<(u32, u32)> {
        let packed = self.position.load(Ordering::Relaxed);
        (packed != 0).then_some(((packed >> 32) as u32, packed as u32))
    }

    /// Publishes how many of how many changes are made.
    pub fn set_progress(&self, done: u64, planned: u64) {
        self.planned.store(planned, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// Tells how many of how many changes are made.
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.planned.load(Ordering::Relaxed))
    }

    /// Leaves the runner's last words. It allocates nothing and takes no lock: a signal handler and a failed allocation call it.
    pub(super) fn say(&self, cause: Cause, words: &str) {
        self.words.set(words);
        self.cause.store(cause as u8, Ordering::Release);
    }

    pub(super) fn last_words(&self) -> (Cause, String) {
        let cause = match self.cause.load(Ordering::Acquire) {
            0 => Cause::None,
            1 => Cause::Panic,
            2 => Cause::Memory,
            3 => Cause::Stack,
            _ => Cause::Unready,
        };
        (cause, self.words.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_what_is_left_to_lift() -> Result<(), Fault> {
        let page = Page::share()?;
        assert_eq!((page.phase(), page.open_run(), page.position()), (Phase::Idle, None, None));
        page.begin("k3x9")?;
        page.set_position(70_001, 12);
        page.set_progress(3, 10);
        assert_eq!(page.open_run().as_deref(), Some("k3x9"));
        assert_eq!((page.position(), page.progress()), (Some((70_001, 12)), (3, 10)));
        page.roll_back();
        assert_eq!(page.open_run().as_deref(), Some("k3x9"));
        page.settle();
        assert_eq!((page.phase(), page.open_run()), (Phase::Settled, None));
        Ok(())
    }

    #[test]
    fn a_run_id_has_to_fit() -> Result<(), Fault> {
        let page = Page::share()?;
        assert!(page.begin("").is_err());
        assert!(page.begin("12345678901234567").is_err());
        page.begin("1234567890123456")
    }

    #[test]
    fn long_last_words_are_cut() -> Result<(), Fault> {
        let page = Page::share()?;
        page.say(Cause::Panic, &"x".repeat(2000));
        assert_eq!(page.last_words(), (Cause::Panic, "x".repeat(WORDS_MAX)));
        Ok(())
    }
}
