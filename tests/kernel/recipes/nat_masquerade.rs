//! `nat-masquerade`.

use super::super::world::{World, on_both};
use super::{FAR, Net, PUBLIC, is_refused, runs};

on_both! {
    an_uplink_is_shared
    nobody_comes_in_by_it
    sources_may_be_chosen
    an_uplink_that_is_not_there_is_mentioned
    what_is_not_acceptable_is_refused
    forwarding_ends_with_the_last_recipe_that_needs_it
}

const SHARE: &[&str] = &["nat-masquerade", "--uplink", "eth2"];

fn an_uplink_is_shared(world: &World) {
    let net = Net::new();
    net.outside.serve("far", 80);
    let before = world.state();
    assert_eq!(FAR.map(|far| net.inside.ask(far, 80)), [None, None]);
    for policy in ["ACCEPT", "DROP"] {
        let set = |policy: &str| ["iptables", "ip6tables"].map(|program| world.iptables(&format!("{program} -P FORWARD {policy}")));
        set(policy);
        runs(world, SHARE);
        for (far, public) in FAR.into_iter().zip(PUBLIC) {
            assert_eq!(net.inside.ask(far, 80), Some(format!("far sees {public}")), "policy {policy}");
        }
        world.undo();
        assert_eq!(FAR.map(|far| net.inside.ask(far, 80)), [None, None]);
        set("ACCEPT");
    }
    world.wipe();
    assert_eq!(world.state(), before);
}

fn nobody_comes_in_by_it(world: &World) {
    let net = Net::new();
    net.show_the_way_in();
    net.inside.serve("inside", 80);
    net.outside.serve("far", 80);
    runs(world, SHARE);
    for (inner, far) in ["192.0.2.2", "2001:db8::2"].into_iter().zip(FAR) {
        assert_eq!(net.outside.ask(inner, 80), None);
        assert!(net.inside.ask(far, 80).is_some());
    }
    world.undo();
}

fn sources_may_be_chosen(world: &World) {
    let net = Net::new();
    net.outside.serve("far", 80);
    let before = world.state();
    runs(world, SHARE);
    // Other values replace the rules of the same uplink.
    world.fyke_well(&[&["run"], SHARE, &["--source", "192.0.2.2", "--inside", "eth0"]].concat());
    assert_eq!(net.inside.ask_from(Some("192.0.2.2"), FAR[0], 80).as_deref(), Some("far sees 203.0.113.1"));
    assert_eq!(net.inside.ask_from(Some("192.0.2.3"), FAR[0], 80), None);
    assert_eq!(net.inside.ask(FAR[1], 80), None);
    world.undo();
    assert!(net.inside.ask(FAR[1], 80).is_some());
    world.undo();
    assert_eq!(world.state(), before);
}

/// An interface may come later; a name that nothing has is worth a word.
fn an_uplink_that_is_not_there_is_mentioned(world: &World) {
    let said = world.fyke_well(&["run", "nat-masquerade", "--uplink", "ppp0"]);
    assert!(said.err.starts_with("there is no interface ppp0 at present"), "{said:?}");
    world.undo();
    assert!(!world.fyke_well(&["plan", "nat-masquerade", "--uplink", "ppp+"]).err.contains("interface"));
    assert!(!world.fyke_well(&["plan", "nat-masquerade", "--uplink", "eth1"]).err.contains("interface"));
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["nat-masquerade"], "--uplink is missing");
    is_refused(world, &["nat-masquerade", "--uplink", ""], "--uplink is missing");
    is_refused(world, &["nat-masquerade", "--uplink", "eth0", "--inside", "eth0"], "eth0 is both the uplink and the inside");
    is_refused(world, &["nat-masquerade", "--uplink", "a b"], "cannot use \"a b\" as the name of an interface");
    is_refused(
        world,
        &["nat-masquerade", "--uplink", "eth0", "--source", "192.0.2.0/24,fd00::/129"],
        "its length must be a number from 0 to 128",
    );
}

/// Two recipes need forwarding: whichever goes first, it stays for the other, and is gone with both.
fn forwarding_ends_with_the_last_recipe_that_needs_it(world: &World) {
    let net = Net::new();
    net.outside.serve("far", 80);
    net.inside.serve("inside", 8080);
    let before = world.state();
    let shared = || net.inside.ask(FAR[0], 80).is_some();
    let forwarded = || net.outside.ask(PUBLIC[0], 80).is_some();
    for (first, second) in [("nat-masquerade", "port-forward"), ("port-forward", "nat-masquerade")] {
        runs(world, SHARE);
        runs(world, &["port-forward", "--port", "80", "--to", "192.0.2.2", "--to-port", "8080"]);
        assert!(shared() && forwarded());
        world.fyke_well(&["undo", "--recipe", first]);
        assert_eq!((shared(), forwarded()), (second == "nat-masquerade", second == "port-forward"));
        world.fyke_well(&["undo", "--recipe", second]);
        assert_eq!(world.state(), before);
    }
}
