//! From a patch to the changes that the journal keeps.

use std::collections::{HashMap, HashSet};

use super::{Chain, ChainName, ChainPatch, ChainRef, Entry, Patch, Ruleset, TablePatch};
use crate::model::change::{Change, Object, Place, State};

impl Patch {
    /// Lists the changes that the patch makes to `present`, with the states that undo them, in chain order.
    ///
    /// `origin` gives the script position of a change by the number of its entry; chains and policies are asked for with their name.
    pub fn changes(&self, present: &Ruleset) -> Vec<(Change, Option<u64>)> {
        // A rename comes first, and the other changes are told in the new names.
        let mut present = std::borrow::Cow::Borrowed(present);
        for (table, from, to) in self.tables.iter().flat_map(|t| t.renamed.iter().map(move |(from, to)| (t.table, from, to))) {
            let _ = present.to_mut().rename_chain(table, from, to);
        }
        self.tables.iter().flat_map(|table| table.changes(&present)).collect()
    }

    /// Does to a ruleset what the patch says: the shadow of what the kernel does.
    pub fn apply(&self, to: &mut Ruleset) {
        for patch in &self.tables {
            for (from, name) in &patch.renamed {
                // A refused rename cannot come from a patch between two rulesets.
                let _ = to.rename_chain(patch.table, from, name);
            }
            let state = to.tables.entry(patch.table).or_default();
            state.registered |= patch.unregistered;
            for name in &patch.new_chains {
                state.chains.entry(name.clone()).or_insert_with(|| Chain { registered: true, ..Chain::default() });
            }
            for name in &patch.unregistered_chains {
                state.chains.entry(name.clone()).or_default().registered = true;
            }
            for (name, _, policy) in &patch.policies {
                state.chains.entry(name.clone()).or_default().policy = Some(*policy);
            }
            for chain in &patch.chains {
                let rules = &mut state.chains.entry(chain.chain.clone()).or_default().rules;
                for added in &chain.added {
                    rules.insert(added.at.min(rules.len()), Entry { id: added.id, rule: added.rule.clone() });
                }
                let gone: HashSet<u64> = chain.removed.iter().map(|removed| removed.id).collect();
                rules.retain(|entry| !gone.contains(&entry.id));
            }
            for (name, _) in &patch.gone_chains {
                state.chains.remove(name);
            }
            for name in &patch.unused_chains {
                state.chains.entry(name.clone()).or_default().registered = false;
            }
            state.registered &= !patch.unused;
        }
    }
}

impl TablePatch {
    fn changes(&self, present: &Ruleset) -> Vec<(Change, Option<u64>)> {
        let at = |chain: &ChainName| ChainRef::new(present.family, self.table, chain.clone());
        let mut changes = Vec::new();
        let mut push = |object, before, after, id| changes.push((Change::new(object, before, after), id));
        if self.unregistered {
            push(Object::Table(present.family, self.table), None, Some(State::Present), None);
        }
        for chain in &self.unregistered_chains {
            push(Object::BaseChain(at(chain)), None, Some(State::Present), None);
        }
        for (from, to) in &self.renamed {
            push(Object::ChainName(at(to)), Some(State::Name(from.clone())), Some(State::Name(to.clone())), None);
        }
        for chain in &self.new_chains {
            push(Object::Chain(at(chain)), None, Some(State::Present), None);
        }
        for (chain, before, after) in &self.policies {
            push(Object::Policy(at(chain)), Some(State::Policy(*before)), Some(State::Policy(*after)), None);
        }
        for chain in &self.chains {
            let rules = present.find(self.table, &chain.chain).map_or(&[][..], |chain| &chain.rules);
            chain.changes(at(&chain.chain), rules, &mut push);
        }
        for (chain, rules) in &self.gone_chains {
            for (number, rule) in rules.iter().enumerate() {
                let place = Place { number: number + 1, follows: number > 0, ..Place::default() };
                push(Object::Rule(at(chain)), Some(State::Rule((**rule).clone(), place.into())), None, None);
            }
            push(Object::Chain(at(chain)), Some(State::Present), None, None);
        }
        changes
    }
}

impl ChainPatch {
    fn changes(&self, at: ChainRef, present: &[Entry], push: &mut impl FnMut(Object, Option<State>, Option<State>, Option<u64>)) {
        // Neighbours that come or go in the same batch go or come in the same undo; the place is told by those that stay.
        let gone: HashSet<u64> = self.removed.iter().map(|removed| removed.id).collect();
        let staying: Vec<(usize, &Entry)> = present.iter().enumerate().filter(|(_, entry)| !gone.contains(&entry.id)).collect();
        let mut gap = Gap { staying: &staying, last: None };
        let mut removed = self.removed.iter().peekable();
        let mut taken = 0;
        for (before, added) in self.added.iter().enumerate() {
            while removed.next_if(|removed| removed.at < added.at).is_some() {
                taken += 1;
            }
            let place = Place { number: added.at + 1, ..gap.place(added.at - before - taken) };
            push(Object::Rule(at.clone()), None, Some(State::Rule((*added.rule).clone(), place.into())), Some(added.id));
        }
        let mut twins: HashMap<u64, usize> = HashMap::new();
        if !self.removed.is_empty() {
            staying.iter().for_each(|(_, entry)| *twins.entry(entry.rule.fingerprint()).or_default() += 1);
        }
        gap.last = None;
        for removed in &self.removed {
            let above = staying.partition_point(|(at, _)| *at < removed.was);
            let twins = twins.get(&removed.rule.fingerprint()).copied().unwrap_or(0);
            let place = Place { number: removed.was + 1, twins, ..gap.place(above) };
            push(Object::Rule(at.clone()), Some(State::Rule((*removed.rule).clone(), place.into())), None, Some(removed.id));
        }
    }
}

/// A place between rules that stay.
struct Gap<'a> {
    staying: &'a [(usize, &'a Entry)],
    last: Option<usize>,
}

impl Gap<'_> {
    /// Tells the neighbours of a rule that has so many staying rules above it; of rules in the same gap, only the first one's.
    fn place(&mut self, above: usize) -> Place {
        if self.last.replace(above) == Some(above) {
            return Place { follows: true, ..Place::default() };
        }
        let (up, down) = self.staying.split_at(above.min(self.staying.len()));
        let print = |(_, entry): &(usize, &Entry)| entry.rule.fingerprint();
        Place {
            above: up.iter().rev().take(Place::NEIGHBOURS).map(print).collect(),
            below: down.iter().take(Place::NEIGHBOURS).map(print).collect(),
            ..Place::default()
        }
    }
}
