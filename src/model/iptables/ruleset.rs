//! All tables of one family as plain values, and what can be done to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ChainName, ChainRef, Counters, Policy, Rule, Table};
use crate::model::{Family, Fault, Kind, nearest};

/// A rule in its place, with a number that stays its own while others come and go around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number, unique within the ruleset.
    pub id: u64,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// A chain with its rules in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Chain {
    /// The policy of a built-in chain; none for a user-defined one.
    pub policy: Option<Policy>,
    /// Whether the kernel has the chain. nf_tables has a built-in chain only from its first use on.
    pub registered: bool,
    /// What the policy has counted.
    pub counters: Counters,
    /// The rules.
    pub rules: Vec<Entry>,
}

/// A table with its chains.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TableState {
    /// Whether the kernel has the table: both backends make one at its first use only.
    pub registered: bool,
    /// The chains by name, the built-in ones always among them.
    pub chains: BTreeMap<ChainName, Chain>,
}

/// All tables of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The family.
    pub family: Family,
    /// The tables, all five of them.
    pub tables: BTreeMap<Table, TableState>,
}

impl Ruleset {
    /// Makes the ruleset of a fresh network namespace: nothing but empty built-in chains that accept.
    pub fn empty(family: Family) -> Self {
        let table = |table: Table| {
            let chain = |name: &&str| (ChainName::listed(name), Chain { policy: Some(Policy::Accept), ..Chain::default() });
            (table, TableState { registered: false, chains: table.builtin_chains().iter().map(chain).collect() })
        };
        Self { family, tables: Table::ALL.into_iter().map(table).collect() }
    }

    /// Numbers the rules from 1 on.
    pub fn number(&mut self) {
        let entries = self.tables.values_mut().flat_map(|table| table.chains.values_mut()).flat_map(|chain| &mut chain.rules);
        (1..).zip(entries).for_each(|(id, entry)| entry.id = id);
    }

    /// Points at a chain of this ruleset.
    pub fn point(&self, table: Table, chain: &ChainName) -> ChainRef {
        ChainRef::new(self.family, table, chain.clone())
    }

    /// Lists the user-defined chains.
    pub fn user_chains(&self) -> Vec<ChainRef> {
        let chains = self.tables.iter().flat_map(|(table, state)| state.chains.iter().map(move |(name, chain)| (table, name, chain)));
        chains.filter(|(.., chain)| chain.policy.is_none()).map(|(table, name, _)| self.point(*table, name)).collect()
    }

    /// Gives a table.
    pub fn table(&self, table: Table) -> Option<&TableState> {
        self.tables.get(&table)
    }

    /// Gives a chain, if it is there.
    pub fn find(&self, table: Table, chain: &ChainName) -> Option<&Chain> {
        self.tables.get(&table)?.chains.get(chain)
    }

    /// Gives a chain to change, if it is there.
    pub fn find_mut(&mut self, table: Table, chain: &ChainName) -> Option<&mut Chain> {
        self.tables.get_mut(&table)?.chains.get_mut(chain)
    }

    /// Gives a chain, or says that it is not there.
    pub fn get(&self, table: Table, chain: &ChainName) -> Result<&Chain, Fault> {
        self.find(table, chain).ok_or_else(|| self.no_chain(table, chain))
    }

    /// Gives a chain to change, or says that it is not there.
    pub fn get_mut(&mut self, table: Table, chain: &ChainName) -> Result<&mut Chain, Fault> {
        if self.find(table, chain).is_none() {
            return Err(self.no_chain(table, chain));
        }
        Ok(self.tables.entry(table).or_default().chains.entry(chain.clone()).or_default())
    }

    fn no_chain(&self, table: Table, chain: &ChainName) -> Fault {
        let names = self.tables.get(&table).into_iter().flat_map(|table| table.chains.keys().map(ChainName::as_str));
        let fault = Fault::new(Kind::NotFound, format!("use the chain {}", self.point(table, chain)), "there is no such chain");
        match nearest(chain.as_str(), names) {
            Some(near) => fault.hint(format!("did you mean {near:?}? `new_chain` makes a chain, `ensure_chain` makes it once")),
            None => fault.hint("`new_chain` makes a chain, `ensure_chain` makes it once"),
        }
    }

    /// Makes a user-defined chain.
    pub fn new_chain(&mut self, table: Table, chain: &ChainName) -> Result<(), Fault> {
        let at = self.point(table, chain);
        let chains = &mut self.tables.entry(table).or_default().chains;
        if chains.contains_key(chain) {
            return Err(Fault::new(Kind::Exists, format!("make the chain {at}"), "it is there already")
                .hint("`ensure_chain` takes a chain of this recipe that is there already as it is"));
        }
        chains.insert(chain.clone(), Chain::default());
        Ok(())
    }

