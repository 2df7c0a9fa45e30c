//! Links and what belongs to them, routes and rules, of the network namespace in which fyke runs.

mod far;
pub mod kinds;
mod names;
mod refusal;
mod tun;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use names::names;

use super::named::Refusal;
use super::netlink::rtnl::link::{self, Destination};
use super::netlink::rtnl::{self, Order, Rtnl};
use crate::model::link::far::{is_on, leaving, moved};
use crate::model::link::{Dev, Far, Link, Mac, Object, Scope, Setting, State, Value};
use crate::model::named::Inventory;
use crate::model::{Change, Family, Fault, Object as Any, State as AnyState};

/// How long an address of IPv6 is waited for that is not usable yet, because others are still asked whether they have it, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// The links of a network namespace, over a socket that is opened when it is needed.
#[derive(Default)]
pub struct Live {
    rtnl: Option<Rtnl>,
}

/// One thing to be done for a change.
enum Step<'a> {
    /// An order over rtnetlink.
    Order(Order),
    /// A link that only its own device makes.
    Tun(&'a Dev, &'a Link),
    /// A link that comes back from where it was moved.
    Back(&'a Far, &'a Dev),
}

impl Live {
    fn rtnl(&mut self) -> Result<&mut Rtnl, Fault> {
        let rtnl = match self.rtnl.take() {
            Some(rtnl) => rtnl,
            None => Rtnl::open().map_err(|error| super::errno::fault("talk to the kernel about links", error))?,
        };
        Ok(self.rtnl.insert(rtnl))
    }

    /// Reads what there is. The links are listed once for all that is on them.
    pub fn read(&mut self, scopes: &[&Scope]) -> Result<Inventory, Fault> {
        let (mut links, mut found) = (None, Inventory::new());
        for scope in scopes {
            match self.list(scope, &mut links) {
                Ok(mut more) => found.append(&mut more),
                Err(fault) => {
                    // What is still to come of the answer would be in the way of the next.
                    self.rtnl = None;
                    return Err(fault);
                }
            }
        }
        Ok(found)
    }

    fn list(&mut self, scope: &Scope, links: &mut Option<Links>) -> Result<Inventory, Fault> {
        let fail = |what: &'static str| move |error: io::Error| super::errno::fault(format!("list the {what}"), error);
        if let Scope::Far(site) = scope {
            return far::read(site);
        }
        let rtnl = self.rtnl()?;
        if *scope == Scope::Rules {
            let rule = |rule| (Any::Link(Object::Rule(Box::new(rule))), AnyState::Link(State::Rule));
            return Ok(rtnl.rules().map_err(fail("rules"))?.into_iter().map(rule).collect());
        }
        let Links { found: links, devs } = match links {
            Some(links) => links,
            unread => unread.insert(Links::of(rtnl.links().map_err(fail("links"))?)),
        };
        match scope {
            Scope::Links => Ok(of_links(links)),
            Scope::Ends => far::ends(rtnl, links),
            Scope::Addresses => Ok(of_addresses(rtnl.addresses().map_err(fail("addresses"))?, devs)),
            Scope::Neighbours | Scope::Neighbourhood => {
                let mut found = rtnl.neighbours().map_err(fail("neighbours"))?;
                found.retain(|(.., about)| *scope == Scope::Neighbourhood || about.is_permanent());
                Ok(of_neighbours(found, devs))
            }
            Scope::Routes(of) => {
                let families = of.map_or(Family::BOTH.to_vec(), |(family, _)| vec![family]);
                let mut found = Inventory::new();
                for family in families {
                    let routes = rtnl.steady_routes(family, of.map(|(_, table)| table)).map_err(fail("routes"))?;
                    found.append(&mut of_routes(routes, devs));
                }
                Ok(found)
            }
            Scope::Rules | Scope::Far(_) => Ok(Inventory::new()),
        }
    }

