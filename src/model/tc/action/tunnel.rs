//! The action `tunnel_key`: where a packet goes when a tunnel device carries it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Verdict;
use super::ct::address;
use super::generic::{self, Generic, word};
use crate::model::Fault;
use crate::model::hex::{hex, unhex};
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;

const PARAMETERS: u16 = 2;
const ID: u16 = 7;
const DST_PORT: u16 = 9;
const NO_CSUM: u16 = 10;
const OPTIONS: u16 = 11;
const TOS: u16 = 12;
const TTL: u16 = 13;
const SET: u32 = 1;
const RELEASE: u32 = 2;
/// The end of a path: its word, and its attributes for IPv4 and IPv6.
const ENDS: [(&str, u16, u16); 2] = [("src_ip", 3, 5), ("dst_ip", 4, 6)];
/// What has to be marked as holding attributes.
pub(super) const NESTED: &[&[u16]] = &[&[OPTIONS, VXLAN], &[OPTIONS, ERSPAN]];
const GENEVE: u16 = 1;
const VXLAN: u16 = 2;
const ERSPAN: u16 = 3;

pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut act, mut no_csum) = (Attributes::default(), 0, 0);
    loop {
        match () {
            () if act == 0 && argv.take_short(&["unset"]) => act = RELEASE,
            () if act == 0 && argv.take_short(&["set"]) => act = SET,
            () if argv.begins("src_ip") || argv.begins("dst_ip") => read_end(argv, &mut options)?,
            () if argv.take_short(&["id"]) => options.put(ID, argv.u32(10)?.to_be_bytes()),
            () if argv.take_short(&["dst_port"]) => options.put(DST_PORT, argv.u16(10)?.to_be_bytes()),
            () if argv.take_short(&["geneve_opts"]) => {
                let word = argv.next_word()?;
                options.put_nest(OPTIONS, &geneve(&word).ok_or_else(|| argv.odd("no list of options CLASS:TYPE:DATA"))?);
            }
            () if argv.take_short(&["vxlan_opts"]) => {
                let gbp = argv.u32(0)?;
                options.put_nest(OPTIONS, &nested(VXLAN, &[(1, gbp.to_ne_bytes().to_vec())]));
            }
            () if argv.take_short(&["erspan_opts"]) => {
                let word = argv.next_word()?;
                options.put_nest(OPTIONS, &erspan(&word).ok_or_else(|| argv.odd("no option VERSION:INDEX:DIRECTION:ID"))?);
            }
            () if argv.take_short(&["tos"]) => options.put(TOS, [decimal_or_hex(argv)?]),
            () if argv.take_short(&["ttl"]) => options.put(TTL, [decimal_or_hex(argv)?]),
            () if argv.take_short(&["csum"]) => no_csum = 0,
            () if argv.take_short(&["nocsum"]) => no_csum = 1,
            () => break,
        }
    }
    options.put(NO_CSUM, [no_csum]);
    let generic = Generic::read(argv, Verdict::PIPE)?;
    if act == SET && ENDS.iter().any(|(_, four, six)| !options.has(*four) && !options.has(*six)) {
        return Err(argv.refuse("`set` needs `src_ip` and `dst_ip`"));
    }
    options.put(PARAMETERS, generic.bytes(&act.to_ne_bytes()));
    Ok(options)
}

fn read_end(argv: &mut Argv, options: &mut Attributes) -> Result<(), Fault> {
    let (_, four, six) = ENDS[usize::from(argv.begins("dst_ip"))];
    argv.next_word()?;
    let word = argv.next_word()?;
    match word.parse().map_err(|_| argv.odd("no address"))? {
        IpAddr::V4(address) => options.put(four, address.octets()),
        IpAddr::V6(address) => options.put(six, address.octets()),
    }
    Ok(())
}

/// Reads a number of 8 bits, decimal, or else hexadecimal.
pub(in crate::model::tc) fn decimal_or_hex(argv: &mut Argv) -> Result<u8, Fault> {
    let word = argv.next_word()?;
    let found = argv::number(&word, 10).filter(|n| *n < 256).or_else(|| argv::number(&word, 16));
    found.and_then(|n| u8::try_from(n).ok()).ok_or_else(|| argv.odd("no number from 0 to 255"))
}

/// Puts values into an attribute in an attribute.
pub(in crate::model::tc) fn nested(kind: u16, values: &[(u16, Vec<u8>)]) -> Attributes {
    let mut options = Attributes::default();
    options.put_nest(kind, &values.iter().cloned().collect());
    options
}

