//! From a command to edits: the numbers that nobody chooses are chosen as the kernel would, of what is there.

use std::collections::BTreeSet;

use super::{Command, Filter, Key, Place, ROOT, Verb, protocol, table, u32};
use crate::model::named::{Edit, Inventory};
use crate::model::tc::{Device, Handle, Object, State};
use crate::model::{Fault, Kind, change};

/// The priority of the first filter for which nobody chooses one; each later one has the next smaller.
const FIRST: u16 = 0xc000;
/// The first number of a filter in a bucket of `u32`.
const FIRST_NODE: u32 = 0x800;

impl Command {
    /// Gives the edits that see to it that no such filter is there.
    pub fn absent(&self, inventory: &Inventory) -> Result<Vec<Edit>, Fault> {
        let there = There { device: &self.place.device, inventory };
        let Ok(parent) = self.parent(&there) else { return Ok(Vec::new()) };
        Ok(self.meant(&there, parent).map(Edit::Absent).collect())
    }

    /// Gives the edits that do what is asked for.
    pub fn edits(&self, inventory: &Inventory) -> Result<Vec<Edit>, Fault> {
        let there = There { device: &self.place.device, inventory };
        let parent = self.parent(&there)?;
        if self.verb == Verb::Delete {
            let found: Vec<Edit> = self.meant(&there, parent).map(Edit::Del).collect();
            let tried = || format!("take away filters of {} at {}", self.place.device, super::place(parent));
            let missing = || Fault::new(Kind::NotFound, tried(), "there are none such");
            return if found.is_empty() { Err(missing().hint("`absent_filter` does not mind")) } else { Ok(found) };
        }
        let Some(filter) = &self.filter else { return Ok(Vec::new()) };
        let (key, filter) = self.resolve(&there, parent, filter)?;
        let (object, state) = (there.object(key), change::State::Tc(State::Filter(Box::new(filter))));
        Ok(vec![match self.verb {
            Verb::Add => Edit::Add(object, state),
            Verb::Change => Edit::Set(object, state),
            _ => Edit::Ensure(object, state),
        }])
    }

    /// Finds the qdisc or class that is to ask the filter.
    fn parent(&self, there: &There<'_>) -> Result<Handle, Fault> {
        let Place { device, .. } = &self.place;
        match self.place.parent {
            // At ingress any number of the kind means the same.
            Some(Handle::OF_INGRESS | Handle::INGRESS) => Ok(Handle::CLSACT_INGRESS),
            Some(parent) if parent != Handle::NONE && parent != Handle::ROOT => Ok(parent),
            _ => there.root().filter(|handle| *handle != Handle::NONE).ok_or_else(|| {
                let why = "its root qdisc is the kernel's own, and asks no filters";
                Fault::new(Kind::NotFound, format!("put a filter on {device}"), why)
                    .hint("give it one with classes first, or say `ingress`")
            }),
        }
    }

    /// Finds the filters that are meant, those that look before the tables in which they are.
    fn meant(&self, there: &There<'_>, parent: Handle) -> impl Iterator<Item = change::Object> {
        let at = &self.place;
        let is_meant = |key: &Key, filter: &Filter| {
            key.parent == parent
                && at.chain.is_none_or(|chain| chain == key.chain)
                && at.prio.is_none_or(|prio| prio == key.prio)
                && at.protocol.is_none_or(|protocol| protocol == key.protocol)
                && self.filter.as_ref().is_none_or(|asked| asked.kind == filter.kind)
                && (self.handle == 0 || self.handle == key.handle || there.symbolic(self.handle, key) == key.handle)
        };
        let found: Vec<change::Object> =
            there.filters().filter(|(key, filter)| is_meant(key, filter)).map(|(key, _)| there.object(key.clone())).collect();
        found.into_iter().rev()
    }

    /// Chooses the numbers that nobody chose.
    fn resolve(&self, there: &There<'_>, parent: Handle, asked: &Filter) -> Result<(Key, Filter), Fault> {
        let protocol = self.place.protocol.unwrap_or(protocol::ALL);
        let mut key = Key {
            parent,
            chain: self.place.chain.unwrap_or(0),
            looks: true,
            prio: self.place.prio.unwrap_or(0),
            protocol,
            handle: self.handle,
        };
        let mut filter = asked.clone();
        if filter.kind == "u32" {
            let hash = filter.options.u32(u32::HASH).unwrap_or(0);
            filter.options.drop(&[u32::HASH]);
            key.looks = !filter.options.has(u32::DIVISOR);
            if key.looks {
                key.handle = there.symbolic(u32::bucket(hash | self.handle), &key) | u32::node(self.handle);
            }
        }
        if self.verb == Verb::Replace
            && let Some(same) = there.same(&key, self, &filter)
        {
            return Ok((same, filter));
        }
        if key.prio == 0 {
            key.prio = there.prio(&key, &filter.kind).ok_or_else(|| self.full("priorities"))?;
        } else if filter.kind == "u32" && there.is_mixed(&key) {
            let why = "the kernel mixes up the filters of u32 of one priority in several chains";
            return Err(Fault::new(Kind::Refused, format!("put a filter on {}", self.place.device), why).hint("choose another priority"));
        }
        key.handle = there.handle(&key, &filter).ok_or_else(|| self.full("handles"))?;
        if let Some(now) = there.state(&key).filter(|now| self.verb != Verb::Add && now.kind == filter.kind && filter.kind == "u32") {
            // What is not said of a filter of u32 stays, as the kernel has it.
            for kind in u32::KEPT {
                if let Some(value) = now.options.get(*kind).filter(|_| !filter.options.has(*kind)) {
                    filter.options.set(*kind, value);
                }
            }
            filter.options.sort();
        }
        Ok((key, filter))
    }

