#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};

use proptest::prelude::*;

use super::*;
use crate::kernel::netlink::message::{answers, attributes};
use crate::model::link::{self as model, Dev, Link, Name, Object, Route, Setting, State, Value};

/// What `ip` sends, captured with strace: the whole message, the header of netlink included.
struct Captured<'a>(&'a str);

impl Captured<'_> {
    fn bytes(&self) -> Vec<u8> {
        let digits: Vec<u8> = self.0.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Sees to it that an order is this message: its type, its flags but for the wish to be acknowledged, its header, and the same attributes in any order.
    #[track_caller]
    fn is(&self, order: &Order, header: usize) {
        let bytes = self.bytes();
        let message = answers(&bytes).next().unwrap();
        let flags = u16::from_ne_bytes([bytes[6], bytes[7]]) & !(flag::REQUEST | flag::ACK);
        assert_eq!((order.kind, order.flags), (message.kind, flags));
        assert_eq!(order.body[..header], message.body[..header]);
        assert_eq!(plain(&order.body[header..]), plain(&message.body[header..]));
    }
}

/// Gives attributes as a set. Those in IFLA_LINKINFO are sorted, too, and lose the mark that they hold others, which ip does not set.
fn plain(bytes: &[u8]) -> BTreeSet<(u16, Vec<u8>)> {
    let sorted = |value: &[u8]| {
        let mut all: Vec<(u16, Vec<u8>)> = attributes(value)
            .map(|(kind, value)| match kind {
                2 => (
                    kind,
                    format!("{:?}", attributes(value).map(|(kind, value)| (kind, value.to_vec())).collect::<BTreeSet<_>>()).into_bytes(),
                ),
                _ => (kind, value.to_vec()),
            })
            .collect();
        all.sort();
        format!("{all:?}").into_bytes()
    };
    attributes(bytes).map(|(kind, value)| (kind, if kind == 18 { sorted(value) } else { value.to_vec() })).collect()
}

fn dev(index: u32, name: &str) -> Dev {
    Dev::new(index, Name::listed(name))
}

fn find(name: &Name) -> Option<Dev> {
    [dev(10, "va"), dev(11, "vb"), dev(12, "br7")].into_iter().find(|dev| dev.name == *name)
}

fn link(words: &str, index: u32) -> (Dev, Link) {
    let model::device::Wanted { name, mut link, .. } = words.parse().unwrap();
    if let Some(parent) = &mut link.parent {
        *parent = parent.resolved(&find).unwrap();
    }
    if let Some(peer) = &mut link.peer {
        *peer = Dev::new(1_048_578, peer.name.clone());
    }
    (Dev::new(index, name), link)
}

