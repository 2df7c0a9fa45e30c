//! The gate in front of the door: what is to be touched has to be permitted to all code that takes part, before anything is touched.
//!
//! The host tells when code of a package is entered and left ([`Gate::enter`]). The rights in force are the intersection of those of the run and of
//! all packages that have been entered and not left, so code of a package can never do more than it may itself, whoever calls it, and whatever it
//! calls.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::kernel::{files, program};
use crate::model::grant::{Permission, Rights, Scope, Uses};
use crate::model::{Fault, Kind, Origin};

/// Code that has rights of its own: the recipe of a run, or a package.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    /// What people call it: `the recipe`, `the package teamlib`.
    pub name: String,
    /// Its bounds; what it does has to be within each of them.
    pub bounds: Vec<Bound>,
}

/// Rights with the place where they are written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The rights.
    pub rights: Rights,
    /// Where more is allowed, as the end of "add .. to ": `` `allow` of [permissions] in fyke.toml ``.
    pub place: String,
}

impl Bound {
    /// Makes one. What the rights name is found out once, now: where the paths lead, and which programs are meant.
    pub fn new(rights: Rights, place: impl Into<String>) -> Self {
        Self { rights: rights.known_as(&real), place: place.into() }
    }
}

/// Gives what else a file or a program that rights name is called, as far as it is there.
fn real(permission: &Permission) -> Vec<Permission> {
    let scopes = match &permission.scope {
        Scope::Path(path) => vec![Scope::of_path(&files::real(Path::new(&**path)))],
        Scope::Program(program) => vec![Some(Scope::Program(program::called(program))), program::real(program).map(Scope::Program)],
        _ => Vec::new(),
    };
    scopes.into_iter().flatten().map(|scope| Permission::new(permission.power, scope)).collect()
}

impl Party {
    /// Makes one of a name and of rights that are written down in one place.
    pub fn new(name: impl Into<String>, rights: Rights, place: impl Into<String>) -> Self {
        Self { name: name.into(), bounds: vec![Bound::new(rights, place)] }
    }

    /// Makes the recipe of a run that may do all.
    pub fn unbound() -> Self {
        Self { name: "the recipe".into(), bounds: Vec::new() }
    }

    fn is_unbound(&self) -> bool {
        self.bounds.iter().all(|bound| bound.rights.is_all())
    }
}

/// What somebody who is asked for a permission says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This once.
    Yes,
    /// To the end of the run.
    Always,
    /// No, and the question is not asked again.
    No,
}

/// Asks somebody whether code may do something: the code by its name, and the permission.
pub type Ask = dyn FnMut(&str, &Permission) -> Result<Reply, Fault> + Send;

/// Writes down a use as one document.
pub type Audit = dyn FnMut(&Value) -> Result<(), Fault> + Send;

/// The rights of a run, shared by all its doors.
#[derive(Clone)]
pub struct Gate(Arc<Mutex<State>>);

struct State {
    main: Arc<Party>,
    /// The packages whose code is at work, the outermost first.
    inside: Vec<Arc<Party>>,
    ask: Option<Box<Ask>>,
    audit: Option<Box<Audit>>,
    /// What was said to the end of the run, by the name of the code.
    said: HashSet<(String, Permission, bool)>,
}

/// Code of a package is at work as long as this is kept.
pub struct Inside {
    gate: Gate,
    depth: usize,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.gate.lock().inside.truncate(self.depth);
    }
}

impl Gate {
    /// Makes the gate of a run that may do all.
    pub fn open() -> Self {
        Self::new(Party::unbound(), None, None)
    }

