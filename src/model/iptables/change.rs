//! From a patch to the journal's changes, and from those back to the ruleset before them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Chain, ChainName, ChainPatch, ChainRef, Entry, Patch, Policy, Rule, Ruleset, Table, TablePatch, Tag};
use crate::model::change::{Change, Drift, Object, Place, State};

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
                let place = Place { number: number + 1, ..Place::default() };
                push(Object::Rule(at(chain)), Some(State::Rule((**rule).clone(), place)), None, None);
            }
            push(Object::Chain(at(chain)), Some(State::Present), None, None);
        }
        changes
    }
}

impl ChainPatch {
    fn changes(&self, at: ChainRef, present: &[Entry], push: &mut impl FnMut(Object, Option<State>, Option<State>, Option<u64>)) {
        for added in &self.added {
            let place = Place { number: added.at + 1, ..Place::default() };
            push(Object::Rule(at.clone()), None, Some(State::Rule((*added.rule).clone(), place)), Some(added.id));
        }
        if self.removed.is_empty() {
            return;
        }
        // Neighbours that go in the same batch come back in the same undo; the place is told by those that stay.
        let gone: HashSet<u64> = self.removed.iter().map(|removed| removed.id).collect();
        let staying: Vec<(usize, u64)> =
            present.iter().enumerate().filter(|(_, e)| !gone.contains(&e.id)).map(|(at, e)| (at, e.rule.fingerprint())).collect();
        let mut twins: HashMap<u64, usize> = HashMap::new();
        for (_, print) in &staying {
            *twins.entry(*print).or_default() += 1;
        }
        for removed in &self.removed {
            let (above, below) = staying.split_at(staying.partition_point(|(at, _)| *at < removed.was));
            let place = Place {
                number: removed.was + 1,
                above: above.iter().rev().take(Place::NEIGHBOURS).map(|(_, print)| *print).collect(),
                below: below.iter().take(Place::NEIGHBOURS).map(|(_, print)| *print).collect(),
                twins: twins.get(&removed.rule.fingerprint()).copied().unwrap_or(0),
            };
            push(Object::Rule(at.clone()), Some(State::Rule((*removed.rule).clone(), place)), None, Some(removed.id));
        }
    }
}

/// Puts back what one batch of changes did, object by object, in a copy of the present ruleset.
pub struct Revert<'a> {
    set: &'a mut Ruleset,
    next_id: u64,
    drift: Vec<Drift>,
    renamed: Vec<(Table, ChainName, ChainName)>,
}

/// What putting back found, and which chains got their old names back.
pub struct Reverted {
    /// What is not as the journal says.
    pub drift: Vec<Drift>,
    /// Table, present name, former name.
    pub renamed: Vec<(Table, ChainName, ChainName)>,
}

impl<'a> Revert<'a> {
    /// Puts back those of the changes that are about the family of `set`. Doing it twice is the same as doing it once.
    pub fn batch(set: &'a mut Ruleset, changes: &[Change]) -> Reverted {
        let next_id = set.tables.values().flat_map(|t| t.chains.values()).flat_map(|c| &c.rules).map(|e| e.id).max().unwrap_or(0) + 1;
        let family = set.family;
        let mut revert = Self { set, next_id, drift: Vec::new(), renamed: Vec::new() };
        let mine: Vec<&Change> = changes.iter().filter(|change| change.object.family() == family).collect();
        mine.iter().for_each(|change| revert.name_again(change));
        // First what others may need (chains), then what may need it (rules), last what nothing needs any more.
        mine.iter().for_each(|change| revert.chain_back(change));
        revert.rules_out(&mine);
        mine.iter().for_each(|change| revert.policy(change));
        revert.rules_back(&mine);
        mine.iter().rev().for_each(|change| revert.chain_away(change));
        mine.iter().rev().for_each(|change| revert.name(change));
        mine.iter().rev().for_each(|change| revert.registration(change));
        Reverted { drift: revert.drift, renamed: revert.renamed }
    }

