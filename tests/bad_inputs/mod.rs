//! Bad input gets a clear fault before anything is touched: the table of bad inputs, row by row, through the program on a real kernel.

mod groups;
mod links;
mod packets;
mod queues;
mod raw;
mod rows;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::kernel::world::{World, in_a_world, tool};
use crate::program::{self, Said};
use groups::GROUPS;
use links::LINKS;
use packets::PACKETS;
use queues::QUEUES;
use raw::RAW;
use rows::{ELSEWHERE, HOSTILE, LATER, REFUSED, TAKEN};

const AT_HAND: &str = "let filter = iptables::table(\"filter\"); let input = filter.chain(\"INPUT\"); \
                       let input6 = ip6tables::table(\"filter\").chain(\"INPUT\"); ";

/// Gives a folder or file of the shared suites, or says why the test that needs it is skipped.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    let there = path.exists();
    if !there {
        println!("skipped: {} is not here", path.display());
    }
    there.then_some(path)
}

in_a_world! {
    what_is_refused_touches_nothing
    what_is_taken_is_carried_as_it_is
    chains_in_use_and_twice
    what_iptables_save_cannot_tell_is_left_alone
    two_equal_rules_are_not_guessed_between
    hostile_environments
    scarce_resources
    journals_of_others
    damaged_journals
    odd_names_of_runs
    after_a_reboot
    without_rights
    hostile_scripts_one
    hostile_scripts_two
    hostile_scripts_three
}

/// Gives all scripts that must be refused: the row, words of the fault, and the scripts.
fn refused() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static [&'static str])> {
    [REFUSED, QUEUES, LINKS, GROUPS, PACKETS, RAW].into_iter().flatten()
}

#[test]
fn every_row_is_accounted_for() {
    let Some(table) = shared("bad-inputs.tsv") else { return };
    let table = std::fs::read_to_string(table).unwrap();
    let own = ["R04", "R05", "R22", "C04", "C06", "C11", "C12", "C13", "C14", "C19"];
    let known: BTreeSet<&str> = (refused().map(|row| row.0))
        .chain(TAKEN.iter().map(|row| row.0))
        .chain(ELSEWHERE.iter().chain(LATER).map(|row| row.0))
        .chain(HOSTILE.iter().chain(&own).copied())
        .collect();
    let rows = table.lines().skip(1).filter_map(|line| line.split('\t').next());
    // What remains is about tc.
    let mine = |id: &&str| match (id.as_bytes()[0], id[1..].parse::<u32>().unwrap()) {
        (b'R', number) => matches!(number, 1..=31 | 34..=49),
        (b'S' | b'C' | b'P', _) => true,
        _ => false,
    };
    let missing: Vec<&str> = rows.filter(mine).filter(|id| !known.contains(id)).collect();
    assert!(missing.is_empty(), "rows without a test and without a reason: {missing:?}");
    for (id, reason) in LATER {
        println!("{id} is not proved yet: {reason}");
    }
}

