//! Actions: what is done with the packets that a filter finds, see tc-actions(8).
//!
//! An action is kept as the kernel tells of it ([`Attributes`]), without what runs on by itself: counters, times, how many use it. The words of
//! tc(8) are one view of that, and what a script gets is another.

mod command;
mod ct;
mod gate;
mod generic;
mod ife;
mod kinds;
mod packet;
mod pedit;
pub mod police;
#[cfg(test)]
mod tests;
mod tunnel;
mod verdict;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::argv::Argv;
use super::attribute::Attributes;
use crate::model::Fault;
use crate::model::hex::{hex, unhex};

pub use command::{Command, written};
pub(in crate::model::tc) use ct::{address, labels, labels_shown, masked};
pub use kinds::Grammar;
pub(in crate::model::tc) use packet::{as_mac, mac_shown};
pub(in crate::model::tc) use tunnel::{decimal_or_hex, erspan, geneve, nested, options_shown};
pub use verdict::Verdict;

/// An attribute of fyke's own, which is never sent: the name of the device that the kernel knows by its index.
pub const DEVICE: u16 = 0x3fff;

/// Attributes of an action (TCA_ACT_*).
mod attribute {
    pub(super) const KIND: u16 = 1;
    pub(super) const OPTIONS: u16 = 2;
    pub(super) const COOKIE: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const HW_STATS: u16 = 8;
}

/// An action with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What it is: `police`, `mirred`, `gact` and the like.
    pub kind: String,
    /// Its parameters, as the kernel tells of them, without what runs on by itself.
    pub options: Attributes,
    /// Bytes that somebody has left with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cookie: String,
    /// How it counts, and who carries it out (TCA_ACT_FLAGS_*).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u32,
    /// How hardware is to count: 1 at once, 2 with a delay, 0 not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hw_stats: Option<u32>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// By which an action is known that several filters can share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    pub kind: Arc<str>,
    /// Its number.
    pub index: u32,
}

impl Key {
    /// Makes a key.
    pub fn new(kind: &str, index: u32) -> Self {
        Self { kind: kind.into(), index }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "action {} {}", self.kind, self.index)
    }
}

/// What devices are called, and which number the kernel has for them.
pub trait Links {
    /// Gives the name of a device.
    fn name(&self, index: u32) -> Option<String>;
    /// Gives the number of a device.
    fn index(&self, name: &str) -> Option<u32>;
}

const FLAGS: &[(&str, u32)] = &[("no_percpu", 1), ("skip_hw", 2), ("skip_sw", 4)];
const HW_STATS: &[(&str, u32)] = &[("immediate", 1), ("delayed", 2), ("disabled", 0)];

impl Action {
    /// Makes an action of its kind and its parameters.
    pub fn new(kind: &str, mut options: Attributes) -> Self {
        kinds::settle(kind, &mut options);
        Self { kind: kind.to_owned(), options, cookie: String::new(), flags: 0, hw_stats: None }
    }

    /// Gives the name of the device that packets are sent to.
    pub fn device(&self) -> Option<&str> {
        self.options.text(DEVICE)
    }

    /// Takes apart what the kernel tells of an action.
    pub fn told(attributes: &Attributes, links: &dyn Links) -> Option<Self> {
        let kind = attributes.text(attribute::KIND)?;
        let mut action = Self::new(kind, attributes.nest(attribute::OPTIONS).unwrap_or_default());
        kinds::name_device(kind, &mut action.options, links);
        action.cookie = attributes.get(attribute::COOKIE).map(hex).unwrap_or_default();
        action.flags = attributes.u32(attribute::FLAGS).unwrap_or(0);
        action.hw_stats = attributes.u32(attribute::HW_STATS);
        Some(action)
    }

    /// Gives what the kernel is told of it.
    pub fn sent(&self, links: &dyn Links) -> Result<Attributes, Fault> {
        let mut attributes = Attributes::default();
        attributes.put_text(attribute::KIND, &self.kind);
        attributes.put_nest(attribute::OPTIONS, &self.completed(links)?);
        attributes.mark(&[attribute::OPTIONS]);
        if let Some(cookie) = unhex(&self.cookie).filter(|cookie| !cookie.is_empty()) {
            attributes.put(attribute::COOKIE, cookie);
        }
        let bits = |value: u32| [value.to_ne_bytes(), value.to_ne_bytes()].concat();
        if let Some(hw_stats) = self.hw_stats {
            attributes.put(attribute::HW_STATS, bits(hw_stats));
        }
        if self.flags > 0 {
            attributes.put(attribute::FLAGS, bits(self.flags));
        }
        Ok(attributes)
    }

    /// Gives its parameters with what the kernel wants to be told, and does not tell.
    pub(super) fn completed(&self, links: &dyn Links) -> Result<Attributes, Fault> {
        kinds::complete(&self.kind, &self.options, links)
    }

    /// Gives the number by which several filters can share it; 0 where the kernel is to choose one.
    pub fn index(&self) -> u32 {
        kinds::index(&self.kind, &self.options)
    }

