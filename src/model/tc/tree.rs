//! What is in what: classes in a qdisc, qdiscs in a class.

use std::collections::HashMap;

use super::{Device, Handle, Kind, Object, Qdisc, State, filter};
use crate::model::change;
use crate::model::named::Inventory;

type Entry<'a> = (&'a change::Object, &'a change::State);

/// Gives all of one device but itself: filters first, which lead to classes, and of those the tables last, to which others lead.
fn on<'a>(device: &'a Device, inventory: &'a Inventory) -> impl Iterator<Item = (&'a Object, &'a State, Entry<'a>)> {
    let rows = [Object::Qdisc(device.clone(), Handle::NONE), Object::Class(device.clone(), Handle::NONE)];
    filters(device, inventory).rev().chain(rows.into_iter().flat_map(move |first| row(first, inventory)))
}

/// Gives what is of one kind on one device, from an object on: it stands together.
fn row<'a>(first: Object, inventory: &'a Inventory) -> impl Iterator<Item = (&'a Object, &'a State, Entry<'a>)> {
    let parts = |entry: Entry<'a>| match entry {
        (change::Object::Tc(object), change::State::Tc(state)) => Some((object, state, entry)),
        _ => None,
    };
    let (kind, device) = (std::mem::discriminant(&first), first.device().clone());
    let is_in = move |object: &Object| std::mem::discriminant(object) == kind && *object.device() == device;
    inventory.range(change::Object::Tc(first)..).map_while(parts).take_while(move |(object, ..)| is_in(object))
}

/// Gives the filters of a device.
fn filters<'a>(device: &'a Device, inventory: &'a Inventory) -> impl DoubleEndedIterator<Item = (&'a Object, &'a State, Entry<'a>)> {
    let first = Object::Filter(device.clone(), filter::Key::FIRST);
    let last = Object::Filter(device.clone(), filter::Key::LAST);
    inventory.range(change::Object::Tc(first)..=change::Object::Tc(last)).filter_map(|entry| match entry {
        (change::Object::Tc(object), change::State::Tc(state)) => Some((object, state, entry)),
        _ => None,
    })
}

/// Gives the handle of the class or of the qdisc in which an object is said to be; nothing where it is on the device itself.
fn parent(object: &Object, state: Option<&State>) -> Option<Handle> {
    match (object, state) {
        (Object::Device(_) | Object::Qdisc(_, Handle::ROOT | Handle::INGRESS), _) => None,
        (Object::Class(..), Some(State::Class(class))) => Some(class.parent),
        (Object::Class(_, class), _) => Some(class.qdisc()),
        (Object::Qdisc(_, parent), _) => Some(*parent),
        (Object::Filter(_, key), _) => Some(key.parent),
    }
}

/// Finds the qdisc of a device that has a handle, and its place.
pub(super) fn qdisc_of<'a>(device: &'a Device, handle: Handle, inventory: &'a Inventory) -> Option<(&'a Object, &'a Qdisc)> {
    row(Object::Qdisc(device.clone(), Handle::NONE), inventory).find_map(|(object, state, _)| match state {
        State::Qdisc(qdisc) if qdisc.handle == handle.qdisc() => Some((object, &**qdisc)),
        _ => None,
    })
}

/// Finds the class or the qdisc that has a handle, of a qdisc of a kind where that is known, or says which is not there.
fn with_handle(device: &Device, handle: Handle, kind: Option<&Kind>, inventory: &Inventory) -> Result<Object, String> {
    let class = Object::Class(device.clone(), handle);
    let qdisc = qdisc_of(device, handle, inventory);
    // Who takes a qdisc away may give its handle to another one.
    if let (Some(kind), Some((_, found))) = (kind, qdisc)
        && found.kind != *kind
    {
        return Err(format!("qdisc {} of kind {kind} on {device}", handle.qdisc()));
    }
    if handle.minor() != 0 && inventory.contains_key(&change::Object::Tc(class.clone())) {
        return Ok(class);
    }
    match qdisc {
        None => Err(format!("qdisc {} on {device}", handle.qdisc())),
        Some((_, qdisc)) if handle.minor() != 0 && qdisc.kind.has_classes() => Err(format!("class {handle} on {device}")),
        // Classes that come and go with their qdisc are no objects of their own.
        Some((object, _)) => Ok(object.clone()),
    }
}

/// Gives what an object is in, or says what is not there that it would have to be in.
pub(super) fn container(object: &Object, state: Option<&State>, inventory: &Inventory) -> Result<Option<Object>, String> {
    let with_handle = |device, handle| with_handle(device, handle, state.and_then(State::within), inventory);
    let device = match (object, parent(object, state)) {
        (Object::Device(_), _) => return Ok(None),
        (Object::Filter(device, key), Some(parent)) => {
            with_handle(device, parent)?;
            let Some(table) = key.table(state) else { return with_handle(device, parent).map(Some) };
            // A table may be of another priority.
            let is_it = |object: &Object| matches!(object, Object::Filter(_, other) if other.holds(key));
            let found = filters(device, inventory).find(|(object, ..)| is_it(object)).map(|(object, ..)| object.clone());
            return found.map(Some).ok_or_else(|| format!("{table} of {device}"));
        }
        (_, Some(handle)) => return with_handle(object.device(), handle).map(Some),
        (_, None) => Object::Device(object.device().clone()),
    };
    let index = match inventory.get(&change::Object::Tc(device.clone())) {
        Some(change::State::Tc(state)) => state.link(),
        _ => return Err(device.to_string()),
    };
    match (index, state.and_then(State::link)) {
        (Some(now), Some(then)) if now != then => Err(format!("{device} with the index {then}: another one has its name")),
        _ => Ok(Some(device)),
    }
}

