//! The action `pedit`: other bytes into a packet, at places of its headers.

use std::fmt::Write as _;

use super::Verdict;
use super::generic::{self, Generic, word};
use super::packet::mac;
use crate::model::Fault;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;

pub(super) const PARAMETERS: u16 = 2;
pub(super) const PARAMETERS_EX: u16 = 4;
const KEYS_EX: u16 = 5;
const KEY_EX: u16 = 6;
/// What has to be marked as holding attributes.
pub(super) const NESTED: &[u16] = &[KEYS_EX, KEY_EX];
const KEY: usize = 24;
const MOST: usize = 128;

/// The headers, in the order of their numbers. Offsets are from the network header in the first.
const HEADERS: &[&str] = &["", "eth", "ip", "ip6", "tcp", "udp"];

/// Four bytes of a packet: which of them stay (`mask`), and what is flipped in them then.
#[derive(Clone, Copy, Default)]
struct Key {
    mask: u32,
    value: u32,
    offset: i32,
    at: u32,
    offmask: u32,
    shift: u32,
    header: u16,
    adds: bool,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Number,
    Ip,
    Ip6,
    Mac,
}

/// A field: its header, its word, its offset, its length, its value, the bits that it has, and whether it can be counted down.
type Field = (u16, &'static str, i32, usize, Value, u32, bool);

const FIELDS: &[Field] = &[
    (1, "type", 12, 2, Value::Number, 0xffff, false),
    (1, "dst", 0, 6, Value::Mac, u32::MAX, false),
    (1, "src", 6, 6, Value::Mac, u32::MAX, false),
    (2, "src", 12, 4, Value::Ip, u32::MAX, false),
    (2, "dst", 16, 4, Value::Ip, u32::MAX, false),
    (2, "tos", 1, 1, Value::Number, 0xff, false),
    (2, "dsfield", 1, 1, Value::Number, 0xff, false),
    (2, "ihl", 0, 1, Value::Number, 0x0f, false),
    (2, "ttl", 8, 1, Value::Number, 0xff, true),
    (2, "protocol", 9, 1, Value::Number, 0xff, false),
    (2, "precedence", 1, 1, Value::Number, 0xff, false),
    (2, "nofrag", 6, 1, Value::Number, 0x3f, false),
    (2, "firstfrag", 6, 1, Value::Number, 0x1f, false),
    (2, "ce", 6, 1, Value::Number, 0x80, false),
    (2, "df", 6, 1, Value::Number, 0x40, false),
    (2, "mf", 6, 1, Value::Number, 0x20, false),
    (3, "src", 8, 16, Value::Ip6, u32::MAX, false),
    (3, "dst", 24, 16, Value::Ip6, u32::MAX, false),
    (3, "flow_lbl", 0, 4, Value::Number, 0x0007_ffff, false),
    (3, "payload_len", 4, 2, Value::Number, 0xffff, false),
    (3, "nexthdr", 6, 1, Value::Number, 0xff, false),
    (3, "hoplimit", 7, 1, Value::Number, 0xff, true),
    (3, "traffic_class", 1, 1, Value::Number, 0xff, false),
    (4, "sport", 0, 2, Value::Number, 0xffff, false),
    (4, "dport", 2, 2, Value::Number, 0xffff, false),
    (4, "flags", 13, 1, Value::Number, 0xff, false),
    (5, "sport", 0, 2, Value::Number, 0xffff, false),
    (5, "dport", 2, 2, Value::Number, 0xffff, false),
];

/// Behind an IPv4 header of twenty bytes, for who does not say `ex`.
const BEHIND: &[Field] = &[
    (2, "dport", 22, 2, Value::Number, 0xffff, false),
    (2, "sport", 20, 2, Value::Number, 0xffff, false),
    (2, "icmp_type", 20, 1, Value::Number, 0xff, false),
    (2, "icmp_code", 20, 1, Value::Number, 0xff, false),
];

pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let extended = argv.take_short(&["ex"]);
    let mut keys = Vec::new();
    while argv.take_short(&["munge"]) {
        munge(argv, extended, &mut keys)?;
    }
    if keys.len() > MOST {
        return Err(argv.refuse(format!("`pedit` writes to {MOST} places at most")));
    }
    let generic = Generic::read(argv, Verdict::OK)?;
    let mut bytes = generic.bytes(&[keys.len() as u8, 0, 0, 0]);
    for key in &keys {
        let numbers = [key.mask.to_be(), key.value.to_be(), key.offset.cast_unsigned(), key.at, key.offmask, key.shift];
        bytes.extend(numbers.into_iter().flat_map(u32::to_ne_bytes));
    }
    let mut options = Attributes::default();
    options.put(if extended { PARAMETERS_EX } else { PARAMETERS }, bytes);
    if extended {
        let one = |key: &Key| {
            let inside = [(1, key.header.to_ne_bytes().to_vec()), (2, u16::from(key.adds).to_ne_bytes().to_vec())];
            (KEY_EX, inside.into_iter().collect::<Attributes>().bytes())
        };
        options.put_nest(KEYS_EX, &keys.iter().map(one).collect());
    }
    Ok(options)
}

