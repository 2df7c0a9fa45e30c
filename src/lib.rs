//! fyke: an embedded scripting host for Linux network recipes.
//!
//! Every change can be planned, is journaled, and can be lifted again. `docs/architecture.md` is the map; in short:
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | one file a verb; the only place that prints |
//! | [`host`] | the Rhai engine: limits, parameters, imports, documentation, faults with positions |
//! | [`bind`] | the rooms that a script sees |
//! | [`transaction`] | the door: overlay, journal, write, undo |
//! | [`model`] | pure types: parse, print, compare |
//! | [`kernel`] | Linux, and its shadow |

pub mod bind;
pub mod cli;
pub mod host;
pub mod kernel;
pub mod model;
pub mod transaction;
