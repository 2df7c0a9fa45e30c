//! An entry of the journal: one object, its state before and its state after.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Origin;
use super::ipset::{Definition, Element, Entry, SetName};
use super::iptables::{ChainName, ChainRef, Policy, Rule, RunId, Table};
use super::{Family, Fault, Kind, cgroup, link, netns, sysctl, tc};

/// What a change is about. An object has an identity that outlives what happens around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A table as such: nf_tables has one only from its first use on.
    Table(Family, Table),
    /// A built-in chain as such: nf_tables has one only from its first use on.
    BaseChain(ChainRef),
    /// A user-defined chain as such.
    Chain(ChainRef),
    /// The name of a user-defined chain, by its present one.
    ChainName(ChainRef),
    /// The policy of a built-in chain.
    Policy(ChainRef),
    /// One rule; which one, its state says: by its tag, or by its words and its place.
    Rule(ChainRef),
    /// A kernel parameter.
    Sysctl(sysctl::Key),
    /// A set of addresses, networks or ports.
    Set(SetName),
    /// An element of a set.
    Member(SetName, Element),
    /// Two sets, and which of them has which name.
    SetPair(SetName, SetName),
    /// A control group, or what is in one.
    Cgroup(cgroup::Object),
    /// A port that is not given to whoever asks for any.
    ReservedPort(u16),
    /// A network namespace.
    Netns(netns::Object),
    /// A link, what belongs to one, a route or a rule.
    Link(link::Object),
    /// Something of traffic control.
    Tc(tc::Object),
    /// An action that filters can share.
    Action(tc::action::Key),
}

/// The state of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there.
    Present,
    /// The policy.
    Policy(Policy),
    /// The name.
    Name(ChainName),
    /// The rule, and where it stands.
    Rule(Rule, Box<Place>),
    /// The value of a kernel parameter.
    Value(sysctl::Value),
    /// How a set was made.
    Set(Definition),
    /// What a set keeps about an element.
    Entry(Entry),
    /// What tells two sets apart, whatever their names.
    Pair(String, String),
    /// That of a control group, or of what is in one.
    Cgroup(cgroup::State),
    /// What there is of a network namespace.
    Netns(netns::State),
    /// The state of a link, of what belongs to one, of a route or a rule.
    Link(link::State),
    /// The state of something of traffic control.
    Tc(tc::State),
    /// What an action does.
    Action(Box<tc::action::Action>),
}

/// Where a rule stands, told by its neighbours: numbers move when somebody else adds a rule.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// The place from 1 at the time of the change, for people to read.
    pub number: usize,
    /// Fingerprints of the rules before it, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<u64>,
    /// Fingerprints of the rules behind it, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<u64>,
    /// How many equal rules stay in the chain after the change.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub twins: usize,
    /// Whether it stands directly behind the rule of the change before: their neighbours are the same, and are told there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub follows: bool,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Place {
    /// How many neighbours on either side are remembered.
    pub const NEIGHBOURS: usize = 8;
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The object.
    pub object: Object,
    /// Its state before; none where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// Its state after; none where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<State>,
    /// The script position that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The network namespace in which it is made, where that is not the one in which the run is at home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Arc<str>>,
}

impl Change {
    /// Makes a change.
    pub fn new(object: Object, before: Option<State>, after: Option<State>) -> Self {
        Self { object, before, after, origin: None, netns: None }
    }

    /// Tells whether the change is worth counting to a person; that nf_tables registers a table, or where a namespace is kept, is not.
    pub fn is_visible(&self) -> bool {
        let is_quiet = match &self.object {
            Object::Table(..) | Object::BaseChain(_) => true,
            Object::Netns(netns::Object::Aside(_)) => true,
            Object::Link(object) => object.is_quiet(self.before.is_some() && self.after.is_some()),
            _ => false,
        };
        !self.is_claim() && !is_quiet
    }

    /// Tells whether it makes an object that belongs to who made it.
    pub fn makes(&self) -> bool {
        let is_owned = match &self.object {
            Object::Table(..) | Object::BaseChain(_) | Object::Chain(_) | Object::Set(_) => true,
            Object::Netns(_) | Object::Tc(_) | Object::Action(_) => true,
            Object::Cgroup(object) => object.is_owned(),
            Object::Link(object) => object.holds_others(),
            _ => false,
        };
        is_owned && self.before.as_ref().is_none_or(State::is_half_made) && self.after.is_some()
    }