fn munge(argv: &mut Argv, extended: bool, keys: &mut Vec<Key>) -> Result<(), Fault> {
    if argv.take_short(&["offset"]) {
        return raw(argv, extended, 0, keys);
    }
    let word = argv.next_word()?;
    let header = HEADERS.iter().position(|name| *name == word && !name.is_empty()).map(|at| at as u16);
    let header = header.filter(|header| extended || *header == 2);
    let header = header.ok_or_else(|| argv.odd("no header that can be written to").hint("pedit ex munge eth, ip, ip6, tcp or udp"))?;
    // What tc(8) has no word for; so that everything which is shown can be read.
    if extended && argv.take("offset") {
        return raw(argv, extended, header, keys);
    }
    let fields = FIELDS.iter().chain(BEHIND.iter().filter(|_| !extended));
    let field = fields.filter(|(of, ..)| *of == header).find(|(_, name, ..)| argv.is(name)).copied();
    argv.next_word()?;
    let field = field.ok_or_else(|| argv.odd("no field of this header"))?;
    let first = keys.len();
    let key = Key { offset: field.2, header: if extended { header } else { 0 }, ..Key::default() };
    command(argv, extended, key, field, keys)?;
    if field.1 == "traffic_class" {
        keys[first..].iter_mut().for_each(|key| (key.mask, key.value) = (key.mask << 4 | 0xf, key.value << 4));
    }
    Ok(())
}

/// Reads a place in numbers: `12 u16 set 0x1234`.
fn raw(argv: &mut Argv, extended: bool, header: u16, keys: &mut Vec<Key>) -> Result<(), Fault> {
    let mut key = Key { offset: argv.integer()?, header, ..Key::default() };
    let (len, bits) = match () {
        () if argv.take_short(&["u32"]) => (4, u32::MAX),
        () if argv.take_short(&["u16"]) => (2, 0xffff),
        () if argv.take_short(&["u8"]) => (1, 0xff),
        () => return Err(argv.refuse("a width is missing behind `offset`: u8, u16 or u32")),
    };
    if argv.take_short(&["at"]) {
        (key.at, key.offmask, key.shift) = (argv.u32(0)?, argv.u32(16)?, argv.u32(0)?);
    }
    command(argv, extended, key, (header, "", 0, len, Value::Number, bits, false), keys)
}

/// Reads what is to be done there: `set`, `add`, `clear`, `invert`, `preserve`, `decrement`.
fn command(argv: &mut Argv, extended: bool, mut key: Key, field: Field, keys: &mut Vec<Key>) -> Result<(), Fault> {
    let (_, _, _, len, value, mut retain, counts) = field;
    let ones = u32::MAX >> (32 - 8 * len.min(4));
    let mut words = vec![0u32; len.div_ceil(4)];
    key.mask = 0;
    match () {
        // Of a longer field tc(8) writes the first byte only.
        () if argv.take_short(&["invert"]) => (words[0], key.mask) = if len > 4 { (0xff00_0000, 0) } else { (ones, ones) },
        () if argv.begins("set") || argv.begins("add") => {
            key.adds = !argv.begins("set");
            argv.next_word()?;
            words = read_value(argv, value)?;
        }
        () if counts && argv.take_short(&["decrement"]) => {
            key.adds = true;
            words[0] = retain;
        }
        () if argv.take_short(&["preserve"]) => retain = 0,
        () if argv.take_short(&["clear"]) => {}
        () => return Err(argv.refuse("set, add, clear, invert or preserve is missing")),
    }
    if key.adds && !extended {
        return Err(argv.refuse("without `ex` a field can be set, but not be added to"));
    }
    if argv.take_short(&["retain"]) {
        retain = argv.u32(0)?;
        if len > 4 && retain != u32::MAX {
            return Err(argv.odd("too much for a field that is longer than 32 bits"));
        }
    }
    match (value, &words[..]) {
        (Value::Mac, [high, low]) if key.offset % 4 == 0 => {
            // tc(8) inverts nothing in an address.
            pack(argv, keys, Key { value: *high, mask: 0, ..key }, 4, u32::MAX)?;
            pack(argv, keys, Key { value: *low, mask: 0, offset: key.offset + 4, ..key }, 2, u32::MAX)
        }
        (Value::Mac, [high, low]) => {
            pack(argv, keys, Key { value: high >> 16, mask: 0, ..key }, 2, u32::MAX)?;
            pack(argv, keys, Key { value: high << 16 | low, mask: 0, offset: (key.offset & !3) + 4, ..key }, 4, u32::MAX)
        }
        (Value::Ip6, words) => {
            let mut parts = (key.offset..).step_by(4).zip(words);
            parts.try_for_each(|(offset, word)| pack(argv, keys, Key { value: *word, mask: 0, offset, ..key }, 4, u32::MAX))
        }
        (_, words) => pack(argv, keys, Key { value: words.first().copied().unwrap_or(0), ..key }, len, retain),
    }
}

