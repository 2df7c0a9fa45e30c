//! The actions `ct` and `ctinfo`: what connection tracking knows of a packet.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Verdict;
use super::generic::Generic;
use crate::model::Fault;
use crate::model::hex::{hex, unhex};
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;

const PARAMETERS: u16 = 1;
const ACTION: u16 = 3;
const ZONE: u16 = 4;
const MARK: u16 = 5;
const MARK_MASK: u16 = 6;
const LABELS: u16 = 7;
const LABELS_MASK: u16 = 8;
const IPV4: [u16; 2] = [9, 10];
const IPV6: [u16; 2] = [11, 12];
const PORT: [u16; 2] = [13, 14];

/// What is to be done (TCA_CT_ACT_*).
mod act {
    pub(super) const COMMIT: u16 = 1;
    pub(super) const FORCE: u16 = 2;
    pub(super) const CLEAR: u16 = 4;
    pub(super) const NAT: u16 = 8;
    pub(super) const SRC: u16 = 16;
    pub(super) const DST: u16 = 32;
}

pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut acts, mut generic) = (Attributes::default(), 0, Generic::default());
    loop {
        match () {
            () if argv.take_short(&["zone"]) => options.put(ZONE, argv.u16(0)?.to_ne_bytes()),
            () if argv.take_short(&["nat"]) => acts |= read_nat(argv, &mut options)?,
            () if argv.take_short(&["clear"]) => acts |= act::CLEAR,
            () if argv.take_short(&["commit"]) => acts |= act::COMMIT,
            () if argv.take_short(&["force"]) => acts |= act::FORCE,
            () if argv.take_short(&["index"]) => generic.index = argv.u32(10)?,
            () if argv.take_short(&["mark"]) => {
                let (value, mask) = masked(argv)?;
                options.put(MARK, value.to_ne_bytes());
                options.put(MARK_MASK, mask.to_ne_bytes());
            }
            () if argv.take_short(&["label"]) => {
                let (labels, mask) = labels(argv)?;
                options.put(LABELS, labels);
                options.put(LABELS_MASK, mask);
            }
            () => break,
        }
    }
    let has = |bits: u16| acts & bits != 0;
    let why = match () {
        () if has(act::CLEAR) && acts != act::CLEAR => "`clear` stands alone",
        () if has(act::SRC) && has(act::DST) => "`nat` is of the source or of the destination, not of both",
        () if has(act::COMMIT) && has(act::NAT) && !has(act::SRC | act::DST) => "`commit` with `nat` needs `src` or `dst`",
        () if !has(act::COMMIT) && has(act::SRC | act::DST) => "`nat` of an address needs `commit`",
        () => "",
    };
    if !why.is_empty() {
        return Err(argv.refuse(why));
    }
    generic.verdict = Verdict::read_or(argv, Verdict::PIPE)?.0;
    options.put(ACTION, acts.to_ne_bytes());
    options.put(PARAMETERS, generic.bytes(&[]));
    Ok(options)
}

fn read_nat(argv: &mut Argv, options: &mut Attributes) -> Result<u16, Fault> {
    let side = match () {
        () if argv.take_short(&["src"]) => act::SRC,
        () if argv.take_short(&["dst"]) => act::DST,
        () => return Ok(act::NAT),
    };
    if !argv.take_short(&["addr"]) {
        return Err(argv.refuse("`nat src` and `nat dst` need an address: nat src addr 192.0.2.1"));
    }
    let word = argv.next_word()?;
    let (first, last) = word.split_once('-').unwrap_or((&word, &word));
    match (first.parse(), last.parse()) {
        (Ok(IpAddr::V4(first)), Ok(IpAddr::V4(last))) => {
            IPV4.into_iter().zip([first, last]).for_each(|(kind, address)| options.put(kind, address.octets()));
        }
        (Ok(IpAddr::V6(first)), Ok(IpAddr::V6(last))) => {
            IPV6.into_iter().zip([first, last]).for_each(|(kind, address)| options.put(kind, address.octets()));
        }
        _ => return Err(argv.odd("no address and no range of addresses")),
    }
    if argv.take_short(&["port"]) {
        let word = argv.next_word()?;
        let (first, last) = word.split_once('-').unwrap_or((&word, &word));
        for (kind, port) in PORT.into_iter().zip([first, last]) {
            let port = argv::number(port, 10).and_then(|port| u16::try_from(port).ok());
            options.put(kind, port.ok_or_else(|| argv.odd("no port and no range of ports"))?.to_be_bytes());
        }
    }
    Ok(act::NAT | side)
}

