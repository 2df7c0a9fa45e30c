//! The filter `flower`: fields of a packet by their names, see tc-flower(8).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Draft, Filter, Key};
use crate::model::Fault;
use crate::model::tc::action::{address, as_mac, decimal_or_hex, erspan, geneve, labels, labels_shown, mac_shown, masked, nested, options_shown};
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;
use crate::model::tc::{Handle, protocol};

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

/// What is known of the packet so far, by which later words are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The protocol behind the tags that were named.
    eth_type: u16,
    vlan_eth_type: u16,
    vlans: u8,
    ip_proto: u8,
}

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
    ("pppoe_sid", Form::Number(103, 0xffff, 2, true)),
    ("enc_dst_ip", Form::Ip([29, 30, 33, 34])),
    ("enc_src_ip", Form::Ip([27, 28, 31, 32])),
    ("enc_key_id", Form::Number(26, u32::MAX as u64, 4, true)),
    ("enc_dst_port", Form::Number(45, 0xffff, 2, true)),
    ("enc_tos", Form::Small(80, 81)),
    ("enc_ttl", Form::Small(82, 83)),
];

/// The fields whose names and attributes follow from what was named before, each with its mask.
const OTHERS: &[(u16, u16)] = &[(18, 35), (19, 36), (20, 37), (21, 38), (41, 39), (42, 40), (49, 50), (51, 52), (53, 54), (55, 56), (61, 62), (43, 44)];
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

/// Reads a word of this kind of filter.
pub(super) fn word(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    if draft.seen.eth_type == 0 {
        draft.seen = Seen { eth_type: draft.protocol, ip_proto: 0xff, ..draft.seen };
    }
    if let Some((name, form)) = FIELDS.iter().find(|(name, _)| argv.begins(name)) {
        may_stand(argv, name, &draft.seen, draft.protocol)?;
        argv.next()?;
        field(argv, *form, draft)?;
        return Ok(true);
    }
    let Draft { options, seen, protocol, .. } = draft;
    match () {
        () if argv.take_short(&["flowid"]) => {
            let word = argv.next()?;
            options.set(CLASS, Handle::of_class(&word).map_err(|fault| argv.refuse(fault.why))?.bits().to_ne_bytes());
        }
        () if argv.take_short(&["hw_tc"]) => {
            let queue: u16 = argv.number(0, 15)?;
            draft.hw_tc = Some(queue);
        }
        () if argv.take_short(&["ip_flags"]) => fragments(argv, options)?,
        () if argv.take_short(&["verbose"]) => options.set(FLAGS, (options.u32(FLAGS).unwrap_or(0) | VERBOSE).to_ne_bytes()),
        () if argv.take("num_of_vlans") => {
            seen.vlans = argv.u8(10)?;
            options.set(NUM_OF_VLANS, [seen.vlans]);
        }
        () if argv.begins("vlan_ethtype") || argv.begins("cvlan_ethtype") => eth_type(argv, options, seen, *protocol)?,
        () if argv.take_short(&["mpls"]) => {
            is_mpls(argv, seen)?;
            options.put_nest(MPLS, &mpls(argv)?);
        }
        () if argv.take_short(&["ip_proto"]) => ip_proto(argv, options, seen)?,
        () if argv.begins("dst_port") || argv.begins("src_port") => ports(argv, options, seen)?,
        () if argv.begins("type") || argv.begins("code") => {
            let kinds = icmp(seen, argv.begins("code"));
            argv.next()?;
            let (kind, mask) = kinds.ok_or_else(|| argv.odd("a field of ICMP: `ip_proto icmp` or `icmpv6` is missing before it"))?;
            masked_byte(argv, options, (kind, mask), &[])?;
        }
        () if argv.take_short(&["arp_op"]) => {
            is_arp(argv, seen)?;
            masked_byte(argv, options, (61, 62), &[("request", 1), ("reply", 2)])?;
        }
        () if argv.take("ppp_proto") => ppp(argv, options, seen)?,
        () if argv.take_short(&["geneve_opts"]) => tunnel(argv, options, geneve, |key| key.split(',').map(full).collect::<Vec<_>>().join(","))?,
        () if argv.take_short(&["vxlan_opts"]) => tunnel(argv, options, vxlan, |_| "0xffffffff".to_owned())?,
        () if argv.take_short(&["erspan_opts"]) => {
            tunnel(argv, options, erspan, |key| format!("{}:0xffffffff:0xff:0xff", key.split(':').next().unwrap_or_default()))?;
        }
        () if argv.take("gtp_opts") => tunnel(argv, options, gtp, |_| "ff:ff".to_owned())?,
        () => return Ok(false),
    }
    Ok(true)
}

