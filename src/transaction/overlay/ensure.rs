//! `ensure`: rules that are there are taken, the others put next to them, and what earlier runs left is retired.

use std::collections::{HashMap, HashSet};

use super::Overlay;
use crate::kernel::xtables::{Ask, Source, Verdict};
use crate::model::Fault;
use crate::model::iptables::intent::Position;
use crate::model::iptables::{ChainRef, Entry, Tag, Words};

impl Overlay {
    /// Sees to it that a chain has some rules: takes those that are there, puts the others next to them.
    pub(super) fn ensure(&mut self, at: &ChainRef, rules: &[Words], position: Position, by: usize) -> Result<(), Fault> {
        let mut after = 0;
        let mut claimed: HashSet<u64> = HashSet::new();
        for words in rules {
            let canonical = self.canonical(at, words)?;
            let raw = kernel_will_judge(&self.memo, at, words);
            let chain = self.set(at.family)?.get(at.table, &at.chain)?;
            let equal = |entry: &&Entry| entry.rule.words == canonical && !claimed.contains(&entry.id);
            let found = match position {
                Position::Last => chain.rules.iter().find(equal),
                // Before it may stand what is fyke's own: two recipes that both want to be first would push each other away for ever.
                Position::First => chain
                    .rules
                    .iter()
                    .take_while(|entry| entry.rule.tag.is_some() || claimed.contains(&entry.id) || equal(entry))
                    .find(equal),
            };
            let id = match found.map(|entry| entry.id) {
                Some(id) => id,
                None => {
                    let index = self.place_for(at, position, after, &canonical, by)?;
                    self.put(at, index, canonical, raw, by)?
                }
            };
            claimed.insert(id);
            let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
            after = rules.iter().position(|entry| entry.id == id).map_or(rules.len(), |index| index + 1);
            let tag = rules.get(after - 1).and_then(|entry| entry.rule.tag.as_ref()).map(Tag::to_string);
            self.ensured.entry(at.clone()).or_default().extend(tag);
        }
        self.ensured.entry(at.clone()).or_default();
        Ok(())
    }

    /// Finds the index for a rule that `ensure` has to put in, and makes way for it.
    pub(super) fn place_for(&mut self, at: &ChainRef, position: Position, after: usize, words: &Words, by: usize) -> Result<usize, Fault> {
        let (owner, run) = (self.owner.clone(), self.run.clone());
        let out_of_date = |entry: &Entry| entry.rule.tag.as_ref().is_some_and(|tag| tag.owner == owner && tag.run != run);
        if position == Position::First {
            // A rule of ours that somebody has got in front of is moved, not doubled.
            let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
            if let Some(late) = rules.iter().position(|entry| entry.rule.words == *words && out_of_date(entry)) {
                self.take(at, late, by)?;
            }
            return Ok(after);
        }
        if after > 0 {
            return Ok(after);
        }
        // A rule of an earlier run with other values gives its place to its successor.
        let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
        Ok(rules.iter().position(out_of_date).unwrap_or(rules.len()))
    }

    /// Takes out what earlier runs of this instance left in the chains that this run has ensured.
    pub(in crate::transaction) fn retire(&mut self, kernel: &mut dyn Source) -> Result<(), Fault> {
        for at in self.ensured.keys().cloned().collect::<Vec<_>>() {
            self.load(at.family, kernel)?;
        }
        self.settle(kernel)?;
        self.retiring = true;
        self.take_out_of_date();
        Ok(())
    }

    pub(super) fn take_out_of_date(&mut self) {
        for (at, kept) in self.ensured.clone() {
            let (owner, run) = (self.owner.clone(), self.run.clone());
            let Some(chain) = self.wanted.get_mut(&at.family).and_then(|set| set.find_mut(at.table, &at.chain)) else { continue };
            let late = |entry: &Entry| {
                entry.rule.tag.as_ref().is_some_and(|tag| tag.owner == owner && tag.run != run && !kept.contains(&tag.to_string()))
            };
            let gone: Vec<u64> = chain.rules.iter().filter(|entry| late(entry)).map(|entry| entry.id).collect();
            if gone.is_empty() {
                continue;
            }
            chain.rules.retain(|entry| !late(entry));
            let by = self.by_chain.get(&at).copied();
            self.by.extend(gone.into_iter().filter_map(|id| by.map(|by| (id, by))));
        }
    }
}

/// Tells whether the words of a rule go to the kernel as the script gave them.
fn kernel_will_judge(memo: &HashMap<Ask, Verdict>, at: &ChainRef, words: &Words) -> bool {
    !matches!(memo.get(&Ask { chain: at.clone(), words: words.clone() }), Some(Verdict::Canonical(_)))
}
