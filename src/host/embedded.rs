//! What the binary carries: the built-in recipes and the standard library. A new file in `scripts/` or `stdlib/` is one line here.

/// A built-in text with its name.
pub type Embedded = (&'static str, &'static str);

/// The recipes of `scripts/`, by name.
pub const RECIPES: &[Embedded] = &[
    ("allow-only", include_str!("../../scripts/allow-only.rhai")),
    ("block-address", include_str!("../../scripts/block-address.rhai")),
    ("ephemeral-ports", include_str!("../../scripts/ephemeral-ports.rhai")),
    ("limit-connections", include_str!("../../scripts/limit-connections.rhai")),
    ("log-drops", include_str!("../../scripts/log-drops.rhai")),
    ("nat-masquerade", include_str!("../../scripts/nat-masquerade.rhai")),
    ("port-exhaustion", include_str!("../../scripts/port-exhaustion.rhai")),
    ("port-forward", include_str!("../../scripts/port-forward.rhai")),
    ("redirect-port", include_str!("../../scripts/redirect-port.rhai")),
    ("show-firewall", include_str!("../../scripts/show-firewall.rhai")),
    ("snat", include_str!("../../scripts/snat.rhai")),
    ("sockets", include_str!("../../scripts/sockets.rhai")),
    ("ssh-rate-limit", include_str!("../../scripts/ssh-rate-limit.rhai")),
    ("who-listens", include_str!("../../scripts/who-listens.rhai")),
];

/// The modules of `stdlib/`, imported as `std:NAME`.
pub const STDLIB: &[Embedded] = &[("firewall", include_str!("../../stdlib/firewall.rhai")), ("nat", include_str!("../../stdlib/nat.rhai"))];
