//! The network interfaces, by name.

use nix::net::if_::if_nameindex;

/// Lists the names of the interfaces of this network namespace; none where they cannot be read.
pub fn names() -> Vec<String> {
    if_nameindex().map_or_else(|_| Vec::new(), |all| all.iter().map(|one| one.name().to_string_lossy().into_owned()).collect())
}
