//! netfilter's tables of rules, through the tools and the sockets that Linux has for them.

pub mod backend;
mod legacy;
pub mod live;
mod lock;
mod lost;
mod nft;
mod places;
mod programs;
mod restore;
mod scratch;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub(in crate::kernel) use nft::socket_fault;

use std::collections::HashSet;

use crate::model::iptables::{ChainRef, Patch, Ruleset, RunId, Table, Words};
use crate::model::{Family, Fault};

/// Which of the two implementations of iptables holds the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// nf_tables, `iptables-nft`.
    Nft,
    /// The older x_tables, `iptables-legacy`.
    Legacy,
}

impl Backend {
    /// Gives the name that `--backend` takes, and the journal.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Nft => "nft",
            Backend::Legacy => "legacy",
        }
    }

    /// Finds a backend by its name.
    pub fn named(name: &str) -> Option<Self> {
        [Backend::Nft, Backend::Legacy].into_iter().find(|backend| backend.name() == name)
    }
}

/// A rule to be made canonical: the words, in the chain in which they are to stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The chain, because some targets are valid in some hooks only.
    pub chain: ChainRef,
    /// The words as they were given.
    pub words: Words,
}

/// What the oracle says of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel takes it, and lists it like this.
    Canonical(Words),
    /// The tool or the kernel refuses it, in these words.
    Refused(String),
    /// The scratch namespace lacks something that the host may have (an ipset, a cgroup); only the live write can tell.
    Unknown(String),
}

/// A refusal of a whole update: nothing of the table at fault was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, with the words of the tool or the kernel.
    pub fault: Fault,
    /// The entry of the wanted ruleset that was refused, where it is known.
    pub entry: Option<(Family, u64)>,
    /// The tables that were or may have been written, where that is known; of all others nothing is there.
    pub written: Option<Vec<(Family, Table)>>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, entry: None, written: None }
    }
}

/// What finds the patches for the present rulesets (one a family, in the order asked for) and journals them.
///
/// It may be called again with fresher rulesets, if somebody else changed them before the patches could be written.
pub type Plan<'a> = dyn FnMut(&[Ruleset]) -> Result<Vec<Patch>, Fault> + 'a;

/// The tables of rules of one network namespace, to read. A plan holds nothing more.
pub trait Source: Send {
    /// Tells which runs the journal knows: only their tags count.
    fn know(&mut self, runs: &HashSet<RunId>);

    /// Reads all tables of a family, with counters. A table that the kernel does not have is given as empty.
    fn read(&mut self, family: Family) -> Result<Ruleset, Fault>;

    /// Asks for the canonical form of rules. `chains` are the user-defined chains that there are, as jump targets.
    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault>;

    /// Tells whether a write finds out by itself what the kernel refuses; where it does not, the oracle is asked first.
    fn judges(&self) -> bool {
        true
    }

    /// Gives the number of the present state, where the kernel counts the changes of everybody.
    fn generation(&mut self) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    /// Tells which backend is used, where there is one.
    fn backend(&self) -> Option<Backend> {
        None
    }
}

/// The tables of rules of one network namespace, to read and to write.
pub trait Xtables: Source {
    /// Reads the present rulesets, lets `plan` find the patches, and writes them: all of a family's table, or nothing of it.
    fn update(&mut self, families: &[Family], plan: &mut Plan<'_>) -> Result<(), Refusal>;

    /// Does what `plan` finds in order to lift something from these tables. Rules are taken out by what identifies them, so that rules which
    /// iptables cannot word do not stand in the way: where a backend can, it shows them as [opaque](Words::opaque). Of the tables in `_worded`
    /// the words matter, because rules are put back there; all others may be shown as opaque, and those that are not named as empty.
    fn lift(&mut self, tables: &[(Family, Table)], _worded: &[(Family, Table)], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        self.update(&families(tables), plan)
    }

    /// Gives the number of the state that the last write has left, where the kernel counts the changes of everybody.
    fn left(&self) -> Option<u64> {
        None
    }

    /// Sets the counters of a chain, or of one rule of it (its place from 1), to zero.
    fn zero(&mut self, chain: &ChainRef, place: Option<usize>) -> Result<(), Fault>;
}

/// Gives the families of tables, each once.
fn families(tables: &[(Family, Table)]) -> Vec<Family> {
    Family::BOTH.into_iter().filter(|family| tables.iter().any(|(of, _)| of == family)).collect()
}
