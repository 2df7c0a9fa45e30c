//! Packets as Wireshark has them: the captures of tcpdump's suite field by field beside `tshark -T json`, and what is built here under its checks.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Stdio};

use fyke::model::packet::{Check, Draft, Packet, Stack, Value, capture, named};
use serde_json::Value as Json;

use super::packets::{captures, keep};

/// Checksums are checked, and packets are not put together with others: what is compared is each packet alone.
const PREFERENCES: &[&str] = &[
    "ip.check_checksum:TRUE",
    "tcp.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    // The bits that a mobile network adds are no field of ours, and names are not looked up.
    "nameres.network_name:FALSE",
];

/// Tells whether tshark is here.
fn tshark() -> Option<String> {
    let said = Command::new("tshark").arg("-v").stderr(Stdio::null()).output();
    let version = said.ok().filter(|said| said.status.success()).map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    if version.is_none() {
        println!("skipped: tshark is not here (apt-get install tshark)");
    }
    version.and_then(|text| Some(text.lines().next()?.split(" (Git").next()?.to_owned()))
}

fn read(path: &Path, more: &[&str]) -> String {
    let preferences = PREFERENCES.iter().flat_map(|preference| ["-o", preference]);
    let said = Command::new("tshark").arg("-n").arg("-r").arg(path).args(preferences).args(more).stderr(Stdio::null()).output().unwrap();
    // Of a file that is cut off, tshark tells what it has read.
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// How a field here stands to one there.
enum Is {
    /// It is the same.
    Same,
    /// It counts in units of so many.
    Times(u64),
    /// It is a flag of this name in a field of flags.
    Flag(&'static str),
}

use Is::{Flag, Same, Times};

/// A layer, what tshark calls it, and the fields that both have.
type Known = (&'static str, &'static str, &'static [(&'static str, &'static str, Is)]);

const LAYERS: &[Known] = &[
    ("ethernet", "eth", &[("dst", "eth.dst", Same), ("src", "eth.src", Same), ("type", "eth.type", Same), ("type", "eth.len", Same)]),
    (
        "vlan",
        // The tag of a provider stands below that of his customer.
        "ieee8021ad vlan",
        &[("id", "vlan.id", Same), ("priority", "vlan.priority", Same), ("drop_eligible", "vlan.dei", Same), ("type", "vlan.etype", Same)],
    ),
    (
        "sll",
        "sll",
        &[
            ("packet_type", "sll.pkttype", Same),
            ("hardware", "sll.hatype", Same),
            ("src", "sll.src.eth", Same),
            ("type", "sll.etype", Same),
        ],
    ),
    ("llc", "llc", &[("dsap", "llc.dsap", Same)]),
    (
        "arp",
        "arp",
        &[
            ("hardware", "arp.hw.type", Same),
            ("protocol", "arp.proto.type", Same),
            ("op", "arp.opcode", Same),
            ("src_mac", "arp.src.hw_mac", Same),
            ("src", "arp.src.proto_ipv4", Same),
            ("dst_mac", "arp.dst.hw_mac", Same),
            ("dst", "arp.dst.proto_ipv4", Same),
        ],
    ),
    (
        "ipv4",
        "ip",
        &[
            ("version", "ip.version", Same),
            ("ihl", "ip.hdr_len", Times(4)),
            ("tos", "ip.dsfield", Same),
            ("total_length", "ip.len", Same),
            ("id", "ip.id", Same),
            ("flags", "ip.flags.df", Flag("DF")),
            ("flags", "ip.flags.mf", Flag("MF")),
            ("fragment_offset", "ip.frag_offset", Same),
            ("ttl", "ip.ttl", Same),
            ("protocol", "ip.proto", Same),
            ("checksum", "ip.checksum", Same),
            ("src", "ip.src", Same),
            ("dst", "ip.dst", Same),
        ],
    ),
    (
        "ipv6",
        "ipv6",
        &[
            ("version", "ipv6.version", Same),
            ("traffic_class", "ipv6.tclass", Same),
            ("flow_label", "ipv6.flow", Same),
            ("payload_length", "ipv6.plen", Same),
            ("next_header", "ipv6.nxt", Same),
            ("hop_limit", "ipv6.hlim", Same),
            ("src", "ipv6.src", Same),
            ("dst", "ipv6.dst", Same),
        ],
    ),
    (
        "fragment",
        "ipv6.fraghdr",
        &[
            ("next_header", "ipv6.fraghdr.nxt", Same),
            ("offset", "ipv6.fraghdr.offset", Times(8)),
            ("more", "ipv6.fraghdr.more", Same),
            ("id", "ipv6.fraghdr.ident", Same),
        ],
    ),
    ("hop_by_hop", "ipv6.hopopts", &[("next_header", "ipv6.hopopts.nxt", Same), ("length", "ipv6.hopopts.len", Same)]),
    ("destination", "ipv6.dstopts", &[("next_header", "ipv6.dstopts.nxt", Same), ("length", "ipv6.dstopts.len", Same)]),
    (
        "routing",
        "ipv6.routing",
        &[
            ("next_header", "ipv6.routing.nxt", Same),
            ("length", "ipv6.routing.len", Same),
            ("type", "ipv6.routing.type", Same),
            ("segments_left", "ipv6.routing.segleft", Same),
        ],
    ),
    ("ah", "ah", &[("spi", "ah.spi", Same), ("seq", "ah.sequence", Same), ("length", "ah.length", Same)]),
    ("esp", "esp", &[("spi", "esp.spi", Same), ("seq", "esp.sequence", Same)]),
    ("mobility", "mipv6", &[("next_header", "mip6.proto", Same), ("length", "mip6.hlen", Same), ("type", "mip6.mhtype", Same)]),
    (
        "icmp",
        "icmp",
        &[
            ("type", "icmp.type", Same),
            ("code", "icmp.code", Same),
            ("checksum", "icmp.checksum", Same),
            ("id", "icmp.ident", Same),
            ("seq", "icmp.seq", Same),
            ("mtu", "icmp.mtu", Same),
            ("gateway", "icmp.redir_gw", Same),
        ],
    ),
    (
        "icmpv6",
        "icmpv6",
        &[
            ("type", "icmpv6.type", Same),
            ("code", "icmpv6.code", Same),
            ("checksum", "icmpv6.checksum", Same),
            ("id", "icmpv6.echo.identifier", Same),
            ("seq", "icmpv6.echo.sequence_number", Same),
            ("mtu", "icmpv6.mtu", Same),
            ("target", "icmpv6.nd.ns.target_address", Same),
            ("target", "icmpv6.nd.na.target_address", Same),
            ("flags", "icmpv6.nd.na.flag.s", Flag("solicited")),
            ("hop_limit", "icmpv6.nd.ra.cur_hop_limit", Same),
            ("lifetime", "icmpv6.nd.ra.router_lifetime", Same),
            ("flags", "icmpv6.nd.ra.flag.m", Flag("managed")),
        ],
    ),
    (
        "tcp",
        "tcp",
        &[
            ("sport", "tcp.srcport", Same),
            ("dport", "tcp.dstport", Same),
            ("seq", "tcp.seq_raw", Same),
            ("ack", "tcp.ack_raw", Same),
            ("data_offset", "tcp.hdr_len", Times(4)),
            ("flags", "tcp.flags.syn", Flag("SYN")),
            ("flags", "tcp.flags.ack", Flag("ACK")),
            ("flags", "tcp.flags.fin", Flag("FIN")),
            ("flags", "tcp.flags.reset", Flag("RST")),
            ("flags", "tcp.flags.push", Flag("PSH")),
            ("flags", "tcp.flags.urg", Flag("URG")),
            ("window", "tcp.window_size_value", Same),
            ("checksum", "tcp.checksum", Same),
            ("urgent_pointer", "tcp.urgent_pointer", Same),
        ],
    ),
    (
        "udp",
        "udp",
        &[
            ("sport", "udp.srcport", Same),
            ("dport", "udp.dstport", Same),
            ("length", "udp.length", Same),
            ("checksum", "udp.checksum", Same),
        ],
    ),
    (
        "dns",
        "dns",
        &[
            ("id", "dns.id", Same),
            ("response", "dns.flags.response", Same),
            ("opcode", "dns.flags.opcode", Same),
            ("rcode", "dns.flags.rcode", Same),
            ("flags", "dns.flags.recdesired", Flag("rd")),
            ("flags", "dns.flags.authoritative", Flag("aa")),
            ("flags", "dns.flags.truncated", Flag("tc")),
            ("question_count", "dns.count.queries", Same),
            ("answer_count", "dns.count.answers", Same),
            ("authority_count", "dns.count.auth_rr", Same),
            ("additional_count", "dns.count.add_rr", Same),
        ],
    ),
];

/// The checksums that both look at.
const SUMS: &[(&str, &str)] = &[
    ("ipv4", "ip.checksum.status"),
    ("tcp", "tcp.checksum.status"),
    ("udp", "udp.checksum.status"),
    ("icmp", "icmp.checksum.status"),
    ("icmpv6", "icmpv6.checksum.status"),
];

/// All values below a layer by their names; a name may be there several times.
fn leaves<'a>(json: &'a Json, into: &mut HashMap<&'a str, Vec<&'a str>>) {
    let Some(map) = json.as_object() else { return };
    for (name, value) in map {
        for one in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            match one.as_str() {
                Some(text) => into.entry(name).or_default().push(text),
                None => leaves(one, into),
            }
        }
    }
}

/// Finds the layers of a name, wherever they stand but inside of an ICMP error.
fn occurrences<'a>(layers: &'a Json, name: &str, into: &mut Vec<&'a Json>) {
    let Some(map) = layers.as_object() else { return };
    for (key, value) in map.iter().filter(|(key, _)| !key.starts_with("icmp") || *key == name) {
        for one in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            if key == name {
                into.push(one);
            } else if key.starts_with("ip") || name == key {
                occurrences(one, name, into);
            }
        }
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok().or(match text {
            "True" => Some(1),
            "False" => Some(0),
            _ => None,
        }),
    }
}

