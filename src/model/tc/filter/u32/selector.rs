//! What `u32` looks at: bytes at places of a packet, in numbers or by the names of fields.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::MARK;
use crate::model::Fault;
use crate::model::tc::action::as_mac;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;
use crate::model::tc::protocol;

/// It ends here, with a class or with actions.
pub(super) const TERMINAL: u8 = 1;
const OFFSET: u8 = 2;
const VAROFFSET: u8 = 4;
const EAT: u8 = 8;

/// Four bytes of a packet: which bits are looked at, what they have to be, and where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bytes {
    pub(super) mask: u32,
    pub(super) value: u32,
    offset: i32,
    /// -1 behind the network header.
    behind: i32,
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(in crate::model::tc::filter) struct Selector {
    pub(super) bytes: Vec<Bytes>,
    pub(super) flags: u8,
    shift: u8,
    /// In the order of the network.
    offmask: u16,
    off: u16,
    offoff: i16,
    hoff: i16,
    hmask: u32,
    /// Whether anything was said to be matched.
    pub(super) is_given: bool,
    /// Whether the bucket was found with a sample.
    pub(super) sampled: bool,
}

impl Selector {
    pub(super) fn told(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<16>()?;
        let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
        let whole =
            |bytes: &[u8], at: usize| bytes.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
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

    pub(super) fn sent(&self) -> Vec<u8> {
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
            Some(other) if (key.value ^ other.value) & key.mask & other.mask != 0 => Err(argv.refuse("two matches contradict each other")),
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
pub(super) fn select(argv: &mut Argv, selector: &mut Selector, options: &mut Attributes) -> Result<(), Fault> {
    let header = HEADERS.iter().find(|name| argv.begins(name)).copied();
    argv.next_word()?;
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
    let word = argv.next_word()?;
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
        argv.next_word()?;
        return if header == "ip" { ip(argv, selector, offset) } else { ip6(argv, selector, offset) };
    }
    if let Some((_, value, mask)) = FRAGMENTS.iter().find(|(name, ..)| header == "ip" && argv.is(name)) {
        argv.next_word()?;
        return selector.pack(argv, 2, Bytes { mask: *mask, value: *value, offset: 6, behind: 0 });
    }
    if header == "ip6" && argv.take("priority") {
        let (value, mask) = (argv.number::<u32>(0, 255)?, argv.number::<u32>(16, 255)?);
        return selector.pack(argv, 4, Bytes { mask: mask << 20, value: value << 20, offset: 0, behind: 0 });
    }
    let found = FIELDS.iter().find(|(of, names, ..)| *of == header && names.iter().any(|name| argv.is(name)));
    // Two of them can be shortened.
    let found = found.or_else(|| {
        FIELDS.iter().find(|(of, names, ..)| *of == header && names.len() > 1 && names[1..].iter().any(|name| argv.begins(name)))
    });
    argv.next_word()?;
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
    let start = match argv.next_word()?.as_str() {
        "src" => -8,
        "dst" => -14,
        _ => return Err(argv.odd("neither src nor dst")),
    };
    let word = argv.next_word()?;
    let mac = as_mac(&word).ok_or_else(|| argv.odd("no MAC address"))?;
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

/// Reads what is added to the place of the next header.
pub(super) fn offset(argv: &mut Argv, selector: &mut Selector) -> Result<(), Fault> {
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

/// Reads which bytes choose the bucket of the next table.
pub(super) fn hashkey(argv: &mut Argv, selector: &mut Selector) -> Result<(), Fault> {
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

/// Shows what is looked at, in packets of a protocol.
pub(super) fn selected(selector: &Selector, of: u16) -> String {
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
