#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::capture::{self, Captured};
use super::*;
use crate::model::hex::hex;

fn given(fields: &[(&str, Value)]) -> Vec<(String, Value)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn layer(name: &str, fields: &[(&str, Value)]) -> Stack {
    Stack { layers: vec![Draft::new(named(name).unwrap(), given(fields)).unwrap()], payload: Vec::new() }
}

pub(super) fn stack(layers: &[(&str, &[(&str, Value)])], payload: &[u8]) -> Packet {
    let all = layers.iter().fold(Stack::default(), |below, (name, fields)| below.on(layer(name, fields)).unwrap());
    all.on(Stack { layers: Vec::new(), payload: payload.to_vec() }).unwrap().build().unwrap()
}

pub(super) fn n(number: u64) -> Value {
    Value::Number(number)
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn lengths_checksums_and_what_comes_next_are_filled_in() {
    let packet = stack(
        &[
            ("ipv4", &[("src", Value::text("127.0.0.1")), ("dst", Value::text("127.0.0.1")), ("id", n(1))]),
            ("tcp", &[("sport", n(20)), ("dport", n(80))]),
        ],
        b"",
    );
    // What scapy makes of IP(dst="127.0.0.1")/TCP().
    assert_eq!(hex(&packet.bytes), "450000280001000040067ccd7f0000017f00000100140050000000000000000050022000917c0000");
    let packet = stack(
        &[("ipv6", &[("src", Value::text("::1")), ("dst", Value::text("::1"))]), ("udp", &[("sport", n(53)), ("dport", n(53))])],
        b"x",
    );
    let found = packet.layers();
    assert_eq!(
        (found.checksum(1, &packet.bytes), found.defects, packet.first),
        (Some(Check::Good), vec![Defect::truncated("dns", 12, 1)], First::Ip)
    );
}

#[test]
fn what_was_given_is_written_as_it_was_given() {
    let packet =
        stack(&[("ipv4", &[("total_length", n(7)), ("checksum", n(1)), ("ihl", n(2)), ("src", Value::text("192.0.2.1"))])], b"abc");
    assert_eq!(hex(&packet.bytes), "4200000700000000400000 01c000020100000000616263".replace(' ', ""));
    let said: Vec<String> = packet.layers().defects.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["malformed ipv4: its IHL is 2, and 5 is the least"]);
}

#[test]
fn options_are_written_and_read() {
    let options = Value::List(vec![
        Value::map([("kind", Value::text("mss")), ("value", n(1460))]),
        Value::text("sack-permitted"),
        Value::map([("kind", Value::text("timestamps")), ("value", n(1)), ("echo", n(2))]),
        Value::text("nop"),
        Value::map([("kind", Value::text("window-scale")), ("value", n(7))]),
    ]);
    let packet = stack(&[("ipv4", &[]), ("tcp", &[("options", options)])], b"");
    let found = packet.layers();
    let read = found.layers[1].read(&packet.bytes, "options").unwrap();
    assert_eq!(read.to_string(), "mss value 1460, sack-permitted, timestamps value 1 echo 2, nop, window-scale value 7");
    assert_eq!((found.layers[1].read(&packet.bytes, "data_offset"), found.defects(&packet.bytes)), (Some(n(10)), Vec::new()));
}

#[test]
fn names_are_written_and_read_in_dns() {
    let packet = stack(&[("ipv4", &[]), ("udp", &[]), ("dns", &[("id", n(7)), ("questions", Value::text("www.example.org"))])], b"");
    let found = packet.layers();
    assert_eq!(found.layers[1].read(&packet.bytes, "dport"), Some(n(53)));
    assert_eq!(packet.line(), "0.0.0.0 > 0.0.0.0, udp 0 > 53, dns query www.example.org. type A class IN, 0 bytes");
    let refused = |name: &str| Draft::new(named("dns").unwrap(), given(&[("questions", Value::text(name))])).unwrap_err().why;
    assert_eq!(refused("a..b"), "a label of it is empty");
    assert_eq!(refused(&"a".repeat(64)), "a label of it has 64 bytes, and 63 is the most");
    assert_eq!(refused(&"abc.".repeat(64)), "it has 257 bytes, and 255 is the most");
}

