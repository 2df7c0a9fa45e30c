//! The door: nothing changes the machine but what goes through here.
//!
//! A script's changes are queued ([`Door::change`]) and reads are answered with the queue on top ([`Door::read`]). A flush journals the
//! difference and writes it, all at once; counters, acts, `commit` and the end of the script flush. What the door takes and gives is plain
//! data, so that a door can one day stand in another process.

mod company;
pub mod guard;
pub mod journal;
mod ledger;
mod outside;
mod overlay;
pub mod past;
pub mod record;
mod revert;
pub mod select;
pub mod status;
mod step;
#[cfg(test)]
mod tests;
pub mod undo;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::guard::{Guard, Stance};
pub use self::journal::{Journal, Shelf};
use self::ledger::Ledger;
pub use self::outside::Text;
use self::overlay::Overlay;
pub use self::record::{Batch, Bound, Context, Module, RunKind, RunRecord, RunState, Source, Term, TermState, Until};
use self::revert::{Job, revert};
use self::undo::Desk;
use crate::kernel::Kernel;
use crate::kernel::lock::{self, RunLock};
use crate::kernel::recent::{self, Source as RecentSource};
use crate::kernel::shadow::Shadow;
use crate::kernel::xtables::Refusal;
use crate::model::iptables::{Chain, ChainName, ChainRef, Edit, Intent, Owner, Rule, RunId, Table, Words};
use crate::model::{Change, Family, Fault, Kind, Object, Origin, Report};

/// How long another run of fyke that is in the way is waited for, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// What can be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// One chain with its rules.
    Chain(ChainRef),
    /// The first rule of a chain that equals some words.
    Find(ChainRef, Words),
    /// The names of the chains of a table.
    Chains(Family, Table),
    /// One chain with its counters: the changes queued so far are written first.
    Counted(ChainRef),
    /// The names of the lists of remembered sources.
    RecentLists,
    /// A list of remembered sources.
    Recent(String),
    /// A text outside of the kernel; nothing that is queued is in it.
    Text(Text),
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A chain.
    Chain(Chain),
    /// The place of a rule, from 1, and the rule.
    Place(Option<(usize, Arc<Rule>)>),
    /// Names of chains.
    Chains(Vec<ChainName>),
    /// Names of lists.
    RecentLists(Vec<String>),
    /// The sources in a list.
    Recent(Vec<RecentSource>),
    /// A text, if there is one.
    Text(Option<String>),
}

/// What is done and cannot be lifted.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Sets the counters of a chain, or of one rule of it, to zero.
    Zero(ChainRef, Option<usize>),
    /// Changes a list of remembered sources.
    Recent(String, recent::Edit),
}

/// What is told the id of a run before the run is journaled.
pub type Begun = Box<dyn FnMut(&RunId) -> Result<(), Fault> + Send>;

/// What a door needs to be opened.
pub struct Setup {
    /// The kernel: live for a run, a shadow for a plan.
    pub kernel: Box<dyn Kernel>,
    /// Where the journal is kept.
    pub journal: Shelf,
    /// Where earlier runs are looked up; a plan reads what it does not write.
    pub past: Shelf,
    /// Who runs what, where.
    pub context: Context,
    /// Forty random bits.
    pub random: u64,
    /// The time in seconds since 1970.
    pub now: fn() -> i64,
    /// What takes the lock of the run, and tells the guardian of it.
    pub begun: Begun,
    /// What stands between the user's login and the changes.
    pub guard: Guard,
}

/// The one way to the kernel, shared by everything in a script that holds a handle.
#[derive(Clone)]
pub struct Door(Arc<Mutex<Transaction>>);

impl Door {
    /// Opens the door.
    pub fn open(setup: Setup) -> Self {
        Self(Arc::new(Mutex::new(Transaction::new(setup))))
    }

