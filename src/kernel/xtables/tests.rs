//! Both backends on a real kernel, each test in a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::panic)]

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

#[test]
fn an_empty_namespace_reads_as_empty() {
    on_both(|mut live, _| {
        for family in Family::BOTH {
            assert_eq!(live.read(family).unwrap(), Ruleset::empty(family));
        }
    });
}

#[test]
fn what_is_written_is_read_back_and_taken_out_again() {
    on_both(|mut live, backend| {
        for family in Family::BOTH {
            edit(&mut live, family, &[], |set| {
                set.new_chain(Table::Filter, &name("MINE")).unwrap();
                set.set_policy(Table::Filter, &name("FORWARD"), Policy::Drop).unwrap();
                set.get_mut(Table::Filter, &name("MINE")).unwrap().rules.push(entry(
                    900,
                    "-m limit --limit 5/min -j LOG --log-prefix \"a b \"",
                    2,
                ));
                set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.push(entry(901, "-p tcp --dport ssh -j MINE", 1));
                set.get_mut(Table::Mangle, &name("OUTPUT")).unwrap().rules.push(entry(902, "-j MARK --set-mark 1", 3));
            })
            .unwrap();
            let set = live.read(family).unwrap();
            let input = &set.get(Table::Filter, &name("INPUT")).unwrap().rules;
            assert_eq!((input[0].rule.words.as_str(), &input[0].rule.tag), ("-p tcp -m tcp --dport 22 -j MINE", &Some(tag(1))));
            assert_eq!(set.get(Table::Filter, &name("FORWARD")).unwrap().policy, Some(Policy::Drop));
            assert_eq!(set.get(Table::Mangle, &name("OUTPUT")).unwrap().rules.len(), 1);
            edit(&mut live, family, &[], |set| *set = Ruleset::empty(set.family)).unwrap();
            let after = live.read(family).unwrap();
            assert!(after.same(&Ruleset::empty(family)), "{after:?}");
            if backend == Backend::Nft {
                assert_eq!(after, Ruleset::empty(family));
            }
        }
    });
}

#[test]
fn rules_of_others_stay_where_they_are() {
    on_both(|mut live, backend| {
        for number in 1..=4 {
            iptables(backend, &format!("iptables -A INPUT -s 192.0.2.{number} -j DROP"));
        }
        edit(&mut live, Family::V4, &[], |set| {
            let rules = &mut set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules;
            rules.insert(4, entry(900, "-s 192.0.2.14 -j DROP", 5));
            rules.insert(2, entry(901, "-s 192.0.2.12 -j DROP", 6));
            rules.insert(0, entry(902, "-s 192.0.2.10 -j DROP", 7));
            rules.remove(2);
        })
        .unwrap();
        let rule = |number: u32| format!("-s 192.0.2.{number}/32 -j DROP");
        assert_eq!(words(&mut live, Family::V4, "INPUT"), [10, 1, 12, 3, 4, 14].map(rule));
        edit(&mut live, Family::V4, &[], |set| {
            set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.retain(|entry| entry.rule.tag.is_none());
        })
        .unwrap();
        assert_eq!(words(&mut live, Family::V4, "INPUT"), [1, 3, 4].map(rule));
    });
}

#[test]
fn a_chain_is_renamed_while_others_are_made_and_deleted() {
    on_both(|mut live, backend| {
        iptables(backend, "iptables -N OLD");
        iptables(backend, "iptables -A OLD -j RETURN");
        iptables(backend, "iptables -N GONE");
        iptables(backend, "iptables -A GONE -j RETURN");
        iptables(backend, "iptables -A INPUT -j OLD");
        iptables(backend, "iptables -A INPUT -j GONE");
        let renamed = [(Table::Filter, name("OLD"), name("NEW"))];
        edit(&mut live, Family::V4, &renamed, |set| {
            set.rename_chain(Table::Filter, &name("OLD"), &name("NEW")).unwrap();
            set.new_chain(Table::Filter, &name("FRESH")).unwrap();
            let rules = &mut set.get_mut(Table::Filter, &name("NEW")).unwrap().rules;
            rules.clear();
            rules.push(entry(900, "-j FRESH", 1));
            set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.pop();
            set.get_mut(Table::Filter, &name("GONE")).unwrap().rules.clear();
            set.delete_chain(Table::Filter, &name("GONE")).unwrap();
        })
        .unwrap();
        assert_eq!(
            (words(&mut live, Family::V4, "INPUT"), words(&mut live, Family::V4, "NEW")),
            (vec!["-j NEW".into()], vec!["-j FRESH".into()])
        );
        assert!(live.read(Family::V4).unwrap().find(Table::Filter, &name("GONE")).is_none());
    });
}

