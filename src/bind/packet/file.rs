//! Packets in files.

use std::time::{Duration, SystemTime};

use rhai::plugin::*;
use rhai::{Array, NativeCallContext};

use super::handle::Packet;
use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::packet::capture::{self, Captured, Format};

/// Writes packets as a file has them.
fn file(packets: &Array, format: Format) -> Result<Vec<u8>, Fault> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let captured = |(at, value): (usize, &Dynamic)| {
        let odd = || Fault::input("write packets into a file", format!("element {at} is of type {}", value.type_name()));
        let packet = value.read_lock::<Packet>().ok_or_else(odd)?;
        let whole = packet.whole()?.clone();
        let (time, length) = packet.seen().map_or((now, whole.bytes.len()), |seen| (seen.at, seen.length));
        Ok(Captured { at: time, length, packet: whole })
    };
    let packets: Vec<Captured> = packets.iter().enumerate().map(captured).collect::<Result<_, Fault>>()?;
    capture::write(&packets, format)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// Reads captured packets from a file of pcap or pcapng.
    ///
    /// - `path`: the file, of at most 256 MiB; a relative one counts from where fyke was started
    ///
    /// Packets of links that are neither Ethernet, nor IP, nor Linux's cooked ones are left out. A file that is cut off gives the packets before; `packet::check_file` says what
    /// is wrong with it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`, `permission`: the file cannot be opened. `input`: it is neither pcap nor pcapng, or is no regular file.
    ///
    /// # Example
    /// ```rhai
    /// packet::write("/run/example.pcap", [packet::ipv4(#{}) / packet::udp(#{ dport: 9 })]);
    /// packet::read("/run/example.pcap")[0].udp.dport == 9
    /// ```
    ///
    /// # Source
    /// draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng
    #[rhai_fn(return_raw, volatile)]
    pub fn read(ctx: NativeCallContext, path: &str) -> Answer<Array> {
        let file = call::door(&ctx)?.bytes(path).and_then(|bytes| capture::read(&bytes)).map_err(|fault| call::fault(&ctx, fault))?;
        let packet = |one: Captured| Dynamic::from(Packet::read(one.packet.bytes.to_vec(), one.packet.first, Some((one.at, one.length))));
        Ok(file.packets.into_iter().map(packet).collect())
    }

    /// Writes packets into a file of pcap or pcapng, which tcpdump(8) and Wireshark open.
    ///
    /// - `path`: the file, of pcapng if its name ends in `.pcapng`; what it held before is gone. A new one is for its user alone to read
    /// - `packets`: an array of packets that begin with Ethernet, with IP, or with a header of a cooked capture; in a file of pcap all alike
    ///
    /// A packet that was read has the time and the length that it had; one that was built has the present time.
    ///
    /// # Changes
    /// The file: an act, which cannot be lifted. A plan lists it and writes nothing.
    ///
    /// # Fails
    /// `input`: an element is no packet, or begins with a layer that files do not have, or with another one than the first; the path is a link or a device. `permission`: it cannot be
    /// written.
    ///
    /// # Example
    /// ```rhai
    /// packet::write("/run/example.pcap", [packet::ipv4(#{}) / packet::udp(#{ dport: 9 })]);
    /// ```
    ///
    /// # Source
    /// draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng
    #[rhai_fn(return_raw, volatile)]
    pub fn write(ctx: NativeCallContext, path: &str, packets: Array) -> Answer<()> {
        let bytes = file(&packets, Format::of(path)).map_err(|fault| call::fault(&ctx, fault))?;
        call::door(&ctx)?.write(path, &bytes, call::origin(&ctx)).map_err(|fault| call::fault(&ctx, fault))
    }

    /// Tells what is wrong with a file of captured packets; `()` where nothing is.
    ///
    /// - `path`: the file
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`, `permission`: the file cannot be opened. `input`: it is neither pcap nor pcapng.
    ///
    /// # Example
    /// ```rhai
    /// packet::write("/run/example.pcap", [packet::ipv4(#{})]);
    /// packet::check_file("/run/example.pcap") == ()
    /// ```
    ///
    /// # Source
    /// draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng
    #[rhai_fn(return_raw, volatile)]
    pub fn check_file(ctx: NativeCallContext, path: &str) -> Answer<Dynamic> {
        let found = call::door(&ctx)?.bytes(path).and_then(|bytes| capture::read(&bytes)).map_err(|fault| call::fault(&ctx, fault))?;
        Ok(found.damage.map_or(Dynamic::UNIT, Dynamic::from))
    }
}
