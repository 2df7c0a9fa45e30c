//! What the kernel makes of the words of a rule: asked for in bulk, and remembered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Overlay;
use crate::kernel::xtables::{Ask, Source, Verdict};
use crate::model::iptables::{ChainRef, Edit, Intent, Rule, Ruleset, Words};
use crate::model::{Fault, Kind};

impl Overlay {
    /// Gives the words that the kernel would list for a rule in a chain.
    pub(in crate::transaction) fn canonical_of(&mut self, at: &ChainRef, words: &Words, kernel: &mut dyn Source) -> Result<Words, Fault> {
        if !self.listed(at).contains(words) {
            self.ask(vec![Ask { chain: at.clone(), words: words.clone() }], kernel)?;
        }
        self.canonical(at, words)
    }

    /// Makes a chain fit to be shown: its rules are given in their canonical words.
    pub(in crate::transaction) fn make_ready(&mut self, at: &ChainRef, kernel: &mut dyn Source) -> Result<(), Fault> {
        self.load(at.family, kernel)?;
        self.settle(kernel)?;
        self.make_canonical(at, kernel)
    }

    /// Asks the oracle for the rules of some intents and for the raw rules of their chains, all in one.
    pub(super) fn learn(&mut self, intents: &[&Intent], kernel: &mut dyn Source) -> Result<(), Fault> {
        let mut asks: Vec<Ask> = Vec::new();
        let mut listed: BTreeMap<ChainRef, HashSet<Words>> = BTreeMap::new();
        for intent in intents {
            let chain = ChainRef::new(intent.family, intent.table, intent.edit.chain().clone());
            let rules: &[Words] = match &intent.edit {
                Edit::Ensure(_, rules, _) => rules,
                Edit::Absent(_, words) | Edit::Delete(_, words) => std::slice::from_ref(words),
                _ => continue,
            };
            let listed = listed.entry(chain.clone()).or_insert_with(|| self.listed(&chain));
            let unknown = rules.iter().filter(|words| !listed.contains(words));
            asks.extend(unknown.map(|words| Ask { chain: chain.clone(), words: words.clone() }));
        }
        // An empty chain equals nothing, whatever the words mean: `ensure` there is an append, and the write itself is the judge.
        let empty: HashSet<ChainRef> = listed.keys().filter(|at| kernel.judges() && self.is_empty(at)).cloned().collect();
        asks.retain(|ask| !empty.contains(&ask.chain));
        self.ask(asks, kernel)?;
        for chain in listed.into_keys() {
            self.make_canonical(&chain, kernel)?;
        }
        Ok(())
    }

    /// Asks the oracle what the memory does not hold yet.
    pub(super) fn ask(&mut self, mut asks: Vec<Ask>, kernel: &mut dyn Source) -> Result<(), Fault> {
        asks.retain(|ask| !self.memo.contains_key(ask));
        let mut seen = HashSet::new();
        asks.retain(|ask| seen.insert(ask.clone()));
        if asks.is_empty() {
            return Ok(());
        }
        let chains: Vec<ChainRef> = self.wanted.values().flat_map(Ruleset::user_chains).collect();
        let verdicts = kernel.canonical(&asks, &chains)?;
        self.memo.extend(asks.into_iter().zip(verdicts));
        Ok(())
    }

    /// Gives the words that stand in a chain: a rule in just these words is canonical already.
    pub(super) fn listed(&self, at: &ChainRef) -> HashSet<Words> {
        let chain = self.wanted.get(&at.family).and_then(|set| set.find(at.table, &at.chain));
        let rules = chain.map_or(&[][..], |chain| &chain.rules);
        rules.iter().filter(|entry| !self.raw.contains(&entry.id)).map(|entry| entry.rule.words.clone()).collect()
    }

    pub(super) fn is_empty(&self, at: &ChainRef) -> bool {
        let chain = self.wanted.get(&at.family).and_then(|set| set.find(at.table, &at.chain));
        chain.is_none_or(|chain| chain.rules.is_empty())
            && !self.queue[self.waiting..]
                .iter()
                .any(|queued| queued.intent.edit.chain() == &at.chain && matches!(queued.intent.edit, Edit::Append(..)))
    }

