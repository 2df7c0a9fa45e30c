//! Filters: which packets go to which class, and what is done with them, see tc(8), tc-u32(8), tc-flower(8) and the like.
//!
//! A filter is kept as the kernel tells of it, without what runs on by itself; the words of tc(8) are a view of that. It is known by its device, by
//! the qdisc or class that asks it, and there by chain, priority and handle. Those of these numbers that nobody chooses fyke chooses as the kernel
//! would, before it writes: so a plan can tell them, and whatever happens while the kernel writes, the journal knows what it was told.

mod basic;
mod command;
mod ematch;
mod flow;
mod flower;
mod kinds;
mod resolve;
#[cfg(test)]
mod tests;
mod u32;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::{Action, DEVICE, Links};
use super::attribute::Attributes;
use super::{Device, Handle, Object, State, protocol};
use crate::model::{Fault, Kind};

pub(in crate::model::tc) use command::VERBS;
pub use command::{Command, Draft, Place, Verb};
pub use kinds::names;
pub use u32::{ROOT, bucket, is_table, table};

/// By which a filter is known on its device. Of several those stand first that others lead to: the tables of `u32`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The qdisc or the class that asks it.
    pub parent: Handle,
    /// The chain in which it is; the first is 0.
    pub chain: u32,
    /// Whether it looks at packets; a table of `u32` only holds those that do.
    pub looks: bool,
    /// Its priority: those with a smaller one are asked first.
    pub prio: u16,
    /// The protocol of the packets, as in [`protocol`].
    pub protocol: u16,
    /// Its handle. Of a filter of `u32` in the first table of its priority the table is [`ROOT`]: the kernel numbers it as it likes.
    pub handle: u32,
}

/// What a filter is and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The index of its device; 0 where it is not known yet.
    #[serde(default)]
    pub link: u32,
    /// The protocol of the packets: what it looks at is shown by that.
    #[serde(default)]
    pub protocol: u16,
    /// Its kind: `u32`, `flower`, `matchall` and the like.
    pub kind: String,
    /// What it looks at, as the kernel tells it.
    pub options: Attributes,
    /// What is done with the packets that it finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The kind of the qdisc that asks it, or in which the class is that does; nothing where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<super::Kind>,
}

impl Filter {
    /// Makes a filter of what was read.
    pub fn new(kind: &str, protocol: u16, options: Attributes, actions: Vec<Action>) -> Self {
        let mut filter = Self { link: 0, protocol, kind: kind.to_owned(), options, actions, within: None };
        filter.settle();
        filter
    }

    /// Takes apart what the kernel tells of a filter.
    pub fn told(kind: &str, protocol: u16, mut options: Attributes, links: &dyn Links) -> Self {
        let mut actions = Vec::new();
        if let Some(grammar) = kinds::find(kind) {
            actions = options.nest(grammar.actions).map(|list| Action::told_all(&list, links)).unwrap_or_default();
            options.drop(&[grammar.actions]);
        }
        if kind == "route" {
            basic::name_device(&mut options, links);
        }
        Self::new(kind, protocol, options, actions)
    }

    /// Gives what the kernel is told of it, as a filter of packets of a protocol.
    pub fn sent(&self, protocol: u16, links: &dyn Links) -> Result<Attributes, Fault> {
        let mut options = self.options.clone();
        let Some(grammar) = kinds::find(&self.kind) else { return Ok(options) };
        if let Some(name) = options.text(DEVICE) {
            options.put(basic::ROUTE_DEVICE, self.device(name, links)?.to_ne_bytes());
            options.drop(&[DEVICE]);
        }
        if let Some((kind, inside)) = grammar.police.and_then(|kind| Some((kind, options.nest(kind)?))) {
            options.set(kind, Action::new("police", inside).completed(links)?.bytes());
        }
        if !self.actions.is_empty() {
            options.put_nest(grammar.actions, &Action::sent_all(&self.actions, links)?);
        }
        if self.kind == "flower" {
            flower::complete(&mut options, protocol);
        }
        grammar.nested.iter().for_each(|path| options.mark(path));
        Ok(options)
    }

    /// Gives a handle without the number of a device in it: by its name the device is known.
    pub fn without_device(&self, handle: u32) -> u32 {
        if self.kind == "route" && self.options.has(DEVICE) { handle | 0xffff_0000 } else { handle }
    }

    /// Gives a handle with the number of the device in it that `route` looks at.
    pub fn with_device(&self, handle: u32, links: &dyn Links) -> Result<u32, Fault> {
        match self.options.text(DEVICE).filter(|_| self.kind == "route") {
            Some(name) => Ok(handle & 0xffff | (0x8000 | self.device(name, links)?) << 16),
            None => Ok(handle),
        }
    }

