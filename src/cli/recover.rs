//! `fyke recover`: finishes what killed runs left half done.

use std::time::Duration;

use super::args::Options;
use super::notice;
use super::place::{Place, now};
use super::session::guarded;
use super::show::Screen;
use super::show::changes::Deed;
use super::trace;
use super::undo::tell;
use crate::kernel::lock::{RunLock, TO_BEGIN};
use crate::model::Fault;
use crate::model::iptables::{Owner, RunId};
use crate::transaction::Source;
use crate::transaction::undo::Desk;

/// Lifts every run whose processes are dead and whose changes are still there.
pub(crate) fn run(screen: &Screen, options: &Options) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::lift_overdue(screen, options, &place)?;
    guarded(screen, || {
        let state = place.state_to_write()?;
        let mut journal = place.journal_to_write()?;
        let context = place.context(Owner::new("recover", ""), Source::default());
        // A free lock is the proof that a run is dead; what its tools may still write is not, so it is held until all is lifted.
        let mut locks: Vec<(RunId, RunLock)> = Vec::new();
        let mut alive = |run: &RunId| {
            // Of a run and of what was done with it there is one lock.
            if locks.iter().any(|(id, _)| id == run) {
                return false;
            }
            let taken = RunLock::take(&state, run.as_str(), Duration::ZERO).map(|lock| locks.push((run.clone(), lock)));
            taken.is_err()
        };
        let open = journal.runs(&place.boot, place.namespace)?.into_iter().filter(|run| run.state.is_open());
        let namespaces = open.flat_map(|run| run.places()).chain([place.namespace]).collect();
        let outcomes = RunLock::in_turn(&state, &namespaces, TO_BEGIN, || {
            let (kernel, journal) = (&mut *Place::live(options), &mut journal);
            Desk { kernel, journal, context: &context, now: now(), force: false }.recover(&mut alive)
        });
        let done = outcomes.as_ref().is_ok_and(|outcomes| outcomes.iter().all(Result::is_ok));
        locks.into_iter().for_each(|(run, lock)| trace::settle(&place, lock, &run, done));
        let outcomes = outcomes?;
        if outcomes.is_empty() && !screen.json {
            screen.note("nothing to recover");
            return Ok(0);
        }
        tell(screen, &place, outcomes.into_iter().map(|outcome| (Deed::Lifted, outcome)).collect())
    })
}
