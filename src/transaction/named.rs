//! Changes of objects that are known by a name of their own, from the queue to the kernel.

use std::collections::BTreeSet;

use super::{Transaction, company};
use crate::kernel::named::Source;
use crate::model::cgroup::Object as OfCgroups;
use crate::model::named::{Draft, Edit, Scope, Wish};
use crate::model::{Change, Fault, Inventory, Object, Origin, State};

/// What is queued, and what there will be.
#[derive(Default)]
pub(super) struct Queue {
    draft: Draft,
    /// What was read for it.
    read: BTreeSet<Scope>,
    /// What of that the edits are about.
    needed: BTreeSet<Scope>,
    /// The sets and groups that were found in the kernel.
    there: BTreeSet<Object>,
    /// Whether something is queued that makes others go with it: they are not made again in the same batch.
    others_go: bool,
}

impl Queue {
    /// Tells whether a flush would have nothing to do.
    pub(super) fn is_clean(&self) -> bool {
        self.draft.edits().is_empty()
    }

    /// Tells whether what belongs to the machine is queued: then all that is queued does.
    pub(super) fn is_of_the_machine(&self) -> bool {
        self.draft.edits().iter().any(|(edit, _)| edit.object().is_of_the_machine())
    }

    /// Reads objects, with everything that is queued on top.
    pub(super) fn read(&mut self, scope: &Scope, kernel: &mut (impl Source + ?Sized)) -> Result<Inventory, Fault> {
        if self.is_clean() {
            return kernel.read(scope);
        }
        self.load([scope.clone()], kernel)?;
        let covered = self.draft.wanted().iter().filter(|(object, state)| scope.covers(object, Some(state)));
        Ok(covered.map(|(object, state)| (object.clone(), state.clone())).collect())
    }

    /// Reads the state of one object, with everything that is queued on top.
    pub(super) fn state(&mut self, object: &Object, kernel: &mut (impl Source + ?Sized)) -> Result<Option<State>, Fault> {
        if self.is_clean() {
            return Ok(all_of(&object.own_scopes().into_iter().collect(), kernel)?.remove(object));
        }
        self.load(object.own_scopes(), kernel)?;
        Ok(self.draft.wanted().get(object).cloned())
    }

