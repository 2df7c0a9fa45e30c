//! Links, their addresses and neighbours, routes and rules: what they are, how ip(8) writes them, and what goes with what.

pub mod address;
pub mod device;
mod effects;
pub mod far;
pub mod kind;
mod name;
pub mod names;
pub mod neighbour;
pub mod parameters;
pub mod path;
mod raw;
pub mod route;
pub mod rule;
pub mod setting;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::{Object as Any, State as AnyState};
use super::named::{Inventory, Scope as AnyScope};
use super::netns::Site;
use super::{Family, Fault, Kind};
use super::{sysctl, tc};

pub use device::Link;
pub use effects::{follow, go_with, lost_with_ipv6, scopes_of_what_is_lost};
pub use far::{Far, There, Tie};
pub use name::{Dev, Mac, Name, OF_MODULES};
pub use raw::Raw;
pub use route::Route;
pub use rule::Rule;
pub use setting::{Setting, Value};

/// What can be changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A link as such.
    Link(Dev),
    /// What a link is set to.
    Setting(Dev, Setting),
    /// An address of a link.
    Address(address::Key),
    /// A neighbour on a link.
    Neighbour(neighbour::Key),
    /// A route.
    Route(route::Key),
    /// A rule.
    Rule(Box<Rule>),
    /// A link in another network namespace that belongs to one here.
    Far(Box<Far>),
}

/// The state of what can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// What a link is.
    Link(Box<Link>),
    /// What it is set to.
    Setting(Value),
    /// What an address has besides.
    Address(address::About),
    /// What is known of a neighbour.
    Neighbour(neighbour::About),
    /// What a route says.
    Route(Arc<route::Way>),
    /// A rule is there.
    Rule,
    /// What is known of a link in another namespace.
    Far(There),
}

/// What has to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The links with their settings.
    Links,
    /// The addresses of all links.
    Addresses,
    /// The neighbours that stay.
    Neighbours,
    /// The neighbours, also those that the kernel will forget.
    Neighbourhood,
    /// The routes, all or those of a table.
    Routes(Option<(Family, u32)>),
    /// The rules.
    Rules,
    /// The links of another network namespace.
    Far(Site),
    /// The far ends of veths, in whatever namespace they are.
    Ends,
}

impl Scope {
    /// Tells whether an object is in it.
    pub fn covers(&self, object: &Object) -> bool {
        match (self, object) {
            (Self::Links, Object::Link(_) | Object::Setting(..))
            | (Self::Addresses, Object::Address(_))
            | (Self::Rules, Object::Rule(_)) => true,
            (Self::Neighbours | Self::Neighbourhood, Object::Neighbour(_)) | (Self::Routes(None), Object::Route(_)) => true,
            (Self::Routes(Some((family, table))), Object::Route(key)) => key.family() == *family && key.table == *table,
            (Self::Far(site), Object::Far(far)) => far.site.namespace == site.namespace,
            (Self::Ends, Object::Far(far)) => far.end_of().is_some(),
            _ => false,
        }
    }
}

/// Gives what has to be read in order to know what links have.
pub fn scopes_of_links() -> [AnyScope; 4] {
    [Scope::Links, Scope::Addresses, Scope::Neighbours, Scope::Routes(None)].map(AnyScope::Link)
}

impl Object {
    /// Tells whether it is an address, a neighbour or a route of IPv6.
    pub fn is_of_ipv6(&self) -> bool {
        match self {
            Self::Address(key) => key.host.family() == Family::V6,
            Self::Neighbour(key) => key.address.is_ipv6(),
            Self::Route(key) => key.family() == Family::V6,
            _ => false,
        }
    }

    /// Gives a link as the device on which packets queue.
    pub fn device(&self) -> Option<tc::Device> {
        if let Self::Link(dev) = self { Some(tc::Device::listed(dev.name.as_str())) } else { None }
    }

    /// Gives the index of a link.
    pub fn index(&self) -> Option<u32> {
        if let Self::Link(dev) = self { Some(dev.index) } else { None }
    }

