//! Sets: packets that they stop, undo and redo, and what others have put into them.

use super::world::{World, destroy_sets, on_both, tool};

on_both! {
    a_set_stops_packets_and_is_lifted
    a_set_and_its_rule_are_planned_together
    what_others_have_in_a_set_stays
    only_these_elements_are_left
    names_are_exchanged_and_come_back
    elements_go_by_themselves
    two_recipes_share_an_element
    a_run_that_fails_leaves_nothing
    what_cannot_be_done_is_said
    many_elements_are_one_step
}

const BLOCK: &str = "\
let blocked = ipset::ensure_set(\"blocked\", \"hash:net comment\");
blocked.ensure([\"192.0.2.2 comment \\\"a test\\\"\", \"203.0.113.0/24\"]);
iptables::table(\"filter\").chain(\"INPUT\").ensure(\"-m set --match-set blocked src -j DROP\");
";

/// Runs ipset as another program would.
fn ipset(line: &str) -> String {
    tool("ipset", &line.split_whitespace().collect::<Vec<_>>(), "")
}

/// Gives the elements of a set, sorted.
fn elements(set: &str) -> Vec<String> {
    let mut found: Vec<String> =
        ipset(&format!("list {set}")).lines().skip_while(|line| *line != "Members:").skip(1).map(str::to_owned).collect();
    found.sort();
    found
}

fn a_set_stops_packets_and_is_lifted(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    world.passes("192.0.2.2", 80);
    world.fyke_well(&["run", &world.recipe("block", BLOCK)]);
    world.is_dropped("192.0.2.2", 80);
    world.passes("192.0.2.3", 80);
    let after = world.state();
    let again = world.fyke_well(&["run", &world.recipe("block", BLOCK)]);
    assert!(format!("{again:?}").contains("nothing changed"), "{again:?}");
    let said = world.fyke_well(&["status"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    world.undo();
    world.passes("192.0.2.2", 80);
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    world.is_dropped("192.0.2.2", 80);
    assert_eq!(world.state(), after);
    world.undo();
    assert_eq!(world.state(), before);
    drop(listener);
}

fn a_set_and_its_rule_are_planned_together(world: &World) {
    let before = world.state();
    let said = world.fyke_well(&["plan", &world.recipe("block", BLOCK)]);
    let wanted = "sets\n  + set blocked hash:net family inet comment\n      + 192.0.2.2 comment \"a test\"\n      + 203.0.113.0/24\n";
    assert!(said.out.contains(wanted) && said.out.contains("+ 1  -m set --match-set blocked src -j DROP"), "{said:?}");
    let said = world.fyke_well(&["plan", "--commands", &world.recipe("block", BLOCK)]);
    let wanted = "ipset create blocked hash:net family inet comment\nipset add blocked 192.0.2.2 comment 'a test'\nipset add blocked 203.0.113.0/24\n";
    assert!(said.out.starts_with(wanted), "{said:?}");
    assert_eq!(world.state(), before);
}

fn what_others_have_in_a_set_stays(world: &World) {
    tool("ipset", &["restore"], "create foreign hash:ip comment\nadd foreign 192.0.2.9 comment \"not ours\"\n");
    let before = world.state();
    let said = world.run("take", "ipset::ensure_set(\"foreign\", \"hash:ip comment\");");
    assert!(said.code == Some(1) && said.err.contains("somebody else made one of that name"), "{said:?}");
    let script =
        "let set = ipset::set(\"foreign\"); set.ensure([\"192.0.2.9\", \"192.0.2.10\"]); set.del(\"192.0.2.9\"); set.add(\"192.0.2.11\");";
    assert_eq!(world.run("change", script).code, Some(0));
    ipset("add foreign 192.0.2.12");
    assert_eq!(elements("foreign"), ["192.0.2.10", "192.0.2.11", "192.0.2.12"]);
    world.undo();
    assert_eq!(elements("foreign"), ["192.0.2.12", "192.0.2.9 comment \"not ours\""]);
    ipset("del foreign 192.0.2.12");
    assert_eq!(world.state(), before);
    // What somebody takes away of ours is no fault, and what somebody puts back is not taken away.
    assert_eq!(world.run("change", script).code, Some(0));
    ipset("del foreign 192.0.2.10");
    tool("ipset", &["add", "foreign", "192.0.2.9", "comment", "not ours"], "");
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains("somebody took it away"), "{said:?}");
    destroy_sets(&["foreign"]);
}

fn only_these_elements_are_left(world: &World) {
    tool("ipset", &["restore"], "create mine hash:net\nadd mine 192.0.2.0/24\nadd mine 198.51.100.0/24\n");
    let before = world.state();
    let script = "ipset::set(\"mine\").ensure_only([\"198.51.100.0/24\", \"203.0.113.0/24\"]);";
    let said = world.fyke_well(&["plan", &world.recipe("only", script)]);
    assert!(said.out.contains("    set mine\n      - 192.0.2.0/24\n      + 203.0.113.0/24\n"), "{said:?}");
    assert_eq!(world.run("only", script).code, Some(0));
    assert_eq!(elements("mine"), ["198.51.100.0/24", "203.0.113.0/24"]);
    world.undo();
    assert_eq!(world.run("flush", "let set = ipset::set(\"mine\"); set.flush(); print(set.count);").out.trim(), "0");
    assert_eq!(elements("mine"), [""; 0]);
    world.undo();
    assert_eq!(world.state(), before);
    destroy_sets(&["mine"]);
}

fn names_are_exchanged_and_come_back(world: &World) {
    tool("ipset", &["restore"], "create live hash:ip\nadd live 192.0.2.2\n");
    let before = world.state();
    let listener = world.listen(80);
    world.iptables("iptables -A INPUT -m set --match-set live src -j DROP");
    world.is_dropped("192.0.2.2", 80);
    let script =
        "ipset::new_set(\"fresh\", \"hash:ip\").add(\"192.0.2.3\"); ipset::swap(\"live\", \"fresh\"); ipset::delete_set(\"fresh\");
        print(ipset::set(\"live\").list());";
    let said = world.fyke_well(&["plan", &world.recipe("swap", script)]);
    assert!(said.out.contains("~ sets live and fresh exchange their names") && said.out.contains("192.0.2.3"), "{said:?}");
    let said = world.run("swap", script);
    assert!(said.code == Some(0) && said.out.contains("192.0.2.3"), "{said:?}");
    assert_eq!(elements("live"), ["192.0.2.3"]);
    world.passes("192.0.2.2", 80);
    world.is_dropped("192.0.2.3", 80);
    world.undo();
    world.is_dropped("192.0.2.2", 80);
    world.wipe();
    assert_eq!(world.state(), before);
    destroy_sets(&["live"]);
    drop(listener);
}

fn elements_go_by_themselves(world: &World) {
    let before = world.state();
    let script = "let set = ipset::ensure_set(\"short\", \"hash:ip timeout 600\"); set.ensure([\"192.0.2.2 timeout 1\", \"192.0.2.3\"]);
        commit(); sleep(1.2); set.absent(\"192.0.2.2\"); print(set.get(\"192.0.2.3\").timeout);";
    let said = world.run("short", script);
    let left: u32 = said.out.trim().parse().unwrap_or_else(|_| panic!("{said:?}"));
    assert!((590..=600).contains(&left), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    let said = world.run("short", "ipset::ensure_set(\"short\", \"hash:ip timeout 1\").ensure(\"192.0.2.2\");");
    assert_eq!(said.code, Some(0), "{said:?}");
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let said = world.undo();
    assert!(!said.out.contains("drift"), "{said:?}");
    assert_eq!(world.state(), before);
}

fn two_recipes_share_an_element(world: &World) {
    ipset("create shared hash:ip");
    let before = world.state();
    let script = |last: &str| format!("ipset::set(\"shared\").ensure([\"192.0.2.2\", \"192.0.2.{last}\"]);");
    for (first, second) in [("one", "two"), ("two", "one")] {
        world.fyke_well(&["run", &world.recipe("one", &script("3"))]);
        let said = world.fyke_well(&["run", &world.recipe("two", &script("4"))]);
        assert!(said.err.contains("1 change"), "{said:?}");
        world.fyke_well(&["undo", "--recipe", first]);
        assert_eq!(elements("shared"), ["192.0.2.2".to_owned(), format!("192.0.2.{}", if first == "one" { 4 } else { 3 })]);
        world.fyke_well(&["undo", "--recipe", second]);
        assert_eq!(world.state(), before);
    }
    destroy_sets(&["shared"]);
}

fn a_run_that_fails_leaves_nothing(world: &World) {
    let before = world.state();
    let said = world.run("fails", &format!("{BLOCK}commit(); ipset::set(\"blocked\").add(\"198.51.100.1\"); commit(); throw \"no\";"));
    assert_eq!((said.code, world.state() == before), (Some(1), true), "{said:?}");
    let said = world.run("full", "ipset::new_set(\"small\", \"hash:ip maxelem 2\").add([\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\"]);");
    assert!(said.code == Some(1) && said.err.contains("it holds 2 at most") && said.err.contains("full.rhai:1:"), "{said:?}");
    let said = world.run("named", &format!("{BLOCK}commit(); ipset::delete_set(\"blocked\");"));
    assert!(said.code == Some(4) && said.err.contains("rules or lists of sets name it"), "{said:?}");
    assert_eq!(world.state(), before);
}

fn what_cannot_be_done_is_said(world: &World) {
    ipset("create blocked hash:ip");
    for (script, words) in [
        ("ipset::set(\"blokced\");", "did you mean `blocked`?"),
        ("ipset::new_set(\"blocked\", \"hash:ip\");", "it is there already"),
        ("ipset::new_set(\"x\", \"hash:ips\");", "did you mean `hash:ip`?"),
        ("ipset::new_set(\"x\", #{ \"type\": \"hash:ip\", famly: \"inet\" });", "`famly` is no option of this type"),
        ("ipset::set(\"blocked\").ensure(\"192.0.2.256\");", "192.0.2.256"),
        ("ipset::set(\"blocked\").ensure(\"2001:db8::1\");", "the set is for IPv4"),
        ("ipset::set(\"blocked\").ensure(\"192.0.2.1 timeout 5\");", "create it with `timeout 0`"),
        ("ipset::set(\"blocked\").ensure(1.5);", "it is of type f64"),
        ("ipset::set(\"blocked\").del(\"192.0.2.1\");", "`absent` does not mind"),
        ("ipset::swap(\"blocked\", \"nothing\");", "there is no such thing"),
        ("ipset::set(\"a b\");", "tools could not read it back"),
    ] {
        let said = world.run("wrong", script);
        assert!(said.err.contains(words) && said.err.contains("wrong.rhai:1:"), "{script}: {said:?}");
        assert!([Some(1), Some(2)].contains(&said.code), "{script}: {said:?}");
    }
    destroy_sets(&["blocked"]);
}

fn many_elements_are_one_step(world: &World) {
    let before = world.state();
    let script = "let many = []; for n in 0..10000 { many.push(`10.0.${n / 256}.${n % 256}`); }
        let set = ipset::ensure_set(\"many\", \"hash:ip\"); set.ensure(many); print(set.count);";
    let said = world.fyke_well(&["plan", &world.recipe("many", script)]);
    assert!(said.out.contains("+ 9,980 more"), "{said:?}");
    let said = world.run("many", script);
    assert!(said.code == Some(0) && said.out.trim() == "10000" && said.err.contains("10001 changes"), "{said:?}");
    let again = world.run("many", script);
    assert!(format!("{again:?}").contains("nothing changed"), "{again:?}");
    world.undo();
    assert_eq!(world.state(), before);
}
