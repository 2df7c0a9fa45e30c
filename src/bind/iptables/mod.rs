//! The room `iptables`: tables, chains, rules and lists of remembered sources, after iptables(8) and iptables-extensions(8).

pub mod chain;
pub mod edit;
mod given;
pub mod handle;
pub mod recent;
pub mod rule;
pub mod table;

use rhai::Module;
use rhai::plugin::exported_manifest;

/// Makes the room `iptables`.
pub fn module() -> Module {
    let mut module = Module::from_manifest(exported_manifest!(table::functions));
    module.combine(Module::from_manifest(exported_manifest!(chain::functions)));
    module.combine(Module::from_manifest(exported_manifest!(edit::functions)));
    module.combine(Module::from_manifest(exported_manifest!(rule::functions)));
    module.combine(Module::from_manifest(exported_manifest!(recent::functions)));
    module
}

/// Makes the room `ip6tables`, which is the way to the IPv6 tables and nothing more.
pub fn module6() -> Module {
    Module::from_manifest(exported_manifest!(table::ipv6))
}