/// Refuses a field of what the packet was not said to be.
fn may_stand(argv: &Argv, name: &str, seen: &Seen, first: u16) -> Result<(), Fault> {
    let is_vlan = |id: u16| [protocol::VLAN, protocol::VLAN_AD].contains(&id);
    match name {
        "vlan_id" | "vlan_prio" if !is_vlan(first) && seen.vlans == 0 => {
            Err(argv.refuse(format!("`{name}` needs `protocol 802.1Q` or `num_of_vlans`")))
        }
        "cvlan_id" | "cvlan_prio" if !is_vlan(seen.vlan_eth_type) && seen.vlans < 2 => {
            Err(argv.refuse(format!("`{name}` needs `vlan_ethtype 802.1Q` or two `num_of_vlans`")))
        }
        _ if name.starts_with("mpls_") => is_mpls(argv, seen),
        "arp_tip" | "arp_sip" => is_arp(argv, seen),
        "pppoe_sid" if seen.eth_type != protocol::PPP_SES => Err(argv.refuse("`pppoe_sid` needs `protocol ppp_ses`")),
        _ => Ok(()),
    }
}

fn is_mpls(argv: &Argv, seen: &Seen) -> Result<(), Fault> {
    let is = [protocol::MPLS, protocol::MPLS_MC].contains(&seen.eth_type);
    if is { Ok(()) } else { Err(argv.refuse("a field of MPLS needs `protocol mpls_uc` or `mpls_mc`")) }
}

fn is_arp(argv: &Argv, seen: &Seen) -> Result<(), Fault> {
    let is = [protocol::ARP, protocol::RARP].contains(&seen.eth_type);
    if is { Ok(()) } else { Err(argv.refuse("a field of ARP needs `protocol arp` or `rarp`")) }
}

fn field(argv: &mut Argv, form: Form, draft: &mut Draft) -> Result<(), Fault> {
    let Draft { options, seen, .. } = draft;
    let mut put = |kind: u16, mask: u16, bytes: (Vec<u8>, Vec<u8>)| {
        options.set(kind, bytes.0);
        options.set(mask, bytes.1);
    };
    match form {
        Form::Number(kind, most, len, is_network) => {
            let value: u64 = argv.number(10, most)?;
            let bytes = if is_network { value.to_be_bytes()[8 - len..].to_vec() } else { native(value, len) };
            options.set(kind, bytes);
        }
        Form::Small(kind, mask) => {
            let word = argv.next()?;
            let (value, bits) = word.split_once('/').unwrap_or((&word, "ff"));
            let value = decimal_or_hex(&mut Argv::read(value)?).map_err(|_| argv.odd("no number from 0 to 255"))?;
            let bits = argv::number(bits, 16).and_then(|n| u8::try_from(n).ok()).ok_or_else(|| argv.odd("no number with a mask"))?;
            put(kind, mask, (vec![value], vec![bits]));
        }
        Form::Mac(kind, mask) => {
            let word = argv.next()?;
            let found = masked_mac(&word).ok_or_else(|| argv.odd("no MAC address, with or without a mask"))?;
            put(kind, mask, found);
        }
        Form::Ip(kinds) => {
            let word = argv.next()?;
            let is_outer = kinds[0] > 20;
            let (address, mask) = masked_ip(&word).ok_or_else(|| argv.odd("no address, with or without a prefix"))?;
            let family = match seen.eth_type {
                protocol::IP if !is_outer => 4,
                protocol::IPV6 if !is_outer => 16,
                0 | protocol::IP | protocol::IPV6 if is_outer => address.len(),
                0 => address.len(),
                _ if is_outer => address.len(),
                _ => return Err(argv.odd("an address: `protocol ip` or `ipv6` is missing")),
            };
            if address.len() != family {
                return Err(argv.odd("an address of the other family"));
            }
            let at = if address.len() == 4 { 0 } else { 2 };
            put(kinds[at], kinds[at + 1], (address, mask));
        }
        Form::Arp(kind, mask) => {
            let word = argv.next()?;
            let found = masked_ip(&word).filter(|(address, _)| address.len() == 4);
            put(kind, mask, found.ok_or_else(|| argv.odd("no IPv4 address, with or without a prefix"))?);
        }
        Form::Mark(kind, mask) => {
            let (value, bits) = masked(argv)?;
            put(kind, mask, (value.to_ne_bytes().into(), bits.to_ne_bytes().into()));
        }
        Form::Zone(kind, mask) => {
            let (value, bits) = half(argv, 0)?;
            put(kind, mask, (value.to_ne_bytes().into(), bits.to_ne_bytes().into()));
        }
        Form::Label(kind, mask) => put(kind, mask, labels(argv)?),
        Form::State(kind, mask) => {
            let (value, bits) = state(argv)?;
            put(kind, mask, (value.to_ne_bytes().into(), bits.to_ne_bytes().into()));
        }
        Form::Flags(kind, mask) => {
            let word = argv.next()?;
            let (value, bits) = word.split_once('/').unwrap_or((&word, "fff"));
            let number = |text: &str| argv::number(text, 16).and_then(|n| u16::try_from(n).ok()).filter(|n| *n <= 0xfff);
            let (value, bits) = number(value).zip(number(bits)).ok_or_else(|| argv.odd("no flags of TCP: 12 bits, in hexadecimal digits"))?;
            put(kind, mask, (value.to_be_bytes().into(), bits.to_be_bytes().into()));
        }
    }
    Ok(())
}

