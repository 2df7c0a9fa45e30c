//! Building a packet from layers: what was given is written as it was given, the rest is filled in.

use super::bits;
use super::checksum::{Sum, compute, ends, place};
use super::defect::{Defect, Flaw};
use super::field::Field;
use super::protocol::Protocol;
use super::value::Value;
use super::{First, Packet, numbers};
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The most bytes of a packet of IP, and of what is in it. Those that a card has put together may be longer; they are read, not built.
pub const MOST: usize = 65_535;
/// The most bytes of anything.
const LONGEST: usize = 1 << 18;

/// What a header is made from.
#[derive(Clone, Debug, PartialEq)]
enum Base {
    /// Nothing was there before.
    Blank,
    /// It was read, and is written as it was.
    Kept(Vec<u8>),
    /// It was read, and what depends on the rest is computed anew.
    Anew(Vec<u8>),
}

/// A layer that is to be built: a protocol, and what was given of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The protocol.
    pub protocol: &'static Protocol,
    /// The fields and parts that were given.
    given: Vec<(String, Value)>,
    base: Base,
    /// The header with all that was given.
    header: Vec<u8>,
}

impl Draft {
    /// Makes a layer; every name must be one of its fields or parts.
    pub fn new(protocol: &'static Protocol, given: Vec<(String, Value)>) -> Result<Self, Fault> {
        let draft = Self { given, ..Self::empty(protocol) };
        let blank = (protocol.blank)(&draft);
        draft.check(&blank, &draft.given)?;
        // What cannot be written is told where it was given.
        let header = draft.write(blank)?;
        Ok(Self { header, ..draft })
    }

    /// Makes a layer of which nothing was given.
    fn empty(protocol: &'static Protocol) -> Self {
        Self { protocol, given: Vec::new(), base: Base::Blank, header: Vec::new() }
    }

    /// Makes a layer of a header that was read.
    pub fn read(protocol: &'static Protocol, header: &[u8]) -> Self {
        Self { protocol, given: Vec::new(), base: Base::Kept(header.to_vec()), header: header.to_vec() }
    }

    /// Gives the layer with other fields; what was given as none is computed again.
    pub fn edited(&self, fields: &[(String, Option<Value>)]) -> Result<Self, Fault> {
        self.check(&self.header, fields)?;
        let is_new = |name: &str| fields.iter().any(|(new, _)| new == name);
        let mut given: Vec<(String, Value)> = self.given.iter().filter(|(name, _)| !is_new(name)).cloned().collect();
        let is_field = |name: &str| self.protocol.field(&self.header, name).is_some();
        // Parts stand behind one another: who writes one of them writes all.
        if self.base != Base::Blank && fields.iter().any(|(name, _)| !is_field(name)) {
            let parts = self.protocol.parts.iter().map(|part| (part.name, part.value(&self.header)));
            let switches = self.protocol.switches.iter().map(|switch| (switch.name, switch.value(&self.header)));
            let others = parts.chain(switches).filter(|(name, _)| !self.has(name) && !is_new(name));
            given.extend(others.map(|(name, value)| (name.to_owned(), value)));
        }
        given.extend(fields.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        let draft = Self { given, ..self.clone() };
        let base = match &self.base {
            Base::Blank => (self.protocol.blank)(&draft),
            Base::Kept(header) | Base::Anew(header) if draft.given.iter().any(|(name, _)| !is_field(name)) => {
                let fixed = self.fixed(header);
                header[..fixed.min(header.len())].to_vec()
            }
            Base::Kept(header) | Base::Anew(header) => header.clone(),
        };
        let header = draft.write(base)?;
        Ok(Self { header, ..draft }.anew())
    }

    /// Gives the layer with one more field, as if that had been given.
    pub fn with(&self, name: &str, value: Value) -> Result<Self, Fault> {
        self.edited(&[(name.to_owned(), Some(value))])
    }

    /// Tells whether it was read, so that all of it is known.
    pub fn was_read(&self) -> bool {
        self.base != Base::Blank
    }

    /// Gives what was given.
    pub fn given(&self) -> &[(String, Value)] {
        &self.given
    }

    /// Gives the layer with what depends on the rest computed anew.
    fn anew(mut self) -> Self {
        if let Base::Kept(header) = self.base {
            self.base = Base::Anew(header);
        }
        self
    }

    /// The length of a header without its parts.
    fn fixed(&self, header: &[u8]) -> usize {
        let fields = (self.protocol.fields)(header).iter().filter_map(|field| Some((field.name.to_owned(), field.read(header)?)));
        (self.protocol.blank)(&Self { given: fields.collect(), ..self.clone() }).len()
    }

    /// Refuses names that are none of a header's.
    fn check<T>(&self, header: &[u8], given: &[(String, T)]) -> Result<(), Fault> {
        let known = || self.protocol.known(header);
        let Some((name, _)) = given.iter().find(|(name, _)| !known().any(|known| known == name)) else { return Ok(()) };
        let fault = Fault::input(format!("use {name:?} as a field of {}", self.protocol.name), "it has no such field");
        let hint = did_you_mean(name, known()).unwrap_or_else(|| format!("its fields are {}", known().collect::<Vec<_>>().join(", ")));
        Err(fault.hint(hint))
    }

    /// Gives a field that was given.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value)
    }

