#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Instant;

use super::live::Live;
use super::*;
use crate::kernel::netns::Netns;
use crate::model::Kind;
use crate::model::ipset::{Beside, Definition, Member};

fn name(name: &str) -> SetName {
    name.parse().unwrap()
}

fn create(set: &str, definition: &str) -> Step {
    Step::Create(name(set), definition.parse().unwrap())
}

fn add(set: &str, definition: &str, text: &str) -> Vec<Step> {
    definition.parse::<Definition>().unwrap().members(text).unwrap().into_iter().map(|member| Step::Add(name(set), member, None)).collect()
}

/// Starts ipset, and gives what it says and whether it was content.
fn ipset(words: &[&str]) -> (String, bool) {
    let output = Command::new("ipset").args(words).output().unwrap();
    (String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr), output.status.success())
}

/// Does some work in a namespace of its own, unless none may be made.
fn alone(work: impl FnOnce(&mut Live) -> Result<(), Refusal> + Send) {
    let Ok(netns) = Netns::create() else {
        println!("skipped: no network namespace may be made here (not root)");
        return;
    };
    netns.run(|| work(&mut Live::default()).map_err(|refusal| refusal.fault)).unwrap();
}

/// The lines of `ipset save` without the elements' order, which is that of the hash, and without what differs between two equal sets.
/// ipset 7.17 does not save `forceadd`.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line.split(" initval ").next().unwrap_or(line).replace(" forceadd", "")).collect();
    lines.sort();
    lines
}

/// Sets with what is put in; each is made by ipset and by fyke.
const CASES: &[(&str, &[&str])] = &[
    ("bitmap:ip range 10.0.0.0/24 timeout 0 comment", &["10.0.0.7", "10.0.0.8-10.0.0.11 comment \"a b\"", "10.0.0.128/30"]),
    ("bitmap:ip range 10.0.0.0/16 netmask 24", &["10.0.3.7", "10.0.4.0/22"]),
    ("bitmap:ip,mac range 10.0.0.0/24", &["10.0.0.1", "10.0.0.2,aa:bb:cc:dd:ee:ff"]),
    ("bitmap:port range 1-1000 counters", &["80 packets 3 bytes 180", "90-99"]),
    ("hash:ip", &["192.0.2.1", "192.0.2.16-192.0.2.20", "198.51.100.0/29"]),
    ("hash:ip family inet6 hashsize 100 maxelem 7", &["2001:db8::1", "::1"]),
    ("hash:ip netmask 24 forceadd", &["192.0.2.7", "198.51.100.0/23"]),
    ("hash:ip bitmask 255.0.255.0", &["1.2.3.4"]),
    ("hash:ip skbinfo", &["1.1.1.1 skbmark 0x1/0xff skbprio 1:a skbqueue 7", "1.1.1.2 skbmark 0x10", "1.1.1.3"]),
    ("hash:net comment counters", &["10.1.2.3/8 packets 18446744073709551614", "192.0.2.0/24 nomatch comment x", "1.1.1.1", "0.0.0.0"]),
    ("hash:net", &["10.0.0.1-10.0.0.9", "0.0.0.0/1", "172.16.0.0-172.16.255.254"]),
    ("hash:net family inet6", &["2001:db8::5/64", "::/1", "::"]),
    (
        "hash:ip,port",
        &["1.1.1.1,80", "1.1.1.1,udp:53-55", "1.1.1.0/31,tcp:0", "1.1.1.1,icmp:echo-request", "1.1.1.1,47:0", "1.1.1.1,icmp:77/3"],
    ),
    ("hash:ip,port family inet6", &["::1,icmpv6:135/0", "::1,sctp:5"]),
    ("hash:ip,port,ip", &["1.1.1.1,80,2.2.2.2", "1.1.1.1,udplite:80,0.0.0.0"]),
    ("hash:ip,port,net", &["1.1.1.0/31,80,10.9.9.9/8", "1.1.1.1,80,10.0.0.0/8 nomatch"]),
    ("hash:net,port", &["10.0.0.0/8,80-82", "10.0.0.0/9,gre:0 nomatch"]),
    ("hash:net,iface", &["0.0.0.0/0,eth0", "10.0.0.1/8,physdev:eth0 nomatch", "10.0.0.0/8,veth wildcard"]),
];

