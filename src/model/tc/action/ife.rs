//! The action `ife`: what the kernel knows of a packet, sent along with it (RFC 8013).

use std::fmt::Write as _;

use super::Verdict;
use super::generic::{self, Generic, word};
use super::packet::{mac, mac_shown};
use crate::model::Fault;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;

const PARAMETERS: u16 = 1;
const DST: u16 = 3;
const SRC: u16 = 4;
const TYPE: u16 = 5;
const META: u16 = 6;
const USUAL_TYPE: u16 = 0xed3e;
const ENCODE: u32 = 1;
/// What can be sent along: its word, its attribute, and its length.
const METAS: &[(&str, u16, usize)] = &[("mark", 1, 4), ("prio", 3, 4), ("tcindex", 5, 2)];

pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut meta, mut mode) = (Attributes::default(), Attributes::default(), None);
    let find = |argv: &mut Argv| {
        let found = METAS.iter().find(|(name, ..)| argv.begins(name)).copied();
        argv.next_word()?;
        found.ok_or_else(|| argv.odd("nothing that can be sent along: mark, prio, tcindex"))
    };
    loop {
        match () {
            () if argv.take_short(&["decode"]) => mode = Some(0),
            () if argv.take_short(&["encode"]) => mode = Some(ENCODE),
            () if argv.take_short(&["allow"]) => {
                let (_, kind, _) = find(argv)?;
                if !meta.has(kind) {
                    meta.put(kind, []);
                }
            }
            () if argv.take_short(&["use"]) => {
                let (_, kind, len) = find(argv)?;
                let bytes = if len == 2 { argv.u16(0)?.to_ne_bytes().to_vec() } else { argv.u32(0)?.to_ne_bytes().to_vec() };
                meta.set(kind, bytes);
            }
            () if argv.take_short(&["type"]) => options.set(TYPE, argv.u16(0)?.to_ne_bytes()),
            () if argv.take_short(&["dst"]) => options.set(DST, mac(argv)?),
            () if argv.take_short(&["src"]) => options.set(SRC, mac(argv)?),
            () => break,
        }
    }
    let verdict = Verdict::read_or(argv, Verdict::PIPE)?.0;
    let index = if argv.take_short(&["index"]) { argv.u32(0)? } else { 0 };
    if mode.is_none() && index == 0 {
        return Err(argv.refuse("`ife` is to `encode` or to `decode`"));
    }
    if mode == Some(ENCODE) {
        // What is used as zero is as the kernel has it.
        let meta: Attributes = meta
            .iter()
            .filter(|(_, value)| value.is_empty() || value.iter().any(|byte| *byte != 0))
            .map(|(kind, value)| (kind, value.to_vec()))
            .collect();
        options.put_nest(META, &meta);
    }
    options.put(PARAMETERS, Generic { index, verdict }.bytes(&mode.unwrap_or(0).to_le_bytes()));
    Ok(options)
}

/// The kernel has a type of its own if none is given, and tells of a decoder what it knows to decode.
pub(super) fn fill(options: &mut Attributes) {
    let encodes = options.get(PARAMETERS).map_or(0, |bytes| word(bytes, generic::LEN)) & 0xffff == ENCODE;
    if !encodes {
        return options.drop(&[DST, SRC, TYPE, META]);
    }
    if !options.has(TYPE) {
        options.put(TYPE, USUAL_TYPE.to_ne_bytes());
    }
    if let Some(mut meta) = options.nest(META) {
        meta.sort();
        options.set(META, meta.bytes());
    }
}

pub(super) fn show(options: &Attributes) -> String {
    let bytes = options.get(PARAMETERS).unwrap_or_default();
    let mut line = format!("ife {}", if word(bytes, generic::LEN) & 0xffff == ENCODE { "encode" } else { "decode" });
    let meta = options.nest(META).unwrap_or_default();
    for (name, kind, _) in METAS {
        match meta.get(*kind) {
            Some([]) => drop(write!(line, " allow {name}")),
            Some(_) => drop(write!(line, " use {name} {}", meta.u32(*kind).or(meta.u16(*kind).map(u32::from)).unwrap_or(0))),
            None => {}
        }
    }
    if let Some(kind) = options.u16(TYPE) {
        let _ = write!(line, " type {kind:#x}");
    }
    for (kind, name) in [(DST, "dst"), (SRC, "src")] {
        if let Some(bytes) = options.get(kind) {
            let _ = write!(line, " {name} {}", mac_shown(bytes));
        }
    }
    line + &Generic::told(bytes).shown()
}
