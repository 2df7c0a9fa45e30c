//! Trees of matches, as `basic`, `cgroup` and `flow` have them: `cmp(u16 at 3 gt 20) and not (meta(nf_mark eq 1) or u32(u8 1 0xff at 9))`.

use std::fmt::Write as _;

use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::{Attributes, hex};
use crate::model::Fault;

const HEADER: u16 = 1;
const LIST: u16 = 2;

const AND: u16 = 1;
const OR: u16 = 2;
const INVERT: u16 = 4;

/// The kinds of matches, as the kernel numbers them; 0 holds others.
const CMP: u16 = 1;
const NBYTE: u16 = 2;
const U32: u16 = 3;
const META: u16 = 4;

const OPERANDS: &[&str] = &["eq", "gt", "lt"];

/// One match of a list that is bound by `and` and `or`.
struct Match {
    flags: u16,
    what: What,
}

enum What {
    Inside(Vec<Match>),
    Match(u16, Vec<u8>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(Vec<u8>),
    Open,
    Close,
}

/// Takes words apart: a parenthesis ends a word, and quotes hold text with escapes as in C.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let (mut found, mut rest) = (Vec::new(), text.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            '"' => found.push(Token::Quoted(quoted(&mut rest)?)),
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|next| !next.is_whitespace() && *next != '(' && *next != ')') {
                    word.push(next);
                }
                found.push(Token::Word(word));
            }
        }
    }
    Some(found)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match rest.next()? {
            '"' => return Some(bytes),
            '\\' => match rest.next()? {
                'x' => {
                    let digits: String = (0..2).map_while(|_| rest.next_if(char::is_ascii_hexdigit)).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).ok()?);
                }
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'v' => bytes.push(0x0b),
                'b' => bytes.push(0x08),
                'f' => bytes.push(0x0c),
                'a' => bytes.push(0x07),
                c if c.is_digit(8) => {
                    let mut digits = String::from(c);
                    digits.extend((0..2).map_while(|_| rest.next_if(|c| c.is_digit(8))));
                    bytes.push(u8::from_str_radix(&digits, 8).ok()?);
                }
                c if c.is_ascii_digit() => return None,
                c => bytes.extend(c.to_string().bytes()),
            },
            c => bytes.extend(c.to_string().bytes()),
        }
    }
}

/// Reads the words of a tree, and gives the tree as the kernel has it.
pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut reader = Reader { argv, tokens: Vec::new(), at: 0 };
    let tree = reader.expression()?;
    if reader.at < reader.tokens.len() {
        return Err(reader.argv.odd("no end of a match"));
    }
    Ok(sent(tree))
}

struct Reader<'a> {
    argv: &'a mut Argv,
    /// The tokens of the words that were taken so far.
    tokens: Vec<Token>,
    at: usize,
}

impl Reader<'_> {
    /// Gives the token at hand; words are taken as they are needed.
    fn peek(&mut self) -> Result<Option<Token>, Fault> {
        if self.at >= self.tokens.len() {
            if self.argv.is_end() {
                return Ok(None);
            }
            let word = self.argv.next()?;
            self.tokens = tokens(&word).ok_or_else(|| self.argv.odd("no match: a quote in it is odd"))?;
            self.at = 0;
        }
        Ok(self.tokens.get(self.at).cloned())
    }

    fn next(&mut self) -> Result<Token, Fault> {
        let token = self.peek()?.ok_or_else(|| self.argv.refuse("a match is not ended"))?;
        self.at += 1;
        Ok(token)
    }

    /// Reads matches that are bound by `and` and `or`.
    fn expression(&mut self) -> Result<Vec<Match>, Fault> {
        let mut list = vec![self.one()?];
        while let Some(relation) = self.relation()? {
            if let Some(last) = list.last_mut() {
                last.flags |= relation;
            }
            list.push(self.one()?);
        }
        Ok(list)
    }

    /// Reads `and` or `or`. A word that is neither belongs to what comes behind the tree, and is not taken.
    fn relation(&mut self) -> Result<Option<u16>, Fault> {
        let of = |word: &str| match word.to_ascii_lowercase().as_str() {
            "and" => Some(AND),
            "or" => Some(OR),
            _ => None,
        };
        let found = match self.tokens.get(self.at) {
            Some(Token::Word(word)) => of(word),
            Some(_) => None,
            None => self.argv.peek().and_then(|word| of(word.split(['(', ' ']).next().unwrap_or_default())),
        };
        if found.is_some() {
            self.next()?;
        }
        Ok(found)
    }

    fn one(&mut self) -> Result<Match, Fault> {
        let mut flags = 0;
        let mut token = self.next()?;
        if matches!(&token, Token::Word(word) if word.eq_ignore_ascii_case("not")) {
            flags = INVERT;
            token = self.next()?;
        }
        let what = match token {
            Token::Open => {
                let inside = self.expression()?;
                if self.next()? != Token::Close {
                    return Err(self.argv.odd("no match: `)` is missing"));
                }
                What::Inside(inside)
            }
            Token::Word(kind) if self.next()? == Token::Open => {
                let mut arguments = Vec::new();
                loop {
                    match self.next()? {
                        Token::Close => break,
                        Token::Open => return Err(self.argv.odd("no match: a parenthesis is in another")),
                        argument => arguments.push(argument),
                    }
                }
                let (number, bytes) = of_kind(&kind, &arguments).map_err(|why| self.argv.refuse(format!("in `{kind}(…)` {why}")))?;
                What::Match(number, bytes)
            }
            _ => return Err(self.argv.odd("no match: cmp(…), u32(…), nbyte(…), meta(…)")),
        };
        Ok(Match { flags, what })
    }
}

