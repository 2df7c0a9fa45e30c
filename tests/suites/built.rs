//! What is built here, of every layer on every other that it can stand on, under the checks of tshark.

use std::collections::BTreeMap;

use fyke::model::packet::{Draft, Packet, Stack, Value, capture, named};

use super::packets::keep;
use super::wireshark::{read, tshark};

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
