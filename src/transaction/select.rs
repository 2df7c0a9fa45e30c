//! Which runs a user means, and which of them stand on one another.

use std::collections::BTreeSet;

use super::journal::Journal;
use super::record::{Batch, RunKind, RunRecord, RunState};
use crate::model::iptables::{Owner, RunId};
use crate::model::link::Far;
use crate::model::link::far::is_on;
use crate::model::named::agree;
use crate::model::{Change, Fault, Kind, Object, State, link, tc};

/// How much of the id of a run has to be said: who says `undo 1` means something else, and an id may begin so by chance.
const BEGINNING: usize = 4;

/// The runs of one boot that concern one network namespace.
pub struct Here<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// The boot id.
    pub boot: &'a str,
    /// The cookie of the network namespace.
    pub namespace: u64,
}

/// What is to be done with a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// It is to be lifted.
    Lift(RunRecord),
    /// It is to be set again.
    Redo(RunRecord),
}

impl Here<'_> {
    /// Gives the runs, the latest first.
    fn runs(&self) -> Result<Vec<RunRecord>, Fault> {
        let mut runs = self.journal.runs(self.boot, self.namespace)?;
        runs.reverse();
        Ok(runs)
    }

    /// Gives the scripts whose changes may be in force; those first that were set last, or set again.
    pub fn in_force(&self) -> Result<Vec<RunRecord>, Fault> {
        let mut runs = self.journal.in_force(self.boot, self.namespace)?;
        runs.reverse();
        Ok(runs)
    }

    /// Gives the runs that a recipe has in force, the latest first; of one of its instances, if one is named.
    pub fn of_recipe(&self, name: &str) -> Result<Vec<RunRecord>, Fault> {
        let is_meant = |owner: &Owner| owner.to_string() == name || *owner.recipe == *name;
        let found: Vec<RunRecord> = self.in_force()?.into_iter().filter(|run| is_meant(&run.context.owner)).collect();
        match found.is_empty() {
            true => {
                Err(Fault::input(format!("find runs of {name:?}"), "nothing of it is in force here").hint("`fyke status` lists what is"))
            }
            false => Ok(found),
        }
    }

    /// Finds a run by its id, or by the beginning of one, of [`BEGINNING`] characters at least.
    pub fn find(&self, word: &str) -> Result<RunRecord, Fault> {
        let tried = format!("find the run {word:?}");
        let is_meant = |run: &RunRecord| word.len() >= BEGINNING && run.id.as_str().starts_with(word);
        let mut matches: Vec<RunRecord> = self.runs()?.into_iter().filter(is_meant).collect();
        match (matches.pop(), &matches[..]) {
            (Some(run), []) => Ok(run),
            (Some(run), others) => {
                let ids: Vec<&str> = others.iter().chain([&run]).map(|run| run.id.as_str()).collect();
                Err(Fault::input(tried, format!("it may mean {}", ids.join(" or "))))
            }
            (None, _) => {
                let why = match self.journal.all_runs()?.into_iter().find(is_meant) {
                    Some(run) if run.context.boot != self.boot => "it ran before the last boot, and what it did is gone".to_owned(),
                    Some(run) => format!("it ran in another network namespace ({})", run.context.home),
                    None if word.len() < BEGINNING => format!("of an id {BEGINNING} characters are the least that tells it from others"),
                    None => "there is no such run".to_owned(),
                };
                Err(Fault::input(tried, why).hint("`fyke history` lists the runs; `--netns` goes to another namespace"))
            }
        }
    }

    /// Finds what `fyke undo` is asked for: to undo an undo is to set its run again.
    pub fn to_undo(&self, word: &str) -> Result<Task, Fault> {
        if word == "last" {
            let last = self.in_force()?.into_iter().next();
            let fault = || Fault::input("find the run \"last\"", "nothing is in force here that could be lifted");
            return last.map(Task::Lift).ok_or_else(|| fault().hint("`fyke history` lists the runs"));
        }
        let run = self.find(word)?;
        match (run.kind, &run.parent) {
            (RunKind::Undo, Some(parent)) => self.again(self.journal.run(parent)?).map(Task::Redo),
            (RunKind::Redo, Some(parent)) => self.open(self.journal.run(parent)?).map(Task::Lift),
            _ => self.open(run).map(Task::Lift),
        }
    }

    /// Finds the run that `fyke redo` is asked for.
    pub fn to_redo(&self, word: &str) -> Result<RunRecord, Fault> {
        if word == "last" {
            let last = self.journal.taken_back(self.boot, self.namespace)?.pop();
            let fault = || Fault::input("find the run \"last\"", "nothing was lifted here that could be set again");
            return last.ok_or_else(|| fault().hint("`fyke history` lists the runs"));
        }
        let run = self.find(word)?;
        match &run.parent {
            Some(parent) => self.again(self.journal.run(parent)?),
            None => self.again(run),
        }
    }

    /// Gives a run that may be lifted: nobody else has lifted it.
    pub fn open(&self, run: RunRecord) -> Result<RunRecord, Fault> {
        match run.state.is_open() {
            true => Ok(run),
            false => Err(Fault::input(format!("undo run {}", run.id), format!("it is {} already", run.state.name()))),
        }
    }

    /// Gives a run that may be set again.
    pub fn again(&self, run: RunRecord) -> Result<RunRecord, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("set run {} again", run.id), why));
        match run.state {
            RunState::Lifted if self.is_forgotten(&run)? => {
                refuse("the journal has forgotten its changes: run the recipe again".to_owned())
            }
            RunState::Lifted => Ok(run),
            RunState::RolledBack => refuse("it failed and was rolled back: run the recipe again instead".to_owned()),
            state => refuse(format!("it is in force already ({})", state.name())),
        }
    }

    /// Refuses to lift a run on which later ones stand that are not going to be lifted before it.
    pub fn nothing_stands_on(&self, run: &RunRecord, lifted_before: &[RunId]) -> Result<(), Fault> {
        let mut later: Vec<RunRecord> = self.journal.all_runs()?;
        later.drain(..=later.iter().position(|other| other.id == run.id).unwrap_or(0));
        later.retain(|other| other.kind == RunKind::Run && other.state.is_open() && !lifted_before.contains(&other.id));
        if later.is_empty() {
            return Ok(());
        }
        let mine = self.journal.standing(&run.id)?;
        let far = |batch: &'_ Batch| put_there(batch).map(|far| far.site.namespace).collect::<Vec<_>>();
        let places: BTreeSet<u64> =
            mine.iter().flat_map(|batch| made_here(batch).chain(far(batch)).chain([batch.site.namespace])).collect();
        let machine = mine.iter().any(Batch::is_of_the_machine);
        let may_meet = |other: &&RunRecord| machine && other.machine || places.iter().any(|namespace| other.concerns(*namespace));
        for other in later.iter().rev().filter(may_meet) {
            let theirs = self.journal.standing(&other.id)?;
            if let Some(change) = theirs.iter().find_map(|batch| builds_on(batch, &run.id, &mine)) {
                let why = format!("run {} ({}) came later and builds on it: {}", other.id, other.context.owner, change.object);
                let both = match other.concerns(self.namespace) || other.machine && run.machine {
                    true => format!("undo both: fyke undo {} {}", other.id, run.id),
                    // Another namespace has its own runs.
                    false => format!("undo that one first: fyke --netns {} undo {}", other.context.home, other.id),
                };
                return Err(Fault::new(Kind::Refused, format!("undo run {}", run.id), why)
                    .hint(format!("{both}; or this one alone: fyke undo --force {}", run.id)));
            }
        }
        Ok(())
    }

    /// Tells whether the changes of a run are not in the journal any more, see [`Journal::forget`].
    fn is_forgotten(&self, run: &RunRecord) -> Result<bool, Fault> {
        let batches = self.journal.batches(&run.id)?;
        Ok(!batches.is_empty() && batches.iter().all(|batch| batch.changes.is_empty()))
    }
}

