//! Chain names, chain policies, and how to point at a chain.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Table;
use super::rule::fingerprint;
use crate::model::{Family, Fault};

/// The name of a chain.
///
/// `FromStr` is the strict border for names that a script gives; [`ChainName::listed`] takes whatever the kernel lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainName(Arc<str>);

impl ChainName {
    /// The most bytes of a name: XT_EXTENSION_MAXNAMELEN is 29 with the final NUL.
    pub const MAX: usize = 28;
    /// The marks that a name may have: those that generators of firewalls use (`~log0`, `@net`, `%limit`), and that mean nothing anywhere.
    const MARKS: &str = "_.:-~@%";

    /// Takes a name from a listing of the kernel as it is.
    pub fn listed(name: &str) -> Self {
        Self(name.into())
    }

    /// Makes the name of a chain for an instance of a recipe; what would be too long is cut and told apart by a hash.
    pub fn of_instance(base: &str, instance: &str) -> Result<Self, Fault> {
        if instance.is_empty() {
            return base.parse();
        }
        let whole = format!("{base}-{instance}");
        if whole.len() <= Self::MAX {
            return whole.parse();
        }
        let hash = format!("-{:08x}", fingerprint(&whole) as u32);
        let kept: String = whole.chars().filter(char::is_ascii).take(Self::MAX - hash.len()).collect();
        format!("{kept}{hash}").parse()
    }

    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the table has this chain by itself.
    pub fn is_builtin(&self, table: Table) -> bool {
        table.builtin_chains().contains(&self.as_str())
    }
}

/// A map by names is asked with a text, too: a large listing names a chain in every line.
impl Borrow<str> for ChainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChainName {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("use {name:?} as the name of a chain"), why));
        if name.is_empty() {
            return refuse("it is empty".into());
        }
        if name.len() > Self::MAX {
            return refuse(format!("it has {} bytes, and {} is the most", name.len(), Self::MAX));
        }
        if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || Self::MARKS.contains(*c))) {
            return refuse(format!("it has {bad:?}, and only letters, digits and the marks {} may stand in it", Self::MARKS));
        }
        if name.starts_with('-') {
            return refuse("it begins with '-', as an option does".into());
        }
        if ["ACCEPT", "DROP", "QUEUE", "RETURN"].contains(&name) {
            return refuse("that is the name of a target".into());
        }
        Ok(Self(name.into()))
    }
}

/// What happens to a packet at the end of a built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Policy {
    /// The packet passes.
    Accept,
    /// The packet is dropped.
    Drop,
}

impl Policy {
    /// Gives the name as in iptables(8).
    pub fn name(self) -> &'static str {
        match self {
            Policy::Accept => "ACCEPT",
            Policy::Drop => "DROP",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "ACCEPT" => Ok(Policy::Accept),
            "DROP" => Ok(Policy::Drop),
            _ => Err(Fault::input(format!("use {text:?} as a policy"), "a policy is \"ACCEPT\" or \"DROP\"")),
        }
    }
}

/// Points at one chain of one table of one family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainRef {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// The name of the chain.
    pub chain: ChainName,
}

impl ChainRef {
    /// Points at a chain.
    pub fn new(family: Family, table: Table, chain: ChainName) -> Self {
        Self { family, table, chain }
    }
}

impl fmt::Display for ChainRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.table, self.chain, self.family)
    }
}
