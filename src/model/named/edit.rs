//! What can be asked of a named object.

use std::collections::HashSet;

use super::{Inventory, Scope, contents, followers, give, going_with, swap};
use crate::model::change::{Object, State};
use crate::model::ipset::SetName;
use crate::model::{Fault, Kind, Origin, link};

/// What can be done to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Makes an object that is not there.
    Add(Object, State),
    /// Gives an object that is there another state.
    Set(Object, State),
    /// Gives an object a state, whether it is there or not.
    Ensure(Object, State),
    /// Takes away an object that is there, with what is in it.
    Del(Object),
    /// Takes away an object, if it is there, with what is in it.
    Absent(Object),
    /// Takes out what is in an object, but for these.
    Keep(Object, Vec<Object>),
    /// Lets two sets have each other's name, at once for all rules that ask them.
    Swap(SetName, SetName),
}

impl Edit {
    /// Gives the object.
    pub fn object(&self) -> Object {
        match self {
            Edit::Add(object, _) | Edit::Set(object, _) | Edit::Ensure(object, _) => object.clone(),
            Edit::Del(object) | Edit::Absent(object) | Edit::Keep(object, _) => object.clone(),
            Edit::Swap(one, other) => Object::SetPair(one.clone(), other.clone()),
        }
    }

    /// Gives what has to be read in order to do it.
    pub fn scopes(&self) -> Vec<Scope> {
        match self.of_links() {
            Some((object, Some(state))) => object.scopes_to_get(state),
            _ => self.object().scopes(),
        }
    }

    /// Gives what has to be read besides, in order to know what is lost by it.
    pub fn scopes_of_what_is_lost(&self, inventory: &Inventory) -> Vec<Scope> {
        self.of_links().map_or_else(Vec::new, |(object, state)| link::scopes_of_what_is_lost(object, state, inventory))
    }

    /// Tells whether earlier edits have to be written before this one: what is taken away with all that is in it and made anew is two changes, and
    /// after a swap the names mean something else. So a swap is always the last of its batch.
    pub fn needs_a_batch(&self, earlier: &[(Edit, Origin)], wanted: &Inventory) -> bool {
        let swapped = |edit: &Edit| matches!(edit, Edit::Swap(..));
        let makes_anew = match self {
            // What gives way is made anew in one change.
            Edit::Add(object, _) | Edit::Ensure(object, _)
                if object.holds_others() && !object.gives_way() && !wanted.contains_key(object) =>
            {
                earlier.iter().any(|(edit, _)| edit.object() == *object)
            }
            // What is kept aside when it is taken away has to be there before.
            Edit::Del(object) | Edit::Absent(object) if matches!(object, Object::Netns(_)) => {
                earlier.iter().any(|(edit, _)| edit.object() == *object)
            }
            _ => false,
        };
        // Parameters that are lost with a link are known by its name only.
        let is_new = |(object, state): (_, Option<_>)| state.is_some_and(|state| link::parameters::are_new(object, state));
        let are_lost = |edit: &Edit| edit.of_links().is_some_and(|(object, state)| link::parameters::are_lost(object, state));
        let has_them_anew = self.of_links().is_some_and(is_new) && earlier.iter().any(|(edit, _)| are_lost(edit));
        // What belongs to the machine is written where the run is at home.
        let elsewhere = |other: &Edit| other.object().is_of_the_machine() != self.object().is_of_the_machine();
        // What moves takes along all that is on it: nothing else is done in between.
        let moves = |edit: &Edit| edit.object().goes_first();
        makes_anew
            || has_them_anew
            || earlier.last().is_some_and(|(last, _)| elsewhere(last))
            || earlier.last().is_some_and(|(last, _)| swapped(self) || swapped(last) || moves(self) != moves(last))
    }

    /// Gives what it makes of a link, or of what is on one; no state where that is to go.
    fn of_links(&self) -> Option<(&link::Object, Option<&link::State>)> {
        match self {
            Edit::Add(Object::Link(object), State::Link(state))
            | Edit::Set(Object::Link(object), State::Link(state))
            | Edit::Ensure(Object::Link(object), State::Link(state)) => Some((object, Some(state))),
            Edit::Del(Object::Link(object)) | Edit::Absent(Object::Link(object)) => Some((object, None)),
            _ => None,
        }
    }

    /// Tells whether it may make anew what another edit has made go with something else.
    pub fn may_follow_others_that_went(&self) -> bool {
        self.object().gives_way()
    }

