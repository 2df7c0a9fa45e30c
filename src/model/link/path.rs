//! Where a packet of this host goes: rules, then routes, as far as what is known decides.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::route::{Fate, Hop, Key, Way};
use super::rule::Action;
use super::{Dev, Object, Rule, Setting, State, Value};
use crate::model::change::{Object as Any, State as AnyState};
use crate::model::named::Inventory;

/// What may become of a packet: the ways out, or none where it gets no further.
pub type Ends = BTreeSet<Option<Vec<Hop>>>;

/// Finds what may become of a packet between two addresses. A rule that asks for more than these leads both ways.
pub fn ends(inventory: &Inventory, from: IpAddr, to: IpAddr) -> Ends {
    let host = Host(inventory);
    let mut found = Ends::new();
    let mut rules: Vec<&Rule> =
        host.all().filter_map(|(object, _)| if let Object::Rule(rule) = object { Some(&**rule) } else { None }).collect();
    rules.retain(|rule| (rule.family == crate::model::Family::V4) == to.is_ipv4());
    rules.sort_by_key(|rule| rule.priority);
    for rule in rules {
        let is_in = |prefix: Option<crate::model::prefix::Prefix>, address| prefix.is_none_or(|prefix| prefix.contains(address));
        let is_met = is_in(rule.from, from) && is_in(rule.to, to);
        let may_be_met = if rule.not { !is_met || rule.asks_more() } else { is_met };
        let end = match rule.action {
            _ if !may_be_met => continue,
            Action::Lookup(table) => match host.lookup(table, to, rule.suppress) {
                Some(way) => (!way.fate.ends()).then(|| way.hops.clone()),
                None => continue,
            },
            Action::Blackhole | Action::Unreachable | Action::Prohibit => None,
            // Where a jump leads is left to the rules between: they may be asked, or not.
            Action::Goto(_) | Action::Nop => continue,
        };
        found.insert(end);
        if !rule.asks_more() {
            return found;
        }
    }
    found.insert(None);
    found
}

struct Host<'a>(&'a Inventory);

impl<'a> Host<'a> {
    fn all(&self) -> impl Iterator<Item = (&'a Object, &'a State)> {
        self.0.iter().filter_map(|(object, state)| match (object, state) {
            (Any::Link(object), AnyState::Link(state)) => Some((object, state)),
            _ => None,
        })
    }

    fn is_up(&self, dev: &Dev) -> bool {
        let key = Any::Link(Object::Setting(dev.clone(), Setting::Up));
        self.0.get(&key) != Some(&AnyState::Link(State::Setting(Value::Flag(false))))
    }

    /// Finds the nearest route of a table; one that says that the next rule decides is none.
    fn lookup(&self, table: u32, to: IpAddr, suppress: Option<u32>) -> Option<&'a Way> {
        let is_alive = |way: &Way| way.hops.is_empty() || way.devs().next().is_none() || way.devs().any(|dev| self.is_up(dev));
        let routes = self.all().filter_map(|(object, state)| match (object, state) {
            (Object::Route(key), State::Route(way)) => Some((key, &**way)),
            _ => None,
        });
        let fits = |(key, way): &(&Key, &Way)| key.table == table && key.tos == 0 && key.to.contains(to) && is_alive(way);
        let (key, way) = routes.filter(fits).max_by_key(|(key, _)| (key.to.length(), std::cmp::Reverse(key.metric)))?;
        let is_suppressed = suppress.is_some_and(|most| u32::from(key.to.length()) <= most);
        (way.fate != Fate::Throw && !is_suppressed).then_some(way)
    }
}
