//! Objects that are known by a name of their own: what there is of them, what is asked for, and the way back.
//!
//! Rules are known by their places and have a model of their own. For all else an object has a state or is not there, a change goes from one
//! state to another, and what was changed is put back if it still is what it was changed to.

mod draft;
mod edit;
mod revert;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Change, Object, State};
use super::ipset::{Element, SetName};
use super::{Family, Fault, cgroup, link, netns, sysctl, tc};

#[cfg(test)]
pub use draft::wish;
pub use draft::{Draft, Wish};
pub use edit::Edit;
pub use revert::{revert, revert_again};
pub use told::{Told, doubt, remarks};

/// What there is, by its names.
pub type Inventory = BTreeMap<Object, State>;

/// What has to be read in order to know some objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A kernel parameter, or all below a folder of them.
    Sysctl(sysctl::Key),
    /// A set with what is in it.
    Set(SetName),
    /// A set, without what is in it.
    Definition(SetName),
    /// The sets, without what is in them.
    Sets,
    /// Control groups, and what is in them.
    Cgroup(cgroup::Scope),
    /// The reserved ports.
    ReservedPorts,
    /// Network namespaces.
    Netns(netns::Scope),
    /// Links and what belongs to them, routes or rules.
    Link(link::Scope),
    /// Something of traffic control.
    Tc(tc::Scope),
    /// The actions of a kind.
    Actions(Arc<str>),
}

impl Scope {
    /// Tells whether an object in this state is in it; none stands for one that is not there.
    pub fn covers(&self, object: &Object, state: Option<&State>) -> bool {
        match (self, object) {
            (Scope::Sysctl(folder), Object::Sysctl(key)) => folder.covers(key),
            (Scope::Set(set), Object::Set(name) | Object::Member(name, _)) => set == name,
            (Scope::Definition(set), Object::Set(name)) => set == name,
            (Scope::Cgroup(scope), Object::Cgroup(object)) => scope.covers(object, state.and_then(State::of_cgroups)),
            (Scope::Sets, Object::Set(_)) | (Scope::ReservedPorts, Object::ReservedPort(_)) => true,
            (Scope::Netns(scope), Object::Netns(object)) => scope.covers(object),
            (Scope::Link(scope), Object::Link(object)) => scope.covers(object),
            (Scope::Tc(scope), Object::Tc(object)) => scope.covers(object),
            (Scope::Actions(kind), Object::Action(key)) => *kind == key.kind,
            _ => false,
        }
    }
}

impl Scope {
    /// Tells whether it is about what belongs to the machine, and not to one of its network namespaces.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Scope::Netns(_) | Scope::Cgroup(_))
    }
}

impl Object {
    /// Gives what has to be read in order to know the object, and all that changes with it.
    pub fn scopes(&self) -> Vec<Scope> {
        match self {
            Object::Sysctl(key) => {
                let links = key.disables_ipv6_of().is_some().then(link::scopes_of_links);
                key.scope().into_iter().map(Scope::Sysctl).chain(links.into_iter().flatten()).collect()
            }
            Object::Set(set) | Object::Member(set, _) => vec![Scope::Set(set.clone())],
            Object::SetPair(one, other) => vec![Scope::Set(one.clone()), Scope::Set(other.clone())],
            Object::Cgroup(object) => vec![Scope::Cgroup(object.scope())],
            Object::ReservedPort(_) => vec![Scope::ReservedPorts],
            Object::Netns(object) => vec![Scope::Netns(object.scope())],
            Object::Link(object) => object.scopes(),
            Object::Tc(object) => object.scopes().into_iter().map(Scope::Tc).collect(),
            Object::Action(key) => vec![Scope::Actions(key.kind.clone())],
            _ => Vec::new(),
        }
    }

    /// Gives what has to be read in order to know the object, and nothing else.
    pub fn own_scopes(&self) -> Vec<Scope> {
        match self {
            // There may be a hundred thousand elements in it.
            Object::Set(set) => vec![Scope::Definition(set.clone())],
            Object::Link(object) => vec![Scope::Link(object.own_scope())],
            object => object.scopes(),
        }
    }

