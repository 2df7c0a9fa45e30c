//! The room `cgroup`: control groups, after cgroups(7).

pub mod group;
pub mod handle;
pub mod tree;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(tree::functions));
    module.combine(Module::from_manifest(exported_manifest!(group::functions)));
    module
}
