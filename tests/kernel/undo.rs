//! What was set is lifted, set again, and looked at; what somebody else changed is told.

use serde_json::Value;

use super::world::{World, on_both};

on_both! {
    undo_of_undo_is_redo
    many_runs_are_lifted_together
    drift_is_told_and_left
    force_lifts_what_somebody_changed
    two_runs_at_work_keep_out_of_each_others_way
    a_recipe_runs_again_after_its_redo
    what_somebody_set_back_is_drift
    what_cannot_be_set_again_as_a_whole_is_not_set_again
    a_side_of_a_single_rule_is_not_guessed
}

/// Runs a verb that answers in JSON.
fn json(world: &World, words: &[&str]) -> Value {
    let said = world.fyke(&[&["--json"], words].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn append(port: u16) -> String {
    format!("iptables::both(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport {port} -j DROP\");")
}

fn undo_of_undo_is_redo(world: &World) {
    let _ssh = world.listen(22);
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    world.iptables("iptables -A INPUT -p tcp --dport 2 -j ACCEPT");
    let before = world.state();
    let all = "let filter = iptables::both(\"filter\"); filter.new_chain(\"OURS\"); filter.chain(\"OURS\").append(\"-j DROP\");
        filter.chain(\"INPUT\").insert(1, \"-p tcp --dport 22 -j OURS\"); filter.chain(\"FORWARD\").set_policy(\"DROP\");
        iptables::table(\"filter\").chain(\"INPUT\").delete(\"-p tcp --dport 2 -j ACCEPT\");";
    world.run("ours", all);
    let set = world.state();
    for words in [&["undo", "last"][..], &["redo"], &["undo", "last"]] {
        world.fyke_well(words);
        if words[0] == "redo" {
            assert_eq!(world.state(), set, "tags and places are the same");
            world.is_dropped("192.0.2.2", 22);
            world.is_dropped("2001:db8::2", 22);
        } else {
            assert_eq!(world.state(), before);
            world.passes("192.0.2.2", 22);
        }
    }
    let history = json(world, &["history"]);
    let undo = history.as_array().unwrap().iter().rfind(|run| run["kind"] == "undo").unwrap()["id"].as_str().unwrap().to_owned();
    let said = world.fyke_well(&["undo", &undo]);
    assert!(said.out.starts_with("set again "), "{said:?}");
    assert_eq!(world.state(), set);
    let said = world.fyke(&["redo"]);
    assert!(said.code == Some(2) && said.err.contains("nothing was lifted here"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    world.wipe();
}

fn many_runs_are_lifted_together(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", "ssh-rate-limit"]);
    world.fyke_well(&["run", "ssh-rate-limit", "--port", "2222"]);
    let both = world.state();
    world.run("own", &append(7));
    world.fyke_well(&["undo", "--recipe", "own"]);
    assert_eq!(world.state(), both);
    world.fyke_well(&["undo", "--recipe", "ssh-rate-limit/2222"]);
    world.fyke_well(&["run", "ssh-rate-limit", "--port", "2222"]);
    assert_eq!(json(world, &["status"])["in_force"].as_array().unwrap().len(), 2);
    world.fyke_well(&["undo", "--recipe", "ssh-rate-limit"]);
    assert_eq!(world.state(), before);
    let said = world.fyke(&["undo", "--recipe", "ssh-rate-limit"]);
    assert!(said.code == Some(2) && said.err.contains("nothing of it is in force here"), "{said:?}");
    for port in 1..4 {
        world.run(&format!("own{port}"), &append(port));
    }
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
    assert_eq!(world.fyke_well(&["undo", "--all"]).err, "nothing is in force here\n");
}

/// Rewrites one rule of ours as an editor of saved rules would: its comment stays, its words do not.
fn rewrite(world: &World) {
    let saved = world.iptables("iptables-save");
    super::world::tool(&format!("iptables-{}-restore", world.backend.name()), &[], &saved.replace("--dport 7 ", "--dport 77 "));
}

fn drift_is_told_and_left(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    world.run("ours", &format!("{} {}", append(7), append(8)));
    assert_eq!(world.fyke_well(&["status", "--exit-code"]).out.lines().count(), 2);
    rewrite(world);
    world.iptables("ip6tables -D INPUT 1");
    let status = json(world, &["status"]);
    let why: Vec<&str> = status["in_force"][0]["drift"].as_array().unwrap().iter().map(|drift| drift["why"].as_str().unwrap()).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    assert!(why.iter().any(|why| why.contains("--dport 7 -j DROP to -p tcp -m tcp --dport 77 -j DROP")), "{why:?}");
    assert!(why.iter().any(|why| why.starts_with("somebody took it out: -p tcp")), "{why:?}");
    assert_eq!(world.fyke(&["status", "--exit-code"]).code, Some(6));
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("lifted a part of") && said.out.contains("fyke undo --force"), "{said:?}");
    assert_eq!(
        world.rules("iptables", "INPUT"),
        ["-A INPUT -p tcp -m tcp --dport 1 -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 77 -j DROP"]
    );
    assert_eq!(world.rules("ip6tables", "INPUT"), Vec::<String>::new());
    world.wipe();
}

fn force_lifts_what_somebody_changed(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    // A chain that the other program has made nf_tables register stays: what counts is in the rules.
    let before = world.iptables("iptables -S");
    world.run("ours", &format!("{} iptables::table(\"filter\").chain(\"OUTPUT\").set_policy(\"DROP\");", append(7)));
    rewrite(world);
    world.run("later", "iptables::table(\"filter\").chain(\"INPUT\").delete_at(2);");
    let first = json(world, &["status"])["in_force"][1]["id"].as_str().unwrap().to_owned();
    let said = world.fyke(&["undo", &first]);
    assert!(said.code == Some(1) && said.err.contains(&format!("or this one alone: fyke undo --force {first}")), "{said:?}");
    world.fyke_well(&["undo", "--force", "--all"]);
    assert_eq!(world.iptables("iptables -S"), before);
    world.wipe();
}

fn two_runs_at_work_keep_out_of_each_others_way(world: &World) {
    let policy = |to: &str, more: &str| format!("iptables::table(\"filter\").chain(\"FORWARD\").set_policy(\"{to}\"); {more}");
    let long = world.recipe("long", &policy("DROP", "commit(); print(\"set\"); sleep(\"60s\");"));
    let running = world.start(&["run", &long], "set");
    let said = world.run("other", &policy("ACCEPT", ""));
    assert!(said.code == Some(4) && said.err.contains("(long) has changed it and is still at work"), "{said:?}");
    // What is nobody else's may be changed meanwhile.
    world.fyke_well(&["run", &world.recipe("own", &append(7))]);
    nix::sys::signal::kill(running.guardian(), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(running.end().code, Some(143));
    world.undo();
}

/// A chain that came back by a redo is still its recipe's: the recipe runs again, and finds all there.
fn a_recipe_runs_again_after_its_redo(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", "ssh-rate-limit"]);
    for verb in [&["undo", "last"][..], &["redo"]] {
        world.fyke_well(verb);
    }
    assert_eq!(world.fyke_well(&["run", "ssh-rate-limit"]).err, "nothing changed\n");
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "7"]);
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
}

/// What is as it was before the run, but not as the run left it, is drift, too.
fn what_somebody_set_back_is_drift(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    let before = world.iptables("iptables -S");
    world.run(
        "ours",
        "let filter = iptables::table(\"filter\"); filter.chain(\"FORWARD\").set_policy(\"DROP\"); filter.new_chain(\"AAA\").append(\"-j RETURN\");
        filter.new_chain(\"CCC\"); filter.chain(\"INPUT\").delete(\"-p tcp --dport 1 -j ACCEPT\");",
    );
    world.iptables("iptables -P FORWARD ACCEPT");
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    world.iptables("iptables -E AAA BBB");
    world.iptables("iptables -X CCC");
    let status = json(world, &["status"]);
    let why: Vec<&str> = status["in_force"][0]["drift"].as_array().unwrap().iter().map(|drift| drift["why"].as_str().unwrap()).collect();
    for words in ["somebody set it to ACCEPT", "somebody put it back: -p tcp", "somebody renamed it to BBB", "somebody deleted it"] {
        assert!(why.iter().any(|why| why.starts_with(words)), "{words}: {why:?}");
    }
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("renamed it to BBB"), "{said:?}");
    world.iptables("iptables -X BBB");
    assert_eq!(world.iptables("iptables -S"), before);
    world.wipe();
}

fn what_cannot_be_set_again_as_a_whole_is_not_set_again(world: &World) {
    let _ssh = world.listen(22);
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    world.iptables("iptables -A INPUT -p tcp --dport 2 -j ACCEPT");
    let all = "let input = iptables::table(\"filter\").chain(\"INPUT\"); input.insert(2, \"-p tcp --dport 22 -j ACCEPT\");
        input.set_policy(\"DROP\");";
    world.run("ours", all);
    world.undo();
    // The rule that lets packets in stood between these two, and now it is not known on which side of them.
    world.iptables("iptables -D INPUT 1");
    world.iptables("iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
    let before = world.state();
    for _ in 0..2 {
        let said = world.fyke(&["redo"]);
        assert!(said.code == Some(3) && said.err.contains("set run"), "{said:?}");
        assert_eq!(world.state(), before, "without its rule the policy would cut everybody off");
        world.passes("192.0.2.2", 22);
    }
    world.wipe();
}

fn a_side_of_a_single_rule_is_not_guessed(world: &World) {
    world.run("alone", "iptables::table(\"filter\").chain(\"INPUT\").ensure(\"-s 192.0.2.66 -j DROP\");");
    world.undo();
    world.iptables("iptables -A INPUT -s 192.0.2.0/24 -j ACCEPT");
    let theirs = world.state();
    let said = world.fyke(&["redo"]);
    assert!(said.code == Some(3) && said.err.contains("it stood alone, and other rules are there now"), "{said:?}");
    assert!(said.err.contains("run its recipe again") && said.err.contains("fyke redo --force"), "{said:?}");
    assert_eq!(world.state(), theirs);
    // With force, the number of its place counts.
    world.fyke_well(&["redo", "--force"]);
    assert!(world.rules("iptables", "INPUT")[0].contains("192.0.2.66"));
    world.undo();
    assert_eq!(world.state(), theirs);
    // So it is with a rule of theirs that stood alone and was taken out, when somebody sets another one before it comes back.
    world.run("takes", "iptables::table(\"filter\").chain(\"INPUT\").delete_at(1);");
    world.iptables("iptables -A INPUT -s 192.0.2.99 -j DROP");
    let theirs = world.state();
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("it stood alone, and other rules are there now"), "{said:?}");
    assert_eq!(world.state(), theirs);
    // Where that one goes again, nobody stands on either side.
    world.iptables("iptables -D INPUT 1");
    world.undo();
    assert!(world.rules("iptables", "INPUT")[0].contains("192.0.2.0/24"));
    world.wipe();
}
