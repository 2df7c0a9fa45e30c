//! What a script holds of a set: its name. What is in it, the door knows.

use rhai::{Dynamic, Map, NativeCallContext};

use super::given;
use crate::bind::call::{self, Answer};
use crate::model::ipset::{Definition, Element, Entry, Member, SetName};
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::{Fault, Inventory, Kind, Object, State};
use crate::transaction::{Query, Reading};

/// A set.
#[derive(Clone, Debug)]
pub struct Set {
    pub(super) name: SetName,
}

impl Set {
    /// Points at a set, which may be there or not.
    pub(super) fn named(ctx: &NativeCallContext, name: &str) -> Answer<Self> {
        Ok(Self { name: name.parse().map_err(|f| call::fault(ctx, f))? })
    }

    /// Gives the set as an object.
    pub(super) fn object(&self) -> Object {
        Object::Set(self.name.clone())
    }

    /// Gives how the set was made, if it is there.
    pub(super) fn find(&self, ctx: &NativeCallContext) -> Answer<Option<Definition>> {
        match state(ctx, self.object())? {
            Some(State::Set(definition)) => Ok(Some(definition)),
            _ => Ok(None),
        }
    }

    /// Gives how the set was made.
    pub(super) fn definition(&self, ctx: &NativeCallContext) -> Answer<Definition> {
        match self.find(ctx)? {
            Some(definition) => Ok(definition),
            None => Err(self.missing(ctx)),
        }
    }

    fn missing(&self, ctx: &NativeCallContext) -> Box<rhai::EvalAltResult> {
        let names: Vec<String> = sets(ctx).unwrap_or_default().into_iter().map(|(name, _)| name.to_string()).collect();
        let fault = Fault::new(Kind::NotFound, format!("use the set {}", self.name), "there is no such set");
        let hint = did_you_mean(self.name.as_str(), names.iter().map(String::as_str));
        call::fault(ctx, fault.hint(hint.unwrap_or_else(|| "`ipset::ensure_set(name, definition)` makes one".into())))
    }

    /// Gives what is in the set.
    pub(super) fn members(&self, ctx: &NativeCallContext) -> Answer<Vec<(Element, Entry)>> {
        let found = read(ctx, Scope::Set(self.name.clone()))?;
        if !found.contains_key(&self.object()) {
            return Err(self.missing(ctx));
        }
        let member = |(object, state)| match (object, state) {
            (Object::Member(_, element), State::Entry(entry)) => Some((element, entry)),
            _ => None,
        };
        Ok(found.into_iter().filter_map(member).collect())
    }

    /// Reads what was given as elements with their options.
    pub(super) fn given(&self, ctx: &NativeCallContext, elements: &Dynamic) -> Answer<Vec<Member>> {
        let definition = self.definition(ctx)?;
        let mut members = Vec::new();
        for line in given::lines(ctx, elements, "element")? {
            members.extend(definition.members(&line).map_err(|f| call::fault(ctx, f))?);
        }
        Ok(members)
    }

    /// Queues an edit for each of the elements that were given, all of them or none.
    pub(super) fn each(&self, ctx: &NativeCallContext, elements: &Dynamic, edit: fn(Object, State) -> Edit) -> Answer<()> {
        let edits = self.given(ctx, elements)?.into_iter().map(|member| {
            let (object, entry) = self.member(member);
            edit(object, entry)
        });
        change(ctx, edits.collect())
    }

    /// Gives an element of this set as an object, and its state.
    pub(super) fn member(&self, Member { element, entry }: Member) -> (Object, State) {
        (Object::Member(self.name.clone(), element), State::Entry(entry))
    }
}

/// Queues edits, all of them or none.
pub(super) fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

/// Lists the sets without what is in them.
pub(super) fn sets(ctx: &NativeCallContext) -> Answer<Vec<(SetName, Definition)>> {
    let set = |(object, state)| match (object, state) {
        (Object::Set(name), State::Set(definition)) => Some((name, definition)),
        _ => None,
    };
    Ok(read(ctx, Scope::Sets)?.into_iter().filter_map(set).collect())
}

fn read(ctx: &NativeCallContext, scope: Scope) -> Answer<Inventory> {
    match call::door(ctx)?.read(Query::Named(scope)).map_err(|f| call::fault(ctx, f))? {
        Reading::Named(found) => Ok(found),
        _ => Ok(Inventory::new()),
    }
}

/// Reads the state of one object.
pub(super) fn state(ctx: &NativeCallContext, object: Object) -> Answer<Option<State>> {
    match call::door(ctx)?.read(Query::State(object)).map_err(|f| call::fault(ctx, f))? {
        Reading::State(state) => Ok(state),
        _ => Ok(None),
    }
}

/// Gives an element with what is kept about it as a map, which can be given to `add` and the like.
pub(super) fn shown(element: &Element, entry: &Entry) -> Dynamic {
    let mut map = Map::from([("element".into(), element.to_string().into())]);
    let mut put = |key: &str, value: Option<Dynamic>| drop(value.and_then(|value| map.insert(key.into(), value)));
    put("timeout", entry.timeout.map(|seconds| i64::from(seconds).into()));
    put("packets", entry.counters.map(|(packets, _)| packets.cast_signed().into()));
    put("bytes", entry.counters.map(|(_, bytes)| bytes.cast_signed().into()));
    put("comment", entry.comment.as_ref().map(|comment| comment.to_string().into()));
    put("nomatch", entry.nomatch.then_some(true.into()));
    put("wildcard", entry.wildcard.then_some(true.into()));
    put("skbmark", entry.skbmark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}").into()));
    put("skbprio", entry.skbprio.map(|(major, minor)| format!("{major:x}:{minor:x}").into()));
    put("skbqueue", entry.skbqueue.map(|queue| i64::from(queue).into()));
    Dynamic::from_map(map)
}