    /// Gives it a number, by which several filters can share it.
    #[must_use]
    pub fn with_index(mut self, index: u32) -> Self {
        kinds::set_index(&self.kind, &mut self.options, index);
        self
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let same_number = self.kind == other.kind && self.index() == other.index();
        match (self.index(), other.index()) {
            _ if same_number && (self.is_reference() || other.is_reference()) => true,
            (0, index) if index > 0 => self.clone().with_index(index).agrees(other),
            (index, 0) if index > 0 => self.agrees(&other.clone().with_index(index)),
            _ if !kinds::is_known(&self.kind) => self.kind == other.kind,
            _ => self.filled() == other.filled(),
        }
    }

    /// Gives it with all that the kernel adds.
    fn filled(&self) -> Self {
        let mut filled = self.clone();
        kinds::fill(&self.kind, &mut filled.options);
        filled
    }

    /// Tells whether it drops each packet, or sends it elsewhere.
    pub fn takes_away(&self) -> bool {
        let is_plain = ["gact", "mirred"].contains(&&self.kind[..]) && !self.options.has(3);
        let verdicts = kinds::verdicts(&self.kind, &self.options);
        is_plain && verdicts.iter().all(|verdict| [Verdict::DROP, Verdict::STOLEN].contains(verdict))
    }

    /// Tells whether packets go to a chain of filters from it.
    pub fn goes_to_chain(&self) -> bool {
        kinds::verdicts(&self.kind, &self.options).iter().any(|verdict| verdict.goes_to_chain())
    }

    /// Tells whether only a number is given: the action of that number is meant, whatever it does.
    pub fn is_reference(&self) -> bool {
        self.index() > 0 && kinds::is_blank(&self.kind, &self.options)
    }

    /// Reads the actions of a filter, or those of a command: the words of each behind `action`.
    pub fn list(argv: &mut Argv) -> Result<Vec<Self>, Fault> {
        let (mut list, mut cookie, mut expected) = (Vec::new(), String::new(), true);
        while !argv.is_end() && !argv.is("flowid") && !argv.is("classid") {
            if argv.take("action") {
                expected = true;
                continue;
            }
            let mut action = Self::one(argv)?;
            // tc(8) leaves the cookie of an action to those behind it that have none.
            if action.cookie.is_empty() {
                action.cookie.clone_from(&cookie)
            } else {
                cookie.clone_from(&action.cookie)
            }
            list.push(action);
            expected = false;
        }
        if expected { Err(argv.refuse("an action is missing")) } else { Ok(list) }
    }

    fn one(argv: &mut Argv) -> Result<Self, Fault> {
        let kind = if Verdict::begins(argv) { "gact".to_owned() } else { argv.next_word()? };
        let Some(grammar) = kinds::find(&kind) else {
            return Err(argv.odd("no action that fyke can read").hint(format!("one of {}", kinds::names().collect::<Vec<_>>().join(", "))));
        };
        let mut action = Self::new(&kind, (grammar.read)(argv)?);
        if argv.take("cookie") {
            action.cookie = argv.next_word()?.to_ascii_lowercase();
            if unhex(&action.cookie).is_none_or(|cookie| cookie.is_empty() || cookie.len() > 16) {
                return Err(argv.odd("no cookie").hint("one to sixteen bytes, each as two hexadecimal digits"));
            }
        }
        if argv.take_short(&["hw_stats"]) {
            let known = HW_STATS.iter().find(|(name, _)| argv.begins(name));
            action.hw_stats = Some(known.ok_or_else(|| argv.refuse("`hw_stats` is immediate, delayed or disabled"))?.1);
            argv.next_word()?;
        }
        while let Some((_, flag)) = FLAGS.iter().find(|(name, _)| argv.is(name)) {
            action.flags |= flag;
            argv.next_word()?;
        }
        Ok(action)
    }

    /// Gives a number for each attribute of the list of a filter.
    pub fn sent_all(list: &[Self], links: &dyn Links) -> Result<Attributes, Fault> {
        (1..).zip(list).map(|(at, action)| Ok((at, action.sent(links)?.bytes()))).collect()
    }

    /// Takes apart the list of a filter.
    pub fn told_all(list: &Attributes, links: &dyn Links) -> Vec<Self> {
        list.iter().filter_map(|(_, one)| Self::told(&Attributes::read(one), links)).collect()
    }
}

/// Prints it in the words of tc(8), behind `action`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match kinds::find(&self.kind) {
            Some(grammar) => f.write_str(&(grammar.show)(&self.options))?,
            None => write!(f, "{} [{} bytes]", self.kind, self.options.bytes().len())?,
        }
        if !self.cookie.is_empty() {
            write!(f, " cookie {}", self.cookie)?;
        }
        if let Some((name, _)) = self.hw_stats.and_then(|chosen| HW_STATS.iter().find(|(_, value)| *value == chosen)) {
            write!(f, " hw_stats {name}")?;
        }
        FLAGS.iter().filter(|(_, flag)| self.flags & flag != 0).try_for_each(|(name, _)| write!(f, " {name}"))
    }
}