#[test]
fn a_rule_comes_back_with_its_counters() {
    on_both(|mut live, backend| {
        edit(&mut live, Family::V6, &[], |set| {
            let counters = Some(Counters { packets: 7, bytes: 700 });
            let rule = Rule { words: Words::listed("-j ACCEPT"), tag: None, counters };
            set.get_mut(Table::Filter, &name("OUTPUT")).unwrap().rules.push(Entry { id: 900, rule: rule.into() });
        })
        .unwrap();
        let output = ChainRef::new(Family::V6, Table::Filter, name("OUTPUT"));
        let mut counters = || live.read(Family::V6).unwrap().get(Table::Filter, &output.chain).unwrap().rules[0].rule.counters.unwrap();
        // ip6tables-nft 1.8.9 drops them, on every way to give them.
        if backend == Backend::Legacy {
            assert_eq!(counters(), Counters { packets: 7, bytes: 700 });
        }
        live.zero(&output, Some(1)).unwrap();
        assert_eq!(
            live.read(Family::V6).unwrap().get(Table::Filter, &output.chain).unwrap().rules[0].rule.counters,
            Some(Counters::default())
        );
    });
}

#[test]
fn a_refusal_names_its_rule_and_leaves_the_table_alone() {
    on_both(|mut live, backend| {
        iptables(backend, "iptables -A INPUT -s 192.0.2.1 -j DROP");
        let before = listing(backend);
        let cases = [
            ("-m nosuch -j DROP", "nosuch"),
            ("-m recent --rcheck --hitcount 65536 -j DROP", "Invalid argument"),
            ("-p tcp --dport 99999", "99999"),
            ("-j NOWHERE", "NOWHERE"),
            ("-j MASQUERADE", "Invalid argument"),
            ("-p tcp --bad", "--bad"),
        ];
        for (bad, why) in cases {
            let refusal = edit(&mut live, Family::V4, &[], |set| {
                let rules = &mut set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules;
                rules.extend((800..810).map(|id| entry(id, "-j ACCEPT", id as u32)));
                rules.push(entry(900, bad, 1));
                rules.extend((910..920).map(|id| entry(id, "-j ACCEPT", id as u32)));
            });
            let refusal = refusal.unwrap_err();
            assert_eq!(refusal.entry, Some((Family::V4, 900)), "{backend:?} {bad}: {}", refusal.fault);
            assert!(refusal.fault.why.contains(why), "{backend:?} {bad}: {}", refusal.fault);
            assert_eq!((listing(backend), refusal.fault.kind), (before.clone(), Kind::Refused), "{bad}");
        }
    });
}

/// Reads the cases of iptables' own test suite, as questions; none where the suite is not beside the repository.
fn suite() -> Option<Vec<(Ask, bool)>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites/iptables/cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    let ask = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| case[name].as_str().map(str::to_owned);
        let family = match field("cmd")?.as_str() {
            "iptables" => Family::V4,
            "ip6tables" => Family::V6,
            _ => return None,
        };
        let chain = ChainRef::new(family, field("table")?.parse().ok()?, name(&field("chain")?));
        Some((Ask { chain, words: Words::parse(&field("rule")?).ok()? }, field("result")? == "OK"))
    };
    Some(text.lines().filter_map(ask).collect())
}

