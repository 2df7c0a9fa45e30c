//! What the errors of ICMP say, in the words of iptables(8) and ip6tables(8).

/// Names an error of IPv4; none for a message that is no answer, as a redirect is none: the packet went on.
pub(super) fn v4(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (3, 0) => "network-unreachable",
        (3, 1) => "host-unreachable",
        (3, 2) => "protocol-unreachable",
        (3, 3) => "port-unreachable",
        (3, 4) => "fragmentation-needed",
        (3, 5) => "source-route-failed",
        (3, 6) => "network-unknown",
        (3, 7) => "host-unknown",
        (3, 9) => "network-prohibited",
        (3, 10) => "host-prohibited",
        (3, 11) => "TOS-network-unreachable",
        (3, 12) => "TOS-host-unreachable",
        (3, 13) => "communication-prohibited",
        (3, 14) => "host-precedence-violation",
        (3, 15) => "precedence-cutoff",
        (3, _) => "destination-unreachable",
        (11, 0) => "time-exceeded",
        (11, _) => "ttl-zero-during-reassembly",
        (12, _) => "parameter-problem",
        _ => return None,
    })
}

/// Names an error of IPv6.
pub(super) fn v6(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (1, 0) => "no-route",
        (1, 1) => "communication-prohibited",
        (1, 2) => "beyond-scope",
        (1, 3) => "address-unreachable",
        (1, 4) => "port-unreachable",
        (1, 5) => "failed-policy",
        (1, 6) => "reject-route",
        (1, _) => "destination-unreachable",
        (2, _) => "packet-too-big",
        (3, 0) => "time-exceeded",
        (3, _) => "ttl-zero-during-reassembly",
        (4, _) => "parameter-problem",
        _ => return None,
    })
}
