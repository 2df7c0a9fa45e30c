//! Objects that are known by a name of their own: the one way to each mechanism that has them.

use super::sysctl;
use crate::model::named::{Inventory, Scope};
use crate::model::{Change, Fault, Kind, Object};

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
pub struct Here;

impl Source for Here {
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        match scope {
            Scope::Sysctl(folder) => sysctl::read(folder),
        }
    }
}

impl Named for Here {
    fn write(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        // What makes others follow would overwrite what was written to them before.
        let leads = |change: &Change| matches!(&change.object, Object::Sysctl(key) if key.leads());
        let mut order: Vec<usize> = (0..changes.len()).collect();
        order.sort_by_key(|at| !leads(&changes[*at]));
        order.into_iter().try_for_each(|at| make(&changes[at]).map_err(|fault| Refusal { fault, at }))
    }
}

fn make(change: &Change) -> Result<(), Fault> {
    match (&change.object, &change.after) {
        (Object::Sysctl(key), Some(crate::model::State::Value(value))) => sysctl::write(key, value),
        (object, _) => Err(Fault::new(Kind::System, format!("change the {object}"), "it has no state of this kind")),
    }
}
