//! Many at once, and others who have been there between a run and its undo.

use super::world::{Running, World, on_both, tool, without_tag};
use crate::program::Said;

on_both! {
    many_at_once_lose_nothing
    of_two_undos_one_wins
    what_others_did_since_is_reported_and_left
}

fn id(said: &Said) -> String {
    said.err.rsplit(' ').next().unwrap().trim_end().to_owned()
}

fn many_at_once_lose_nothing(world: &World) {
    const RUNS: usize = 70;
    let path = world.recipe(
        "one",
        "let port = param(\"port\", 1, \"a port\", #{ key: true });
let own = param(\"own\", false, \"in a chain of its own\");
let filter = iptables::table(\"filter\");
let chain = if own { filter.ensure_chain(`OWN-${port}`) } else { filter.chain(\"INPUT\") };
chain.append(#{ proto: \"tcp\", dport: port, jump: \"DROP\" });",
    );
    let before = world.state();
    let (mut done, mut busy, mut next) = (Vec::new(), 0, 1);
    for together in (2..=8).cycle() {
        let numbers: Vec<usize> = (next..=RUNS).take(together).collect();
        next += numbers.len();
        let start = |port: &usize| {
            let own: &[&str] = if port.is_multiple_of(3) { &["--own"] } else { &[] };
            Running::of(world.command(&[&["run", &path, "--port", &port.to_string()], own].concat()))
        };
        let started: Vec<Running> = numbers.iter().map(start).collect();
        for (number, running) in numbers.iter().zip(started) {
            let said = running.end();
            match said.code {
                Some(0) => done.push(*number),
                Some(4) if said.err.contains("held by") => busy += 1,
                _ => panic!("{number}: {said:?}"),
            }
        }
        if next > RUNS {
            break;
        }
    }
    let listed = world.iptables("iptables -S");
    let ports = listed.lines().filter(|line| line.starts_with("-A"));
    let mut found: Vec<usize> =
        ports.map(|rule| rule.split("--dport ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()).collect();
    found.sort_unstable();
    done.sort_unstable();
    assert_eq!(found, done);
    println!("{} done, {busy} kept waiting too long, none lost", done.len());
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
}

fn of_two_undos_one_wins(world: &World) {
    let before = world.state();
    let text = "iptables::both(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 1 -j DROP\");";
    let mut both = 0;
    for _ in 0..10 {
        let run = id(&world.run("one", text));
        let undoing: Vec<Running> = (0..2).map(|_| Running::of(world.command(&["undo", &run]))).collect();
        let said: Vec<Said> = undoing.into_iter().map(Running::end).collect();
        let won = said.iter().filter(|said| said.code == Some(0)).count();
        assert_eq!(won, 1, "{said:?}");
        let other = said.iter().find(|said| said.code != Some(0)).unwrap();
        let late = other.code == Some(2) && other.err.contains("it is lifted already");
        assert!(late || (other.code == Some(4) && other.err.contains("held by")), "{other:?}");
        both += usize::from(!late);
        assert_eq!(world.state(), before);
        let said = world.fyke(&["undo", &run]);
        assert!(said.code == Some(2) && said.err.contains("it is lifted already"), "{said:?}");
    }
    println!("{both} of 10 at the same time");
}

const OURS: &str = "\
let filter = iptables::table(\"filter\");
filter.new_chain(\"OURS\").append([\"-p tcp --dport 21 -j DROP\", \"-p tcp --dport 22 -j DROP\"]);
filter.chain(\"INPUT\").append([\"-p tcp --dport 1 -j OURS\", \"-p tcp --dport 2 -j DROP\", \"-p tcp --dport 3 -j DROP\"]);
";

/// What somebody else does to the rules, and what has come of it when the run is lifted, and lifted by force.
struct Case {
    what: &'static str,
    does: fn(&World),
    /// The exit code of the undo.
    code: i32,
    /// What the undo says.
    says: &'static str,
    /// The ports of INPUT after the undo.
    left: &'static [&'static str],
    /// The same after `--force`.
    forced: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { what: "nothing", does: |_| {}, code: 0, says: "", left: &["10", "11"], forced: &["10", "11"] },
    Case {
        what: "flushes the chain",
        does: |world| drop(world.iptables("iptables -F INPUT")),
        code: 0,
        says: "somebody took it out",
        left: &[],
        forced: &[],
    },
    Case {
        what: "inserts between",
        does: |world| drop(world.iptables("iptables -I INPUT 4 -p tcp --dport 12 -j ACCEPT")),
        code: 0,
        says: "",
        left: &["10", "11", "12"],
        forced: &["10", "11", "12"],
    },
    Case {
        what: "takes one of ours out",
        does: |world| drop(world.iptables("iptables -D INPUT 4")),
        code: 0,
        says: "somebody took it out",
        left: &["10", "11"],
        forced: &["10", "11"],
    },
    Case {
        what: "restores what was saved",
        does: |world| {
            let saved = world.iptables("iptables-save");
            world.wipe();
            tool(&format!("iptables-{}-restore", world.backend.name()), &[], &saved);
        },
        code: 0,
        says: "",
        left: &["10", "11"],
        forced: &["10", "11"],
    },
    Case {
        what: "says other words under our comment",
        does: |world| {
            let (number, tag) = tagged(world, "--dport 2 ");
            world.iptables(&format!("iptables -R INPUT {number} -p tcp --dport 99 -m comment --comment {tag} -j ACCEPT"));
        },
        code: 3,
        says: "filter/INPUT",
        left: &["10", "11", "99"],
        forced: &["10", "11"],
    },
    Case {
        what: "writes one of ours again",
        does: |world| {
            let (_, tag) = tagged(world, "--dport 2 ");
            world.iptables(&format!("iptables -A INPUT -p tcp --dport 2 -m comment --comment {tag} -j DROP"));
        },
        code: 0,
        says: "all 2 are taken out",
        left: &["10", "11"],
        forced: &["10", "11"],
    },
];

/// Finds a rule of ours in INPUT: its place from 1 and its tag.
fn tagged(world: &World, words: &str) -> (usize, String) {
    let listed = world.iptables("iptables -S INPUT");
    let mut rules = listed.lines().filter(|line| line.starts_with("-A"));
    let (at, rule) = rules.by_ref().enumerate().find(|(_, rule)| rule.contains(words)).unwrap();
    (at + 1, rule.split('"').nth(1).unwrap().to_owned())
}

fn ports(world: &World) -> Vec<String> {
    let port = |rule: &str| rule.split("--dport ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    world.rules("iptables", "INPUT").iter().map(|rule| port(&without_tag(rule))).collect()
}

fn what_others_did_since_is_reported_and_left(world: &World) {
    for case in CASES {
        world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
        world.iptables("iptables -A INPUT -p tcp --dport 11 -j ACCEPT");
        let run = id(&world.run("ours", OURS));
        (case.does)(world);
        let said = world.fyke(&["undo", &run]);
        assert_eq!(said.code, Some(case.code), "{}: {said:?}", case.what);
        assert!(said.out.contains(case.says) && said.out.contains("drift") != case.says.is_empty(), "{}: {said:?}", case.what);
        assert_eq!(ports(world), case.left, "{}: {said:?}", case.what);
        if case.code != 0 {
            world.fyke_well(&["undo", "--force", &run]);
        }
        assert_eq!(ports(world), case.forced, "{}", case.what);
        assert!(!world.iptables("iptables -S").contains("OURS"), "{}", case.what);
        world.wipe();
    }
}
