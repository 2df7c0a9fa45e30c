//! Ports: sets of them, and how many of the ephemeral ones are left.

mod report;
mod set;

use super::sysctl::Key;

pub use report::{Advice, Destination, Measure, Report, report};
pub use set::PortSet;

/// Gives the parameter that has the first and the last ephemeral port.
pub fn range_key() -> Key {
    Key::of_parts(["net", "ipv4", "ip_local_port_range"])
}

/// Gives the parameter that has the ports which are not given to whoever asks for any.
pub fn reserved_key() -> Key {
    Key::of_parts(["net", "ipv4", "ip_local_reserved_ports"])
}
