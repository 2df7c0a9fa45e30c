//! What the doctor finds in the journal: damage, runs that were cut short, terms that nobody watches.

use super::Line;
use crate::cli::place::Place;
use crate::kernel::clock;
use crate::kernel::lock::RunLock;
use crate::model::{Fault, Kind};
use crate::transaction::{Journal, RunRecord, RunState, TermState};

/// How long after its deadline a run may still be in force: to lift it takes its time.
const GRACE: i64 = 10_000;

/// Looks through the journal, if there is one.
pub(super) fn lines(place: &Place) -> Vec<Line> {
    let line = |what: &str, found| Line { room: "journal", what: what.to_owned(), found };
    let opened = Journal::open_existing(&place.shelf()).and_then(|journal| journal.map(|it| it.check().map(|()| it)).transpose());
    let journal = match opened {
        Ok(Some(journal)) => journal,
        Ok(None) => return vec![line("file", Ok("none yet".to_owned()))],
        Err(fault) => return vec![line("file", Err(fault))],
    };
    let runs = match journal.runs(&place.boot, place.namespace) {
        Ok(runs) => runs,
        Err(fault) => return vec![line("file", Err(fault))],
    };
    vec![
        line("file", Ok(format!("sound, {} runs of this boot and namespace", runs.len()))),
        line("unfinished", unfinished(place, &runs)),
        line("terms", overdue(&runs, clock::boottime())),
    ]
}

/// Names the runs that have begun and that nobody runs any more.
fn unfinished(place: &Place, runs: &[RunRecord]) -> Result<String, Fault> {
    let state = place.state.as_ref().map_err(Fault::clone)?;
    let is_dead = |run: &&RunRecord| run.state == RunState::Running && !RunLock::is_held(state, run.id.as_str());
    none_of(runs.iter().filter(is_dead), "no run was cut short", "was cut short").map_err(|fault| fault.hint("fyke recover"))
}

/// Names the runs that should have been lifted by now.
fn overdue(runs: &[RunRecord], now: i64) -> Result<String, Fault> {
    let is_over = |run: &&RunRecord| {
        let over = |until: crate::transaction::Until| until.state == TermState::Armed && until.deadline + GRACE < now;
        run.state.is_open() && run.until.is_some_and(over)
    };
    none_of(runs.iter().filter(is_over), "none is overdue", "is in force beyond its time")
        .map_err(|fault| fault.hint("nobody watches it any more: fyke undo RUN"))
}

fn none_of<'a>(runs: impl Iterator<Item = &'a RunRecord>, none: &str, why: &str) -> Result<String, Fault> {
    let ids: Vec<&str> = runs.map(|run| run.id.as_str()).collect();
    match ids.is_empty() {
        true => Ok(none.to_owned()),
        false => Err(Fault::new(Kind::Incomplete, "trust the journal", format!("{} {why}", ids.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::iptables::RunId;
    use crate::transaction::{Context, RunKind, Term, Until};

    #[test]
    fn a_term_that_nobody_watches_is_named() {
        let run = |state, deadline, term| RunRecord {
            id: RunId::from_bits(7),
            parent: None,
            kind: RunKind::Run,
            state,
            context: Context::default(),
            started: 0,
            until: Some(Until { term: Term::Lease, deadline, state: term }),
            elsewhere: Vec::new(),
            machine: false,
        };
        let found = |state, deadline, term| overdue(&[run(state, deadline, term)], 20_000).map_err(|fault| fault.why);
        let good = Ok("none is overdue".to_owned());
        assert_eq!(found(RunState::Done, 15_000, TermState::Armed), good);
        assert_eq!(found(RunState::Done, 5_000, TermState::Confirmed), good);
        assert_eq!(found(RunState::Lifted, 5_000, TermState::Armed), good);
        assert_eq!(found(RunState::Done, 5_000, TermState::Armed), Err(format!("{} is in force beyond its time", RunId::from_bits(7))));
    }
}
