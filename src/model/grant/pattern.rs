//! Names, of which one may stand for all that begin in the same way.

use std::fmt;
use std::sync::Arc;

use crate::model::Fault;

/// A name, or all names with a beginning: `lab-*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
    open: bool,
}

impl Pattern {
    /// Makes the pattern of one name, whatever characters are in it.
    pub fn exact(name: &str) -> Self {
        Self { text: name.into(), open: false }
    }

    /// Makes the pattern of all names.
    pub fn any() -> Self {
        Self { text: "".into(), open: true }
    }

    /// Reads a pattern. `*` stands for any ending, and only at the end.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("use {text:?} as a name"), why));
        let (name, open) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        if name.is_empty() && !open {
            return refuse("a name is empty".into());
        }
        if name.contains('*') {
            return refuse("`*` stands for any ending, and only at the end".into());
        }
        match name.chars().find(|c| c.is_whitespace() || c.is_control()) {
            Some(odd) => refuse(format!("a name has {odd:?} in it")),
            None => Ok(Self { text: name.into(), open }),
        }
    }

    /// Gives the one name; none where it stands for many.
    pub fn name(&self) -> Option<&str> {
        (!self.open).then_some(&*self.text)
    }

    /// Tells whether all names of another one are in it.
    pub fn covers(&self, other: &Self) -> bool {
        if self.open { other.text.starts_with(&*self.text) } else { self == other }
    }

    /// Tells whether some name is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.open { "*" } else { "" })
    }
}