fn is_equal(ours: &Value, theirs: &str, how: &Is) -> bool {
    match (ours, how) {
        (Value::Text(flags), Flag(name)) => flags.split(',').any(|flag| flag == *name) == (number(theirs) == Some(1)),
        (Value::Number(ours), Times(units)) => number(theirs) == Some(ours * units),
        (Value::Number(ours), _) => number(theirs) == Some(*ours),
        (other, _) => other.to_string() == theirs,
    }
}

/// What a comparison has shown.
#[derive(Default)]
struct Shown {
    figures: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Shown {
    fn count(&mut self, name: &'static str) {
        *self.figures.entry(name).or_default() += 1;
    }

    fn packet(&mut self, which: &str, packet: &Packet, layers: &Json) {
        let found = packet.layers();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        self.count("packets");
        for (at, layer) in found.layers.iter().enumerate().filter(|(at, _)| !found.is_quoted(*at)) {
            let name = layer.protocol.name;
            let number = seen.entry(name).and_modify(|number| *number += 1).or_default();
            let Some((_, theirs, fields)) = LAYERS.iter().find(|(known, ..)| *known == name) else { continue };
            let mut all = Vec::new();
            theirs.split(' ').for_each(|theirs| occurrences(layers, theirs, &mut all));
            let Some(json) = all.get(*number) else {
                self.count("layers that fyke alone finds");
                continue;
            };
            self.count("layers");
            let mut values = HashMap::new();
            leaves(json, &mut values);
            for (field, key, how) in *fields {
                let (Some(ours), Some(theirs)) = (layer.read(&packet.bytes, field), values.get(key).and_then(|all| all.first())) else {
                    continue;
                };
                // In the place of a length of 0, which is from before segmentation, tshark tells the length that is there.
                if *key == "ip.len" && ours == Value::Number(0) {
                    continue;
                }
                self.count("fields");
                if !is_equal(&ours, theirs, how) {
                    self.wrong.push(format!("{which}: {name}.{field} is {ours}, and {key} is {theirs}"));
                }
            }
            let status = SUMS.iter().find(|(known, _)| *known == name).and_then(|(_, key)| values.get(key)?.first().copied());
            match (found.checksum(at, &packet.bytes), status) {
                (Some(Check::Good), Some("1")) | (Some(Check::Wrong { .. }), Some("0")) => self.count("checksums"),
                (Some(Check::Good), Some("0")) | (Some(Check::Wrong { .. }), Some("1")) => {
                    self.wrong
                        .push(format!("{which}: the checksum of {name} is {:?}, and {status:?} there", found.checksum(at, &packet.bytes)));
                }
                _ => {}
            }
            if name == "dns" {
                self.names(which, &|part| layer.read(&packet.bytes, part), &values);
            }
        }
        for (name, theirs, _) in LAYERS {
            let mut all = Vec::new();
            theirs.split(' ').for_each(|theirs| occurrences(layers, theirs, &mut all));
            let ours = found.layers.iter().enumerate().filter(|(at, layer)| !found.is_quoted(*at) && layer.protocol.name == *name).count();
            (ours..all.len()).for_each(|_| self.count("layers that tshark alone finds"));
        }
    }

    /// Compares the names and addresses of a message; where in it they stand, the keys of tshark do not tell.
    fn names(&mut self, which: &str, read: &dyn Fn(&str) -> Option<Value>, theirs: &HashMap<&str, Vec<&str>>) {
        let lists = |parts: &[&str]| -> Vec<Value> {
            let list = |part: &&str| if let Some(Value::List(list)) = read(part) { list } else { Vec::new() };
            parts.iter().flat_map(list).collect()
        };
        let records = lists(&["answers", "authorities", "additionals"]);
        let text = |value: &Value| value.to_string();
        let of = |list: &[Value], part: &str| -> Vec<String> { list.iter().filter_map(|entry| entry.part(part)).map(text).collect() };
        let data = |kind: &str| -> Vec<String> {
            let is = |entry: &&Value| entry.part("type").is_some_and(|found| found == &Value::text(kind));
            records.iter().filter(is).filter_map(|entry| entry.part("data")).map(text).collect()
        };
        let pairs = [
            (of(&lists(&["questions"]), "name"), "dns.qry.name"),
            (of(&records, "name"), "dns.resp.name"),
            (data("A"), "dns.a"),
            (data("AAAA"), "dns.aaaa"),
            (data("CNAME"), "dns.cname"),
            (data("NS"), "dns.ns"),
        ];
        for (mut ours, key) in pairs {
            let there = theirs.get(key).map(Vec::as_slice).unwrap_or_default();
            let plain = |name: &str| if name == "<Root>" { ".".to_owned() } else { name.trim_end_matches('.').to_owned() };
            let mut there: Vec<String> = there.iter().map(|name| plain(name)).collect();
            ours = ours.iter().map(|name| if name == "." { name.clone() } else { plain(name) }).collect();
            // Where the message is cut off, either may have read more; and what is not printable is written otherwise.
            if ours.len() != there.len() || ours.iter().any(|name| name.contains('\\')) {
                continue;
            }
            ours.sort();
            there.sort();
            for (ours, theirs) in ours.iter().zip(&there) {
                self.count("names and addresses of DNS");
                if !ours.eq_ignore_ascii_case(theirs) {
                    self.wrong.push(format!("{which}: {ours} of dns, and {key} is {theirs}"));
                }
            }
        }
    }
}

#[test]
fn captures_are_read_as_by_tshark() {
    let (Some(version), Some(files)) = (tshark(), captures()) else { return };
    let step = if super::all() { 1 } else { 20 };
    let filter = "frame eth sll ieee8021ad vlan llc arp ip ipv6 ipv6.fraghdr ipv6.hopopts ipv6.dstopts ipv6.routing ah esp mipv6 icmp icmpv6 tcp udp dns";
    let mut shown = Shown::default();
    for path in files.iter().step_by(step) {
        let Ok(file) = capture::read(&std::fs::read(path).unwrap()) else { continue };
        if file.packets.is_empty() {
            continue;
        }
        let text = read(path, &["-T", "json", "--no-duplicate-keys", "-J", filter]);
        let Ok(Json::Array(theirs)) = serde_json::from_str(&text) else {
            println!("left out: {} (tshark writes no JSON of it)", path.display());
            continue;
        };
        shown.count("files");
        for (number, (ours, theirs)) in file.packets.iter().zip(&theirs).enumerate() {
            let name = path.file_name().unwrap().to_string_lossy();
            shown.packet(&format!("{name} {}", number + 1), &ours.packet, &theirs["_source"]["layers"]);
        }
    }
    println!("{version}: {:?}", shown.figures);
    assert!(shown.wrong.is_empty(), "{} differ:\n{}", shown.wrong.len(), shown.wrong.join("\n"));
    assert!(shown.figures["fields"] > 100);
    keep("tshark", &shown.figures, &version);
}

fn n(number: u64) -> Value {
    Value::Number(number)
}

fn t(text: &str) -> Value {
    Value::text(text)
}

fn list(all: Vec<Value>) -> Value {
    Value::List(all)
}

fn option(kind: &str, parts: Vec<(&str, Value)>) -> Value {
    Value::Map([("kind", t(kind))].into_iter().chain(parts).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A layer by its name and fields.
type Wanted = (&'static str, Vec<(&'static str, Value)>);

fn built(layers: Vec<Wanted>, payload: &[u8]) -> Packet {
    let draft = |(name, fields): Wanted| {
        Draft::new(named(name).unwrap(), fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).unwrap()
    };
    Stack { layers: layers.into_iter().map(draft).collect(), payload: payload.to_vec() }.build().unwrap()
}

/// What IP and the layers below it can look like.
fn below() -> Vec<(bool, Vec<Wanted>)> {
    let ethernet = || ("ethernet", vec![("dst", t("02:00:00:00:00:02")), ("src", t("02:00:00:00:00:01"))]);
    let v4 =
        |more: Vec<(&'static str, Value)>| ("ipv4", [vec![("src", t("192.0.2.1")), ("dst", t("192.0.2.2")), ("id", n(7))], more].concat());
    let v6 = || ("ipv6", vec![("src", t("2001:db8::1")), ("dst", t("2001:db8::2")), ("flow_label", n(5))]);
    let route = option("record-route", vec![("route", list(vec![t("0.0.0.0"); 3]))]);
    let stamp = option("timestamp", vec![("entries", list(vec![n(0); 4]))]);
    let segments = vec![("type", t("segments")), ("addresses", list(vec![t("2001:db8::2"), t("2001:db8::3")])), ("segments_left", n(0))];
    vec![
        (false, vec![v4(vec![])]),
        (false, vec![ethernet(), v4(vec![("flags", t("DF")), ("tos", n(0xb8))])]),
        (false, vec![ethernet(), ("vlan", vec![("id", n(100)), ("priority", n(5))]), v4(vec![("options", list(vec![route]))])]),
        (
            false,
            vec![
                ("ethernet", vec![("type", t("service-vlan"))]),
                ("vlan", vec![("id", n(3))]),
                ("vlan", vec![]),
                v4(vec![("options", stamp)]),
            ],
        ),
        (false, vec![("sll", vec![("packet_type", t("outgoing"))]), v4(vec![("options", list(vec![t("nop"), t("router-alert")]))])]),
        (false, vec![ethernet(), v4(vec![]), v4(vec![("ttl", n(1))])]),
        (false, vec![ethernet(), v4(vec![]), ("ah", vec![("spi", n(256)), ("seq", n(1)), ("icv", Value::Bytes(vec![1; 12]))])]),
        (true, vec![v6()]),
        (true, vec![ethernet(), v4(vec![]), v6()]),
        (true, vec![ethernet(), v6(), ("hop_by_hop", vec![("options", list(vec![option("router-alert", vec![])]))])]),
        (
            true,
            vec![
                ethernet(),
                v6(),
                ("routing", segments),
                ("destination", vec![("options", list(vec![option("padn", vec![("bytes", n(2))])]))]),
            ],
        ),
        (true, vec![ethernet(), v6(), ("fragment", vec![("id", n(9))])]),
        (true, vec![ethernet(), v6(), ("ah", vec![("spi", n(256)), ("icv", Value::Bytes(vec![1; 12]))])]),
    ]
}

/// What stands on IP. A question has a number of its own, so that none is taken for the repetition of another one.
fn above(is_v6: bool, id: usize) -> Vec<(Vec<Wanted>, Vec<u8>)> {
    let options = list(vec![
        option("mss", vec![("value", n(1460))]),
        t("sack-permitted"),
        option("timestamps", vec![("value", n(1)), ("echo", n(0))]),
        t("nop"),
        option("window-scale", vec![("value", n(7))]),
    ]);
    let sack = option("sack", vec![("edges", list(vec![n(1), n(2)]))]);
    let record = |kind: &str, data: Value| Value::map([("name", t("www.example.org")), ("type", t(kind)), ("ttl", n(60)), ("data", data)]);
    let answers = list(vec![
        record("CNAME", t("host.example.org")),
        record("A", t("192.0.2.80")),
        record("AAAA", t("2001:db8::80")),
        record("MX", Value::map([("preference", n(10)), ("exchange", t("mail.example.org"))])),
        record("SOA", Value::map([("mname", t("ns.example.org")), ("rname", t("root.example.org")), ("serial", n(7))])),
        record("SRV", Value::map([("port", n(80)), ("target", t("host.example.org"))])),
        record("TXT", list(vec![t("v=spf1 -all")])),
    ]);
    let question = ("questions", list(vec![t("www.example.org")]));
    let message = |compress: u64| {
        ("dns", vec![("id", n(7)), ("response", n(1)), question.clone(), ("answers", answers.clone()), ("compress", n(compress))])
    };
    let dns = |message: Wanted| vec![("udp", vec![("sport", n(53)), ("dport", n(40_000))]), message];
    let mut all = vec![
        (vec![("udp", vec![("sport", n(40_000)), ("dport", n(9))])], b"hello".to_vec()),
        (vec![("udp", vec![("sport", n(40_000)), ("dport", n(9))])], vec![0x55; 1400]),
        (vec![("tcp", vec![("sport", n(40_000)), ("dport", n(9)), ("options", options)])], Vec::new()),
        (
            vec![("tcp", vec![("sport", n(9)), ("dport", n(40_000)), ("flags", t("ACK,PSH")), ("ack", n(1)), ("options", sack)])],
            b"odd".to_vec(),
        ),
        (vec![("udp", vec![("sport", n(40_000))]), ("dns", vec![("id", n(id as u64)), question.clone()])], Vec::new()),
        (dns(message(0)), Vec::new()),
        (dns(message(1)), Vec::new()),
    ];
    if is_v6 {
        let icmp = |kind: &str, fields: Vec<(&'static str, Value)>| ("icmpv6", [vec![("type", t(kind))], fields].concat());
        let source = || option("source-link-address", vec![("address", t("02:00:00:00:00:01"))]);
        let prefix = option("prefix", vec![("prefix", t("2001:db8::"))]);
        let route = option("route", vec![("prefix", t("2001:db8:1::")), ("length", n(48))]);
        let servers = option("dns-servers", vec![("servers", list(vec![t("2001:db8::53")]))]);
        let search = option("dns-search", vec![("domains", list(vec![t("example.org")]))]);
        let mtu = option("mtu", vec![("value", n(1280))]);
        all.push((vec![icmp("echo-request", vec![("id", n(7)), ("seq", n(1))])], b"hello".to_vec()));
        all.push((vec![icmp("router-solicitation", vec![("options", source())])], Vec::new()));
        let advertised = vec![("lifetime", n(1800)), ("options", list(vec![source(), prefix, route, servers, search, mtu]))];
        all.push((vec![icmp("router-advertisement", advertised)], Vec::new()));
        all.push((vec![icmp("neighbour-solicitation", vec![("target", t("2001:db8::2")), ("options", source())])], Vec::new()));
        all.push((vec![icmp("neighbour-advertisement", vec![("target", t("2001:db8::2")), ("flags", t("solicited"))])], Vec::new()));
        all.push((vec![icmp("mld-listener-report", vec![("group", t("ff02::fb"))])], Vec::new()));
        let quoted = vec![("ipv6", vec![("src", t("2001:db8::2")), ("dst", t("2001:db8::1"))]), ("udp", vec![("dport", n(9))])];
        all.push(([vec![icmp("packet-too-big", vec![("mtu", n(1280))])], quoted].concat(), b"x".to_vec()));
    } else {
        let icmp = |kind: &str, fields: Vec<(&'static str, Value)>| ("icmp", [vec![("type", t(kind))], fields].concat());
        let quoted = || vec![("ipv4", vec![("src", t("192.0.2.2")), ("dst", t("192.0.2.1"))]), ("udp", vec![("dport", n(9))])];
        all.push((vec![icmp("echo-request", vec![("id", n(7)), ("seq", n(1))])], b"hello".to_vec()));
        all.push((vec![icmp("timestamp-request", vec![("id", n(7))])], Vec::new()));
        all.push(([vec![icmp("destination-unreachable", vec![("code", t("port-unreachable"))])], quoted()].concat(), b"x".to_vec()));
        all.push(([vec![icmp("redirect", vec![("gateway", t("192.0.2.9"))])], quoted()].concat(), b"x".to_vec()));
    }
    all
}

#[test]
fn what_is_built_is_good_for_tshark() {
    let Some(version) = tshark() else { return };
    let mut packets: Vec<Packet> = Vec::new();
    for (is_v6, layers) in below() {
        packets.extend(above(is_v6, packets.len()).into_iter().map(|(more, payload)| built([layers.clone(), more].concat(), &payload)));
    }
    let arp = vec![("src", t("192.0.2.1")), ("dst", t("192.0.2.2")), ("src_mac", t("02:00:00:00:00:01"))];
    packets.push(built(vec![("ethernet", vec![]), ("arp", arp)], b""));
    packets.push(built(vec![("ipv4", vec![("dst", t("192.0.2.2"))]), ("esp", vec![("spi", n(256)), ("seq", n(1))])], &[0x55; 32]));
    packets.push(built(vec![("ipv6", vec![]), ("mobility", vec![("type", t("home-test-init")), ("data", Value::Bytes(vec![0; 8]))])], b""));
    // One that lies, so that it is known that lies are seen.
    packets.push(built(vec![("ipv4", vec![("checksum", n(1))]), ("udp", vec![("checksum", n(1)), ("length", n(99))])], b"x"));
    let count = packets.len();
    let captured =
        packets.into_iter().map(|packet| capture::Captured { at: std::time::Duration::from_secs(1), length: packet.bytes.len(), packet });
    let path = std::env::temp_dir().join(format!("fyke-built-{}.pcapng", std::process::id()));
    std::fs::write(&path, capture::write(&captured.collect::<Vec<_>>(), capture::Format::Pcapng).unwrap()).unwrap();
    let fields =
        ["frame.number", "frame.protocols", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status"];
    let more = ["icmpv6.checksum.status", "_ws.expert.severity", "_ws.expert.message", "_ws.malformed"];
    let words: Vec<&str> =
        ["-T", "fields", "-E", "occurrence=a"].into_iter().chain(fields.iter().chain(&more).flat_map(|field| ["-e", field])).collect();
    let said = read(&path, &words);
    std::fs::remove_file(&path).unwrap();
    let (mut figures, mut wrong) = (BTreeMap::new(), Vec::new());
    for line in said.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [sums, severity, malformed] = [&parts[2..7], &parts[7..8], &parts[9..10]];
        *figures.entry("packets").or_default() += 1;
        *figures.entry("good checksums").or_default() +=
            sums.iter().flat_map(|part| part.split(',')).filter(|status| *status == "1").count();
        let is_bad = sums.iter().any(|part| part.split(',').any(|status| status == "0"));
        // A warning (0x00600000) or an error (0x00800000); what is below is a note, as that a connection begins.
        let is_severe = severity[0].split(',').filter_map(|level| level.parse::<u32>().ok()).any(|level| level >= 0x0060_0000);
        if is_bad || is_severe || !malformed[0].is_empty() {
            wrong.push(line.to_owned());
        }
    }
    println!("{version}, what was built here: {figures:?}");
    assert_eq!(figures["packets"], count, "{said}");
    assert_eq!(wrong.len(), 1, "{}", wrong.join("\n"));
    assert!(wrong[0].starts_with(&format!("{count}\t")), "{}", wrong[0]);
    keep("built", &figures, &version);
}
