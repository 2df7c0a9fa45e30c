//! What fyke reads of queues, classes and filters, against what tc(8) lists of them as JSON.
//!
//! What tc has set on a device fyke reads, and says it twice for another device: as commands of tc(8), and by setting it itself. Whatever it had misread,
//! `tc -j` would list otherwise there.

use std::fmt::Write;

use serde_json::Value;

use super::{Tests, tests};
use crate::kernel::world::World;
use crate::program::shell;

pub(super) const TESTS: Tests = tests! {
    all_that_tc_lists_is_read
};

/// What is set on a device each, in the place of `$`: every kind with every parameter, once at least.
const SET: &[&str] = &[
    "qdisc add dev $ root handle 1: netem limit 500 delay 100ms 10ms 25%",
    "qdisc add dev $ root handle 1: netem delay 7ms reorder 25% 50% gap 5 duplicate 2% 10% corrupt 3% 20%",
    "qdisc add dev $ root handle 1: netem loss 1.5% 30% ecn rate 5mbit 20 100 5",
    "qdisc add dev $ root handle 1: netem loss state 1% 50% 2% 80% 0.5%",
    "qdisc add dev $ root handle 1: netem loss gemodel 1% 10% 70% 0.1%",
    "qdisc add dev $ root handle 1: netem slot 800us 1ms packets 42 bytes 9000",
    "qdisc add dev $ root handle 1: netem rate 20gbit slot 5ms 7ms bytes 3000",
    "qdisc add dev $ root handle 1: tbf rate 1mbit burst 5kb latency 70ms peakrate 2mbit minburst 1540",
    "qdisc add dev $ root handle 1: tbf rate 256kbit burst 1600 limit 3000 overhead 24 mpu 64 linklayer atm",
    "qdisc add dev $ root handle 1: tbf rate 50gbit burst 10mb limit 10mb",
    "qdisc add dev $ root handle 1: stab overhead 14 linklayer atm tbf rate 1mbit burst 4kb limit 10kb\n\
     qdisc add dev $ parent 1:1 handle 2: bfifo limit 9000",
    "qdisc add dev $ root handle 1: htb default 20 r2q 5 direct_qlen 77\n\
     class add dev $ parent 1: classid 1:1 htb rate 10mbit burst 15k\n\
     class add dev $ parent 1:1 classid 1:10 htb rate 5mbit ceil 10mbit prio 1 quantum 3000 overhead 4 mpu 64 linklayer atm\n\
     class add dev $ parent 1:1 classid 1:20 htb rate 50gbit ceil 80gbit burst 12500000 cburst 20000000\n\
     qdisc add dev $ parent 1:10 handle 10: pfifo limit 77\n\
     qdisc add dev $ parent 1:20 handle 20: fq_codel limit 1000 flows 256 target 2ms interval 40ms quantum 3000 ce_threshold 1ms noecn drop_batch 9\n\
     filter add dev $ parent 1: protocol ip prio 1 u32 match ip dst 192.0.2.0/24 match ip dport 80 0xffff flowid 1:10\n\
     filter add dev $ parent 1: protocol all prio 2 handle 7/0xff fw classid 1:20\n\
     filter add dev $ parent 1: protocol ip prio 3 basic match 'meta(priority eq 7) and not cmp(u8 at 9 layer network eq 17)' flowid 1:10\n\
     filter add dev $ parent 1: protocol ip prio 4 handle 1 cgroup",
    "qdisc add dev $ root handle 1: fq_codel memory_limit 3mb ce_threshold_selector 0x1/0x3 ce_threshold 3ms",
    "qdisc add dev $ root handle 1: prio bands 4 priomap 3 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1\n\
     qdisc add dev $ parent 1:1 handle 10: sfq limit 100 perturb 10 quantum 3000 divisor 256 flows 50 depth 60 headdrop\n\
     qdisc add dev $ parent 1:2 handle 20: sfq redflowlimit 100000 min 8000 max 60000 burst 60 avpkt 500 probability 0.2 ecn harddrop\n\
     qdisc add dev $ parent 1:3 handle 30: pfifo_head_drop limit 9",
    "qdisc add dev $ root handle 1: fq limit 9000 flow_limit 50 buckets 2048 quantum 3000 initial_quantum 9000 maxrate 30mbit nopacing \
     low_rate_threshold 300kbit refill_delay 10ms orphan_mask 1023 ce_threshold 2ms timer_slack 7us horizon 3s horizon_cap",
    "qdisc add dev $ root handle 1: cake bandwidth 30mbit diffserv8 dual-srchost nat wash ingress ack-filter split-gso rtt 30ms \
     ptm overhead 22 mpu 64 memlimit 3mb fwmark 0xf",
    "qdisc add dev $ root handle 1: cake unlimited besteffort flowblind nonat nowash no-ack-filter no-split-gso conservative",
    "qdisc add dev $ ingress\n\
     filter add dev $ ingress prio 99 handle 1: u32 divisor 256\n\
     filter add dev $ ingress prio 99 u32 ht 1: sample u32 0x0a000007 0xff match ip src 10.0.0.7 action drop\n\
     filter add dev $ ingress protocol ip prio 98 u32 link 1: hashkey mask 0x000000ff at 12 match ip src 10.0.0.0/24",
    "qdisc add dev $ clsact\n\
     filter add dev $ ingress protocol all prio 1 matchall action mirred egress redirect dev lo\n\
     filter add dev $ egress protocol all prio 1 matchall skip_hw action police rate 1mbit burst 10k conform-exceed drop/pipe action pass\n\
     filter add dev $ ingress protocol ip prio 2 flower ip_proto tcp src_ip 192.0.2.0/24 dst_port 80 ip_tos 4/0xff ip_ttl 9 tcp_flags 0x2/0x3f action drop\n\
     filter add dev $ ingress protocol ipv6 prio 3 flower dst_ip 2001:db8::/32 ip_proto udp src_port 53 classid 1:5\n\
     filter add dev $ ingress protocol arp prio 4 flower arp_op request arp_tip 192.0.2.1 action pipe action drop random determ pass 5\n\
     filter add dev $ ingress protocol 802.1q prio 5 chain 3 flower vlan_id 7 vlan_prio 3 action goto chain 4\n\
     filter add dev $ egress protocol ip prio 6 u32 match ip protocol 6 0xff action mirred egress mirror dev lo pipe action continue",
];

