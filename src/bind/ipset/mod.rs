//! The room `ipset`: sets of addresses, networks and ports, after ipset(8).

mod given;
pub mod handle;
pub mod member;
pub mod set;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(set::functions));
    module.combine(Module::from_manifest(exported_manifest!(member::functions)));
    module
}
