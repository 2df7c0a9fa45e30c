//! A picture of a machine: all that a run could have changed in the network namespaces, at one moment. Two pictures show what is left of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Object, Place, State};
use super::iptables::{ChainName, ChainRef, Rule, Ruleset};
use super::named::Inventory;
use super::{link, tc};

/// Who sets routes that come and go with an address: the kernel, and routers by what they advertise (/etc/iproute2/rt_protos).
const OF_ADDRESSES: [u8; 2] = [2, 9];
/// Ends of keys of parameters that count, or that the kernel chooses anew.
const MOVING: [&str; 4] = [".nf_conntrack_count", ".tcp_fastopen_key", ".nf_conntrack_buckets", ".flush"];

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// What is known by a name of its own.
    pub objects: Inventory,
    /// The rules of iptables, of both implementations and both families.
    pub rules: Vec<Ruleset>,
    /// What else is in nf_tables, a line each.
    pub others: BTreeSet<String>,
}

/// The network namespace in which it is taken, and all that have names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The scenes, by the names of their namespaces; the first one has none.
    pub scenes: BTreeMap<Option<Arc<str>>, Scene>,
}

/// What is otherwise in a later picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What can be told as changes.
    pub changes: Vec<Change>,
    /// What cannot, a line each.
    pub others: Vec<String>,
}

impl Difference {
    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.others.is_empty()
    }
}

impl Picture {
    /// Finds what is otherwise in a later picture. What the kernel changes by itself is no difference, nor is what a counter has counted.
    pub fn difference(&self, later: &Self) -> Difference {
        let mut found = Difference::default();
        // A namespace that has come or gone is an object of the first scene.
        for (name, before) in &self.scenes {
            let Some(after) = later.scenes.get(name) else { continue };
            let mut changes = objects(&before.objects, &after.objects);
            let pairs = before.rules.iter().zip(&after.rules).filter(|(before, after)| !before.same(after));
            pairs.for_each(|(before, after)| rules(before, after, &mut changes, &mut found.others));
            changes.iter_mut().for_each(|change| change.netns.clone_from(name));
            found.changes.append(&mut changes);
            let place = name.as_ref().map_or_else(String::new, |name| format!("in the network namespace {name}: "));
            let left = after.others.difference(&before.others).map(|line| format!("{place}+ {line}"));
            found.others.extend(left.chain(before.others.difference(&after.others).map(|line| format!("{place}- {line}"))));
        }
        found
    }
}

fn objects(before: &Inventory, after: &Inventory) -> Vec<Change> {
    let is_meant = |(object, state): &(&Object, &State)| !moves_by_itself(object, state);
    let gone = before.iter().filter(is_meant).filter(|(object, _)| !after.contains_key(object) && !comes_and_goes(object));
    let gone = gone.map(|(object, state)| Change::new(object.clone(), Some(state.clone()), None));
    let new = after.iter().filter(is_meant).filter_map(|(object, state)| match before.get(object) {
        Some(was) if was.agrees(state) => None,
        None if comes_and_goes(object) => None,
        was => Some(Change::new(object.clone(), was.cloned(), Some(state.clone()))),
    });
    gone.chain(new).collect()
}

/// Tells whether something comes and goes with what is compared itself: a parameter with its link or its module, a setting with its link.
fn comes_and_goes(object: &Object) -> bool {
    matches!(object, Object::Sysctl(_) | Object::Link(link::Object::Setting(..)) | Object::Tc(tc::Object::Device(_)))
}

/// Tells whether the kernel makes and changes something by itself.
fn moves_by_itself(object: &Object, state: &State) -> bool {
    let of_module = |name: &str| link::OF_MODULES.contains(&name);
    match (object, state) {
        (Object::Sysctl(key), _) => MOVING.iter().any(|end| key.as_str().ends_with(end)),
        (Object::Link(link::Object::Address(_)), State::Link(link::State::Address(about))) if about.automatic => true,
        (Object::Link(link::Object::Route(_)), State::Link(link::State::Route(way))) => OF_ADDRESSES.contains(&way.proto),
        (Object::Link(link::Object::Link(dev) | link::Object::Setting(dev, _)), _) => of_module(dev.name.as_str()),
        (Object::Tc(object), _) => of_module(object.device().as_str()),
        _ => false,
    }
}

fn rules(before: &Ruleset, after: &Ruleset, changes: &mut Vec<Change>, others: &mut Vec<String>) {
    let mut chains: BTreeSet<(super::iptables::Table, &ChainName)> = BTreeSet::new();
    for set in [before, after] {
        chains.extend(set.tables.iter().flat_map(|(table, state)| state.chains.keys().map(|name| (*table, name))));
    }
    for (table, name) in chains {
        let (was, is) = (before.find(table, name), after.find(table, name));
        let at = after.point(table, name);
        let there = |chain: Option<&super::iptables::ruleset::Chain>| chain.map(|_| State::Present);
        if was.is_some() != is.is_some() {
            changes.push(Change::new(Object::Chain(at.clone()), there(was), there(is)));
        }
        if let (Some(was), Some(is)) = (was, is)
            && was.policy != is.policy
        {
            changes.push(Change::new(Object::Policy(at.clone()), was.policy.map(State::Policy), is.policy.map(State::Policy)));
        }
        let lines = |chain: Option<&super::iptables::ruleset::Chain>| -> Vec<Arc<Rule>> {
            chain.into_iter().flat_map(|chain| chain.rules.iter().map(|entry| entry.rule.clone())).collect()
        };
        let (was, is) = (lines(was), lines(is));
        let moved = of_chain(&at, &was, &is, changes);
        if moved {
            others.push(format!("the rules of {at} stand in another order"));
        }
    }
}