#[test]
fn what_the_oracle_gives_is_taken_unchanged() {
    let Some(cases) = suite() else { return };
    on_both(|mut live, backend| {
        // Those that iptables' own suite accepts, and a few of the others.
        let asks: Vec<Ask> = cases
            .iter()
            .enumerate()
            .filter(|(at, (_, fine))| *fine && at % 3 == 0 || at % 50 == 0)
            .map(|(_, (ask, _))| ask.clone())
            .collect();
        let verdicts = live.canonical(&asks, &[]).unwrap();
        let canonical = |(ask, verdict): (&Ask, &Verdict)| match verdict {
            Verdict::Canonical(words) => Some(Ask { chain: ask.chain.clone(), words: words.clone() }),
            _ => None,
        };
        let canonical: Vec<Ask> = asks.iter().zip(&verdicts).filter_map(canonical).collect();
        println!("{backend:?}: {} of {} rules of the suite are accepted", canonical.len(), asks.len());
        assert!(canonical.len() * 10 > asks.len() * 7, "most of the extensions are there");
        // A second oracle, which remembers nothing.
        let again = Live::open(Some(backend)).unwrap().canonical(&canonical, &[]).unwrap();
        let differ: Vec<_> = canonical.iter().zip(&again).filter(|(ask, again)| **again != Verdict::Canonical(ask.words.clone())).collect();
        assert!(differ.is_empty(), "{backend:?}: {differ:#?}");
    });
}

#[test]
fn the_oracle_tells_what_becomes_of_words() {
    on_both(|mut live, backend| {
        let ask = |chain: &str, words: &str| Ask {
            chain: ChainRef::new(Family::V4, Table::Filter, name(chain)),
            words: Words::parse(words).unwrap(),
        };
        let asks = [
            ask("INPUT", "-p tcp --dport ssh -j MINE"),
            ask("INPUT", "-j NOWHERE"),
            ask("OTHER", "-m recent --rcheck --hitcount 65536"),
            ask("INPUT", "-s 192.0.2.1,192.0.2.2 -j DROP"),
            ask("OTHER", "-m set --match-set hosts src"),
            ask("OTHER", "-m comment --comment 'a \"b\" c'"),
            ask("INPUT", "-p tcp --dport ssh -j MINE"),
            ask("INPUT", "-p tcp --dport 99999"),
        ];
        let chains = [ChainRef::new(Family::V4, Table::Filter, name("MINE"))];
        let verdicts = live.canonical(&asks, &chains).unwrap();
        let shown: Vec<String> = verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Canonical(words) => words.to_string(),
                Verdict::Refused(why) => format!("refused: {why}"),
                Verdict::Unknown(why) => format!("unknown: {why}"),
            })
            .collect();
        let nowhere = match backend {
            Backend::Nft => "refused: Chain 'NOWHERE' does not exist",
            Backend::Legacy => "refused: Couldn't load target `NOWHERE':No such file or directory",
        };
        assert_eq!(
            shown,
            [
                "-p tcp -m tcp --dport 22 -j MINE",
                nowhere,
                "refused: the kernel refuses it: Invalid argument",
                "refused: it makes several rules of one, or none: give one address, one port range at a time",
                "unknown: Set hosts doesn't exist.",
                "-m comment --comment \"a \\\"b\\\" c\"",
                "-p tcp -m tcp --dport 22 -j MINE",
                "refused: invalid port/service `99999' specified",
            ]
        );
        assert_eq!(listing(backend).iter().filter(|line| line.starts_with('-')).count(), 0, "nothing was written to the host");
    });
}

