//! What a script asks of iptables, as plain data.

use super::{ChainName, Policy, Table, Words};
use crate::model::Family;

/// One thing to be done to one table of one family.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// What is to be done.
    pub edit: Edit,
}

/// What can be done to a table. Places are counted from 1, as in iptables(8).
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Makes a user-defined chain that is not there.
    NewChain(ChainName),
    /// Makes a chain of this recipe, or takes the one that is there already.
    EnsureChain(ChainName),
    /// Takes away an empty user-defined chain.
    DeleteChain(ChainName),
    /// Takes away a user-defined chain with its rules and the jumps to it, if it is there.
    AbsentChain(ChainName),
    /// Gives a user-defined chain another name: from, to.
    RenameChain(ChainName, ChainName),
    /// Sets the policy of a built-in chain.
    SetPolicy(ChainName, Policy),
    /// Takes all rules out of a chain.
    Flush(ChainName),
    /// Puts a rule at the end.
    Append(ChainName, Words),
    /// Puts a rule at a place.
    Insert(ChainName, usize, Words),
    /// Puts a rule in the place of another.
    Replace(ChainName, usize, Words),
    /// Takes out the one rule that equals this one.
    Delete(ChainName, Words),
    /// Takes out the rule at a place.
    DeleteAt(ChainName, usize),
    /// Sees to it that the chain has these rules of this recipe, and of this recipe no others.
    Ensure(ChainName, Vec<Words>, Position),
    /// Sees to it that no rule equals this one.
    Absent(ChainName, Words),
}

/// Where `ensure` puts a rule that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before every rule that is not fyke's.
    First,
    /// At the end.
    Last,
}

impl Edit {
    /// Gives the chain that is changed.
    pub fn chain(&self) -> &ChainName {
        match self {
            Edit::NewChain(chain)
            | Edit::EnsureChain(chain)
            | Edit::DeleteChain(chain)
            | Edit::AbsentChain(chain)
            | Edit::RenameChain(chain, _)
            | Edit::SetPolicy(chain, _)
            | Edit::Flush(chain)
            | Edit::Append(chain, _)
            | Edit::Insert(chain, ..)
            | Edit::Replace(chain, ..)
            | Edit::Delete(chain, _)
            | Edit::DeleteAt(chain, _)
            | Edit::Ensure(chain, ..)
            | Edit::Absent(chain, _) => chain,
        }
    }
}
