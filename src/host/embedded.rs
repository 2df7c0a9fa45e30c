//! What the binary carries: the built-in recipes and the standard library. A new file in `scripts/` or `stdlib/` is one line here.

/// A built-in text with its name.
pub type Embedded = (&'static str, &'static str);

/// The recipes of `scripts/`, by name.
pub const RECIPES: &[Embedded] = &[
    ("allow-only", include_str!("../../scripts/allow-only.rhai")),
    ("arp-scan", include_str!("../../scripts/arp-scan.rhai")),
    ("block-address", include_str!("../../scripts/block-address.rhai")),
    ("block-process", include_str!("../../scripts/block-process.rhai")),
    ("capture", include_str!("../../scripts/capture.rhai")),
    ("dns-query", include_str!("../../scripts/dns-query.rhai")),
    ("ephemeral-ports", include_str!("../../scripts/ephemeral-ports.rhai")),
    ("limit-bandwidth", include_str!("../../scripts/limit-bandwidth.rhai")),
    ("limit-connections", include_str!("../../scripts/limit-connections.rhai")),
    ("log-drops", include_str!("../../scripts/log-drops.rhai")),
    ("mtu-probe", include_str!("../../scripts/mtu-probe.rhai")),
    ("nat-masquerade", include_str!("../../scripts/nat-masquerade.rhai")),
    ("network-profile", include_str!("../../scripts/network-profile.rhai")),
    ("packet-generator", include_str!("../../scripts/packet-generator.rhai")),
    ("per-host-limit", include_str!("../../scripts/per-host-limit.rhai")),
    ("ping", include_str!("../../scripts/ping.rhai")),
    ("port-exhaustion", include_str!("../../scripts/port-exhaustion.rhai")),
    ("port-forward", include_str!("../../scripts/port-forward.rhai")),
    ("redirect-port", include_str!("../../scripts/redirect-port.rhai")),
    ("run-isolated", include_str!("../../scripts/run-isolated.rhai")),
    ("show-firewall", include_str!("../../scripts/show-firewall.rhai")),
    ("slow-interface", include_str!("../../scripts/slow-interface.rhai")),
    ("snat", include_str!("../../scripts/snat.rhai")),
    ("sockets", include_str!("../../scripts/sockets.rhai")),
    ("ssh-rate-limit", include_str!("../../scripts/ssh-rate-limit.rhai")),
    ("syn-probe", include_str!("../../scripts/syn-probe.rhai")),
    ("traceroute", include_str!("../../scripts/traceroute.rhai")),
    ("unblock-process", include_str!("../../scripts/unblock-process.rhai")),
    ("who-listens", include_str!("../../scripts/who-listens.rhai")),
];

/// The modules of `stdlib/`, imported as `std:NAME`.
pub const STDLIB: &[Embedded] = &[
    ("firewall", include_str!("../../stdlib/firewall.rhai")),
    ("nat", include_str!("../../stdlib/nat.rhai")),
    ("probe", include_str!("../../stdlib/probe.rhai")),
];
