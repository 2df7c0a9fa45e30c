//! States that several runs rely on: whoever is lifted last puts them back.
//!
//! A run that finds a kernel parameter as it wants it, because another run has set it so, notes a claim. When the other one is lifted first, the
//! state stays, and the claim becomes the change: it now knows what was before.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::journal::Journal;
use super::record::{Batch, Context, RunRecord, RunState};
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
    let machine = claims.iter().any(|claim| claim.object.is_of_the_machine());
    for Holder { run, batches } in holders(journal, own, &context.boot, [context.namespace], machine)? {
        let of = if run.context.owner == context.owner { &mut mine } else { &mut set };
        let here = batches.into_iter().filter(|batch| batch.is_seen_in(context.namespace));
        of.extend(here.flat_map(|batch| batch.changes));
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

/// A run whose changes are in force.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) run: RunRecord,
    pub(super) batches: Vec<Batch>,
}

/// Reads the other runs whose changes are in force in some namespaces, and on the machine where that is asked; those first that were set first.
fn holders(
    journal: &Journal,
    own: &RunId,
    boot: &str,
    namespaces: impl IntoIterator<Item = u64>,
    machine: bool,
) -> Result<Vec<Holder>, Fault> {
    let mut runs: Vec<RunRecord> = Vec::new();
    for namespace in namespaces {
        runs.append(&mut journal.in_force(boot, namespace)?);
    }
    if machine {
        runs.append(&mut journal.in_force_on_the_machine(boot)?);
    }
    let mut found: Vec<Holder> = Vec::new();
    for run in runs {
        if run.id != *own && !found.iter().any(|other| other.run.id == run.id) {
            found.push(Holder { batches: journal.standing(&run.id)?, run });
        }
    }
    Ok(found)
}

/// What is in force beside a run that is being lifted. It is read once, when something is to be lifted that others may rely on: nobody else
/// writes here meanwhile.
pub(super) struct Company<'a> {
    own: &'a Holder,
    others: Option<Vec<Holder>>,
}

impl<'a> Company<'a> {
    pub(super) fn new(own: &'a Holder) -> Self {
        Self { own, others: None }
    }

    /// Splits what a batch of the run did into what is to be put back, and what others have claims on.
    pub(super) fn split<'b>(&mut self, journal: &Journal, batch: &'b Batch) -> Result<(Cow<'b, [Change]>, Vec<Inheritance>), Fault> {
        if !is_shared(batch) {
            return Ok((Cow::Borrowed(&batch.changes), Vec::new()));
        }
        let others = match &mut self.others {
            Some(others) => others,
            unread => {
                let namespaces: BTreeSet<u64> = self.own.batches.iter().map(|batch| batch.site.namespace).collect();
                let machine = self.own.batches.iter().any(Batch::is_of_the_machine);
                unread.insert(holders(journal, &self.own.run.id, &self.own.run.context.boot, namespaces, machine)?)
            }
        };
        Ok(split(self.own, batch, others))
    }

    /// Lets the others have what they have taken over.
    pub(super) fn take_over(&mut self, inherited: &[Inheritance]) {
        take_over(self.others.as_deref_mut().unwrap_or_default(), inherited);
    }
}

/// Gives the changes of a run batch by batch, the latest first, without what stays when it is lifted; the others take that over.
pub(super) fn lifted(own: &Holder, others: &mut [Holder]) -> Vec<Vec<Change>> {
    let batch = |batch: &Batch| {
        if !is_shared(batch) {
            return batch.changes.clone();
        }
        let (mine, inherited) = split(own, batch, others);
        take_over(others, &inherited);
        mine.into_owned()
    };
    own.batches.iter().rev().map(batch).collect()
}

fn is_shared(batch: &Batch) -> bool {
    batch.changes.iter().any(|change| change.object.is_shared())
}

fn take_over(others: &mut [Holder], inherited: &[Inheritance]) {
    for Inheritance { heir, batch, .. } in inherited {
        let heir = others.iter_mut().filter(|other| other.run.id == *heir).flat_map(|other| &mut other.batches);
        heir.filter(|theirs| theirs.number == batch.number).for_each(|theirs| theirs.clone_from(batch));
    }
}

fn split<'a>(own: &Holder, batch: &'a Batch, others: &[Holder]) -> (Cow<'a, [Change]>, Vec<Inheritance>) {
    let (mut mine, mut inherited) = (Cow::Borrowed(&batch.changes[..]), Vec::new());
    // What the run itself had changed before is put back from there, and others rely on what was there then.
    let is_here = |other: &&Batch| batch.meets(other);
    let earlier = own.batches.iter().filter(is_here).filter(|earlier| earlier.number < batch.number).flat_map(|earlier| &earlier.changes);
    let own: HashSet<&Object> = earlier.filter(|change| !change.is_claim()).map(|change| &change.object).collect();
    // What a stuck run still has in its journal may be lifted already: it is nobody's heir.
    for other in others.iter().filter(|other| other.run.state != RunState::Stuck) {
        let standing: Vec<&Batch> = other.batches.iter().filter(is_here).collect();
        for (at, theirs) in standing.iter().enumerate() {
            // What it has changed again since is not what it wants.
            let since: HashSet<&Object> = standing[at + 1..].iter().flat_map(|batch| &batch.changes).map(|change| &change.object).collect();
            let last = theirs.changes.iter().filter(|change| !since.contains(&change.object));
            let wanted: HashMap<&Object, &Change> = last.map(|other| (&other.object, other)).collect();
            let wants = |other: &Change, change: &Change| {
                agree(other.after.as_ref(), change.after.as_ref()) && (other.is_claim() || other.before == change.before)
            };
            let claimed = |change: &Change| {
                let may_be = change.object.is_shared() && !change.is_claim() && !own.contains(&change.object);
                wanted.get(&change.object).filter(|_| may_be).is_some_and(|other| wants(other, change))
            };
            let leads: Vec<Change> = mine.iter().filter(|change| claimed(change)).cloned().collect();
            if leads.is_empty() {
                continue;
            }
            let leaders: Vec<&Change> = leads.iter().filter(|lead| lead.object.leads()).collect();
            let is_taken = |change: &Change| claimed(change) || leaders.iter().any(|lead| follows(change, lead));
            let (taken, rest): (Vec<Change>, Vec<Change>) = mine.into_owned().into_iter().partition(is_taken);
            mine = Cow::Owned(rest);
            let objects: HashSet<&Object> = taken.iter().map(|change| &change.object).collect();
            let mut theirs = (*theirs).clone();
            theirs.changes.retain(|change| !objects.contains(&change.object));
            theirs.changes.extend(taken.iter().cloned());
            let leads = leads.into_iter().map(|lead| lead.object).collect();
            inherited.push(Inheritance { heir: other.run.id.clone(), batch: theirs, leads });
        }
    }
    (mine, inherited)
}
