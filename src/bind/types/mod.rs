//! The room `types`: values that know what they are. All of it stands without the room's name.

pub mod address;
pub mod prefix;
pub mod quantity;

use std::fmt::Display;

use rhai::plugin::exported_manifest;
use rhai::{Dynamic, FuncRegistration, ImmutableString, Module, NativeCallContext};

use super::call::{self, Answer};
use crate::model::address::Address;
use crate::model::duration::Span;
use crate::model::prefix::Prefix;
use crate::model::rate::Rate;
use crate::model::size::Size;
use crate::model::{Family, Fault};

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(quantity::functions));
    module.combine(Module::from_manifest(exported_manifest!(address::functions)));
    module.combine(Module::from_manifest(exported_manifest!(prefix::functions)));
    compared::<Span>(&mut module);
    compared::<Rate>(&mut module);
    compared::<Size>(&mut module);
    compared::<Address>(&mut module);
    compared::<Prefix>(&mut module);
    quantity::calculated::<Span>(&mut module);
    quantity::calculated::<Rate>(&mut module);
    quantity::calculated::<Size>(&mut module);
    quantity::converted(&mut module);
    address::calculated(&mut module);
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
}

/// Gives the text of a value where nothing else will do.
pub(super) fn text_for(what: &str, value: &Dynamic) -> Result<String, Fault> {
    text(value).ok_or_else(|| Fault::input(format!("use a value as {what}"), format!("it is of type {}", value.type_name())))
}

fn family(family: Family) -> ImmutableString {
    family.name().into()
}

/// Registers an operator.
macro_rules! operator {
    ($module:expr, $name:literal, $function:expr) => {
        FuncRegistration::new($name).in_global_namespace().set_into_module($module, $function);
    };
}
use operator;

/// Registers how values are compared and printed.
fn compared<T: Ord + Display + Clone + Send + Sync + 'static>(module: &mut Module) {
    operator!(module, "==", |one: T, other: T| one == other);
    operator!(module, "!=", |one: T, other: T| one != other);
    operator!(module, "<", |one: T, other: T| one < other);
    operator!(module, "<=", |one: T, other: T| one <= other);
    operator!(module, ">", |one: T, other: T| one > other);
    operator!(module, ">=", |one: T, other: T| one >= other);
    operator!(module, "to_string", |value: &mut T| ImmutableString::from(value.to_string()));
    operator!(module, "to_debug", |value: &mut T| ImmutableString::from(value.to_string()));
}

/// Turns the fault of an operator into an error of the script.
fn answer<T>(ctx: &NativeCallContext, result: Result<T, Fault>) -> Answer<T> {
    result.map_err(|fault| call::fault(ctx, fault))
}
