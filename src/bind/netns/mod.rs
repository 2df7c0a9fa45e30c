//! The room `netns`: network namespaces, after ip-netns(8).

pub mod handle;
pub mod inside;
pub mod name;

pub use handle::Netns;
use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(name::functions));
    module.combine(Module::from_manifest(exported_manifest!(inside::functions)));
    module
}
