//! What is asked for, completed with what only the others beside it tell.

use super::tree::{container, kind_around, qdisc_of};
use super::{Device, Filter, Handle, Object, Qdisc, State};
use crate::model::named::Inventory;
use crate::model::{Fault, Kind, change};

/// Completes what is asked for with what is known only beside the others, and refuses what cannot be.
pub(super) fn settle(object: &Object, state: &State, inventory: &Inventory) -> Result<State, Fault> {
    let tried = || format!("set the {object}");
    let link = match inventory.get(&change::Object::Tc(Object::Device(object.device().clone()))) {
        Some(change::State::Tc(State::Link(link))) => *link,
        _ => return Err(Fault::new(Kind::NotFound, tried(), format!("there is no device {}", object.device()))),
    };
    let settled = match (object, state) {
        (Object::Qdisc(device, place), State::Qdisc(asked)) => {
            let now = match inventory.get(&change::Object::Tc(object.clone())) {
                Some(change::State::Tc(State::Qdisc(now))) => Some(&**now),
                _ => None,
            };
            let handle = handle(device, *place, asked, now, inventory).map_err(|why| Fault::input(tried(), why))?;
            State::Qdisc(Box::new(Qdisc { link, handle, within: kind_around(object, inventory), ..(**asked).clone() }))
        }
        (Object::Class(_, class), State::Class(asked)) => {
            let mut settled = asked.clone();
            settled.link = link;
            if asked.parent == Handle::ROOT {
                settled.parent = class.qdisc();
            }
            State::Class(settled)
        }
        (Object::Filter(..), State::Filter(asked)) => {
            State::Filter(Box::new(Filter { link, within: kind_around(object, inventory), ..(**asked).clone() }))
        }
        (_, state) => state.clone(),
    };
    of_one_kind(object, &settled, inventory).map_err(|why| Fault::input(tried(), why))?;
    in_no_circle(object, &settled, inventory).map_err(|why| Fault::input(tried(), why))?;
    match container(object, Some(&settled), inventory) {
        Ok(_) => Ok(settled),
        Err(lacking) => Err(Fault::new(Kind::NotFound, tried(), format!("there is no {lacking}"))),
    }
}

/// Finds the handle of a qdisc: the one that was asked for, that of the qdisc which is changed, or a free one as the kernel would choose it.
fn handle(device: &Device, place: Handle, asked: &Qdisc, now: Option<&Qdisc>, inventory: &Inventory) -> Result<Handle, String> {
    if asked.handle == Handle::NONE {
        let same = now.filter(|now| now.kind == asked.kind).map(|now| now.handle);
        let is_free = |major: &u16| qdisc_of(device, Handle::new(*major, 0), inventory).is_none();
        let free = || (Handle::FIRST_FREE..0xffff).find(is_free).map(|major| Handle::new(major, 0));
        return same.or_else(free).ok_or_else(|| format!("all handles of {device} are taken"));
    }
    match qdisc_of(device, asked.handle, inventory) {
        Some((other, _)) if *other != Object::Qdisc(device.clone(), place) => {
            Err(format!("the {other} has the handle {} already", asked.handle))
        }
        _ if place.qdisc() == asked.handle && place != Handle::ROOT && place != Handle::INGRESS => {
            Err(format!("a qdisc in its own class {place} would be a circle"))
        }
        _ => Ok(asked.handle),
    }
}

/// Refuses a class in a qdisc of another kind.
fn of_one_kind(object: &Object, state: &State, inventory: &Inventory) -> Result<(), String> {
    let (Object::Class(device, class), State::Class(asked)) = (object, state) else { return Ok(()) };
    match qdisc_of(device, *class, inventory) {
        Some((_, qdisc)) if qdisc.kind != asked.kind => Err(format!("the qdisc {} is of another kind: {}", class.qdisc(), qdisc.kind)),
        _ => Ok(()),
    }
}

/// Refuses a class that would be in itself, or in a class that is in it.
fn in_no_circle(object: &Object, state: &State, inventory: &Inventory) -> Result<(), String> {
    let (Object::Class(device, class), State::Class(asked)) = (object, state) else { return Ok(()) };
    if class.qdisc() != asked.parent.qdisc() {
        return Err(format!("its parent {} is in another qdisc", asked.parent));
    }
    let mut parent = asked.parent;
    while parent.minor() != 0 {
        if parent == *class {
            return Err(format!("a class in itself, by way of {}, would be a circle", asked.parent));
        }
        parent = match inventory.get(&change::Object::Tc(Object::Class(device.clone(), parent))) {
            Some(change::State::Tc(State::Class(above))) => above.parent,
            _ => break,
        };
    }
    Ok(())
}
