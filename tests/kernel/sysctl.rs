//! Kernel parameters: what is set, what follows, what comes back, and who relies on whom.

use std::fs;

use super::world::{World, in_a_world, tool};

in_a_world! {
    forwarding_comes_back_as_it_was
    what_another_recipe_relies_on_stays
    the_last_run_is_the_one_that_was_set_again_last
    what_is_set_again_beside_others_is_no_drift
    what_a_run_had_taken_away_itself_is_nobody_elses
    a_value_that_the_kernel_refuses_is_a_fault
    what_somebody_set_since_is_left
    a_plan_knows_what_follows
    the_order_of_a_script_holds
    a_host_without_iptables_sets_parameters
    each_namespace_has_its_own
    what_ipv6_takes_along_comes_back_with_it
    the_parameters_and_names_of_a_link_come_back_with_it
}

fn read(key: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/{key}")).unwrap().trim_end().to_owned()
}

fn write(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{key}"), value).unwrap();
}

const FORWARD: &str = "sysctl::ensure(\"net.ipv4.ip_forward\", 1);";

fn forwarding_comes_back_as_it_was(world: &World) {
    tool("ip", &["link", "add", "one", "type", "veth", "peer", "two"], "");
    write("ipv4/conf/one/forwarding", "1");
    write("ipv4/conf/all/accept_redirects", "0");
    let before = world.state();
    let said = world.run("forward", FORWARD);
    assert!(said.code == Some(0) && said.err.contains("changes; lift with"), "{said:?}");
    assert_eq!((read("ipv4/conf/two/forwarding"), read("ipv4/conf/all/forwarding")), ("1".into(), "1".into()));
    let again = world.run("forward", FORWARD);
    assert!(again.code == Some(0) && format!("{again:?}").contains("nothing changed"), "{again:?}");
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert_eq!(read("ipv4/ip_forward"), "1");
    world.undo();
    assert_eq!(world.state(), before);
    tool("ip", &["link", "del", "one"], "");
    write("ipv4/conf/all/accept_redirects", "1");
}

