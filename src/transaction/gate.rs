//! The gate in front of the door: what is to be touched has to be permitted to all code that takes part, before anything is touched.
//!
//! Who takes part is told with every call: the recipe always, and the packages whose code is at work ([`Callers`]). The rights in force are the
//! intersection of theirs, so code of a package can never do more than it may itself, whoever calls it, and whatever it calls.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::kernel::{files, program};
use crate::model::grant::{Grants, Permission, Rights, Scope, Uses};
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
    rights: Rights,
    place: Place,
}

/// Where rights are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the words of the command line.
    Line,
    /// In a table of a manifest.
    Table(String),
}

impl Place {
    /// Makes the place of a table in a file.
    pub fn new(table: impl fmt::Display, file: impl fmt::Display) -> Self {
        Self::Table(format!("[{table}] in {file}"))
    }

    fn allows(&self, asked: &Permission) -> String {
        match self {
            Self::Line => format!("say --allow '{asked}'"),
            Self::Table(table) => format!("add \"{asked}\" to `allow` of {table}"),
        }
    }

    fn denies(&self, denied: &Permission) -> String {
        match self {
            Self::Line => format!("leave --deny '{denied}' out"),
            Self::Table(table) => format!("the denial is in `deny` of {table}"),
        }
    }
}

impl Bound {
    /// Makes one. What the rights name is found out once, now: where the paths lead, and which programs are meant.
    pub fn new(rights: Rights, place: Place) -> Self {
        Self { rights: rights.known_as(&real), place }
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
    pub fn new(name: impl Into<String>, rights: Rights, place: Place) -> Self {
        Self { name: name.into(), bounds: vec![Bound::new(rights, place)] }
    }

    /// Makes the recipe of a run, of what its project declares and of what the command line says. Without either it may do all.
    fn recipe(declared: Option<(Grants, Place)>, line: &Grants) -> Self {
        let (rights, place) = match declared {
            Some((declared, place)) => (Rights::of(declared), place),
            None => (Rights::all(), Place::Line),
        };
        let more = Bound::new(rights.allow(line.allow.iter().cloned()), place);
        let less = Bound::new(Rights::all().deny(line.deny.iter().cloned()), Place::Line);
        Self { name: "the recipe".into(), bounds: vec![more, less] }
    }

    /// Makes that of code that is not known to be anybody's.
    pub fn nobody() -> Self {
        Self::new("code of unknown origin", Rights::of(Grants::default()), Place::Line)
    }

    fn is_unbound(&self) -> bool {
        self.bounds.iter().all(|bound| bound.rights.is_all())
    }
}

/// The packages whose code is at work in a call, the outermost first.
pub type Callers = Arc<[Arc<Party>]>;

/// Who comes to the door.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The packages whose code is at work.
    pub packages: Callers,
    /// Where the call stands, if it is one of a script.
    pub at: Option<Origin>,
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
    /// What the command line allows and denies.
    line: Grants,
    main: Arc<Party>,
    ask: Option<Box<Ask>>,
    audit: Option<Box<Audit>>,
    /// What was said to the end of the run, by the name of the code.
    said: HashSet<(String, Permission, bool)>,
}

impl Gate {
    /// Makes the gate of a run that may do all.
    pub fn open() -> Self {
        Self::new(Grants::default(), None, None)
    }

    /// Makes a gate of what the command line says.
    pub fn new(line: Grants, ask: Option<Box<Ask>>, audit: Option<Box<Audit>>) -> Self {
        let main = Arc::new(Party::recipe(None, &line));
        Self(Arc::new(Mutex::new(State { line, main, ask, audit, said: HashSet::new() })))
    }

