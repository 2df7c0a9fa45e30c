//! Packets that others wrote: what scapy builds and takes apart, and the captures of tcpdump's suite, each packet of them and each beginning of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fyke::model::packet::{Check, Draft, First, Packet, Stack, Value, capture, named};
use serde_json::Value as Json;

use super::findings::folder;
use crate::bad_inputs::shared;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn vectors(file: &str) -> Option<Vec<Json>> {
    let text = std::fs::read_to_string(shared("suites/scapy")?.join(file)).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// What scapy calls a layer, its name here, and its fields that are compared.
type Known = (&'static [&'static str], &'static str, &'static [(&'static str, &'static str)]);

/// The layers that are compared.
const LAYERS: &[Known] = &[
    (&["Ether"], "ethernet", &[("dst", "dst"), ("src", "src"), ("type", "type")]),
    (&["Dot1Q", "Dot1AD"], "vlan", &[("prio", "priority"), ("dei", "drop_eligible"), ("vlan", "id"), ("type", "type")]),
    (
        &["ARP"],
        "arp",
        &[("hwtype", "hardware"), ("ptype", "protocol"), ("hwlen", "hardware_length"), ("plen", "protocol_length"), ("op", "op")],
    ),
    (
        &["IP", "IPerror"],
        "ipv4",
        &[
            ("version", "version"),
            ("ihl", "ihl"),
            ("tos", "tos"),
            ("len", "total_length"),
            ("id", "id"),
            ("flags", "flags"),
            ("frag", "fragment_offset"),
            ("ttl", "ttl"),
            ("proto", "protocol"),
            ("chksum", "checksum"),
            ("src", "src"),
            ("dst", "dst"),
        ],
    ),
    (
        &["IPv6"],
        "ipv6",
        &[
            ("version", "version"),
            ("tc", "traffic_class"),
            ("fl", "flow_label"),
            ("plen", "payload_length"),
            ("nh", "next_header"),
            ("hlim", "hop_limit"),
            ("src", "src"),
            ("dst", "dst"),
        ],
    ),
    (&["UDP", "UDPerror"], "udp", &[("sport", "sport"), ("dport", "dport"), ("len", "length"), ("chksum", "checksum")]),
    (
        &["TCP", "TCPerror"],
        "tcp",
        &[
            ("sport", "sport"),
            ("dport", "dport"),
            ("seq", "seq"),
            ("ack", "ack"),
            ("dataofs", "data_offset"),
            ("reserved", "reserved"),
            ("flags", "flags"),
            ("window", "window"),
            ("chksum", "checksum"),
            ("urgptr", "urgent_pointer"),
        ],
    ),
    (&["ICMP"], "icmp", &[("type", "type"), ("code", "code"), ("chksum", "checksum"), ("id", "id"), ("seq", "seq")]),
    (&["ICMPv6EchoRequest"], "icmpv6", &[("type", "type"), ("code", "code"), ("cksum", "checksum"), ("id", "id"), ("seq", "seq")]),
    (
        &["ICMPv6ND_RS", "ICMPv6ND_RA", "ICMPv6ND_NS", "ICMPv6ND_NA"],
        "icmpv6",
        &[
            ("type", "type"),
            ("code", "code"),
            ("cksum", "checksum"),
            ("tgt", "target"),
            ("chlim", "hop_limit"),
            ("routerlifetime", "lifetime"),
            ("reachabletime", "reachable_time"),
            ("retranstimer", "retransmit_timer"),
        ],
    ),
    (
        &["IPv6ExtHdrFragment"],
        "fragment",
        &[("nh", "next_header"), ("res1", "reserved"), ("offset", "offset"), ("res2", "reserved2"), ("m", "more"), ("id", "id")],
    ),
    (&["IPv6ExtHdrHopByHop"], "hop_by_hop", &[("nh", "next_header"), ("len", "length")]),
    (&["IPv6ExtHdrDestOpt"], "destination", &[("nh", "next_header"), ("len", "length")]),
    (&["IPv6ExtHdrSegmentRouting"], "routing", &[("nh", "next_header"), ("len", "length"), ("type", "type"), ("segleft", "segments_left")]),
    (
        &["DNS"],
        "dns",
        &[
            ("id", "id"),
            ("qr", "response"),
            ("opcode", "opcode"),
            ("rcode", "rcode"),
            ("qdcount", "question_count"),
            ("ancount", "answer_count"),
            ("nscount", "authority_count"),
            ("arcount", "additional_count"),
        ],
    ),
];

