//! A packet of which many are sent, with fields that are another in each: the bytes are built once, and a few of them are written anew for every packet,
//! with the checksums that cover them (RFC 1624).

use std::net::IpAddr;
use std::ops::Range;

use crate::model::Fault;
use crate::model::near::did_you_mean;
use crate::model::packet::field::{Field, Form};
use crate::model::packet::value::Value;
use crate::model::packet::{Check, Dissection, Packet, bits, checksum};

/// Where the values of a field come from.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// Up from one number to another, then from the beginning.
    Count { from: u128, to: u128, step: u128 },
    /// Anything between two numbers.
    Random { from: u128, to: u128 },
    /// These in turn.
    List(Vec<u128>),
}

/// Bits that are written anew, and the checksums that cover them, each with whether its words begin at odd bytes.
#[derive(Clone, Debug)]
struct Vary {
    start: usize,
    width: usize,
    source: Source,
    sums: Vec<(usize, bool, bool)>,
}

/// A packet with fields that vary.
#[derive(Clone, Debug)]
pub struct Template {
    /// The bytes of the first one.
    pub bytes: Vec<u8>,
    varies: Vec<Vary>,
    random: u64,
    /// Where the address is that varies and that the packet goes to.
    pub to: Option<Range<usize>>,
}

/// The most values of an address that are looked at one by one.
const LOOKED_AT: u128 = 1 << 16;

impl Template {
    /// Makes one of a packet, and of what is said about its fields by their names: `udp.sport`.
    pub fn new(packet: &Packet, vary: &[(String, Value)], seed: u64) -> Result<Self, Fault> {
        let found = packet.layers();
        let bytes = packet.bytes.to_vec();
        let varies = vary.iter().map(|(name, value)| Vary::new(name, value, &bytes, &found)).collect::<Result<Vec<_>, _>>()?;
        let network = found.layers.iter().position(|layer| ["ipv4", "ipv6"].contains(&layer.protocol.name));
        let to = network.and_then(|at| {
            let layer = &found.layers[at];
            let field = (layer.protocol.fields)(&bytes[layer.header.clone()]).iter().find(|field| field.name == "dst")?;
            let start = layer.header.start * 8 + field.start;
            varies.iter().any(|vary| vary.start == start).then(|| start / 8..(start + field.width) / 8)
        });
        // Zero is the one state that the generator never leaves.
        Ok(Self { bytes, varies, random: seed | 1, to })
    }

    /// Writes the packet of a number over an earlier one.
    pub fn write(&mut self, packet: &mut [u8], number: u64) {
        for vary in &self.varies {
            let value = vary.source.value(number, &mut self.random);
            vary.write(packet, value);
        }
    }

    /// Gives the address to which a packet goes, if that varies.
    pub fn destination(&self, packet: &[u8]) -> Option<IpAddr> {
        address(packet.get(self.to.clone()?)?)
    }

