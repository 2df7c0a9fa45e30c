//! Lifting what a run did: after an error, later, or after a crash.

use std::collections::{BTreeSet, HashMap};

use crate::kernel::Kernel;
use crate::kernel::xtables::{Backend, Xtables};
use crate::model::iptables::rule::fingerprint;
use crate::model::iptables::{Patch, Revert, Ruleset, RunId, Table, Tag, Words};
use crate::model::{Change, Drift, Family, Fault, Kind, Object, Report, State};

use super::guard::Guard;
use super::journal::{Context, Journal, RunKind, RunRecord, RunState};

/// Puts back what one batch of changes did; `journal` is told what is going to be changed, before it is. `empty` are the built-in chains and
/// tables that other runs made nf_tables register: they are let go of where nothing is in them any more.
pub(super) fn revert(
    kernel: &mut dyn Xtables,
    changes: &[Change],
    empty: &[Change],
    journal: &mut dyn FnMut(&[Change]) -> Result<(), Fault>,
) -> Result<(Vec<Change>, Vec<Drift>), Fault> {
    let tables = tables_of(changes.iter());
    // Where rules are put back, their neighbours have to be read; to take rules out takes no words.
    let read = tables_of(changes.iter().filter(|change| matches!(change.before, Some(State::Rule(..)))));
    let put_in = put_in(changes);
    let (mut made, mut drift) = (Vec::new(), Vec::new());
    let outcome = kernel.lift(&tables, &read, &mut |present: &[Ruleset]| {
        (made, drift) = (Vec::new(), Vec::new());
        let mut patches = Vec::new();
        for set in present {
            let mut wanted = set.clone();
            let found = Revert::batch(&mut wanted, changes);
            Revert::batch(&mut wanted, empty);
            let patch = Patch::between(set, &wanted, &found.renamed);
            made.extend(patch.changes(set).into_iter().map(|(change, _)| worded(change, &put_in)));
            drift.extend(found.drift);
            patches.push(patch);
        }
        journal(&made)?;
        Ok(patches)
    });
    outcome.map(|()| (made, drift)).map_err(|refusal| refusal.fault)
}

/// Gives the words with which rules of ours were put in, by their tags.
fn put_in(changes: &[Change]) -> HashMap<&Tag, &Words> {
    let rules = changes.iter().filter_map(|change| match &change.after {
        Some(State::Rule(rule, _)) => Some((rule.tag.as_ref()?, &rule.words)),
        _ => None,
    });
    rules.collect()
}

/// Gives a rule of ours that was not read the words with which it was put in.
fn worded(mut change: Change, put_in: &HashMap<&Tag, &Words>) -> Change {
    if let Some(State::Rule(rule, _)) = &mut change.before
        && rule.words.is_opaque()
        && let Some(words) = rule.tag.as_ref().and_then(|tag| put_in.get(tag))
    {
        rule.words = (*words).clone();
    }
    change
}

/// Gives the tables that changes are about, each once.
fn tables_of<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<(Family, Table)> {
    let tables: BTreeSet<(Family, Table)> = changes.map(|change| (change.object.family(), change.object.table())).collect();
    tables.into_iter().collect()
}

