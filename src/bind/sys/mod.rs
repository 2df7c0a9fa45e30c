//! The room `sys`: what is around a script.

pub mod outside;
pub mod program;

use rhai::plugin::exported_manifest;
use rhai::{Map, Module};

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(outside::functions));
    module.combine(Module::from_manifest(exported_manifest!(program::functions)));
    module
}

/// Refuses an option that there is not.
pub(super) fn known(options: &Map, names: &[&str]) -> Result<(), Fault> {
    match options.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(odd) => {
            let hint = did_you_mean(odd, names.iter().copied()).unwrap_or_else(|| format!("the options are {}", names.join(", ")));
            Err(Fault::input(format!("use the option `{odd}`"), "there is no such option").hint(hint))
        }
    }
}
