//! What the kernel takes away or changes by itself: with a link goes all that is on it, and a link that is set down loses its routes.
//!
//! What it makes by itself (connected routes, link-local addresses, what it has learned) comes and goes without us, and is left out.

use std::net::IpAddr;
use std::sync::Arc;

use super::address::About;
use super::route::{Hop, Key as RouteKey, Way};
use super::{Dev, Object, Setting, State, There, Value, address, neighbour, parameters, switches};
use crate::model::Family;
use crate::model::change::{Object as Any, State as AnyState};
use crate::model::named::{Inventory, Scope};

/// What becomes of an object: another state, or none.
pub(super) type Fate = (Any, Option<AnyState>);

/// The least packet that IPv6 works with (RFC 8200): the kernel takes it off a link that has not room for it.
pub(super) const IPV6_MTU: u32 = 1280;

/// Gives what goes with an object that is taken away, what stands on others first.
pub fn go_with(object: &Object, inventory: &Inventory) -> Vec<Fate> {
    let here = Here(inventory);
    match object {
        Object::Link(dev) => here.without_link(dev),
        Object::Address(key) => here.without_address(key),
        _ => Vec::new(),
    }
}

/// Gives what follows when an object gets a state: what goes first, what changes behind it.
pub fn follow(object: &Object, state: &State, inventory: &Inventory) -> Vec<Fate> {
    let here = Here(inventory);
    let now = here.get(object);
    if now == Some(state) {
        return Vec::new();
    }
    match (object, state) {
        (Object::Link(dev), State::Link(link)) if now.is_none() => other_end(dev, link),
        (Object::Far(far), _) if now.is_none() => far.moved().map(|dev| here.moved_away(dev)).unwrap_or_default(),
        (Object::Setting(dev, Setting::Up), State::Setting(Value::Flag(true))) => {
            here.vlans(dev).into_iter().map(|dev| up(dev, true)).collect()
        }
        (Object::Setting(dev, Setting::Up), State::Setting(Value::Flag(false))) => here.with_down(dev),
        (Object::Setting(dev, Setting::Mtu), State::Setting(Value::Number(mtu))) => here.with_mtu(dev, *mtu),
        (Object::Setting(dev, Setting::Address), _) => here.neighbours(dev, None),
        _ => Vec::new(),
    }
}

/// Gives what has to be read besides, in order to know which parameters are lost when an object gets a state, or goes.
pub fn scopes_of_what_is_lost(object: &Object, state: Option<&State>, inventory: &Inventory) -> Vec<Scope> {
    let here = Here(inventory);
    let (links, families): (Vec<Dev>, &[Family]) = match (object, state) {
        (Object::Link(dev), None) => (here.going_links(dev), &Family::BOTH),
        (Object::Far(far), Some(_)) => (far.moved().cloned().into_iter().collect(), &Family::BOTH),
        (Object::Setting(dev, Setting::Mtu), Some(State::Setting(Value::Number(mtu)))) if *mtu < IPV6_MTU => {
            (here.all_with_mtu_of(dev, *mtu), &[Family::V6])
        }
        _ => return Vec::new(),
    };
    links.iter().flat_map(|dev| parameters::scopes(dev, families)).collect()
}

/// Gives what goes when IPv6 is switched off on the link of a name; on all for `all`.
pub fn lost_with_ipv6(name: &str, inventory: &Inventory) -> Vec<Fate> {
    let here = Here(inventory);
    let devs: Vec<Dev> = here.links().map(|(dev, _)| dev.clone()).filter(|dev| name == "all" || dev.name.as_str() == name).collect();
    here.without_ipv6(&devs)
}

