//! Runs that do not come to their end: killed, interrupted, overdue, out of memory.

use crate::program::{Folder, inside};

/// Puts a rule in force, says so, and goes on with what a test wants.
fn recipe(then: &str) -> String {
    format!(
        "//! Waits with a rule in force.\n//! needs: iptables\n//! risk: disrupts\n\
         iptables::table(\"filter\").chain(\"INPUT\").append(\"-s 192.0.2.1 -j DROP\");\ncommit();\nprint(\"ready\");\n{then}\n"
    )
}

/// A job in the background ignores SIGINT, unless somebody sees to it. Starts `$FYKE $flags run $recipe` in the background, and waits until its rule is in force: `$guardian` and `$runner` are its processes.
const START: &str = "start() { env --default-signal=INT $FYKE \"$@\" >/run/out 2>/run/err & guardian=$!
    until grep -q ready /run/out; do sleep 0.01; done
    runner=$(cat /proc/$guardian/task/$guardian/children); }
    ended() { wait $guardian; echo code $?; test \"$before\" = \"$(dump)\" && echo as before; ls /run/fyke | grep lock; }";

#[test]
fn whatever_ends_a_run_its_rules_are_lifted() {
    let folder = Folder::new();
    let sleeps = folder.file("sleeps.rhai", recipe("sleep(60);"));
    let sorts = folder.file("sorts.rhai", recipe("let a = []; for i in 0..90000 { a.push(i); } loop { a.sort(|x, y| y - x); }"));
    let eats = folder.file("eats.rhai", recipe("let all = []; loop { let s = \"x\"; s.pad(1000000, 'y'); all.push(s); }"));
    let cases = [
        (&sleeps, "", "kill -KILL $runner", 1, "was killed (SIGKILL)"),
        (&sleeps, "", "kill -TERM $guardian", 143, "cannot sleep"),
        (&sleeps, "", "kill -HUP $guardian", 129, "cannot sleep"),
        (&sleeps, "", "kill -INT $runner; kill -INT $runner", 130, "cannot sleep"),
        (&sleeps, "--timeout 1s", "", 8, "sleeps.rhai:7:1"),
        (&sorts, "--timeout 1s", "", 8, "deadline"),
        (&eats, "", "", 8, "memory"),
    ];
    for (recipe, flags, how, code, why) in cases {
        let said = inside(&format!("{START}; before=$(dump); start {flags} run {recipe}\n{how}\nended; cat /run/err >&2"));
        assert_eq!(said.out, format!("code {code}\nas before\n"), "{recipe} {flags} {how}: {said:?}");
        assert!(said.err.contains(why), "{recipe} {flags} {how}: {said:?}");
    }
}

#[test]
fn a_run_whose_both_processes_are_killed_is_recovered() {
    let folder = Folder::new();
    let sleeps = folder.file("sleeps.rhai", recipe("sleep(60);"));
    let said = inside(&format!(
        "{START}; before=$(dump); start run {sleeps}
         $FYKE undo last 2>&1 | grep -o 'held by fyke'; $FYKE recover 2>&1
         kill -STOP $runner; kill -KILL $guardian $runner
         until [ ! -e /proc/$runner ] || grep -q 'State:.Z' /proc/$runner/status; do sleep 0.01; done
         test \"$before\" = \"$(dump)\" || echo left behind
         $FYKE recover | sed 's/lifted .*:/lifted:/'
         test \"$before\" = \"$(dump)\" && echo as before; $FYKE recover 2>&1; ls /run/fyke | grep lock"
    ));
    assert_eq!(said.out, "held by fyke\nnothing to recover\nleft behind\nlifted: 1 taken out\nas before\nnothing to recover\n", "{said:?}");
}
