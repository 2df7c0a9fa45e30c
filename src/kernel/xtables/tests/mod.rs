//! Both backends on a real kernel, each test in a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod oracle;
mod others;
mod writing;

use std::collections::HashSet;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use super::live::Live;
use super::*;
use crate::model::Kind;
use crate::model::iptables::tag::Owner;
use crate::model::iptables::{ChainName, Counters, Entry, Policy, Rule, Table, Tag};

/// Runs a test on each backend, each in a fresh network namespace.
fn on_both(test: impl Fn(Live, Backend) + Sync) {
    for backend in [Backend::Nft, Backend::Legacy] {
        within(|| test(Live::open(Some(backend)).unwrap(), backend));
    }
}

/// Runs something on a thread in a fresh network namespace.
fn within<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let result = scope.spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => Some(work()),
            Err(errno) => {
                println!("skipped: cannot make a network namespace: {}", errno.desc());
                None
            }
        });
        result.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a command of iptables as another program would.
fn iptables(backend: Backend, line: &str) -> String {
    let (program, line) = line.split_once(' ').unwrap_or((line, ""));
    let program = match backend {
        Backend::Nft => program.replacen("tables", "tables-nft", 1),
        Backend::Legacy => program.replacen("tables", "tables-legacy", 1),
    };
    let output = Command::new(&program).args(line.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Gives the rules and policies that iptables lists, without comments and counters of chains.
fn listing(backend: Backend) -> Vec<String> {
    let lines = ["iptables-save", "ip6tables-save"].map(|save| iptables(backend, save));
    lines.join("\n").lines().filter(|line| !line.starts_with('#')).map(|line| line.split(" [").next().unwrap().to_owned()).collect()
}

fn name(chain: &str) -> ChainName {
    ChainName::listed(chain)
}

fn tag(number: u32) -> Tag {
    Tag { owner: Owner::new("test", ""), run: RunId::from_bits(42), number }
}

fn entry(id: u64, words: &str, number: u32) -> Entry {
    Entry { id, rule: Rule { words: Words::listed(words), tag: (number > 0).then(|| tag(number)), counters: None }.into() }
}

/// Changes one family's ruleset by a function.
fn edit(live: &mut Live, family: Family, renamed: &[(Table, ChainName, ChainName)], change: impl Fn(&mut Ruleset)) -> Result<(), Refusal> {
    live.know(&HashSet::from([RunId::from_bits(42)]));
    live.update(&[family], &mut |present| {
        let mut wanted = present[0].clone();
        change(&mut wanted);
        Ok(vec![Patch::between(&present[0], &wanted, renamed)])
    })
}

fn words(live: &mut Live, family: Family, chain: &str) -> Vec<String> {
    let ruleset = live.read(family).unwrap();
    ruleset.get(Table::Filter, &name(chain)).unwrap().rules.iter().map(|entry| entry.rule.words.to_string()).collect()
}