fn what_is_refused_touches_nothing(world: &World) {
    let before = world.state();
    let mut wrong = Vec::new();
    for (row, words, scripts) in refused() {
        for script in *scripts {
            let said = world.fyke(&["eval", &format!("{AT_HAND}{script}")]);
            if said.code != Some(2) || !said.err.contains(words) || said.err.contains(" at Line ") {
                wrong.push(format!("{row} {script}: {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.state(), before);
    assert!(!Path::new("/run/fyke").exists(), "something was journaled");
}

fn what_is_taken_is_carried_as_it_is(world: &World) {
    for (row, rule, listed) in TAKEN {
        world.fyke_well(&["eval", &format!("{AT_HAND}input.append({rule});")]);
        assert_eq!(world.rules("iptables", "INPUT"), [format!("-A INPUT {listed}")], "{row}");
        world.undo();
    }
}

fn chains_in_use_and_twice(world: &World) {
    let before = world.state();
    let eval = |script: &str| world.fyke(&["eval", &format!("{AT_HAND}{script}")]);
    for (script, kind) in [
        (r#"filter.new_chain("X"); filter.new_chain("X")"#, "exists"),
        (r#"filter.new_chain("X"); input.append("-j X"); filter.delete_chain("X")"#, "refused"),
        (r#"filter.new_chain("X"); input.append("-j X"); commit(); filter.delete_chain("X")"#, "refused"),
        (r#"filter.delete_chain("INPUT")"#, "input"),
        (r#"filter.delete_chain("X")"#, "not-found"),
    ] {
        let said = eval(script);
        assert!(matches!(said.code, Some(1 | 2)) && said.err.contains(&format!("error[{kind}]")), "{script}: {said:?}");
        assert_eq!(world.state(), before, "{script}");
    }
}

/// A newline in a comment becomes another rule when the text of iptables-save is restored: such a rule is neither touched nor lost.
fn what_iptables_save_cannot_tell_is_left_alone(world: &World) {
    let comment = "x\"\n-A INPUT -j ACCEPT\n#";
    tool("iptables-nft", &["-A", "INPUT", "-m", "comment", "--comment", comment, "-j", "DROP"], "");
    tool("iptables-nft", &["-A", "INPUT", "-p", "tcp", "--dport", "1", "-j", "DROP"], "");
    let before = world.state();
    let said = world.fyke(&["run", "ssh-rate-limit"]);
    if said.code == Some(0) {
        world.undo();
    }
    assert_eq!(world.state(), before, "{said:?}");
    world.wipe();
}

fn two_equal_rules_are_not_guessed_between(world: &World) {
    for _ in 0..2 {
        world.iptables("iptables -A INPUT -p tcp --dport 1 -j DROP");
    }
    let before = world.state();
    let said = world.fyke(&["eval", &format!("{AT_HAND}input.delete(\"-p tcp --dport 1 -j DROP\")")]);
    assert!(said.code != Some(0) && said.err.contains("the rules 1, 2 equal it"), "{said:?}");
    assert_eq!(world.state(), before);
    world.wipe();
}

fn hostile_environments(world: &World) {
    let marker = world.folder.path().join("was-here");
    for name in ["iptables", "iptables-nft", "iptables-nft-restore", "iptables-nft-save", "iptables-restore", "ip", "nft", "modprobe", "sh"]
    {
        let path = world.folder.file(name, format!("#!/bin/sh\ntouch {}\n", marker.display()));
        tool("chmod", &["+x", &path], "");
    }
    let before = world.state();
    let mut command = world.command(&["run", "ssh-rate-limit"]);
    command.env("PATH", world.folder.path()).env("IFS", "/").env("XTABLES_LIBDIR", "/nonexistent").env("XTABLES_LOCKFILE", &marker);
    let said: Said = command.env("BASH_ENV", "/nonexistent").env("RUST_BACKTRACE", "full").output().unwrap().into();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!marker.exists(), "a program of somebody else was started");
    world.undo();
    assert_eq!(world.state(), before);
}

fn scarce_resources(world: &World) {
    let before = world.state();
    for limit in ["-n 8", "-f 0", "-v 200000", "-s 64", "-u 1"] {
        let said = program::shell(&format!("ulimit {limit} && exec \"$FYKE\" --backend nft run ssh-rate-limit"));
        assert!(!said.err.contains("panicked"), "{limit}: {said:?}");
        match said.code {
            Some(0) => drop(world.undo()),
            Some(code) => assert!((1..=8).contains(&code) && !said.err.is_empty(), "{limit}: {said:?}"),
            // A stack this small cannot even hold the reading of the arguments.
            None => assert!(said.err.contains("overflowed its stack"), "{limit}: {said:?}"),
        }
        world.fyke_well(&["recover"]);
        assert_eq!(world.state(), before, "{limit}: {said:?}");
    }
}

fn journals_of_others(world: &World) {
    let before = world.state();
    for make in [
        "mkdir -m 777 /run/fyke",
        "ln -s /tmp /run/fyke",
        "touch /run/fyke",
        "mkdir -m 700 /run/fyke && mkdir /run/fyke/journal",
        "mkdir -m 700 /run/fyke && ln -s /tmp/nothing /run/fyke/journal",
        "mkdir -m 700 /run/fyke && mount -t tmpfs -o ro,mode=0700 tmpfs /run/fyke",
        "mkdir -m 700 /run/fyke && mount -t tmpfs -o size=4k,mode=0700 tmpfs /run/fyke",
    ] {
        tool("bash", &["-c", make], "");
        let said = world.fyke(&["run", "ssh-rate-limit"]);
        assert!(said.code.is_some_and(|code| (1..=8).contains(&code)) && said.err.contains("cannot "), "{make}: {said:?}");
        assert_eq!(world.state(), before, "{make}");
        // A plan works without a journal; one that cannot be read could tell it what is fyke's own, so that is said.
        let plan = world.fyke(&["plan", "ssh-rate-limit"]);
        assert!(plan.code == Some(0) || plan.err.contains("cannot open the journal"), "{make}: {plan:?}");
        tool("bash", &["-c", "umount /run/fyke 2>/dev/null; rm -rf /run/fyke"], "");
    }
}

/// A journal that is damaged is reported; no part of it is taken for what it is not.
fn damaged_journals(world: &World) {
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let mut there = world.state();
    tool("cp", &["-a", "/run/fyke", "/run/good"], "");
    let size = std::fs::metadata("/run/good/journal").unwrap().len();
    let mut damages: Vec<String> = (0..6).map(|sixth| format!("truncate -s {} /run/fyke/journal", size * sixth / 6)).collect();
    damages.push("rm -f /run/fyke/journal*".into());
    damages.push("head -c 5000 /dev/urandom > /run/fyke/journal".into());
    damages.extend((0..8).map(|eighth| {
        format!("printf '\\xff\\x00\\xff' | dd of=/run/fyke/journal bs=1 seek={} conv=notrunc status=none", size * eighth / 8 + 60)
    }));
    for damage in damages {
        tool("bash", &["-c", &damage], "");
        for verb in [&["history"][..], &["recover"], &["undo", "last"]] {
            let said = world.fyke(verb);
            assert!(said.code.is_some() && !said.err.contains("panicked"), "{damage}: {verb:?}: {said:?}");
            if said.code != Some(0) {
                assert!(said.err.contains("error["), "{damage}: {verb:?}: {said:?}");
            }
        }
        // Either all of it was lifted, or nothing.
        let now = world.state();
        let lifted = now.is_empty();
        assert!(lifted || now == there, "{damage}: {now:?}");
        tool("bash", &["-c", "rm -rf /run/fyke && cp -a /run/good /run/fyke"], "");
        if lifted {
            tool("bash", &["-c", "rm -rf /run/fyke"], "");
            world.fyke_well(&["run", "ssh-rate-limit"]);
            tool("bash", &["-c", "rm -rf /run/good && cp -a /run/fyke /run/good"], "");
            there = world.state();
        }
    }
    world.undo();
}

fn odd_names_of_runs(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let there = world.state();
    let history: serde_json::Value = serde_json::from_str(&world.fyke_well(&["--json", "history"]).out).unwrap();
    let id = history[0]["id"].as_str().unwrap();
    // An id may begin with what somebody says by mistake.
    for name in ["0", "-1", "../x", "18446744073709551616", "nothing1", "", "%", "last ", "*", &id[..1], &id[..3]] {
        let said = world.fyke(&["undo", name]);
        assert!(said.code == Some(2) && said.out.is_empty(), "{name}: {said:?}");
        assert_eq!(world.state(), there, "{name}");
    }
    world.undo();
    assert_eq!(world.state(), before);
    assert_eq!(world.fyke(&["undo", "last"]).code, Some(2));
    let held = world.start(
        &[
            "run",
            &world.recipe(
                "held",
                "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\"); commit(); print(\"there\"); sleep(\"60s\");",
            ),
        ],
        "there",
    );
    let said = world.fyke(&["undo", "last"]);
    assert_eq!(said.code, Some(4), "a run that goes on is not undone: {said:?}");
    nix::sys::signal::kill(held.guardian(), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(held.end().code, Some(143));
    assert_eq!(world.state(), before);
}

fn after_a_reboot(world: &World) {
    world.fyke_well(&["run", "ssh-rate-limit"]);
    let id = world.fyke_well(&["--json", "history"]).out;
    let id = serde_json::from_str::<serde_json::Value>(&id).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let there = world.state();
    let other = world.folder.file("boot_id", "11111111-2222-3333-4444-555555555555\n");
    tool("mount", &["--bind", &other, "/proc/sys/kernel/random/boot_id"], "");
    assert!(world.fyke_well(&["history"]).out.contains("gone with the reboot"));
    for words in [&["undo", "last"][..], &["undo", &id]] {
        let said = world.fyke(words);
        assert_eq!(said.code, Some(2), "{words:?}: {said:?}");
    }
    assert!(world.fyke(&["undo", &id]).err.contains("it ran before the last boot"));
    world.fyke_well(&["recover"]);
    assert_eq!(world.state(), there);
    tool("umount", &["/proc/sys/kernel/random/boot_id"], "");
    world.undo();
}

fn without_rights(world: &World) {
    let before = world.state();
    // Root without the capability, as in a container, and nobody at all.
    for drop in ["--bounding-set -net_admin", "--reuid 65534 --regid 65534 --clear-groups"] {
        let said = program::shell(&format!("setpriv {drop} \"$FYKE\" --backend nft run ssh-rate-limit"));
        if said.err.starts_with("setpriv:") {
            println!("skipped: {}", said.err.trim_end());
            continue;
        }
        assert_eq!(said.code, Some(5), "{drop}: {said:?}");
        assert_eq!(world.state(), before, "{drop}");
    }
    let plan = program::shell("setpriv --bounding-set -net_admin \"$FYKE\" --backend nft plan ssh-rate-limit");
    assert!(plan.code == Some(5) && plan.err.contains("CAP_NET_ADMIN") && plan.err.contains("--sandbox"), "{plan:?}");
}

fn hostile_scripts_one(world: &World) {
    hostile_scripts(world, 0);
}

fn hostile_scripts_two(world: &World) {
    hostile_scripts(world, 1);
}

fn hostile_scripts_three(world: &World) {
    hostile_scripts(world, 2);
}

/// Scripts of the suite that do no harm at all.
const HARMLESS: [&str; 9] = ["ansi_print", "bidi_print", "bom", "comment_only", "comments", "crlf", "empty", "nul_string", "shebang"];

/// Plain Rhai with all limits set is aborted by some of these scripts and held up by others. Here each of them ends as a fault, within the
/// deadline, with everything lifted that was done before.
fn hostile_scripts(world: &World, share: usize) {
    let Some(folder) = shared("suites/hostile/rhai") else { return };
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    let before = world.state();
    for path in scripts.iter().skip(share).step_by(3) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read(path).unwrap();
        // With a change before it, where there is no line that must be the first.
        let first = b"iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\"); commit();\n";
        let path = path.to_str().unwrap();
        let changed = world.folder.file(&format!("{name}.rhai"), [&first[..], &text].concat());
        for script in [path, &changed] {
            let began = Instant::now();
            let said = world.fyke(&["--timeout", "3s", "run", script]);
            assert!(began.elapsed() < Duration::from_secs(12), "{script} took {:?}", began.elapsed());
            let code = said.code.unwrap_or(-1);
            assert!(matches!(code, 0 | 1 | 2 | 8) && !said.err.contains("panicked"), "{script}: {code} {}", said.err);
            assert!(!HARMLESS.contains(&name) || script != path || code == 0, "{script}: {}", said.err);
            if code == 0 {
                world.fyke(&["undo", "last"]);
            } else {
                assert!(said.err.contains("error["), "{script}: {}", said.err);
            }
            assert_eq!(world.state(), before, "{script}: {}", said.err);
        }
    }
}
