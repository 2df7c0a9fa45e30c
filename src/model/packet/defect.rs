//! What is wrong with a packet.

use std::borrow::Cow;
use std::fmt;

/// How it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends before it should.
    Truncated,
    /// It contradicts itself, or its protocol.
    Malformed,
    /// It can be read, and nobody would send it in good faith.
    Odd,
}

/// One thing that is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// How.
    pub flaw: Flaw,
    /// The protocol in which.
    pub layer: &'static str,
    /// What it is.
    pub why: Cow<'static, str>,
}

impl Defect {
    /// A layer that ends before it should.
    pub fn truncated(layer: &'static str, needed: usize, there: usize) -> Self {
        Self { flaw: Flaw::Truncated, layer, why: format!("{needed} bytes are needed, and {there} are there").into() }
    }

    /// A contradiction.
    pub fn malformed(layer: &'static str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { flaw: Flaw::Malformed, layer, why: why.into() }
    }

    /// An oddity.
    pub fn odd(layer: &'static str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { flaw: Flaw::Odd, layer, why: why.into() }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            Flaw::Truncated => write!(f, "truncated at {}: {}", self.layer, self.why),
            Flaw::Malformed => write!(f, "malformed {}: {}", self.layer, self.why),
            Flaw::Odd => write!(f, "odd {}: {}", self.layer, self.why),
        }
    }
}
