//! Putting back what one batch of changes did, where the present is still what the batch left.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::named::inventory;
use super::record::Batch;
use crate::kernel::Kernel;
use crate::kernel::xtables::{Ask, Verdict, Xtables};
use crate::model::iptables::{ChainRef, Judge, Leader, Patch, Revert, Rule, Ruleset, Table, Tag, Words};
use crate::model::{Change, Drift, Family, Fault, Kind, Object, Place, State, named};

/// What came of putting a batch back.
#[derive(Debug, Default)]
pub(super) struct Reverted {
    /// What was changed for it.
    pub(super) made: Vec<Change>,
    /// What was not as the batch left it.
    pub(super) drift: Vec<Drift>,
}

/// What is to be put back, and how.
pub(super) struct Job<'a> {
    /// The changes of the batch.
    pub(super) changes: &'a [Change],
    /// The changes of the run that the batch lifted, where it is a lifting that is put back: they know the words and places of its rules.
    pub(super) origin: &'a [Change],
    /// Built-in chains and tables that other runs made nf_tables register: they are let go of where nothing is in them any more.
    pub(super) empty: &'a [Change],
    /// Whether what somebody else changed since is put back, too.
    pub(super) force: bool,
    /// Whether some of it may have been put back already.
    pub(super) again: bool,
    /// Whether nobody has changed anything since: then rules need not be worded in order to be compared.
    pub(super) untouched: bool,
    /// The network namespace in which this is done, where that is not home.
    pub(super) netns: Option<Arc<str>>,
    /// Whether that namespace goes for good: the kernel takes away what is in it.
    pub(super) is_doomed: bool,
}

impl<'a> Job<'a> {
    /// Makes a job of changes that somebody else may have changed since.
    pub(super) fn of(changes: &'a [Change]) -> Self {
        Self { changes, origin: &[], empty: &[], force: false, again: false, untouched: false, netns: None, is_doomed: false }
    }

    /// Tells whether it is about objects that are known by a name of their own.
    pub(super) fn is_named(&self) -> bool {
        self.changes.iter().all(|change| change.object.is_named())
    }
}

/// Tells whether nobody has changed the tables since a batch.
pub(super) fn is_untouched(kernel: &mut dyn Kernel, batch: &Batch) -> Result<bool, Fault> {
    Ok(batch.left.is_some() && kernel.xtables()?.generation()? == batch.left)
}

/// What is known of rules of which the words were not those of a listing when they were put in.
#[derive(Default)]
struct Faith {
    force: bool,
    canonical: HashMap<Words, Option<Words>>,
    unsure: Vec<Ask>,
}

impl Judge for Faith {
    fn same(&mut self, at: &ChainRef, put_in: &Rule, present: &Rule) -> bool {
        if self.force || present.words.is_opaque() || present.words == put_in.words || present.words == put_in.words.with_protocol_match() {
            return true;
        }
        match self.canonical.get(&put_in.words) {
            Some(Some(words)) => *words == present.words,
            // What the oracle cannot word is not held against the rule: its tag is there.
            Some(None) => true,
            None => {
                self.unsure.push(Ask { chain: at.clone(), words: put_in.words.clone() });
                true
            }
        }
    }

    fn overrides(&self) -> bool {
        self.force
    }
}

impl Faith {
    /// Asks the oracle for what nobody knew.
    fn ask(&mut self, kernel: &mut dyn Xtables, chains: &[ChainRef]) -> Result<(), Fault> {
        let asks = std::mem::take(&mut self.unsure);
        let verdicts = kernel.canonical(&asks, chains)?;
        self.canonical.extend(asks.into_iter().zip(verdicts).map(|(ask, verdict)| match verdict {
            Verdict::Canonical(words) => (ask.words, Some(words)),
            Verdict::Refused(_) | Verdict::Unknown(_) => (ask.words, None),
        }));
        Ok(())
    }
}

/// Puts a batch back; `journal` is told what is going to be changed, before it is.
pub(super) fn revert(
    kernel: &mut dyn Kernel,
    job: &Job<'_>,
    journal: &mut dyn FnMut(&[Change]) -> Result<(), Fault>,
) -> Result<Reverted, Fault> {
    if !job.is_named() {
        return revert_rules(kernel.xtables()?, job, journal);
    }
    let present = inventory(job.changes.iter().map(|change| change.object.clone()), kernel.named())?;
    let find = if job.again { named::revert_again } else { named::revert };
    let (mut made, drift) = find(&present, job.changes, job.force);
    made.iter_mut().for_each(|change| change.netns.clone_from(&job.netns));
    journal(&made)?;
    if !job.is_doomed {
        kernel.named().write(&made).map_err(|refusal| refusal.fault)?;
        kernel.echo(&made);
    }
    Ok(Reverted { made, drift })
}