    /// Gives what has to be read in order to know it, and all that changes with it.
    pub fn scopes(&self) -> Vec<AnyScope> {
        if let Self::Far(far) = self {
            let here = far.moved().map(|dev| Self::Link(dev.clone()).scopes()).unwrap_or_default();
            return here.into_iter().chain([AnyScope::Link(Scope::Far(far.site.clone()))]).collect();
        }
        let own: &[Scope] = match self {
            Self::Link(_) => &[Scope::Links, Scope::Addresses, Scope::Neighbours, Scope::Routes(None)],
            Self::Setting(_, setting) if setting.has_effects() => &[Scope::Links, Scope::Addresses, Scope::Neighbours, Scope::Routes(None)],
            Self::Setting(..) => &[Scope::Links],
            Self::Address(_) => &[Scope::Links, Scope::Addresses, Scope::Neighbours, Scope::Routes(None)],
            Self::Neighbour(_) => &[Scope::Links, Scope::Neighbours],
            Self::Route(key) => &[Scope::Links, Scope::Routes(Some((key.family(), key.table)))],
            Self::Rule(_) => &[Scope::Rules],
            Self::Far(_) => &[],
        };
        let keys = match self {
            Self::Address(key) if key.host.family() == Family::V4 => switches("ipv4", &key.dev, "promote_secondaries"),
            Self::Setting(dev, Setting::Up) => switches("ipv6", dev, "keep_addr_on_down"),
            _ => Vec::new(),
        };
        let queues = self.device().map(|device| AnyScope::Tc(tc::Scope::Device(device)));
        own.iter().map(|scope| AnyScope::Link(scope.clone())).chain(keys.into_iter().map(AnyScope::Sysctl)).chain(queues).collect()
    }

    /// Gives what has to be read in order to know it alone.
    pub fn own_scope(&self) -> Scope {
        match self {
            Self::Link(_) | Self::Setting(..) => Scope::Links,
            Self::Address(_) => Scope::Addresses,
            Self::Neighbour(_) => Scope::Neighbours,
            Self::Route(key) => Scope::Routes(Some((key.family(), key.table))),
            Self::Rule(_) => Scope::Rules,
            Self::Far(far) => Scope::Far(far.site.clone()),
        }
    }

    /// Gives what has to be read in order to give it a state: where nothing goes with that, itself and the links.
    pub fn scopes_to_get(&self, state: &State) -> Vec<AnyScope> {
        let takes_nothing_along = match (self, state) {
            (Self::Setting(_, Setting::Up), State::Setting(Value::Flag(up))) => *up,
            (Self::Setting(_, Setting::Mtu), State::Setting(Value::Number(mtu))) => *mtu >= effects::IPV6_MTU,
            (Self::Link(_) | Self::Address(_), _) => true,
            _ => false,
        };
        match takes_nothing_along {
            true => [Scope::Links, self.own_scope()].into_iter().map(AnyScope::Link).collect(),
            false => self.scopes(),
        }
    }

    /// Tells whether it can be made and taken away.
    pub fn can_be_made(&self) -> bool {
        !matches!(self, Self::Setting(..))
    }

    /// Tells whether others are in it, which go when it goes.
    pub fn holds_others(&self) -> bool {
        matches!(self, Self::Link(_))
    }