#[test]
fn links_are_made_as_ip_makes_them() {
    const HEADER: usize = 16;
    // Of each: nlmsghdr 16, ifinfomsg 16, then IFLA_IFNAME (3), IFLA_LINK (5), IFLA_LINKINFO (18) with IFLA_INFO_KIND (1) and IFLA_INFO_DATA (2).
    let cases = [
        (
            "v0 type veth peer name v1",
            1_048_577,
            // VETH_INFO_PEER (1) holds an ifinfomsg and its attributes.
            "54000000 1000 0506 952b0c6b 00000000  00000000 01001000 00000000 00000000  07000300 763000 00
             2c001200  08000100 76657468  20000200  1c000100  00000000 02001000 00000000 00000000 07000300 763100 00",
        ),
        (
            "br7 type bridge forward_delay 400 vlan_protocol 802.1Q",
            12,
            "4c000000 1000 0506 962b0c6b 00000000  00000000 0c000000 00000000 00000000  08000300 62723700
             24001200  0a000100 627269646765 0000  14000200  08000100 90010000  06000800 8100 0000",
        ),
        (
            "vx0 type vxlan id 77 remote 192.0.2.2 dstport 4789 dev va nolearning",
            0,
            // IFLA_VXLAN_LINK (3), ID (1), GROUP (2), LEARNING (7), PORT (15, in network byte order).
            "64000000 1000 0506 962b0c6b 00000000  00000000 00000000 00000000 00000000  08000300 76783000
             3c001200  09000100 76786c616e 000000  2c000200  08000300 0a000000  08000100 4d000000  08000200 c0000202
             05000700 00000000  06000f00 12b50000",
        ),
        (
            "link va name m0 type macvlan mode private",
            0,
            "4c000000 1000 0506 962b0c6b 00000000  00000000 00000000 00000000 00000000  08000500 0a000000  07000300 6d300000
             1c001200  0b000100 6d6163766c616e 00  0c000200  08000100 01000000",
        ),
        (
            "link va name va.7 type vlan id 7",
            0,
            "4c000000 1000 0506 962b0c6b 00000000  00000000 00000000 00000000 00000000  08000500 0a000000  09000300 76612e37 00000000
             18001200  08000100 766c616e  0c000200  06000100 07000000",
        ),
        (
            // ip sends the flags of an ipvlan whether they were given or not.
            "link va name i0 type ipvlan mode l3 flags bridge",
            0,
            "54000000 1000 0506 962b0c6b 00000000  00000000 00000000 00000000 00000000  08000500 0a000000  07000300 69300000
             24001200  0a000100 6970766c616e 0000  14000200  06000100 01000000  06000200 00000000",
        ),
        (
            "w0 type wireguard",
            0,
            "3c000000 1000 0506 962b0c6b 00000000  00000000 00000000 00000000 00000000  07000300 77300000
             14001200  0d000100 776972656775617264 000000",
        ),
    ];
    for (words, index, captured) in cases {
        let (dev, made) = link(words, index);
        println!("{words}");
        Captured(captured).is(&super::link::add(&dev, &made, None, &|_| None), HEADER);
    }
}

#[test]
fn links_are_put_into_another_namespace_as_ip_puts_them() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let number: String = file.as_raw_fd().to_ne_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let there = dev(88, "b0");
    let at = |dev| super::link::Destination { dev, netns: file.as_fd(), mac: None };
    // ip link add a0 index 77 type veth peer name b0 index 88 netns lab: IFLA_NET_NS_FD (28) is among the attributes of the other end.
    let captured = format!(
        "5c000000 1000 0506 27550c6b 00000000  00000000 4d000000 00000000 00000000  07000300 613000 00
         34001200  08000100 76657468  28000200  24000100  00000000 58000000 00000000 00000000  08001c00 {number}  07000300 623000 00"
    );
    let (made, link) = (dev(77, "a0"), Link { kind: "veth".into(), reaches_out: true, ..Link::default() });
    Captured(&captured).is(&super::link::add(&made, &link, Some(at(&there)), &|_| None), 16);
    // ip link set a0 netns lab name c0; and behind it IFLA_NEW_IFINDEX (49), for which ip(8) has no word.
    let captured = format!(
        "38000000 1000 0500 27550c6b 00000000  00000000 4d000000 00000000 00000000  08001c00 {number}  07000300 633000 00  08003100 4d000000"
    );
    Captured(&captured).is(&super::link::leave(77, at(&dev(77, "c0"))), 16);
}

#[test]
fn links_are_set_as_ip_sets_them() {
    let set = |setting, value| super::link::set(&dev(10, "va"), setting, &value).unwrap();
    let header = "1000 0500 962b0c6b 00000000  00000000 0a000000";
    let captured = |length: &str, rest: &str| Captured(Box::leak(format!("{length} {header} {rest}").into_boxed_str()));
    captured("28000000", "00000000 00000000 08000400 78050000").is(&set(Setting::Mtu, Value::Number(1400)), 16);
    captured("20000000", "00000000 01000000").is(&set(Setting::Up, Value::Flag(false)), 16);
    captured("20000000", "01000000 01000000").is(&set(Setting::Up, Value::Flag(true)), 16);
    captured("28000000", "00000000 00000000 08000a00 0c000000").is(&set(Setting::Master, Value::Link(Some(dev(12, "br7")))), 16);
}

