#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::named::{Edit, Inventory};

fn list(line: &str) -> Result<Vec<Action>, Fault> {
    let mut argv = Argv::read(line)?;
    let list = Action::list(&mut argv)?;
    if argv.is_end() { Ok(list) } else { Err(argv.refuse("more")) }
}

#[test]
fn what_is_shown_is_read_as_the_same() {
    for line in [
        "action drop",
        "action gact pass random determ drop 100 index 9",
        "action mirred egress redirect dev eth1",
        "action mirred ingress mirror dev eth1 continue index 4 action drop",
        "action police rate 1mbit burst 10k conform-exceed drop/pass",
        "action police rate 7777777bit burst 9999 mtu 1500 peakrate 8mbit overhead 14 mpu 64 linklayer atm drop index 5",
        "action police avrate 64kbit continue",
        "action police pkts_rate 1000 pkts_burst 200 conform-exceed drop / pipe",
        "action skbedit mark 5/0xff priority 1:10 queue_mapping 3 ptype host inheritdsfield pass",
        "action vlan push id 100 protocol 802.1ad priority 3 pipe",
        "action vlan pop index 3",
        "action nat egress 10.0.0.0/8 192.0.2.1 pass",
        "action csum iph tcp udp pipe",
        "action connmark zone 7 continue",
        "action ctinfo dscp 0xfc000000 0x01000000 cpmark zone 4 pipe",
        "action ct commit zone 7 mark 0x42/0xf0 nat src addr 192.0.2.1-192.0.2.9 port 1000-2000 index 4 pipe",
        "action ct label 12/ff zone 3 continue",
        "action sample rate 100 group 5 trunc 128 pipe",
        "action tunnel_key set src_ip 192.0.2.1 dst_ip 2001:db8::1 id 42 dst_port 4789 geneve_opts 0102:80:00880022 tos 16 ttl 64 nocsum pipe",
        "action tunnel_key set src_ip 192.0.2.1 dst_ip 192.0.2.2 id 1 erspan_opts 2:0:1:4 pipe",
        "action pedit ex munge ip ttl decrement munge tcp dport set 22 munge eth dst set 02:00:00:00:00:01 pipe",
        "action pedit munge offset 12 u16 set 0x1234 munge offset 0 u8 invert",
        "action ife encode use mark 5 allow prio type 0xfefe dst 02:00:00:00:00:01 pipe",
        "action gate priority 1 base-time 200s clockid MONOTONIC index 4 sched-entry open 1ms 2 8000 sched-entry close 1ms pipe",
        "action bpf bytecode '1,6 0 0 0' drop",
        "action drop cookie 0a0b hw_stats disabled no_percpu skip_hw",
    ] {
        let read = list(line).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        let shown: String = read.iter().map(|action| format!("action {action} ")).collect();
        assert_eq!(list(&shown).unwrap_or_else(|fault| panic!("{shown}: {fault}")), read, "{line}\n{shown}");
        let stored = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Action>>(&stored).unwrap(), read);
    }
}

#[test]
fn a_number_that_nobody_chose_does_not_count() {
    let one = |line: &str| list(line).unwrap().remove(0);
    assert!(one("mirred egress redirect dev eth1").agrees(&one("mirred egress redirect dev eth1 index 5")));
    assert!(!one("mirred egress redirect dev eth1 index 4").agrees(&one("mirred egress redirect dev eth1 index 5")));
    assert!(!one("mirred egress redirect dev eth1").agrees(&one("mirred egress redirect dev eth0")));
    // Only the number: the action of that number is meant, whatever it does.
    assert!(one("mirred index 5").agrees(&one("mirred egress redirect dev eth0 index 5")));
    assert!(!one("mirred index 6").agrees(&one("mirred egress redirect dev eth0 index 5")));
    // What the kernel adds.
    assert!(one("vlan push id 5").agrees(&one("vlan push id 5 protocol 802.1Q priority 0")));
    assert!(one("police rate 1mbit burst 10k").agrees(&one("police rate 1mbit burst 10k mtu 2040")));
    let odd = |byte: u8| Action {
        kind: "quux".into(),
        options: [(1, vec![byte])].into_iter().collect(),
        cookie: String::new(),
        flags: 0,
        hw_stats: None,
    };
    assert!(odd(1).agrees(&odd(2)) && !odd(1).agrees(&one("drop")));
}

#[test]
fn shared_actions_get_the_first_number_that_is_free() {
    let edits = |line: &str, there: &Inventory| line.parse::<Command>().unwrap().edits(there);
    let mut there = Inventory::new();
    for edit in edits("actions add action drop index 2 action pass action continue", &there) {
        edit.apply(&mut there).unwrap();
    }
    let keys: Vec<String> = there.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["action gact 1", "action gact 2", "action gact 3"]);
    assert!(matches!(&edits("del action gact index 2", &there)[..], [Edit::Del(_)]));
    assert_eq!(edits("flush action gact", &there).len(), 3);
    for (line, why) in [
        ("actions add action gact goto chain 4", "goes to no chain"),
        ("actions del action gact", "which gact is missing"),
        ("actions del", "an action is missing"),
        ("actions add", "an action is missing"),
        ("actions add action drop foo", "no action that fyke can read"),
        ("actions frob action drop", "nothing that is done to actions"),
        ("actions flush action quux", "no kind of action"),
        ("actions add action drop index 4294967296", "no number from 0 to 4294967295"),
    ] {
        let fault = line.parse::<Command>().unwrap_err();
        assert!(fault.why.contains(why), "{line}: {}", fault.why);
    }
}

proptest! {
    /// Of a rate and a burst nothing is lost that the kernel is told. It counts the time of a burst in 32 bits: a longer one is cut there.
    #[test]
    fn every_burst_reads_back(rate in 8u64..10_000_000_000, burst in 1u32..100_000_000) {
        prop_assume!(u64::from(burst) * 8 * 15_625_000 / rate < u64::from(u32::MAX));
        let line = format!("police rate {rate}bit burst {burst} drop");
        if let Ok(read) = list(&line) {
            prop_assert_eq!(list(&read[0].to_string()).unwrap(), read);
        }
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_shown(kind in select(&["police", "gact", "mirred", "ct", "ctinfo", "pedit", "gate", "ife", "tunnel_key", "vlan", "nat", "csum", "connmark", "sample", "skbedit", "bpf", "quux"][..]),
                                        list in proptest::collection::vec((1u16..16, proptest::collection::vec(any::<u8>(), 0..80)), 0..8)) {
        let action = Action::new(kind, list.into_iter().collect());
        let _ = (action.to_string(), action.agrees(&action.clone()), action.is_reference(), action.goes_to_chain());
    }
}
