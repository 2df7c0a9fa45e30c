//! The filter `u32`: bytes of a packet at places, and tables of filters that are found by them, see tc-u32(8).

mod selector;

use std::fmt::Write as _;

use super::{Draft, Filter, Key};
use crate::model::Fault;
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;
pub(super) use selector::Selector;
use selector::{hashkey, offset, select, selected};

/// The number of a table, in its handle: the first of a priority, whatever the kernel calls it.
pub const ROOT: u32 = 0xfff0_0000;
const TABLE: u32 = 0xfff0_0000;
const BUCKET: u32 = 0x000f_f000;
const NODE: u32 = 0x0000_0fff;

/// The table and the bucket of a filter.
pub(super) const HASH: u16 = 2;
/// The table in which it goes on.
pub(super) const LINK: u16 = 3;
pub(super) const DIVISOR: u16 = 4;
/// What is looked at.
pub(super) const SELECTOR: u16 = 5;
const MARK: u16 = 10;
pub(super) const FLAGS: u16 = 11;
/// What stays as it is when the kernel changes a filter.
pub(super) const KEPT: &[u16] = &[DIVISOR, SELECTOR, MARK, FLAGS];

/// Gives the table in a handle.
pub fn table(handle: u32) -> u32 {
    handle & TABLE
}

/// Tells whether a handle is that of a table, and not of a filter in one.
pub fn is_table(handle: u32) -> bool {
    handle & !TABLE == 0
}

/// Gives the number of a filter in its bucket.
pub(super) fn node(handle: u32) -> u32 {
    handle & NODE
}

/// Gives the table and the bucket.
pub fn bucket(handle: u32) -> u32 {
    handle & (TABLE | BUCKET)
}

/// Reads a handle: `800:`, `2:1:`, `800::800`.
pub(super) fn handle(text: &str) -> Option<u32> {
    if let (false, Some(_)) = (text.contains(':'), text.strip_prefix("0x")) {
        return argv::number(text, 16).and_then(|n| u32::try_from(n).ok());
    }
    let mut parts = text.split(':');
    let mut part = |most: u64| match parts.next() {
        None | Some("") => Some(0),
        Some(digits) => argv::number(digits, 16).filter(|n| *n < most),
    };
    let (table, bucket, node) = (part(0x1000)?, part(0x100)?, part(0x1000)?);
    let whole = (table << 20 | bucket << 12 | node) as u32;
    (text.contains(':') && parts.next().is_none()).then_some(whole)
}

/// Shows a handle. The first table of a priority is left out: its number is the kernel's.
pub(super) fn shown(handle: u32) -> String {
    let (table, bucket, node) = (handle >> 20, (handle & BUCKET) >> 12, handle & NODE);
    let table = if table == ROOT >> 20 { String::new() } else { format!("{table:x}") };
    let bucket = if bucket > 0 { format!("{bucket:x}") } else { String::new() };
    if node > 0 { format!("{table}:{bucket}:{node:x}") } else { format!("{table}:{bucket}") }
}

/// Reads a word of this kind of filter.
pub(super) fn word(argv: &mut Argv, draft: &mut Draft) -> Result<bool, Fault> {
    let Draft { options, selector, .. } = draft;
    match () {
        () if argv.take_short(&["match"]) => {
            select(argv, selector, options)?;
            selector.is_given = true;
        }
        () if argv.take_short(&["offset"]) => offset(argv, selector)?,
        () if argv.take_short(&["hashkey"]) => hashkey(argv, selector)?,
        () if argv.take_short(&["divisor"]) => options.set(DIVISOR, divisor(argv)?.to_ne_bytes()),
        () if argv.take_short(&["order"]) => draft.order = argv.u32(0)?,
        () if argv.take("link") => {
            let link = read_handle(argv)?;
            if link & NODE != 0 {
                return Err(argv.odd("a filter, and no table"));
            }
            options.set(LINK, link.to_ne_bytes());
        }
        () if argv.take("ht") => {
            let ht = read_handle(argv)?;
            if ht & NODE != 0 && draft.handle_words.is_some() {
                return Err(argv.odd("a filter, and no table"));
            }
            let now = options.u32(HASH).unwrap_or(0);
            let hash = if selector.sampled { now & 0xff000 | ht & TABLE } else { ht & !NODE };
            options.set(HASH, hash.to_ne_bytes());
        }
        () if argv.take("sample") => sample(argv, selector, options)?,
        () => return Ok(false),
    }
    Ok(true)
}

