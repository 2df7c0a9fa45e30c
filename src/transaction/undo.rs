//! Lifting what a run did, after an error, later, or after a crash; and setting it again.

use crate::kernel::Kernel;
use crate::kernel::xtables::Backend;
use crate::model::iptables::RunId;
use crate::model::iptables::rule::fingerprint;
use crate::model::{Change, Fault, Kind, Report};

use super::journal::Journal;
use super::record::{Batch, Context, RunKind, RunRecord, RunState};
use super::revert::{Job, revert};

/// What undo and redo work with.
pub struct Desk<'a> {
    /// The kernel.
    pub kernel: &'a mut dyn Kernel,
    /// The journal.
    pub journal: &'a mut Journal,
    /// Who asks.
    pub context: &'a Context,
    /// The time in seconds since 1970.
    pub now: i64,
    /// Whether what somebody else changed since is put back, too.
    pub force: bool,
}

impl Desk<'_> {
    /// Lifts a run batch by batch, the latest first, and never stops at the first error. The lifting is a run of its own in the journal.
    pub fn lift(&mut self, run: &RunId, state: RunState) -> Result<Report, Fault> {
        let record = self.journal.run(run)?;
        let open: Vec<Batch> =
            self.journal.batches(run)?.into_iter().rev().filter(|batch| !batch.lifted && !batch.changes.is_empty()).collect();
        let report = Report { run: Some(run.clone()), acts: self.journal.acts(run)?, ..Report::default() };
        if open.is_empty() {
            self.journal.set_state(run, state)?;
            return Ok(report);
        }
        // A rollback is never set again, so nobody will look for its own entry: where the journal has no room for it, it is done without.
        let mut work = Work { report, unwritten: state == RunState::RolledBack, ..Work::default() };
        let lifting = self.descend(&record)?;
        work.written(self.begin(RunKind::Undo, &lifting, &record))?;
        for batch in &open {
            // What is left of a batch can be lifted once it is in nobody's way any more.
            if self.put_back(&lifting, batch, &[], &mut work)? {
                work.written(self.journal.lifted(run, batch.number))?;
            }
        }
        let clean = work.is_clean();
        let closed = self.journal.set_state(run, if clean { state } else { RunState::Stuck });
        work.faults.extend(closed.err().map(|fault| fault.hint("free what it lacks, then: fyke recover")));
        work.written(self.journal.set_state(&lifting, if work.faults.is_empty() { RunState::Done } else { RunState::Stuck }))?;
        work.end(format!("lift run {run}"), format!("cure the cause, then: fyke undo {run}"))
    }

    /// Sets again what was lifted of a run, with the tags that it had, by putting back its liftings, the latest first.
    pub fn redo(&mut self, record: &RunRecord) -> Result<Report, Fault> {
        let run = &record.id;
        let liftings = self.journal.liftings(run)?;
        let origin: Vec<Change> = self.journal.batches(run)?.into_iter().flat_map(|batch| batch.changes).collect();
        let redo = self.descend(record)?;
        self.begin(RunKind::Redo, &redo, record)?;
        // From here on the run counts as one that has begun: who finds it half done lifts it.
        self.journal.reopen(run)?;
        let mut work = Work { report: Report { run: Some(run.clone()), ..Report::default() }, ..Work::default() };
        for lifting in &liftings {
            for batch in self.journal.batches(lifting)?.iter().rev().filter(|batch| !batch.changes.is_empty()) {
                self.put_back(&redo, batch, &origin, &mut work)?;
            }
            self.journal.set_state(lifting, RunState::Lifted)?;
        }
        self.journal.set_state(&redo, if work.faults.is_empty() { RunState::Done } else { RunState::Stuck })?;
        self.journal.close_again(run)?;
        work.end(format!("set run {run} again"), format!("see what is in force: fyke status; lift it: fyke undo {run}"))
    }

    /// Lifts every run of this namespace that nobody runs any more. `alive` tells whether somebody still does.
    pub fn recover(&mut self, alive: &mut dyn FnMut(&RunId) -> bool) -> Result<Vec<Report>, Fault> {
        let runs = self.journal.runs(&self.context.boot, self.context.namespace)?;
        let (mut reports, mut faults) = (Vec::new(), Vec::new());
        for left in runs.iter().rev() {
            // What was finished on behalf of a later one is settled by now.
            if self.journal.run(&left.id)?.state != RunState::Running || alive(&left.id) {
                continue;
            }
            match self.finish(left) {
                Ok(report) => reports.extend(report),
                Err(fault) => faults.push(fault),
            }
        }
        match faults.pop() {
            None => Ok(reports),
            Some(fault) => Err(fault.followed_by(faults)),
        }
    }

    /// Brings a run that was cut short to an end: a script and a redo are lifted, an undo is done to its end.
    fn finish(&mut self, left: &RunRecord) -> Result<Option<Report>, Fault> {
        let Some(parent) = &left.parent else { return self.lift(&left.id, RunState::RolledBack).map(Some) };
        self.journal.set_state(&left.id, if left.kind == RunKind::Undo { RunState::Done } else { RunState::RolledBack })?;
        match (left.kind, self.journal.run(parent)?.state) {
            (RunKind::Undo, RunState::Done | RunState::Stuck) | (RunKind::Redo, RunState::Running) => {
                self.lift(parent, RunState::Lifted).map(Some)
            }
            // A rollback was cut short, and its run is lifted on its own account.
            _ => Ok(None),
        }
    }

    /// Goes where the rules of a run were set, whatever holds rules by now, and gives an id for what is done with it.
    fn descend(&mut self, parent: &RunRecord) -> Result<RunId, Fault> {
        Backend::named(&parent.context.backend).map_or(Ok(()), |backend| self.kernel.return_to(backend))?;
        let mut known = self.journal.known(&self.context.boot, self.context.namespace)?;
        let id = descendant(&parent.id, known.len(), self.context.pid);
        known.insert(parent.id.clone());
        self.kernel.xtables()?.know(&known);
        Ok(id)
    }

    /// Begins a run that lifts another one or sets it again.
    fn begin(&mut self, kind: RunKind, id: &RunId, parent: &RunRecord) -> Result<(), Fault> {
        let context = Context { backend: parent.context.backend.clone(), ..self.context.clone() };
        self.journal.begin(id, kind, Some(&parent.id), &context, self.now, None)
    }

    /// Puts a batch back on behalf of a run; tells whether all of it is back.
    fn put_back(&mut self, on_behalf: &RunId, batch: &Batch, origin: &[Change], work: &mut Work) -> Result<bool, Fault> {
        work.number += 1;
        let (number, empty) = (work.number, self.journal.registrations(&self.context.boot, self.context.namespace)?);
        let job = Job { changes: &batch.changes, origin, empty: &empty, force: self.force };
        let journal = &mut *self.journal;
        match revert(self.kernel.xtables()?, &job, &mut |made| work.written(journal.intend(on_behalf, number, made))) {
            Ok(found) => {
                let clean = !found.drift.iter().any(|drift| drift.left);
                // What an unfinished batch did not get done, nobody has taken away.
                work.report.drift.extend(found.drift.into_iter().filter(|drift| batch.done || drift.left));
                work.report.changes.extend(found.made);
                work.written(journal.done(on_behalf, number))?;
                Ok(clean)
            }
            Err(fault) => {
                work.faults.push(fault);
                Ok(false)
            }
        }
    }
}

