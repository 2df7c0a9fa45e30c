//! Packets as Wireshark has them: the captures of tcpdump's suite field by field beside `tshark -T json`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Stdio};

use fyke::model::packet::{Check, Packet, Value, capture};
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
pub(super) fn tshark() -> Option<String> {
    let said = Command::new("tshark").arg("-v").stderr(Stdio::null()).output();
    let version = said.ok().filter(|said| said.status.success()).map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    if version.is_none() {
        println!("skipped: tshark is not here (apt-get install tshark)");
    }
    version.and_then(|text| Some(text.lines().next()?.split(" (Git").next()?.to_owned()))
}

/// Gives what tshark tells of a file.
pub(super) fn read(path: &Path, more: &[&str]) -> String {
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
