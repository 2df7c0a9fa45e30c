//! The ports that are not given to whoever asks for any, through `net.ipv4.ip_local_reserved_ports`. A port is an object of its own, so that what others
//! reserve beside it stays; the kernel takes and gives all of them at once.

use super::sysctl;
use crate::model::named::Inventory;
use crate::model::ports::{PortSet, reserved_key};
use crate::model::sysctl::Value;
use crate::model::{Change, Fault, Kind, Object, State};

/// Reads them.
pub fn read() -> Result<Inventory, Fault> {
    Ok(present()?.ports().map(|port| (Object::ReservedPort(port), State::Present)).collect())
}

/// Reserves ports, and sets others free.
pub fn write<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<(), Fault> {
    let mut changes = changes.filter(|change| !change.is_claim()).peekable();
    if changes.peek().is_none() {
        return Ok(());
    }
    let mut ports = present()?;
    for change in changes {
        match (&change.object, &change.after) {
            (Object::ReservedPort(port), Some(_)) => ports.extend([*port]),
            (Object::ReservedPort(port), None) => ports.remove(*port),
            _ => {}
        }
    }
    sysctl::write(&reserved_key(), &Value::of(&ports.to_string()))
}

fn present() -> Result<PortSet, Fault> {
    let key = reserved_key();
    match sysctl::read(&key)?.remove(&Object::Sysctl(key.clone())) {
        Some(State::Value(value)) if value.as_str().is_empty() => Ok(PortSet::new()),
        // Port 0 can be reserved by others, to no effect.
        Some(State::Value(value)) => value.as_str().split(',').filter(|part| *part != "0").collect::<Vec<_>>().join(",").parse(),
        _ => Err(Fault::new(Kind::Unsupported, "read the reserved ports", format!("this kernel has no {key}"))),
    }
}
