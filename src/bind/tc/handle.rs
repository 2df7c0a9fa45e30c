//! What a script holds of a device: its name. What is on it, the door knows.

use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::given;
use crate::bind::call::{self, Answer};
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::tc::command::{OfClass, OfQdisc, Place, Verb};
use crate::model::tc::{self, Class, Handle, Netem, Object, Qdisc, State};
use crate::model::{self, Fault, Inventory, Kind};
use crate::transaction::{Query, Reading};

/// A device, with what queues on it.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) name: tc::Device,
}

impl Device {
    /// Points at a device, which may be there or not.
    pub(super) fn named(ctx: &NativeCallContext, name: &str) -> Answer<Self> {
        Ok(Self { name: name.parse().map_err(|f| call::fault(ctx, f))? })
    }

    /// Gives all that is on the device, in the order of its objects.
    pub(super) fn all(&self, ctx: &NativeCallContext) -> Answer<Vec<(Object, State)>> {
        let found: Vec<_> = objects(read(ctx, Scope::Tc(tc::Scope::Device(self.name.clone())))?).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let devices = objects(read(ctx, Scope::Tc(tc::Scope::Devices))?).map(|(device, _)| device.device().to_string()).collect::<Vec<_>>();
        let fault = Fault::new(Kind::NotFound, format!("use the device {}", self.name), "there is no such device");
        let hint = did_you_mean(self.name.as_str(), devices.iter().map(String::as_str));
        Err(call::fault(ctx, hint.into_iter().fold(fault, Fault::hint)))
    }

    /// Reads a place as a script writes it: `root`, `ingress`, or a class.
    pub(super) fn place(ctx: &NativeCallContext, text: &str) -> Answer<Handle> {
        match text {
            "ingress" | "clsact" => Ok(Handle::INGRESS),
            text => {
                let place = Handle::of_class(text).map_err(|f| call::fault(ctx, f))?;
                match place {
                    Handle::NONE => {
                        Err(call::fault(ctx, Fault::input("use \"none\" as the place of a qdisc", "root, ingress, or a class: 1:10")))
                    }
                    place => Ok(place),
                }
            }
        }
    }

    /// Gives the qdisc at a place.
    pub(super) fn find(&self, ctx: &NativeCallContext, place: Handle) -> Answer<Option<Qdisc>> {
        let wanted = Object::Qdisc(self.name.clone(), place);
        Ok(self.all(ctx)?.into_iter().find_map(|(object, state)| match state {
            State::Qdisc(qdisc) if object == wanted => Some(*qdisc),
            _ => None,
        }))
    }

    /// Gives a class.
    pub(super) fn find_class(&self, ctx: &NativeCallContext, class: Handle) -> Answer<Option<Class>> {
        let wanted = Object::Class(self.name.clone(), class);
        Ok(self.all(ctx)?.into_iter().find_map(|(object, state)| match state {
            State::Class(class) if object == wanted => Some(*class),
            _ => None,
        }))
    }

    /// Reads what was given as a qdisc for a place, as a command of tc(8) would have it.
    pub(super) fn qdisc(&self, ctx: &NativeCallContext, verb: &str, place: &str, given: &Dynamic) -> Answer<OfQdisc> {
        let place = match Self::place(ctx, place)? {
            Handle::ROOT => "root ".to_owned(),
            Handle::INGRESS => String::new(),
            class => format!("parent {class} "),
        };
        let words = given::words(ctx, given)?;
        OfQdisc::read(&format!("{verb} dev {} {place}{words}", self.name)).map_err(|f| call::fault(ctx, f))
    }

    /// Reads what was given as a class, as a command of tc(8) would have it.
    pub(super) fn class(&self, ctx: &NativeCallContext, verb: &str, class: &str, given: &Dynamic) -> Answer<OfClass> {
        let words = given::words(ctx, given)?;
        let parent =
            given.read_lock::<Map>().and_then(|map| map.get("parent").map(|parent| format!("parent {parent} "))).unwrap_or_default();
        OfClass::read(&format!("{verb} dev {} classid {class} {parent}{words}", self.name)).map_err(|f| call::fault(ctx, f))
    }
}