    /// Gives what has to be there for it to be there in a state.
    pub fn needs(&self, state: &State) -> Vec<Any> {
        let link = |dev: &Dev| Any::Link(Self::Link(dev.clone()));
        match (self, state) {
            (Self::Link(_), State::Link(made)) => made.parent.iter().map(link).collect(),
            (Self::Setting(dev, _), State::Setting(Value::Link(Some(master)))) => vec![link(dev), link(master)],
            (Self::Setting(dev, _), _) => vec![link(dev)],
            (Self::Address(key), _) => vec![link(&key.dev)],
            (Self::Neighbour(key), _) => vec![link(&key.dev)],
            (Self::Route(_), State::Route(way)) => way.devs().map(link).collect(),
            (Self::Far(far), _) => far.moved().map(link).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Gives what there is from the beginning of what is made, and is no change of its own.
    pub fn comes_with(&self, state: &State) -> Vec<(Any, AnyState)> {
        let (Self::Link(dev), State::Link(_)) = (self, state) else { return Vec::new() };
        let setting =
            |setting: Setting| (Any::Link(Self::Setting(dev.clone(), setting)), AnyState::Link(State::Setting(setting.initial(&dev.name))));
        Setting::ALL.into_iter().map(setting).collect()
    }

    /// Says what stands against giving it a state, or against taking it away.
    pub fn forbids(&self, inventory: &Inventory, wanted: Option<&State>) -> Option<Fault> {
        let now = match inventory.get(&Any::Link(self.clone())) {
            Some(AnyState::Link(now)) => Some(now),
            _ => None,
        };
        let verb = if wanted.is_some() { "set" } else { "take away" };
        let refuse = |why: &str| Fault::new(Kind::Refused, format!("{verb} the {self}"), why);
        let changes = now.is_some_and(|now| wanted.is_none_or(|wanted| !now.agrees(wanted)));
        match (self, now, wanted) {
            (Self::Route(_), None, Some(wanted)) if wanted.is_automatic() => Some(refuse("only the kernel says this `proto` of itself")),
            // What was learned of a neighbour gives way to what is said of it.
            (Self::Neighbour(_), Some(now), Some(_)) if now.is_automatic() => None,
            (_, Some(now), _) if changes && (now.is_automatic() || matches!(self, Self::Rule(rule) if rule.is_automatic())) => {
                Some(self.left_to_the_kernel(verb))
            }
            (Self::Link(_), Some(State::Link(link)), None) if link.kind.is_empty() => {
                Some(refuse("it is a piece of hardware, or the loopback")).map(|fault| fault.hint("it can be set down"))
            }
            (Self::Link(_), Some(State::Link(link)), None) if !link.can_be_made() => {
                Some(refuse("its other end is in another namespace, and what is there could not be put back"))
            }
            (Self::Address(_), Some(State::Address(now)), Some(State::Address(wanted))) if !now.can_become(wanted) => {
                Some(Fault { kind: Kind::Exists, ..refuse("it is there, and is another one") }.hint("take it away first"))
            }
            (Self::Far(far), None, Some(_)) => taken_there(inventory, far),
            (Self::Link(dev), None, Some(State::Link(link))) => {
                std::iter::once(dev).chain(&link.peer).find_map(|dev| taken(inventory, dev, &dev.name))
            }
            (Self::Setting(dev, _), _, Some(State::Setting(Value::Name(name)))) => taken(inventory, dev, name),
            (Self::Route(_), _, Some(State::Route(way))) if changes || now.is_none() => {
                let is_down = |dev: &&Dev| {
                    let up = inventory.get(&Any::Link(Self::Setting((*dev).clone(), Setting::Up)));
                    up == Some(&AnyState::Link(State::Setting(Value::Flag(false))))
                };
                let down = way.hops.iter().filter_map(|hop| hop.dev.as_ref()).find(is_down);
                down.map(|dev| refuse(&format!("the link {dev} is down")).hint("set it up first"))
            }
            _ => None,
        }
    }

    /// Refuses to change what the kernel has made by itself.
    pub fn left_to_the_kernel(&self, verb: &str) -> Fault {
        let fault = Fault::new(Kind::Refused, format!("{verb} the {self}"), "the kernel has made it by itself");
        fault.hint("it comes and goes with an address, a link or a packet")
    }

    /// Tells whether it changes without a word: what a link is set to goes with it, and comes back with it. `stays` says that it is there before and after.
    pub fn is_quiet(&self, stays: bool) -> bool {
        matches!(self, Self::Setting(..)) && !stays
    }

    /// Gives the word for what it is.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Setting(..) => "setting",
            Self::Address(_) => "address",
            Self::Neighbour(_) => "neighbour",
            Self::Route(_) => "route",
            Self::Rule(_) => "rule",
            Self::Far(_) => "link",
        }
    }
}

/// Tells whether there is a link of this name.
pub fn is_there(name: &str, inventory: &Inventory) -> bool {
    inventory.keys().any(|object| matches!(object, Any::Link(Object::Link(dev)) if dev.name.as_str() == name))
}

/// Says that a name is taken by another link.
fn taken(inventory: &Inventory, dev: &Dev, name: &Name) -> Option<Fault> {
    let has_it = |(object, state): (&Any, &AnyState)| match (object, state) {
        (Any::Link(Object::Setting(other, Setting::Name)), AnyState::Link(State::Setting(Value::Name(taken)))) => {
            other != dev && taken == name
        }
        _ => false,
    };
    let fault = || Fault::new(Kind::Exists, format!("call a link {name}"), "there is one of this name already");
    inventory.iter().any(has_it).then(fault)
}

