//! The comment by which a rule is known as ours.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// The id of a run: eight characters of a random number, never reused within a boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Arc<str>);

impl RunId {
    /// Letters and digits that cannot be mistaken for one another.
    const ALPHABET: &'static [u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    /// The length of an id.
    pub const LEN: usize = 8;

    /// Makes an id of forty random bits.
    pub fn from_bits(bits: u64) -> Self {
        let id: String = (0..Self::LEN).map(|i| char::from(Self::ALPHABET[(bits >> (5 * i) & 31) as usize])).collect();
        Self(id.into())
    }

    /// Gives the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.len() == Self::LEN && text.bytes().all(|b| Self::ALPHABET.contains(&b)) {
            Ok(Self(text.into()))
        } else {
            Err(Fault::input(format!("read {text:?} as a run id"), format!("a run id has {} letters and digits", Self::LEN)))
        }
    }
}

/// `fyke:<recipe>[/<instance>]#<run>.<n>`: who set a rule, and which of its rules it is.
///
/// A tag counts only when the journal knows its run: anybody can write a comment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tag {
    /// The recipe with its instance, `ssh-rate-limit/22`.
    pub owner: Owner,
    /// The run.
    pub run: RunId,
    /// The number of the rule within the run, from 1.
    pub number: u32,
}

/// A recipe, and the instance of it that its key parameters make.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The name of the recipe.
    pub recipe: Arc<str>,
    /// The values of its key parameters; empty where it has none.
    pub instance: Arc<str>,
}

impl Owner {
    /// The most bytes of either part, so that a tag always fits into a comment.
    const MAX: usize = 64;

    /// Makes an owner. What may not stand in a tag becomes `_`, what is too long is cut and told apart by a hash.
    pub fn new(recipe: &str, instance: &str) -> Self {
        Self { recipe: tidy(recipe), instance: tidy(instance) }
    }
}

/// Makes a name fit into a tag.
fn tidy(name: &str) -> Arc<str> {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' }).collect();
    if clean.len() <= Owner::MAX && clean == name {
        return clean.into();
    }
    let kept = &clean[..clean.len().min(Owner::MAX - 9)];
    format!("{kept}.{:08x}", super::rule::fingerprint(name) as u32).into()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.recipe)?;
        if !self.instance.is_empty() {
            write!(f, "/{}", self.instance)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fyke:{}#{}.{}", self.owner, self.run, self.number)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.to_string()
    }
}

impl TryFrom<String> for Tag {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl FromStr for Tag {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let parse = || {
            let (owner, mark) = text.strip_prefix("fyke:")?.rsplit_once('#')?;
            let (run, number) = mark.split_once('.')?;
            let (recipe, instance) = owner.split_once('/').unwrap_or((owner, ""));
            let number = number.parse().ok().filter(|_| !number.starts_with(['+', '0']))?;
            let owner = Owner { recipe: recipe.into(), instance: instance.into() };
            Some(Tag { owner, run: run.parse().ok()?, number })
        };
        parse().ok_or_else(|| Fault::input(format!("read {text:?} as a tag"), "a tag is fyke:RECIPE[/INSTANCE]#RUN.NUMBER"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_as_it_was_written() {
        let tag = Tag { owner: Owner::new("ssh-rate-limit", "22.eth0"), run: RunId::from_bits(0x12_3456_789a), number: 4 };
        assert_eq!(tag.to_string().parse::<Tag>().unwrap(), tag);
        let bare = Tag { owner: Owner::new("eval", ""), run: RunId::from_bits(1), number: 1 };
        assert_eq!(bare.to_string(), "fyke:eval#baaaaaaa.1");
        assert_eq!(bare.to_string().parse::<Tag>().unwrap(), bare);
    }

    #[test]
    fn what_only_looks_like_a_tag_is_none() {
        for text in ["fyke:", "fyke:x", "fyke:x#abc.1", "fyke:x#baaaaaaa.", "fyke:x#baaaaaaa.-1", "fyke:x#baaaaaaa.01", "x#baaaaaaa.1"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }

    #[test]
    fn long_and_odd_names_stay_apart_in_a_tag() {
        let (a, b) = (Owner::new(&"a".repeat(100), "x y"), Owner::new(&"a".repeat(101), "x;y"));
        assert_ne!(a.recipe, b.recipe);
        assert_ne!(a.instance, b.instance);
        assert!(a.recipe.len() <= 64 && Tag { owner: a, run: RunId::from_bits(1), number: u32::MAX }.to_string().len() <= 255);
    }
}
