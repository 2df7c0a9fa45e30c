//! From the changes in the journal back to what there was before them.

use std::collections::HashMap;

use super::{Inventory, Told, agree, followers, going_with, state_of};
use crate::model::change::{Change, Drift, Object, State};

/// Finds the changes that put a batch back, the latest first, where the present is what the batch left; and what is not.
pub fn revert(present: &Inventory, changes: &[Change], force: bool) -> (Vec<Change>, Vec<Drift>) {
    let mut way = Way { present, changes, force, made: Vec::new(), drift: Vec::new(), touched: HashMap::new() };
    changes.iter().rev().for_each(|change| way.back(change));
    way.keep_followers();
    (way.made, way.drift)
}

struct Way<'a> {
    present: &'a Inventory,
    changes: &'a [Change],
    force: bool,
    made: Vec<Change>,
    drift: Vec<Drift>,
    /// What is in `made`, and whether it is there then.
    touched: HashMap<Object, bool>,
}

impl Way<'_> {
    fn report(&mut self, change: &Change, left: bool, why: impl Into<String>) {
        self.drift.push(Drift { object: change.object.clone(), why: why.into(), left });
    }

    fn make(&mut self, object: &Object, now: Option<State>, then: Option<State>) {
        match self.touched.insert(object.clone(), then.is_some()) {
            None => self.made.push(Change::new(object.clone(), now, then)),
            // What was to get another state goes all the same with what it is in.
            Some(true) if then.is_none() => {
                self.made.iter_mut().filter(|change| change.object == *object).for_each(|change| change.after = None);
            }
            Some(was_there) => drop(self.touched.insert(object.clone(), was_there)),
        }
    }

    fn back(&mut self, change: &Change) {
        let now = state_of(self.present, &change.object);
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        match &now {
            _ if change.is_claim() => self.claim(change, now),
            // What came with something that was made goes with it, whatever became of it.
            _ if before.is_none() && !change.object.can_be_made() => {}
            None if !change.object.can_be_made() && after.is_some() => self.report(change, false, "it is gone, with what it belonged to"),
            None if before.is_none() => {
                if !after.is_some_and(State::passes) {
                    self.report(change, false, "somebody took it away");
                }
            }
            _ if agree(now.as_ref(), before) => self.report(change, false, "somebody put it back"),
            _ if self.force || agree(now.as_ref(), after) => self.put(change, now),
            Some(state) => self.report(change, true, became(state)),
            None => self.report(change, true, "somebody took it away"),
        }
    }

    /// Puts an object into the state that it had, with what goes or changes with that.
    fn put(&mut self, change: &Change, now: Option<State>) {
        let is_there = |object: &Object| self.touched.get(object).copied().unwrap_or_else(|| self.present.contains_key(object));
        if change.before.as_ref().is_some_and(|before| !change.object.needs(before).iter().all(is_there)) {
            return self.report(change, true, "what it was in is gone");
        }
        let with = match &change.before {
            None => going_with(self.present, &change.object),
            Some(state) => followers(&change.object, state, self.present),
        };
        let (gone, others): (Vec<_>, Vec<_>) = with.into_iter().partition(|(_, state)| state.is_none());
        // What others have put in is theirs; what goes away by itself goes with it, and comes back with it.
        let theirs = gone.iter().filter(|(object, _)| self.is_of_others(object)).count();
        if theirs > 0 && !self.force {
            let elements = if theirs == 1 { "an element" } else { "elements" };
            return self.report(change, true, format!("somebody else put {elements} into it, {theirs} in all"));
        }
        let taken = if change.before.is_none() { others } else { Vec::new() };
        for (object, then) in gone.into_iter().chain(taken) {
            self.make(&object, self.present.get(&object).cloned(), then);
        }
        self.make(&change.object, now, change.before.clone());
    }

    /// Tells whether somebody else has made an object that is there, and that does not go by itself.
    fn is_of_others(&self, object: &Object) -> bool {
        let passes = self.present.get(object).is_none_or(State::passes);
        object.can_be_made() && !passes && !self.changes.iter().any(|change| change.object == *object)
    }

    /// Looks at what the batch only relied on, or kept as it was.
    fn claim(&mut self, change: &Change, now: Option<State>) {
        if agree(now.as_ref(), change.after.as_ref()) {
            return;
        }
        match now {
            Some(now) if self.follows_one_that_is_back(change, &now) => self.make(&change.object, Some(now), change.before.clone()),
            Some(now) => self.report(change, false, became(&now)),
            None if change.after.as_ref().is_some_and(State::passes) => {}
            None => self.report(change, false, "it is gone, with what it belonged to"),
        }
    }

    /// Tells whether an object is as it is because one that it follows has been put back already.
    fn follows_one_that_is_back(&self, change: &Change, now: &State) -> bool {
        let (Object::Sysctl(key), State::Value(now)) = (&change.object, now) else { return false };
        let leads = |lead: &Change| match (&lead.object, &lead.before) {
            (Object::Sysctl(leader), Some(State::Value(before))) => leader.makes(before, key).as_ref() == Some(now),
            _ => false,
        };
        let is_back = |lead: &Change| !lead.is_claim() && agree(self.present.get(&lead.object), lead.before.as_ref());
        self.changes.iter().any(|lead| is_back(lead) && leads(lead))
    }

    /// What follows and is not part of the batch stays as it is.
    fn keep_followers(&mut self) {
        let of = |change: &Change| change.after.iter().flat_map(|state| followers(&change.object, state, self.present)).collect::<Vec<_>>();
        let followers: Vec<(Object, Option<State>)> = self.made.iter().flat_map(of).collect();
        for (object, _) in followers.into_iter().filter(|(_, state)| state.is_some()) {
            let now = self.present.get(&object).cloned();
            self.make(&object, now.clone(), now);
        }
    }
}

fn became(state: &State) -> String {
    let told = Told(state).to_string();
    if told.is_empty() { "somebody put it in".to_owned() } else { format!("somebody set it to {}", told.trim_start()) }
}