/// What scapy calls flags, and what they are called here.
fn flags(layer: &str, letters: &str) -> String {
    let names: &[(&str, &str)] = match layer {
        "tcp" => {
            &[("N", "AE"), ("C", "CWR"), ("E", "ECE"), ("U", "URG"), ("A", "ACK"), ("P", "PSH"), ("R", "RST"), ("S", "SYN"), ("F", "FIN")]
        }
        _ => &[("evil", "evil"), ("DF", "DF"), ("MF", "MF")],
    };
    let mut set: Vec<&str> = names.iter().filter(|(letter, _)| letters.contains(letter)).map(|(_, name)| *name).collect();
    if layer == "tcp" {
        set.reverse();
    }
    set.join(",")
}

#[test]
fn packets_are_taken_apart_as_by_scapy() {
    let Some(vectors) = vectors("dissect-vectors.jsonl") else { return };
    let (mut equal, mut fields, mut left_out, mut wrong) = (0, 0, 0, Vec::new());
    for vector in &vectors {
        let known = |name: &str| LAYERS.iter().find(|(names, ..)| names.contains(&name));
        let root = vector["root"].as_str().unwrap();
        let Some((_, root_name, _)) = known(root) else {
            println!("left out: {} ({root} is no layer here)", vector["case"]);
            left_out += 1;
            continue;
        };
        let first = match root {
            "Ether" => First::Ethernet,
            "IP" | "IPv6" => First::Ip,
            _ => First::Layer(named(root_name).unwrap()),
        };
        let packet = Packet::new(bytes(vector["hex"].as_str().unwrap()), first);
        let found = packet.layers();
        let before = wrong.len();
        for (at, theirs) in vector["layers"].as_array().unwrap().iter().enumerate() {
            // From a layer on that is none here, all is payload.
            let Some((_, name, pairs)) = known(theirs["layer"].as_str().unwrap()) else { break };
            let Some(ours) = found.layers.get(at).filter(|layer| layer.protocol.name == *name) else {
                wrong.push(format!("{}: layer {at} is no {name}, but {:?}", vector["case"], found.layers.get(at)));
                break;
            };
            for (their_name, our_name) in *pairs {
                let Some(wanted) = theirs["fields"].get(their_name) else { continue };
                let read = ours.read(&packet.bytes, our_name).map(|value| value.to_string());
                // Of what an ICMP error quotes, scapy makes up what is not there.
                if read.is_none() && theirs["layer"].as_str().is_some_and(|layer| layer.ends_with("error")) {
                    continue;
                }
                let read = read.unwrap_or_default();
                let wanted = match wanted {
                    Json::String(text) if *our_name == "flags" => flags(name, text),
                    Json::String(text) => text.clone(),
                    number => number.to_string(),
                };
                fields += 1;
                if read != wanted {
                    wrong.push(format!("{}: {name}.{our_name} is {read}, and should be {wanted}", vector["case"]));
                }
            }
        }
        equal += usize::from(wrong.len() == before);
    }
    println!("scapy, taken apart: {equal} of {} packets equal, {fields} fields, {left_out} left out", vectors.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal > 60);
}

fn n(number: u64) -> Value {
    Value::Number(number)
}

fn t(text: &str) -> Value {
    Value::text(text)
}

fn layer(name: &str, fields: Vec<(&str, Value)>) -> Stack {
    let given = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Stack { layers: vec![Draft::new(named(name).unwrap(), given).unwrap()], payload: Vec::new() }
}

fn on(below: Stack, above: Stack) -> Stack {
    below.on(above).unwrap()
}

fn payload(bytes: &[u8]) -> Stack {
    Stack { layers: Vec::new(), payload: bytes.to_vec() }
}