    fn device(&self, name: &str, links: &dyn Links) -> Result<u32, Fault> {
        let missing = || Fault::new(Kind::NotFound, format!("look for packets from {name}"), "there is no such device");
        links.index(name).ok_or_else(missing)
    }

    /// Takes out what runs on by itself.
    fn settle(&mut self) {
        let Some(grammar) = kinds::find(&self.kind) else { return };
        self.options.drop(grammar.runs);
        grammar.nested.iter().for_each(|path| self.options.unmark(path));
        if let Some(kind) = grammar.flags {
            let flags = self.options.u32(kind).unwrap_or(0) & FLAGS;
            if flags == 0 { self.options.drop(&[kind]) } else { self.options.set(kind, flags.to_ne_bytes()) }
        }
        if let Some((kind, inside)) = grammar.police.and_then(|kind| Some((kind, self.options.nest(kind)?))) {
            self.options.set(kind, Action::new("police", inside).options.bytes());
        }
        if let Some((kind, tree)) = grammar.matches.and_then(|kind| Some((kind, self.options.nest(kind)?))) {
            self.options.set(kind, ematch::settled(&tree).bytes());
        }
        match &self.kind[..] {
            "u32" => u32::settle(&mut self.options),
            "flower" => flower::settle(&mut self.options),
            _ => {}
        }
        self.options.sort();
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let of = |filter: &Self| {
            let mut options = filter.options.clone();
            if self.kind == "flow" {
                // Where nobody says to which class the first flow goes, the kernel says it.
                let both = self.options.has(flow::BASE) && other.options.has(flow::BASE);
                options.drop(if both { &[] } else { &[flow::BASE] });
            }
            if self.kind == "flower" {
                flower::fill(&mut options);
            }
            options.sort();
            options
        };
        let actions =
            self.actions.len() == other.actions.len() && self.actions.iter().zip(&other.actions).all(|(one, other)| one.agrees(other));
        let within = super::Kind::may_be_same(self.within.as_ref(), other.within.as_ref());
        self.kind == other.kind && within && of(self) == of(other) && actions
    }

    /// Tells whether the kernel can make it into another one without taking it out: the same packets, seen in the same way.
    pub fn becomes(&self, next: &Self) -> bool {
        let same = |kind| self.options.get(kind) == next.options.get(kind);
        match &self.kind[..] {
            _ if self.kind != next.kind => false,
            "u32" => u32::KEPT.iter().all(|kind| same(*kind)),
            "fw" => same(basic::FW_MASK),
            "flower" | "basic" | "cgroup" | "flow" | "bpf" => true,
            _ => false,
        }
    }

    /// Tells whether it finds every packet of its protocol.
    pub fn finds_everything(&self) -> bool {
        match &self.kind[..] {
            "matchall" => true,
            "u32" => self.options.get(u32::SELECTOR).is_some_and(u32::sees_all),
            "flower" | "basic" => kinds::find(&self.kind).is_some_and(|grammar| {
                let beside = [grammar.class, grammar.flags, grammar.police];
                self.options.iter().all(|(kind, _)| beside.contains(&Some(kind)))
            }),
            _ => false,
        }
    }

    /// Tells whether its actions take each packet away.
    pub fn lets_nothing_pass(&self) -> bool {
        self.actions.first().is_some_and(Action::takes_away)
    }

    /// Gives the class to which packets go.
    pub fn class(&self) -> Option<Handle> {
        let kind = kinds::find(&self.kind).and_then(|grammar| grammar.class)?;
        self.options.u32(kind).map(Handle::of)
    }

    /// Tells whether it sends packets to a class, or to a table of filters, or is in that table.
    pub(super) fn leads_to(&self, key: &Key, other: &Object) -> bool {
        match other {
            Object::Class(_, class) => self.class() == Some(*class),
            Object::Filter(_, table) if !table.looks && table.parent == key.parent => {
                table.holds(key) || self.kind == "u32" && self.options.u32(u32::LINK) == Some(table.handle)
            }
            _ => false,
        }
    }

    /// Says why it could not be put back, if that is so.
    pub fn cannot_return(&self) -> Option<&'static str> {
        let is_program = |options: &Attributes, code: u16| !options.has(code);
        let program = self.kind == "bpf" && is_program(&self.options, basic::BPF_CODE)
            || self.actions.iter().any(|action| action.kind == "bpf" && is_program(&action.options, 4));
        program.then_some("it runs a program that the kernel does not give back")
    }

    /// Gives the words of tc(8) behind the handle.
    pub fn words(&self, key: &Key) -> String {
        let Some(grammar) = kinds::find(&self.kind) else {
            return format!("{} [{} bytes]", self.kind, self.options.bytes().len());
        };
        let mut line = format!("{}{}{}", self.kind, (grammar.show)(self, key), kinds::common_shown(grammar, &self.options));
        self.actions.iter().for_each(|action| line.push_str(&format!(" action {action}")));
        line
    }
}

