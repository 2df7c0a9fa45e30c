//! A run that is not to stay is lifted when its time is over, whatever happens to its processes, or stays because somebody said so in time.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::world::{Running, World, on_both, tool, until};

on_both! {
    the_deadline_lifts_the_run
    a_confirmed_run_stays_and_an_undone_one_is_gone
    the_time_begins_when_the_run_has_ended
    a_watcher_is_deaf_to_signals
    a_dead_watcher_is_replaced_by_the_next_invocation
    what_a_watcher_began_is_finished
    whatever_ends_the_run_it_is_lifted
    a_run_that_was_stopped_goes_on
    nothing_changes_without_a_watcher
    who_confirms_too_late_or_elsewhere_is_told
    a_terminal_is_told_and_its_death_changes_nothing
    a_confirmation_at_the_deadline_has_one_outcome
    runs_of_one_instance_do_not_pull_each_other_down
    deadlines_count_from_the_boot
}

pub(super) const RULE: &str = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 7 -j DROP\");";

/// More than the five seconds of a term and its lifting, on a busy machine.
pub(super) const OVER: Duration = Duration::from_millis(6_500);

/// Gives the milliseconds since the boot.
pub(crate) fn now() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000
}

/// Sets a rule with one more flag, and gives the id of the run and its deadline.
#[track_caller]
pub(crate) fn set(world: &World, flag: &str, span: &str) -> (String, i64) {
    let said = world.fyke_well(&["--json", "eval", flag, span, RULE]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    (document["run"].as_str().unwrap().to_owned(), document["until"]["deadline"].as_i64().unwrap())
}

/// Gives the watchers of this namespace that live.
pub(super) fn watchers() -> Vec<Pid> {
    let here = fs::read_link("/proc/self/ns/net").unwrap();
    let is_one = |path: &Path| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name == "fyke-watcher\n")
            && fs::read_link(path.join("ns/net")).is_ok_and(|net| net == here)
            && fs::read_to_string(path.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
    processes
        .filter(|entry| is_one(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

pub(super) fn no_watcher_is_left() {
    until("the end of the watchers", || watchers().is_empty());
    if let Ok(files) = fs::read_dir("/run/fyke") {
        let bells: Vec<_> = files.map(|file| file.unwrap().file_name()).filter(|name| name.to_string_lossy().ends_with(".bell")).collect();
        assert!(bells.is_empty(), "{bells:?}");
    }
}

/// Sees to it that a run is lifted at its deadline: not before, and little later.
#[track_caller]
pub(super) fn is_lifted_at(world: &World, before: &super::world::State, deadline: i64) {
    sleep(Duration::from_millis(u64::try_from(deadline - now() - 300).unwrap_or(0)));
    assert_ne!(&world.state(), before, "it is lifted too early");
    until("the lifting", || &world.state() == before);
    let late = now() - deadline;
    assert!((0..1_500).contains(&late), "lifted {late} ms after the deadline");
}

fn the_deadline_lifts_the_run(world: &World) {
    let (before, _listener) = (world.state(), world.listen(7));
    let began = now();
    // Its output is read to its end: whoever waits for it must not wait for the watcher.
    let said = world.fyke_well(&["eval", "--confirm", "5s", RULE]);
    assert!(now() - began < 4_000, "it did not return at once");
    assert!(said.err.contains("1 change; lifted at ") && said.err.contains("(in 5 s) unless confirmed: fyke confirm "), "{said:?}");
    assert!(world.fyke_well(&["history"]).out.contains(" s left to confirm"));
    assert!(world.fyke_well(&["status"]).out.contains(" s left to confirm"));
    world.is_dropped("192.0.2.2", 7);
    is_lifted_at(world, &before, now() + 5_000 - (now() - began));
    world.passes("192.0.2.2", 7);
    no_watcher_is_left();
    let said = world.fyke(&["confirm"]);
    assert!(said.code == Some(1) && said.err.contains("it is lifted already"), "{said:?}");
    let history = world.fyke_well(&["history"]).out;
    assert!(history.contains(", its time over") && history.contains(" lifted"), "{history}");
}

fn a_confirmed_run_stays_and_an_undone_one_is_gone(world: &World) {
    let before = world.state();
    let (run, _) = set(world, "--confirm", "5s");
    let with_one = world.state();
    let said = world.fyke_well(&["confirm"]);
    assert!(said.err.contains(&format!("run {run} ")) && said.err.contains(" is confirmed: it stays"), "{said:?}");
    no_watcher_is_left();
    assert!(world.fyke_well(&["confirm"]).err.contains("is confirmed already"));
    let (lease, _) = set(world, "--for", "5s");
    world.fyke_well(&["undo", &lease]);
    no_watcher_is_left();
    assert_eq!(world.fyke(&["confirm", &lease]).code, Some(1));
    sleep(OVER);
    assert_eq!(world.state(), with_one);
    // What is set again stays, too.
    world.fyke_well(&["undo", &run]);
    let (lease, _) = set(world, "--for", "5s");
    let with_one = world.state();
    until("the end of the lease", || world.state() == before);
    no_watcher_is_left();
    world.fyke_well(&["redo", &lease]);
    world.fyke_well(&["history"]);
    assert_eq!(world.state(), with_one);
    world.undo();
}

fn the_time_begins_when_the_run_has_ended(world: &World) {
    let before = world.state();
    let script = format!("{RULE} commit(); sleep(\"6s\");");
    let said = world.fyke_well(&["--json", "eval", "--for", "5s", &script]);
    let ended = now();
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let deadline = document["until"]["deadline"].as_i64().unwrap();
    assert!((ended + 3_000..=ended + 5_000).contains(&deadline), "{}", deadline - ended);
    assert_ne!(world.state(), before, "it was lifted while it ran");
    is_lifted_at(world, &before, deadline);
}

fn a_watcher_is_deaf_to_signals(world: &World) {
    let before = world.state();
    let (_, deadline) = set(world, "--confirm", "5s");
    let watcher = watchers()[0];
    use Signal::*;
    for signal in [SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGTSTP, SIGTTOU, SIGSTOP, SIGCONT] {
        kill(watcher, signal).unwrap();
    }
    let stat = fs::read_to_string(format!("/proc/{watcher}/stat")).unwrap();
    let (group, session) = {
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[2].to_owned(), fields[3].to_owned())
    };
    assert_eq!(group, session, "it has a session of its own");
    killpg(Pid::from_raw(group.parse().unwrap()), SIGHUP).unwrap();
    is_lifted_at(world, &before, deadline);
    no_watcher_is_left();
}

fn a_dead_watcher_is_replaced_by_the_next_invocation(world: &World) {
    let before = world.state();
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let (run, deadline) = set(world, "--confirm", "5s");
        let watcher = watchers()[0];
        kill(watcher, signal).unwrap();
        let said = world.fyke_well(&["eval", "1"]);
        assert!(said.err.is_empty() && world.state() != before, "its time is not over: {said:?}");
        sleep(Duration::from_millis(u64::try_from(deadline - now() + 50).unwrap()));
        let said = world.fyke_well(&["plan", &world.recipe("nothing", "1")]);
        assert!(said.err.contains(&format!("the time of run {run} ")) && world.state() != before, "{said:?}");
        let said = world.fyke_well(&["--json", "eval", "1"]);
        assert!(said.err.contains(&format!("run {run} ")) && said.err.contains("was lifted: it was not confirmed in time"), "{said:?}");
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap();
        assert_eq!(world.state(), before);
        assert!(world.fyke_well(&["eval", "1"]).err.is_empty());
        let _ = kill(watcher, Signal::SIGCONT);
        no_watcher_is_left();
    }
}

fn what_a_watcher_began_is_finished(world: &World) {
    let before = world.state();
    let (run, deadline) = set(world, "--confirm", "5s");
    let with_one = world.state();
    // Somebody has the run in hand, so the watcher has to wait with its lifting; but the time is over.
    let mut holder = Command::new("flock").args([&format!("/run/fyke/{run}.lock"), "sleep", "60"]).spawn().unwrap();
    sleep(Duration::from_millis(u64::try_from(deadline - now() + 300).unwrap()));
    let said = world.fyke(&["confirm", &run]);
    assert!(said.code == Some(1) && said.err.contains("its time is over, and it is being lifted"), "{said:?}");
    assert!(world.fyke_well(&["eval", "1"]).err.is_empty());
    assert_eq!(world.state(), with_one);
    kill(watchers()[0], Signal::SIGKILL).unwrap();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    holder.wait().unwrap();
    let said = world.fyke_well(&["eval", "1"]);
    assert!(said.err.contains("was lifted: it was not confirmed in time"), "{said:?}");
    assert_eq!(world.state(), before);
    no_watcher_is_left();
}

/// Starts a run that has changed something, and goes on for a while.
fn held(world: &World, span: &str, time: &str) -> Running {
    let path = world.recipe("held", &format!("{RULE} commit(); print(\"there\"); sleep(\"{time}\");"));
    world.start(&["run", "--confirm", span, &path], "there")
}

fn whatever_ends_the_run_it_is_lifted(world: &World) {
    let before = world.state();
    use Signal::*;
    for signal in [SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGKILL] {
        for both in [[true, false], [false, true], [true, true]] {
            let running = held(world, "1h", "60s");
            assert_ne!(world.state(), before);
            let (guardian, runner) = (running.guardian(), running.runner());
            for (target, _) in [guardian, runner].into_iter().zip(both).filter(|(_, meant)| *meant) {
                // The first may have ended the second.
                let _ = kill(target, signal);
            }
            until("the end of the run", || world.state() == before);
            running.end();
            no_watcher_is_left();
        }
    }
    // The watcher, too: then it is the next invocation that says what is the matter, and lifts when the time has come.
    let running = held(world, "5s", "60s");
    let deadline = now() + 5_000;
    let (guardian, runner) = (running.guardian(), running.runner());
    kill(watchers()[0], SIGKILL).unwrap();
    kill(runner, SIGSTOP).unwrap();
    kill(guardian, SIGKILL).unwrap();
    kill(runner, SIGKILL).unwrap();
    running.end();
    // The last of its descriptors may be closed a moment after its streams.
    let notice = "was left half done, its processes are gone: fyke recover lifts it";
    until("the notice", || world.fyke_well(&["history"]).err.contains(notice));
    assert_ne!(world.state(), before);
    sleep(Duration::from_millis(u64::try_from(deadline - now() + 50).unwrap_or(0)));
    assert!(world.fyke_well(&["history"]).err.contains("was lifted: it was cut short"));
    assert_eq!(world.state(), before);
}

fn a_run_that_was_stopped_goes_on(world: &World) {
    let before = world.state();
    for stopped in [[true, false], [false, true], [true, true]] {
        let running = held(world, "5s", "500ms");
        let both = [running.guardian(), running.runner()];
        let meant = || both.into_iter().zip(stopped).filter(|(_, stopped)| *stopped).map(|(pid, _)| pid);
        meant().for_each(|pid| kill(pid, Signal::SIGSTOP).unwrap());
        sleep(Duration::from_millis(100));
        meant().for_each(|pid| kill(pid, Signal::SIGCONT).unwrap());
        assert_eq!(running.end().code, Some(0));
        world.fyke_well(&["confirm"]);
        world.undo();
    }
    // A guardian that never goes on does not keep the watcher from its work.
    let running = held(world, "5s", "10ms");
    kill(running.guardian(), Signal::SIGSTOP).unwrap();
    until("the lifting", || world.state() == before);
    kill(running.guardian(), Signal::SIGCONT).unwrap();
    assert_eq!(running.end().code, Some(0));
}

fn nothing_changes_without_a_watcher(world: &World) {
    let before = world.state();
    let path = world.recipe("late", &format!("print(\"there\"); sleep(\"1s\"); {RULE}"));
    let running = world.start(&["run", "--confirm", "5s", &path], "there");
    kill(watchers()[0], Signal::SIGKILL).unwrap();
    let said = running.end();
    assert!(said.code == Some(1) && said.err.contains("its watcher failed: it is dead"), "{said:?}");
    assert!(said.err.contains("nothing was changed") && world.state() == before, "{said:?}");
    // What changes nothing needs no watcher.
    let said = world.fyke_well(&["eval", "--confirm", "5s", "1"]);
    assert!(said.err.contains("nothing changed, so there is nothing to lift or to confirm"), "{said:?}");
    no_watcher_is_left();
    let said = world.fyke(&["--sandbox", "eval", "--confirm", "5s", "1"]);
    assert!(said.code == Some(2) && said.err.contains("a sandbox is gone with its run"), "{said:?}");
}

fn who_confirms_too_late_or_elsewhere_is_told(world: &World) {
    let said = world.fyke(&["confirm"]);
    assert!(said.code == Some(2) && said.err.contains("none waits for it here"), "{said:?}");
    let running = held(world, "5s", "1s");
    let said = world.fyke(&["confirm"]);
    assert!(said.code == Some(4) && said.err.contains("it has not ended yet"), "{said:?}");
    running.end();
    let said = world.fyke(&["--netns", "client", "confirm"]);
    assert!(said.code == Some(2) && said.err.contains("none waits for it here"), "{said:?}");
    let history = world.fyke_well(&["--json", "history", "last"]);
    let run = serde_json::from_str::<serde_json::Value>(&history.out).unwrap()["id"].as_str().unwrap().to_owned();
    let said = world.fyke(&["--netns", "client", "confirm", &run]);
    assert!(said.code == Some(2) && said.err.contains("it ran in another network namespace"), "{said:?}");
    if world.is_root {
        let program = Command::new("setpriv")
            .args(["--reuid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_fyke"), "confirm", &run])
            .env_remove("XDG_RUNTIME_DIR")
            .output()
            .unwrap();
        // Another user has another journal, and where the program cannot be started at all nothing is confirmed either.
        assert!(!program.status.success(), "{program:?}");
    }
    world.fyke_well(&["confirm", &run[..4]]);
    world.undo();
    let said = world.fyke(&["confirm", &run]);
    assert!(said.code == Some(1) && said.err.contains(&format!("set it again: fyke redo {run}")), "{said:?}");
    world.fyke_well(&["eval", RULE]);
    let history = world.fyke_well(&["--json", "history", "last"]);
    let run = serde_json::from_str::<serde_json::Value>(&history.out).unwrap()["id"].as_str().unwrap().to_owned();
    let said = world.fyke(&["confirm", &run]);
    assert!(said.code == Some(2) && said.err.contains("nobody waits for it"), "{said:?}");
    world.undo();
}

/// Runs a line of shell in a terminal of its own.
pub(super) fn in_terminal(line: &str) -> Command {
    let mut script = Command::new("script");
    script.args(["-qec", line, "/dev/null"]).env("SHELL", "/bin/sh").stdin(std::process::Stdio::piped());
    script
}

fn a_terminal_is_told_and_its_death_changes_nothing(world: &World) {
    let before = world.state();
    let line = |name: &str| {
        let (program, path) = (env!("CARGO_BIN_EXE_fyke"), world.recipe(name, RULE));
        format!("{program} --color never --backend {} run --confirm 5s {path}", world.backend.name())
    };
    // Its shell is gone at once, and so is the terminal.
    let said = in_terminal(&line("first")).output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(out.contains("unless confirmed: fyke confirm"), "{said:?}");
    let died = now();
    // Killed with the terminal while the user waits.
    let running = Running::of(in_terminal(&format!("{}; sleep 60", line("second"))));
    until("the second run", || watchers().len() == 2);
    sleep(Duration::from_millis(500));
    kill(running.guardian(), Signal::SIGKILL).unwrap();
    drop(running);
    // This one lives, and is told.
    let said = in_terminal(&format!("{}; sleep 7", line("third"))).output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(out.contains("fyke: run ") && out.contains("(third) was lifted: it was not confirmed in time"), "{said:?}");
    until("the lifting", || world.state() == before);
    assert!(now() - died < 15_000);
    no_watcher_is_left();
}

fn a_confirmation_at_the_deadline_has_one_outcome(world: &World) {
    let before = world.state();
    let count = 6;
    let runs: Vec<(String, i64)> = (0..count)
        .map(|port| {
            let said = world.fyke_well(&["--json", "eval", "--confirm", "5s", &RULE.replace('7', &(port + 100).to_string())]);
            let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            (document["run"].as_str().unwrap().to_owned(), document["until"]["deadline"].as_i64().unwrap())
        })
        .collect();
    let outcomes: Vec<bool> = scope(|scope| {
        let confirm = |(at, (run, deadline)): (usize, &(String, i64))| {
            // The program takes some ten milliseconds to come to the point.
            let begin = deadline - 60 + 10 * i64::try_from(at).unwrap();
            let run = run.clone();
            scope.spawn(move || {
                sleep(Duration::from_millis(u64::try_from(begin - now()).unwrap_or(0)));
                world.fyke(&["confirm", &run]).code == Some(0)
            })
        };
        let threads: Vec<_> = runs.iter().enumerate().map(confirm).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    until("the end of the watchers", || watchers().is_empty());
    let rules = world.rules("iptables", "INPUT").join("\n");
    for (port, (confirmed, (run, _))) in outcomes.iter().zip(&runs).enumerate() {
        assert_eq!(rules.contains(&format!("--dport {} ", port + 100)), *confirmed, "{run}: {rules}");
    }
    println!("{} of {count} were confirmed in time", outcomes.iter().filter(|confirmed| **confirmed).count());
    if outcomes.contains(&true) {
        world.fyke_well(&["undo", "--all"]);
    }
    assert_eq!(world.state(), before);
}

fn runs_of_one_instance_do_not_pull_each_other_down(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", "ssh-rate-limit", "--hits", "4"]);
    let first = world.state();
    let began = now();
    world.fyke_well(&["run", "--confirm", "5s", "ssh-rate-limit", "--hits", "5"]);
    let second = world.state();
    let said = world.fyke(&["run", "ssh-rate-limit", "--hits", "6"]);
    assert!(said.code == Some(4) && said.err.contains("let it stay: fyke confirm "), "{said:?}");
    // One that finds all there already would rely on what is going to be lifted, too. Another instance does not.
    assert_eq!(world.fyke(&["run", "ssh-rate-limit", "--hits", "5"]).code, Some(4));
    assert_eq!(world.state(), second);
    world.fyke_well(&["run", "ssh-rate-limit", "--port", "2222"]);
    world.undo();
    is_lifted_at(world, &first, began + 5_000);
    no_watcher_is_left();
    world.undo();
    assert_eq!(world.state(), before);
}

fn deadlines_count_from_the_boot(world: &World) {
    let probe = Command::new("unshare").args(["--time", "--boottime", "100000", "true"]).output().unwrap();
    if !probe.status.success() {
        println!("skipped: no time namespace: {}", String::from_utf8_lossy(&probe.stderr).trim_end());
        return;
    }
    let (before, program) = (world.state(), env!("CARGO_BIN_EXE_fyke"));
    let words = ["--time", "--boottime", "100000", "--fork", program, "--backend", world.backend.name(), "eval", "--confirm", "5s", RULE];
    tool("unshare", &words, "");
    let began = now();
    assert_ne!(world.state(), before);
    until("the lifting", || world.state() == before);
    assert!((4_000..6_500).contains(&(now() - began)), "lifted after {} ms", now() - began);
    no_watcher_is_left();
}