    /// Tells whether it can be made and taken away; what cannot has a value as long as what it belongs to is there.
    fn can_be_made(&self) -> bool {
        match self {
            Object::Sysctl(_) => false,
            Object::Cgroup(object) => object.can_be_made(),
            Object::Link(object) => object.can_be_made(),
            Object::Tc(object) => object.can_be_made(),
            _ => true,
        }
    }

    /// Tells whether several runs may rely on the same state of it: the last one that is lifted puts it back.
    pub fn is_shared(&self) -> bool {
        match self {
            Object::Sysctl(_) | Object::Member(..) | Object::ReservedPort(_) | Object::Link(_) | Object::Action(_) => true,
            Object::Netns(netns::Object::Name(_)) => true,
            Object::Cgroup(object) => object.is_shared(),
            Object::Tc(object) => object.is_shared(),
            _ => false,
        }
    }

    /// Tells whether others may follow it, see [`follows`].
    pub fn leads(&self) -> bool {
        matches!(self, Object::Sysctl(_) | Object::Link(link::Object::Link(_)))
    }

    /// Tells whether others do not follow it, but it stands on them: where one of them goes it has its other state before that, and on the way back its
    /// former state after that.
    fn stands_on_others(&self) -> bool {
        matches!(self, Object::Link(link::Object::Route(_)))
    }

