//! Which packet answers which.
//!
//! A request says by which [`Key`]s its answers can be known, a packet that came in which keys it has; they belong together where one is the same. So
//! any number of requests are looked up in one table. No key has the own address in it, because the kernel may fill that in: [`Request::fits`] compares it
//! where it was given.
//!
//! Sources: RFC 792 and 4443 (echoes, and errors with what they quote), RFC 9293 (3.5.2: what a reset says), RFC 826, RFC 4861, RFC 1035.

mod error;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Layer, Packet, Value};
use crate::model::Family;

/// The flags of TCP that matter here.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Something by which a request and what answers it are known to belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An echo: who was asked, its id and its number. Whoever asks a group does not know who will answer.
    Echo(Option<IpAddr>, u16, u16),
    /// A segment of TCP: the other host, the ports there and here, and what it takes up.
    Tcp(IpAddr, [u16; 2], Mark),
    /// A datagram: the other host, the ports there and here.
    Udp(Option<IpAddr>, [u16; 2]),
    /// An answer of DNS: those of a datagram, its id, and the question; a server that did not understand may leave the question out.
    Dns(Option<IpAddr>, [u16; 2], u16, Option<String>),
    /// The host whose link address was asked for.
    Arp(Ipv4Addr),
    /// The same, of IPv6.
    Neighbour(Ipv6Addr),
    /// The packet itself, as an error quotes it: its destination, its protocol, and what its first eight bytes have of its own.
    Itself(IpAddr, u8, [u16; 4]),
}

/// What a segment of TCP takes up of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It acknowledges up to here.
    Acknowledged(u32),
    /// It is a reset at the place that was acknowledged.
    Reset(u32),
}

/// A packet that wants an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// By what its answers are known; the last one is that of errors about it.
    pub keys: Vec<Key>,
    /// The own address, where it is given.
    pub local: Option<IpAddr>,
}

/// A packet that may answer something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it is: `reply`, `syn-ack`, `reset`, `ack`, or what an error says.
    pub kind: &'static str,
    /// By what the requests are known that it answers.
    pub keys: Vec<Key>,
    /// Who sent it.
    pub from: IpAddr,
    /// Who sent the request, by what it says.
    pub to: Option<IpAddr>,
}

/// Reads a packet that is to be sent; none where no packet would be an answer to it.
pub fn request(packet: &Packet) -> Option<Request> {
    Sight { bytes: &packet.bytes, layers: &packet.layers().layers }.request()
}

/// Reads a packet that came in; none where it answers nothing.
pub fn reply(packet: &Packet) -> Option<Reply> {
    Sight { bytes: &packet.bytes, layers: &packet.layers().layers }.reply()
}

/// Reads what the kernel reports about an echo request that went to a host: the type and the code of an ICMP message, who sent it, and what it quotes
/// behind the IP header.
pub fn reported(family: Family, by: IpAddr, to: IpAddr, [kind, code]: [u8; 2], quoted: &[u8]) -> Option<Reply> {
    let (protocol, kind) = match family {
        Family::V4 => (1, error::v4(kind, code)?),
        Family::V6 => (58, error::v6(kind, code)?),
    };
    let word = |at: usize| quoted.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Some(Reply { kind, keys: vec![Key::Itself(to, protocol, [word(0)?, 0, word(4)?, word(6)?])], from: by, to: None })
}

impl Request {
    /// Tells whether a packet that has one of the keys is meant for whoever sent the request.
    pub fn fits(&self, reply: &Reply) -> bool {
        match (self.local, reply.to) {
            (Some(local), Some(to)) => local == to,
            _ => true,
        }
    }
}

/// Some layers of a packet: all, or those that an error quotes.
#[derive(Clone, Copy)]
struct Sight<'a> {
    bytes: &'a [u8],
    layers: &'a [Layer],
}

