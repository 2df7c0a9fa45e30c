//! Neighbours as bytes: `struct ndmsg` and its attributes.

use std::io;
use std::net::IpAddr;

use super::{Order, Rtnl, address, bytes, family, how, number, u16_of, u32_of};
use crate::kernel::netlink::message::{Messages, attributes};
use crate::model::address::Address;
use crate::model::link::Mac;
use crate::model::link::neighbour::{About, Key};

const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const HEADER: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// `NUD_NOARP`: what needs no neighbour; ip(8) does not show it either.
const NOARP: u16 = 0x40;
const NTF_PROXY: u8 = 0x08;
const NTF_ROUTER: u8 = 0x80;

/// A neighbour as it was read: the index of its link, its address, and what is known of it.
pub type Found = (u32, IpAddr, About);

impl Rtnl {
    /// Lists the neighbours on all links.
    pub fn neighbours(&mut self) -> io::Result<Vec<Found>> {
        self.dump(RTM_GETNEIGH, &[0; HEADER], &read)
    }
}

pub(super) fn read(body: &[u8]) -> Option<Found> {
    family(*body.first()?)?;
    let (index, state, flags) = (u32_of(body.get(4..)?), u16_of(body.get(8..)?), *body.get(10)?);
    let mut found = attributes(body.get(HEADER..)?);
    let (mut to, mut lladdr) = (None, None);
    found.by_ref().for_each(|(kind, value)| match kind {
        NDA_DST => to = address(value),
        NDA_LLADDR => lladdr = Some(Mac::of(value)),
        _ => {}
    });
    let is_hidden = state == 0 || state & NOARP != 0 || flags & NTF_PROXY != 0;
    Some((index, to.filter(|_| !is_hidden)?, About { lladdr, state, router: flags & NTF_ROUTER != 0 }))
}

fn header(m: &mut Messages, key: &Key, about: &About) {
    m.raw(&[number(Address(key.address).family()), 0, 0, 0]);
    m.raw(&key.dev.index.to_ne_bytes());
    m.raw(&about.state.to_ne_bytes());
    m.raw(&[if about.router { NTF_ROUTER } else { 0 }, 0]);
    m.attribute(NDA_DST, &bytes(key.address));
}

/// Writes the order to note a neighbour, in the place of what the kernel may have learned of it.
pub fn put(key: &Key, about: &About) -> Order {
    Order::new(RTM_NEWNEIGH, how::CREATE | how::REPLACE, &[], |m| {
        header(m, key, about);
        if let Some(lladdr) = &about.lladdr {
            m.attribute(NDA_LLADDR, lladdr.bytes());
        }
    })
}

/// Writes the order to forget a neighbour.
pub fn del(key: &Key, about: &About) -> Order {
    Order::new(RTM_DELNEIGH, 0, &[libc::ENOENT, libc::ENODEV], |m| header(m, key, about))
}
