//! `allow-only`.

use std::io::Read;
use std::net::Shutdown;
use std::process::Command;

use super::super::world::{World, on_both, tool};
use super::{FAR, Net, PUBLIC, is_refused, runs};

on_both! {
    only_the_listed_ports_are_open
    ports_may_be_open_to_some
    a_host_stays_well
    other_recipes_limit_what_is_open
    what_is_not_acceptable_is_refused
}

fn only_the_listed_ports_are_open(world: &World) {
    let net = Net::new();
    for port in [22, 8009, 8010] {
        net.here.serve("here", port);
    }
    let open = || PUBLIC.map(|public| [22, 8009, 8010].map(|port| net.outside.ask(public, port).is_some()));
    runs(world, &["allow-only"]);
    assert_eq!(open(), [[true, false, false]; 2]);
    for public in PUBLIC {
        net.here.serve_datagrams("here", public, 53);
        assert_eq!(net.outside.ask_by_datagram(public, 53), None);
    }
    // Other values take the place of the first.
    runs(world, &["allow-only", "--tcp", "8000:8009", "--udp", "53"]);
    assert!(PUBLIC.iter().all(|public| net.outside.ask_by_datagram(public, 53).is_some()));
    assert_eq!(open(), [[false, true, false]; 2]);
    world.undo();
    assert_eq!(open(), [[true, false, false]; 2]);
    world.undo();
    assert_eq!(open(), [[true; 3]; 2]);
}

fn ports_may_be_open_to_some(world: &World) {
    let net = Net::new();
    net.here.serve("here", 22);
    runs(world, &["allow-only", "--from", "203.0.113.0/24,2001:db8::3"]);
    assert!(net.outside.ask(PUBLIC[0], 22).is_some() && net.outside.ask(PUBLIC[1], 22).is_none());
    assert!(net.inside.ask("192.0.2.1", 22).is_none());
    assert!(net.inside.ask_from(Some("2001:db8::3"), "2001:db8::1", 22).is_some());
    assert!(net.inside.ask_from(Some("2001:db8::2"), "2001:db8::1", 22).is_none());
    world.undo();
}

/// It reaches itself and others, is found by its neighbours, and keeps the connections that it has.
fn a_host_stays_well(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    net.outside.serve("far", 80);
    let pings =
        |at: &str| Command::new("ip").args(["netns", "exec", "outside", "ping", "-c1", "-W1", at]).output().unwrap().status.success();
    // Connection tracking must have seen a connection to know it: so the port is open at first.
    runs(world, &["allow-only", "--tcp", "80"]);
    let mut held = net.outside.connect(None, PUBLIC[0], 80).unwrap();
    runs(world, &["allow-only"]);
    assert_eq!(net.outside.ask(PUBLIC[0], 80), None);
    tool("ip", &["-n", "outside", "neigh", "flush", "dev", "eth2"], "");
    tool("ip", &["neigh", "flush", "dev", "eth2"], "");
    for (public, far) in PUBLIC.into_iter().zip(FAR) {
        assert!(pings(public), "{public}");
        assert!(net.here.ask(public, 80).is_some() && net.here.ask(far, 80).is_some());
    }
    held.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    held.read_to_string(&mut text).unwrap();
    assert_eq!(text, "here sees 203.0.113.2");
    world.fyke_well(&["run", "allow-only", "--quiet"]);
    assert_eq!(PUBLIC.map(pings), [false; 2]);
    world.undo();
    world.undo();
    world.undo();
}

fn other_recipes_limit_what_is_open(world: &World) {
    let net = Net::new();
    net.here.serve("here", 22);
    let before = world.state();
    for (first, second) in [("allow-only", "ssh-rate-limit"), ("ssh-rate-limit", "allow-only")] {
        world.fyke_well(&["run", first]);
        world.fyke_well(&["run", second]);
        for public in PUBLIC {
            let passed = (0..5).filter(|_| net.outside.ask(public, 22).is_some()).count();
            assert_eq!(passed, 3, "{first}, then {second}");
        }
        world.undo();
        world.undo();
        assert_eq!(world.state(), before);
    }
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["allow-only", "--tcp", "22,0"], "port 0");
    is_refused(world, &["allow-only", "--tcp", "ssh"], "cannot use \"ssh\" as a port");
    is_refused(world, &["allow-only", "--tcp", "90:80"], "the range is the wrong way round");
    is_refused(world, &["allow-only", "--udp", "65536"], "a port is a number from 0 to 65535");
    is_refused(world, &["allow-only", "--from", "192.0.2.0/33"], "its length must be a number from 0 to 32");
}
