//! `fyke undo`: takes back what a run changed.

use std::time::Duration;

use serde_json::json;

use super::args::{Options, Run};
use super::place::{Place, now};
use super::session::guarded;
use super::show::{Screen, changes};
use crate::kernel::lock::RunLock;
use crate::model::iptables::Owner;
use crate::model::{Fault, Kind, Report};
use crate::transaction::{Journal, undo};

/// Lifts a run, and says what could not be lifted.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Run) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    guarded(screen, || {
        let state = place.state_to_write()?;
        let mut journal = Journal::open(&place.shelf())?;
        let found = undo::find(&journal, &words.run, &place.boot, place.namespace)?;
        // Whoever still runs it holds this lock.
        let lock = RunLock::take(&state, found.id.as_str(), Duration::ZERO)?;
        let context = place.context(Owner::new("undo", ""), "");
        let (mut kernel, mut guard) = (Place::live(options), Place::guard(words.safety.stance()));
        let report =
            RunLock::in_turn(&state, place.namespace, || undo::undo(kernel.as_mut(), &mut journal, &found, &context, now(), &mut guard))?;
        lock.remove();
        tell(screen, &[report])
    })
}

/// Says what was lifted, and what is left.
pub(crate) fn tell(screen: &Screen, reports: &[Report]) -> Result<u8, Fault> {
    let left = reports.iter().flat_map(|report| &report.drift).any(|drift| drift.left);
    let code = if left { Kind::Incomplete.exit_code() } else { 0 };
    if screen.json {
        let lifted = reports.iter().map(|report| {
            json!({ "run": report.run, "changes": changes::json(&report.changes), "not_lifted": report.acts, "drift": report.drift })
        });
        return screen.document(&json!({ "lifted": lifted.collect::<Vec<_>>(), "exit": code })).map(|()| code);
    }
    reports.iter().try_for_each(|report| screen.print(&changes::lifted(report, screen.verbose, screen.paint)))?;
    Ok(code)
}
