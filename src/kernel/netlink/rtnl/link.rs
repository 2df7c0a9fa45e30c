//! Links as bytes: `struct ifinfomsg` and its attributes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Order, Rtnl, address, bytes, how, u16_of, u32_of};
use crate::kernel::netlink::message::{Messages, attributes, flag, text};
use crate::model::address::Address;
use crate::model::link::kind::{Shape, options};
use crate::model::link::{Dev, Link, Mac, Name, Raw, Setting, Value};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_GETNSID: u16 = 90;
const RTM_NEWLINKPROP: u16 = 108;
/// `struct rtgenmsg`, padded, and the attributes behind it: linux/net_namespace.h.
const NSID_HEADER: usize = 4;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// The bytes of `struct ifinfomsg`.
const HEADER: usize = 16;
/// `VETH_INFO_PEER`: what follows is the other end as a link of its own.
const VETH_PEER: u16 = 1;

/// `IFLA_ADDRESS` and its like.
mod ifla {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const LINK: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const TXQLEN: u16 = 13;
    pub(super) const LINKINFO: u16 = 18;
    pub(super) const NET_NS_FD: u16 = 28;
    pub(super) const ALIAS: u16 = 20;
    pub(super) const EXT_MASK: u16 = 29;
    pub(super) const LINK_NETNSID: u16 = 37;
    pub(super) const NEW_IFINDEX: u16 = 49;
    pub(super) const PROP_LIST: u16 = 52;
    pub(super) const ALT_IFNAME: u16 = 53;
    pub(super) const KIND: u16 = 1;
    pub(super) const DATA: u16 = 2;
}

/// Flags of a link, and the setting that each of them is.
const FLAGS: [(Setting, u32, bool); 5] = [
    (Setting::Up, 0x1, false),
    // IFF_NOARP says the contrary.
    (Setting::Arp, 0x80, true),
    (Setting::Promisc, 0x100, false),
    (Setting::AllMulticast, 0x200, false),
    (Setting::Multicast, 0x1000, false),
];

/// What was read of a link.
#[derive(Clone, Debug)]
pub struct Found {
    /// The link by its index and name.
    pub dev: Dev,
    /// What it is.
    pub link: Link,
    /// What it is set to.
    pub settings: Vec<(Setting, Value)>,
    /// The number by which this namespace knows the one that what it stands on, or its other end, is in.
    pub nsid: Option<u32>,
    /// The indices that it names: what it stands on or its other end, its master.
    names: [u32; 2],
}

impl Rtnl {
    /// Lists the links.
    pub fn links(&mut self) -> io::Result<Vec<Found>> {
        let mut question = Messages::new();
        question.raw(&[0; HEADER]);
        // RTEXT_FILTER_SKIP_STATS: counters are most of what there is to a link.
        question.attribute(ifla::EXT_MASK, &8u32.to_ne_bytes());
        let mut found = self.dump(RTM_GETLINK, question.bytes(), &read)?;
        let names: BTreeMap<u32, Dev> = found.iter().map(|one| (one.dev.index, one.dev.clone())).collect();
        found.iter_mut().for_each(|one| one.resolve(&names));
        Ok(found)
    }

    /// Gives the number by which this namespace knows another one, if it knows it.
    pub fn nsid(&mut self, netns: BorrowedFd<'_>) -> io::Result<Option<u32>> {
        let (sequence, mut messages) = (self.socket.next_sequence(), Messages::new());
        messages.message(RTM_GETNSID, flag::REQUEST, sequence, |m| {
            m.raw(&[0; NSID_HEADER]);
            m.attribute(NETNSA_FD, &netns.as_raw_fd().to_ne_bytes());
        });
        let body = self.socket.ask(messages.bytes(), sequence)?;
        let number = attributes(body.get(NSID_HEADER..).unwrap_or_default()).find(|(kind, _)| *kind == NETNSA_NSID);
        // -1 says that it has none.
        Ok(number.map(|(_, value)| u32_of(value)).filter(|number| *number <= i32::MAX.unsigned_abs()))
    }
}

