//! What a set keeps with an element.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::definition::{Definition, TIMEOUT};
use super::words::{Options, number};
use crate::model::Fault;

/// What a set keeps with an element: how long it stays, what it counted, what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The seconds that it stays from now on, 0 for good; none in a set without timeouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Whether it is an exception from a larger network.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nomatch: bool,
    /// Whether the interface is only how the names of those meant begin.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wildcard: bool,
    /// How many packets and bytes it matched; none in a set without counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<(u64, u64)>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Box<str>>,
    /// The mark and its mask for the SET target to put on packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skbmark: Option<(u32, u32)>,
    /// The class of traffic control, major and minor number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skbprio: Option<(u16, u16)>,
    /// The queue of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skbqueue: Option<u16>,
}

impl Entry {
    /// The most bytes of a remark: IPSET_MAX_COMMENT_SIZE.
    pub const COMMENT: usize = 255;

    /// Reads `timeout 60 nomatch comment "a remark"`, as far as the set was made for it, and fills in what the kernel would.
    pub(super) fn parse(words: &[&str], tried: String, definition: &Definition) -> Result<Self, Fault> {
        let mut options = Options::new(words, tried);
        let mut entry = Self::new(definition);
        while let Some(option) = options.next()? {
            let known = match option {
                "timeout" => definition.timeout.is_some(),
                "packets" | "bytes" => definition.counters,
                "comment" => definition.comment,
                "skbmark" | "skbprio" | "skbqueue" => definition.skbinfo,
                "nomatch" => definition.kind.has_net(),
                "wildcard" => definition.kind.name() == "hash:net,iface",
                _ => return Err(options.refuse(format!("{option:?} is no option of an element"))),
            };
            if !known {
                return Err(not_made_for(&options, option, definition));
            }
            entry.set(option, &mut options)?;
        }
        Ok(entry)
    }

    /// Makes the entry of an element of which nothing is said.
    pub fn new(definition: &Definition) -> Self {
        Self { timeout: definition.timeout, counters: definition.counters.then_some((0, 0)), ..Self::default() }
    }

    fn set(&mut self, option: &str, options: &mut Options<'_>) -> Result<(), Fault> {
        let counters = self.counters.unwrap_or_default();
        match option {
            "timeout" => self.timeout = Some(options.number(0, TIMEOUT)?),
            // All bits set would tell the kernel that nothing is said.
            "packets" => self.counters = Some((options.number(0, u64::MAX - 1)?, counters.1)),
            "bytes" => self.counters = Some((counters.0, options.number(0, u64::MAX - 1)?)),
            "comment" => {
                let text = options.value()?;
                check(text).map_err(|why| options.refuse(why))?;
                // The kernel keeps no empty one.
                self.comment = Some(text).filter(|text| !text.is_empty()).map(Into::into);
            }
            "skbmark" => {
                let value = options.value()?;
                let (mark, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
                let both = number(mark).zip(number(mask));
                self.skbmark = Some(both.ok_or_else(|| options.refuse("a mark is written 0x1 or 0x1/0xff"))?);
            }
            "skbprio" => {
                let hex = |word: &str| u16::from_str_radix(word, 16).ok().filter(|_| !word.starts_with('+'));
                let both = options.value()?.split_once(':').and_then(|(major, minor)| hex(major).zip(hex(minor)));
                self.skbprio = Some(both.ok_or_else(|| options.refuse("a class is written major:minor, in hexadecimal digits"))?);
            }
            "skbqueue" => self.skbqueue = Some(options.number(0, u16::MAX.into())?),
            "nomatch" => self.nomatch = true,
            _ => self.wildcard = true,
        }
        Ok(())
    }

    /// Tells whether another entry says the same: counters and the time that is left run on by themselves, and so do not count.
    pub fn agrees(&self, other: &Self) -> bool {
        let lasting = |entry: &Self| entry.timeout.map(|seconds| seconds == 0);
        let rest = |entry: &Self| Self { timeout: None, counters: None, ..entry.clone() };
        lasting(self) == lasting(other) && rest(self) == rest(other)
    }
}

/// Checks a remark: what `ipset save` writes must be what `ipset restore` reads.
fn check(text: &str) -> Result<(), String> {
    match text {
        _ if text.len() > Entry::COMMENT => Err(format!("a comment of {} bytes is too long, {} is the most", text.len(), Entry::COMMENT)),
        _ if text.contains(|c: char| c == '"' || c.is_control()) => Err("a comment has neither quotes nor control characters".into()),
        _ => Ok(()),
    }
}

fn not_made_for(options: &Options<'_>, option: &str, definition: &Definition) -> Fault {
    let (lacks, word) = match option {
        "packets" | "bytes" => ("counters", "counters"),
        "skbmark" | "skbprio" | "skbqueue" => ("skbinfo", "skbinfo"),
        "timeout" => ("timeouts", "timeout 0"),
        "comment" => ("comments", "comment"),
        _ => return options.refuse(format!("`{option}` means nothing in a set of the type {}", definition.kind)),
    };
    options.refuse(format!("the set was made without {lacks}, so `{option}` cannot be kept")).hint(format!("create it with `{word}`"))
}

impl fmt::Display for Entry {
    /// Writes what follows an element in `ipset save`, each option with a blank before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(timeout) = self.timeout {
            write!(f, " timeout {timeout}")?;
        }
        if self.nomatch {
            f.write_str(" nomatch")?;
        }
        if self.wildcard {
            f.write_str(" wildcard")?;
        }
        if let Some((packets, bytes)) = self.counters {
            write!(f, " packets {packets} bytes {bytes}")?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " comment \"{comment}\"")?;
        }
        match self.skbmark {
            Some((mark, u32::MAX)) => write!(f, " skbmark {mark:#x}")?,
            Some((mark, mask)) => write!(f, " skbmark {mark:#x}/{mask:#x}")?,
            None => {}
        }
        if let Some((major, minor)) = self.skbprio {
            write!(f, " skbprio {major:x}:{minor:x}")?;
        }
        self.skbqueue.map_or(Ok(()), |queue| write!(f, " skbqueue {queue}"))
    }
}
