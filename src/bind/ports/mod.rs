//! The room `ports`: the ports that the kernel chooses by itself, and those that it leaves alone.

pub mod range;
pub mod report;
pub mod reserved;

use rhai::plugin::exported_manifest;
use rhai::{Module, NativeCallContext};

use super::call::{self, Answer};
use crate::model::ports::{PortSet, range_key};
use crate::model::sysctl::Key;
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::{Query, Reading};

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(range::functions));
    module.combine(Module::from_manifest(exported_manifest!(reserved::functions)));
    module.combine(Module::from_manifest(exported_manifest!(report::functions)));
    module
}

/// Reads a parameter, with what is queued on top.
fn parameter(ctx: &NativeCallContext, key: Key) -> Answer<Option<String>> {
    match call::door(ctx)?.read(Query::State(Object::Sysctl(key))).map_err(|f| call::fault(ctx, f))? {
        Reading::State(Some(State::Value(value))) => Ok(Some(value.as_str().to_owned())),
        _ => Ok(None),
    }
}

/// Reads a parameter that is one number.
fn number(ctx: &NativeCallContext, name: &str) -> Answer<Option<i64>> {
    Ok(parameter(ctx, Key::of_parts(["net", "ipv4", name]))?.and_then(|value| value.parse().ok()))
}

/// Reads the ephemeral range.
fn range(ctx: &NativeCallContext) -> Answer<PortSet> {
    let value = parameter(ctx, range_key())?.unwrap_or_default();
    value.replace(' ', "-").parse().map_err(|_| {
        call::fault(ctx, Fault::new(Kind::Unsupported, "read the ephemeral range", format!("this kernel has no {}", range_key())))
    })
}