    /// Makes it about another network namespace: about the one that was made once more.
    pub fn renew(&mut self, old: u64, new: u64) {
        if let Object::Link(link::Object::Far(far)) = &mut self.object {
            far.renew(old, new);
        }
        for state in [&mut self.before, &mut self.after].into_iter().flatten() {
            match state {
                State::Netns(netns::State::Made { cookie, .. }) if *cookie == old => *cookie = new,
                State::Link(link::State::Link(link)) => link.far.iter_mut().for_each(|far| far.renew(old, new)),
                _ => {}
            }
        }
    }

    /// Tells whether nothing is changed: a run relies on what another one has set.
    pub fn is_claim(&self) -> bool {
        self.before == self.after
    }
}

impl Object {
    /// Tells whether it is ever asked who has made it: nobody takes these for his own that others have made, or for those of others that he may let go.
    pub fn is_asked_for_its_maker(&self) -> bool {
        matches!(self, Object::Table(..) | Object::BaseChain(_) | Object::Chain(_) | Object::Set(_) | Object::Cgroup(_))
    }

    /// Gives the chain that the object is, or is in.
    pub fn chain(&self) -> Option<&ChainRef> {
        match self {
            Object::BaseChain(at) | Object::Chain(at) | Object::ChainName(at) | Object::Policy(at) | Object::Rule(at) => Some(at),
            Object::Table(..)
            | Object::Sysctl(_)
            | Object::Set(_)
            | Object::Member(..)
            | Object::SetPair(..)
            | Object::ReservedPort(_)
            | Object::Netns(_)
            | Object::Link(_)
            | Object::Tc(_)
            | Object::Action(_)
            | Object::Cgroup(_) => None,
        }
    }

    /// Gives the table of rules that the object is in; none where it is an object with a name of its own.
    pub fn table(&self) -> Option<(Family, Table)> {
        match self {
            Object::Table(family, table) => Some((*family, *table)),
            _ => self.chain().map(|at| (at.family, at.table)),
        }
    }

    /// Tells whether it is known by a name of its own, and not by its place among others.
    pub fn is_named(&self) -> bool {
        self.table().is_none()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Table(family, table) => write!(f, "table {table} ({family})"),
            Object::BaseChain(at) | Object::Chain(at) => write!(f, "chain {at}"),
            Object::ChainName(at) => write!(f, "name of chain {at}"),
            Object::Policy(at) => write!(f, "policy of {at}"),
            Object::Rule(at) => write!(f, "rule in {at}"),
            Object::Sysctl(key) => write!(f, "parameter {key}"),
            Object::Set(set) => write!(f, "set {set}"),
            Object::Member(set, element) => write!(f, "element {element} of set {set}"),
            Object::SetPair(one, other) => write!(f, "names of the sets {one} and {other}"),
            Object::Cgroup(object) => write!(f, "{object}"),
            Object::ReservedPort(port) => write!(f, "reserved port {port}"),
            Object::Netns(object) => write!(f, "{object}"),
            Object::Link(object) => write!(f, "{object}"),
            Object::Tc(object) => write!(f, "{object}"),
            Object::Action(key) => write!(f, "{key}"),
        }
    }
}

/// What stood in the way of putting an object back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The object.
    pub object: Object,
    /// What is different.
    pub why: String,
    /// Whether something of the change is still in force, or something that it took away is still missing.
    pub left: bool,
}

impl Drift {
    /// Turns the drift into a fault.
    pub fn fault(&self) -> Fault {
        Fault::new(Kind::Drift, format!("put back the {}", self.object), self.why.clone())
    }
}

/// What a run did, for people and for programs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The run, if it changed anything.
    pub run: Option<RunId>,
    /// The changes in the order in which they were made.
    pub changes: Vec<Change>,
    /// What was done that cannot be lifted.
    pub acts: Vec<String>,
    /// What was not lifted because other runs rely on it.
    pub stays: Vec<String>,
    /// What was found different from what the journal says.
    pub drift: Vec<Drift>,
    /// In a plan: why a run would be refused for the sake of the login.
    pub lockouts: Vec<Fault>,
}

impl Report {
    /// Gives what is still in force of what was lifted, or still missing.
    pub fn left(&self) -> impl Iterator<Item = &Drift> {
        self.drift.iter().filter(|drift| drift.left)
    }

    /// Tells whether nothing is left.
    pub fn is_clean(&self) -> bool {
        self.left().next().is_none()
    }
}
