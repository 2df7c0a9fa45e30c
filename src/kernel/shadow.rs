//! A kernel in memory: over Linux for plans, over nothing for tests. It holds no handle that could write.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Kernel;
use super::named::{self, Named};
use super::recent::{self, Recent};
use super::sockets::Sockets;
use super::xtables::{Ask, Plan, Refusal, Source, Verdict, Xtables};
use crate::model::iptables::{ChainRef, Counters, Entry, Rule, Ruleset, RunId};
use crate::model::named::{Inventory, Scope};
use crate::model::raw::Way;
use crate::model::sockets::{Filter, Holders, Socket};
use crate::model::{Change, Family, Fault, Kind, Object, State, tc};

/// What a shadow lies over.
pub trait Below: Send {
    /// The tables of rules, to read.
    fn xtables(&mut self) -> Result<&mut dyn Source, Fault>;

    /// The objects that are known by a name of their own, to read.
    fn named(&mut self) -> &mut dyn named::Source;

    /// The lists of remembered sources; only its reading half is used.
    fn recent(&mut self) -> &mut dyn Recent;

    /// The sockets; only its reading half is used.
    fn sockets(&mut self) -> &mut dyn Sockets;

    /// Tells why this user may not open a socket for packets; to open one changes nothing.
    fn refuses(&mut self, way: &Way) -> Option<Fault>;
}

/// A kernel in memory.
#[derive(Default)]
pub struct Shadow {
    below: Option<Box<dyn Below>>,
    rulesets: BTreeMap<Family, Ruleset>,
    known: HashSet<RunId>,
    /// The named objects that were written, with their states; none where one was taken away.
    written: BTreeMap<Object, Option<State>>,
}

impl Shadow {
    /// Lays a shadow over a kernel that can only be read.
    pub fn over(below: Box<dyn Below>) -> Self {
        Self { below: Some(below), ..Self::default() }
    }

    /// Lays a shadow over nothing: a fresh namespace.
    pub fn over_nothing() -> Self {
        Self::default()
    }

    /// Gives a ruleset to look at or to change, as another program would.
    pub fn ruleset(&mut self, family: Family) -> Result<&mut Ruleset, Fault> {
        let fresh = match (self.rulesets.contains_key(&family), &mut self.below) {
            (true, _) | (false, None) => Ruleset::empty(family),
            (false, Some(below)) => below.xtables()?.read(family)?,
        };
        Ok(self.rulesets.entry(family).or_insert(fresh))
    }

    /// Gives the named objects that were written and are there.
    pub fn named_objects(&self) -> Vec<Object> {
        self.written.iter().filter(|(_, state)| state.is_some()).map(|(object, _)| object.clone()).collect()
    }

    /// Numbers the entries from 1 and forgets tags that do not count, as a listing does.
    fn relist(&self, set: &Ruleset) -> Ruleset {
        let mut listed = set.clone();
        let entries = listed.tables.values_mut().flat_map(|t| t.chains.values_mut()).flat_map(|c| &mut c.rules);
        for (id, entry) in (1..).zip(entries) {
            let foreign = entry.rule.tag.as_ref().is_some_and(|tag| !self.known.contains(&tag.run));
            let rule =
                if foreign { Arc::new(Rule::listed(&entry.rule.line(), entry.rule.counters, &|_| false)) } else { entry.rule.clone() };
            *entry = Entry { id, rule };
        }
        listed
    }
}

impl Kernel for Shadow {
    fn xtables(&mut self) -> Result<&mut dyn Xtables, Fault> {
        Ok(self)
    }

    fn named(&mut self) -> &mut dyn Named {
        self
    }

    fn recent(&mut self) -> &mut dyn Recent {
        self
    }

    fn sockets(&mut self) -> &mut dyn Sockets {
        self
    }

    fn would_refuse(&mut self, way: &Way) -> Option<Fault> {
        self.below.as_mut()?.refuses(way)
    }

    fn echo(&mut self, changes: &[Change]) {
        self.written.extend(changes.iter().map(|change| (change.object.clone(), change.after.clone())));
    }
}

impl Source for Shadow {
    fn know(&mut self, runs: &HashSet<RunId>) {
        self.known.clone_from(runs);
        // Where the tables cannot be opened, the next read says so.
        if let Some(Ok(tables)) = self.below.as_mut().map(|below| below.xtables()) {
            tables.know(runs);
        }
    }