/// Gives the namespaces that a batch has made, by their cookies.
pub(super) fn made_here(batch: &Batch) -> impl Iterator<Item = u64> {
    made(&batch.changes)
}

/// Gives the namespaces that some changes have made, by their cookies.
pub(super) fn made(changes: &[Change]) -> impl Iterator<Item = u64> {
    changes.iter().filter(|change| change.makes()).filter_map(|change| match &change.after {
        Some(State::Netns(state)) => state.cookie(),
        _ => None,
    })
}

/// Gives the links that a batch has put into other namespaces.
pub(super) fn put_there(batch: &Batch) -> impl Iterator<Item = &Far> {
    batch.changes.iter().filter(|change| change.after.is_some() && !change.is_claim()).filter_map(|change| match &change.object {
        Object::Link(link::Object::Far(far)) => Some(&**far),
        _ => None,
    })
}

/// Finds a change of a later batch that builds on what a run did: on its changes in the same namespace, or in one that it has made.
fn builds_on<'a>(later: &'a Batch, run: &RunId, earlier: &[Batch]) -> Option<&'a Change> {
    let is_inside = |batch: &Batch| made_here(batch).any(|namespace| namespace == later.site.namespace);
    if earlier.iter().any(is_inside) {
        return later.changes.first();
    }
    let put_there: Vec<&Far> = earlier.iter().flat_map(put_there).filter(|far| far.site.namespace == later.site.namespace).collect();
    let is_on_it = |change: &&Change| {
        let state = change.after.as_ref().or(change.before.as_ref()).filter(|_| !change.is_claim());
        state.is_some_and(|state| put_there.iter().any(|far| is_on(&change.object, state, &far.dev)))
    };
    if let Some(change) = later.changes.iter().find(is_on_it) {
        return Some(change);
    }
    let here = || earlier.iter().filter(|batch| batch.meets(later)).flat_map(|batch| &batch.changes);
    later.changes.iter().find(|change| stands_on(change, run, here))
}