fn native(value: u64, len: usize) -> Vec<u8> {
    match len {
        1 => vec![value as u8],
        2 => (value as u16).to_ne_bytes().into(),
        _ => (value as u32).to_ne_bytes().into(),
    }
}

/// Reads a number of 16 bits with its mask.
fn half(argv: &mut Argv, base: u32) -> Result<(u16, u16), Fault> {
    let word = argv.next()?;
    let (value, mask) = word.split_once('/').unwrap_or((&word, if base == 16 { "ffff" } else { "0xffff" }));
    let number = |text: &str| argv::number(text, base).and_then(|n| u16::try_from(n).ok());
    number(value).zip(number(mask)).ok_or_else(|| argv.odd("no number of 16 bits, with or without a mask"))
}

fn masked_mac(word: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mac, mask) = word.split_once('/').unwrap_or((word, "48"));
    let mask = match argv::number(mask, 10) {
        Some(bits) if bits <= 48 => (u64::MAX.checked_shl(64 - bits as u32).unwrap_or(0)).to_be_bytes()[..6].to_vec(),
        Some(_) => return None,
        None => as_mac(mask)?.to_vec(),
    };
    Some((as_mac(mac)?.to_vec(), mask))
}

fn masked_ip(word: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if let Some((address, bits)) = argv::prefix(word, 32, std::net::Ipv4Addr::UNSPECIFIED).filter(|_| !word.contains(':')) {
        return Some((address.octets().into(), u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0).to_be_bytes().into()));
    }
    let (address, bits) = argv::prefix(word, 128, std::net::Ipv6Addr::UNSPECIFIED)?;
    Some((address.octets().into(), u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0).to_be_bytes().into()))
}

/// Reads `+trk-new`.
fn state(argv: &mut Argv) -> Result<(u16, u16), Fault> {
    let word = argv.next()?;
    let (mut value, mut mask, mut rest) = (0, 0, &word[..]);
    while let Some(sign) = rest.chars().next() {
        let named = rest.get(1..4).and_then(|name| STATES.iter().find(|(known, _)| *known == name));
        let Some((_, bit)) = named.filter(|_| "+-".contains(sign)) else {
            return Err(argv.odd("no state of a connection").hint("+ or - before each of trk, new, est, rel, inv, rpl"));
        };
        mask |= bit;
        if sign == '+' {
            value |= bit;
        }
        rest = &rest[4..];
    }
    Ok((value, mask))
}

/// Reads `nofirstfrag/frag`.
fn fragments(argv: &mut Argv, options: &mut Attributes) -> Result<(), Fault> {
    let word = argv.next()?;
    let network = |kind| options.u32(kind).map_or(0, u32::from_be);
    let (mut value, mut mask) = (network(FRAGMENTS), network(FRAGMENTS_MASK));
    for flag in word.split('/') {
        let (is_set, name) = flag.strip_prefix("no").map_or((true, flag), |name| (false, name));
        let (_, bit) = FRAGMENT_BITS.iter().find(|(known, _)| *known == name).ok_or_else(|| argv.odd("neither frag nor firstfrag"))?;
        mask |= bit;
        value = if is_set { value | bit } else { value & !bit };
    }
    options.set(FRAGMENTS, value.to_be_bytes());
    options.set(FRAGMENTS_MASK, mask.to_be_bytes());
    Ok(())
}

