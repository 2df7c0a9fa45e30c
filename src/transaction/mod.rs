//! The door: nothing changes the machine but what goes through here.

/// The single door to the kernel.
#[derive(Clone, Debug)]
pub struct Door;
