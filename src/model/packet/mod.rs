//! Packets: built from layers, taken apart into layers, told to people.
//!
//! A protocol is a table of fields and a few small functions, in a file of its own. Reading and building use the same table, so what is read can be
//! built again. Taking a packet apart finds where its layers are, and reads no field; bytes that lie give a defect with a name, and never more than
//! that: what comes from the wire was written by somebody else.

pub mod answer;
pub mod bits;
pub mod build;
pub mod capture;
pub mod checksum;
pub mod defect;
pub mod dissect;
pub mod exchange;
pub mod field;
pub mod filter;
pub mod numbers;
pub mod options;
pub mod protocol;
pub mod protocols;
pub mod show;
#[cfg(test)]
mod tests;
pub mod value;

use std::sync::Arc;

pub use build::{Draft, Stack};
pub use checksum::Check;
pub use defect::{Defect, Flaw};
pub use dissect::{Dissection, Layer};
pub use protocol::{Protocol, named, names};
pub use value::{Mac, Value};

/// What the first bytes of a packet are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum First {
    /// A frame of Ethernet.
    #[default]
    Ethernet,
    /// An IP packet: its version says which.
    Ip,
    /// Another layer, without those that it stands on.
    Layer(&'static Protocol),
}

/// A packet as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// What they begin with.
    pub first: First,
}

impl Packet {
    /// Takes bytes for a packet.
    pub fn new(bytes: impl Into<Arc<[u8]>>, first: First) -> Self {
        Self { bytes: bytes.into(), first }
    }

    /// Finds the layers.
    pub fn layers(&self) -> Dissection {
        dissect::dissect(&self.bytes, self.first)
    }
}
