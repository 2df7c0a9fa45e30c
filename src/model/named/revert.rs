//! From the changes in the journal back to what there was before them.

use std::collections::HashSet;

use super::{Inventory, Told, agree, followers, give, going_with, state_of};
use crate::model::change::{Change, Drift, Object, State};
use crate::model::link::far::{is_on, leaving, moved};
use crate::model::{link, netns};

/// Finds the changes that put a batch back, the latest first, where the present is what the batch left; and what is not.
pub fn revert(present: &Inventory, changes: &[Change], force: bool) -> (Vec<Change>, Vec<Drift>) {
    way_back(present, changes, force, false)
}

/// Finds the rest of these changes where some of them may have been made already.
pub fn revert_again(present: &Inventory, changes: &[Change], force: bool) -> (Vec<Change>, Vec<Drift>) {
    way_back(present, changes, force, true)
}

fn way_back(present: &Inventory, changes: &[Change], force: bool, again: bool) -> (Vec<Change>, Vec<Drift>) {
    let mut then = present.clone();
    for Change { object, .. } in changes.iter().filter(|change| change.object.names_links()) {
        // What was read over there does not know to what here it belongs.
        if let Some((_, state)) = then.remove_entry(object) {
            then.insert(object.clone(), state);
        }
    }
    let moved = changes.iter().filter(|change| change.after.is_some() && moved(change).is_some()).collect();
    let mut way = Way { present, changes, moved, force, again, then, made: Vec::new(), drift: Vec::new(), touched: HashSet::new() };
    // A link that was moved comes back before all that was on it.
    let (moves, rest): (Vec<&Change>, Vec<&Change>) = changes.iter().rev().partition(|change| change.object.goes_first());
    moves.into_iter().chain(rest).for_each(|change| way.back(change));
    way.keep_followers();
    (way.made, way.drift)
}

