//! Programs that a script runs, files that it reads, and questions that it asks.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::world::{World, in_a_world, until};
use crate::program::{Folder, is_root};
use crate::terminal::{CTRL_C, CTRL_D, ENTER, Terminal};

in_a_world! {
    a_program_is_an_act
    a_plan_runs_no_program
    a_program_ends_with_the_run
    values_stand_in_rules
    files_are_read_as_text
}

fn a_program_is_an_act(world: &World) {
    let before = world.state();
    let seen = "iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\");
let ran = sys::run([\"iptables-nft\", \"-S\", \"INPUT\"]);
print(ran.output.contains(\"-j ACCEPT\"));
sys::run([\"sh\", \"-c\", \"kill -9 $$\"], #{ check: false }).status";
    let said = world.run("seen", seen);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "true\n137\n"), "what was queued is written before: {said:?}");
    assert!(said.err.contains("! ran `iptables-nft -S INPUT`, which cannot be lifted"), "{said:?}");
    assert!(world.fyke_well(&["history", "last"]).out.contains("ran `iptables-nft -S INPUT`"));
    world.undo();
    assert_eq!(world.state(), before);

    let fails = "iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\");\nsys::run([\"sh\", \"-c\", \"echo no >&2; exit 3\"]);";
    let said = world.run("fails", fails);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("it ended with status 3: no") && said.err.contains("fails.rhai:2:6"), "{said:?}");
    assert_eq!(world.state(), before);
    let caught = "try { sys::run([\"false\"]) } catch (e) { print(e.kind) }\ntry { sys::run([\"sleep\", 50], #{ timeout: duration(\"50ms\") }) } \
                  catch (e) { print(e.kind) }";
    assert_eq!(world.run("caught", caught).out, "refused\nlimit\n");
}

fn a_plan_runs_no_program(world: &World) {
    let before = world.state();
    let marker = world.folder.path().join("was-here");
    let text = format!(
        "iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\");\nsys::run([\"touch\", {marker:?}]);\nprint(\"not reached\");"
    );
    let path = world.recipe("planned", &text);
    let said = world.fyke_well(&["plan", &path]);
    assert!(said.out.contains("-j ACCEPT") && !said.out.contains("! ran `touch ") && !said.out.contains("not reached"), "{said:?}");
    assert!(said.err.contains(&format!("known up to {path}:2:6")), "{said:?}");
    let json: serde_json::Value = serde_json::from_str(&world.fyke_well(&["--json", "plan", &path]).out).unwrap();
    assert_eq!((&json["complete"], json["acts"].as_array().unwrap().len()), (&false.into(), 0), "{json}");
    assert!(!marker.exists());
    let asks = world.recipe("asks", "try { sys::confirm(\"Really?\") } catch { print(\"not reached\") }");
    let said = world.fyke_well(&["plan", &asks]);
    assert!(said.err.contains("a plan asks nobody") && !said.out.contains("not reached"), "{said:?}");
    assert_eq!(world.state(), before);
}

/// The program, and what it has started, is gone before the run ends.
fn a_program_ends_with_the_run(world: &World) {
    let before = world.state();
    let marker = world.folder.path().join("started");
    let text = format!(
        "iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\");\nsys::run([\"sh\", \"-c\", \"sleep 60 & echo $! > {}; wait\"]);",
        marker.display()
    );
    let path = world.recipe("slow", &text);
    let gone = || {
        let pid = std::fs::read_to_string(&marker).unwrap();
        std::fs::remove_file(&marker).unwrap();
        until("the program is gone", || !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    };
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let running = super::world::Running::of(world.command(&["run", &path]));
        until("the program runs", || std::fs::read_to_string(&marker).is_ok_and(|pid| pid.ends_with('\n')));
        let began = Instant::now();
        kill(if code == 130 { running.runner() } else { running.guardian() }, signal).unwrap();
        assert_eq!(running.end().code, Some(code));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        gone();
        assert_eq!(world.state(), before);
    }
    let said = world.fyke(&["--timeout", "500ms", "run", &path]);
    assert!(said.code == Some(8) && said.err.contains("slow.rhai:2"), "{said:?}");
    gone();
    let running = super::world::Running::of(world.command(&["run", &path]));
    until("the program runs", || std::fs::read_to_string(&marker).is_ok_and(|pid| pid.ends_with('\n')));
    kill(running.runner(), Signal::SIGKILL).unwrap();
    running.end();
    gone();
    assert_eq!(world.state(), before, "the guardian has lifted it");
}

fn values_stand_in_rules(world: &World) {
    let before = world.state();
    let text = "let lan = prefix(\"10.0.0.0/8\");
let input = iptables::table(\"filter\").chain(\"INPUT\");
input.append(#{ source: lan, destination: lan.network + 1, jump: \"DROP\" });
input.append(#{ recent: #{ set: true, name: \"SEEN\", }, source: address(\"192.0.2.1\") });
input.append(#{ recent: #{ update: true, name: \"SEEN\", seconds: duration(\"2min\") }, jump: \"DROP\" });
ip6tables::table(\"filter\").chain(\"INPUT\").append(#{ source: prefix(\"2001:db8::/32\"), jump: \"DROP\" });
iptables::both(\"filter\").chain(\"FORWARD\").append(#{ source: prefix(\"2001:db8::/32\"), jump: \"DROP\" });
commit();
if sys::env(\"NO_LISTS\") == () { iptables::recent(\"SEEN\").add(lan.network + 7); }";
    let path = world.recipe("values", text);
    let mut command = world.command(&["run", &path]);
    if !world.is_root {
        command.env("NO_LISTS", "1");
    }
    let said: crate::program::Said = command.output().unwrap().into();
    assert_eq!(said.code, Some(0), "{said:?}");
    let rules: Vec<String> = world.rules("iptables", "INPUT").iter().map(|rule| super::world::without_tag(rule)).collect();
    assert!(rules[0].starts_with("-A INPUT -s 10.0.0.0/8 -d 10.0.0.1/32") && rules[2].contains("--seconds 120"), "{rules:?}");
    assert!(world.rules("iptables", "FORWARD").is_empty() && world.rules("ip6tables", "FORWARD").len() == 1);
    world.undo();
    assert_eq!(world.state(), before);
}

fn files_are_read_as_text(world: &World) {
    let list = world.folder.file("list", "# hosts\n10.0.0.1 # one\r\n\n  10.0.0.2\n");
    let broken = world.folder.file("broken", b"fine\nb\xe9\n");
    let eval = |script: &str| world.fyke(&["eval", script]);
    assert_eq!(eval(&format!("sys::lines({list:?}, #{{ comment: \"#\" }}).map(|it| address(it)).len()")).out, "2\n");
    assert_eq!(eval(&format!("sys::lines({list:?})[3] + sys::text({list:?}).len()")).out, "  10.0.0.236\n");
    let pipe = world.folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = pipe.to_str().unwrap();
    for (path, why) in
        [(broken.as_str(), "line 2 is not UTF-8"), (pipe, "it is a pipe"), ("/dev/zero", "it is a device"), ("/", "it is a directory")]
    {
        let said = eval(&format!("sys::lines({path:?})"));
        assert!(said.code == Some(2) && said.err.contains(why), "{path}: {said:?}");
    }
    assert!(eval("sys::lines(\"/no/such\")").err.contains("error[not-found]"));
    let said = eval("sys::confirm(\"Really?\")");
    assert!(said.code == Some(2) && said.err.contains("standard input is no terminal") && said.err.contains("a parameter"), "{said:?}");
    assert!(!std::path::Path::new("/run/fyke").exists(), "something was journaled");
}

/// Asks in a terminal, and gives what the screen shows once the program has ended with a code.
fn asked(keys: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let mut command = std::process::Command::new("unshare");
    command.args(if is_root() { &[][..] } else { &["--map-root-user"] }).args(["--net", "--mount", "bash", "-c"]);
    let script = "print(if sys::confirm(\"Drop \\x1b[2J them?\") { \"dropped\" } else { \"kept\" });";
    command.arg("mount -t tmpfs run /run; exec \"$FYKE\" --color never eval \"$SCRIPT\"").current_dir(folder.path());
    command.env("FYKE", env!("CARGO_BIN_EXE_fyke")).env("SCRIPT", script);
    let mut terminal = Terminal::open((24, 80), &command);
    terminal.until("Drop \\u{1b}[2J them? [y/N]");
    keys.iter().for_each(|key| terminal.press(key));
    let code = terminal.code();
    let end = match code {
        Some(0) => terminal.until_it("says what came of it", |shown| shown.ends_with("dropped") || shown.ends_with("kept")),
        _ => terminal.shown(),
    };
    (code, end.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn only_a_plain_yes_is_one() {
    for (keys, answer) in [
        (&["y", ENTER][..], "dropped"),
        (&["Yes", ENTER], "dropped"),
        (&[ENTER], "kept"),
        (&["yeah", ENTER], "kept"),
        (&["n", ENTER], "kept"),
        (&[CTRL_D], "kept"),
    ] {
        assert_eq!(asked(keys), (Some(0), answer.to_owned()), "{keys:?}");
    }
    assert_eq!(asked(&["y", CTRL_C]).0, Some(130));
}
