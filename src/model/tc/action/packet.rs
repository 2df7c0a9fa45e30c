//! The plain actions: to let a packet go or stay, to send it elsewhere, to mark it, to write into it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::generic::{self, Generic, word};
use super::{DEVICE, Verdict};
use crate::model::Fault;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;
use crate::model::tc::{Device, Handle, bytecode, protocol};

/// Where most of these actions have their parameters.
const PARAMETERS: u16 = 2;
/// Where the others have them.
const FIRST: u16 = 1;

fn told(options: &Attributes, kind: u16) -> Generic {
    options.get(kind).map(Generic::told).unwrap_or_default()
}

/// Reads a word that stands for a bit or a number.
fn choice(argv: &mut Argv, names: &[(&str, u32)]) -> Option<u32> {
    let (_, value) = names.iter().find(|(name, _)| argv.begins(name))?;
    argv.next_word().ok()?;
    Some(*value)
}

fn name_of(names: &'static [(&'static str, u32)], value: u32) -> &'static str {
    names.iter().find(|(_, other)| *other == value).map_or("?", |(name, _)| name)
}

const CHANCE: u16 = 3;
const CHANCES: &[(&str, u32)] = &[("netrand", 1), ("determ", 2)];

/// Reads `pass`, `drop random netrand ok 5`, with or without `gact` before it.
pub(super) fn read_gact(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut options = Attributes::default();
    if argv.take_short(&["index"]) {
        options.put(PARAMETERS, Generic { index: argv.u32(10)?, verdict: 0 }.bytes(&[]));
        return Ok(options);
    }
    let verdict = Verdict::read(argv)?;
    if argv.take_short(&["random"]) {
        let chance = choice(argv, CHANCES).ok_or_else(|| argv.refuse("`random` is netrand or determ"))?;
        let other = Verdict::read(argv)?;
        let value: u16 = argv.number(10, 10_000)?;
        options.put(CHANCE, [&(chance as u16).to_ne_bytes()[..], &value.to_ne_bytes(), &other.0.to_ne_bytes()].concat());
    }
    let index = if argv.take_short(&["index"]) { argv.u32(10)? } else { 0 };
    options.put(PARAMETERS, Generic { index, verdict: verdict.0 }.bytes(&[]));
    Ok(options)
}

pub(super) fn show_gact(options: &Attributes) -> String {
    let generic = told(options, PARAMETERS);
    let mut line = format!("gact {}", Verdict(generic.verdict));
    if let Some(bytes) = options.get(CHANCE).filter(|bytes| bytes.len() == 8) {
        let (chance, value) = (u16::from_ne_bytes([bytes[0], bytes[1]]), u16::from_ne_bytes([bytes[2], bytes[3]]));
        let _ = write!(line, " random {} {} {value}", name_of(CHANCES, chance.into()), Verdict(word(bytes, 4).cast_signed()));
    }
    if generic.index > 0 {
        let _ = write!(line, " index {}", generic.index);
    }
    line
}

/// The parameters of `mirred`, and where the number of the device is in them.
pub(super) const MIRRED: u16 = PARAMETERS;
pub(super) const MIRRED_DEVICE: usize = generic::LEN + 4;
const WAYS: &[(&str, u32)] = &[("egress redirect", 1), ("egress mirror", 2), ("ingress redirect", 3), ("ingress mirror", 4)];

/// Reads `egress redirect dev ifb0`.
pub(super) fn read_mirred(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut options = Attributes::default();
    let mut generic = Generic::default();
    if argv.take_short(&["index"]) {
        generic.index = argv.u32(10)?;
        options.put(MIRRED, generic.bytes(&[0; 8]));
        return Ok(options);
    }
    let ingress = match () {
        () if argv.take_short(&["egress"]) => 0,
        () if argv.take_short(&["ingress"]) => 2,
        () => return Err(argv.refuse("`mirred` sends to `egress` or `ingress` of a device")),
    };
    if argv.take_short(&["index"]) {
        generic.index = argv.u32(10)?;
    }
    let mirrors = match () {
        () if argv.take_short(&["mirror"]) => true,
        () if argv.take_short(&["redirect"]) => false,
        () => return Err(argv.refuse("`mirred` is to `mirror` or to `redirect`")),
    };
    if argv.take_short(&["index"]) {
        generic.index = argv.u32(10)?;
    }
    if !argv.take_short(&["dev"]) {
        return Err(argv.refuse("`mirred` needs a device: mirred egress redirect dev ifb0"));
    }
    let device: Device = argv.next_word()?.parse()?;
    generic.verdict = if mirrors { Verdict::read_or(argv, Verdict::PIPE)?.0 } else { Verdict::STOLEN.0 };
    if argv.take_short(&["index"]) {
        if generic.index > 0 {
            return Err(argv.odd("there twice"));
        }
        generic.index = argv.u32(10)?;
    }
    let way: u32 = ingress + if mirrors { 2 } else { 1 };
    options.put(MIRRED, generic.bytes(&[way.to_ne_bytes(), [0; 4]].concat()));
    options.put_text(DEVICE, device.as_str());
    Ok(options)
}

