//! Network devices, by their names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// The name of a network device. Which one has it is told by its index, which [`super::State::Link`] holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Device(Arc<str>);

impl Device {
    /// Takes a name as the kernel gives it.
    pub fn listed(name: &str) -> Self {
        Self(name.into())
    }

    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Device {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| Err(Fault::input(format!("use {text:?} as the name of a network device"), why));
        match text {
            "" => refuse("it is empty"),
            "." | ".." => refuse("no device can have this name"),
            _ if text.len() > 15 => refuse("a name has up to 15 bytes"),
            _ if text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
                refuse("a name has no blanks, slashes and colons")
            }
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_device_can_have() {
        assert_eq!("eth0.100".parse::<Device>().unwrap().to_string(), "eth0.100");
        for odd in ["", ".", "..", "a/b", "a:b", "a b", "a\n", "a\0", "sixteen-bytes-xx"] {
            assert!(odd.parse::<Device>().is_err(), "{odd:?}");
        }
    }
}
