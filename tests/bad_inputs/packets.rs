//! Packets that cannot be: fields, values, options, names and layers that there are not.

/// Scripts that must exit with 2: what they are about, words of the fault, and calls.
pub(super) const PACKETS: &[(&str, &str, &[&str])] = &[
    (
        "fields",
        "it has no such field",
        &[
            r#"packet::tcp(#{ dprot: 80 })"#,
            r#"packet::udp(#{ flags: "SYN" })"#,
            r#"packet::icmp(#{ type: "echo-request", gateway: "192.0.2.1" })"#,
            r#"let one = packet::ipv4(#{}); one.ipv4.tll = 1"#,
            r#"packet::ipv4(#{}).edit(#{ ipv4: #{ tll: 1 } })"#,
        ],
    ),
    (
        "numbers",
        "it is a number from 0 to ",
        &[
            r#"packet::ipv4(#{ ttl: 256 })"#,
            r#"packet::vlan(#{ id: 4096 })"#,
            r#"packet::tcp(#{ sport: 65536 })"#,
            r#"packet::ipv6(#{ flow_label: 1048576 })"#,
            r#"packet::dns(#{ id: "65536" })"#,
            r#"packet::vlan(#{ priority: 8 })"#,
        ],
    ),
    ("numbers", "is less than zero", &[r#"packet::ipv4(#{ ttl: -1 })"#, r#"packet::tcp(#{ options: [#{ kind: "mss", value: -1 }] })"#]),
    ("types", "it is of type ", &[r#"packet::udp(#{ dport: 9.5 })"#, r#"packet::udp(#{ dport: () })"#]),
    ("types", " is wanted", &[r#"packet::udp(#{ dport: "http" })"#, r#"packet::tcp(#{ seq: [1] })"#, r#"packet::dns(#{ answers: "a" })"#]),
    (
        "addresses",
        "it is no ",
        &[
            r#"packet::ipv4(#{ dst: "::1" })"#,
            r#"packet::ipv4(#{ dst: "localhost" })"#,
            r#"packet::ipv4(#{ dst: "192.0.2" })"#,
            r#"packet::ipv6(#{ dst: "192.0.2.1" })"#,
            r#"packet::ethernet(#{ dst: "02:00:00:00:00" })"#,
            r#"packet::routing(#{ addresses: ["192.0.2.1"] })"#,
            r#"packet::dns(#{ answers: [#{ name: "a", data: "::1" }] })"#,
        ],
    ),
    (
        "versions",
        "choose a version of IP: ",
        &[r#"packet::ip(#{})"#, r#"packet::ip(#{ dst: "localhost" })"#, r#"packet::ip(#{ dst: "::1", src: "192.0.2.1" })"#],
    ),
    ("names", "there is no such flag", &[r#"packet::tcp(#{ flags: "S" })"#, r#"packet::tcp(#{ flags: ["SYN", "AKC"] })"#]),
    (
        "names",
        "it has no such name",
        &[
            r#"packet::icmp(#{ type: "echo" })"#,
            r#"packet::ethernet(#{ type: "ipx" })"#,
            r#"packet::dns(#{ questions: #{ name: "a", type: "AAA" } })"#,
        ],
    ),
    (
        "options",
        "there is no such ",
        &[
            r#"packet::tcp(#{ options: ["mms"] })"#,
            r#"packet::tcp(#{ options: [#{ kind: "mss", vlaue: 1460 }] })"#,
            r#"packet::dns(#{ questions: #{ nmae: "a" } })"#,
            r#"packet::dns(#{ answers: [#{ name: "a", typ: "A" }] })"#,
            r#"packet::dns(#{ answers: [#{ name: "a", type: "MX", data: #{ preferense: 1 } }] })"#,
        ],
    ),
    (
        "lengths",
        " is the most",
        &[
            r#"packet::tcp(#{ options: [#{ kind: 99, data: blob(39) }] })"#,
            r#"packet::ipv4(#{ options: [#{ kind: "record-route", route: ["0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0"] }] })"#,
            r#"let label = "a"; label.pad(64, 'a'); packet::dns(#{ questions: label })"#,
            r#"(packet::ipv4(#{}) / packet::udp(#{}) / blob(65508)).bytes"#,
        ],
    ),
    ("layers", "there is no such layer", &[r#"packet::of(#{ tpc: #{} })"#, r#"packet::parse(blob(20), "tpc")"#, r#"packet::udp(#{}).tpc"#]),
    ("layers", "it has a payload already", &[r#"packet::udp(#{}) / "x" / packet::udp(#{})"#]),
    ("layers", "it has no such layer", &[r#"packet::udp(#{}).tcp"#, r#"packet::udp(#{}).edit(#{ ipv4: #{ ttl: 1 } })"#]),
    ("hex", "read bytes in hex: ", &[r#"packet::from_hex("4x")"#, r#"packet::from_hex("450")"#]),
    (
        "files",
        "write packets into a file: ",
        &[
            r#"packet::write("a.pcap", [1])"#,
            r#"packet::write("a.pcap", [packet::udp(#{})])"#,
            r#"packet::write("a.pcap", [packet::ipv4(#{}), packet::ethernet(#{})])"#,
            r#"packet::write("a.pcapng", [packet::ipv4(#{}), packet::dns(#{})])"#,
        ],
    ),
];