    /// Says what the project of the recipe declares; what the command line allows is allowed beside it.
    pub fn declare(&self, declared: Option<(Grants, Place)>) {
        let mut state = self.lock();
        state.main = Arc::new(Party::recipe(declared, &state.line));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether nothing has to be asked: all that takes part may do all, and nothing is written down.
    pub fn is_open(&self, callers: &Callers) -> bool {
        let state = self.lock();
        state.audit.is_none() && callers.is_empty() && state.main.is_unbound()
    }

    /// Refuses what is not permitted to all code that takes part.
    pub fn pass(&self, callers: &Callers, uses: &Uses, origin: Option<&Origin>) -> Result<(), Fault> {
        let mut state = self.lock();
        let along = uses.touches.iter().map(|touched| (touched, true));
        let all = uses.needs.iter().map(|needed| (needed, false)).chain(along);
        all.into_iter().try_for_each(|(asked, along)| state.pass(&Use { callers, asked, along, origin }))
    }

    /// Tells whether something would be permitted; nobody is asked, and nothing is written down.
    pub fn would_pass(&self, callers: &Callers, asked: &Permission) -> bool {
        self.lock().missing(&Use { callers, asked, along: false, origin: None }, &[]).is_none()
    }
}

/// What stands in the way: the code, where its rights are written down, and whether those deny it by name.
struct Missing {
    party: Arc<Party>,
    place: Place,
    denied: Option<Permission>,
}

/// One use of one permission.
struct Use<'a> {
    callers: &'a Callers,
    asked: &'a Permission,
    /// Whether it only changes along with what is needed.
    along: bool,
    origin: Option<&'a Origin>,
}

impl State {
    fn parties<'a>(&'a self, callers: &'a Callers) -> impl DoubleEndedIterator<Item = &'a Arc<Party>> {
        std::iter::once(&self.main).chain(callers.iter())
    }

    /// Finds what stands in the way of something: a denial before a lack, and the innermost code before the others. Of what changes along with
    /// something else only denials count.
    fn missing(&self, of: &Use<'_>, once: &[String]) -> Option<Missing> {
        let all = || self.parties(of.callers).rev().flat_map(|party| party.bounds.iter().map(move |bound| (party, bound)));
        let denial = all().find_map(|(party, bound)| Some((party, bound, bound.rights.denial(of.asked)?.clone())));
        if let Some((party, Bound { place, .. }, denied)) = denial {
            return Some(Missing { party: party.clone(), place: place.clone(), denied: Some(denied) });
        }
        let said = |party: &Party| once.contains(&party.name) || self.said.contains(&(party.name.clone(), of.asked.clone(), true));
        let (party, bound) = all().find(|(party, bound)| !of.along && !bound.rights.permit(of.asked) && !said(party))?;
        Some(Missing { party: party.clone(), place: bound.place.clone(), denied: None })
    }

    fn pass(&mut self, of: &Use<'_>) -> Result<(), Fault> {
        let mut once: Vec<String> = Vec::new();
        while let Some(missing) = self.missing(of, &once) {
            let name = missing.party.name.clone();
            match self.reply(of.asked, &missing)? {
                Reply::Yes => once.push(name),
                Reply::Always => drop(self.said.insert((name, of.asked.clone(), true))),
                Reply::No => {
                    self.said.insert((name, of.asked.clone(), false));
                    self.write(of, Some(&missing))?;
                    let fault = missing.fault(of.asked);
                    return Err(of.origin.cloned().into_iter().fold(fault, Fault::at));
                }
            }
        }
        if of.along { Ok(()) } else { self.write(of, None) }
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
    fn write(&mut self, of: &Use<'_>, missing: Option<&Missing>) -> Result<(), Fault> {
        let Some(audit) = &mut self.audit else { return Ok(()) };
        let code: Vec<&str> = std::iter::once(&self.main).chain(of.callers.iter()).map(|party| party.name.as_str()).collect();
        let at = of.origin.map(|origin| origin.at.to_string());
        let refused =
            missing.map(|missing| json!({ "by": missing.party.name, "denied": missing.denied.as_ref().map(ToString::to_string) }));
        audit(&json!({ "granted": missing.is_none(), "permission": of.asked.to_string(), "code": code, "at": at, "refused": refused }))
    }
}

impl Missing {
    fn fault(&self, asked: &Permission) -> Fault {
        let name = &self.party.name;
        let fault = |why| Fault::new(Kind::Permission, asked.tried(), why);
        let place = &self.place;
        match &self.denied {
            Some(denied) => fault(format!("`{denied}` is denied to {name}")).hint(place.denies(denied)),
            None => fault(format!("{name} has no permission `{asked}`")).hint(place.allows(asked)),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.lock().main).finish()
    }
}

#[cfg(test)]
mod tests;
