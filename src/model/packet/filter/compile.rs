//! From a filter to a program.

use std::net::IpAddr;

use super::code::{Code, Ins, JEQ, JGE, JGT, JSET, Label};
use super::{Expr, Filter, Side, Test};
use crate::model::net::Ports;
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// Where the kernel keeps what it knows about a packet beside its bytes, SKF_AD_OFF with the number of each.
const PROTOCOL: u32 = -0x1000i32 as u32;
const TAG: u32 = PROTOCOL + 44;
const TAG_IS_THERE: u32 = PROTOCOL + 48;
/// Where the network header is, wherever a socket has its data: SKF_NET_OFF.
const NETWORK: u32 = -0x10_0000i32 as u32;

const V4: u16 = 0x0800;
const V6: u16 = 0x86dd;
/// Questions for a link address, and those of hosts that do not know their own.
const ARPS: [u16; 2] = [0x0806, 0x8035];
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// The protocols that have ports: SCTP, TCP, UDP.
const WITH_PORTS: [u8; 3] = [132, 6, 17];
const FRAGMENT: u32 = 44;

const AND: u16 = 0x54;
/// `ldxb 4*([k]&0xf)`: the length of an IPv4 header.
const LDX_HEADER: u16 = 0xb1;
/// `ldh [x + k]`.
const LDH_BEHIND: u16 = 0x48;

/// What a program sees first of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The head of an Ethernet frame: packet sockets, files of frames.
    Frame,
    /// What is behind that head: cooked packet sockets.
    Cooked,
    /// The IP header: raw sockets of IPv4, files of IP packets.
    Ip,
    /// What is behind the IP header: raw sockets of IPv6, ping sockets.
    Transport,
}

/// Where a program finds things.
#[derive(Clone, Copy)]
struct Layout {
    /// The type of Ethernet; none where the version of the IP header is all there is.
    ethertype: Option<u32>,
    network: u32,
}

/// Writes a program.
pub(super) fn program(filter: &Filter, begin: Begin, bytes: u32) -> Result<Vec<Ins>, Fault> {
    let plain = match begin {
        Begin::Frame => Layout { ethertype: Some(12), network: 14 },
        Begin::Cooked => Layout { ethertype: Some(PROTOCOL), network: 0 },
        Begin::Ip => Layout { ethertype: None, network: 0 },
        Begin::Transport => Layout { ethertype: None, network: NETWORK },
    };
    let mut code = Code::default();
    let (yes, no) = (code.label(), code.label());
    match (filter.vlan, plain.ethertype) {
        (None, _) => Writer { code: &mut code, layout: plain }.expr(&filter.expr, yes, no),
        (Some(id), Some(_)) => tagged(&mut code, filter, id, (begin, plain), (yes, no)),
        (Some(_), None) => return Err(Fault::input("filter by `vlan`", "these packets begin with IP, and tags are in frames")),
    }
    code.finish(yes, no, bytes)
}

/// Writes a program for frames with a tag. The kernel takes the tag of a received frame off and keeps it beside; in what is sent, and in files, it is
/// among the bytes, and all that follows is further on.
fn tagged(code: &mut Code, filter: &Filter, id: Option<u16>, (begin, plain): (Begin, Layout), (yes, no): (Label, Label)) {
    let is_it = |code: &mut Code, at: (u8, u32), no: Label| {
        let Some(id) = id else { return };
        code.load(at.0, at.1);
        code.plain(AND, 0x0fff);
        let next = code.label();
        code.jump(JEQ, id.into(), next, no);
        code.place(next);
    };
    let (beside, among) = (code.label(), code.label());
    code.load(4, TAG_IS_THERE);
    code.jump(JEQ, 1, beside, among);
    code.place(beside);
    is_it(code, (4, TAG), no);
    Writer { code, layout: plain }.expr(&filter.expr, yes, no);
    code.place(among);
    if begin != Begin::Frame {
        return code.goto(no);
    }
    code.load(2, 12);
    let found = code.label();
    for tag in TAGS {
        let next = code.label();
        code.jump(JEQ, tag.into(), found, next);
        code.place(next);
    }
    code.goto(no);
    code.place(found);
    is_it(code, (2, 14), no);
    Writer { code, layout: Layout { ethertype: Some(16), network: 18 } }.expr(&filter.expr, yes, no);
}

