//! A run that goes on for as long as somebody types: every input is a step of it, written at its end, and can be lifted alone.

use super::claims::{Company, Holder, Inheritance};
use super::record::Batch;
use super::revert::{Job, is_untouched, revert};
use super::select::Here;
use super::{Door, Transaction, sites};
use crate::kernel::{Kernel, lock};
use crate::model::{Fault, Kind, Report};

impl Door {
    /// Gives the number of the last batch of the run: what comes after it belongs to the next step.
    pub fn mark(&self) -> i64 {
        self.lock().ledger.next_batch() - 1
    }

    /// Ends a step well: writes what is queued, and gives what was done since the last one. The next step reads afresh.
    pub fn step(&self) -> Result<Report, Fault> {
        self.lock().there(Transaction::step)
    }

    /// Gives the numbers of the batches of this run that are in force.
    pub fn in_force(&self) -> Result<Vec<i64>, Fault> {
        let mut transaction = self.lock();
        let Some(run) = transaction.ledger.entered().cloned() else { return Ok(Vec::new()) };
        Ok(transaction.ledger.journal()?.standing(&run)?.iter().rev().map(|batch| batch.number).collect())
    }

    /// Lifts what this run did after a mark and has not lifted yet, the latest first. It is as if it had never been: no redo sets it again.
    pub fn withdraw(&self, mark: i64) -> Result<Report, Fault> {
        self.lock().withdraw(mark)
    }
}

impl Transaction {
    fn step(&mut self) -> Result<Report, Fault> {
        let written = self.flush();
        // Between two inputs anybody may change anything.
        self.forget_queued();
        written?;
        let (changes, acts) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.acts));
        Ok(Report { run: self.ledger.entered().cloned(), changes, acts, ..Report::default() })
    }

    fn withdraw(&mut self, mark: i64) -> Result<Report, Fault> {
        self.go_home();
        self.forget_queued();
        self.changes.clear();
        let acts = std::mem::take(&mut self.acts);
        let Some(run) = self.ledger.entered().cloned() else { return Ok(Report::default()) };
        let mut report = Report { run: Some(run.clone()), acts, ..Report::default() };
        let (context, places) = (self.ledger.context.clone(), self.ledger.places()?);
        let faults = self.in_turns(&places, lock::TO_LIFT, |it| {
            let (kernel, journal) = (it.kernel.as_mut(), it.ledger.journal()?);
            let own = Holder { run: journal.run(&run)?, batches: journal.standing(&run)? };
            let (mut company, mut faults) = (Company::new(&own), Vec::new());
            for batch in own.batches.iter().rev().take_while(|batch| batch.number > mark) {
                let (changes, inherited) = company.split(journal, batch)?;
                report.stays.extend(inherited.iter().flat_map(Inheritance::remarks));
                let empty = journal.registrations(&context.boot, batch.site.namespace)?;
                let job = Job { empty: &empty, ..Job::of(&changes) };
                let here = Here { journal, boot: &context.boot, namespace: context.namespace };
                match sites::at(kernel, &here, batch, |kernel| put_back(kernel, batch, job, &mut report)) {
                    Ok(None | Some(true)) => {
                        journal.withdrawn(&run, batch.number, &inherited)?;
                        company.take_over(&inherited);
                    }
                    Ok(Some(false)) => {}
                    Err(fault) => faults.push(fault),
                }
            }
            Ok(faults)
        })?;
        match faults.len() {
            0 => Ok(report),
            failed => Err(Fault::new(Kind::Incomplete, "lift what was typed", format!("{failed} of its batches could not be put back"))
                .hint(format!("cure the cause, then: fyke undo {run}"))
                .followed_by(faults)),
        }
    }
}

/// Puts a batch back; tells whether all of it is back. Cut short, it is put back again from its own entry in the journal.
fn put_back(kernel: &mut dyn Kernel, batch: &Batch, job: Job<'_>, report: &mut Report) -> Result<bool, Fault> {
    let untouched = is_untouched(kernel, batch)?;
    let found = revert(kernel, &Job { untouched, ..job }, &mut |_| Ok(()))?;
    let whole = !found.drift.iter().any(|drift| drift.left);
    report.changes.extend(found.made);
    report.drift.extend(found.drift.into_iter().filter(|drift| batch.done || drift.left));
    Ok(whole)
}
