//! The name of a package: the first part of what is imported from it.

use std::fmt;
use std::str::FromStr;

use crate::model::Fault;

/// The most characters of a name.
const MOST: usize = 64;

/// The name of a package: lower-case letters, digits and single dashes, so that no two names look or sort alike on any system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Gives the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refused = |why: &str| Err(Fault::input(format!("name a package {text:?}"), why));
        match text {
            "" => refused("it is empty"),
            "std" => refused("the standard library has this name"),
            _ if text.len() > MOST => refused("64 characters are the most"),
            _ if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') => {
                refused("a name is made of lower-case letters, digits and dashes")
            }
            _ if !text.as_bytes()[0].is_ascii_lowercase() => refused("a name begins with a letter"),
            _ if text.ends_with('-') || text.contains("--") => refused("a dash stands between letters or digits"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for good in ["a", "teamlib", "team-lib2"] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        let long = "x".repeat(200);
        for bad in ["", "A", "../x", "a/b", "a.b", "-a", "a-", "a--b", "2a", "té", "\u{430}bc", "a b", "std", "a\n", &long] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
