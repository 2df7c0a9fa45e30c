//! The difference between two rulesets of one family, by identity: what to add and where, and what to take out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Chain, ChainName, Policy, Rule, Ruleset, Table, TableState};
use crate::model::Family;

/// A rule to put in.
///
/// Places are counted in the *merged* chain, which holds the rules to be taken out as well as those to be put in. So all additions can be made
/// first, in order, and the removals after them: the chain is never without both the old and the new rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The place in the merged chain, from 0, once all additions before it are made.
    pub at: usize,
    /// Whether nothing follows it in the merged chain, so that it can be appended.
    pub last: bool,
    /// The number of the entry in the wanted ruleset.
    pub id: u64,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// A rule to take out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The place in the present chain, from 0.
    pub was: usize,
    /// The place in the merged chain, from 0, once all additions are made.
    pub at: usize,
    /// The rule.
    pub rule: Arc<Rule>,
    /// The number of the entry in the present ruleset.
    pub id: u64,
}

/// What changes in the rules of one chain, which is there before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPatch {
    /// The chain, by its new name.
    pub chain: ChainName,
    /// The rules to put in, in order.
    pub added: Vec<Added>,
    /// The rules to take out, in order.
    pub removed: Vec<Removed>,
}

/// What changes in one table. The parts are to be done in the order in which they stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePatch {
    /// The table.
    pub table: Table,
    /// Whether the kernel does not have the table yet.
    pub unregistered: bool,
    /// Built-in chains that the patch touches and that the kernel does not have yet.
    pub unregistered_chains: Vec<ChainName>,
    /// Chains that get another name: from, to.
    pub renamed: Vec<(ChainName, ChainName)>,
    /// User-defined chains to make.
    pub new_chains: Vec<ChainName>,
    /// Policies to set: chain, before, after.
    pub policies: Vec<(ChainName, Policy, Policy)>,
    /// Rules to put in and to take out.
    pub chains: Vec<ChainPatch>,
    /// User-defined chains to empty and to take away, with their rules.
    pub gone_chains: Vec<(ChainName, Vec<Arc<Rule>>)>,
    /// Empty built-in chains that the kernel need not keep (nf_tables only).
    pub unused_chains: Vec<ChainName>,
    /// Whether the kernel need not keep the table (nf_tables only).
    pub unused: bool,
}

/// What changes in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The family.
    pub family: Family,
    /// The tables with changes.
    pub tables: Vec<TablePatch>,
}

impl Patch {
    /// Tells whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Finds what turns one ruleset into another. Entries are the same when their numbers are; chains when their names are, after
    /// `renamed` (table, from, to) is taken into account.
    pub fn between(present: &Ruleset, wanted: &Ruleset, renamed: &[(Table, ChainName, ChainName)]) -> Self {
        let empty = TableState::default();
        let tables = wanted.tables.iter().filter_map(|(table, after)| {
            let before = present.tables.get(table).unwrap_or(&empty);
            let renamed = renamed.iter().filter(|(of, from, to)| of == table && from != to && before.chains.contains_key(from));
            TablePatch::between(*table, before, after, renamed.map(|(_, from, to)| (from.clone(), to.clone())).collect())
        });
        Self { family: wanted.family, tables: tables.collect() }
    }
}

impl TablePatch {
    fn between(table: Table, before: &TableState, after: &TableState, renamed: Vec<(ChainName, ChainName)>) -> Option<Self> {
        let new_names: BTreeMap<&ChainName, &ChainName> = renamed.iter().map(|(from, to)| (from, to)).collect();
        let old: BTreeMap<&ChainName, &Chain> =
            before.chains.iter().map(|(name, chain)| (*new_names.get(name).unwrap_or(&name), chain)).collect();
        let fresh = Chain::default();
        let mut patch = Self {
            table,
            unregistered: false,
            unregistered_chains: Vec::new(),
            renamed: renamed.clone(),
            new_chains: Vec::new(),
            policies: Vec::new(),
            chains: Vec::new(),
            gone_chains: Vec::new(),
            unused_chains: Vec::new(),
            unused: before.registered && !after.registered,
        };
        for (name, chain) in &after.chains {
            let was = old.get(name).copied().unwrap_or(&fresh);
            let rules = ChainPatch::between(name, was, chain);
            let policy = was.policy.zip(chain.policy).filter(|(was, is)| was != is);
            if !old.contains_key(name) {
                patch.new_chains.push(name.clone());
            } else if chain.policy.is_some() && !was.registered && (rules.is_some() || policy.is_some()) {
                patch.unregistered_chains.push(name.clone());
            } else if chain.policy.is_some() && was.registered && !chain.registered {
                patch.unused_chains.push(name.clone());
            }
            patch.policies.extend(policy.map(|(was, is)| (name.clone(), was, is)));
            patch.chains.extend(rules);
        }
        let gone = old.iter().filter(|(name, _)| !after.chains.contains_key(**name));
        patch.gone_chains = gone.map(|(name, chain)| ((*name).clone(), chain.rules.iter().map(|e| e.rule.clone()).collect())).collect();
        let adds = !(patch.new_chains.is_empty() && patch.policies.is_empty() && patch.chains.iter().all(|chain| chain.added.is_empty()));
        patch.unregistered = adds && !before.registered;
        (!patch.is_empty()).then_some(patch)
    }