fn what_another_recipe_relies_on_stays(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    world.fyke_well(&["run", &world.recipe("second", FORWARD)]);
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("= the parameter net.ipv4.ip_forward stays: run ") && !said.out.contains("drift"), "{said:?}");
    assert_eq!((read("ipv4/ip_forward"), read("ipv4/conf/lo/forwarding")), ("1".into(), "1".into()));
    let said = world.fyke_well(&["status"]);
    assert!(said.out.contains("second") && !said.out.contains("drift"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(world.state(), before);
    // The other way round, the first one is what lifts it.
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    world.fyke_well(&["run", &world.recipe("second", FORWARD)]);
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(read("ipv4/ip_forward"), "1");
    world.undo();
    assert_eq!(world.state(), before);
    // However often a recipe is run, it relies on it once.
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    let once = world.fyke_well(&["run", &world.recipe("second", FORWARD)]);
    assert!(once.err.contains("relies on what another recipe has set; lift with"), "{once:?}");
    let again = world.fyke_well(&["run", &world.recipe("second", FORWARD)]);
    assert_eq!(again.err, "nothing changed\n");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
    // A failing run in between changes nothing of that.
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    assert_eq!(world.run("third", &format!("{FORWARD} commit(); throw \"no\";")).code, Some(1));
    assert_eq!(read("ipv4/ip_forward"), "1");
    world.undo();
}

fn the_last_run_is_the_one_that_was_set_again_last(world: &World) {
    let before = world.state();
    let ttl = |value: u8| format!("sysctl::ensure(\"net.ipv4.ip_default_ttl\", {value});");
    world.fyke_well(&["run", &world.recipe("one", FORWARD)]);
    world.fyke_well(&["run", &world.recipe("two", &ttl(65))]);
    for recipe in ["one", "two"] {
        world.fyke_well(&["undo", "--recipe", recipe]);
    }
    // What was lifted last comes back first, and what was set again last is lifted first.
    world.fyke_well(&["redo", "last"]);
    assert_eq!((read("ipv4/ip_default_ttl"), read("ipv4/ip_forward")), ("65".into(), "0".into()));
    world.fyke_well(&["redo", "last"]);
    assert_eq!((read("ipv4/ip_default_ttl"), read("ipv4/ip_forward")), ("65".into(), "1".into()));
    world.fyke_well(&["undo", "last"]);
    assert_eq!((read("ipv4/ip_default_ttl"), read("ipv4/ip_forward")), ("65".into(), "0".into()));
    world.fyke_well(&["undo", "last"]);
    assert_eq!(world.state(), before);
}

fn what_is_set_again_beside_others_is_no_drift(world: &World) {
    let before = world.state();
    let id = |recipe: &str| {
        let said = world.fyke_well(&["--json", "history"]);
        let runs: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
        let run = runs.iter().rfind(|run| run["kind"] == "run" && run["owner"]["recipe"] == recipe).unwrap();
        run["id"].as_str().unwrap().to_owned()
    };
    // Beside one that relies on the same.
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    world.fyke_well(&["run", &world.recipe("second", FORWARD)]);
    world.fyke_well(&["undo", "--recipe", "first"]);
    world.fyke_well(&["redo", &id("first")]);
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
    // Beside one that was lifted in part.
    world.fyke_well(&["run", &world.recipe("first", FORWARD)]);
    world.fyke_well(&["undo", "last"]);
    world.fyke_well(&["run", &world.recipe("stuck", &format!("{FORWARD} sysctl::ensure(\"net.ipv4.ip_default_ttl\", 65);"))]);
    write("ipv4/ip_default_ttl", "70");
    assert_eq!(world.fyke(&["undo", "last"]).code, Some(3));
    world.fyke_well(&["redo", &id("first")]);
    let said = world.fyke(&["status"]);
    let drift: Vec<&str> = said.out.lines().filter(|line| line.starts_with("! drift")).collect();
    assert!(drift.len() == 1 && drift[0].ends_with("ip_default_ttl: somebody set it to 70"), "{said:?}");
    assert!(said.out.lines().any(|line| line.contains("  first  ") && line.ends_with("in force")), "{said:?}");
    world.fyke_well(&["undo", "--all", "--force"]);
    assert_eq!(world.state(), before);
}

fn what_a_run_had_taken_away_itself_is_nobody_elses(world: &World) {
    let before = world.state();
    let set = "ipset::absent_set(\"mine\"); ipset::ensure_set(\"mine\", \"hash:ip\").ensure(\"192.0.2.1\");";
    for _ in 0..2 {
        world.fyke_well(&["run", &world.recipe("anew", set)]);
    }
    let after = world.state();
    world.fyke_well(&["undo", "last"]);
    assert_eq!(world.state(), after);
    world.fyke_well(&["undo", "last"]);
    assert_eq!(world.state(), before);
}

fn a_value_that_the_kernel_refuses_is_a_fault(world: &World) {
    let said = world.run("wrong", "sysctl::set(\"net.ipv4.tcp_ecn\", 1);\nsysctl::set(\"net.ipv4.ip_local_port_range\", \"9 1\");");
    assert!(
        said.code == Some(1) && said.err.contains("the kernel does not take this value") && said.err.contains("wrong.rhai:2:"),
        "{said:?}"
    );
    assert!(said.err.contains("cannot set the parameter net.ipv4.ip_local_port_range to 9 1"), "{said:?}");
    let said = world.run("missing", "sysctl::set(\"net.ipv4.ip_froward\", 1);");
    assert!(said.code == Some(2) && said.err.contains("did you mean `net.ipv4.ip_forward`?"), "{said:?}");
    let said = world.run("elsewhere", "sysctl::set(\"kernel.hostname\", \"x\");");
    assert!(said.err.contains("only parameters under `net.`"), "{said:?}");
}

fn what_somebody_set_since_is_left(world: &World) {
    let before = read("ipv4/tcp_ecn");
    world.run("ours", "sysctl::set(\"net.ipv4.tcp_ecn\", 0);");
    write("ipv4/tcp_ecn", "1");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody set it to 1"), "{said:?}");
    assert_eq!(read("ipv4/tcp_ecn"), "1");
    world.fyke_well(&["undo", "--force", "last"]);
    assert_eq!(read("ipv4/tcp_ecn"), before);
}

fn a_plan_knows_what_follows(world: &World) {
    let before = world.state();
    let text = format!("{FORWARD} print(sysctl::get(\"net.ipv4.conf.lo.forwarding\"));");
    let said = world.fyke_well(&["plan", &world.recipe("forward", &text)]);
    assert!(
        said.out.contains("~ net.ipv4.ip_forward: 0 becomes 1") && said.out.contains("~ net.ipv4.conf.lo.forwarding: 0 becomes 1"),
        "{said:?}"
    );
    assert_eq!(world.state(), before);
    let said = world.fyke_well(&["plan", "--commands", &world.recipe("forward", FORWARD)]);
    assert!(said.out.starts_with("sysctl -w net.ipv4.ip_forward=1\n"), "{said:?}");
}

fn the_order_of_a_script_holds(world: &World) {
    let before = world.state();
    let text = "sysctl::set(\"net.ipv4.tcp_ecn\", 0); iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 7 -j DROP\");
            sysctl::set(\"net.ipv4.tcp_ecn\", 1); print(sysctl::get(\"net.ipv4.tcp_ecn\"));";
    let said = world.run("mixed", text);
    assert!(said.code == Some(0) && said.out.contains('1'), "{said:?}");
    assert_eq!(world.rules("iptables", "INPUT").len(), 1);
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_host_without_iptables_sets_parameters(world: &World) {
    let recipe = world.recipe("forward", FORWARD);
    let hide = |program: &str| tool("mount", &["--bind", "/dev/null", program], "");
    for program in ["/usr/sbin/xtables-nft-multi", "/usr/sbin/xtables-legacy-multi"] {
        hide(program);
    }
    world.fyke_well(&["run", &recipe]);
    assert_eq!(read("ipv4/ip_forward"), "1");
    world.fyke_well(&["status"]);
    world.undo();
    assert_eq!(read("ipv4/ip_forward"), "0");
    for program in ["/usr/sbin/xtables-nft-multi", "/usr/sbin/xtables-legacy-multi"] {
        tool("umount", &[program], "");
    }
}

fn each_namespace_has_its_own(world: &World) {
    let before = world.state();
    let there = || tool("ip", &["netns", "exec", "client", "cat", "/proc/sys/net/ipv4/ip_local_port_range"], "");
    let was = there();
    for script in ["sysctl::set(\"net.ipv4.ip_local_port_range\", \"20000 30001\")", "ports::ensure_range(\"20000-30001\")"] {
        world.fyke_well(&["--netns", "client", "eval", script]);
        assert_eq!(there().split_whitespace().collect::<Vec<_>>(), ["20000", "30001"], "{script}");
        assert_eq!(world.state(), before, "{script}");
        // What is in force there is nothing here.
        assert_eq!(world.fyke(&["undo", "last"]).code, Some(2));
        world.fyke_well(&["--netns", "client", "undo", "last"]);
        assert_eq!(there(), was, "{script}");
    }
    world.fyke_well(&["--netns", "client", "eval", "ports::ensure_reserved(8080)"]);
    assert_eq!(world.fyke_well(&["eval", "8080 in ports::reserved()"]).out, "false\n");
    assert_eq!(world.fyke_well(&["--netns", "client", "eval", "8080 in ports::reserved()"]).out, "true\n");
    world.fyke_well(&["--netns", "client", "undo", "last"]);
}

fn what_ipv6_takes_along_comes_back_with_it(world: &World) {
    let ip = |words: &str| tool("ip", &words.split(' ').collect::<Vec<_>>(), "");
    ip("link add one type veth peer two");
    ip("link set one up");
    ip("link set two up");
    ip("-6 addr add 2001:db8:9::1/64 dev one nodad");
    ip("-6 route add 2001:db8:a::/48 via 2001:db8:9::2 dev one");
    let usable = || !ip("-6 addr").contains("tentative");
    super::world::until("the addresses are usable", usable);
    let before = world.state();
    for key in ["one", "all"] {
        let set = format!("sysctl::set(\"net.ipv6.conf.{key}.disable_ipv6\", 1);");
        let plan = world.fyke_well(&["plan", &world.recipe("off", &set)]).out;
        assert!(plan.contains("2001:db8:9::1/64") && plan.contains("2001:db8:a::/48"), "{plan}");
        let said = world.run("off", &set);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(!ip("-6 addr show dev one").contains("2001:db8"));
        // Who relies on it keeps it, and what has gone with it then stays away.
        world.fyke_well(&["run", &world.recipe("relies", &set.replace("set", "ensure"))]);
        world.fyke_well(&["undo", "--recipe", "off"]);
        assert_eq!(
            (read(&format!("ipv6/conf/{key}/disable_ipv6")).as_str(), ip("-6 addr show dev one").contains("2001:db8")),
            ("1", false)
        );
        world.undo();
        super::world::until("the addresses are usable", usable);
        assert_eq!(world.state(), before);
    }
    ip("link del one");
}

fn the_parameters_and_names_of_a_link_come_back_with_it(world: &World) {
    let ip = |words: &str| tool("ip", &words.split(' ').collect::<Vec<_>>(), "");
    ip("netns add blue");
    ip("link add one type veth peer two.7");
    for (key, value) in [
        ("ipv4/conf/one/rp_filter", "2"),
        ("ipv4/conf/two.7/arp_ignore", "1"),
        ("ipv4/neigh/one/gc_stale_time", "77"),
        ("ipv4/neigh/one/unres_qlen_bytes", "99999"),
        ("ipv6/neigh/two.7/retrans_time_ms", "1234"),
        ("ipv6/conf/one/accept_ra", "0"),
        ("ipv6/conf/one/addr_gen_mode", "1"),
        ("ipv6/conf/two.7/disable_ipv6", "1"),
    ] {
        write(key, value);
    }
    ip("link set one up");
    ip("link set two.7 up");
    ip("link property add dev one altname the-first-of-two-ends");
    ip("link property add dev two.7 altname another altname yet-another");
    ip("addr add 192.0.2.1/24 dev one");
    let before = world.state();
    for (change, holds) in [
        ("link::del(\"one\");", "ipv4/conf/two.7"),
        ("sysctl::set(\"net.ipv4.conf.one.rp_filter\", 1); link::del(\"two.7\");", "ipv4/conf/one"),
        ("link::get(\"one\").set(\"netns blue\");", "ipv4/conf/one"),
        ("link::get(\"one\").set(\"mtu 1000\");", "ipv6/conf/one"),
    ] {
        let plan = world.fyke_well(&["plan", &world.recipe("off", change)]).out;
        assert!(plan.contains("  - net.ipv6.conf.one.accept_ra 0\n") && !plan.contains("base_reachable_time"), "{plan}");
        world.fyke_well(&["run", &world.recipe("off", change)]);
        let is_there = || std::path::Path::new(&format!("/proc/sys/net/{holds}")).exists();
        assert!(!is_there(), "{change}");
        let undone = world.undo();
        assert_eq!(world.state(), before, "{change}: {undone:?}");
        world.fyke_well(&["redo"]);
        assert!(!is_there(), "{change}");
        world.undo();
        assert_eq!(world.state(), before, "{change}");
    }
    // One that has its name has its parameters anew, and so has one that has less room for a while.
    for change in [
        "link::del(\"one\"); link::add(\"one type veth peer name two.7\");",
        "let one = link::get(\"one\"); one.set(\"mtu 1000\"); one.set(\"mtu 1400\");",
    ] {
        world.fyke_well(&["run", &world.recipe("anew", change)]);
        assert_eq!(read("ipv6/conf/one/accept_ra"), "1", "{change}");
        let undone = world.undo();
        assert_eq!(world.state(), before, "{change}: {undone:?}");
    }
    ip("link del one");
    ip("netns del blue");
}
