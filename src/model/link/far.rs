//! Links in other network namespaces that belong to ones here: a link that was moved there, and the far end of a veth.
//!
//! What is done to either is done to a link of this namespace, so it is in a batch of this one; the object is the link as it is found over there.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::{Dev, Link, Mac, Name, Object, Setting, State};
use crate::model::change::{Change, Object as Any, State as AnyState};
use crate::model::netns::Site;

/// A link in another network namespace. It is known by the namespace and its index there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Far {
    /// The namespace.
    pub site: Site,
    /// The index and the name that it has there, or will have.
    pub dev: Dev,
    /// What it is to a link here.
    pub tie: Tie,
}

/// What a link in another namespace is to one here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tie {
    /// It is this link, and was moved.
    Moved(Dev),
    /// It is the other end of this veth.
    End(Dev),
    /// Nothing that is known.
    None,
}

/// What is known of a link in another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct There {
    /// Its name there.
    pub name: Name,
    /// Its address on the wire, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// How many addresses, neighbours and routes somebody has set on it there.
    #[serde(default)]
    pub burden: usize,
}

impl Far {
    fn key(&self) -> (u64, &Dev) {
        (self.site.namespace, &self.dev)
    }

    /// Gives the link here that was moved there, if it was.
    pub fn moved(&self) -> Option<&Dev> {
        if let Tie::Moved(dev) = &self.tie { Some(dev) } else { None }
    }

    /// Gives the link here whose other end it is, if it is that.
    pub fn end_of(&self) -> Option<&Dev> {
        if let Tie::End(dev) = &self.tie { Some(dev) } else { None }
    }

    /// Makes it about a namespace that was made once more.
    pub fn renew(&mut self, old: u64, new: u64) {
        if self.site.namespace == old {
            self.site.namespace = new;
        }
    }
}

impl PartialEq for Far {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Far {}

impl PartialOrd for Far {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Far {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Far {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the {}", self.dev, self.site)
    }
}

impl There {
    /// Gives one on which nothing is.
    pub fn bare(name: Name) -> Self {
        Self { name, mac: None, burden: 0 }
    }

    /// Says what somebody has set on it there, if anything is.
    pub fn held(&self) -> Option<String> {
        match self.burden {
            0 => None,
            1 => Some("somebody else put something on it there".to_owned()),
            several => Some(format!("somebody else put things on it there, {several} in all")),
        }
    }
}

/// Gives the move that a change is, away or back, if it is one.
pub fn moved(change: &Change) -> Option<&Far> {
    match &change.object {
        Any::Link(Object::Far(far)) if far.moved().is_some() && !change.is_claim() => Some(far),
        _ => None,
    }
}

/// Gives the links here that some changes move away.
pub fn leaving(changes: &[Change]) -> HashSet<&Dev> {
    changes.iter().filter(|change| change.after.is_some()).filter_map(|change| moved(change)?.moved()).collect()
}

/// Leaves out of some changes that a link goes or comes which is moved: that is told by its move.
pub fn without_moved(changes: &[Change]) -> impl Iterator<Item = &Change> {
    let moving: HashSet<&Dev> = changes.iter().filter_map(|change| moved(change)?.moved()).collect();
    changes.iter().filter(move |change| !matches!(&change.object, Any::Link(Object::Link(dev)) if moving.contains(dev)))
}

/// Gives what changes here make of other namespaces, for a kernel in memory that has not seen it.
pub fn echo(changes: &[Change]) -> Vec<(Site, Change)> {
    let mut found = Vec::new();
    for change in changes.iter().filter(|change| !change.is_claim()) {
        let Any::Link(Object::Far(far)) = &change.object else { continue };
        let mut add = |object: Object, state: State| {
            let (object, state) = (Any::Link(object), Some(AnyState::Link(state)));
            let made = if change.after.is_some() { Change::new(object, None, state) } else { Change::new(object, state, None) };
            found.push((far.site.clone(), made));
        };
        let of = far.moved().map(|dev| known(dev, changes)).unwrap_or_default();
        let link = of.iter().find_map(|state| if let (_, State::Link(link)) = state { Some((**link).clone()) } else { None });
        let end = || Link { kind: "veth".into(), reaches_out: true, ..Link::default() };
        add(Object::Link(far.dev.clone()), State::Link(Box::new(link.map_or_else(end, |link| Link { peer: None, parent: None, ..link }))));
        for setting in Setting::ALL {
            let value = of.iter().find_map(|state| match state {
                (Object::Setting(_, of), State::Setting(value)) if *of == setting => Some(value.clone()),
                _ => None,
            });
            let value = match setting {
                // It comes down, without a master, and under the name that was asked for.
                Setting::Name | Setting::Master | Setting::Up => setting.initial(&far.dev.name),
                _ => value.unwrap_or_else(|| setting.initial(&far.dev.name)),
            };
            add(Object::Setting(far.dev.clone(), setting), State::Setting(value));
        }
    }
    found
}

/// Gives what changes say of a link that goes, or comes back, with them.
fn known<'a>(dev: &Dev, changes: &'a [Change]) -> Vec<(&'a Object, &'a State)> {
    let of = |change: &'a Change| match (&change.object, change.before.as_ref().or(change.after.as_ref())) {
        (Any::Link(object @ (Object::Link(of) | Object::Setting(of, _))), Some(AnyState::Link(state))) if of == dev => {
            Some((object, state))
        }
        _ => None,
    };
    changes.iter().filter_map(of).collect()
}

/// Tells whether something is a link, or is on it, and comes and goes with it.
pub fn is_on(object: &Any, state: &AnyState, dev: &Dev) -> bool {
    match (object, state) {
        (Any::Link(Object::Link(of)), _) => of == dev,
        (Any::Link(object), AnyState::Link(state)) => object.needs(state).contains(&Any::Link(Object::Link(dev.clone()))),
        (Any::Tc(object), _) => object.device().as_str() == dev.name.as_str(),
        (Any::Sysctl(key), _) => key.link().is_some_and(|name| name == dev.name.as_str()),
        _ => false,
    }
}