    /// Does it to what there is, and gives the objects that it may change, those first that have to be changed first. What the kernel changes by
    /// itself is among them.
    pub fn apply(&self, inventory: &mut Inventory) -> Result<Vec<Object>, Fault> {
        if let Some(fault) = self.forbidden(inventory) {
            return Err(fault);
        }
        match self {
            Edit::Add(object, _) if inventory.get(object).is_some_and(|now| !now.is_half_made() && !now.gives_way()) => {
                Err(Fault::new(Kind::Exists, format!("make the {object}"), "it is there already").hint("`ensure` does not mind"))
            }
            Edit::Set(object, _) if !inventory.contains_key(object) => Err(missing(format!("set the {object}"))),
            Edit::Ensure(object, _) if !object.can_be_made() && !inventory.contains_key(object) => {
                Err(missing(format!("set the {object}")))
            }
            Edit::Del(object) if !inventory.contains_key(object) => {
                Err(missing(format!("take away the {object}")).hint("`absent` does not mind"))
            }
            Edit::Add(object, state) | Edit::Set(object, state) | Edit::Ensure(object, state) => put(inventory, object, state),
            Edit::Del(object) | Edit::Absent(object) => Ok(take(inventory, object)),
            Edit::Keep(object, kept) => {
                let kept: HashSet<&Object> = kept.iter().collect();
                let gone: Vec<Object> =
                    contents(inventory, object).map(|(inside, _)| inside.clone()).filter(|inside| !kept.contains(inside)).collect();
                gone.iter().for_each(|inside| drop(inventory.remove(inside)));
                Ok(gone)
            }
            Edit::Swap(one, other) => {
                let kinds = [one, other].map(|set| inventory.get(&Object::Set(set.clone())));
                match kinds {
                    [Some(State::Set(a)), Some(State::Set(b))] if a.kind == b.kind && a.family == b.family => {}
                    [Some(State::Set(a)), Some(State::Set(b))] => {
                        let why = format!("one is {}, the other {}", a.kind, b.kind);
                        return Err(Fault::new(Kind::Refused, format!("swap the sets {one} and {other}"), why));
                    }
                    _ => return Err(missing(format!("swap the sets {one} and {other}"))),
                }
                swap(inventory, one, other);
                Ok(vec![self.object()])
            }
        }
    }
}

impl Edit {
    /// Says what stands against it, beyond that the object is there or not.
    fn forbidden(&self, inventory: &Inventory) -> Option<Fault> {
        match self {
            Edit::Add(object, state) if !inventory.contains_key(object) => object.forbids(inventory, Some(state)),
            Edit::Set(object, state) | Edit::Ensure(object, state) => object.forbids(inventory, Some(state)),
            Edit::Del(object) | Edit::Absent(object) => object.forbids(inventory, None),
            Edit::Add(..) | Edit::Keep(..) | Edit::Swap(..) => None,
        }
    }
}

fn missing(tried: String) -> Fault {
    Fault::new(Kind::NotFound, tried, "there is no such thing")
}

fn put(inventory: &mut Inventory, object: &Object, state: &State) -> Result<Vec<Object>, Fault> {
    let state = &object.settle(state, inventory)?;
    if let Some(lacking) = object.lacks(state, inventory) {
        return Err(Fault::new(Kind::NotFound, format!("put in the {object}"), format!("there is no {lacking}")));
    }
    let rival = rival(inventory, object);
    if let Some(now) = inventory.get_mut(object).filter(|now| now.agrees(state)) {
        now.learn(state);
        return Ok(vec![object.clone()]);
    }
    let now = inventory.get(object);
    if object.holds_others()
        && !object.gives_way()
        && let Some(now) = now.filter(|now| !now.is_half_made())
    {
        let why = format!("it is there, and is another one: {}", super::Told(now));
        return Err(Fault::new(Kind::Exists, format!("make the {object}"), why).hint("take it away first, or give this one another name"));
    }
    let stands_first = |(follower, state): &(Object, Option<State>)| state.is_none() || follower.stands_on_others();
    let (gone, followers): (Vec<_>, Vec<_>) = followers(object, state, inventory).into_iter().partition(stands_first);
    let rivals = rival.into_iter().map(|rival| (rival, None));
    let own = [(object.clone(), Some(state.clone()))];
    let (first, then) = if object.goes_first() { (own.to_vec(), gone) } else { (gone, own.to_vec()) };
    Ok(done(inventory, rivals.chain(first).chain(then).chain(followers).collect()))
}

/// Does what becomes of objects, and gives these.
fn done(inventory: &mut Inventory, fates: Vec<(Object, Option<State>)>) -> Vec<Object> {
    let done = |(object, state): (Object, Option<State>)| {
        give(inventory, object.clone(), state);
        object
    };
    fates.into_iter().map(done).collect()
}

/// Finds the element that has to go for another one to come: a bitmap has one place for each address, whatever the MAC address.
fn rival(inventory: &Inventory, object: &Object) -> Option<Object> {
    let Object::Member(set, element) = object else { return None };
    let Some(State::Set(definition)) = inventory.get(&Object::Set(set.clone())) else { return None };
    if definition.kind.name() != "bitmap:ip,mac" {
        return None;
    }
    let is_rival = |other: &&Object| matches!(other, Object::Member(_, other) if other.0.first() == element.0.first() && other != element);
    contents(inventory, &Object::Set(set.clone())).map(|(other, _)| other).find(is_rival).cloned()
}

fn take(inventory: &mut Inventory, object: &Object) -> Vec<Object> {
    let fates = going_with(inventory, object).into_iter().chain([(object.clone(), None)]).collect();
    done(inventory, fates)
}
