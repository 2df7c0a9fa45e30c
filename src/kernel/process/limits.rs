//! What a runner may use.

use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::kernel::errno;
use crate::model::Fault;

/// What a run may use, and how long it gets to end when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The wall-clock time of the whole run, suspended time included; none for no deadline.
    pub deadline: Option<Duration>,
    /// How long a runner that was asked to stop may take to begin its rollback, or to end. Then it is killed, and the guardian lifts.
    pub grace: Duration,
    /// How long its rollback may take, when it began one in time.
    pub rollback: Duration,
    /// The memory of the runner in bytes (data, heap and stacks); none for no cap.
    pub memory: Option<u64>,
    /// Whether an interrupt ends the runner, or only what somebody typed into it. Then no time is set for it.
    pub interrupt_ends: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: None,
            grace: Duration::from_secs(2),
            rollback: Duration::from_secs(60),
            memory: Some(1 << 30),
            interrupt_ends: true,
        }
    }
}

/// The soft limits that a runner changes, and tools get back.
pub(in crate::kernel) type Inherited = [(Resource, (rlim_t, rlim_t)); 3];

/// The most files that a run has open: a few for each network namespace in which it is at work.
const FILES: rlim_t = 1 << 16;

static INHERITED: OnceLock<Inherited> = OnceLock::new();

impl Limits {
    /// Applies the memory cap to this process, lets it have many files open, and forbids core files, which would hold whatever a script read.
    ///
    /// Only the soft limits change, so that tools can be started with the limits that fyke was started with.
    pub(super) fn apply(&self) -> Result<(), Fault> {
        let fail = |error| errno::fault("limit the memory of the run", error);
        let data = getrlimit(Resource::RLIMIT_DATA).map_err(fail)?;
        let core = getrlimit(Resource::RLIMIT_CORE).map_err(fail)?;
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_err(fail)?;
        let _ = INHERITED.set([(Resource::RLIMIT_DATA, data), (Resource::RLIMIT_CORE, core), (Resource::RLIMIT_NOFILE, files)]);
        setrlimit(Resource::RLIMIT_NOFILE, files.0.max(files.1.min(FILES)), files.1).map_err(fail)?;
        // RLIMIT_DATA counts private writable pages, thus heap and thread stacks (setrlimit(2), since Linux 4.7). RLIMIT_AS would count
        // the address space that allocators only reserve.
        if let Some(memory) = self.memory {
            setrlimit(Resource::RLIMIT_DATA, memory.min(data.0), data.1).map_err(fail)?;
        }
        setrlimit(Resource::RLIMIT_CORE, 0, core.1).map_err(fail)
    }
}

/// Gives the limits that fyke was started with, if it runs under its own.
pub(in crate::kernel) fn inherited() -> Option<&'static Inherited> {
    INHERITED.get()
}