impl Found {
    /// Gives the index of the other end of a veth that is in another namespace, and the number of that one.
    pub fn far_end(&self) -> Option<(u32, u32)> {
        self.nsid.filter(|_| self.link.kind == "veth").map(|nsid| (self.names[0], nsid))
    }

    /// Gives the links that this one names their names.
    fn resolve(&mut self, names: &BTreeMap<u32, Dev>) {
        let [other, master] = self.names;
        let other = names.get(&other).filter(|_| !self.link.reaches_out).cloned();
        if self.link.kind == "veth" {
            self.link.peer = other
        } else {
            self.link.parent = other
        }
        self.settings.push((Setting::Master, Value::Link(names.get(&master).cloned())));
    }
}

pub(super) fn read(body: &[u8]) -> Option<Found> {
    let index = u32_of(body.get(4..)?);
    let flags = u32_of(body.get(8..)?);
    let mut found =
        Found { dev: Dev::new(index, Name::listed("")), link: Link::default(), settings: Vec::new(), nsid: None, names: [0; 2] };
    let mut settings: BTreeMap<Setting, Value> =
        FLAGS.iter().map(|(setting, bit, contrary)| (*setting, Value::Flag((flags & bit != 0) != *contrary))).collect();
    settings.insert(Setting::Alias, Value::Text(String::new()));
    settings.insert(Setting::Address, Value::Mac(Mac::of(&[])));
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            ifla::NAME => found.dev.name = Name::listed(text(value)),
            ifla::ADDRESS => drop(settings.insert(Setting::Address, Value::Mac(Mac::of(value)))),
            ifla::MTU => drop(settings.insert(Setting::Mtu, Value::Number(u32_of(value)))),
            ifla::TXQLEN => drop(settings.insert(Setting::TxQueueLen, Value::Number(u32_of(value)))),
            ifla::ALIAS => drop(settings.insert(Setting::Alias, Value::Text(text(value).to_owned()))),
            ifla::LINK => found.names[0] = u32_of(value),
            ifla::MASTER => found.names[1] = u32_of(value),
            ifla::LINK_NETNSID => {
                found.link.reaches_out = true;
                found.nsid = Some(u32_of(value));
            }
            ifla::LINKINFO => info(value, &mut found),
            ifla::PROP_LIST => {
                let names = attributes(value).filter(|(kind, _)| *kind == ifla::ALT_IFNAME);
                found.link.altnames = names.map(|(_, name)| text(name).to_owned()).collect();
            }
            _ => {}
        }
    }
    settings.insert(Setting::Name, Value::Name(found.dev.name.clone()));
    found.settings = settings.into_iter().collect();
    Some(found)
}

