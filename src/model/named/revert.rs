//! From the changes in the journal back to what there was before them.

use std::collections::HashSet;

use super::{Inventory, Told, agree, contents, followers, state_of};
use crate::model::change::{Change, Drift, Object, State};

/// Finds the changes that put a batch back, the latest first, where the present is what the batch left; and what is not.
pub fn revert(present: &Inventory, changes: &[Change], force: bool) -> (Vec<Change>, Vec<Drift>) {
    let mut way = Way { present, changes, force, then: present.clone(), made: Vec::new(), drift: Vec::new(), touched: HashSet::new() };
    changes.iter().rev().for_each(|change| way.back(change));
    way.keep_followers();
    (way.made, way.drift)
}

struct Way<'a> {
    present: &'a Inventory,
    changes: &'a [Change],
    force: bool,
    /// What there is after `made`.
    then: Inventory,
    made: Vec<Change>,
    drift: Vec<Drift>,
    /// What is in `made`.
    touched: HashSet<Object>,
}

impl Way<'_> {
    fn report(&mut self, change: &Change, left: bool, why: impl Into<String>) {
        self.drift.push(Drift { object: change.object.clone(), why: why.into(), left });
    }

    fn make(&mut self, object: &Object, now: Option<State>, then: Option<State>) {
        if self.touched.insert(object.clone()) {
            match &then {
                Some(state) => drop(self.then.insert(object.clone(), state.clone())),
                None => drop(self.then.remove(object)),
            }
            self.made.push(Change::new(object.clone(), now, then));
        }
    }

    fn back(&mut self, change: &Change) {
        let mut now = state_of(self.present, &change.object);
        if let (Some(now), Some(after)) = (&mut now, &change.after) {
            now.recall(after);
        }
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        match &now {
            _ if change.is_claim() => self.claim(change, now),
            None if !change.object.can_be_made() => self.report(change, false, "it is gone, with what it belonged to"),
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

    /// Puts an object into the state that it had.
    fn put(&mut self, change: &Change, now: Option<State>) {
        match &change.before {
            before @ Some(_) if change.object.container(before.as_ref(), &self.then).is_err() => {
                self.report(change, true, "what it was in is gone");
            }
            before if now.as_ref().is_some_and(|now| before.as_ref().is_none_or(|before| now.is_made_anew_for(before))) => {
                // What others have put in is theirs; what goes away by itself goes with it, and comes back with it.
                let inside: Vec<(Object, State)> =
                    contents(&self.then, &change.object).map(|(object, state)| (object.clone(), state.clone())).collect();
                let is_left = |object: &Object| self.drift.iter().any(|drift| drift.left && drift.object == *object);
                if let Some((object, _)) = inside.iter().find(|(object, _)| is_left(object)).filter(|_| !self.force) {
                    return self.report(change, true, format!("the {object}, which somebody changed, is in it"));
                }
                let theirs =
                    |(object, state): &&(Object, State)| !state.passes() && !self.changes.iter().any(|change| change.object == *object);
                let theirs = inside.iter().filter(theirs).count();
                if theirs > 0 && !self.force {
                    let (one, several) = change.object.inside();
                    let what = if theirs == 1 { one } else { several };
                    return self.report(change, true, format!("somebody else put {what} into it, {theirs} in all"));
                }
                inside.into_iter().for_each(|(object, state)| self.make(&object, Some(state), None));
                self.make(&change.object, now, before.clone());
            }
            before => self.make(&change.object, now, before.clone()),
        }
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
        let followers: Vec<(Object, State)> = self.made.iter().flat_map(of).collect();
        for (object, _) in followers {
            let now = self.present.get(&object).cloned();
            self.make(&object, now.clone(), now);
        }
    }
}

fn became(state: &State) -> String {
    let told = Told(state).to_string();
    if told.is_empty() { "somebody put it in".to_owned() } else { format!("somebody set it to {}", told.trim_start()) }
}
