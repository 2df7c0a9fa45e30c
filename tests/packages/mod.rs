//! Packages: two teams, what an attacker tries, and the page about sharing.

mod archives;
mod attacks;
mod sharing;
mod signatures;
mod teams;
mod versions;
pub(crate) mod yard;
