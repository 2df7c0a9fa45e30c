//! What a script holds: a link by its index, and the lists of what can be added and taken away. What is in them, the door knows.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use rhai::{Array, Dynamic, NativeCallContext};

use super::given::Line;
use crate::bind::call::{self, Answer};
use crate::model::link::{Dev, Name, Object, Scope, Setting, State, Value};
use crate::model::named::{Edit, Scope as AnyScope};
use crate::model::near::did_you_mean;
use crate::model::{Fault, Inventory, Kind, Object as Any, State as AnyState};
use crate::transaction::{Query, Reading};

/// A link.
#[derive(Clone, Debug)]
pub struct Link {
    pub(super) dev: Dev,
}

/// The links of a namespace by their names.
pub(super) struct Links(BTreeMap<Name, Dev>);

impl Links {
    /// Reads them, with everything that is queued.
    pub(super) fn read(ctx: &NativeCallContext) -> Answer<Self> {
        let named = |(object, state)| match (object, state) {
            (Object::Setting(dev, Setting::Name), State::Setting(Value::Name(name))) => Some((name.clone(), Dev::new(dev.index, name))),
            _ => None,
        };
        Ok(Self(read(ctx, Scope::Links)?.into_iter().filter_map(named).collect()))
    }

    /// Finds a link.
    pub(super) fn find(&self, name: &Name) -> Option<Dev> {
        self.0.get(name).cloned()
    }

    /// Finds a link that has to be there.
    pub(super) fn get(&self, ctx: &NativeCallContext, name: &Name) -> Answer<Dev> {
        self.find(name).ok_or_else(|| {
            let fault = Fault::new(Kind::NotFound, format!("use the link {name}"), "there is no such link");
            let hint = did_you_mean(name.as_str(), self.0.keys().map(Name::as_str));
            call::fault(ctx, fault.hint(hint.unwrap_or_else(|| "`link::list()` shows those that are there".into())))
        })
    }

    /// Gives a new link an index by which it is known before it is made. The kernel counts up from 1 and gives the numbers of links that have gone to others;
    /// far above these, nobody else gets the number of one of ours.
    pub(super) fn fresh(&self, name: &Name) -> Dev {
        fresh(name, &|index| self.0.values().any(|dev| dev.index == index))
    }
}

/// Gives a link an index that is not taken.
pub(super) fn fresh(name: &Name, is_taken: &dyn Fn(u32) -> bool) -> Dev {
    let mut index = None;
    while index.is_none_or(is_taken) {
        // The hasher's keys come from the kernel's random numbers.
        index = Some(1 << 20 | RandomState::new().hash_one(name) as u32 & 0xf_ffff);
    }
    Dev::new(index.unwrap_or_default(), name.clone())
}

/// Reads a name.
pub(super) fn name(ctx: &NativeCallContext, name: &Dynamic) -> Answer<Name> {
    if let Some(link) = name.read_lock::<Link>() {
        return Ok(link.dev.name.clone());
    }
    let refuse = || Fault::input("use a value as the name of a link", format!("it is of the type {}", name.type_name()));
    let text = name.as_immutable_string_ref().map_err(|_| call::fault(ctx, refuse()))?;
    text.parse().map_err(|f| call::fault(ctx, f))
}

/// Reads objects with their states.
pub(super) fn read(ctx: &NativeCallContext, scope: Scope) -> Answer<Vec<(Object, State)>> {
    Ok(of_room(inventory(ctx, scope)?).collect())
}

fn of_room(found: Inventory) -> impl Iterator<Item = (Object, State)> {
    found.into_iter().filter_map(|(object, state)| match (object, state) {
        (Any::Link(object), AnyState::Link(state)) => Some((object, state)),
        _ => None,
    })
}

fn inventory(ctx: &NativeCallContext, scope: Scope) -> Answer<Inventory> {
    match call::door(ctx)?.read(Query::Named(AnyScope::Link(scope))).map_err(|f| call::fault(ctx, f))? {
        Reading::Named(found) => Ok(found),
        _ => Ok(Inventory::new()),
    }
}

/// Queues edits, all of them or none.
pub(super) fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    if edits.is_empty() {
        return Ok(());
    }
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

impl Link {
    /// Gives what the link is set to; none for what only the kernel knows before it is made.
    pub(super) fn setting(&self, ctx: &NativeCallContext, setting: Setting) -> Answer<Value> {
        let query = Query::State(Any::Link(Object::Setting(self.dev.clone(), setting)));
        match call::door(ctx)?.read(query).map_err(|f| call::fault(ctx, f))? {
            Reading::State(Some(AnyState::Link(State::Setting(Value::Unknown)))) => {
                let tried = format!("read the {} of the link {}", setting.word(), self.dev);
                Err(call::error(
                    Fault::new(Kind::Unknown, tried, "the kernel chooses it when the link is made").at(call::origin(ctx)),
                    ctx.call_position(),
                ))
            }
            Reading::State(Some(AnyState::Link(State::Setting(value)))) => Ok(value),
            _ => Err(call::fault(ctx, Fault::new(Kind::NotFound, format!("use the link {}", self.dev), "there is no such link any more"))),
        }
    }
}

/// A list of things that can be added and taken away.
pub(super) trait List {
    /// What has to be read.
    fn scope(&self) -> Scope;

