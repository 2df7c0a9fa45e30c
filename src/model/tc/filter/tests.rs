#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::hex::hex;
use crate::model::named::{self, Edit, Inventory};
use crate::model::tc::{Class, Options, Qdisc};
use crate::model::{Change, Origin, change};

fn command(line: &str) -> Command {
    line.parse().unwrap_or_else(|fault: Fault| panic!("{line}: {fault}"))
}

/// What there is on eth0: a classful qdisc with a class, and clsact.
fn host() -> Inventory {
    let device: Device = "eth0".parse().unwrap();
    let htb = "htb".parse::<crate::model::tc::Kind>().unwrap();
    let mut qdisc = Qdisc::new(htb.clone(), Options::None);
    (qdisc.handle, qdisc.link) = (Handle::new(1, 0), 2);
    let mut clsact = Qdisc::new("clsact".parse().unwrap(), Options::None);
    (clsact.handle, clsact.link) = (Handle::OF_INGRESS, 2);
    let mut class = Class::new(Handle::new(1, 0), htb, Options::None);
    class.link = 2;
    let list = [
        (Object::Device(device.clone()), State::Link(2)),
        (Object::Qdisc(device.clone(), Handle::ROOT), State::Qdisc(Box::new(qdisc))),
        (Object::Qdisc(device.clone(), Handle::INGRESS), State::Qdisc(Box::new(clsact))),
        (Object::Class(device, Handle::new(1, 0x10)), State::Class(Box::new(class))),
    ];
    list.into_iter().map(|(object, state)| (change::Object::Tc(object), change::State::Tc(state))).collect()
}

/// Does commands one after the other, and gives what there is then.
fn done(lines: &[&str]) -> Result<Inventory, Fault> {
    let mut host = host();
    for line in lines {
        for edit in line.parse::<Command>()?.edits(&host)? {
            edit.apply(&mut host)?;
        }
    }
    Ok(host)
}

/// Gives the keys of the filters, in their order, as tc(8) writes them.
fn keys(host: &Inventory) -> Vec<String> {
    let key = |(object, state): (&change::Object, &change::State)| match (object, state) {
        (change::Object::Tc(Object::Filter(_, key)), change::State::Tc(State::Filter(filter))) => Some(key.words(Some(filter))),
        _ => None,
    };
    host.iter().filter_map(key).collect()
}

#[test]
fn numbers_that_nobody_chose_are_chosen() {
    let host = done(&[
        "add dev eth0 parent 1: protocol ip u32 match ip dst 10.0.0.1 flowid 1:10",
        "add dev eth0 parent 1: protocol ip u32 match ip dst 10.0.0.2 flowid 1:10",
        "add dev eth0 protocol ip pref 7 u32 match ip dst 10.0.0.3 flowid 1:10",
        "add dev eth0 root protocol ip pref 7 u32 match ip dst 10.0.0.4 flowid 1:10",
        "add dev eth0 parent 1: protocol ip pref 7 u32 divisor 4",
        "add dev eth0 parent 1: protocol ip pref 7 u32 ht 1:2: match ip dst 10.0.0.5 flowid 1:10",
        "add dev eth0 parent ffff: protocol ip pref 5 flower dst_ip 10.0.0.1",
        "add dev eth0 ingress protocol ip pref 5 flower dst_ip 10.0.0.2",
        "add dev eth0 egress matchall",
        "add dev eth0 egress protocol ip pref 2 handle 5/0xff fw classid 1:10",
    ]);
    assert_eq!(
        keys(&host.unwrap()),
        [
            "parent 1: protocol ip pref 7 handle 1:",
            "parent 1: protocol ip pref 7 handle 1:2:800",
            "parent 1: protocol ip pref 7 handle ::800",
            "parent 1: protocol ip pref 7 handle ::801",
            "parent 1: protocol ip pref 49151 handle ::800",
            "parent 1: protocol ip pref 49152 handle ::800",
            "ingress protocol ip pref 5 handle 0x1",
            "ingress protocol ip pref 5 handle 0x2",
            "egress protocol ip pref 2 handle 0x5/0xff",
            "egress protocol all pref 49152 handle 0x1",
        ]
    );
}