fn eth_type(argv: &mut Argv, options: &mut Attributes, seen: &mut Seen, _: u16) -> Result<(), Fault> {
    let is_vlan = |id: u16| [protocol::VLAN, protocol::VLAN_AD].contains(&id);
    let inner = !argv.begins("vlan_ethtype");
    let name = argv.next()?;
    let stands = if inner { is_vlan(seen.vlan_eth_type) || seen.vlans > 1 } else { is_vlan(seen.eth_type) || seen.vlans > 0 };
    if !stands {
        return Err(argv.refuse(format!("`{name}` needs a packet with a tag: `protocol 802.1Q`")));
    }
    let word = argv.next()?;
    let id = protocol::read(&word).ok_or_else(|| argv.odd("no protocol"))?;
    options.set(if inner { CVLAN_ETH_TYPE } else { VLAN_ETH_TYPE }, id.to_be_bytes());
    if !inner {
        seen.vlan_eth_type = id;
    }
    seen.eth_type = id;
    Ok(())
}

fn ip_proto(argv: &mut Argv, options: &mut Attributes, seen: &mut Seen) -> Result<(), Fault> {
    if ![protocol::IP, protocol::IPV6].contains(&seen.eth_type) {
        return Err(argv.refuse("`ip_proto` needs `protocol ip` or `ipv6`"));
    }
    let word = argv.next()?;
    let named = IP_PROTOS.iter().find(|(name, _)| !word.is_empty() && name.starts_with(&word)).map(|(_, number)| *number);
    let number = named.or_else(|| argv::number(&word, 16).and_then(|n| u8::try_from(n).ok()));
    let number = number.ok_or_else(|| argv.odd("no protocol of IP: tcp, udp, sctp, icmp, icmpv6, or a hexadecimal number"))?;
    match number {
        ICMP if named.is_some() && seen.eth_type != protocol::IP => return Err(argv.odd("a protocol of IPv4")),
        ICMPV6 if named.is_some() && seen.eth_type != protocol::IPV6 => return Err(argv.odd("a protocol of IPv6")),
        _ => {}
    }
    seen.ip_proto = number;
    options.set(IP_PROTO, [number]);
    Ok(())
}

/// Reads a port, a range of ports, or a port with a mask.
fn ports(argv: &mut Argv, options: &mut Attributes, seen: &Seen) -> Result<(), Fault> {
    let is_dst = argv.begins("dst_port");
    argv.next()?;
    let (kind, mask) = port(seen.ip_proto, is_dst).ok_or_else(|| argv.odd("a field of TCP, UDP and SCTP: `ip_proto` is missing before it"))?;
    let word = argv.next()?;
    let number = |text: &str| argv::number(text, 10).and_then(|n| u16::try_from(n).ok());
    if word.contains('/') {
        argv.back();
        let (value, bits) = half(argv, 0)?;
        options.set(kind, value.to_be_bytes());
        options.set(mask, bits.to_be_bytes());
    } else if let Some((first, last)) = word.split_once('-') {
        let (first, last) = number(first).zip(number(last)).filter(|(first, last)| 0 < *first && first < last).ok_or_else(|| argv.odd("no range of ports"))?;
        let (_, least, most) = RANGES[usize::from(is_dst)];
        options.set(least, first.to_be_bytes());
        options.set(most, last.to_be_bytes());
    } else {
        let port = number(&word).filter(|port| *port > 0).ok_or_else(|| argv.odd("no port: 1 to 65535, or a range first-last"))?;
        options.set(kind, port.to_be_bytes());
    }
    Ok(())
}

/// Reads a byte with a mask, both decimal, or a name.
fn masked_byte(argv: &mut Argv, options: &mut Attributes, kinds: (u16, u16), names: &[(&str, u8)]) -> Result<(), Fault> {
    let word = argv.next()?;
    let (value, mask) = word.split_once('/').unwrap_or((&word, "255"));
    let number = |text: &str| argv::number(text, 10).and_then(|n| u8::try_from(n).ok());
    let named = names.iter().find(|(name, _)| *name == value).map(|(_, number)| *number);
    let value = named.or_else(|| number(value).filter(|n| names.is_empty() || *n < 3));
    let (value, mask) = value.zip(number(mask)).ok_or_else(|| argv.odd("no number from 0 to 255, with or without a mask"))?;
    options.set(kinds.0, [value]);
    options.set(kinds.1, [mask]);
    Ok(())
}

