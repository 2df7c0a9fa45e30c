//! The room `tc`: traffic control, after tc(8).

pub mod action;
pub mod class;
pub mod command;
pub mod filter;
mod given;
mod handle;
pub mod qdisc;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(command::functions));
    module.combine(Module::from_manifest(exported_manifest!(qdisc::functions)));
    module.combine(Module::from_manifest(exported_manifest!(class::functions)));
    module.combine(Module::from_manifest(exported_manifest!(filter::functions)));
    module.combine(Module::from_manifest(exported_manifest!(action::functions)));
    module
}
