//! Whatever ends a run, nothing of it stays.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::world::{LONG, Running, World, on_both, until};

on_both! {
    a_script_that_throws_leaves_nothing
    a_refused_rule_is_named_where_it_was_queued
    a_refusal_can_be_caught
    a_signal_lifts_the_run
    more_signals_do_not_stop_the_rollback
    a_killed_runner_is_lifted_by_its_guardian
    a_killed_guardian_is_outlived_by_the_rollback
    a_run_that_lost_both_is_recovered
    the_deadline_lifts_the_run
}

/// Changes a bit of everything in two batches, says so, and then does what `more` says.
fn recipe(world: &World, more: &str) -> String {
    world.recipe(
        "held",
        &format!(
            "let filter = iptables::both(\"filter\");
filter.new_chain(\"HELD\");
filter.chain(\"HELD\").append(\"-j RETURN\");
filter.chain(\"INPUT\").insert(2, \"-p tcp --dport 7 -j HELD\");
filter.chain(\"FORWARD\").set_policy(\"DROP\");
filter.chain(\"OUTPUT\").delete_at(1);
commit();
filter.chain(\"INPUT\").append(\"-p udp --dport 7 -j DROP\");
commit();
print(\"there\");
{more}"
        ),
    )
}

/// Sets rules as another program would, and gives the state with them.
fn foreign(world: &World) -> super::world::State {
    for program in ["iptables", "ip6tables"] {
        for chain in ["INPUT", "OUTPUT"] {
            for port in 1..=3 {
                world.iptables(&format!("{program} -A {chain} -p tcp --dport {port} -j ACCEPT"));
            }
        }
    }
    world.state()
}

fn a_script_that_throws_leaves_nothing(world: &World) {
    let before = foreign(world);
    let path = recipe(world, "throw \"as asked\";");
    let said = world.fyke(&["run", &path]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "there\n"), "{said:?}");
    assert!(said.err.contains("as asked") && said.err.contains(&format!("{path}:11:1")), "{said:?}");
    assert_eq!(world.state(), before);
    assert!(world.fyke_well(&["history"]).out.contains("rolled-back"), "{:?}", world.fyke(&["history"]));
    world.wipe();
}

fn a_refused_rule_is_named_where_it_was_queued(world: &World) {
    let before = foreign(world);
    for (at, rule) in [
        (
            "12:25",
            "filter.chain(\"INPUT\").append(\"-p tcp --dport 8 -j DROP\");\n  filter.chain(\"INPUT\").append(\"-m recent --name x --rcheck --hitcount 65536 -j DROP\");\ncommit();",
        ),
        ("11:25", "  filter.chain(\"INPUT\").append(\"-j NOWHERE\");\nfilter.chain(\"INPUT\").append(\"-j ACCEPT\");"),
        ("11:25", "  filter.chain(\"INPUT\").insert(1, \"-p tcp --dport 99999 -j ACCEPT\");"),
        ("11:24", "  filter.chain(\"HELD\").ensure([\"-j ACCEPT\", \"-m nonsense -j ACCEPT\"]);"),
    ] {
        let path = recipe(world, rule);
        let said = world.fyke(&["run", &path]);
        assert!(said.code == Some(1) && said.err.contains(&format!("{path}:{at}\n")), "{rule}: {said:?}");
        assert_eq!(world.state(), before, "{rule}");
    }
    world.wipe();
}

fn a_refusal_can_be_caught(world: &World) {
    let before = foreign(world);
    let more = "try { filter.chain(\"INPUT\").append(\"-m recent --name x --rcheck --hitcount 65536 -j DROP\"); commit(); }
catch (fault) { print(fault.kind); }
filter.chain(\"INPUT\").append(\"-p tcp --dport 9 -j DROP\");";
    let said = world.fyke_well(&["run", &recipe(world, more)]);
    assert_eq!(said.out, "there\nrefused\n");
    for program in ["iptables", "ip6tables"] {
        assert_eq!(world.rules(program, "INPUT").last().unwrap(), "-A INPUT -p tcp -m tcp --dport 9 -j DROP");
    }
    world.undo();
    assert_eq!(world.state(), before);
    world.wipe();
}

fn held(world: &World) -> Running {
    world.start(&["run", &recipe(world, "sleep(\"60s\");")], "there")
}

fn a_signal_lifts_the_run(world: &World) {
    let before = foreign(world);
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let running = held(world);
        assert_ne!(world.state(), before);
        kill(running.guardian(), signal).unwrap();
        let said = running.end();
        assert_eq!(said.code, Some(code), "{signal}: {said:?}");
        assert_eq!(world.state(), before, "{signal}");
    }
    world.wipe();
}

fn more_signals_do_not_stop_the_rollback(world: &World) {
    let before = foreign(world);
    let running = held(world);
    let (guardian, runner) = (running.guardian(), running.runner());
    for _ in 0..20 {
        // As the keys of a terminal do: both are told. Either may have ended by now.
        let _ = kill(guardian, Signal::SIGINT);
        let _ = kill(runner, Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(running.end().code, Some(130));
    assert_eq!(world.state(), before);
    world.wipe();
}

fn a_killed_runner_is_lifted_by_its_guardian(world: &World) {
    let before = foreign(world);
    for signal in [Signal::SIGKILL, Signal::SIGQUIT, Signal::SIGABRT] {
        let running = held(world);
        kill(running.runner(), signal).unwrap();
        let said = running.end();
        assert!(said.code.is_some_and(|code| code != 0) && !said.err.is_empty(), "{signal}: {said:?}");
        assert_eq!(world.state(), before, "{signal}");
    }
    world.wipe();
}

fn a_killed_guardian_is_outlived_by_the_rollback(world: &World) {
    let before = foreign(world);
    let running = held(world);
    kill(running.guardian(), Signal::SIGKILL).unwrap();
    until("the rollback", || world.state() == before);
    world.wipe();
}

fn a_run_that_lost_both_is_recovered(world: &World) {
    let before = foreign(world);
    let running = held(world);
    let runner = running.runner();
    // Stopped, it cannot roll back when its guardian dies.
    kill(runner, Signal::SIGSTOP).unwrap();
    kill(running.guardian(), Signal::SIGKILL).unwrap();
    kill(runner, Signal::SIGKILL).unwrap();
    running.end();
    assert_ne!(world.state(), before);
    let said = world.fyke_well(&["recover"]);
    assert!(said.out.contains("lifted"), "{said:?}");
    assert_eq!(world.state(), before);
    assert!(world.fyke_well(&["recover"]).err.contains("nothing to recover"));
    world.wipe();
}

fn the_deadline_lifts_the_run(world: &World) {
    let before = foreign(world);
    for more in ["sleep(\"60s\");", "loop {}", "let a = []; for i in 0..80000 { a.push(i); } loop { a.filter(|x| x > 1); }"] {
        let path = recipe(world, more);
        let began = Instant::now();
        let said = world.fyke(&["--timeout", "1s", "run", &path]);
        assert_eq!(said.code, Some(8), "{more}: {said:?}");
        assert!(said.err.contains(&format!("{path}:11:")), "{more}: {said:?}");
        assert_eq!(world.state(), before, "{more}");
        assert!(began.elapsed() < LONG);
    }
    world.wipe();
}