struct Way<'a> {
    present: &'a Inventory,
    changes: &'a [Change],
    /// Those that have moved a link away.
    moved: Vec<&'a Change>,
    force: bool,
    /// Whether some of the way may have been gone already.
    again: bool,
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
            give(&mut self.then, object.clone(), then.clone());
            self.made.push(Change::new(object.clone(), now, then));
        } else if then.is_none() && self.then.remove(object).is_some() {
            // What was to get another state goes all the same with what it is in.
            self.made.iter_mut().filter(|change| change.object == *object).for_each(|change| change.after = None);
        }
    }

    fn back(&mut self, change: &Change) {
        let mut now = state_of(self.present, &change.object);
        if let Some(now) = &mut now {
            now.recall(change);
        }
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        match &now {
            // Another namespace is nothing that somebody has made of this one, and to overwrite its name would end it.
            Some(State::Netns(now)) if !change.is_claim() && self.is_another(change, now) => {
                self.report(change, before.is_some(), "another namespace has this name by now");
            }
            // What was put aside for a name stays there until it has a name again.
            Some(State::Netns(_)) if before.is_none() && !self.has_its_name_back(&change.object) => {
                self.report(change, true, "it has no name that it could go back to");
            }
            // That it is away is told once, and not of all that was on it.
            None if before.is_some_and(|state| self.is_away(&change.object, state)) => {}
            _ if before.is_none() && after.is_some_and(|state| self.has_left(&change.object, state)) => {}
            _ if change.is_claim() => self.claim(change, now),
            // What came with something that was made goes with it, whatever became of it.
            _ if before.is_none() && !change.object.can_be_made() => {}
            None if !change.object.can_be_made() && after.is_some() => self.report(change, false, change.object.end()),
            None if before.is_none() => {
                if !after.is_some_and(State::passes) {
                    self.report(change, false, "somebody took it away");
                }
            }
            _ if agree(now.as_ref(), before) => self.report(change, false, "somebody put it back"),
            _ if self.force || agree(now.as_ref(), after) => self.put(change, now),
            // What it belongs to is back, and has it as new.
            Some(_) if self.again && after.is_none() && !change.object.can_be_made() => self.put(change, now),
            // A killed program left it so, on the way there or on the way back.
            Some(state) if state.is_half_made() => self.put(change, now),
            Some(state) => self.report(change, true, became(state)),
            None => self.report(change, true, "somebody took it away"),
        }
    }

    /// Puts an object into the state that it had, with what goes or changes with that.
    fn put(&mut self, change: &Change, now: Option<State>) {
        if change.before.as_ref().is_some_and(|before| change.object.lacks(before, &self.then).is_some()) {
            return self.report(change, true, "what it was in is gone");
        }
        if let Some(held) = now.as_ref().and_then(State::held).filter(|_| change.before.is_none() && !self.force) {
            return self.report(change, true, held);
        }
        if matches!(&change.before, Some(State::Netns(state)) if self.is_lost(&change.object, state)) {
            return self.report(change, false, "it was kept aside, and is gone from there");
        }
        let with = match &change.before {
            None => going_with(&self.then, &change.object),
            Some(state) => followers(&change.object, state, &self.then),
        };
        let (gone, others): (Vec<_>, Vec<_>) = with.into_iter().partition(|(_, state)| state.is_none());
        let is_left = |object: &Object| self.drift.iter().any(|drift| drift.left && drift.object == *object);
        if let Some((object, _)) = gone.iter().find(|(object, _)| object.can_be_made() && is_left(object)).filter(|_| !self.force) {
            return self.report(change, true, format!("the {object}, which somebody changed, is in it"));
        }
        // What others have put in is theirs; what goes away by itself goes with it, and comes back with it.
        let theirs = gone.iter().filter(|(object, _)| self.is_of_others(object)).count();
        if theirs > 0 && !self.force {
            let (one, several) = change.object.inside();
            let what = if theirs == 1 { one } else { several };
            return self.report(change, true, format!("somebody else put {what} into it, {theirs} in all"));
        }
        // What follows can be set to what it was, but not what loses what it stands on.
        if let Some((object, _)) = others.iter().find(|other| self.changes_what_others_made(other)).filter(|_| !self.force) {
            return self.report(change, true, format!("the {object}, which somebody else has made, would be another one"));
        }
        let others: Vec<_> = others.into_iter().filter(|other| change.before.is_none() || self.changes_what_others_made(other)).collect();
        for (object, then) in gone.into_iter().chain(others) {
            self.make(&object, self.then.get(&object).cloned(), then);
        }
        self.make(&change.object, now, change.before.clone());
    }

    /// Tells whether something belongs to a link that the batch has moved away, and that has not come back.
    fn is_away(&self, object: &Object, state: &State) -> bool {
        let away = |change: &&&Change| !self.touched.contains(&change.object);
        let mut moved = self.moved.iter().filter(away).filter_map(|change| moved(change)?.moved());
        moved.any(|dev| !self.then.contains_key(&Object::Link(link::Object::Link(dev.clone()))) && is_on(object, state, dev))
    }

    /// Tells whether something has gone already with the link that it was on, and that was moved away again.
    fn has_left(&self, object: &Object, state: &State) -> bool {
        self.touched.contains(object) && leaving(&self.made).iter().any(|dev| is_on(object, state, dev))
    }

    /// Tells whether somebody else has made an object that is there, and that does not go by itself.
    fn is_of_others(&self, object: &Object) -> bool {
        let passes = self.then.get(object).is_none_or(State::passes);
        object.can_be_made() && !passes && !self.changes.iter().any(|change| change.object == *object)
    }

    /// Tells whether something that somebody else has made would be another one.
    fn changes_what_others_made(&self, (object, then): &(Object, Option<State>)) -> bool {
        self.is_of_others(object) && !agree(self.then.get(object), then.as_ref())
    }

    /// Tells whether a name is that of a namespace of which the change knows nothing.
    fn is_another(&self, change: &Change, now: &netns::State) -> bool {
        let known = [&change.before, &change.after].into_iter().flatten();
        let mut known = known.filter_map(|state| if let State::Netns(state) = state { state.cookie() } else { None });
        let is_name = matches!(change.object, Object::Netns(netns::Object::Name(_)));
        is_name && now.cookie().is_some_and(|now| known.all(|known| known != now))
    }

    /// Tells whether a namespace that is kept aside may go from there; anything else may.
    fn has_its_name_back(&self, object: &Object) -> bool {
        let Object::Netns(netns::Object::Aside(cookie)) = object else { return true };
        let is_it = |(object, state): (&Object, &State)| match (object, state) {
            (Object::Netns(netns::Object::Name(_)), State::Netns(state)) => state.cookie() == Some(*cookie),
            _ => false,
        };
        self.then.iter().any(is_it)
    }

    /// Tells whether the batch has put a namespace aside, and somebody has taken it from there. What is to be kept aside once more is still elsewhere.
    fn is_lost(&self, object: &Object, state: &netns::State) -> bool {
        let Some(cookie) = state.cookie() else { return false };
        let aside = Object::Netns(netns::Object::Aside(cookie));
        let has_it = |found: &State| matches!(found, State::Netns(found) if found.cookie() == Some(cookie));
        match *object == aside {
            true => !self.present.values().any(has_it),
            false => !self.present.contains_key(&aside) && self.changes.iter().any(|change| change.object == aside),
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
        let followers: Vec<(Object, Option<State>)> = self.made.iter().flat_map(of).collect();
        for (object, _) in followers.into_iter().filter(|(_, state)| state.is_some()) {
            // What is put back already is what it is to be.
            if let Some(now) = self.present.get(&object).filter(|_| !self.touched.contains(&object)).cloned() {
                self.make(&object, Some(now.clone()), Some(now));
            }
        }
    }
}

fn became(state: &State) -> String {
    let told = Told(state).to_string();
    if told.is_empty() { "somebody put it in".to_owned() } else { format!("somebody set it to {}", told.trim_start()) }
}
