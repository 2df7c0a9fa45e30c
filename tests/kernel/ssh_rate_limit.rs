//! `ssh-rate-limit`, by its packets.

use std::thread::sleep;
use std::time::Duration;

use super::world::{World, on_both};

on_both! {
    the_fourth_connection_is_dropped
    the_sources_of_a_network_count_as_one
    prefixes_may_be_excepted
    an_interface_may_be_chosen
    two_ports_stand_side_by_side
    other_values_replace_the_rules_of_the_same_port
    attempts_prolong_the_ban
    a_source_can_be_forgotten
}

/// One source in each family, another source in each, and one more in a network of its own.
const SOURCES: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
const OTHERS: [&str; 2] = ["192.0.2.3", "2001:db8:0:1::2"];

fn is_limited(world: &World, from: &str, port: u16, hits: usize) {
    for _ in 0..hits {
        world.passes(from, port);
    }
    world.is_dropped(from, port);
}

fn the_fourth_connection_is_dropped(world: &World) {
    let _ssh = world.listen(22);
    let _web = world.listen(80);
    let said = world.fyke_well(&["run", "ssh-rate-limit"]);
    assert!(said.err.contains("lift with: fyke undo "), "{said:?}");
    for (source, other) in SOURCES.into_iter().zip(OTHERS) {
        is_limited(world, source, 22, 3);
        world.is_dropped(source, 22);
        world.passes(other, 22);
        world.passes(source, 80);
    }
    assert_eq!(world.fyke_well(&["run", "ssh-rate-limit"]).err, "nothing changed\n");
    world.is_dropped(SOURCES[0], 22);
    world.undo();
    world.passes(SOURCES[0], 22);
    world.passes(SOURCES[1], 22);
}

fn the_sources_of_a_network_count_as_one(world: &World) {
    let _ssh = world.listen(22);
    world.fyke_well(&["run", "ssh-rate-limit"]);
    world.passes("2001:db8::2", 22);
    world.passes("2001:db8::3", 22);
    world.passes("2001:db8::2", 22);
    world.is_dropped("2001:db8::3", 22);
    world.passes("2001:db8:0:1::2", 22);
    is_limited(world, "192.0.2.2", 22, 3);
    world.passes("192.0.2.3", 22);
    world.undo();

    world.fyke_well(&["run", "ssh-rate-limit", "--mask6", "128"]);
    is_limited(world, "2001:db8::2", 22, 3);
    world.passes("2001:db8::3", 22);
    world.undo();
}

fn prefixes_may_be_excepted(world: &World) {
    let _ssh = world.listen(22);
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "1", "--except", "192.0.2.3/32", "--except", "2001:db8:0:1::/64"]);
    for (source, other) in SOURCES.into_iter().zip(OTHERS) {
        is_limited(world, source, 22, 1);
        for _ in 0..4 {
            world.passes(other, 22);
        }
    }
    world.undo();
}

fn an_interface_may_be_chosen(world: &World) {
    let _ssh = world.listen(22);
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "1", "--interface", "eth1"]);
    for (near, far) in SOURCES.into_iter().zip(["198.51.100.2", "2001:db8:1::2"]) {
        is_limited(world, far, 22, 1);
        for _ in 0..4 {
            world.passes(near, 22);
        }
    }
    world.undo();
}

fn two_ports_stand_side_by_side(world: &World) {
    let _listening = [world.listen(22), world.listen(2222)];
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let one = world.state();
    world.fyke_well(&["run", "ssh-rate-limit", "--port", "2222", "--hits", "1"]);
    for source in SOURCES {
        is_limited(world, source, 2222, 1);
        is_limited(world, source, 22, 3);
    }
    world.undo();
    assert_eq!(world.state(), one);
    world.is_dropped(SOURCES[0], 22);
    world.passes(SOURCES[0], 2222);
    world.undo();
}

fn other_values_replace_the_rules_of_the_same_port(world: &World) {
    let _listening = [world.listen(22), world.listen(2222)];
    world.fyke_well(&["run", "ssh-rate-limit", "--port", "2222"]);
    let other = world.state();
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let first = world.state();
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "1"]);
    for source in SOURCES {
        is_limited(world, source, 22, 1);
        is_limited(world, source, 2222, 3);
    }
    world.undo();
    assert_eq!(world.state(), first);
    world.undo();
    assert_eq!(world.state(), other);
    world.undo();
}

/// The kernel counts the attempts within the interval, dropped ones included: who keeps trying stays out.
fn attempts_prolong_the_ban(world: &World) {
    let _ssh = world.listen(22);
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "2", "--interval", "3s"]);
    let [four, six] = SOURCES;
    is_limited(world, four, 22, 2);
    is_limited(world, six, 22, 2);
    sleep(Duration::from_millis(1500));
    for _ in 0..2 {
        world.is_dropped(four, 22);
    }
    sleep(Duration::from_millis(1700));
    // More than the interval since the connections that passed: only the attempts keep this source out.
    world.is_dropped(four, 22);
    world.passes(six, 22);
    sleep(Duration::from_millis(3200));
    world.passes(four, 22);
    world.undo();
}

fn a_source_can_be_forgotten(world: &World) {
    if !world.is_root {
        return println!("skipped: the lists of remembered sources belong to the machine's root, in a user namespace as well");
    }
    let _ssh = world.listen(22);
    world.fyke_well(&["run", "ssh-rate-limit"]);
    for (source, list) in SOURCES.into_iter().zip(["ssh-22-ipv4-32", "ssh-22-ipv6-64"]) {
        let eval = |call: &str| world.fyke_well(&["eval", &format!("iptables::recent(\"{list}\"){call}")]).out;
        is_limited(world, source, 22, 3);
        assert_eq!(eval(".list().len()"), "1\n");
        let address = eval(".list()[0].source");
        assert_eq!(address.trim_end(), source.replace("::2", "::"));
        eval(&format!(".remove(\"{}\")", address.trim_end()));
        is_limited(world, source, 22, 3);
        eval(".clear()");
        assert_eq!(eval(".list().len()"), "0\n");
        world.passes(source, 22);
    }
    let lists = world.fyke_well(&["eval", "iptables::recent_lists()"]).out;
    assert!(lists.contains("ssh-22-ipv4-32") && lists.contains("ssh-22-ipv6-64"), "{lists}");
    // What packets and people put into a list is no change of a run, so the last run in force is the recipe's once the others are lifted.
    while world.fyke(&["undo", "last"]).code == Some(0) {}
}
