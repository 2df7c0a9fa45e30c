//! `limit-connections`.

use std::net::TcpStream;

use super::super::world::{World, on_both, until};
use super::{Net, is_refused, runs};

on_both! {
    a_source_has_so_many_connections_at_a_time
    prefixes_may_be_excepted
    what_is_not_acceptable_is_refused
}

const HERE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

fn a_source_has_so_many_connections_at_a_time(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    net.here.serve("here", 81);
    let connect = |from: &str, to: &str, port: u16| net.inside.connect(Some(from), to, port);
    runs(world, &["limit-connections", "--port", "80", "--most", "3"]);
    for (one, (other, here)) in ["192.0.2.2", "2001:db8::2"].into_iter().zip(["192.0.2.3", "2001:db8:0:1::2"].into_iter().zip(HERE)) {
        let mut open: Vec<TcpStream> = (0..3).map(|_| connect(one, here, 80).unwrap()).collect();
        assert!(connect(one, here, 80).is_none(), "{one} has four connections");
        assert!(connect(other, here, 80).is_some() && connect(one, here, 81).is_some());
        // One that is closed makes room.
        open.pop();
        until("a closed connection made room", || connect(one, here, 80).is_some());
    }
    world.undo();
}

/// The hosts of an IPv6 network count as one source.
fn prefixes_may_be_excepted(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    let connect = |from: &str, to: &str| net.inside.connect(Some(from), to, 80);
    runs(world, &["limit-connections", "--port", "80", "--most", "1", "--except", "192.0.2.3,2001:db8:0:1::/64"]);
    for (at, here) in HERE.into_iter().enumerate() {
        let free = ["192.0.2.3", "2001:db8:0:1::2"][at];
        let _held = [connect(free, here).unwrap(), connect(free, here).unwrap()];
        let _one = connect(["192.0.2.2", "2001:db8::2"][at], here).unwrap();
        assert!(connect(["192.0.2.2", "2001:db8::3"][at], here).is_none());
    }
    world.undo();
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["limit-connections"], "--port is missing");
    is_refused(world, &["limit-connections", "--port", "0"], "1 is the least");
    is_refused(world, &["limit-connections", "--port", "80", "--most", "0"], "1 is the least");
    is_refused(world, &["limit-connections", "--port", "80", "--except", "here"], "cannot use \"here\" as an address or prefix");
}
