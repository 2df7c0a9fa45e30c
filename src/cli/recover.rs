//! `fyke recover`: finishes what killed runs left half done.

use std::time::Duration;

use super::args::Options;
use super::place::{Place, now};
use super::session::guarded;
use super::show::Screen;
use super::undo::tell;
use crate::kernel::lock::RunLock;
use crate::model::Fault;
use crate::model::iptables::{Owner, RunId};
use crate::transaction::{Journal, undo};

/// Lifts every run whose processes are dead and whose changes are still there.
pub(crate) fn run(screen: &Screen, options: &Options) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    guarded(screen, || {
        let state = place.state_to_write()?;
        let mut journal = Journal::open(&place.shelf())?;
        let context = place.context(Owner::new("recover", ""), "");
        // A free lock is the proof that a run is dead; what its tools may still write is not, so it is held until all is lifted.
        let mut locks = Vec::new();
        let mut alive = |run: &RunId| match RunLock::take(&state, run.as_str(), Duration::ZERO) {
            Ok(lock) => {
                locks.push(lock);
                false
            }
            Err(_) => true,
        };
        let reports = RunLock::in_turn(&state, place.namespace, || {
            undo::recover(Place::live(options).as_mut(), &mut journal, &context, now(), &mut alive)
        })?;
        locks.into_iter().for_each(RunLock::remove);
        if reports.is_empty() {
            screen.note("nothing to recover");
        }
        tell(screen, &reports)
    })
}