/// The tree as a list, in the order in which tc(8) sends it: what is in parentheses stands behind all that is at hand.
fn sent(tree: Vec<Match>) -> Attributes {
    let mut list: Vec<(u16, What)> = tree.into_iter().map(|one| (one.flags, one.what)).collect();
    flatten(&mut list, 0);
    let count = list.len() as u16;
    let element = |(flags, what): (u16, What)| {
        let (kind, data) = match what {
            What::Match(kind, data) => (kind, data),
            // Flattened, it holds where its list begins.
            What::Inside(_) => (0, Vec::new()),
        };
        [[0u16, kind, flags, 0].into_iter().flat_map(u16::to_ne_bytes).collect(), data].concat()
    };
    let mut attributes = Attributes::default();
    attributes.put(HEADER, [count.to_ne_bytes(), 0u16.to_ne_bytes()].concat());
    attributes.put_nest(LIST, &(1..).zip(list.into_iter().map(element)).collect());
    attributes
}

fn flatten(list: &mut Vec<(u16, What)>, first: usize) {
    let end = list.len();
    for at in first..end {
        if let What::Inside(inside) = &mut list[at].1 {
            let inside = std::mem::take(inside);
            let begin = list.len();
            list[at].1 = What::Match(0, (begin as u32).to_ne_bytes().to_vec());
            list.extend(inside.into_iter().map(|one| (one.flags, one.what)));
            flatten(list, begin);
        }
    }
}

fn number(token: Option<&Token>) -> Result<u32, String> {
    match token {
        Some(Token::Word(word)) => argv::number(word, 0).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("{word:?} is no number")),
        _ => Err("a number is missing".into()),
    }
}

fn layer(token: Option<&Token>) -> Result<u32, String> {
    match token {
        Some(Token::Word(word)) if word.starts_with('l') => Ok(0),
        Some(Token::Word(word)) if word.starts_with('n') => Ok(1),
        Some(Token::Word(word)) if word.starts_with('t') => Ok(2),
        token => number(token)
            .ok()
            .filter(|layer| *layer < 3)
            .ok_or_else(|| "a layer is link, network or transport".to_owned()),
    }
}

fn of_kind(kind: &str, arguments: &[Token]) -> Result<(u16, Vec<u8>), String> {
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
    [("u8", 1), ("u16", 2), ("u32", 4)].into_iter().find(|(name, _)| is(token, name)).map(|(_, width)| width).ok_or_else(|| "u8, u16 or u32 is missing".into())
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

/// Puts a tree into the order of its attributes.
pub(super) fn settled(tree: &Attributes) -> Attributes {
    let mut settled = tree.clone();
    settled.sort();
    settled
}

/// Shows a tree in the words of tc(8).
pub(super) fn shown(tree: &Attributes) -> String {
    let list: Vec<Vec<u8>> = tree.nest(LIST).unwrap_or_default().iter().map(|(_, bytes)| bytes.to_vec()).collect();
    // A tree that refers to itself would have no end.
    sequence(&list, 0, &mut (list.len() * 2))
}

fn sequence(list: &[Vec<u8>], first: usize, left: &mut usize) -> String {
    let mut line = String::new();
    for bytes in list.get(first..).unwrap_or_default() {
        if *left == 0 || bytes.len() < 8 {
            break;
        }
        *left -= 1;
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let (kind, flags, data) = (half(2), half(4), &bytes[8..]);
        if flags & INVERT != 0 {
            line.push_str("not ");
        }
        match kind {
            0 => {
                let inside = data.first_chunk().map_or(usize::MAX, |bytes| u32::from_ne_bytes(*bytes) as usize);
                let _ = write!(line, "({})", sequence(list, inside, left));
            }
            _ => line.push_str(&one_shown(kind, data)),
        }
        match flags & 3 {
            AND => line.push_str(" and "),
            OR => line.push_str(" or "),
            _ => break,
        }
    }
    line
}

fn one_shown(kind: u16, data: &[u8]) -> String {
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
