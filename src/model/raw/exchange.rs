//! Which sockets an exchange takes: those that receive, and that by which each request is sent.

use std::net::{IpAddr, Ipv4Addr};

use super::{Outgoing, RAW, Setting, Spec, Way, option::Opt, reach};
use crate::model::link::Name;
use crate::model::net::{Ports, Prefix};
use crate::model::packet::filter::{Expr, Filter, Side, Test};
use crate::model::packet::{First, Layer, Packet, numbers};
use crate::model::{Family, Fault};

/// As many bytes may wait to be received: answers to many requests come at once.
const ROOM: i64 = 1 << 20;
/// As many hosts stand in a filter; for more, all pass.
const HOSTS: usize = 16;

/// The sockets of an exchange.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sockets {
    /// What they are opened with, those that receive first.
    pub specs: Vec<Spec>,
    /// By which of them each request is sent.
    pub of: Vec<usize>,
    /// The own ports of datagrams. They are kept, so that the kernel does not tell whoever answers that nobody is there.
    pub ports: Vec<(Family, u16)>,
}

/// A request, as far as it decides about sockets.
struct Asked<'a> {
    family: Family,
    to: IpAddr,
    /// The number of what IP carries, and its layer.
    protocol: u8,
    above: Option<&'a Layer>,
    sport: Option<u16>,
}

fn number(layer: &Layer, packet: &Packet, name: &str) -> Option<u64> {
    layer.read(&packet.bytes, name)?.number()
}

