//! Files of captured packets: pcap, and pcapng as far as it holds packets (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).

use std::time::Duration;

use super::protocols::cooked::{SLL, SLL2};
use super::{First, Packet};
use crate::model::{Fault, Kind};

/// The numbers of what a packet begins with (LINKTYPE_); where there are several for one thing, the first is written.
const LINKS: [(u32, First); 7] = [
    (1, First::Ethernet),
    (101, First::Ip),
    (12, First::Ip),
    (228, First::Ip),
    (229, First::Ip),
    (113, First::Layer(&SLL)),
    (276, First::Layer(&SLL2)),
];
/// The most bytes of a packet that are believed.
const MOST: usize = 1 << 18;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// A packet that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When, since 1970.
    pub at: Duration,
    /// How many bytes it had on the wire; fewer may have been kept.
    pub length: usize,
    /// The packet.
    pub packet: Packet,
}

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The old one: all packets begin with the same layer.
    Pcap,
    /// The new one.
    Pcapng,
}

impl Format {
    /// Chooses by the ending of a file's name.
    pub fn of(path: &str) -> Self {
        if path.ends_with(".pcapng") { Self::Pcapng } else { Self::Pcap }
    }
}

fn link(first: First) -> Result<u32, Fault> {
    let known = LINKS.iter().find(|(_, known)| *known == first).map(|(link, _)| *link);
    known.ok_or_else(|| {
        let begins = if let First::Layer(protocol) = first { protocol.name } else { "something else" };
        let why = format!("they begin with {begins}, and files have frames of Ethernet, packets that were captured cooked, or IP packets");
        Fault::input("write packets into a file", why)
    })
}

/// Writes a file.
pub fn write(packets: &[Captured], format: Format) -> Result<Vec<u8>, Fault> {
    let firsts = packets.iter().map(|captured| captured.packet.first);
    let mut bytes = match format {
        Format::Pcapng => return blocks(packets),
        Format::Pcap => head(firsts.clone().next().unwrap_or_default())?,
    };
    if let Some(odd) = firsts.clone().position(|first| Some(first) != firsts.clone().next()) {
        let why = format!("packet {odd} begins with another layer than packet 0");
        return Err(Fault::input("write packets into a file", why).hint("a file whose name ends in .pcapng takes both"));
    }
    packets.iter().for_each(|captured| bytes.extend(entry(captured)));
    Ok(bytes)
}

/// Writes the beginning of a pcap file with times in nanoseconds.
pub fn head(first: First) -> Result<Vec<u8>, Fault> {
    let link = link(first)?;
    let mut bytes = NANOSECONDS.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0]);
    [0u32, 0, MOST as u32, link].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    Ok(bytes)
}

/// Writes a block of pcapng: its kind, its length on both sides, and what is in it.
fn block(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let length = (padded as u32 + 12).to_le_bytes();
    bytes.extend(kind.to_le_bytes().iter().chain(&length).chain(body));
    bytes.resize(bytes.len() + padded - body.len(), 0);
    bytes.extend(length);
}

/// Writes a section with an interface for each kind of packet, with times in nanoseconds.
fn blocks(packets: &[Captured]) -> Result<Vec<u8>, Fault> {
    let (mut bytes, mut known) = (Vec::new(), Vec::new());
    let order = [&BYTE_ORDER.to_le_bytes()[..], &[1, 0, 0, 0], &u64::MAX.to_le_bytes()].concat();
    block(&mut bytes, SECTION, &order);
    for captured in packets {
        let packet = &captured.packet;
        let interface = known.iter().position(|first| *first == packet.first).unwrap_or(known.len());
        if interface == known.len() {
            known.push(packet.first);
            let link = (link(packet.first)? as u16).to_le_bytes();
            // The option `if_tsresol`: a second has 10^9 units.
            block(&mut bytes, 1, &[&link[..], &[0, 0], &(MOST as u32).to_le_bytes(), &[9, 0, 1, 0, 9, 0, 0, 0], &[0; 4]].concat());
        }
        let time = u64::try_from(captured.at.as_nanos()).unwrap_or(u64::MAX);
        let lengths = [packet.bytes.len(), captured.length].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let words = [interface as u32, (time >> 32) as u32, time as u32, lengths[0], lengths[1]];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        block(&mut bytes, 6, &[&head[..], &packet.bytes].concat());
    }
    Ok(bytes)
}

/// Writes a packet behind the beginning.
pub fn entry(captured: &Captured) -> Vec<u8> {
    [&mark(captured.at, captured.packet.bytes.len(), captured.length)[..], &captured.packet.bytes].concat()
}

/// Writes what stands before a packet: when it came, since 1970, how many of its bytes follow, and how many it had.
pub fn mark(at: Duration, kept: usize, length: usize) -> [u8; 16] {
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let words = [u32::try_from(at.as_secs()).unwrap_or(u32::MAX), at.subsec_nanos(), word(kept), word(length)];
    let mut bytes = [0; 16];
    bytes.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
    bytes
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The packets.
    pub packets: Vec<Captured>,
    /// What is wrong at its end, if something is: the packets before are whole.
    pub damage: Option<String>,
}