/// Reads a number of 32 bits with its mask: `0x42/0xf0`.
pub(in crate::model::tc) fn masked(argv: &mut Argv) -> Result<(u32, u32), Fault> {
    let word = argv.next_word()?;
    let (value, mask) = word.split_once('/').unwrap_or((&word, "0xffffffff"));
    let number = |text: &str| argv::number(text, 0).and_then(|n| u32::try_from(n).ok());
    number(value).zip(number(mask)).ok_or_else(|| argv.odd("no number of 32 bits, with or without a mask"))
}

/// Reads up to 128 bits as hexadecimal digits, with their mask.
pub(in crate::model::tc) fn labels(argv: &mut Argv) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let word = argv.next_word()?;
    let full = "f".repeat(32);
    let (value, mask) = word.split_once('/').unwrap_or((&word, &full));
    // tc(8) drops a digit that is alone.
    let bits = |text: &str| unhex(text.get(..text.len() / 2 * 2)?).filter(|bytes| bytes.len() <= 16);
    let found = bits(value).zip(bits(mask)).filter(|(value, _)| !value.is_empty());
    found.ok_or_else(|| argv.odd("no label: up to 32 hexadecimal digits, with or without a mask"))
}

/// The kernel tells a zone, a mask and labels of full length in any case.
pub(super) fn fill(options: &mut Attributes) {
    if options.u16(ACTION).unwrap_or(0) & act::CLEAR != 0 {
        let keep = [PARAMETERS, ACTION];
        let rest: Vec<u16> = options.iter().map(|(kind, _)| kind).filter(|kind| !keep.contains(kind)).collect();
        return options.drop(&rest);
    }
    if !options.has(ZONE) {
        options.put(ZONE, 0u16.to_ne_bytes());
    }
    [LABELS, LABELS_MASK].into_iter().for_each(|kind| options.edit(kind, |bytes| bytes.resize(16, 0)));
}

pub(super) fn show(options: &Attributes) -> String {
    let acts = options.u16(ACTION).unwrap_or(0);
    let mut line = "ct".to_owned();
    for (bit, name) in [(act::COMMIT, "commit"), (act::FORCE, "force"), (act::CLEAR, "clear")] {
        if acts & bit != 0 {
            let _ = write!(line, " {name}");
        }
    }
    if let Some(mark) = options.u32(MARK) {
        let _ = write!(line, " mark {}", with_mask(mark, options.u32(MARK_MASK).unwrap_or(u32::MAX)));
    }
    if let Some(zone) = options.u16(ZONE) {
        let _ = write!(line, " zone {zone}");
    }
    if let Some(labels) = options.get(LABELS) {
        let _ = write!(line, " label {}", labels_shown(labels, options.get(LABELS_MASK)));
    }
    if acts & act::NAT != 0 {
        line.push_str(" nat");
        let side = if acts & act::SRC != 0 { " src" } else { " dst" };
        let range = |of: [u16; 2]| Some((options.get(of[0])?, options.get(of[1]).or(options.get(of[0]))?));
        if let Some((first, last)) = range(IPV4).or_else(|| range(IPV6)) {
            let _ = write!(line, "{side} addr {}", span(&address(first), &address(last)));
        }
        if let Some((first, last)) = range(PORT) {
            let port = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes)).to_string();
            let _ = write!(line, " port {}", span(&port(first), &port(last)));
        }
    }
    let generic = options.get(PARAMETERS).map(Generic::told).unwrap_or_default();
    line + &index_first(generic)
}

