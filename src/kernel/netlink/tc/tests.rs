//! What is sent is what tc(8) sends, and what is written reads back.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::kernel::netlink::message::answers;
use crate::model::tc::command::{OfClass, OfQdisc, Place, Verb};
use crate::model::tc::words::Words;
use crate::model::tc::{Burst, Framing, HtbClass, Options, Tbf};

const CAPTURED: &str = include_str!("captured.tsv");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// What a message says: its type and flags, its head, and what stands behind it.
type Said = (u16, u16, Head, BTreeMap<u16, Vec<u8>>);

fn said(message: &[u8]) -> Said {
    let answer = answers(message).next().unwrap();
    let flags = u16::from_ne_bytes([message[6], message[7]]) & !flag::ACK;
    let (head, rest) = Head::read(answer.body).unwrap();
    (answer.kind, flags, head, attributes(rest).map(|(kind, value)| (kind, value.to_vec())).collect())
}

/// Gives what fyke sends for a command, with the options that it has read.
fn ours(command: &str) -> (Said, Option<(Options, bool)>) {
    let deed = |verb| match verb {
        Verb::Add => Deed::Add,
        Verb::Change => Deed::Change,
        Verb::Replace | Verb::Link => Deed::Replace,
        Verb::Del => Deed::Del,
    };
    let (order, options) = match command.split_once(' ').unwrap() {
        ("qdisc", line) => {
            let OfQdisc { verb, place: Place::At(place), handle, qdisc, .. } = OfQdisc::read(line).unwrap() else { panic!("{line}") };
            let handle = if place == Handle::INGRESS { Handle::OF_INGRESS } else { handle };
            let head = Head { link: 7, handle, parent: place, info: 0 };
            match qdisc.filter(|_| verb != Verb::Del) {
                Some(qdisc) => {
                    (Order::qdisc(deed(verb), place, &Qdisc { link: 7, ..qdisc.clone() }, None).unwrap(), Some((qdisc.options, false)))
                }
                None => (Order::del(Noun::Qdisc, head), None),
            }
        }
        (_, line) => {
            let OfClass { verb, class, state, .. } = OfClass::read(line).unwrap();
            match state.filter(|_| verb != Verb::Del) {
                Some(state) => (Order::class(deed(verb), class, &Class { link: 7, ..state.clone() }).unwrap(), Some((state.options, true))),
                None => (Order::del(Noun::Class, Head { link: 7, handle: class, ..Head::default() }), None),
            }
        }
    };
    let mut messages = Messages::new();
    order.write(&mut messages, 0);
    (said(messages.bytes()), options)
}

/// Sees to it that options are the same, but for a microsecond in the length of a burst: tc(8) of iproute2 6.1 counts whole ones.
fn near(ours: &Options, theirs: &Options) -> bool {
    let ticks = |one: u32, other: u32| one.abs_diff(other) <= 16;
    match (ours, theirs) {
        (Options::Tbf(ours), Options::Tbf(theirs)) => {
            // tc(8) counts whole microseconds, and forgets what is added to each packet; the kernel computes it from the bytes.
            let bursts = |one: Burst, other: Burst| one.said == other.said || other.said.is_none() && ticks(one.ticks, other.ticks);
            let peaks = match (ours.peak, theirs.peak) {
                (Some(one), Some(other)) => one.0 == other.0 && bursts(one.1, other.1),
                (one, other) => one == other,
            };
            let rest = |tbf: &Tbf| (tbf.rate, tbf.limit, tbf.framing);
            peaks && rest(ours) == rest(theirs) && bursts(ours.burst, theirs.burst)
        }
        (Options::HtbClass(ours), Options::HtbClass(theirs)) => {
            let rest = |class: &HtbClass| HtbClass { burst: 0, cburst: 0, ..*class };
            rest(ours) == rest(theirs) && ticks(ours.burst, theirs.burst) && ticks(ours.cburst, theirs.cburst)
        }
        (Options::Netem(ours), Options::Netem(theirs)) => {
            // The tables of distributions are not in the captures, and tc(8) forgets how duplicates depend on each other.
            let mut ours = (**ours).clone();
            // tc(8) of iproute2 6.1 counts delays in ticks of 64 nanoseconds.
            if ours.jitter.abs_diff(theirs.jitter) < 64 {
                ours.jitter = theirs.jitter;
            }
            ours.distribution = None;
            ours.slot.iter_mut().for_each(|slot| slot.distribution = None);
            ours == **theirs
        }
        (Options::Settings(_), Options::Settings(_)) => ours.agrees(theirs),
        (ours, theirs) => ours == theirs,
    }
}

