//! The kinds of actions: how each is read and shown, and what of it runs on by itself.

use super::generic::{self, word};
use super::{DEVICE, Links, Verdict, ct, gate, ife, packet, pedit, police, tunnel};
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;
use crate::model::{Fault, Kind};

/// How the words of one kind of action are read and shown.
pub struct Grammar {
    /// The name of the kind.
    pub name: &'static str,
    /// Reads the words behind the name.
    pub read: fn(&mut Argv) -> Result<Attributes, Fault>,
    /// Shows the words, the name among them.
    pub show: fn(&Attributes) -> String,
}

const GRAMMARS: &[Grammar] = &[
    Grammar { name: "bpf", read: packet::read_bpf, show: packet::show_bpf },
    Grammar { name: "connmark", read: packet::read_connmark, show: packet::show_connmark },
    Grammar { name: "csum", read: packet::read_csum, show: packet::show_csum },
    Grammar { name: "ct", read: ct::read, show: ct::show },
    Grammar { name: "ctinfo", read: ct::read_info, show: ct::show_info },
    Grammar { name: "gact", read: packet::read_gact, show: packet::show_gact },
    Grammar { name: "gate", read: gate::read, show: gate::show },
    Grammar { name: "ife", read: ife::read, show: ife::show },
    Grammar { name: "mirred", read: packet::read_mirred, show: packet::show_mirred },
    Grammar { name: "nat", read: packet::read_nat, show: packet::show_nat },
    Grammar { name: "pedit", read: pedit::read, show: pedit::show },
    Grammar { name: "police", read: police::read, show: police::show },
    Grammar { name: "sample", read: packet::read_sample, show: packet::show_sample },
    Grammar { name: "skbedit", read: packet::read_skbedit, show: packet::show_skbedit },
    Grammar { name: "tunnel_key", read: tunnel::read, show: tunnel::show },
    Grammar { name: "vlan", read: packet::read_vlan, show: packet::show_vlan },
];

/// Where the parameters of a kind are that have a number and a verdict in them, and which attributes run on by themselves.
struct Shape {
    name: &'static str,
    parameters: u16,
    runs: &'static [u16],
}

/// Those without a grammar are known in this much: they are kept and put back as they are.
const SHAPES: &[Shape] = &[
    Shape { name: "bpf", parameters: 2, runs: &[1, 7, 8, 9] },
    Shape { name: "connmark", parameters: 1, runs: &[2, 3] },
    Shape { name: "csum", parameters: 1, runs: &[2, 3] },
    Shape { name: "ct", parameters: 1, runs: &[2, 15] },
    Shape { name: "ctinfo", parameters: 3, runs: &[1, 2, 8, 9, 10] },
    Shape { name: "gact", parameters: 2, runs: &[1, 4] },
    Shape { name: "gate", parameters: 2, runs: &[1, 3] },
    Shape { name: "ife", parameters: 1, runs: &[2, 7] },
    Shape { name: "mirred", parameters: 2, runs: &[1, 3] },
    Shape { name: "mpls", parameters: 2, runs: &[1, 3] },
    Shape { name: "nat", parameters: 1, runs: &[2, 3] },
    Shape { name: "pedit", parameters: pedit::PARAMETERS, runs: &[1, 3] },
    Shape { name: "police", parameters: police::TBF, runs: &[2, 3, 6, 7] },
    Shape { name: "sample", parameters: 2, runs: &[1, 6] },
    Shape { name: "simple", parameters: 2, runs: &[1, 4] },
    Shape { name: "skbedit", parameters: 2, runs: &[1, 6] },
    Shape { name: "skbmod", parameters: 2, runs: &[1, 6] },
    Shape { name: "tunnel_key", parameters: 2, runs: &[1, 8] },
    Shape { name: "vlan", parameters: 2, runs: &[1, 5] },
];

/// Finds the grammar of a kind.
pub(super) fn find(kind: &str) -> Option<&'static Grammar> {
    GRAMMARS.iter().find(|grammar| grammar.name == kind)
}

/// Gives the names of the kinds whose words can be read.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GRAMMARS.iter().map(|grammar| grammar.name)
}

fn shape(kind: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.name == kind)
}

/// Tells whether it is known what of a kind runs on by itself.
pub(super) fn is_known(kind: &str) -> bool {
    shape(kind).is_some()
}