    fn report(&mut self, object: &Object, left: bool, why: impl Into<String>) {
        self.drift.push(Drift { object: object.clone(), why: why.into(), left });
    }

    fn chain_back(&mut self, change: &Change) {
        if let (Object::Chain(at), Some(State::Present), None) = (&change.object, &change.before, &change.after) {
            // If it is there already, then it came back in an undo that was cut short, or somebody else made it: its rules decide.
            let _ = self.set.new_chain(at.table, &at.chain);
        }
    }

    /// Takes out the rules that the batch put in: each is known by its tag, wherever it stands now.
    fn rules_out(&mut self, changes: &[&Change]) {
        let mut tags: HashMap<&Tag, &Object> = HashMap::new();
        for change in changes {
            if let (Object::Rule(_), None, Some(State::Rule(Rule { tag: Some(tag), .. }, _))) =
                (&change.object, &change.before, &change.after)
            {
                tags.insert(tag, &change.object);
            }
        }
        for chain in self.set.tables.values_mut().flat_map(|table| table.chains.values_mut()) {
            chain.rules.retain(|entry| entry.rule.tag.as_ref().is_none_or(|tag| tags.remove(tag).is_none()));
        }
        for object in tags.into_values() {
            self.report(object, false, "it is gone already");
        }
    }

    fn policy(&mut self, change: &Change) {
        let (Object::Policy(at), Some(State::Policy(before)), Some(State::Policy(after))) = (&change.object, &change.before, &change.after)
        else {
            return;
        };
        match self.set.find(at.table, &at.chain).and_then(|chain| chain.policy) {
            Some(now) if now == *before => {}
            Some(now) if now == *after => drop(self.set.set_policy(at.table, &at.chain, *before)),
            _ => self.report(&change.object, true, format!("it is not {after} any more")),
        }
    }

    /// Puts the rules back that the batch took out, in chain order, each next to a neighbour that is still there.
    fn rules_back(&mut self, changes: &[&Change]) {
        let mut lacking: HashMap<(&ChainRef, u64), usize> = HashMap::new();
        let removed: Vec<(&Change, &ChainRef, &Rule, &Place)> = changes
            .iter()
            .filter_map(|change| match (&change.object, &change.before, &change.after) {
                (Object::Rule(at), Some(State::Rule(rule, place)), None) => Some((*change, at, rule, place)),
                _ => None,
            })
            .collect();
        for (_, at, rule, place) in &removed {
            *lacking.entry((at, rule.fingerprint())).or_insert(place.twins) += 1;
        }
        let mut there: HashMap<&ChainRef, HashMap<u64, usize>> = HashMap::new();
        for ((at, print), count) in &mut lacking {
            let prints = there.entry(at).or_insert_with(|| self.prints(at));
            *count = count.saturating_sub(prints.get(print).copied().unwrap_or(0));
        }
        let mut last: Option<(&ChainRef, &Place, u64)> = None;
        let first_back = self.next_id;
        // A fingerprint takes longer than all else here, and each rule is looked at for each that comes back.
        let mut prints: HashMap<&ChainRef, Vec<u64>> = HashMap::new();
        for (change, at, rule, place) in removed {
            let Some(count) = lacking.get_mut(&(at, rule.fingerprint())).filter(|count| **count > 0) else { continue };
            *count -= 1;
            let Some(chain) = self.set.find_mut(at.table, &at.chain) else {
                self.report(&change.object, true, format!("its chain is gone; the rule was: {}", rule.words));
                continue;
            };
            if chain.rules.iter().any(|entry| entry.rule.words.is_opaque()) {
                // It may even be there already: what cannot be read cannot be compared.
                let why = format!("iptables cannot word the rules that are there now; the rule was: {}", rule.words);
                self.report(&change.object, true, why);
                continue;
            }
            let prints = prints.entry(at).or_insert_with(|| chain.rules.iter().map(|entry| entry.rule.fingerprint()).collect());
            // Rules that stood side by side come back side by side.
            let beside = last
                .filter(|(last_at, last_place, _)| *last_at == at && last_place.above == place.above && last_place.below == place.below);
            let beside = beside.and_then(|(.., id)| chain.rules.iter().rposition(|entry| entry.id == id)).map(|index| index + 1);
            match beside.or_else(|| gap(chain, prints, rule, place, first_back)) {
                Some(gap) => {
                    chain.rules.insert(gap, Entry { id: self.next_id, rule: Arc::new(rule.clone()) });
                    prints.insert(gap, rule.fingerprint());
                    last = Some((at, place, self.next_id));
                    self.next_id += 1;
                }
                None => self.report(
                    &change.object,
                    true,
                    format!("its neighbours are gone or changed their order; the rule was: {}", rule.words),
                ),
            }
        }
    }

