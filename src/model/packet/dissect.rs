//! Taking a packet apart: where its layers are, and what is wrong with it.

use std::ops::Range;

use super::First;
use super::checksum::{self, Check};
use super::defect::Defect;
use super::protocol::Protocol;
use super::protocols::{ethernet, ipv4, ipv6};
use super::value::Value;

/// The most layers of a packet: whoever stacks more wants a program to run out of something.
const DEEPEST: usize = 32;

/// What comes behind a header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Another layer.
    Layer(&'static Protocol),
    /// Bytes whose meaning is not known here.
    Payload,
}

/// Where a header ends, and what is behind it; counted from its first byte.
pub struct Step {
    /// The end of the header.
    pub header: usize,
    /// The end of what belongs to the layer.
    pub end: usize,
    /// What comes next.
    pub next: Next,
}

/// A layer of a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The protocol.
    pub protocol: &'static Protocol,
    /// Where its header is.
    pub header: Range<usize>,
    /// The end of what belongs to it.
    pub end: usize,
}

/// What a walk through a packet has seen so far.
pub struct Walk {
    /// The protocols of the layers below.
    pub below: Vec<&'static str>,
    /// Whether this is what an ICMP error quotes: it is cut short as a rule.
    pub quoted: bool,
    /// Whether this is a fragment: the rest is in others.
    pub fragment: bool,
    /// What was found to be wrong.
    pub defects: Vec<Defect>,
}

impl Walk {
    /// Bounds a length that a header declares by what is there.
    pub fn declared(&mut self, layer: &'static str, declared: usize, there: usize) -> usize {
        if declared > there && !self.quoted && !self.fragment {
            self.defects.push(Defect::truncated(layer, declared, there));
        }
        declared.min(there)
    }
}

/// The layers of a packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dissection {
    /// The layers, that of the wire first.
    pub layers: Vec<Layer>,
    /// What is behind the last header and belongs to it.
    pub payload: Range<usize>,
    /// What is behind that, and belongs to nothing.
    pub padding: Range<usize>,
    /// What is wrong.
    pub defects: Vec<Defect>,
}

/// Finds the layers of a packet. No field is read that is not needed for that.
pub fn dissect(bytes: &[u8], first: First) -> Dissection {
    let mut found = Dissection::default();
    let mut walk = Walk { below: Vec::new(), quoted: false, fragment: false, defects: Vec::new() };
    let (mut at, mut end, mut next) = (0, bytes.len(), start(bytes, first));
    while let Next::Layer(protocol) = next {
        if found.layers.len() == DEEPEST {
            walk.defects.push(Defect::odd(protocol.name, format!("there are more than {DEEPEST} layers")));
            break;
        }
        let rest = bytes.get(at..end).unwrap_or_default();
        let step = (protocol.walk)(rest, &mut walk).unwrap_or_else(|defect| {
            walk.defects.push(defect);
            // What is there of the header can still be read.
            Step { header: rest.len(), end: rest.len(), next: Next::Payload }
        });
        let header = at..at + step.header.min(rest.len());
        let layer = Layer { protocol, header: header.clone(), end: at + step.end.clamp(header.len(), rest.len()) };
        (at, end, next) = (header.end, layer.end, step.next);
        walk.below.push(protocol.name);
        found.layers.push(layer);
    }
    found.defects = walk.defects;
    (found.payload, found.padding) = (at..end, end..bytes.len());
    found
}

fn start(bytes: &[u8], first: First) -> Next {
    match (first, bytes.first().map(|byte| byte >> 4)) {
        (First::Ethernet, _) => Next::Layer(&ethernet::ETHERNET),
        (First::Layer(protocol), _) => Next::Layer(protocol),
        (First::Ip, Some(6)) => Next::Layer(&ipv6::IPV6),
        (First::Ip, _) => Next::Layer(&ipv4::IPV4),
    }
}

impl Dissection {
    /// Finds the first layer of a protocol.
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.protocol.name == name)
    }

    /// Reads the defects of the parts of all headers, too: options are not looked at on the way.
    pub fn defects(&self, bytes: &[u8]) -> Vec<Defect> {
        let of_parts = |layer: &Layer| {
            let header = &bytes[layer.header.clone()];
            layer.protocol.parts.iter().flat_map(|part| (part.read)(header).1).collect::<Vec<_>>()
        };
        self.defects.iter().cloned().chain(self.layers.iter().flat_map(of_parts)).collect()
    }

    /// Tells whether a layer is in a packet of which this is a part: it is not all here.
    pub fn is_part(&self, at: usize, bytes: &[u8]) -> bool {
        self.layers[..at].iter().any(|layer| {
            let is = |name: &str, wanted: u64| layer.read(bytes, name) == Some(Value::Number(wanted));
            match layer.protocol.name {
                "ipv4" => {
                    let more = layer.read(bytes, "flags").is_some_and(|flags| flags.to_string().contains("MF"));
                    more || !is("fragment_offset", 0)
                }
                "fragment" => !is("offset", 0) || !is("more", 0),
                _ => false,
            }
        })
    }

    /// Tells whether a layer is in what an ICMP error quotes.
    pub fn is_quoted(&self, at: usize) -> bool {
        self.layers[..at].iter().any(|layer| layer.protocol.name.starts_with("icmp"))
    }

    /// Computes the checksum of a layer; none where it has none.
    pub fn checksum(&self, at: usize, bytes: &[u8]) -> Option<Check> {
        checksum::check(self, at, bytes)
    }
}

impl Layer {
    /// Reads a field.
    pub fn read(&self, bytes: &[u8], name: &str) -> Option<Value> {
        self.protocol.read(&bytes[self.header.clone()], name)
    }

    /// Reads all fields and parts that are there.
    pub fn fields(&self, bytes: &[u8]) -> Vec<(&'static str, Value)> {
        let header = &bytes[self.header.clone()];
        let fields = (self.protocol.fields)(header).iter().filter_map(|field| Some((field.name, field.read(header)?)));
        let parts = self.protocol.parts.iter().map(|part| (part.name, part.value(header)));
        let switches = self.protocol.switches.iter().map(|switch| (switch.name, switch.value(header)));
        fields.chain(parts).chain(switches).collect()
    }
}
