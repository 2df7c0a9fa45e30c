//! Lifting what a run did, after an error, later, or after a crash; and setting it again.

mod namespaces;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use crate::kernel::Kernel;
use crate::kernel::xtables::Backend;
use crate::model::iptables::RunId;
use crate::model::netns::{self, Site};
use crate::model::{Change, Drift, Fault, Kind, Object, Report, State};

use super::claims::{Company, Holder, Inheritance};
use super::journal::Journal;
use super::record::{Batch, Context, RunKind, RunRecord, RunState, TermState};
use super::revert::{Job, Reverted, is_untouched, revert};
use super::select::Here;
use super::sites;
use namespaces::Doomed;

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
        // Whoever lifts it, nobody is to lift it once more when its time is over.
        self.journal.end_term(run, TermState::Over)?;
        let own = Holder { batches: self.journal.standing(run)?, run: record };
        let report = Report { run: Some(run.clone()), acts: self.journal.acts(run)?, ..Report::default() };
        if own.batches.is_empty() {
            self.journal.set_state(run, state)?;
            return Ok(report);
        }
        // What an earlier lifting has done, nobody else has.
        let again = !self.journal.liftings(run)?.is_empty();
        // A rollback is never set again, so nobody will look for its own entry: where the journal has no room for it, it is done without.
        let unwritten = state == RunState::RolledBack;
        let mut work = Work { unwritten, again, ..self.prepare(RunKind::Undo, &own.run, report)? };
        self.lift_batches(&own, &mut work)?;
        let closed = self.journal.set_state(run, if work.is_clean() { state } else { RunState::Stuck });
        work.note(|work| self.close(work))?;
        let closed = closed.map_err(|fault| {
            let hint = "it is lifted as far as it can be; give the journal what it lacks, then: fyke recover";
            Fault::new(Kind::Incomplete, format!("write down that run {run} is lifted"), fault.why).hint(hint)
        });
        match work.end(format!("lift run {run}"), format!("cure the cause, then: fyke undo {run}")) {
            Ok(report) => closed.map(|()| report),
            Err(fault) => Err(fault.followed_by(closed.err())),
        }
    }

    /// Lifts the batches of a run, as far as it can.
    fn lift_batches(&mut self, own: &Holder, work: &mut Work) -> Result<(), Fault> {
        let (run, mut company) = (&own.run.id, Company::new(own));
        let mut doomed = Doomed::new(self, own, &mut company)?;
        for batch in own.batches.iter().rev() {
            // What is left of a batch can be lifted once it is in nobody's way any more.
            let (changes, inherited) = company.split(self.journal, batch)?;
            if inherited.is_empty() && doomed.takes(batch) {
                if self.put_back(batch, &changes, &[], true, work)? {
                    doomed.wait(batch);
                }
                continue;
            }
            if self.put_back_with_namespaces(batch, &changes, &mut doomed, work)? {
                work.report.stays.extend(inherited.iter().flat_map(Inheritance::remarks));
                work.note(|_| self.journal.lifted(run, batch.number, &inherited))?;
                company.take_over(&inherited);
            } else if !work.faults.is_empty() && batch.takes_out_rules() {
                // What the earlier batches put in may be the neighbours between which the rules of this one are to return.
                break;
            }
        }
        Ok(())
    }

    /// Sets again what was lifted of a run, with the tags that it had, by putting back its liftings, the latest first.
    pub fn redo(&mut self, record: &RunRecord) -> Result<Report, Fault> {
        let run = &record.id;
        let liftings = self.journal.liftings(run)?;
        let origin: Vec<Change> = self.journal.batches(run)?.into_iter().flat_map(|batch| batch.changes).collect();
        let mut work = self.prepare(RunKind::Redo, record, Report { run: Some(run.clone()), ..Report::default() })?;
        work.begin(self.journal, self.now)?;
        self.journal.reopen(run)?;
        let again = self.make_once_more(run, &liftings).and_then(|()| self.set_all(run, &liftings, &origin, &mut work));
        let fault = match again {
            Ok(()) if work.faults.is_empty() => {
                let Work { mut report, .. } = work;
                let standing = self.journal.standing(run)?;
                let batches: Vec<&Batch> = standing.iter().rev().collect();
                let here = here(self.journal, self.context);
                // What its undo found gone already does not come back by itself.
                report.drift.extend(sites::look(self.kernel, &here, &batches)?.into_iter().flatten());
                return Ok(report);
            }
            Ok(()) => None,
            Err(fault) => Some(fault),
        };
        work.faults.extend(fault);
        // One that cannot be set again as a whole is not set again in part.
        let lifted = self.lift(run, RunState::Lifted).and_then(|_| self.close(&work));
        let hint = match work.report.is_clean() {
            true => format!("cure the cause, then: fyke redo {run}"),
            false => format!("run its recipe again; or, with its rules at the numbers that they had: fyke redo --force {run}"),
        };
        work.end(format!("set run {run} again"), hint).map_err(|fault| fault.followed_by(lifted.err()))
    }

    /// Makes namespaces once more that a run had made and its lifting has taken away: what the run did in them is done in these.
    fn make_once_more(&mut self, run: &RunId, liftings: &[RunId]) -> Result<(), Fault> {
        let mut gone = Vec::new();
        for lifting in liftings {
            let batches = self.journal.standing(lifting)?;
            let taken = batches.iter().flat_map(|batch| &batch.changes).filter_map(taken_away);
            gone.extend(taken);
        }
        for site in gone {
            let is_there = self.kernel.go_to(&site)?;
            self.kernel.come_back();
            if !is_there {
                let runs: Vec<&RunId> = liftings.iter().chain([run]).collect();
                self.journal.renew(&runs, site.namespace, self.kernel.make_namespace()?)?;
            }
        }
        Ok(())
    }

    /// Puts back the liftings of a run, and closes it. Batch by batch the run has in force again what its lifting has no more.
    fn set_all(&mut self, run: &RunId, liftings: &[RunId], origin: &[Change], work: &mut Work) -> Result<(), Fault> {
        let mut begun = BTreeSet::new();
        for lifting in liftings {
            for batch in self.journal.standing(lifting)?.iter().rev() {
                // What a later lifting of the same batch has taken out is set again by now.
                work.again = !begun.insert(batch.of);
                batch.of.map_or(Ok(()), |of| self.journal.intend_again(run, of))?;
                let whole = self.put_back(batch, &batch.changes, origin, false, work)?;
                if !work.faults.is_empty() {
                    return Ok(());
                }
                if whole {
                    self.journal.lifted(lifting, batch.number, &[])?;
                }
            }
            // A rule that finds no place may be the one without which the others do harm.
            if !self.force && !work.report.is_clean() {
                work.faults.extend(work.report.left().map(Drift::fault));
                return Ok(());
            }
            self.journal.set_state(lifting, RunState::Lifted)?;
        }
        self.journal.close_again(run, &work.id)
    }

    /// Lifts every run of this namespace that nobody runs any more, and those that could not all be lifted the last time. `alive` tells whether somebody
    /// still does.
    pub fn recover(&mut self, alive: &mut dyn FnMut(&RunId) -> bool) -> Result<Vec<Result<Report, Fault>>, Fault> {
        let runs = self.journal.runs(&self.context.boot, self.context.namespace)?;
        let mut outcomes = Vec::new();
        for left in runs.iter().rev() {
            let is_left = |state| state == RunState::Running || state == RunState::Stuck && left.kind == RunKind::Run;
            // Who lifts a run, or sets it again, holds its lock. The state counts that it has when nobody does.
            if !is_left(self.journal.run(&left.id)?.state) || alive(left.parent.as_ref().unwrap_or(&left.id)) {
                continue;
            }
            let outcome = match self.journal.run(&left.id)?.state {
                RunState::Running => self.finish(left),
                state if is_left(state) => self.lift(&left.id, RunState::Lifted).map(Some),
                // It was finished on behalf of a later one, or has ended by itself.
                _ => Ok(None),
            };
            outcomes.extend(outcome.transpose());
        }
        Ok(outcomes)
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

    /// Gets ready to lift a run or to set it again, where its rules were set, whatever holds rules by now.
    fn prepare(&mut self, kind: RunKind, parent: &RunRecord, report: Report) -> Result<Work, Fault> {
        let backend = &parent.context.backend;
        Backend::named(backend).map_or(Ok(()), |backend| self.kernel.return_to(backend))?;
        let context = Context { backend: backend.clone(), ..self.context.clone() };
        Ok(Work {
            // The hasher's keys come from the kernel's random numbers.
            id: RunId::from_bits(RandomState::new().hash_one(&parent.id)),
            kind,
            parent: parent.id.clone(),
            context,
            begun: false,
            unwritten: false,
            mute: false,
            again: false,
            empty: BTreeMap::new(),
            number: 0,
            report,
            faults: Vec::new(),
        })
    }

    /// Puts changes of a batch back; tells whether all of them are back. Those of a namespace that goes for good are only journaled.
    fn put_back(&mut self, batch: &Batch, changes: &[Change], origin: &[Change], is_doomed: bool, work: &mut Work) -> Result<bool, Fault> {
        match sites::go_to(self.kernel, &here(self.journal, self.context), batch) {
            Ok(true) => {
                let done = self.put_back_here(batch, changes, origin, is_doomed, work);
                self.kernel.come_back();
                done
            }
            Ok(false) => {
                let gone = sites::gone_with(batch).filter(|_| batch.done && !work.again);
                work.report.drift.extend(gone);
                Ok(true)
            }
            Err(fault) => {
                work.faults.push(fault);
                Ok(false)
            }
        }
    }

    /// Does that where the batch was made.
    fn put_back_here(
        &mut self,
        batch: &Batch,
        changes: &[Change],
        origin: &[Change],
        is_doomed: bool,
        work: &mut Work,
    ) -> Result<bool, Fault> {
        let namespace = batch.site.namespace;
        let empty = match work.empty.remove(&namespace) {
            Some(empty) => empty,
            // Only where rules are put back it is asked what is empty then.
            None if batch.is_named() => Vec::new(),
            None => self.journal.registrations(&self.context.boot, namespace)?,
        };
        let netns = (namespace != self.context.namespace).then(|| batch.site.home.as_str().into());
        let untouched = is_untouched(self.kernel, batch)?;
        let mut job = Job { changes, origin, empty: &empty, force: self.force, again: work.again, untouched, netns, is_doomed };
        let mut outcome = self.attempt(batch, &job, work);
        // A tool may have been killed, or somebody in the way for a moment.
        if outcome.is_err() {
            job.again = true;
            outcome = self.attempt(batch, &job, work);
        }
        let again = job.again;
        if !(batch.is_named() && empty.is_empty()) {
            work.empty.insert(namespace, empty);
        }
        match outcome {
            Ok(found) => {
                let clean = !found.drift.iter().any(|drift| drift.left);
                // What an unfinished batch did not get done, nobody has taken away; nor what an attempt that failed has put back already.
                work.report.drift.extend(found.drift.into_iter().filter(|drift| batch.done && !again || drift.left));
                work.report.changes.extend(found.made);
                Ok(clean)
            }
            Err(fault) => {
                work.faults.push(fault);
                Ok(false)
            }
        }
    }

    /// Tries to put a batch back, as a batch of its own: what a failed attempt has done is in the journal, too.
    fn attempt(&mut self, batch: &Batch, job: &Job<'_>, work: &mut Work) -> Result<Reverted, Fault> {
        work.number += 1;
        let (mut intended, journal, now) = (false, &mut *self.journal, self.now);
        let found = revert(self.kernel, job, &mut |made| {
            // A plan that is made anew takes the place of the one before, also if nothing is left to do.
            if !made.is_empty() || intended {
                work.note(|work| {
                    work.begin(journal, now)?;
                    let of = if work.kind == RunKind::Undo { Some(batch.number) } else { batch.of };
                    journal.intend(&work.id, work.number, (&batch.site, &batch.backend), of, made)
                })?;
                intended = true;
            }
            Ok(())
        })?;
        if intended {
            let left = if job.is_named() { None } else { self.kernel.xtables()?.left() };
            work.note(|work| journal.done(&work.id, work.number, left))?;
        }
        Ok(found)
    }

    fn close(&mut self, work: &Work) -> Result<(), Fault> {
        let state = if work.faults.is_empty() { RunState::Done } else { RunState::Stuck };
        if work.begun { self.journal.set_state(&work.id, state) } else { Ok(()) }
    }
}

