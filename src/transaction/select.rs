//! Which runs a user means, and which of them stand on one another.

use super::journal::Journal;
use super::record::{RunKind, RunRecord, RunState};
use crate::model::iptables::{Owner, RunId};
use crate::model::{Change, Fault, Kind, Object, State};

/// The runs of one boot in one network namespace.
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

    /// Finds a run by its id, or by the beginning of one.
    pub fn find(&self, word: &str) -> Result<RunRecord, Fault> {
        let tried = format!("find the run {word:?}");
        let is_meant = |run: &RunRecord| !word.is_empty() && run.id.as_str().starts_with(word);
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
        let later: Vec<RunRecord> = self.in_force()?.into_iter().take_while(|other| other.id != run.id).collect();
        let later = later.into_iter().filter(|other| !lifted_before.contains(&other.id));
        let mut mine = None;
        for other in later {
            let mine: &Vec<Change> = match &mut mine {
                Some(mine) => mine,
                unread => unread.insert(self.changes(&run.id)?),
            };
            let theirs = self.changes(&other.id)?;
            if let Some(change) = theirs.iter().find(|change| stands_on(change, &run.id, mine)) {
                let why = format!("run {} ({}) came later and builds on it: {}", other.id, other.context.owner, change.object);
                return Err(Fault::new(Kind::Refused, format!("undo run {}", run.id), why)
                    .hint(format!("undo both: fyke undo {} {}; or this one alone: fyke undo --force {}", other.id, run.id, run.id)));
            }
        }
        Ok(())
    }

    /// Tells whether the changes of a run are not in the journal any more, see [`Journal::forget`].
    fn is_forgotten(&self, run: &RunRecord) -> Result<bool, Fault> {
        let batches = self.journal.batches(&run.id)?;
        Ok(!batches.is_empty() && batches.iter().all(|batch| batch.changes.is_empty()))
    }

    fn changes(&self, run: &RunId) -> Result<Vec<Change>, Fault> {
        Ok(self.journal.standing(run)?.into_iter().flat_map(|batch| batch.changes).collect())
    }
}

/// Tells whether a later change of a named object goes on from where an earlier one ended, or is in what that one made.
fn needs(later: &Change, earlier: &Change) -> bool {
    match (&later.object, &earlier.object) {
        (Object::Member(set, _), Object::Set(made)) => set == made && earlier.makes() && later.after.is_some(),
        (Object::SetPair(one, other), Object::Set(made)) => earlier.makes() && [one, other].contains(&made),
        (same, object) => same == object && later.before.is_some() && later.before == earlier.after,
    }
}

/// Tells whether a later change builds on a run: takes its rules out, or renames, uses or fills a chain that it made.
fn stands_on(later: &Change, run: &RunId, earlier: &[Change]) -> bool {
    if let Some(State::Rule(rule, _)) = &later.before
        && rule.tag.as_ref().is_some_and(|tag| tag.run == *run)
    {
        return true;
    }
    if later.object.is_named() {
        return !later.is_claim() && earlier.iter().any(|change| !change.is_claim() && needs(later, change));
    }
    if let Some(State::Rule(rule, _)) = &later.after
        && earlier.iter().any(|change| matches!(&change.object, Object::Set(set) if change.makes() && rule.words.names_set(set.as_str())))
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
    earlier.iter().filter(|change| change.before.is_none()).any(|change| match &change.object {
        Object::Chain(made) if (made.family, made.table) == (at.family, at.table) => {
            made.chain == *former || target.as_deref() == Some(made.chain.as_str())
        }
        _ => false,
    })
}