    /// Opens a door to a fresh namespace that is in memory only, with its journal.
    pub fn over_nothing() -> Self {
        let context = Context { pid: std::process::id(), ..Context::default() };
        let kernel = Box::new(Shadow::over_nothing());
        let (journal, past) = (Shelf::Memory, Shelf::Memory);
        let begun = Box::new(|_: &RunId| Ok(()));
        Self::open(Setup { kernel, journal, past, context, random: 0, now: || 0, begun, guard: Guard::asleep() })
    }

    fn lock(&self) -> MutexGuard<'_, Transaction> {
        // A panic in a native function ends the run, and the rollback still has to come through here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whose changes these are; to be called before the first of them.
    pub fn set_owner(&self, owner: Owner) {
        let mut transaction = self.lock();
        transaction.ledger.context.owner = owner.clone();
        transaction.overlay = Overlay::new(owner, transaction.ledger.run.clone());
    }

    /// Sets what the script has imported; to be called before the run is finished.
    pub fn set_modules(&self, modules: Vec<Module>) {
        self.lock().ledger.context.source.modules = modules;
    }

    /// Sets for how long the run is to be in force; to be called before the first change.
    pub fn bind(&self, bound: Bound) {
        self.lock().ledger.bound = Some(bound);
    }

    /// Tells until when the run is in force, when it has ended well, has changed something, and is not to stay.
    pub fn until(&self) -> Option<Until> {
        self.lock().ledger.until
    }

    /// Reads something, with everything that is queued on top.
    pub fn read(&self, query: Query) -> Result<Reading, Fault> {
        self.lock().read(query)
    }

    /// Queues a change.
    pub fn change(&self, intent: Intent, origin: Origin) -> Result<(), Fault> {
        self.lock().change(intent, origin)
    }

    /// Does something that cannot be lifted, after everything that is queued.
    pub fn act(&self, act: Act, origin: Origin) -> Result<(), Fault> {
        self.lock().act(&act, &origin)
    }

    /// Writes everything that is queued.
    pub fn commit(&self) -> Result<(), Fault> {
        self.lock().flush()
    }

    /// Ends the run well: writes what is queued, takes out what it replaces, and closes its entry in the journal.
    pub fn finish(&self) -> Result<Report, Fault> {
        self.lock().finish()
    }

    /// Ends the run by lifting everything that it did.
    pub fn rollback(&self) -> Result<Report, Fault> {
        self.lock().rollback()
    }
}

struct Transaction {
    kernel: Box<dyn Kernel>,
    overlay: Overlay,
    ledger: Ledger,
    guard: Guard,
    /// Whether the kernel has been told which tags count.
    ready: bool,
    changes: Vec<Change>,
    acts: Vec<String>,
}

