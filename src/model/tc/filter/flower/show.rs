//! Showing the words of `flower`.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::*;
use crate::model::tc::action::{address, labels_shown, mac_shown, options_shown};
use crate::model::tc::filter::{Filter, Key};

/// Shows the words of this kind of filter, those first by which others are read.
pub(in crate::model::tc::filter) fn show(filter: &Filter, key: &Key) -> String {
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
    if let Some(session) = network(PPPOE_SID) {
        let _ = write!(line, " pppoe_sid {session}");
    }
    if let Some(number) = network(PPP_PROTO) {
        let _ = write!(line, " ppp_proto {number:#x}");
        seen.eth_type =
            [(0x21, protocol::IP), (0x57, protocol::IPV6)].iter().find(|(known, _)| *known == number).map_or(seen.eth_type, |(_, id)| *id);
    }
    if let Some(number) = options.u8(IP_PROTO) {
        let known = IP_PROTOS.iter().find(|(_, known)| *known == number).map(|(name, _)| (*name).to_owned());
        let _ = write!(line, " ip_proto {}", known.unwrap_or_else(|| format!("{number:02x}")));
    }
    for (name, form) in FIELDS.iter().filter(|(name, _)| *name != "pppoe_sid") {
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
            let shown =
                |(name, bit): &(&str, u16)| (mask & bit != 0).then(|| format!("{}{name}", if value & bit != 0 { "+" } else { "-" }));
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
        () => format!(
            "{}/{}",
            address(bytes),
            <[u8; 16]>::try_from(mask).map_or_else(|_| address(mask), |mask| IpAddr::from(mask).to_string())
        ),
    })
}
