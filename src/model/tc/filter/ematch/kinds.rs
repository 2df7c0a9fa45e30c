//! The kinds of matches in a tree: how each is read and shown.

use std::fmt::Write as _;

use super::Token;
use crate::model::hex::hex;
use crate::model::tc::argv;
use crate::model::tc::attribute::Attributes;

/// The kinds of matches, as the kernel numbers them; 0 holds others.
const CMP: u16 = 1;
const NBYTE: u16 = 2;
const U32: u16 = 3;
const META: u16 = 4;

const OPERANDS: &[&str] = &["eq", "gt", "lt"];

fn number(token: Option<&Token>) -> Result<u32, String> {
    match token {
        Some(Token::Word(word)) => {
            argv::number(word, 0).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("{word:?} is no number"))
        }
        _ => Err("a number is missing".into()),
    }
}

fn layer(token: Option<&Token>) -> Result<u32, String> {
    match token {
        Some(Token::Word(word)) if word.starts_with('l') => Ok(0),
        Some(Token::Word(word)) if word.starts_with('n') => Ok(1),
        Some(Token::Word(word)) if word.starts_with('t') => Ok(2),
        token => number(token).ok().filter(|layer| *layer < 3).ok_or_else(|| "a layer is link, network or transport".to_owned()),
    }
}

/// Reads what stands in the parentheses of a match.
pub(super) fn of_kind(kind: &str, arguments: &[Token]) -> Result<(u16, Vec<u8>), String> {
    match kind {
        "cmp" => Ok((CMP, cmp(arguments)?)),
        "u32" => Ok((U32, u32(arguments)?)),
        "nbyte" => Ok((NBYTE, nbyte(arguments)?)),
        "meta" => Ok((META, meta(arguments)?)),
        "ipset" | "canid" | "ipt" => Err("is a match that fyke cannot read".into()),
        _ => Err("is no match; there are cmp, u32, nbyte, meta".into()),
    }
}

fn is(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(other)) if other == word)
}

fn width(token: Option<&Token>) -> Result<u8, String> {
    [("u8", 1), ("u16", 2), ("u32", 4)]
        .into_iter()
        .find(|(name, _)| is(token, name))
        .map(|(_, width)| width)
        .ok_or_else(|| "u8, u16 or u32 is missing".into())
}

/// `u16 at 3 layer 2 mask 0xff00 trans gt 20`.
fn cmp(arguments: &[Token]) -> Result<Vec<u8>, String> {
    let mut rest = arguments.iter();
    let align = width(rest.next())?;
    let (mut offset, mut value, mut near, mut mask, mut flags, mut operand) = (None, None, 1, 0, 0u8, 0u8);
    while let Some(token) = rest.next() {
        match token {
            token if is(Some(token), "at") => offset = Some(number(rest.next())?),
            token if is(Some(token), "layer") => near = layer(rest.next())?,
            token if is(Some(token), "mask") => mask = number(rest.next())?,
            token if is(Some(token), "trans") => flags = 1,
            token => match OPERANDS.iter().position(|name| is(Some(token), name)) {
                Some(at) => (operand, value) = (at as u8, Some(number(rest.next())?)),
                None => return Err("a word is odd".into()),
            },
        }
    }
    let (Some(offset), Some(value)) = (offset.and_then(|n| u16::try_from(n).ok()), value) else {
        return Err("`at` and a comparison are needed".into());
    };
    let bytes = [&value.to_ne_bytes()[..], &mask.to_ne_bytes(), &offset.to_ne_bytes(), &[align | flags << 4, near as u8 | operand << 4]];
    Ok(bytes.concat())
}

/// `u16 0x1122 0xffff at nexthdr+4`.
fn u32(arguments: &[Token]) -> Result<Vec<u8>, String> {
    let [bits, value, mask, at, place @ ..] = arguments else { return Err("a value, a mask and a place are needed".into()) };
    let (width, mut value, mut mask) = (width(Some(bits))?, number(Some(value))?, number(Some(mask))?);
    let (behind, offset) = match place {
        _ if !is(Some(at), "at") => return Err("`at` is missing".into()),
        [Token::Word(word)] => match word.strip_prefix("nexthdr+") {
            Some(digits) => (-1i32, number(Some(&Token::Word(digits.into())))?),
            None => (0, number(Some(&Token::Word(word.clone())))?),
        },
        [first, second] if is(Some(first), "nexthdr+") => (-1, number(Some(second))?),
        _ => return Err("one place is needed".into()),
    };
    let most = u32::MAX >> (32 - 8 * u32::from(width));
    if value > most || mask > most {
        return Err("a value or a mask is too large".into());
    }
    let shift = match width {
        1 => 24 - (offset & 3) * 8,
        2 if offset & 3 == 0 => 16,
        _ => 0,
    };
    (value, mask) = (value << shift, mask << shift);
    let offset = if width < 4 { offset & !3 } else { offset };
    if offset % 4 != 0 {
        return Err("the place is no multiple of 4".into());
    }
    Ok([mask.to_be_bytes(), (value & mask).to_be_bytes(), offset.to_ne_bytes(), behind.to_ne_bytes()].concat())
}

