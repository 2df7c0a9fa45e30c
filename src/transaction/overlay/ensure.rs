//! `ensure`: rules that are there are taken, the others put next to them, and what earlier runs left is retired.

use std::collections::{HashMap, HashSet};

use super::Overlay;
use crate::kernel::xtables::{Ask, Source, Verdict};
use crate::model::Fault;
use crate::model::iptables::intent::Position;
use crate::model::iptables::{Chain, ChainRef, Entry, Owner, RunId, Words};

/// The rules of a chain by their words: ten thousand `ensure`s must not compare each rule with each.
pub(super) struct Index {
    entries: HashMap<Words, Vec<Entry>>,
    /// Whether rules of an earlier run of the same owner are among them.
    late: bool,
}

impl Index {
    fn of(chain: &Chain, late: impl Fn(&Entry) -> bool) -> Self {
        let mut index = Self { entries: HashMap::new(), late: chain.rules.iter().any(late) };
        chain.rules.iter().for_each(|entry| index.add(entry.clone()));
        index
    }

    /// Notes a rule that was put in; equal ones must be told in the order in which they stand.
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.entry(entry.rule.words.clone()).or_default().push(entry);
    }

    /// Tells whether there is a rule with these words.
    pub(super) fn has(&self, words: &Words) -> bool {
        self.entries.contains_key(words)
    }
}

impl Overlay {
    /// Sees to it that a chain has some rules in this order: takes those that are there, puts the others next to them.
    pub(super) fn ensure(&mut self, at: &ChainRef, rules: &[Words], position: Position, by: usize) -> Result<(), Fault> {
        let ranks = self.ranks(at, rules.len());
        let (mut last, mut floor) = (None, None);
        let mut claimed: HashSet<u64> = HashSet::new();
        let canonicals = rules.iter().map(|words| self.canonical(at, words)).collect::<Result<Vec<_>, _>>()?;
        for (turn, words) in rules.iter().enumerate() {
            let canonical = canonicals[turn].clone();
            let raw = kernel_will_judge(&self.memo, at, words);
            let in_turn = |entry: &Entry| !claimed.contains(&entry.id) && ranks.get(&entry.id).is_none_or(|rank| Some(rank) > floor);
            let id = match self.there(at, &canonical, position, &claimed, &in_turn) {
                Some(entry) => {
                    let older = entry.rule.tag.clone().filter(|tag| tag.run != self.run);
                    self.ensured.entry(at.clone()).or_default().extend(older);
                    entry.id
                }
                None => {
                    let later = if last.is_none() { &canonicals[turn + 1..] } else { &[] };
                    let next = later.iter().find_map(|later| self.there(at, later, position, &claimed, &in_turn));
                    self.make_way(at, &canonical, &claimed, by)?;
                    let index = self.place_for(at, position, last, next.map(|entry| entry.id))?;
                    let above = &self.set(at.family)?.get(at.table, &at.chain)?.rules[..index];
                    floor = above.iter().rev().find_map(|entry| ranks.get(&entry.id)).max(floor);
                    self.put(at, index, canonical, raw, by)?
                }
            };
            claimed.insert(id);
            floor = ranks.get(&id).max(floor);
            last = Some(id);
        }
        self.ensured.entry(at.clone()).or_default();
        Ok(())
    }

    /// Numbers the rules of a chain in their order, where a list is to be compared with it; one rule alone has no order.
    fn ranks(&self, at: &ChainRef, listed: usize) -> HashMap<u64, usize> {
        let chain = self.wanted.get(&at.family).and_then(|set| set.find(at.table, &at.chain)).filter(|_| listed > 1);
        chain.into_iter().flat_map(|chain| chain.rules.iter().zip(0..).map(|(entry, rank)| (entry.id, rank))).collect()
    }

    /// Finds the rule that an `ensure` takes for some words: the first one that is in turn, and where it has to be first, among the first.
    fn there(
        &mut self,
        at: &ChainRef,
        words: &Words,
        position: Position,
        claimed: &HashSet<u64>,
        in_turn: &dyn Fn(&Entry) -> bool,
    ) -> Option<Entry> {
        let chain = self.wanted.get(&at.family)?.find(at.table, &at.chain)?;
        if position == Position::First {
            let equal = |entry: &&Entry| entry.rule.words == *words && in_turn(entry);
            // Before it may stand what is fyke's own: two recipes that both want to be first would push each other away for ever.
            let ours = |entry: &&Entry| entry.rule.tag.is_some() || claimed.contains(&entry.id) || equal(entry);
            return chain.rules.iter().take_while(ours).find(equal).cloned();
        }
        let (owner, run) = (&self.owner, &self.run);
        let index = self.index.entry(at.clone()).or_insert_with(|| Index::of(chain, |entry| out_of_date(entry, owner, run)));
        index.entries.get(words)?.iter().find(|entry| in_turn(entry)).cloned()
    }

    /// Takes out a rule of ours with these words that stands where it must not: it is moved, not doubled.
    fn make_way(&mut self, at: &ChainRef, words: &Words, claimed: &HashSet<u64>, by: usize) -> Result<(), Fault> {
        if self.index.get(at).is_some_and(|index| !index.has(words)) {
            return Ok(());
        }
        let owner = self.owner.clone();
        let ours = |entry: &Entry| entry.rule.tag.as_ref().is_some_and(|tag| tag.owner == owner) && !claimed.contains(&entry.id);
        let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
        match rules.iter().position(|entry| entry.rule.words == *words && ours(entry)) {
            Some(moved) => self.take(at, moved, by),
            None => Ok(()),
        }
    }

    /// Finds the index for a rule that `ensure` has to put in: behind the one before it in its list, else in front of the one behind it.
    fn place_for(&mut self, at: &ChainRef, position: Position, after: Option<u64>, before: Option<u64>) -> Result<usize, Fault> {
        let (owner, run) = (self.owner.clone(), self.run.clone());
        let late = |entry: &Entry| out_of_date(entry, &owner, &run);
        // A rule of an earlier run with other values gives its place to its successor.
        let replaces = position == Position::Last && self.index.get(at).is_none_or(|index| index.late);
        let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
        let behind = after.and_then(|id| rules.iter().rposition(|entry| entry.id == id)).map(|index| index + 1);
        Ok(match position {
            Position::First => behind.unwrap_or(0),
            Position::Last => {
                let in_front = || before.and_then(|id| rules.iter().position(|entry| entry.id == id));
                let successor = || rules.iter().position(late).filter(|_| replaces);
                behind.or_else(in_front).or_else(successor).unwrap_or(rules.len())
            }
        })
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
        self.index.clear();
        for (at, kept) in self.ensured.clone() {
            let (owner, run) = (self.owner.clone(), self.run.clone());
            let Some(chain) = self.wanted.get_mut(&at.family).and_then(|set| set.find_mut(at.table, &at.chain)) else { continue };
            let late = |entry: &Entry| out_of_date(entry, &owner, &run) && entry.rule.tag.as_ref().is_none_or(|tag| !kept.contains(tag));
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

/// Tells whether a rule was put in by an earlier run of an owner.
fn out_of_date(entry: &Entry, owner: &Owner, run: &RunId) -> bool {
    entry.rule.tag.as_ref().is_some_and(|tag| tag.run != *run && tag.owner == *owner)
}