/// Gives the namespace that a change has taken away, if it has taken away one; what a killed program had left of its name may be back in its place.
fn taken_away(change: &Change) -> Option<Site> {
    match (&change.object, &change.before, &change.after) {
        (
            Object::Netns(netns::Object::Name(name)),
            Some(State::Netns(netns::State::Made { cookie, .. })),
            None | Some(State::Netns(netns::State::Half)),
        ) => Some(Site::new(*cookie, name.as_str())),
        _ => None,
    }
}

fn here<'a>(journal: &'a Journal, context: &'a Context) -> Here<'a> {
    Here { journal, boot: &context.boot, namespace: context.namespace }
}

/// A lifting or a redo, as far as it has come: a run of its own in the journal, once it changes something.
struct Work {
    id: RunId,
    kind: RunKind,
    parent: RunId,
    context: Context,
    begun: bool,
    /// Whether it is also done where it cannot be journaled.
    unwritten: bool,
    /// Whether the journal has failed.
    mute: bool,
    /// Whether some of what is at hand was lifted, or set again, before.
    again: bool,
    /// What other runs made nf_tables register in a namespace, before this one began there.
    empty: BTreeMap<u64, Vec<Change>>,
    number: i64,
    report: Report,
    faults: Vec<Fault>,
}

impl Work {
    fn begin(&mut self, journal: &mut Journal, now: i64) -> Result<(), Fault> {
        if !self.begun {
            journal.begin(&self.id, self.kind, Some(&self.parent), &self.context, now, None)?;
            self.begun = true;
        }
        Ok(())
    }

    /// Writes to the journal. Where the work is done also without it, one that failed is not waited for again.
    fn note(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.mute {
            return Ok(());
        }
        let outcome = write(self);
        self.mute = self.unwritten && outcome.is_err();
        match outcome {
            Err(fault) if !self.mute => Err(Fault { kind: Kind::Incomplete, ..fault }.hint("`fyke recover` finishes what was begun")),
            _ => Ok(()),
        }
    }

    fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.report.is_clean()
    }

    fn end(self, tried: String, hint: String) -> Result<Report, Fault> {
        match self.faults.len() {
            0 => Ok(self.report),
            failed => {
                let why = format!("{failed} of its batches could not be put back");
                Err(Fault::new(Kind::Incomplete, tried, why).hint(hint).followed_by(self.faults))
            }
        }
    }
}