/// Reads a value as words in the order of the network; of a MAC address the second has two bytes.
fn read_value(argv: &mut Argv, value: Value) -> Result<Vec<u32>, Fault> {
    Ok(match value {
        Value::Number => vec![argv.u32(0)?],
        Value::Ip => vec![argv.prefix4()?.0.into()],
        Value::Ip6 => argv.prefix6()?.0.octets().chunks(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]])).collect(),
        Value::Mac => {
            let mac = mac(argv)?;
            vec![u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]), u16::from_be_bytes([mac[4], mac[5]]).into()]
        }
    })
}

/// Puts a value of one, two or four bytes at its place in a word.
fn pack(argv: &Argv, keys: &mut Vec<Key>, mut key: Key, len: usize, retain: u32) -> Result<(), Fault> {
    let ones = u32::MAX >> (32 - 8 * len);
    let room = 4 - len as i32;
    let place = key.offset & 3;
    if key.value > ones {
        return Err(argv.odd(&format!("more than {len} bytes hold")));
    }
    if place > room {
        return Err(argv.refuse(format!("{len} bytes from offset {} on would reach into the next four", key.offset)));
    }
    let stride = 8 * (room - place) as u32;
    key.value = (key.value & retain) << stride;
    key.mask = (key.mask | !retain) << stride | !(ones << stride);
    key.offset &= !3;
    keys.push(key);
    Ok(())
}

pub(super) fn show(options: &Attributes) -> String {
    let extended = options.has(PARAMETERS_EX);
    let bytes = options.get(PARAMETERS_EX).or(options.get(PARAMETERS)).unwrap_or_default();
    let mut line = if extended { "pedit ex".to_owned() } else { "pedit".to_owned() };
    let count = bytes.get(generic::LEN).map_or(0, |count| usize::from(*count));
    let beside = options.nest(KEYS_EX).unwrap_or_default();
    let mut beside = beside.iter().map(|(_, bytes)| Attributes::read(bytes));
    for at in (0..count).map(|row| generic::LEN + 4 + row * KEY) {
        let one = beside.next().unwrap_or_default();
        let (mask, value) = (u32::from_be(word(bytes, at)), u32::from_be(word(bytes, at + 4)));
        let header = HEADERS.get(usize::from(one.u16(1).unwrap_or(0))).copied().unwrap_or_default();
        let _ = write!(line, " munge {header}{}offset {} u32", if header.is_empty() { "" } else { " " }, word(bytes, at + 8).cast_signed());
        let (from, offmask, shift) = (word(bytes, at + 12), word(bytes, at + 16), word(bytes, at + 20));
        if offmask != 0 {
            let _ = write!(line, " at {from} {offmask:x} {shift}");
        }
        match one.u16(2) {
            _ if mask == u32::MAX && value != 0 => drop(write!(line, " invert retain {value:#010x}")),
            Some(1) => drop(write!(line, " add {value:#010x} retain {:#010x}", !mask)),
            _ => drop(write!(line, " set {value:#010x} retain {:#010x}", !mask)),
        }
    }
    line + &Generic::told(bytes).shown()
}