    /// Makes a part of some changes, in their order.
    pub fn write<'a>(&mut self, changes: &'a [Change], made: &mut Made<'a>) -> Result<(), Refusal> {
        let mut steps: Vec<(usize, Step<'_>)> = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            let its = steps_of(change, made).map_err(|fault| Refusal { fault, at })?;
            steps.extend(its.into_iter().map(|step| (at, step)));
        }
        let mut rest = &steps[..];
        while let Some((at, first)) = rest.first() {
            let done = match first {
                Step::Tun(dev, link) => tun::make(dev, link).map(|()| 1).map_err(|fault| Refusal { fault, at: *at })?,
                Step::Back(from, dev) => {
                    far::bring_back(from, dev, &changes[*at]).map(|()| 1).map_err(|fault| Refusal { fault, at: *at })?
                }
                Step::Order(_) => self.orders(changes, rest)?,
            };
            rest = &rest[done..];
        }
        Ok(())
    }

    /// Gives the orders that come first, and tells how many they are. One that may have to wait is the last: the kernel does what stands behind it in its
    /// datagram all the same.
    fn orders(&mut self, changes: &[Change], steps: &[(usize, Step<'_>)]) -> Result<usize, Refusal> {
        let mut orders: Vec<&Order> =
            steps.iter().map_while(|(_, step)| if let Step::Order(order) = step { Some(order) } else { None }).collect();
        let patient = steps.iter().take(orders.len()).position(|(at, _)| refusal::may_have_to_wait(&changes[*at]));
        orders.truncate(patient.map_or(orders.len(), |at| at + 1));
        let (begun, mut first) = (Instant::now(), 0);
        loop {
            let at = steps.get(first).map_or(0, |(at, _)| *at);
            let rtnl = self.rtnl().map_err(|fault| Refusal { fault, at })?;
            let stopped = rtnl.order(&orders[first..]);
            let stopped = match stopped {
                Ok(None) => return Ok(orders.len()),
                Ok(Some(stopped)) => stopped,
                Err(error) => {
                    self.rtnl = None;
                    return Err(Refusal { fault: super::errno::fault(refusal::tried(&changes[at]), error), at });
                }
            };
            first += stopped.at;
            let at = steps.get(first).map_or(at, |(at, _)| *at);
            let may_pass = refusal::may_have_to_wait(&changes[at]) && stopped.refused.errno == libc::EINVAL;
            if !may_pass || begun.elapsed() > PATIENCE {
                return Err(Refusal { fault: refusal::fault(&changes[at], &stopped.refused), at });
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The links of a namespace, and their names by their indices.
struct Links {
    found: Vec<link::Found>,
    devs: BTreeMap<u32, Dev>,
}

impl Links {
    fn of(found: Vec<link::Found>) -> Self {
        let devs = found.iter().map(|found| (found.dev.index, found.dev.clone())).collect();
        Self { found, devs }
    }
}

fn of_links(links: &[link::Found]) -> Inventory {
    let mut found = Inventory::new();
    for link::Found { dev, link, settings, .. } in links {
        for (setting, value) in settings {
            found.insert(Any::Link(Object::Setting(dev.clone(), *setting)), AnyState::Link(State::Setting(value.clone())));
        }
        found.insert(Any::Link(Object::Link(dev.clone())), AnyState::Link(State::Link(Box::new(link.clone()))));
    }
    found
}

fn of_addresses(addresses: Vec<rtnl::address::Found>, devs: &BTreeMap<u32, Dev>) -> Inventory {
    let address = |(index, host, mut about): rtnl::address::Found| {
        let dev = devs.get(&index)?.clone();
        about.label = about.label.filter(|label| label != dev.name.as_str());
        let key = crate::model::link::address::Key { dev, host };
        Some((Any::Link(Object::Address(key)), AnyState::Link(State::Address(about))))
    };
    addresses.into_iter().filter_map(address).collect()
}

fn of_neighbours(neighbours: Vec<rtnl::neighbour::Found>, devs: &BTreeMap<u32, Dev>) -> Inventory {
    let neighbour = |(index, address, about): rtnl::neighbour::Found| {
        let key = crate::model::link::neighbour::Key { dev: devs.get(&index)?.clone(), address };
        Some((Any::Link(Object::Neighbour(key)), AnyState::Link(State::Neighbour(about))))
    };
    neighbours.into_iter().filter_map(neighbour).collect()
}

fn of_routes(routes: Vec<(crate::model::link::route::Key, crate::model::link::route::Way)>, devs: &BTreeMap<u32, Dev>) -> Inventory {
    let mut found = Inventory::new();
    for (mut key, mut way) in routes {
        rtnl::route::name(&mut way, &|index| devs.get(&index).cloned());
        // IPv4 can have several that are equal but for their way.
        while found.contains_key(&Any::Link(Object::Route(key.clone()))) && key.twin < u8::MAX {
            key.twin += 1;
        }
        found.insert(Any::Link(Object::Route(key)), AnyState::Link(State::Route(Arc::new(way))));
    }
    found
}

/// The links that are made by a list of changes, of which only a part is made at a time.
pub struct Made<'a> {
    /// Those that stand before the change at hand.
    devs: Vec<&'a Dev>,
    /// The addresses that links get.
    macs: BTreeMap<&'a Dev, &'a Mac>,
    /// The addresses of the other ends of veths that are elsewhere.
    far_macs: HashMap<&'a Far, &'a Mac>,
    /// Those that are moved, away or back.
    moved: HashSet<&'a Dev>,
    /// Those of them that are away by now, with all that was on them.
    gone: HashSet<&'a Dev>,
}

impl<'a> Made<'a> {
    /// Looks through changes.
    pub fn by(changes: &'a [Change]) -> Self {
        let far_mac = |change: &'a Change| match (&change.object, &change.after) {
            (Any::Link(Object::Far(far)), Some(AnyState::Link(State::Far(there)))) => Some((&**far, there.mac.as_ref()?)),
            _ => None,
        };
        Self {
            devs: Vec::new(),
            macs: macs(changes),
            far_macs: changes.iter().filter_map(far_mac).collect(),
            moved: changes.iter().filter_map(|change| moved(change)?.moved()).collect(),
            gone: leaving(changes),
        }
    }

    /// Tells whether something that is taken away has gone already with the link that it was on.
    fn is_gone_with_its_link(&self, change: &Change) -> bool {
        match (&change.before, &change.after) {
            (Some(state), None) => self.gone.iter().any(|dev| is_on(&change.object, state, dev)),
            _ => false,
        }
    }
}

/// Gives the addresses that links get by changes.
fn macs(changes: &[Change]) -> BTreeMap<&Dev, &Mac> {
    fn mac(change: &Change) -> Option<(&Dev, &Mac)> {
        match (&change.object, &change.after) {
            (Any::Link(Object::Setting(dev, Setting::Address)), Some(AnyState::Link(State::Setting(Value::Mac(mac)))))
                if !mac.bytes().is_empty() =>
            {
                Some((dev, mac))
            }
            _ => None,
        }
    }
    changes.iter().filter_map(mac).collect()
}

/// Gives what is to be done for a change. A veth is made with its other end, and what others rely on is there already.
fn steps_of<'a>(change: &'a Change, made: &mut Made<'a>) -> Result<Vec<Step<'a>>, Fault> {
    let (Any::Link(object), before, after) = (&change.object, &change.before, &change.after) else { return Ok(Vec::new()) };
    let (before, after) = (state(before), state(after));
    if change.is_claim() && !matches!(object, Object::Setting(..)) || made.is_gone_with_its_link(change) {
        return Ok(Vec::new());
    }
    let order = |order: Order| vec![Step::Order(order)];
    Ok(match (object, before, after) {
        (Object::Far(far), _, Some(_)) => match far.moved() {
            Some(dev) => far::place(far, change)
                .map(|netns| order(link::leave(dev.index, Destination { dev: &far.dev, netns: netns.as_fd(), mac: None })))?,
            // The other end of a veth is made with it.
            None => Vec::new(),
        },
        (Object::Far(far), _, None) => far.moved().map(|dev| Step::Back(far, dev)).into_iter().collect(),
        (Object::Link(dev), ..) if made.moved.contains(dev) => Vec::new(),
        (Object::Link(dev), None, Some(State::Link(link))) if ["tun", "tap"].contains(&link.kind.as_str()) => {
            [Step::Tun(dev, link)].into_iter().chain(link::call(dev, &link.altnames).map(Step::Order)).collect()
        }
        (Object::Link(dev), None, Some(State::Link(link))) if !made.devs.contains(&dev) => {
            made.devs.push(dev);
            made.devs.extend(&link.peer);
            let netns = link.far.as_ref().map(|far| Ok((&far.dev, far::place(far, change)?))).transpose()?;
            let mac = link.far.as_ref().and_then(|far| made.far_macs.get(far).copied());
            let far = netns.as_ref().map(|(dev, netns)| Destination { dev, netns: netns.as_fd(), mac });
            let add = link::add(dev, link, far, &|dev| made.macs.get(dev).map(|mac| (*mac).clone()));
            [add].into_iter().chain(link::call(dev, &link.altnames)).map(Step::Order).collect()
        }
        (Object::Link(dev), None, Some(State::Link(link))) => link::call(dev, &link.altnames).into_iter().map(Step::Order).collect(),
        (Object::Setting(dev, Setting::Address), _, _) if made.devs.contains(&dev) => Vec::new(),
        (Object::Link(dev), Some(_), None) => order(link::del(dev)),
        (Object::Setting(dev, setting), _, Some(State::Setting(value))) => {
            link::set(dev, *setting, value).into_iter().map(Step::Order).collect()
        }
        (Object::Address(key), Some(State::Address(about)), None) => order(rtnl::address::del(key, about)),
        (Object::Address(key), before, Some(State::Address(about))) => order(rtnl::address::put(key, about, before.is_some())),
        (Object::Neighbour(key), Some(State::Neighbour(about)), None) => order(rtnl::neighbour::del(key, about)),
        (Object::Neighbour(key), _, Some(State::Neighbour(about))) => order(rtnl::neighbour::put(key, about)),
        (Object::Route(key), Some(State::Route(way)), None) => order(rtnl::route::del(key, way)),
        (Object::Route(key), before, Some(State::Route(way))) => order(rtnl::route::put(key, way, before.is_some())),
        (Object::Rule(rule), Some(_), None) => order(rtnl::rule::del(rule)),
        (Object::Rule(rule), None, Some(_)) => order(rtnl::rule::add(rule)),
        _ => Vec::new(),
    })
}

fn state(state: &Option<AnyState>) -> Option<&State> {
    match state {
        Some(AnyState::Link(state)) => Some(state),
        _ => None,
    }
}