    /// Takes a user-defined chain away that is empty and that no rule jumps to.
    pub fn delete_chain(&mut self, table: Table, chain: &ChainName) -> Result<(), Fault> {
        let tried = format!("delete the chain {}", self.point(table, chain));
        if chain.is_builtin(table) {
            return Err(Fault::input(tried, "it is a built-in chain of the table").hint("`flush` empties a built-in chain"));
        }
        let rules = self.get(table, chain)?.rules.len();
        if rules > 0 {
            return Err(Fault::new(Kind::Refused, tried, format!("it still has {rules} rules")).hint("`flush` the chain first"));
        }
        if let Some((from, place)) = self.jump_to(table, chain) {
            return Err(Fault::new(Kind::Refused, tried, format!("rule {place} of {from} jumps to it")).hint("delete that rule first"));
        }
        if let Some(table) = self.tables.get_mut(&table) {
            table.chains.remove(chain);
        }
        Ok(())
    }

    /// Gives a chain another name; jumps to it follow, as they do in the kernel.
    pub fn rename_chain(&mut self, table: Table, from: &ChainName, to: &ChainName) -> Result<(), Fault> {
        let tried = format!("rename the chain {} to {to}", self.point(table, from));
        if from.is_builtin(table) {
            return Err(Fault::input(tried, "it is a built-in chain of the table"));
        }
        self.get(table, from)?;
        if self.find(table, to).is_some() {
            return Err(Fault::new(Kind::Exists, tried, format!("there is a chain {to} already")));
        }
        let Some(state) = self.tables.get_mut(&table) else { return Ok(()) };
        if let Some(chain) = state.chains.remove(from) {
            state.chains.insert(to.clone(), chain);
        }
        for entry in state.chains.values_mut().flat_map(|chain| &mut chain.rules) {
            if entry.rule.words.target().as_deref() == Some(from.as_str()) {
                let words = entry.rule.words.retarget(from.as_str(), to.as_str());
                entry.rule = Arc::new(Rule { words, ..(*entry.rule).clone() });
            }
        }
        Ok(())
    }

    /// Sets the policy of a built-in chain and gives the one before.
    pub fn set_policy(&mut self, table: Table, chain: &ChainName, policy: Policy) -> Result<Policy, Fault> {
        let tried = format!("set the policy of {}", self.point(table, chain));
        match &mut self.get_mut(table, chain)?.policy {
            Some(now) => Ok(std::mem::replace(now, policy)),
            None => Err(Fault::input(tried, "only a built-in chain has a policy").hint("end the chain with a rule `-j DROP` instead")),
        }
    }

    /// Finds the first rule that jumps to a chain, with its place from 1.
    pub fn jump_to(&self, table: Table, chain: &ChainName) -> Option<(ChainRef, usize)> {
        let chains = &self.tables.get(&table)?.chains;
        chains.iter().find_map(|(from, state)| {
            let jumps = |entry: &Entry| {
                // Most rules of a large table do not even hold the name.
                entry.rule.words.as_str().contains(chain.as_str()) && entry.rule.words.target().as_deref() == Some(chain.as_str())
            };
            state.rules.iter().position(jumps).map(|at| (self.point(table, from), at + 1))
        })
    }

    /// Tells whether two rulesets let the same packets through in the same way: counters, numbers and registration aside.
    pub fn same(&self, other: &Ruleset) -> bool {
        // The words decide, wherever they are: a comment may look like a tag, and not count as one.
        let equal = |a: &Rule, b: &Rule| (&a.words, &a.tag) == (&b.words, &b.tag) || a.line() == b.line();
        let rules = |a: &[Entry], b: &[Entry]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(&a.rule, &b.rule));
        let chain = |a: &Chain, b: &Chain| a.policy == b.policy && rules(&a.rules, &b.rules);
        let chains = |a: &TableState, b: &TableState| {
            let same = |(name, a): (&ChainName, &Chain)| b.chains.get(name).is_some_and(|b| chain(a, b));
            a.chains.len() == b.chains.len() && a.chains.iter().all(same)
        };
        let tables = |(table, a): (&Table, &TableState)| other.table(*table).is_some_and(|b| chains(a, b));
        self.family == other.family && self.tables.len() == other.tables.len() && self.tables.iter().all(tables)
    }
}