fn objects(found: Inventory) -> impl Iterator<Item = (Object, State)> {
    found.into_iter().filter_map(|pair| match pair {
        (model::Object::Tc(object), model::State::Tc(state)) => Some((object, state)),
        _ => None,
    })
}

/// Gives the names of the devices.
pub(super) fn devices(ctx: &NativeCallContext) -> Answer<Vec<tc::Device>> {
    Ok(objects(read(ctx, Scope::Tc(tc::Scope::Devices))?).map(|(object, _)| object.device().clone()).collect())
}

/// Reads what there is.
pub(super) fn read(ctx: &NativeCallContext, scope: Scope) -> Answer<Inventory> {
    match call::door(ctx)?.read(Query::Named(scope)).map_err(|f| call::fault(ctx, f))? {
        Reading::Named(found) => Ok(found),
        _ => Ok(Inventory::new()),
    }
}

/// Turns a command into an edit.
pub(super) fn of_qdisc(ctx: &NativeCallContext, command: OfQdisc) -> Answer<Edit> {
    let device = Device { name: command.device.clone() };
    let place = match command.place {
        Place::At(place) => place,
        Place::With(handle) => device.with_handle(ctx, handle)?,
    };
    if let Some(qdisc) = &command.qdisc {
        // What is not there, a distribution or the kind itself, is said before anything is touched, in a plan, too.
        for name in qdisc.options.netem().into_iter().flat_map(Netem::distributions) {
            read(ctx, Scope::Tc(tc::Scope::Distribution(name.into())))?;
        }
        read(ctx, Scope::Tc(tc::Scope::Kind(qdisc.kind.clone())))?;
    }
    let object = model::Object::Tc(Object::Qdisc(command.device.clone(), place));
    let (verb, handle) = (command.verb, command.handle);
    let Some(mut qdisc) = command.qdisc.filter(|_| verb != Verb::Del) else {
        if handle != Handle::NONE
            && let Some(now) = device.find(ctx, place)?.filter(|now| now.handle != handle)
        {
            let why = format!("the qdisc there has the handle {}", now.handle);
            return Err(call::fault(ctx, Fault::new(Kind::NotFound, format!("take away the qdisc {handle} of {}", command.device), why)));
        }
        device.is_there(ctx)?;
        return Ok(Edit::Del(object));
    };
    if verb == Verb::Change {
        let now = device.find(ctx, place)?;
        if let Some(now) = now.as_ref().filter(|now| now.kind != qdisc.kind) {
            let fault = Fault::new(Kind::Refused, format!("change the {object}"), format!("it is of another kind: {}", now.kind));
            return Err(call::fault(ctx, fault.hint("`replace` puts another kind in its place")));
        }
        if qdisc.handle == Handle::NONE {
            qdisc.handle = now.map_or(Handle::NONE, |now| now.handle);
        }
    }
    let state = model::State::Tc(State::Qdisc(Box::new(qdisc)));
    Ok(of_verb(verb, object, state))
}

/// Turns a command into an edit.
pub(super) fn of_class(ctx: &NativeCallContext, command: OfClass) -> Answer<Edit> {
    let device = Device { name: command.device.clone() };
    let object = model::Object::Tc(Object::Class(command.device, command.class));
    let verb = command.verb;
    match command.state.filter(|_| verb != Verb::Del) {
        Some(class) => Ok(of_verb(verb, object, model::State::Tc(State::Class(Box::new(class))))),
        None => device.is_there(ctx).map(|()| Edit::Del(object)),
    }
}

fn of_verb(verb: Verb, object: model::Object, state: model::State) -> Edit {
    match verb {
        Verb::Add | Verb::Del => Edit::Add(object, state),
        Verb::Change | Verb::Link => Edit::Set(object, state),
        Verb::Replace => Edit::Ensure(object, state),
    }
}