fn read_handle(argv: &mut Argv) -> Result<u32, Fault> {
    let word = argv.next_word()?;
    handle(&word).ok_or_else(|| argv.odd("no handle of u32: 800:, 1:2: or 800::800, in hexadecimal digits"))
}

fn divisor(argv: &mut Argv) -> Result<u32, Fault> {
    let divisor: u32 = argv.number(0, 256)?;
    if divisor.is_power_of_two() { Ok(divisor) } else { Err(argv.odd("no power of two up to 256")) }
}

/// Reads a sample of the bytes that lead to a bucket.
fn sample(argv: &mut Argv, selector: &mut Selector, options: &mut Attributes) -> Result<(), Fault> {
    let mut one = Selector::default();
    select(argv, &mut one, options)?;
    let divisor = if argv.take("divisor") { divisor(argv)? } else { 256 };
    let [key] = one.bytes[..] else { return Err(argv.refuse("a sample is of one word")) };
    let fold = key.value.checked_shr(key.mask.trailing_zeros()).unwrap_or(0);
    let hash = (fold % divisor) << 12 | options.u32(HASH).unwrap_or(0) & TABLE;
    options.set(HASH, hash.to_ne_bytes());
    selector.sampled = true;
    Ok(())
}

/// Completes what was read.
pub(super) fn end(argv: &Argv, draft: &mut Draft) -> Result<(), Fault> {
    if let Some(text) = draft.handle_words.take() {
        draft.handle = handle(&text).ok_or_else(|| argv.refuse(format!("{text:?} is no handle of u32: 800:, 1:2: or 800::800")))?;
    }
    if draft.order > 0 {
        if ![0, draft.order].contains(&node(draft.handle)) || draft.order > NODE {
            return Err(argv.refuse("`order` contradicts `handle`"));
        }
        draft.handle |= draft.order;
    }
    if draft.options.has(DIVISOR) && !is_table(draft.handle) {
        return Err(argv.refuse("the handle of a table is its number alone: 1:"));
    }
    if draft.options.u32(HASH) == Some(0) {
        draft.options.drop(&[HASH]);
    }
    if draft.options.has(1) || draft.options.has(6) || !draft.actions.is_empty() {
        draft.selector.flags |= selector::TERMINAL;
    }
    if draft.selector.is_given {
        draft.options.put(SELECTOR, draft.selector.sent());
    }
    Ok(())
}

/// How often a mark was found is no part of a filter.
pub(super) fn settle(options: &mut Attributes) {
    options.edit(MARK, |bytes| {
        if let Some(success) = bytes.get_mut(8..12) {
            success.fill(0);
        }
    });
}

/// Tells whether nothing is looked at, so that every packet is found.
pub(super) fn sees_all(selector: &[u8]) -> bool {
    Selector::told(selector).is_some_and(|selector| selector.bytes.iter().all(|key| key.mask == 0))
}

/// Shows the words of this kind of filter.
pub(super) fn show(filter: &Filter, key: &Key) -> String {
    let mut line = String::new();
    let options = &filter.options;
    if let Some(divisor) = options.u32(DIVISOR) {
        return format!(" divisor {divisor}");
    }
    if table(key.handle) != ROOT && key.handle != 0 {
        let _ = write!(line, " ht {}", shown(bucket(key.handle)));
    } else if let Some(hash) = options.u32(HASH) {
        let _ = write!(line, " ht {}", shown(hash));
    }
    if let Some(link) = options.u32(LINK) {
        let _ = write!(line, " link {}", shown(link));
    }
    if let Some(selector) = options.get(SELECTOR).and_then(Selector::told) {
        line.push_str(&selected(&selector, key.protocol));
    }
    if let Some(mark) = options.get(MARK).filter(|mark| mark.len() >= 8) {
        let number = |at: usize| u32::from_ne_bytes([mark[at], mark[at + 1], mark[at + 2], mark[at + 3]]);
        let _ = write!(line, " match mark {:#x} {:#x}", number(0), number(4));
    }
    line
}
