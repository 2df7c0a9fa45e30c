//! Pure types: parse, print, compare. No I/O, no Rhai; every layer may use them, they use none.

pub mod address;
pub mod change;
pub mod command;
pub mod date;
pub mod duration;
pub mod family;
pub mod fault;
pub mod flow;
pub mod instance;
pub mod intent;
pub mod ipset;
pub mod iptables;
pub mod named;
pub mod near;
pub mod net;
pub mod origin;
pub mod packet;
pub mod ports;
pub mod prefix;
pub mod quantity;
pub mod rate;
pub mod size;
pub mod sockets;
pub mod source;
pub mod sysctl;
pub mod systemd;

pub use change::{Change, Drift, Object, Place, Report, State};
pub use family::Family;
pub use fault::{Fault, Kind};
pub use flow::{Flow, Tracking};
pub use intent::Intent;
pub use named::Inventory;
pub use near::nearest;
pub use origin::{Frame, Origin, Position};