fn small(text: &str, base: u32) -> Option<Vec<u8>> {
    argv::number(text, base).and_then(|n| u8::try_from(n).ok()).map(|n| vec![n])
}

/// Reads options of geneve: `0102:80:00880022,…`.
pub(in crate::model::tc) fn geneve(word: &str) -> Option<Attributes> {
    let mut options = Attributes::default();
    for one in word.split(',') {
        let mut parts = one.split(':');
        let class = argv::number(parts.next()?, 16).and_then(|n| u16::try_from(n).ok())?;
        let kind = small(parts.next()?, 16)?;
        // The kernel takes whole words.
        let data = unhex(parts.next()?).filter(|data| !data.is_empty() && data.len() % 4 == 0 && data.len() <= 128)?;
        parts.next().is_none().then_some(())?;
        options.put_nest(GENEVE, &[(1, class.to_be_bytes().to_vec()), (2, kind), (3, data)].into_iter().collect());
    }
    Some(options)
}

/// Reads the option of erspan: `2:0:1:4`.
pub(in crate::model::tc) fn erspan(word: &str) -> Option<Attributes> {
    let parts: Vec<&str> = word.split(':').collect();
    let [version, index, direction, id] = parts[..] else { return None };
    let mut values = vec![(1, small(version, 0)?)];
    if !index.is_empty() {
        values.push((2, u32::try_from(argv::number(index, 0)?).ok()?.to_be_bytes().to_vec()));
    }
    for (kind, text) in [(3, direction), (4, id)] {
        if !text.is_empty() {
            values.push((kind, small(text, 0)?));
        }
    }
    Some(nested(ERSPAN, &values))
}

/// Shows the options of a tunnel, behind the word for their kind.
pub(in crate::model::tc) fn options_shown(options: &Attributes) -> Option<(&'static str, String)> {
    if let Some(inside) = options.nest(VXLAN) {
        return Some(("vxlan_opts", inside.u32(1).unwrap_or(0).to_string()));
    }
    if let Some(inside) = options.nest(ERSPAN) {
        let small = |kind| inside.u8(kind).map(|n| n.to_string()).unwrap_or_default();
        let index = inside.get(2).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_be_bytes(*bytes).to_string());
        return Some(("erspan_opts", format!("{}:{}:{}:{}", small(1), index.unwrap_or_default(), small(3), small(4))));
    }
    let one = |(kind, bytes): (u16, &[u8])| {
        let inside = (kind == GENEVE).then(|| Attributes::read(bytes))?;
        Some(format!("{}:{}:{}", hex(inside.get(1)?), hex(inside.get(2)?), hex(inside.get(3)?)))
    };
    let list: Vec<String> = options.iter().filter_map(one).collect();
    (!list.is_empty()).then(|| ("geneve_opts", list.join(",")))
}

/// Of what releases a packet the kernel tells no more.
pub(super) fn fill(options: &mut Attributes) {
    let act = options.get(PARAMETERS).map_or(0, |bytes| word(bytes, generic::LEN));
    if act == RELEASE {
        let rest: Vec<u16> = options.iter().map(|(kind, _)| kind).filter(|kind| *kind != PARAMETERS).collect();
        options.drop(&rest);
    }
}

pub(super) fn show(options: &Attributes) -> String {
    let bytes = options.get(PARAMETERS).unwrap_or_default();
    let mut line = match word(bytes, generic::LEN) {
        SET => "tunnel_key set".to_owned(),
        RELEASE => "tunnel_key unset".to_owned(),
        _ => "tunnel_key".to_owned(),
    };
    for (name, four, six) in ENDS {
        if let Some(bytes) = options.get(four).or(options.get(six)) {
            let _ = write!(line, " {name} {}", address(bytes));
        }
    }
    if let Some(id) = options.get(ID).and_then(|bytes| bytes.first_chunk()) {
        let _ = write!(line, " id {}", u32::from_be_bytes(*id));
    }
    if let Some(port) = options.get(DST_PORT).and_then(|bytes| bytes.first_chunk()) {
        let _ = write!(line, " dst_port {}", u16::from_be_bytes(*port));
    }
    if let Some((name, text)) = options.nest(OPTIONS).as_ref().and_then(options_shown) {
        let _ = write!(line, " {name} {text}");
    }
    for (kind, name) in [(TOS, "tos"), (TTL, "ttl")] {
        if let Some(value) = options.u8(kind) {
            let _ = write!(line, " {name} {value}");
        }
    }
    if options.u8(NO_CSUM) == Some(1) {
        line.push_str(" nocsum");
    }
    line + &Generic::told(bytes).shown()
}
