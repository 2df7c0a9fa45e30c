#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;
use proptest::sample::select;

use super::effects::tests::{eth, host, put};
use super::route::{Fate, Hop, Key, Way};
use super::*;
use crate::model::named::Inventory;
use crate::model::prefix::Prefix;

#[test]
fn what_is_put_elsewhere_is_read_and_written() {
    for words in ["name a0 type veth peer name b0 netns lab", "name a0 type veth peer name a0 netns /proc/7/ns/net"] {
        assert_eq!(words.parse::<device::Wanted>().unwrap().to_string(), words);
    }
    let wanted = Setting::read_all("netns 4711 name b0").unwrap();
    assert_eq!((wanted.netns.as_deref(), wanted.settings.len()), (Some("4711"), 1));
    for odd in ["netns", "netns ..", "netns a netns b", "netns lab up", "mtu 1400 netns lab", "netns a\0b"] {
        assert!(Setting::read_all(odd).is_err(), "{odd}");
    }
    for odd in ["a0 type veth peer name a0", "a0 type veth peer name b0 netns", "a0 netns lab type dummy", "a0 type veth netns lab"] {
        assert!(odd.parse::<device::Wanted>().is_err(), "{odd}");
    }
}

fn far(namespace: u64, index: u32, tie: Tie) -> Far {
    Far { site: crate::model::netns::Site::new(namespace, "lab"), dev: Dev::new(index, "b0".parse().unwrap()), tie }
}

#[test]
fn a_link_elsewhere_is_known_by_its_namespace_and_index() {
    let here = Dev::new(7, "b0".parse().unwrap());
    let one = far(1, 7, Tie::Moved(here.clone()));
    assert!(one == far(1, 7, Tie::None) && one != far(2, 7, Tie::None) && one != far(1, 8, Tie::None));
    let mut again = one.clone();
    again.renew(1, 9);
    assert_eq!((again.site.namespace, again.moved()), (9, Some(&here)));
    let text = serde_json::to_string(&Object::Far(one.clone().into())).unwrap();
    assert_eq!(serde_json::from_str::<Object>(&text).unwrap(), Object::Far(one.into()));
    assert_eq!(There::bare("b0".parse().unwrap()).held(), None);
}

fn any_address(v4: bool) -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(move |bits| if v4 { IpAddr::V4((bits as u32).into()) } else { Ipv6Addr::from(bits | 1 << 127).into() })
}

fn any_prefix(v4: bool) -> impl Strategy<Value = Prefix> {
    (any_address(v4), 1u8..=if v4 { 32 } else { 128 }).prop_map(|(address, length)| Prefix::new(address, length))
}

fn any_name() -> impl Strategy<Value = Name> {
    select(vec!["eth0", "br-1234567890ab", "veth_a.100", "wg0", "via", "table"]).prop_map(|name| name.parse().unwrap())
}

fn any_hop(v4: bool) -> impl Strategy<Value = Hop> {
    (any::<bool>(), any_address(v4), any_address(!v4), any_name(), 0..4u8, 1..=256u16).prop_map(|(other, near, far, name, form, weight)| {
        Hop {
            via: (form != 0).then_some(if other { far } else { near }),
            dev: (form != 1).then(|| Dev::named(name)),
            weight,
            onlink: form == 2,
            rest: Raw::default(),
        }
    })
}

fn any_route() -> impl Strategy<Value = Route> {
    any::<bool>().prop_flat_map(|v4| {
        let key = (1..=u32::MAX, any_prefix(v4), 1..=u32::MAX, any::<u8>(), proptest::option::of(any_prefix(v4)));
        let way = (
            select(Fate::ALL.map(|(fate, ..)| fate).to_vec()),
            proptest::collection::vec(any_hop(v4), 1..4),
            select(vec![0u8, 3, 4, 11, 77]),
            select(vec![0u8, 200, 253, 254, 9]),
            proptest::option::of(any_address(v4)),
            (proptest::option::of(68..9000u32), any::<bool>(), select(vec![0u8, 1, 3])),
        );
        (key, way).prop_map(move |((table, to, metric, tos, from), (fate, mut hops, proto, scope, src, (mtu, locked, pref)))| {
            if let [one] = &mut hops[..] {
                one.weight = 1;
            }
            let key = Key { table, to, metric, tos: if v4 { tos } else { 0 }, from: from.filter(|_| !v4), twin: 0 };
            let way = Way {
                fate,
                hops: if fate.ends() { Vec::new() } else { hops },
                proto,
                scope: if v4 { scope } else { 0 },
                src,
                measures: mtu.map(|mtu| (2, mtu)).into_iter().collect(),
                locked: if locked && mtu.is_some() { 1 << 2 } else { 0 },
                congctl: locked.then(|| "reno".into()),
                pref: if v4 { 0 } else { pref },
                rest: Raw::default(),
            };
            Route::of(key, way)
        })
    })
}

