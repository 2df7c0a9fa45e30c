//! The filter `u32`: bytes of a packet at places, and tables of filters that are found by them, see tc-u32(8).

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Draft, Filter, Key};
use crate::model::Fault;
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;
use crate::model::tc::protocol;

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
const SELECTOR: u16 = 5;
const MARK: u16 = 10;
pub(super) const FLAGS: u16 = 11;
/// What stays as it is when the kernel changes a filter.
pub(super) const KEPT: &[u16] = &[DIVISOR, SELECTOR, MARK, FLAGS];

const TERMINAL: u8 = 1;
const OFFSET: u8 = 2;
const VAROFFSET: u8 = 4;
const EAT: u8 = 8;

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

/// Four bytes of a packet: which bits are looked at, what they have to be, and where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bytes {
    mask: u32,
    value: u32,
    offset: i32,
    /// -1 behind the network header.
    behind: i32,
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    bytes: Vec<Bytes>,
    flags: u8,
    shift: u8,
    /// In the order of the network.
    offmask: u16,
    off: u16,
    offoff: i16,
    hoff: i16,
    hmask: u32,
    /// Whether anything was said to be matched.
    is_given: bool,
    /// Whether the bucket was found with a sample.
    sampled: bool,
}

impl Selector {
    fn told(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<16>()?;
        let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let whole = |bytes: &[u8], at: usize| bytes.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
        let one = |key: &[u8]| Bytes {
            mask: u32::from_be(whole(key, 0)),
            value: u32::from_be(whole(key, 4)),
            offset: whole(key, 8).cast_signed(),
            behind: whole(key, 12).cast_signed(),
        };
        Some(Self {
            bytes: bytes[16..].chunks_exact(16).take(head[2].into()).map(one).collect(),
            flags: head[0],
            shift: head[1],
            offmask: u16::from_be(half(4)),
            off: half(6),
            offoff: half(8).cast_signed(),
            hoff: half(10).cast_signed(),
            hmask: u32::from_be(whole(head, 12)),
            is_given: true,
            sampled: false,
        })
    }

    fn sent(&self) -> Vec<u8> {
        let mut bytes = vec![self.flags, self.shift, self.bytes.len() as u8, 0];
        bytes.extend(self.offmask.to_be_bytes());
        bytes.extend(self.off.to_ne_bytes());
        bytes.extend(self.offoff.to_ne_bytes());
        bytes.extend(self.hoff.to_ne_bytes());
        bytes.extend(self.hmask.to_be_bytes());
        for key in &self.bytes {
            let numbers = [key.mask.to_be(), key.value.to_be(), key.offset.cast_unsigned(), key.behind.cast_unsigned()];
            bytes.extend(numbers.into_iter().flat_map(u32::to_ne_bytes));
        }
        bytes
    }

    /// Adds bytes of one, two or four, to those of the same place if there are any.
    fn pack(&mut self, argv: &Argv, width: i32, mut key: Bytes) -> Result<(), Fault> {
        let most = u32::MAX >> (32 - 8 * width);
        if key.value > most || key.mask > most {
            return Err(argv.refuse(format!("a value or a mask is more than {width} bytes hold")));
        }
        let shift = match width {
            1 => 8 * (3 - (key.offset & 3)),
            2 if key.offset & 3 == 0 => 16,
            _ => 0,
        };
        if width < 4 {
            key = Bytes { mask: key.mask << shift, value: key.value << shift, offset: key.offset & !3, ..key };
        }
        key.value &= key.mask;
        if key.offset % 4 != 0 {
            return Err(argv.refuse(format!("the offset {} is no multiple of 4", key.offset)));
        }
        let is_full = self.bytes.len() >= 128;
        match self.bytes.iter_mut().find(|other| other.offset == key.offset && other.behind == key.behind) {
            Some(other) if (key.value ^ other.value) & key.mask & other.mask != 0 => {
                Err(argv.refuse("two matches contradict each other"))
            }
            Some(other) => {
                (other.value, other.mask) = (other.value | key.value, other.mask | key.mask);
                Ok(())
            }
            None if is_full => Err(argv.refuse("there are more than 128 matches")),
            None => {
                self.bytes.push(key);
                Ok(())
            }
        }
    }
}