#[test]
fn addresses_are_told_as_ip_tells_them() {
    let cases = [
        (
            "198.51.100.1/24 brd + label vb:x valid_lft 600 preferred_lft 300",
            // IFA_LOCAL (2), IFA_LABEL (3), IFA_ADDRESS (1), IFA_BROADCAST (4), IFA_CACHEINFO (6) with both times.
            "50000000 1400 0506 962b0c6b 00000000  02 18 00 00 0b000000  08000200 c6336401  09000300 76623a78 00000000
             08000100 c6336401  08000400 c63364ff  14000600 2c010000 58020000 00000000 00000000",
        ),
        (
            "2001:db8:1::1/64 nodad noprefixroute",
            // IFA_FLAGS (8): IFA_F_NOPREFIXROUTE does not fit into the header.
            "48000000 1400 0506 972b0c6b 00000000  0a 40 02 00 0b000000  14000200 20010db8000100000000000000000001
             08000800 02020000  14000100 20010db8000100000000000000000001",
        ),
    ];
    for (words, captured) in cases {
        let wanted: model::address::Wanted = words.parse().unwrap();
        let key = model::address::Key { dev: dev(11, "vb"), host: wanted.host };
        Captured(captured).is(&super::address::put(&key, &wanted.about, false), 8);
    }
    let wanted: model::address::Wanted = "198.51.100.1/24".parse().unwrap();
    let key = model::address::Key { dev: dev(11, "vb"), host: wanted.host };
    Captured("28000000 1500 0500 972b0c6b 00000000  02 18 00 00 0b000000  08000200 c6336401  08000100 c6336401")
        .is(&super::address::del(&key, &wanted.about), 8);
    let wanted: model::neighbour::Wanted = "192.0.2.9 lladdr 02:00:5e:10:00:09".parse().unwrap();
    let key = model::neighbour::Key { dev: dev(10, "va"), address: wanted.address };
    // ndmsg: NUD_PERMANENT is 0x80; NDA_DST (1), NDA_LLADDR (2).
    Captured("30000000 1c00 0505 982b0c6b 00000000  02000000 0a000000 8000 00 00  08000100 c0000209  0a000200 02005e100009 0000")
        .is(&super::neighbour::put(&key, &wanted.about), 12);
}

fn route(words: &str) -> Route {
    let mut route: Route = words.parse().unwrap();
    route.resolve(&find).unwrap();
    route
}

#[test]
fn routes_are_told_as_ip_tells_them() {
    let cases = [
        (
            "10.0.0.0/8 via 192.0.2.2 dev va metric 100 table 1000 src 192.0.2.1 mtu 1400",
            // rtmsg: the table is in RTA_TABLE (15), RTPROT_BOOT, global, unicast. RTA_METRICS (8) holds RTAX_MTU (2).
            "58000000 1800 0506 972b0c6b 00000000  02 08 00 00 00 03 00 01 00000000  08000100 0a000000  08000500 c0000202
             08000600 64000000  08000f00 e8030000  08000700 c0000201  08000400 0a000000  0c000800 08000200 78050000",
        ),
        (
            "10.1.0.0/16 nexthop via 192.0.2.2 dev va weight 2 nexthop via 192.0.2.3 dev va",
            // RTA_MULTIPATH (9): of each way its length, flags, weight - 1, index, then its attributes.
            "48000000 1800 0506 972b0c6b 00000000  02 10 00 00 fe 03 00 01 00000000  08000100 0a010000
             24000900  1000 00 01 0a000000 08000500 c0000202  1000 00 00 0a000000 08000500 c0000203",
        ),
        (
            "10.2.0.0/16 via inet6 2001:db8::2 dev va",
            // RTA_VIA (18): the family, then the address.
            "44000000 1800 0506 972b0c6b 00000000  02 10 00 00 fe 03 00 01 00000000  08000100 0a020000
             16001200 0a00 20010db8000000000000000000000002 0000  08000400 0a000000",
        ),
        ("blackhole 10.3.0.0/16", "24000000 1800 0506 972b0c6b 00000000  02 10 00 00 fe 03 00 06 00000000  08000100 0a030000"),
        (
            "2001:db8:7::/48 via fe80::1 dev va pref low metric 1024",
            // RTA_PREF (20).
            "5c000000 1800 0506 972b0c6b 00000000  0a 30 00 00 fe 03 00 01 00000000  14000100 20010db8000700000000000000000000
             14000500 fe800000000000000000000000000001  05001400 03000000  08000400 0a000000  08000600 00040000",
        ),
    ];
    for (words, captured) in cases {
        let Route { key, way, .. } = route(words);
        println!("{words}");
        Captured(captured).is(&super::route::put(&key, &way, false), 12);
    }
}

