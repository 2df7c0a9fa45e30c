//! What is done when a run has ended, however it has: it is remembered beyond the boot, and the journal forgets the oldest.

use super::place::Place;
use super::show::Screen;
use crate::kernel::archive;
use crate::model::iptables::RunId;
use crate::model::{Change, Fault, Report};
use crate::transaction::past::Past;
use crate::transaction::{Journal, RunRecord, RunState};

/// How many runs that are lifted or rolled back stay in the journal, with all that was changed.
const CLOSED: usize = 500;

/// Remembers a run, and forgets old ones. That this fails is no fault of the run.
pub(crate) fn remember(screen: &Screen, place: &Place, report: &Report) {
    let kept = report.run.as_ref().map_or(Ok(()), |run| keep(place, run, report));
    if let Some(fault) = kept.err().filter(|_| screen.verbose) {
        screen.note(&format!("it is not remembered beyond the boot: {fault}"));
    }
}

fn keep(place: &Place, run: &RunId, report: &Report) -> Result<(), Fault> {
    let mut journal = Journal::open(&place.shelf())?;
    // A namespace without a name is gone with its processes, and nobody will ask for what was done in it.
    if !place.home.starts_with("pid:") {
        let folder = archive::folder()?;
        for past in pasts(&journal, run, report)? {
            archive::append(&folder, &past.line()?)?;
        }
    }
    journal.forget(CLOSED)
}

/// Gives what is to be remembered: the run, and what was done with it last.
fn pasts(journal: &Journal, run: &RunId, report: &Report) -> Result<Vec<Past>, Fault> {
    let record = journal.run(run)?;
    let acts = |record: &RunRecord| journal.acts(&record.id);
    let Some(last) = journal.last_done_with(run)? else {
        return Ok(vec![Past::new(record.clone(), Some(&report.changes), acts(&record)?)]);
    };
    // What was rolled back at once was never remembered.
    let made: Option<Vec<Change>> = match record.state {
        RunState::RolledBack => Some(journal.batches(run)?.into_iter().flat_map(|batch| batch.changes).collect()),
        _ => None,
    };
    let acts = acts(&record)?;
    Ok(vec![Past::new(record, made.as_deref(), acts), Past::new(last, Some(&report.changes), Vec::new())])
}