#[test]
fn a_field_that_is_none_is_refused_with_its_neighbours() {
    let fault = Draft::new(named("tcp").unwrap(), given(&[("dprot", n(1))])).unwrap_err();
    assert_eq!((fault.why.as_str(), fault.hint.as_deref()), ("it has no such field", Some("did you mean `dport`?")));
    let option = Value::map([("kind", Value::text("mss")), ("valeu", n(1460))]);
    let fault = Draft::new(named("tcp").unwrap(), given(&[("options", option)])).unwrap_err();
    assert_eq!(
        (fault.to_string().as_str(), fault.hint.as_deref()),
        ("cannot use \"valeu\" in an option of tcp: there is no such name", Some("did you mean `value`?"))
    );
    let fault = Draft::new(named("ipv4").unwrap(), given(&[("ttl", n(256))])).unwrap_err();
    assert_eq!(fault.to_string(), "cannot use 256 as the field `ttl` of ipv4: it is a number from 0 to 255");
    assert_eq!(named("tpc").unwrap_err().hint.as_deref(), Some("did you mean `tcp`?"));
}

#[test]
fn a_packet_is_told_as_a_line_and_as_a_tree() {
    let packet = stack(
        &[
            ("ethernet", &[("dst", Value::text("02:00:00:00:00:02"))]),
            ("ipv4", &[("src", Value::text("192.0.2.1")), ("dst", Value::text("192.0.2.2"))]),
            ("icmp", &[("id", n(1)), ("seq", n(2))]),
        ],
        b"hello",
    );
    assert_eq!(packet.line(), "192.0.2.1 > 192.0.2.2, icmp echo-request id 1 seq 2, 5 bytes");
    let tree = packet.tree();
    assert!(tree.starts_with("ethernet (Ethernet), 14 bytes\n  dst   02:00:00:00:00:02\n"), "{tree}");
    assert!(tree.contains("  checksum         0xf6d8 (good)\n"), "{tree}");
    assert!(tree.ends_with("payload, 5 bytes\n  0000  6865 6c6c 6f                           hello\n"), "{tree}");
}

#[test]
fn captures_are_written_and_read() {
    let packet = stack(&[("ipv4", &[]), ("udp", &[])], b"abc");
    let captured = Captured { at: std::time::Duration::new(1_700_000_000, 123_456_789), length: 31, packet };
    let file = [capture::head(First::Ip).unwrap(), capture::entry(&captured), capture::entry(&captured)].concat();
    assert_eq!(capture::read(&file).unwrap(), capture::File { packets: vec![captured.clone(), captured.clone()], damage: None });
    let cut = capture::read(&file[..file.len() - 1]).unwrap();
    assert_eq!((cut.packets.len(), cut.damage.as_deref()), (1, Some("packet 2 says that it has 31 bytes")));
    let frame = Captured { packet: stack(&[("ethernet", &[]), ("arp", &[])], b""), ..captured.clone() };
    let both = [captured.clone(), Captured { length: 42, ..frame }];
    let file = capture::write(&both, capture::Format::of("a.pcapng")).unwrap();
    assert_eq!(capture::read(&file).unwrap(), capture::File { packets: both.to_vec(), damage: None });
    assert_eq!(capture::write(&both, capture::Format::of("a.pcap")).unwrap_err().why, "packet 1 begins with another layer than packet 0");
    assert!(capture::read(b"GIF89a").is_err() && capture::read(b"").is_err());
}

fn change(packet: &Packet, layer: &str, fields: &[(&str, Option<Value>)]) -> Packet {
    let stack = Stack::read(packet);
    let at = stack.layers.iter().position(|draft| draft.protocol.name == layer).unwrap();
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    stack.edited(at, &fields).unwrap().build().unwrap()
}