/// What has come of putting back so far.
#[derive(Default)]
struct Work {
    number: i64,
    /// Whether it is also done where it cannot be journaled.
    unwritten: bool,
    report: Report,
    faults: Vec<Fault>,
}

impl Work {
    /// Takes what came of writing to the journal.
    fn written(&self, outcome: Result<(), Fault>) -> Result<(), Fault> {
        if self.unwritten { Ok(()) } else { outcome }
    }

    fn is_clean(&self) -> bool {
        self.faults.is_empty() && !self.report.drift.iter().any(|drift| drift.left)
    }

    fn end(self, tried: String, hint: String) -> Result<Report, Fault> {
        match self.faults.len() {
            0 => Ok(self.report),
            failed => {
                let why = format!("{failed} of {} batches could not be put back", self.number);
                Err(Fault::new(Kind::Incomplete, tried, why).hint(hint).followed_by(self.faults))
            }
        }
    }
}

/// Makes an id for what is done with a run. It need not be random: the run's own id is, and the number of runs in the journal grows.
fn descendant(run: &RunId, runs: usize, pid: u32) -> RunId {
    // The ends of the texts differ most: what they do to the hash is spread over all of its bits.
    RunId::from_bits(fingerprint(&format!("{run} {pid} {runs}")).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
}