    fn read(&mut self, family: Family) -> Result<Ruleset, Fault> {
        self.ruleset(family)?;
        Ok(self.relist(&self.rulesets[&family]))
    }

    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        match &mut self.below {
            Some(below) => below.xtables()?.canonical(asks, chains),
            None => Ok(asks.iter().map(|ask| Verdict::Canonical(ask.words.clone())).collect()),
        }
    }

    fn judges(&self) -> bool {
        false
    }
}

impl Xtables for Shadow {
    fn update(&mut self, families: &[Family], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        let mut present = families.iter().map(|family| Source::read(self, *family)).collect::<Result<Vec<_>, _>>()?;
        for patch in plan(&present)? {
            if let Some(set) = present.iter_mut().find(|set| set.family == patch.family) {
                patch.apply(set);
            }
        }
        self.rulesets.extend(present.into_iter().map(|set| (set.family, set)));
        Ok(())
    }

    fn zero(&mut self, chain: &ChainRef, place: Option<usize>) -> Result<(), Fault> {
        let chain = self.ruleset(chain.family)?.get_mut(chain.table, &chain.chain)?;
        let rules = chain.rules.iter_mut().enumerate().filter(|(at, _)| place.is_none_or(|place| place == at + 1));
        for (_, entry) in rules.filter(|(_, entry)| entry.rule.counters.is_some()) {
            entry.rule = Arc::new(Rule { counters: Some(Counters::default()), ..(*entry.rule).clone() });
        }
        Ok(())
    }
}

/// Gives what a fresh namespace has: a loopback device, and nothing on it.
fn fresh(scope: &Scope) -> Inventory {
    let lo = Object::Tc(tc::Object::Device(tc::Device::listed("lo")));
    if scope.covers(&lo, None) { Inventory::from([(lo, State::Tc(tc::State::Link(1)))]) } else { Inventory::new() }
}

impl named::Source for Shadow {
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        let mut found = self.below.as_mut().map_or_else(|| Ok(fresh(scope)), |below| below.named().read(scope))?;
        for (object, state) in &self.written {
            // What was found there may have gone elsewhere.
            match state {
                None => drop(found.remove(object)),
                Some(state) if found.contains_key(object) || scope.covers(object, Some(state)) => {
                    found.insert(object.clone(), state.clone());
                }
                Some(_) => {}
            }
        }
        Ok(found)
    }

    fn counted(&mut self, device: &tc::Device) -> Result<Vec<(tc::Object, tc::Counted)>, Fault> {
        let is_planned = |object: &Object| matches!(object, Object::Tc(object) if object.device() == device);
        let planned = self.written.keys().any(is_planned);
        match self.below.as_mut().filter(|_| !planned) {
            Some(below) => below.named().counted(device),
            None => {
                Err(Fault::new(Kind::Unknown, format!("read what was counted on {device}"), "only packets that have passed can tell it"))
            }
        }
    }
}

impl Named for Shadow {
    fn write(&mut self, changes: &[Change]) -> Result<(), named::Refusal> {
        for change in changes {
            let Object::SetPair(..) = change.object else {
                if let (None, Some(after)) = (&change.before, &change.after) {
                    self.written.extend(change.object.comes_with(after).into_iter().map(|(object, state)| (object, Some(state))));
                }
                self.written.insert(change.object.clone(), change.after.clone());
                continue;
            };
            // All of both is written anew, under the other name.
            let refuse = |fault| named::Refusal { fault, at: 0 };
            let mut both = Inventory::new();
            for scope in change.object.scopes() {
                both.extend(named::Source::read(self, &scope).map_err(refuse)?);
            }
            let gone: Vec<Object> = both.keys().cloned().collect();
            crate::model::named::apply(&mut both, std::slice::from_ref(change));
            self.written.extend(gone.into_iter().map(|object| (object, None)));
            self.written.extend(both.into_iter().map(|(object, state)| (object, Some(state))));
        }
        Ok(())
    }
}

impl Recent for Shadow {
    fn lists(&mut self) -> Result<Vec<String>, Fault> {
        self.below.as_mut().map_or_else(|| Ok(Vec::new()), |below| below.recent().lists())
    }

