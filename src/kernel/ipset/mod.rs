//! The sets of one network namespace, see ipset(8).

pub mod live;
mod refusal;
#[cfg(test)]
mod tests;

use crate::model::Fault;
use crate::model::ipset::{SetName, Sets, Step};

/// A refusal of a step: those before it are done, and it and those behind it are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, with the words of ipset(8).
    pub fault: Fault,
    /// How many steps were done.
    pub done: usize,
}

impl From<Fault> for Refusal {
    /// Makes a refusal of a fault before which nothing was done.
    fn from(fault: Fault) -> Self {
        Self { fault, done: 0 }
    }
}

/// The sets of one network namespace, to read. A plan holds nothing more.
pub trait Source: Send {
    /// Reads all sets, or those of some names that are there.
    fn read(&mut self, names: Option<&[SetName]>) -> Result<Sets, Fault>;

    /// Reads how sets were made, and nothing of what is in them.
    fn definitions(&mut self, names: Option<&[SetName]>) -> Result<Sets, Fault>;
}

/// The sets of one network namespace, to read and to write.
pub trait Ipset: Source {
    /// Does steps in order, and stops at the first that the kernel refuses.
    fn write(&mut self, steps: &[Step]) -> Result<(), Refusal>;
}