fn info(value: &[u8], found: &mut Found) {
    let find = |wanted: u16| attributes(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let link = &mut found.link;
    text(find(ifla::KIND).unwrap_or_default()).clone_into(&mut link.kind);
    let data = find(ifla::DATA).unwrap_or_default();
    if link.kind == "tun" && attributes(data).any(|(kind, value)| kind == 3 && value.first() == Some(&2)) {
        "tap".clone_into(&mut link.kind);
    }
    for (name, shape) in options(&link.kind).unwrap_or_default() {
        let numbers = attribute(&link.kind, name);
        for (_, value) in attributes(data).filter(|(kind, _)| numbers.contains(kind)) {
            match shape {
                Shape::Address => address(value)
                    .filter(|address| !address.is_unspecified())
                    .into_iter()
                    .for_each(|address| link.options.note_address(name, Address(address))),
                shape => link.options.note(name, *shape, decoded(&link.kind, name, value)),
            }
        }
    }
    if link.kind == "vxlan" {
        found.names[0] = attributes(data).find(|(kind, _)| *kind == 3).map_or(0, |(_, value)| u32_of(value));
    }
    let mut kept = Messages::new();
    for (kind, value) in attributes(data).filter(|(kind, value)| comes_back(&link.kind, *kind, value)) {
        kept.attribute(kind, &as_taken(&link.kind, kind, value));
    }
    link.data = Raw::of(kept.bytes());
}

/// Tells whether what the kernel says of a kind can be told to it again: of a bridge much is its own doing.
fn comes_back(kind: &str, attribute: u16, value: &[u8]) -> bool {
    match (kind, attribute) {
        // Where VLANs are not filtered, not every kernel could.
        ("bridge", 7) | ("vxlan", 28) => value.first().is_some_and(|flag| *flag != 0),
        ("bridge", _) => matches!(attribute, 1..=9 | 22..=45),
        // Behind these stand bits that the kernel tells and does not take.
        ("vxlan", _) => attribute <= 31,
        ("vlan" | "ipvlan", _) => true,
        _ => false,
    }
}

/// Gives what the kernel says of a kind as it takes it.
fn as_taken<'a>(kind: &str, attribute: u16, value: &'a [u8]) -> Cow<'a, [u8]> {
    match (kind, attribute) {
        // IFLA_VXLAN_TTL_INHERIT is told as a number and taken as a flag.
        ("vxlan", 28) => Cow::Borrowed(&[]),
        // IFLA_VLAN_FLAGS is told with a mask of all bits, of which those without a meaning are refused. A new VLAN has VLAN_FLAG_REORDER_HDR, 1.
        ("vlan", 2) => {
            let flags = u32_of(value);
            Cow::Owned([flags.to_ne_bytes(), (flags | 1).to_ne_bytes()].concat())
        }
        _ => Cow::Borrowed(value),
    }
}

/// Gives the numbers that the kernel has for an option; of an address that of each family.
fn attribute(kind: &str, option: &str) -> &'static [u16] {
    match (kind, option) {
        ("bridge", "forward_delay") | ("vlan", "id") | ("macvlan" | "ipvlan", "mode") | ("vxlan", "id") | ("tun" | "tap", "user") => &[1],
        ("bridge", "hello_time") | ("ipvlan", "flags") | ("tun" | "tap", "group") => &[2],
        ("bridge", "max_age") => &[3],
        ("bridge", "ageing_time") => &[4],
        ("bridge", "stp_state") | ("vlan", "protocol") | ("vxlan", "ttl") | ("tun" | "tap", "vnet_hdr") => &[5],
        ("bridge", "priority") | ("vxlan", "tos") => &[6],
        ("bridge", "vlan_filtering") | ("vxlan", "learning") | ("tun" | "tap", "multi_queue") => &[7],
        ("bridge", "vlan_protocol") | ("vxlan", "ageing") => &[8],
        ("bridge", "group_fwd_mask") | ("vxlan", "maxaddress") => &[9],
        ("bridge", "mcast_snooping") => &[23],
        ("bridge", "mcast_querier") | ("vxlan", "external") => &[25],
        ("bridge", "nf_call_iptables") => &[36],
        ("bridge", "nf_call_ip6tables") => &[37],
        ("bridge", "nf_call_arptables") => &[38],
        ("bridge", "vlan_default_pvid") => &[39],
        ("vxlan", "remote") => &[2, 16],
        ("vxlan", "local") => &[4, 17],
        ("vxlan", "proxy") => &[11],
        ("vxlan", "rsc") => &[12],
        ("vxlan", "l2miss") => &[13],
        ("vxlan", "l3miss") => &[14],
        ("vxlan", "dstport") => &[15],
        _ => &[],
    }
}

