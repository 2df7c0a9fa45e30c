//! `redirect-port`.

use super::super::world::{World, on_both};
use super::{Net, PUBLIC, is_refused, runs};

on_both! {
    a_port_leads_to_another
    an_interface_may_be_chosen
    what_is_not_acceptable_is_refused
}

fn a_port_leads_to_another(world: &World) {
    let net = Net::new();
    net.here.serve("service", 8080);
    for public in PUBLIC {
        assert_eq!(net.outside.ask(public, 80), None);
    }
    runs(world, &["redirect-port", "--port", "80", "--to", "8080"]);
    for public in PUBLIC.into_iter().chain(["192.0.2.1", "2001:db8::1"]) {
        assert!(net.inside.ask(public, 80).is_some_and(|text| text.starts_with("service")), "{public}");
        assert!(net.here.ask(public, 80).is_some_and(|text| text.starts_with("service")), "{public}");
    }
    assert!(net.here.ask("::1", 80).is_some() && net.here.ask("127.0.0.1", 80).is_some());
    world.undo();
    assert_eq!(net.outside.ask(PUBLIC[0], 80), None);
}

fn an_interface_may_be_chosen(world: &World) {
    let net = Net::new();
    net.here.serve("service", 8080);
    runs(world, &["redirect-port", "--port", "80", "--to", "8080", "--interface", "eth2"]);
    for public in PUBLIC {
        assert!(net.outside.ask(public, 80).is_some());
        assert_eq!(net.inside.ask(public, 80), None);
        assert_eq!(net.here.ask(public, 80), None);
    }
    world.undo();
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["redirect-port", "--port", "80"], "--to is missing");
    is_refused(world, &["redirect-port", "--to", "80"], "--port is missing");
    is_refused(world, &["redirect-port", "--port", "80", "--to", "80"], "port 80 would be redirected to itself");
    is_refused(world, &["redirect-port", "--port", "80", "--to", "0"], "1 is the least");
    is_refused(world, &["redirect-port", "--port", "80", "--to", "65536"], "65535 is the most");
}