/// Copies everything from the devices `a…` to those that are called `b…`, by the maps that are read.
const COPY: &str = "\
for name in tc::devices() {
    if name.starts_with(\"a\") {
        let from = tc::device(name);
        let to = tc::device(\"b\" + name.sub_string(1));
        let outer = |qdisc| qdisc.place == \"root\" || qdisc.place == \"ingress\";
        for qdisc in from.qdiscs().filter(outer) { to.ensure(qdisc.place, qdisc); }
        for class in from.classes() { to.ensure_class(class.classid, class); }
        for qdisc in from.qdiscs().filter(|qdisc| !outer.call(qdisc)) { to.ensure(qdisc.place, qdisc); }
        for filter in from.filters() { to.ensure_filter(filter.place, filter); }
    }
}
";

/// Lets tc do a list of commands, all of which must succeed.
#[track_caller]
fn batch(commands: &str) -> String {
    let said = shell(&format!("tc -j -d -batch - <<'END'\n{commands}END"));
    assert_eq!(said.code, Some(0), "{commands}{said:?}");
    said.out
}

/// Gives what tc lists on the devices whose names begin with a letter, a line each, without what runs on by itself and their names.
fn listed(letter: char) -> Vec<String> {
    let nouns = ["qdisc show dev $", "class show dev $", "filter show dev $", "filter show dev $ ingress", "filter show dev $ egress"];
    let all = |at: usize| nouns.map(|noun| (at, noun.replace('$', &format!("{letter}{at}")))).into_iter();
    let commands: Vec<(usize, String)> = (0..SET.len()).flat_map(all).collect();
    commands
        .iter()
        .flat_map(|(at, command)| {
            let said = shell(&format!("tc -j -d {command}"));
            match serde_json::from_str::<Vec<Value>>(&said.out) {
                Ok(entries) => entries.into_iter().map(|entry| format!("{at} {}", plain(entry))).collect::<Vec<_>>(),
                // Of some kinds tc(8) writes what no reader of JSON takes.
                Err(_) => shell(&format!("tc -d {command}")).out.lines().map(|line| format!("{at} {}", steady(line))).collect(),
            }
        })
        .collect()
}

