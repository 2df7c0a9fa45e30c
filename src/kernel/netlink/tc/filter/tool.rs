//! What the installed tc(8) sends for commands: it runs in a network namespace without anything in it, and what it writes is looked at.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernel::netlink::message::answers;

/// A message that tc(8) has sent: its type, its flags, and what is behind its header.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// Tells whether tc(8) and what looks at it are there.
pub(super) fn is_there() -> bool {
    let runs = |words: &[&str]| {
        let ran = Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    let there = runs(&["tc", "-V"]) && runs(&["strace", "-V"]) && runs(&["unshare", "-rn", "true"]);
    if !there {
        eprintln!("skipped: tc, strace or a network namespace is missing");
    }
    there
}

/// Gives what tc(8) sends for each command, the words behind `tc`; nothing where it refuses the words.
pub(super) fn sends(commands: &[&str]) -> Vec<Option<Sent>> {
    let mut found = vec![None; commands.len()];
    let mut next = 0;
    // Some odd words end tc(8) as a whole.
    while next < commands.len() {
        let reached = batch(&commands[next..], &mut found[next..]);
        next += reached.max(1);
    }
    found
}

/// Runs commands in one tc(8), and tells how many it came to.
fn batch(commands: &[&str], found: &mut [Option<Sent>]) -> usize {
    const MARK: u16 = 0x7777;
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let name = format!("fyke-tc-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    let (lines, trace) = (folder.join("lines"), folder.join("trace"));
    let mut text = Vec::new();
    for (at, command) in commands.iter().enumerate() {
        // A message that nobody else sends stands before each.
        writeln!(text, "filter del dev lo chain {at} pref {MARK}\n{command}").unwrap();
    }
    std::fs::write(&lines, text).unwrap();
    let status = Command::new("unshare")
        .args(["-rn", "strace", "-f", "-qq", "-s", "1", "-e", "trace=sendmsg,sendto", "-e", "write=all", "-o"])
        .arg(&trace)
        .args(["tc", "-force", "-batch"])
        .arg(&lines)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.code().is_some(), "tc was killed");
    let traced = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let mut reached = 0;
    for bytes in written(&traced) {
        for answer in answers(&bytes) {
            let info = answer.body.get(16..20).map_or(0, |four| u32::from_ne_bytes(four.try_into().unwrap()));
            if answer.kind == 45 && info >> 16 == u32::from(MARK) {
                reached += 1;
            } else if [44, 45, 48, 49].contains(&answer.kind) {
                found[reached - 1] = Some(Sent { kind: answer.kind, body: answer.body.to_vec() });
            }
        }
    }
    reached
}

/// Takes the bytes out of what strace(1) writes, those of each call together.
fn written(trace: &str) -> Vec<Vec<u8>> {
    let mut calls: Vec<Vec<u8>> = Vec::new();
    for line in trace.lines() {
        // With `-f` a number of the process may stand before.
        match line.trim_start().strip_prefix("| ") {
            Some(row) => {
                let hex = row.get(7..56).unwrap_or_default();
                let bytes = hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap());
                if let Some(call) = calls.last_mut() {
                    call.extend(bytes);
                }
            }
            None if line.contains("sendmsg(") || line.contains("sendto(") => calls.push(Vec::new()),
            None => {}
        }
    }
    calls
}