/// Gives the other end of a veth that is made.
fn other_end(dev: &Dev, link: &super::Link) -> Vec<Fate> {
    if let Some(far) = &link.far {
        let there = There::bare(far.dev.name.clone());
        return vec![(Any::Link(Object::Far(Box::new(far.clone()))), Some(AnyState::Link(State::Far(there))))];
    }
    let Some(peer) = &link.peer else { return Vec::new() };
    let state = super::Link { peer: Some(dev.clone()), altnames: Vec::new(), ..link.clone() };
    vec![(Any::Link(Object::Link(peer.clone())), Some(AnyState::Link(State::Link(Box::new(state)))))]
}

fn up(dev: Dev, up: bool) -> Fate {
    (Any::Link(Object::Setting(dev, Setting::Up)), Some(AnyState::Link(State::Setting(Value::Flag(up)))))
}

fn gone(object: Object) -> Fate {
    (Any::Link(object), None)
}

/// Gives what is left of a way when links are gone: none where it does not lead over them.
fn without(way: &Way, links: &[Dev]) -> Option<Option<Way>> {
    let is_left = |hop: &&Hop| hop.dev.as_ref().is_none_or(|dev| !links.contains(dev));
    let left: Vec<Hop> = way.hops.iter().filter(is_left).cloned().collect();
    match left.len() {
        same if same == way.hops.len() => None,
        0 => Some(None),
        _ => Some(Some(Way { hops: left, ..way.clone() })),
    }
}

/// Tells whether something is the far end of one of some veths.
fn is_end_of(object: &Object, links: &[Dev]) -> bool {
    matches!(object, Object::Far(far) if far.end_of().is_some_and(|dev| links.contains(dev)))
}

struct Here<'a>(&'a Inventory);

impl<'a> Here<'a> {
    fn all(&self) -> impl Iterator<Item = (&'a Object, &'a State)> {
        self.0.iter().filter_map(|(object, state)| match (object, state) {
            (Any::Link(object), AnyState::Link(state)) => Some((object, state)),
            _ => None,
        })
    }

