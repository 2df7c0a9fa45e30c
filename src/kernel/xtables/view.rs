//! What iptables-nft-save words and what nf_tables numbers, of the same rules at the same moment.

use std::collections::BTreeMap;

use super::programs::Said;
use crate::kernel::netlink::nftables::{self, Listing};
use crate::model::iptables::{Chain, ChainName, Entry, Policy, Rule, Ruleset, Table, TableState, Tag, Words, save};
use crate::model::{Family, Fault, Kind};

/// A ruleset as iptables words it, with what nf_tables calls the same rules: they stand in the same order.
#[derive(Clone)]
pub(super) struct View {
    pub(super) ruleset: Ruleset,
    pub(super) listing: Listing,
}

impl View {
    /// Puts together what was listed and what was said in one generation. Without rules nothing has to be said.
    pub(super) fn new(family: Family, listing: Listing, said: Option<&Said>, known: &dyn Fn(&Tag) -> bool) -> Result<Self, Fault> {
        let mut ruleset = skeleton(family, &listing);
        if let Some(said) = said {
            if !said.well() {
                return Err(said.fault(format!("read the {family} tables")));
            }
            compatible(family, &said.output, &listing)?;
            save::read(&mut ruleset, said.listing(family)?, known)?;
            register(&mut ruleset, &listing);
        }
        if agree(&ruleset, &listing) { Ok(Self { ruleset, listing }) } else { Err(unreadable(family)) }
    }
}

impl View {
    /// Puts together what was listed and what was said of single tables. The rules of a table of which nothing was said, or which iptables
    /// cannot word, are opaque: they have numbers and tags.
    pub(super) fn lenient<'a>(
        family: Family,
        listing: Listing,
        said: &dyn Fn(Table) -> Option<&'a Said>,
        known: &dyn Fn(&Tag) -> bool,
    ) -> Self {
        let mut ruleset = skeleton(family, &listing);
        for (table, state) in &mut ruleset.tables {
            let alone = || {
                let tables = listing.tables.get_key_value(table.name()).map(|(name, table)| (name.clone(), table.clone()));
                Listing { generation: listing.generation, tables: tables.into_iter().collect() }
            };
            let worded = said(*table).and_then(|said| Self::new(family, alone(), Some(said), known).ok());
            match worded.and_then(|mut worded| worded.ruleset.tables.remove(table)) {
                Some(worded) => *state = worded,
                None => opaque(state, *table, &listing, known),
            }
        }
        // Each table was numbered for itself.
        ruleset.number();
        Self { ruleset, listing }
    }
}

/// Fills the chains of a table with opaque rules.
fn opaque(state: &mut TableState, table: Table, listing: &Listing, known: &dyn Fn(&Tag) -> bool) {
    for (name, chain) in own_chains(listing, table) {
        let rules = &mut state.chains.entry(name).or_default().rules;
        rules.extend(chain.rules.iter().map(|rule| {
            let tag = rule.comment.as_deref().and_then(|comment| comment.parse().ok()).filter(known);
            Entry { id: 0, rule: Rule { words: Words::opaque(rule.handle, rule.jump.as_deref()), tag, counters: None }.into() }
        }));
    }
}

/// Tells whether there is anything to be worded.
pub(super) fn has_rules(listing: &Listing) -> bool {
    listing.tables.values().flat_map(|table| table.chains.values()).any(|chain| chain.uses > 0)
}

/// Gives the chains of a listing that are iptables' own. What else hangs on a hook was put into the table by `nft`, and iptables looks past it.
pub(super) fn own_chains(listing: &Listing, table: Table) -> impl Iterator<Item = (ChainName, &nftables::Chain)> {
    let chains = listing.tables.get(table.name()).into_iter().flat_map(|table| &table.chains);
    chains.map(|(name, chain)| (ChainName::listed(name), chain)).filter(move |(name, chain)| !chain.base || name.is_builtin(table))
}

/// Makes the ruleset that a listing shows, without rules.
fn skeleton(family: Family, listing: &Listing) -> Ruleset {
    let mut ruleset = Ruleset::empty(family);
    for (table, state) in &mut ruleset.tables {
        for (name, chain) in own_chains(listing, *table) {
            let policy = chain.base.then_some(if chain.drops { Policy::Drop } else { Policy::Accept });
            state.chains.insert(name, Chain { policy, ..Chain::default() });
        }
    }
    register(&mut ruleset, listing);
    ruleset
}

/// Marks what nf_tables really has: iptables-save lists built-in chains also where they are not there yet.
fn register(ruleset: &mut Ruleset, listing: &Listing) {
    for (table, state) in &mut ruleset.tables {
        let TableState { registered, chains } = state;
        *registered = listing.tables.contains_key(table.name());
        for (name, chain) in chains {
            chain.registered = listing.chain(table.name(), name.as_str()).is_some();
        }
    }
}

/// Tells whether the words and the numbers are about the same chains with as many rules.
fn agree(ruleset: &Ruleset, listing: &Listing) -> bool {
    ruleset.tables.iter().all(|(table, state)| {
        let worded: BTreeMap<_, _> =
            state.chains.iter().filter(|(_, chain)| chain.registered).map(|(name, c)| (name.clone(), c.rules.len())).collect();
        let numbered: BTreeMap<_, _> = own_chains(listing, *table).map(|(name, chain)| (name, chain.rules.len())).collect();
        worded == numbered
    })
}

fn unreadable(family: Family) -> Fault {
    Fault::new(Kind::Unsupported, format!("read the {family} tables"), "iptables-nft-save cannot word some of the rules")
        .hint("`nft list ruleset` shows all; somebody put in by `nft` what iptables cannot word")
}

/// Refuses to read what `nft` wrote into a table of iptables: iptables-save leaves out the table, or the part of a rule that looks into a set.
fn compatible(family: Family, text: &str, listing: &Listing) -> Result<(), Fault> {
    if let Some(line) = text.lines().find(|line| line.starts_with('#') && line.contains("is incompatible,")) {
        return Err(Fault { why: line.trim_start_matches("# ").to_owned(), ..unreadable(family) });
    }
    let mut rules = Table::ALL.into_iter().flat_map(|table| own_chains(listing, table)).flat_map(|(_, chain)| &chain.rules);
    if rules.any(|rule| rule.looks_up) { Err(unreadable(family)) } else { Ok(()) }
}
