//! The packets of fyke's model under their usual name, so that what must hold reads the same here and in the tests.
#![allow(missing_docs, dead_code)]

/// The model as far as packets need it: the rest would only be compiled.
#[path = "../src/model"]
pub mod model {
    pub mod address;
    pub mod family;
    pub mod fault;
    pub mod hex;
    pub mod near;
    pub mod net;
    pub mod origin;
    pub mod packet;
    pub mod prefix;

    pub use family::Family;
    pub use fault::{Fault, Kind};
    pub use near::nearest;
    pub use origin::Origin;
}
