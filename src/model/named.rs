//! Objects that are known by a name of their own: what there is of them, what is asked for, and the way back.
//!
//! Rules are known by their places and have a model of their own. For all else an object has a state or is not there, a change goes from one
//! state to another, and what was changed is put back if it still is what it was changed to.

use std::collections::{BTreeMap, HashSet};

use super::change::{Change, Drift, Object, State};
use super::{Fault, Kind, Origin, sysctl};

/// What there is, by its names.
pub type Inventory = BTreeMap<Object, State>;

/// What has to be read in order to know some objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A kernel parameter, or all below a folder of them.
    Sysctl(sysctl::Key),
}

impl Scope {
    /// Tells whether an object is in it.
    pub fn covers(&self, object: &Object) -> bool {
        match (self, object) {
            (Scope::Sysctl(folder), Object::Sysctl(key)) => folder.covers(key),
            _ => false,
        }
    }
}

impl Object {
    /// Gives what has to be read in order to know the object, and all that changes with it.
    pub fn scopes(&self) -> Vec<Scope> {
        match self {
            Object::Sysctl(key) => key.scope().into_iter().map(Scope::Sysctl).collect(),
            _ => Vec::new(),
        }
    }

    /// Tells whether it can be made and taken away; what cannot has a value as long as what it belongs to is there.
    fn can_be_made(&self) -> bool {
        !matches!(self, Object::Sysctl(_))
    }

    /// Tells whether several runs may rely on the same state of it: the last one that is lifted puts it back.
    pub fn is_shared(&self) -> bool {
        matches!(self, Object::Sysctl(_))
    }
}

/// What can be done to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Gives an object that is there another state.
    Set(Object, State),
    /// Gives an object a state, whether it is there or not.
    Ensure(Object, State),
}

impl Edit {
    /// Gives the object.
    pub fn object(&self) -> &Object {
        match self {
            Edit::Set(object, _) | Edit::Ensure(object, _) => object,
        }
    }

    /// Does it to what there is. What it changes with it, the kernel changes with it.
    pub fn apply(&self, inventory: &mut Inventory) -> Result<Vec<Object>, Fault> {
        match self {
            Edit::Set(object, state) | Edit::Ensure(object, state) => {
                let must_be_there = matches!(self, Edit::Set(..)) || !object.can_be_made();
                if must_be_there && !inventory.contains_key(object) {
                    return Err(Fault::new(Kind::NotFound, format!("set the {object}"), "there is no such thing"));
                }
                let followers = followers(object, state, inventory);
                let mut touched = vec![object.clone()];
                touched.extend(followers.iter().map(|(object, _)| object.clone()));
                inventory.extend(followers);
                inventory.insert(object.clone(), state.clone());
                Ok(touched)
            }
        }
    }
}

/// Gives what the kernel sets by itself when an object gets another state, also where that is what it was.
fn followers(object: &Object, state: &State, inventory: &Inventory) -> Vec<(Object, State)> {
    let (Object::Sysctl(key), State::Value(value)) = (object, state) else { return Vec::new() };
    if inventory.get(object) == Some(state) {
        return Vec::new();
    }
    let made = |(other, _): (&Object, &State)| match other {
        Object::Sysctl(name) => Some((other.clone(), State::Value(key.makes(value, name)?))),
        _ => None,
    };
    inventory.iter().filter_map(made).collect()
}

/// What edits make of what there is.
#[derive(Debug, Default)]
pub struct Wish {
    /// The changes, in the order in which their objects were first asked for.
    pub changes: Vec<Change>,
    /// What several runs may rely on, and what was as it should be already.
    pub claims: Vec<Change>,
}

/// Finds the changes that edits ask for. An object that is changed several times changes once.
pub fn wish(present: &Inventory, edits: &[(Edit, Origin)]) -> Result<Wish, Fault> {
    let mut wanted = present.clone();
    let mut order: Vec<(Object, &Origin)> = Vec::new();
    let mut seen: HashSet<Object> = HashSet::new();
    for (edit, origin) in edits {
        for object in edit.apply(&mut wanted).map_err(|fault| fault.at(origin.clone()))? {
            if seen.insert(object.clone()) {
                order.push((object, origin));
            }
        }
    }
    let mut wish = Wish::default();
    let asked_for: HashSet<&Object> = edits.iter().map(|(edit, _)| edit.object()).collect();
    for (object, origin) in order {
        let mut change = Change::new(object.clone(), present.get(&object).cloned(), wanted.get(&object).cloned());
        let asked_for = asked_for.contains(&object);
        change.origin = (asked_for || !change.is_claim()).then(|| origin.clone());
        match change.is_claim() && asked_for {
            // What follows and stays as it was has to be known all the same: it follows on the way back, too.
            false => wish.changes.push(change),
            true if object.is_shared() => wish.claims.push(change),
            true => {}
        }
    }
    Ok(wish)
}

