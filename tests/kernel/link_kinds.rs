//! The kinds of links, what they are set to, and how both are listed and refused.

use super::link::FOREIGN;
use super::world::{World, in_a_world, ip, links, tool, until};

in_a_world! {
    settings_are_read_as_they_are_set
    links_are_listed_as_ip_lists_them
    kinds_of_links_are_made
    what_stands_on_a_link_gets_its_mtu
    what_cannot_be_done_is_said
    what_a_plan_cannot_know
}

fn settings_are_read_as_they_are_set(world: &World) {
    let before = world.state();
    let script = "let link = link::get(\"eth1\");
        link.set(\"mtu 1400 txqueuelen 77 alias test-alias address 02:00:5e:10:00:01 promisc on allmulticast on multicast off arp off\");
        let map = link.to_map();
        print([map.mtu, map.txqueuelen, map.alias, map.address, map.promisc, map.allmulticast, map.multicast, map.arp]);";
    let wanted = "[1400, 77, \"test-alias\", \"02:00:5e:10:00:01\", true, true, false, false]";
    let planned = world.fyke_well(&["plan", &world.recipe("set", script)]);
    assert!(planned.out.contains("eth1 mtu 1500 becomes mtu 1400"), "{planned:?}");
    let said = world.run("set", script);
    assert!(said.code == Some(0) && said.out.contains(wanted), "{said:?}");
    let said = world.fyke_well(&["eval", "let map = link::get(\"eth1\").to_map(); [map.mtu, map.txqueuelen, map.alias, map.address, map.promisc, map.allmulticast, map.multicast, map.arp].to_string()"]);
    assert_eq!(said.out.trim(), wanted);
    let again = world.run("again", "link::get(\"eth1\").set(\"mtu 1400\");");
    assert!(again.code == Some(0) && again.err.contains("relies on"), "{again:?}");
    world.fyke_well(&["undo", "--recipe", "again"]);
    world.undo();
    assert_eq!(world.state(), before);
    let said = world.run("small", "link::get(\"eth1\").set(\"mtu 10\");");
    assert!(
        said.code == Some(1) && said.err.contains("cannot set the mtu of the link eth1 to 10") && said.err.contains("less than"),
        "{said:?}"
    );
    // IPv6 leaves a link that has no room for it, and comes back.
    world.does("room", "link::get(\"eth1\").set(\"mtu 1000\");");
    assert!(!ip("-6 addr show eth1").contains("2001:db8:1::1"));
    world.undo();
    until("IPv6 is back", || ip("-6 addr show eth1").contains("2001:db8:1::1"));
    assert_eq!(world.state(), before);
}

fn links_are_listed_as_ip_lists_them(world: &World) {
    tool("ip", &["-batch", "-"], FOREIGN);
    tool(
        "ip",
        &["-batch", "-"],
        "link add br7 type bridge\nlink set eth1 master br7\nlink add link right0 name mac0 type macvlan mode private\n",
    );
    let said = world.fyke_well(&["--json", "eval", "link::list()"]);
    let ours: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let ours = ours.get("value").unwrap_or(&ours).as_array().unwrap().clone();
    let theirs: Vec<serde_json::Value> = serde_json::from_str(&ip("-j -d link")).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for link in theirs {
        let mine = ours.iter().find(|mine| mine["name"] == link["ifname"]).unwrap();
        let pairs = [
            ("index", "ifindex"),
            ("mtu", "mtu"),
            ("address", "address"),
            ("master", "master"),
            ("txqueuelen", "txqlen"),
            ("alias", "ifalias"),
        ];
        for (key, name) in pairs {
            let (mine, theirs) = (mine.get(key).unwrap_or(&serde_json::Value::Null), link.get(name).unwrap_or(&serde_json::Value::Null));
            assert!(mine == theirs || name == "txqlen" && theirs.is_null(), "{key} of {link}: {mine}");
        }
        let kind = &link["linkinfo"]["info_kind"];
        assert_eq!(mine.get("type").unwrap_or(&serde_json::Value::Null), kind, "{link}");
        let is_up = link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP");
        assert_eq!(mine["up"], is_up, "{link}");
        match kind.as_str() {
            Some("veth") if link.get("link").is_some() => assert_eq!(mine["peer"], link["link"], "{link}"),
            Some("macvlan") => assert_eq!((&mine["mode"], &mine["link"]), (&link["linkinfo"]["info_data"]["mode"], &link["link"])),
            _ => {}
        }
    }
    let said = world.fyke_well(&["--json", "eval", "link::get(\"left0\").addresses().list()"]);
    for address in ["203.0.113.1/24", "203.0.113.9/24", "2001:db8:5::1/64", "203.0.113.255"] {
        assert!(said.out.contains(&format!("\"{address}\"")), "{said:?}");
    }
    tool("ip", &["-batch", "-"], "link del mac0\nlink del br7\nlink del left0\nroute del 172.16.0.0/12\n");
}

/// Makes one of each kind that the kernel of this machine has; the others are for the kernel of the virtual machine.
fn kinds_of_links_are_made(world: &World) {
    let before = world.state();
    let kinds = [
        ("br7 type bridge stp_state 1 priority 4096 ageing_time 1000", "bridge"),
        ("link eth1 name mac0 type macvlan mode private", "macvlan"),
        ("vx0 type vxlan id 77 remote 192.0.2.2 local 192.0.2.1 dstport 4789 nolearning dev eth0 ttl 8", "vxlan"),
        ("vx6 type vxlan id 78 remote 2001:db8::2 dstport 4790", "vxlan"),
        ("left0 type veth peer name right0", "veth"),
        ("ifb7 type ifb", "ifb"),
        ("tun7 type tun", "tun"),
        ("tap7 type tap user 7", "tap"),
        ("dum0 type dummy", "dummy"),
        ("link eth1 name eth1.7 type vlan id 7", "vlan"),
        ("link eth1 name ipv0 type ipvlan mode l3", "ipvlan"),
        ("wg0 type wireguard", "wireguard"),
    ];
    for (words, kind) in kinds {
        let said = world.run(kind, &format!("let made = link::add(\"{words}\"); commit(); print(made.to_map());"));
        if said.code == Some(7) {
            println!("skipped: no {kind} in this kernel: {}", said.err.lines().next().unwrap());
            continue;
        }
        assert_eq!(said.code, Some(0), "{words}: {said:?}");
        let options: Vec<&str> = words.split(" type ").nth(1).unwrap().split(' ').skip(1).collect();
        for pair in options
            .chunks(2)
            .filter(|pair| pair.len() == 2 && !["peer", "nolearning", "dev"].contains(&pair[0]) && pair[0].parse::<u32>().is_err())
        {
            let (plain, quoted) = (format!("\"{}\": {}", pair[0], pair[1]), format!("\"{}\": \"{}\"", pair[0], pair[1]));
            let flag = format!("\"{}\": true", pair[0]);
            assert!(
                [plain, quoted, flag].iter().any(|shown| said.out.contains(shown)) || words.contains("nolearning"),
                "{words}: {pair:?}: {said:?}"
            );
        }
        let after = links();
        let again = world.run(&format!("{kind}-again"), &format!("link::ensure(\"{words}\");"));
        assert!(again.code == Some(0), "{words}: {again:?}");
        // Taken away and made again, it is what it was.
        let name = words.split(' ').find(|word| word.ends_with(['0', '6', '7']) && *word != "eth0").unwrap();
        world.does("del", &format!("link::del(\"{name}\");"));
        world.undo();
        assert_eq!(links(), after, "{words}");
        world.fyke_well(&["undo", "--all"]);
        assert_eq!(world.state(), before, "{words}");
    }
}

fn what_stands_on_a_link_gets_its_mtu(world: &World) {
    tool("ip", &["-batch", "-"], "link add link eth1 name mac0 type macvlan\nlink set mac0 up\naddr add 2001:db8:9::1/64 dev mac0 nodad\n");
    let before = world.state();
    world.fyke_well(&["run", &world.recipe("small", "link::get(\"eth1\").set(\"mtu 1400\");")]);
    assert!(ip("link show mac0").contains("mtu 1400"));
    world.undo();
    assert!(ip("link show mac0").contains("mtu 1500"));
    assert_eq!(world.state(), before);
    let planned = world.fyke_well(&["plan", &world.recipe("tiny", "link::get(\"eth1\").set(\"mtu 1000\");")]);
    assert!(planned.out.contains("mac0 mtu 1500 becomes mtu 1000") && planned.out.contains("2001:db8:9::1/64"), "{planned:?}");
    world.fyke_well(&["run", &world.recipe("tiny", "link::get(\"eth1\").set(\"mtu 1000\");")]);
    assert!(!ip("-6 addr show mac0").contains("2001:db8:9::1"));
    world.undo();
    until("IPv6 is back", || ip("-6 addr show mac0").contains("2001:db8:9::1"));
    assert_eq!(world.state(), before);
    ip("link del mac0");
}

fn what_cannot_be_done_is_said(world: &World) {
    let cases = [
        ("link::get(\"eth9\");", "there is no such link"),
        ("link::get(\"eht0\");", "did you mean `eth0`?"),
        ("link::add(\"eth0 type bridge\");", "there is one of this name already"),
        ("link::add(\"x type veth\");", "both ends need a name"),
        ("link::add(\"x type veth peer name eth1\");", "there is one of this name already"),
        ("link::add(\"x type vlan id 7\");", "a vlan stands on a link"),
        ("link::add(\"link eth0 name x type vlan id 4096\");", "id takes a number from 0 to 4095"),
        ("link::add(\"x type bridge stp 1\");", "a bridge has no option \"stp\""),
        ("link::del(\"lo\");", "it is a piece of hardware, or the loopback"),
        ("link::del(\"eth0\");", "its other end is in another namespace"),
        ("link::get(\"eth0\").set(\"\");", "nothing is set"),
        ("link::get(\"eth0\").set(\"mtu 1 mtu 2\");", "stands there twice"),
        ("link::get(\"eth0\").addresses().add(\"192.0.2.300/24\");", "neither four decimal numbers nor an IPv6 address"),
        ("link::get(\"eth0\").addresses().del(\"192.0.2.99\");", "nothing there is meant by it"),
        ("link::get(\"eth0\").addresses().ensure(\"192.0.2.1/24 brd +\");", "it is there, and is another one"),
    ];
    for (script, why) in cases {
        let said = world.run("wrong", script);
        assert!(
            [Some(1), Some(2)].contains(&said.code) && said.err.contains(why) && said.err.contains("wrong.rhai:1:"),
            "{script}: {said:?}"
        );
    }
}

fn what_a_plan_cannot_know(world: &World) {
    let said =
        world.fyke(&["plan", &world.recipe("unknown", "let one = link::add(\"br7 type bridge\");\nprint(one.mtu);\nlink::del(\"br7\");")]);
    assert!(said.code == Some(0) && said.out.contains("+ br7 type bridge") && format!("{said:?}").contains("unknown.rhai:2:"), "{said:?}");
}