/// Shows an index before a verdict, which is the order in which `ct` reads them.
fn index_first(generic: Generic) -> String {
    let index = if generic.index > 0 { format!(" index {}", generic.index) } else { String::new() };
    format!("{index} {}", Verdict(generic.verdict))
}

fn span(first: &str, last: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first}-{last}") }
}

/// Shows the bytes of an address of either family.
pub(in crate::model::tc) fn address(bytes: &[u8]) -> String {
    match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(four), _) => IpAddr::from(four).to_string(),
        (_, Ok(sixteen)) => IpAddr::from(sixteen).to_string(),
        _ => hex(bytes),
    }
}

/// Shows a number with its mask, if that is not full.
pub(in crate::model::tc) fn with_mask(value: u32, mask: u32) -> String {
    if mask == u32::MAX { value.to_string() } else { format!("{value}/{mask:#x}") }
}

/// Shows labels with their mask, if that is not full.
pub(in crate::model::tc) fn labels_shown(labels: &[u8], mask: Option<&[u8]>) -> String {
    match mask.filter(|mask| mask.iter().any(|byte| *byte != 0xff) || mask.len() != 16) {
        Some(mask) => format!("{}/{}", hex(labels), hex(mask)),
        None => hex(labels),
    }
}

/// The attributes of `ctinfo`.
mod info {
    pub(super) const PARAMETERS: u16 = 3;
    pub(super) const ZONE: u16 = 4;
    pub(super) const DSCP: u16 = 5;
    pub(super) const DSCP_STATE: u16 = 6;
    pub(super) const CPMARK: u16 = 7;
}

pub(super) fn read_info(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut mask, mut state, mut zone) = (Attributes::default(), 0, 0, 0);
    let optional = |argv: &mut Argv| match argv.peek().and_then(|word| argv::number(word, 0)).and_then(|n| u32::try_from(n).ok()) {
        Some(_) => argv.u32(0).map(Some),
        None => Ok(None),
    };
    if argv.take_short(&["dscp"]) {
        mask = argv.u32(0)?;
        state = optional(argv)?.unwrap_or(0);
    }
    if argv.take_short(&["cpmark"]) {
        options.put(info::CPMARK, optional(argv)?.unwrap_or(u32::MAX).to_ne_bytes());
    }
    if argv.take_short(&["zone"]) {
        zone = argv.u16(10)?;
    }
    if mask & state != 0 {
        return Err(argv.refuse("the masks of `dscp` overlap"));
    }
    if mask != 0 && mask >> mask.trailing_zeros() != 0x3f {
        return Err(argv.refuse("the mask of `dscp` has six bits in a row"));
    }
    let generic = Generic::read(argv, Verdict::PIPE)?;
    options.put(info::PARAMETERS, generic.bytes(&[]));
    options.put(info::ZONE, zone.to_ne_bytes());
    for (kind, value) in [(info::DSCP, mask), (info::DSCP_STATE, state)] {
        if value != 0 {
            options.put(kind, value.to_ne_bytes());
        }
    }
    Ok(options)
}

pub(super) fn fill_info(options: &mut Attributes) {
    if options.has(info::DSCP) && !options.has(info::DSCP_STATE) {
        options.put(info::DSCP_STATE, 0u32.to_ne_bytes());
    }
}

pub(super) fn show_info(options: &Attributes) -> String {
    let mut line = "ctinfo".to_owned();
    if let Some(mask) = options.u32(info::DSCP) {
        let _ = write!(line, " dscp {mask:#010x} {:#010x}", options.u32(info::DSCP_STATE).unwrap_or(0));
    }
    if let Some(mask) = options.u32(info::CPMARK) {
        let _ = write!(line, " cpmark {mask:#010x}");
    }
    let generic = options.get(info::PARAMETERS).map(Generic::told).unwrap_or_default();
    line + &format!(" zone {}{}", options.u16(info::ZONE).unwrap_or(0), generic.shown())
}
