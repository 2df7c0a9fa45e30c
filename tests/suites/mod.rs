//! What others wrote: the cases of iptables' own suite, the firewalls of ferm's, and dumps of real hosts. fyke takes them on both backends,
//! beside the tool that is installed: what the tool takes fyke takes, and lists and lifts.
//!
//! `make test` takes a sample; `make test-suites` takes everything and writes docs/conformance.md from what it found.

mod built;
mod cases;
mod filter;
mod findings;
mod firewalls;
mod packets;
mod page;
mod scapy;
mod shaping;
mod steps;
pub(crate) mod traffic;
mod wireshark;

use crate::kernel::world::{World, on_both};

on_both! {
    rules_of_the_suite_come_and_go
    firewalls_of_ferm_come_and_go
    dumps_of_real_hosts_come_and_go
}

/// Tells whether all cases are wanted, and not a sample of them.
pub(crate) fn all() -> bool {
    std::env::var_os("FYKE_SUITES").is_some_and(|which| which == "full")
}

fn rules_of_the_suite_come_and_go(world: &World) {
    cases::run(world);
}

fn firewalls_of_ferm_come_and_go(world: &World) {
    firewalls::ferm(world);
}

fn dumps_of_real_hosts_come_and_go(world: &World) {
    firewalls::dumps(world);
}
