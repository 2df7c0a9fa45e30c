//! What one run has in force, as input for iptables-restore(8).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{ChainName, Policy, Ruleset, RunId, Table};
use crate::model::change::{Change, Object, State};

/// Writes the chains, the policies and the rules of a run, without its tags.
///
/// `changes` are those of the run that were not lifted; of them that counts what is still there.
pub fn text(set: &Ruleset, run: &RunId, changes: &[Change]) -> String {
    let mine: Vec<&Change> =
        changes.iter().filter(|change| change.object.table().is_some_and(|(family, _)| family == set.family)).collect();
    Table::ALL.into_iter().map(|table| of_table(set, table, run, &mine)).collect()
}

fn of_table(set: &Ruleset, table: Table, run: &RunId, changes: &[&Change]) -> String {
    let Some(state) = set.table(table) else { return String::new() };
    let mut own = made(table, changes);
    own.retain(|name| state.chains.contains_key(name));
    let policies = policies(set, table, changes);
    let (mut rules, mut needs) = (String::new(), BTreeSet::new());
    for (name, chain) in &state.chains {
        for entry in chain.rules.iter().filter(|entry| entry.rule.tag.as_ref().is_some_and(|tag| tag.run == *run)) {
            let _ = writeln!(rules, "{}", format!("-A {name} {}", entry.rule.words).trim_end());
            needs.insert(name.clone());
            needs.extend(entry.rule.words.target().map(|target| ChainName::listed(&target)));
        }
    }
    if own.is_empty() && policies.is_empty() && rules.is_empty() {
        return String::new();
    }
    let is_missing = |name: &&ChainName| !own.contains(*name) && state.chains.get(*name).is_some_and(|chain| chain.policy.is_none());
    let mut text = String::new();
    needs.iter().filter(is_missing).for_each(|name| text.push_str(&format!("# It needs the chain {name}, which another run made.\n")));
    let _ = writeln!(text, "*{table}");
    policies.iter().for_each(|(name, policy)| text.push_str(&format!(":{name} {policy} [0:0]\n")));
    own.iter().for_each(|name| text.push_str(&format!(":{name} - [0:0]\n")));
    text + &rules + "COMMIT\n"
}

/// Gives the chains that the changes made, by their last names.
fn made(table: Table, changes: &[&Change]) -> BTreeSet<ChainName> {
    let mut names = BTreeSet::new();
    for change in changes.iter().filter(|change| change.object.table().is_some_and(|(_, of)| of == table)) {
        match (&change.object, &change.before, &change.after) {
            (Object::Chain(at), None, Some(_)) => drop(names.insert(at.chain.clone())),
            (Object::Chain(at), Some(_), None) => drop(names.remove(&at.chain)),
            (Object::ChainName(_), Some(State::Name(from)), Some(State::Name(to))) if names.remove(from) => drop(names.insert(to.clone())),
            _ => {}
        }
    }
    names
}

/// Gives the policies that the changes set, where they are still so.
fn policies<'a>(set: &Ruleset, table: Table, changes: &[&'a Change]) -> Vec<(&'a ChainName, Policy)> {
    let mut found: Vec<(&ChainName, Policy)> = Vec::new();
    for change in changes.iter().filter(|change| change.object.table().is_some_and(|(_, of)| of == table)) {
        if let (Object::Policy(at), Some(State::Policy(policy))) = (&change.object, &change.after) {
            found.retain(|(chain, _)| **chain != at.chain);
            found.push((&at.chain, *policy));
        }
    }
    found.retain(|(chain, policy)| set.find(table, chain).is_some_and(|chain| chain.policy == Some(*policy)));
    found
}

#[cfg(test)]
mod tests {
    use super::super::{ChainRef, save};
    use super::*;
    use crate::model::Family;

    #[test]
    fn only_what_the_run_set_is_in_it() {
        let run = RunId::from_bits(7);
        let tag = format!("-m comment --comment \"fyke:x#{run}.1\"");
        let listing = format!(
            "*filter\n:INPUT DROP [5:600]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:NEW - [0:0]\n:THEIRS - [0:0]\n\
             [1:60] -A INPUT -p tcp {tag} -j NEW\n[1:60] -A INPUT -p udp -j DROP\n[0:0] -A NEW -m comment --comment mine {tag} -j THEIRS\n\
             [0:0] -A NEW {tag}\nCOMMIT\n"
        );
        let mut set = Ruleset::empty(Family::V4);
        save::read(&mut set, &listing, &|_| true).unwrap();
        let at = |name| ChainRef::new(Family::V4, Table::Filter, ChainName::listed(name));
        let name = |name| Some(State::Name(ChainName::listed(name)));
        let policy = |policy| Some(State::Policy(policy));
        let changes = [
            Change::new(Object::Chain(at("OLD")), None, Some(State::Present)),
            Change::new(Object::Chain(at("GONE")), None, Some(State::Present)),
            Change::new(Object::ChainName(at("NEW")), name("OLD"), name("NEW")),
            Change::new(Object::Policy(at("FORWARD")), policy(Policy::Accept), policy(Policy::Drop)),
            Change::new(Object::Policy(at("OUTPUT")), policy(Policy::Accept), policy(Policy::Drop)),
        ];
        let wanted = "# It needs the chain THEIRS, which another run made.\n*filter\n:FORWARD DROP [0:0]\n:NEW - [0:0]\n\
                      -A INPUT -p tcp -j NEW\n-A NEW -m comment --comment mine -j THEIRS\n-A NEW\nCOMMIT\n";
        assert_eq!(text(&set, &run, &changes), wanted);
        assert_eq!(text(&set, &RunId::from_bits(8), &[]), "");
    }
}