/// Finds the changes that put a batch back, the latest first, where the present is what the batch left; and what is not.
pub fn revert(present: &Inventory, changes: &[Change], force: bool) -> (Vec<Change>, Vec<Drift>) {
    let (mut made, mut drift): (Vec<Change>, Vec<Drift>) = (Vec::new(), Vec::new());
    for change in changes.iter().rev() {
        let now = present.get(&change.object);
        let mut report = |left: bool, why: String| drift.push(Drift { object: change.object.clone(), why, left });
        let became = |state: &State| format!("somebody set it to {}", Told(state));
        match now {
            _ if change.is_claim() && (now == change.after.as_ref() || follows_one_that_is_back(change, changes, present)) => {
                made.extend((now != change.after.as_ref()).then(|| back(change, now)));
            }
            Some(state) if change.is_claim() => report(false, became(state)),
            None if !change.object.can_be_made() => report(false, "it is gone, with what it belonged to".to_owned()),
            _ if now == change.before.as_ref() => {
                report(false, if now.is_some() { "somebody put it back" } else { "somebody took it away" }.to_owned());
            }
            _ if force || now == change.after.as_ref() => made.push(back(change, now)),
            Some(state) => report(true, became(state)),
            None => report(true, "somebody took it away".to_owned()),
        }
    }
    // What follows and is not part of the batch stays as it is.
    let stays = |change: &Change| change.after.iter().flat_map(|state| followers(&change.object, state, present)).collect::<Vec<_>>();
    for (object, _) in made.iter().flat_map(stays).collect::<Vec<_>>() {
        if !made.iter().any(|change| change.object == object) {
            let now = present.get(&object).cloned();
            made.push(Change::new(object, now.clone(), now));
        }
    }
    (made, drift)
}

fn back(change: &Change, now: Option<&State>) -> Change {
    Change::new(change.object.clone(), now.cloned(), change.before.clone())
}

/// Tells whether an object is as it is because one that it follows has been put back already.
fn follows_one_that_is_back(change: &Change, changes: &[Change], present: &Inventory) -> bool {
    let (Object::Sysctl(key), Some(State::Value(now))) = (&change.object, present.get(&change.object)) else { return false };
    let leads = |lead: &Change| match (&lead.object, &lead.before) {
        (Object::Sysctl(leader), Some(State::Value(before))) => leader.makes(before, key).as_ref() == Some(now),
        _ => false,
    };
    changes.iter().any(|lead| !lead.is_claim() && present.get(&lead.object) == lead.before.as_ref() && leads(lead))
}

/// Does changes to what there is.
pub fn apply(inventory: &mut Inventory, changes: &[Change]) {
    for change in changes {
        match &change.after {
            Some(state) => drop(inventory.insert(change.object.clone(), state.clone())),
            None => drop(inventory.remove(&change.object)),
        }
    }
}

/// Tells whether the kernel makes a change by itself when it makes another one.
pub fn follows(change: &Change, lead: &Change) -> bool {
    match (&change.object, &lead.object, &lead.after) {
        (Object::Sysctl(key), Object::Sysctl(leader), Some(State::Value(value))) => leader.makes(value, key).is_some(),
        _ => false,
    }
}