/// How many bytes the kernel has for an option.
fn width(kind: &str, option: &str) -> usize {
    match (kind, option) {
        ("bridge", "priority" | "group_fwd_mask" | "vlan_default_pvid" | "vlan_protocol")
        | ("vlan", _)
        | ("ipvlan", _)
        | (_, "dstport") => 2,
        ("bridge", "vlan_filtering" | "mcast_snooping" | "mcast_querier") => 1,
        ("bridge", option) if option.starts_with("nf_call") => 1,
        ("vxlan", "ttl" | "tos" | "learning" | "proxy" | "rsc" | "l2miss" | "l3miss" | "external") => 1,
        ("tun" | "tap", "multi_queue" | "vnet_hdr") => 1,
        _ => 4,
    }
}

/// Tells whether an option is in network byte order: protocols and ports.
fn is_big_endian(option: &str) -> bool {
    ["protocol", "vlan_protocol", "dstport"].contains(&option)
}

fn decoded(kind: &str, option: &str, value: &[u8]) -> u32 {
    match width(kind, option) {
        1 => value.first().copied().map_or(0, u32::from),
        2 if is_big_endian(option) => u16::from_be_bytes(value.first_chunk().copied().unwrap_or_default()).into(),
        2 => u16_of(value).into(),
        _ => u32_of(value),
    }
}

fn encoded(kind: &str, option: &str, number: u32) -> Vec<u8> {
    match width(kind, option) {
        1 => vec![number as u8],
        2 if is_big_endian(option) => (number as u16).to_be_bytes().to_vec(),
        2 => (number as u16).to_ne_bytes().to_vec(),
        _ => number.to_ne_bytes().to_vec(),
    }
}

fn header(m: &mut Messages, index: u32, flags: u32, change: u32) {
    m.raw(&[0; 4]);
    m.raw(&index.to_ne_bytes());
    m.raw(&flags.to_ne_bytes());
    m.raw(&change.to_ne_bytes());
}

/// Where a link is put: the namespace, its name and index there, and its address, where it gets a certain one.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// The index and the name.
    pub dev: &'a Dev,
    /// The namespace.
    pub netns: BorrowedFd<'a>,
    /// The address.
    pub mac: Option<&'a Mac>,
}

/// Writes the order to make a link. Its address, and that of its other end, is given at once where it is known: not every link takes one later.
pub fn add(dev: &Dev, link: &Link, far: Option<Destination<'_>>, address: &dyn Fn(&Dev) -> Option<Mac>) -> Order {
    let with_address = |m: &mut Messages, dev: &Dev| {
        if let Some(mac) = address(dev) {
            m.attribute(ifla::ADDRESS, mac.bytes());
        }
    };
    Order::new(RTM_NEWLINK, how::CREATE | how::EXCL, &[], |m| {
        header(m, dev.index, 0, 0);
        m.text(ifla::NAME, dev.name.as_str());
        with_address(m, dev);
        if let Some(parent) = link.parent.as_ref().filter(|_| link.kind != "vxlan") {
            m.attribute(ifla::LINK, &parent.index.to_ne_bytes());
        }
        m.nest(ifla::LINKINFO, |m| {
            m.attribute(ifla::KIND, link.kind.as_bytes());
            if let Some(peer) = far.map(|far| far.dev).or(link.peer.as_ref()) {
                m.nest(ifla::DATA, |m| {
                    m.nest(VETH_PEER, |m| {
                        header(m, peer.index, 0, 0);
                        if let Some(far) = far {
                            m.attribute(ifla::NET_NS_FD, &far.netns.as_raw_fd().to_ne_bytes());
                        }
                        m.text(ifla::NAME, peer.name.as_str());
                        match far {
                            Some(far) => far.mac.into_iter().for_each(|mac| m.attribute(ifla::ADDRESS, mac.bytes())),
                            None => with_address(m, peer),
                        }
                    });
                });
            } else if !link.data.is_empty() {
                m.nest(ifla::DATA, |m| m.raw(link.data.bytes()));
            } else if !link.options.is_empty() || link.kind == "vxlan" {
                m.nest(ifla::DATA, |m| data(m, link));
            }
        });
    })
}

