//! gzip(1), from memory to memory and within bounds.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::model::{Fault, Kind};

/// Tells gzip by its first bytes, RFC 1952.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks at most `most` bytes; what stands behind the end is refused.
pub fn unpack(tried: &str, bytes: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut decoder = GzDecoder::new(bytes);
    let mut unpacked = Vec::new();
    let read = decoder.by_ref().take(most as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| Fault::input(tried, format!("it is damaged or cut short: {error}")))?;
    if unpacked.len() > most {
        return Err(Fault::new(Kind::Input, tried, format!("unpacked it has more than {} MiB", most >> 20)));
    }
    match decoder.into_inner().is_empty() {
        true => Ok(unpacked),
        false => Err(Fault::input(tried, "there is something behind its end")),
    }
}

/// Packs bytes: no name, no time, so that the same bytes always give the same ones.
pub fn pack(tried: &str, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.map_err(|error| Fault::new(Kind::System, tried, error.to_string()))
}
