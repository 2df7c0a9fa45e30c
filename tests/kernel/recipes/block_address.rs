//! `block-address`.

use super::super::world::{World, on_both};
use super::{FAR, Net, PUBLIC, is_refused, runs};

on_both! {
    what_is_listed_is_dropped
    it_comes_before_what_others_let_in
    ten_thousand_are_a_set_and_one_rule
    what_is_not_acceptable_is_refused
}

fn what_is_listed_is_dropped(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    let reaches = || PUBLIC.map(|public| net.outside.ask(public, 80).is_some());
    runs(world, &["block-address", "--address", "203.0.113.2,2001:db8:2::/64,198.51.100.0/24"]);
    assert_eq!(reaches(), [false; 2]);
    assert!(net.inside.ask("192.0.2.1", 80).is_some() && net.inside.ask("2001:db8::1", 80).is_some());
    // Another list takes its place, and a second one stands beside it.
    runs(world, &["block-address", "--address", "203.0.113.2"]);
    assert_eq!(reaches(), [false, true]);
    runs(world, &["block-address", "--list", "more", "--address", "2001:db8:2::2", "--interface", "eth2"]);
    assert_eq!(reaches(), [false; 2]);
    world.undo();
    assert_eq!(reaches(), [false, true]);
    world.undo();
    assert_eq!(reaches(), [false; 2]);
    world.undo();
    assert_eq!(reaches(), [true; 2]);
}

fn it_comes_before_what_others_let_in(world: &World) {
    let net = Net::new();
    net.inside.serve("inside", 80);
    runs(world, &["block-address", "--address", FAR[0]]);
    runs(world, &["port-forward", "--port", "80", "--to", "192.0.2.2"]);
    assert_eq!(net.outside.ask(PUBLIC[0], 80), None);
    world.fyke_well(&["undo", "--recipe", "block-address"]);
    assert!(net.outside.ask(PUBLIC[0], 80).is_some());
    world.undo();
}

fn ten_thousand_are_a_set_and_one_rule(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    let many: String = (0..10_000).map(|number| format!("10.7.{}.{} # one of many\n", number / 256, number % 256)).collect();
    let file = world.recipe("many", &many);
    runs(world, &["block-address", "--file", &file, "--address", FAR[0]]);
    assert_eq!(net.outside.ask(PUBLIC[0], 80), None);
    assert_eq!(world.iptables("iptables -t raw -S PREROUTING").lines().filter(|line| line.starts_with("-A")).count(), 1);
    world.undo();
    assert!(net.outside.ask(PUBLIC[0], 80).is_some());
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["block-address"], "--address or --file is missing");
    is_refused(world, &["block-address", "--address", "203.0.113.2,example.org"], "example.org");
    is_refused(world, &["block-address", "--address", "0.0.0.0/0"], "a set of this type holds no prefix of length 0");
    is_refused(world, &["block-address", "--address", "203.0.113.2", "--list", "a b"], "as the name of a set");
}