impl<'a> Sight<'a> {
    fn header(&self, layer: &Layer) -> &'a [u8] {
        &self.bytes[layer.header.clone()]
    }

    fn address(&self, layer: &Layer, name: &str) -> Option<IpAddr> {
        layer.read(self.bytes, name)?.address()
    }

    fn number(&self, layer: &Layer, name: &str) -> Option<u16> {
        u16::try_from(layer.read(self.bytes, name)?.number()?).ok()
    }

    fn ports<const N: usize>(&self, layer: &Layer, names: [&str; N]) -> Option<[u16; N]> {
        let mut ports = [0; N];
        for (port, name) in ports.iter_mut().zip(names) {
            *port = self.number(layer, name)?;
        }
        Some(ports)
    }

    /// The layer of IP that is nearest to what it carries, and what it carries.
    fn carried(&self) -> Option<(&'a Layer, &'a Layer)> {
        let at = self.layers.iter().position(|layer| ["icmp", "icmpv6", "tcp", "udp"].contains(&layer.protocol.name))?;
        let below = self.layers[..at].iter().rfind(|layer| is_network(layer))?;
        Some((below, &self.layers[at]))
    }

    fn request(self) -> Option<Request> {
        if let Some(arp) = self.layers.iter().find(|layer| layer.protocol.name == "arp") {
            let Some(IpAddr::V4(asked)) = self.address(arp, "dst").filter(|_| self.number(arp, "op") == Some(1)) else { return None };
            return Some(Request { keys: vec![Key::Arp(asked)], local: given(self.address(arp, "src")?) });
        }
        let mut keys = match self.carried() {
            Some((below, above)) => self.awaited(below, above)?,
            None => Vec::new(),
        };
        keys.push(self.itself()?);
        let network = self.layers.iter().find(|layer| is_network(layer))?;
        Some(Request { keys, local: given(self.address(network, "src")?) })
    }

    /// By what the answers are known that are no errors; none for what is an answer itself.
    fn awaited(&self, below: &Layer, above: &Layer) -> Option<Vec<Key>> {
        let header = self.header(above);
        let asked = self.address(below, "dst")?;
        let host = Some(asked).filter(|asked| !is_group(*asked));
        let there_here = || self.ports(above, ["dport", "sport"]);
        Some(match (above.protocol.name, *header.first()?) {
            ("icmp", 8) | ("icmpv6", 128) => vec![Key::Echo(host, self.number(above, "id")?, self.number(above, "seq")?)],
            ("icmpv6", 135) => match self.address(above, "target")? {
                IpAddr::V6(target) => vec![Key::Neighbour(target)],
                IpAddr::V4(_) => return None,
            },
            ("icmp" | "icmpv6", _) => return None,
            ("tcp", _) => {
                let (segment, ports) = (Segment::read(header, above.end - above.header.end)?, there_here()?);
                let reset = (segment.flags & ACK != 0).then_some(Mark::Reset(segment.acknowledged));
                let marks = [Mark::Acknowledged(segment.behind)].into_iter().chain(reset);
                marks.map(|mark| Key::Tcp(asked, ports, mark)).collect()
            }
            ("udp", _) => {
                let ports = there_here()?;
                match self.question() {
                    Some((id, question)) => [question, None].map(|asked| Key::Dns(host, ports, id, asked)).to_vec(),
                    None => vec![Key::Udp(host, ports)],
                }
            }
            _ => return None,
        })
    }

    /// The id of a message of DNS, and its first question.
    fn question(&self) -> Option<(u16, Option<String>)> {
        let dns = self.layers.iter().find(|layer| layer.protocol.name == "dns")?;
        let questions = dns.read(self.bytes, "questions")?;
        let first = match &questions {
            Value::List(list) => list.first().map(|question| question.to_string().to_lowercase()),
            _ => None,
        };
        Some((self.number(dns, "id")?, first))
    }

    /// The key of the packet itself: what is left of it when eight bytes behind the header of IP are quoted.
    fn itself(&self) -> Option<Key> {
        let at = self.layers.iter().position(is_network)?;
        let network = &self.layers[at];
        let is_v6 = network.protocol.name == "ipv6";
        let above = self.layers[at + 1..].iter().find(|layer| !EXTENSIONS.contains(&layer.protocol.name));
        let word = |layer: &Layer, at: usize| self.header(layer).get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let (protocol, own) = match above.map(|above| (above.protocol.name, above)) {
            Some(("tcp", tcp)) => (6, [word(tcp, 0)?, word(tcp, 2)?, word(tcp, 4)?, word(tcp, 6)?]),
            // On the way a checksum may be adjusted, the others not; but eight bytes there have to be.
            Some(("udp", udp)) => (17, word(udp, 6).and(Some([word(udp, 0)?, word(udp, 2)?, 0, 0]))?),
            Some(("icmp", icmp)) => (1, [word(icmp, 0)?, 0, word(icmp, 4)?, word(icmp, 6)?]),
            Some(("icmpv6", icmp)) => (58, [word(icmp, 0)?, 0, word(icmp, 4)?, word(icmp, 6)?]),
            _ if is_v6 => (self.number(network, "next_header")? as u8, [0; 4]),
            _ => (self.number(network, "protocol")? as u8, [self.number(network, "id")?, 0, 0, 0]),
        };
        Some(Key::Itself(self.address(network, "dst")?, protocol, own))
    }

    fn reply(self) -> Option<Reply> {
        if let Some(arp) = self.layers.iter().find(|layer| layer.protocol.name == "arp") {
            let Some(from @ IpAddr::V4(asked)) = self.address(arp, "src").filter(|_| self.number(arp, "op") == Some(2)) else {
                return None;
            };
            return Some(Reply { kind: "reply", keys: vec![Key::Arp(asked)], from, to: given(self.address(arp, "dst")?) });
        }
        let (below, above) = self.carried()?;
        let from = self.address(below, "src")?;
        let to = self.address(below, "dst").filter(|to| !is_group(*to));
        let header = self.header(above);
        let reply = |kind, keys| Some(Reply { kind, keys, from, to });
        // Who asked a group has no host in the key.
        let hosts = [Some(from), None];
        let here = || self.ports(above, ["sport", "dport"]);
        match (above.protocol.name, *header.first()?) {
            ("icmp", 0) | ("icmpv6", 129) => {
                let [id, seq] = self.ports(above, ["id", "seq"])?;
                reply("reply", hosts.map(|host| Key::Echo(host, id, seq)).to_vec())
            }
            ("icmpv6", 136) => match self.address(above, "target")? {
                IpAddr::V6(target) => reply("reply", vec![Key::Neighbour(target)]),
                IpAddr::V4(_) => None,
            },
            ("icmp" | "icmpv6", kind) => self.error(above, kind, from),
            ("tcp", _) => {
                let (kind, mark) = Segment::read(header, 0)?.taken_up()?;
                reply(kind, vec![Key::Tcp(from, here()?, mark)])
            }
            ("udp", _) => {
                let ports = here()?;
                let keys = match self.question() {
                    Some((id, question)) => hosts.map(|host| Key::Dns(host, ports, id, question.clone())),
                    None => hosts.map(|host| Key::Udp(host, ports)),
                };
                reply("reply", keys.to_vec())
            }
            _ => None,
        }
    }

    /// What an error is about, by what it quotes.
    fn error(self, message: &Layer, kind: u8, from: IpAddr) -> Option<Reply> {
        let code = *self.header(message).get(1)?;
        let kind = if message.protocol.name == "icmp" { error::v4(kind, code) } else { error::v6(kind, code) }?;
        let behind = self.layers.iter().position(|layer| layer.header.start >= message.header.end)?;
        let quoted = Sight { layers: &self.layers[behind..], ..self };
        let network = quoted.layers.first().filter(|layer| is_network(layer))?;
        Some(Reply { kind, keys: vec![quoted.itself()?], from, to: quoted.address(network, "src") })
    }
}