    /// Tells whether a field was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Gives a field of one byte that was given, or another value. What cannot be one is refused when it is written.
    pub(super) fn first(&self, field: &Field, or: u8) -> u8 {
        let mut header = [0; 8];
        match self.value(field.name).map(|value| field.write(&mut header, value)) {
            Some(Ok(())) => header[field.start / 8],
            _ => or,
        }
    }

    /// Writes all that was given into a header.
    fn write(&self, mut header: Vec<u8>) -> Result<Vec<u8>, Fault> {
        for part in self.protocol.parts {
            if let Some(value) = self.value(part.name) {
                let list = match value {
                    Value::List(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                header.extend((part.write)(list).map_err(|fault| self.of_layer(fault))?);
            }
        }
        let fields = (self.protocol.fields)(&header);
        for (name, value) in &self.given {
            if let Some(field) = fields.iter().find(|field| field.name == name) {
                field.write(&mut header, value).map_err(|fault| self.of_layer(fault))?;
            }
        }
        Ok(header)
    }

    /// Says of which layer a field is.
    fn of_layer(&self, mut fault: Fault) -> Fault {
        if !fault.tried.contains(&format!(" of {}", self.protocol.name)) {
            fault.tried = format!("{} of {}", fault.tried, self.protocol.name);
        }
        fault
    }
}

/// Gives the length of the shortest header of a protocol.
pub(super) fn least(protocol: &'static Protocol) -> usize {
    (protocol.blank)(&Draft::empty(protocol)).len()
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
    below: &'a [Draft],
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

    /// Tells whether the header was read: what follows it says itself.
    pub fn was_read(&self) -> bool {
        self.draft.base != Base::Blank
    }

    /// Tells what comes next by the number that a layer below IP has for it.
    pub fn fill_ethertype(&mut self, name: &str) {
        if self.was_read() {
            return;
        }
        if let Some(number) = self.above.and_then(numbers::ethertype_of) {
            self.fill(name, number.into());
        }
    }

    /// Tells what comes next by its number of IP.
    pub fn fill_next(&mut self, name: &str) {
        if self.was_read() {
            return;
        }
        match self.above.and_then(numbers::protocol_of) {
            Some(number) => self.fill(name, number.into()),
            None if self.draft.protocol.name != "ipv4" => self.fill(name, numbers::NO_NEXT_HEADER.into()),
            None => {}
        }
    }

    /// Fills the header up to a multiple of some bytes, with options that mean nothing.
    pub fn pad(&mut self, multiple: usize, padding: fn(usize) -> Vec<u8>) {
        if self.was_read() && !self.draft.protocol.parts.iter().any(|part| self.draft.has(part.name)) {
            return;
        }
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
        let headers = self.below.iter().map(|draft| (draft.protocol, draft.header.as_slice()));
        ends(headers).map_or_else(Sum::default, |(src, dst)| Sum::default().pseudo(src, dst, number, length))
    }

    /// Tells whether a protocol is among the layers below.
    pub fn stands_on(&self, name: &str) -> bool {
        self.below.iter().any(|draft| draft.protocol.name == name)
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

    /// Makes one of a packet that was read: as many layers as can be written again, and the rest as payload.
    pub fn read(packet: &Packet) -> Self {
        let (bytes, found) = (&packet.bytes, packet.layers());
        let is_whole = |at: usize| {
            let is_broken = |defect: &Defect| defect.flaw != Flaw::Odd && defect.layer == found.layers[at].protocol.name;
            !found.defects.iter().any(is_broken) && !found.is_quoted(at) && !found.is_part(at, bytes)
        };
        let count = (0..found.layers.len()).take_while(|at| is_whole(*at)).count();
        let layers = &found.layers[..count];
        let (start, end) = layers.last().map_or((0, bytes.len()), |last| (last.header.end, last.end));
        let drafts = layers.iter().map(|layer| Draft::read(layer.protocol, &bytes[layer.header.clone()])).collect();
        Self { layers: drafts, payload: bytes[start..end].to_vec() }
    }

    /// Gives it with other fields in a layer; lengths and checksums of all layers are computed anew.
    pub fn edited(&self, at: usize, fields: &[(String, Option<Value>)]) -> Result<Self, Fault> {
        let mut layers: Vec<Draft> = self.layers.iter().cloned().map(Draft::anew).collect();
        let draft = layers.get_mut(at).ok_or_else(|| Fault::input("edit a layer of a packet", "there is none at this place"))?;
        *draft = draft.edited(fields)?;
        Ok(Self { layers, payload: self.payload.clone() })
    }

    /// Builds the packet.
    pub fn build(&self) -> Result<Packet, Fault> {
        let (mut payload, mut above) = (self.payload.clone(), None);
        for (at, draft) in self.layers.iter().enumerate().rev() {
            let mut around = Around { draft, header: draft.header.clone(), payload: &payload, below: &self.layers[..at], above };
            if !matches!(draft.base, Base::Kept(_)) {
                (draft.protocol.complete)(&mut around);
            }
            let mut bytes = around.header;
            bytes.extend_from_slice(&payload);
            payload = bytes;
            above = Some(draft.protocol);
            let is_link = ["ethernet", "vlan", "llc", "sll", "sll2"].contains(&draft.protocol.name);
            let most = if is_link || draft.base != Base::Blank { LONGEST } else { MOST };
            if payload.len() > most {
                return Err(Fault::input("build a packet", format!("it has {} bytes, and {most} is the most", payload.len())));
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
