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
use crate::kernel::world::{World, in_a_world, on_both};

/// Declares sweeps: where (for each backend, or for one where rules are the least of it), their names, the rooms, and what is done to them.
macro_rules! sweeps {
    ($place:ident: $($name:ident: $($room:literal)+ => $sweep:path;)*) => {
        $place! { $($name)* }
        $(fn $name(world: &World) {
            $(on($room, world, $sweep);)+
        })*
    };
}

sweeps! {
    on_both:
    a_killed_run_of_all_functions: "iptables" => kills::of_a_run;
    a_killed_run_of_namespaces: "netns" => kills::of_a_run;
    a_killed_run_of_moved_links: "moves" => kills::of_a_run;
    a_killed_run_of_ssh_rate_limit: "ssh-rate-limit" => kills::of_a_run;
    a_killed_run_of_nat_masquerade: "nat-masquerade" => kills::of_a_run;
    a_killed_rollback: "throws" => kills::of_a_run;
    a_killed_undo_of_all_functions: "iptables" => kills::of_an_undo;
    a_killed_undo_of_namespaces: "netns" => kills::of_an_undo;
    a_killed_undo_of_moved_links: "moves" => kills::of_an_undo;
    a_killed_undo_of_ssh_rate_limit: "ssh-rate-limit" => kills::of_an_undo;
    a_killed_undo_of_port_forward: "port-forward" => kills::of_an_undo;
    a_killed_redo: "iptables" => kills::of_a_redo;
    a_killed_redo_of_namespaces: "netns" "moves" => kills::of_a_redo;
    a_killed_recovery: "iptables" => kills::of_a_recovery;
    a_failed_call_of_all_functions: "iptables" => errors::in_a_run;
    a_failed_call_of_namespaces: "netns" => errors::in_a_run;
    a_failed_call_of_moved_links: "moves" => errors::in_a_run;
    a_failed_call_of_ssh_rate_limit: "ssh-rate-limit" => errors::in_a_run;
    a_failed_call_of_a_run_that_fails: "throws" => errors::in_a_run;
    the_journal_comes_before_the_kernel: "iptables" "sysctl" "ipset" "ports" "link" "moves" "netns" "tc" "filters" "cgroup" "ssh-rate-limit" "nat-masquerade" => order::of_a_run;
}

sweeps! {
    in_a_world:
    a_killed_run_of_groups: "cgroup" => kills::of_a_run;
    a_killed_run_of_named_objects: "sysctl" "ipset" "ports" "link" => kills::of_a_run;
    a_killed_run_of_queues: "tc" => kills::of_a_run;
    a_killed_run_of_filters: "filters" => kills::of_a_run;
    a_killed_undo_of_groups: "cgroup" => kills::of_an_undo;
    a_killed_undo_of_named_objects: "sysctl" "ipset" "ports" "link" => kills::of_an_undo;
    a_killed_undo_of_queues: "tc" => kills::of_an_undo;
    a_killed_undo_of_filters: "filters" => kills::of_an_undo;
    a_killed_redo_of_queues: "tc" "filters" => kills::of_a_redo;
    a_killed_redo_of_named_objects: "sysctl" "ipset" "ports" "link" => kills::of_a_redo;
    a_killed_redo_of_groups: "cgroup" => kills::of_a_redo;
    a_failed_call_of_groups: "cgroup" => errors::in_a_run;
    a_failed_call_of_named_objects: "sysctl" "ipset" "ports" "link" => errors::in_a_run;
    a_failed_call_of_queues: "tc" => errors::in_a_run;
    a_failed_call_of_filters: "filters" => errors::in_a_run;
}

fn on(room: &str, world: &World, sweep: fn(&Stage<'_>)) {
    let Some(stage) = Stage::new(world, rooms::room(room)) else { return };
    sweep(&stage);
    stage.wipe();
}
