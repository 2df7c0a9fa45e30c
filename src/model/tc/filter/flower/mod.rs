//! The filter `flower`: fields of a packet by their names, see tc-flower(8).

mod read;
mod show;

use crate::model::tc::attribute::Attributes;
use crate::model::tc::protocol;

pub(super) use read::{Seen, end, word};
pub(super) use show::show;

const CLASS: u16 = 1;
const ETH_TYPE: u16 = 8;
const IP_PROTO: u16 = 9;
/// Whether hardware is to do it, and whether it is to say more.
pub(super) const FLAGS: u16 = 22;
const VERBOSE: u32 = 16;
const FRAGMENTS: u16 = 47;
const FRAGMENTS_MASK: u16 = 48;
const NUM_OF_VLANS: u16 = 102;
const VLAN_ETH_TYPE: u16 = 25;
const CVLAN_ETH_TYPE: u16 = 79;
const MPLS: u16 = 99;
const TUNNEL: u16 = 84;
const TUNNEL_MASK: u16 = 85;
const PPPOE_SID: u16 = 103;
const PPP_PROTO: u16 = 104;
/// What has to be marked as holding attributes.
pub(super) const NESTED: &[&[u16]] =
    &[&[TUNNEL, 2], &[TUNNEL, 3], &[TUNNEL, 4], &[TUNNEL_MASK, 2], &[TUNNEL_MASK, 3], &[TUNNEL_MASK, 4], &[MPLS, 1]];

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const IP_PROTOS: &[(&str, u8)] = &[("tcp", TCP), ("udp", UDP), ("sctp", SCTP), ("icmp", ICMP), ("icmpv6", ICMPV6)];

/// How a field is written, with its attribute and that of its mask.
#[derive(Clone, Copy)]
enum Form {
    /// A number with the most that it can be, of so many bytes; `true` in the order of the network.
    Number(u16, u64, usize, bool),
    /// A number of 8 bits with a mask, decimal or hexadecimal.
    Small(u16, u16),
    /// A MAC address with a mask.
    Mac(u16, u16),
    /// An address of either family with a mask.
    Ip([u16; 4]),
    /// An IPv4 address of a packet of ARP.
    Arp(u16, u16),
    /// The number of a network, or the mark of a connection, with a mask.
    Mark(u16, u16),
    Zone(u16, u16),
    Label(u16, u16),
    State(u16, u16),
    Flags(u16, u16),
}

const FIELDS: &[(&str, Form)] = &[
    ("ct_state", Form::State(91, 92)),
    ("ct_zone", Form::Zone(93, 94)),
    ("ct_mark", Form::Mark(95, 96)),
    ("ct_label", Form::Label(97, 98)),
    ("vlan_id", Form::Number(23, 0xfff, 2, false)),
    ("vlan_prio", Form::Number(24, 7, 1, false)),
    ("cvlan_id", Form::Number(77, 0xfff, 2, false)),
    ("cvlan_prio", Form::Number(78, 7, 1, false)),
    ("mpls_label", Form::Number(70, 0xf_ffff, 4, false)),
    ("mpls_tc", Form::Number(69, 7, 1, false)),
    ("mpls_bos", Form::Number(68, 1, 1, false)),
    ("mpls_ttl", Form::Number(67, 255, 1, false)),
    ("dst_mac", Form::Mac(4, 5)),
    ("src_mac", Form::Mac(6, 7)),
    ("ip_tos", Form::Small(73, 74)),
    ("ip_ttl", Form::Small(75, 76)),
    ("dst_ip", Form::Ip([12, 13, 16, 17])),
    ("src_ip", Form::Ip([10, 11, 14, 15])),
    ("tcp_flags", Form::Flags(71, 72)),
    ("arp_tip", Form::Arp(59, 60)),
    ("arp_sip", Form::Arp(57, 58)),
    ("arp_tha", Form::Mac(65, 66)),
    ("arp_sha", Form::Mac(63, 64)),
    ("pppoe_sid", Form::Number(PPPOE_SID, 0xffff, 2, true)),
    ("enc_dst_ip", Form::Ip([29, 30, 33, 34])),
    ("enc_src_ip", Form::Ip([27, 28, 31, 32])),
    ("enc_key_id", Form::Number(26, u32::MAX as u64, 4, true)),
    ("enc_dst_port", Form::Number(45, 0xffff, 2, true)),
    ("enc_tos", Form::Small(80, 81)),
    ("enc_ttl", Form::Small(82, 83)),
];