/// `"ababa" at 12 layer 1`.
fn nbyte(arguments: &[Token]) -> Result<Vec<u8>, String> {
    let needle = match arguments.first() {
        Some(Token::Quoted(bytes)) => bytes.clone(),
        Some(Token::Word(word)) => word.clone().into_bytes(),
        _ => Vec::new(),
    };
    if needle.is_empty() || needle.len() > 0xfff {
        return Err("a text of 1 to 4095 bytes is needed".into());
    }
    let (mut offset, mut near) = (None, 1);
    let mut rest = arguments[1..].iter();
    while let Some(token) = rest.next() {
        match token {
            token if is(Some(token), "at") => offset = Some(number(rest.next())?),
            token if is(Some(token), "layer") => near = layer(rest.next())?,
            _ => return Err("a word is odd".into()),
        }
    }
    let offset = offset.and_then(|n| u16::try_from(n).ok()).ok_or("`at` is missing")?;
    let length = needle.len() as u16 | (near as u16) << 12;
    Ok([&offset.to_ne_bytes()[..], &length.to_ne_bytes(), &needle].concat())
}

/// What `meta` knows of a packet and of the machine: its name and its number, and whether it is a text, too.
const IDS: &[(&str, u16, bool)] = &[
    ("random", 1, false),
    ("loadavg_1", 2, false),
    ("loadavg_5", 3, false),
    ("loadavg_15", 4, false),
    ("dev", 5, true),
    ("priority", 6, false),
    ("protocol", 7, false),
    ("pkt_type", 8, false),
    ("pkt_len", 9, false),
    ("data_len", 10, false),
    ("mac_len", 11, false),
    ("nf_mark", 12, false),
    ("fwmark", 12, false),
    ("tc_index", 13, false),
    ("rt_classid", 14, false),
    ("rt_iif", 15, false),
    ("vlan", 46, false),
    ("sk_family", 16, false),
    ("sk_state", 17, false),
    ("sk_reuse", 18, false),
    ("sk_bind_if", 19, true),
    ("sk_refcnt", 20, false),
    ("sk_shutdown", 21, false),
    ("sk_proto", 22, false),
    ("sk_type", 23, false),
    ("sk_rcvbuf", 24, false),
    ("sk_rmem", 25, false),
    ("sk_wmem", 26, false),
    ("sk_omem", 27, false),
    ("sk_wmem_queue", 28, false),
    ("sk_rcv_queue", 29, false),
    ("sk_snd_queue", 30, false),
    ("sk_err_queue", 31, false),
    ("sk_fwd_alloc", 32, false),
    ("sk_sndbuf", 33, false),
];
const TEXT: u16 = 0 << 12;
const INT: u16 = 1 << 12;

/// One side of a comparison.
struct Side {
    kind: u16,
    shift: u8,
    /// A value, or the mask of a number.
    bytes: Vec<u8>,
}

fn side<'a>(rest: &mut std::iter::Peekable<impl Iterator<Item = &'a Token>>) -> Result<Side, String> {
    let word = match rest.next() {
        Some(Token::Quoted(bytes)) => return Ok(Side { kind: TEXT, shift: 0, bytes: bytes.clone() }),
        Some(Token::Word(word)) => word,
        _ => return Err("a value is missing".into()),
    };
    if let Some(value) = argv::number(word, 0) {
        let value = u32::try_from(value).map_err(|_| format!("{word:?} is too large"))?;
        return Ok(Side { kind: INT, shift: 0, bytes: value.to_ne_bytes().to_vec() });
    }
    let (_, id, _) = IDS.iter().find(|(name, ..)| name == word).ok_or_else(|| format!("nothing is called {word:?}"))?;
    let (mut shift, mut mask) = (0, 0);
    loop {
        match rest.peek() {
            token if is(token.copied(), "shift") => {
                rest.next();
                shift = u8::try_from(number(rest.next())?).map_err(|_| "a shift is too far")?;
            }
            token if is(token.copied(), "mask") => {
                rest.next();
                mask = number(rest.next())?;
            }
            _ => return Ok(Side { kind: INT | id, shift, bytes: mask.to_ne_bytes().to_vec() }),
        }
    }
}