#[test]
fn what_fyke_puts_in_is_what_ipset_puts_in() {
    alone(|sets| {
        for (definition, elements) in CASES {
            let theirs: Vec<&str> = ["create", "theirs"].into_iter().chain(definition.split(' ')).collect();
            assert_eq!(ipset(&theirs), (String::new(), true), "{definition}");
            sets.write(&[create("ours", definition)])?;
            for element in *elements {
                let words: Vec<String> = quoted(element);
                let words: Vec<&str> = ["add", "theirs"].into_iter().chain(words.iter().map(String::as_str)).collect();
                let (said, content) = ipset(&words);
                let ours = sets.write(&add("ours", definition, element));
                // A range of which one element is there already: the kernel stops there, and so does fyke.
                assert_eq!(content, ours.is_ok(), "{definition}: {element}: {said} {ours:?}");
            }
            let [saved, own] = ["theirs", "ours"].map(|set| ipset(&["save", set]).0);
            assert_eq!(lines(&saved.replace("theirs", "ours")), lines(&own), "{definition}");
            let listed = sets.read(Some(&[name("ours")]))?;
            assert_eq!(lines(&listed.to_string()), lines(&own), "{definition}");
            assert_eq!(ipset(&["save"]).0.parse::<crate::model::ipset::Sets>().unwrap().sets.len(), 2);
            sets.write(&[Step::Destroy(name("ours")), Step::Destroy(name("theirs"))])?;
        }
        assert_eq!(sets.read(None)?, Sets::default());
        Ok(())
    });
}

fn quoted(element: &str) -> Vec<String> {
    let mut parts = element.split('"');
    let mut words: Vec<String> = parts.next().unwrap_or_default().split_whitespace().map(Into::into).collect();
    words.extend(parts.next().map(Into::into));
    words
}

#[test]
fn a_listing_can_be_written_again() {
    alone(|sets| {
        for (at, (definition, elements)) in CASES.iter().enumerate() {
            sets.write(&[create(&format!("s{at}"), definition)])?;
            let all: Vec<_> = elements.iter().flat_map(|element| add(&format!("s{at}"), definition, element)).collect();
            let all: Vec<_> =
                all.into_iter().map(|step| if let Step::Add(set, member, _) = step { Step::Put(set, member) } else { step }).collect();
            sets.write(&all)?;
        }
        let before = sets.read(None)?;
        sets.write(&before.sets.keys().cloned().map(Step::Destroy).collect::<Vec<_>>())?;
        assert_eq!(sets.read(None)?, Sets::default());
        for (set, wanted) in &before.sets {
            sets.write(&[Step::Create(set.clone(), wanted.definition.clone())])?;
            let members = wanted.members.iter().map(|(element, entry)| Member { element: element.clone(), entry: entry.clone() });
            sets.write(&members.map(|member| Step::Add(set.clone(), member, None)).collect::<Vec<_>>())?;
        }
        let after = sets.read(None)?;
        assert!(after.agrees(&before));
        assert_eq!(after.to_string(), before.to_string());
        Ok(())
    });
}

