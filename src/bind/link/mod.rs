//! The room `link`: links, addresses, neighbours, routes and rules, after ip(8).

pub mod address;
pub mod device;
mod far;
mod given;
pub mod handle;
pub mod neighbour;
pub mod route;
pub mod rule;
mod shown;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(device::functions));
    module.combine(Module::from_manifest(exported_manifest!(address::functions)));
    module.combine(Module::from_manifest(exported_manifest!(neighbour::functions)));
    module.combine(Module::from_manifest(exported_manifest!(route::functions)));
    module.combine(Module::from_manifest(exported_manifest!(rule::functions)));
    module
}
