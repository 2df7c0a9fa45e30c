//! A packet and a layer of it, as scripts hold them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rhai::{Array, Dynamic, Map};

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
            let Some(given) = layers.get(name) else { continue };
            let odd = || {
                let why = format!("it is of type {}, and a map of its fields is wanted, or an array of such maps", given.type_name());
                Fault::input(format!("use this value as the layer {name}"), why)
            };
            let several = given.read_lock::<Array>();
            for one in several.as_ref().map_or(std::slice::from_ref(given), |several| several.as_slice()) {
                let fields = one.read_lock::<Map>().ok_or_else(odd)?;
                stack = stack.on(Self::layer(named(name)?, &fields)?.stack())?;
            }
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
        self.stack().on(above).map(Self::drafted)
    }

    /// Gives the layers that it is to be built from; nothing where its bytes were read, and are as they are.
    pub(in crate::bind) fn draft(&self) -> Option<&Stack> {
        self.0.stack.as_ref()
    }

    /// Gives the layers that it is made of, or is to be made of.
    pub(super) fn stack(&self) -> Stack {
        match (&self.0.stack, self.0.whole.get()) {
            (Some(stack), _) => stack.clone(),
            (None, Some(whole)) => Stack::read(whole),
            (None, None) => Stack::default(),
        }
    }

    /// Gives the packet with other fields in some of its layers.
    pub(super) fn edited(&self, layers: &Map) -> Result<Self, Fault> {
        let mut stack = self.stack();
        for (name, fields) in layers {
            let odd = || {
                Fault::input(
                    format!("edit the layer {name}"),
                    format!("it is of type {}, and a map of its fields is wanted", fields.type_name()),
                )
            };
            let at = stack.layers.iter().position(|draft| draft.protocol.name == name.as_str()).ok_or_else(|| self.missing(name))?;
            stack = stack.edited(at, &given::changes(&*fields.read_lock::<Map>().ok_or_else(odd)?)?)?;
        }
        Ok(Self::drafted(stack))
    }

    /// Says why a layer cannot be edited.
    fn missing(&self, name: &str) -> Fault {
        match self.get(name) {
            Err(fault) => fault,
            Ok(_) => Fault::input(
                format!("edit the layer {name}"),
                "it is broken, or a part of a packet, or what an error quotes: it is kept as bytes",
            ),
        }
    }

    /// Puts a layer in the place of the one that has its name.
    pub(super) fn put(&mut self, name: &str, layer: &Layer) -> Result<(), Fault> {
        let (mut stack, other) = (self.stack(), layer.packet.stack());
        let draft = other.layers.get(layer.at).filter(|draft| draft.protocol.name == name);
        let draft = draft.ok_or_else(|| Fault::input(format!("set the layer {name}"), "the value is no layer of this name"))?;
        let at = stack.layers.iter().position(|draft| draft.protocol.name == name).ok_or_else(|| self.missing(name))?;
        stack.layers[at] = draft.clone();
        *self = Self::drafted(stack.edited(at, &[])?);
        Ok(())
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

    /// Finds a layer; `ip` is either version of it.
    pub(super) fn find(&self, name: &str) -> Result<Option<Layer>, Fault> {
        let is_it = |known: &str| known == name || name == "ip" && ["ipv4", "ipv6"].contains(&known);
        let at = self.found()?.1.layers.iter().position(|layer| is_it(layer.protocol.name));
        Ok(at.map(|at| Layer { packet: self.clone(), at }))
    }

    /// Gives the layer at a place, counted from the wire, or from the end where the number is negative.
    pub(super) fn nth(&self, number: i64) -> Result<Layer, Fault> {
        let count = self.found()?.1.layers.len();
        let at = if number < 0 { number.checked_add_unsigned(count as u64) } else { Some(number) };
        let at = at.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < count);
        let missing =
            || Fault::new(Kind::NotFound, format!("read layer {number} of a packet"), format!("it has {count}, the first of which is 0"));
        Ok(Layer { packet: self.clone(), at: at.ok_or_else(missing)? })
    }

    /// Gives a layer that has to be there.
    pub(super) fn get(&self, name: &str) -> Result<Layer, Fault> {
        self.find(name)?.ok_or_else(|| {
            let tried = format!("read {name:?} of a packet");
            match names().chain(["ip"]).any(|known| known == name) {
                true => Fault::new(Kind::NotFound, tried, "it has no such layer").hint(format!("`\"{name}\" in packet` asks first")),
                false => {
                    let fault = Fault::new(Kind::NotFound, tried, "there is no such layer or property");
                    let known = names().chain(["ip", "bytes", "payload", "padding", "layers", "defects"]);
                    let known = known.chain(["time", "length", "interface", "direction"]);
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

    /// Gives the name of what a field has, where it has one.
    pub(super) fn name_of(&self, name: &str) -> Result<Option<&'static str>, Fault> {
        let (whole, _, layer) = self.parts()?;
        let header = &whole.bytes[layer.header.clone()];
        // A field that is not there is told as everywhere.
        self.get(name).map(drop)?;
        Ok(layer.protocol.field(header, name).and_then(|field| field.name_of(&field.read(header)?)))
    }

    /// Sets a field, in a packet of its own.
    pub(super) fn set(&mut self, name: &str, value: &Dynamic) -> Result<(), Fault> {
        let (wanted, count) = {
            let (_, found, layer) = self.parts()?;
            let same = |other: &&crate::model::packet::Layer| other.protocol == layer.protocol;
            (layer.protocol, found.layers[..self.at].iter().filter(same).count())
        };
        let stack = self.packet.stack();
        let mut same = stack.layers.iter().enumerate().filter(|(_, draft)| draft.protocol == wanted);
        let (at, _) = same.nth(count).ok_or_else(|| self.packet.missing(wanted.name))?;
        let fields = given::changes(&Map::from([(name.into(), value.clone())]))?;
        *self = Self { packet: Packet::drafted(stack.edited(at, &fields)?), at };
        Ok(())
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
