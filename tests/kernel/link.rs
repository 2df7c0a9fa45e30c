//! Links, addresses and neighbours: packets, the way back, and what others have done meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use super::world::{World, in_a_world, ip, links, tool, until};

in_a_world! {
    a_link_that_is_down_comes_back_with_all_that_it_lost
    an_address_answers_and_is_lifted
    a_bridge_takes_over_a_link_and_gives_it_back
    a_veth_is_made_and_lifted_with_all_on_it
    a_link_is_taken_away_and_made_again
    links_that_others_use_come_back_in_order
    a_name_is_changed_and_comes_back
    a_neighbour_is_set_and_lifted
    a_link_of_somebody_else_is_not_taken_for_ours
    what_others_put_on_a_link_of_ours_stays
    two_recipes_share_a_link
    the_last_address_takes_its_routes_along
    what_ipv6_loses_with_a_link_comes_back
}

fn a_link_that_is_down_comes_back_with_all_that_it_lost(world: &World) {
    let listener = world.listen(80);
    ip("route add 10.0.0.0/8 via 192.0.2.2");
    ip("route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via 198.51.100.2");
    ip("neigh add 192.0.2.9 lladdr 02:00:5e:10:00:09 dev eth0");
    let before = world.state();
    world.passes("192.0.2.2", 80);
    world.does("down", "link::get(\"eth0\").down();");
    world.is_dropped("192.0.2.2", 80);
    world.passes("198.51.100.2", 80);
    let plain = ip("route");
    assert!(!plain.contains("10.0.0.0/8") && plain.contains("10.1.0.0/16"), "{plain}");
    assert!(world.fyke_well(&["status"]).out.contains("in force"));
    world.undo();
    world.passes("192.0.2.2", 80);
    until("IPv6 is back", || {
        world.connects("2001:db8::2".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap(), Duration::from_millis(200))
    });
    assert_eq!(world.state(), before);
    // Down and up again, what was lost is lost, and known.
    world.does("twice", "let eth0 = link::get(\"eth0\"); eth0.down(); eth0.up();");
    world.passes("192.0.2.2", 80);
    assert!(!ip("route").contains("10.0.0.0/8"));
    world.undo();
    assert_eq!(world.state(), before);
    ip("route del 10.0.0.0/8");
    ip("route del 10.1.0.0/16");
    ip("neigh del 192.0.2.9 dev eth0");
    drop(listener);
}

fn what_ipv6_loses_with_a_link_comes_back(world: &World) {
    const ON_IT: [&str; 3] = [
        "-6 route add 2001:db8:7::/48 via 2001:db8:1::2 src 2001:db8::1",
        "-6 route add 2001:db8:8::/48 via 2001:db8::2",
        "neigh add 2001:db8::9 lladdr 02:00:5e:10:00:09 dev eth0",
    ];
    ON_IT.iter().for_each(|line| drop(ip(line)));
    let listener = world.listen(80);
    let answers = || world.connects("2001:db8::2".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap(), Duration::from_millis(250));
    until("it answers", answers);
    let (before, source) = (world.state(), || ip("-6 route show 2001:db8:7::/48").contains("src 2001:db8::1"));
    // IPv6 leaves a link that is down, and one that has no room for it.
    for (name, text) in [("down", "link::get(\"eth0\").down();"), ("small", "link::get(\"eth0\").set(\"mtu 1000\");")] {
        world.does(name, text);
        assert!(!answers() && !source() && !ip("-6 route").contains("2001:db8:8::/48") && !ip("neigh show nud permanent").contains("::9"));
        let after = world.state();
        for _ in 0..2 {
            world.undo();
            until("it answers again", answers);
            assert!(source());
            assert_eq!(world.state(), before);
            world.fyke_well(&["redo"]);
            assert_eq!(world.state(), after);
        }
        world.undo();
        // What somebody else has put on the address meanwhile is not taken along.
        ip("-6 route add 2001:db8:9::/48 via 2001:db8:1::2 src 2001:db8::1");
        let with = world.state();
        let said = world.fyke(&["redo"]);
        let why = "the route to 2001:db8:9::/48 with metric 1024, which somebody else has made, would be another one";
        assert!(said.code == Some(3) && said.err.contains(why), "{said:?}");
        assert_eq!(world.state(), with);
        ip("-6 route del 2001:db8:9::/48");
        world.fyke_well(&["redo"]);
        assert_eq!(world.state(), after);
        world.undo();
        assert_eq!(world.state(), before);
    }
    ON_IT.iter().for_each(|line| drop(ip(&line.replacen("add", "del", 1))));
    drop(listener);
}

