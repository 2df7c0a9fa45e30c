//! What a verb about runs notices before it does its own work: runs whose time is over and that nobody has lifted, and runs that are left half done.

use std::path::Path;

use super::args::Options;
use super::history;
use super::place::Place;
use super::show::Screen;
use super::trace::{self, Patience};
use super::watch::lapse;
use crate::kernel::lock::RunLock;
use crate::kernel::process::{self, Limits, signals};
use crate::kernel::{bell, state};
use crate::model::iptables::RunId;
use crate::model::{Fault, Kind};
use crate::transaction::{Journal, RunRecord, RunState};

/// What earlier runs have left in this namespace.
#[derive(Default)]
struct Left {
    overdue: Vec<RunRecord>,
    torn: Vec<RunRecord>,
}

impl Left {
    /// Looks into the journal, if there is one. A journal that cannot be read is the business of whoever needs it.
    fn find(place: &Place) -> Self {
        let Ok(state) = &place.state else { return Self::default() };
        let found = if state::has_traces(state) { Self::look(place, state) } else { Ok(Vec::new()) };
        let mut left = Self::default();
        for run in found.unwrap_or_default() {
            if trace::is_due(place, &run) {
                left.overdue.push(run);
            } else if run.state == RunState::Running && !bell::is_heard(state, run.id.as_str()) {
                left.torn.push(run);
            }
        }
        left
    }

    /// Gives the runs that are not settled and that nobody has in hand.
    fn look(place: &Place, state: &Path) -> Result<Vec<RunRecord>, Fault> {
        let Some(journal) = Journal::open_existing(&place.shelf())? else { return Ok(Vec::new()) };
        let is_free = |run: &RunRecord| !RunLock::is_held(state, run.parent.as_ref().unwrap_or(&run.id).as_str());
        let unsettled = || journal.unsettled(&place.boot, place.namespace);
        let free: Vec<RunId> = unsettled()?.into_iter().filter(is_free).map(|run| run.id).collect();
        if free.is_empty() {
            return Ok(Vec::new());
        }
        // Whoever has let go of a run has written down before what became of it; so what was read before its lock was asked does not count.
        Ok(unsettled()?.into_iter().filter(|run| free.contains(&run.id) && is_free(run)).collect())
    }

    fn tell_of_torn(&self, screen: &Screen) {
        for run in &self.torn {
            screen.note(&format!(
                "run {} ({}) was left half done, its processes are gone: fyke recover lifts it",
                run.id,
                history::what(run)
            ));
        }
    }
}

/// Lifts what is overdue, and says what is left half done.
pub(crate) fn heed(screen: &Screen, options: &Options, place: &Place) -> Result<(), Fault> {
    let left = Left::find(place);
    left.tell_of_torn(screen);
    lift(screen, options, place, &left.overdue)
}

/// Lifts what is overdue.
pub(crate) fn lift_overdue(screen: &Screen, options: &Options, place: &Place) -> Result<(), Fault> {
    lift(screen, options, place, &Left::find(place).overdue)
}

/// Says what is overdue and what is left half done, and changes nothing.
pub(crate) fn tell(screen: &Screen, place: &Place) {
    let left = Left::find(place);
    left.tell_of_torn(screen);
    for run in &left.overdue {
        screen.note(&format!("the time of run {} ({}) is over: the next run lifts it", run.id, history::what(run)));
    }
}

/// Lifts runs under a guardian, so that an interrupt cannot tear it. What cannot be lifted does not keep anybody from other work.
fn lift(screen: &Screen, options: &Options, place: &Place, runs: &[RunRecord]) -> Result<(), Fault> {
    if runs.is_empty() {
        return Ok(());
    }
    let work = |page: &process::Page| {
        page.roll_back();
        for run in runs {
            match lapse(options, place, &run.id, Patience::FOUND) {
                Ok(news) => news.iter().for_each(|text| screen.note(text)),
                Err(fault) => screen.note(&format!("the time of run {} is over, but {fault}: fyke undo {} lifts it", run.id, run.id)),
            }
        }
        page.settle();
        signals::pending().map_or(0, signals::Stop::exit_code)
    };
    match process::guarded(&Limits::default(), work, |_, ending| ending.exit_code())? {
        0 => Ok(()),
        _ => Err(Fault::new(Kind::Interrupted, "begin", "asked to stop while an earlier run was lifted")),
    }
}