#[test]
fn what_is_so_already_is_enough() {
    let line = "replace dev eth0 parent 1: protocol ip u32 match ip dst 10.0.0.1 flowid 1:10";
    assert_eq!(keys(&done(&[line, line]).unwrap()).len(), 1);
    let line = "replace dev eth0 ingress protocol ip flower dst_ip 10.0.0.1 action drop";
    assert_eq!(
        keys(&done(&[line, line, "replace dev eth0 ingress protocol ip pref 49152 flower dst_ip 10.0.0.9 action drop"]).unwrap()).len(),
        2
    );
    // The first table of a priority has a number that only the kernel knows.
    let lines = [
        "add dev eth0 parent 1: protocol ip pref 1 u32 match u8 0 0 flowid 1:10",
        "change dev eth0 parent 1: protocol ip pref 1 handle 800::800 u32 flowid 1:1",
    ];
    let host = done(&lines).unwrap();
    let shown: Vec<String> = host
        .values()
        .filter_map(|state| if let change::State::Tc(State::Filter(filter)) = state { Some(filter.to_string()) } else { None })
        .collect();
    assert_eq!(shown, ["u32 match u32 0x00000000 0x00000000 at 0 classid 1:1"]);
}

#[test]
fn filters_go_before_the_tables_that_they_are_in() {
    let host = done(&[
        "add dev eth0 parent 1: pref 9 handle 3: u32 divisor 2",
        "add dev eth0 parent 1: protocol ip pref 2 u32 ht 3:1: match ip src 10.0.0.1 flowid 1:10",
        "add dev eth0 parent 1: protocol ip pref 2 u32 match ip src 10.0.0.0/8 link 3:",
    ]);
    let host = host.unwrap();
    let went = |line: &str| -> Vec<String> { command(line).edits(&host).unwrap().iter().map(|edit| edit.object().to_string()).collect() };
    assert_eq!(
        went("del dev eth0 parent 1:"),
        [
            "filter ::800 at 1:, priority 2 of eth0",
            "filter 3:1:800 at 1:, priority 2 of eth0",
            "table of filters 3: at 1:, priority 9 of eth0"
        ]
    );
    assert_eq!(went("del dev eth0 parent 1: pref 2 handle 800::800 u32"), ["filter ::800 at 1:, priority 2 of eth0"]);
    // And so does the qdisc with all of them.
    let root = change::Object::Tc(Object::Qdisc("eth0".parse().unwrap(), Handle::ROOT));
    let wish = named::wish(&host, &[(Edit::Del(root), Origin::at("x", 1, 1))]).unwrap();
    let mut then = host.clone();
    named::apply(&mut then, &wish.changes);
    let (back, drift) = named::revert(&then, &wish.changes, false);
    named::apply(&mut then, &back);
    assert_eq!((then, drift), (host, Vec::new()));
    let order: Vec<String> = back.iter().map(|change: &Change| change.object.to_string()).collect();
    assert_eq!(order.iter().position(|object| object.starts_with("table")), Some(2), "{order:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (line, why) in [
        ("put dev eth0 ingress matchall", "nothing that is done to filters"),
        ("add dev eth0 ingress", "a kind of filter is missing"),
        ("add ingress matchall", "a device is missing"),
        ("add dev eth0 handle 1 ingress", "what a handle means"),
        ("add dev eth0 ingress matchal", "no kind of filter that fyke can read"),
        ("add dev eth0 ingress parent 1: matchall", "there twice"),
        ("add dev eth0 ingress prio 65536 matchall", "no number from 0 to 65535"),
        ("add dev eth0 ingress prio -1 matchall", "no number from 0 to 65535"),
        ("add dev eth0 ingress protocol ABCD matchall", "no protocol"),
        ("add dev eth0 ingress chain 268435456 matchall", "no number from 0 to 268435455"),
        ("add dev eth0 parent 1:10000 matchall", "up to four hexadecimal digits"),
        ("add block 5 matchall", "are not known to fyke"),
        ("add dev eth0 ingress matchall foo", "no word of matchall"),
        ("add dev eth0 ingress matchall action", "an action is missing"),
        ("add dev eth0 ingress matchall action frob", "no action that fyke can read"),
        ("add dev eth0 ingress matchall action police rate -1mbit burst 1k", "a number is missing"),
        ("add dev eth0 ingress matchall action police rate 1mbit", "`rate` needs a `burst`"),
        ("add dev eth0 ingress matchall action mirred egress redirect", "needs a device"),
        ("add dev eth0 ingress matchall action mirred egress redirect dev a/b", "no blanks, slashes and colons"),
        ("add dev eth0 ingress matchall action goto 4", "goto chain 1"),
        ("add dev eth0 ingress matchall action drop cookie abc", "no cookie"),
        ("add dev eth0 ingress matchall skip_hw skip_sw", "exclude each other"),
        ("add dev eth0 ingress protocol ip u32 match ip dst 10.0.0.0/33 flowid 1:1", "no IPv4 address"),
        ("add dev eth0 ingress protocol ip u32 match ip dport 80 flowid 1:1", "no number from 0 to 4294967295"),
        ("add dev eth0 ingress protocol ip u32 match ip dport 65536 0xffff flowid 1:1", "more than 2 bytes hold"),
        ("add dev eth0 ingress protocol ip u32 match u32 1 1 at 3 flowid 1:1", "no multiple of 4"),
        ("add dev eth0 ingress protocol ip u32 match ip src 10.0.0.1 match ip src 10.0.0.2 flowid 1:1", "contradict"),
        ("add dev eth0 ingress protocol ip u32 match mark 3 1 flowid 1:1", "is not in its mask"),
        ("add dev eth0 ingress protocol ip u32 divisor 3", "no power of two"),
        ("add dev eth0 ingress protocol ip handle 1:2 u32 divisor 4", "its number alone"),
        ("add dev eth0 ingress protocol ip handle 1000: u32 divisor 4", "no handle of u32"),
        ("add dev eth0 ingress protocol ip u32 match ip src 1.2.3.4 link 1::1", "a filter, and no table"),
        ("add dev eth0 ingress protocol ip flower dst_port 80", "`ip_proto` is missing"),
        ("add dev eth0 ingress flower ip_proto tcp", "needs `protocol ip`"),
        ("add dev eth0 ingress protocol ip flower ip_proto tcp dst_port 90-80", "no range of ports"),
        ("add dev eth0 ingress protocol ip flower dst_ip 2001:db8::1", "of the other family"),
        ("add dev eth0 ingress protocol ip flower vlan_id 5", "needs `protocol 802.1Q`"),
        ("add dev eth0 ingress protocol 802.1Q flower vlan_id 4096", "no number from 0 to 4095"),
        ("add dev eth0 ingress protocol ip flower ct_state trk", "no state of a connection"),
        ("add dev eth0 ingress basic match 'cmp(u8 at 0 gt 1' classid 1:1", "not ended"),
        ("add dev eth0 ingress basic match 'cmp(u8 gt 1)' classid 1:1", "`at` and a comparison"),
        ("add dev eth0 ingress basic match 'ipset(foo src)' classid 1:1", "cannot read"),
        ("add dev eth0 ingress bpf object-file x.o section y", "cannot load programs"),
        ("add dev eth0 ingress bpf bytecode '2,6 0 0 0' flowid 1:1", "no program"),
        ("add dev eth0 parent 1: flow map keys src,dst baseclass 1:1", "`map` maps one key"),
        ("add dev eth0 ingress fw classid 1:1 reboot", "no word of fw"),
        ("add dev eth0 ingress matchall action 'drop", "a quote is not closed"),
    ] {
        let fault = line.parse::<Command>().map_or_else(|fault| fault, |command| panic!("{line} is taken: {command:?}"));
        assert!(fault.why.contains(why), "{line}: {}", fault.why);
    }
    for (lines, why) in [
        (&["add dev eth1 ingress matchall"][..], "its device"),
        (&["add dev eth0 parent 2: matchall"], "there is no qdisc 2:"),
        (&["add dev eth0 parent 1:99 matchall"], "there is no class 1:99"),
        (&["del dev eth0 ingress"], "there are none such"),
        (&["change dev eth0 ingress pref 1 handle 1 matchall action drop"], "there is no such thing"),
        (&["add dev eth0 ingress pref 1 matchall", "add dev eth0 ingress pref 1 matchall"], "it is there already"),
        (&["add dev eth0 ingress pref 1 fw classid 1:1"], "handles are taken"),
        (
            &[
                "add dev eth0 ingress pref 1 protocol ip u32 match u8 0 0",
                "add dev eth0 ingress chain 2 pref 1 protocol ip u32 match u8 0 0",
            ],
            "mixes up",
        ),
    ] {
        let fault = done(lines).unwrap_err();
        assert!(fault.why.contains(why) || why == "its device", "{lines:?}: {}", fault.why);
    }
}