/// Lifts a run batch by batch, the latest first, and never stops at the first error. The lifting is a run of its own in the journal.
pub fn lift(
    kernel: &mut dyn Kernel,
    journal: &mut Journal,
    run: &RunId,
    context: &Context,
    now: i64,
    state: RunState,
) -> Result<Report, Fault> {
    // Rules are lifted where they were set, whatever holds rules by now.
    let backend = journal.run(run)?.context.backend;
    Backend::named(&backend).map_or(Ok(()), |backend| kernel.return_to(backend))?;
    let context = &Context { backend, ..context.clone() };
    let batches = journal.batches(run)?;
    let open: Vec<_> = batches.into_iter().rev().filter(|batch| !batch.lifted && !batch.changes.is_empty()).collect();
    let empty = journal.registrations(&context.boot, context.namespace)?;
    let id = descendant(run, now, context.pid);
    let mut report = Report { run: Some(run.clone()), acts: journal.acts(run)?, ..Report::default() };
    let mut faults: Vec<Fault> = Vec::new();
    if !open.is_empty() {
        let mut known = journal.known(&context.boot, context.namespace)?;
        known.insert(run.clone());
        kernel.xtables()?.know(&known);
        journal.begin(&id, RunKind::Undo, Some(run), context, now)?;
    }
    for (number, batch) in (1..).zip(&open) {
        match revert(kernel.xtables()?, &batch.changes, &empty, &mut |made| journal.intend(&id, number, made)) {
            Ok((made, drift)) => {
                // What an unfinished batch did not get done, nobody has taken away.
                let clean = !drift.iter().any(|drift| drift.left);
                report.drift.extend(drift.into_iter().filter(|drift| batch.done || drift.left));
                report.changes.extend(made);
                journal.done(&id, number)?;
                // What is left of a batch can be lifted once it is in nobody's way any more.
                if clean {
                    journal.lifted(run, batch.number)?;
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    let clean = faults.is_empty() && !report.drift.iter().any(|drift| drift.left);
    journal.set_state(run, if clean { state } else { RunState::Stuck })?;
    if !open.is_empty() {
        journal.set_state(&id, if faults.is_empty() { RunState::Done } else { RunState::Stuck })?;
    }
    match faults.is_empty() {
        true => Ok(report),
        false => {
            let why = format!("{} of {} batches could not be put back", faults.len(), open.len());
            let fault = Fault::new(Kind::Incomplete, format!("lift run {run}"), why).hint(format!("cure the cause, then: fyke undo {run}"));
            Err(fault.followed_by(faults))
        }
    }
}

/// Makes an id for the lifting of a run. It need not be random: the run's own id is.
fn descendant(run: &RunId, now: i64, pid: u32) -> RunId {
    // The ends of the texts differ most: what they do to the hash is spread over all of its bits.
    RunId::from_bits(fingerprint(&format!("{run} {now} {pid}")).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
}

/// Finds the run that a user means: `last`, an id, or the beginning of one.
pub fn find(journal: &Journal, word: &str, boot: &str, namespace: u64) -> Result<RunRecord, Fault> {
    let tried = format!("find the run {word:?}");
    let here = journal.runs(boot, namespace)?;
    if word == "last" {
        let last = here.into_iter().rfind(|run| run.kind == RunKind::Run && run.state.is_open());
        return last
            .ok_or_else(|| Fault::input(tried, "nothing is in force here that could be lifted").hint("`fyke history` lists the runs"));
    }
    let matches: Vec<RunRecord> = here.into_iter().filter(|run| !word.is_empty() && run.id.as_str().starts_with(word)).collect();
    match &matches[..] {
        [run] => Ok(run.clone()),
        [] => {
            let elsewhere = journal.all_runs()?.into_iter().find(|run| !word.is_empty() && run.id.as_str().starts_with(word));
            let why = match elsewhere {
                Some(run) if run.context.boot != boot => "it ran before the last boot, and what it did is gone".to_owned(),
                Some(_) => "it ran in another network namespace".to_owned(),
                None => "there is no such run".to_owned(),
            };
            Err(Fault::input(tried, why).hint("`fyke history` lists the runs; `--netns` goes to another namespace"))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.id.as_str()).collect();
            Err(Fault::input(tried, format!("it may mean {}", ids.join(" or "))))
        }
    }
}

/// Lifts a run because a user asks for it.
pub fn undo(
    kernel: &mut dyn Kernel,
    journal: &mut Journal,
    run: &RunRecord,
    context: &Context,
    now: i64,
    guard: &mut Guard,
) -> Result<Report, Fault> {
    let tried = format!("undo run {}", run.id);
    if run.kind == RunKind::Undo {
        return Err(Fault::input(tried, "it is an undo itself").hint("run the recipe again instead"));
    }
    if !run.state.is_open() {
        return Err(Fault::input(tried, format!("it is {} already", run.state.name())));
    }
    let later: Vec<RunRecord> =
        journal.runs(&context.boot, context.namespace)?.into_iter().skip_while(|other| other.id != run.id).skip(1).collect();
    let later: Vec<&RunRecord> = later.iter().rev().filter(|other| other.kind == RunKind::Run && other.state.is_open()).collect();
    let mine = if later.is_empty() { Vec::new() } else { journal.batches(&run.id)? };
    for other in later {
        let theirs = journal.batches(&other.id)?;
        let changes = theirs.iter().flat_map(|batch| &batch.changes);
        if let Some(object) = changes
            .filter(|change| relies(change, &run.id, mine.iter().flat_map(|batch| &batch.changes)))
            .map(|change| &change.object)
            .next()
        {
            let why = format!("run {} ({}) came later and builds on it: {object}", other.id, other.context.owner);
            return Err(Fault::new(Kind::Refused, tried, why)
                .hint(format!("undo both, the later one first: fyke undo {} && fyke undo {}", other.id, run.id)));
        }
    }
    guard.undo(kernel, journal, run)?;
    lift(kernel, journal, &run.id, context, now, RunState::Lifted)
}

/// Tells whether a later change builds on a run: takes its rules out, or stands in a chain that it made.
fn relies<'a>(later: &Change, run: &RunId, mut earlier: impl Iterator<Item = &'a Change>) -> bool {
    if let Some(State::Rule(rule, _)) = &later.before
        && rule.tag.as_ref().is_some_and(|tag| tag.run == *run)
    {
        return true;
    }
    let Object::Rule(at) = &later.object else { return false };
    earlier.any(|change| matches!(&change.object, Object::Chain(made) if made == at && change.before.is_none()))
}

/// Lifts every run of this namespace that nobody runs any more. `alive` tells whether somebody still does.
pub fn recover(
    kernel: &mut dyn Kernel,
    journal: &mut Journal,
    context: &Context,
    now: i64,
    alive: &mut dyn FnMut(&RunId) -> bool,
) -> Result<Vec<Report>, Fault> {
    let left: Vec<RunRecord> =
        journal.runs(&context.boot, context.namespace)?.into_iter().filter(|run| run.state == RunState::Running).collect();
    let (mut reports, mut faults) = (Vec::new(), Vec::new());
    for run in left.iter().rev().filter(|run| !alive(&run.id)) {
        match run.kind {
            // What an interrupted undo was about to lift is still open, and is lifted anew on its own account.
            RunKind::Undo => journal.set_state(&run.id, RunState::Stuck)?,
            RunKind::Run => match lift(kernel, journal, &run.id, context, now, RunState::RolledBack) {
                Ok(report) => reports.push(report),
                Err(fault) => faults.push(fault),
            },
        }
    }
    match faults.pop() {
        None => Ok(reports),
        Some(fault) => Err(fault.followed_by(faults)),
    }
}
