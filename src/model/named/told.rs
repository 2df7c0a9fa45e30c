//! What people are told of changes and of states.

use std::fmt;

use crate::model::change::{Change, State};
use crate::model::{Object, tc};

/// Says what a change does that whoever asks for it may not expect.
pub fn remarks(change: &Change) -> Vec<String> {
    let of = |object: &tc::Object, (before, after)| tc::effect::remarks(object, before, after);
    of_queues(change).map_or_else(Vec::new, |(object, states)| of(object, states))
}

/// Says what is not known of a state into which a change puts an object back.
pub fn doubt(change: &Change) -> Option<String> {
    of_queues(change).and_then(|(object, (before, after))| tc::effect::doubt(object, before, after))
}

type OfQueues<'a> = (&'a tc::Object, (Option<&'a tc::State>, Option<&'a tc::State>));

/// Takes a change of traffic control apart.
fn of_queues(change: &Change) -> Option<OfQueues<'_>> {
    fn of(state: Option<&State>) -> Option<&tc::State> {
        if let Some(State::Tc(state)) = state { Some(state) } else { None }
    }
    match &change.object {
        Object::Tc(object) if !change.is_claim() => Some((object, (of(change.before.as_ref()), of(change.after.as_ref())))),
        _ => None,
    }
}

/// A state as it is told in a sentence.
pub struct Told<'a>(pub &'a State);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            State::Value(value) => write!(f, "{value}"),
            State::Present => write!(f, "present"),
            State::Policy(policy) => write!(f, "{policy}"),
            State::Name(name) => write!(f, "{name}"),
            State::Rule(rule, _) => write!(f, "{}", rule.words),
            State::Set(definition) => write!(f, "{}", definition.in_short()),
            State::Entry(entry) => write!(f, "{entry}"),
            State::Pair(..) => write!(f, "as they were named"),
            State::Cgroup(state) => write!(f, "{state}"),
            State::Netns(state) => write!(f, "{state}"),
            State::Link(state) => write!(f, "{state}"),
            State::Tc(state) => write!(f, "{state}"),
            State::Action(action) => write!(f, "{action}"),
        }
    }
}