#[test]
fn rules_are_told_as_ip_tells_them() {
    let cases = [
        (
            "priority 7 not from 192.0.2.0/24 fwmark 0x1/0xff iif va ipproto tcp dport 80-90 lookup 1000",
            // fib_rule_hdr: FR_ACT_TO_TBL, FIB_RULE_INVERT. FRA_PRIORITY (6), SRC (2), FWMARK (10), FWMASK (16), IIFNAME (3), IP_PROTO (22), DPORT_RANGE (24),
            // TABLE (15).
            "5c000000 2000 0506 982b0c6b 00000000  02 00 18 00 00 00 00 01 02000000  08000600 07000000  08000200 c0000200
             08000a00 01000000  08001000 ff000000  07000300 76610000  05001600 06000000  08001800 50005a00  08000f00 e8030000",
        ),
        (
            "to 192.0.2.0/24 prohibit priority 8",
            "2c000000 2000 0506 982b0c6b 00000000  02 18 00 00 00 00 00 08 00000000  08000100 c0000200  08000600 08000000",
        ),
    ];
    for (words, captured) in cases {
        let wanted: model::rule::Wanted = words.parse().unwrap();
        Captured(captured).is(&super::rule::add(&wanted.rule), 12);
    }
}

#[test]
fn a_list_that_is_torn_is_read_again() {
    let mut ends = vec![Dump::Whole, Dump::Torn, Dump::Torn].into_iter().rev();
    assert_eq!(whole(|| Ok((ends.len(), ends.next().unwrap()))).unwrap(), 1);
    assert!(whole(|| Ok(((), Dump::Torn))).unwrap_err().to_string().contains("faster than it can be read"));
    let (mut reads, mut lists) = (0, [1, 2, 3, 3, 3].into_iter());
    let seen = steady(|| {
        reads += 1;
        Ok(lists.next().unwrap())
    });
    assert_eq!((seen.unwrap(), reads), (3, 4));
    let mut number = 0;
    let never = steady(|| {
        number += 1;
        Ok(number)
    });
    assert!(never.is_err() && number == READS);
    assert_eq!(
        whole(|| Err::<((), Dump), _>(io::Error::from_raw_os_error(libc::ENOBUFS))).unwrap_err().raw_os_error(),
        Some(libc::ENOBUFS)
    );
}

/// What is written is what a list of the kernel says of it.
#[test]
fn what_is_written_reads_back() {
    for words in [
        "10.0.0.0/8 via 192.0.2.2 dev va metric 100 table 1000 src 192.0.2.1 mtu lock 1400 congctl reno proto static",
        "10.1.0.0/16 nexthop via 192.0.2.2 dev va weight 2 nexthop via 192.0.2.3 dev va onlink",
        "10.2.0.0/16 via inet6 2001:db8::2 dev va",
        "unreachable 2001:db8::/32 metric 7",
        "2001:db8:7::/48 from 2001:db8:8::/48 via fe80::1 dev va pref low",
    ] {
        let Route { key, way, .. } = route(words);
        let order = super::route::put(&key, &way, false);
        assert_eq!(super::route::read(&order.body), Some((key, way)), "{words}");
    }
    let wanted: model::rule::Wanted =
        "priority 7 not from 192.0.2.0/24 fwmark 0x1/0xff ipproto tcp dport 80-90 lookup 1000 uidrange 1-2".parse().unwrap();
    assert_eq!(super::rule::read(&super::rule::add(&wanted.rule).body), Some(wanted.rule));
    let object = Object::Rule(super::rule::read(&[2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0]).unwrap().into());
    assert!(!State::Rule.is_automatic() && object.to_string() == "rule priority 0 from all lookup main");
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd_to_be_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), family in prop::sample::select(vec![2u8, 10])) {
        if let Some(first) = bytes.first_mut() {
            *first = family;
        }
        let _ = super::route::read(&bytes);
        let _ = super::rule::read(&bytes);
        let _ = super::address::read(&bytes);
        let _ = super::neighbour::read(&bytes);
        let _ = super::link::read(&bytes);
    }
}