proptest! {
    #[test]
    fn every_route_reads_back(route in any_route()) {
        let read: Route = route.to_string().parse().unwrap_or_else(|fault| panic!("{route}: {fault}"));
        prop_assert_eq!((&read.key, &read.way), (&route.key, &route.way), "{}", route);
        prop_assert!(read.means(&route.key, &route.way) && route.means(&read.key, &read.way));
        let json = serde_json::to_string(&(&route.key, &route.way)).unwrap();
        prop_assert_eq!(serde_json::from_str::<(Key, Way)>(&json).unwrap(), (route.key, route.way));
    }

    #[test]
    fn every_address_reads_back(v4: bool, bits: u128, length in 0u8..=128, times in (1..u32::MAX, 1..u32::MAX), form in 0..8u8) {
        let address = if v4 { IpAddr::V4((bits as u32).into()) } else { Ipv6Addr::from(bits | 1 << 127).into() };
        let host = address::Host { address, length: if v4 { length % 33 } else { length } };
        let mut about = address::About::of(&host);
        about.valid = if form & 1 == 0 { times.0.max(times.1) } else { address::FOREVER };
        about.preferred = if form & 1 == 0 { times.0.min(times.1) } else { address::FOREVER };
        about.flags = if form & 2 == 0 { vec![address::Flag::Nodad, address::Flag::Noprefixroute] } else { Vec::new() };
        about.label = (v4 && form & 4 == 0).then(|| "eth0:x".into());
        about.broadcast = (v4 && form & 4 == 0).then(|| [10, 0, 0, 255].into());
        let wanted = address::Wanted { host, about, dev: (form & 1 == 0).then(|| "eth0".parse().unwrap()) };
        prop_assert_eq!(wanted.to_string().parse::<address::Wanted>().unwrap(), wanted);
    }

    #[test]
    fn every_rule_reads_back(v4: bool, from in any_prefix(true), to in any_prefix(false), priority: u32, form: u16, mark: (u32, u32), table in 1..=u32::MAX) {
        let is = |bit: u16| form & 1 << bit != 0;
        let rule = Rule {
            family: if v4 { Family::V4 } else { Family::V6 },
            priority,
            not: is(0),
            from: (v4 && is(1)).then_some(from),
            to: (!v4 && is(2)).then_some(to),
            iif: is(3).then(|| "lo".into()),
            oif: is(4).then(|| "eth0".into()),
            tos: is(5).then_some(0x10),
            fwmark: is(6).then_some(mark),
            ipproto: is(7).then_some(6),
            sport: (is(7) && is(8)).then_some((1, 1000)),
            dport: (is(7) && is(9)).then_some((22, 22)),
            uidrange: is(10).then_some((0, 99)),
            l3mdev: false,
            action: match form % 5 {
                0 => rule::Action::Blackhole,
                1 => rule::Action::Prohibit,
                2 => rule::Action::Nop,
                _ => rule::Action::Lookup(table),
            },
            suppress: is(11).then_some(0),
            proto: if is(12) { 77 } else { 0 },
            rest: Raw::default(),
        };
        let read: rule::Wanted = rule.to_string().parse().unwrap_or_else(|fault| panic!("{rule}: {fault}"));
        prop_assert_eq!(&read.rule, &rule, "{}", rule);
        prop_assert!(read.means(&rule));
        prop_assert_eq!(serde_json::from_str::<Rule>(&serde_json::to_string(&rule).unwrap()).unwrap(), rule);
    }
}

#[test]
fn links_are_read_in_the_words_of_ip() {
    for words in [
        "name br0 type bridge ageing_time 1000 stp_state 1",
        "name veth0 mtu 1400 up type veth peer name veth1",
        "link eth0 name eth0.7 type vlan id 7 protocol 802.1ad",
        "link eth0 name mac0 type macvlan mode private",
        "name vx0 type vxlan dstport 4789 id 77 nolearning remote 192.0.2.2 dev eth0",
        "name tap0 type tap multi_queue user 1000",
        "name x address 02:00:5e:10:00:01 down type dummy",
    ] {
        assert_eq!(words.parse::<device::Wanted>().unwrap().to_string(), words);
    }
    let same = |one: &str, other: &str| assert_eq!(one.parse::<device::Wanted>().unwrap(), other.parse::<device::Wanted>().unwrap());
    same("veth0 type veth peer veth1", "name veth0 type veth peer name veth1");
    same("dev vx0 type vxlan id 1 group 239.1.1.1", "vx0 type vxlan remote 239.1.1.1 id 1");
    same("t0 type tun mode tap", "t0 type tap");
}

