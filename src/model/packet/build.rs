//! Building a packet from layers: what was given is written as it was given, the rest is filled in.

use super::bits;
use super::checksum::{Sum, compute, place};
use super::protocol::Protocol;
use super::value::Value;
use super::{First, Packet, numbers};
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The most bytes of a packet.
pub const MOST: usize = 65_535;

/// A layer that is to be built: a protocol, and what was given of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The protocol.
    pub protocol: &'static Protocol,
    /// The fields and parts that were given.
    pub given: Vec<(String, Value)>,
}

impl Draft {
    /// Makes a layer; every name must be one of its fields or parts.
    pub fn new(protocol: &'static Protocol, given: Vec<(String, Value)>) -> Result<Self, Fault> {
        let draft = Self { protocol, given };
        let blank = (protocol.blank)(&draft);
        let known = || (protocol.fields)(&blank).iter().map(|field| field.name).chain(protocol.parts.iter().map(|part| part.name));
        if let Some((name, _)) = draft.given.iter().find(|(name, _)| !known().any(|known| known == name)) {
            let fault = Fault::input(format!("use {name:?} as a field of {}", protocol.name), "it has no such field");
            let hint = did_you_mean(name, known()).unwrap_or_else(|| format!("its fields are {}", known().collect::<Vec<_>>().join(", ")));
            return Err(fault.hint(hint));
        }
        // What cannot be written is told where it was given.
        draft.header().map(|_| draft)
    }

    /// Gives a field that was given.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value)
    }

    /// Tells whether a field was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Writes the header with all that was given.
    fn header(&self) -> Result<Vec<u8>, Fault> {
        let mut header = (self.protocol.blank)(self);
        for part in self.protocol.parts {
            if let Some(value) = self.value(part.name) {
                let list = match value {
                    Value::List(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                header.extend((part.write)(list)?);
            }
        }
        for field in (self.protocol.fields)(&header.clone()) {
            if let Some(value) = self.value(field.name) {
                field.write(&mut header, value)?;
            }
        }
        Ok(header)
    }
}

/// A header that is being completed, and what is around it.
pub struct Around<'a> {
    /// What was given of it.
    pub draft: &'a Draft,
    /// The header so far.
    pub header: Vec<u8>,
    /// What is behind it.
    pub payload: &'a [u8],
    /// The layers below, the nearest last.
    below: &'a [(Draft, Vec<u8>)],
    /// The layer above.
    above: Option<&'static Protocol>,
}

impl Around<'_> {
    /// Sets a number of a field that was not given.
    pub fn fill(&mut self, name: &str, value: u64) {
        let field = (self.draft.protocol.fields)(&self.header).iter().find(|field| field.name == name).copied();
        if let Some(field) = field.filter(|_| !self.draft.has(name)) {
            // A length that its field cannot hold is cut: whoever builds such a packet gives the length.
            let _ = bits::write(&mut self.header, field.start, field.width, value);
        }
    }

    /// Tells what comes next by the number that a layer below IP has for it.
    pub fn fill_ethertype(&mut self, name: &str) {
        if let Some(number) = self.above.and_then(numbers::ethertype_of) {
            self.fill(name, number.into());
        }
    }

    /// Tells what comes next by its number of IP.
    pub fn fill_next(&mut self, name: &str) {
        match self.above.and_then(numbers::protocol_of) {
            Some(number) => self.fill(name, number.into()),
            None if self.draft.protocol.name != "ipv4" => self.fill(name, numbers::NO_NEXT_HEADER.into()),
            None => {}
        }
    }

    /// Fills the header up to a multiple of some bytes, with options that mean nothing.
    pub fn pad(&mut self, multiple: usize, padding: fn(usize) -> Vec<u8>) {
        let missing = self.header.len().next_multiple_of(multiple) - self.header.len();
        self.header.extend(padding(missing));
    }

    /// Sets the checksum, if it was not given.
    pub fn fill_checksum(&mut self) {
        let Some((at, number, pseudo)) = place(self.draft.protocol.name) else { return };
        let payload = if self.draft.protocol.name == "ipv4" { &[] } else { self.payload };
        let covered = [&self.header, payload].concat();
        let start = if pseudo { self.pseudo(number, covered.len()) } else { Sum::default() };
        let sum = match compute(start, &covered, at) {
            0 if number == 17 => 0xffff,
            sum => sum,
        };
        self.fill("checksum", sum.into());
    }

    fn pseudo(&self, number: u8, length: usize) -> Sum {
        let network = self.below.iter().rfind(|(draft, _)| ["ipv4", "ipv6"].contains(&draft.protocol.name));
        let address = |name: &str| network.and_then(|(draft, header)| draft.protocol.read(header, name)?.address());
        match (address("src"), address("dst")) {
            (Some(src), Some(dst)) => Sum::default().pseudo(src, dst, number, length),
            _ => Sum::default(),
        }
    }

    /// Tells whether the layer above is a protocol.
    pub fn carries(&self, name: &str) -> bool {
        self.above.is_some_and(|above| above.name == name)
    }
}

/// Layers with a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    /// The layers, that of the wire first.
    pub layers: Vec<Draft>,
    /// What is behind the last header.
    pub payload: Vec<u8>,
}

impl Stack {
    /// Puts another one on top.
    pub fn on(mut self, above: Stack) -> Result<Self, Fault> {
        if !self.payload.is_empty() && !above.layers.is_empty() {
            let name = above.layers[0].protocol.name;
            return Err(Fault::input(format!("put {name} on a packet"), "it has a payload already, and nothing can be behind that"));
        }
        self.layers.extend(above.layers);
        self.payload.extend(above.payload);
        Ok(self)
    }

    /// Builds the packet.
    pub fn build(&self) -> Result<Packet, Fault> {
        let mut below = self.layers.iter().map(|draft| Ok((draft.clone(), draft.header()?))).collect::<Result<Vec<_>, Fault>>()?;
        let (mut payload, mut above) = (self.payload.clone(), None);
        while let Some((draft, header)) = below.pop() {
            let mut around = Around { draft: &draft, header, payload: &payload, below: &below, above };
            (draft.protocol.complete)(&mut around);
            payload = [around.header, payload].concat();
            above = Some(draft.protocol);
            if payload.len() > MOST {
                let fault = Fault::input("build a packet", format!("it has {} bytes, and {MOST} is the most", payload.len()));
                return Err(fault);
            }
        }
        let first = above.map_or(First::default(), |first| match first.name {
            "ethernet" => First::Ethernet,
            "ipv4" | "ipv6" => First::Ip,
            _ => First::Layer(first),
        });
        Ok(Packet::new(payload, first))
    }
}
