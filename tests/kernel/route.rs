//! Routes and rules: packets, the way back, and what others have done meanwhile.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::world::{World, in_a_world, ip, links, tool};

in_a_world! {
    a_route_leads_packets_and_is_lifted
    rules_choose_a_table
    a_route_is_changed_and_comes_back
    two_recipes_share_a_route
    what_others_did_to_a_route_is_left
    routes_are_listed_as_ip_lists_them
    every_word_is_read_back
    ten_thousand_routes_are_one_step
    what_the_kernel_made_is_left_to_it
    a_run_that_fails_leaves_nothing
    one_of_many_that_is_refused_is_named
}

/// Tells whether the client reaches the server from an address of its loopback: the answer needs a route back.
fn reaches(world: &World, from: &str, to: &str) -> bool {
    let (from, to): (IpAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    world.connects(from, to, Duration::from_millis(900))
}

const FAR: [&str; 2] = ["-n client addr add 203.0.113.9/32 dev lo", "-n client addr add 2001:db8:9::9/128 dev lo"];

fn a_route_leads_packets_and_is_lifted(world: &World) {
    FAR.iter().for_each(|line| drop(ip(line)));
    let before = world.state();
    let listener = world.listen(80);
    let both = || (reaches(world, "203.0.113.9", "192.0.2.1:80"), reaches(world, "2001:db8:9::9", "[2001:db8::1]:80"));
    assert_eq!(both(), (false, false));
    let script = "link::routes().add([\"203.0.113.0/24 via 192.0.2.2\", #{ to: \"2001:db8:9::/64\", via: \"2001:db8::2\", dev: \"eth0\", metric: 7 }]);";
    let said = world.fyke_well(&["plan", &world.recipe("route", script)]);
    assert!(said.out.contains("routes\n  + 203.0.113.0/24 via 192.0.2.2\n"), "{said:?}");
    assert_eq!(both(), (false, false));
    world.does("route", script);
    assert_eq!(both(), (true, true));
    world.does("block", "link::routes().add([\"blackhole 203.0.113.9\", \"unreachable 2001:db8:9::9\"]);");
    assert_eq!(both(), (false, false));
    world.undo();
    assert_eq!(both(), (true, true));
    assert!(!world.fyke_well(&["status"]).out.contains("drift"));
    world.undo();
    assert_eq!((both(), world.state()), ((false, false), before));
    drop(listener);
}

fn rules_choose_a_table(world: &World) {
    FAR.iter().for_each(|line| drop(ip(line)));
    let before = world.state();
    let listener = world.listen(80);
    let script = "\
let table = link::routes(100);
table.add(\"203.0.113.9 via 192.0.2.2 dev eth0\");
link::rules().add([#{ to: \"203.0.113.0/24\", lookup: 100 }, \"to 192.0.2.3 prohibit\", \"-6 to 2001:db8::3 blackhole\"]);
print(link::rules().find(\"to 192.0.2.3\").priority);
";
    let said = world.run("rules", script);
    assert!(said.code == Some(0) && said.out.contains("32764"), "{said:?}");
    assert!(reaches(world, "203.0.113.9", "192.0.2.1:80"));
    world.passes("192.0.2.2", 80);
    assert!(!reaches(world, "192.0.2.3", "192.0.2.1:80") && !reaches(world, "2001:db8::3", "[2001:db8::1]:80"));
    let again = world.run("again", "link::rules().ensure(\"to 203.0.113.0/24 lookup 100\");");
    assert!(again.code == Some(0) && again.err.contains("relies on"), "{again:?}");
    world.fyke_well(&["undo", "--recipe", "again"]);
    // Somebody takes a rule of ours away, and another one is taken away by us and comes back.
    ip("rule del to 192.0.2.3");
    world.passes("192.0.2.3", 80);
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains("somebody took it away"), "{said:?}");
    assert_eq!(world.state(), before);
    ip("rule add priority 1000 not from 192.0.2.0/24 fwmark 0x10/0xf0 iif eth0 ipproto tcp dport 80-90 lookup 7");
    let with = world.state();
    world.does("del", "link::rules().del(\"priority 1000 not from 192.0.2.0/24 fwmark 0x10/0xf0 iif eth0 ipproto tcp dport 80-90\");");
    assert_eq!(world.state(), before);
    world.undo();
    assert_eq!(world.state(), with);
    ip("rule del priority 1000");
    drop(listener);
}

fn a_route_is_changed_and_comes_back(world: &World) {
    ip("route add 10.0.0.0/8 via 192.0.2.2 metric 5");
    ip("-6 route add 2001:db8:7::/48 via 2001:db8::2");
    let before = world.state();
    world.does(
        "change",
        "link::routes().ensure([\"10.0.0.0/8 via 198.51.100.2 metric 5 mtu 1400\", \"2001:db8:7::/48 via 2001:db8:1::2\"]);",
    );
    assert!(ip("route").contains("10.0.0.0/8 via 198.51.100.2 dev eth1 metric 5 mtu 1400"));
    assert!(ip("-6 route").contains("2001:db8:7::/48 via 2001:db8:1::2 dev eth1"));
    world.undo();
    assert_eq!(world.state(), before);
    world.does("del", "link::routes().del([\"10.0.0.0/8\", \"2001:db8:7::/48 via 2001:db8::2\"]);");
    assert!(!ip("route").contains("10.0.0.0/8"));
    world.undo();
    assert_eq!(world.state(), before);
    // Several to one place are told apart.
    ip("route add 10.0.0.0/8 via 198.51.100.2 metric 6");
    let said = world.run("two", "link::routes().del(\"10.0.0.0/8\");");
    assert!(
        said.code == Some(1) && said.err.contains("it may mean route to 10.0.0.0/8 with metric 5, or route to 10.0.0.0/8 with metric 6"),
        "{said:?}"
    );
    world.does("one", "link::routes().del(\"10.0.0.0/8 via 198.51.100.2\");");
    assert_eq!(world.state(), before);
    world.undo();
    world.does("all", "link::routes().absent(\"10.0.0.0/8\");");
    assert!(!ip("route").contains("10.0.0.0/8"));
    world.undo();
    ip("route del 10.0.0.0/8 metric 6");
    // Twins, which only `ip route append` makes, are each known by their way.
    ip("route append 10.0.0.0/8 via 198.51.100.2 metric 5");
    let twins = world.state();
    world.does("twin", "link::routes().del(\"10.0.0.0/8 via 198.51.100.2\");");
    assert_eq!(world.state(), before);
    world.undo();
    assert_eq!(world.state(), twins);
    tool("ip", &["-batch", "-"], "route del 10.0.0.0/8\nroute del 10.0.0.0/8\nroute del 2001:db8:7::/48\n");
}

fn two_recipes_share_a_route(world: &World) {
    let before = world.state();
    let script = "link::routes().ensure(\"10.0.0.0/8 via 192.0.2.2 dev eth0\");";
    world.fyke_well(&["run", &world.recipe("first", script)]);
    let said = world.fyke_well(&["run", &world.recipe("second", script)]);
    assert!(said.err.contains("relies on what another recipe has set"), "{said:?}");
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("= the route to 10.0.0.0/8 stays: run "), "{said:?}");
    assert!(ip("route").contains("10.0.0.0/8"));
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(world.state(), before);
}

fn what_others_did_to_a_route_is_left(world: &World) {
    let before = world.state();
    let script = "link::routes().ensure(\"10.0.0.0/8 via 192.0.2.2\");";
    world.does("ours", script);
    ip("route replace 10.0.0.0/8 via 198.51.100.2");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody set it to via 198.51.100.2 dev eth1"), "{said:?}");
    assert!(ip("route").contains("10.0.0.0/8 via 198.51.100.2"));
    world.fyke_well(&["undo", "--force", "last"]);
    assert_eq!(world.state(), before);
    world.does("ours", script);
    ip("route del 10.0.0.0/8");
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains("somebody took it away"), "{said:?}");
    // Somebody put back what we took away.
    ip("route add 10.0.0.0/8 via 192.0.2.2");
    world.does("del", "link::routes().del(\"10.0.0.0/8\");");
    ip("route add 10.0.0.0/8 via 192.0.2.2");
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains("somebody put it back"), "{said:?}");
    ip("route del 10.0.0.0/8");
    assert_eq!(world.state(), before);
}

/// Gives a list of ip(8).
fn listed(line: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(&ip(&format!("-j {line}"))).unwrap()
}

fn eval(world: &World, script: &str) -> Vec<serde_json::Value> {
    let said = world.fyke_well(&["--json", "eval", script]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    value.get("value").unwrap_or(&value).as_array().unwrap().clone()
}

fn routes_are_listed_as_ip_lists_them(world: &World) {
    tool(
        "ip",
        &["-batch", "-"],
        "route add 10.0.0.0/8 via 192.0.2.2 metric 5 src 192.0.2.1 mtu lock 1400 advmss 1300 proto static\nroute add blackhole 10.9.0.0/16\nroute add default nexthop via 192.0.2.2 weight 2 nexthop via 198.51.100.2\nroute add 2001:db8:7::/48 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2\nroute add prohibit 2001:db8:8::/48 metric 9\nroute add 10.10.0.0/16 via inet6 2001:db8::2 dev eth0\nroute add local 10.11.0.0/16 dev lo\n",
    );
    for table in ["main", "local"] {
        let ours = eval(world, &format!("link::routes(\"{table}\").list()"));
        for family in ["-4", "-6"] {
            let theirs = listed(&format!("{family} -N -d route show table {table}"));
            let mine: Vec<_> = ours.iter().filter(|route| route["to"].as_str().unwrap().contains(':') == (family == "-6")).collect();
            assert_eq!(mine.len(), theirs.len(), "{family} {table}: {mine:?} {theirs:?}");
            for route in theirs {
                let to = match route["dst"].as_str().unwrap() {
                    "default" if family == "-6" => "::/0".to_owned(),
                    "default" => "0.0.0.0/0".to_owned(),
                    alone if !alone.contains('/') => format!("{alone}/{}", if family == "-6" { 128 } else { 32 }),
                    prefix => prefix.to_owned(),
                };
                let same = |mine: &&&serde_json::Value| {
                    mine["to"] == to && (route.get("dev").is_none() || mine.get("dev").is_none() || mine["dev"] == route["dev"])
                };
                let mine = mine.iter().find(same).unwrap_or_else(|| panic!("{route} is not listed"));
                let via = route.get("gateway").cloned().or_else(|| Some(format!("inet6 {}", route.get("via")?["host"].as_str()?).into()));
                assert_eq!(mine.get("via"), via.as_ref(), "{route}");
                assert_eq!(mine.get("metric"), route.get("metric").filter(|metric| **metric != 0), "{route}");
                assert_eq!(mine.get("src"), route.get("prefsrc"), "{route}");
                let hops = |route: &serde_json::Value| route["nexthops"].as_array().map_or(0, Vec::len);
                assert_eq!(hops(mine), hops(&route), "{route}");
            }
        }
    }
    let rules: Vec<serde_json::Value> = [listed("-4 rule"), listed("-6 rule")].concat();
    let ours = eval(world, "link::rules().list()");
    let of = |rules: &[serde_json::Value], table: &str| {
        rules.iter().map(|rule| (rule["priority"].clone(), rule[table].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(&ours, "lookup"), of(&rules, "table"));
    // What is read can be given back: nothing is to be done then.
    let said = world.run("back", "for table in [\"main\", \"local\"] { let all = link::routes(table); all.ensure(all.list().filter(|one| one.proto != \"kernel\")); }
        link::rules().ensure(link::rules().list());
        for one in link::list() { let all = link::get(one.name).addresses(); all.ensure(all.list().filter(|a| !a.address.contains(\"fe80\") && !a.address.contains(\"::1/128\"))); }");
    assert!(said.code == Some(0) && said.err.contains("nothing changed"), "{said:?}");
    tool(
        "ip",
        &["-batch", "-"],
        "route del 10.0.0.0/8\nroute del 10.9.0.0/16\nroute del default\nroute del 2001:db8:7::/48\nroute del prohibit 2001:db8:8::/48\nroute del 10.10.0.0/16\nroute del local 10.11.0.0/16\n",
    );
}

/// Whatever ip(8) takes, fyke takes, and the kernel has the same of both.
fn every_word_is_read_back(world: &World) {
    let before = world.state();
    let words = [
        "10.0.0.0/8 via 192.0.2.2",
        "10.0.0.0/8 via 192.0.2.2 dev eth0 metric 100 table 100 proto static src 192.0.2.1",
        "10.0.0.0/8 dev eth0",
        "10.0.0.0/8 dev eth0 scope global tos 0x10",
        "10.0.0.0/8 via 203.0.113.9 dev eth0 onlink",
        "default via 192.0.2.2 mtu 1400 advmss 1360 initcwnd 20 initrwnd 30 hoplimit 33 window 9000 quickack 1",
        "default via 192.0.2.2 mtu lock 1400 congctl reno",
        "10.0.0.0/8 nexthop via 192.0.2.2 weight 10 nexthop dev eth1 weight 2",
        "unicast 10.0.0.0/8 via inet6 2001:db8::2 dev eth0",
        "blackhole 10.0.0.0/8",
        "unreachable 10.0.0.0/8 metric 4278198272",
        "prohibit 10.0.0.0/8 table 4294967295",
        "throw 10.0.0.0/8 table 7",
        "local 10.0.0.0/8 dev lo",
        "broadcast 10.255.255.255 dev eth0",
        "2001:db8:7::/48 via 2001:db8::2",
        "2001:db8:7::/48 dev eth0 metric 7 table 300 proto bird",
        "2001:db8:7::/48 via fe80::1 dev eth0 pref low",
        "2001:db8:7::/48 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2 weight 5",
        "blackhole 2001:db8:7::/48",
        "unreachable ::/0 metric 9",
        "throw 2001:db8:7::/48 table 9",
    ];
    for line in words {
        let family = if line.contains("2001:db8:7") || line.contains("::/0") { "-6" } else { "-4" };
        ip(&format!("{family} route add {line}"));
        let theirs = links();
        ip(&format!("{family} route del {}", line.split(" mtu ").next().unwrap().split(" nexthop").next().unwrap()));
        assert_eq!(world.state(), before, "{line}");
        world.does("route", &format!("link::routes().add(\"{line}\");"));
        assert_eq!(links(), theirs, "{line}");
        assert!(!world.fyke_well(&["status"]).out.contains("drift"), "{line}");
        world.undo();
        assert_eq!(world.state(), before, "{line}");
    }
    let rules = [
        "from 192.0.2.0/24 lookup 100",
        "priority 7 not from 192.0.2.0/24 to 10.0.0.0/8 fwmark 0x1/0xff lookup 4294967295",
        "priority 7 iif eth0 oif eth1 tos 0x10 lookup main suppress_prefixlength 0",
        "priority 7 ipproto tcp sport 1000-2000 dport 22 uidrange 0-99 blackhole",
        "priority 7 from all goto 32766",
        "priority 7 from all unreachable",
        "priority 7 from all prohibit",
        "priority 7 from 192.0.2.1 nop",
    ];
    for line in rules {
        ip(&format!("rule add {line}"));
        let theirs = links();
        ip(&format!("rule del {line}"));
        world.does("rule", &format!("link::rules().add(\"{line}\");"));
        assert_eq!(links(), theirs, "{line}");
        world.undo();
        assert_eq!(world.state(), before, "{line}");
    }
}

fn ten_thousand_routes_are_one_step(world: &World) {
    let before = world.state();
    let all = "let all = []; for a in 0..100 { for b in 0..100 { all.push(`10.${a}.${b}.0/24 via 192.0.2.2 dev eth0`); } } ";
    let said = world.fyke_well(&["plan", &world.recipe("many", &format!("{all} link::routes().add(all);"))]);
    assert!(said.out.contains("+ 9,980 more") && said.out.contains("10000 to add"), "{said:?}");
    world.does("many", &format!("{all} link::routes().ensure(all);"));
    assert_eq!(ip("route").lines().filter(|line| line.starts_with("10.")).count(), 10_000);
    let again = world.run("many", &format!("{all} link::routes().ensure(all);"));
    assert!(again.code == Some(0) && again.err.contains("nothing changed"), "{again:?}");
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    world.does("fewer", &format!("{all} link::routes().del(all);"));
    assert_eq!(world.state(), before);
    world.undo();
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_the_kernel_made_is_left_to_it(world: &World) {
    for script in [
        "link::routes().del(\"192.0.2.0/24\");",
        "link::routes().absent(\"192.0.2.0/24\");",
        "link::routes().ensure(\"192.0.2.0/24 via 198.51.100.2\");",
    ] {
        let said = world.run("kernel", script);
        assert!(said.code == Some(1) && said.err.contains("the kernel has made it by itself"), "{script}: {said:?}");
    }
    let said = world.run("rule", "link::rules().del(\"priority 32766 lookup main\");");
    assert!(said.code == Some(1) && said.err.contains("the kernel has made it by itself"), "{said:?}");
    let said = world.run("proto", "link::routes().add(\"10.0.0.0/8 via 192.0.2.2 proto kernel\");");
    assert!(said.code == Some(1) && said.err.contains("only the kernel says this `proto` of itself"), "{said:?}");
}

fn a_run_that_fails_leaves_nothing(world: &World) {
    let before = world.state();
    let said = world.run("fails", "link::routes().add(\"10.0.0.0/8 via 192.0.2.2\"); link::add(\"br7 up type bridge\"); commit(); link::get(\"eth0\").down(); commit(); throw \"no\";");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(world.state(), before);
}

fn one_of_many_that_is_refused_is_named(world: &World) {
    let before = world.state();
    let said = world.run("refused", "link::routes().add(\"10.0.0.0/8 via 192.0.2.2\");\nlink::routes().add([\"10.1.0.0/16 via 192.0.2.2\",\n  \"10.2.0.0/16 via 203.0.113.1\"]);\nlink::routes().add(\"10.3.0.0/16 via 192.0.2.2\");");
    assert!(
        said.code == Some(1) && said.err.contains("cannot add the route 10.2.0.0/16 via 203.0.113.1: Nexthop has invalid gateway"),
        "{said:?}"
    );
    assert!(said.err.contains("refused.rhai:2:"), "{said:?}");
    assert_eq!(world.state(), before);
}