/// A field that is read as a value and a mask: its words, its width, its offset, and whether that is behind the network header.
const FIELDS: &[(&str, &[&str], i32, i32, i32)] = &[
    ("ip", &["tos", "dsfield", "precedence"], 1, 1, 0),
    ("ip", &["ihl"], 1, 0, 0),
    ("ip", &["protocol"], 1, 9, 0),
    ("ip", &["dport"], 2, 22, 0),
    ("ip", &["sport"], 2, 20, 0),
    ("ip", &["icmp_type"], 1, 20, 0),
    ("ip", &["icmp_code"], 1, 21, 0),
    ("ip6", &["protocol"], 1, 6, 0),
    ("ip6", &["flowlabel"], 4, 0, 0),
    ("ip6", &["dport"], 2, 42, 0),
    ("ip6", &["sport"], 2, 40, 0),
    ("ip6", &["icmp_type"], 1, 40, 0),
    // What tc(8) sends.
    ("ip6", &["icmp_code"], 1, 41, 1),
    ("udp", &["src"], 2, 0, -1),
    ("udp", &["dst"], 2, 2, -1),
    ("tcp", &["src"], 2, 0, -1),
    ("tcp", &["dst"], 2, 2, -1),
    ("icmp", &["type"], 1, 0, -1),
    ("icmp", &["code"], 1, 1, -1),
];

/// What is said without a value: its word, the value, and the mask of the two bytes with the fragment offset.
const FRAGMENTS: &[(&str, u32, u32)] =
    &[("nofrag", 0, 0x3fff), ("firstfrag", 0x2000, 0x3fff), ("df", 0x4000, 0x4000), ("mf", 0x2000, 0x2000)];

const HEADERS: &[&str] = &["u32", "u16", "u8", "ip", "ip6", "udp", "tcp", "icmp", "mark", "ether"];

/// Reads what is to be matched, behind `match` or `sample`.
fn select(argv: &mut Argv, selector: &mut Selector, options: &mut Attributes) -> Result<(), Fault> {
    let header = HEADERS.iter().find(|name| argv.begins(name)).copied();
    argv.next()?;
    match header {
        Some("u32") => number(argv, selector, 4, 0, 0),
        Some("u16") => number(argv, selector, 2, 0, 0),
        Some("u8") => number(argv, selector, 1, 0, 0),
        Some("mark") => mark(argv, options),
        Some("ether") => ether(argv, selector),
        Some(header) => field(argv, selector, header),
        None => Err(argv.odd("nothing that can be matched").hint(HEADERS.join(", "))),
    }
}

/// Reads a value, a mask, and where they are.
fn number(argv: &mut Argv, selector: &mut Selector, width: i32, offset: i32, behind: i32) -> Result<(), Fault> {
    let (value, mask) = (argv.u32(0)?, argv.u32(16)?);
    let (offset, behind) = at(argv, offset, behind)?;
    selector.pack(argv, width, Bytes { mask, value, offset, behind })
}

/// Reads `at 20`, or `at nexthdr+2`.
fn at(argv: &mut Argv, offset: i32, behind: i32) -> Result<(i32, i32), Fault> {
    if !argv.take("at") {
        return Ok((offset, behind));
    }
    let word = argv.next()?;
    match word.strip_prefix("nexthdr+") {
        Some("") => Ok((argv.integer()?, -1)),
        Some(digits) => Ok((Argv::read(digits)?.integer().map_err(|_| argv.odd("no place behind the header"))?, -1)),
        None => {
            argv.back();
            Ok((argv.integer()?, behind))
        }
    }
}