/// `nf_mark mask 0xff gt 24`, `dev shift 1 eq "ppp"`.
fn meta(arguments: &[Token]) -> Result<Vec<u8>, String> {
    let mut rest = arguments.iter().peekable();
    let mut left = side(&mut rest)?;
    let operand = rest.next();
    let operand = OPERANDS.iter().position(|name| is(operand, name)).ok_or("eq, gt or lt is missing")?;
    let mut right = side(&mut rest)?;
    if rest.next().is_some() {
        return Err("a word is too much".into());
    }
    // What can be both is what the other side is.
    if left.kind & INT != right.kind & INT {
        let number = if left.kind & INT != 0 { &mut left } else { &mut right };
        let both = IDS.iter().any(|(_, id, both)| *both && number.kind & 0x7ff == *id);
        if !both {
            return Err("a text and a number cannot be compared".into());
        }
        number.kind &= !INT;
        number.bytes.clear();
    }
    let head = [&left.kind.to_ne_bytes()[..], &[left.shift, operand as u8], &right.kind.to_ne_bytes(), &[right.shift, 0]].concat();
    let mut attributes = Attributes::default();
    attributes.put(1, head);
    for (kind, side) in [(2, left), (3, right)] {
        if side.kind & INT != 0 || side.kind & 0x7ff == 0 {
            attributes.put(kind, side.bytes);
        }
    }
    Ok(attributes.bytes())
}

/// Shows a match.
pub(super) fn one_shown(kind: u16, data: &[u8]) -> String {
    let whole = |at: usize| data.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    let half = |at: usize| data.get(at..at + 2).map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]));
    match kind {
        CMP if data.len() >= 12 => {
            let (align, place) = (data[10], data[11]);
            let mask = if whole(4) > 0 { format!(" mask {:#x}", whole(4)) } else { String::new() };
            let trans = if align >> 4 & 1 != 0 { " trans" } else { "" };
            let operand = OPERANDS.get(usize::from(place >> 4)).copied().unwrap_or("eq");
            format!("cmp(u{} at {} layer {}{mask}{trans} {operand} {})", 8 * (align & 15), half(8), place & 15, whole(0))
        }
        U32 if data.len() >= 16 => {
            let behind = if whole(12) != 0 { "nexthdr+" } else { "" };
            format!("u32(u32 {:#010x} {:#010x} at {behind}{})", u32::from_be(whole(4)), u32::from_be(whole(0)), whole(8).cast_signed())
        }
        NBYTE if data.len() >= 4 => format!("nbyte({} at {} layer {})", escaped(&data[4..]), half(0), half(2) >> 12),
        META => {
            let attributes = Attributes::read(data);
            let head = attributes.get(1).unwrap_or_default();
            let side = |at: usize, kind: u16| {
                let id = head.get(at..at + 2).map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]));
                let shift = head.get(at + 2).copied().unwrap_or(0);
                side_shown(id, shift, attributes.get(kind).unwrap_or_default())
            };
            let operand = OPERANDS.get(usize::from(head.get(3).copied().unwrap_or(0))).copied().unwrap_or("eq");
            format!("meta({} {operand} {})", side(0, 2), side(4, 3))
        }
        _ => format!("[match {kind}: {}]", hex(data)),
    }
}

fn side_shown(kind: u16, shift: u8, bytes: &[u8]) -> String {
    let value = bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    match kind & 0x7ff {
        0 if kind & INT == 0 => escaped(bytes),
        0 => value.to_string(),
        id => {
            let name = IDS.iter().find(|(_, other, _)| *other == id).map_or("?", |(name, ..)| name);
            let shift = if shift > 0 { format!(" shift {shift}") } else { String::new() };
            let mask = if kind & INT != 0 && value > 0 { format!(" mask {value:#010x}") } else { String::new() };
            format!("{name}{shift}{mask}")
        }
    }
}

/// Writes a text in quotes, so that it can stand in others.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' | b'\'' => drop(write!(text, "\\x{byte:02x}")),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text + "\""
}