/// Finds the kind of the qdisc in which an object is.
pub(super) fn kind_around(object: &Object, inventory: &Inventory) -> Option<Kind> {
    let handle = parent(object, None)?;
    qdisc_of(object.device(), handle, inventory).map(|(_, qdisc)| qdisc.kind.clone())
}

/// Tells what was read in what kind of qdisc it is.
pub fn tell_what_they_are_in(inventory: &mut Inventory) {
    let of = |entry: (&change::Object, &change::State)| match entry {
        (change::Object::Tc(object), change::State::Tc(State::Qdisc(qdisc))) => {
            Some(((object.device().clone(), qdisc.handle), qdisc.kind.clone()))
        }
        _ => None,
    };
    let kinds: HashMap<(Device, Handle), Kind> = inventory.iter().filter_map(of).collect();
    for (object, state) in inventory.iter_mut() {
        let (change::Object::Tc(object), change::State::Tc(state)) = (object, state) else { continue };
        let Some(parent) = parent(object, Some(state)) else { continue };
        let within = kinds.get(&(object.device().clone(), parent.qdisc())).cloned();
        match state {
            State::Qdisc(qdisc) => qdisc.within = within,
            State::Filter(filter) => filter.within = within,
            State::Class(_) | State::Link(_) => {}
        }
    }
}

/// Gives all that is on a device, those first that have to go first.
pub fn all_on(device: &Device, inventory: &Inventory) -> Vec<change::Object> {
    let places: Vec<Object> = on(device, inventory)
        .filter(|(object, state, _)| parent(object, Some(state)).is_none())
        .map(|(object, ..)| object.clone())
        .collect();
    let mut found = Vec::new();
    for place in places {
        found.extend(contents(inventory, &place).into_iter().map(|(object, _)| object.clone()));
        found.push(change::Object::Tc(place));
    }
    found
}

/// Gives what is in an object, those first that have to go first.
pub fn contents<'a>(inventory: &'a Inventory, container: &'a Object) -> Vec<Entry<'a>> {
    if let Object::Filter(device, table) = container {
        let is_in = |object: &Object| matches!(object, Object::Filter(_, key) if table.holds(key));
        return filters(device, inventory).rev().filter(|(object, ..)| is_in(object)).map(|(.., entry)| entry).collect();
    }
    // Most classes have nothing in them, and that is soon seen.
    let of = match (container, inventory.get(&change::Object::Tc(container.clone()))) {
        (Object::Class(_, class), _) => *class,
        (Object::Qdisc(..), Some(change::State::Tc(State::Qdisc(qdisc)))) => qdisc.handle,
        _ => return Vec::new(),
    };
    let is_inside = |parent: Handle| parent == of || of.minor() == 0 && parent.qdisc() == of;
    if !on(container.device(), inventory).any(|(object, state, _)| parent(object, Some(state)).is_some_and(is_inside)) {
        return Vec::new();
    }
    let mut inside: HashMap<Handle, Vec<(&Object, &State, Entry<'a>)>> = HashMap::new();
    let (mut found, mut handle) = (Vec::new(), None);
    for (object, state, entry) in on(container.device(), inventory) {
        if let Some(parent) = parent(object, Some(state)) {
            inside.entry(class_or_qdisc(container.device(), parent, inventory)).or_default().push((object, state, entry));
        }
        if object == container {
            handle = handle_of(object, state);
        }
    }
    if let Some(handle) = handle {
        gather(handle, &mut inside, &mut found);
    }
    found
}

/// Gives a handle of a class that somebody made as it is, of another class that of its qdisc.
fn class_or_qdisc(device: &Device, handle: Handle, inventory: &Inventory) -> Handle {
    let is_class = || inventory.contains_key(&change::Object::Tc(Object::Class(device.clone(), handle)));
    if handle.minor() != 0 && is_class() { handle } else { handle.qdisc() }
}

fn gather<'a>(handle: Handle, inside: &mut HashMap<Handle, Vec<(&'a Object, &'a State, Entry<'a>)>>, found: &mut Vec<Entry<'a>>) {
    // What was gathered is not gathered again, also where somebody goes round in a circle.
    for (object, state, entry) in inside.remove(&handle).unwrap_or_default() {
        if let Some(handle) = handle_of(object, state) {
            gather(handle, inside, found);
        }
        found.push(entry);
    }
}

/// Gives the handle under which others can be in an object.
fn handle_of(object: &Object, state: &State) -> Option<Handle> {
    match (object, state) {
        (_, State::Qdisc(qdisc)) => Some(qdisc.handle),
        (Object::Class(_, class), _) => Some(*class),
        _ => None,
    }
}

/// Tells whether an object is on what an earlier change made: in its qdisc, or in its class.
pub fn is_on(later: (&Object, Option<&State>), earlier: &Object, made: &State) -> bool {
    let (object, state) = later;
    if let (Object::Filter(device, key), Some(State::Filter(filter))) = later
        && device == earlier.device()
        && filter.leads_to(key, earlier)
    {
        return true;
    }
    let (Some(parent), true) = (parent(object, state), object.device() == earlier.device() && object != earlier) else { return false };
    match (earlier, made) {
        (_, State::Qdisc(qdisc)) => parent.qdisc() == qdisc.handle,
        (Object::Class(_, class), _) => parent == *class,
        _ => false,
    }
}
