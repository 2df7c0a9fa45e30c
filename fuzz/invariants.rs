//! What must hold for all bytes: of a packet, of a file of packets, and of somebody's wishes for a packet.
//!
//! The fuzzer tries bytes of its own, the tests those that were interesting once (`tests/packets`).
#![allow(dead_code)]

use fyke::model::packet::protocol::PROTOCOLS;
use fyke::model::packet::{Check, Draft, First, Packet, Stack, Value, capture};

/// Reads all that there is to read of a packet, and writes it again. The first byte says what it begins with.
pub(crate) fn packet(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let first = match kind {
        0 => First::Ethernet,
        1 => First::Ip,
        kind => First::Layer(PROTOCOLS[usize::from(*kind) % PROTOCOLS.len()]),
    };
    let packet = Packet::new(bytes, first);
    whole(&packet);
    kept(&packet);
    edited(&packet);
}

/// What is read of a packet lies in it, and reaches no terminal as it is.
fn whole(packet: &Packet) {
    let found = packet.layers();
    let mut start = 0;
    for (at, layer) in found.layers.iter().enumerate() {
        assert!(start <= layer.header.start && layer.header.end <= layer.end && layer.end <= packet.bytes.len());
        start = layer.header.end;
        found.checksum(at, &packet.bytes);
        for (name, value) in layer.fields(&packet.bytes) {
            assert_eq!(layer.read(&packet.bytes, name).as_ref(), Some(&value), "{name}");
        }
    }
    assert!(found.payload.end <= packet.bytes.len() && found.padding.end == packet.bytes.len());
    found.defects(&packet.bytes);
    let told = packet.tree();
    assert!(packet.line().chars().chain(told.chars().filter(|c| *c != '\n')).all(|c| !c.is_control()), "{told:?}");
}

/// A packet that is built from what was read is the same, as far as it has layers.
fn kept(packet: &Packet) {
    let Ok(again) = Stack::read(packet).build() else { return };
    assert_eq!(again.bytes[..], packet.bytes[..again.bytes.len()]);
}

/// The layers that end where their frame ends, with its padding.
const LINKS: [&str; 5] = ["ethernet", "sll", "sll2", "vlan", "llc"];

/// A good packet stays as it is when nothing is edited, and a field that is set to what it was does no harm.
fn edited(packet: &Packet) {
    let (found, stack) = (packet.layers(), Stack::read(packet));
    let is_good = |at: usize| matches!(found.checksum(at, &packet.bytes), None | Some(Check::Good));
    // What a tunnel carries behind the packet in it is padding, too, and its length is then another one.
    let is_tight = found.layers.iter().filter(|layer| !LINKS.contains(&layer.protocol.name)).all(|layer| layer.end == found.padding.start);
    if found.defects(&packet.bytes).is_empty() && (0..stack.layers.len()).all(is_good) && !stack.layers.is_empty() && is_tight {
        let again = stack.edited(0, &[]).unwrap().build().unwrap();
        assert_eq!(again.bytes[..], packet.bytes[..found.padding.start], "{}", packet.tree());
    }
    for (at, layer) in found.layers.iter().enumerate().take(stack.layers.len()) {
        for (name, value) in layer.fields(&packet.bytes) {
            if let Ok(edited) = stack.edited(at, &[(name.to_owned(), Some(value))]) {
                let _ = edited.build();
            }
        }
    }
}

/// Reads a file of packets; what it holds is written in both formats and read again.
pub(crate) fn capture(data: &[u8]) {
    let Ok(file) = capture::read(data) else { return };
    file.packets.iter().for_each(|captured| whole(&captured.packet));
    for format in [capture::Format::Pcap, capture::Format::Pcapng] {
        let Ok(bytes) = capture::write(&file.packets, format) else { continue };
        let again = capture::read(&bytes).unwrap();
        assert_eq!(again.damage, None);
        let kept = |file: &capture::File| file.packets.iter().map(|one| (one.packet.clone(), one.length)).collect::<Vec<_>>();
        assert_eq!(kept(&again), kept(&file));
    }
}

/// Names of what options and records are made of.
const PARTS: &[&str] = &[
    "kind",
    "name",
    "data",
    "value",
    "type",
    "class",
    "ttl",
    "edges",
    "echo",
    "route",
    "pointer",
    "entries",
    "flag",
    "address",
    "time",
    "prefix",
    "length",
    "flags",
    "servers",
    "domains",
    "bytes",
    "option_length",
    "exchange",
    "target",
    "mname",
    "code",
];

/// Names that mean something as values.
const WORDS: &[&str] = &[
    "mss",
    "timestamp",
    "record-route",
    "prefix",
    "dns-search",
    "route",
    "SOA",
    "MX",
    "TXT",
    "OPT",
    "CNAME",
    "2001:db8::1",
    "192.0.2.1",
    "02:00:00:00:00:01",
    "a.b.c",
    "SYN,ACK",
    "router-advertisement",
    "segments",
    "..",
    "\\0",
    "nop",
    "end",
    "padn",
    "router-alert",
];

/// Bytes as wishes.
struct Wishes<'a>(&'a [u8]);

impl Wishes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken.to_vec()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.byte() % 8 {
            0 => Value::Number(self.byte().into()),
            1 => Value::Number(self.bytes().iter().fold(0, |all, byte| all << 8 | u64::from(*byte))),
            2 => Value::Text(String::from_utf8_lossy(&self.bytes()).into_owned()),
            3 => Value::Bytes(self.bytes()),
            4 if depth < 4 => Value::List((0..self.byte() % 8).map(|_| self.value(depth + 1)).collect()),
            5 if depth < 4 => Value::Map(
                (0..self.byte() % 8).map(|_| (PARTS[usize::from(self.byte()) % PARTS.len()].to_owned(), self.value(depth + 1))).collect(),
            ),
            _ => Value::text(WORDS[usize::from(self.byte()) % WORDS.len()]),
        }
    }

    fn fields(&mut self, known: &[&str]) -> Vec<(String, Value)> {
        (0..self.byte() % 6).map(|_| (known[usize::from(self.byte()) % known.len()].to_owned(), self.value(0))).collect()
    }
}

/// Builds what somebody wishes, from any layers with any values; what is built can be read.
pub(crate) fn draft(data: &[u8]) {
    let mut wishes = Wishes(data);
    let mut stack = Stack::default();
    for _ in 0..wishes.byte() % 6 {
        let protocol = PROTOCOLS[usize::from(wishes.byte()) % PROTOCOLS.len()];
        let known: Vec<&str> = protocol.known(&(protocol.blank)(&Draft::new(protocol, Vec::new()).unwrap())).collect();
        let Ok(draft) = Draft::new(protocol, wishes.fields(&known)) else { continue };
        stack.layers.push(draft);
    }
    stack.payload = wishes.bytes();
    let Ok(built) = stack.build() else { return };
    whole(&built);
    kept(&built);
    edited(&built);
}