#[test]
fn what_was_read_is_edited_and_the_rest_follows() {
    let sack = Value::map([("kind", Value::text("sack")), ("edges", Value::List(vec![n(1), n(2)]))]);
    let packet = stack(
        &[
            ("ethernet", &[]),
            ("vlan", &[("id", n(7))]),
            ("ipv4", &[("id", n(9))]),
            ("tcp", &[("options", Value::List(vec![sack, Value::text("nop")]))]),
        ],
        b"GET /",
    );
    let read = Packet::new(packet.bytes.clone(), First::Ethernet);
    assert_eq!(Stack::read(&read).build().unwrap(), read);
    let other = change(&read, "ipv4", &[("ttl", Some(n(1))), ("dst", Some(Value::text("192.0.2.9")))]);
    let found = other.layers();
    assert_eq!((found.checksum(2, &other.bytes), found.checksum(3, &other.bytes)), (Some(Check::Good), Some(Check::Good)));
    assert_eq!(
        (found.layers[2].read(&other.bytes, "id"), found.layers[3].read(&other.bytes, "options")),
        (Some(n(9)), read.layers().layers[3].read(&read.bytes, "options"))
    );
    // Shorter options: offset and total length follow, and the payload stays.
    let other = change(&read, "tcp", &[("options", Some(Value::List(Vec::new())))]);
    let found = other.layers();
    assert_eq!(
        (found.layers[3].read(&other.bytes, "data_offset"), found.defects(&other.bytes), &other.bytes[found.payload]),
        (Some(n(5)), Vec::new(), &b"GET /"[..])
    );
    // A lie stays until it is taken back.
    let lie = change(&read, "tcp", &[("checksum", Some(n(1)))]);
    assert!(matches!(lie.layers().checksum(3, &lie.bytes), Some(Check::Wrong { .. })));
    assert_eq!(change(&lie, "tcp", &[("checksum", None)]), read);
}

#[test]
fn names_are_shortened_and_read_whole() {
    let record =
        |kind: &str, data: Value| Value::map([("name", Value::text("mail.example.org")), ("type", Value::text(kind)), ("data", data)]);
    let soa = Value::map([("mname", Value::text("ns.example.org")), ("rname", Value::text("root.example.org")), ("serial", n(7))]);
    let answers = Value::List(vec![
        record("CNAME", Value::text("host.example.org")),
        record("MX", Value::map([("preference", n(10)), ("exchange", Value::text("mail.example.org"))])),
        record("SOA", soa),
        record("SRV", Value::map([("port", n(80)), ("target", Value::text("host.example.org"))])),
        record("TXT", Value::List(vec![Value::text("one"), Value::Bytes(vec![0xff])])),
    ]);
    let message = |compress: u64| {
        layer("dns", &[("questions", Value::text("mail.example.org")), ("answers", answers.clone()), ("compress", n(compress))])
            .build()
            .unwrap()
    };
    let (long, short) = (message(0), message(1));
    assert!(short.bytes.len() + 120 < long.bytes.len(), "{} and {}", short.bytes.len(), long.bytes.len());
    let read = |packet: &Packet, name: &str| packet.layers().layers[0].read(&packet.bytes, name);
    assert_eq!(
        (read(&long, "answers"), read(&long, "compress"), read(&short, "compress")),
        (read(&short, "answers"), Some(n(0)), Some(n(1)))
    );
    assert_eq!(short.layers().defects(&short.bytes), Vec::new());
    // What is edited of it leaves the names as they are, or writes them as short as they were.
    let other = change(&short, "dns", &[("id", Some(n(9)))]);
    assert_eq!((&other.bytes[2..], read(&other, "id")), (&short.bytes[2..], Some(n(9))));
    let other = change(&short, "dns", &[("questions", Some(Value::List(Vec::new())))]);
    assert_eq!(
        (read(&other, "answers"), read(&other, "question_count"), read(&other, "compress")),
        (read(&short, "answers"), Some(n(0)), Some(n(1)))
    );
    // All of it given again is the same message.
    let fields: Vec<_> = short.layers().layers[0].fields(&short.bytes).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(Stack { layers: vec![Draft::new(named("dns").unwrap(), fields).unwrap()], payload: Vec::new() }.build().unwrap(), short);
}