fn field(argv: &mut Argv, selector: &mut Selector, header: &str) -> Result<(), Fault> {
    let ends = match header {
        "ip" => [("src", 12), ("dst", 16)],
        "ip6" => [("src", 8), ("dst", 24)],
        _ => [("", 0), ("", 0)],
    };
    if let Some((_, offset)) = ends.into_iter().find(|(name, _)| argv.is(name)) {
        argv.next()?;
        return if header == "ip" { ip(argv, selector, offset) } else { ip6(argv, selector, offset) };
    }
    if let Some((_, value, mask)) = FRAGMENTS.iter().find(|(name, ..)| header == "ip" && argv.is(name)) {
        argv.next()?;
        return selector.pack(argv, 2, Bytes { mask: *mask, value: *value, offset: 6, behind: 0 });
    }
    if header == "ip6" && argv.take("priority") {
        let (value, mask) = (argv.number::<u32>(0, 255)?, argv.number::<u32>(16, 255)?);
        return selector.pack(argv, 4, Bytes { mask: mask << 20, value: value << 20, offset: 0, behind: 0 });
    }
    let found = FIELDS.iter().find(|(of, names, ..)| *of == header && names.iter().any(|name| argv.is(name)));
    // Two of them can be shortened.
    let found = found.or_else(|| FIELDS.iter().find(|(of, names, ..)| *of == header && names.len() > 1 && names[1..].iter().any(|name| argv.begins(name))));
    argv.next()?;
    let (_, _, width, offset, behind) = found.ok_or_else(|| argv.odd(&format!("no field of {header} that can be matched")))?;
    number(argv, selector, *width, *offset, *behind)
}

fn ip(argv: &mut Argv, selector: &mut Selector, offset: i32) -> Result<(), Fault> {
    let (address, length) = argv.prefix4()?;
    let (offset, behind) = at(argv, offset, 0)?;
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    selector.pack(argv, 4, Bytes { mask, value: address.into(), offset, behind })
}

fn ip6(argv: &mut Argv, selector: &mut Selector, offset: i32) -> Result<(), Fault> {
    let (address, length) = argv.prefix6()?;
    let (offset, behind) = at(argv, offset, 0)?;
    let (address, mask) = (u128::from(address), u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0));
    for word in 0..i32::from(length).div_euclid(32) + i32::from(length % 32 > 0) {
        let part = |of: u128| (of >> (96 - 32 * word)) as u32;
        selector.pack(argv, 4, Bytes { mask: part(mask), value: part(address), offset: offset + 4 * word, behind })?;
    }
    Ok(())
}

fn ether(argv: &mut Argv, selector: &mut Selector) -> Result<(), Fault> {
    let start = match argv.next()?.as_str() {
        "src" => -8,
        "dst" => -14,
        _ => return Err(argv.odd("neither src nor dst")),
    };
    let word = argv.next()?;
    let mac = crate::model::tc::action::as_mac(&word).ok_or_else(|| argv.odd("no MAC address"))?;
    let (offset, behind) = at(argv, start, 0)?;
    let mut places = (offset..).zip(mac);
    places.try_for_each(|(offset, byte)| selector.pack(argv, 1, Bytes { mask: 0xff, value: byte.into(), offset, behind }))
}

fn mark(argv: &mut Argv, options: &mut Attributes) -> Result<(), Fault> {
    let (value, mask) = (argv.u32(0)?, argv.u32(0)?);
    if value & mask != value {
        return Err(argv.refuse("a bit of the mark is not in its mask"));
    }
    options.set(MARK, [value.to_ne_bytes(), mask.to_ne_bytes(), [0; 4]].concat());
    Ok(())
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
    let word = argv.next()?;
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
    let hash = fold % divisor << 12 | options.u32(HASH).unwrap_or(0) & TABLE;
    options.set(HASH, hash.to_ne_bytes());
    selector.sampled = true;
    Ok(())
}

