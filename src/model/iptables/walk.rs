//! The way of a connection's next packets through a ruleset: where they could be dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::packet::{Answer, Packet, Parts};
use super::rule::fingerprint;
use super::{Chain, ChainName, ChainRef, Policy, Rule, Ruleset, Table};
use crate::model::ipset::SetName;
use crate::model::{Flow, Tracking};

pub use super::packet::Memory;

/// The chains that a packet for this host passes, in order, and those of one that this host sends. The `nat` table sees the first packet of a
/// connection only, see TABLES in iptables(8).
const IN: [(Table, &str); 7] = [
    (Table::Raw, "PREROUTING"),
    (Table::Mangle, "PREROUTING"),
    (Table::Nat, "PREROUTING"),
    (Table::Mangle, "INPUT"),
    (Table::Filter, "INPUT"),
    (Table::Security, "INPUT"),
    (Table::Nat, "INPUT"),
];
const OUT: [(Table, &str); 7] = [
    (Table::Raw, "OUTPUT"),
    (Table::Mangle, "OUTPUT"),
    (Table::Nat, "OUTPUT"),
    (Table::Filter, "OUTPUT"),
    (Table::Security, "OUTPUT"),
    (Table::Mangle, "POSTROUTING"),
    (Table::Nat, "POSTROUTING"),
];

/// Targets after which the next rule is looked at.
const PASSING: [&str; 19] = [
    "LOG",
    "NFLOG",
    "ULOG",
    "MARK",
    "CONNMARK",
    "TCPMSS",
    "CLASSIFY",
    "TOS",
    "DSCP",
    "ECN",
    "SET",
    "TRACE",
    "SECMARK",
    "CONNSECMARK",
    "CHECKSUM",
    "RATEEST",
    "TCPOPTSTRIP",
    "IDLETIMER",
    "AUDIT",
];

/// As deep as a packet is followed; the kernel itself refuses loops.
const DEPTH: usize = 64;
/// As many rules as one packet is held against.
const RULES: usize = 1 << 18;

/// A place at which a packet could be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The chain.
    pub at: ChainRef,
    /// The rule; none for the policy of the chain.
    pub rule: Option<Arc<Rule>>,
    /// Whether the packet comes in; else it goes out.
    inbound: bool,
    /// What connection tracking says of it.
    tracking: Tracking,
    /// How sure it is: that the packet comes this far, and that the rule is about it.
    way: Way,
}

/// What has to be so for a packet to come to a place.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Way {
    /// Whether a rule leads there of which it is not certain that it is about the packet.
    iffy: bool,
    /// The rules before it that may take the packet another way.
    unless: BTreeSet<u64>,
}

impl Way {
    fn through(&self, answer: Answer) -> Self {
        Self { iffy: self.iffy || answer != Answer::Yes, unless: self.unless.clone() }
    }

    /// Gives the way past a rule that may take the packet another way.
    fn without(mut self, rule: &Rule) -> Self {
        self.unless.insert(fingerprint(rule.words.as_str()));
        self
    }

    /// Gives what both ways have in common: one of them is taken.
    fn or(self, other: Self) -> Self {
        Self { iffy: self.iffy || other.iffy, unless: self.unless.intersection(&other.unless).copied().collect() }
    }
}

impl Cut {
    /// Tells whether the packet is dropped for sure, as far as this ruleset goes.
    pub fn is_sure(&self) -> bool {
        !self.way.iffy && self.way.unless.is_empty()
    }

    /// Tells whether it is no worse than what was there before: the same place, as uncertain as now, behind rules that all are there still.
    pub fn is_known(&self, before: &[Cut]) -> bool {
        let words = |cut: &Cut| cut.rule.as_ref().map(|rule| rule.words.clone());
        before.iter().any(|was| {
            (&was.at, was.inbound, was.tracking) == (&self.at, self.inbound, self.tracking)
                && words(was) == words(self)
                && (!was.way.iffy || self.way.iffy)
                && was.way.unless.is_subset(&self.way.unless)
        })
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.is_sure() { "drops" } else { "may drop" };
        let side = if self.inbound { "what comes from there" } else { "what goes there" };
        match &self.rule {
            Some(rule) => write!(f, "the rule `{}` of {} {verb} {side}", rule.words, self.at),
            None => write!(f, "the policy of {} {verb} {side}", self.at),
        }
    }
}

/// Finds where a ruleset could cut a connection.
pub fn cuts(set: &Ruleset, flow: &Flow, memory: &dyn Memory) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for tracking in &flow.tracking {
        for inbound in [true, false] {
            let (source, destination) = if inbound { (flow.peer, flow.here) } else { (flow.here, flow.peer) };
            let packet = Packet { source, destination, inbound, interface: flow.interface.as_deref(), tracking: *tracking };
            let (table, remembered, tracking) = (Table::Raw, Vec::new(), *tracking);
            let mut walk = Walk { set, table, packet, memory, tracking, remembered, rules: 0, cuts: &mut cuts };
            walk.hooks(if inbound { &IN } else { &OUT });
        }
    }
    cuts
}

/// Lists the sets that rules ask.
pub fn sets(set: &Ruleset) -> BTreeSet<SetName> {
    let rules = set.tables.values().flat_map(|table| table.chains.values()).flat_map(|chain| &chain.rules);
    let asking = rules.filter(|entry| entry.rule.words.as_str().contains("--match-set"));
    let names = asking.flat_map(|entry| {
        let words: Vec<String> = entry.rule.words.split();
        words.windows(2).filter(|pair| pair[0] == "--match-set").filter_map(|pair| pair[1].parse().ok()).collect::<Vec<_>>()
    });
    names.collect()
}

