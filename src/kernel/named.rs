//! Objects that are known by a name of their own: the one way to each mechanism that has them.

use std::collections::BTreeSet;

use super::ipset::{self, Ipset, Source as _};
use super::netns::names;
use super::{cgroup, link, reserved_ports, sysctl};
use crate::model::ipset::{Member, Sets, Step};
use crate::model::link::far::{is_on, leaving};
use crate::model::named::{Inventory, Scope};
use crate::model::sysctl::{Key, Value};
use crate::model::tc::{self, Counted, Device};
use crate::model::{Change, Fault, Kind, Object, State, netns};

/// A refusal of one of several changes. Those before it were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, with the words of the kernel.
    pub fault: Fault,
    /// Which of the changes was refused.
    pub at: usize,
}

/// The objects of one network namespace, to read. A plan holds nothing more.
pub trait Source: Send {
    /// Reads what there is. What is not there is left out.
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault>;

    /// Reads several scopes.
    fn read_all(&mut self, scopes: &BTreeSet<Scope>) -> Result<Inventory, Fault> {
        let mut found = Inventory::new();
        for scope in scopes {
            found.extend(self.read(scope)?);
        }
        Ok(found)
    }

    /// Reads what was counted of the queues of a device. A kernel in memory counts nothing.
    fn counted(&mut self, device: &Device) -> Result<Vec<(tc::Object, Counted)>, Fault> {
        let why = "only packets that have passed can tell it";
        Err(Fault::new(Kind::Unknown, format!("read what was counted on {device}"), why))
    }
}

/// The objects of one network namespace, to read and to write.
pub trait Named: Source {
    /// Makes changes, in their order.
    fn write(&mut self, changes: &[Change]) -> Result<(), Refusal>;
}

/// The network namespace of the calling thread.
#[derive(Default)]
pub struct Here {
    sets: ipset::live::Live,
    links: link::Live,
    queues: super::tc::Live,
}

impl Source for Here {
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        match scope {
            Scope::Sysctl(folder) => sysctl::read(folder),
            Scope::Set(set) => Ok(of_sets(self.sets.read(Some(std::slice::from_ref(set)))?)),
            Scope::Definition(set) => Ok(of_sets(self.sets.definitions(Some(std::slice::from_ref(set)))?)),
            Scope::Sets => Ok(of_sets(self.sets.definitions(None)?)),
            Scope::ReservedPorts => reserved_ports::read(),
            Scope::Netns(scope) => names::read(scope),
            Scope::Link(scope) => self.links.read(&[scope]),
            Scope::Tc(scope) => self.queues.read(scope),
            Scope::Cgroup(scope) => cgroup::read(scope),
            Scope::Actions(kind) => self.queues.actions(kind),
        }
    }

    fn read_all(&mut self, scopes: &BTreeSet<Scope>) -> Result<Inventory, Fault> {
        // What is on links needs a list of the links: one does for all.
        let of_links: Vec<_> = scopes.iter().filter_map(|scope| if let Scope::Link(scope) = scope { Some(scope) } else { None }).collect();
        let mut found = if of_links.is_empty() { Inventory::new() } else { self.links.read(&of_links)? };
        for scope in scopes.iter().filter(|scope| !matches!(scope, Scope::Link(_))) {
            found.extend(self.read(scope)?);
        }
        Ok(found)
    }

    fn counted(&mut self, device: &Device) -> Result<Vec<(tc::Object, Counted)>, Fault> {
        self.queues.counted(device)
    }
}

fn of_sets(sets: Sets) -> Inventory {
    let mut found = Inventory::new();
    for (name, set) in sets.sets {
        let members = set.members.into_pairs().into_iter();
        // They are sorted already, and an inventory that is made at once is made faster.
        found.append(&mut members.map(|(element, entry)| (Object::Member(name.clone(), element), State::Entry(entry))).collect());
        found.insert(Object::Set(name), State::Set(set.definition));
    }
    found
}

impl Named for Here {
    fn write(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        // What a script does by one mechanism and then by another is done in that order.
        let leaving = leaving(changes);
        let is_left = |change: &Change| match (&change.before, &change.after) {
            (Some(state), None) => leaving.iter().any(|dev| is_on(&change.object, state, dev)),
            _ => false,
        };
        let (mut links, mut rest) = (link::Made::by(changes), changes);
        while let Some(mechanism) = rest.iter().find_map(Mechanism::of) {
            let end = rest.iter().position(|change| Mechanism::of(change).is_some_and(|other| other != mechanism)).unwrap_or(rest.len());
            let (part, later) = rest.split_at(end);
            // The queues of a link that is moved away have gone with it.
            if mechanism != Mechanism::Queues || !part.iter().all(is_left) {
                let done = changes.len() - rest.len();
                self.write_part(mechanism, part, &mut links).map_err(|refusal| Refusal { at: done + refusal.at, ..refusal })?;
            }
            rest = later;
        }
        Ok(())
    }
}