#[test]
fn where_both_backends_hold_rules_nothing_is_written_unasked() {
    within(|| {
        assert!(!Live::open(None).unwrap().choice().ambiguous);
        iptables(Backend::Legacy, "ip6tables -P FORWARD DROP");
        assert_eq!(Live::open(None).unwrap().choice().backend, Backend::Legacy);
        iptables(Backend::Legacy, "ip6tables -P FORWARD ACCEPT");
        iptables(Backend::Nft, "iptables -A INPUT -j ACCEPT");
        assert_eq!(Live::open(None).unwrap().choice().backend, Backend::Nft);
        iptables(Backend::Legacy, "iptables -N MINE");
        let mut live = Live::open(None).unwrap();
        assert_eq!(live.choice(), backend::Choice { backend: backend::Choice::installed().unwrap(), ambiguous: true });
        let refused = live.update(&Family::BOTH, &mut |_| panic!("it is not asked")).unwrap_err();
        assert_eq!((refused.fault.kind, refused.fault.hint.unwrap().contains("--backend")), (Kind::Input, true));
        assert!(!Live::open(Some(Backend::Legacy)).unwrap().choice().ambiguous);
        let reports = backend::reports();
        assert!(
            reports.iter().all(|report| report.holds_rules == Ok(true) && report.version.as_ref().is_ok_and(|text| text.contains("v1.")))
        );
    });
}

#[test]
fn the_legacy_lock_is_waited_for() {
    use std::time::{Duration, Instant};
    within(|| {
        let mut live = Live::open(Some(Backend::Legacy)).unwrap();
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open("/run/xtables.lock").unwrap();
        let Ok(held) = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive) else { panic!("no lock") };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                drop(held);
            });
            let begun = Instant::now();
            edit(&mut live, Family::V4, &[], |set| {
                set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.push(entry(900, "-j ACCEPT", 1));
            })
            .unwrap();
            assert!(begun.elapsed() >= Duration::from_millis(190));
        });
    });
}

#[test]
fn another_writer_neither_loses_a_rule_nor_moves_ours() {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    within(|| {
        let mut live = Live::open(Some(Backend::Nft)).unwrap();
        edit(&mut live, Family::V4, &[], |set| {
            let rules = &mut set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules;
            rules.extend((1..=20).map(|at| entry(900 + at, &format!("-s 192.0.2.{at} -j ACCEPT"), 0)));
        })
        .unwrap();
        let (stop, writes) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let place = writes.fetch_add(1, Ordering::Relaxed) % 20 + 1;
                    iptables(Backend::Nft, &format!("iptables -I INPUT {place} -s 203.0.113.1 -j ACCEPT"));
                    iptables(Backend::Nft, "iptables -D INPUT -s 203.0.113.1 -j ACCEPT");
                }
            });
            let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for round in 0..30 {
                    let at = |set: &[Entry], number: u32| {
                        set.iter().position(|entry| entry.rule.words.as_str().contains(&format!("192.0.2.{number}/32"))).unwrap()
                    };
                    let added = edit(&mut live, Family::V4, &[], |set| {
                        let rules = &mut set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules;
                        for before in [3, 11, 19] {
                            rules.insert(
                                at(rules, before),
                                entry(800 + u64::from(before), &format!("-s 198.51.100.{before} -j DROP"), before),
                            );
                        }
                    });
                    added.unwrap();
                    let ours = words(&mut live, Family::V4, "INPUT");
                    let ours: Vec<_> = ours.iter().filter(|words| !words.contains("203.0.113")).collect();
                    let place = |text: &str| ours.iter().position(|words| words.contains(text)).unwrap();
                    assert_eq!(ours.len(), 23, "{ours:#?}");
                    for before in [3, 11, 19] {
                        let (mine, next) = (place(&format!("198.51.100.{before}/32")), place(&format!("192.0.2.{before}/32")));
                        assert_eq!(mine + 1, next, "round {round}: {ours:#?}");
                    }
                    edit(&mut live, Family::V4, &[], |set| {
                        set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.retain(|entry| entry.rule.tag.is_none());
                    })
                    .unwrap();
                }
            }));
            stop.store(true, Ordering::Relaxed);
            if let Err(panic) = rounds {
                std::panic::resume_unwind(panic);
            }
        });
        let left: Vec<String> = (1..=20).map(|at| format!("-s 192.0.2.{at}/32 -j ACCEPT")).collect();
        assert_eq!(words(&mut live, Family::V4, "INPUT"), left, "after {} writes of the other", writes.load(Ordering::Relaxed));
    });
}
