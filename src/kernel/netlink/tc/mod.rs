//! Traffic control over rtnetlink(7): qdiscs and classes, as linux/pkt_sched.h has them.

pub mod filter;
mod options;
pub mod tables;
#[cfg(test)]
mod tests;

use std::io;

use super::message::{Messages, attributes, flag, text};
use super::{Dump, Socket};
use crate::model::Fault;
use crate::model::tc::units::Sizes;
use crate::model::tc::{Class, Counted, Handle, Kind, Qdisc};

pub use options::{decode, encode};

/// The types of messages: of qdiscs, of classes, and of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// Qdiscs.
    Qdisc = 36,
    /// Classes.
    Class = 40,
    /// Filters.
    Filter = 44,
}

impl Noun {
    /// The message that makes or changes one, and that tells of one.
    pub fn make(self) -> u16 {
        self as u16
    }

    /// The message that takes one away.
    pub fn del(self) -> u16 {
        self as u16 + 1
    }

    /// The message that asks for them.
    pub fn get(self) -> u16 {
        self as u16 + 2
    }
}

/// The attributes of all messages of traffic control.
pub mod attribute {
    /// The kind.
    pub const KIND: u16 = 1;
    /// What the kind makes of it.
    pub const OPTIONS: u16 = 2;
    /// Statistics in groups.
    pub const STATS2: u16 = 7;
    /// The table of sizes.
    pub const STAB: u16 = 8;
    /// The block of filters for arriving packets.
    pub const INGRESS_BLOCK: u16 = 13;
    /// The block of filters for leaving packets.
    pub const EGRESS_BLOCK: u16 = 14;
}

const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

/// What a message does to what may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It makes something where nothing is.
    Add,
    /// It changes what is there.
    Change,
    /// It makes something, or changes what is there, or takes its place.
    Replace,
    /// It takes away what is there.
    Del,
}

impl Deed {
    /// Gives the flags of its message.
    pub fn flags(self) -> u16 {
        flag::REQUEST
            | match self {
                Deed::Add => NLM_F_CREATE | NLM_F_EXCL,
                Deed::Change | Deed::Del => 0,
                Deed::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            }
    }
}

/// The head of a message of traffic control (`struct tcmsg`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The index of the device.
    pub link: u32,
    /// The handle.
    pub handle: Handle,
    /// What it is in.
    pub parent: Handle,
    /// What else the noun has: of a filter its priority and its protocol.
    pub info: u32,
}

impl Head {
    /// How many bytes it has.
    pub const SIZE: usize = 20;

    /// Writes it.
    pub fn write(self, m: &mut Messages) {
        m.raw(&[0; 4]);
        for part in [self.link, self.handle.bits(), self.parent.bits(), self.info] {
            m.raw(&part.to_ne_bytes());
        }
    }

    /// Reads it, and gives the attributes behind it.
    pub fn read(body: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = body.split_at_checked(Self::SIZE)?;
        let part = |at: usize| head[at..].first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        Some((Self { link: part(4)?, handle: Handle::of(part(8)?), parent: Handle::of(part(12)?), info: part(16)? }, rest))
    }
}

/// An order about a qdisc or a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Of what.
    pub noun: Noun,
    /// What is done.
    pub deed: Deed,
    /// To which.
    pub head: Head,
    /// What comes behind the head.
    pub attributes: Vec<u8>,
}

impl Order {
    /// Makes an order to take something away.
    pub fn del(noun: Noun, head: Head) -> Self {
        Self { noun, deed: Deed::Del, head, attributes: Vec::new() }
    }

    /// Makes an order about a qdisc. `before` is what is there and is changed: it tells what has to be reset.
    pub fn qdisc(deed: Deed, parent: Handle, qdisc: &Qdisc, before: Option<&Qdisc>) -> Result<Self, Fault> {
        let mut m = Messages::new();
        m.text(attribute::KIND, qdisc.kind.as_str());
        for (kind, block) in [(attribute::INGRESS_BLOCK, qdisc.blocks.0), (attribute::EGRESS_BLOCK, qdisc.blocks.1)] {
            block.iter().for_each(|block| m.attribute(kind, &block.to_ne_bytes()));
        }
        if let Some(options) = encode(&qdisc.options, before.map(|before| &before.options))? {
            m.attribute(attribute::OPTIONS, &options);
        }
        if let Some(sizes) = &qdisc.sizes {
            m.nest(attribute::STAB, |m| write_sizes(m, *sizes));
        }
        let head = Head { link: qdisc.link, handle: qdisc.handle, parent, info: 0 };
        Ok(Self { noun: Noun::Qdisc, deed, head, attributes: m.bytes().to_vec() })
    }