    /// Counts the rules of a chain by their fingerprints.
    fn prints(&self, at: &ChainRef) -> HashMap<u64, usize> {
        let mut prints = HashMap::new();
        for entry in self.set.find(at.table, &at.chain).map_or(&[][..], |chain| &chain.rules) {
            *prints.entry(entry.rule.fingerprint()).or_default() += 1;
        }
        prints
    }

    fn chain_away(&mut self, change: &Change) {
        let (Object::Chain(at), None, Some(State::Present)) = (&change.object, &change.before, &change.after) else { return };
        if self.set.find(at.table, &at.chain).is_none() {
            return;
        }
        if let Err(fault) = self.set.delete_chain(at.table, &at.chain) {
            self.report(&change.object, true, format!("somebody else uses it: {}", fault.why));
        }
    }

    /// Gives a chain the name that the batch gave it, if an undo that was cut short has taken it away already: the rules of the batch, and
    /// the neighbours by which their places are known, are told in the new names.
    fn name_again(&mut self, change: &Change) {
        if let (Object::ChainName(at), Some(State::Name(before)), Some(State::Name(after))) =
            (&change.object, &change.before, &change.after)
            && self.set.find(at.table, after).is_none()
        {
            // Where the former name is not there either, the chain is gone, which is told later.
            let _ = self.set.rename_chain(at.table, before, after);
        }
    }

    fn name(&mut self, change: &Change) {
        let (Object::ChainName(at), Some(State::Name(before)), Some(State::Name(after))) = (&change.object, &change.before, &change.after)
        else {
            return;
        };
        if self.set.find(at.table, after).is_none() {
            if self.set.find(at.table, before).is_none() {
                self.report(&change.object, true, "the chain is gone");
            }
            return;
        }
        match self.set.rename_chain(at.table, after, before) {
            Ok(()) => self.renamed.push((at.table, after.clone(), before.clone())),
            Err(fault) => self.report(&change.object, true, fault.why),
        }
    }

    /// Lets go of tables and built-in chains that the batch made nf_tables register, if nothing is in them.
    fn registration(&mut self, change: &Change) {
        match (&change.object, &change.before) {
            (Object::BaseChain(at), None) => {
                if let Some(chain) =
                    self.set.find_mut(at.table, &at.chain).filter(|c| c.rules.is_empty() && c.policy == Some(Policy::Accept))
                {
                    chain.registered = false;
                }
            }
            (Object::Table(_, table), None) => {
                if let Some(state) =
                    self.set.tables.get_mut(table).filter(|t| t.chains.values().all(|chain| chain.policy.is_some() && !chain.registered))
                {
                    state.registered = false;
                }
            }
            _ => {}
        }
    }
}

