//! fyke is killed at its system calls, and lied to: what is left is the state before or the state after, never one between.
//!
//! `make test` takes a sample; `make test-faults` takes every call of the program that is shipped.

mod calls;
mod errors;
mod kills;
mod order;
mod rooms;
mod sweep;
mod tracer;

use self::sweep::Stage;
use crate::kernel::world::{World, on_both};

on_both! {
    a_killed_run_of_all_functions
    a_killed_run_of_ssh_rate_limit
    a_killed_rollback
    a_killed_undo_of_all_functions
    a_killed_undo_of_ssh_rate_limit
    a_killed_redo
    a_killed_recovery
    a_failed_call_of_all_functions
    a_failed_call_of_ssh_rate_limit
    a_failed_call_of_a_run_that_fails
    the_journal_comes_before_the_kernel
}

fn a_killed_run_of_all_functions(world: &World) {
    on("iptables", world, kills::of_a_run);
}

fn a_killed_run_of_ssh_rate_limit(world: &World) {
    on("ssh-rate-limit", world, kills::of_a_run);
}

fn a_killed_rollback(world: &World) {
    on("throws", world, kills::of_a_run);
}

fn a_killed_undo_of_all_functions(world: &World) {
    on("iptables", world, kills::of_an_undo);
}

fn a_killed_undo_of_ssh_rate_limit(world: &World) {
    on("ssh-rate-limit", world, kills::of_an_undo);
}

fn a_killed_redo(world: &World) {
    on("iptables", world, kills::of_a_redo);
}

fn a_killed_recovery(world: &World) {
    on("iptables", world, kills::of_a_recovery);
}

fn a_failed_call_of_all_functions(world: &World) {
    on("iptables", world, errors::in_a_run);
}

fn a_failed_call_of_ssh_rate_limit(world: &World) {
    on("ssh-rate-limit", world, errors::in_a_run);
}

fn a_failed_call_of_a_run_that_fails(world: &World) {
    on("throws", world, errors::in_a_run);
}

fn the_journal_comes_before_the_kernel(world: &World) {
    on("iptables", world, order::of_a_run);
    on("ssh-rate-limit", world, order::of_a_run);
}

fn on(room: &str, world: &World, sweep: fn(&Stage<'_>)) {
    let Some(stage) = Stage::new(world, rooms::room(room)) else { return };
    sweep(&stage);
    stage.wipe();
}
