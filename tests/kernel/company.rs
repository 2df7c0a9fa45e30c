//! fyke is not alone: other programs, other runs, both backends at once.

use std::process::Command;
use std::time::{Duration, Instant};

use super::world::{Backend, Running, World, on_both, run, tool};
use crate::program;

on_both! {
    rules_of_others_stay_and_are_reported
    a_rule_that_another_took_out_is_reported
    a_chain_of_another_is_not_taken_over
    deleted_rules_come_back_to_their_place_with_their_counters
    a_deleted_chain_comes_back_whole
    a_later_run_that_builds_on_it_is_named
    two_at_once_lose_nothing
    a_table_that_cannot_be_worded_stands_in_nobodys_way
}

const OURS: &str = "\
let filter = iptables::table(\"filter\");
filter.chain(\"INPUT\").append([\"-p tcp --dport 1 -j DROP\", \"-p tcp --dport 2 -j DROP\", \"-p tcp --dport 3 -j DROP\"]);
filter.chain(\"FORWARD\").set_policy(\"DROP\");
";

fn ports(world: &World) -> Vec<String> {
    let port = |rule: String| rule.split("--dport ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    world.rules("iptables", "INPUT").into_iter().map(port).collect()
}

fn rules_of_others_stay_and_are_reported(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
    world.run("ours", OURS);
    world.iptables("iptables -I INPUT 1 -p tcp --dport 11 -j ACCEPT");
    world.iptables("iptables -I INPUT 4 -p tcp --dport 12 -j ACCEPT");
    world.iptables("iptables -A INPUT -p tcp --dport 13 -j ACCEPT");
    assert_eq!(ports(world), ["11", "10", "1", "12", "2", "3", "13"]);
    // Nothing of ours was touched: they stay, and there is nothing to report.
    let said = world.undo();
    assert!(!said.out.contains("drift"), "{said:?}");
    assert_eq!(ports(world), ["11", "10", "12", "13"]);
    world.wipe();
}

fn a_rule_that_another_took_out_is_reported(world: &World) {
    world.run("ours", OURS);
    world.iptables("iptables -D INPUT 2");
    world.iptables("iptables -A INPUT -p tcp --dport 13 -j ACCEPT");
    // Back at what it was before the run: nothing is left to lift, and that is told.
    world.iptables("iptables -P FORWARD ACCEPT");
    let said = world.undo();
    assert_eq!(said.out.matches("drift").count(), 2, "{said:?}");
    assert!(said.out.contains("rule in filter/INPUT (IPv4): somebody took it out: "), "{said:?}");
    assert!(said.out.contains("policy of filter/FORWARD (IPv4): somebody set it to ACCEPT"), "{said:?}");
    assert_eq!(ports(world), ["13"]);
    assert!(world.iptables("iptables -S FORWARD").contains("-P FORWARD ACCEPT"));
    world.wipe();
}

fn a_chain_of_another_is_not_taken_over(world: &World) {
    world.iptables("iptables -N MINE");
    world.iptables("iptables -A MINE -j RETURN");
    let before = world.state();
    for verb in ["ensure_chain", "new_chain"] {
        let said = world.run("mine", &format!("iptables::table(\"filter\").{verb}(\"MINE\");"));
        assert!(said.code == Some(1) && said.err.contains("error[exists]") && said.err.contains("MINE"), "{said:?}");
    }
    // One of ours is taken for what it is; one of another recipe is not.
    world.fyke_well(&["run", &world.recipe("first", "iptables::table(\"filter\").ensure_chain(\"OURS\");")]);
    assert_eq!(world.run("first", "iptables::table(\"filter\").ensure_chain(\"OURS\");").err, "nothing changed\n");
    let said = world.run("second", "iptables::table(\"filter\").ensure_chain(\"OURS\");");
    assert!(said.code == Some(1) && said.err.contains("it belongs to first"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    world.wipe();
}

fn deleted_rules_come_back_to_their_place_with_their_counters(world: &World) {
    for (program, address) in [("iptables", "192.0.2.20"), ("ip6tables", "2001:db8::20")] {
        for number in 1..=6 {
            world.iptables(&format!("{program} -A INPUT -s {address}{number} -j DROP -c {number} {number}00"));
        }
    }
    let before = world.state();
    let counted = || [world.iptables("iptables-save -c"), world.iptables("ip6tables-save -c")].map(|save| counters(&save));
    let counts = counted();
    world.fyke_well(&[
        "run",
        &world.recipe(
            "delete",
            "for filter in [iptables::table(\"filter\"), ip6tables::table(\"filter\")] {
    let input = filter.chain(\"INPUT\");
    input.delete_at(1);
    input.delete_at(2);
    input.delete_at(2);
    input.replace(2, \"-p tcp --dport 9 -j ACCEPT\");
    input.delete_at(3);
}",
        ),
    ]);
    assert_eq!((world.rules("iptables", "INPUT").len(), world.rules("ip6tables", "INPUT").len()), (2, 2));
    world.undo();
    assert_eq!(world.state(), before);
    let [four, six] = counted();
    assert_eq!(four, counts[0]);
    // ip6tables-nft 1.8.9 drops the counters that a rule is given.
    if world.backend == Backend::Legacy {
        assert_eq!(six, counts[1]);
    }
    world.wipe();
}

/// Gives the rules of a saved text with their counters.
fn counters(save: &str) -> Vec<String> {
    save.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect()
}

fn a_deleted_chain_comes_back_whole(world: &World) {
    for line in [
        "-N DEEP",
        "-N MINE",
        "-A DEEP -j RETURN -c 5 500",
        "-A MINE -p tcp --dport 1 -j DEEP -c 7 700",
        "-A MINE -j LOG",
        "-A INPUT -p tcp --dport 5",
        "-A INPUT -p udp -j MINE",
        "-A INPUT -p tcp --dport 6",
    ] {
        world.iptables(&format!("iptables {line}"));
    }
    let before = world.state();
    let rules = || counters(&world.iptables("iptables-save -c")).into_iter().filter(|line| line.contains("[7:") || line.contains("[5:"));
    let counts: Vec<String> = rules().collect();
    let gone = "let filter = iptables::table(\"filter\"); filter.absent_chain(\"MINE\"); filter.chain(\"DEEP\").flush(); filter.delete_chain(\"DEEP\");";
    world.fyke_well(&["run", &world.recipe("gone", gone)]);
    assert!(!world.iptables("iptables -S").contains("MINE"));
    world.undo();
    assert_eq!(world.state(), before);
    assert_eq!(rules().collect::<Vec<_>>(), counts);
    world.wipe();
}

fn a_later_run_that_builds_on_it_is_named(world: &World) {
    let id = |said: program::Said| said.err.rsplit(' ').next().unwrap().trim_end().to_owned();
    let first = id(world.run("first", "let mine = iptables::table(\"filter\").new_chain(\"MINE\"); mine.append(\"-j RETURN\");"));
    let between = world.state();
    let second = id(world.run("second", "iptables::table(\"filter\").chain(\"MINE\").insert(\"-j LOG\");"));
    let with_both = world.state();
    let said = world.fyke(&["undo", &first]);
    assert!(said.code != Some(0) && said.err.contains(&format!("fyke undo {second} {first}")), "{said:?}");
    assert_eq!(world.state(), with_both);
    world.fyke_well(&["undo", &second]);
    assert_eq!(world.state(), between);
    world.fyke_well(&["undo", &first]);
    let said = world.fyke(&["undo", &first]);
    assert!(said.code == Some(2) && said.err.contains("it is lifted already"), "{said:?}");
}

fn two_at_once_lose_nothing(world: &World) {
    let path = world.recipe(
        "append",
        "let port = param(\"port\", 1, \"a port\", #{ key: true });
iptables::both(\"filter\").chain(\"INPUT\").append(#{ proto: \"tcp\", dport: port, jump: \"DROP\" });",
    );
    let start = |port: usize| Running::of(world.command(&["run", &path, "--port", &port.to_string()]));
    let mut ids = Vec::new();
    for round in 0..20 {
        for running in [start(2 * round + 1), start(2 * round + 2)] {
            let said = running.end();
            assert_eq!(said.code, Some(0), "{said:?}");
            ids.push(said.err.rsplit(' ').next().unwrap().trim_end().to_owned());
        }
    }
    let mut found: Vec<usize> = ports(world).iter().map(|port| port.parse().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (1..=40).collect::<Vec<_>>());
    assert_eq!(world.rules("ip6tables", "INPUT").len(), 40);
    for pair in ids.chunks(2) {
        let undoing: Vec<Running> = pair.iter().map(|id| Running::of(world.command(&["undo", id]))).collect();
        for running in undoing {
            let said = running.end();
            assert_eq!(said.code, Some(0), "{said:?}");
        }
    }
    assert_eq!((ports(world).len(), world.rules("ip6tables", "INPUT").len()), (0, 0));
    // Each of the last two saw the rule of the other when it planned, so the empty chain may stay registered with nf_tables.
    world.wipe();
}

#[test]
fn with_rules_in_both_backends_one_must_be_chosen() {
    run(concat!(module_path!(), "::with_rules_in_both_backends_one_must_be_chosen"), Backend::Nft, |world| {
        world.iptables("iptables -A INPUT -p tcp --dport 1");
        tool("iptables-legacy", &["-A", "INPUT", "-p", "tcp", "--dport", "2"], "");
        let before = world.state();
        for (verb, code) in [("run", 2), ("plan", 0)] {
            let said = program::fyke([verb, "ssh-rate-limit"]);
            assert_eq!(said.code, Some(code), "{said:?}");
            assert!(said.err.contains("both backends") && said.err.contains("`--backend nft` or `--backend legacy`"), "{said:?}");
        }
        assert_eq!(world.state(), before);
        for backend in ["nft", "legacy"] {
            assert_eq!(program::fyke(["--backend", backend, "run", "ssh-rate-limit"]).code, Some(0));
            assert_ne!(world.state(), before);
            assert_eq!(program::fyke(["--backend", backend, "undo", "last"]).code, Some(0));
            assert_eq!(world.state(), before, "{backend}");
        }
        world.wipe();
        tool("iptables-legacy", &["-F"], "");
        let said = program::fyke(["run", "ssh-rate-limit"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        world.undo();
    });
}

#[test]
fn the_holder_of_the_lock_is_named() {
    run(concat!(module_path!(), "::the_holder_of_the_lock_is_named"), Backend::Legacy, |world| {
        let before = world.state();
        let mut flock = Command::new("flock");
        let held = Running::until_it_says(
            {
                flock.args(["--no-fork", "/run/xtables.lock", "sh", "-c", "echo held; exec sleep 60"]);
                flock
            },
            "held",
        );
        let began = Instant::now();
        let said = world.fyke(&["run", "ssh-rate-limit"]);
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains(&format!("sleep (process {})", held.guardian())), "{said:?}");
        assert!(began.elapsed() < Duration::from_secs(15));
        drop(held);
        assert_eq!(world.state(), before);
    });
}

/// What iptables-save words so that it reads like another rule.
const BROKEN: &str = "a\n-A POSTROUTING -j ACCEPT\nb";

fn a_table_that_cannot_be_worded_stands_in_nobodys_way(world: &World) {
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let program = format!("iptables-{}", world.backend.name());
    tool(&program, &["-t", "nat", "-A", "POSTROUTING", "-m", "comment", "--comment", BROKEN], "");
    // A script must know what is there; lifting must not.
    let said = world.run("ours", OURS);
    assert!(said.code == Some(7) && said.err.contains("line break"), "{said:?}");
    world.undo();
    assert!(!world.iptables("iptables -S").contains("fyke:") && !world.iptables("iptables -S").contains("LOGDROP"));
    assert!(world.iptables("iptables -t nat -S POSTROUTING").contains(BROKEN));
    world.iptables("iptables -t nat -F");
    world.wipe();
}

#[test]
fn ours_are_lifted_from_between_rules_that_only_nft_can_word() {
    run(concat!(module_path!(), "::ours_are_lifted_from_between_rules_that_only_nft_can_word"), Backend::Nft, |world| {
        let nft = |words: &str| tool("nft", &[words], "");
        for line in ["-A INPUT -p tcp --dport 10 -j ACCEPT", "-A INPUT -p tcp --dport 11 -j ACCEPT"] {
            world.iptables(&format!("iptables {line}"));
        }
        let own = "let filter = iptables::table(\"filter\");
for name in [\"MINE\", \"USED\"] {
    filter.new_chain(name);
    filter.chain(name).append(\"-j DROP\");
}
filter.chain(\"INPUT\").insert(1, \"-p tcp --dport 1 -j MINE\");
filter.chain(\"INPUT\").delete_at(2);
filter.chain(\"INPUT\").append(\"-p tcp --dport 2 -j DROP\");
filter.chain(\"FORWARD\").set_policy(\"DROP\");";
        world.fyke_well(&["run", &world.recipe("own", own)]);
        world.iptables("iptables -A OUTPUT -j USED");
        tool("iptables-nft", &["-A", "INPUT", "-m", "comment", "--comment", BROKEN], "");
        nft("add set ip filter s { type ipv4_addr; }; insert rule ip filter INPUT ip saddr @s drop");
        assert_eq!(world.run("ours", OURS).code, Some(7));
        let said = world.fyke(&["undo", "last", "--json"]);
        assert!(said.code == Some(3) && said.out.contains("--dport 1 -j MINE") && !said.out.contains("handle"), "{said:?}");
        // What cannot be done is told, and the rest is done.
        assert!(said.out.contains("rule 1 of filter/OUTPUT (IPv4) jumps to it"), "{said:?}");
        assert!(
            said.out.contains("cannot word the rules that are there now; the rule was: -p tcp -m tcp --dport 10 -j ACCEPT"),
            "{said:?}"
        );
        let after = nft("list ruleset");
        assert!(!after.contains("fyke:") && !after.contains("MINE") && after.contains("chain USED {\n\t}"), "{after}");
        assert!(after.contains("@s drop") && after.contains("dport 11") && after.contains("jump USED"), "{after}");
        assert!(!after.contains("policy drop") && world.iptables("iptables -S INPUT").contains(BROKEN), "{after}");
        world.wipe();
    });
}
