//! The nouns of iptables(8): tables, chains, rules, and whole rulesets with the difference between two of them.

pub mod border;
pub mod chain;
pub mod change;
pub mod excerpt;
pub mod import;
pub mod intent;
pub mod packet;
pub mod patch;
pub mod revert;
pub mod rule;
pub mod ruleset;
pub mod save;
pub mod spec;
pub mod table;
pub mod tag;
pub mod walk;
pub mod words;

pub use chain::{ChainName, ChainRef, Policy};
pub use intent::{Edit, Intent};
pub use patch::{Added, ChainPatch, Patch, Removed, TablePatch};
pub use revert::{Judge, Leader, Revert, Reverted, Trusting};
pub use rule::{Counters, Rule};
pub use ruleset::{Chain, Entry, Ruleset, TableState};
pub use table::Table;
pub use tag::{Owner, RunId, Tag};
pub use walk::{Cut, Memory};
pub use words::Words;
