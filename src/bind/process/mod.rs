//! The room `process`: who runs, what they hold, and a start without a network.

pub mod find;
pub mod handle;
pub mod one;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(find::functions));
    module.combine(Module::from_manifest(exported_manifest!(one::functions)));
    module
}