fn revert_rules(
    kernel: &mut dyn Xtables,
    job: &Job<'_>,
    journal: &mut dyn FnMut(&[Change]) -> Result<(), Fault>,
) -> Result<Reverted, Fault> {
    let tables = tables_of(job.changes.iter());
    // Where rules are put back, their neighbours have to be read all the same.
    let put_back = job.changes.iter().filter(|change| matches!(change.before, Some(State::Rule(..))));
    let worded = if job.untouched { tables_of(put_back) } else { tables.clone() };
    let mut faith = Faith { force: job.force, ..Faith::default() };
    loop {
        let (mut done, mut chains) = (Reverted::default(), Vec::new());
        let outcome = kernel.lift(&tables, &worded, &mut |present: &[Ruleset]| {
            let (found, patches) = find(present, job, &mut faith);
            if !faith.unsure.is_empty() {
                chains = present.iter().flat_map(Ruleset::user_chains).collect();
                return Err(Fault::new(Kind::Unknown, "compare the rules", "the oracle is to be asked"));
            }
            done = found;
            journal(&done.made)?;
            Ok(patches)
        });
        match outcome {
            Ok(()) => return Ok(done),
            Err(_) if !faith.unsure.is_empty() => faith.ask(kernel, &chains)?,
            Err(refusal) => return Err(refusal.fault),
        }
    }
}

/// Looks what is not as these batches left it, one after the other as if each were put back, and changes nothing. Gives the drift of each.
pub(super) fn look(kernel: &mut dyn Kernel, batches: &[&[Change]]) -> Result<Vec<Vec<Drift>>, Fault> {
    let mut named = inventory(batches.iter().copied().flatten().map(|change| change.object.clone()), kernel.named())?;
    named.values_mut().for_each(State::unburden);
    let families: BTreeSet<Family> = tables_of(batches.iter().copied().flatten()).into_iter().map(|(family, _)| family).collect();
    let mut present = Vec::new();
    for family in families {
        present.push(kernel.xtables()?.read(family)?);
    }
    let chains: Vec<ChainRef> = present.iter().flat_map(Ruleset::user_chains).collect();
    let mut faith = Faith::default();
    loop {
        let (mut sets, mut named) = (present.clone(), named.clone());
        let mut drift = |changes: &&[Change]| {
            let (back, mut drift) = named::revert(&named, &by_name(changes), false);
            named::apply(&mut named, &back);
            drift.extend(sets.iter_mut().flat_map(|set| Revert::batch(set, changes, &mut faith).drift));
            drift
        };
        let found = batches.iter().map(&mut drift).collect();
        if faith.unsure.is_empty() {
            return Ok(found);
        }
        faith.ask(kernel.xtables()?, &chains)?;
    }
}

fn by_name(changes: &[Change]) -> Vec<Change> {
    changes.iter().filter(|change| change.object.is_named()).cloned().collect()
}

fn find(present: &[Ruleset], job: &Job<'_>, faith: &mut Faith) -> (Reverted, Vec<Patch>) {
    let origin = Origins::new(job.changes.iter().chain(job.origin));
    let mut done = Reverted::default();
    let mut patches = Vec::new();
    for set in present {
        let mut wanted = set.clone();
        let found = Revert::batch(&mut wanted, job.changes, faith);
        Revert::batch(&mut wanted, job.empty, faith);
        let patch = Patch::between(set, &wanted, &found.renamed);
        let made = patch.changes(set).into_iter().map(|(change, _)| change);
        done.made.extend(origin.complete(made.collect()));
        done.drift.extend(found.drift);
        patches.push(patch);
    }
    done.made.iter_mut().for_each(|change| change.netns.clone_from(&job.netns));
    (done, patches)
}

/// The words and the places with which rules of ours were put in, by their tags: a redo puts them in again with the same.
struct Origins<'a>(HashMap<&'a Tag, (&'a Words, &'a Place)>);

impl<'a> Origins<'a> {
    fn new(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut leader = Leader::default();
        let mut known = HashMap::new();
        for change in changes {
            if let (Object::Rule(at), Some(State::Rule(rule, place))) = (&change.object, &change.after) {
                let place = leader.of(at, place);
                if let Some(tag) = &rule.tag {
                    known.entry(tag).or_insert((&rule.words, place));
                }
            }
        }
        Self(known)
    }

    /// Gives rules of ours that are taken out the words and the neighbours with which they were put in.
    fn complete(&self, mut changes: Vec<Change>) -> Vec<Change> {
        let mut last: Option<(ChainRef, &Place)> = None;
        for change in &mut changes {
            let (Object::Rule(at), Some(State::Rule(rule, place)), None) = (&change.object, &mut change.before, &change.after) else {
                continue;
            };
            let Some((words, origin)) = rule.tag.as_ref().and_then(|tag| self.0.get(tag)) else {
                last = None;
                continue;
            };
            if rule.words.is_opaque() {
                rule.words = (*words).clone();
            }
            let follows = last.as_ref().is_some_and(|(chain, leader)| chain == at && std::ptr::eq(*leader, *origin));
            **place = match follows {
                true => Place { number: place.number, follows, ..Place::default() },
                false => Place { number: place.number, follows, ..(*origin).clone() },
            };
            last = Some((at.clone(), origin));
        }
        changes
    }
}

/// Gives the tables that changes are about, each once.
fn tables_of<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<(Family, Table)> {
    let tables: BTreeSet<(Family, Table)> = changes.filter_map(|change| change.object.table()).collect();
    tables.into_iter().collect()
}
