//! From the changes in the journal back to the ruleset before them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Chain, ChainName, ChainRef, Entry, Policy, Rule, Ruleset, Table, Tag, Words};
use crate::model::change::{Change, Drift, Object, Place, State};

/// How the present is looked at when something is put back.
pub trait Judge {
    /// Tells whether a rule of ours is still what was put in, as the journal has it, in this chain.
    fn same(&mut self, at: &ChainRef, put_in: &Rule, present: &Rule) -> bool;

    /// Tells whether a policy that somebody else changed since is set back nevertheless, and a rule without neighbours is put back by the number of
    /// its place.
    fn overrides(&self) -> bool {
        false
    }
}

/// Takes every rule of ours for what was put in.
pub struct Trusting;

impl Judge for Trusting {
    fn same(&mut self, _: &ChainRef, _: &Rule, _: &Rule) -> bool {
        true
    }
}

/// Puts back what one batch of changes did, object by object, in a copy of the present ruleset.
pub struct Revert<'a> {
    set: &'a mut Ruleset,
    next_id: u64,
    drift: Vec<Drift>,
    renamed: Vec<(Table, ChainName, ChainName)>,
    /// The chains in which rules of ours were found, by those into which they were put.
    moved: HashMap<ChainRef, ChainName>,
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
    pub fn batch(set: &'a mut Ruleset, changes: &[Change], judge: &mut dyn Judge) -> Reverted {
        let next_id = set.tables.values().flat_map(|t| t.chains.values()).flat_map(|c| &c.rules).map(|e| e.id).max().unwrap_or(0) + 1;
        let family = set.family;
        let mut revert = Self { set, next_id, drift: Vec::new(), renamed: Vec::new(), moved: HashMap::new() };
        let mine: Vec<&Change> = changes.iter().filter(|change| change.object.table().is_some_and(|(of, _)| of == family)).collect();
        mine.iter().for_each(|change| revert.name_again(change));
        // First what others may need (chains), then what may need it (rules), last what nothing needs any more.
        mine.iter().for_each(|change| revert.chain_back(change));
        revert.rules_out(&mine, judge);
        revert.others_out(&mine);
        mine.iter().for_each(|change| revert.policy(change, judge));
        revert.rules_back(&mine, judge.overrides());
        mine.iter().rev().for_each(|change| revert.chain_away(change));
        mine.iter().rev().for_each(|change| revert.name(change));
        mine.iter().rev().for_each(|change| revert.registration(change));
        Reverted { drift: revert.drift, renamed: revert.renamed }
    }

    fn report(&mut self, object: &Object, left: bool, why: impl Into<String>) {
        self.drift.push(Drift { object: object.clone(), why: why.into(), left });
    }

    fn chain_back(&mut self, change: &Change) {
        if let (Object::Chain(at), Some(State::Present), None) = (&change.object, &change.before, &change.after)
            && self.set.new_chain(at.table, &at.chain).is_err()
        {
            self.report(&change.object, false, "somebody made it again");
        }
    }

    /// Takes out the rules of ours that the batch put in: each is known by its tag, wherever it stands now.
    fn rules_out(&mut self, changes: &[&Change], judge: &mut dyn Judge) {
        let mut put_in: Vec<(&ChainRef, &Rule, &Tag)> =
            put_in(changes).filter_map(|(at, rule, _)| Some((at, rule, rule.tag.as_ref()?))).collect();
        let mut by_tag: HashMap<&Tag, (&ChainRef, &Rule, usize)> = put_in.iter().map(|(at, rule, tag)| (*tag, (*at, *rule, 0))).collect();
        let mut altered: HashMap<Tag, String> = HashMap::new();
        let chains = self.set.tables.values_mut().flat_map(|table| table.chains.iter_mut());
        for (name, chain) in chains {
            chain.rules.retain(|entry| {
                let Some((tag, (at, rule, found))) = entry.rule.tag.as_ref().and_then(|tag| Some((tag, by_tag.get_mut(tag)?))) else {
                    return true;
                };
                let same = judge.same(at, rule, &entry.rule);
                if *name != at.chain {
                    self.moved.insert((*at).clone(), name.clone());
                }
                if same {
                    *found += 1;
                } else {
                    altered.insert(tag.clone(), entry.rule.words.to_string());
                }
                !same
            });
        }
        let found = |tag: &Tag| by_tag.get(tag).map_or(0, |(.., found)| *found);
        put_in.retain(|(_, _, tag)| found(tag) != 1 || altered.contains_key(tag));
        for (at, rule, tag) in put_in {
            let object = Object::Rule(at.clone());
            match (altered.get(tag), found(tag)) {
                (Some(words), _) => self.report(&object, true, format!("somebody changed {} to {words}", rule.words)),
                (None, 0) => self.report(&object, false, gone(rule)),
                (None, several) => {
                    self.report(&object, false, format!("somebody wrote it again, and all {several} are taken out: {}", rule.words))
                }
            }
        }
    }

    /// Takes out the rules without a tag that an undo has put back: they are known by their words, and equal ones by their neighbours.
    fn others_out(&mut self, changes: &[&Change]) {
        let mut leader = Leader::default();
        let others: Vec<(&ChainRef, &Rule, &Place)> =
            put_in(changes).map(|(at, rule, place)| (at, rule, leader.of(at, place))).filter(|(_, rule, _)| rule.tag.is_none()).collect();
        let mut wanted: HashMap<(&ChainRef, &Words), usize> = HashMap::new();
        others.iter().for_each(|(at, rule, _)| *wanted.entry((at, &rule.words)).or_default() += 1);
        for (at, rule, place) in others {
            let object = Object::Rule(at.clone());
            let wanted = wanted.entry((at, &rule.words)).or_default();
            let found = self.set.find(at.table, &at.chain).map_or(Found::None, |chain| find(chain, rule, place, *wanted));
            *wanted = wanted.saturating_sub(1);
            match found {
                Found::At(index) => drop(self.set.find_mut(at.table, &at.chain).map(|chain| chain.rules.remove(index))),
                Found::None => self.report(&object, false, gone(rule)),
                Found::Several => self.report(&object, true, format!("several rules are equal to it: {}", rule.words)),
            }
        }
    }

    fn policy(&mut self, change: &Change, judge: &dyn Judge) {
        let (Object::Policy(at), Some(State::Policy(before)), Some(State::Policy(after))) = (&change.object, &change.before, &change.after)
        else {
            return;
        };
        match self.set.find(at.table, &at.chain).and_then(|chain| chain.policy) {
            Some(now) if now == *before => self.report(&change.object, false, format!("somebody set it to {now}")),
            Some(now) if now == *after || judge.overrides() => drop(self.set.set_policy(at.table, &at.chain, *before)),
            _ => self.report(&change.object, true, format!("it is not {after} any more")),
        }
    }

    /// Puts the rules back that the batch took out, in chain order, each next to a neighbour that is still there. Where none is, the number of the
    /// place would be a `guess`.
    fn rules_back(&mut self, changes: &[&Change], guess: bool) {
        let mut lacking: HashMap<(&ChainRef, u64), usize> = HashMap::new();
        let removed: Vec<(&Change, &ChainRef, &Rule, &Place)> = changes
            .iter()
            .filter_map(|change| match (&change.object, &change.before, &change.after) {
                (Object::Rule(at), Some(State::Rule(rule, place)), None) => Some((*change, at, rule, &**place)),
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
        let mut leader = Leader::default();
        let mut last: Option<u64> = None;
        let first_back = self.next_id;
        // A fingerprint takes longer than all else here, and each rule is looked at for each that comes back.
        let mut prints: HashMap<&ChainRef, Vec<u64>> = HashMap::new();
        for (change, at, rule, place) in removed {
            if !place.follows {
                last = None;
            }
            let around = leader.of(at, place);
            let Some(count) = lacking.get_mut(&(at, rule.fingerprint())).filter(|count| **count > 0) else {
                self.report(&change.object, false, format!("somebody put it back: {}", rule.words));
                continue;
            };
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
            let beside = last.and_then(|id| chain.rules.iter().rposition(|entry| entry.id == id)).map(|index| index + 1);
            let guess = guess.then(|| (place.number - usize::from(place.number > 0)).min(chain.rules.len()));
            match beside.or_else(|| gap(chain, prints, rule, around, first_back)).or(guess) {
                Some(gap) => {
                    chain.rules.insert(gap, Entry { id: self.next_id, rule: Arc::new(rule.clone()) });
                    prints.insert(gap, rule.fingerprint());
                    last = Some(self.next_id);
                    self.next_id += 1;
                }
                None => {
                    // Before them or behind: only who wrote the recipe knows, and what passes may depend on it.
                    let why = match around.above.is_empty() && around.below.is_empty() {
                        true => "it stood alone, and other rules are there now",
                        false => "its neighbours are gone or changed their order",
                    };
                    self.report(&change.object, true, format!("{why}; the rule was: {}", rule.words));
                }
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
            return match self.moved.get(at).cloned() {
                Some(name) => self.report(&change.object, true, format!("somebody renamed it to {name}")),
                None => self.report(&change.object, false, "somebody deleted it"),
            };
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

fn gone(rule: &Rule) -> String {
    format!("somebody took it out: {}", rule.words)
}

/// Lists the rules that changes put in, with their places.
fn put_in<'a>(changes: &[&'a Change]) -> impl Iterator<Item = (&'a ChainRef, &'a Rule, &'a Place)> {
    changes.iter().filter_map(|change| match (&change.object, &change.before, &change.after) {
        (Object::Rule(at), None, Some(State::Rule(rule, place))) => Some((at, rule, &**place)),
        _ => None,
    })
}

/// Finds the neighbours of rules that follow another.
#[derive(Default)]
pub struct Leader<'a>(Option<(&'a ChainRef, &'a Place)>);

impl<'a> Leader<'a> {
    /// Gives the place that tells the neighbours of a rule; to be asked in the order of the changes.
    pub fn of(&mut self, at: &'a ChainRef, place: &'a Place) -> &'a Place {
        match self.0 {
            Some((same, leader)) if place.follows && same == at => leader,
            _ => self.0.insert((at, place)).1,
        }
    }
}

/// Where a rule without a tag is.
enum Found {
    At(usize),
    None,
    Several,
}

/// Finds a rule by its words; of more equal ones than are `wanted`, the one that stands as it stood.
fn find(chain: &Chain, rule: &Rule, place: &Place, wanted: usize) -> Found {
    let mine = |entry: &Entry| entry.rule.tag.is_none() && entry.rule.words == rule.words;
    let equal: Vec<usize> = (0..chain.rules.len()).filter(|at| mine(&chain.rules[*at])).collect();
    let Some(first) = equal.first() else { return Found::None };
    if equal.len() <= wanted {
        return Found::At(*first);
    }
    let prints: Vec<u64> = chain.rules.iter().map(|entry| entry.rule.fingerprint()).collect();
    let score = |at: usize| {
        let (up, down) = (prints[..at].iter().rev(), prints[at + 1..].iter());
        let near = |side: &mut dyn Iterator<Item = &u64>| side.take(2 * Place::NEIGHBOURS).copied().collect::<Vec<u64>>();
        in_common(&near(&mut up.into_iter()), &place.above) + in_common(&near(&mut down.into_iter()), &place.below)
    };
    let scores: Vec<(usize, usize)> = equal.iter().map(|at| (score(*at), *at)).collect();
    let best = scores.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let winners: Vec<usize> = scores.iter().filter(|(score, _)| *score == best).map(|(_, at)| *at).collect();
    // Equal rules side by side are one as good as the other.
    let side_by_side = winners.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    if side_by_side { Found::At(winners[0]) } else { Found::Several }
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
    use crate::model::iptables::Patch;

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
            let drift = Revert::batch(&mut present, &changes, &mut Trusting).drift;
            assert_eq!((drift, present.same(&before)), (Vec::new(), true), "{present:?}");
        }
    }
}