/// Gives the attribute in which a kind of filter has its actions.
pub fn actions_in(kind: &str) -> Option<u16> {
    kinds::find(kind).map(|grammar| grammar.actions)
}

/// What is chosen of the flags of a filter: to skip hardware, to skip software, to say more. The others say where it is.
const FLAGS: u32 = 1 | 2 | 16;

impl Key {
    /// Before all others.
    pub(super) const FIRST: Self = Self { parent: Handle::NONE, chain: 0, looks: false, prio: 0, protocol: 0, handle: 0 };
    /// Behind all others.
    pub(super) const LAST: Self =
        Self { parent: Handle::ROOT, chain: u32::MAX, looks: true, prio: u16::MAX, protocol: u16::MAX, handle: u32::MAX };

    /// Gives the table in which a filter of `u32` is, unless that is the first of its priority.
    pub(super) fn table(&self, state: Option<&State>) -> Option<Self> {
        let is_u32 = matches!(state, Some(State::Filter(filter)) if filter.kind == "u32");
        let number = table(self.handle);
        (is_u32 && self.looks && number != ROOT && number != 0).then(|| Self { looks: false, handle: number, ..self.clone() })
    }

    /// Tells whether a filter is in this table.
    pub(super) fn holds(&self, key: &Self) -> bool {
        !self.looks && key.looks && key.parent == self.parent && table(key.handle) == self.handle
    }

    /// Gives the handle as the kind of the filter writes it.
    pub fn handle_words(&self, filter: &Filter) -> String {
        match &filter.kind[..] {
            "u32" => u32::shown(self.handle),
            "fw" => basic::fw_shown(self.handle, &filter.options),
            _ => format!("{:#x}", self.handle),
        }
    }

    /// Gives the words of tc(8) for the place of a filter, in front of its kind.
    pub fn words(&self, filter: Option<&Filter>) -> String {
        let parent = match self.parent {
            Handle::CLSACT_INGRESS | Handle::CLSACT_EGRESS => place(self.parent),
            parent => format!("parent {parent}"),
        };
        let chain = if self.chain > 0 { format!(" chain {}", self.chain) } else { String::new() };
        let handle = filter.map_or_else(|| format!("{:#x}", self.handle), |filter| self.handle_words(filter));
        format!("{parent} protocol {} pref {}{chain} handle {handle}", protocol::name(self.protocol), self.prio)
    }
}

/// Writes the command that makes a change.
pub(super) fn written(device: &Device, key: &Key, before: Option<&State>, after: Option<&State>) -> Option<String> {
    let of = |state: Option<&State>| match state {
        Some(State::Filter(filter)) => Some((**filter).clone()),
        _ => None,
    };
    let (before, after) = (of(before), of(after));
    let place = |filter: &Filter| format!("dev {device} {}", key.words(Some(filter)));
    Some(match (before, after) {
        (Some(before), None) => format!("tc filter del {} {}", place(&before), before.kind),
        (None, Some(after)) => format!("tc filter add {} {}", place(&after), after.words(key)),
        (Some(before), Some(after)) if before.becomes(&after) => format!("tc filter replace {} {}", place(&after), after.words(key)),
        (Some(before), Some(after)) => {
            format!("tc filter del {} {} && tc filter add {} {}", place(&before), before.kind, place(&after), after.words(key))
        }
        (None, None) => return None,
    })
}

/// Names where filters are: a direction of a device, or a qdisc or a class.
pub fn place(parent: Handle) -> String {
    match parent {
        Handle::CLSACT_INGRESS => "ingress".to_owned(),
        Handle::CLSACT_EGRESS => "egress".to_owned(),
        parent => parent.to_string(),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.looks { "filter" } else { "table of filters" };
        let handle = if self.handle > 0xfff { u32::shown(self.handle) } else { format!("{:#x}", self.handle) };
        let parent = place(self.parent);
        write!(f, "{what} {handle} at {parent}, priority {}", self.prio)?;
        if self.chain > 0 { write!(f, ", chain {}", self.chain) } else { Ok(()) }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Key { parent: Handle::ROOT, chain: 0, looks: true, prio: 0, protocol: self.protocol, handle: 0 };
        f.write_str(&self.words(&key))
    }
}
