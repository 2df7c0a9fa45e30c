//! Objects that are known by a name of their own: the one way to each mechanism that has them.

use super::ipset::{self, Ipset, Source as _};
use super::{reserved_ports, sysctl};
use crate::model::ipset::{Member, Sets, Step};
use crate::model::named::{Inventory, Scope};
use crate::model::sysctl::{Key, Value};
use crate::model::{Change, Fault, Object, State};

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
}

impl Source for Here {
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        match scope {
            Scope::Sysctl(folder) => sysctl::read(folder),
            Scope::Set(set) => Ok(of_sets(self.sets.read(Some(std::slice::from_ref(set)))?, true)),
            Scope::Sets => Ok(of_sets(self.sets.read(None)?, false)),
            Scope::ReservedPorts => reserved_ports::read(),
        }
    }
}

fn of_sets(sets: Sets, with_members: bool) -> Inventory {
    let mut found = Inventory::new();
    for (name, set) in sets.sets {
        if with_members {
            let members = set.members.into_pairs().into_iter();
            // They are sorted already, and an inventory that is made at once is made faster.
            found.append(&mut members.map(|(element, entry)| (Object::Member(name.clone(), element), State::Entry(entry))).collect());
        }
        found.insert(Object::Set(name), State::Set(set.definition));
    }
    found
}

impl Named for Here {
    fn write(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        // What makes others follow would overwrite what was written to them before.
        let leads = |change: &Change| matches!(&change.object, Object::Sysctl(key) if key.leads());
        let mut order: Vec<usize> = (0..changes.len()).collect();
        order.sort_by_key(|at| !leads(&changes[*at]));
        let parameters = order.iter().filter_map(|at| Some((*at, parameter(&changes[*at])?)));
        parameters.into_iter().try_for_each(|(at, (key, value))| sysctl::write(key, value).map_err(|fault| Refusal { fault, at }))?;
        let refused = |fault| Refusal { fault, at: changes.iter().position(is_reserved_port).unwrap_or(0) };
        reserved_ports::write(changes.iter().filter(|change| is_reserved_port(change))).map_err(refused)?;
        let (at, steps): (Vec<usize>, Vec<Step>) = order.iter().filter_map(|at| Some((*at, step(&changes[*at])?))).unzip();
        let refused = |refusal: ipset::Refusal| Refusal { at: at.get(refusal.done).copied().unwrap_or(0), fault: refusal.fault };
        if steps.is_empty() { Ok(()) } else { self.sets.write(&steps).map_err(refused) }
    }
}

fn is_reserved_port(change: &Change) -> bool {
    matches!(change.object, Object::ReservedPort(_))
}

fn parameter(change: &Change) -> Option<(&Key, &Value)> {
    match (&change.object, &change.after) {
        (Object::Sysctl(key), Some(State::Value(value))) => Some((key, value)),
        _ => None,
    }
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
