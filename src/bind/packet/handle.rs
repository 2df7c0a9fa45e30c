//! A packet and a layer of it, as scripts hold them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rhai::{Dynamic, Map};

use super::given;
use crate::model::near::did_you_mean;
use crate::model::packet::{Check, Dissection, Draft, First, Packet as Bytes, Protocol, Stack, Value, named, names};
use crate::model::raw::Seen;
use crate::model::{Fault, Kind};

/// A packet: layers that are to be built, or bytes that are to be read.
#[derive(Clone, Debug)]
pub struct Packet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stack: Option<Stack>,
    whole: OnceLock<Bytes>,
    found: OnceLock<Dissection>,
    /// When and how it was captured.
    seen: Option<Seen>,
}

impl Packet {
    fn make(stack: Option<Stack>, whole: OnceLock<Bytes>, seen: Option<Seen>) -> Self {
        Self(Arc::new(Inner { stack, whole, found: OnceLock::new(), seen }))
    }

    /// Makes a packet that is to be built.
    pub(in crate::bind) fn drafted(stack: Stack) -> Self {
        Self::make(Some(stack), OnceLock::new(), None)
    }

    /// Makes a packet of one layer.
    pub(super) fn layer(protocol: &'static Protocol, fields: &Map) -> Result<Self, Fault> {
        Ok(Self::drafted(Stack { layers: vec![Draft::new(protocol, given::fields(fields)?)?], payload: Vec::new() }))
    }

    /// Makes a packet of a map of layers, in the order in which they stand on one another.
    pub(super) fn of(layers: &Map, payload: fn(&Dynamic) -> Result<Stack, Fault>) -> Result<Self, Fault> {
        let mut stack = Stack::default();
        if let Some(odd) = layers.keys().find(|name| name.as_str() != "payload" && !names().any(|known| known == name.as_str())) {
            named(odd)?;
        }
        for name in names() {
            let Some(fields) = layers.get(name) else { continue };
            let fields = fields.read_lock::<Map>().ok_or_else(|| {
                Fault::input(
                    format!("use a value as the layer {name}"),
                    format!("it is of type {}, and a map is wanted", fields.type_name()),
                )
            })?;
            stack = stack.on(Self::layer(named(name)?, &fields)?.stack()?)?;
        }
        layers.get("payload").map_or(Ok(stack.clone()), |data| stack.on(payload(data)?)).map(Self::drafted)
    }

    /// Takes bytes for a packet.
    pub fn read(bytes: Vec<u8>, first: First, seen: Option<(Duration, usize)>) -> Self {
        let seen = seen.map(|(at, length)| Seen::at(at, length));
        Self::make(None, OnceLock::from(Bytes::new(bytes, first)), seen)
    }

    /// Takes bytes for a packet that a socket has received.
    pub(in crate::bind) fn received(bytes: Vec<u8>, first: First, seen: Seen) -> Self {
        Self::make(None, OnceLock::from(Bytes::new(bytes, first)), Some(seen))
    }

    /// Makes a packet of one layer with fields of the model.
    pub(in crate::bind) fn of_fields(name: &str, fields: Vec<(String, Value)>) -> Result<Self, Fault> {
        Ok(Self::drafted(Stack { layers: vec![Draft::new(named(name)?, fields)?], payload: Vec::new() }))
    }

    /// Puts another one on top.
    pub(in crate::bind) fn on(&self, above: Stack) -> Result<Self, Fault> {
        match &self.0.stack {
            Some(stack) => stack.clone().on(above).map(Self::drafted),
            None => Err(Fault::input("put something on a packet", "its bytes were read, and are as they are")),
        }
    }

    /// Gives the layers that it is to be built from.
    pub(in crate::bind) fn stack(&self) -> Result<Stack, Fault> {
        self.0.stack.clone().ok_or_else(|| Fault::input("put a packet on another one", "its bytes were read: give its `bytes` instead"))
    }

