//! What is in force, and whether it still is what was set.

use super::record::{Batch, RunRecord, RunState};
use super::revert;
use super::select::Here;
use crate::kernel::Kernel;
use crate::kernel::xtables::Backend;
use crate::model::{Change, Drift, Fault};

/// A run that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The run.
    pub run: RunRecord,
    /// What it changed, the oldest first.
    pub batches: Vec<Batch>,
    /// What is not as the run left it.
    pub drift: Vec<Drift>,
}

/// Looks at all runs in force, the latest first. Each is compared with the present as if the later ones were lifted: what a later run changed is no
/// drift of an earlier one.
pub fn status(kernel: &mut dyn Kernel, here: &Here<'_>) -> Result<Vec<Standing>, Fault> {
    let mut standing = Vec::new();
    for run in here.in_force()? {
        let batches = here.journal.batches(&run.id)?.into_iter().filter(|batch| !batch.lifted).collect();
        standing.push(Standing { run, batches, drift: Vec::new() });
    }
    for backend in [Backend::Nft, Backend::Legacy] {
        // One that is running is not through with its changes.
        let is_meant = |one: &&mut Standing| one.run.context.backend == backend.name() && one.run.state != RunState::Running;
        let mut mine: Vec<&mut Standing> = standing.iter_mut().filter(is_meant).collect();
        if mine.is_empty() {
            continue;
        }
        kernel.return_to(backend)?;
        let tables = kernel.xtables()?;
        tables.know(&here.journal.known(here.boot, here.namespace)?);
        let changes: Vec<&[Change]> = mine.iter().flat_map(|one| one.batches.iter().rev()).map(|batch| &batch.changes[..]).collect();
        let mut drift = revert::look(tables, &changes)?.into_iter();
        for one in &mut mine {
            for batch in one.batches.iter().rev() {
                let found = drift.next().unwrap_or_default();
                // What is gone of a run that was lifted in part, its own undo has taken out.
                let whole = batch.done && one.run.state == RunState::Done;
                one.drift.extend(found.into_iter().filter(|drift| whole || drift.left));
            }
        }
    }
    Ok(standing)
}