#[test]
fn headers_of_every_kind_read_as_they_were_given() {
    let addresses = || Value::List(vec![Value::text("2001:db8::2"), Value::text("2001:db8::3")]);
    let stamps = Value::map([
        ("kind", Value::text("timestamp")),
        ("flag", n(1)),
        ("entries", Value::List(vec![Value::map([("address", Value::text("192.0.2.1")), ("time", n(5))])])),
    ]);
    let route = Value::map([
        ("kind", Value::text("route")),
        ("prefix", Value::text("2001:db8::")),
        ("length", n(32)),
        ("preference", Value::text("low")),
    ]);
    let search = Value::map([("kind", Value::text("dns-search")), ("domains", Value::List(vec![Value::text("example.org")]))]);
    let packets = [
        stack(
            &[
                ("ipv6", &[]),
                ("hop_by_hop", &[("options", Value::List(vec![Value::text("router-alert")]))]),
                ("routing", &[("type", n(4)), ("addresses", addresses()), ("segments_left", n(1))]),
                ("ah", &[("spi", n(7)), ("icv", Value::Bytes(vec![1; 12]))]),
                ("destination", &[]),
                ("udp", &[("dport", n(9))]),
            ],
            b"x",
        ),
        stack(&[("ipv6", &[]), ("mobility", &[("type", Value::text("binding-update")), ("data", Value::Bytes(vec![0; 8]))])], b""),
        stack(&[("ipv6", &[]), ("hip", &[("data", Value::Bytes(vec![0; 32]))])], b""),
        stack(&[("ipv6", &[]), ("shim6", &[]), ("tcp", &[])], b""),
        stack(&[("ipv4", &[]), ("ah", &[("icv", Value::Bytes(vec![1; 12]))]), ("tcp", &[])], b""),
        stack(&[("ipv4", &[]), ("esp", &[("spi", n(7)), ("seq", n(1))])], b"secret"),
        stack(
            &[
                ("ipv4", &[("options", Value::List(vec![stamps]))]),
                ("icmp", &[("type", Value::text("timestamp-request")), ("originate", n(3))]),
            ],
            b"",
        ),
        stack(
            &[("ipv6", &[]), ("icmpv6", &[("type", Value::text("router-advertisement")), ("options", Value::List(vec![route, search]))])],
            b"",
        ),
        stack(&[("ipv6", &[]), ("icmpv6", &[("type", Value::text("mld-listener-report")), ("group", Value::text("ff02::1"))])], b""),
        stack(&[("sll", &[("packet_type", Value::text("outgoing"))]), ("ipv4", &[]), ("udp", &[])], b""),
        stack(&[("sll2", &[("interface", n(3))]), ("ipv4", &[]), ("udp", &[])], b""),
    ];
    for packet in &packets {
        let found = packet.layers();
        assert_eq!(found.defects(&packet.bytes), Vec::new(), "{}", packet.tree());
        assert!(
            (0..found.layers.len()).all(|at| !matches!(found.checksum(at, &packet.bytes), Some(Check::Wrong { .. }))),
            "{}",
            packet.tree()
        );
        let fields = |layer: &Layer| layer.fields(&packet.bytes).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let layers = found.layers.iter().map(|layer| Draft::new(layer.protocol, fields(layer)).unwrap()).collect();
        let again = Stack { layers, payload: packet.bytes[found.payload.clone()].to_vec() }.build().unwrap();
        assert_eq!(hex(&again.bytes), hex(&packet.bytes), "{}", packet.tree());
        let edited = (0..found.layers.len()).fold(Stack::read(packet), |stack, at| stack.edited(at, &[]).unwrap()).build().unwrap();
        assert_eq!(hex(&edited.bytes), hex(&packet.bytes), "{}", packet.tree());
    }
    let broken = Value::map([("kind", Value::text("mss")), ("value", n(1)), ("option_length", n(9))]);
    let packet = stack(
        &[
            ("ipv4", &[]),
            ("tcp", &[("flags", Value::List(vec![Value::text("SYN"), Value::text("ACK")])), ("options", Value::List(vec![broken]))]),
        ],
        b"",
    );
    assert_eq!(packet.layers().layers[1].read(&packet.bytes, "flags"), Some(Value::text("SYN,ACK")));
    assert_eq!(packet.layers().defects(&packet.bytes)[0].to_string(), "malformed tcp: option 2 says that it has 9 bytes, and 4 are there");
}