/// Finds the place of a rule among its surviving neighbours: an index to insert at, or nothing where that would be a guess.
///
/// Of all gaps between the neighbours it takes the one around which the most of them stand as they stood; if two gaps are equally good, it
/// takes neither, unless only rules equal to this one lie between them. Entries from number `first_back` on have come back in this undo, in
/// chain order: they are nobody's neighbours, and the rule goes behind them.
fn gap(chain: &Chain, prints: &[u64], rule: &Rule, place: &Place, first_back: u64) -> Option<usize> {
    let neighbours: HashSet<u64> = place.above.iter().chain(&place.below).copied().collect();
    let standing =
        chain.rules.iter().zip(prints).enumerate().filter(|(_, (entry, print))| entry.id < first_back && neighbours.contains(print));
    let there: Vec<(usize, u64)> = standing.map(|(at, (_, print))| (at, *print)).collect();
    if there.is_empty() {
        // It stood alone and nobody has come since, or all who stood around it are gone.
        return (neighbours.is_empty() && chain.rules.is_empty()).then_some(0);
    }
    let alive: HashSet<u64> = there.iter().map(|(_, print)| *print).collect();
    let surviving = |list: &[u64]| list.iter().filter(|print| alive.contains(print)).copied().collect::<Vec<u64>>();
    let (above, below) = (surviving(&place.above), surviving(&place.below));
    let score = |split: usize| {
        let (up, down) = there.split_at(split);
        let up: Vec<u64> = up.iter().rev().take(2 * Place::NEIGHBOURS).map(|(_, print)| *print).collect();
        let down: Vec<u64> = down.iter().take(2 * Place::NEIGHBOURS).map(|(_, print)| *print).collect();
        let up = in_common(&up, &above);
        (up + in_common(&down, &below), up)
    };
    let scores: Vec<(usize, usize)> = (0..=there.len()).map(score).collect();
    let best = scores.iter().map(|(sum, _)| *sum).max().filter(|sum| *sum > 0)?;
    let mut splits = (0..scores.len()).filter(|split| scores[*split].0 == best);
    let (first, last) = (splits.next()?, splits.next_back());
    let equal_between = |last: usize| there[first..last].iter().all(|(_, print)| *print == rule.fingerprint());
    if last.is_some_and(|last| !equal_between(last)) {
        return None;
    }
    if scores[first].1 == 0 {
        return Some(there.get(first).map_or(chain.rules.len(), |(at, _)| *at));
    }
    let behind = there[first - 1].0 + 1;
    Some(behind + chain.rules[behind..].iter().take_while(|entry| entry.id >= first_back).count())
}

/// Counts what two lists have in common in the same order (the longest common subsequence).
fn in_common(a: &[u64], b: &[u64]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut corner = 0;
        for (at, y) in b.iter().enumerate() {
            let here = if x == y { corner + 1 } else { row[at].max(row[at + 1]) };
            corner = std::mem::replace(&mut row[at + 1], here);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Family;
    use crate::model::iptables::Words;

    #[test]
    fn an_undo_that_was_cut_short_after_its_renames_finds_the_same_places() {
        let (old, new, input) = (ChainName::listed("OLD"), ChainName::listed("NEW"), ChainName::listed("INPUT"));
        let mut before = Ruleset::empty(Family::V4);
        before.new_chain(Table::Filter, &old).unwrap();
        for (id, words) in (1..).zip(["-j ACCEPT", "-j OLD", "-j DROP"]) {
            let rule = Rule::new(Words::listed(words)).into();
            before.get_mut(Table::Filter, &input).unwrap().rules.push(Entry { id, rule });
        }
        let mut after = before.clone();
        after.rename_chain(Table::Filter, &old, &new).unwrap();
        after.get_mut(Table::Filter, &input).unwrap().rules.pop();
        let patch = Patch::between(&before, &after, &[(Table::Filter, old.clone(), new.clone())]);
        let changes: Vec<Change> = patch.changes(&before).into_iter().map(|(change, _)| change).collect();
        let mut between = after.clone();
        between.rename_chain(Table::Filter, &new, &old).unwrap();
        for mut present in [after, between] {
            let drift = Revert::batch(&mut present, &changes).drift;
            assert_eq!((drift, present.same(&before)), (Vec::new(), true), "{present:?}");
        }
    }
}