fn offset(argv: &mut Argv, selector: &mut Selector) -> Result<(), Fault> {
    let short = |argv: &mut Argv| {
        let number = argv.integer()?;
        i16::try_from(number).map_err(|_| argv.odd("no offset in a packet"))
    };
    loop {
        match () {
            () if argv.take_short(&["plus"]) => {
                selector.off = short(argv)?.cast_unsigned();
                selector.flags |= OFFSET;
            }
            () if argv.take_short(&["at"]) => {
                selector.offoff = short(argv)?;
                if selector.offoff % 2 != 0 {
                    return Err(argv.odd("not even"));
                }
                selector.flags |= VAROFFSET;
            }
            () if argv.take_short(&["mask"]) => {
                selector.offmask = argv.u16(16)?;
                selector.flags |= VAROFFSET;
            }
            () if argv.take_short(&["shift"]) => {
                selector.shift = argv.number(0, 255)?;
                selector.flags |= VAROFFSET;
            }
            () if argv.take_short(&["eat"]) => selector.flags |= EAT,
            () => return Ok(()),
        }
    }
}

fn hashkey(argv: &mut Argv, selector: &mut Selector) -> Result<(), Fault> {
    loop {
        match () {
            () if argv.take_short(&["mask"]) => selector.hmask = argv.u32(16)?,
            () if argv.take_short(&["at"]) => {
                let number = argv.integer()?;
                let offset = i16::try_from(number).ok().filter(|offset| offset % 4 == 0);
                selector.hoff = offset.ok_or_else(|| argv.odd("no multiple of 4 in a packet"))?;
            }
            () => return Ok(()),
        }
    }
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
    if draft.options.u32(HASH) == Some(0) {
        draft.options.drop(&[HASH]);
    }
    if draft.options.has(1) || draft.options.has(6) || !draft.actions.is_empty() {
        draft.selector.flags |= TERMINAL;
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

fn selected(selector: &Selector, of: u16) -> String {
    let mut line = String::new();
    for key in &selector.bytes {
        let _ = write!(line, " match {}", matched(key, of));
    }
    if selector.flags & (OFFSET | VAROFFSET | EAT) != 0 {
        line.push_str(" offset");
    }
    if selector.flags & VAROFFSET != 0 {
        let _ = write!(line, " at {} mask {:04x} shift {}", selector.offoff, selector.offmask, selector.shift);
    }
    if selector.flags & OFFSET != 0 {
        let _ = write!(line, " plus {}", selector.off.cast_signed());
    }
    if selector.flags & EAT != 0 {
        line.push_str(" eat");
    }
    if selector.hmask != 0 || selector.hoff != 0 {
        let _ = write!(line, " hashkey mask {:08x} at {}", selector.hmask, selector.hoff);
    }
    line
}

/// Shows four bytes by the name of their field where they are one, else in numbers.
fn matched(key: &Bytes, of: u16) -> String {
    let Bytes { mask, value, offset, behind } = *key;
    let length = mask.leading_ones();
    let is_prefix = length == 32 || mask << length == 0;
    match (offset, mask) {
        _ if of != protocol::IP || behind != 0 => {}
        (12 | 16, _) if is_prefix => {
            let end = if offset == 12 { "src" } else { "dst" };
            return format!("ip {end} {}/{length}", Ipv4Addr::from(value));
        }
        (8, 0x00ff_0000) => return format!("ip protocol {} 0xff", value >> 16),
        (20, 0x0000_ffff) => return format!("ip dport {value} 0xffff"),
        (20, 0xffff_0000) => return format!("ip sport {} 0xffff", value >> 16),
        (0, 0x00ff_0000) => return format!("ip dsfield {:#x} 0xff", value >> 16),
        _ => {}
    }
    let behind = if behind != 0 { "nexthdr+" } else { "" };
    format!("u32 {value:#010x} {mask:#010x} at {behind}{offset}")
}
