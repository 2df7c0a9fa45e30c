//! Routes as bytes: `struct rtmsg`, `struct rtnexthop` and their attributes.

use std::io;

use super::{Order, Rtnl, address, bytes, family, how, number, prefix, u16_of, u32_of};
use crate::kernel::netlink::message::{Messages, attributes, text};
use crate::model::Family;
use crate::model::address::Address;
use crate::model::link::route::{Fate, Hop, Key, Way};
use crate::model::link::{Dev, Name, Raw};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const HEADER: usize = 12;
/// The bytes of `struct rtnexthop`.
const HOP: usize = 8;
/// `RTNH_F_ONLINK`.
const ONLINK: u8 = 4;
/// `RTM_F_CLONED`: a copy that was made for one far end.
const CLONED: u32 = 0x200;
/// `RT_SCOPE_NOWHERE`: to be deleted whatever its scope.
const NOWHERE: u8 = 255;

/// `RTA_DST` and its like.
mod rta {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const OIF: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const PREFSRC: u16 = 7;
    pub(super) const METRICS: u16 = 8;
    pub(super) const MULTIPATH: u16 = 9;
    pub(super) const FLOW: u16 = 11;
    pub(super) const TABLE: u16 = 15;
    pub(super) const VIA: u16 = 18;
    pub(super) const NEWDST: u16 = 19;
    pub(super) const PREF: u16 = 20;
    pub(super) const ENCAP_TYPE: u16 = 21;
    pub(super) const ENCAP: u16 = 22;
    pub(super) const TTL_PROPAGATE: u16 = 26;
    pub(super) const NH_ID: u16 = 30;
}

/// The measures that are no plain numbers: `RTAX_LOCK`, `RTAX_CC_ALGO`.
const LOCK: u16 = 1;
const CC_ALGO: u16 = 16;

impl Rtnl {
    /// Lists the routes of a family, all or those of a table. Their links have an index, and no name yet.
    pub fn routes(&mut self, family: Family, table: Option<u32>) -> io::Result<Vec<(Key, Way)>> {
        let mut question = Messages::new();
        question.raw(&[number(family), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        if let Some(table) = table {
            question.attribute(rta::TABLE, &table.to_ne_bytes());
        }
        let found = match self.dump(RTM_GETROUTE, question.bytes(), &read) {
            // A table that nothing was ever in.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Vec::new(),
            found => found?,
        };
        Ok(found.into_iter().filter(|(key, _)| key.family() == family && table.is_none_or(|table| key.table == table)).collect())
    }

    /// Lists routes as often as it takes to see the same twice: the kernel does not say when they were changed meanwhile.
    pub fn steady_routes(&mut self, family: Family, table: Option<u32>) -> io::Result<Vec<(Key, Way)>> {
        super::steady(|| self.routes(family, table))
    }
}

pub(super) fn read(body: &[u8]) -> Option<(Key, Way)> {
    let [of, to_length, from_length, tos, table, proto, scope, kind] = *body.first_chunk::<8>()?;
    let flags = u32_of(body.get(8..)?);
    let family = family(of).filter(|_| flags & CLONED == 0)?;
    let (fate, ..) = *Fate::ALL.iter().find(|(_, _, number)| *number == kind)?;
    let mut key = Key { table: table.into(), to: prefix(None, to_length, family), metric: 0, tos, from: None, twin: 0 };
    let scope = if family == Family::V6 { 0 } else { scope };
    let mut way = Way {
        fate,
        hops: Vec::new(),
        proto,
        scope,
        src: None,
        measures: Vec::new(),
        locked: 0,
        congctl: None,
        pref: 0,
        rest: Raw::default(),
    };
    let (mut hop, mut rest) = (Hop { weight: 1, onlink: flags as u8 & ONLINK != 0, ..Hop::default() }, Messages::new());
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            rta::DST => key.to = prefix(address(value), to_length, family),
            rta::SRC => key.from = Some(prefix(address(value), from_length, family)),
            rta::TABLE => key.table = u32_of(value),
            rta::PRIORITY => key.metric = u32_of(value),
            rta::PREFSRC => way.src = address(value),
            rta::PREF => way.pref = value.first().copied().unwrap_or(0),
            rta::METRICS => measures(value, &mut way),
            rta::MULTIPATH => way.hops = hops(value),
            rta::OIF | rta::GATEWAY | rta::VIA => read_hop(kind, value, &mut hop),
            rta::FLOW | rta::NEWDST | rta::ENCAP_TYPE | rta::ENCAP | rta::TTL_PROPAGATE | rta::NH_ID => rest.attribute(kind, value),
            _ => {}
        }
    }
    // IPv6 drops packets on the loopback.
    if way.hops.is_empty() && !fate.ends() && (hop.dev.is_some() || hop.via.is_some()) {
        way.hops.push(hop);
    }
    way.rest = Raw::of(rest.bytes());
    Some((key, way))
}

fn read_hop(kind: u16, value: &[u8], hop: &mut Hop) {
    match kind {
        rta::OIF => hop.dev = Some(unnamed(u32_of(value))),
        // `struct rtvia`: a family, then the address.
        rta::VIA => hop.via = value.get(2..).and_then(address),
        _ => hop.via = address(value),
    }
}

fn unnamed(index: u32) -> Dev {
    Dev::new(index, Name::listed(&format!("#{index}")))
}

fn measures(value: &[u8], way: &mut Way) {
    for (number, value) in attributes(value) {
        match number {
            LOCK => way.locked = u32_of(value),
            CC_ALGO => way.congctl = Some(text(value).to_owned()),
            _ => way.measures.push((number, u32_of(value))),
        }
    }
    way.measures.sort_unstable();
}

