#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::model::Family;
use crate::model::net::Prefix;

fn definition(text: &str) -> Definition {
    text.parse().unwrap()
}

/// What the elements of a text are, one after the other.
fn shown(set: &str, text: &str) -> Vec<String> {
    definition(set).members(text).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn definitions_are_completed_and_shown_in_the_order_of_the_tool() {
    for (text, canonical) in [
        ("hash:ip", "hash:ip family inet maxelem 65536"),
        ("hash:ip timeout 60 family inet6 hashsize 64", "hash:ip family inet6 hashsize 64 maxelem 65536 timeout 60"),
        (
            "hash:ip netmask 24 skbinfo forceadd comment counters",
            "hash:ip family inet maxelem 65536 netmask 24 counters comment forceadd skbinfo",
        ),
        ("hash:ip bitmask 255.0.255.0", "hash:ip family inet maxelem 65536 bitmask 255.0.255.0"),
        ("hash:mac maxelem 0x10", "hash:mac maxelem 16"),
        ("hash:ip,mark markmask 0xff", "hash:ip,mark family inet maxelem 65536 markmask 0x000000ff"),
        ("bitmap:ip range 10.0.0.7/24", "bitmap:ip range 10.0.0.0-10.0.0.255"),
        ("bitmap:ip range 10.0.0.0/8 netmask 24", "bitmap:ip range 10.0.0.0-10.255.255.255 netmask 24"),
        ("bitmap:port range 80-90 timeout 0", "bitmap:port range 80-90 timeout 0"),
        ("list:set size 4", "list:set size 4"),
    ] {
        assert_eq!(definition(text).to_string(), canonical);
        assert_eq!(definition(canonical), definition(text));
    }
}

#[test]
fn definitions_are_strict() {
    for (text, why) in [
        ("", "its type is missing"),
        ("hash:ip timeout", "the value of `timeout` is missing"),
        ("hash:ip timeout -1", "the value of `timeout` must be a number from 0 to 2147483, not \"-1\""),
        ("hash:ip timeout 2147484", "the value of `timeout` must be a number from 0 to 2147483, not \"2147484\""),
        ("hash:ip counters counters", "`counters` stands twice"),
        ("hash:ip range 1-2", "`range` is no option of this type"),
        ("hash:net netmask 24", "`netmask` is no option of this type"),
        ("hash:ip netmask 33", "a netmask must be a number from 1 to 32"),
        ("hash:ip netmask 8 bitmask 255.0.0.0", "netmask and bitmask exclude each other"),
        ("hash:ip bitmask ffff::", "the bitmask is of the other family"),
        ("hash:ip maxelem 0", "the value of `maxelem` must be a number from 1 to 4294967295, not \"0\""),
        ("hash:ip family inet5", "\"inet5\" is no family"),
        ("bitmap:ip", "a bitmap needs its range"),
        ("bitmap:ip range 10.0.0.0/15", "its range has 131072 places, and 65536 is the most"),
        ("bitmap:ip range 10.0.0.9-10.0.0.1", "the range is the wrong way round"),
        ("bitmap:ip range ::/120", "a bitmap has IPv4 addresses only"),
        ("bitmap:port range 1-65536", "a port is a number from 0 to 65535"),
    ] {
        assert_eq!(text.parse::<Definition>().unwrap_err().why, why, "{text}");
    }
}

#[test]
fn what_the_kernel_chooses_does_not_count() {
    let plain = definition("hash:ip");
    assert!(plain.agrees(&definition("hash:ip hashsize 4096 bucketsize 8 initval 0x1")));
    assert!(!plain.agrees(&definition("hash:ip maxelem 7")) && !plain.agrees(&definition("hash:ip timeout 0")));
}

#[test]
fn a_text_stands_for_what_the_kernel_would_hold() {
    assert_eq!(shown("hash:ip", "10.0.0.0/30"), ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(shown("hash:ip netmask 24", "10.0.0.9-10.0.1.3"), ["10.0.0.0", "10.0.1.0"]);
    assert_eq!(shown("hash:ip bitmask 255.0.255.0", "1.2.3.4-1.2.3.9"), ["1.0.3.0"]);
    assert_eq!(shown("hash:net", "10.1.2.3/8"), ["10.0.0.0/8"]);
    assert_eq!(shown("hash:net", "10.0.0.1-10.0.0.9"), ["10.0.0.1", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"]);
    assert_eq!(shown("hash:net family inet6", "2001:db8::5/64"), ["2001:db8::/64"]);
    assert_eq!(shown("hash:net,iface", "0.0.0.0/0,physdev:eth0 wildcard nomatch"), ["0.0.0.0/0,physdev:eth0 nomatch wildcard"]);
    assert_eq!(shown("hash:ip,port", "1.1.1.0/31,udp:5-6"), ["1.1.1.0,udp:5", "1.1.1.0,udp:6", "1.1.1.1,udp:5", "1.1.1.1,udp:6"]);
    assert_eq!(shown("hash:ip,port,net", "1.1.1.1,80,10.1.1.1/16"), ["1.1.1.1,tcp:80,10.1.0.0/16"]);
    assert_eq!(shown("hash:ip,mark markmask 0xff", "1.1.1.1,0x1ff"), ["1.1.1.1,0x000000ff"]);
    assert_eq!(shown("bitmap:port range 1-100", "7-8"), ["7", "8"]);
    assert_eq!(shown("bitmap:ip,mac range 10.0.0.0/24", "10.0.0.1"), ["10.0.0.1"]);
    assert_eq!(shown("bitmap:ip,mac range 10.0.0.0/24", "10.0.0.1,aa:BB:cc:00:00:01"), ["10.0.0.1,AA:BB:CC:00:00:01"]);
    assert_eq!(
        shown("hash:ip timeout 60 counters comment", "1.1.1.1 comment \"a b\""),
        ["1.1.1.1 timeout 60 packets 0 bytes 0 comment \"a b\""]
    );
    assert_eq!(
        shown("hash:ip skbinfo", "1.1.1.1 skbqueue 7 skbprio 1:a skbmark 1/0xff"),
        ["1.1.1.1 skbmark 0x1/0xff skbprio 1:a skbqueue 7"]
    );
}

#[test]
fn elements_are_strict() {
    for (set, text, why) in [
        ("hash:ip", "", "it is empty"),
        ("hash:ip", "::1", "the set is for IPv4"),
        ("hash:ip family inet6", "1.1.1.1", "the set is for IPv6"),
        ("hash:ip", "1.1.1.1,80", "an element of this set is written ip"),
        ("hash:ip,port", "1.1.1.1", "an element of this set is written ip,port"),
        ("hash:ip", "10.0.0.0/15", "it stands for more than 65536 elements"),
        ("hash:ip,port", "10.0.0.0/24,1-300", "it stands for more than 65536 elements"),
        ("hash:ip family inet6", "::/0", "it stands for more than 65536 elements"),
        ("hash:ip", "0.0.0.0", "0.0.0.0 cannot be stored in a hash"),
        ("hash:ip", "1.1.1.9-1.1.1.1", "the range is the wrong way round"),
        ("hash:ip", "1.1.1.0/24-1.1.1.9", "a range is written first-last, with two addresses of a family"),
        ("hash:ip", "1.1.1.1-::1", "a range is written first-last, with two addresses of a family"),
        ("hash:net", "0.0.0.0/0", "a set of this type holds no prefix of length 0"),
        ("hash:net,iface", "10.0.0.0/8,eth+", "'+' stands for itself here"),
        ("hash:ip,mac", "1.1.1.1,0:0:0:0:0:0", "a MAC address is six pairs of hexadecimal digits with colons between"),
        ("hash:mac", "00:00:00:00:00:00", "the MAC address of zeros cannot be stored in a hash"),
        ("bitmap:ip range 10.0.0.0/24", "10.0.1.0", "the set is for the addresses 10.0.0.0-10.0.0.255"),
        ("bitmap:port range 1-9", "10", "the set is for the ports 1-9"),
        ("hash:ip", "1.1.1.1 timeout 5", "the set was made without timeouts, so `timeout` cannot be kept"),
        ("hash:ip", "1.1.1.1 packets 5", "the set was made without counters, so `packets` cannot be kept"),
        ("hash:ip", "1.1.1.1 nomatch", "`nomatch` means nothing in a set of the type hash:ip"),
        ("hash:ip", "1.1.1.1 nomtach", "\"nomtach\" is no option of an element"),
        ("hash:ip comment", "1.1.1.1 comment \"a\u{7}\"", "a comment has neither quotes nor control characters"),
    ] {
        assert_eq!(definition(set).members(text).unwrap_err().why, why, "{set}: {text}");
    }
    let long = format!("1.1.1.1 comment {}", "x".repeat(256));
    assert!(definition("hash:ip comment").members(&long).is_err());
}

#[test]
fn the_time_that_is_left_does_not_count_but_that_there_is_one_does() {
    let entry = |text: &str| definition("hash:ip timeout 9 counters comment").members(&format!("1.1.1.1 {text}")).unwrap()[0].entry.clone();
    assert!(entry("timeout 5 packets 7").agrees(&entry("")));
    assert!(!entry("timeout 0").agrees(&entry("")) && !entry("comment x").agrees(&entry("")));
}

#[test]
fn a_saved_file_is_read_and_written() {
    let text = "\
create blocked hash:net family inet maxelem 65536 timeout 600 comment
create ports bitmap:port range 1-1000
create all list:set
add blocked 10.0.0.0/8 timeout 5
add blocked 192.0.2.0/24 timeout 0 nomatch comment \"a friend\"
add ports 80
add all ports
add all blocked
";
    let sets: Sets = text.parse().unwrap();
    assert_eq!(sets.to_string(), text);
    assert_eq!(sets.sets[&"all".parse().unwrap()].members.sets().map(SetName::as_str).collect::<Vec<_>>(), ["ports", "blocked"]);
    assert!(sets.agrees(&text.replace("timeout 5\n", "timeout 4\n").parse().unwrap()));
    assert!(!sets.agrees(&text.replace("add all ports\nadd all blocked", "add all blocked\nadd all ports").parse().unwrap()));
    for text in ["add x 1.1.1.1", "create x hash:ip\ncreate x hash:ip", "flush x", "create x"] {
        assert!(text.parse::<Sets>().is_err(), "{text}");
    }
}

fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        (any::<Ipv4Addr>(), 1u8..=32).prop_map(|(address, length)| Prefix::new(IpAddr::V4(address), length)),
        (any::<Ipv6Addr>().prop_filter("mapped", |a| a.to_ipv4_mapped().is_none()), 1u8..=128)
            .prop_map(|(address, length)| Prefix::new(IpAddr::V6(address), length))
            .prop_filter("mapped", |prefix| !matches!(prefix.network().0, IpAddr::V6(a) if a.to_ipv4_mapped().is_some())),
    ]
}

proptest! {
    #[test]
    fn networks_and_their_entries_are_read_back(net in prefix(), port: u16, timeout in 0u32..2_147_483, nomatch: bool, counters in (0..u64::MAX, 0..u64::MAX), comment in "[ -!#-~]{0,40}") {
        let family = if net.family() == Family::V4 { "inet" } else { "inet6" };
        let definition = definition(&format!("hash:net,port family {family} timeout 1 counters comment skbinfo"));
        let comment = Some(comment).filter(|text| !text.is_empty()).map(Into::into);
        let entry = Entry { timeout: Some(timeout), nomatch, counters: Some(counters), comment, ..Entry::default() };
        let element = Element([Part::Net(net), Part::Service(Service { protocol: 17, port })].into());
        let member = Member { element, entry };
        prop_assert_eq!(definition.members(&member.to_string()).unwrap(), [member]);
    }

    #[test]
    fn a_range_is_covered_by_its_networks_once(first: u32, len in 0u32..100_000) {
        let last = first.saturating_add(len);
        let range = format!("{}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
        let mut next = u64::from(first);
        for element in definition("hash:net").elements(&range).unwrap() {
            let Part::Net(net) = element.0[0] else { return Err(TestCaseError::fail("no network")) };
            let IpAddr::V4(address) = net.network().0 else { return Err(TestCaseError::fail("no IPv4")) };
            prop_assert_eq!(u64::from(address.to_bits()), next);
            next += 1u64 << (32 - net.length());
        }
        prop_assert_eq!(next, u64::from(last) + 1);
    }

    #[test]
    fn no_text_is_too_odd_to_be_read(text in "[ -~]{0,60}") {
        let _ = text.parse::<Definition>();
        let _ = text.parse::<Sets>();
        for kind in ["hash:net,iface", "hash:ip,port,net", "bitmap:ip range 10.0.0.0/24", "hash:net,net family inet6", "list:set"] {
            let _ = definition(kind).members(&text);
        }
    }
}
