//! The room `packet`: packets built from layers, taken apart into layers, read from and written to files.

mod edit;
mod file;
pub(in crate::bind) mod given;
pub mod handle;
mod link;
mod network;
mod read;
mod stack;
mod transport;

use rhai::plugin::exported_manifest;
use rhai::{Map, Module, NativeCallContext};

use super::call::{self, Answer};
use crate::model::Fault;
use crate::model::packet::named;

/// Makes a packet of one layer.
fn layer(ctx: &NativeCallContext, name: &str, fields: &Map) -> Answer<handle::Packet> {
    named(name).and_then(|protocol| handle::Packet::layer(protocol, fields)).map_err(|f| call::fault(ctx, f))
}

/// Finds out of which version of IP some fields are, by their addresses.
fn version(fields: &Map) -> Result<&'static str, Fault> {
    let refuse = |why: &str| Fault::input("choose a version of IP", why).hint("`packet::ipv4` and `packet::ipv6` take what they are given");
    let given = ["dst", "src"].into_iter().filter_map(|name| fields.get(name));
    let mut versions = given.map(|value| Some(given::value(value).ok()?.address()?.is_ipv4()));
    match (versions.next(), versions.next()) {
        (Some(Some(one)), Some(Some(other))) if one != other => Err(refuse("`dst` and `src` are of two families")),
        (Some(Some(is_v4)), None | Some(Some(_))) => Ok(if is_v4 { "ipv4" } else { "ipv6" }),
        (None, _) => Err(refuse("there is neither `dst` nor `src`")),
        _ => Err(refuse("`dst` or `src` is no address; names are not looked up")),
    }
}

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(link::functions));
    module.combine(Module::from_manifest(exported_manifest!(network::functions)));
    module.combine(Module::from_manifest(exported_manifest!(transport::functions)));
    module.combine(Module::from_manifest(exported_manifest!(edit::functions)));
    module.combine(Module::from_manifest(exported_manifest!(stack::functions)));
    module.combine(Module::from_manifest(exported_manifest!(read::functions)));
    module.combine(Module::from_manifest(exported_manifest!(file::functions)));
    module
}
