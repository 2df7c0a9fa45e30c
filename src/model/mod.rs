//! Pure types: parse, print, compare. No I/O, no Rhai; every layer may use them, they use none.

pub mod fault;
pub mod origin;

pub use fault::{Fault, Kind};
pub use origin::{Frame, Origin, Position};
