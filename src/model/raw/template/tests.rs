use std::collections::BTreeSet;

use super::*;
use crate::model::packet::{Draft, First, Stack, named};

fn stack(layers: &[(&str, &[(&str, Value)])], payload: &[u8]) -> Packet {
    let draft = |(name, fields): &(&str, &[(&str, Value)])| {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Draft::new(named(name).unwrap(), fields).unwrap()
    };
    Stack { layers: layers.iter().map(draft).collect(), payload: payload.to_vec() }.build().unwrap()
}

fn ends(v6: bool) -> [(&'static str, Value); 2] {
    let [src, dst] = if v6 { ["fd00::1", "fd00::2"] } else { ["10.0.0.1", "10.0.0.2"] };
    [("src", Value::text(src)), ("dst", Value::text(dst))]
}

fn vary(name: &str, value: Value) -> Vec<(String, Value)> {
    vec![(name.to_owned(), value)]
}

#[test]
fn every_packet_has_its_checksums() {
    let ethernet = ("ethernet", &[][..]);
    let packets = [
        (stack(&[("ipv4", &ends(false)), ("udp", &[("dport", Value::Number(9))])], b"odd"), "ipv4.src", "udp.sport"),
        (stack(&[ethernet, ("ipv4", &ends(false)), ("tcp", &[])], b"abcd"), "ipv4.dst", "tcp.seq"),
        (stack(&[ethernet, ("vlan", &[]), ("ipv6", &ends(true)), ("udp", &[])], b"x"), "ipv6.src", "udp.dport"),
        (stack(&[("ipv6", &ends(true)), ("icmpv6", &[("type", Value::text("echo-request"))])], b"xyz"), "ipv6.dst", "icmpv6.seq"),
        (stack(&[("ipv4", &ends(false)), ("icmp", &[("type", Value::text("echo-request"))])], b""), "ipv4.ttl", "icmp.id"),
    ];
    for (packet, one, other) in packets {
        let both = [vary(one, Value::text("random")), vary(other, Value::text("counter"))].concat();
        let mut template = Template::new(&packet, &both, 7).unwrap();
        let (mut bytes, mut seen) = (template.bytes.clone(), BTreeSet::new());
        for number in 0..500 {
            template.write(&mut bytes, number);
            let found = Packet::new(bytes.clone(), packet.first).layers();
            for at in 0..found.layers.len() {
                assert!(!matches!(found.checksum(at, &bytes), Some(Check::Wrong { .. })), "{one} {other} {number}: {bytes:x?}");
            }
            seen.insert(bytes.clone());
        }
        assert_eq!(seen.len(), 500, "{one} {other}");
    }
}

#[test]
fn values_come_in_their_order() {
    let packet = stack(&[("ipv4", &ends(false)), ("udp", &[("sport", Value::Number(65_534))])], b"");
    let ports = |value: Value| {
        let mut template = Template::new(&packet, &vary("udp.sport", value), 1).unwrap();
        let mut bytes = template.bytes.clone();
        let mut port = |number| {
            template.write(&mut bytes, number);
            u16::from_be_bytes([bytes[20], bytes[21]])
        };
        (0..5).map(&mut port).collect::<Vec<_>>()
    };
    assert_eq!(ports(Value::text("counter")), [65_534, 65_535, 65_534, 65_535, 65_534]);
    assert_eq!(ports(Value::text("10-12")), [10, 11, 12, 10, 11]);
    assert_eq!(ports(Value::List(vec![Value::Number(7), Value::Number(9)])), [7, 9, 7, 9, 7]);
    let map = Value::map([("from", Value::Number(1)), ("to", Value::Number(6)), ("step", Value::Number(2))]);
    assert_eq!(ports(map), [1, 3, 5, 1, 3]);
    let random = Value::map([("from", Value::Number(5)), ("to", Value::Number(6)), ("random", Value::Number(1))]);
    assert!(ports(random).iter().all(|port| [5, 6].contains(port)));
}

#[test]
fn a_checksum_that_lies_goes_on_lying() {
    let packet = stack(&[("ipv4", &ends(false)), ("udp", &[("checksum", Value::Number(1))])], b"");
    let mut template = Template::new(&packet, &vary("udp.sport", Value::text("random")), 1).unwrap();
    let mut bytes = template.bytes.clone();
    template.write(&mut bytes, 0);
    assert_eq!((&bytes[26..28], packet.first), (&[0, 1][..], First::Ip));
}

#[test]
fn where_packets_go_is_known_before() {
    let packet = stack(&[("ipv4", &ends(false)), ("udp", &[])], b"");
    let to = |value: Value| Template::new(&packet, &vary("ipv4.dst", value), 1).unwrap().destinations().map(|found| found.len());
    assert_eq!(to(Value::List(vec![Value::text("10.0.0.9"), Value::text("8.8.8.8")])).unwrap(), 2);
    let map = Value::map([("from", Value::text("10.0.0.1")), ("to", Value::text("10.0.0.20"))]);
    assert_eq!(to(map).unwrap(), 20);
    assert!(to(Value::text("random")).unwrap_err().why.contains("more than 65536"));
    assert_eq!(Template::new(&packet, &vary("ipv4.src", Value::text("random")), 1).unwrap().destinations().unwrap(), Vec::<IpAddr>::new());
}

#[test]
fn what_does_not_vary_is_refused() {
    let packet = stack(&[("ipv4", &ends(false)), ("udp", &[])], b"");
    for (name, value, why) in [
        ("sport", Value::text("random"), "a field has its layer before it"),
        ("tcp.sport", Value::text("random"), "the packet has no layer tcp"),
        ("udp.sprot", Value::text("random"), "udp has no such field"),
        ("udp.sport", Value::text("9-1"), "the wrong way round"),
        ("udp.sport", Value::Number(9), "neither a list"),
        ("udp.sport", Value::List(vec![Value::Number(70_000)]), "70000 is no value of it"),
        ("udp.sport", Value::map([("form", Value::Number(1))]), "there is no `form` in it"),
        ("udp.sport", Value::map([("step", Value::Number(0))]), "its `step`"),
        ("ipv4.src", Value::List(vec![Value::text("fd00::1")]), "is no value of it"),
    ] {
        let fault = Template::new(&packet, &vary(name, value), 1).unwrap_err();
        assert!(fault.why.contains(why), "{name}: {fault}");
    }
}