fn hops(mut value: &[u8]) -> Vec<Hop> {
    let mut found = Vec::new();
    while let Some(header) = value.first_chunk::<HOP>() {
        let length = usize::from(u16_of(header));
        let Some(inside) = value.get(HOP..length) else { break };
        let mut hop = Hop { weight: u16::from(header[3]) + 1, onlink: header[2] & ONLINK != 0, ..Hop::default() };
        hop.dev = Some(u32_of(&header[4..])).filter(|index| *index != 0).map(unnamed);
        let mut rest = Messages::new();
        for (kind, value) in attributes(inside) {
            match kind {
                rta::GATEWAY | rta::VIA => read_hop(kind, value, &mut hop),
                _ => rest.attribute(kind, value),
            }
        }
        hop.rest = Raw::of(rest.bytes());
        found.push(hop);
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// Writes the order to set a route: a new one, or in the place of one that is there.
pub fn put(key: &Key, way: &Way, is_there: bool) -> Order {
    let how = match (is_there, key.twin) {
        (true, _) => how::REPLACE,
        (false, 0) => how::EXCL,
        (false, _) => how::APPEND,
    };
    Order::new(RTM_NEWROUTE, how::CREATE | how, &[], |m| body(m, key, way, way.scope))
}

/// Writes the order to take a route away.
pub fn del(key: &Key, way: &Way) -> Order {
    let plain = Way { measures: Vec::new(), locked: 0, congctl: None, ..way.clone() };
    Order::new(RTM_DELROUTE, 0, &[libc::ESRCH, libc::ENODEV], |m| {
        body(m, key, &plain, if key.family() == Family::V4 { NOWHERE } else { 0 })
    })
}

fn body(m: &mut Messages, key: &Key, way: &Way, scope: u8) {
    let kind = Fate::ALL.iter().find(|(fate, ..)| *fate == way.fate).map_or(1, |(_, _, number)| *number);
    let onlink = matches!(&way.hops[..], [hop] if hop.onlink);
    let from_length = key.from.map_or(0, |from| from.length());
    // A number of more than a byte stands in an attribute only: RT_TABLE_UNSPEC.
    let table = u8::try_from(key.table).unwrap_or(0);
    m.raw(&[number(key.family()), key.to.length(), from_length, key.tos, table, way.proto, scope, kind]);
    m.raw(&u32::from(if onlink { ONLINK } else { 0 }).to_ne_bytes());
    if table == 0 {
        m.attribute(rta::TABLE, &key.table.to_ne_bytes());
    }
    if key.to.length() > 0 {
        m.attribute(rta::DST, &bytes(key.to.network().0));
    }
    if let Some(from) = key.from {
        m.attribute(rta::SRC, &bytes(from.network().0));
    }
    if key.metric != 0 {
        m.attribute(rta::PRIORITY, &key.metric.to_ne_bytes());
    }
    if let Some(src) = way.src {
        m.attribute(rta::PREFSRC, &bytes(src));
    }
    write_hops(m, key, way);
    if !way.measures.is_empty() || way.congctl.is_some() {
        m.nest(rta::METRICS, |m| write_measures(m, way));
    }
    if way.pref != 0 {
        m.attribute(rta::PREF, &[way.pref]);
    }
    m.raw(way.rest.bytes());
}

fn write_hops(m: &mut Messages, key: &Key, way: &Way) {
    // A next hop that is an object of its own says all of it.
    if attributes(way.rest.bytes()).any(|(kind, _)| kind == rta::NH_ID) {
        return;
    }
    match &way.hops[..] {
        [hop] => {
            write_hop(m, hop, key.family());
            if let Some(dev) = &hop.dev {
                m.attribute(rta::OIF, &dev.index.to_ne_bytes());
            }
        }
        [] => {}
        hops => m.nest(rta::MULTIPATH, |m| hops.iter().for_each(|hop| one_of_several(m, hop, key.family()))),
    }
}

fn write_hop(m: &mut Messages, hop: &Hop, family: Family) {
    match hop.via {
        Some(via) if Address(via).family() == family => m.attribute(rta::GATEWAY, &bytes(via)),
        Some(via) => m.attribute(rta::VIA, &[u16::from(number(Address(via).family())).to_ne_bytes().to_vec(), bytes(via)].concat()),
        None => {}
    }
}

fn one_of_several(m: &mut Messages, hop: &Hop, family: Family) {
    let mut inside = Messages::new();
    write_hop(&mut inside, hop, family);
    inside.raw(hop.rest.bytes());
    let index = hop.dev.as_ref().map_or(0, |dev| dev.index);
    m.raw(&((HOP + inside.bytes().len()) as u16).to_ne_bytes());
    m.raw(&[if hop.onlink { ONLINK } else { 0 }, hop.weight.saturating_sub(1) as u8]);
    m.raw(&index.to_ne_bytes());
    m.raw(inside.bytes());
}

fn write_measures(m: &mut Messages, way: &Way) {
    if way.locked != 0 {
        m.attribute(LOCK, &way.locked.to_ne_bytes());
    }
    way.measures.iter().for_each(|(number, value)| m.attribute(*number, &value.to_ne_bytes()));
    if let Some(name) = &way.congctl {
        m.text(CC_ALGO, name);
    }
}

/// Gives the links of routes their names.
pub fn name(way: &mut Way, find: &dyn Fn(u32) -> Option<Dev>) {
    for dev in way.hops.iter_mut().filter_map(|hop| hop.dev.as_mut()) {
        if let Some(named) = find(dev.index) {
            *dev = named;
        }
    }
}
