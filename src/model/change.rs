//! An entry of the journal: one object, its state before and its state after.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Origin;
use super::iptables::{ChainName, ChainRef, Policy, Rule, RunId, Table};
use super::{Family, Fault, Kind};

/// What a change is about. An object has an identity that outlives what happens around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    Rule(Rule, Place),
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
}

impl Change {
    /// Makes a change.
    pub fn new(object: Object, before: Option<State>, after: Option<State>) -> Self {
        Self { object, before, after, origin: None }
    }

    /// Tells whether the change is worth a line to a person; that nf_tables registers a table is not.
    pub fn is_visible(&self) -> bool {
        !matches!(self.object, Object::Table(..) | Object::BaseChain(_))
    }
}

impl Object {
    /// Gives the family of the object.
    pub fn family(&self) -> Family {
        match self {
            Object::Table(family, _) => *family,
            Object::BaseChain(at) | Object::Chain(at) | Object::ChainName(at) | Object::Policy(at) | Object::Rule(at) => at.family,
        }
    }
}

impl Object {
    /// Gives the table of the object.
    pub fn table(&self) -> Table {
        match self {
            Object::Table(_, table) => *table,
            Object::BaseChain(at) | Object::Chain(at) | Object::ChainName(at) | Object::Policy(at) | Object::Rule(at) => at.table,
        }
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
    /// What was found different from what the journal says.
    pub drift: Vec<Drift>,
    /// In a plan: why a run would be refused for the sake of the login.
    pub lockouts: Vec<Fault>,
}
