//! The five tables of netfilter, with their built-in chains.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// A table, see TABLES in iptables(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// What may pass.
    Filter,
    /// Where a new connection goes, and where it seems to come from.
    Nat,
    /// Changes to packets.
    Mangle,
    /// Before connection tracking.
    Raw,
    /// Mandatory access control (SECMARK).
    Security,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 5] = [Table::Filter, Table::Nat, Table::Mangle, Table::Raw, Table::Security];

    /// Gives the name of the table.
    pub fn name(self) -> &'static str {
        match self {
            Table::Filter => "filter",
            Table::Nat => "nat",
            Table::Mangle => "mangle",
            Table::Raw => "raw",
            Table::Security => "security",
        }
    }

    /// Gives the built-in chains in the order of `iptables-save`.
    pub fn builtin_chains(self) -> &'static [&'static str] {
        match self {
            Table::Filter | Table::Security => &["INPUT", "FORWARD", "OUTPUT"],
            Table::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
            Table::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            Table::Raw => &["PREROUTING", "OUTPUT"],
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Table {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Table::ALL.into_iter().find(|table| table.name() == text).ok_or_else(|| {
            Fault::input(format!("use the table {text:?}"), "there is no such table")
                .hint("the tables are filter, nat, mangle, raw and security")
        })
    }
}
