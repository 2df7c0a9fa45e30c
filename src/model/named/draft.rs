//! What is asked of named objects, one edit after the other, and the changes that come of it.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashSet};

use super::{Edit, Inventory, agree, contents, state_of};
use crate::model::change::{Change, Object, State};
use crate::model::ipset::SetName;
use crate::model::{Fault, Kind, Origin};

/// Edits, and what they make of what there is.
#[derive(Default)]
pub struct Draft {
    present: Inventory,
    wanted: Inventory,
    edits: Vec<(Edit, Origin)>,
    /// The objects that were touched, in the order in which they are changed, each with the edit that touched it.
    order: Vec<(Object, usize)>,
    seen: HashSet<Object>,
    /// Whether the edits have to be done once more: more was learned behind them, beside which they could mean something else.
    is_doubtful: bool,
}

/// What edits make of what there is.
#[derive(Debug, Default)]
pub struct Wish {
    /// The changes, in the order in which their objects were first asked for.
    pub changes: Vec<Change>,
    /// What several runs may rely on, and what was as it should be already.
    pub claims: Vec<Change>,
}

impl Draft {
    /// Does edits to what there is.
    pub fn with(present: Inventory, edits: &[(Edit, Origin)]) -> Result<Self, Fault> {
        let mut draft = Self::of(present);
        for (edit, origin) in edits {
            draft.add(edit.clone(), origin.clone()).map_err(|fault| fault.at(origin.clone()))?;
        }
        Ok(draft)
    }

    fn of(present: Inventory) -> Self {
        Self { wanted: present.clone(), present, ..Self::default() }
    }

    /// Gives what there is without the edits.
    pub fn present(&self) -> &Inventory {
        &self.present
    }

    /// Gives what there is with the edits on top.
    pub fn wanted(&self) -> &Inventory {
        &self.wanted
    }

    /// Gives the edits.
    pub fn edits(&self) -> &[(Edit, Origin)] {
        &self.edits
    }

    /// Learns of more that there is.
    pub fn learn(&mut self, mut found: Inventory) {
        if found.is_empty() {
            return;
        }
        self.is_doubtful |= !self.edits.is_empty();
        // Copied as a whole it is copied faster.
        self.present.append(&mut found.clone());
        self.wanted.append(&mut found);
    }

    /// Takes back all edits but the first ones.
    pub fn rewind(&mut self, first: usize) {
        let mut rewound = Self::of(std::mem::take(&mut self.present));
        for (edit, origin) in self.edits.drain(..).take(first) {
            if rewound.add(edit.clone(), origin.clone()).is_err() {
                // It was done when less was known; it is refused when it is written.
                rewound.edits.push((edit, origin));
                rewound.is_doubtful = true;
            }
        }
        *self = rewound;
    }

    /// Does an edit, and gives how many objects it touches.
    pub fn add(&mut self, edit: Edit, origin: Origin) -> Result<usize, Fault> {
        // What is gone already with something else has its place before that.
        let own = edit.object();
        let was_there = self.wanted.contains_key(&own);
        let is_gone = matches!(edit, Edit::Absent(_)) && !was_there;
        let touched = edit.apply(&mut self.wanted)?;
        let count = touched.len();
        for object in touched {
            let is_there = self.wanted.contains_key(&object);
            let (gives_way, holds_others) = (object.gives_way(), object.holds_others());
            let is_emptied =
                || self.seen.contains(&object) && self.present.contains_key(&object) && contents(&self.wanted, &object).next().is_none();
            let comes_last = gives_way && (count > 1 || is_emptied());
            let goes_with_all = !is_gone && holds_others && (comes_last || !is_there);
            // What went with something else, and is made once more, has its place behind that.
            let comes_again = is_there && !was_there && !gives_way && !holds_others && object == own && !self.present.contains_key(&own);
            let is_new = self.seen.insert(object.clone());
            if (goes_with_all || comes_again) && !is_new {
                // What is in it goes first, also if it was asked for before.
                self.order.retain(|(other, _)| *other != object);
            }
            if is_new || goes_with_all || comes_again {
                self.order.push((object, self.edits.len()));
            }
        }
        self.edits.push((edit, origin));
        Ok(count)
    }

