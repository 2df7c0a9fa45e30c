//! A plan says what a run does, and does nothing.

use std::path::Path;

use serde_json::Value;

use super::world::{World, on_both, without_tag};

on_both! {
    a_plan_is_what_the_run_does
    a_plan_ends_where_only_the_changed_kernel_knows
    counters_of_what_is_there_are_known
}

const EVERYTHING: &str = "\
let filter = iptables::both(\"filter\");
filter.chain(\"INPUT\").delete_at(2);
filter.chain(\"INPUT\").replace(1, \"-p tcp --dport http -j ACCEPT\");
filter.chain(\"INPUT\").ensure_first(\"-p tcp --dport 3 -j ACCEPT\");
filter.chain(\"INPUT\").insert(2, \"-i lo -j ACCEPT\");
filter.rename_chain(\"MINE\", \"YOURS\");
filter.chain(\"YOURS\").append(#{ limit: \"5/min\", jump: \"LOG\", log_prefix: \"it's \" });
filter.absent_chain(\"GONE\");
filter.chain(\"FORWARD\").set_policy(\"DROP\");
iptables::both(\"mangle\").chain(\"OUTPUT\").append(\"-j MARK --set-mark 1\");
";

/// Gives the changes of a document, without the tags, which hold the number of the run, and without the words of new rules: a run has them
/// as the script gave them, a plan as the kernel will have them.
fn changes(json: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).unwrap();
    let mut changes = document["changes"].as_array().unwrap().clone();
    for change in &mut changes {
        if let Some(state) = change["before"].as_object_mut() {
            state.remove("tag");
        }
        if let Some(state) = change["after"].as_object_mut() {
            state.remove("tag");
            state.remove("rule");
        }
    }
    changes
}

/// Gives the rules that a document adds, as lines of iptables-save with the command of their family and their table.
fn added(json: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(json).unwrap();
    let rule = |change: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let program = if change["family"] == "ipv4" { "iptables" } else { "ip6tables" };
        let rule = change["after"]["rule"].as_str()?;
        Some((format!("{program} -t {} -S", text(&change["table"])), format!("-A {} {rule}", text(&change["chain"]))))
    };
    document["changes"].as_array().unwrap().iter().filter_map(rule).collect()
}

fn foreign(world: &World) {
    for program in ["iptables", "ip6tables"] {
        for line in [
            "-N MINE",
            "-N GONE",
            "-A GONE -j LOG",
            "-A INPUT -p tcp --dport 1",
            "-A INPUT -j GONE",
            "-A INPUT -p tcp --dport 3",
            "-A INPUT -j MINE",
        ] {
            world.iptables(&format!("{program} {line}"));
        }
    }
}

fn a_plan_is_what_the_run_does(world: &World) {
    foreign(world);
    let before = world.state();
    for recipe in ["ssh-rate-limit", &world.recipe("everything", EVERYTHING)] {
        std::fs::remove_dir_all("/run/fyke").unwrap_or_default();
        let plan = world.fyke_well(&["--json", "plan", recipe]);
        assert_eq!(world.fyke(&["plan", "--exit-code", recipe]).code, Some(6));
        assert_eq!(world.state(), before);
        assert!(!Path::new("/run/fyke").exists(), "a plan needs no journal");
        let run = world.fyke_well(&["--json", "run", recipe]);
        assert_eq!(changes(&plan.out), changes(&run.out), "{recipe}");
        for (command, rule) in added(&plan.out) {
            let there = world.iptables(&command);
            assert!(there.lines().any(|line| without_tag(line) == rule), "{rule}: {there}");
        }
        assert!(plan.out.contains("\"complete\": true") || plan.out.contains("\"complete\":true"), "{plan:?}");
        world.undo();
        assert_eq!(world.state(), before, "{recipe}");
    }
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let again = world.fyke_well(&["plan", "--exit-code", "ssh-rate-limit"]);
    assert_eq!(again.out, "nothing would change\n");
    world.undo();
    world.wipe();
}

fn a_plan_ends_where_only_the_changed_kernel_knows(world: &World) {
    let text = "let input = iptables::table(\"filter\").chain(\"INPUT\");
input.append(\"-p tcp --dport 1\");
if input.list()[0].packets > 0 {
    input.append(\"-p tcp --dport 2\");
}
";
    let recipe = world.recipe("counts", text);
    let plan = world.fyke_well(&["--json", "plan", &recipe]);
    let document: Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!((&document["complete"], document["changes"].as_array().unwrap().len()), (&Value::Bool(false), 1), "{plan:?}");
    assert_eq!(document["known_until"], format!("{recipe}:3:20"));
    let plan = world.fyke_well(&["plan", &recipe]);
    assert!(plan.err.contains(&format!("the plan is known up to {recipe}:3:20")), "{plan:?}");
    assert_eq!(world.fyke_well(&["run", &recipe]).err.split(';').next().unwrap(), "1 change");
    world.undo();
}

fn counters_of_what_is_there_are_known(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 1 -c 7 700");
    let text = "print(iptables::table(\"filter\").chain(\"INPUT\").list()[0].packets)";
    assert_eq!(world.fyke_well(&["plan", &world.recipe("counts", text)]).out, "7\nnothing would change\n");
    assert_eq!(world.fyke_well(&["eval", text]).out, "7\n");
    world.wipe();
}