fn data(m: &mut Messages, link: &Link) {
    for (name, shape) in options(&link.kind).unwrap_or_default() {
        let numbers = attribute(&link.kind, name);
        match (shape, numbers) {
            (Shape::Address, [v4, v6]) => {
                if let Some(Address(address)) = link.options.address(name) {
                    m.attribute(if address.is_ipv4() { *v4 } else { *v6 }, &bytes(address));
                }
            }
            (shape, [number]) => {
                if let Some(value) = link.options.number(name, *shape) {
                    m.attribute(*number, &encoded(&link.kind, name, value));
                }
            }
            _ => {}
        }
    }
    if let Some(parent) = link.parent.as_ref().filter(|_| link.kind == "vxlan") {
        m.attribute(3, &parent.index.to_ne_bytes());
    }
}

/// Writes the order to give a link other names besides its own; none where it has no others.
pub fn call(dev: &Dev, altnames: &[String]) -> Option<Order> {
    let order = || {
        Order::new(RTM_NEWLINKPROP, how::CREATE | how::EXCL | how::APPEND, &[], |m| {
            header(m, dev.index, 0, 0);
            m.nest(ifla::PROP_LIST, |m| altnames.iter().for_each(|name| m.text(ifla::ALT_IFNAME, name)));
        })
    };
    (!altnames.is_empty()).then(order)
}

/// Writes the order to move a link to another namespace, where it has this name and this index.
pub fn leave(index: u32, there: Destination<'_>) -> Order {
    Order::new(RTM_NEWLINK, 0, &[], |m| {
        header(m, index, 0, 0);
        m.attribute(ifla::NET_NS_FD, &there.netns.as_raw_fd().to_ne_bytes());
        m.text(ifla::NAME, there.dev.name.as_str());
        m.attribute(ifla::NEW_IFINDEX, &there.dev.index.to_ne_bytes());
    })
}

/// Writes the order to take a link away.
pub fn del(dev: &Dev) -> Order {
    Order::new(RTM_DELLINK, 0, &[libc::ENODEV], |m| header(m, dev.index, 0, 0))
}

/// Writes the order to set something of a link; none where there is nothing to be said.
pub fn set(dev: &Dev, setting: Setting, value: &Value) -> Option<Order> {
    let order = |flags: u32, change: u32, body: &dyn Fn(&mut Messages)| {
        Some(Order::new(RTM_NEWLINK, 0, &[], |m| {
            header(m, dev.index, flags, change);
            body(m);
        }))
    };
    match (setting, value) {
        (_, Value::Unknown) => None,
        (Setting::Address, Value::Mac(mac)) if mac.bytes().is_empty() => None,
        (Setting::Address, Value::Mac(mac)) => order(0, 0, &|m| m.attribute(ifla::ADDRESS, mac.bytes())),
        (Setting::Name, Value::Name(name)) => order(0, 0, &|m| m.text(ifla::NAME, name.as_str())),
        (Setting::Mtu, Value::Number(mtu)) => order(0, 0, &|m| m.attribute(ifla::MTU, &mtu.to_ne_bytes())),
        (Setting::TxQueueLen, Value::Number(packets)) => order(0, 0, &|m| m.attribute(ifla::TXQLEN, &packets.to_ne_bytes())),
        (Setting::Alias, Value::Text(alias)) => order(0, 0, &|m| m.attribute(ifla::ALIAS, alias.as_bytes())),
        (Setting::Master, Value::Link(master)) => {
            let index = master.as_ref().map_or(0, |master| master.index);
            order(0, 0, &|m| m.attribute(ifla::MASTER, &index.to_ne_bytes()))
        }
        (setting, Value::Flag(on)) => {
            let (_, bit, contrary) = FLAGS.iter().find(|(flag, ..)| *flag == setting)?;
            order(if on != contrary { *bit } else { 0 }, *bit, &|_| {})
        }
        _ => None,
    }
}
