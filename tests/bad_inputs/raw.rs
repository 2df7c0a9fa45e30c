//! The rows about sockets for packets.

/// Scripts that must exit with 2: the row, words of the fault, and calls.
pub(super) const RAW: &[(&str, &str, &[&str])] = &[
    (
        "R06",
        "cannot use ",
        &[
            r#"raw::packet("a234567890123456")"#,
            r#"raw::packet("")"#,
            r#"raw::packet("a/b")"#,
            r#"raw::packet("..")"#,
            r#"raw::capture("a b", #{})"#,
            r#"raw::open("ipv4", "icmp", #{ interface: "a:b" })"#,
            r#"raw::ping("ipv4", #{ interface: "a\nb" })"#,
        ],
    ),
    (
        "R09",
        "a port is a number from 0 to 65535",
        &[
            r#"raw::packet("lo", #{ filter: #{ port: 65536 } })"#,
            r#"raw::packet("lo", #{ filter: #{ dport: "22;id" } })"#,
            r#"raw::packet("lo", #{ filter: #{ sport: "٢٢" } })"#,
            r#"raw::capture("lo", #{ filter: #{ port: [22, 2147483648] } })"#,
        ],
    ),
    (
        "R12",
        "the range is the wrong way round",
        &[r#"raw::packet("lo", #{ filter: #{ port: "22-21" } })"#, r#"raw::packet("lo", #{ filter: #{ port: 22..=21 } })"#],
    ),
    (
        "R16",
        "cannot ",
        &[
            r#"raw::open("ipv4", "icmp").send(packet::icmp(#{}), "127.1")"#,
            r#"raw::open("ipv4", "icmp").send(packet::icmp(#{}), "0x7f000001")"#,
            r#"raw::packet("lo", #{ filter: #{ host: "010.0.0.1" } })"#,
            r#"raw::open("ipv4", "icmp", #{ source: "1.2.3" })"#,
        ],
    ),
    ("R18", "bits are set behind the first 8", &[r#"raw::packet("lo", #{ filter: #{ net: "10.1.2.3/8" } })"#]),
    (
        "R19",
        "names are not looked up",
        &[
            r#"raw::open("ipv4", "icmp").send(packet::icmp(#{}), "example.org")"#,
            r#"raw::packet("lo", #{ filter: #{ host: "example.org" } })"#,
        ],
    ),
    (
        "R20",
        "cannot ",
        &[
            r#"raw::open("ipv4", "icmp").send(packet::icmp(#{}), "::1")"#,
            r#"raw::open("ipv6", "icmpv6").send(packet::icmpv6(#{}), "::ffff:127.0.0.1")"#,
            r#"raw::open("ipv6", "icmpv6").send(packet::icmpv6(#{}), "fe80::1%lo")"#,
            r#"raw::open("ipv4", "icmp", #{ source: "::1" })"#,
        ],
    ),
    (
        "R28",
        "cannot ",
        &[
            r#"raw::open("ipv4", "icmp").recv("-5s")"#,
            r#"raw::open("ipv4", "icmp").recv("5 minutes")"#,
            r#"raw::open("ipv4", "icmp").recv(-1)"#,
            r#"raw::capture("lo", #{ time: "0s" })"#,
            r#"raw::capture("lo", #{ time: "25h" })"#,
        ],
    ),
    ("R34", "cannot ", &[r#"raw::open("ipv4", "icmp", #{ mark: 0x1ffffffff })"#, r#"raw::packet("lo", #{ mark: -1 })"#]),
    (
        "R46",
        "cannot ",
        &[
            r#"raw::open("ipv4", "icmp", #{ ttl: 0 })"#,
            r#"raw::open("ipv4", "icmp", #{ ttl: 256 })"#,
            r#"raw::open("ipv4", "icmp", #{ tll: 5 })"#,
            r#"raw::open("ipv4", "icmp", #{ mtu_discover: "always" })"#,
            r#"raw::open("ipv4", "icmp", #{ receive_buffer: -1 })"#,
            r#"raw::open("ipv4", "raw", #{ header: false })"#,
            r#"raw::open("ipv4", "nonsense")"#,
            r#"raw::open("ipv4", 256)"#,
            r#"raw::open("ipv5", "icmp")"#,
            r#"raw::packet("lo", #{ ttl: 5 })"#,
            r#"raw::packet("lo", #{ source: "127.0.0.1" })"#,
            r#"raw::ping("ipv4", #{ header: true })"#,
            r#"raw::open("ipv4", "raw").recv()"#,
            r#"raw::open("ipv4", "icmp").send(5, "127.0.0.1")"#,
            r#"raw::packet("lo").send(packet::ethernet(#{}), "127.0.0.1")"#,
            r#"raw::packet("lo").ttl"#,
            r#"raw::open("ipv4", "icmp").colour = 5"#,
            r#"raw::packet("lo", #{ filter: #{ vlan: 5000 } })"#,
            r#"raw::open("ipv4", "icmp", #{ filter: #{ vlan: 5 } })"#,
            r#"raw::packet("lo", #{ filter: #{ host: [] } })"#,
        ],
    ),
];
