//! The filters that look at little: `fw` at a mark, `route` at realms, `bpf` at what a program says.

use std::fmt::Write as _;

use super::{Draft, Filter, Key};
use crate::model::Fault;
use crate::model::tc::action::{DEVICE, Links};
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;
use crate::model::tc::{Device, bytecode};

/// The bits of the mark at which `fw` looks.
pub(super) const FW_MASK: u16 = 5;

/// Reads `0x1/0xff`, the mark and the bits of it.
pub(super) fn end_fw(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    let Some(text) = draft.handle_words.take() else { return Ok(()) };
    let (mark, mask) = text.split_once('/').map_or((&text[..], None), |(mark, mask)| (mark, Some(mask)));
    let number = |text: &str| argv::number(text, 0).and_then(|n| u32::try_from(n).ok());
    let odd = || argv.refuse(format!("{text:?} is no mark, with or without a mask"));
    draft.handle = number(mark).ok_or_else(odd)?;
    if let Some(mask) = mask {
        let mask = number(mask).ok_or_else(odd)?;
        // The kernel does not tell the mask of all bits.
        if mask != u32::MAX {
            draft.options.put(FW_MASK, mask.to_ne_bytes());
        }
    }
    Ok(())
}

/// Shows the mark and the bits of it.
pub(super) fn fw_shown(handle: u32, options: &Attributes) -> String {
    match options.u32(FW_MASK) {
        Some(mask) => format!("{handle:#x}/{mask:#x}"),
        None => format!("{handle:#x}"),
    }
}

const ROUTE_TO: u16 = 2;
const ROUTE_FROM: u16 = 3;
/// The number of the device from which packets come.
pub(super) const ROUTE_DEVICE: u16 = 4;

pub(super) fn word_route(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    match () {
        () if argv.take_short(&["to"]) => draft.options.set(ROUTE_TO, realm(argv)?.to_ne_bytes()),
        () if argv.take_short(&["from"]) => draft.options.set(ROUTE_FROM, realm(argv)?.to_ne_bytes()),
        () if argv.take_short(&["fromif"]) => {
            let device: Device = argv.next_word()?.parse()?;
            draft.options.put_text(DEVICE, device.as_str());
        }
        () if argv.take_short(&["order"]) => draft.order = argv.u32(0)?,
        () => return Ok(false),
    }
    Ok(true)
}

/// Reads the number of a realm, or the one realm that has a name everywhere.
fn realm(argv: &mut Argv) -> Result<u32, Fault> {
    if argv.take("cosmos") { Ok(0) } else { argv.number(0, 255) }
}

/// Its handle is made of what it looks at; the number of a device comes into it when it is written.
pub(super) fn end_route(_: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    let mut handle: u32 = 0xffff_8000;
    if let Some(to) = draft.options.u32(ROUTE_TO) {
        handle = handle & !0x80ff | to & 0xff;
    }
    if let Some(from) = draft.options.u32(ROUTE_FROM) {
        handle = handle & 0xffff | from << 16;
    }
    if draft.order > 0 {
        handle = handle & !0x7f00 | draft.order << 8 & 0x7f00;
    }
    if draft.handle == 0 && draft.kind_has_words {
        draft.handle = handle;
    }
    Ok(())
}

/// Puts the name of a device in the place of its number.
pub(super) fn name_device(options: &mut Attributes, links: &dyn Links) {
    if let Some(name) = options.u32(ROUTE_DEVICE).and_then(|index| links.name(index)) {
        options.drop(&[ROUTE_DEVICE]);
        options.put_text(DEVICE, &name);
    }
}

pub(super) fn show_route(filter: &Filter, _: &Key) -> String {
    let mut line = String::new();
    for (kind, name) in [(ROUTE_FROM, "from"), (ROUTE_TO, "to")] {
        if let Some(realm) = filter.options.u32(kind) {
            let _ = write!(line, " {name} {realm}");
        }
    }
    if let Some(device) = filter.options.text(DEVICE) {
        let _ = write!(line, " fromif {device}");
    }
    line
}

const BPF_COUNT: u16 = 4;
/// The instructions of a program.
pub(super) const BPF_CODE: u16 = 5;
const BPF_FLAGS: u16 = 8;
const DIRECT: u32 = 1;

pub(super) fn word_bpf(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    match () {
        () if argv.take("run") => {}
        () if argv.take_short(&["direct-action", "da"]) => draft.options.set(BPF_FLAGS, DIRECT.to_ne_bytes()),
        () if !draft.options.has(BPF_CODE) => {
            let code = bytecode::read(argv)?;
            draft.options.put(BPF_COUNT, ((code.len() / 8) as u16).to_ne_bytes());
            draft.options.put(BPF_CODE, code);
        }
        () => return Ok(false),
    }
    Ok(true)
}

pub(super) fn end_bpf(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    match draft.kind_has_words && !draft.options.has(BPF_CODE) {
        true => Err(argv.refuse("`bpf` needs a program: bytecode '1,6 0 0 1'")),
        false => Ok(()),
    }
}

pub(super) fn show_bpf(filter: &Filter, _: &Key) -> String {
    let mut line = filter.options.get(BPF_CODE).map(|code| format!(" {}", bytecode::shown(code))).unwrap_or_default();
    if filter.options.u32(BPF_FLAGS).is_some_and(|flags| flags & DIRECT != 0) {
        line.push_str(" direct-action");
    }
    line
}
