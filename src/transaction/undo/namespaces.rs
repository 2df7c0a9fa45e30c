//! Network namespaces that go with the run that has made them, and what in them keeps them from going.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, Work};
use crate::model::named::Scope;
use crate::model::netns::{self, Site};
use crate::model::{Change, Drift, Fault, Object, State, link};
use crate::transaction::claims::{Company, Holder};
use crate::transaction::record::Batch;
use crate::transaction::select::{made, made_here, put_there};

/// The namespaces that go for good with a run: those that it has made, in which nobody is and on which nobody relies. What the run did in them need not
/// be taken away piece by piece.
pub(super) struct Doomed<'a> {
    namespaces: BTreeSet<u64>,
    /// The batches that are lifted when their namespace is gone.
    waiting: Vec<&'a Batch>,
}

impl<'a> Doomed<'a> {
    /// Finds those of a run.
    pub(super) fn new(desk: &mut Desk<'_>, own: &'a Holder, company: &mut Company<'_>) -> Result<Self, Fault> {
        let mut namespaces = BTreeSet::new();
        for batch in own.batches.iter().filter(|batch| made_here(batch).next().is_some()) {
            namespaces.extend(made(&company.split(desk.journal, batch)?.0));
        }
        namespaces.remove(&desk.context.namespace);
        // What is on a link that was put there by another batch is looked at when that one is lifted.
        let far: BTreeSet<u64> = own.batches.iter().flat_map(put_there).map(|far| far.site.namespace).collect();
        namespaces.retain(|cookie| !far.contains(cookie));
        if !namespaces.is_empty() {
            let present = desk.kernel.named().read(&Scope::Netns(netns::Scope::Names))?;
            let of = |cookie: u64| {
                present.values().filter_map(move |state| match state {
                    State::Netns(state) if state.cookie() == Some(cookie) => Some(state),
                    _ => None,
                })
            };
            namespaces.retain(|cookie| of(*cookie).count() == 1 && of(*cookie).all(|state| state.held().is_none()));
        }
        Ok(Self { namespaces, waiting: Vec::new() })
    }

    /// Tells whether one of them takes along all that a batch did.
    pub(super) fn takes(&self, batch: &Batch) -> bool {
        let outlives = |change: &Change| change.object.is_of_the_machine() || matches!(change.object, Object::Link(link::Object::Far(_)));
        self.namespaces.contains(&batch.site.namespace) && batch.is_named() && !batch.changes.iter().any(outlives)
    }

    /// Takes note of a batch that is lifted when its namespace is gone.
    pub(super) fn wait(&mut self, batch: &'a Batch) {
        self.waiting.push(batch);
    }

    /// Gives the batches that wait for the namespaces that a batch has made.
    fn released_by(&mut self, batch: &Batch) -> Vec<&'a Batch> {
        self.waiting.extract_if(.., |inside| made_here(batch).any(|namespace| namespace == inside.site.namespace)).collect()
    }
}

impl Desk<'_> {
    /// Puts changes of a batch back, and with the namespaces that go what waits for them; tells whether all of the batch is back.
    pub(super) fn put_back_with_namespaces(
        &mut self,
        batch: &Batch,
        changes: &[Change],
        doomed: &mut Doomed<'_>,
        work: &mut Work,
    ) -> Result<bool, Fault> {
        let inhabited = if self.force { BTreeMap::new() } else { self.inhabited(changes, &doomed.waiting)? };
        let is_back = match inhabited.is_empty() {
            true => self.put_back(batch, changes, &[], false, work)?,
            false => {
                let why = |change: &Change| inhabited.get(&name_of(change)?.namespace);
                let left = changes.iter().filter_map(|change| Some((change.object.clone(), why(change)?.clone())));
                work.report.drift.extend(left.map(|(object, why)| Drift { object, why, left: true }));
                let going: Vec<Change> = changes.iter().filter(|change| why(change).is_none()).cloned().collect();
                self.put_back(batch, &going, &[], false, work)?
            }
        };
        for inside in doomed.released_by(batch) {
            let is_gone = is_back && !inhabited.contains_key(&inside.site.namespace);
            // One that has stayed after all keeps nothing of what the run did in it.
            if is_gone || self.put_back(inside, &inside.changes, &[], false, work)? {
                let run = work.parent.clone();
                work.note(|_| self.journal.lifted(&run, inside.number, &[]))?;
            }
        }
        Ok(is_back && inhabited.is_empty())
    }

    /// Looks into the namespaces that some changes have made: gives those in which a link is that leads out of it, by their cookies, and says which.
    /// Somebody else has put it there, or what the run did to it is not all back; with the namespace its other end would go, too.
    fn inhabited(&mut self, changes: &[Change], waiting: &[&Batch]) -> Result<BTreeMap<u64, String>, Fault> {
        let mut found = BTreeMap::new();
        for site in changes.iter().filter_map(name_of) {
            let links = match self.kernel.go_to(&site)? {
                true => self.kernel.named().read(&Scope::Link(link::Scope::Links)),
                false => Ok(BTreeMap::new()),
            };
            self.kernel.come_back();
            let own = waiting.iter().filter(|batch| batch.site.namespace == site.namespace).flat_map(|batch| &batch.changes);
            let own: BTreeSet<&Object> = own.map(|change| &change.object).collect();
            let links = links?;
            let leads_out = |(object, state): &(&Object, &State)| match (object, state) {
                (Object::Link(link::Object::Link(dev)), State::Link(link::State::Link(link))) => link.leads_out_from(dev),
                _ => false,
            };
            let strange = links.iter().filter(leads_out).find(|(object, _)| !own.contains(object));
            found.extend(strange.map(|(link, _)| (site.namespace, format!("the {link}, which leads out of it, would be gone with it"))));
        }
        Ok(found)
    }
}

/// Gives the namespace of the name that a change has given, if it has given one.
fn name_of(change: &Change) -> Option<Site> {
    match (&change.object, &change.after) {
        (Object::Netns(netns::Object::Name(name)), Some(State::Netns(state))) if change.makes() => Some(Site::named(state.cookie()?, name)),
        _ => None,
    }
}
