//! What a script asks for, as plain data.

use super::iptables::Intent as OfRules;
use super::named::Edit;

/// One thing to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// To a table of rules.
    Rules(OfRules),
    /// To objects that are known by a name of their own: all of it or nothing.
    Named(Vec<Edit>),
}

impl From<OfRules> for Intent {
    fn from(intent: OfRules) -> Self {
        Self::Rules(intent)
    }
}

impl From<Edit> for Intent {
    fn from(edit: Edit) -> Self {
        Self::Named(vec![edit])
    }
}

impl From<Vec<Edit>> for Intent {
    fn from(edits: Vec<Edit>) -> Self {
        Self::Named(edits)
    }
}