fn an_address_answers_and_is_lifted(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    let (from, to): (std::net::IpAddr, SocketAddr) = ("192.0.2.2".parse().unwrap(), "192.0.2.77:80".parse().unwrap());
    let answers = || world.connects(from, to, Duration::from_millis(250));
    world.does("address", "link::get(\"eth0\").addresses().add([\"192.0.2.77/24\", #{ address: \"2001:db8::77/64\", nodad: true }]);");
    assert!(answers());
    assert!(ip("-6 addr show dev eth0").contains("2001:db8::77/64"));
    let again = world.run("ensure", "link::get(\"eth0\").addresses().ensure([\"192.0.2.77/24\", \"192.0.2.1/24\"]);");
    assert!(again.code == Some(0) && again.err.contains("relies on what another recipe has set"), "{again:?}");
    world.fyke_well(&["undo", "--recipe", "ensure"]);
    assert!(answers());
    world.undo();
    assert!(!world.connects(from, to, Duration::from_millis(250)) || !ip("addr").contains("192.0.2.77"));
    assert_eq!(world.state(), before);
    let said = world.run("twice", "link::get(\"eth0\").addresses().add(\"192.0.2.1/24\");");
    assert!(said.code == Some(1) && said.err.contains("it is there already"), "{said:?}");
    let said = world.run("local", "link::get(\"eth0\").addresses().absent(link::get(\"eth0\").addresses().list().filter(|a| a.address.contains(\"fe80\"))[0].address);");
    assert!(said.code == Some(1) && said.err.contains("the kernel has made it by itself"), "{said:?}");
    drop(listener);
}

