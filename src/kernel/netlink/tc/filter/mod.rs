//! Filters and actions over rtnetlink(7), as linux/pkt_cls.h and linux/rtnetlink.h have them.

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tool;

use super::{Deed, Head, Noun, Order, attribute, counted};
use crate::kernel::netlink::message::{Messages, attributes, flag, text};
use crate::model::Fault;
use crate::model::tc::action::{Action, Links};
use crate::model::tc::attribute::Attributes;
use crate::model::tc::filter::{self, Filter, Key, ROOT};
use crate::model::tc::{Counted, Handle};

/// The chain of a filter.
const CHAIN: u16 = 11;
/// The table and the bucket of a filter of u32.
const U32_HASH: u16 = 2;

/// The messages about actions: to make or change some, to take some away, and to ask for them.
const NEW_ACTION: u16 = 48;
const DEL_ACTION: u16 = 49;
const GET_ACTION: u16 = 50;
/// The list of actions, and how it is told.
const TABLE: u16 = 1;
const TABLE_FLAGS: u16 = 2;
/// The number of an action, and its kind.
const ACTION_KIND: u16 = 1;
const ACTION_INDEX: u16 = 3;
/// What an action has counted.
const ACTION_STATS: u16 = 4;

/// A filter as the kernel tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Where it is.
    pub head: Head,
    /// Its chain.
    pub chain: u32,
    /// Its kind.
    pub kind: String,
    /// What the kind makes of it; nothing where only a priority is told.
    pub options: Option<Attributes>,
}

impl Listed {
    /// Reads what tells of a filter.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (head, rest) = Head::read(body)?;
        let find = |of: u16| attributes(rest).find(|(kind, _)| *kind == of).map(|(_, value)| value);
        let chain = find(CHAIN).and_then(|value| value.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let kind = text(find(attribute::KIND)?).to_owned();
        Some(Self { head, chain, kind, options: find(attribute::OPTIONS).map(Attributes::read) })
    }

    /// Gives what it has handed to its actions, and what these have dropped; nothing where it has none.
    pub fn counted(&self) -> Option<Counted> {
        let actions = self.options.as_ref()?.nest(filter::actions_in(&self.kind)?)?;
        let of = |(_, action): (u16, &[u8])| attributes(action).find(|(kind, _)| *kind == ACTION_STATS).map(|(_, stats)| counted(stats));
        // The first one sees every packet; one behind it may be out of what the others let pass.
        let all: Vec<Counted> = actions.iter().filter_map(of).collect();
        let sum = |of: fn(&Counted) -> u32| all.iter().map(of).fold(0, u32::saturating_add);
        let first = *all.first()?;
        Some(Counted { drops: sum(|one| one.drops), overlimits: sum(|one| one.overlimits), ..first })
    }

    /// Gives its priority.
    pub fn prio(&self) -> u16 {
        (self.head.info >> 16) as u16
    }

    /// Gives the protocol of its packets.
    pub fn protocol(&self) -> u16 {
        u16::from_be(self.head.info as u16)
    }

    /// Gives the key of a filter that one asks, with the number of the first table of its priority, and what it is.
    pub fn parts(self, parent: Handle, root: u32, links: &dyn Links) -> (Key, Filter) {
        let mut handle = self.head.handle.bits();
        let (chain, prio, protocol) = (self.chain, self.prio(), self.protocol());
        let mut looks = true;
        let mut options = self.options.unwrap_or_default();
        if self.kind == "u32" {
            looks = !filter::is_table(handle);
            options.drop(&[U32_HASH]);
            if filter::table(handle) == root {
                handle = handle & !ROOT | ROOT;
            }
        }
        let filter = Filter::told(&self.kind, protocol, options, links);
        let handle = filter.without_device(handle);
        (Key { parent, chain, looks, prio, protocol, handle }, filter)
    }
}

