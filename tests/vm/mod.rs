//! Tests of a kernel that has everything: Debian's, in a virtual machine that boots in seconds.
//!
//! A test is what it is in tests/kernel: a function that takes the world. It runs in the guest, where the program, this test binary and the
//! usual tools are, as root, in network namespaces of its own; what it changes it lifts, and the state is compared. To add one:
//!
//! ```ignore
//! pub(super) const TESTS: Tests = tests! {
//!     a_delay_is_as_long_as_it_says
//! };
//!
//! fn a_delay_is_as_long_as_it_says(world: &World) {
//!     world.fyke_well(&["run", "slow-interface", "--delay", "100ms"]);
//!     Pings::send(10).take(100.0..=110.0);
//!     world.undo();
//! }
//! ```
//!
//! One boot serves them all: `make test-vm`, or with a part of their names `FYKE_VM=delay make test-vm`. A test of tests/kernel runs in the guest,
//! too, if [`ALSO`] names it, or `FYKE_VM=kernel::undo make test-vm`. Sleeping costs nothing there, computing ten times as much.

mod archive;
mod clock;
mod features;
mod image;
mod links;
mod machine;
mod queues;
mod reboot;
mod shaping;
mod suite;

use std::time::Instant;

use self::image::Image;
use self::machine::Machine;
use crate::kernel::world::{self, Backend, World};

/// Tests with their names.
type Tests = &'static [(&'static str, fn(&World))];

/// Declares the tests of a module.
macro_rules! tests {
    ($($name:ident)*) => { &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*] };
}
use tests;

/// All tests that are written for the guest.
const ROOMS: &[Tests] = &[features::TESTS, clock::TESTS, links::TESTS, shaping::TESTS, queues::TESTS, suite::TESTS];

/// The tests of tests/kernel that the guest has to pass, too.
const ALSO: &[&str] = &[
    "kernel::ssh_rate_limit::nft::the_fourth_connection_is_dropped",
    "kernel::ssh_rate_limit::legacy::the_fourth_connection_is_dropped",
    "kernel::tc::world::what_is_read_can_be_set",
    "kernel::link_kinds::world::kinds_of_links_are_made",
    "kernel::link_kinds::world::links_are_listed_as_ip_lists_them",
    "kernel::far::world::a_moved_link_carries_packets_and_comes_back",
    "kernel::far::world::what_cannot_be_moved_is_said",
];

/// The name of the test that is to be done, in the guest.
const CHOSEN: &str = "FYKE_VM_TEST";

/// A part of the names of the tests that are wanted.
const WANTED: &str = "FYKE_VM";

#[test]
fn the_guest_passes_its_tests() {
    if std::env::var_os(CHOSEN).is_some() {
        return world::run(concat!(module_path!(), "::the_guest_passes_its_tests"), Backend::Nft, chosen);
    }
    let image = match Image::prepare() {
        Ok(image) => image,
        Err(why) => return println!("skipped: {why}"),
    };
    let begun = Instant::now();
    let mut machine = Machine::boot(&image, None);
    println!("the guest is up after {:.1} s", begun.elapsed().as_secs_f64());
    let wanted = std::env::var(WANTED).unwrap_or_default();
    let mut rooms = ROOMS.concat();
    let mut leave_out = |tests: Tests| rooms.retain(|(name, _)| !tests.iter().any(|(other, _)| other == name));
    if !suite::is_here() {
        leave_out(suite::TESTS);
    }
    // All that tc lists takes minutes to compare: `make test-suites` does it, and who asks for it.
    if !crate::suites::all() && wanted.is_empty() {
        leave_out(queues::TESTS);
    }
    let ours = rooms.into_iter().map(|(name, _)| (short(name), true));
    let mut tests: Vec<_> = ours.chain(ALSO.iter().map(|name| (*name, false))).filter(|(name, _)| name.contains(&wanted)).collect();
    if tests.is_empty() {
        tests.push((&wanted, false));
    }
    tests.retain(|(name, is_ours)| !passes(&mut machine, name, *is_ours));
    let failed: Vec<&str> = tests.into_iter().map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "failed in the guest: {failed:#?}");
}

/// Gives the name of a test without that of the binary.
fn short(name: &str) -> &str {
    name.split_once("::").map_or(name, |(_, name)| name)
}

/// Lets the guest do one test, prints a line about it, and what it said if it failed.
fn passes(machine: &mut Machine, name: &str, is_ours: bool) -> bool {
    let begun = Instant::now();
    let words = match is_ours {
        true => format!(
            "{CHOSEN}={name} FYKE_SUITES={} fyke-tests --exact vm::the_guest_passes_its_tests",
            std::env::var("FYKE_SUITES").unwrap_or_default()
        ),
        false => format!("fyke-tests {name}"),
    };
    let said = machine.shell(&format!("cd /root; {words} --nocapture --test-threads=1"));
    suite::keep(&said.out);
    // Nothing is skipped where everything is there.
    let passed = said.code == Some(0) && !said.out.contains("skipped: ") && !said.out.contains(" 0 passed");
    println!("{} {name} {:.1} s", if passed { "ok    " } else { "FAILED" }, begun.elapsed().as_secs_f64());
    if !passed {
        println!("{}", said.out);
    }
    passed
}

/// Does the chosen test.
fn chosen(world: &World) {
    let chosen = std::env::var(CHOSEN).unwrap();
    let (_, test) = *ROOMS.concat().iter().find(|(name, _)| short(name) == chosen).unwrap_or_else(|| panic!("no test {chosen}"));
    test(world);
}
