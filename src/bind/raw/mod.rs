//! The room `raw`: sockets that send and receive packets as they are, after raw(7), packet(7) and icmp(7).

mod exchange;
mod given;
pub mod handle;
mod open;
mod outgoing;
mod query;
pub mod row;
mod socket;
mod stream;
pub mod talk;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(open::functions));
    module.combine(Module::from_manifest(exported_manifest!(socket::functions)));
    module.combine(Module::from_manifest(exported_manifest!(exchange::functions)));
    module.combine(Module::from_manifest(exported_manifest!(query::functions)));
    module.combine(Module::from_manifest(exported_manifest!(row::functions)));
    module.combine(Module::from_manifest(exported_manifest!(stream::functions)));
    module.combine(Module::from_manifest(exported_manifest!(talk::functions)));
    module
}
