//! `show-firewall`.

use super::super::world::{World, on_both};
use super::{Net, is_refused};

on_both! {
    chains_stand_below_the_rules_that_jump_to_them
    looking_leaves_nothing_behind
    what_is_not_acceptable_is_refused
}

fn chains_stand_below_the_rules_that_jump_to_them(world: &World) {
    let net = Net::new();
    net.here.serve("here", 80);
    for rule in ["-N COUNT", "-N IDLE", "-A COUNT -p tcp -j RETURN", "-A INPUT -p tcp --dport 80 -j COUNT", "-A INPUT -p udp -j COUNT"] {
        world.iptables(&format!("iptables {rule}"));
    }
    world.iptables("iptables -P FORWARD DROP");
    world.fyke_well(&["run", "limit-connections", "--port", "81", "--most", "2"]);
    assert!(net.outside.ask("203.0.113.1", 80).is_some());
    let before = world.state();
    let counted = world.iptables("iptables -L COUNT -v -x -n");
    let mut counts = counted.lines().last().unwrap().split_whitespace().map(|word| format!("{word:>7}"));
    let count = format!("{}{}", counts.next().unwrap(), counts.next().unwrap());
    let said = world.fyke_well(&["run", "show-firewall", "--family", "ipv4"]);
    let (passes, tree) = said.out.split_once("\n\n").unwrap();
    assert_eq!(passes.lines().count(), 4);
    let wanted = [
        "filter/INPUT (ipv4), policy ACCEPT",
        "      0      0  -p tcp -m tcp --dport 81 -m conntrack --ctstate NEW -j CONN-LIMIT-81  # limit-connections/81",
        "      0      0      -p tcp -m connlimit --connlimit-above 2 --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset",
        &format!("{count}  -p tcp -m tcp --dport 80 -j COUNT"),
        &format!("{count}      -p tcp -j RETURN"),
        "      0      0  -p udp -j COUNT  # see above",
        "",
        "filter/FORWARD (ipv4), policy DROP",
        "",
        "filter/IDLE (ipv4), not jumped to",
        "",
    ];
    assert_eq!(tree, wanted.join("\n"));
    let planned = world.fyke_well(&["plan", "show-firewall", "--table", "filter"]);
    assert!(planned.out.contains("filter/INPUT (ipv6)") && planned.out.ends_with("nothing would change\n"), "{planned:?}");
    assert_eq!(world.state(), before);
    world.undo();
    world.wipe();
}

fn looking_leaves_nothing_behind(world: &World) {
    let before = world.state();
    let said = world.fyke_well(&["run", "show-firewall"]);
    assert_eq!(said.out.lines().count(), 4, "{said:?}");
    assert_eq!(said.err, "nothing changed\n");
    assert_eq!(world.state(), before);
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["show-firewall", "--table", "natt"], "it is one of \"all\", \"raw\"");
    is_refused(world, &["show-firewall", "--family", "ipv5"], "it is one of \"both\", \"ipv4\", \"ipv6\"");
}