/// The way on which a packet falls out of the end of a chain, if it can.
type Left = Option<Way>;

/// What a rule does with a packet that it is about.
enum Led {
    /// The next rule is looked at.
    On,
    /// Its way through the table ends here, well.
    Accepted,
    /// It is dropped.
    Dropped,
    /// Nobody can tell.
    Perhaps,
    /// It leaves the chain, to come back to where that was called, if at all.
    Out(Left),
    /// It was in another chain, and comes back, if at all.
    Back(Left),
}

/// One packet under way.
struct Walk<'a> {
    set: &'a Ruleset,
    table: Table,
    packet: Packet<'a>,
    memory: &'a dyn Memory,
    /// What connection tracking said at first.
    tracking: Tracking,
    /// The lists of the `recent` match into which the packet has been put.
    remembered: Vec<String>,
    /// How many rules it was held against.
    rules: usize,
    cuts: &'a mut Vec<Cut>,
}

impl Walk<'_> {
    fn hooks(&mut self, hooks: &[(Table, &str)]) {
        for (table, name) in hooks {
            let name = ChainName::listed(name);
            let seen = *table != Table::Nat || self.packet.tracking == Tracking::New;
            let Some(chain) = self.set.find(*table, &name).filter(|_| seen) else { continue };
            self.table = *table;
            // The raw table comes before tracking: to a rule there every packet is invalid.
            if *table == Table::Raw {
                self.packet.tracking = Tracking::Invalid;
            }
            let left = self.chain(&name, chain, Way::default(), 0);
            if self.packet.tracking == Tracking::Invalid {
                self.packet.tracking = self.tracking;
            }
            if let Some(way) = left.filter(|_| chain.policy == Some(Policy::Drop)) {
                self.cut(&name, None, way);
            }
        }
    }

    /// Goes through the rules of a chain.
    fn chain(&mut self, name: &ChainName, chain: &Chain, mut way: Way, depth: usize) -> Left {
        let mut out: Left = None;
        for entry in &chain.rules {
            self.rules += 1;
            if self.rules > RULES || depth > DEPTH {
                // More than can be followed: who knows what comes now.
                self.cut(name, Some(&entry.rule), way.through(Answer::Maybe));
                break;
            }
            let (led, answer) = self.rule(name, &entry.rule, &way, depth);
            let on = match (led, answer) {
                (_, Answer::No) | (Led::On, _) => Some(way),
                (Led::Dropped, Answer::Maybe) => Some(way),
                (Led::Perhaps, _) | (Led::Accepted, Answer::Maybe) => Some(way.without(&entry.rule)),
                (Led::Accepted | Led::Dropped, Answer::Yes) => None,
                (Led::Out(left), answer) => {
                    out = either(out, left);
                    (answer == Answer::Maybe).then(|| way.without(&entry.rule))
                }
                (Led::Back(back), Answer::Yes) => back,
                // A chain that gives every packet back leaves it on its way, whether it was there or not.
                (Led::Back(Some(back)), Answer::Maybe) if back.unless == way.unless => Some(way),
                (Led::Back(_), Answer::Maybe) => Some(way.without(&entry.rule)),
            };
            match on {
                Some(on) => way = on,
                None => return out,
            }
        }
        either(out, Some(way))
    }

    /// Tells whether a rule is about the packet, and where it leads it then.
    fn rule(&mut self, name: &ChainName, rule: &Arc<Rule>, way: &Way, depth: usize) -> (Led, Answer) {
        let parts = Parts::of(&rule.words);
        let answer = match rule.words.is_opaque() {
            true => Answer::Maybe,
            false => parts.matches(&self.packet, self.memory, &mut self.remembered),
        };
        let Some(target) = parts.target().filter(|_| answer != Answer::No) else { return (Led::On, answer) };
        let way = way.through(answer);
        let to = ChainName::listed(target);
        let led = match (target, self.set.find(self.table, &to)) {
            (_, Some(chain)) if parts.goes() => Led::Out(self.chain(&to, chain, way, depth + 1)),
            (_, Some(chain)) => Led::Back(self.chain(&to, chain, way, depth + 1)),
            ("ACCEPT", _) => Led::Accepted,
            ("RETURN", _) => Led::Out(Some(way)),
            ("DROP" | "REJECT", _) => {
                self.cut(name, Some(rule), way);
                Led::Dropped
            }
            ("NOTRACK" | "CT", _) => {
                self.untrack(&parts, answer);
                Led::On
            }
            (passing, _) if PASSING.contains(&passing) => Led::On,
            _ => {
                self.cut(name, Some(rule), way.through(Answer::Maybe));
                Led::Perhaps
            }
        };
        (led, answer)
    }

    /// Takes the packet out of connection tracking, or into another zone of it.
    fn untrack(&mut self, parts: &Parts<'_>, answer: Answer) {
        let has = |wanted: &str| parts.target_options().iter().any(|option| option.starts_with(wanted));
        if parts.target() == Some("NOTRACK") || has("--notrack") {
            self.packet.tracking = if answer == Answer::Yes { Tracking::Untracked } else { Tracking::Unknown };
        } else if has("--zone") {
            self.packet.tracking = Tracking::Unknown;
        }
    }

    fn cut(&mut self, name: &ChainName, rule: Option<&Arc<Rule>>, way: Way) {
        let (at, inbound) = (self.set.point(self.table, name), self.packet.inbound);
        self.cuts.push(Cut { at, rule: rule.cloned(), inbound, tracking: self.tracking, way });
    }
}

fn either(a: Left, b: Left) -> Left {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.or(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
