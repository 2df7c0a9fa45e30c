//! The room `tc`: traffic control, after tc(8).

pub mod class;
pub mod command;
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
    module
}