impl Device {
    /// Finds the place of the qdisc that has a handle.
    fn with_handle(&self, ctx: &NativeCallContext, handle: Handle) -> Answer<Handle> {
        let place = |(object, state): (Object, State)| match (object, state) {
            (Object::Qdisc(_, place), State::Qdisc(qdisc)) if qdisc.handle == handle => Some(place),
            _ => None,
        };
        let missing = || Fault::new(Kind::NotFound, format!("find the qdisc {handle} on {}", self.name), "there is no such qdisc");
        self.all(ctx)?.into_iter().find_map(place).ok_or_else(|| call::fault(ctx, missing()))
    }

    /// Fails where there is no such device.
    pub(super) fn is_there(&self, ctx: &NativeCallContext) -> Answer<()> {
        self.all(ctx).map(drop)
    }
}

/// Queues edits, all of them or none.
pub(super) fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

/// Reads one line, or an array of them.
pub(super) fn lines(ctx: &NativeCallContext, value: &Dynamic) -> Answer<Vec<String>> {
    match value.read_lock::<Array>() {
        Some(list) => list.iter().map(|line| given::words(ctx, line)).collect(),
        None => Ok(vec![given::words(ctx, value)?]),
    }
}

/// Gives a place as a script writes it.
pub(super) fn place_name(place: Handle) -> String {
    if place == Handle::INGRESS { "ingress".to_owned() } else { place.to_string() }
}

/// Gives a qdisc as a map, which can be given to `ensure` and the like.
pub(super) fn shown(device: &tc::Device, place: Handle, qdisc: &Qdisc) -> Dynamic {
    let mut map = Map::from([
        ("dev".into(), device.as_str().into()),
        ("place".into(), place_name(place).into()),
        ("kind".into(), qdisc.kind.as_str().into()),
    ]);
    if !qdisc.kind.is_ingress() {
        map.insert("handle".into(), qdisc.handle.to_string().into());
    }
    if let Some(sizes) = &qdisc.sizes {
        map.insert("stab".into(), sizes.to_string().into());
    }
    for (key, block) in [("ingress_block", qdisc.blocks.0), ("egress_block", qdisc.blocks.1)] {
        block.iter().for_each(|block| drop(map.insert(key.into(), i64::from(*block).into())));
    }
    given::options(&qdisc.options.to_string(), &mut map);
    Dynamic::from_map(map)
}

/// Gives a class as a map, which can be given to `ensure_class` and the like.
pub(super) fn shown_class(device: &tc::Device, handle: Handle, class: &Class) -> Dynamic {
    let mut map = Map::from([
        ("dev".into(), device.as_str().into()),
        ("classid".into(), handle.to_string().into()),
        ("parent".into(), class.parent.to_string().into()),
        ("kind".into(), class.kind.as_str().into()),
    ]);
    given::options(&class.options.to_string(), &mut map);
    Dynamic::from_map(map)
}

/// Gives what was counted as a map.
pub(super) fn counted(object: &Object, counted: &tc::Counted) -> Dynamic {
    let of = match object {
        Object::Class(_, class) => ("classid", class.to_string()),
        Object::Qdisc(_, place) => ("place", place_name(*place)),
        Object::Device(device) => ("dev", device.to_string()),
        Object::Filter(_, key) => ("filter", key.to_string()),
    };
    let number = |number: u64| Dynamic::from(i64::try_from(number).unwrap_or(i64::MAX));
    let map = Map::from([
        (of.0.into(), of.1.into()),
        ("bytes".into(), number(counted.bytes)),
        ("packets".into(), number(counted.packets)),
        ("drops".into(), number(counted.drops.into())),
        ("overlimits".into(), number(counted.overlimits.into())),
        ("requeues".into(), number(counted.requeues.into())),
        ("backlog".into(), number(counted.backlog.into())),
        ("queued".into(), number(counted.queued.into())),
    ]);
    Dynamic::from_map(map)
}
