//! The traces of a run: the file of its lock and its bell. By them the next invocation finds what is left to do, so here alone is decided
//! when they go.

use std::collections::BTreeSet;
use std::time::Duration;

use super::place::Place;
use crate::kernel::lock::{self, RunLock};
use crate::kernel::{bell, clock};
use crate::model::iptables::RunId;
use crate::model::{Fault, Kind};
use crate::transaction::{Journal, RunRecord, RunState, TermState};

/// How long those are waited for who are in the way of work on a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Whoever has the run in hand.
    run: Duration,
    /// Whoever else writes to the network namespace.
    turn: Duration,
}

impl Patience {
    /// Of somebody who asked for it, and can ask again.
    pub(crate) const ASKED: Self = Self { run: Duration::ZERO, turn: lock::TO_BEGIN };
    /// Of somebody who wants something else, and has found work that was left.
    pub(crate) const FOUND: Self = Self { run: Duration::from_secs(10), turn: lock::TO_BEGIN };
    /// Of those who would leave a run torn.
    pub(crate) const BOUND: Self = Self { run: Duration::from_secs(10), turn: lock::TO_LIFT };
}

/// Works on a run while nobody else does, and nobody else writes to the namespaces that it concerns.
pub(crate) fn at_work<T>(place: &Place, run: &RunId, patience: Patience, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let state = place.state_to_write()?;
    let lock = RunLock::take(&state, run.as_str(), patience.run)?;
    let mut namespaces = BTreeSet::from([place.namespace]);
    if let Ok(Some(record)) = find(place, run) {
        namespaces.extend(record.places());
    }
    let outcome = RunLock::in_turn(&state, &namespaces, patience.turn, work);
    settle(place, lock, run, outcome.is_ok());
    outcome
}

/// Lets go of a run, and takes its traces away if nothing is left to do: what failed may have left it as it was, or worse.
pub(crate) fn settle(place: &Place, lock: RunLock, run: &RunId, done: bool) {
    let found = if done { Ok(None) } else { find(place, run) };
    match found {
        // It stays, for who can read the journal.
        Err(_) => {}
        Ok(Some(record)) if record.state == RunState::Running || is_over(&record) => {}
        // Its watcher may be dead, and then the bell is what tells of it.
        Ok(Some(record)) if record.is_armed() => lock.remove(),
        Ok(_) => {
            lock.remove();
            place.state.iter().for_each(|state| bell::ring(state, run.as_str()));
        }
    }
}

/// Finds a run in the journal; none if it was never entered there.
pub(crate) fn find(place: &Place, run: &RunId) -> Result<Option<RunRecord>, Fault> {
    let Some(journal) = Journal::open_existing(&place.shelf())? else { return Ok(None) };
    match journal.run(run) {
        Err(fault) if fault.kind == Kind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Tells whether a run is to be lifted by whoever finds it: its time is over, and it was not lifted or that failed. Where only something that
/// somebody else changed was left, no trace was.
pub(crate) fn is_due(place: &Place, record: &RunRecord) -> bool {
    let failed = || place.state.as_ref().is_ok_and(|state| RunLock::is_there(state, record.id.as_str()));
    record.is_overdue(clock::boottime()) || (is_stuck(record) && failed())
}

/// Tells whether the time of a run is over, and it could not all be lifted.
pub(crate) fn is_stuck(record: &RunRecord) -> bool {
    record.state == RunState::Stuck && record.until.is_some_and(|until| until.state == TermState::Over)
}

fn is_over(record: &RunRecord) -> bool {
    record.is_overdue(clock::boottime()) || is_stuck(record)
}
