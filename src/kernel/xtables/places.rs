//! Rules of nf_tables by their numbers: which to take out, and whether what was put in stands where it should.
//!
//! A number is never used again within a table, nor is the number of a table: what has the numbers of the listing for which a patch was made
//! is what the patch is about, whatever happened since.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::netlink::nftables::{Listing, Order, Ordered, Table};
use crate::model::iptables::{ChainName, ChainPatch, Patch, Policy, TablePatch};

/// One table of a patch, in the listing for which the patch was made and in the present one.
struct Site<'a> {
    patch: &'a TablePatch,
    name: &'static str,
    before: Option<&'a Table>,
    now: Option<&'a Table>,
}

/// Pairs the tables of a patch with their listings.
fn sites<'a>(patch: &'a Patch, before: &'a Listing, now: &'a Listing) -> impl Iterator<Item = Site<'a>> {
    patch.tables.iter().map(|patch| {
        let name = patch.table.name();
        Site { patch, name, before: before.tables.get(name), now: now.tables.get(name) }
    })
}

impl Site<'_> {
    /// Gives the numbers of the rules that a chain had when the patch was made.
    fn before(&self, chain: &ChainName) -> Vec<u64> {
        handles(self.before, chain)
    }

    /// Gives the numbers of the rules that a chain has now.
    fn now(&self, chain: &ChainName) -> BTreeSet<u64> {
        handles(self.now, chain).into_iter().collect()
    }

    fn has(&self, chain: &ChainName) -> bool {
        self.now.is_some_and(|table| table.chains.contains_key(chain.as_str()))
    }

    /// Gives the numbers that the patch takes out of a chain, as far as they are there.
    fn removed(&self, chain: &ChainPatch) -> Vec<u64> {
        let (before, now) = (self.before(&chain.chain), self.now(&chain.chain));
        let numbers = chain.removed.iter().filter_map(|removed| before.get(removed.was).copied());
        numbers.filter(|number| now.contains(number)).collect()
    }

    fn removals(&self) -> Vec<Order> {
        let mut orders = Vec::new();
        for chain in &self.patch.chains {
            let (name, removed) = (|| chain.chain.to_string(), self.removed(chain));
            if removed.len() > 1 && chain.added.is_empty() && self.now(&chain.chain).len() == removed.len() {
                // One order where all go: the kernel looks each number up from the beginning of the chain.
                orders.push(Order::EmptyChain(name()));
            } else {
                orders.extend(removed.into_iter().map(|number| Order::DeleteRule(name(), number)));
            }
        }
        let gone: Vec<_> = self.patch.gone_chains.iter().map(|(chain, _)| chain).filter(|chain| self.has(chain)).collect();
        for chain in &gone {
            // A rule that came in later is nobody's to delete: it stays, and the kernel then refuses to delete the chain.
            let known: BTreeSet<u64> = self.before(chain).into_iter().collect();
            if self.now(chain).is_subset(&known) {
                orders.push(Order::EmptyChain(chain.to_string()));
            }
        }
        orders.extend(gone.iter().map(|chain| Order::DeleteChain(chain.to_string())));
        let needless: Vec<_> = self.patch.unused_chains.iter().filter(|chain| self.has(chain) && self.empties(chain)).collect();
        orders.extend(needless.iter().map(|chain| Order::DeleteChain(chain.to_string())));
        let leaves = |name: &String| gone.iter().chain(&needless).any(|chain| chain.as_str() == name);
        if self.patch.unused && self.now.is_some_and(|table| table.chains.keys().all(leaves)) {
            orders.push(Order::DeleteTable);
        }
        orders
    }

    /// Tells whether the patch takes every rule out of a chain.
    fn empties(&self, chain: &ChainName) -> bool {
        let removed = self.patch.chains.iter().find(|patch| patch.chain == *chain).map_or(0, |patch| self.removed(patch).len());
        self.now(chain).len() == removed
    }

    /// Finds the rules that the patch put into a chain: the tag and the number.
    fn added(&self, chain: &ChainPatch) -> BTreeMap<String, u64> {
        let tags: BTreeSet<String> = chain.added.iter().filter_map(|added| Some(added.rule.tag.as_ref()?.to_string())).collect();
        let rules = self.now.and_then(|table| table.chains.get(chain.chain.as_str())).into_iter().flat_map(|chain| &chain.rules);
        let tagged = rules.filter_map(|rule| Some((rule.comment.as_deref()?.to_owned(), rule.handle)));
        tagged.filter(|(comment, _)| tags.contains(comment)).collect()
    }

    /// Tells whether every rule that was put into a chain has the right rules before and after it.
    fn right(&self, chain: &ChainPatch) -> bool {
        let numbers = self.added(chain);
        let mut merged: Vec<Option<u64>> = self.before(&chain.chain).into_iter().map(Some).collect();
        for added in &chain.added {
            let number = added.rule.tag.as_ref().and_then(|tag| numbers.get(&tag.to_string()));
            merged.insert(added.at.min(merged.len()), number.copied());
        }
        // What is gone has no place. What is left must stand in the order of the merged chain, whatever else stands in between.
        let places: BTreeMap<u64, usize> = handles(self.now, &chain.chain).into_iter().zip(0..).collect();
        merged.iter().flatten().filter_map(|number| places.get(number)).is_sorted()
    }

    fn withdrawal(&self) -> Vec<Order> {
        let mut orders = Vec::new();
        for chain in &self.patch.chains {
            orders.extend(self.added(chain).into_values().map(|number| Order::DeleteRule(chain.chain.to_string(), number)));
        }
        let made: Vec<_> = self.patch.new_chains.iter().filter(|chain| self.has(chain)).collect();
        orders.extend(made.iter().map(|chain| Order::EmptyChain(chain.to_string())));
        orders.extend(made.iter().map(|chain| Order::DeleteChain(chain.to_string())));
        for (chain, was, _) in self.patch.policies.iter().filter(|(chain, ..)| self.has(chain)) {
            orders.push(Order::SetPolicy(chain.to_string(), *was == Policy::Drop));
        }
        let chain = |name: &ChainName| self.before.and_then(|table| table.chains.get(name.as_str()));
        let renamed = self.patch.renamed.iter().filter_map(|(from, to)| Some((from, chain(to)?.handle)));
        orders.extend(renamed.map(|(from, handle)| Order::RenameChain(handle, from.to_string())));
        orders
    }
}

