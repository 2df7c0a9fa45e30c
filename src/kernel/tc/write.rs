//! From changes to orders: what has to be said, and what the kernel does by itself.

use std::collections::{HashMap, HashSet};

use nix::net::if_::if_nametoindex;

use super::filter::{Last, Roots};
use crate::kernel::named::Refusal;
use crate::kernel::netlink::tc::{Deed, Head, Noun, Order};
use crate::model::tc::{Device, Filter, Handle, Object, State};
use crate::model::{self, Change, Fault};

/// Gives the orders that make changes, each with the number of its change.
pub(super) fn orders(changes: &[Change], roots: &HashMap<Device, Roots>) -> Result<Vec<(usize, Order)>, Refusal> {
    let (gone, mut last) = (Gone::of(changes), Last::of(changes, roots));
    let (mut orders, mut links): (_, Vec<(Device, u32)>) = (Vec::new(), Vec::new());
    for (at, change) in changes.iter().enumerate() {
        let Some((object, before, after)) = parts(change) else { continue };
        if change.is_claim() {
            continue;
        }
        let link = match links.iter().find(|(device, _)| device == object.device()) {
            Some((_, link)) => *link,
            None => {
                let link = if_nametoindex(object.device().as_str()).unwrap_or(0);
                links.push((object.device().clone(), link));
                link
            }
        };
        let asked = after.or(before).and_then(State::link).unwrap_or(link);
        if link == 0 || asked != link {
            return Err(Refusal { fault: another(object, link), at });
        }
        match object {
            Object::Filter(device, key) => {
                let before = before.filter(|_| !gone.takes(object));
                if after.is_some() || before.is_some() {
                    let none = Roots::default();
                    let states = (before.and_then(filter_of), after.and_then(filter_of));
                    let made = super::filter::orders((device, key), states, link, (roots.get(device).unwrap_or(&none), &mut last));
                    orders.extend(made.map_err(|fault| Refusal { fault, at })?.into_iter().map(|order| (at, order)));
                }
            }
            _ => {
                let made = write(object, (before, after), link, &gone);
                orders.extend(made.map_err(|fault| Refusal { fault, at })?.into_iter().map(|order| (at, order)));
            }
        }
    }
    for (at, order) in super::filter::emptied(changes, roots, &|object| gone.takes(object)) {
        let behind = orders.iter().rposition(|(other, _)| *other <= at).map_or(0, |last| last + 1);
        orders.insert(behind, (at, order));
    }
    Ok(orders)
}

fn parts(change: &Change) -> Option<(&Object, Option<&State>, Option<&State>)> {
    let state = |state: &'_ Option<model::State>| matches!(state, None | Some(model::State::Tc(_)));
    match &change.object {
        model::Object::Tc(object) if state(&change.before) && state(&change.after) => {
            Some((object, of(change.before.as_ref()), of(change.after.as_ref())))
        }
        _ => None,
    }
}

fn of(state: Option<&model::State>) -> Option<&State> {
    if let Some(model::State::Tc(state)) = state { Some(state) } else { None }
}

fn filter_of(state: &State) -> Option<&Filter> {
    if let State::Filter(filter) = state { Some(filter) } else { None }
}

fn another(object: &Object, link: u32) -> Fault {
    let device = object.device();
    let why = if link == 0 { format!("there is no device {device}") } else { format!("another device has the name {device} by now") };
    Fault::new(model::Kind::NotFound, format!("set the {object}"), why)
}

/// The qdiscs, by device and handle, that the kernel takes away with all that is in them.
struct Gone<'a>(HashSet<(&'a Device, Handle)>);

impl<'a> Gone<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let gone = |change: &'a Change| match parts(change)? {
            (Object::Qdisc(device, _), Some(before @ State::Qdisc(qdisc)), after)
                if after.is_none_or(|after| before.is_made_anew_for(after)) =>
            {
                Some((device, qdisc.handle))
            }
            _ => None,
        };
        Self(changes.iter().filter_map(gone).collect())
    }

    /// Tells whether an object goes with the qdisc that it is in.
    fn takes(&self, object: &Object) -> bool {
        match object {
            Object::Device(_) | Object::Qdisc(_, Handle::ROOT | Handle::INGRESS) => false,
            Object::Qdisc(device, of) | Object::Class(device, of) => self.0.contains(&(device, of.qdisc())),
            Object::Filter(device, key) => self.0.contains(&(device, key.parent.qdisc())),
        }
    }
}

fn write(object: &Object, (before, after): (Option<&State>, Option<&State>), link: u32, gone: &Gone<'_>) -> Result<Vec<Order>, Fault> {
    Ok(match (object, before, after) {
        (object, Some(_), None) if gone.takes(object) => Vec::new(),
        (Object::Qdisc(_, place), Some(State::Qdisc(qdisc)), None) => {
            vec![Order::del(Noun::Qdisc, Head { link, handle: qdisc.handle, parent: *place, info: 0 })]
        }
        (Object::Class(_, class), Some(_), None) => vec![Order::del(Noun::Class, Head { link, handle: *class, ..Head::default() })],
        (Object::Qdisc(_, place), before, Some(State::Qdisc(qdisc))) => {
            let now = if let (Some(State::Qdisc(now)), false) = (before, gone.takes(object)) { Some(&**now) } else { None };
            let mut qdisc = qdisc.clone();
            qdisc.link = link;
            match now {
                None => vec![Order::qdisc(Deed::Add, *place, &qdisc, None)?],
                Some(now) if now.becomes(&qdisc) => vec![Order::qdisc(Deed::Change, *place, &qdisc, Some(now))?],
                // A place is handed over at once, but not to one of the same handle, and that of ingress is never handed over.
                Some(now) if now.handle != qdisc.handle => vec![Order::qdisc(Deed::Replace, *place, &qdisc, None)?],
                Some(now) => {
                    let del = Order::del(Noun::Qdisc, Head { link, handle: now.handle, parent: *place, info: 0 });
                    vec![del, Order::qdisc(Deed::Add, *place, &qdisc, None)?]
                }
            }
        }
        (Object::Class(_, handle), before, Some(State::Class(class))) => {
            let deed = if before.is_some() && !gone.takes(object) { Deed::Change } else { Deed::Add };
            let mut class = class.clone();
            class.link = link;
            vec![Order::class(deed, *handle, &class)?]
        }
        _ => Vec::new(),
    })
}
