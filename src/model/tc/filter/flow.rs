//! The filter `flow`: packets to classes by what they have in common.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Draft, Filter, Key};
use crate::model::Fault;
use crate::model::tc::Handle;
use crate::model::tc::argv::{self, Argv};

const KEYS: u16 = 1;
const MODE: u16 = 2;
/// The class of the first flow.
pub(super) const BASE: u16 = 3;
const RSHIFT: u16 = 4;
const ADDEND: u16 = 5;
const MASK: u16 = 6;
const XOR: u16 = 7;
const DIVISOR: u16 = 8;
const PERTURB: u16 = 12;

const NAMES: &[&str] = &[
    "src",
    "dst",
    "proto",
    "proto-src",
    "proto-dst",
    "iif",
    "priority",
    "mark",
    "nfct",
    "nfct-src",
    "nfct-dst",
    "nfct-proto-src",
    "nfct-proto-dst",
    "rt-classid",
    "sk-uid",
    "sk-gid",
    "vlan-tag",
    "rxhash",
];

pub(super) fn word(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    match () {
        () if argv.take_short(&["map"]) => draft.options.set(MODE, 0u32.to_ne_bytes()),
        () if argv.take_short(&["hash"]) => draft.options.set(MODE, 1u32.to_ne_bytes()),
        () if argv.take_short(&["keys"]) => {
            let word = argv.next_word()?;
            let bit = |name: &str| NAMES.iter().position(|known| !name.is_empty() && known.starts_with(name)).map(|at| 1u32 << at);
            let keys = word.split(',').try_fold(0, |keys, name| Some(keys | bit(name)?));
            draft.options.set(KEYS, keys.ok_or_else(|| argv.odd("no list of keys").hint(NAMES.join(",")))?.to_ne_bytes());
        }
        () if argv.take_short(&["and"]) => bits(draft, argv.u32(0)?, 0),
        () if argv.take_short(&["or"]) => {
            let value = argv.u32(0)?;
            bits(draft, !value, value);
        }
        () if argv.take_short(&["xor"]) => bits(draft, u32::MAX, argv.u32(0)?),
        () if argv.take_short(&["rshift"]) => draft.options.set(RSHIFT, argv.u32(0)?.to_ne_bytes()),
        () if argv.take_short(&["addend"]) => draft.options.set(ADDEND, addend(argv, draft)?.to_ne_bytes()),
        () if argv.take_short(&["divisor"]) => draft.options.set(DIVISOR, argv.u32(0)?.to_ne_bytes()),
        () if argv.take_short(&["baseclass"]) => {
            let word = argv.next_word()?;
            let class = Handle::of_class(&word).map_err(|fault| argv.refuse(fault.why))?;
            if class.minor() == 0 {
                return Err(argv.odd("no class: 1:1"));
            }
            draft.options.set(BASE, class.bits().to_ne_bytes());
        }
        () if argv.take_short(&["perturb"]) => draft.options.set(PERTURB, argv.u32(0)?.to_ne_bytes()),
        () => return Ok(false),
    }
    Ok(true)
}

/// Adds an operation to those before it: first a mask, then bits that are flipped.
fn bits(draft: &mut Draft, mask: u32, flipped: u32) {
    let (before, xor) = (draft.options.u32(MASK).unwrap_or(u32::MAX), draft.options.u32(XOR).unwrap_or(0));
    draft.options.set(MASK, (before & mask).to_ne_bytes());
    draft.options.set(XOR, (flipped ^ xor & mask).to_ne_bytes());
}

/// Reads a number to add, which may be an address where the key is one.
fn addend(argv: &mut Argv, draft: &Draft) -> Result<u32, Fault> {
    let word = argv.next_word()?;
    let (negative, text) = word.strip_prefix('-').map_or((false, &word[..]), |text| (true, text));
    let number = argv::number(text, 0).and_then(|n| u32::try_from(n).ok());
    let is_address = draft.options.u32(KEYS).unwrap_or(0) & 0b110_0000_0011 != 0;
    let address = || match text.parse().ok()? {
        IpAddr::V4(address) => Some(u32::from(address)),
        IpAddr::V6(address) => Some(u128::from(address) as u32),
    };
    let found = number.or_else(|| if is_address { address() } else { None }).ok_or_else(|| argv.odd("no number to add"))?;
    Ok(if negative { found.wrapping_neg() } else { found })
}

pub(super) fn end(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    if !draft.kind_has_words {
        return Ok(());
    }
    let hashes = draft.options.u32(MODE).unwrap_or(0) == 1;
    if !hashes && draft.options.u32(KEYS).is_some_and(|keys| keys.count_ones() > 1) {
        return Err(argv.refuse("`map` maps one key; `hash` takes several"));
    }
    draft.options.set(MODE, u32::from(hashes).to_ne_bytes());
    if draft.options.u32(MASK) == Some(u32::MAX) && draft.options.u32(XOR) == Some(0) {
        draft.options.drop(&[MASK, XOR]);
    }
    for kind in [RSHIFT, ADDEND, DIVISOR, PERTURB] {
        if draft.options.u32(kind) == Some(0) {
            draft.options.drop(&[kind]);
        }
    }
    Ok(())
}

pub(super) fn show(filter: &Filter, _: &Key) -> String {
    let options = &filter.options;
    let mut line = if options.u32(MODE) == Some(1) { " hash".to_owned() } else { " map".to_owned() };
    if let Some(keys) = options.u32(KEYS) {
        let names: Vec<&str> = NAMES.iter().enumerate().filter(|(at, _)| keys & 1 << at != 0).map(|(_, name)| *name).collect();
        let _ = write!(line, " keys {}", names.join(","));
    }
    if let Some(mask) = options.u32(MASK).filter(|mask| *mask != u32::MAX) {
        let _ = write!(line, " and {mask:#010x}");
    }
    if let Some(flipped) = options.u32(XOR).filter(|flipped| *flipped != 0) {
        let _ = write!(line, " xor {flipped:#010x}");
    }
    for (kind, name) in [(RSHIFT, "rshift"), (DIVISOR, "divisor"), (PERTURB, "perturb")] {
        if let Some(value) = options.u32(kind) {
            let _ = write!(line, " {name} {value}");
        }
    }
    if let Some(value) = options.u32(ADDEND) {
        let _ = write!(line, " addend {value:#x}");
    }
    if let Some(class) = options.u32(BASE) {
        let _ = write!(line, " baseclass {}", Handle::of(class));
    }
    line
}