    /// Makes an order about a class.
    pub fn class(deed: Deed, handle: Handle, class: &Class) -> Result<Self, Fault> {
        let mut m = Messages::new();
        m.text(attribute::KIND, class.kind.as_str());
        if let Some(options) = encode(&class.options, None)? {
            m.attribute(attribute::OPTIONS, &options);
        }
        let head = Head { link: class.link, handle, parent: class.parent, info: 0 };
        Ok(Self { noun: Noun::Class, deed, head, attributes: m.bytes().to_vec() })
    }

    /// Writes it as a message.
    pub fn write(&self, messages: &mut Messages, sequence: u32) {
        let kind = if self.deed == Deed::Del { self.noun.del() } else { self.noun.make() };
        messages.message(kind, self.deed.flags(), sequence, |m| {
            self.head.write(m);
            m.raw(&self.attributes);
        });
    }
}

fn write_sizes(m: &mut Messages, sizes: Sizes) {
    let (sizes, table) = sizes.table();
    let mut base = vec![sizes.cell_log, sizes.size_log];
    base.extend(sizes.cell_align.to_ne_bytes());
    base.extend(sizes.overhead.to_ne_bytes());
    for part in [sizes.linklayer, sizes.mpu, sizes.mtu, sizes.tsize] {
        base.extend(part.to_ne_bytes());
    }
    m.attribute(1, &base);
    if !table.is_empty() {
        m.attribute(2, &table.iter().flat_map(|entry| entry.to_ne_bytes()).collect::<Vec<u8>>());
    }
}

fn read_sizes(value: &[u8]) -> Option<Sizes> {
    let (_, base) = attributes(value).find(|(kind, _)| *kind == 1)?;
    let part = |at: usize| base.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    Some(Sizes {
        cell_log: *base.first()?,
        size_log: *base.get(1)?,
        cell_align: i16::from_ne_bytes(*base.get(2..)?.first_chunk()?),
        overhead: part(4)?.cast_signed(),
        linklayer: part(8)?,
        mpu: part(12)?,
        mtu: part(16)?,
        tsize: part(20)?,
    })
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// Where it is.
    pub head: Head,
    /// What it is.
    pub what: T,
    /// What has been counted.
    pub counted: Counted,
}

/// Reads what tells of a qdisc.
pub fn qdisc(body: &[u8]) -> Option<Listed<Qdisc>> {
    let (head, rest) = Head::read(body)?;
    let (kind, options, counted) = parts(rest)?;
    let word = |of: u16| {
        attributes(rest).find(|(kind, _)| *kind == of).and_then(|(_, value)| value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)))
    };
    let sizes = attributes(rest).find(|(kind, _)| *kind == attribute::STAB).and_then(|(_, value)| read_sizes(value));
    let options = decode(&kind, false, options);
    let blocks = (word(attribute::INGRESS_BLOCK), word(attribute::EGRESS_BLOCK));
    let what = Qdisc { link: head.link, handle: head.handle, kind, options, sizes, blocks, within: None };
    Some(Listed { head, what, counted })
}

/// Reads what tells of a class.
pub fn class(body: &[u8]) -> Option<Listed<Class>> {
    let (head, rest) = Head::read(body)?;
    let (kind, options, counted) = parts(rest)?;
    let parent = if head.parent == Handle::ROOT { head.handle.qdisc() } else { head.parent };
    let options = decode(&kind, true, options);
    Some(Listed { head, what: Class { link: head.link, parent, kind, options }, counted })
}

fn parts(rest: &[u8]) -> Option<(Kind, Option<&[u8]>, Counted)> {
    let find = |of: u16| attributes(rest).find(|(kind, _)| *kind == of).map(|(_, value)| value);
    let kind = Kind::listed(text(find(attribute::KIND)?));
    Some((kind, find(attribute::OPTIONS), find(attribute::STATS2).map(counted).unwrap_or_default()))
}

/// Reads the groups of statistics: `struct gnet_stats_basic` and `struct gnet_stats_queue`.
fn counted(stats: &[u8]) -> Counted {
    let mut found = Counted::default();
    for (kind, value) in attributes(stats) {
        let word = |at: usize| value.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        match kind {
            1 => {
                found.bytes = u64::from(word(0)) | u64::from(word(4)) << 32;
                found.packets = word(8).into();
            }
            3 => {
                found.queued = word(0);
                found.backlog = word(4);
                found.drops = word(8);
                found.requeues = word(12);
                found.overlimits = word(16);
            }
            _ => {}
        }
    }
    found
}

impl Socket {
    /// Gives each entry of a list of traffic control, its head and the attributes behind it, to `each`.
    pub fn list_tc(&mut self, noun: Noun, head: Head, each: &mut dyn FnMut(&[u8])) -> io::Result<Dump> {
        let sequence = self.next_sequence();
        let mut question = Messages::new();
        question.message(noun.get(), flag::REQUEST | flag::DUMP, sequence, |m| head.write(m));
        self.dump(question.bytes(), sequence, &mut |kind, body| {
            if kind == noun.make() {
                each(body);
            }
        })
    }
}