/// Says that a name is taken by another link of the namespace that a link is to be in.
fn taken_there(inventory: &Inventory, far: &Far) -> Option<Fault> {
    let has_it = |(object, state): (&Any, &AnyState)| match (object, state) {
        (Any::Link(Object::Far(other)), AnyState::Link(State::Far(there))) => {
            other.site.namespace == far.site.namespace && other.dev != far.dev && there.name == far.dev.name
        }
        _ => false,
    };
    let why = || format!("there is one of this name already in the {}", far.site);
    inventory.iter().any(has_it).then(|| Fault::new(Kind::Exists, format!("call a link {}", far.dev), why()))
}

/// Gives the parameters that switch something for a link: that of all links, and its own.
fn switches(version: &str, dev: &Dev, last: &str) -> Vec<sysctl::Key> {
    let key = |name: &str| sysctl::Key::of_parts(["net", version, "conf", name, last]);
    vec![key("all"), key(dev.name.as_str())]
}

impl State {
    /// Tells whether another state is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Link(one), Self::Link(other)) => one.agrees(other),
            (Self::Address(one), Self::Address(other)) => one.agrees(other),
            (Self::Route(one), Self::Route(other)) => one.agrees(other),
            // Its index tells it apart, whatever it is called by now.
            (Self::Far(_), Self::Far(_)) => true,
            _ => self == other,
        }
    }

    /// Completes a state that was read with the far end of a veth, of which the kernel only says that there is one.
    pub fn recall(&mut self, known: &Self) {
        if let (Self::Link(link), Self::Link(known)) = (self, known)
            && link.reaches_out
            && link.kind == "veth"
        {
            link.far.clone_from(&known.far);
        }
    }

    /// Tells whether what has this state goes away by itself.
    pub fn passes(&self) -> bool {
        match self {
            Self::Address(about) => about.valid != address::FOREVER,
            Self::Neighbour(about) => !about.is_permanent(),
            _ => false,
        }
    }

    /// Tells whether the kernel has made it by itself, and takes it away by itself.
    pub fn is_automatic(&self) -> bool {
        match self {
            Self::Address(about) => about.automatic,
            Self::Neighbour(about) => !about.is_permanent(),
            Self::Route(way) => way.is_automatic(),
            _ => false,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(dev) => write!(f, "link {dev}"),
            Self::Setting(dev, Setting::Up) => write!(f, "state of the link {dev}"),
            Self::Setting(dev, setting) => write!(f, "{} of the link {dev}", setting.word()),
            Self::Address(key) => write!(f, "address {} of the link {}", key.host, key.dev),
            Self::Neighbour(key) => write!(f, "neighbour {} of the link {}", key.address, key.dev),
            Self::Route(key) => {
                write!(f, "route to {}", key.to)?;
                if key.table != route::MAIN {
                    write!(f, " in table {}", names::shown(names::TABLES, key.table))?;
                }
                if key.metric != 0 { write!(f, " with metric {}", key.metric) } else { Ok(()) }
            }
            Self::Rule(rule) => write!(f, "rule {rule}"),
            Self::Far(far) => write!(f, "link {far}"),
        }
    }
}

impl fmt::Display for State {
    /// Writes what stands behind the name of the object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => link.fmt(f),
            Self::Setting(value) => value.fmt(f),
            Self::Address(about) if about.valid != address::FOREVER => write!(f, "valid_lft {}", about.valid),
            Self::Address(_) | Self::Rule | Self::Far(_) => f.write_str("there"),
            Self::Neighbour(about) => about.fmt(f),
            Self::Route(way) => {
                let hops: Vec<String> = way.hops.iter().map(hop).collect();
                let kind = if way.fate == route::Fate::Unicast { None } else { Some(way.fate.word().to_owned()) };
                f.write_str(&kind.into_iter().chain(hops).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn hop(hop: &route::Hop) -> String {
    let via = hop.via.map(|via| format!("via {via}"));
    let dev = hop.dev.as_ref().map(|dev| format!("dev {dev}"));
    via.into_iter().chain(dev).collect::<Vec<_>>().join(" ")
}