/// Gives the parameters with a number and a verdict in them: pedit has two forms of them.
fn parameters(shape: &Shape, options: &Attributes) -> u16 {
    if shape.name == "pedit" && options.has(pedit::PARAMETERS_EX) { pedit::PARAMETERS_EX } else { shape.parameters }
}

/// Gives the number of an action.
pub(super) fn index(kind: &str, options: &Attributes) -> u32 {
    shape(kind).and_then(|shape| options.get(parameters(shape, options))).map_or(0, |bytes| word(bytes, 0))
}

/// Gives an action a number.
pub(super) fn set_index(kind: &str, options: &mut Attributes, index: u32) {
    if let Some(shape) = shape(kind) {
        options.edit(parameters(shape, options), |bytes| put(bytes, 0, index));
    }
}

/// Gives what may become of a packet.
pub(super) fn verdicts(kind: &str, options: &Attributes) -> Vec<Verdict> {
    let at = if kind == "police" { 4 } else { 8 };
    let first = shape(kind).and_then(|shape| options.get(parameters(shape, options))).map(|bytes| word(bytes, at));
    let other = if kind == "police" { options.u32(police::RESULT) } else { None };
    first.into_iter().chain(other).map(|code| Verdict(code.cast_signed())).collect()
}

/// Writes a number of 32 bits at a place, if there is one.
pub(super) fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
}

/// Tells whether there is nothing in the parameters but a number and a verdict.
pub(super) fn is_blank(kind: &str, options: &Attributes) -> bool {
    let Some(shape) = shape(kind) else { return false };
    let verdict = if kind == "police" { 4..8 } else { 8..12 };
    let at = parameters(shape, options);
    options.iter().all(|(other, bytes)| {
        bytes.iter().enumerate().all(|(place, byte)| *byte == 0 || other == at && (place < 4 || verdict.contains(&place)))
    })
}

/// Gives the paths of attributes that have to be marked as holding attributes.
fn nested(kind: &str) -> &'static [&'static [u16]] {
    match kind {
        "gate" => &[gate::NESTED],
        "pedit" => &[pedit::NESTED],
        "tunnel_key" => tunnel::NESTED,
        _ => &[],
    }
}

/// Takes out what runs on by itself.
pub(super) fn settle(kind: &str, options: &mut Attributes) {
    let Some(shape) = shape(kind) else { return };
    options.drop(shape.runs);
    nested(kind).iter().for_each(|path| options.unmark(path));
    match kind {
        "police" => police::settle(options),
        "gate" => gate::settle(options),
        _ => options.edit(parameters(shape, options), |bytes| {
            // How many filters use it, and how many name it.
            if let Some(counts) = bytes.get_mut(12..generic::LEN) {
                counts.fill(0);
            }
        }),
    }
    options.sort();
}

/// Puts in what the kernel adds to what it is told.
pub(super) fn fill(kind: &str, options: &mut Attributes) {
    match kind {
        "police" => police::fill(options),
        "ct" => ct::fill(options),
        "ctinfo" => ct::fill_info(options),
        "gate" => gate::fill(options),
        "ife" => ife::fill(options),
        "tunnel_key" => tunnel::fill(options),
        "vlan" => packet::fill_vlan(options),
        _ => {}
    }
    options.sort();
}

/// Puts the name of a device in the place of its number.
pub(super) fn name_device(kind: &str, options: &mut Attributes, links: &dyn Links) {
    if kind != "mirred" || options.has(DEVICE) {
        return;
    }
    let index = options.get(packet::MIRRED).map_or(0, |bytes| word(bytes, packet::MIRRED_DEVICE));
    if let Some(name) = links.name(index) {
        options.edit(packet::MIRRED, |bytes| put(bytes, packet::MIRRED_DEVICE, 0));
        options.put_text(DEVICE, &name);
    }
}

/// Puts in what the kernel wants to be told, and does not tell: numbers of devices, tables of times.
pub(super) fn complete(kind: &str, options: &Attributes, links: &dyn Links) -> Result<Attributes, Fault> {
    let mut complete = options.clone();
    nested(kind).iter().for_each(|path| complete.mark(path));
    if kind == "police" {
        police::complete(&mut complete);
    }
    if let Some(name) = options.text(DEVICE) {
        let missing = || Fault::new(Kind::NotFound, format!("send packets to the device {name}"), "there is no such device");
        let index = links.index(name).ok_or_else(missing)?;
        complete.edit(packet::MIRRED, |bytes| put(bytes, packet::MIRRED_DEVICE, index));
        complete.drop(&[DEVICE]);
    }
    Ok(complete)
}