/// Finds the orders that take out what a patch takes out and what is still there.
pub(super) fn removals(patch: &Patch, before: &Listing, now: &Listing) -> Vec<Ordered> {
    let order = |site: Site<'_>| {
        // Another table of the same name has other rules, even if their numbers are the same.
        let same = site.before.map(|table| table.handle) == site.now.map(|table| table.handle);
        let orders = if same { site.removals() } else { Vec::new() };
        orders.into_iter().map(move |order| Ordered { family: patch.family, table: site.name, order })
    };
    sites(patch, before, now).flat_map(order).collect()
}

/// Tells whether everything that a patch put in stands where it should, seen from the rules around it.
pub(super) fn right(patch: &Patch, before: &Listing, now: &Listing) -> bool {
    sites(patch, before, now).all(|site| site.patch.chains.iter().all(|chain| site.right(chain)))
}

/// Finds the orders that take back what a patch put in.
pub(super) fn withdrawal(patch: &Patch, before: &Listing, now: &Listing) -> Vec<Ordered> {
    let order = |site: Site<'_>| site.withdrawal().into_iter().map(move |order| Ordered { family: patch.family, table: site.name, order });
    sites(patch, before, now).flat_map(order).collect()
}

/// Tells whether what a patch puts in can be told apart from what others put in.
pub(super) fn tagged(patch: &Patch) -> bool {
    let chains = patch.tables.iter().flat_map(|table| &table.chains);
    chains.flat_map(|chain| &chain.added).all(|added| added.rule.tag.is_some())
}