/// Tells whether a later change of a named object goes on from where an earlier one ended, or is in what that one made.
fn needs(later: &Change, earlier: &Change) -> bool {
    match (&later.object, &earlier.object) {
        (_, made) if earlier.makes() && later.after.as_ref().is_some_and(|after| later.object.needs(after).contains(made)) => true,
        (Object::SetPair(one, other), Object::Set(made)) => earlier.makes() && [one, other].contains(&made),
        (Object::Cgroup(object), Object::Cgroup(made))
            if earlier.makes() && object.is_in(later.after.as_ref().and_then(State::of_cgroups), made) =>
        {
            true
        }
        (Object::Tc(object), Object::Tc(made)) if object != made => match (&later.after, &earlier.after) {
            (Some(State::Tc(state)), Some(State::Tc(of))) if earlier.before.is_none() => tc::is_on((object, Some(state)), made, of),
            _ => false,
        },
        (same, object) => same == object && later.before.is_some() && agree(later.before.as_ref(), earlier.after.as_ref()),
    }
}

/// Tells whether a later change builds on a run: takes its rules out, or renames, uses or fills a chain that it made.
fn stands_on<'a, E: Iterator<Item = &'a Change>>(later: &Change, run: &RunId, earlier: impl Fn() -> E) -> bool {
    if let Some(State::Rule(rule, _)) = &later.before
        && rule.tag.as_ref().is_some_and(|tag| tag.run == *run)
    {
        return true;
    }
    if later.object.is_named() {
        return !later.is_claim() && earlier().any(|change| !change.is_claim() && needs(later, change));
    }
    if let Some(State::Rule(rule, _)) = &later.after
        && earlier().any(|change| matches!(&change.object, Object::Set(set) if change.makes() && rule.words.names_set(set.as_str())))
    {
        return true;
    }
    let (at, target) = match (&later.object, &later.after) {
        (Object::Rule(at), Some(State::Rule(rule, _))) => (at, rule.words.target()),
        (Object::Rule(at) | Object::ChainName(at) | Object::Chain(at), _) => (at, None),
        _ => return false,
    };
    let former = match &later.before {
        Some(State::Name(name)) => name,
        _ => &at.chain,
    };
    earlier().filter(|change| change.before.is_none()).any(|change| match &change.object {
        Object::Chain(made) if (made.family, made.table) == (at.family, at.table) => {
            made.chain == *former || target.as_deref() == Some(made.chain.as_str())
        }
        _ => false,
    })
}
