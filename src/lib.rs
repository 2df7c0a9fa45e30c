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
//!
//! A program that wants to run recipes itself opens a door and a host on it. This one asks what a script would do to a fresh network
//! namespace; nothing leaves the process:
//!
//! ```
//! use fyke::host::{Host, Mode, Setup};
//! use fyke::transaction::Door;
//!
//! let door = Door::over_nothing();
//! let mut host = Host::open(Setup::new(Mode::Plan, door.clone()));
//! host.eval(r#"iptables::table("filter").chain("INPUT").append("-p tcp --dport 23 -j DROP")"#)?;
//!
//! let report = door.finish()?;
//! assert_eq!(report.changes.iter().filter(|change| change.is_visible()).count(), 1);
//! # Ok::<(), fyke::model::Fault>(())
//! ```
//!
//! [`kernel::machine::Machine::live`] in the place of the shadow changes the network namespace of the calling thread, and those that a script enters. A program of its own has no guardian:
//! [`transaction::undo::recover`] lifts what it left half done.

pub mod bind;
pub mod cli;
pub mod host;
pub mod kernel;
pub mod model;
pub mod transaction;