/// Reads the labels of MPLS: `lse depth 1 label 100 ttl 64`.
fn mpls(argv: &mut Argv) -> Result<Attributes, Fault> {
    const LSE: &[(&str, u16, u64)] = &[("depth", 1, 255), ("label", 5, 0xf_ffff), ("tc", 4, 7), ("bos", 3, 1), ("ttl", 2, 255)];
    let mut list = Attributes::default();
    while argv.take_short(&["lse"]) {
        let mut one = Attributes::default();
        while let Some((_, kind, most)) = LSE.iter().find(|(name, ..)| argv.begins(name)) {
            argv.next()?;
            let value: u64 = argv.number(10, *most)?;
            one.set(*kind, native(value, if *kind == 5 { 4 } else { 1 }));
        }
        if one.u8(1).unwrap_or(0) == 0 {
            return Err(argv.refuse("`lse` needs a `depth`, from 1 on"));
        }
        list.put_nest(1, &one);
    }
    Ok(list)
}

fn ppp(argv: &mut Argv, options: &mut Attributes, seen: &mut Seen) -> Result<(), Fault> {
    const NAMES: &[(&str, u16, u16)] =
        &[("ip", 0x21, protocol::IP), ("ipv6", 0x57, protocol::IPV6), ("mpls_uc", 0x281, protocol::MPLS), ("mpls_mc", 0x283, protocol::MPLS_MC)];
    if seen.eth_type != protocol::PPP_SES {
        return Err(argv.refuse("`ppp_proto` needs `protocol ppp_ses`"));
    }
    let word = argv.next()?;
    let named = NAMES.iter().find(|(name, ..)| *name == word).map(|(_, number, _)| *number);
    let number = named.or_else(|| argv::number(&word, 0).and_then(|n| u16::try_from(n).ok())).ok_or_else(|| argv.odd("no protocol of PPP"))?;
    if let Some((.., eth_type)) = NAMES.iter().find(|(_, known, _)| *known == number) {
        seen.eth_type = *eth_type;
    }
    options.set(PPP_PROTO, number.to_be_bytes());
    Ok(())
}

/// Reads the options of a tunnel and their mask.
fn tunnel(argv: &mut Argv, options: &mut Attributes, read: fn(&str) -> Option<Attributes>, full: fn(&str) -> String) -> Result<(), Fault> {
    let word = argv.next()?;
    // A list of geneve has a mask for each of its options.
    let pairs: Vec<(&str, Option<&str>)> = word.split(',').map(|one| one.split_once('/').map_or((one, None), |(key, mask)| (key, Some(mask)))).collect();
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| *key).collect();
    let masks: Vec<String> = pairs.iter().map(|(key, mask)| mask.map_or_else(|| full(key), str::to_owned)).collect();
    let found = read(&keys.join(",")).zip(read(&masks.join(",")));
    let (key, mask) = found.ok_or_else(|| argv.odd("no options of a tunnel, with or without a mask"))?;
    options.put_nest(TUNNEL, &key);
    options.put_nest(TUNNEL_MASK, &mask);
    Ok(())
}

/// Gives the full mask of an option of geneve.
fn full(key: &str) -> String {
    format!("ffff:ff:{}", "f".repeat(key.rsplit(':').next().unwrap_or_default().len()))
}

fn vxlan(word: &str) -> Option<Attributes> {
    let gbp = argv::number(word, 0).and_then(|n| u32::try_from(n).ok())?;
    Some(nested(2, &[(1, gbp.to_ne_bytes().into())]))
}

fn gtp(word: &str) -> Option<Attributes> {
    let (kind, qfi) = word.split_once(':')?;
    let small = |text: &str| argv::number(text, 16).and_then(|n| u8::try_from(n).ok()).map(|n| vec![n]);
    Some(nested(4, &[(1, small(kind)?), (2, small(qfi)?)]))
}