impl Transaction {
    fn new(setup: Setup) -> Self {
        let run = RunId::from_bits(setup.random);
        Self {
            kernel: setup.kernel,
            overlay: Overlay::new(setup.context.owner.clone(), run.clone()),
            ledger: Ledger::new(run, setup.context, setup.now, (setup.journal, setup.past), setup.begun),
            guard: setup.guard,
            ready: false,
            changes: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Tells the kernel, once, which tags count.
    fn get_ready(&mut self) -> Result<(), Fault> {
        if !self.ready {
            let tables = self.kernel.xtables()?;
            tables.know(&self.ledger.known()?);
            self.ledger.context.backend = tables.backend().map_or_else(String::new, |backend| backend.name().to_owned());
            self.ready = true;
        }
        Ok(())
    }

    fn read(&mut self, query: Query) -> Result<Reading, Fault> {
        if !matches!(query, Query::Text(_)) {
            self.get_ready()?;
        }
        if let Query::Counted(_) = query {
            self.flush()?;
        }
        match query {
            Query::Chain(at) | Query::Counted(at) => {
                self.overlay.make_ready(&at, self.kernel.xtables()?)?;
                Ok(Reading::Chain(self.overlay.ruleset(at.family, self.kernel.xtables()?)?.get(at.table, &at.chain)?.clone()))
            }
            Query::Find(at, words) => {
                self.overlay.make_ready(&at, self.kernel.xtables()?)?;
                let words = self.overlay.canonical_of(&at, &words, self.kernel.xtables()?)?;
                let chain = self.overlay.ruleset(at.family, self.kernel.xtables()?)?.get(at.table, &at.chain)?;
                let found = chain.rules.iter().position(|entry| entry.rule.words == words);
                Ok(Reading::Place(found.map(|index| (index + 1, chain.rules[index].rule.clone()))))
            }
            Query::Chains(family, table) => {
                let set = self.overlay.ruleset(family, self.kernel.xtables()?)?;
                Ok(Reading::Chains(set.table(table).into_iter().flat_map(|table| table.chains.keys().cloned()).collect()))
            }
            Query::RecentLists => self.kernel.recent().lists().map(Reading::RecentLists),
            Query::Recent(list) => self.kernel.recent().read(&list).map(Reading::Recent),
            Query::Text(text) => text.read().map(Reading::Text),
        }
    }

    fn change(&mut self, intent: Intent, origin: Origin) -> Result<(), Fault> {
        self.get_ready()?;
        if let Edit::EnsureChain(chain) = &intent.edit {
            self.own(&ChainRef::new(intent.family, intent.table, chain.clone()))?;
        }
        self.overlay.queue(intent, origin, self.kernel.xtables()?)
    }

    /// Refuses a chain that is there and that this recipe did not make.
    fn own(&mut self, at: &ChainRef) -> Result<(), Fault> {
        if !self.overlay.is_in_kernel(at, self.kernel.xtables()?)? {
            return Ok(());
        }
        let fault = |why: String| Err(Fault::new(Kind::Exists, format!("make the chain {at}"), why));
        match self.ledger.maker(&Object::Chain(at.clone()))? {
            Some(maker) if maker == self.ledger.context.owner => Ok(()),
            Some(maker) => fault(format!("it belongs to {maker}")),
            None => fault("somebody else made one of that name".into()),
        }
    }

    fn act(&mut self, act: &Act, origin: &Origin) -> Result<(), Fault> {
        self.get_ready()?;
        self.flush()?;
        let what = match act {
            Act::Zero(chain, None) => format!("zeroed the counters of {chain}"),
            Act::Zero(chain, Some(place)) => format!("zeroed the counters of rule {place} of {chain}"),
            Act::Recent(list, recent::Edit::Add(address)) => format!("added {address} to the recent list {list}"),
            Act::Recent(list, recent::Edit::Remove(address)) => format!("removed {address} from the recent list {list}"),
            Act::Recent(list, recent::Edit::Clear) => format!("cleared the recent list {list}"),
        };
        self.ledger.act(&what, origin)?;
        match act {
            Act::Zero(chain, place) => self.kernel.xtables()?.zero(chain, *place)?,
            Act::Recent(list, edit) => self.kernel.recent().edit(list, edit)?,
        }
        self.acts.push(what);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.overlay.is_clean() {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            match self.in_turn(lock::TO_BEGIN, Self::write) {
                // A run that ends is soon out of the way, and it can end only when it is its turn.
                Ok(Some(_)) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                outcome => {
                    self.overlay.flushed();
                    return outcome.and_then(|in_the_way| in_the_way.map_or(Ok(()), Err));
                }
            }
        }
    }

    /// Does work while no other run of fyke writes here: who waited sees the tags of who came before.
    fn in_turn<T>(&mut self, patience: Duration, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let turn = self.ledger.turn(patience)?;
        let done = work(self);
        turn.into_iter().for_each(RunLock::remove);
        done
    }

    /// Writes what is queued; or gives what is in the way, if that may pass.
    fn write(&mut self) -> Result<Option<Fault>, Fault> {
        // The guard reads rules as the kernel lists them.
        if !self.guard.wake() && self.kernel.xtables()?.judges() {
            self.overlay.settle(self.kernel.xtables()?)?;
        } else {
            self.overlay.vet(self.kernel.xtables()?)?;
        }
        let Self { kernel, overlay, ledger, guard, .. } = self;
        kernel.xtables()?.know(&ledger.known()?);
        let others = ledger.others()?;
        let (families, batch) = (overlay.families(), ledger.next_batch());
        let (mut changes, mut passes) = (Vec::new(), false);
        let outcome = kernel.xtables()?.update(&families, &mut |present| {
            let (patches, found) = overlay.patches(present)?;
            if let Some(met) = company::in_the_way(&others, &found) {
                passes = met.passes;
                return Err(met.fault);
            }
            guard.rules(present, &patches, &found)?;
            // A plan that is made anew takes the place of the one before, also if nothing is left to do.
            if !found.is_empty() || ledger.next_batch() > batch {
                ledger.intend(batch, &found)?;
            }
            changes = found;
            Ok(patches)
        });
        let intended = self.ledger.next_batch() > batch;
        match outcome {
            Ok(()) if intended => {
                self.changes.append(&mut changes);
                let left = self.kernel.xtables()?.left();
                self.ledger.done(batch, left).map(|()| None)
            }
            Ok(()) => Ok(None),
            Err(refusal) if passes && !intended => Ok(Some(refusal.fault)),
            Err(refusal) => {
                // One table may have taken its part before another refused: a refused batch leaves nothing behind.
                let lifted = if intended { self.lift_batch(batch, refusal.written.as_deref()) } else { Ok(()) };
                let fault = self.located(refusal);
                Err(fault.followed_by(lifted.err()))
            }
        }
    }

    /// Lifts a refused batch: in the tables that were written, as far as that is known. In the others a chain of a name that the batch wanted
    /// is somebody else's.
    fn lift_batch(&mut self, number: i64, written: Option<&[(Family, Table)]>) -> Result<(), Fault> {
        let run = self.ledger.run.clone();
        let journal = self.ledger.journal()?;
        for batch in journal.batches(&run)?.iter().filter(|batch| batch.number == number) {
            let there = |change: &&Change| written.is_none_or(|written| written.contains(&(change.object.family(), change.object.table())));
            let changes: Vec<Change> = batch.changes.iter().filter(there).cloned().collect();
            let job = Job { changes: &changes, origin: &[], empty: &[], force: false, untouched: true };
            revert(self.kernel.xtables()?, &job, &mut |_| Ok(()))?;
            journal.withdrawn(&run, number)?;
        }
        Ok(())
    }

    fn located(&self, refusal: Refusal) -> Fault {
        match refusal.entry.and_then(|(_, id)| self.overlay.origin_of(id)) {
            Some(origin) => refusal.fault.at(origin),
            None => refusal.fault,
        }
    }

    fn finish(&mut self) -> Result<Report, Fault> {
        if self.ready {
            self.overlay.retire(self.kernel.xtables()?)?;
            self.flush()?;
            // One that changes nothing because all is there already relies on it to stay.
            self.ledger.nothing_is_armed()?;
        }
        self.ledger.close()?;
        let (changes, acts) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.acts));
        Ok(Report { run: self.ledger.entered().cloned(), changes, acts, lockouts: self.guard.told(), ..Report::default() })
    }

    fn rollback(&mut self) -> Result<Report, Fault> {
        self.overlay.flushed();
        let Some(run) = self.ledger.entered().cloned() else { return Ok(Report::default()) };
        let (context, now) = (self.ledger.context.clone(), (self.ledger.now)());
        self.in_turn(lock::TO_LIFT, |it| {
            let (kernel, journal) = (it.kernel.as_mut(), it.ledger.journal()?);
            Desk { kernel, journal, context: &context, now, force: false }.lift(&run, RunState::RolledBack)
        })
    }
}
