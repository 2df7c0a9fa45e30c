//! The room `sockets`: what programs have open towards the network, after ss(8).

mod given;
pub mod list;
pub mod socket;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(list::functions));
    module.combine(Module::from_manifest(exported_manifest!(socket::functions)));
    module
}
