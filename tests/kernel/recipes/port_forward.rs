//! `port-forward`.

use super::super::world::{World, on_both};
use super::{FAR, Net, PUBLIC, is_refused, runs};

on_both! {
    clients_and_neighbours_reach_the_host_behind
    it_passes_where_forward_drops
    the_host_itself_may_be_forwarded
    an_address_may_be_chosen
    datagrams_are_forwarded
    what_is_not_acceptable_is_refused
}

const TO: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

fn clients_and_neighbours_reach_the_host_behind(world: &World) {
    let net = Net::new();
    net.inside.serve("inside", 8080);
    net.here.serve("here", 80);
    let before = world.state();
    for to in TO {
        runs(world, &["port-forward", "--port", "80", "--to", to, "--to-port", "8080"]);
    }
    for (at, public) in PUBLIC.into_iter().enumerate() {
        assert_eq!(net.outside.ask(public, 80), Some(format!("inside sees {}", FAR[at])));
        // A neighbour is seen as this host: else the answer would not come back by here.
        let neighbour = ["192.0.2.3", "2001:db8::3"][at];
        let back = ["192.0.2.1", "2001:db8::1"][at];
        assert_eq!(net.inside.ask_from(Some(neighbour), public, 80), Some(format!("inside sees {back}")));
        assert_eq!(net.here.ask(public, 80), Some(format!("here sees {public}")));
    }
    world.undo();
    assert_eq!(net.outside.ask(PUBLIC[1], 80), Some(format!("here sees {}", FAR[1])));
    assert_eq!(net.outside.ask(PUBLIC[0], 80), Some(format!("inside sees {}", FAR[0])));
    world.undo();
    assert_eq!(net.outside.ask(PUBLIC[0], 80), Some(format!("here sees {}", FAR[0])));
    assert_eq!(world.state(), before);
}

fn it_passes_where_forward_drops(world: &World) {
    let net = Net::new();
    net.show_the_way_in();
    net.inside.serve("inside", 80);
    world.iptables("iptables -P FORWARD DROP");
    runs(world, &["port-forward", "--port", "80", "--to", TO[0]]);
    assert_eq!(net.outside.ask(PUBLIC[0], 80), Some(format!("inside sees {}", FAR[0])));
    assert_eq!(net.outside.ask(TO[0], 80), None, "what was not sent to the public address is none of it");
    world.undo();
    world.wipe();
}

fn the_host_itself_may_be_forwarded(world: &World) {
    let net = Net::new();
    net.inside.serve("inside", 80);
    net.here.serve("here", 80);
    for (at, to) in TO.into_iter().enumerate() {
        runs(world, &["port-forward", "--port", "80", "--to", to, "--local"]);
        assert_eq!(net.here.ask(PUBLIC[at], 80), Some(format!("inside sees {}", PUBLIC[at])));
        let loopback = ["127.0.0.1", "::1"][at];
        assert_eq!(net.here.ask(loopback, 80), Some(format!("here sees {loopback}")));
        world.undo();
    }
}

fn an_address_may_be_chosen(world: &World) {
    let net = Net::new();
    net.inside.serve("inside", 80);
    net.here.serve("here", 80);
    runs(world, &["port-forward", "--port", "80", "--to", TO[0], "--address", "203.0.113.9"]);
    assert_eq!(net.outside.ask("203.0.113.9", 80), Some(format!("inside sees {}", FAR[0])));
    assert_eq!(net.inside.ask("203.0.113.9", 80), Some("inside sees 192.0.2.1".to_owned()));
    assert_eq!(net.outside.ask("203.0.113.1", 80), Some(format!("here sees {}", FAR[0])));
    world.undo();
}

fn datagrams_are_forwarded(world: &World) {
    let net = Net::new();
    for (at, to) in TO.into_iter().enumerate() {
        net.inside.serve_datagrams("inside", to, 5353);
        runs(world, &["port-forward", "--proto", "udp", "--port", "53", "--to", to, "--to-port", "5353"]);
        assert_eq!(net.outside.ask_by_datagram(PUBLIC[at], 53), Some(format!("inside sees {}", FAR[at])));
        world.undo();
        assert_eq!(net.outside.ask_by_datagram(PUBLIC[at], 53), None);
    }
}

fn what_is_not_acceptable_is_refused(world: &World) {
    let refused = |words: &[&str], why: &str| is_refused(world, &[&["port-forward"], words].concat(), why);
    refused(&[], "--port is missing");
    refused(&["--port", "80"], "--to is missing");
    refused(&["--port", "0", "--to", TO[0]], "1 is the least");
    refused(&["--port", "80:90", "--to", TO[0]], "it is no integer");
    refused(&["--port", "80", "--to", "192.0.2.0/24"], "\"192.0.2.0/24\" is not a single address");
    refused(&["--port", "80", "--to", "192.0.2.2 -j ACCEPT"], "is not a single address");
    refused(&["--port", "80", "--to", "192.0.2.256"], "neither four decimal numbers nor an IPv6 address");
    refused(&["--port", "80", "--to", TO[0], "--address", PUBLIC[1]], "2001:db8:2::1 and 192.0.2.2 are of two families");
    refused(&["--port", "80", "--to", TO[0], "--inside", "2001:db8::/64"], "and the table is IPv4");
    refused(&["--port", "80", "--to", TO[0], "--proto", "sctp"], "it is one of \"tcp\", \"udp\"");
}