pub(super) fn show_mirred(options: &Attributes) -> String {
    let bytes = options.get(MIRRED).unwrap_or_default();
    let (generic, way) = (Generic::told(bytes), word(bytes, generic::LEN));
    if way == 0 {
        return format!("mirred index {}", generic.index);
    }
    let device = options.text(DEVICE).map_or_else(|| format!("{}", word(bytes, MIRRED_DEVICE)), str::to_owned);
    let verdict = if way % 2 == 0 { format!(" {}", Verdict(generic.verdict)) } else { String::new() };
    let index = if generic.index > 0 { format!(" index {}", generic.index) } else { String::new() };
    format!("mirred {} dev {device}{verdict}{index}", name_of(WAYS, way))
}

mod skb {
    pub(super) const PRIORITY: u16 = 3;
    pub(super) const QUEUE: u16 = 4;
    pub(super) const MARK: u16 = 5;
    pub(super) const PTYPE: u16 = 7;
    pub(super) const MASK: u16 = 8;
    pub(super) const FLAGS: u16 = 9;
    pub(super) const INHERIT: u64 = 0x20;
}
const PTYPES: &[(&str, u32)] = &[("host", 0), ("broadcast", 1), ("multicast", 2), ("otherhost", 3)];

pub(super) fn read_skbedit(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut options = Attributes::default();
    let mut words = 0;
    loop {
        match () {
            () if argv.take_short(&["queue_mapping"]) => options.set(skb::QUEUE, argv.u16(10)?.to_ne_bytes()),
            () if argv.take_short(&["priority"]) => {
                let word = argv.next_word()?;
                let class = Handle::of_class(&word).map_err(|fault| argv.refuse(fault.why))?;
                options.set(skb::PRIORITY, class.bits().to_ne_bytes());
            }
            () if argv.take_short(&["mark"]) => {
                let has_mask = argv.peek().is_some_and(|word| word.contains('/'));
                let (mark, mask) = super::ct::masked(argv)?;
                options.set(skb::MARK, mark.to_ne_bytes());
                if has_mask {
                    options.set(skb::MASK, mask.to_ne_bytes());
                }
            }
            () if argv.take_short(&["ptype"]) => {
                let kind = choice(argv, PTYPES).ok_or_else(|| argv.refuse("`ptype` is host, broadcast, multicast or otherhost"))?;
                options.set(skb::PTYPE, (kind as u16).to_ne_bytes());
            }
            () if argv.take_short(&["inheritdsfield"]) => options.set(skb::FLAGS, skb::INHERIT.to_ne_bytes()),
            () => break,
        }
        words += 1;
    }
    let generic = Generic::read(argv, Verdict::PIPE)?;
    if words == 0 && generic.index == 0 {
        return Err(argv.refuse("`skbedit` needs something to set: a mark, a priority, a queue_mapping, a ptype"));
    }
    options.put(PARAMETERS, generic.bytes(&[]));
    Ok(options)
}

pub(super) fn show_skbedit(options: &Attributes) -> String {
    let mut line = "skbedit".to_owned();
    if let Some(queue) = options.u16(skb::QUEUE) {
        let _ = write!(line, " queue_mapping {queue}");
    }
    if let Some(priority) = options.u32(skb::PRIORITY) {
        let _ = write!(line, " priority {}", Handle::of(priority));
    }
    if let Some(mark) = options.u32(skb::MARK) {
        let _ = write!(line, " mark {mark}");
    }
    if let Some(mask) = options.u32(skb::MASK) {
        let _ = write!(line, "/{mask:#x}");
    }
    if let Some(kind) = options.u16(skb::PTYPE) {
        let _ = write!(line, " ptype {}", name_of(PTYPES, kind.into()));
    }
    if options.u64(skb::FLAGS).is_some_and(|flags| flags & skb::INHERIT != 0) {
        line.push_str(" inheritdsfield");
    }
    line + &told(options, PARAMETERS).shown()
}

mod vlan {
    pub(super) const ID: u16 = 3;
    pub(super) const PROTOCOL: u16 = 4;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const DST: u16 = 7;
    pub(super) const SRC: u16 = 8;
    pub(super) const PUSH: u32 = 2;
    pub(super) const MODIFY: u32 = 3;
    pub(super) const PUSH_ETH: u32 = 5;
}
const VLAN_ACTS: &[(&str, u32)] =
    &[("pop", 1), ("push", vlan::PUSH), ("modify", vlan::MODIFY), ("pop_eth", 4), ("push_eth", vlan::PUSH_ETH)];