fn handles(table: Option<&Table>, chain: &ChainName) -> Vec<u64> {
    table.and_then(|table| table.chains.get(chain.as_str())).into_iter().flat_map(|chain| &chain.rules).map(|rule| rule.handle).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::netlink::nftables::{Chain, Rule};
    use crate::model::Family;
    use crate::model::iptables::tag::Owner;
    use crate::model::iptables::{Added, Removed, RunId, Tag, Words};
    use crate::model::iptables::{Rule as Ruled, Table as Name};

    fn tag(number: u32) -> Tag {
        Tag { owner: Owner::new("test", ""), run: RunId::from_bits(1), number }
    }

    /// Makes a listing with one chain of these numbers; numbers from 90 on have the tag of that number.
    fn listing(table: u64, handles: &[u64]) -> Listing {
        let comment = |handle: u64| (handle >= 90).then(|| tag(handle as u32).to_string().into());
        let rules = handles.iter().map(|handle| Rule { handle: *handle, comment: comment(*handle), jump: None, looks_up: false }).collect();
        let chain = Chain { handle: 1, base: true, rules, ..Chain::default() };
        let table = Table { handle: table, chains: [("INPUT".to_owned(), chain)].into() };
        Listing { generation: 1, tables: [("filter".to_owned(), table)].into() }
    }

    /// Makes a patch that puts rules with tags at places of the merged chain, and takes some out.
    fn patch(added: &[(usize, u32)], removed: &[usize]) -> Patch {
        let rule = |number| Arc::new(Ruled { words: Words::listed("-j DROP"), tag: Some(tag(number)), counters: None });
        let chain = ChainPatch {
            chain: ChainName::listed("INPUT"),
            added: added.iter().map(|(at, number)| Added { at: *at, last: false, id: 0, rule: rule(*number) }).collect(),
            removed: removed.iter().map(|was| Removed { was: *was, at: *was, rule: rule(0), id: 0 }).collect(),
        };
        let table = TablePatch {
            table: Name::Filter,
            unregistered: false,
            unregistered_chains: Vec::new(),
            renamed: Vec::new(),
            new_chains: Vec::new(),
            policies: Vec::new(),
            chains: vec![chain],
            gone_chains: Vec::new(),
            unused_chains: vec![ChainName::listed("INPUT")],
            unused: true,
        };
        Patch { family: Family::V4, tables: vec![table] }
    }

    fn orders(patch: &Patch, before: &Listing, now: &Listing) -> Vec<Order> {
        removals(patch, before, now).into_iter().map(|ordered| ordered.order).collect()
    }

    #[test]
    fn a_rule_is_taken_out_by_its_number_wherever_it_stands_now() {
        let (before, input) = (listing(1, &[10, 11, 12]), || "INPUT".to_owned());
        let one = patch(&[], &[1]);
        assert_eq!(orders(&one, &before, &listing(1, &[50, 12, 11])), [Order::DeleteRule(input(), 11)]);
        assert_eq!(orders(&one, &before, &listing(1, &[10, 12])), [], "it is gone already");
        assert_eq!(orders(&one, &before, &listing(2, &[10, 11, 12])), [], "another table of that name");
    }

    #[test]
    fn what_is_empty_and_needless_goes_and_what_is_not_stays() {
        let (before, all) = (listing(1, &[10, 11]), patch(&[], &[0, 1]));
        let gone = [Order::EmptyChain("INPUT".into()), Order::DeleteChain("INPUT".into()), Order::DeleteTable];
        assert_eq!(orders(&all, &before, &before), gone);
        let kept = [10, 11].map(|number| Order::DeleteRule("INPUT".into(), number));
        assert_eq!(orders(&all, &before, &listing(1, &[10, 50, 11])), kept);
    }

    #[test]
    fn a_place_is_right_when_the_rules_around_it_are() {
        let (before, patch) = (listing(1, &[10, 11, 12]), patch(&[(1, 90), (3, 91)], &[]));
        for (now, fine) in [
            (&[10, 90, 11, 91, 12][..], true),
            (&[50, 10, 51, 90, 11, 52, 91, 53, 12], true),
            (&[90, 11, 91], true),
            (&[90, 10, 11, 91, 12], false),
            (&[10, 11, 90, 91, 12], false),
            (&[10, 90, 11, 12, 91], false),
        ] {
            assert_eq!(right(&patch, &before, &listing(1, now)), fine, "{now:?}");
        }
        let back: Vec<_> = withdrawal(&patch, &before, &listing(1, &[90, 10, 50, 91])).into_iter().map(|o| o.order).collect();
        assert_eq!(back, [90, 91].map(|number| Order::DeleteRule("INPUT".into(), number)));
    }
}
