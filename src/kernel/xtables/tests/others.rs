//! Other programs at the same tables.

use super::*;

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
fn a_comment_cannot_pass_for_a_rule() {
    on_both(|mut live, backend| {
        let program = format!("iptables{}", backend.suffix());
        let comment = "x\"\n-A INPUT -j ACCEPT\n#";
        let rule = ["-A", "INPUT", "-m", "comment", "--comment", comment, "-j", "DROP"];
        assert!(Command::new(program).args(rule).status().unwrap().success());
        let fault = live.read(Family::V4).unwrap_err();
        assert!(fault.kind == Kind::Unsupported && fault.why.contains("line break"), "{fault}");
    });
}

#[test]
fn what_nft_put_in_is_left_alone_or_refused() {
    let nft = |words: &str| assert!(Command::new("nft").arg(words).status().unwrap().success());
    if Command::new("nft").arg("-v").output().is_err() {
        println!("skipped: nft is not installed");
        return;
    }
    within(|| {
        nft("add table ip filter; add chain ip filter input { type filter hook input priority 0; }; add rule ip filter input accept");
        assert!(!Live::open(None).unwrap().choice().ambiguous);
        let mut live = Live::open(Some(Backend::Nft)).unwrap();
        edit(&mut live, Family::V4, &[], |set| {
            set.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.push(entry(900, "-j ACCEPT", 1));
        })
        .unwrap();
        assert_eq!(words(&mut live, Family::V4, "INPUT"), ["-j ACCEPT"]);
        edit(&mut live, Family::V4, &[], |set| *set = Ruleset::empty(set.family)).unwrap();
        assert!(live.read(Family::V4).unwrap().same(&Ruleset::empty(Family::V4)));
        nft("add chain ip filter other; add rule ip filter other tcp dport { 22, 23 } accept");
        assert_eq!(live.read(Family::V4).unwrap_err().kind, Kind::Unsupported);
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
                    let place = (writes.fetch_add(1, Ordering::Relaxed) % 20 + 1).to_string();
                    // iptables-nft itself fails now and then when the rule at that place is deleted at the same moment.
                    for words in [&["-I", "INPUT", &place][..], &["-D", "INPUT"]] {
                        let rule = ["-s", "203.0.113.1", "-j", "ACCEPT"];
                        Command::new("iptables-nft").args(words).args(rule).stderr(Stdio::null()).status().unwrap();
                    }
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
        let mut found = words(&mut live, Family::V4, "INPUT");
        found.retain(|words| !words.contains("203.0.113"));
        assert_eq!(found, left, "after {} writes of the other", writes.load(Ordering::Relaxed));
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
fn what_was_added_in_vain_is_taken_back() {
    use super::super::nft::Nft;
    use super::super::write::rename;
    within(|| {
        for line in ["-N OLD", "-A OLD -j RETURN", "-A INPUT -j OLD", "-P FORWARD ACCEPT"] {
            iptables(Backend::Nft, &format!("iptables {line}"));
        }
        let shown = listing(Backend::Nft);
        let mut nft = Nft::open().unwrap();
        let before = nft.list(Family::V4).unwrap();
        let mut patches = Vec::new();
        let written = nft.update(&[Family::V4], None, &|_| true, &mut |present| {
            let mut wanted = present[0].clone();
            wanted.rename_chain(Table::Filter, &name("OLD"), &name("NEW")).unwrap();
            wanted.new_chain(Table::Filter, &name("FRESH")).unwrap();
            wanted.set_policy(Table::Filter, &name("FORWARD"), Policy::Drop).unwrap();
            wanted.get_mut(Table::Filter, &name("FRESH")).unwrap().rules.push(entry(900, "-j NEW", 1));
            wanted.get_mut(Table::Filter, &name("INPUT")).unwrap().rules.insert(0, entry(901, "-j FRESH", 2));
            patches = vec![Patch::between(&present[0], &wanted, &[(Table::Filter, name("OLD"), name("NEW"))])];
            Ok(patches.clone())
        });
        written.unwrap();
        assert_ne!(listing(Backend::Nft), shown);
        let mut before = std::collections::BTreeMap::from([(Family::V4, before)]);
        rename(&patches[0], &mut before);
        assert_eq!(nft.settle(&patches, &before, false).unwrap(), None);
        assert_eq!(listing(Backend::Nft), shown);
    });
}