const BRIDGE: &str = "\
let eth0 = link::get(\"eth0\");
let lan = link::add(\"br0 up type bridge\");
let addresses = eth0.addresses().list().filter(|one| !one.address.contains(\"fe80\"));
eth0.addresses().del(addresses);
eth0.set(#{ master: \"br0\" });
for one in addresses { one.remove(\"dev\"); lan.addresses().add(one); }
";

fn a_bridge_takes_over_a_link_and_gives_it_back(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    let said = world.fyke_well(&["plan", &world.recipe("bridge", BRIDGE)]);
    assert!(said.out.contains("+ br0 type bridge") && said.out.contains("+ 192.0.2.1/24 dev br0"), "{said:?}");
    assert_eq!(world.state(), before);
    world.does("bridge", BRIDGE);
    world.passes("192.0.2.2", 80);
    let after = world.state();
    world.undo();
    world.passes("192.0.2.2", 80);
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    world.passes("192.0.2.2", 80);
    assert_eq!(world.state(), after);
    world.undo();
    assert_eq!(world.state(), before);
    drop(listener);
}

const PAIR: &str = "\
link::add(#{ name: \"left0\", \"type\": \"veth\", peer: \"right0\", up: true, mtu: 1400 });
link::get(\"right0\").up();
link::get(\"left0\").addresses().add([\"203.0.113.1/24\", \"2001:db8:5::1/64\"]);
link::routes().add([\"10.0.0.0/8 via 203.0.113.2\", \"2001:db8:6::/64 via 2001:db8:5::2 src 2001:db8:5::1\"]);
link::rules().add(\"from 203.0.113.0/24 lookup 100\");
link::routes(100).add(\"default via 203.0.113.2 dev left0\");
link::get(\"left0\").neighbours().add(\"203.0.113.2 lladdr 02:00:5e:10:00:02\");
";

fn a_veth_is_made_and_lifted_with_all_on_it(world: &World) {
    let before = world.state();
    let planned = world.fyke_well(&["plan", "--commands", &world.recipe("pair", PAIR)]);
    world.does("pair", PAIR);
    let after = world.state();
    assert_ne!(after, before);
    assert!(!world.fyke_well(&["status"]).out.contains("drift"));
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert_eq!(world.state(), after);
    world.undo();
    assert_eq!(world.state(), before);
    // The commands of a plan do the same, but for what is chosen at random.
    let plain = |lines: Vec<String>| -> Vec<String> {
        let random = |line: &String| !line.starts_with("link") && !line.contains("\"ifindex\"") && !line.starts_with("address of");
        lines.into_iter().filter(random).collect()
    };
    let told = |name: &str| plain(links()).into_iter().map(|line| line.replace(name, "")).collect::<Vec<_>>();
    world.does("pair", PAIR);
    let ours = told("");
    world.undo();
    for line in planned.out.lines().filter(|line| line.starts_with("ip ")) {
        // DAD keeps an address of IPv6 from being a source at once, and fyke waits for it.
        if line.contains(" src ") {
            until("the address is usable", || !ip("-6 addr show dev left0").contains("tentative"));
        }
        ip(line.strip_prefix("ip ").unwrap());
    }
    assert_eq!(told(""), ours);
    ip("link del left0");
    ip("rule del from 203.0.113.0/24");
}

/// A pair of others, with much on it.
pub(super) const FOREIGN: &str = "\
link add left0 index 77 type veth peer name right0
link set left0 up mtu 1400 alias some-alias txqueuelen 55
link set right0 up address 02:00:5e:10:00:01
addr add 203.0.113.1/24 brd + dev left0
addr add 203.0.113.9/24 dev left0
addr add 2001:db8:5::1/64 dev left0 nodad
route add 10.0.0.0/8 via 203.0.113.2 mtu 1300
route add default table 100 nexthop via 203.0.113.2 weight 3 nexthop via 203.0.113.3
route add 2001:db8:6::/64 via 2001:db8:5::2 metric 5
neigh add 203.0.113.2 lladdr 02:00:5e:10:00:02 dev left0
route add 172.16.0.0/12 via 192.0.2.2 src 203.0.113.9
";

fn a_link_is_taken_away_and_made_again(world: &World) {
    tool("ip", &["-batch", "-"], FOREIGN);
    let before = world.state();
    for name in ["left0", "right0"] {
        let script = format!("link::del(\"{name}\");");
        let said = world.fyke_well(&["plan", &world.recipe("del", &script)]);
        assert!(said.out.contains("- left0 type veth") && said.out.contains("- 10.0.0.0/8 via 203.0.113.2"), "{said:?}");
        world.does("del", &script);
        assert!(!links().iter().any(|line| line.contains("left0") || line.contains("203.0.113")));
        world.undo();
        assert_eq!(world.state(), before);
    }
    // A batch later, and one in which it is used, too.
    world.does(
        "mixed",
        "link::get(\"left0\").set(\"mtu 1350\"); link::routes().add(\"11.0.0.0/8 via 203.0.113.2\"); commit(); link::del(\"left0\");",
    );
    world.undo();
    assert_eq!(world.state(), before);
    tool("ip", &["-batch", "-"], "link del left0\nroute del 172.16.0.0/12\n");
    let said = world.run("gone", "link::absent(\"left0\");");
    assert!(said.code == Some(0) && said.err.contains("nothing changed"), "{said:?}");
}

fn links_that_others_use_come_back_in_order(world: &World) {
    tool(
        "ip",
        &["-batch", "-"],
        "link add br7 type bridge\nlink set br7 up\nlink add left0 type veth peer name right0\nlink set left0 master br7 up\naddr add 203.0.113.1/24 dev br7\nlink add link right0 name mac0 type macvlan mode bridge\nlink set mac0 up\n",
    );
    let before = world.state();
    // A port loses its bridge.
    world.does("bridge", "link::del(\"br7\");");
    assert!(!ip("link show left0").contains("master"));
    world.undo();
    assert_eq!(world.state(), before);
    // What stands on a link goes with it, and so does the other end.
    world.does("pair", "link::del(\"left0\");");
    assert!(!ip("link").contains("mac0"));
    world.undo();
    assert_eq!(world.state(), before);
    ip("link del left0");
    ip("link del br7");
}

fn a_name_is_changed_and_comes_back(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    world.does(
        "name",
        "let link = link::get(\"eth0\"); link.set(\"name lan0 mtu 1400\"); link.addresses().add(\"192.0.2.77/24\"); print(link.name);",
    );
    assert!(ip("link show lan0").contains("mtu 1400") && ip("addr show lan0").contains("192.0.2.77"));
    world.passes("192.0.2.2", 80);
    let said = world.run("taken", "link::get(\"lan0\").set(\"name eth1\");");
    assert!(said.code == Some(1) && said.err.contains("there is one of this name already"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    // Somebody else gives it another name: it is the same link all the same.
    world.does("mtu", "link::get(\"eth0\").set(\"mtu 1400\");");
    ip("link set eth0 name wan0");
    world.undo();
    assert!(ip("link show wan0").contains("mtu 1500"));
    ip("link set wan0 name eth0");
    drop(listener);
}

fn a_neighbour_is_set_and_lifted(world: &World) {
    let listener = world.listen(80);
    world.passes("192.0.2.2", 80);
    let before = world.state();
    world.does("neighbour", "link::get(\"eth0\").neighbours().ensure(\"192.0.2.2 lladdr 02:00:5e:10:00:66\");");
    world.is_dropped("192.0.2.2", 80);
    let said = world.fyke_well(&["eval", "link::neighbours().find(\"192.0.2.2\").lladdr"]);
    assert_eq!(said.out, "02:00:5e:10:00:66\n");
    world.undo();
    assert_eq!(world.state(), before);
    world.passes("192.0.2.2", 80);
    let said = world.run("learned", "link::neighbours().del(\"192.0.2.2\");");
    assert!(said.code == Some(1) && said.err.contains("the kernel has made it by itself"), "{said:?}");
    drop(listener);
}

fn a_link_of_somebody_else_is_not_taken_for_ours(world: &World) {
    let before = world.state();
    world.does("pair", "link::add(\"left0 type veth peer name right0\"); link::get(\"left0\").addresses().add(\"203.0.113.1/24\");");
    ip("link del left0");
    ip("link add left0 type veth peer name right0");
    ip("addr add 203.0.113.1/24 dev left0");
    let theirs = links();
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(0) && said.out.contains("drift: link left0: somebody took it away"), "{said:?}");
    assert_eq!(links(), theirs);
    ip("link del left0");
    // Settings and addresses of a link that was made anew are not ours either.
    ip("link add left0 type veth peer name right0");
    world.does("set", "let link = link::get(\"left0\"); link.set(\"mtu 1400\"); link.addresses().ensure(\"203.0.113.1/24\");");
    ip("link del left0");
    tool("ip", &["-batch", "-"], "link add left0 type veth peer name right0\nlink set left0 mtu 1400\naddr add 203.0.113.1/24 dev left0\n");
    let theirs = links();
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(0) && said.out.contains("it is gone, with what it belonged to"), "{said:?}");
    assert_eq!(links(), theirs);
    ip("link del left0");
    // A link that we took away, and somebody made anew under its name, is left to them.
    ip("link add left0 type veth peer name right0");
    world.does("del", "link::del(\"left0\");");
    ip("link add left0 type veth peer name right0");
    let theirs = links();
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.err.contains("left0"), "{said:?}");
    assert_eq!(links(), theirs);
    ip("link del left0");
    world.fyke_well(&["undo", "last"]);
    ip("link del left0");
    assert_eq!(world.state(), before);
}

fn what_others_put_on_a_link_of_ours_stays(world: &World) {
    world.does("pair", "link::add(\"left0 up type veth peer name right0\");");
    ip("addr add 203.0.113.1/24 dev left0");
    ip("link set left0 mtu 1400");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody else put something into it"), "{said:?}");
    assert!(ip("addr show left0").contains("203.0.113.1/24"));
    // What it is set to is no reason to let it stay.
    ip("addr del 203.0.113.1/24 dev left0");
    world.fyke_well(&["undo", "last"]);
    assert!(!ip("link").contains("left0"));
    let said = world.run("stand", "link::add(\"br0 type bridge\");");
    assert_eq!(said.code, Some(0), "{said:?}");
    world.does("later", "link::get(\"br0\").addresses().add(\"203.0.113.1/24\");");
    let said = world.fyke(&["undo", "--recipe", "stand"]);
    assert!(said.code == Some(1) && said.err.contains("came later and builds on it"), "{said:?}");
    world.fyke_well(&["undo", "--all"]);
}

fn two_recipes_share_a_link(world: &World) {
    let before = world.state();
    let script = "link::ensure(\"left0 up type veth peer name right0\").addresses().ensure(\"203.0.113.1/24\");";
    world.fyke_well(&["run", &world.recipe("first", script)]);
    let said = world.fyke_well(&["run", &world.recipe("second", script)]);
    assert!(said.err.contains("relies on what another recipe has set"), "{said:?}");
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("= the link left0 stays: run "), "{said:?}");
    assert!(ip("addr show left0").contains("203.0.113.1/24") && ip("link show left0").contains(",UP"));
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(world.state(), before);
    let said = world.run("other", "link::ensure(\"eth0 type bridge\");");
    assert!(said.code == Some(1) && said.err.contains("it is there, and is another one: veth"), "{said:?}");
}

fn the_last_address_takes_its_routes_along(world: &World) {
    tool(
        "ip",
        &["-batch", "-"],
        "addr add 203.0.113.1/24 dev eth1\naddr add 203.0.113.2/24 dev eth1\nroute add 10.0.0.0/8 via 198.51.100.2\nroute add 10.1.0.0/16 via 192.0.2.2 src 203.0.113.2\nroute add 2001:db8:9::/64 via 2001:db8:1::2 src 2001:db8:1::1\n",
    );
    let before = world.state();
    // The second address of a network goes with the first.
    world.does("primary", "link::get(\"eth1\").addresses().del(\"203.0.113.1\");");
    assert!(!ip("addr").contains("203.0.113.2") && !ip("route").contains("10.1.0.0/16") && ip("route").contains("10.0.0.0/8"));
    world.undo();
    assert_eq!(world.state(), before);
    world.does("all", "let all = link::get(\"eth1\").addresses(); all.absent([\"203.0.113.1/24\", \"198.51.100.1\", \"2001:db8:1::1\"]);");
    assert!(!ip("route").contains("10.0.0.0/8") && !ip("-6 route").contains("src 2001:db8:1::1"));
    world.undo();
    assert_eq!(world.state(), before);
    // Where the kernel lets the second one take its place, it stays.
    std::fs::write("/proc/sys/net/ipv4/conf/eth1/promote_secondaries", "1").unwrap();
    world.does("promote", "link::get(\"eth1\").addresses().del(\"203.0.113.1\");");
    assert!(ip("addr").contains("203.0.113.2"));
    world.undo();
    assert!(ip("addr").contains("203.0.113.1/24") && ip("addr").contains("203.0.113.2/24"));
    std::fs::write("/proc/sys/net/ipv4/conf/eth1/promote_secondaries", "0").unwrap();
    tool(
        "ip",
        &["-batch", "-"],
        "route del 10.0.0.0/8\nroute del 10.1.0.0/16\nroute del 2001:db8:9::/64\naddr del 203.0.113.1/24 dev eth1\naddr del 203.0.113.2/24 dev eth1\n",
    );
}