/// Says what scapy was told in the words of fyke; what scapy has as a default is given here where it is another one.
fn translated(build: &str) -> Option<Stack> {
    let option = |kind: &str| Value::map([("kind", t(kind))]);
    let tcp = |more: Vec<(&str, Value)>| layer("tcp", [vec![("sport", n(20)), ("dport", n(80))], more].concat());
    let loopback = || layer("ipv6", vec![("src", t("::1")), ("dst", t("::1"))]);
    Some(match build {
        "DNS(qd=[DNSQR()])" => layer("dns", vec![("questions", t("www.example.com."))]),
        "Raw(load=b'XXXXX')" => payload(b"XXXXX"),
        "Raw(load=b'\\x00')" => payload(b"\0"),
        "TCP(options=[('UTO', 65535)])" => {
            tcp(vec![("checksum", n(0)), ("options", Value::map([("kind", t("user-timeout")), ("value", n(65535))]))])
        }
        "TCP(options=[(30, b'\\x10\\x03\\xc1\\x1c\\x95\\x9b\\x81R_1')])" => {
            let data = Value::Bytes(b"\x10\x03\xc1\x1c\x95\x9b\x81R_1".to_vec());
            tcp(vec![("checksum", n(0)), ("options", Value::map([("kind", n(30)), ("data", data)]))])
        }
        "IPv6()/TCP()/Raw(load=b'somedata')" => on(on(loopback(), tcp(vec![])), payload(b"somedata")),
        "ICMPv6PacketTooBig()" => layer("icmpv6", vec![("type", t("packet-too-big")), ("mtu", n(1280)), ("checksum", n(0))]),
        "ICMPv6EchoRequest(code=255, cksum=4369, id=8738, seq=13107, data=b'thisissomestring')" => {
            let echo = vec![("code", n(255)), ("checksum", n(4369)), ("id", n(8738)), ("seq", n(13107))];
            on(layer("icmpv6", echo), payload(b"thisissomestring"))
        }
        "IPv6ExtHdrHopByHop()" => layer("hop_by_hop", vec![]),
        "IPv6ExtHdrHopByHop(options=[Jumbo()])" => layer("hop_by_hop", vec![("options", option("jumbo"))]),
        "IPv6ExtHdrHopByHop(options=[HAO(),Jumbo(),RouterAlert()])" => {
            layer("hop_by_hop", vec![("options", Value::List(vec![option("home-address"), option("jumbo"), option("router-alert")]))])
        }
        "IPv6ExtHdrHopByHop(options=[RouterAlert(),HAO(),Jumbo()])" => {
            layer("hop_by_hop", vec![("options", Value::List(vec![option("router-alert"), option("home-address"), option("jumbo")]))])
        }
        "ICMPv6ND_RA()" => {
            let fields = vec![("flags", t("preference-low")), ("lifetime", n(1800)), ("checksum", n(0))];
            layer("icmpv6", [vec![("type", t("router-advertisement"))], fields].concat())
        }
        "ICMPv6ND_NA()" => {
            layer("icmpv6", vec![("type", t("neighbour-advertisement")), ("flags", t("router,override")), ("checksum", n(0))])
        }
        "IPv6ExtHdrFragment()" => layer("fragment", vec![]),
        _ if build.starts_with("DNS(id=0, qr=0") => {
            let record = |name: &str, data: &str| Value::map([("name", t(name)), ("type", t("CNAME")), ("data", t(data))]);
            let answers = Value::List(vec![record("H.", "H-2.local."), record("H-2.local.", "H-1.local.")]);
            layer("dns", vec![("answers", answers)])
        }
        _ if build.starts_with("IPv6(version=6, tc=0, fl=0, plen=40020") => {
            // The payload is what is not head.
            on(on(loopback(), tcp(vec![])), payload(&[b'A'; 40_000]))
        }
        _ => return None,
    })
}

