//! States that several runs rely on: whoever is lifted last puts them back.
//!
//! A run that finds a kernel parameter as it wants it, because another run has set it so, notes a claim. When the other one is lifted first, the
//! state stays, and the claim becomes the change: it now knows what was before.

use std::collections::{HashMap, HashSet};

use super::journal::Journal;
use super::record::{Batch, Context, RunKind, RunRecord, RunState};
use crate::model::iptables::RunId;
use crate::model::named::{agree, follows};
use crate::model::{Change, Fault, Object, State};

/// What another run takes over of a batch.
pub(super) struct Inheritance {
    /// The run that takes it over.
    pub(super) heir: RunId,
    /// The batch of that run, with what it takes over.
    pub(super) batch: Batch,
    /// What both have asked for; what follows it is taken over with it.
    leads: Vec<Object>,
}

impl Inheritance {
    /// Says to a user what stays, and why.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.leads.iter().map(|object| format!("the {object} stays: run {} relies on it, and lifts it with the rest", self.heir))
    }
}

/// Gives those of the claims on which another recipe stands: without it the state is nobody's work.
pub(super) fn relied_on(journal: &Journal, own: &RunId, context: &Context, claims: Vec<Change>) -> Result<Vec<Change>, Fault> {
    if claims.is_empty() {
        return Ok(claims);
    }
    let (mut set, mut mine): (Vec<Change>, Vec<Change>) = (Vec::new(), Vec::new());
    for run in open(journal, own, context)? {
        let of = if run.context.owner == context.owner { &mut mine } else { &mut set };
        of.extend(journal.standing_at(&run.id, context.namespace)?.into_iter().flat_map(|batch| batch.changes));
    }
    // An earlier run of the same instance relies on it already.
    let known: HashSet<&Object> = mine.iter().map(|change| &change.object).collect();
    let mut states: HashMap<&Object, Vec<Option<&State>>> = HashMap::new();
    set.iter().for_each(|change| states.entry(&change.object).or_default().push(change.after.as_ref()));
    let is_set = |claim: &Change| {
        let states = states.get(&claim.object).filter(|_| !known.contains(&claim.object));
        states.is_some_and(|states| states.iter().any(|state| agree(*state, claim.after.as_ref())))
    };
    Ok(claims.into_iter().filter(is_set).collect())
}

/// Splits what a batch did into what is to be put back, and what others have claims on.
pub(super) fn split(journal: &Journal, run: &RunRecord, batch: &Batch) -> Result<(Vec<Change>, Vec<Inheritance>), Fault> {
    let (mut mine, mut inherited) = (batch.changes.clone(), Vec::new());
    if !mine.iter().any(|change| change.object.is_shared()) {
        return Ok((mine, inherited));
    }
    // What a stuck run still has in its journal may be lifted already: it is nobody's heir.
    let here = run.context.at(batch.site.namespace);
    for other in open(journal, &run.id, &here)?.filter(|other| other.state != RunState::Stuck) {
        let standing = journal.standing_at(&other.id, here.namespace)?;
        for (at, mut theirs) in standing.iter().cloned().enumerate() {
            // What it has changed again since is not what it wants.
            let since: HashSet<&Object> = standing[at + 1..].iter().flat_map(|batch| &batch.changes).map(|change| &change.object).collect();
            let last = theirs.changes.iter().filter(|change| !since.contains(&change.object));
            let wanted: HashMap<&Object, &Change> = last.map(|other| (&other.object, other)).collect();
            let wants = |other: &Change, change: &Change| {
                agree(other.after.as_ref(), change.after.as_ref()) && (other.is_claim() || other.before == change.before)
            };
            let claimed = |change: &Change| {
                let other = wanted.get(&change.object).filter(|_| change.object.is_shared() && !change.is_claim());
                other.is_some_and(|other| wants(other, change))
            };
            let leads: Vec<Change> = mine.iter().filter(|change| claimed(change)).cloned().collect();
            if leads.is_empty() {
                continue;
            }
            let leaders: Vec<&Change> = leads.iter().filter(|lead| lead.object.leads()).collect();
            let is_taken = |change: &Change| claimed(change) || leaders.iter().any(|lead| follows(change, lead));
            let (taken, rest) = mine.into_iter().partition(is_taken);
            mine = rest;
            let taken: Vec<Change> = taken;
            let objects: HashSet<&Object> = taken.iter().map(|change| &change.object).collect();
            theirs.changes.retain(|change| !objects.contains(&change.object));
            theirs.changes.extend(taken.iter().cloned());
            inherited.push(Inheritance {
                heir: other.id.clone(),
                batch: theirs,
                leads: leads.into_iter().map(|lead| lead.object).collect(),
            });
        }
    }
    Ok((mine, inherited))
}

/// Gives the other runs of the same place whose changes are in force, the oldest first.
fn open(journal: &Journal, own: &RunId, context: &Context) -> Result<impl Iterator<Item = RunRecord>, Fault> {
    let own = own.clone();
    let runs = journal.runs(&context.boot, context.namespace)?;
    Ok(runs.into_iter().filter(move |other| other.id != own && other.kind == RunKind::Run && other.state.is_open()))
}
