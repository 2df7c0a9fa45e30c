//! The name of a set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Fault, instance};

/// The name of a set: what every tool that prints and reads it takes as one word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetName(Box<str>);

impl SetName {
    /// The most bytes of a name: IPSET_MAXNAMELEN is 32 with the final NUL.
    pub const MAX: usize = 31;

    /// Makes the name of a set for an instance of a recipe; what would be too long is cut and told apart by a hash.
    pub fn of_instance(base: &str, instance: &str) -> Result<Self, Fault> {
        instance::name(base, instance, Self::MAX).parse()
    }

    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SetName {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("use {name:?} as the name of a set"), why));
        match name {
            "" => refuse("it is empty".into()),
            _ if name.len() > Self::MAX => refuse(format!("it has {} bytes, and {} is the most", name.len(), Self::MAX)),
            _ if name.starts_with('-') => refuse("tools would take it for an option".into()),
            _ => match name.chars().find(|c| c.is_whitespace() || c.is_control() || ",\"'\\".contains(*c)) {
                // The kernel takes them, but `ipset save` writes what `ipset restore` cannot read.
                Some(bad) => refuse(format!("it has {bad:?}, and tools could not read it back")),
                None => Ok(Self(name.into())),
            },
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SetName {
    type Error = Fault;

    fn try_from(name: String) -> Result<Self, Fault> {
        name.parse()
    }
}

impl From<SetName> for String {
    fn from(name: SetName) -> Self {
        name.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strict() {
        for name in ["blocked", "ssh:v6", "a.b_c-d", "a234567890123456789012345678901", "ä"] {
            assert_eq!(name.parse::<SetName>().unwrap().to_string(), name);
        }
        for name in ["", "a2345678901234567890123456789012", "a b", "a\nb", "a\0b", "-x", "a,b", "a\"b", "a\\b", "a\u{a0}b"] {
            assert!(name.parse::<SetName>().is_err(), "{name:?}");
        }
    }
}
