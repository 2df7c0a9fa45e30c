//! Filters and actions: packets that they take elsewhere, and what comes back.

use super::shown::queues;
use super::world::{World, in_a_world, tc, tool};

in_a_world! {
    a_filter_takes_packets_away_and_is_lifted
    a_program_drops_packets
    filters_put_packets_into_classes
    what_comes_in_is_slowed_down_behind_another_device
    tables_of_filters_come_back_in_their_order
    a_table_stays_when_its_last_filter_goes
    what_a_qdisc_took_along_comes_back
    what_somebody_did_since_is_left
    numbers_that_nobody_chose_are_those_of_the_kernel
    what_is_read_can_be_set
    two_recipes_share_a_filter
    actions_are_shared_by_their_numbers
    a_plan_says_which_filters_there_would_be
    what_the_kernel_lacks_is_said
    a_failing_run_leaves_no_filter
}

/// Tells whether a line of what tc(8) shows has all of these texts in it.
fn shows(texts: &[&str]) -> bool {
    queues().iter().any(|line| texts.iter().all(|text| line.contains(text)))
}

const STRAY: &str = "\
let eth0 = tc::device(\"eth0\");
eth0.ensure(\"ingress\", \"ingress\");
eth0.ensure_filter(\"ingress\", \"protocol ip pref 7 u32 match ip src 192.0.2.2 action mirred egress redirect dev eth1\");
";

fn a_filter_takes_packets_away_and_is_lifted(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    world.passes("192.0.2.2", 80);
    let said = world.run("stray", STRAY);
    assert!(said.code == Some(0) && said.err.contains("2 changes; lift with"), "{said:?}");
    assert!(shows(&["pref 7 u32 chain 0", "match c0000202/ffffffff at 12", "(Egress Redirect to device eth1) stolen"]), "{:?}", queues());
    world.is_dropped("192.0.2.2", 80);
    world.passes("192.0.2.3", 80);
    // It has counted the packets that it found, and no others.
    let counted = "let of = tc::device(\"eth0\").statistics().filter(|one| \"filter\" in one); print(`${of.len()} ${of[0].filter} ${of[0].packets}`);";
    let said = world.fyke_well(&["eval", counted]);
    let found = tc("-s filter show dev eth0 ingress");
    let sent = found.lines().find_map(|line| line.trim().strip_prefix("Sent ")).unwrap().split(' ').nth(2).unwrap();
    assert_eq!(said.out.trim(), format!("1 filter ::800 at ingress, priority 7 {sent}"), "{said:?} {found}");
    assert_ne!(sent, "0", "{found}");
    let after = world.state();
    let again = world.run("stray", STRAY);
    assert!(again.err.contains("nothing changed"), "{again:?}");
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    world.passes("192.0.2.2", 80);
    world.fyke_well(&["redo"]);
    assert_eq!(world.state(), after);
    world.is_dropped("192.0.2.2", 80);
    world.undo();
    assert_eq!(world.state(), before);
    drop(listener);
}

fn a_program_drops_packets(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    // It drops IPv4 packets, but no ARP: the protocol is that of the filter.
    let text =
        "tc::qdisc(\"add dev eth0 clsact\"); tc::filter(\"add dev eth0 ingress protocol ip bpf bytecode '1,6 0 0 2' direct-action\");";
    let said = world.run("program", text);
    assert!(
        said.code == Some(0) && shows(&["pref 49152 bpf chain 0 handle 0x1", "direct-action", "bytecode '1,6 0 0 2'"]),
        "{said:?} {:?}",
        queues()
    );
    world.is_dropped("192.0.2.2", 80);
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    world.undo();
    world.passes("192.0.2.2", 80);
    assert_eq!(world.state(), before);
    drop(listener);
}

/// Gives how many packets a class has sent.
fn packets(class: &str) -> u64 {
    let shown = tc(&format!("-s class show dev eth0 classid {class}"));
    shown.split_once("bytes ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

fn filters_put_packets_into_classes(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    let text = "\
let eth0 = tc::device(\"eth0\");
eth0.add(\"root\", \"handle 1: htb default 20\");
eth0.add_class(\"1:10\", \"htb rate 100mbit\");
eth0.add_class(\"1:20\", \"htb rate 100mbit\");
eth0.add_filter(\"1:\", #{ protocol: \"ip\", pref: 1, kind: \"u32\", \"match\": [\"ip dst 192.0.2.3\", \"ip sport 80 0xffff\"], classid: \"1:10\" });
";
    assert_eq!(world.run("classes", text).code, Some(0));
    world.passes("192.0.2.2", 80);
    assert_eq!(packets("1:10"), 0);
    world.passes("192.0.2.3", 80);
    assert!(packets("1:10") > 0, "{}", tc("-s class show dev eth0"));
    // A class into which a filter leads does not go before it.
    let said = world.run("class", "tc::device(\"eth0\").del_class(\"1:10\");");
    assert!(said.code == Some(4) && said.err.contains("a filter"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    drop(listener);
}

fn what_comes_in_is_slowed_down_behind_another_device(world: &World) {
    tool("ip", &["link", "add", "ifb0", "type", "ifb"], "");
    tool("ip", &["link", "set", "ifb0", "up"], "");
    let before = world.state();
    let listener = world.listen(80);
    let text = "\
tc::qdisc([\"add dev eth0 ingress\", \"add dev ifb0 root tbf rate 1mbit burst 4kb latency 50ms\"]);
tc::filter(\"add dev eth0 ingress protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0\");
";
    assert_eq!(world.run("behind", text).code, Some(0));
    world.passes("192.0.2.2", 80);
    let shown = tc("-s qdisc show dev ifb0");
    let sent: u64 = shown.split_once("Sent ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(sent > 0, "{shown}");
    world.undo();
    world.passes("192.0.2.2", 80);
    assert_eq!(world.state(), before);
    drop(listener);
    tool("ip", &["link", "del", "ifb0"], "");
}

/// Tables that others lead to, of another priority and of their own, as somebody has set them.
fn tables() {
    tc("qdisc add dev eth0 root handle 1: htb default 10");
    tc("class add dev eth0 parent 1: classid 1:10 htb rate 10mbit");
    tc("filter add dev eth0 parent 1: prio 99 handle 43: u32 divisor 256");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 handle 2: u32 divisor 4");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 ht 2:1: match ip src 10.0.0.1 flowid 1:10");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 ht 2:1: match ip src 10.0.0.5 flowid 1:10");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip dst 10.0.0.0/24 hashkey mask 0x00000003 at 12 link 2:");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip dst 10.1.0.0/24 link 43:");
    tc("filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip protocol 6 0xff offset at 0 mask 0x0f00 shift 6 plus 0 eat link 43:");
    tc("filter add dev eth0 parent 1: protocol ipv6 prio 6 u32 match ip6 dst 2001:db8::/33 action mirred egress mirror dev eth1 pipe");
}

/// With the last filter of u32 that looks at packets the kernel takes away the tables, too.
fn a_table_stays_when_its_last_filter_goes(world: &World) {
    let first = "filter add dev eth0 ingress protocol ip prio 5 u32 ht 2:1: match ip src 10.0.0.1 flowid 1:10";
    tc("qdisc add dev eth0 clsact");
    tc("filter add dev eth0 ingress protocol ip prio 5 handle 2: u32 divisor 4");
    let before = world.state();
    assert_eq!(world.run("first", &format!("tc::{};", first.replacen(' ', "(\"", 1) + "\")")).code, Some(0));
    assert!(shows(&["fh 2:1:800"]), "{:?}", queues());
    world.undo();
    assert_eq!(world.state(), before);
    tc(first);
    let with = world.state();
    for text in [
        "tc::device(\"eth0\").del_filter(\"ingress\", \"pref 5 handle 2:1:800 u32\");",
        "tc::filter(\"replace dev eth0 ingress protocol ip prio 5 handle 2:1:800 u32 ht 2:1: match ip src 10.0.0.9 flowid 1:10\");",
    ] {
        let said = world.run("last", text);
        assert!(said.code == Some(0) && shows(&["fh 2: ht divisor 4"]) && !shows(&["match 0a000001"]), "{said:?} {:?}", queues());
        world.undo();
        assert_eq!(world.state(), with, "{text}");
    }
    tc("qdisc del dev eth0 clsact");
}

fn tables_of_filters_come_back_in_their_order(world: &World) {
    tables();
    let before = world.state();
    for text in [
        "tc::filter(\"del dev eth0 parent 1:\");",
        "tc::filter(\"del dev eth0 parent 1: prio 5\"); tc::filter(\"del dev eth0 parent 1: prio 99\");",
        "tc::device(\"eth0\").del_filter(\"1:\", \"pref 5 handle 2:1:800 u32\");",
        "tc::device(\"eth0\").absent_filter(\"1:\", \"pref 6\"); tc::device(\"eth0\").absent_filter(\"1:\", \"pref 7\");",
        "tc::filter(\"replace dev eth0 parent 1: protocol ip prio 5 handle 2:1:800 u32 ht 2:1: match ip src 10.0.0.9 flowid 1:10\");",
        "tc::filter(\"change dev eth0 parent 1: protocol ip prio 5 handle 2:1:800 u32 ht 2:1: flowid 1:10 action mirred egress redirect dev eth1\");",
        "tc::filter([\"add dev eth0 parent 1: protocol ip prio 5 handle 7: u32 divisor 1\", \"add dev eth0 parent 1: protocol ip prio 5 u32 ht 7: match u8 0 0 flowid 1:10\"]);",
    ] {
        let said = world.run("filters", text);
        assert!(said.code == Some(0) && said.err.contains("lift with"), "{text}: {said:?}");
        let after = world.state();
        assert_ne!(after, before, "{text}");
        let said = world.fyke_well(&["status"]);
        assert!(!said.out.contains("drift"), "{text}: {said:?}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
        world.fyke_well(&["redo"]);
        assert_eq!(world.state(), after, "{text}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
    }
    let said = world.run("table", "tc::filter(\"add dev eth0 parent 1: protocol ip prio 5 u32 ht 9: match u8 0 0 flowid 1:10\");");
    assert!(said.code == Some(2) && said.err.contains("there is no table of filters 9:"), "{said:?}");
    tc("qdisc del dev eth0 root");
    // The only priority, whose tables go with its last filter.
    tc("qdisc add dev eth0 clsact");
    tc("filter add dev eth0 ingress protocol ip prio 5 handle 2: u32 divisor 4");
    tc("filter add dev eth0 ingress protocol ip prio 5 u32 ht 2:1: match ip src 10.0.0.1 flowid 1:10");
    let before = world.state();
    assert_eq!(world.run("only", "tc::device(\"eth0\").del_filter(\"ingress\", \"\");").code, Some(0));
    world.undo();
    assert_eq!(world.state(), before);
    tc("qdisc del dev eth0 clsact");
}

fn what_a_qdisc_took_along_comes_back(world: &World) {
    tables();
    tc("qdisc add dev eth0 clsact");
    tc("filter add dev eth0 ingress protocol ip prio 3 u32 match ip src 198.51.100.9 action mirred egress redirect dev eth1 index 5");
    let words = ["filter", "add", "dev", "eth0", "egress", "protocol", "all", "bpf", "bytecode", "1,6 0 0 4294967295", "flowid", "1:10"];
    tool("tc", &words, "");
    let before = world.state();
    for text in [
        "tc::device(\"eth0\").ensure(\"root\", \"tbf rate 1mbit burst 32kbit latency 400ms\");",
        "tc::device(\"eth0\").absent(\"root\"); tc::device(\"eth0\").absent(\"ingress\");",
        "tc::qdisc(\"replace dev eth0 root handle 1: htb default 10 r2q 5\");",
    ] {
        let said = world.run("over", text);
        assert_eq!(said.code, Some(0), "{text}: {said:?}");
        let after = world.state();
        assert!(!shows(&["match 0a000001/ffffffff"]), "{text}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
        world.fyke_well(&["redo"]);
        assert_eq!(world.state(), after, "{text}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
    }
    tc("qdisc del dev eth0 root");
    tc("qdisc del dev eth0 clsact");
}

fn what_somebody_did_since_is_left(world: &World) {
    let before = world.state();
    let text = "\
tc::qdisc(\"add dev eth0 clsact\");
tc::filter([\"add dev eth0 ingress protocol ip pref 1 u32 match ip src 10.0.0.1 action mirred egress redirect dev eth1\",
            \"add dev eth0 ingress protocol ip pref 2 u32 match ip src 10.0.0.2 action mirred egress redirect dev eth1\"]);
";
    assert_eq!(world.run("filters", text).code, Some(0));
    // One is taken away, and another one is made into something else.
    tc("filter del dev eth0 ingress pref 1");
    tc("filter replace dev eth0 ingress protocol ip pref 2 handle 801::800 u32 match ip src 10.0.0.2 action mirred egress mirror dev eth1");
    let said = world.fyke_well(&["status"]);
    assert!(
        said.out.contains("somebody took it away")
            && said.out.contains("somebody set it to u32 match ip src 10.0.0.2/32 action mirred egress mirror dev eth1"),
        "{said:?}"
    );
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("which somebody changed, is in it"), "{said:?}");
    assert!(shows(&["Egress Mirror to device eth1"]), "{:?}", queues());
    world.fyke_well(&["undo", "--force", "last"]);
    assert_eq!(world.state(), before);
    // What others put beside ours stays, and keeps the qdisc in which it is.
    assert_eq!(world.run("filters", text).code, Some(0));
    tc("filter add dev eth0 ingress protocol ip pref 3 u32 match ip src 10.0.0.3 action mirred egress redirect dev eth1");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody else put something into it"), "{said:?}");
    assert!(shows(&["pref 3", "0a000003"]) && !shows(&["pref 1 "]), "{:?}", queues());
    world.fyke_well(&["undo", "--force", "last"]);
    assert_eq!(world.state(), before);
}

fn numbers_that_nobody_chose_are_those_of_the_kernel(world: &World) {
    let before = world.state();
    let lines = [
        "filter add dev eth0 ingress protocol ip u32 match ip src 10.0.0.1 action mirred egress redirect dev eth1",
        "filter add dev eth0 ingress protocol ip u32 match ip src 10.0.0.2 action mirred egress redirect dev eth1",
        "filter add dev eth0 ingress protocol ip pref 9 u32 match ip src 10.0.0.3 action mirred egress redirect dev eth1",
        "filter add dev eth0 ingress protocol ip pref 9 u32 match ip src 10.0.0.4 action mirred egress redirect dev eth1",
        "filter add dev eth0 ingress protocol all pref 11 bpf bytecode '1,6 0 0 1' flowid 1:1",
        "filter add dev eth0 ingress protocol all pref 11 bpf bytecode '1,6 0 0 2' flowid 1:1",
        "filter add dev eth0 ingress chain 4 protocol ip pref 20 u32 match ip src 10.0.0.5 action mirred egress redirect dev eth1",
    ];
    tc("qdisc add dev eth0 clsact");
    tool("tc", &["-batch", "-"], &lines.join("\n"));
    let theirs = queues();
    tc("qdisc del dev eth0 clsact");
    let list: Vec<String> = lines.iter().map(|line| format!("`{line}`")).collect();
    let said = world.run("numbers", &format!("tc::qdisc(\"add dev eth0 clsact\");\ntc::filter([{}]);", list.join(", ")));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(queues(), theirs);
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_is_read_can_be_set(world: &World) {
    tables();
    tc("qdisc add dev eth0 clsact");
    tc("filter add dev eth0 ingress protocol ip prio 3 u32 match ip src 198.51.100.9 action mirred egress redirect dev eth1 index 5");
    let before = world.state();
    let text = "let eth0 = tc::device(\"eth0\"); for filter in eth0.filters() { eth0.ensure_filter(filter.place, filter); } print(eth0.filters().len());";
    let said = world.run("again", text);
    assert!(said.code == Some(0) && said.err.contains("nothing changed") && said.out.trim() == "9", "{said:?}");
    // To the filter, with all its numbers.
    let text = "let eth0 = tc::device(\"eth0\"); let all = eth0.filters(); eth0.absent_filter(\"1:\", \"\"); commit(); for filter in all { eth0.ensure_filter(filter.place, filter); }";
    let said = world.run("anew", text);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(world.state(), before);
    world.undo();
    assert_eq!(world.state(), before);
    tc("qdisc del dev eth0 root");
    tc("qdisc del dev eth0 clsact");
}

fn two_recipes_share_a_filter(world: &World) {
    let before = world.state();
    assert_eq!(world.run("one", STRAY).code, Some(0));
    let after = world.state();
    assert_eq!(world.run("two", STRAY).code, Some(0));
    world.fyke_well(&["undo", "--recipe", "one"]);
    assert_eq!(world.state(), after);
    world.fyke_well(&["undo", "--recipe", "two"]);
    assert_eq!(world.state(), before);
}

fn actions_are_shared_by_their_numbers(world: &World) {
    let before = world.state();
    let text = "\
tc::actions([\"add action mirred egress redirect dev eth1 index 7\", \"add action mirred egress mirror dev eth0\"]);
tc::qdisc(\"add dev eth0 clsact\");
tc::filter([\"add dev eth0 ingress protocol ip pref 1 u32 match ip src 10.0.0.1 action mirred index 7\",
            \"add dev eth0 ingress protocol ip pref 2 u32 match ip src 10.0.0.2 action mirred index 7\"]);
";
    let said = world.run("shared", text);
    assert_eq!(said.code, Some(0), "{said:?}");
    let shown = tc("actions list action mirred");
    assert!(
        shown.contains("index 7 ref 3 bind 2") && shown.contains("Egress Mirror to device eth0") && shown.contains("index 1 ref 1 bind 0"),
        "{shown}"
    );
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    let said =
        world.run("change", "tc::actions(\"replace action mirred egress mirror dev eth1 index 7\"); print(tc::list_actions(\"mirred\"));");
    assert!(said.code == Some(0) && shows(&["pref 1 ", "Egress Mirror to device eth1"]), "{said:?}");
    world.undo();
    assert!(shows(&["pref 1 ", "Egress Redirect to device eth1"]));
    let said = world.run("gone", "tc::actions(\"del action mirred index 7\");");
    assert!(said.code == Some(4) && said.err.contains("a filter uses it"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    assert!(!tc("actions list action mirred").contains("index"), "{}", tc("actions list action mirred"));
}

fn a_plan_says_which_filters_there_would_be(world: &World) {
    let before = world.state();
    let said = world.fyke_well(&["plan", &world.recipe("stray", STRAY)]);
    let wanted = "filter :: 800 at ingress, priority 7 of eth0".replace(":: 800", "::800");
    assert!(
        said.out.contains(&wanted) && said.out.contains("u32 match ip src 192.0.2.2/32 action mirred egress redirect dev eth1"),
        "{said:?}"
    );
    let said = world.fyke_well(&["plan", "--commands", &world.recipe("stray", STRAY)]);
    let line = "tc filter add dev eth0 ingress protocol ip pref 7 handle ::800 u32 match ip src 192.0.2.2/32 action mirred egress redirect dev eth1";
    assert!(said.out.contains(line), "{said:?}");
    assert_eq!(world.state(), before);
    // What is printed, tc(8) takes.
    for command in said.out.lines() {
        tc(command.strip_prefix("tc ").unwrap());
    }
    let theirs = world.state();
    tc("qdisc del dev eth0 ingress");
    assert_eq!(world.run("stray", STRAY).code, Some(0));
    assert_eq!(world.state(), theirs);
    world.undo();
}

fn what_the_kernel_lacks_is_said(world: &World) {
    let probe =
        std::process::Command::new("tc").args(["filter", "add", "dev", "eth0", "ingress", "matchall", "action", "pass"]).output().unwrap();
    let lacks = String::from_utf8_lossy(&probe.stderr).contains("not found");
    if !lacks {
        println!("skipped: this kernel has matchall, or says something else: {probe:?}");
        return;
    }
    let text = "tc::qdisc(\"add dev eth0 ingress\"); tc::filter(\"add dev eth0 ingress matchall action mirred egress redirect dev eth1\");";
    let said = world.run("lacks", text);
    assert!(said.code == Some(7) && said.err.contains("TC classifier not found") && said.err.contains("cls_matchall"), "{said:?}");
    let text = "tc::qdisc(\"add dev eth0 ingress\"); tc::filter(\"add dev eth0 ingress protocol ip u32 match u8 0 0 action drop\");";
    let said = world.run("lacks", text);
    assert!(said.code == Some(7) && said.err.contains("act_"), "{said:?}");
    let said = world.run("wrong", "tc::filter(\"add dev eth0 ingress protocol ip u32 match u8 0 0 flowid 1:1\");");
    assert!(said.code == Some(1) && said.err.contains("there is no qdisc ffff: on eth0"), "{said:?}");
    let said = world.run("root", "tc::filter(\"add dev eth0 protocol ip u32 match u8 0 0 flowid 1:1\");");
    assert!(said.code == Some(1) && said.err.contains("its root qdisc is the kernel's own"), "{said:?}");
}

fn a_failing_run_leaves_no_filter(world: &World) {
    tables();
    let before = world.state();
    let text = "tc::filter(\"del dev eth0 parent 1: prio 5\"); commit(); tc::filter(\"add dev eth0 parent 1: protocol ip prio 5 u32 match u8 0 0 flowid 1:10\"); commit(); throw \"as asked\";";
    let said = world.run("throws", text);
    assert!(said.code == Some(1), "{said:?}");
    assert_eq!(world.state(), before);
    // A refusal in the middle of a batch.
    let text = "tc::filter([\"add dev eth0 parent 1: protocol ip prio 8 u32 match u8 0 0 flowid 1:10\", \"add dev eth0 parent 1: protocol arp prio 8 u32 match u8 0 0 flowid 1:10\"]);";
    let said = world.run("refused", text);
    assert!(said.code == Some(1) && said.err.contains("refused.rhai:1:"), "{said:?}");
    assert_eq!(world.state(), before);
    tc("qdisc del dev eth0 root");
}
