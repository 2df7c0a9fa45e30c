//! Reading the words of `flower`.

use super::*;
use crate::model::Fault;
use crate::model::tc::Handle;
use crate::model::tc::action::{as_mac, decimal_or_hex, erspan, geneve, labels, masked, nested};
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::filter::Draft;

/// What is known of the packet so far, by which later words are read.
#[derive(Clone, Debug, Default)]
pub(in crate::model::tc::filter) struct Seen {
    /// The protocol behind the tags that were named.
    pub(super) eth_type: u16,
    pub(super) vlan_eth_type: u16,
    pub(super) vlans: u8,
    pub(super) ip_proto: u8,
}

/// Reads a word of this kind of filter.
pub(in crate::model::tc::filter) fn word(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    if draft.seen.eth_type == 0 {
        draft.seen = Seen { eth_type: draft.protocol, ip_proto: 0xff, ..draft.seen };
    }
    if let Some((name, form)) = FIELDS.iter().find(|(name, _)| argv.begins(name) && !argv.is("mpls")) {
        may_stand(argv, name, &draft.seen, draft.protocol)?;
        argv.next_word()?;
        field(argv, *form, draft)?;
        return Ok(true);
    }
    let Draft { options, seen, protocol, .. } = draft;
    match () {
        () if argv.take_short(&["flowid"]) => {
            let word = argv.next_word()?;
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
            argv.next_word()?;
            let (kind, mask) = kinds.ok_or_else(|| argv.odd("a field of ICMP: `ip_proto icmp` or `icmpv6` is missing before it"))?;
            masked_byte(argv, options, (kind, mask), &[])?;
        }
        () if argv.take_short(&["arp_op"]) => {
            is_arp(argv, seen)?;
            masked_byte(argv, options, (61, 62), &[("request", 1), ("reply", 2)])?;
        }
        () if argv.take("ppp_proto") => ppp(argv, options, seen)?,
        () if argv.take_short(&["geneve_opts"]) => {
            tunnel(argv, options, geneve, |key| key.split(',').map(full).collect::<Vec<_>>().join(","))?
        }
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
            let word = argv.next_word()?;
            let (value, bits) = word.split_once('/').unwrap_or((&word, "ff"));
            let value = decimal_or_hex(&mut Argv::read(value)?).map_err(|_| argv.odd("no number from 0 to 255"))?;
            let bits = argv::number(bits, 16).and_then(|n| u8::try_from(n).ok()).ok_or_else(|| argv.odd("no number with a mask"))?;
            put(kind, mask, (vec![value], vec![bits]));
        }
        Form::Mac(kind, mask) => {
            let word = argv.next_word()?;
            let found = masked_mac(&word).ok_or_else(|| argv.odd("no MAC address, with or without a mask"))?;
            put(kind, mask, found);
        }
        Form::Ip(kinds) => {
            let word = argv.next_word()?;
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
            let word = argv.next_word()?;
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
            let word = argv.next_word()?;
            let (value, bits) = word.split_once('/').unwrap_or((&word, "fff"));
            let number = |text: &str| argv::number(text, 16).and_then(|n| u16::try_from(n).ok()).filter(|n| *n <= 0xfff);
            let (value, bits) =
                number(value).zip(number(bits)).ok_or_else(|| argv.odd("no flags of TCP: 12 bits, in hexadecimal digits"))?;
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
    let word = argv.next_word()?;
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
    let word = argv.next_word()?;
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
    let word = argv.next_word()?;
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
    let name = argv.next_word()?;
    let stands = if inner { is_vlan(seen.vlan_eth_type) || seen.vlans > 1 } else { is_vlan(seen.eth_type) || seen.vlans > 0 };
    if !stands {
        return Err(argv.refuse(format!("`{name}` needs a packet with a tag: `protocol 802.1Q`")));
    }
    let word = argv.next_word()?;
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
    let word = argv.next_word()?;
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
    argv.next_word()?;
    let (kind, mask) =
        port(seen.ip_proto, is_dst).ok_or_else(|| argv.odd("a field of TCP, UDP and SCTP: `ip_proto` is missing before it"))?;
    let word = argv.next_word()?;
    let number = |text: &str| argv::number(text, 10).and_then(|n| u16::try_from(n).ok());
    if word.contains('/') {
        argv.back();
        let (value, bits) = half(argv, 0)?;
        options.set(kind, value.to_be_bytes());
        options.set(mask, bits.to_be_bytes());
    } else if let Some((first, last)) = word.split_once('-') {
        let (first, last) = number(first)
            .zip(number(last))
            .filter(|(first, last)| 0 < *first && first < last)
            .ok_or_else(|| argv.odd("no range of ports"))?;
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
    let word = argv.next_word()?;
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
            argv.next_word()?;
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
    const NAMES: &[(&str, u16, u16)] = &[
        ("ip", 0x21, protocol::IP),
        ("ipv6", 0x57, protocol::IPV6),
        ("mpls_uc", 0x281, protocol::MPLS),
        ("mpls_mc", 0x283, protocol::MPLS_MC),
    ];
    if seen.eth_type != protocol::PPP_SES {
        return Err(argv.refuse("`ppp_proto` needs `protocol ppp_ses`"));
    }
    let word = argv.next_word()?;
    let named = NAMES.iter().find(|(name, ..)| *name == word).map(|(_, number, _)| *number);
    let number =
        named.or_else(|| argv::number(&word, 0).and_then(|n| u16::try_from(n).ok())).ok_or_else(|| argv.odd("no protocol of PPP"))?;
    if let Some((.., eth_type)) = NAMES.iter().find(|(_, known, _)| *known == number) {
        seen.eth_type = *eth_type;
    }
    options.set(PPP_PROTO, number.to_be_bytes());
    Ok(())
}

/// Reads the options of a tunnel and their mask.
fn tunnel(argv: &mut Argv, options: &mut Attributes, read: fn(&str) -> Option<Attributes>, full: fn(&str) -> String) -> Result<(), Fault> {
    let word = argv.next_word()?;
    // A list of geneve has a mask for each of its options.
    let pairs: Vec<(&str, Option<&str>)> =
        word.split(',').map(|one| one.split_once('/').map_or((one, None), |(key, mask)| (key, Some(mask)))).collect();
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
pub(in crate::model::tc::filter) fn end(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
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
