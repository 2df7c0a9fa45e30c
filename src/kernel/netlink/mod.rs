//! The netlink families, a file each.

pub mod route;