    fn full(&self, what: &str) -> Fault {
        Fault::new(Kind::Refused, format!("put a filter on {}", self.place.device), format!("all {what} are taken"))
            .hint("choose one yourself")
    }
}

/// What is there on a device.
struct There<'a> {
    device: &'a Device,
    inventory: &'a Inventory,
}

impl<'a> There<'a> {
    fn object(&self, key: Key) -> change::Object {
        change::Object::Tc(Object::Filter(self.device.clone(), key))
    }

    fn state(&self, key: &Key) -> Option<&'a Filter> {
        match self.inventory.get(&self.object(key.clone())) {
            Some(change::State::Tc(State::Filter(filter))) => Some(filter),
            _ => None,
        }
    }

    fn root(&self) -> Option<Handle> {
        match self.inventory.get(&change::Object::Tc(Object::Qdisc(self.device.clone(), Handle::ROOT))) {
            Some(change::State::Tc(State::Qdisc(qdisc))) => Some(qdisc.handle),
            _ => None,
        }
    }

    fn filters(&self) -> impl Iterator<Item = (&'a Key, &'a Filter)> {
        let device = self.device;
        self.inventory.iter().filter_map(move |entry| match entry {
            (change::Object::Tc(Object::Filter(on, key)), change::State::Tc(State::Filter(filter))) if on == device => {
                Some((key, &**filter))
            }
            _ => None,
        })
    }

    /// Gives the handle of a filter of u32 with the first table of its priority by its name, which may be given as the number that the kernel has
    /// for it: those are numbers from 800 on that no table has which somebody made.
    fn symbolic(&self, handle: u32, key: &Key) -> u32 {
        let number = table(handle);
        let is_made = || self.filters().any(|(other, _)| other.parent == key.parent && !other.looks && other.handle == number);
        if number == 0 || number >= 0x8000_0000 && !is_made() { ROOT | handle & !ROOT } else { handle }
    }

    /// Finds a filter that is as it is asked for, where nobody says by which handle.
    fn same(&self, key: &Key, command: &Command, filter: &Filter) -> Option<Key> {
        let is_near = |other: &Key| {
            (other.parent, other.chain, other.protocol, other.looks) == (key.parent, key.chain, key.protocol, key.looks)
                && (key.prio == 0 || key.prio == other.prio)
                && (filter.kind != "u32" || u32::bucket(other.handle) == u32::bucket(key.handle))
        };
        let chosen = if filter.kind == "u32" && key.looks { u32::node(command.handle) } else { command.handle };
        let mut found = self.filters().filter(|(other, now)| chosen == 0 && is_near(other) && now.agrees(filter));
        found.next().map(|(other, _)| other.clone())
    }

    /// Tells whether a filter of u32 would have a priority that others of its kind have in another chain: the kernel lists them in both.
    fn is_mixed(&self, key: &Key) -> bool {
        self.filters()
            .any(|(other, filter)| (other.parent, other.prio) == (key.parent, key.prio) && other.chain != key.chain && filter.kind == "u32")
    }

    /// Chooses a priority, in front of all others.
    fn prio(&self, key: &Key, kind: &str) -> Option<u16> {
        let is_near = |other: &Key, filter: &Filter| other.chain == key.chain || kind == "u32" && filter.kind == "u32";
        let others = self.filters().filter(|(other, filter)| other.parent == key.parent && is_near(other, filter));
        match others.map(|(other, _)| other.prio).min() {
            Some(first) => first.checked_sub(1).filter(|prio| *prio > 0),
            None => Some(FIRST),
        }
    }

    /// Chooses a handle, as its kind does.
    fn handle(&self, key: &Key, filter: &Filter) -> Option<u32> {
        let taken: BTreeSet<u32> = self
            .filters()
            .filter(|(other, _)| {
                (other.parent, other.chain, other.prio) == (key.parent, key.chain, key.prio) || !key.looks && other.parent == key.parent
            })
            .map(|(other, _)| other.handle)
            .collect();
        match &filter.kind[..] {
            // The kernel takes numbers from 800 on for the first tables of priorities.
            "u32" if !key.looks && key.handle == 0 => (1..0x800).map(|table| table << 20).find(|handle| !taken.contains(handle)),
            "u32" if key.looks && u32::node(key.handle) == 0 => {
                (FIRST_NODE..0x1000).map(|node| key.handle | node).find(|handle| !taken.contains(handle))
            }
            _ if key.handle != 0 => Some(key.handle),
            "matchall" | "cgroup" | "flow" => Some(1),
            "fw" => None,
            _ => (1..=taken.len() as u32 + 1).find(|handle| !taken.contains(handle)),
        }
    }
}