/// Reads a file of either format.
pub fn read(bytes: &[u8]) -> Result<File, Fault> {
    let refuse = |why: &str| Fault::new(Kind::Input, "read captured packets", why);
    let magic = bytes.first_chunk().map(|magic| u32::from_le_bytes(*magic)).ok_or_else(|| refuse("there are fewer than four bytes"))?;
    match magic {
        SECTION => Ok(Blocks::read(bytes)),
        MICROSECONDS | NANOSECONDS => pcap(bytes, Words { little: true }, magic).ok_or_else(|| refuse("its head is cut off")),
        _ if [MICROSECONDS, NANOSECONDS].contains(&magic.swap_bytes()) => {
            pcap(bytes, Words { little: false }, magic.swap_bytes()).ok_or_else(|| refuse("its head is cut off"))
        }
        _ => Err(refuse("it is neither pcap nor pcapng")),
    }
}

/// How numbers stand in a file.
#[derive(Clone, Copy)]
struct Words {
    little: bool,
}

impl Words {
    fn word(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) })
    }

    fn half(self, bytes: &[u8], at: usize) -> Option<u16> {
        let half = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(half) } else { u16::from_be_bytes(half) })
    }
}

fn first(number: u32) -> Option<First> {
    LINKS.iter().find(|(link, _)| *link == number).map(|(_, first)| *first)
}

fn pcap(bytes: &[u8], words: Words, magic: u32) -> Option<File> {
    let link = words.word(bytes, 20)? & 0xffff;
    let Some(first) = first(link) else {
        return Some(File { damage: Some(format!("packets of link type {link} are not known here")), ..File::default() });
    };
    let (mut at, mut file) = (24, File::default());
    while at < bytes.len() {
        let head = [0, 4, 8, 12].map(|offset| words.word(bytes, at + offset));
        let [Some(seconds), Some(part), Some(kept), Some(length)] = head else {
            file.damage = Some(format!("the head of packet {} is cut off", file.packets.len() + 1));
            break;
        };
        let packet = bytes.get(at + 16..at + 16 + kept as usize).filter(|_| kept as usize <= MOST);
        let Some(packet) = packet else {
            file.damage = Some(format!("packet {} says that it has {kept} bytes", file.packets.len() + 1));
            break;
        };
        let part = if magic == NANOSECONDS { u64::from(part) } else { u64::from(part) * 1000 };
        let at_time = Duration::from_secs(seconds.into()) + Duration::from_nanos(part);
        file.packets.push(Captured { at: at_time, length: length as usize, packet: Packet::new(packet, first) });
        at += 16 + kept as usize;
    }
    Some(file)
}

/// The blocks of a pcapng file, as they are read.
struct Blocks {
    words: Words,
    /// What packets begin with, and how many units a second has, for each interface.
    interfaces: Vec<(Option<First>, u64)>,
    file: File,
}

impl Blocks {
    fn read(bytes: &[u8]) -> File {
        let mut blocks = Self { words: Words { little: true }, interfaces: Vec::new(), file: File::default() };
        let mut at = 0;
        while at < bytes.len() {
            match blocks.block(bytes, at) {
                Some(length) => at += length,
                None => {
                    blocks.file.damage.get_or_insert_with(|| format!("the block at byte {at} is cut off or lies about its length"));
                    break;
                }
            }
        }
        blocks.file
    }

    /// Reads a block, and gives its length.
    fn block(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..)?;
        let kind = self.words.word(bytes, 0)?;
        if kind == SECTION {
            let order = Words { little: true }.word(bytes, 8)?;
            self.words = Words { little: order == BYTE_ORDER };
            self.interfaces.clear();
            if self.words.word(bytes, 8)? != BYTE_ORDER {
                return None;
            }
        }
        let length = self.words.word(bytes, 4)? as usize;
        let body = bytes.get(8..length.checked_sub(4)?).filter(|_| length >= 12 && length.is_multiple_of(4))?;
        match kind {
            1 => {
                let link = u32::from(self.words.half(body, 0)?);
                self.interfaces.push((first(link), self.units(body.get(8..)?)));
            }
            3 => {
                let length = self.words.word(body, 0)? as usize;
                let packet = body.get(4..)?;
                self.push(0, Duration::ZERO, packet.get(..length.min(packet.len()))?, length);
            }
            6 => {
                let [interface, high, low, kept, length] = [0, 4, 8, 12, 16].map(|at| self.words.word(body, at));
                let time = u64::from(high?) << 32 | u64::from(low?);
                let units = self.interfaces.get(interface? as usize).map_or(1_000_000, |(_, units)| *units);
                let part = u128::from(time % units) * 1_000_000_000 / u128::from(units);
                let at = Duration::from_secs(time / units) + Duration::from_nanos(u64::try_from(part).unwrap_or_default());
                self.push(interface? as usize, at, body.get(20..20 + kept? as usize)?, length? as usize);
            }
            _ => {}
        }
        Some(length)
    }

    fn push(&mut self, interface: usize, at: Duration, bytes: &[u8], length: usize) {
        // Packets of links that are not known here are left out.
        if let Some((Some(first), _)) = self.interfaces.get(interface) {
            self.file.packets.push(Captured { at, length, packet: Packet::new(bytes, *first) });
        }
    }

    /// Finds how many units a second has (the option `if_tsresol`); a million where nothing is said.
    fn units(&self, mut options: &[u8]) -> u64 {
        while let (Some(code), Some(length)) = (self.words.half(options, 0), self.words.half(options, 2)) {
            let value = options.get(4..4 + usize::from(length)).unwrap_or_default();
            if let (9, Some(resolution)) = (code, value.first()) {
                let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
                return base.checked_pow(u32::from(resolution & 0x7f)).unwrap_or(1_000_000);
            }
            options = options.get(4 + usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        1_000_000
    }
}