#[test]
fn what_is_no_link_is_refused() {
    let why = |words: &str| words.parse::<device::Wanted>().unwrap_err();
    for words in [
        "",
        "type bridge",
        "br0",
        "br0 type",
        "br0 type nosuch",
        "br0 type bridge nosuch 1",
        "br0 type bridge stp_state 2",
        "br0 type bridge stp_state 1 stp_state 1",
        "br0 type bridge priority -1",
        "a234567890123456 type bridge",
        "a/b type bridge",
        "veth%d type veth peer name b",
        "v type vlan id 7",
        "link eth0 name v type vlan",
        "link eth0 name v type vlan id 4096",
        "link eth0 br0 type bridge",
        "a type veth",
        "a type veth peer name a",
        "a mtu x type bridge",
        "a mtu 4294967296 type bridge",
        "a address 02:00 address type bridge",
        "a b type bridge",
        "vx0 type vxlan remote 192.0.2.2",
        "vx0 type vxlan id 16777216",
    ] {
        assert!(words.parse::<device::Wanted>().is_err(), "{words}");
    }
    assert_eq!(why("br0 type brigde").hint.unwrap(), "did you mean `bridge`?");
    assert!("02:00:5e:10:00:0g".parse::<Mac>().is_err() && "020".parse::<Mac>().is_err() && "02::01".parse::<Mac>().is_err());
}

#[test]
fn what_is_no_route_is_refused() {
    for words in [
        "",
        "10.0.0.0/8",
        "10.0.0.1/8 via 192.0.2.1",
        "10.0.0.0/33 via 192.0.2.1",
        "10.0.0/8 via 192.0.2.1",
        "10.0.0.0/255.0.255.0 via 192.0.2.1",
        "10.0.0.0/8 via 2001:db8::1",
        "10.0.0.0/8 via 010.0.0.1",
        "10.0.0.0/8 via example.org",
        "::ffff:1.2.3.4 via 2001:db8::1",
        "10.0.0.0/8 11.0.0.0/8 via 192.0.2.1",
        "10.0.0.0/8 via",
        "10.0.0.0/8 via 192.0.2.1 metric -1",
        "10.0.0.0/8 via 192.0.2.1 metric 4294967296",
        "10.0.0.0/8 via 192.0.2.1 table nosuch",
        "10.0.0.0/8 via 192.0.2.1 weight 3",
        "10.0.0.0/8 nexthop via 192.0.2.1 weight 0",
        "10.0.0.0/8 nexthop via 192.0.2.1 weight 257",
        "10.0.0.0/8 nexthop weight 2",
        "10.0.0.0/8 via 192.0.2.1 onlink",
        "blackhole 10.0.0.0/8 via 192.0.2.1",
        "2001:db8::/32 via 2001:db8::1 tos 0x10",
        "10.0.0.0/8 via 192.0.2.1 pref low",
        "10.0.0.0/8 via 192.0.2.1 src 2001:db8::1",
        "10.0.0.0/8 dev a234567890123456",
        "10.0.0.0/8 via 192.0.2.1; id",
    ] {
        assert!(words.parse::<Route>().is_err(), "{words}");
    }
    for words in [
        "from 10.0.0.1/8 lookup 1",
        "lookup 0",
        "lookup 1 blackhole",
        "from 10.0.0.0/8 to 2001:db8::/32",
        "dport 22",
        "priority x",
        "goto 5 priority 6",
    ] {
        assert!(words.parse::<rule::Wanted>().is_err(), "{words}");
    }
    for words in [
        "",
        "192.0.2.1/33",
        "192.0.2.1/24 peer 2001:db8::1",
        "2001:db8::1/64 brd +",
        "192.0.2.1/24 valid_lft 5 preferred_lft 6",
        "192.0.2.1/24 label a234567890123456",
        "2001:db8::1/64 scope link",
    ] {
        assert!(words.parse::<address::Wanted>().is_err(), "{words}");
    }
}

#[test]
fn a_packet_goes_where_rules_and_routes_lead_it() {
    let mut host = host();
    let rule = |host: &mut Inventory, words: &str| {
        let wanted: rule::Wanted = words.parse().unwrap();
        put(host, Object::Rule(wanted.rule.into()), State::Rule);
    };
    rule(&mut host, "priority 32766 lookup main");
    let ends = |host: &Inventory, to: &str| {
        let found = path::ends(host, "192.0.2.1".parse().unwrap(), to.parse().unwrap());
        found
            .iter()
            .map(|end| end.as_ref().map_or("none".into(), |hops| hops[0].dev.as_ref().unwrap().to_string()))
            .collect::<Vec<String>>()
    };
    assert_eq!([ends(&host, "10.9.9.9"), ends(&host, "10.4.0.1"), ends(&host, "172.16.0.1")], [["eth1"], ["none"], ["none"]]);
    rule(&mut host, "priority 7 to 10.9.0.0/16 blackhole");
    assert_eq!(ends(&host, "10.9.9.9"), ["none"]);
    // What else a rule asks, nobody knows here: both may be.
    rule(&mut host, "priority 6 fwmark 1 lookup 100");
    assert_eq!((ends(&host, "10.3.0.1"), ends(&host, "10.8.0.1")), (vec!["eth3".into(), "eth1".into()], vec!["eth1".into()]));
    put(&mut host, Object::Setting(eth(1), Setting::Up), State::Setting(Value::Flag(false)));
    assert_eq!(ends(&host, "10.8.0.1"), ["none"]);
    assert_eq!(
        rule::Rule::next_priority(
            [32766, 0, 32767].map(|priority| Rule { priority, .."lookup 1".parse::<rule::Wanted>().unwrap().rule }).iter()
        ),
        32765
    );
}
