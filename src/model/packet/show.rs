//! Packets as people read them: one line, or a tree with the bytes in hex.

use std::fmt::Write as _;

use super::checksum::Check;
use super::dissect::Dissection;
use super::{Defect, Packet};
use crate::model::hex::hex;

/// How many bytes stand in a row of a dump.
const ROW: usize = 16;

impl Packet {
    /// Tells the packet in one line.
    pub fn line(&self) -> String {
        let found = self.layers();
        let of = |at: usize| (found.layers[at].protocol.summary)(&self.bytes[found.layers[at].header.clone()]);
        // The frame is worth a word only where nothing is in it.
        let from = found.layers.iter().position(|layer| layer.protocol.name != "ethernet").unwrap_or(0);
        let mut words: Vec<String> = (from..found.layers.len()).map(of).collect();
        words.push(format!("{} bytes", found.payload.len()));
        words.extend(found.defects(&self.bytes).first().map(|defect| format!("[{defect}]")));
        words.join(", ")
    }

    /// Tells the packet as a tree: layers, their fields, what is wrong, and the bytes.
    pub fn tree(&self) -> String {
        let found = self.layers();
        let mut text = String::new();
        for at in 0..found.layers.len() {
            self.layer(&found, at, &mut text);
        }
        for (name, range) in [("payload", &found.payload), ("padding", &found.padding)] {
            if !range.is_empty() {
                text.push_str(&format!("{name}, {} bytes\n{}", range.len(), dump(&self.bytes[range.clone()])));
            }
        }
        found.defects(&self.bytes).iter().for_each(|defect: &Defect| text.push_str(&format!("! {defect}\n")));
        text
    }

    fn layer(&self, found: &Dissection, at: usize, text: &mut String) {
        let layer = &found.layers[at];
        let header = &self.bytes[layer.header.clone()];
        text.push_str(&format!("{} ({}), {} bytes\n", layer.protocol.name, layer.protocol.title, header.len()));
        let fields = (layer.protocol.fields)(header);
        let width = layer.fields(&self.bytes).iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for field in fields {
            let Some(value) = field.read(header) else { continue };
            let check = if field.name == "checksum" { found.checksum(at, &self.bytes) } else { None };
            let remark = match check {
                Some(Check::Good) => " (good)".to_owned(),
                Some(Check::Wrong { wanted }) => format!(" (wrong, should be {wanted:#06x})"),
                Some(Check::Absent) => " (absent)".to_owned(),
                Some(Check::Unknown) | None => String::new(),
            };
            let _ = writeln!(text, "  {:width$}  {}{remark}", field.name, field.told(&value));
        }
        for part in layer.protocol.parts {
            let list = (part.read)(header).0;
            for (number, value) in list.iter().enumerate() {
                let name = if number == 0 { part.name } else { "" };
                let _ = writeln!(text, "  {name:width$}  {value}");
            }
        }
    }
}

/// Writes bytes in hex, with their places and what they are as text.
pub fn dump(bytes: &[u8]) -> String {
    let row = |(number, row): (usize, &[u8])| {
        let mut hex: Vec<String> = row.chunks(2).map(hex).collect();
        hex.resize(ROW / 2, "    ".into());
        let text: String = row.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        format!("  {:04x}  {}  {text}\n", number * ROW, hex.join(" "))
    };
    bytes.chunks(ROW).enumerate().map(row).collect()
}