pub(super) fn read_vlan(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut act) = (Attributes::default(), 0);
    loop {
        let has_tag = [vlan::PUSH, vlan::MODIFY].contains(&act);
        if let Some(chosen) = choice(argv, VLAN_ACTS) {
            if act != 0 {
                return Err(argv.odd("too much: one thing is done with a tag"));
            }
            act = chosen;
            continue;
        }
        match () {
            () if has_tag && argv.take_short(&["id"]) => options.put(vlan::ID, argv.number::<u16>(0, 4094)?.to_ne_bytes()),
            () if has_tag && argv.take_short(&["protocol"]) => {
                let word = argv.next_word()?;
                let known = protocol::read(&word).filter(|id| [protocol::VLAN, protocol::VLAN_AD].contains(id));
                options.put(vlan::PROTOCOL, known.ok_or_else(|| argv.odd("neither 802.1Q nor 802.1ad"))?.to_be_bytes());
            }
            () if has_tag && argv.take_short(&["priority"]) => options.put(vlan::PRIORITY, [argv.number::<u8>(0, 7)?]),
            () if act == vlan::PUSH_ETH && argv.take_short(&["dst_mac"]) => options.put(vlan::DST, mac(argv)?),
            () if act == vlan::PUSH_ETH && argv.take_short(&["src_mac"]) => options.put(vlan::SRC, mac(argv)?),
            () => break,
        }
    }
    let generic = Generic::read(argv, Verdict::PIPE)?;
    match act {
        vlan::PUSH | vlan::MODIFY if !options.has(vlan::ID) => return Err(argv.refuse("`id` is missing: which tag it is to be")),
        vlan::PUSH_ETH if !(options.has(vlan::DST) && options.has(vlan::SRC)) => {
            return Err(argv.refuse("`push_eth` needs `dst_mac` and `src_mac`"));
        }
        _ => {}
    }
    options.put(PARAMETERS, generic.bytes(&act.to_ne_bytes()));
    Ok(options)
}

/// Reads a MAC address.
pub(in crate::model::tc) fn mac(argv: &mut Argv) -> Result<[u8; 6], Fault> {
    let word = argv.next_word()?;
    as_mac(&word).ok_or_else(|| argv.odd("no MAC address: six pairs of hexadecimal digits with colons between"))
}

/// Reads a word as a MAC address.
pub(in crate::model::tc) fn as_mac(word: &str) -> Option<[u8; 6]> {
    let part = |text: &str| u8::from_str_radix(text, 16).ok().filter(|_| text.len() <= 2 && !text.starts_with('+'));
    let parts: Option<Vec<u8>> = word.split(':').map(part).collect();
    parts?.try_into().ok()
}

