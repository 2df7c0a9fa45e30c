//! Addresses as bytes: `struct ifaddrmsg` and its attributes.

use std::io;
use std::net::IpAddr;

use super::{Order, Rtnl, address, bytes, family, how, number, u32_of};
use crate::kernel::netlink::message::{Messages, attributes, text};
use crate::model::link::address::{About, FOREVER, Flag, Host, Key};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const HEADER: usize = 8;

/// `IFA_ADDRESS` and its like.
mod ifa {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
    pub(super) const LABEL: u16 = 3;
    pub(super) const BROADCAST: u16 = 4;
    pub(super) const CACHEINFO: u16 = 6;
    pub(super) const FLAGS: u16 = 8;
    pub(super) const RT_PRIORITY: u16 = 9;
    pub(super) const PROTO: u16 = 11;
}

/// Of IPv4, that it goes with another one; of IPv6, that it is a temporary one.
const SECONDARY: u32 = 0x01;
const PERMANENT: u32 = 0x80;

/// An address as it was read: the index of its link, itself, and what it has besides.
pub type Found = (u32, Host, About);

impl Rtnl {
    /// Lists the addresses of all links, as the kernel has them in order.
    pub fn addresses(&mut self) -> io::Result<Vec<Found>> {
        self.dump(RTM_GETADDR, &[0; HEADER], &read)
    }
}

pub(super) fn read(body: &[u8]) -> Option<Found> {
    let [of, length, flags, scope] = *body.first_chunk::<4>()?;
    let (family, index) = (family(of)?, u32_of(body.get(4..)?));
    let (mut local, mut other, mut flags, mut proto) = (None, None, u32::from(flags), 0);
    let mut about = About { scope, ..About::of(&Host { address: IpAddr::from([0; 4]), length: 0 }) };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            ifa::LOCAL => local = address(value),
            ifa::ADDRESS => other = address(value),
            ifa::LABEL => about.label = Some(text(value).to_owned()),
            ifa::BROADCAST => about.broadcast = value.first_chunk::<4>().map(|bytes| (*bytes).into()),
            ifa::FLAGS => flags = u32_of(value),
            ifa::RT_PRIORITY => about.metric = Some(u32_of(value)),
            ifa::PROTO => proto = value.first().copied().unwrap_or(0),
            ifa::CACHEINFO => (about.preferred, about.valid) = (u32_of(value), u32_of(value.get(4..)?)),
            _ => {}
        }
    }
    let own = local.or(other)?;
    let host = Host { address: own, length };
    about.peer = other.filter(|other| *other != own);
    about.flags = Flag::ALL.iter().filter(|(_, _, bit)| flags & bit != 0).map(|(flag, ..)| *flag).collect();
    about.flags.sort();
    about.secondary = flags & SECONDARY != 0;
    if about.valid == 0 && flags & PERMANENT != 0 {
        (about.valid, about.preferred) = (FOREVER, FOREVER);
    }
    about.automatic = match own {
        // IFAPROT_KERNEL_LO, _RA and _LL, which Linux 5.18 began to tell; before, the bits of the address do (RFC 4291, appendix A).
        _ if (1..=3).contains(&proto) => true,
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => {
            let of_mac = v6.is_unicast_link_local() && v6.octets()[11..13] == [0xff, 0xfe];
            proto == 0 && (flags & PERMANENT == 0 && family == crate::model::Family::V6 || of_mac || v6.is_loopback() && length == 128)
        }
    };
    Some((index, host, about))
}

fn header(m: &mut Messages, key: &Key, about: &About, flags: u32) {
    m.raw(&[number(key.host.family()), key.host.length, flags as u8, about.scope]);
    m.raw(&key.dev.index.to_ne_bytes());
    m.attribute(ifa::LOCAL, &bytes(key.host.address));
    m.attribute(ifa::ADDRESS, &bytes(about.peer.unwrap_or(key.host.address)));
}

/// Writes the order to give a link an address, or to change what it has besides.
pub fn put(key: &Key, about: &About, is_there: bool) -> Order {
    let how = how::CREATE | if is_there { how::REPLACE } else { how::EXCL };
    let flags = Flag::ALL.iter().filter(|(flag, ..)| about.flags.contains(flag)).fold(0, |flags, (_, _, bit)| flags | bit);
    Order::new(RTM_NEWADDR, how, &[], |m| {
        header(m, key, about, flags);
        if let Some(broadcast) = about.broadcast {
            m.attribute(ifa::BROADCAST, &broadcast.octets());
        }
        if let Some(label) = &about.label {
            m.text(ifa::LABEL, label);
        }
        if let Some(metric) = about.metric {
            m.attribute(ifa::RT_PRIORITY, &metric.to_ne_bytes());
        }
        if flags > 0xff {
            m.attribute(ifa::FLAGS, &flags.to_ne_bytes());
        }
        if about.valid != FOREVER || about.preferred != FOREVER {
            let mut times = [0; 16];
            times[..4].copy_from_slice(&about.preferred.to_ne_bytes());
            times[4..8].copy_from_slice(&about.valid.to_ne_bytes());
            m.attribute(ifa::CACHEINFO, &times);
        }
    })
}

/// Writes the order to take an address away.
pub fn del(key: &Key, about: &About) -> Order {
    Order::new(RTM_DELADDR, 0, &[libc::EADDRNOTAVAIL, libc::ENODEV], |m| header(m, key, about, 0))
}