    fn read(&mut self, list: &str) -> Result<Vec<recent::Source>, Fault> {
        let missing = || Fault::new(Kind::NotFound, format!("read the recent list {list:?}"), "there is no such list");
        self.below.as_mut().ok_or_else(missing)?.recent().read(list)
    }

    /// Does nothing: what packets and people put into a list is not planned.
    fn edit(&mut self, _: &str, _: &recent::Edit) -> Result<(), Fault> {
        Ok(())
    }
}

impl Sockets for Shadow {
    fn list(&mut self, filter: &Filter) -> Result<Vec<Socket>, Fault> {
        self.below.as_mut().map_or_else(|| Ok(Vec::new()), |below| below.sockets().list(filter))
    }

    fn details(&mut self, socket: &Socket) -> Result<Option<Socket>, Fault> {
        self.below.as_mut().map_or(Ok(None), |below| below.sockets().details(socket))
    }

    fn holders(&mut self) -> Result<Holders, Fault> {
        self.below.as_mut().map_or_else(|| Ok(Holders::new()), |below| below.sockets().holders())
    }

    /// Destroys none, and tells how many there would be.
    fn destroy(&mut self, sockets: &[Socket]) -> Result<usize, Fault> {
        Ok(sockets.len())
    }
}

/// A shadow that can be looked at, and changed as another program would, while a door has it. The door takes it for a kernel that judges by
/// itself, as the live one does, and so goes the way of a run.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Shadow>>);

impl Shared {
    /// Shares a shadow.
    pub fn new(shadow: Shadow) -> Self {
        Self(Arc::new(Mutex::new(shadow)))
    }

    /// Gives the shadow, once nobody else uses it.
    pub fn lock(&self) -> MutexGuard<'_, Shadow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel for Shared {
    fn xtables(&mut self) -> Result<&mut dyn Xtables, Fault> {
        Ok(self)
    }

    fn named(&mut self) -> &mut dyn Named {
        self
    }

    fn recent(&mut self) -> &mut dyn Recent {
        self
    }

    fn sockets(&mut self) -> &mut dyn Sockets {
        self
    }

    fn echo(&mut self, changes: &[Change]) {
        self.lock().echo(changes);
    }
}

impl Source for Shared {
    fn know(&mut self, runs: &HashSet<RunId>) {
        self.lock().know(runs);
    }

    fn read(&mut self, family: Family) -> Result<Ruleset, Fault> {
        Source::read(&mut *self.lock(), family)
    }

    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        self.lock().canonical(asks, chains)
    }
}

impl Xtables for Shared {
    fn update(&mut self, families: &[Family], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        self.lock().update(families, plan)
    }

    fn zero(&mut self, chain: &ChainRef, place: Option<usize>) -> Result<(), Fault> {
        self.lock().zero(chain, place)
    }
}

impl named::Source for Shared {
    fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        named::Source::read(&mut *self.lock(), scope)
    }

    fn counted(&mut self, device: &tc::Device) -> Result<Vec<(tc::Object, tc::Counted)>, Fault> {
        named::Source::counted(&mut *self.lock(), device)
    }
}

impl Named for Shared {
    fn write(&mut self, changes: &[Change]) -> Result<(), named::Refusal> {
        self.lock().write(changes)
    }
}

impl Recent for Shared {
    fn lists(&mut self) -> Result<Vec<String>, Fault> {
        self.lock().lists()
    }

    fn read(&mut self, list: &str) -> Result<Vec<recent::Source>, Fault> {
        Recent::read(&mut *self.lock(), list)
    }

    fn edit(&mut self, list: &str, edit: &recent::Edit) -> Result<(), Fault> {
        self.lock().edit(list, edit)
    }
}

impl Sockets for Shared {
    fn list(&mut self, filter: &Filter) -> Result<Vec<Socket>, Fault> {
        self.lock().list(filter)
    }

    fn details(&mut self, socket: &Socket) -> Result<Option<Socket>, Fault> {
        self.lock().details(socket)
    }

    fn holders(&mut self) -> Result<Holders, Fault> {
        self.lock().holders()
    }

    fn destroy(&mut self, sockets: &[Socket]) -> Result<usize, Fault> {
        self.lock().destroy(sockets)
    }
}
