//! Whether a set holds something, as `ipset test` and a packet would find it.

use super::{Definition, Dimension, Element, Entry, Part};
use crate::model::net::Prefix;

impl Element {
    /// Finds what holds the element, the nearest network first where several do. With `nomatch` kept about that, the set does not hold it.
    pub fn find<'a>(&self, members: impl Iterator<Item = (&'a Element, &'a Entry)>) -> Option<(&'a Element, &'a Entry)> {
        members.filter(|(member, entry)| self.is_in(member, entry)).max_by_key(|(member, _)| member.lengths())
    }

    /// Tells whether members hold the element.
    pub fn is_held<'a>(&self, members: impl Iterator<Item = (&'a Element, &'a Entry)>) -> bool {
        self.find(members).is_some_and(|(_, entry)| !entry.nomatch)
    }

    fn is_in(&self, member: &Element, entry: &Entry) -> bool {
        self.0.iter().zip(member.0.iter()).all(|(part, of)| match (part, of) {
            // A network is asked for as it is, an address in all networks.
            (Part::Net(wanted), Part::Net(net)) if is_host(wanted) => net.contains(wanted.network().0),
            (Part::Iface { name, physdev }, Part::Iface { name: of, physdev: bridged }) if entry.wildcard => {
                name.starts_with(&**of) && physdev == bridged
            }
            (part, of) => part == of,
        })
    }

    fn lengths(&self) -> Vec<u8> {
        let length = |part: &Part| if let Part::Net(net) = part { Some(net.length()) } else { None };
        self.0.iter().filter_map(length).collect()
    }
}

fn is_host(prefix: &Prefix) -> bool {
    prefix.length() == Prefix::bits(prefix.network().0)
}

impl Definition {
    /// Tells whether elements are one address or one network, so that a packet is known by one of its addresses.
    pub fn is_of_addresses(&self) -> bool {
        matches!(self.kind.dimensions(), [Dimension::Ip | Dimension::Net])
    }
}

#[cfg(test)]
mod tests {
    use crate::model::ipset::Set;

    fn holds(definition: &str, members: &[&str], wanted: &str) -> bool {
        let mut set = Set::new(definition.parse().unwrap());
        for member in members {
            set.definition.members(member).unwrap().into_iter().for_each(|member| drop(set.members.insert(member)));
        }
        set.definition.elements(wanted).unwrap().iter().all(|element| element.is_held(set.members.iter()))
    }

    #[test]
    fn the_nearest_network_decides() {
        let nets = ["10.0.0.0/8", "10.1.0.0/16 nomatch", "10.1.1.0/24", "192.0.2.7"];
        let asked = ["10.9.9.9", "10.1.2.3", "10.1.1.1", "192.0.2.7", "192.0.2.8", "10.0.0.0/8", "10.0.0.0/9"];
        assert_eq!(asked.map(|wanted| holds("hash:net", &nets, wanted)), [true, false, true, true, false, true, false]);
    }

    #[test]
    fn every_part_counts() {
        assert!(holds("hash:net,port", &["10.0.0.0/8,tcp:80"], "10.1.1.1,tcp:80"));
        assert!(!holds("hash:net,port", &["10.0.0.0/8,tcp:80"], "10.1.1.1,udp:80"));
        assert!(holds("hash:net,iface", &["10.0.0.0/8,eth wildcard"], "10.1.1.1,eth7"));
        assert!(holds("hash:ip netmask 24", &["10.0.0.1"], "10.0.0.200"));
        assert!(holds("bitmap:ip,mac range 10.0.0.0/24", &["10.0.0.1,02:00:00:00:00:01"], "10.0.0.1"));
        assert!(!holds("hash:ip", &["10.0.0.1"], "10.0.0.1-10.0.0.2"));
    }
}
