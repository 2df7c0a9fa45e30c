//! The real program on a real kernel: behaviour is proved by packets, and everything that is done is lifted again.

mod company;
pub(crate) mod confirm;
mod crowd;
mod examples;
mod filter;
mod guard;
mod import;
mod ipset;
mod journal;
mod link;
mod memory;
mod netns;
mod persist;
mod plan;
mod ports;
mod recipes;
mod rollback;
mod route;
pub(crate) mod shown;
mod sockets;
mod ssh_rate_limit;
mod sys;
mod sysctl;
mod tc;
mod traces;
mod undo;
pub(crate) mod world;