/// Completes what was read.
pub(super) fn end(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    if let Some(queue) = draft.hw_tc {
        // Which classes stand for the queues of hardware, tc(8) makes of the qdisc.
        let class = Handle::new(draft.parent.major(), 0xffe0 + queue);
        draft.options.set(CLASS, class.bits().to_ne_bytes());
    }
    if draft.options.has(MPLS) && [67, 68, 69, 70].iter().any(|kind| draft.options.has(*kind)) {
        return Err(argv.refuse("`mpls` and `mpls_label` and its like exclude each other"));
    }
    Ok(())
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

/// Shows the words of this kind of filter, those first by which others are read.
pub(super) fn show(filter: &Filter, key: &Key) -> String {
    let options = &filter.options;
    let mut line = String::new();
    let network = |kind| options.get(kind).and_then(|bytes| bytes.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes));
    if let Some(count) = options.u8(NUM_OF_VLANS) {
        let _ = write!(line, " num_of_vlans {count}");
    }
    let mut seen = Seen { eth_type: key.protocol, ip_proto: options.u8(IP_PROTO).unwrap_or(0xff), ..Seen::default() };
    for (kind, name) in [(VLAN_ETH_TYPE, "vlan_ethtype"), (CVLAN_ETH_TYPE, "cvlan_ethtype")] {
        if let Some(id) = network(kind) {
            let _ = write!(line, " {name} {}", protocol::name(id));
            seen.eth_type = id;
        }
    }
    if let Some(number) = network(PPP_PROTO) {
        let _ = write!(line, " ppp_proto {number:#x}");
        seen.eth_type = [(0x21, protocol::IP), (0x57, protocol::IPV6)].iter().find(|(known, _)| *known == number).map_or(seen.eth_type, |(_, id)| *id);
    }
    if let Some(number) = options.u8(IP_PROTO) {
        let known = IP_PROTOS.iter().find(|(_, known)| *known == number).map(|(name, _)| (*name).to_owned());
        let _ = write!(line, " ip_proto {}", known.unwrap_or_else(|| format!("{number:02x}")));
    }
    for (name, form) in FIELDS {
        if let Some(text) = field_shown(*form, options) {
            let _ = write!(line, " {name} {text}");
        }
    }
    line + &others_shown(options, &seen)
}

fn others_shown(options: &Attributes, seen: &Seen) -> String {
    let mut line = String::new();
    let network = |kind| options.get(kind).and_then(|bytes| bytes.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes));
    for (is_dst, (name, least, most)) in [false, true].into_iter().zip(RANGES) {
        let (kind, mask) = port(seen.ip_proto, is_dst).unwrap_or((0, 0));
        match (network(kind), network(mask), network(least), network(most)) {
            (.., Some(first), Some(last)) => drop(write!(line, " {name} {first}-{last}")),
            (Some(port), Some(mask), ..) if mask != 0xffff || port == 0 => drop(write!(line, " {name} {port}/{mask:#x}")),
            (Some(port), ..) => drop(write!(line, " {name} {port}")),
            _ => {}
        }
    }
    let bytes = [("type", icmp(seen, false)), ("code", icmp(seen, true)), ("arp_op", Some((61, 62)))];
    for (name, (kind, mask)) in bytes.into_iter().filter_map(|(name, kinds)| Some((name, kinds?))) {
        match (options.u8(kind), options.u8(mask)) {
            (Some(value), Some(mask)) if mask != 0xff => drop(write!(line, " {name} {value}/{mask}")),
            (Some(value), _) => drop(write!(line, " {name} {value}")),
            _ => {}
        }
    }
    if let Some(mask) = options.u32(FRAGMENTS_MASK).map(u32::from_be) {
        let value = options.u32(FRAGMENTS).map_or(0, u32::from_be);
        let shown = |(name, bit): &(&str, u32)| (mask & bit != 0).then(|| format!("{}{name}", if value & bit != 0 { "" } else { "no" }));
        let _ = write!(line, " ip_flags {}", FRAGMENT_BITS.iter().filter_map(shown).collect::<Vec<_>>().join("/"));
    }
    if let Some(list) = options.nest(MPLS) {
        line.push_str(" mpls");
        for (_, bytes) in list.iter() {
            let one = Attributes::read(bytes);
            line.push_str(" lse");
            for (kind, name) in [(1, "depth"), (5, "label"), (4, "tc"), (3, "bos"), (2, "ttl")] {
                if let Some(value) = one.u32(kind).or(one.u8(kind).map(u32::from)) {
                    let _ = write!(line, " {name} {value}");
                }
            }
        }
    }
    if options.u32(FLAGS).is_some_and(|flags| flags & VERBOSE != 0) {
        line.push_str(" verbose");
    }
    line + &tunnel_shown(options)
}

