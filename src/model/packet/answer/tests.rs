#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::super::capture;
use super::super::tests::{n, stack};
use super::super::{Packet, Value};
use super::*;

type Fields<'a> = &'a [(&'a str, Value)];

fn t(text: &str) -> Value {
    Value::text(text)
}

/// A packet of one layer over IP between two hosts of a family.
fn between(src: &str, dst: &str, name: &str, fields: Fields<'_>, payload: &[u8]) -> Packet {
    let network = if src.contains(':') { "ipv6" } else { "ipv4" };
    stack(&[(network, &[("src", t(src)), ("dst", t(dst))]), (name, fields)], payload)
}

/// An error about a packet, that quotes so many bytes of it.
fn error(from: &str, about: &Packet, kind: u64, code: u64, quoted: usize) -> Packet {
    let name = if from.contains(':') { "icmpv6" } else { "icmp" };
    let to = request(about).unwrap().local.unwrap().to_string();
    between(from, &to, name, &[("type", n(kind)), ("code", n(code))], &about.bytes[..quoted])
}

/// What an answer is to a request; none where it answers another one.
fn matched(asked: &Packet, came: &Packet) -> Option<&'static str> {
    let (asked, came) = (request(asked)?, reply(came)?);
    let is_known = asked.keys.iter().any(|key| came.keys.contains(key));
    (is_known && asked.fits(&came)).then_some(came.kind)
}

const HOSTS: [(&str, &str, &str); 2] = [("192.0.2.1", "192.0.2.2", "192.0.2.9"), ("2001:db8::1", "2001:db8::2", "2001:db8::9")];

#[test]
fn an_echo_is_answered_by_its_host_id_and_number() {
    for ((src, dst, other), (name, kinds)) in HOSTS.into_iter().zip([("icmp", [8, 0]), ("icmpv6", [128, 129])]) {
        let echo = |from: &str, to: &str, kind: u64, id: u64, seq: u64| {
            between(from, to, name, &[("type", n(kind)), ("id", n(id)), ("seq", n(seq))], b"x")
        };
        let asked = echo(src, dst, kinds[0], 7, 1);
        let answered = |came: Packet| matched(&asked, &came);
        assert_eq!(answered(echo(dst, src, kinds[1], 7, 1)), Some("reply"));
        assert_eq!(answered(echo(dst, src, kinds[1], 7, 2)), None, "another number");
        assert_eq!(answered(echo(dst, src, kinds[1], 8, 1)), None, "another id");
        assert_eq!(answered(echo(other, src, kinds[1], 7, 1)), None, "another host");
        assert_eq!(answered(echo(dst, other, kinds[1], 7, 1)), None, "for another host");
        assert_eq!(answered(echo(dst, src, kinds[0], 7, 1)), None, "a request");
        assert_eq!(matched(&echo(dst, src, kinds[1], 7, 1), &asked), None, "an answer wants no answer");
    }
}

#[test]
fn whoever_asks_a_group_is_answered_by_anybody() {
    let echo = |from: &str, to: &str, kind: u64| between(from, to, "icmp", &[("type", n(kind)), ("id", n(7)), ("seq", n(1))], b"");
    for group in ["224.0.0.1", "255.255.255.255"] {
        assert_eq!(matched(&echo("192.0.2.1", group, 8), &echo("192.0.2.200", "192.0.2.1", 0)), Some("reply"));
    }
}

#[test]
fn a_segment_is_answered_by_what_takes_it_up() {
    for (src, dst, other) in HOSTS {
        let tcp = |from: &str, to: &str, ports: [u64; 2], flags: &str, seq: u64, ack: u64, data: &[u8]| {
            let fields = [("sport", n(ports[0])), ("dport", n(ports[1])), ("flags", t(flags)), ("seq", n(seq)), ("ack", n(ack))];
            between(from, to, "tcp", &fields, data)
        };
        let syn = tcp(src, dst, [40000, 80], "SYN", 0xffff_ffff, 0, b"");
        let answered = |came: Packet| matched(&syn, &came);
        assert_eq!(answered(tcp(dst, src, [80, 40000], "SYN,ACK", 5, 0, b"")), Some("syn-ack"), "the sequence begins again at 0");
        assert_eq!(answered(tcp(dst, src, [80, 40000], "RST,ACK", 0, 0, b"")), Some("reset"));
        assert_eq!(answered(tcp(dst, src, [80, 40000], "ACK", 5, 0, b"")), Some("ack"));
        assert_eq!(answered(tcp(dst, src, [80, 40000], "SYN,ACK", 5, 1, b"")), None, "it takes up something else");
        assert_eq!(answered(tcp(dst, src, [80, 40001], "SYN,ACK", 5, 0, b"")), None, "another port");
        assert_eq!(answered(tcp(other, src, [80, 40000], "SYN,ACK", 5, 0, b"")), None, "another host");
        assert_eq!(answered(tcp(dst, src, [80, 40000], "SYN", 5, 0, b"")), None, "it takes up nothing");

        let data = tcp(src, dst, [40000, 80], "PSH,ACK", 1000, 600, b"hello");
        let answered = |came: Packet| matched(&data, &came);
        assert_eq!(answered(tcp(dst, src, [80, 40000], "ACK", 600, 1005, b"")), Some("ack"));
        assert_eq!(answered(tcp(dst, src, [80, 40000], "ACK", 600, 1004, b"")), None, "a byte is missing");
        assert_eq!(
            answered(tcp(dst, src, [80, 40000], "RST", 600, 0, b"")),
            Some("reset"),
            "RFC 9293, 3.5.2: it begins where that acknowledged"
        );
        assert_eq!(answered(tcp(dst, src, [80, 40000], "RST", 601, 0, b"")), None, "a reset at another place");
        let fin = tcp(src, dst, [40000, 80], "FIN,ACK", 1000, 600, b"hello");
        assert_eq!(matched(&fin, &tcp(dst, src, [80, 40000], "ACK", 600, 1006, b"")), Some("ack"));
    }
}

#[test]
fn a_datagram_is_answered_by_the_swapped_ports() {
    for (src, dst, other) in HOSTS {
        let udp =
            |from: &str, to: &str, sport: u64, dport: u64| between(from, to, "udp", &[("sport", n(sport)), ("dport", n(dport))], b"x");
        let asked = udp(src, dst, 40000, 7);
        assert_eq!(matched(&asked, &udp(dst, src, 7, 40000)), Some("reply"));
        for odd in [udp(dst, src, 40000, 7), udp(dst, src, 7, 40001), udp(other, src, 7, 40000), udp(dst, other, 7, 40000)] {
            assert_eq!(matched(&asked, &odd), None, "{}", odd.line());
        }
    }
}

#[test]
fn errors_are_known_by_what_they_quote() {
    let v4 = [
        (3, 1, "host-unreachable"),
        (3, 3, "port-unreachable"),
        (3, 13, "communication-prohibited"),
        (3, 4, "fragmentation-needed"),
        (11, 0, "time-exceeded"),
        (12, 0, "parameter-problem"),
    ];
    let v6 = [
        (1, 0, "no-route"),
        (1, 3, "address-unreachable"),
        (1, 4, "port-unreachable"),
        (1, 1, "communication-prohibited"),
        (2, 0, "packet-too-big"),
        (3, 0, "time-exceeded"),
    ];
    let ports: [(&str, u64); 2] = [("sport", 40000), ("dport", 33434)];
    let ports = ports.map(|(name, port)| (name, n(port)));
    for (((src, dst, router), (icmp, header)), kinds) in HOSTS.into_iter().zip([("icmp", 20), ("icmpv6", 40)]).zip([v4, v6]) {
        let asked = [
            between(src, dst, icmp, &[("id", n(7)), ("seq", n(1))], b"hello"),
            between(src, dst, "udp", &ports, b"hello"),
            between(src, dst, "tcp", &[&ports[..], &[("seq", n(77))]].concat(), b"hello"),
        ];
        let others = [
            between(src, dst, icmp, &[("id", n(7)), ("seq", n(2))], b"hello"),
            between(src, dst, "udp", &[("sport", n(40000)), ("dport", n(33435))], b"hello"),
            between(src, dst, "tcp", &[&ports[..], &[("seq", n(78))]].concat(), b"hello"),
        ];
        for (kind, code, name) in kinds {
            for (one, other) in asked.iter().zip(&others) {
                // All of it, and no more than RFC 792 asks for.
                for quoted in [one.bytes.len(), header + 8] {
                    let came = error(router, one, kind, code, quoted);
                    assert_eq!((matched(one, &came), matched(other, &came)), (Some(name), None), "{}", came.line());
                    assert_eq!(reply(&came).unwrap().from.to_string(), router);
                }
                assert_eq!(matched(one, &error(router, one, kind, code, header + 4)), None, "four bytes are not enough");
                assert_eq!(matched(one, &error(router, one, kind, code, 0)), None);
            }
        }
    }
}

#[test]
fn an_error_quotes_what_another_protocol_sent_by_its_number() {
    let gre =
        |id: u64| stack(&[("ipv4", &[("src", t("192.0.2.1")), ("dst", t("192.0.2.2")), ("protocol", n(47)), ("id", n(id))])], b"payload!");
    let came = error("192.0.2.2", &gre(9), 3, 2, 28);
    assert_eq!((matched(&gre(9), &came), matched(&gre(10), &came)), (Some("protocol-unreachable"), None));
}

#[test]
fn a_report_of_the_kernel_is_known_by_what_it_quotes() {
    let asked = between("192.0.2.1", "192.0.2.2", "icmp", &[("id", n(7)), ("seq", n(1))], b"x");
    let told = |quoted: &[u8]| reported(Family::V4, "192.0.2.9".parse().unwrap(), "192.0.2.2".parse().unwrap(), [11, 0], quoted);
    let came = told(&asked.bytes[20..28]).unwrap();
    assert_eq!((came.kind, request(&asked).unwrap().keys.contains(&came.keys[0])), ("time-exceeded", true));
    assert_eq!(told(&asked.bytes[20..26]), None);
}

#[test]
fn a_redirect_is_no_answer_because_the_packet_went_on() {
    let asked = between("192.0.2.1", "192.0.2.2", "icmp", &[("id", n(7)), ("seq", n(1))], b"");
    assert_eq!(reply(&error("192.0.2.9", &asked, 5, 1, 28)), None);
}

#[test]
fn link_addresses_are_asked_for_and_told() {
    let arp = |op: u64, src: &str, dst: &str| stack(&[("ethernet", &[]), ("arp", &[("op", n(op)), ("src", t(src)), ("dst", t(dst))])], b"");
    let asked = arp(1, "192.0.2.1", "192.0.2.2");
    assert_eq!(matched(&asked, &arp(2, "192.0.2.2", "192.0.2.1")), Some("reply"));
    assert_eq!(matched(&asked, &arp(2, "192.0.2.3", "192.0.2.1")), None, "another host");
    assert_eq!(matched(&asked, &arp(2, "192.0.2.2", "192.0.2.9")), None, "to another host");
    assert_eq!(matched(&asked, &arp(1, "192.0.2.2", "192.0.2.1")), None, "a question");
    assert_eq!(
        matched(&arp(1, "0.0.0.0", "192.0.2.2"), &arp(2, "192.0.2.2", "192.0.2.9")),
        Some("reply"),
        "a probe has no address of its own"
    );

    let solicit = |target: &str| between("fe80::1", "ff02::1:ff00:2", "icmpv6", &[("type", n(135)), ("target", t(target))], b"");
    let advertise = |target: &str, to: &str| between("fe80::2", to, "icmpv6", &[("type", n(136)), ("target", t(target))], b"");
    assert_eq!(matched(&solicit("fe80::2"), &advertise("fe80::2", "fe80::1")), Some("reply"));
    assert_eq!(matched(&solicit("fe80::2"), &advertise("fe80::2", "ff02::1")), Some("reply"), "to all nodes");
    assert_eq!(matched(&solicit("fe80::2"), &advertise("fe80::3", "fe80::1")), None);
}

#[test]
fn a_question_is_answered_by_its_id_and_its_name() {
    let dns = |id: u64, response: u64, questions: &[&str], from: u64| {
        let (src, dst, ports) =
            if from == 53 { ("192.0.2.53", "192.0.2.1", [53, 40000]) } else { ("192.0.2.1", "192.0.2.53", [40000, 53]) };
        let questions = Value::List(questions.iter().map(|name| t(name)).collect());
        let network: Fields<'_> = &[("src", t(src)), ("dst", t(dst))];
        let udp: Fields<'_> = &[("sport", n(ports[0])), ("dport", n(ports[1]))];
        stack(&[("ipv4", network), ("udp", udp), ("dns", &[("id", n(id)), ("response", n(response)), ("questions", questions)])], b"")
    };
    let asked = dns(7, 0, &["www.example.org"], 40000);
    assert_eq!(matched(&asked, &dns(7, 1, &["WWW.example.ORG"], 53)), Some("reply"), "case does not count");
    assert_eq!(matched(&asked, &dns(7, 1, &[], 53)), Some("reply"), "who did not understand repeats no question");
    assert_eq!(matched(&asked, &dns(8, 1, &["www.example.org"], 53)), None, "another id");
    assert_eq!(matched(&asked, &dns(7, 1, &["www.example.net"], 53)), None, "another question");
}

/// Takes each packet of a capture for a request and for an answer, in turn, and tells which answered which.
fn answered(file: &str) -> Option<Vec<(usize, usize, &'static str)>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/suites/tcpdump/");
    let Ok(mut bytes) = std::fs::read(format!("{folder}{file}")) else {
        println!("skipped {file}: the folder of external cases is not here");
        return None;
    };
    // Links that are not known here: PPP, whose packets may have a label of MPLS, and IPNET of Solaris. Their heads are stepped over.
    let link = bytes[20];
    if matches!(link, 9 | 226) {
        bytes[20] = 101;
    }
    let (mut open, mut found): (HashMap<Key, usize>, Vec<_>) = Default::default();
    for (number, captured) in capture::read(&bytes).unwrap().packets.into_iter().enumerate() {
        let head = match (link, captured.packet.bytes.get(2..4)) {
            (9, Some([0x02, 0x81])) => 8,
            (9, _) => 4,
            (226, _) => 24,
            _ => 0,
        };
        let packet = Packet::new(&captured.packet.bytes[head..], captured.packet.first);
        if let Some(reply) = reply(&packet) {
            let asked = reply.keys.iter().find_map(|key| open.get(key));
            found.extend(asked.map(|asked| (asked + 1, number + 1, reply.kind)));
        }
        for key in request(&packet).map(|request| request.keys).unwrap_or_default() {
            open.entry(key).or_insert(number);
        }
    }
    Some(found)
}

#[test]
fn captures_of_others_are_matched() {
    let pairs = |kind: &'static str, count: usize| (0..count).map(|at| (2 * at + 1, 2 * at + 2, kind)).collect::<Vec<_>>();
    let check = |file: &str, wanted: Vec<(usize, usize, &'static str)>| {
        if let Some(found) = answered(file) {
            assert_eq!(found, wanted, "{file}");
        }
    };
    check("e1000g.pcap", pairs("reply", 10));
    check("dnssec.pcap", pairs("reply", 3));
    check("dns_udp_2.pcap", pairs("reply", 1));
    check("dns_udp_8053.pcap", pairs("reply", 1));
    let mut traceroute = pairs("time-exceeded", 6);
    traceroute.extend(pairs("port-unreachable", 9).split_off(6));
    check("mpls-traceroute.pcap", traceroute);
    let acks = [(2, 3), (2, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9), (8, 10), (10, 11)];
    check("dns_tcp.pcap", [(1, 2, "syn-ack")].into_iter().chain(acks.map(|(asked, answers)| (asked, answers, "ack"))).collect());
}