/// Shows a MAC address.
pub(in crate::model::tc) fn mac_shown(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The kernel tells the protocol and the priority of a tag that is added in any case.
pub(super) fn fill_vlan(options: &mut Attributes) {
    let act = options.get(PARAMETERS).map_or(0, |bytes| word(bytes, generic::LEN));
    if [vlan::PUSH, vlan::MODIFY].contains(&act) && !options.has(vlan::PROTOCOL) {
        options.put(vlan::PROTOCOL, protocol::VLAN.to_be_bytes());
    }
    if act == vlan::PUSH && !options.has(vlan::PRIORITY) {
        options.put(vlan::PRIORITY, [0]);
    }
}

pub(super) fn show_vlan(options: &Attributes) -> String {
    let act = options.get(PARAMETERS).map_or(0, |bytes| word(bytes, generic::LEN));
    let mut line = if act == 0 { "vlan".to_owned() } else { format!("vlan {}", name_of(VLAN_ACTS, act)) };
    if let Some(id) = options.u16(vlan::ID) {
        let _ = write!(line, " id {id}");
    }
    if let Some(id) = options.get(vlan::PROTOCOL).and_then(|bytes| bytes.first_chunk()) {
        let _ = write!(line, " protocol {}", protocol::name(u16::from_be_bytes(*id)));
    }
    if let Some(priority) = options.u8(vlan::PRIORITY) {
        let _ = write!(line, " priority {priority}");
    }
    for (kind, name) in [(vlan::DST, "dst_mac"), (vlan::SRC, "src_mac")] {
        if let Some(bytes) = options.get(kind) {
            let _ = write!(line, " {name} {}", mac_shown(bytes));
        }
    }
    line + &told(options, PARAMETERS).shown()
}

pub(super) fn read_nat(argv: &mut Argv) -> Result<Attributes, Fault> {
    let egress: u32 = match () {
        () if argv.take_short(&["egress"]) => 1,
        () if argv.take_short(&["ingress"]) => 0,
        () => return Err(argv.refuse("`nat` is of `egress` or `ingress`: nat egress 10.0.0.1/32 192.0.2.1")),
    };
    let ((old, length), (new, _)) = (argv.prefix4()?, argv.prefix4()?);
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    let generic = Generic::read(argv, Verdict::OK)?;
    let rest = [old.octets(), new.octets(), mask.to_be_bytes(), egress.to_ne_bytes()].concat();
    let mut options = Attributes::default();
    options.put(FIRST, generic.bytes(&rest));
    Ok(options)
}

pub(super) fn show_nat(options: &Attributes) -> String {
    let bytes = options.get(FIRST).unwrap_or_default();
    let address = |at: usize| Ipv4Addr::from(u32::from_be(word(bytes, generic::LEN + at)));
    let length = u32::from_be(word(bytes, generic::LEN + 8)).leading_ones();
    let way = if word(bytes, generic::LEN + 12) & 1 != 0 { "egress" } else { "ingress" };
    format!("nat {way} {}/{length} {}{}", address(0), address(4), told(options, FIRST).shown())
}

const SUMS: &[(&str, u32)] = &[("iph", 1), ("icmp", 2), ("igmp", 4), ("tcp", 8), ("udp", 16), ("udplite", 32), ("sctp", 64)];

pub(super) fn read_csum(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut sums = 0;
    loop {
        match () {
            () if argv.take_short(&["iph", "ip4h", "ipv4h"]) => sums |= 1,
            () if argv.take_short(&["and", "or", "+"]) => {}
            () => match choice(argv, SUMS) {
                Some(sum) => sums |= sum,
                None => break,
            },
        }
    }
    if sums == 0 {
        return Err(argv.refuse("`csum` needs what is to be summed: csum ip4h and tcp"));
    }
    let mut options = Attributes::default();
    options.put(FIRST, Generic::read(argv, Verdict::OK)?.bytes(&sums.to_ne_bytes()));
    Ok(options)
}

pub(super) fn show_csum(options: &Attributes) -> String {
    let sums = options.get(FIRST).map_or(0, |bytes| word(bytes, generic::LEN));
    let names: Vec<&str> = SUMS.iter().filter(|(_, bit)| sums & bit != 0).map(|(name, _)| *name).collect();
    format!("csum {}{}", names.join(" "), told(options, FIRST).shown())
}

pub(super) fn read_connmark(argv: &mut Argv) -> Result<Attributes, Fault> {
    let zone = if argv.take_short(&["zone"]) { argv.u16(10)? } else { 0 };
    let generic = Generic::read(argv, Verdict::PIPE)?;
    let mut options = Attributes::default();
    options.put(FIRST, generic.bytes(&u32::from(zone).to_le_bytes()));
    Ok(options)
}

pub(super) fn show_connmark(options: &Attributes) -> String {
    let zone = options.get(FIRST).map_or(0, |bytes| word(bytes, generic::LEN)) & 0xffff;
    format!("connmark zone {zone}{}", told(options, FIRST).shown())
}

const SAMPLES: &[(&str, u16)] = &[("rate", 3), ("group", 5), ("trunc", 4)];

pub(super) fn read_sample(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut options = Attributes::default();
    while let Some((_, kind)) = SAMPLES.iter().find(|(name, _)| argv.begins(name)) {
        argv.next_word()?;
        options.set(*kind, argv.u32(10)?.to_ne_bytes());
    }
    let generic = Generic::read(argv, Verdict::PIPE)?;
    if generic.index == 0 && !(options.has(3) && options.has(5)) {
        return Err(argv.refuse("`sample` needs a `rate` and a `group`: sample rate 100 group 1"));
    }
    options.put(PARAMETERS, generic.bytes(&[]));
    Ok(options)
}

pub(super) fn show_sample(options: &Attributes) -> String {
    let shown = |(name, kind): &(&str, u16)| options.u32(*kind).map(|value| format!(" {name} {value}"));
    let values: String = SAMPLES.iter().filter_map(shown).collect();
    format!("sample{values}{}", told(options, PARAMETERS).shown())
}

const BPF_COUNT: u16 = 3;
const BPF_CODE: u16 = 4;

pub(super) fn read_bpf(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut options = Attributes::default();
    let _ = argv.take("run");
    if !argv.begins("index") {
        let code = bytecode::read(argv)?;
        options.put(BPF_COUNT, ((code.len() / 8) as u16).to_ne_bytes());
        options.put(BPF_CODE, code);
    }
    options.put(PARAMETERS, Generic::read(argv, Verdict::PIPE)?.bytes(&[]));
    Ok(options)
}

pub(super) fn show_bpf(options: &Attributes) -> String {
    let code = options.get(BPF_CODE).map(|code| format!(" {}", bytecode::shown(code))).unwrap_or_default();
    format!("bpf{code}{}", told(options, PARAMETERS).shown())
}
