//! The room `packet`: packets built from layers, taken apart into layers, read from and written to files.

mod file;
pub(in crate::bind) mod given;
pub mod handle;
mod layer;
mod read;
mod stack;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(layer::functions));
    module.combine(Module::from_manifest(exported_manifest!(stack::functions)));
    module.combine(Module::from_manifest(exported_manifest!(read::functions)));
    module.combine(Module::from_manifest(exported_manifest!(file::functions)));
    module
}