#[test]
fn packets_are_built_as_by_scapy() {
    let Some(vectors) = vectors("build-vectors.jsonl") else { return };
    let (mut equal, mut wrong, mut left_out) = (0, Vec::new(), 0);
    let basic: Vec<&Json> = vectors.iter().filter(|vector| vector["basic"] == true).collect();
    for vector in &basic {
        let build = vector["build"].as_str().unwrap();
        let Some(stack) = translated(build) else {
            println!("left out: {}", build.chars().take(80).collect::<String>());
            left_out += 1;
            continue;
        };
        let built = stack.build().unwrap().bytes.to_vec();
        let wanted = bytes(vector["hex"].as_str().unwrap());
        match built == wanted {
            true => equal += 1,
            false => wrong.push(format!("{}: {built:02x?} instead of {wanted:02x?}", build.chars().take(80).collect::<String>())),
        }
    }
    println!("scapy, built: {equal} of {} basic packets equal, {left_out} left out", basic.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal >= 15);
}

/// Reads all that there is to read of a packet, and counts what is wrong with it.
fn read_all(packet: &Packet) -> usize {
    let found = packet.layers();
    for (at, layer) in found.layers.iter().enumerate() {
        layer.fields(&packet.bytes);
        found.checksum(at, &packet.bytes);
    }
    found.defects(&packet.bytes).len()
}

/// The captures of tcpdump's suite, in their order.
pub(super) fn captures() -> Option<Vec<PathBuf>> {
    let names = std::fs::read_dir(shared("suites/tcpdump")?).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng");
    let mut names: Vec<PathBuf> = names.filter(is_capture).collect();
    names.sort();
    Some(names)
}

/// Keeps figures for docs/conformance.md, if everything was tried.
pub(super) fn keep(part: &str, figures: &BTreeMap<&'static str, usize>, by: &str) {
    if super::all() {
        std::fs::create_dir_all(folder()).unwrap();
        let found = serde_json::json!({ "by": by, "figures": figures });
        std::fs::write(folder().join(format!("packets-{part}.json")), found.to_string()).unwrap();
    }
}

/// Edits nothing of a packet: where it is a good one, it must stay as it is but for padding.
fn edit_nothing(packet: &Packet) -> bool {
    let found = packet.layers();
    let is_good = |at: usize| matches!(found.checksum(at, &packet.bytes), None | Some(Check::Good | Check::Unknown));
    let stack = Stack::read(packet);
    if found.layers.is_empty() || !found.defects(&packet.bytes).is_empty() || !(0..found.layers.len()).all(is_good) {
        return false;
    }
    let edited = stack.edited(0, &[]).unwrap().build().unwrap();
    assert_eq!(edited.bytes[..], packet.bytes[..found.padding.start], "{}", packet.tree());
    true
}

#[test]
fn captures_of_tcpdump_are_read_to_the_last_prefix() {
    let Some(names) = captures() else { return };
    let mut figures: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut add = |name: &'static str, more: usize| *figures.entry(name).or_default() += more;
    // All of them take a while in a debug build; which of them it are, is the same on every day.
    let step = if super::all() { 1 } else { 16 };
    for path in names.into_iter().step_by(step) {
        let content = std::fs::read(&path).unwrap();
        add("files", 1);
        // Also a file that is cut anywhere is read as far as it goes.
        for cut in (0..content.len()).step_by(content.len() / 50 + 1) {
            let _ = capture::read(&content[..cut]);
        }
        let Ok(file) = capture::read(&content) else { continue };
        add("files that are cut off, or of links that are not known here", usize::from(file.damage.is_some()));
        for captured in file.packets {
            let whole = captured.packet;
            let defects = read_all(&whole);
            add("packets", 1);
            add("packets with a defect that is named", usize::from(defects > 0));
            add("packets that stay as they are when nothing of them is edited", usize::from(edit_nothing(&whole)));
            assert!(!whole.tree().is_empty() && !whole.line().contains('\u{1b}'));
            for end in 0..whole.bytes.len() {
                let defects = read_all(&Packet::new(&whole.bytes[..end], whole.first));
                add("prefixes of packets", 1);
                add("prefixes with a defect that is named", usize::from(defects > 0));
            }
        }
    }
    println!("tcpdump: {figures:?}, no panic");
    assert!(figures["packets"] > 0);
    keep("tcpdump", &figures, "");
}