/// Finds the rules that have come to a chain or have gone; tells whether the same ones stand in another order.
fn of_chain(at: &ChainRef, was: &[Arc<Rule>], is: &[Arc<Rule>], changes: &mut Vec<Change>) -> bool {
    let (mut gone, mut new) = (numbered(was), Vec::new());
    for (place, rule) in numbered(is) {
        match gone.iter().position(|(_, other)| other.line() == rule.line()) {
            Some(same) => drop(gone.remove(same)),
            None => new.push((place, rule)),
        }
    }
    let state = |(number, rule): (usize, &Arc<Rule>)| Some(State::Rule((**rule).clone(), Place { number, ..Place::default() }.into()));
    let moved = gone.is_empty() && new.is_empty() && was.iter().zip(is).any(|(was, is)| was.line() != is.line());
    changes.extend(gone.into_iter().map(|one| Change::new(Object::Rule(at.clone()), state(one), None)));
    changes.extend(new.into_iter().map(|one| Change::new(Object::Rule(at.clone()), None, state(one))));
    moved
}

fn numbered(rules: &[Arc<Rule>]) -> Vec<(usize, &Arc<Rule>)> {
    (1..).zip(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;
    use crate::model::iptables::ruleset::Entry;
    use crate::model::iptables::{Policy, Table, Words};

    fn picture(scene: Scene) -> Picture {
        Picture { scenes: BTreeMap::from([(None, scene)]) }
    }

    fn with_rules(lines: &[&str]) -> Picture {
        let mut set = Ruleset::empty(Family::V4);
        let chain = set.get_mut(Table::Filter, &ChainName::listed("INPUT")).unwrap();
        chain.rules = (1..).zip(lines).map(|(id, line)| Entry { id, rule: Arc::new(Rule::new(Words::listed(line))) }).collect();
        picture(Scene { rules: vec![set], ..Scene::default() })
    }

    fn told(before: &Picture, after: &Picture) -> Vec<String> {
        let found = before.difference(after);
        let sign = |change: &Change| match (&change.before, &change.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        let place = |change: &Change| match (&change.before, &change.after) {
            (Some(State::Rule(rule, place)), _) | (_, Some(State::Rule(rule, place))) => format!(" {} {}", place.number, rule.line()),
            _ => String::new(),
        };
        found.changes.iter().map(|change| format!("{} {}{}", sign(change), change.object, place(change))).chain(found.others).collect()
    }

    #[test]
    fn rules_that_came_went_or_moved_are_told() {
        let (none, one) = (with_rules(&[]), with_rules(&["-j DROP"]));
        assert_eq!(told(&one, &one), Vec::<String>::new());
        assert_eq!(told(&none, &one), ["+ rule in filter/INPUT (IPv4) 1 -j DROP"]);
        assert_eq!(told(&one, &none), ["- rule in filter/INPUT (IPv4) 1 -j DROP"]);
        assert_eq!(told(&one, &with_rules(&["-j DROP", "-j DROP"])), ["+ rule in filter/INPUT (IPv4) 2 -j DROP"]);
        let (two, turned) = (with_rules(&["-j LOG", "-j DROP"]), with_rules(&["-j DROP", "-j LOG"]));
        assert_eq!(told(&two, &turned), ["the rules of filter/INPUT (IPv4) stand in another order"]);
    }

    #[test]
    fn chains_and_policies_are_told() {
        let mut set = Ruleset::empty(Family::V6);
        let before = picture(Scene { rules: vec![set.clone()], ..Scene::default() });
        set.new_chain(Table::Nat, &ChainName::listed("mine")).unwrap();
        set.set_policy(Table::Filter, &ChainName::listed("FORWARD"), Policy::Drop).unwrap();
        let after = picture(Scene { rules: vec![set], ..Scene::default() });
        assert_eq!(told(&before, &after), ["~ policy of filter/FORWARD (IPv6)", "+ chain nat/mine (IPv6)"]);
    }

    #[test]
    fn what_comes_with_a_link_or_moves_by_itself_is_no_difference() {
        let key = |key: &str| Object::Sysctl(key.parse().unwrap());
        let value = |text: &str| State::Value(crate::model::sysctl::Value::of(text));
        let of = |entries: &[(&str, &str)]| {
            picture(Scene { objects: entries.iter().map(|(k, v)| (key(k), value(v))).collect(), ..Scene::default() })
        };
        let before = of(&[("net.ipv4.ip_forward", "0"), ("net.netfilter.nf_conntrack_count", "0")]);
        let after = of(&[("net.ipv4.ip_forward", "1"), ("net.netfilter.nf_conntrack_count", "3"), ("net.ipv4.conf.veth0.forwarding", "1")]);
        assert_eq!(told(&before, &after), ["~ parameter net.ipv4.ip_forward"]);
    }

    #[test]
    fn what_else_is_in_nf_tables_is_told_with_its_place() {
        let scene = |lines: &[&str]| Scene { others: lines.iter().map(|line| (*line).to_owned()).collect(), ..Scene::default() };
        let of = |own: &[&str], peer: &[&str]| Picture { scenes: BTreeMap::from([(None, scene(own)), (Some("peer".into()), scene(peer))]) };
        let told = told(&of(&["table inet a"], &[]), &of(&[], &["table inet b"]));
        assert_eq!(told, ["- table inet a", "in the network namespace peer: + table inet b"]);
    }
}
