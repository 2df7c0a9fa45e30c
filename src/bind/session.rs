//! What a native function knows about the run that calls it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rhai::{Dynamic, Module, NativeCallContext};

use crate::model::source::Sources;
use crate::model::{Fault, Origin, Position};
use crate::transaction::{Caller, Callers, Door, Party};

/// Waits for a duration, or ends earlier with a fault.
pub type Pause = dyn Fn(Duration) -> Result<(), Fault> + Send + Sync;

/// Asks whoever sits at the terminal, or ends with a fault.
pub type Confirm = dyn Fn(&str) -> Result<bool, Fault> + Send + Sync;

/// Takes a line that a script prints.
pub type Sink = dyn Fn(&str) + Send + Sync;

/// Takes the line and column that the script is at, in the counting of the run.
pub type Mark = dyn Fn(u32, u32) + Send + Sync;

/// The run that a native function is called in; the engine's tag holds it, and a clone is the same run.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    door: Mutex<Door>,
    sources: Arc<RwLock<Sources>>,
    parties: Arc<Parties>,
    hooks: Hooks,
    call: Mutex<Call>,
}

/// Whose code the sources of a run are, by their names; the recipe's own, and those of the standard library, are not among them.
#[derive(Debug, Default)]
pub struct Parties(RwLock<HashMap<String, Arc<Party>>>);

impl Parties {
    /// Notes whose code a source is.
    pub fn note(&self, source: &str, party: Arc<Party>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), party);
    }

    /// Finds whose code is at work, by the sources of all functions around a call, the outermost first; none is the name of one that has lost it.
    fn find<'a>(&self, sources: impl Iterator<Item = Option<&'a str>>) -> Callers {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return Callers::default();
        }
        let mut found: Vec<Arc<Party>> = Vec::new();
        for source in sources {
            let party = source.map_or_else(|| Some(Arc::new(Party::nobody())), |source| known.get(source).cloned());
            found.extend(party.filter(|party| !found.iter().any(|known| Arc::ptr_eq(known, party))));
        }
        found.into()
    }
}

/// What the host does for native functions.
pub struct Hooks {
    /// Waits.
    pub pause: Box<Pause>,
    /// Asks.
    pub confirm: Box<Confirm>,
    /// Writes to the log.
    pub log: Box<Sink>,
    /// Shows how far something has come; nothing takes it away again.
    pub progress: Box<Sink>,
    /// Is told where the script is.
    pub mark: Box<Mark>,
}

/// The recipe that runs, with the parameters that were given to it.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The name of the recipe; empty for a one-liner.
    pub recipe: String,
    /// The values of its key parameters, joined; empty without any.
    pub instance: String,
    /// The parameters that have another value than their default.
    pub given: BTreeMap<String, Dynamic>,
    /// The code of the script's own `exit(n)`.
    pub exit: Option<u8>,
    /// What the script's own `result(value)` gave.
    pub result: Option<Dynamic>,
}

impl Session {
    /// Makes a session of a door and the sources of the run.
    pub fn new(door: Door, sources: Arc<RwLock<Sources>>, parties: Arc<Parties>, hooks: Hooks) -> Self {
        Self(Arc::new(Inner { door: Mutex::new(door), sources, parties, hooks, call: Mutex::default() }))
    }

    /// Gives the door as a native function may use it: with the rights of all code that the call is inside of.
    ///
    /// The engine keeps the functions of every module that it is inside of as a stack, each with the name of its source (`iter_namespaces`). A closure that is
    /// called back adds nothing, and takes nothing away: it runs inside of whoever called it. The source in which the call stands counts as well.
    pub fn door_of(&self, ctx: &NativeCallContext) -> Door {
        let place = self.position(ctx.call_position());
        let sources = ctx.iter_namespaces().map(Module::id).chain(place.iter().map(|at| Some(&*at.file)));
        let packages = self.0.parties.find(sources);
        self.door().called_by(Caller { packages, at: place.map(Origin::of) })
    }

    /// Gives the door with the rights of the recipe: for the host alone.
    pub fn door(&self) -> Door {
        self.0.door.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another door from now on, and gives the one before.
    pub fn use_door(&self, door: Door) -> Door {
        std::mem::replace(&mut self.0.door.lock().unwrap_or_else(PoisonError::into_inner), door)
    }

    /// Gives the recipe that runs.
    pub fn call(&self) -> MutexGuard<'_, Call> {
        self.0.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, as far as the mode of the run waits at all.
    pub fn pause(&self, duration: Duration) -> Result<(), Fault> {
        (self.0.hooks.pause)(duration)
    }

    /// Asks a question that is answered with yes or no, as far as the mode of the run asks at all.
    pub fn confirm(&self, question: &str) -> Result<bool, Fault> {
        (self.0.hooks.confirm)(question)
    }

    /// Writes a line to the log of the run.
    pub fn log(&self, line: &str) {
        (self.0.hooks.log)(line);
    }

    /// Shows how far something has come, on a terminal; an empty line takes it away again.
    pub fn progress(&self, line: &str) {
        (self.0.hooks.progress)(line);
    }

    /// Turns a position that Rhai gives into a position in a file, and notes that the script is there.
    pub fn position(&self, at: rhai::Position) -> Option<Position> {
        let (line, column) = (u32::try_from(at.line()?).ok()?, u32::try_from(at.position().unwrap_or(1)).ok()?);
        (self.0.hooks.mark)(line, column);
        let sources = self.0.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources.position(line, column)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("call", &self.0.call).finish_non_exhaustive()
    }
}