fn read_all(packet: &Packet) {
    let found = packet.layers();
    for (at, layer) in found.layers.iter().enumerate() {
        assert!(layer.header.end <= layer.end && layer.end <= packet.bytes.len());
        layer.fields(&packet.bytes);
        found.checksum(at, &packet.bytes);
    }
    let _ = (answer::request(packet), answer::reply(packet));
    assert!(found.payload.end <= packet.bytes.len() && found.padding.end == packet.bytes.len());
    assert!(packet.line().chars().chain(packet.tree().chars().filter(|c| *c != '\n')).all(|c| !c.is_control()));
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), first in prop_oneof![Just(First::Ip), Just(First::Ethernet)], kind in 0usize..6) {
        // As they come, or with a head that leads further.
        match kind {
            1 if bytes.len() > 20 => (bytes[0], bytes[9]) = (0x45, 6),
            2 if bytes.len() > 40 => (bytes[0], bytes[6]) = (0x60, 0),
            3 if bytes.len() > 20 => (bytes[0], bytes[9]) = (0x45, 1),
            4 if bytes.len() > 24 => { (bytes[0], bytes[9]) = (0x45, 17); bytes[6..8].fill(0); bytes[22..24].copy_from_slice(&[0, 53]); }
            5 if bytes.len() > 40 => (bytes[0], bytes[6]) = (0x60, 58),
            _ => {}
        }
        read_all(&Packet::new(bytes.clone(), first));
        let _ = capture::read(&[&0xa1b2_c3d4u32.to_le_bytes()[..], &bytes].concat());
        let _ = capture::read(&[&0x0a0d_0d0au32.to_le_bytes()[..], &bytes].concat());
    }

    #[test]
    fn what_was_built_reads_as_it_was_given(sport: u16, dport in 1024u16..5000, seq: u32, ttl: u8, payload in proptest::collection::vec(any::<u8>(), 0..50)) {
        let packet = stack(&[("ipv4", &[("ttl", n(ttl.into())), ("src", Value::text("192.0.2.1"))]), ("tcp", &[("sport", n(sport.into())), ("dport", n(dport.into())), ("seq", n(seq.into()))])], &payload);
        let found = packet.layers();
        prop_assert_eq!(&found.defects, &Vec::new());
        prop_assert_eq!((found.checksum(0, &packet.bytes), found.checksum(1, &packet.bytes)), (Some(Check::Good), Some(Check::Good)));
        prop_assert_eq!(found.layers[1].read(&packet.bytes, "seq"), Some(n(seq.into())));
        // All that was read, given again, is the same packet.
        let again = found.layers.iter().fold(Stack::default(), |below, layer| below.on(Stack { layers: vec![Draft::new(layer.protocol, layer.fields(&packet.bytes).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).unwrap()], payload: Vec::new() }).unwrap());
        let again = again.on(Stack { layers: Vec::new(), payload: payload.clone() }).unwrap().build().unwrap();
        prop_assert_eq!(again.bytes, packet.bytes);
    }
}

#[test]
fn hostile_bytes_give_the_named_defect() {
    let Ok(text) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/suites/hostile/packets.json")) else {
        println!("skipped: the folder of external cases is not here");
        return;
    };
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut all, mut odd) = (0, Vec::new());
    for case in cases.as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        if text("name").starts_with("dhcp-") {
            println!("left out: {} (DHCP is not a layer here)", text("name"));
            continue;
        }
        let first = if text("link") == "ether" { First::Ethernet } else { First::Ip };
        let packet = Packet::new(bytes(text("hex")), first);
        read_all(&packet);
        let found = packet.layers();
        let defects: Vec<String> = found.defects(&packet.bytes).iter().map(ToString::to_string).collect();
        let expect = text("expect");
        let begins = |what: &str| defects.iter().any(|defect| defect.starts_with(what));
        let is_met = match expect.split([':', ';', ',', '(']).next().unwrap().trim_end() {
            "truncated at extension header" => begins("truncated at ") || begins("malformed "),
            at if at.starts_with("truncated at ") => begins(if at == "truncated at ip" { "truncated at ipv4" } else { at }),
            "truncated" => begins("truncated at "),
            at if at.starts_with("malformed") => begins("malformed ") || expect.contains("with a flag") && begins("odd "),
            "flagged" | "ethertype in the undefined gap" | "no next header" => begins("odd "),
            "depth limit reported" => defects.iter().any(|defect| defect.contains("more than 32 layers")),
            "fragment end > 65535" => begins("odd ipv4: the fragment ends"),
            "decoded" if expect.contains("checksum_ok=false") => {
                (0..found.layers.len()).any(|at| matches!(found.checksum(at, &packet.bytes), Some(Check::Wrong { .. })))
            }
            "decoded" if expect.contains("checksum absent") => found.checksum(1, &packet.bytes) == Some(Check::Absent),
            "decoded" if expect.contains("padding") => !found.padding.is_empty(),
            "decoded" | "fragment" | "non-first fragment" | "decoded/raw" | "decoded or raw" => true,
            "no payload" => found.payload.is_empty() && !found.padding.is_empty(),
            _ => false,
        };
        all += 1;
        if !is_met {
            odd.push(format!("{}: wanted {expect}, found {defects:?}", text("name")));
        }
    }
    assert!(odd.is_empty(), "{} of {all}:\n{}", odd.len(), odd.join("\n"));
    println!("{all} hostile packets");
}