fn tunnel_shown(options: &Attributes) -> String {
    let (Some(key), Some(mask)) = (options.nest(TUNNEL), options.nest(TUNNEL_MASK)) else { return String::new() };
    if let (Some(key), Some(mask)) = (key.nest(4), mask.nest(4)) {
        let pair = |of: &Attributes| format!("{:02x}:{:02x}", of.u8(1).unwrap_or(0), of.u8(2).unwrap_or(0));
        return format!(" gtp_opts {}/{}", pair(&key), pair(&mask));
    }
    let (Some((name, keys)), Some((_, masks))) = (options_shown(&key), options_shown(&mask)) else { return String::new() };
    let pairs = keys.split(',').zip(masks.split(',')).map(|(key, mask)| format!("{key}/{mask}"));
    format!(" {name} {}", pairs.collect::<Vec<_>>().join(","))
}

fn field_shown(form: Form, options: &Attributes) -> Option<String> {
    let network = |kind| Some(u16::from_be_bytes(*options.get(kind)?.first_chunk()?));
    match form {
        Form::Number(kind, _, _, true) => {
            let value = options.get(kind)?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            Some(value.to_string())
        }
        Form::Number(kind, _, 4, _) => Some(options.u32(kind)?.to_string()),
        Form::Number(kind, _, 2, _) => Some(options.u16(kind)?.to_string()),
        Form::Number(kind, ..) => Some(options.u8(kind)?.to_string()),
        Form::Small(kind, mask) => {
            let (value, mask) = (options.u8(kind)?, options.u8(mask).unwrap_or(0xff));
            Some(if mask == 0xff { value.to_string() } else { format!("{value}/{mask:x}") })
        }
        Form::Mac(kind, mask) => {
            let (mac, mask) = (options.get(kind)?, options.get(mask).unwrap_or(&[0xff; 6]));
            Some(if mask.iter().all(|byte| *byte == 0xff) { mac_shown(mac) } else { format!("{}/{}", mac_shown(mac), mac_shown(mask)) })
        }
        Form::Ip([four, mask4, six, mask6]) => ip_shown(options, four, mask4).or_else(|| ip_shown(options, six, mask6)),
        Form::Arp(kind, mask) => ip_shown(options, kind, mask),
        Form::Mark(kind, mask) => {
            let (value, mask) = (options.u32(kind)?, options.u32(mask).unwrap_or(u32::MAX));
            Some(if mask == u32::MAX { value.to_string() } else { format!("{value}/{mask:#x}") })
        }
        Form::Zone(kind, mask) => {
            let (value, mask) = (options.u16(kind)?, options.u16(mask).unwrap_or(u16::MAX));
            Some(if mask == u16::MAX { value.to_string() } else { format!("{value}/{mask:#x}") })
        }
        Form::Label(kind, mask) => Some(labels_shown(options.get(kind)?, options.get(mask))),
        Form::State(kind, mask) => {
            let (value, mask) = (options.u16(kind)?, options.u16(mask).unwrap_or(0));
            let shown = |(name, bit): &(&str, u16)| (mask & bit != 0).then(|| format!("{}{name}", if value & bit != 0 { "+" } else { "-" }));
            Some(STATES.iter().filter_map(shown).collect())
        }
        Form::Flags(kind, mask) => Some(format!("{:#x}/{:x}", network(kind)?, network(mask).unwrap_or(0xfff))),
    }
}

fn ip_shown(options: &Attributes, kind: u16, mask: u16) -> Option<String> {
    let (bytes, mask) = (options.get(kind)?, options.get(mask)?);
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let full = mask.len() as u32 * 8;
    let leading = mask.iter().take_while(|byte| **byte == 0xff).count() as u32 * 8
        + mask.iter().find(|byte| **byte != 0xff).map_or(0, |byte| byte.leading_ones());
    Some(match () {
        () if ones == full => address(bytes),
        () if leading == ones => format!("{}/{ones}", address(bytes)),
        // Such a mask tc(8) shows, and does not read.
        () => format!("{}/{}", address(bytes), <[u8; 16]>::try_from(mask).map_or_else(|_| address(mask), |mask| IpAddr::from(mask).to_string())),
    })
}
