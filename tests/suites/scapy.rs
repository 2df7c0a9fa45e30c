//! What scapy builds and takes apart, by its own tests: bytes and fields must be equal.

use std::collections::BTreeMap;

use fyke::model::packet::{Draft, First, Packet, Stack, Value, named};
use serde_json::Value as Json;

use super::packets::keep;
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

/// An option of neighbour discovery, which is a layer of its own for scapy: its kind here, and its parts that are compared.
type Part = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const OPTIONS: &[Part] = &[
    ("ICMPv6NDOptSrcLLAddr", "source-link-address", &[("lladdr", "address")]),
    ("ICMPv6NDOptDstLLAddr", "target-link-address", &[("lladdr", "address")]),
    (
        "ICMPv6NDOptPrefixInfo",
        "prefix",
        &[("prefix", "prefix"), ("prefixlen", "length"), ("validlifetime", "valid"), ("preferredlifetime", "preferred")],
    ),
    ("ICMPv6NDOptMTU", "mtu", &[("mtu", "value")]),
];

/// Compares a vector that is an option here, in a message of ours, and gives what differs; none where it is none.
fn options(root: &str, vector: &Json, count: &mut usize) -> Option<Vec<String>> {
    let (_, kind, parts) = OPTIONS.iter().find(|(name, ..)| *name == root)?;
    let option = bytes(vector["hex"].as_str().unwrap());
    let message = [&[133, 0, 0, 0, 0, 0, 0, 0][..], &option].concat();
    let packet = Packet::new(message, First::Layer(named("icmpv6").unwrap()));
    let Some(Value::List(found)) = packet.layers().layers[0].read(&packet.bytes, "options") else { panic!("{vector}") };
    let theirs = &vector["layers"][0]["fields"];
    let case = vector["case"].as_str().unwrap();
    // An option that says it is longer than what is there cannot be read, and is said to be so.
    if theirs["len"].as_u64().unwrap() as usize * 8 != option.len() {
        let defects = packet.layers().defects(&packet.bytes);
        return Some(if defects.is_empty() { vec![format!("{case}: no defect")] } else { Vec::new() });
    }
    let mut wrong = Vec::new();
    for (their_name, our_name) in [("type", "kind")].iter().chain(*parts) {
        let wanted = &theirs[their_name];
        let wanted =
            if *our_name == "kind" { (*kind).to_owned() } else { wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned) };
        let read = found[0].part(our_name).map(ToString::to_string);
        *count += 1;
        if read.as_ref() != Some(&wanted) {
            wrong.push(format!("{case}: {our_name} is {read:?}, and should be {wanted}"));
        }
    }
    Some(wrong)
}