    /// Gives the addresses to which packets go if that varies; too many of them are a fault.
    pub fn destinations(&self) -> Result<Vec<IpAddr>, Fault> {
        let Some(range) = &self.to else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for vary in self.varies.iter().filter(|vary| vary.start == range.start * 8) {
            let mut packet = self.bytes.clone();
            for value in vary.source.all().ok_or_else(|| {
                Fault::input("vary the address that packets are sent to", format!("it may be one of more than {LOOKED_AT}"))
                    .hint("bound it: #{ from: \"10.0.0.1\", to: \"10.0.0.254\" }")
            })? {
                vary.put(&mut packet, value);
                found.extend(address(&packet[range.clone()]));
            }
        }
        Ok(found)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => bytes.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

impl Source {
    /// Reads what a script says of a field.
    fn read(name: &str, field: &Field, value: &Value, now: u128) -> Result<Self, Fault> {
        let most = if field.width >= 128 { u128::MAX } else { (1 << field.width) - 1 };
        let refuse = |why: String| Fault::input(format!("vary {name} by {value}"), why);
        let number = |value: &Value| {
            let found = number(field, value).ok_or_else(|| refuse(format!("{value} is no value of it")))?;
            if found <= most { Ok(found) } else { Err(refuse(format!("{value} does not fit into its {} bits", field.width))) }
        };
        let range = |from: u128, to: u128, step: u128, random: bool| match (from <= to, random) {
            (false, _) => Err(refuse("the range is the wrong way round".into())),
            (true, true) => Ok(Self::Random { from, to }),
            (true, false) => Ok(Self::Count { from, to, step }),
        };
        match value {
            Value::Text(word) if word == "random" => range(0, most, 1, true),
            Value::Text(word) if word == "counter" => range(now, most, 1, false),
            Value::Text(word) if word.split_once('-').is_some_and(|(from, to)| is_number(from) && is_number(to)) => {
                let (from, to) = word.split_once('-').unwrap_or_default();
                range(number(&Value::text(from))?, number(&Value::text(to))?, 1, false)
            }
            Value::List(list) if !list.is_empty() => list.iter().map(number).collect::<Result<_, _>>().map(Self::List),
            Value::Map(parts) => {
                if let Some((odd, _)) = parts.iter().find(|(part, _)| !["from", "to", "step", "random"].contains(&part.as_str())) {
                    return Err(refuse(format!("there is no `{odd}` in it")).hint("#{ from: 1, to: 100, step: 1, random: false }"));
                }
                let part = |name: &str, missing: u128| value.part(name).map_or(Ok(missing), number);
                let step = value.part("step").map_or(Ok(1), |step| match step.number() {
                    None | Some(0) => Err(refuse("its `step` is no number from 1 on".into())),
                    Some(step) => Ok(step.into()),
                })?;
                let random = value.part("random").is_some_and(|random| random.number() == Some(1));
                range(part("from", if random { 0 } else { now })?, part("to", most)?, step, random)
            }
            _ => Err(refuse("it is neither a list, nor a range, nor \"counter\" or \"random\"".into())),
        }
    }

    fn value(&self, number: u64, random: &mut u64) -> u128 {
        match self {
            Self::List(list) => list[(number % list.len() as u64) as usize],
            Self::Count { from, to, step } => {
                let steps = (to - from) / step;
                from + u128::from(number) % steps.saturating_add(1) * step
            }
            Self::Random { from, to } => {
                let drawn = u128::from(next(random)) << 64 | u128::from(next(random));
                match (to - from).checked_add(1) {
                    Some(many) => from + drawn % many,
                    None => drawn,
                }
            }
        }
    }

    /// Gives all values, if they are not too many.
    fn all(&self) -> Option<Vec<u128>> {
        match self {
            Self::List(list) => Some(list.clone()),
            Self::Count { from, to, .. } | Self::Random { from, to } if to - from < LOOKED_AT => Some((*from..=*to).collect()),
            Self::Count { .. } | Self::Random { .. } => None,
        }
    }
}

/// Draws a number (xorshift64*): packets need variety, not secrets.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a value of a field as the number that its bits are.
fn number(field: &Field, value: &Value) -> Option<u128> {
    match field.form {
        Form::V4 | Form::V6 => match value.address() {
            Some(IpAddr::V4(v4)) if field.width == 32 => Some(v4.to_bits().into()),
            Some(IpAddr::V6(v6)) if field.width == 128 => Some(v6.to_bits()),
            _ => None,
        },
        Form::Mac => value.mac().map(|mac| mac.0.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))),
        _ => {
            // The names that a field has for some numbers are those that it is given by.
            let mut bytes = [0; 8];
            let alone = Field { start: 0, ..*field };
            alone.write(&mut bytes, value).ok()?;
            bits::read(&bytes, 0, field.width).map(u128::from)
        }
    }
}

impl Vary {
    fn new(name: &str, value: &Value, bytes: &[u8], found: &Dissection) -> Result<Self, Fault> {
        let refuse = |why: String| Fault::input(format!("vary {name}"), why);
        let (of, field) = name.split_once('.').ok_or_else(|| refuse("a field has its layer before it, as in udp.sport".into()))?;
        let layers = || found.layers.iter().map(|layer| layer.protocol.name);
        let at = layers().position(|layer| layer == of).ok_or_else(|| {
            let fault = refuse(format!("the packet has no layer {of}"));
            fault.hint(did_you_mean(of, layers()).unwrap_or_else(|| format!("its layers are {}", layers().collect::<Vec<_>>().join(", "))))
        })?;
        let layer = &found.layers[at];
        let fields = (layer.protocol.fields)(&bytes[layer.header.clone()]);
        let field = fields.iter().find(|known| known.name == field).ok_or_else(|| {
            let fault = refuse(format!("{of} has no such field"));
            fault.hint(
                did_you_mean(field, fields.iter().map(|known| known.name))
                    .unwrap_or_else(|| format!("its fields are {}", fields.iter().map(|known| known.name).collect::<Vec<_>>().join(", "))),
            )
        })?;
        let (start, width) = (layer.header.start * 8 + field.start, field.width);
        if bytes.len() * 8 < start + width {
            return Err(refuse("the packet ends before it".into()));
        }
        let mut vary = Self { start, width, source: Source::List(vec![0]), sums: sums(found, at, field, bytes) };
        vary.source = Source::read(name, field, value, vary.get(bytes))?;
        Ok(vary)
    }