/// A state as it is told in a sentence.
pub struct Told<'a>(pub &'a State);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            State::Value(value) => write!(f, "{value}"),
            State::Present => write!(f, "present"),
            State::Policy(policy) => write!(f, "{policy}"),
            State::Name(name) => write!(f, "{name}"),
            State::Rule(rule, _) => write!(f, "{}", rule.words),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn object(key: &str) -> Object {
        Object::Sysctl(key.parse().unwrap())
    }

    fn value(text: &str) -> State {
        State::Value(sysctl::Value::of(text))
    }

    fn host(pairs: &[(&str, &str)]) -> Inventory {
        pairs.iter().map(|(key, text)| (object(key), value(text))).collect()
    }

    /// Does what the kernel does: what leads is written first, and others follow.
    fn apply(present: &Inventory, changes: &[Change]) -> Inventory {
        let mut after = present.clone();
        let leads = |change: &&Change| matches!(&change.object, Object::Sysctl(key) if key.leads());
        for change in changes.iter().filter(leads).chain(changes.iter().filter(|change| !leads(change))) {
            Edit::Ensure(change.object.clone(), change.after.clone().unwrap()).apply(&mut after).unwrap();
        }
        after
    }

    const FORWARD: &str = "net.ipv4.ip_forward";

    #[test]
    fn what_follows_is_known_and_comes_back() {
        let pairs = [("ip_forward", "0"), ("conf.eth0.forwarding", "0"), ("conf.eth1.forwarding", "1"), ("conf.all.accept_redirects", "0")];
        let before: Inventory = pairs.iter().map(|(key, text)| (object(&format!("net.ipv4.{key}")), value(text))).collect();
        let wish = wish(&before, &[(Edit::Ensure(object(FORWARD), value("1")), Origin::at("x", 1, 1))]).unwrap();
        let after = apply(&before, &wish.changes);
        assert_eq!(wish.changes.iter().filter(|change| change.is_visible()).count(), 2);
        let (back, drift) = revert(&after, &wish.changes, false);
        assert_eq!((apply(&after, &back), drift), (before.clone(), Vec::new()));
        // Cut short at any point, it is done again; and twice is once.
        for cut in 0..=back.len() {
            let mut order = back.clone();
            order.sort_by_key(|change| !matches!(&change.object, Object::Sysctl(key) if key.leads()));
            let between = apply(&after, &order[..cut]);
            let (rest, drift) = revert(&between, &wish.changes, false);
            assert_eq!((apply(&between, &rest), drift.iter().any(|drift| drift.left)), (before.clone(), false), "{cut}");
        }
        // What was added meanwhile stays as it is.
        let mut later = after.clone();
        later.insert(object("net.ipv4.conf.eth2.forwarding"), value("1"));
        let lifted = apply(&later, &revert(&later, &wish.changes, false).0);
        assert_eq!(lifted.get(&object("net.ipv4.conf.eth2.forwarding")), Some(&value("1")));
    }

    #[test]
    fn what_somebody_else_set_is_left_unless_forced() {
        let wish =
            wish(&host(&[("net.ipv4.tcp_rmem", "1")]), &[(Edit::Set(object("net.ipv4.tcp_rmem"), value("2")), Origin::at("x", 1, 1))])
                .unwrap();
        let now = host(&[("net.ipv4.tcp_rmem", "3")]);
        let (back, drift) = revert(&now, &wish.changes, false);
        assert_eq!((back.len(), drift[0].left, drift[0].why.as_str()), (0, true, "somebody set it to 3"));
        assert_eq!(apply(&now, &revert(&now, &wish.changes, true).0), host(&[("net.ipv4.tcp_rmem", "1")]));
        let (back, drift) = revert(&Inventory::new(), &wish.changes, false);
        assert_eq!((back.len(), drift[0].left), (0, false));
    }

    #[test]
    fn changed_twice_is_changed_once_and_what_is_so_already_is_claimed() {
        let before = host(&[(FORWARD, "1"), ("net.ipv4.tcp_ecn", "2")]);
        let edit = |key: &str, text: &str| (Edit::Set(object(key), value(text)), Origin::at("x", 1, 1));
        let found = wish(&before, &[edit("net.ipv4.tcp_ecn", "0"), edit(FORWARD, "1"), edit("net.ipv4.tcp_ecn", "1")]).unwrap();
        assert_eq!((found.changes.len(), found.claims.len()), (1, 1));
        assert_eq!((&found.changes[0].before, &found.changes[0].after), (&Some(value("2")), &Some(value("1"))));
        let missing = wish(&before, &[edit("net.ipv4.no_such", "1")]).unwrap_err();
        assert_eq!((missing.kind, missing.origin.is_some()), (Kind::NotFound, true));
    }
}