/// Gives the options that the kernel tells after it was told others: it keeps the times of CoDel in units of 1024 nanoseconds.
fn kept(kind: &Kind, options: Option<&[u8]>) -> Option<Vec<u8>> {
    let (Some(sent), "fq_codel") = (options, kind.as_str()) else { return options.map(<[u8]>::to_vec) };
    let mut m = Messages::new();
    for (attribute, value) in attributes(sent) {
        let rounded = |micros: u32| ((((u64::from(micros) * 1000) >> 10) << 10) / 1000) as u32;
        match (attribute, value.first_chunk()) {
            (1 | 3 | 7, Some(micros)) => m.attribute(attribute, &rounded(u32::from_ne_bytes(*micros)).to_ne_bytes()),
            _ => m.attribute(attribute, value),
        }
    }
    Some(m.bytes().to_vec())
}

#[test]
fn what_is_sent_is_what_tc_sends() {
    let mut wrong = Vec::new();
    let lines = CAPTURED.lines().filter(|line| !line.starts_with('#'));
    for (command, hex) in lines.clone().map(|line| line.split_once('\t').unwrap()) {
        let theirs = said(&bytes(hex));
        let (sent, options) = ours(command);
        let link = command.contains(" link ");
        // `link` never makes anything; fyke looks first whether something is there, and then has it replaced.
        let flags = match (link, sent.0) {
            (true, _) => sent.1 & !NLM_F_CREATE,
            // A class that is there is changed, and there is no other one in its place.
            (_, 40) => sent.1 & !NLM_F_REPLACE,
            _ => sent.1,
        };
        let mut theirs_head = theirs.2;
        let mut head = sent.2;
        if sent.0 == Noun::Class.del() {
            (theirs_head.parent, head.parent) = (Handle::NONE, Handle::NONE);
        }
        if head.parent == Handle::new(1, 0) && theirs_head.parent == Handle::ROOT {
            head.parent = Handle::ROOT;
        }
        if (sent.0, flags, head) != (theirs.0, theirs.1, theirs_head) {
            wrong.push(format!("{command}: {:?} and not {:?}", (sent.0, flags, head), (theirs.0, theirs.1, theirs.2)));
        }
        let Some((options, of_class)) = options else { continue };
        let kind = Kind::listed(text(&theirs.3[&attribute::KIND]));
        let (mine, other) = (sent.3.get(&attribute::OPTIONS), theirs.3.get(&attribute::OPTIONS));
        let read = decode(&kind, of_class, kept(&kind, other.map(Vec::as_slice)).as_deref());
        if sent.3[&attribute::KIND] != theirs.3[&attribute::KIND]
            || sent.3.contains_key(&attribute::STAB) != theirs.3.contains_key(&attribute::STAB)
        {
            wrong.push(format!("{command}: another kind, or another table of sizes"));
        }
        // Without options there are none, or there is an empty list of them.
        if !(near(&options, &read) || options == Options::None && other.is_none()) {
            wrong.push(format!("{command}: {options:?} and not {read:?}"));
        }
        let same = match &options {
            Options::Settings(_) => sorted(mine) == sorted(other),
            Options::Prio(_) => mine.map(|mine| &mine[..20]) == other.map(|other| &other[..20]),
            Options::Sfq(_) | Options::Fifo(_) | Options::Htb(_) => mine == other,
            _ => true,
        };
        if !same {
            wrong.push(format!("{command}: {mine:x?} and not {other:x?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(lines.count() > 100);
}

fn sorted(options: Option<&Vec<u8>>) -> BTreeMap<u16, Vec<u8>> {
    options.into_iter().flat_map(|bytes| attributes(bytes)).map(|(kind, value)| (kind, value.to_vec())).collect()
}

#[test]
fn a_table_of_sizes_is_that_of_tc() {
    for (command, hex) in CAPTURED.lines().filter_map(|line| line.split_once('\t')).filter(|(command, _)| command.contains("stab")) {
        let (theirs, sent) = (said(&bytes(hex)), ours(command).0);
        let sizes = |said: &Said| attributes(&said.3[&attribute::STAB]).map(|(kind, value)| (kind, value.to_vec())).collect::<Vec<_>>();
        assert_eq!(sizes(&sent), sizes(&theirs), "{command}");
        assert_eq!(read_sizes(&theirs.3[&attribute::STAB]).unwrap().table().0, read_sizes(&theirs.3[&attribute::STAB]).unwrap());
    }
}

/// What Linux 6.18 told of a class of htb: `tc class add dev eth0 parent 1: classid 1:10 htb rate 1mbit burst 15k`.
#[test]
fn what_the_kernel_tells_is_read() {
    let mut m = Messages::new();
    m.raw(&[0, 0, 0, 0, 3, 0, 0, 0, 0x10, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    m.text(attribute::KIND, "htb");
    // TCA_HTB_PARMS: the rate and the ceiling of 125000 bytes per second, bursts of 1920000 and 200000 ticks, a quantum of 12500.
    let parms = "300001000001000000000000\
                 48e801000001000000000000\
                 48e80100004c1d00400d0300d43000000000000000000000";
    m.attribute(attribute::OPTIONS, &bytes(parms));
    m.nest(attribute::STATS2, |m| {
        m.attribute(1, &[1u64.to_ne_bytes(), 2u64.to_ne_bytes()].concat());
        m.attribute(3, &[3u32, 4, 5, 6, 7].iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>());
    });
    let listed = class(m.bytes()).unwrap();
    assert_eq!((listed.head.handle, listed.what.parent), (Handle::new(1, 0x10), Handle::new(1, 0)));
    assert_eq!(
        listed.what.options,
        Options::HtbClass(HtbClass {
            rate: 125_000,
            ceil: 125_000,
            burst: 1_920_000,
            cburst: 200_000,
            prio: 0,
            quantum: Some(12_500),
            framing: Framing::default()
        })
    );
    assert_eq!(listed.what.options.to_string(), " prio 0 quantum 12500 rate 1Mbit ceil 1Mbit burst 15Kb cburst 1600b");
    assert_eq!(listed.counted, Counted { bytes: 1, packets: 2, queued: 3, backlog: 4, drops: 5, requeues: 6, overlimits: 7 });
}

#[test]
fn what_is_not_understood_is_written_as_it_was_read() {
    let odd = [8, 0, 1, 0, 1, 2, 3, 4];
    let options = decode(&Kind::listed("choke"), false, Some(&odd));
    assert_eq!((encode(&options, None).unwrap().unwrap(), &options), (odd.to_vec(), &Options::Opaque(odd.to_vec())));
}

#[test]
fn a_change_resets_what_is_not_asked_for_any_more() {
    let read = |line: &str| Options::of_qdisc(&Kind::listed("netem"), &mut Words::of(line, "netem")).unwrap();
    let (before, after) = (read("delay 100ms 10ms 25% loss 1% corrupt 2% rate 1mbit"), read("limit 500"));
    let reset = attributes(&encode(&after, Some(&before)).unwrap().unwrap()[24..])
        .map(|(kind, value)| (kind, value.iter().all(|byte| *byte == 0)))
        .collect::<Vec<_>>();
    assert_eq!(reset, [(10, true), (11, true), (1, true), (4, true), (6, true)]);
    assert_eq!(encode(&after, None).unwrap().unwrap().len(), 24);
}

fn line(kind: &'static str, parts: &'static [&'static [&'static str]]) -> impl Strategy<Value = String> {
    let each: Vec<_> = parts.iter().map(|words| select(*words)).collect();
    each.prop_map(move |words| format!("{kind} {}", words.join(" ")))
}

fn lines() -> impl Strategy<Value = String> {
    prop_oneof![
        line(
            "netem",
            &[
                &["", "limit 7", "limit 100000"],
                &["", "delay 100ms", "delay 1.5s 20us", "delay 33us 7ns 12.5%", "delay 1ms 1ms distribution normal"],
                &[
                    "",
                    "loss 0.0001%",
                    "loss 33.3% 1%",
                    "loss state 1% 2% 3%",
                    "loss gemodel 5% 6% 7% 8%",
                    "loss gemodel 1%",
                    "loss 100% ecn"
                ],
                &["", "duplicate 1%", "duplicate 2% 3%"],
                &["", "corrupt 0.1%", "corrupt 2% 3%"],
                &["", "rate 1mbit", "rate 100gbit -5 10 -3", "rate 3kbit 20"],
                &["", "slot 1ms", "slot 1ms 2ms packets 5", "slot distribution normal 1ms 5us bytes 2kb"],
            ]
        ),
        line("netem delay 10ms", &[&["reorder 1%", "reorder 2% 3%", "reorder 5% gap 7"]]),
        line(
            "tbf",
            &[
                &["rate 1mbit", "rate 33kbit", "rate 7gbit", "rate 50gbit", "rate 3kbps"],
                &["burst 1600", "burst 32kbit", "burst 100kb"],
                &["latency 50ms", "limit 3000", "latency 1us", "limit 17kb"],
                &["", "overhead 4", "mpu 64 linklayer atm"],
            ]
        ),
        line("tbf rate 1mbit burst 5kb latency 70ms", &[&["peakrate 2mbit minburst 1540", "peakrate 40gbit mtu 9000"]]),
        line("htb", &[&["", "default 10", "default 0xffff"], &["", "r2q 5"], &["", "direct_qlen 9"]]),
        line(
            "fq_codel",
            &[&["", "limit 7"], &["", "target 1us"], &["", "ecn", "noecn"], &["", "memory_limit 3mb", "ce_threshold_selector 0x1/0x3"]]
        ),
        line(
            "fq",
            &[
                &["", "limit 7"],
                &["", "maxrate 3mbit"],
                &["", "buckets 1024"],
                &["", "pacing", "nopacing"],
                &["", "timer_slack 7ns", "horizon 3s"]
            ]
        ),
        line(
            "cake",
            &[
                &["", "bandwidth 3mbit", "unlimited"],
                &["", "besteffort", "diffserv8", "precedence"],
                &["", "overhead -5", "ethernet ether-vlan", "raw", "conservative"],
                &["", "nat", "wash", "ack-filter"],
                &["", "rtt 7ms"],
            ]
        ),
        line("prio", &[&["", "bands 4 priomap 1 2 3 0"]]),
        line(
            "sfq",
            &[
                &["", "limit 9"],
                &["", "perturb 10"],
                &["", "headdrop depth 3"],
                &["", "quantum 1514", "divisor 256"],
                &[
                    "",
                    "redflowlimit 60000",
                    "redflowlimit 100000 min 8000 max 60000 burst 60 avpkt 500 probability 0.1 ecn",
                    "redflowlimit 9000 min 50 max 90 burst 3 avpkt 20 harddrop"
                ]
            ]
        ),
        line("pfifo", &[&["", "limit 9"]]),
        line("bfifo", &[&["", "limit 9kb"]]),
    ]
}

proptest! {
    #[test]
    fn what_is_written_and_printed_reads_back(line in lines()) {
        let read = |line: &str| {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let kind = Kind::listed(kind);
            Options::of_qdisc(&kind, &mut Words::of(rest, "it")).map(|options| (kind, options))
        };
        let (kind, options) = read(&line).unwrap();
        let printed = format!("{kind}{options}");
        prop_assert_eq!(&read(&printed).unwrap().1, &options, "{} and {}", line, printed);
        let written = encode(&options, None).unwrap();
        let back = decode(&kind, false, kept(&kind, written.as_deref()).as_deref());
        prop_assert!(near(&options, &back) && options.agrees(&back), "{}: {:?} {:?}", line, options, back);
    }

    #[test]
    fn no_options_are_too_odd_to_be_read(kind in select(vec!["netem", "tbf", "htb", "sfq", "prio", "fq", "cake", "fq_codel", "pfifo"]), of_class: bool, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let options = decode(&Kind::listed(kind), of_class, Some(&bytes));
        let _ = (options.to_string(), encode(&options, None));
        qdisc(&bytes);
        class(&bytes);
    }
}