impl Order {
    /// Makes an order that takes away a priority with all that is in it.
    pub fn priority(link: u32, key: &Key, kind: &str) -> Self {
        let info = u32::from(key.prio) << 16 | u32::from(key.protocol.to_be());
        let mut m = Messages::new();
        if key.chain > 0 {
            m.attribute(CHAIN, &key.chain.to_ne_bytes());
        }
        m.text(attribute::KIND, kind);
        let head = Head { link, handle: Handle::NONE, parent: key.parent, info };
        Self { noun: Noun::Filter, deed: Deed::Del, head, attributes: m.bytes().to_vec() }
    }

    /// Makes an order about a filter. `root` is the number of the first table of its priority, where that is known and needed.
    pub fn filter(deed: Deed, link: u32, key: &Key, filter: &Filter, root: Option<u32>, links: &dyn Links) -> Result<Self, Fault> {
        let handle = match filter.kind == "u32" && filter::table(key.handle) == ROOT {
            true => key.handle & !ROOT | root.unwrap_or(0),
            false => filter.with_device(key.handle, links)?,
        };
        let info = u32::from(key.prio) << 16 | u32::from(key.protocol.to_be());
        let head = Head { link, handle: Handle::of(handle), parent: key.parent, info };
        let mut m = Messages::new();
        if key.chain > 0 {
            m.attribute(CHAIN, &key.chain.to_ne_bytes());
        }
        m.text(attribute::KIND, &filter.kind);
        if deed != Deed::Del {
            let mut options = filter.sent(key.protocol, links)?;
            // In the first table a filter is if nothing is said.
            if filter.kind == "u32" && key.looks && filter::table(key.handle) != ROOT && filter::table(key.handle) != 0 {
                options.set(U32_HASH, filter::bucket(key.handle).to_ne_bytes());
            }
            m.attribute(attribute::OPTIONS, &options.bytes());
        }
        Ok(Self { noun: Noun::Filter, deed, head, attributes: m.bytes().to_vec() })
    }
}

/// Writes a message that makes an action, or changes it.
pub fn set_action(messages: &mut Messages, sequence: u32, deed: Deed, action: &Action, links: &dyn Links) -> Result<(), Fault> {
    let mut list = Attributes::default();
    list.put_nest(1, &action.sent(links)?);
    messages.message(NEW_ACTION, deed.flags(), sequence, |m| {
        m.raw(&[0; 4]);
        m.nest(TABLE, |m| m.raw(&list.bytes()));
    });
    Ok(())
}

/// Writes a message that takes an action away.
pub fn del_action(messages: &mut Messages, sequence: u32, kind: &str, index: u32) {
    messages.message(DEL_ACTION, flag::REQUEST, sequence, |m| {
        m.raw(&[0; 4]);
        m.nest(TABLE, |m| {
            m.nest(1, |m| {
                m.text(ACTION_KIND, kind);
                m.attribute(ACTION_INDEX, &index.to_ne_bytes());
            });
        });
    });
}

/// Writes a message that asks for the actions of a kind.
pub fn ask_actions(messages: &mut Messages, sequence: u32, kind: &str) {
    messages.message(GET_ACTION, flag::REQUEST | flag::DUMP, sequence, |m| {
        m.raw(&[0; 4]);
        m.nest(TABLE, |m| m.nest(1, |m| m.text(ACTION_KIND, kind)));
        // As many in one answer as there is room for.
        m.attribute(TABLE_FLAGS, &[1u32.to_ne_bytes(), 1u32.to_ne_bytes()].concat());
    });
}

/// Reads the actions of one piece of a list.
pub fn actions(kind: u16, body: &[u8], links: &dyn Links) -> Vec<Action> {
    let table = body.get(4..).filter(|_| kind == GET_ACTION || kind == NEW_ACTION);
    let table = table.and_then(|rest| attributes(rest).find(|(kind, _)| *kind == TABLE));
    table.map(|(_, list)| Action::told_all(&Attributes::read(list), links)).unwrap_or_default()
}
