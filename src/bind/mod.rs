//! The rooms: what a script sees.
//!
//! A room is a Rhai module, registered from its `#[export_module(manifest)]` so that a start costs nothing for functions that are not called.
//! A new room is one line in [`ROOMS`].

pub mod call;
pub mod cgroup;
pub mod field;
pub mod ipset;
pub mod iptables;
pub mod json;
pub mod link;
pub mod netns;
mod options;
pub mod packet;
pub mod ports;
pub mod process;
pub mod raw;
pub mod recipe;
pub mod script;
pub mod session;
pub mod sockets;
pub mod sys;
pub mod sysctl;
pub mod tc;
pub mod test;
pub mod types;

use rhai::Module;
use rhai::plugin::exported_manifest;

pub use field::{Field, fields};
pub use session::Session;

/// A room: a name that scripts put before `::`, and its functions.
pub struct Room {
    /// The name, as in `iptables::table(..)`.
    pub name: &'static str,
    /// What the room is about, one line.
    pub summary: &'static str,
    /// Makes the module.
    pub module: fn() -> Module,
}

/// All rooms, in the order of the reference.
pub const ROOMS: &[Room] = &[
    Room { name: "iptables", summary: "Tables, chains and rules of netfilter, after iptables(8)", module: iptables::module },
    Room { name: "ip6tables", summary: "The same for IPv6, after ip6tables(8)", module: iptables::module6 },
    Room { name: "ipset", summary: "Sets of addresses, networks and ports, after ipset(8)", module: ipset::module },
    Room { name: "cgroup", summary: "Control groups, and what keeps them from the network, after cgroups(7)", module: cgroup::module },
    Room { name: "process", summary: "Processes: who runs, where, with which sockets, after proc(5)", module: process::module },
    Room { name: "link", summary: "Links, addresses, neighbours, routes and rules, after ip(8)", module: link::module },
    Room { name: "packet", summary: "Packets: built from layers, taken apart into layers, in files", module: packet::module },
    Room { name: "raw", summary: "Raw, packet and ping sockets: packets are sent and received as they are", module: raw::module },
    Room { name: "netns", summary: "Network namespaces, after ip-netns(8)", module: netns::module },
    Room { name: "tc", summary: "Traffic control: what queues on a device, after tc(8)", module: tc::module },
    Room { name: "sysctl", summary: "Kernel parameters of the network, after sysctl(8)", module: sysctl::module },
    Room { name: "sockets", summary: "What programs have open towards the network, after ss(8)", module: sockets::module },
    Room { name: "ports", summary: "The ports that the kernel chooses by itself, and those that it leaves alone", module: ports::module },
    Room {
        name: "sys",
        summary: "The machine around: files, programs, the environment, the date, and whoever sits there",
        module: sys::module,
    },
    Room { name: "test", summary: "What tests state, and why one cannot be made here; `fyke test` runs them", module: test::module },
    Room {
        name: "types",
        summary: "Durations, rates, sizes, addresses and prefixes; their functions stand without the room's name",
        module: types::module,
    },
];

/// Gives the functions that scripts call without a room's name.
pub fn globals() -> [Module; 3] {
    [
        Module::from_manifest(exported_manifest!(recipe::functions)),
        Module::from_manifest(exported_manifest!(script::functions)),
        Module::from_manifest(exported_manifest!(json::functions)),
    ]
}