/// What Linux 6.1 tells of `handle 1 cgroup` and of `basic classid 1:10`: a tree of no matches.
#[test]
fn a_tree_of_no_matches_is_none() {
    struct Nobody;
    impl Links for Nobody {
        fn name(&self, _: u32) -> Option<String> {
            None
        }
        fn index(&self, _: &str) -> Option<u32> {
            None
        }
    }
    for (kind, attribute) in [("cgroup", 3), ("basic", 2)] {
        let tree: Attributes = [(1, vec![0; 4]), (2, Vec::new())].into_iter().collect();
        let told = Filter::told(kind, protocol::IP, [(attribute, tree.bytes())].into_iter().collect(), &Nobody);
        let Some(said) = command(&format!("add dev eth0 egress protocol ip handle 1 {kind}")).filter else { panic!() };
        assert!(told.agrees(&said) && told == said && told.to_string() == kind, "{told:?} {said:?}");
    }
}

#[test]
fn what_the_kernel_does_not_give_back_is_told() {
    let program = Filter::new("bpf", protocol::ALL, [(7, b"prog\0".to_vec()), (11, vec![5, 0, 0, 0])].into_iter().collect(), Vec::new());
    assert!(program.cannot_return().is_some());
    let Some(plain) = command("add dev eth0 ingress bpf bytecode '1,6 0 0 1' flowid 1:1").filter else { panic!() };
    assert_eq!(plain.cannot_return(), None);
    // A kind that nobody has heard of is kept to the byte.
    let odd = Filter::new("quux", protocol::IP, [(9, vec![1, 2, 3]), (1, vec![4])].into_iter().collect(), Vec::new());
    let line = serde_json::to_string(&odd).unwrap();
    assert_eq!(serde_json::from_str::<Filter>(&line).unwrap(), odd);
    assert_eq!((hex(&odd.options.bytes()), odd.agrees(&odd.clone())), ("070009000102030005000100040000 00".replace(' ', ""), true));
}

