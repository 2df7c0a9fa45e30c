//! What is in force, and whether it still is what was set.

use super::claims::{self, Holder};
use super::record::{Batch, RunRecord, RunState};
use super::select::Here;
use super::sites;
use crate::kernel::Kernel;
use crate::model::{Drift, Fault};

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
    let (mut standing, mut lifted) = (Vec::new(), Vec::new());
    for run in here.in_force()? {
        standing.push(Standing { batches: here.journal.standing(&run.id)?, run, drift: Vec::new() });
    }
    let mut rest: Vec<Holder> = standing.iter().rev().map(|one| Holder { run: one.run.clone(), batches: one.batches.clone() }).collect();
    while let Some(latest) = rest.pop() {
        let mut changes = claims::lifted(&latest, &mut rest);
        changes.reverse();
        lifted.push(changes);
    }
    // One that is running is not through with its changes.
    let mine: Vec<(usize, usize)> = (standing.iter().enumerate())
        .filter(|(_, one)| one.run.state != RunState::Running)
        .flat_map(|(at, one)| (0..one.batches.len()).rev().map(move |batch| (at, batch)))
        .collect();
    let left: Vec<Batch> =
        mine.iter().map(|(at, batch)| Batch { changes: lifted[*at][*batch].clone(), ..standing[*at].batches[*batch].clone() }).collect();
    let found = sites::look(kernel, here, &left.iter().collect::<Vec<_>>())?;
    for ((at, batch), drift) in mine.into_iter().zip(found) {
        let one = &mut standing[at];
        // What is gone of a run that was lifted in part, its own undo has taken out.
        let whole = one.batches[batch].done && one.run.state == RunState::Done;
        one.drift.extend(drift.into_iter().filter(|drift| whole || drift.left));
    }
    Ok(standing)
}