    /// Gives the packet, building it if need be.
    pub fn whole(&self) -> Result<&Bytes, Fault> {
        match (self.0.whole.get(), &self.0.stack) {
            (Some(whole), _) => Ok(whole),
            (None, Some(stack)) => {
                let whole = stack.build()?;
                Ok(self.0.whole.get_or_init(|| whole))
            }
            (None, None) => Err(Fault::new(Kind::System, "build a packet", "it has neither layers nor bytes")),
        }
    }

    /// Gives the layers that are found in its bytes.
    pub(super) fn found(&self) -> Result<(&Bytes, &Dissection), Fault> {
        let whole = self.whole()?;
        Ok((whole, self.0.found.get_or_init(|| whole.layers())))
    }

    /// Gives when and how it was captured.
    pub(super) fn seen(&self) -> Option<&Seen> {
        self.0.seen.as_ref()
    }

    /// Finds a layer.
    pub(super) fn find(&self, name: &str) -> Result<Option<Layer>, Fault> {
        let at = self.found()?.1.layers.iter().position(|layer| layer.protocol.name == name);
        Ok(at.map(|at| Layer { packet: self.clone(), at }))
    }

    /// Gives a layer that has to be there.
    pub(super) fn get(&self, name: &str) -> Result<Layer, Fault> {
        self.find(name)?.ok_or_else(|| {
            let tried = format!("read {name:?} of a packet");
            match names().any(|known| known == name) {
                true => Fault::new(Kind::NotFound, tried, "it has no such layer").hint(format!("`\"{name}\" in packet` asks first")),
                false => {
                    let fault = Fault::new(Kind::NotFound, tried, "there is no such layer or property");
                    let known =
                        names().chain(["bytes", "payload", "padding", "layers", "defects", "time", "length", "interface", "direction"]);
                    did_you_mean(name, known).into_iter().fold(fault, Fault::hint)
                }
            }
        })
    }
}

/// A layer of a packet.
#[derive(Clone, Debug)]
pub struct Layer {
    packet: Packet,
    at: usize,
}

impl Layer {
    fn parts(&self) -> Result<(&Bytes, &Dissection, &crate::model::packet::Layer), Fault> {
        let (whole, found) = self.packet.found()?;
        let gone = || Fault::new(Kind::System, "read a layer", "it is not in its packet");
        found.layers.get(self.at).map(|layer| (whole, found, layer)).ok_or_else(gone)
    }

    /// Gives the name.
    pub(super) fn name(&self) -> Result<&'static str, Fault> {
        Ok(self.parts()?.2.protocol.name)
    }

    /// Gives the bytes of the header.
    pub(super) fn header(&self) -> Result<Vec<u8>, Fault> {
        let (whole, _, layer) = self.parts()?;
        Ok(whole.bytes[layer.header.clone()].to_vec())
    }

    /// Reads a field that has to be there.
    pub(super) fn get(&self, name: &str) -> Result<Dynamic, Fault> {
        let (whole, _, layer) = self.parts()?;
        layer.read(&whole.bytes, name).as_ref().map(given::shown).ok_or_else(|| {
            let known: Vec<&str> = layer.fields(&whole.bytes).into_iter().map(|(name, _)| name).collect();
            let fault = Fault::new(Kind::NotFound, format!("read the field `{name}` of {}", layer.protocol.name), "it is not there");
            fault.hint(did_you_mean(name, known.iter().copied()).unwrap_or_else(|| format!("its fields are {}", known.join(", "))))
        })
    }

    /// Reads all fields.
    pub(super) fn fields(&self) -> Result<Map, Fault> {
        let (whole, _, layer) = self.parts()?;
        Ok(layer.fields(&whole.bytes).iter().map(|(name, value)| ((*name).into(), given::shown(value))).collect())
    }

    /// Tells what its checksum is worth.
    pub(super) fn check(&self) -> Result<Option<Check>, Fault> {
        let (whole, found, _) = self.parts()?;
        Ok(found.checksum(self.at, &whole.bytes))
    }

    /// Tells the layer in a few words.
    pub(super) fn line(&self) -> Result<String, Fault> {
        let (whole, _, layer) = self.parts()?;
        Ok((layer.protocol.summary)(&whole.bytes[layer.header.clone()]))
    }
}