/// The fields whose names and attributes follow from what was named before, each with its mask.
const OTHERS: &[(u16, u16)] =
    &[(18, 35), (19, 36), (20, 37), (21, 38), (41, 39), (42, 40), (49, 50), (51, 52), (53, 54), (55, 56), (61, 62), (43, 44)];
const RANGES: [(&str, u16, u16); 2] = [("src_port", 87, 88), ("dst_port", 89, 90)];
const STATES: &[(&str, u16)] = &[("trk", 8), ("new", 1), ("est", 2), ("rel", 4), ("inv", 16), ("rpl", 32)];
const FRAGMENT_BITS: &[(&str, u32)] = &[("frag", 1), ("firstfrag", 2)];

/// Gives the attribute of a port, and that of its mask.
fn port(ip_proto: u8, is_dst: bool) -> Option<(u16, u16)> {
    match (ip_proto, is_dst) {
        (TCP, false) => Some((18, 35)),
        (TCP, true) => Some((19, 36)),
        (UDP, false) => Some((20, 37)),
        (UDP, true) => Some((21, 38)),
        (SCTP, false) => Some((41, 39)),
        (SCTP, true) => Some((42, 40)),
        _ => None,
    }
}

/// Gives the attribute of the type or the code of a message of ICMP, and that of its mask.
fn icmp(seen: &Seen, is_code: bool) -> Option<(u16, u16)> {
    match (seen.eth_type, seen.ip_proto, is_code) {
        (protocol::IP, ICMP, true) => Some((49, 50)),
        (protocol::IP, ICMP, false) => Some((51, 52)),
        (protocol::IPV6, ICMPV6, true) => Some((53, 54)),
        (protocol::IPV6, ICMPV6, false) => Some((55, 56)),
        _ => None,
    }
}

/// Takes out what follows from the protocol.
pub(super) fn settle(options: &mut Attributes) {
    options.drop(&[ETH_TYPE]);
}

/// Puts in the masks that the kernel tells in any case.
pub(super) fn fill(options: &mut Attributes) {
    let pairs = FIELDS.iter().flat_map(|(_, form)| match *form {
        Form::Number(..) => Vec::new(),
        Form::Ip([four, mask4, six, mask6]) => vec![(four, mask4), (six, mask6)],
        Form::Small(kind, mask) | Form::Mac(kind, mask) | Form::Arp(kind, mask) | Form::Mark(kind, mask) => vec![(kind, mask)],
        Form::Zone(kind, mask) | Form::Label(kind, mask) | Form::State(kind, mask) | Form::Flags(kind, mask) => vec![(kind, mask)],
    });
    [97, 98].into_iter().for_each(|kind| options.edit(kind, |bytes| bytes.resize(16, 0)));
    for (kind, mask) in pairs.chain(OTHERS.iter().copied()) {
        let Some(len) = options.get(kind).map(<[u8]>::len) else { continue };
        if !options.has(mask) {
            options.put(mask, vec![0xff; len]);
        } else if options.get(mask).is_some_and(|mask| mask.iter().all(|byte| *byte == 0)) {
            options.drop(&[kind, mask]);
        }
    }
}

/// Puts in what the kernel wants to be told beside the protocol of a filter.
pub(super) fn complete(options: &mut Attributes, of: u16) {
    if of != protocol::ALL {
        options.set(ETH_TYPE, of.to_be_bytes());
    }
    if !options.has(FLAGS) {
        options.put(FLAGS, 0u32.to_ne_bytes());
    }
}