/// Reads a request that begins with IP.
fn asked<T>(packet: &Packet, with: impl FnOnce(&[Layer], Asked<'_>) -> T) -> Option<T> {
    let found = packet.layers();
    let network = found.layers.first()?;
    let (family, next) = if network.protocol.name == "ipv6" { (Family::V6, "next_header") } else { (Family::V4, "protocol") };
    let to = reach::destination(packet)?;
    let above = found
        .layers
        .iter()
        .skip(1)
        .find(|layer| numbers::protocol_of(layer.protocol).is_some_and(|number| ![0, 43, 44, 60].contains(&number)));
    let protocol = match above {
        Some(layer) => numbers::protocol_of(layer.protocol)?,
        None => u8::try_from(number(network, packet, next)?).ok()?,
    };
    let sport = above.and_then(|layer| u16::try_from(number(layer, packet, "sport")?).ok());
    Some(with(&found.layers, Asked { family, to, protocol, above, sport }))
}

impl Sockets {
    /// Chooses the sockets for requests: raw ones for IP packets, one on the link for frames.
    pub fn choose(packets: &[Packet], link: Option<&Name>) -> Result<Self, Fault> {
        let mut chosen = Self::default();
        let mut senders = Vec::with_capacity(packets.len());
        for (at, packet) in packets.iter().enumerate() {
            let way = match packet.first {
                First::Ethernet => chosen.frames(packet, link)?,
                First::Ip => chosen.ip(packet, link).ok_or_else(|| refuse(at, packet, "its IP header cannot be read"))?,
                First::Layer(_) => {
                    return Err(refuse(at, packet, "it has no IP header"));
                }
            };
            senders.push(way);
        }
        for way in senders {
            let known = chosen.specs.iter().position(|spec| spec.way == way);
            let at = known.unwrap_or_else(|| {
                chosen.specs.push(Spec { link: link.cloned(), ..Spec::new(way) });
                chosen.specs.len() - 1
            });
            chosen.of.push(at);
        }
        Ok(chosen)
    }

    fn frames(&mut self, packet: &Packet, link: Option<&Name>) -> Result<Way, Fault> {
        let link = link.cloned().ok_or_else(|| {
            Fault::input("exchange frames", "no link is given").hint("the option `interface` says on which link they are sent")
        })?;
        let way = Way::Packet { link, cooked: false, promiscuous: false };
        let is_arp = packet.layers().layer("arp").is_some();
        let filter = Filter { expr: Expr::Is(Test::Ethertype(0x0806)), ..Filter::default() };
        match self.specs.iter_mut().find(|spec| spec.way == way) {
            Some(spec) if !is_arp => spec.filter = Filter::default(),
            Some(_) => {}
            None => self.specs.push(Spec {
                filter: if is_arp { filter } else { Filter::default() },
                settings: room(),
                ..Spec::new(way.clone())
            }),
        }
        Ok(way)
    }

    /// Adds the sockets that receive the answers to an IP packet, and gives the one by which it is sent.
    fn ip(&mut self, packet: &Packet, link: Option<&Name>) -> Option<Way> {
        let (family, protocol, to, sport) = asked(packet, |_, asked| (asked.family, asked.protocol, asked.to, asked.sport))?;
        let errors = if family == Family::V4 { 1 } else { 58 };
        // Errors come from any host; all else comes from whom it was sent to, to the own port.
        self.receive(family, errors, link);
        if let (6 | 17, Some(port)) = (protocol, sport) {
            let at = self.receive(family, protocol, link);
            narrow(&mut self.specs[at].filter, to, port);
            if protocol == 17 && !self.ports.contains(&(family, port)) {
                self.ports.push((family, port));
            }
        }
        Some(Way::Raw { family, protocol: RAW, header: true })
    }

    fn receive(&mut self, family: Family, protocol: u8, link: Option<&Name>) -> usize {
        let way = Way::Raw { family, protocol, header: false };
        self.specs.iter().position(|spec| spec.way == way).unwrap_or_else(|| {
            // One that nobody has narrowed yet lets nothing pass but what is added.
            let expr = if [6, 17].contains(&protocol) { Expr::Any(Vec::new()) } else { Expr::All(Vec::new()) };
            self.specs.push(Spec { link: link.cloned(), filter: Filter { expr, ..Filter::default() }, settings: room(), ..Spec::new(way) });
            self.specs.len() - 1
        })
    }

    /// Chooses sockets for which no capability is needed; none where the requests are not plain echoes, all of one id.
    pub fn unprivileged(packets: &[Packet], link: Option<&Name>) -> Option<Self> {
        let mut chosen = Self::default();
        for packet in packets {
            let (family, id) = asked(packet, |layers, asked| plain_echo(packet, layers, &asked))??;
            let way = Way::Ping { family };
            let spec = Spec { link: link.cloned(), id: Some(id), settings: room(), ..Spec::new(way.clone()) };
            let at = match chosen.specs.iter().position(|known| known.way == way) {
                Some(at) => at,
                None => {
                    chosen.specs.push(spec.clone());
                    chosen.specs.len() - 1
                }
            };
            if chosen.specs[at] != spec {
                return None;
            }
            chosen.of.push(at);
        }
        Some(chosen)
    }
}

fn room() -> Vec<Setting> {
    vec![Setting { option: Opt::ReceiveBuffer, value: ROOM }]
}

fn refuse(at: usize, packet: &Packet, why: &str) -> Fault {
    Fault::input(format!("exchange the packet {at}: {}", packet.line()), why)
}

/// Lets pass what comes from a host to an own port, too.
fn narrow(filter: &mut Filter, from: IpAddr, port: u16) {
    let Expr::Any(parts) = &mut filter.expr else { return };
    let prefix = Prefix::new(from, Prefix::bits(from));
    let part = Expr::All(vec![Expr::Is(Test::Host(Side::Src, prefix)), Expr::Is(Test::Port(Side::Dst, Ports { first: port, last: port }))]);
    if !parts.contains(&part) {
        parts.push(part);
    }
    // Whoever asks a group is answered by anybody.
    if parts.len() > HOSTS || from.is_multicast() || from == IpAddr::V4(Ipv4Addr::BROADCAST) {
        filter.expr = Expr::All(Vec::new());
    }
}

/// Tells the family and the id of an echo request that a ping socket sends just so.
fn plain_echo(packet: &Packet, layers: &[Layer], asked: &Asked<'_>) -> Option<(Family, u16)> {
    let [network, _] = layers else { return None };
    let echo = asked
        .above
        .filter(|layer| matches!((layer.protocol.name, number(layer, packet, "type")), ("icmp", Some(8)) | ("icmpv6", Some(128))))?;
    let zero = |name: &str| number(network, packet, name).unwrap_or(0) == 0;
    let is_plain = match asked.family {
        Family::V4 => network.header.len() == 20 && ["tos", "id", "fragment_offset"].into_iter().all(zero) && packet.bytes[6] & 0xe0 == 0,
        Family::V6 => ["traffic_class", "flow_label"].into_iter().all(zero),
    };
    is_plain.then_some((asked.family, u16::try_from(number(echo, packet, "id")?).ok()?))
}

/// Makes what a socket takes of a request.
pub fn outgoing(way: &Way, packet: &Packet) -> Outgoing {
    let found = packet.layers();
    let what = packet.line();
    let to = reach::destination(packet);
    let network = found.layers.first();
    match (way, network) {
        (Way::Ping { .. }, Some(network)) => {
            let ttl = number(network, packet, "ttl").or_else(|| number(network, packet, "hop_limit"));
            let ttl = ttl.and_then(|ttl| u8::try_from(ttl).ok());
            Outgoing { bytes: packet.bytes[network.header.end..network.end].into(), is_whole: false, to, frame: None, ttl, what }
        }
        (Way::Packet { .. }, _) => Outgoing { bytes: packet.bytes.clone(), is_whole: true, to: None, frame: None, ttl: None, what },
        _ => Outgoing { bytes: packet.bytes.clone(), is_whole: true, to, frame: None, ttl: None, what },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::packet::{Draft, Stack, Value, named};

    fn packet(layers: &[(&str, &[(&str, Value)])]) -> Packet {
        let layer = |(name, fields): &(&str, &[(&str, Value)])| {
            let given = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Draft::new(named(name).unwrap(), given).unwrap()
        };
        Stack { layers: layers.iter().map(layer).collect(), payload: b"x".to_vec() }.build().unwrap()
    }

    fn to(last: u8, name: &str, fields: &[(&str, Value)]) -> Packet {
        packet(&[("ipv4", &[("dst", Value::text(format!("192.0.2.{last}")))]), (name, fields)])
    }

    fn told(sockets: &Sockets) -> Vec<String> {
        sockets.specs.iter().map(|spec| format!("{} {}", spec.way, spec.filter).trim_end().to_owned()).collect()
    }

    #[test]
    fn each_kind_of_request_has_its_sockets() {
        let port = |number| ("sport", Value::Number(number));
        let requests = [to(2, "icmp", &[]), to(2, "tcp", &[port(40000)]), to(3, "tcp", &[port(40000)]), to(2, "udp", &[port(40001)])];
        let chosen = Sockets::choose(&requests, None).unwrap();
        let wanted = [
            "raw socket of icmp over IPv4",
            "raw socket of tcp over IPv4 (src host 192.0.2.2 and dst port 40000) or (src host 192.0.2.3 and dst port 40000)",
            "raw socket of udp over IPv4 src host 192.0.2.2 and dst port 40001",
            "raw socket of RAW over IPv4",
        ];
        assert_eq!((told(&chosen), chosen.of, chosen.ports), (wanted.map(str::to_owned).to_vec(), vec![3; 4], vec![(Family::V4, 40001)]));
        let many: Vec<Packet> = (1..=50).map(|last| to(last, "tcp", &[port(40000)])).collect();
        assert_eq!(told(&Sockets::choose(&many, None).unwrap())[1], "raw socket of tcp over IPv4", "a filter has an end");
    }

    #[test]
    fn frames_want_a_link() {
        let arp = [packet(&[("ethernet", &[]), ("arp", &[])])];
        let fault = Sockets::choose(&arp, None).unwrap_err();
        assert_eq!(fault.to_string(), "cannot exchange frames: no link is given");
        let link: Name = "eth0".parse().unwrap();
        assert_eq!(told(&Sockets::choose(&arp, Some(&link)).unwrap()), ["packet socket on eth0 arp"]);
        let bare = [packet(&[("icmp", &[])])];
        assert!(Sockets::choose(&bare, None).unwrap_err().to_string().ends_with("it has no IP header"));
    }

    #[test]
    fn plain_echoes_need_no_capability() {
        let echo = |id: u64| to(2, "icmp", &[("id", Value::Number(id))]);
        let six = packet(&[("ipv6", &[("dst", Value::text("::1"))]), ("icmpv6", &[("id", Value::Number(9))])]);
        let chosen = Sockets::unprivileged(&[echo(7), six.clone(), echo(7)], None).unwrap();
        assert_eq!(
            (told(&chosen), chosen.of),
            (vec!["ping socket over IPv4".to_owned(), "ping socket over IPv6".to_owned()], vec![0, 1, 0])
        );
        assert_eq!(chosen.specs.iter().map(|spec| spec.id).collect::<Vec<_>>(), [Some(7), Some(9)]);
        let odd = packet(&[("ipv4", &[("tos", Value::Number(4))]), ("icmp", &[])]);
        let marked = packet(&[("ipv4", &[("flags", Value::text("DF"))]), ("icmp", &[])]);
        for requests in
            [vec![echo(7), echo(8)], vec![to(2, "udp", &[])], vec![odd], vec![marked], vec![to(2, "icmp", &[("type", Value::Number(13))])]]
        {
            assert_eq!(Sockets::unprivileged(&requests, None), None, "{}", requests[0].line());
        }
        let sent = outgoing(&Way::Ping { family: Family::V6 }, &six);
        assert_eq!((sent.bytes.len(), sent.to, sent.ttl, sent.bytes[0]), (9, Some("::1".parse().unwrap()), Some(64), 128));
    }
}