    /// Reads the bits.
    fn get(&self, packet: &[u8]) -> u128 {
        let part = |start, width| u128::from(bits::read(packet, start, width).unwrap_or(0));
        match self.width {
            0..=64 => part(self.start, self.width),
            wide => part(self.start, wide - 64) << 64 | part(self.start + wide - 64, 64),
        }
    }

    /// Writes the bits.
    fn put(&self, packet: &mut [u8], value: u128) {
        let low = value as u64;
        // That there are so many bytes was seen before.
        let _ = match self.width {
            0..=64 => bits::write(packet, self.start, self.width, low),
            wide => bits::write(packet, self.start, wide - 64, (value >> 64) as u64)
                .and_then(|()| bits::write(packet, self.start + wide - 64, 64, low)),
        };
    }

    /// Writes the bits, and takes the checksums along.
    fn write(&self, packet: &mut [u8], value: u128) {
        let range = self.start / 8..(self.start + self.width).div_ceil(8);
        let words = |packet: &[u8], odd: bool| {
            // Words of a layer that begins at an odd byte begin at odd bytes.
            let from = range.start.saturating_sub(usize::from(range.start % 2 != usize::from(odd)));
            let to = (range.end + usize::from(range.end % 2 != usize::from(odd))).min(packet.len());
            checksum::Sum::default().over(&packet[from..to]).finish()
        };
        if let [(at, odd, udp)] = self.sums[..] {
            let before = words(packet, odd);
            self.put(packet, value);
            return amend(packet, at, before, words(packet, odd), udp);
        }
        let before: Vec<u16> = self.sums.iter().map(|(_, odd, _)| words(packet, *odd)).collect();
        self.put(packet, value);
        for ((at, odd, udp), before) in self.sums.iter().zip(before) {
            let after = words(packet, *odd);
            amend(packet, *at, before, after, *udp);
        }
    }
}

/// Amends a checksum where some words have become others, both given as the complement of their sums.
fn amend(packet: &mut [u8], at: usize, before: u16, after: u16, udp: bool) {
    let Some(place) = packet.get_mut(at..at + 2) else { return };
    let mut sum = u32::from(!u16::from_be_bytes([place[0], place[1]])) + u32::from(before) + u32::from(!after);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = match !(sum as u16) {
        // Zero would say that there is none.
        0 if udp => 0xffff,
        sum => sum,
    };
    place.copy_from_slice(&sum.to_be_bytes());
}

/// Finds the checksums that cover a field and are right: one that is wrong was meant to be.
fn sums(found: &Dissection, of: usize, field: &Field, bytes: &[u8]) -> Vec<(usize, bool, bool)> {
    let is_network = |at: usize| ["ipv4", "ipv6"].contains(&found.layers[at].protocol.name);
    let covers = |at: usize, layer: &crate::model::packet::Layer| {
        let (place, _, pseudo) = checksum::place(layer.protocol.name)?;
        let nearest = (0..at).rev().find(|below| is_network(*below));
        let covered = match layer.protocol.name {
            "ipv4" => of == at,
            _ => of >= at || pseudo && nearest == Some(of) && ["src", "dst"].contains(&field.name),
        };
        let is_itself = of == at && field.name == "checksum";
        let is_wrong = matches!(found.checksum(at, bytes), Some(Check::Wrong { .. } | Check::Absent));
        (covered && !is_itself && !is_wrong).then_some((
            layer.header.start + place,
            layer.header.start % 2 == 1,
            layer.protocol.name == "udp",
        ))
    };
    found.layers.iter().enumerate().filter_map(|(at, layer)| covers(at, layer)).collect()
}

#[cfg(test)]
mod tests;