fn word() -> impl Strategy<Value = String> {
    let parts = select(
        &[
            "ip dst 10.0.0.1",
            "ip src 10.0.0.0/8",
            "ip dport 80 0xffff",
            "ip sport 53 0xffff",
            "ip protocol 6 0xff",
            "u32 0x1 0xff at 8",
            "u16 7 0xffff at nexthdr+2",
            "u8 1 0xff at 33",
            "ether src 02:00:00:00:00:01",
        ][..],
    );
    proptest::collection::vec(parts, 1..4).prop_map(|list| list.iter().map(|part| format!(" match {part}")).collect())
}

proptest! {
    /// What is shown of a filter is read as the same.
    #[test]
    fn matches_read_back(words in word(), class in 1u16.., proto in select(&["ip", "ipv6", "all", "0x1234"][..])) {
        let line = format!("add dev eth0 parent 1: protocol {proto} pref 3 u32{words} flowid 1:{class:x}");
        if let Ok(Command { filter: Some(filter), place, .. }) = line.parse::<Command>() {
            let key = Key { parent: Handle::new(1, 0), chain: 0, looks: true, prio: 3, protocol: filter.protocol, handle: ROOT | 0x800 };
            let again = Command::of(Verb::Add, place, &filter.words(&key)).unwrap();
            prop_assert_eq!(again.filter.unwrap(), filter);
        }
    }

    #[test]
    fn no_words_are_too_odd_to_be_read(line in "[a-z0-9:/ '\"\\(\\)+-]{0,60}") {
        let _ = format!("add dev eth0 ingress protocol ip u32 {line}").parse::<Command>();
        let _ = format!("add dev eth0 ingress protocol ip flower {line}").parse::<Command>();
        let _ = format!("add dev eth0 ingress basic match {line}").parse::<Command>();
        let _ = format!("add dev eth0 ingress matchall action {line}").parse::<Command>();
        let _ = line.parse::<Command>();
    }

    /// Whatever the kernel tells, it is shown.
    #[test]
    fn no_bytes_are_too_odd_to_be_shown(kind in select(&["u32", "flower", "basic", "flow", "fw", "route", "bpf", "matchall", "cgroup"][..]),
                                        list in proptest::collection::vec((1u16..110, proptest::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        struct Nobody;
        impl Links for Nobody {
            fn name(&self, _: u32) -> Option<String> { None }
            fn index(&self, _: &str) -> Option<u32> { None }
        }
        let filter = Filter::told(kind, protocol::IP, list.into_iter().collect(), &Nobody);
        let _ = (filter.to_string(), filter.agrees(&filter.clone()), filter.sent(protocol::IP, &Nobody));
    }
}