    fn get(&self, object: &Object) -> Option<&'a State> {
        match self.0.get(&Any::Link(object.clone())) {
            Some(AnyState::Link(state)) => Some(state),
            _ => None,
        }
    }

    fn links(&self) -> impl Iterator<Item = (&'a Dev, &'a super::Link)> {
        self.all().filter_map(|(object, state)| match (object, state) {
            (Object::Link(dev), State::Link(link)) => Some((dev, &**link)),
            _ => None,
        })
    }

    fn is_up(&self, dev: &Dev) -> bool {
        self.get(&Object::Setting(dev.clone(), Setting::Up)) != Some(&State::Setting(Value::Flag(false)))
    }

    /// Tells whether a switch is on, for all links or for this one.
    fn is_switched_on(&self, version: &str, dev: &Dev, last: &str) -> bool {
        let is_on =
            |state: &AnyState| matches!(state, AnyState::Value(value) if value.as_str().parse::<i32>().is_ok_and(|value| value > 0));
        switches(version, dev, last).into_iter().any(|key| self.0.get(&Any::Sysctl(key)).is_some_and(is_on))
    }

    /// Gives the VLANs on a link: they go up and down with it.
    fn vlans(&self, dev: &Dev) -> Vec<Dev> {
        self.links().filter(|(_, link)| link.kind == "vlan" && link.parent.as_ref() == Some(dev)).map(|(dev, _)| dev.clone()).collect()
    }

    /// Gives what stands on a link and gets its MTU along with it: of an ipvlan it is always the same, of the others never larger.
    fn with_mtu_of(&self, dev: &Dev, mtu: u32) -> Vec<Dev> {
        let takes_it = |dev: &Dev, link: &super::Link| match (link.kind.as_str(), self.get(&Object::Setting(dev.clone(), Setting::Mtu))) {
            ("ipvlan", Some(State::Setting(Value::Number(now)))) => *now != mtu,
            ("vlan" | "macvlan", Some(State::Setting(Value::Number(now)))) => *now > mtu,
            _ => false,
        };
        let on_it = self.links().filter(|(other, link)| link.parent.as_ref() == Some(dev) && takes_it(other, link));
        on_it.map(|(other, _)| other.clone()).collect()
    }

    /// Gives a link and all that gets its MTU along with it.
    fn all_with_mtu_of(&self, dev: &Dev, mtu: u32) -> Vec<Dev> {
        let others = self.with_mtu_of(dev, mtu).into_iter().flat_map(|other| self.all_with_mtu_of(&other, mtu));
        [dev.clone()].into_iter().chain(others).collect()
    }

    fn addresses(&self, dev: &Dev) -> Vec<(&'a address::Key, &'a About)> {
        let mine = self.all().filter_map(|(object, state)| match (object, state) {
            (Object::Address(key), State::Address(about)) if key.dev == *dev => Some((key, about)),
            _ => None,
        });
        mine.collect()
    }

    /// Gives addresses that go: those first that would go with others.
    fn gone_addresses(&self, mut addresses: Vec<(&'a address::Key, &'a About)>) -> Vec<Fate> {
        addresses.retain(|(_, about)| !about.automatic);
        addresses.sort_by_key(|(_, about)| !about.secondary);
        addresses.into_iter().map(|(key, _)| gone(Object::Address(key.clone()))).collect()
    }

    fn neighbours(&self, dev: &Dev, family: Option<Family>) -> Vec<Fate> {
        let is_mine = |key: &neighbour::Key| key.dev == *dev && family.is_none_or(|family| key.address.is_ipv4() == (family == Family::V4));
        let mine = self.all().filter(|(object, state)| matches!(object, Object::Neighbour(key) if is_mine(key)) && !state.is_automatic());
        mine.map(|(object, _)| gone(object.clone())).collect()
    }

    /// Gives the routes that change or go, by what `fate` tells of each.
    fn routes(&self, fate: impl Fn(&RouteKey, &Way) -> Option<Option<Way>>) -> Vec<Fate> {
        let changed = self.all().filter_map(|(object, state)| match (object, state) {
            (Object::Route(key), State::Route(way)) if !way.is_automatic() => {
                Some((Any::Link(object.clone()), fate(key, way)?.map(|way| AnyState::Link(State::Route(Arc::new(way))))))
            }
            _ => None,
        });
        changed.collect()
    }

    /// Tells what becomes of a route whose `src` is one of some addresses that go: IPv4 takes it away, IPv6 forgets its `src`.
    fn without_source(&self, key: &RouteKey, way: &Way, addresses: &[IpAddr], links: &[Dev]) -> Option<Option<Way>> {
        let src = way.src.filter(|src| addresses.contains(src))?;
        let stays =
            |(object, _): (&Object, &State)| matches!(object, Object::Address(key) if key.host.address == src && !links.contains(&key.dev));
        match key.family() {
            _ if self.all().any(stays) => None,
            Family::V4 => Some(None),
            Family::V6 => Some(Some(Way { src: None, ..way.clone() })),
        }
    }

    /// Gives a link that goes, its other end, and what stands on these.
    fn going_links(&self, dev: &Dev) -> Vec<Dev> {
        let mut links = vec![dev.clone()];
        let mut next = 0;
        while let Some(one) = links.get(next).cloned() {
            let stands = |link: &super::Link| [&link.parent, &link.peer].into_iter().flatten().any(|on| *on == one);
            let more: Vec<Dev> =
                self.links().filter(|(other, link)| stands(link) && !links.contains(other)).map(|(dev, _)| dev.clone()).collect();
            links.extend(more);
            next += 1;
        }
        links
    }

    /// Gives what goes with a link, and all that is on what goes.
    fn without_link(&self, dev: &Dev) -> Vec<Fate> {
        let links = self.going_links(dev);
        let mut found = self.cleared(&links);
        found.extend(self.all().filter_map(|(object, state)| match (object, state) {
            (Object::Setting(port, Setting::Master), State::Setting(Value::Link(Some(master))))
                if links.contains(master) && !links.contains(port) =>
            {
                Some((Any::Link(object.clone()), Some(AnyState::Link(State::Setting(Value::Link(None))))))
            }
            _ => None,
        }));
        found.extend(self.all().filter(|(object, _)| is_end_of(object, &links)).map(|(object, _)| gone(object.clone())));
        found.extend(self.bared(&links));
        found.extend(links.iter().skip(1).rev().map(|link| gone(Object::Link(link.clone()))));
        found
    }

    /// Gives what becomes of a link that is moved to another namespace and of what is on it. What stands on it stays, and goes down with it.
    fn moved_away(&self, dev: &Dev) -> Vec<Fate> {
        let vlans: Vec<Dev> = self.vlans(dev).into_iter().filter(|vlan| self.is_up(vlan)).collect();
        let mut found: Vec<Fate> = vlans.iter().flat_map(|vlan| self.with_down(vlan)).collect();
        found.extend(vlans.into_iter().map(|vlan| up(vlan, false)));
        let here = std::slice::from_ref(dev);
        found.extend(self.cleared(here));
        found.extend(self.bared(here));
        found.push(gone(Object::Link(dev.clone())));
        found
    }

    /// Gives what links lose that they are set to. On the way back they have their parameters before they are up, and after what these depend on.
    fn bared(&self, links: &[Dev]) -> Vec<Fate> {
        let settings = |dev: &Dev| Setting::ALL.iter().rev().map(|setting| Object::Setting(dev.clone(), *setting)).collect::<Vec<_>>();
        let there = links.iter().rev().flat_map(settings).filter(|object| self.get(object).is_some());
        let (up, others): (Vec<_>, Vec<_>) = there.partition(|object| matches!(object, Object::Setting(_, Setting::Up)));
        let parameters = links.iter().rev().flat_map(|dev| parameters::own(dev, &Family::BOTH, self.0)).map(|parameter| (parameter, None));
        up.into_iter().map(gone).chain(parameters).chain(others.into_iter().map(gone)).collect()
    }

    /// Gives what becomes of neighbours, routes and addresses when the links are gone that they are on.
    fn cleared(&self, links: &[Dev]) -> Vec<Fate> {
        let addresses: Vec<_> = links.iter().flat_map(|link| self.addresses(link)).collect();
        let plain: Vec<IpAddr> = addresses.iter().map(|(key, _)| key.host.address).collect();
        let mut found: Vec<Fate> = links.iter().flat_map(|link| self.neighbours(link, None)).collect();
        found.extend(self.routes(|key, way| match (without(way, links), key.family()) {
            (None, _) => self.without_source(key, way, &plain, links),
            // Of several ways, IPv4 lets go of all when a link of one is gone for good.
            (Some(_), Family::V4) => Some(None),
            (left, Family::V6) => left,
        }));
        found.extend(self.gone_addresses(addresses));
        found
    }

    /// Gives what goes when a link is set down, and those that go down with it.
    fn with_down(&self, dev: &Dev) -> Vec<Fate> {
        let vlans: Vec<Dev> = self.vlans(dev).into_iter().filter(|vlan| self.is_up(vlan)).collect();
        let down: Vec<Dev> = std::iter::once(dev.clone()).chain(vlans.iter().cloned()).collect();
        let addresses = |link: &Dev| match self.is_switched_on("ipv6", link, "keep_addr_on_down") {
            true => Vec::new(),
            false => self.addresses(link).into_iter().filter(|(key, _)| key.host.family() == Family::V6).collect(),
        };
        let addresses: Vec<_> = down.iter().flat_map(addresses).collect();
        let plain: Vec<IpAddr> = addresses.iter().map(|(key, _)| key.host.address).collect();
        // A route with a way that is left stays as it is: the dead way comes to life again.
        let is_dead = |hop: &Hop| hop.dev.as_ref().is_some_and(|dev| down.contains(dev) || !self.is_up(dev));
        let is_hit = |way: &Way| way.devs().any(|dev| down.contains(dev)) && way.hops.iter().all(is_dead);
        let mut found: Vec<Fate> = down.iter().flat_map(|link| self.neighbours(link, None)).collect();
        found.extend(self.routes(|key, way| match key.family() {
            // What is on this host is so whatever the link does.
            Family::V4 if way.scope == 254 => None,
            _ if is_hit(way) => Some(None),
            _ => self.without_source(key, way, &plain, &down),
        }));
        found.extend(self.gone_addresses(addresses));
        found.extend(vlans.into_iter().map(|vlan| up(vlan, false)));
        found
    }

    /// Gives what a link loses with an MTU, and those that get the MTU along with it.
    fn with_mtu(&self, dev: &Dev, mtu: u32) -> Vec<Fate> {
        let mut found = Vec::new();
        if mtu < IPV6_MTU {
            found = self.without_ipv6(std::slice::from_ref(dev));
            found.extend(parameters::own(dev, &[Family::V6], self.0).into_iter().map(|parameter| (parameter, None)));
        }
        for other in self.with_mtu_of(dev, mtu) {
            found.extend(self.with_mtu(&other, mtu));
            found.push((Any::Link(Object::Setting(other, Setting::Mtu)), Some(AnyState::Link(State::Setting(Value::Number(mtu))))));
        }
        found
    }

    /// Gives what goes when IPv6 leaves links. The kernel by itself would leave routes with a `src` that is not there any more; but addresses are taken
    /// away one by one, and then it takes that, too.
    fn without_ipv6(&self, links: &[Dev]) -> Vec<Fate> {
        let addresses: Vec<_> =
            links.iter().flat_map(|dev| self.addresses(dev)).filter(|(key, _)| key.host.family() == Family::V6).collect();
        let plain: Vec<IpAddr> = addresses.iter().map(|(key, _)| key.host.address).collect();
        let mut found: Vec<Fate> = links.iter().flat_map(|dev| self.neighbours(dev, Some(Family::V6))).collect();
        found.extend(self.routes(|key, way| match key.family() {
            Family::V4 => None,
            Family::V6 => without(way, links).or_else(|| self.without_source(key, way, &plain, links)),
        }));
        found.extend(self.gone_addresses(addresses));
        found
    }

    /// Gives what goes with an address: those of its network that came after it, and without the last one all routes of the link.
    fn without_address(&self, key: &address::Key) -> Vec<Fate> {
        let family = key.host.family();
        let (mut others, mut going) = (Vec::new(), vec![key.host.address]);
        let is_primary =
            self.get(&Object::Address(key.clone())).is_some_and(|state| matches!(state, State::Address(about) if !about.secondary));
        let takes_others = family == Family::V4 && is_primary && !self.is_switched_on("ipv4", &key.dev, "promote_secondaries");
        let mut rest = 0;
        for (other, about) in self.addresses(&key.dev).into_iter().filter(|(other, _)| *other != key && other.host.family() == family) {
            if takes_others && about.secondary && other.host.length == key.host.length && other.host.network() == key.host.network() {
                going.push(other.host.address);
                others.push((other, about));
            } else {
                rest += 1;
            }
        }
        let is_last = rest == 0 && family == Family::V4;
        let mut found = if is_last { self.neighbours(&key.dev, Some(family)) } else { Vec::new() };
        let here = std::slice::from_ref(&key.dev);
        found.extend(self.routes(|route, way| match without(way, here) {
            Some(None) if is_last && route.family() == family => Some(None),
            _ if route.family() == family => self.without_source(route, way, &going, here),
            _ => None,
        }));
        found.extend(self.gone_addresses(others));
        found
    }
}

#[cfg(test)]
pub(super) mod tests;
