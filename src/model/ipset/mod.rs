//! Sets of addresses, networks and ports, as ipset(8) knows them: what one is, what is in it, and how both are written.

mod definition;
mod entry;
mod find;
mod kind;
mod member;
mod name;
mod part;
mod service;
mod sets;
mod step;
pub(in crate::model) mod words;

pub use definition::{Definition, Mask, Range, Tuning};
pub use entry::Entry;
pub use kind::{Dimension, Method, SetType};
pub use member::{Element, Member, Members};
pub use name::SetName;
pub use part::Part;
pub use service::Service;
pub use sets::{About, Set, Sets};
pub use step::{Beside, Step};

#[cfg(test)]
mod tests;