struct Writer<'a> {
    code: &'a mut Code,
    layout: Layout,
}

impl Writer<'_> {
    fn expr(&mut self, expr: &Expr, yes: Label, no: Label) {
        match expr {
            Expr::Not(part) => self.expr(part, no, yes),
            Expr::Is(test) => self.test(*test, yes, no),
            Expr::All(parts) => {
                self.each(parts, |it, part, next| it.expr(part, next, no));
                self.code.goto(yes);
            }
            Expr::Any(parts) => {
                self.each(parts, |it, part, next| it.expr(part, yes, next));
                self.code.goto(no);
            }
        }
    }

    /// Writes parts one after the other, each with the label of what comes next.
    fn each<T>(&mut self, parts: &[T], mut write: impl FnMut(&mut Self, &T, Label)) {
        for part in parts {
            let next = self.code.label();
            write(self, part, next);
            self.code.place(next);
        }
    }

    fn load(&mut self, bytes: u8, offset: u32) {
        self.code.load(bytes, self.layout.network.wrapping_add(offset));
    }

    fn test(&mut self, test: Test, yes: Label, no: Label) {
        match test {
            Test::Ethertype(ethertype) => self.ethertype(&[ethertype], yes, no),
            Test::Protocol(family, number) => self.protocol(family, &[number], yes, no),
            Test::Host(Side::Either, prefix) => self.either(yes, |it, side, no| it.host(side, prefix, yes, no), no),
            Test::Host(side, prefix) => self.host(side, prefix, yes, no),
            Test::Port(side, ports) => self.port(side, ports, yes, no),
        }
    }

    fn either(&mut self, _yes: Label, write: impl Fn(&mut Self, Side, Label), no: Label) {
        let next = self.code.label();
        write(self, Side::Src, next);
        self.code.place(next);
        write(self, Side::Dst, no);
    }

    fn ethertype(&mut self, any: &[u16], yes: Label, no: Label) {
        if let Some(at) = self.layout.ethertype {
            self.code.load(2, at);
            return self.one_of(any.iter().map(|ethertype| u32::from(*ethertype)), yes, no);
        }
        self.load(1, 0);
        self.code.plain(AND, 0xf0);
        let versions = any.iter().filter_map(|ethertype| match *ethertype {
            V4 => Some(0x40),
            V6 => Some(0x60),
            _ => None,
        });
        self.one_of(versions, yes, no);
    }

    /// Tells whether the accumulator is one of some numbers.
    fn one_of(&mut self, any: impl Iterator<Item = u32>, yes: Label, no: Label) {
        for number in any {
            let next = self.code.label();
            self.code.jump(JEQ, number, yes, next);
            self.code.place(next);
        }
        self.code.goto(no);
    }

    /// Asks for a family, then for something of it; of the other one, for something else.
    fn by_family(&mut self, v4: impl FnOnce(&mut Self), v6: impl FnOnce(&mut Self), no: Label) {
        let (is_v4, other, is_v6) = (self.code.label(), self.code.label(), self.code.label());
        self.ethertype(&[V4], is_v4, other);
        self.code.place(is_v4);
        v4(self);
        self.code.place(other);
        self.ethertype(&[V6], is_v6, no);
        self.code.place(is_v6);
        v6(self);
    }

    fn protocol(&mut self, family: Option<Family>, any: &[u8], yes: Label, no: Label) {
        let numbers = || any.iter().map(|number| u32::from(*number));
        let v4 = |it: &mut Self| {
            if family == Some(Family::V6) {
                return it.code.goto(no);
            }
            it.load(1, 9);
            it.one_of(numbers(), yes, no);
        };
        let v6 = |it: &mut Self| {
            if family == Some(Family::V4) {
                return it.code.goto(no);
            }
            let (other, fragment) = (it.code.label(), it.code.label());
            it.load(1, 6);
            it.one_of(numbers(), yes, other);
            it.code.place(other);
            it.code.jump(JEQ, FRAGMENT, fragment, no);
            it.code.place(fragment);
            it.load(1, 40);
            it.one_of(numbers(), yes, no);
        };
        self.by_family(v4, v6, no);
    }

    fn host(&mut self, side: Side, prefix: Prefix, yes: Label, no: Label) {
        let is_src = side == Side::Src;
        match prefix.network().0 {
            IpAddr::V4(address) => {
                let (is_v4, other, is_arp) = (self.code.label(), self.code.label(), self.code.label());
                self.ethertype(&[V4], is_v4, other);
                self.code.place(is_v4);
                self.word(if is_src { 12 } else { 16 }, address.to_bits(), prefix.length(), yes, no);
                self.code.place(other);
                self.ethertype(&ARPS, is_arp, no);
                self.code.place(is_arp);
                self.word(if is_src { 14 } else { 24 }, address.to_bits(), prefix.length(), yes, no);
            }
            IpAddr::V6(address) => {
                let is_v6 = self.code.label();
                self.ethertype(&[V6], is_v6, no);
                self.code.place(is_v6);
                for (at, bits) in (0u32..).zip(address.octets().as_chunks::<4>().0) {
                    let left = u32::from(prefix.length()).saturating_sub(at * 32).min(32) as u8;
                    let next = self.code.label();
                    self.word(if is_src { 8 } else { 24 } + at * 4, u32::from_be_bytes(*bits), left, next, no);
                    self.code.place(next);
                }
                self.code.goto(yes);
            }
        }
    }

    /// Tells whether the first bits of a word are those of another one.
    fn word(&mut self, offset: u32, bits: u32, length: u8, yes: Label, no: Label) {
        if length == 0 {
            return self.code.goto(yes);
        }
        self.load(4, offset);
        if length < 32 {
            self.code.plain(AND, u32::MAX << (32 - length));
        }
        self.code.jump(JEQ, bits, yes, no);
    }

    fn port(&mut self, side: Side, ports: Ports, yes: Label, no: Label) {
        let numbers = || WITH_PORTS.into_iter().map(u32::from);
        let v4 = |it: &mut Self| {
            let (has_ports, first) = (it.code.label(), it.code.label());
            it.load(1, 9);
            it.one_of(numbers(), has_ports, no);
            it.code.place(has_ports);
            // Only the first fragment has the ports.
            it.load(2, 6);
            it.code.jump(JSET, 0x1fff, no, first);
            it.code.place(first);
            it.code.plain(LDX_HEADER, it.layout.network);
            let at = it.layout.network;
            it.of_side(side, ports, &|it, offset| it.code.plain(LDH_BEHIND, at.wrapping_add(offset)), yes, no);
        };
        let v6 = |it: &mut Self| {
            let has_ports = it.code.label();
            it.load(1, 6);
            it.one_of(numbers(), has_ports, no);
            it.code.place(has_ports);
            it.of_side(side, ports, &|it, offset| it.load(2, 40 + offset), yes, no);
        };
        self.by_family(v4, v6, no);
    }

    fn of_side(&mut self, side: Side, ports: Ports, load: &dyn Fn(&mut Self, u32), yes: Label, no: Label) {
        match side {
            Side::Src => self.among(0, ports, load, yes, no),
            Side::Dst => self.among(2, ports, load, yes, no),
            Side::Either => {
                let next = self.code.label();
                self.among(0, ports, load, yes, next);
                self.code.place(next);
                self.among(2, ports, load, yes, no);
            }
        }
    }

    fn among(&mut self, offset: u32, ports: Ports, load: &dyn Fn(&mut Self, u32), yes: Label, no: Label) {
        load(self, offset);
        if ports.first == ports.last {
            return self.code.jump(JEQ, ports.first.into(), yes, no);
        }
        let next = self.code.label();
        self.code.jump(JGE, ports.first.into(), next, no);
        self.code.place(next);
        self.code.jump(JGT, ports.last.into(), no, yes);
    }
}