    /// Finds the changes that the edits ask for. An object that is changed several times changes once.
    pub fn wish(&self) -> Result<Wish, Fault> {
        if self.is_doubtful {
            return Self::with(self.present.clone(), &self.edits)?.wish();
        }
        let Self { present, wanted, edits, .. } = self;
        let mut order: Vec<(Object, &Origin)> = self.order.iter().map(|(object, by)| (object.clone(), &edits[*by].1)).collect();
        inside_first(present, wanted, &mut order);
        full(wanted, &order)?;
        let mut wish = Wish::default();
        let asked_for: LazyCell<HashSet<Object>, _> = LazyCell::new(|| edits.iter().map(|(edit, _)| edit.object()).collect());
        for (object, origin) in order {
            let (before, after) = (state_of(present, &object), state_of(wanted, &object));
            let stays = agree(before.as_ref(), after.as_ref());
            // What follows and stays as it was has to be known all the same: it follows on the way back, too.
            if stays && !object.is_shared() {
                continue;
            }
            if let Some(why) = before.as_ref().and_then(State::lacks).filter(|_| !stays) {
                let fault = Fault::new(Kind::Refused, format!("change the {object}"), format!("{why}, so it could not be put back"));
                return Err(fault.hint("take it away by hand, if nobody needs it back").at(origin.clone()));
            }
            let is_asked_for = stays && asked_for.contains(&object);
            let change = Change::new(object, before, after);
            match is_asked_for {
                // Of what is as it is asked for something may be learned.
                true => wish.claims.push(Change { origin: Some(origin.clone()), before: change.after.clone(), ..change }),
                false => wish.changes.push(Change { origin: (!stays).then(|| origin.clone()), ..change }),
            }
        }
        Ok(wish)
    }
}

/// Finds the changes that edits ask for.
#[cfg(test)]
pub fn wish(present: &Inventory, edits: &[(Edit, Origin)]) -> Result<Wish, Fault> {
    Draft::with(present.clone(), edits)?.wish()
}

/// Refuses more elements than a hash holds: the kernel would stop halfway.
fn full(wanted: &Inventory, order: &[(Object, &Origin)]) -> Result<(), Fault> {
    let mut last: BTreeMap<&SetName, &Origin> = BTreeMap::new();
    for (object, origin) in order {
        if let Object::Member(set, _) = object {
            last.insert(set, origin);
        }
    }
    for (name, origin) in last {
        let set = Object::Set(name.clone());
        let Some(State::Set(definition)) = wanted.get(&set) else { continue };
        let Some(most) = definition.maxelem.filter(|_| !definition.forceadd) else { continue };
        let elements = contents(wanted, &set).count();
        if elements > most as usize {
            let why = format!("it would have {elements} elements, and it holds {most} at most");
            let fault = Fault::new(Kind::Refused, format!("fill the {set}"), why).hint("make it with a larger `maxelem`");
            return Err(fault.at((*origin).clone()));
        }
    }
    Ok(())
}

/// Puts what is in something that goes before it, also where it was elsewhere in between: that is the way back, too.
fn inside_first(present: &Inventory, wanted: &Inventory, order: &mut Vec<(Object, &Origin)>) {
    let goes = |object: &Object| object.gives_way() && present.contains_key(object) && !wanted.contains_key(object);
    let mut at = 0;
    while let Some(object) = order.get(at).map(|(object, _)| object.clone()) {
        if goes(&object) {
            let inside: HashSet<&Object> = contents(present, &object).map(|(inside, _)| inside).collect();
            let (late, rest): (Vec<_>, Vec<_>) =
                order.split_off(at).into_iter().partition(|(other, _)| inside.contains(other) && goes(other));
            at += late.len();
            order.extend(late.into_iter().chain(rest));
        }
        at += 1;
    }
}
