//! The room `sys`: what is around a script.

pub mod outside;
pub mod program;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(outside::functions));
    module.combine(Module::from_manifest(exported_manifest!(program::functions)));
    module
}
