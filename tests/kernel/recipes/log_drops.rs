//! `log-drops`. The kernel logs for its first network namespace only, so it is the counter of the rule that is read.

use super::super::world::{World, on_both};
use super::{Net, PUBLIC, is_refused, runs};

on_both! {
    what_the_policy_drops_is_logged
    it_stands_before_a_last_rule_that_drops
    what_is_not_acceptable_is_refused
}

/// Gives the packets that the rules with LOG have seen, for both families.
fn logged(world: &World) -> [u64; 2] {
    ["iptables", "ip6tables"].map(|program| {
        let listed = world.iptables(&format!("{program} -L INPUT -v -x -n"));
        let packets =
            listed.lines().filter(|line| line.contains("LOG")).filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        packets.sum()
    })
}

fn what_the_policy_drops_is_logged(world: &World) {
    let net = Net::new();
    net.here.serve("here", 22);
    world.fyke_well(&["run", "allow-only"]);
    runs(world, &["log-drops"]);
    for public in PUBLIC {
        assert!(net.outside.ask(public, 22).is_some());
    }
    assert_eq!(logged(world), [0, 0]);
    for public in PUBLIC {
        assert!(net.outside.ask(public, 23).is_none());
    }
    assert_eq!(logged(world), [1, 1]);
    world.fyke_well(&["run", "log-drops", "--rate", "1/hour", "--burst", "2"]);
    for _ in 0..4 {
        net.outside.ask(PUBLIC[0], 23);
    }
    assert_eq!(logged(world), [2, 0], "the rate bounds what is logged");
    world.undo();
    world.undo();
    world.undo();
}

fn it_stands_before_a_last_rule_that_drops(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
    world.iptables("iptables -A INPUT -j REJECT");
    runs(world, &["log-drops", "--prefix", "no "]);
    let log = "-A INPUT -m limit --limit 10/min -j LOG --log-prefix \"no \"";
    let rules = world.rules("iptables", "INPUT");
    assert_eq!(rules[0], "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
    assert_eq!(rules[1], log);
    assert_eq!(rules[2], "-A INPUT -j REJECT --reject-with icmp-port-unreachable");
    assert_eq!(world.rules("ip6tables", "INPUT"), Vec::<String>::new());
    world.undo();
    world.wipe();
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["log-drops"], "INPUT drops nothing at its end");
    is_refused(world, &["log-drops", "--chain", "PREROUTING"], "it is one of \"INPUT\", \"FORWARD\", \"OUTPUT\"");
    world.iptables("iptables -P FORWARD DROP");
    is_refused(world, &["log-drops", "--chain", "FORWARD", "--rate", "often"], "cannot use \"often\" as a limit");
    is_refused(world, &["log-drops", "--chain", "FORWARD", "--prefix", &"x".repeat(30)], "29 are the most");
    world.wipe();
}
