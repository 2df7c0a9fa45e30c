//! What could not be lifted when it should have been is neither forgotten by its watcher nor by the next invocation.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::confirm::{OVER, RULE, in_terminal, is_lifted_at, no_watcher_is_left, now, set, watchers};
use super::world::{Running, World, on_both, until};

on_both! {
    what_cannot_be_lifted_is_not_forgotten
    a_watcher_does_not_give_up_and_knows_a_run_that_never_was
    what_a_later_run_kept_in_force_goes_with_it
}

/// Keeps everybody else from writing here until it is killed.
fn hold_the_turn(namespace: &serde_json::Value) -> Child {
    let mut flock = Command::new("flock");
    flock.args(["--no-fork", &format!("/run/fyke/writing-{namespace}.lock"), "sh", "-c", "echo held; exec sleep 60"]);
    let mut holder = flock.stdout(Stdio::piped()).spawn().unwrap();
    holder.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    holder
}

fn what_cannot_be_lifted_is_not_forgotten(world: &World) {
    let before = world.state();
    let path = world.recipe("torn", &format!("{} commit(); print(\"there\"); sleep(\"60s\");", RULE.replace('7', "8")));
    let running = world.start(&["run", &path], "there");
    let (guardian, runner) = (running.guardian(), running.runner());
    kill(runner, Signal::SIGSTOP).unwrap();
    kill(guardian, Signal::SIGKILL).unwrap();
    kill(runner, Signal::SIGKILL).unwrap();
    running.end();
    let torn = "(torn) was left half done";
    until("the notice", || world.fyke_well(&["history"]).err.contains(torn));
    let history = world.fyke_well(&["--json", "history", "last"]).out;
    let document: serde_json::Value = serde_json::from_str(&history).unwrap();
    let torn_run = document["id"].as_str().unwrap();
    let (run, deadline) = set(world, "--confirm", "5s");
    kill(watchers()[0], Signal::SIGKILL).unwrap();
    sleep(Duration::from_millis(u64::try_from(deadline - now() + 50).unwrap_or(0)));
    let mut holder = hold_the_turn(&document["namespace"]);
    let said = world.fyke(&["undo", torn_run]);
    assert!(said.code == Some(4) && said.err.contains(&format!("the time of run {run} is over, but ")), "{said:?}");
    assert!(said.err.contains(torn), "{said:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let said = world.fyke_well(&["eval", "1"]);
    assert!(said.err.contains(torn) && said.err.contains("was lifted: it was not confirmed in time"), "{said:?}");
    world.fyke_well(&["recover"]);
    assert_eq!(world.state(), before);
    assert!(world.fyke_well(&["eval", "1"]).err.is_empty());
    no_trace_is_left();
}

/// Sees to it that no later invocation has to look into the journal.
fn no_trace_is_left() {
    no_watcher_is_left();
    let names = fs::read_dir("/run/fyke").unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let locks: Vec<_> = names.filter(|name| name.ends_with(".lock") && !name.starts_with("writing-")).collect();
    assert!(locks.is_empty(), "{locks:?}");
}

fn a_watcher_does_not_give_up_and_knows_a_run_that_never_was(world: &World) {
    let before = world.state();
    world.fyke_well(&["eval", RULE]);
    world.undo();
    // Somebody writes to the journal for so long that the run, which is watched already, cannot be entered.
    let journal = rusqlite::Connection::open("/run/fyke/journal").unwrap();
    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    let line = format!("{} --backend {} eval --confirm 5s '{RULE}'; sleep 1", env!("CARGO_BIN_EXE_fyke"), world.backend.name());
    let said = in_terminal(&line).output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(out.contains("database is locked") && !out.contains("watcher") && !out.contains("still in force"), "{said:?}");
    drop(journal);
    no_trace_is_left();
    // One that can read nothing when the time is over tries again until it can.
    let line = line.replace("sleep 1", "sleep 10");
    let running = Running::of(in_terminal(&line));
    until("the run", || world.fyke_well(&["history"]).out.contains("left to confirm"));
    let watcher = watchers()[0];
    fs::rename("/run/fyke/journal", "/run/fyke/elsewhere").unwrap();
    fs::create_dir("/run/fyke/journal").unwrap();
    sleep(OVER);
    assert!(watchers() == [watcher] && world.state() != before);
    fs::remove_dir("/run/fyke/journal").unwrap();
    fs::rename("/run/fyke/elsewhere", "/run/fyke/journal").unwrap();
    until("the lifting", || world.state() == before);
    let out = running.end().out;
    assert_eq!(out.matches("cannot do its work yet, and tries again until it can: ").count(), 1, "{out}");
    assert!(out.contains("was lifted: it was not confirmed in time"), "{out}");
    no_trace_is_left();
}

fn what_a_later_run_kept_in_force_goes_with_it(world: &World) {
    let before = world.state();
    let chain = "let c = iptables::table(\"filter\").ensure_chain(\"AAA\"); c.ensure([\"-p tcp --dport 9 -j DROP\"]);";
    world.fyke_well(&["run", "--confirm", "5s", &world.recipe("earlier", chain)]);
    let jump = "iptables::table(\"filter\").chain(\"INPUT\").ensure([\"-j AAA\"]);";
    let began = now();
    world.fyke_well(&["run", "--confirm", "7s", &world.recipe("later", jump)]);
    is_lifted_at(world, &before, began + 7_000);
    no_trace_is_left();
}
