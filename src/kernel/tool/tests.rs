#![allow(clippy::unwrap_used)]

use std::os::fd::AsFd;
use std::time::Instant;

use nix::sys::signal::{Signal, raise};

use super::*;
use crate::kernel::process::signals;
use crate::kernel::tests::aside;

fn sh() -> Tool {
    Tool::find("sh").unwrap()
}

fn run(script: &str) -> Output {
    Request::new(&sh()).args(["-c", script]).run().unwrap()
}

#[test]
fn words_input_and_environment_arrive_as_they_are() {
    let input = vec![b'x'; 3 << 20];
    let tool = sh();
    let words = Request::new(&tool).args(["-c", "cat; printf %s \"$1\" >&2", "sh", "it's $HOME\n\"2\""]).stdin(&input);
    let output = words.run().unwrap();
    assert!(output.success());
    assert_eq!((output.stdout, output.stderr), (input, b"it's $HOME\n\"2\"".to_vec()));
    let environment = Request::new(&Tool::find("env").unwrap()).env("XTABLES_LOCKFILE", "/tmp/lock").run().unwrap();
    let expected = format!("PATH={}\nLC_ALL=C\nXTABLES_LOCKFILE=/tmp/lock\n", SEARCH_PATH.join(":"));
    assert_eq!(String::from_utf8(environment.stdout).unwrap(), expected);
}

#[test]
fn ends_are_told_apart() {
    assert_eq!(run("echo no >&2; exit 3").end, End::Code(3));
    assert_eq!(run("echo no >&2; exit 3").complaint(), "no");
    assert_eq!(run("exit 4").complaint(), "it ended with code 4, and no word");
    assert_eq!(run("kill -9 $$").end, End::Signal(9));
}

#[test]
fn a_tool_that_is_not_there_is_a_fault() {
    let fault = Tool::find("no-such-tool").unwrap_err();
    assert_eq!((fault.kind, fault.tried.as_str()), (Kind::Unsupported, "find the program no-such-tool"));
    assert_eq!(Tool::find("../bin/sh").unwrap_err().kind, Kind::Input);
    let gone = Tool { path: "/nonexistent/tool".into() };
    let fault = Request::new(&gone).run().unwrap_err();
    assert_eq!((fault.kind, fault.to_string().as_str()), (Kind::NotFound, "cannot run tool: No such file or directory"));
    let nul = Request::new(&sh()).arg("a\0b").run().unwrap_err();
    assert_eq!(nul.kind, Kind::Input);
}

#[test]
fn time_is_bounded_and_descendants_are_not_waited_for() {
    let begun = Instant::now();
    let fault = Request::new(&sh()).args(["-c", "sleep 50 & wait"]).timeout(Duration::from_millis(100)).run().unwrap_err();
    assert_eq!((fault.kind, fault.why.as_str()), (Kind::Limit, "it did not end within 100ms"));
    assert_eq!(run("sleep 1 & echo done").stdout, b"done\n");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn output_is_bounded() {
    let chatty = run("head -c 1000000 /dev/zero >&2; echo end");
    assert_eq!((chatty.stderr.len(), chatty.stdout.as_slice()), (64 << 10, &b"end\n"[..]));
    let fault = Request::new(&sh()).args(["-c", "cat /dev/zero"]).run().unwrap_err();
    assert_eq!((fault.kind, fault.why.as_str()), (Kind::Limit, "it wrote more than 256 MiB"));
}

#[test]
fn a_tool_starts_with_the_signals_of_a_fresh_program() {
    // The test program, like every Rust program, ignores SIGPIPE; a tool must not.
    let status = Request::new(&Tool::find("cat").unwrap()).arg("/proc/self/status").run().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    let mask = |name| u64::from_str_radix(status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim(), 16).unwrap();
    assert_eq!((mask("SigBlk:"), mask("SigIgn:") & 1 << (libc::SIGPIPE - 1), mask("SigCgt:")), (0, 0, 0), "{status}");
}

#[test]
fn a_tool_can_run_in_another_network_namespace() {
    let Ok(netns) = crate::kernel::netns::Netns::create() else {
        println!("skipped: no network namespace may be made here (not root)");
        return;
    };
    let tool = Tool::find("readlink").unwrap();
    let there = Request::new(&tool).arg("/proc/self/ns/net").netns(netns.as_fd()).run().unwrap();
    let here = Request::new(&tool).arg("/proc/self/ns/net").run().unwrap();
    assert_ne!(there.stdout, here.stdout);
    assert!(there.stdout.starts_with(b"net:["));
}

#[test]
fn several_run_at_the_same_time() {
    let tool = sh();
    let begun = Instant::now();
    let requests = ["sleep 0.3; echo a", "sleep 0.3; echo b", "exit 5"].map(|script| Request::new(&tool).args(["-c", script]));
    let results: Vec<Output> = run_all(&requests).into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().map(|output| output.stdout.as_slice()).collect::<Vec<_>>(), [&b"a\n"[..], b"b\n", b""]);
    assert_eq!(results[2].end, End::Code(5));
    assert!(begun.elapsed() < Duration::from_millis(550), "{:?}", begun.elapsed());
}

#[test]
fn an_interruptible_tool_heeds_a_request_to_stop() {
    let report = aside(|| {
        signals::listen().unwrap();
        let tool = sh();
        let waiting = std::thread::spawn(move || Request::new(&tool).args(["-c", "sleep 50"]).interruptible().run());
        std::thread::sleep(Duration::from_millis(100));
        raise(Signal::SIGINT).unwrap();
        let fault = waiting.join().unwrap().unwrap_err();
        format!("{fault}; {:?}", run("echo a rollback still has its tools").end)
    });
    assert_eq!(report, "cannot run sh: interrupted; Code(0)");
}