    fn is_empty(&self) -> bool {
        self.renamed.is_empty()
            && self.new_chains.is_empty()
            && self.policies.is_empty()
            && self.chains.is_empty()
            && self.gone_chains.is_empty()
            && self.unused_chains.is_empty()
            && !self.unused
    }
}

impl ChainPatch {
    /// Merges two chains whose common entries stand in the same order.
    fn between(name: &ChainName, before: &Chain, after: &Chain) -> Option<Self> {
        let kept: BTreeSet<u64> = {
            let was: BTreeSet<u64> = before.rules.iter().map(|entry| entry.id).collect();
            after.rules.iter().map(|entry| entry.id).filter(|id| was.contains(id)).collect()
        };
        let mut patch = Self { chain: name.clone(), added: Vec::new(), removed: Vec::new() };
        let (mut merged, mut old) = (0, before.rules.iter().enumerate().peekable());
        let mut remove_until = |stop: Option<u64>, merged: &mut usize, removed: &mut Vec<Removed>| {
            while let Some((was, entry)) = old.next_if(|(_, entry)| Some(entry.id) != stop) {
                removed.push(Removed { was, at: *merged, rule: entry.rule.clone(), id: entry.id });
                *merged += 1;
            }
            if stop.is_some() {
                old.next();
                *merged += 1;
            }
        };
        for entry in &after.rules {
            if kept.contains(&entry.id) {
                remove_until(Some(entry.id), &mut merged, &mut patch.removed);
            } else {
                patch.added.push(Added { at: merged, last: false, id: entry.id, rule: entry.rule.clone() });
                merged += 1;
            }
        }
        remove_until(None, &mut merged, &mut patch.removed);
        // What stands at the very end of the merged chain can be appended; most scripts do nothing else.
        for (back, added) in patch.added.iter_mut().rev().enumerate() {
            added.last = added.at + back + 1 == merged;
        }
        (!patch.added.is_empty() || !patch.removed.is_empty()).then_some(patch)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Words};
    use super::*;

    fn chain(ids: &[u64]) -> Chain {
        let rule = |id: &u64| Entry { id: *id, rule: Arc::new(Rule::new(Words::listed(&format!("-m mark --mark {id}")))) };
        Chain { policy: Some(Policy::Accept), registered: true, rules: ids.iter().map(rule).collect(), ..Chain::default() }
    }

    /// Does what a patch says to a list of numbers, additions first, as the kernel gets it.
    fn apply(before: &[u64], patch: Option<ChainPatch>) -> Vec<u64> {
        let mut list = before.to_vec();
        let Some(patch) = patch else { return list };
        for added in &patch.added {
            assert!(!added.last || added.at == list.len());
            list.insert(added.at, added.id);
        }
        for removed in patch.removed.iter().rev() {
            assert_eq!(list.remove(removed.at), removed.id);
            assert_eq!(before[removed.was], removed.id);
        }
        list
    }

    #[test]
    fn additions_first_and_removals_after_give_the_wanted_chain() {
        let cases: &[(&[u64], &[u64])] = &[
            (&[], &[]),
            (&[], &[10, 11]),
            (&[1, 2, 3], &[]),
            (&[1, 2, 3], &[1, 2, 3, 10, 11]),
            (&[1, 2, 3], &[10, 1, 2, 3]),
            (&[1, 2, 3], &[1, 10, 3]),
            (&[1, 2, 3, 4], &[10, 2, 11, 4, 12]),
            (&[1, 2, 3], &[10, 11, 12]),
        ];
        for (before, after) in cases {
            let patch = ChainPatch::between(&ChainName::listed("INPUT"), &chain(before), &chain(after));
            assert_eq!(apply(before, patch), *after, "{before:?} -> {after:?}");
        }
    }
}
