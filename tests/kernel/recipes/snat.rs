//! `snat`.

use super::super::world::{World, on_both};
use super::{FAR, Net, is_refused, runs};

on_both! {
    connections_get_the_address_that_was_asked_for
    what_is_not_acceptable_is_refused
}

fn connections_get_the_address_that_was_asked_for(world: &World) {
    let net = Net::new();
    net.outside.serve("far", 80);
    let before = world.state();
    runs(world, &["snat", "--uplink", "eth2", "--to", "203.0.113.9"]);
    let one = world.state();
    // The other family stands beside it.
    runs(world, &["snat", "--uplink", "eth2", "--to", "2001:db8:2::9", "--source", "2001:db8::/64,192.0.2.0/24"]);
    for (from, (far, to)) in ["192.0.2.2", "2001:db8::2"].into_iter().zip(FAR.into_iter().zip(["203.0.113.9", "2001:db8:2::9"])) {
        assert_eq!(net.inside.ask_from(Some(from), far, 80), Some(format!("far sees {to}")));
    }
    world.undo();
    assert_eq!(world.state(), one);
    assert_eq!(net.inside.ask(FAR[1], 80), None);
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["snat", "--uplink", "eth2"], "--to is missing");
    is_refused(world, &["snat", "--to", "203.0.113.9"], "--uplink is missing");
    is_refused(world, &["snat", "--uplink", "eth2", "--to", "203.0.113.0/24"], "\"203.0.113.0/24\" is not a single address");
    is_refused(world, &["snat", "--uplink", "eth2", "--to", "eth2"], "\"eth2\" is not a single address");
    is_refused(world, &["snat", "--uplink", "eth2", "--to", "203.0.113.9", "--source", "2001:db8::/64"], "--source has no network of it");
    is_refused(world, &["snat", "--uplink", "eth2", "--to", "203.0.113.9", "--inside", "eth2"], "eth2 is both the uplink and the inside");
}