    /// Gives what has to be there for it to be there in a state.
    pub fn needs(&self, state: &State) -> Vec<Object> {
        match (self, state) {
            (Object::Member(set, _), _) => vec![Object::Set(set.clone())],
            (Object::Link(object), State::Link(state)) => object.needs(state),
            (Object::Cgroup(object), _) => object.container().map(Object::Cgroup).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Names what is not there of what it has to be in, in a state; nothing where nothing is missing.
    fn lacks(&self, state: &State, inventory: &Inventory) -> Option<String> {
        match (self, state) {
            (Object::Tc(object), State::Tc(state)) => object.container(Some(state), inventory).err(),
            (Object::Sysctl(key), _) => {
                let is_there = |name: &str| inventory.contains_key(self) || link::is_there(name, inventory);
                key.link().filter(|name| !is_there(name)).map(|name| format!("link {name}"))
            }
            _ => self.needs(state).into_iter().find(|needed| !inventory.contains_key(needed)).map(|needed| needed.to_string()),
        }
    }

    /// Tells whether others are in it, which go when it goes.
    fn holds_others(&self) -> bool {
        match self {
            Object::Set(_) | Object::Netns(_) => true,
            Object::Cgroup(object) => object.is_owned(),
            Object::Link(object) => object.holds_others(),
            Object::Tc(object) => object.holds_others(),
            _ => false,
        }
    }

    /// Says what has become of it when it is not there and can be made by nobody.
    fn end(&self) -> &'static str {
        match self {
            Object::Cgroup(_) => "it has ended",
            _ => "it is gone, with what it belonged to",
        }
    }

    /// Tells whether it is the first that is changed, and what goes with it has gone by that.
    fn goes_first(&self) -> bool {
        matches!(self, Object::Link(link::Object::Far(far)) if far.moved().is_some())
    }

    /// Tells whether another one can take its place while it is there, and what is in it goes.
    fn gives_way(&self) -> bool {
        matches!(self, Object::Tc(_))
    }

    /// Tells whether links are a part of its name: one that is equal may tell them by other names.
    fn names_links(&self) -> bool {
        match self {
            Object::Link(object) => !matches!(object, link::Object::Route(_) | link::Object::Rule(_)),
            _ => false,
        }
    }

    /// Names what is in it: one, and several.
    fn inside(&self) -> (&'static str, &'static str) {
        match self {
            Object::Set(_) => ("an element", "elements"),
            Object::Cgroup(_) => ("a group", "groups"),
            _ => ("something", "things"),
        }
    }

    /// Completes a state that is asked for with what is known only beside what there is, and refuses one that cannot be.
    fn settle(&self, state: &State, inventory: &Inventory) -> Result<State, Fault> {
        match (self, state) {
            (Object::Tc(object), State::Tc(state)) => tc::settle(object, state, inventory).map(State::Tc),
            (_, state) => Ok(state.clone()),
        }
    }

    /// Tells whether it belongs to the machine, and not to one of its network namespaces.
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Object::Netns(_) | Object::Cgroup(_))
    }

    /// Gives what there is with it from the beginning, and is no change of its own.
    pub fn comes_with(&self, state: &State) -> Vec<(Object, State)> {
        match (self, state) {
            (Object::Link(object), State::Link(state)) => {
                let device = object.device().zip(object.index()).map(|(device, index)| tc::device(device, index));
                object.comes_with(state).into_iter().chain(device).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Says what stands against giving it a state, or against taking it away.
    fn forbids(&self, inventory: &Inventory, wanted: Option<&State>) -> Option<Fault> {
        match (self, wanted) {
            (Object::Cgroup(object), None) => object.may_go(inventory).err(),
            (Object::Link(object), None) => object.forbids(inventory, None),
            (Object::Link(object), Some(State::Link(state))) => object.forbids(inventory, Some(state)),
            _ => None,
        }
    }
}

impl State {
    /// Tells whether another state is the same, as far as somebody has chosen it: what runs on by itself does not count.
    pub fn agrees(&self, other: &State) -> bool {
        match (self, other) {
            (State::Set(one), State::Set(other)) => one.agrees(other),
            (State::Entry(one), State::Entry(other)) => one.agrees(other),
            (State::Netns(one), State::Netns(other)) => one.agrees(other),
            (State::Link(one), State::Link(other)) => one.agrees(other),
            (State::Tc(one), State::Tc(other)) => one.agrees(other),
            (State::Action(one), State::Action(other)) => one.agrees(other),
            _ => self == other,
        }
    }

    /// Gives the state of a control group, or of what is in one, if it is that.
    pub fn of_cgroups(&self) -> Option<&cgroup::State> {
        match self {
            State::Cgroup(state) => Some(state),
            _ => None,
        }
    }

    /// Tells whether what has this state is made anew for another one to follow: what is in it goes.
    fn is_made_anew_for(&self, next: &State) -> bool {
        matches!((self, next), (State::Tc(now), State::Tc(next)) if now.is_made_anew_for(next))
    }

    /// Says what of the state the kernel does not tell, so that it could not come back.
    pub fn lacks(&self) -> Option<&'static str> {
        if let State::Tc(state) = self { state.lacks() } else { None }
    }

    /// Tells whether the kernel may not tell all of it, though it can come back.
    pub fn is_told_in_part(&self) -> bool {
        matches!(self, State::Tc(state) if state.is_told_in_part())
    }

    /// Completes a state that was read with what the kernel does not tell, from what a change is known to have set.
    pub fn recall(&mut self, change: &Change) {
        match (self, &change.after) {
            (State::Tc(state), Some(State::Tc(known))) => {
                state.recall(known, if let Some(State::Tc(before)) = &change.before { Some(before) } else { None });
            }
            (State::Link(state), Some(State::Link(known))) => state.recall(known),
            _ => {}
        }
    }

    /// Learns what the kernel does not tell from a state that somebody asks for, and that agrees.
    fn learn(&mut self, said: &State) {
        if let (State::Tc(state), State::Tc(said)) = (self, said) {
            state.learn(said);
        }
    }

    /// Tells whether something else may be put in its place as if it were not there: what the kernel has learned.
    fn gives_way(&self) -> bool {
        matches!(self, State::Link(link::State::Neighbour(about)) if !about.is_permanent())
    }

    /// Tells whether what has this state goes away by itself.
    fn passes(&self) -> bool {
        match self {
            State::Entry(entry) => entry.timeout.is_some_and(|seconds| seconds > 0),
            State::Link(state) => state.passes(),
            State::Cgroup(state) => matches!(state, cgroup::State::ClassId(_)),
            _ => false,
        }
    }

    /// Tells whether it is only what a killed program has left: whoever makes or takes away the object takes its place.
    pub fn is_half_made(&self) -> bool {
        matches!(self, State::Netns(netns::State::Half))
    }

    /// Forgets what is on a link in another namespace: it may be what a later batch has put there.
    pub fn unburden(&mut self) {
        if let State::Link(link::State::Far(there)) = self {
            there.burden = 0;
        }
    }

    /// Says who uses what has this state, and would lose it.
    pub fn held(&self) -> Option<String> {
        match self {
            State::Netns(state) => state.held(),
            State::Link(link::State::Far(there)) => there.held(),
            _ => None,
        }
    }
}

/// Tells whether two objects are in the same state, or both not there.
pub fn agree(one: Option<&State>, other: Option<&State>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.agrees(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Gives the state of an object; of a pair of sets, which of them is which.
fn state_of(inventory: &Inventory, object: &Object) -> Option<State> {
    let Object::SetPair(one, other) = object else { return inventory.get(object).cloned() };
    let identity = |set: &SetName| match inventory.get(&Object::Set(set.clone())) {
        // The seed of a hash is chosen when the set is made, and goes where the set goes.
        Some(State::Set(definition)) if definition.tuning.initval.is_some() => {
            definition.tuning.initval.map(|seed| format!("{seed:#010x}"))
        }
        Some(_) => Some(contents(inventory, &Object::Set(set.clone())).map(|(object, _)| object.to_string()).collect::<Vec<_>>().join(" ")),
        None => None,
    };
    Some(State::Pair(identity(one)?, identity(other)?))
}

/// Gives what is in an object, and in what is in it, those first that have to go first.
pub fn contents<'a>(inventory: &'a Inventory, container: &'a Object) -> impl Iterator<Item = (&'a Object, &'a State)> {
    let of_tc = if let Object::Tc(object) = container { tc::contents(inventory, object) } else { Vec::new() };
    // What is in one set stands together, and the element of no parts would be the first.
    let first = match container {
        Object::Set(set) => Some(Object::Member(set.clone(), Element([].into()))),
        _ => None,
    };
    let is_member = move |object: &Object| matches!((object, container), (Object::Member(of, _), Object::Set(set)) if of == set);
    let members = first.into_iter().flat_map(|first| inventory.range(first..)).take_while(move |(object, _)| is_member(object));
    let group = if let Object::Cgroup(cgroup::Object::Group(group)) = container { Some(group) } else { None };
    let is_in = |group: &cgroup::Group, (object, state): &(&Object, &State)| match (object, state) {
        (Object::Cgroup(object), State::Cgroup(state)) => object.is_inside(state, group),
        _ => false,
    };
    members.chain(group.into_iter().flat_map(move |group| inventory.iter().filter(move |entry| is_in(group, entry)))).chain(of_tc)
}

/// Gives what goes or changes when an object goes, what stands on others first.
fn going_with(inventory: &Inventory, object: &Object) -> Vec<(Object, Option<State>)> {
    match object {
        Object::Link(object) => {
            let queues = object.device().map(|device| tc::all_on(&device, inventory)).unwrap_or_default();
            queues.into_iter().map(|queue| (queue, None)).chain(link::go_with(object, inventory)).collect()
        }
        Object::Cgroup(cgroup::Object::Group(group)) => {
            let left = |object: &Object| if let Object::Cgroup(object) = object { object.left_by(group).map(State::Cgroup) } else { None };
            contents(inventory, object).map(|(inside, _)| (inside.clone(), left(inside))).collect()
        }
        _ => contents(inventory, object).map(|(inside, _)| (inside.clone(), None)).collect(),
    }
}

/// Gives what the kernel sets or takes away by itself when an object gets another state, also where that is what it was.
fn followers(object: &Object, state: &State, inventory: &Inventory) -> Vec<(Object, Option<State>)> {
    match (object, state) {
        (Object::Link(object), State::Link(state)) => {
            // The queues of a link do not go where it goes.
            let moved = if let link::Object::Far(far) = object {
                far.moved().filter(|_| !inventory.contains_key(&Object::Link(object.clone())))
            } else {
                None
            };
            let queues = moved.map(|dev| tc::all_on(&tc::Device::listed(dev.name.as_str()), inventory)).unwrap_or_default();
            queues.into_iter().map(|queue| (queue, None)).chain(link::follow(object, state, inventory)).collect()
        }
        (Object::Sysctl(key), State::Value(value)) if inventory.get(object) != Some(state) => {
            let made = |(other, _): (&Object, &State)| match other {
                Object::Sysctl(name) => Some((other.clone(), Some(State::Value(key.makes(value, name)?)))),
                _ => None,
            };
            // Where IPv6 is switched off, its addresses go and what stands on them.
            let disabled = key.disables_ipv6_of().filter(|_| key.switches_off(Family::V6, value));
            let lost = disabled.map(|name| link::lost_with_ipv6(&name, inventory)).unwrap_or_default();
            lost.into_iter().chain(inventory.iter().filter_map(made)).collect()
        }
        _ if inventory.get(object).is_some_and(|now| now.is_made_anew_for(state)) => going_with(inventory, object),
        _ => Vec::new(),
    }
}

/// Gives an object a state, or takes it away.
fn give(inventory: &mut Inventory, object: Object, state: Option<State>) {
    match state {
        Some(state) => {
            inventory.extend(object.comes_with(&state).into_iter().filter(|_| !inventory.contains_key(&object)).collect::<Vec<_>>());
            if let (Object::Link(object), State::Link(state)) = (&object, &state) {
                link::parameters::forget(object, Some(state), inventory);
            }
            inventory.insert(object, state);
        }
        None => {
            inventory.remove(&object);
            if let Object::Link(object) = &object {
                link::parameters::forget(object, None, inventory);
            }
        }
    }
}

/// Lets two sets have each other's name.
fn swap(inventory: &mut Inventory, one: &SetName, other: &SetName) {
    let renamed = |object: Object| match object {
        Object::Set(name) if name == *one => Object::Set(other.clone()),
        Object::Set(name) if name == *other => Object::Set(one.clone()),
        Object::Member(name, element) if name == *one => Object::Member(other.clone(), element),
        Object::Member(name, element) if name == *other => Object::Member(one.clone(), element),
        object => object,
    };
    *inventory = std::mem::take(inventory).into_iter().map(|(object, state)| (renamed(object), state)).collect();
}

/// Does changes to what there is.
pub fn apply(inventory: &mut Inventory, changes: &[Change]) {
    for change in changes {
        match (&change.object, &change.after) {
            (Object::SetPair(one, other), _) => swap(inventory, one, other),
            (object, state) => give(inventory, object.clone(), state.clone()),
        }
    }
}

/// Tells whether the kernel makes a change by itself when it makes another one.
pub fn follows(change: &Change, lead: &Change) -> bool {
    match (&change.object, &lead.object, &lead.after) {
        (Object::Sysctl(key), Object::Sysctl(leader), Some(State::Value(value))) => leader.makes(value, key).is_some(),
        (Object::Link(lost), Object::Sysctl(leader), Some(State::Value(value))) => {
            change.after.is_none() && lost.is_of_ipv6() && leader.switches_off(Family::V6, value)
        }
        (Object::Link(link::Object::Link(dev)), _, Some(State::Link(link::State::Link(lead)))) => lead.peer.as_ref() == Some(dev),
        (Object::Link(link::Object::Far(far)), Object::Link(link::Object::Link(dev)), Some(_)) => far.end_of() == Some(dev),
        _ => false,
    }
}