/// What matters of a segment of TCP.
struct Segment {
    flags: u8,
    sequence: u32,
    acknowledged: u32,
    /// The first sequence number behind it.
    behind: u32,
}

impl Segment {
    fn read(header: &[u8], data: usize) -> Option<Self> {
        let word = |at: usize| header.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word));
        let (flags, sequence) = (*header.get(13)?, word(4)?);
        let phantom = [SYN, FIN].iter().filter(|flag| flags & **flag != 0).count();
        Some(Self { flags, sequence, acknowledged: word(8)?, behind: sequence.wrapping_add((data + phantom) as u32) })
    }

    /// What it is as an answer, and what it takes up.
    fn taken_up(&self) -> Option<(&'static str, Mark)> {
        let acknowledged = Mark::Acknowledged(self.acknowledged);
        match (self.flags & RST != 0, self.flags & ACK != 0) {
            (true, true) => Some(("reset", acknowledged)),
            // To what has no acknowledgment a reset has one, and to all else it begins where that ends.
            (true, false) => Some(("reset", Mark::Reset(self.sequence))),
            (false, true) if self.flags & SYN != 0 => Some(("syn-ack", acknowledged)),
            (false, true) => Some(("ack", acknowledged)),
            (false, false) => None,
        }
    }
}

/// What stands between the header of IPv6 and what it carries.
const EXTENSIONS: [&str; 4] = ["hop_by_hop", "destination", "routing", "fragment"];

fn is_network(layer: &Layer) -> bool {
    ["ipv4", "ipv6"].contains(&layer.protocol.name)
}

fn given(address: IpAddr) -> Option<IpAddr> {
    Some(address).filter(|address| !address.is_unspecified())
}

/// Tells whether several hosts listen to an address, as far as that can be seen.
fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}
