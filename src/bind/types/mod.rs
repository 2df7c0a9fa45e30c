//! The room `types`: values that know what they are. All of it stands without the room's name.

pub mod address;
pub mod operators;
pub mod ports;
pub mod prefix;
pub mod quantity;

use std::fmt::Display;

use rhai::plugin::exported_manifest;
use rhai::{Dynamic, ImmutableString, Module};

use crate::model::address::Address;
use crate::model::duration::Span;
use crate::model::ports::PortSet;
use crate::model::prefix::Prefix;
use crate::model::rate::Rate;
use crate::model::size::Size;
use crate::model::{Family, Fault};

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(quantity::functions));
    module.combine(Module::from_manifest(exported_manifest!(address::functions)));
    module.combine(Module::from_manifest(exported_manifest!(prefix::functions)));
    module.combine(Module::from_manifest(exported_manifest!(ports::functions)));
    module.combine(Module::from_manifest(exported_manifest!(operators::duration_order)));
    module.combine(Module::from_manifest(exported_manifest!(operators::rate_order)));
    module.combine(Module::from_manifest(exported_manifest!(operators::size_order)));
    module.combine(Module::from_manifest(exported_manifest!(operators::address_order)));
    module.combine(Module::from_manifest(exported_manifest!(operators::prefix_order)));
    module.combine(Module::from_manifest(exported_manifest!(operators::durations)));
    module.combine(Module::from_manifest(exported_manifest!(operators::rates)));
    module.combine(Module::from_manifest(exported_manifest!(operators::sizes)));
    module.combine(Module::from_manifest(exported_manifest!(operators::between)));
    module
}

/// Gives the text of a value of this room, or of a string: what a room that wants text takes.
pub fn text(value: &Dynamic) -> Option<String> {
    fn shown<T: Display + Clone + Send + Sync + 'static>(value: &Dynamic) -> Option<String> {
        value.read_lock::<T>().map(|value| value.to_string())
    }
    (value.as_immutable_string_ref().ok().map(|text| text.to_string()))
        .or_else(|| shown::<Prefix>(value))
        .or_else(|| shown::<Address>(value))
        .or_else(|| shown::<Span>(value))
        .or_else(|| shown::<Rate>(value))
        .or_else(|| shown::<Size>(value))
        .or_else(|| shown::<PortSet>(value))
}

/// Gives the text of a value where nothing else will do.
pub(super) fn text_for(what: &str, value: &Dynamic) -> Result<String, Fault> {
    text(value).ok_or_else(|| Fault::input(format!("use a value as {what}"), format!("it is of type {}", value.type_name())))
}

fn family(family: Family) -> ImmutableString {
    family.name().into()
}