    /// Queues edits, all of them or none. What has to be there is looked for now.
    pub(super) fn add(&mut self, edits: Vec<Edit>, origin: Origin, kernel: &mut (impl Source + ?Sized)) -> Result<(), Fault> {
        let earlier = self.draft.edits().len();
        for edit in edits {
            match self.prepare(&edit, kernel).and_then(|()| self.draft.add(edit, origin.clone())) {
                Ok(touched) => self.others_go |= touched > 1,
                Err(fault) => {
                    self.draft.rewind(earlier);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Reads what an edit is about, and what is lost by it.
    fn prepare(&mut self, edit: &Edit, kernel: &mut (impl Source + ?Sized)) -> Result<(), Fault> {
        self.need(edit.scopes(), kernel)?;
        self.need(edit.scopes_of_what_is_lost(self.draft.wanted()), kernel)
    }

    fn need(&mut self, scopes: Vec<Scope>, kernel: &mut (impl Source + ?Sized)) -> Result<(), Fault> {
        self.load(scopes.iter().cloned(), kernel)?;
        self.needed.extend(scopes);
        Ok(())
    }

    /// Finds the changes that are asked for of what there is now. Where that is what the edits were done to, they are not done again.
    fn wish(&self, present: Inventory) -> Result<Wish, Fault> {
        // What was read besides is not read anew: the edits are done without it.
        if self.read == self.needed && *self.draft.present() == present {
            return self.draft.wish();
        }
        Draft::with(present, self.draft.edits())?.wish()
    }

    /// Tells whether what is queued has to be written before an edit.
    pub(super) fn is_to_be_written_before(&self, edit: &Edit) -> bool {
        self.others_go && edit.may_follow_others_that_went() || edit.needs_a_batch(self.draft.edits(), self.draft.wanted())
    }

    /// Tells whether an object that can hold others is there without what is queued.
    fn was_there(&mut self, object: &Object, kernel: &mut (impl Source + ?Sized)) -> Result<bool, Fault> {
        self.load(object.scopes(), kernel)?;
        Ok(self.there.contains(object))
    }

    fn load(&mut self, scopes: impl IntoIterator<Item = Scope>, kernel: &mut (impl Source + ?Sized)) -> Result<(), Fault> {
        let new: BTreeSet<Scope> = scopes.into_iter().filter(|scope| !self.read.contains(scope)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut found = all_of(&new, kernel)?;
        // What is queued of it already counts.
        let is_known = |object: &Object, state: &State| {
            self.draft.wanted().contains_key(object) || self.read.iter().any(|read| read.covers(object, Some(state)))
        };
        found.retain(|object, state| !is_known(object, state));
        self.there.extend(found.keys().filter(|object| matches!(object, Object::Set(_) | Object::Cgroup(_))).cloned());
        self.draft.learn(found);
        self.read.extend(new);
        Ok(())
    }

    /// Forgets the queue after a flush; the next read asks the kernel.
    pub(super) fn flushed(&mut self) {
        *self = Self::default();
    }
}

/// Reads all that has to be known about some objects.
pub(super) fn inventory(objects: impl Iterator<Item = Object>, kernel: &mut (impl Source + ?Sized)) -> Result<Inventory, Fault> {
    all_of(&objects.flat_map(|object| object.scopes()).collect(), kernel)
}

/// Reads scopes; where there is only one, as it comes.
fn all_of(scopes: &BTreeSet<Scope>, kernel: &mut (impl Source + ?Sized)) -> Result<Inventory, Fault> {
    match scopes.first() {
        Some(scope) if scopes.len() == 1 => kernel.read(scope),
        _ => kernel.read_all(scopes),
    }
}

impl Transaction {
    /// Refuses to take an object of others for one of this recipe's own.
    pub(super) fn own_named(&mut self, edit: &Edit) -> Result<(), Fault> {
        let Edit::Ensure(object @ (Object::Set(_) | Object::Cgroup(OfCgroups::Group(_))), _) = edit else { return Ok(()) };
        if self.named.was_there(object, self.kernel.named())? { self.ledger.own(object) } else { Ok(()) }
    }

    /// Writes what is queued of named objects; or gives what is in the way, if that may pass.
    pub(super) fn write_named(&mut self) -> Result<Option<Fault>, Fault> {
        let Self { kernel, named, ledger, guard, .. } = self;
        // The queue has read it, too, but not in this turn: others may have written since. Only what is read here counts for the journal.
        let mut present = all_of(&named.needed, kernel.named())?;
        ledger.recall(&mut present)?;
        let wish = named.wish(present)?;
        let mut changes = wish.changes;
        changes.extend(ledger.relied_on(wish.claims)?);
        changes.iter_mut().for_each(|change| change.netns = ledger.label());
        if let Some(met) = company::in_the_way(&ledger.others()?, &changes) {
            return if met.passes { Ok(Some(met.fault)) } else { Err(met.fault) };
        }
        guard.wake();
        guard.named(kernel.as_mut(), &changes)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let batch = ledger.next_batch();
        ledger.intend(batch, &changes)?;
        match kernel.named().write(&changes) {
            Ok(()) => {
                kernel.echo(&changes);
                self.changes.append(&mut changes);
                self.ledger.done(batch, None).map(|()| None)
            }
            Err(refusal) => {
                let lifted = self.lift_batch(batch, &|_| true).err();
                let origin = changes.get(refusal.at).and_then(|change: &Change| change.origin.clone());
                Err(origin.into_iter().fold(refusal.fault, Fault::at).followed_by(lifted))
            }
        }
    }
}