#[test]
fn sets_are_swapped_renamed_flushed_and_lists_keep_their_order() {
    alone(|sets| {
        for set in ["x", "y", "z"] {
            sets.write(&[create(set, "hash:ip")])?;
        }
        sets.write(&[create("all", "list:set")])?;
        let list = |set: &str| "list:set".parse::<Definition>().unwrap().members(set).unwrap().remove(0);
        sets.write(&[
            Step::Add(name("all"), list("x"), None),
            Step::Add(name("all"), list("y"), Some(Beside::Before(name("x")))),
            Step::Add(name("all"), list("z"), Some(Beside::After(name("y")))),
        ])?;
        let order =
            |sets: &mut Live| sets.read(None).map(|all| all.sets[&name("all")].members.sets().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(order(sets)?, ["y", "z", "x"]);
        sets.write(&add("x", "hash:ip", "192.0.2.1"))?;
        sets.write(&[Step::Swap(name("x"), name("y")), Step::Remove(name("all"), list("z").element), Step::Rename(name("z"), name("w"))])?;
        let now = sets.read(None)?;
        assert_eq!(now.sets.keys().map(SetName::as_str).collect::<Vec<_>>(), ["all", "w", "x", "y"]);
        assert_eq!((now.sets[&name("x")].members.len(), now.sets[&name("y")].members.len()), (0, 1));
        assert_eq!(now.sets[&name("y")].about.references, 1);
        sets.write(&[Step::Flush(name("y"))])?;
        assert_eq!(sets.read(Some(&[name("y"), name("nothing")]))?.sets.values().map(|set| set.members.len()).collect::<Vec<_>>(), [0]);
        Ok(())
    });
}

#[test]
fn a_refusal_names_the_step_and_leaves_those_before_it_done() {
    alone(|sets| {
        sets.write(&[create("a", "hash:ip maxelem 3"), create("b", "hash:net"), create("l", "list:set")])?;
        let refused = |sets: &mut Live, steps: &[Step]| {
            let refusal = sets.write(steps).unwrap_err();
            (refusal.done, refusal.fault.kind, refusal.fault.to_string())
        };
        let mut steps = add("b", "hash:net", "10.0.0.1-10.0.0.3");
        steps.extend(add("a", "hash:ip", "192.0.2.0/29"));
        steps.push(Step::Flush(name("b")));
        let full = "cannot add 192.0.2.3 to the set a: the hash is full: it holds as many elements as its `maxelem` allows";
        assert_eq!(refused(sets, &steps), (5, Kind::Refused, full.into()));
        let now = sets.read(None)?;
        assert_eq!((now.sets[&name("a")].members.len(), now.sets[&name("b")].members.len()), (3, 2));
        for (step, kind, said) in [
            (add("b", "hash:net", "10.0.0.1").remove(0), Kind::Exists, "cannot add 10.0.0.1 to the set b: it is already in the set"),
            (create("a", "hash:ip"), Kind::Exists, "cannot create the set a (hash:ip): a set of this name is there already"),
            (Step::Destroy(name("c")), Kind::NotFound, "cannot destroy the set c: there is no set of this name"),
            (Step::Swap(name("a"), name("c")), Kind::NotFound, "cannot swap the sets a and c: the second set is not there"),
            (Step::Swap(name("a"), name("b")), Kind::Refused, "cannot swap the sets a and b: the types of the sets do not match"),
            (Step::Rename(name("a"), name("b")), Kind::Exists, "cannot rename the set a to b: a set of the new name is there already"),
            (add("l", "list:set", "c").remove(0), Kind::Refused, "cannot add c to the set l: the set that it names is not there"),
            (add("l", "list:set", "l").remove(0), Kind::Refused, "cannot add l to the set l: a list of sets cannot hold a list of sets"),
            (
                create("m", "hash:mac"),
                Kind::Unsupported,
                "cannot create the set m (hash:mac): this kernel has no sets of the type hash:mac",
            ),
        ] {
            if step.to_string().contains("hash:mac") && ipset(&["create", "m", "hash:mac"]).1 {
                continue;
            }
            assert_eq!(refused(sets, &[step]), (0, kind, said.into()));
        }
        let element = "hash:net".parse::<Definition>().unwrap().elements("10.0.0.9").unwrap().remove(0);
        let missing = "cannot remove 10.0.0.9 from the set b: it is not in the set";
        assert_eq!(refused(sets, &[Step::Remove(name("b"), element)]), (0, Kind::NotFound, missing.into()));
        sets.write(&add("l", "list:set", "a"))?;
        assert_eq!(refused(sets, &[Step::Destroy(name("a"))]).1, Kind::Busy);
        Ok(())
    });
}

#[test]
fn other_peoples_odd_names_are_told_and_left_alone() {
    alone(|sets| {
        assert!(ipset(&["create", "we ird", "hash:ip"]).1 && ipset(&["create", "tame", "hash:ip"]).1);
        let all = sets.read(None)?;
        assert_eq!(all.sets.keys().map(SetName::as_str).collect::<Vec<_>>(), ["tame"]);
        assert_eq!(all.opaque["we ird"], "it has ' ', and tools could not read it back");
        Ok(())
    });
}

#[test]
fn ten_thousand_addresses_go_in_and_out_at_once() {
    alone(|sets| {
        sets.write(&[create("many", "hash:ip timeout 600")])?;
        let steps = add("many", "hash:ip timeout 600", "10.0.0.1-10.0.39.16");
        assert_eq!(steps.len(), 10_000);
        let mut took = Vec::new();
        let mut timed = |what: &'static str, began: Instant| took.push((what, began.elapsed()));
        let began = Instant::now();
        sets.write(&steps)?;
        timed("written", began);
        let began = Instant::now();
        let read = sets.read(None)?;
        timed("read", began);
        assert_eq!(read.sets[&name("many")].members.len(), 10_000);
        let began = Instant::now();
        let removals = steps.iter().filter_map(|step| {
            if let Step::Add(set, member, _) = step { Some(Step::Remove(set.clone(), member.element.clone())) } else { None }
        });
        sets.write(&removals.collect::<Vec<_>>())?;
        timed("removed", began);
        assert!(sets.read(None)?.sets[&name("many")].members.is_empty());
        println!("{took:?}");
        // An unoptimised build on a busy machine; it is some 10 ms on an idle one.
        assert!(took.iter().all(|(_, time)| time.as_millis() < 1500), "{took:?}");
        Ok(())
    });
}
