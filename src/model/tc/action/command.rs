//! A command of tc(8) about actions that filters can share: `actions add action police rate 1mbit burst 10k index 1`.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::{Action, Key, kinds};
use crate::model::named::{Edit, Inventory};
use crate::model::tc::argv::Argv;
use crate::model::tc::filter::{VERBS, Verb};
use crate::model::{Fault, Object, State};

/// A command about actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes or changes actions.
    Set(Verb, Vec<Action>),
    /// Takes away actions.
    Delete(Vec<Key>),
    /// Takes away all actions of a kind that no filter uses.
    Flush(String),
}

impl FromStr for Command {
    type Err = Fault;

    /// Reads a line of tc(8); `tc` and `actions` may stand before it.
    fn from_str(line: &str) -> Result<Self, Fault> {
        let mut argv = Argv::read(line)?;
        let _ = argv.take("tc");
        let _ = argv.take("actions") || argv.take("action");
        if argv.take_short(&["flush"]) {
            argv.take("action");
            let kind = known(&mut argv)?;
            return if argv.is_end() { Ok(Self::Flush(kind)) } else { Err(argv.refuse("something stands behind the kind")) };
        }
        let verb = VERBS.iter().find(|(name, _)| argv.begins(name)).map(|(_, verb)| *verb);
        argv.next_word()?;
        match verb.ok_or_else(|| argv.odd("nothing that is done to actions").hint("add, change, replace, del or flush"))? {
            Verb::Delete => keys(&mut argv).map(Self::Delete),
            verb => {
                let list = Action::list(&mut argv)?;
                if !argv.is_end() {
                    return Err(argv.refuse(format!("{:?} stands behind the actions", argv.peek().unwrap_or_default())));
                }
                if list.iter().any(|action| action.goes_to_chain()) {
                    return Err(argv
                        .refuse("an action of its own goes to no chain: only a filter has one")
                        .hint("use pass, drop, pipe, jump"));
                }
                Ok(Self::Set(verb, list))
            }
        }
    }
}

fn known(argv: &mut Argv) -> Result<String, Fault> {
    let kind = argv.next_word()?;
    if kinds::is_known(&kind) { Ok(kind) } else { Err(argv.odd("no kind of action")) }
}

/// Reads `action vlan index 44 action vlan index 45`.
fn keys(argv: &mut Argv) -> Result<Vec<Key>, Fault> {
    let mut keys = Vec::new();
    while !argv.is_end() {
        if argv.take("action") {
            continue;
        }
        let kind = known(argv)?;
        if !argv.take_short(&["index"]) {
            return Err(argv.refuse(format!("which {kind} is missing: action {kind} index 1")));
        }
        keys.push(Key::new(&kind, argv.u32(10)?));
    }
    if keys.is_empty() { Err(argv.refuse("an action is missing")) } else { Ok(keys) }
}

impl Command {
    /// Gives the kinds of the actions that it is about.
    pub fn kinds(&self) -> BTreeSet<&str> {
        match self {
            Self::Set(_, list) => list.iter().map(|action| &action.kind[..]).collect(),
            Self::Delete(keys) => keys.iter().map(|key| &*key.kind).collect(),
            Self::Flush(kind) => BTreeSet::from([&kind[..]]),
        }
    }

    /// Gives the edits that do what is asked for. A number that nobody chooses is the first that is free, as the kernel would choose it.
    pub fn edits(&self, inventory: &Inventory) -> Vec<Edit> {
        let mut taken: BTreeSet<Key> =
            inventory.keys().filter_map(|object| if let Object::Action(key) = object { Some(key.clone()) } else { None }).collect();
        match self {
            Self::Set(verb, list) => list.iter().map(|action| set(*verb, action, &mut taken)).collect(),
            Self::Delete(keys) => keys.iter().map(|key| Edit::Del(Object::Action(key.clone()))).collect(),
            Self::Flush(kind) => taken.into_iter().filter(|key| *key.kind == **kind).map(|key| Edit::Absent(Object::Action(key))).collect(),
        }
    }
}

fn set(verb: Verb, action: &Action, taken: &mut BTreeSet<Key>) -> Edit {
    let mut action = action.clone();
    if action.index() == 0 {
        let free = (1..u32::MAX).find(|index| !taken.contains(&Key::new(&action.kind, *index)));
        action = action.with_index(free.unwrap_or(0));
    }
    let key = Key::new(&action.kind, action.index());
    taken.insert(key.clone());
    let (object, state) = (Object::Action(key), State::Action(Box::new(action)));
    match verb {
        Verb::Add => Edit::Add(object, state),
        // Both say "make it, or change it".
        _ => Edit::Ensure(object, state),
    }
}

/// Writes the command that makes a change.
pub fn written(key: &Key, before: Option<&Action>, after: Option<&Action>) -> Option<String> {
    match (before, after) {
        (Some(_), None) => Some(format!("tc actions del action {} index {}", key.kind, key.index)),
        (None, Some(after)) => Some(format!("tc actions add action {after}")),
        (Some(_), Some(after)) => Some(format!("tc actions replace action {after}")),
        (None, None) => None,
    }
}