/// By what a change is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Sysctl,
    ReservedPorts,
    Sets,
    Links,
    Queues,
    Namespaces,
    Groups,
}

impl Mechanism {
    /// Gives that of a change, if something has to be done for it.
    fn of(change: &Change) -> Option<Self> {
        match change.object {
            // Those of a link go with it.
            Object::Sysctl(_) => change.after.is_some().then_some(Self::Sysctl),
            Object::ReservedPort(_) => Some(Self::ReservedPorts),
            Object::Set(_) | Object::Member(..) | Object::SetPair(..) => Some(Self::Sets),
            Object::Link(_) => Some(Self::Links),
            Object::Tc(_) | Object::Action(_) => Some(Self::Queues),
            Object::Netns(_) => Some(Self::Namespaces),
            Object::Cgroup(_) => Some(Self::Groups),
            Object::Table(..) | Object::BaseChain(_) | Object::Chain(_) | Object::ChainName(_) | Object::Policy(_) | Object::Rule(_) => {
                None
            }
        }
    }
}

impl Here {
    /// Makes changes of one mechanism.
    fn write_part<'a>(&mut self, mechanism: Mechanism, changes: &'a [Change], links: &mut link::Made<'a>) -> Result<(), Refusal> {
        match mechanism {
            Mechanism::Sysctl => {
                let mut parameters: Vec<_> = changes.iter().enumerate().filter_map(|(at, change)| Some((at, parameter(change)?))).collect();
                // What makes others follow would overwrite what was written to them before.
                parameters.sort_by_key(|(_, (key, _))| !key.leads());
                parameters.into_iter().try_for_each(|(at, (key, value))| sysctl::write(key, value).map_err(|fault| Refusal { fault, at }))
            }
            Mechanism::ReservedPorts => reserved_ports::write(changes.iter()).map_err(|fault| Refusal { fault, at: 0 }),
            Mechanism::Sets => {
                let (at, steps): (Vec<usize>, Vec<Step>) =
                    changes.iter().enumerate().filter_map(|(at, change)| Some((at, step(change)?))).unzip();
                let refused = |refusal: ipset::Refusal| Refusal { at: at.get(refusal.done).copied().unwrap_or(0), fault: refusal.fault };
                if steps.is_empty() { Ok(()) } else { self.sets.write(&steps).map_err(refused) }
            }
            Mechanism::Links => self.links.write(changes, links),
            Mechanism::Groups => {
                let mut groups = changes.iter().enumerate();
                groups.try_for_each(|(at, change)| cgroup::write(change, changes).map_err(|fault| Refusal { fault, at }))
            }
            Mechanism::Queues => self.queues.write(changes),
            Mechanism::Namespaces => {
                let namespaces = changes.iter().enumerate().filter_map(|(at, change)| Some((at, namespace(change)?)));
                namespaces.into_iter().try_for_each(|(at, write)| write().map_err(|fault| Refusal { fault, at }))
            }
        }
    }
}

fn parameter(change: &Change) -> Option<(&Key, &Value)> {
    match (&change.object, &change.after) {
        (Object::Sysctl(key), Some(State::Value(value))) => Some((key, value)),
        _ => None,
    }
}

fn namespace(change: &Change) -> Option<impl Fn() -> Result<(), Fault>> {
    let Object::Netns(object) = &change.object else { return None };
    fn of(state: &Option<State>) -> Option<&netns::State> {
        if let Some(State::Netns(state)) = state { Some(state) } else { None }
    }
    (!change.is_claim()).then_some(move || names::write(object, of(&change.before), of(&change.after)))
}

fn step(change: &Change) -> Option<Step> {
    match (&change.object, &change.after) {
        (Object::Set(set), Some(State::Set(definition))) => Some(Step::Create(set.clone(), definition.clone())),
        (Object::Set(set), None) => Some(Step::Destroy(set.clone())),
        (Object::Member(set, element), Some(State::Entry(entry))) => {
            Some(Step::Put(set.clone(), Member { element: element.clone(), entry: entry.clone() }))
        }
        (Object::Member(set, element), None) => Some(Step::Take(set.clone(), element.clone())),
        (Object::SetPair(one, other), Some(_)) => Some(Step::Swap(one.clone(), other.clone())),
        _ => None,
    }
}
