//! Changes of tables of rules, from the queue to the kernel.

use std::collections::BTreeSet;

use super::overlay::Overlay;
use super::{Query, Reading, Transaction, company, guard};
use crate::kernel::Kernel;
use crate::kernel::xtables::{Backend, Refusal};
use crate::model::iptables::{ChainRef, Edit, Intent, walk};
use crate::model::{Change, Family, Fault, Inventory, Kind, Object, Origin};

impl Transaction {
    /// Tells the kernel, once, which tags count.
    pub(super) fn get_ready(&mut self) -> Result<(), Fault> {
        if !self.ready {
            let tables = self.kernel.xtables()?;
            tables.know(&self.ledger.known()?);
            let backend = tables.backend().map_or("", Backend::name);
            self.ledger.uses(backend)?;
            self.ready = true;
        }
        Ok(())
    }

    /// Reads tables and chains.
    pub(super) fn read_rules(&mut self, query: Query) -> Result<Reading, Fault> {
        self.get_ready()?;
        if let Query::Counted(_) = query {
            self.flush()?;
        }
        match query {
            Query::Chain(at) | Query::Counted(at) => {
                self.overlay.make_ready(&at, self.kernel.xtables()?)?;
                Ok(Reading::Chain(self.overlay.ruleset(at.family, self.kernel.xtables()?)?.get(at.table, &at.chain)?.clone()))
            }
            Query::Find(at, words) => {
                self.overlay.make_ready(&at, self.kernel.xtables()?)?;
                let words = self.overlay.canonical_of(&at, &words, self.kernel.xtables()?)?;
                let chain = self.overlay.ruleset(at.family, self.kernel.xtables()?)?.get(at.table, &at.chain)?;
                let found = chain.rules.iter().position(|entry| entry.rule.words == words);
                Ok(Reading::Place(found.map(|index| (index + 1, chain.rules[index].rule.clone()))))
            }
            Query::Chains(family, table) => {
                let set = self.overlay.ruleset(family, self.kernel.xtables()?)?;
                Ok(Reading::Chains(set.table(table).into_iter().flat_map(|table| table.chains.keys().cloned()).collect()))
            }
            other => Err(Fault::new(Kind::System, "read the tables", format!("{other:?} is not about them"))),
        }
    }

    /// Queues a change of rules.
    pub(super) fn change_rules(&mut self, intent: Intent, origin: Origin) -> Result<(), Fault> {
        self.get_ready()?;
        if let Edit::EnsureChain(chain) = &intent.edit {
            self.own(&ChainRef::new(intent.family, intent.table, chain.clone()))?;
        }
        self.overlay.queue(intent, origin, self.kernel.xtables()?)
    }

    fn own(&mut self, at: &ChainRef) -> Result<(), Fault> {
        match self.overlay.is_in_kernel(at, self.kernel.xtables()?)? {
            true => self.ledger.own(&Object::Chain(at.clone())),
            false => Ok(()),
        }
    }

    /// Writes what is queued of rules; or gives what is in the way, if that may pass.
    pub(super) fn write_rules(&mut self) -> Result<Option<Fault>, Fault> {
        // The guard reads rules as the kernel lists them.
        let guarded = self.guard.wake();
        if !guarded && self.kernel.xtables()?.judges() {
            self.overlay.settle(self.kernel.xtables()?)?;
        } else {
            self.overlay.vet(self.kernel.xtables()?)?;
        }
        let Self { kernel, overlay, ledger, guard, .. } = self;
        kernel.xtables()?.know(&ledger.known()?);
        let others = ledger.others()?;
        let (families, batch) = (overlay.families(), ledger.next_batch());
        let sets = if guarded { sets_asked(overlay, &families, kernel.as_mut())? } else { Inventory::new() };
        let (mut changes, mut passes) = (Vec::new(), false);
        let outcome = kernel.xtables()?.update(&families, &mut |present| {
            let (patches, mut found) = overlay.patches(present)?;
            found.iter_mut().for_each(|change| change.netns = ledger.label());
            if let Some(met) = company::in_the_way(&others, &found) {
                passes = met.passes;
                return Err(met.fault);
            }
            guard.rules(present, &patches, &found, &sets)?;
            // A plan that is made anew takes the place of the one before, also if nothing is left to do.
            if !found.is_empty() || ledger.next_batch() > batch {
                ledger.intend(batch, &found)?;
            }
            changes = found;
            Ok(patches)
        });
        let intended = self.ledger.next_batch() > batch;
        match outcome {
            Ok(()) if intended => {
                self.changes.append(&mut changes);
                let left = self.kernel.xtables()?.left();
                self.ledger.done(batch, left).map(|()| None)
            }
            Ok(()) => Ok(None),
            Err(refusal) if passes && !intended => Ok(Some(refusal.fault)),
            Err(refusal) => {
                // One table may have taken its part before another refused: a refused batch leaves nothing behind.
                let lifted = if intended { self.lift_batch(batch, &|change| may_be_done(change, &refusal)) } else { Ok(()) };
                let fault = self.located(refusal);
                Err(fault.followed_by(lifted.err()))
            }
        }
    }

    fn located(&self, refusal: Refusal) -> Fault {
        match refusal.entry.and_then(|(_, id)| self.overlay.origin_of(id)) {
            Some(origin) => refusal.fault.at(origin),
            None => refusal.fault,
        }
    }
}

/// Reads the sets that the rules ask, those that are queued among them.
fn sets_asked(overlay: &mut Overlay, families: &[Family], kernel: &mut dyn Kernel) -> Result<Inventory, Fault> {
    let mut asked = BTreeSet::new();
    for family in families {
        asked.append(&mut walk::sets(overlay.ruleset(*family, kernel.xtables()?)?));
    }
    Ok(guard::sets(kernel, asked, &[]))
}

/// Tells whether a refused change may have been made all the same: in the tables that were written, as far as that is known. In the others a
/// chain of a name that the batch wanted is somebody else's.
fn may_be_done(change: &Change, refusal: &Refusal) -> bool {
    refusal.written.as_ref().is_none_or(|written| change.object.table().is_some_and(|table| written.contains(&table)))
}