    /// Makes a gate.
    pub fn new(main: Party, ask: Option<Box<Ask>>, audit: Option<Box<Audit>>) -> Self {
        Self(Arc::new(Mutex::new(State { main: Arc::new(main), inside: Vec::new(), ask, audit, said: HashSet::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that code of a package is at work from here on, until what is given is dropped.
    #[must_use]
    pub fn enter(&self, party: &Arc<Party>) -> Inside {
        let mut state = self.lock();
        let depth = state.inside.len();
        if state.inside.last().is_none_or(|last| !Arc::ptr_eq(last, party)) {
            state.inside.push(party.clone());
        }
        Inside { gate: self.clone(), depth }
    }

    /// Tells whether nothing has to be asked: all that takes part may do all, and nothing is written down.
    pub fn is_open(&self) -> bool {
        let state = self.lock();
        state.audit.is_none() && state.inside.is_empty() && state.main.is_unbound()
    }

    /// Refuses what is not permitted to all code that takes part.
    pub fn pass(&self, uses: &Uses, origin: Option<&Origin>) -> Result<(), Fault> {
        self.lock().pass(uses, origin)
    }

    /// Tells whether something would be permitted; nobody is asked, and nothing is written down.
    pub fn would_pass(&self, asked: &Permission) -> bool {
        self.lock().missing(asked, false, &[]).is_none()
    }

    /// Gives all rights that count now.
    pub fn rights(&self) -> Vec<Rights> {
        let state = self.lock();
        state.parties().flat_map(|party| party.bounds.iter().map(|bound| bound.rights.clone())).collect()
    }
}

/// What stands in the way: the code, its bound, and whether that denies it by name.
struct Missing {
    party: Arc<Party>,
    bound: usize,
    denied: Option<Permission>,
}

impl State {
    fn parties(&self) -> impl DoubleEndedIterator<Item = &Arc<Party>> {
        std::iter::once(&self.main).chain(&self.inside)
    }

    /// Finds what stands in the way of something: a denial before a lack, and the innermost code before the others. Of what changes along with
    /// something else only denials count.
    fn missing(&self, asked: &Permission, along: bool, once: &[String]) -> Option<Missing> {
        let all = || self.parties().rev().flat_map(|party| party.bounds.iter().enumerate().map(move |(at, bound)| (party, at, bound)));
        let denial = all().find_map(|(party, at, bound)| Some((party, at, bound.rights.denial(asked)?.clone())));
        if let Some((party, bound, denied)) = denial {
            return Some(Missing { party: party.clone(), bound, denied: Some(denied) });
        }
        let said = |party: &Party| once.contains(&party.name) || self.said.contains(&(party.name.clone(), asked.clone(), true));
        let (party, bound, _) = all().find(|(party, _, bound)| !along && !bound.rights.permit(asked) && !said(party))?;
        Some(Missing { party: party.clone(), bound, denied: None })
    }

    fn pass(&mut self, uses: &Uses, origin: Option<&Origin>) -> Result<(), Fault> {
        let along = uses.touches.iter().map(|touched| (touched, true));
        uses.needs.iter().map(|needed| (needed, false)).chain(along).try_for_each(|(asked, along)| self.pass_one(asked, along, origin))
    }

    fn pass_one(&mut self, asked: &Permission, along: bool, origin: Option<&Origin>) -> Result<(), Fault> {
        let mut once: Vec<String> = Vec::new();
        while let Some(missing) = self.missing(asked, along, &once) {
            let name = missing.party.name.clone();
            match self.reply(asked, &missing)? {
                Reply::Yes => once.push(name),
                Reply::Always => drop(self.said.insert((name, asked.clone(), true))),
                Reply::No => {
                    self.said.insert((name, asked.clone(), false));
                    self.write(asked, origin, Some(&missing))?;
                    let fault = missing.fault(asked);
                    return Err(origin.cloned().into_iter().fold(fault, Fault::at));
                }
            }
        }
        if along { Ok(()) } else { self.write(asked, origin, None) }
    }

    /// Asks, if there is somebody to ask. What is denied by name is not asked for.
    fn reply(&mut self, asked: &Permission, missing: &Missing) -> Result<Reply, Fault> {
        let refused = self.said.contains(&(missing.party.name.clone(), asked.clone(), false));
        match &mut self.ask {
            Some(ask) if missing.denied.is_none() && !refused => ask(&missing.party.name, asked),
            _ => Ok(Reply::No),
        }
    }

    /// Writes a use down. What cannot be written down is not done.
    fn write(&mut self, asked: &Permission, origin: Option<&Origin>, missing: Option<&Missing>) -> Result<(), Fault> {
        let Some(audit) = &mut self.audit else { return Ok(()) };
        let by: Vec<&str> = std::iter::once(&self.main).chain(&self.inside).map(|party| party.name.as_str()).collect();
        let at = origin.map(|origin| origin.at.to_string());
        let refused = missing.map(|missing| json!({ "by": missing.party.name, "denied": missing.denied.as_ref().map(ToString::to_string) }));
        audit(&json!({ "granted": missing.is_none(), "permission": asked.to_string(), "code": by, "at": at, "refused": refused }))
    }
}

impl Missing {
    fn fault(&self, asked: &Permission) -> Fault {
        let name = &self.party.name;
        let fault = |why| Fault::new(Kind::Permission, asked.tried(), why);
        let place = self.party.bounds.get(self.bound).map_or("", |bound| &bound.place);
        match &self.denied {
            Some(denied) => fault(format!("`{denied}` is denied to {name}")).hint(format!("the denial is in {place}")),
            None => fault(format!("{name} has no permission `{asked}`")).hint(format!("add {:?} to {place}", asked.to_string())),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().parties().map(|party| &party.name)).finish()
    }
}

#[cfg(test)]
mod tests;