    /// Gives the raw rules of a chain their canonical words.
    pub(super) fn make_canonical(&mut self, at: &ChainRef, kernel: &mut dyn Source) -> Result<(), Fault> {
        let raw: Vec<(u64, Words)> = match self.wanted.get(&at.family).and_then(|set| set.find(at.table, &at.chain)) {
            Some(chain) if !self.raw.is_empty() => {
                chain.rules.iter().filter(|entry| self.raw.contains(&entry.id)).map(|entry| (entry.id, entry.rule.words.clone())).collect()
            }
            _ => return Ok(()),
        };
        self.ask(raw.iter().map(|(_, words)| Ask { chain: at.clone(), words: words.clone() }).collect(), kernel)?;
        let mut told: HashMap<u64, Words> = HashMap::new();
        for (id, words) in raw {
            match self.canonical(at, &words) {
                Ok(canonical) => drop(told.insert(id, canonical)),
                Err(fault) => return Err(self.take_back(at, id, fault)),
            }
        }
        self.index.remove(at);
        self.raw.retain(|id| !told.contains_key(id));
        for entry in &mut self.set(at.family)?.get_mut(at.table, &at.chain)?.rules {
            if let Some(words) = told.remove(&entry.id).filter(|words| entry.rule.words != *words) {
                entry.rule = Arc::new(Rule { words, ..(*entry.rule).clone() });
            }
        }
        Ok(())
    }

    /// Takes a refused rule out of what is wanted: a script that catches the refusal goes on without it.
    fn take_back(&mut self, at: &ChainRef, id: u64, fault: Fault) -> Fault {
        self.index.remove(at);
        self.raw.remove(&id);
        if let Some(chain) = self.wanted.get_mut(&at.family).and_then(|set| set.find_mut(at.table, &at.chain)) {
            chain.rules.retain(|entry| entry.id != id);
        }
        match self.by.get(&id).copied() {
            Some(by) => self.refuse(by, fault),
            None => fault,
        }
    }

    /// Gives the canonical form that the oracle has told, the words themselves where it was not asked or does not know.
    pub(super) fn canonical(&self, at: &ChainRef, words: &Words) -> Result<Words, Fault> {
        match self.memo.get(&Ask { chain: at.clone(), words: words.clone() }) {
            Some(Verdict::Canonical(canonical)) => Ok(canonical.clone()),
            Some(Verdict::Refused(why)) => Err(Fault::new(Kind::Refused, format!("use the rule `{words}` in {at}"), why.clone())),
            Some(Verdict::Unknown(_)) | None => Ok(words.clone()),
        }
    }

    /// Gives every raw rule its canonical words, so that what the kernel refuses is found before a write that cannot judge.
    pub(in crate::transaction) fn vet(&mut self, kernel: &mut dyn Source) -> Result<(), Fault> {
        self.settle(kernel)?;
        let raw = &self.raw;
        let chains: Vec<ChainRef> = self
            .wanted
            .values()
            .flat_map(|set| {
                set.tables
                    .iter()
                    .flat_map(move |(table, state)| state.chains.iter().map(move |(name, chain)| (set.point(*table, name), chain)))
            })
            .filter(|(_, chain)| chain.rules.iter().any(|entry| raw.contains(&entry.id)))
            .map(|(at, _)| at)
            .collect();
        let asks = chains.iter().flat_map(|at| {
            let rules = self.wanted.get(&at.family).and_then(|set| set.find(at.table, &at.chain)).map_or(&[][..], |chain| &chain.rules);
            let raw = rules.iter().filter(|entry| self.raw.contains(&entry.id));
            raw.map(|entry| Ask { chain: at.clone(), words: entry.rule.words.clone() }).collect::<Vec<_>>()
        });
        self.ask(asks.collect(), kernel)?;
        chains.iter().try_for_each(|at| self.make_canonical(at, kernel))
    }
}