#[test]
fn packets_are_taken_apart_as_by_scapy() {
    let Some(vectors) = vectors("dissect-vectors.jsonl") else { return };
    let (mut equal, mut fields, mut left_out, mut wrong) = (0, 0, 0, Vec::new());
    for vector in &vectors {
        let known = |name: &str| LAYERS.iter().find(|(names, ..)| names.contains(&name));
        let root = vector["root"].as_str().unwrap();
        let Some((_, root_name, _)) = known(root) else {
            match options(root, vector, &mut fields) {
                Some(odd) if odd.is_empty() => equal += 1,
                Some(odd) => wrong.extend(odd),
                None => {
                    println!("left out: {} ({root} is no layer here)", vector["case"]);
                    left_out += 1;
                }
            }
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
    assert!(equal >= 68);
    keep("dissect", &BTreeMap::from([("packets", vectors.len()), ("equal", equal), ("fields", fields), ("left out", left_out)]), "");
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

/// An option of neighbour discovery, in a message that has no checksum yet.
fn neighbour(option: Vec<(&str, Value)>) -> Stack {
    let option = Value::Map(option.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    layer("icmpv6", vec![("type", t("router-solicitation")), ("options", Value::List(vec![option]))])
}

fn record(name: &str, kind: &str, ttl: u64, data: &str) -> Value {
    Value::map([("name", t(name)), ("type", t(kind)), ("ttl", n(ttl)), ("data", t(data))])
}

/// An answer whose names are as short as can be: scapy was given the pointers, fyke finds them.
fn answer(id: u64, flags: &str, question: &str, answers: Vec<Value>, authorities: Vec<Value>) -> Stack {
    let lists = vec![("questions", t(question)), ("answers", Value::List(answers)), ("authorities", Value::List(authorities))];
    let head = vec![("id", n(id)), ("response", n(1)), ("flags", t(flags)), ("compress", n(1))];
    layer("dns", [head, lists].concat())
}

fn weather() -> Stack {
    let host = "weatherflow-mqtt-904569b6a89a9ad5.elb.us-east-1.amazonaws.com";
    let addresses = ["54.156.255.179", "54.81.39.221", "44.217.196.142", "3.92.140.50", "34.238.102.102"];
    let mut answers = vec![record("mqtt.weatherflow.com", "CNAME", 228, host)];
    answers.extend(addresses.map(|address| record(host, "A", 60, address)));
    let roots = "bkfcdlejimahg".chars().map(|letter| record(".", "NS", 285_993, &format!("{letter}.root-servers.net"))).collect();
    answer(44161, "rd,ra", "mqtt.weatherflow.com", answers, roots)
}

fn forms() -> Stack {
    let (long, host) = ("forms.office.com.b-0039.b-msedge.net", "b-0039.b-msedge.net");
    let answers =
        vec![record("forms.office.com", "CNAME", 283, long), record(long, "CNAME", 223, host), record(host, "A", 223, "13.107.6.194")];
    answer(2, "rd", "forms.office.com", answers, Vec::new())
}

/// A router's error about a datagram, with the labels that the datagram had (RFC 4884, RFC 4950).
fn labels(
    macs: [&str; 2],
    ip: Vec<(&str, Value)>,
    icmp: Vec<(&str, Value)>,
    quoted: Vec<(&str, Value)>,
    numbers: [u64; 4],
    rest: &[u8],
) -> Stack {
    let ethernet = layer("ethernet", vec![("dst", t(macs[0])), ("src", t(macs[1]))]);
    let error = layer("icmp", [vec![("type", t("time-exceeded"))], icmp].concat());
    // What is quoted is the head of a longer packet, whose lengths and checksums it has.
    let inner = layer("ipv4", [quoted, vec![("total_length", n(60)), ("checksum", n(numbers[0]))]].concat());
    let udp = layer("udp", vec![("sport", n(numbers[1])), ("dport", n(numbers[2])), ("length", n(40)), ("checksum", n(numbers[3]))]);
    [layer("ipv4", ip), error, inner, udp, payload(rest)].into_iter().fold(ethernet, on)
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
        "ICMPv6NDOptSrcLLAddr()" => neighbour(vec![("kind", t("source-link-address")), ("address", t("00:00:00:00:00:00"))]),
        "ICMPv6NDOptSrcLLAddr(len=2, lladdr='11:11:11:11:11:11')" => {
            neighbour(vec![("kind", t("source-link-address")), ("address", t("11:11:11:11:11:11")), ("option_length", n(2))])
        }
        "ICMPv6NDOptDstLLAddr(len=2, lladdr='11:11:11:11:11:11')" => {
            neighbour(vec![("kind", t("target-link-address")), ("address", t("11:11:11:11:11:11")), ("option_length", n(2))])
        }
        "ICMPv6NDOptPrefixInfo()" => neighbour(vec![("kind", t("prefix")), ("prefix", t("::"))]),
        _ if build.starts_with("DNS(id=44161") => weather(),
        _ if build.starts_with("DNS(id=2, qr=1") => forms(),
        _ if build.starts_with("Ether(dst='00:15:5d:94:41:59'") => labels(
            ["00:15:5d:94:41:59", "00:15:5d:07:cb:04"],
            vec![("id", n(16178)), ("ttl", n(230)), ("src", t("104.44.31.29")), ("dst", t("172.28.70.10"))],
            vec![("length", n(17))],
            vec![("tos", n(32)), ("id", n(38623)), ("ttl", n(2)), ("src", t("172.28.70.10")), ("dst", t("40.81.95.116"))],
            [42950, 47149, 33459, 30836],
            &[b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_", &[0; 68][..], &bytes("200002ff001001010970320105ded201059cc302")].concat(),
        ),
        _ if build.starts_with("Ether(dst='00:1c:73:03:12:06'") => labels(
            ["00:1c:73:03:12:06", "74:83:ef:00:0a:d5"],
            vec![("id", n(18462)), ("ttl", n(251)), ("src", t("192.168.2.1")), ("dst", t("192.168.3.1"))],
            vec![("length", n(32))],
            vec![("id", n(18462)), ("ttl", n(1)), ("src", t("192.168.3.1")), ("dst", t("192.168.4.2"))],
            [59711, 52319, 33439, 13126],
            &[&[0; 100][..], &bytes("2000ab840008010102713101")].concat(),
        ),
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
        let mut built = stack.build().unwrap().bytes.to_vec();
        if build.starts_with("ICMPv6NDOpt") {
            // An option is a part of a message here: what is before it, scapy did not build.
            built.drain(..8);
        }
        let wanted = bytes(vector["hex"].as_str().unwrap());
        match built == wanted {
            true => equal += 1,
            false => wrong.push(format!("{}: {built:02x?} instead of {wanted:02x?}", build.chars().take(80).collect::<String>())),
        }
    }
    println!("scapy, built: {equal} of {} basic packets equal, {left_out} left out", basic.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((equal, left_out), (basic.len(), 0));
    keep("build", &BTreeMap::from([("packets", basic.len()), ("equal", equal), ("left out", left_out)]), "");
}