/// Takes out what counts, and what is the kernel's own choice.
fn plain(mut entry: Value) -> Value {
    const RUNS: &[&str] =
        &["dev", "refcnt", "direct_packets_stat", "ref", "bind", "index", "installed", "last_used", "first_used", "expires"];
    match &mut entry {
        Value::Object(map) => {
            map.retain(|key, _| !RUNS.contains(&key.as_str()));
            map.values_mut().for_each(|value| *value = plain(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = plain(value.take())),
        _ => {}
    }
    entry
}

fn steady(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let counts = |at: usize| at > 0 && ["dev", "refcnt", "ref", "bind", "index"].contains(&words[at - 1]);
    (0..words.len()).filter(|at| !counts(*at)).map(|at| words[at]).collect::<Vec<_>>().join(" ")
}

fn all_that_tc_lists_is_read(world: &World) {
    let (mut links, mut commands, mut clear) = (String::new(), String::new(), String::new());
    for (at, set) in SET.iter().enumerate() {
        writeln!(links, "link add a{at} type dummy\nlink add b{at} type dummy").unwrap();
        writeln!(commands, "{}", set.replace('$', &format!("a{at}"))).unwrap();
        writeln!(clear, "qdisc del dev b{at} root\nqdisc del dev b{at} ingress\nqdisc del dev b{at} clsact").unwrap();
    }
    assert_eq!(shell(&format!("ip -batch - <<'END'\n{links}END")).code, Some(0));
    batch(&commands);
    let (wanted, before) = (listed('a'), listed('b'));
    assert!(wanted.len() > SET.len() * 2, "{wanted:#?}");
    // In words of tc(8).
    let recipe = world.recipe("copy", COPY);
    let said = world.fyke_well(&["plan", "--commands", &recipe]);
    let written: String = said.out.lines().filter_map(|line| line.strip_prefix("tc ")).map(|line| format!("{line}\n")).collect();
    batch(&written);
    same(&wanted, &listed('b'), &written);
    shell(&format!("tc -force -batch - <<'END'\n{clear}END"));
    assert_eq!(listed('b'), before);
    // And as fyke sets it itself.
    let said = world.fyke_well(&["run", &recipe]);
    same(&wanted, &listed('b'), &said.err);
    let again = world.fyke_well(&["run", &recipe]);
    assert!(again.err.contains("nothing changed"), "{again:?}");
    world.undo();
    assert_eq!(listed('b'), before);
    for letter in ['a', 'b'] {
        let del: String = (0..SET.len()).map(|at| format!("link del {letter}{at}\n")).collect();
        assert_eq!(shell(&format!("ip -batch - <<'END'\n{del}END")).code, Some(0));
    }
}

#[track_caller]
fn same(wanted: &[String], found: &[String], how: &str) {
    let only = |one: &[String], other: &[String]| -> Vec<String> { one.iter().filter(|line| !other.contains(line)).cloned().collect() };
    assert_eq!((only(wanted, found), only(found, wanted)), (Vec::new(), Vec::new()), "{how}");
    assert_eq!(wanted, found, "{how}");
}
