//! The real program on a real kernel: behaviour is proved by packets, and everything that is done is lifted again.

mod company;
mod confirm;
mod crowd;
mod examples;
mod guard;
mod import;
mod ipset;
mod journal;
mod memory;
mod persist;
mod plan;
mod ports;
mod recipes;
mod rollback;
mod sockets;
mod ssh_rate_limit;
mod sys;
mod sysctl;
mod traces;
mod undo;
pub(crate) mod world;