    /// How a map becomes words.
    fn form(&self) -> &'static super::given::Form;

    /// Tells whether something is in it.
    fn holds(&self, object: &Object) -> bool;

    /// Reads what is to be there.
    fn wanted(&self, line: &Line, all: &All<'_>) -> Result<(Object, State), Fault>;

    /// Finds those that are meant by some words, among what is there.
    fn meant(&self, line: &Line, all: &All<'_>) -> Result<Vec<Object>, Fault>;

    /// Gives one for the script.
    fn shown(&self, object: &Object, state: &State) -> Dynamic;
}

/// What is there when something is asked for.
pub(super) struct All<'a> {
    /// The links.
    pub(super) links: &'a Links,
    /// What is in the list.
    pub(super) found: &'a Inventory,
    /// What was asked for before it in the same call.
    pub(super) earlier: &'a [Object],
}

impl All<'_> {
    /// Finds a link by its name.
    pub(super) fn dev(&self, name: &Name) -> Option<Dev> {
        self.links.find(name)
    }

    /// Tells whether the kernel has made something by itself.
    fn is_automatic(&self, object: &Object) -> bool {
        matches!(self.found.get(&Any::Link(object.clone())), Some(AnyState::Link(state)) if state.is_automatic())
    }

    /// Gives what is in the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Object, &State)> {
        self.found.iter().filter_map(|(object, state)| match (object, state) {
            (Any::Link(object), AnyState::Link(state)) => Some((object, state)),
            _ => None,
        })
    }

    /// Gives what is in the list from an object on.
    pub(super) fn from(&self, first: Object) -> impl Iterator<Item = (&Object, &State)> {
        self.found.range(Any::Link(first)..).map_while(|(object, state)| match (object, state) {
            (Any::Link(object), AnyState::Link(state)) => Some((object, state)),
            _ => None,
        })
    }
}

/// Lists what is there.
pub(super) fn list(ctx: &NativeCallContext, of: &impl List) -> Answer<Array> {
    let mine = read(ctx, of.scope())?.into_iter().filter(|(object, _)| of.holds(object));
    Ok(mine.map(|(object, state)| of.shown(&object, &state)).collect())
}

/// Finds the first that some words mean, or gives `()`.
pub(super) fn find(ctx: &NativeCallContext, of: &impl List, given: &Dynamic) -> Answer<Dynamic> {
    let (links, found) = (Links::read(ctx)?, inventory(ctx, of.scope())?);
    let line = super::given::line(ctx, given, of.form())?;
    let all = All { links: &links, found: &found, earlier: &[] };
    let meant = of.meant(&line, &all).map_err(|f| call::fault(ctx, f))?;
    let shown = |object: Object| match found.get(&Any::Link(object.clone())) {
        Some(AnyState::Link(state)) => of.shown(&object, state),
        _ => Dynamic::UNIT,
    };
    Ok(meant.into_iter().next().map_or(Dynamic::UNIT, shown))
}

/// Queues an edit for each of the things that were given, all of them or none.
pub(super) fn put(ctx: &NativeCallContext, to: &impl List, given: &Dynamic, edit: fn(Any, AnyState) -> Edit) -> Answer<()> {
    let (links, found) = (Links::read(ctx)?, inventory(ctx, to.scope())?);
    let (mut earlier, mut edits) = (Vec::new(), Vec::new());
    for line in super::given::lines(ctx, given, to.form())? {
        let (object, state) =
            to.wanted(&line, &All { links: &links, found: &found, earlier: &earlier }).map_err(|f| call::fault(ctx, f))?;
        edits.push(edit(Any::Link(object.clone()), AnyState::Link(state)));
        earlier.push(object);
    }
    change(ctx, edits)
}

/// Queues the end of each of the things that are meant. A strict one has to be there, and to be the only one.
pub(super) fn take(ctx: &NativeCallContext, from: &impl List, given: &Dynamic, strict: bool) -> Answer<()> {
    let (links, found) = (Links::read(ctx)?, inventory(ctx, from.scope())?);
    let all = All { links: &links, found: &found, earlier: &[] };
    let mut edits = Vec::new();
    for line in super::given::lines(ctx, given, from.form())? {
        let meant = from.meant(&line, &all).map_err(|f| call::fault(ctx, f))?;
        if let Some(object) = meant.iter().find(|object| all.is_automatic(object)) {
            return Err(call::fault(ctx, object.left_to_the_kernel("take away")));
        }
        let tried = || format!("take away {} `{}`", from.form().what, line.words);
        match meant.len() {
            0 if strict => {
                let fault = Fault::new(Kind::NotFound, tried(), "nothing there is meant by it");
                return Err(call::fault(ctx, fault.hint("`list` shows what is there; `absent` does not mind")));
            }
            2.. if strict => {
                let which: Vec<String> = meant.iter().map(ToString::to_string).collect();
                let fault = Fault::new(Kind::Refused, tried(), format!("it may mean {}", which.join(", or ")));
                return Err(call::fault(ctx, fault.hint("say more of it; `absent` takes all")));
            }
            _ => edits.extend(meant.into_iter().map(|object| (if strict { Edit::Del } else { Edit::Absent })(Any::Link(object)))),
        }
    }
    change(ctx, edits)
}
