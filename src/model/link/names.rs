//! The names of numbers, after /etc/iproute2.

/// How far an address or a route reaches.
pub const SCOPES: &[(&str, u32)] = &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// Who has set a route.
pub const PROTOCOLS: &[(&str, u32)] = &[
    ("unspec", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", 18),
    ("babel", 42),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// The tables that have a name everywhere.
pub const TABLES: &[(&str, u32)] = &[("default", 253), ("main", 254), ("local", 255)];

/// Gives the name of a number, or the number.
pub fn shown(names: &[(&str, u32)], number: u32) -> String {
    names.iter().find(|(_, of)| *of == number).map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}
