//! The door: nothing changes the machine but what goes through here.
//!
//! A script's changes are queued ([`Door::change`]) and reads are answered with the queue on top ([`Door::read`]). A flush journals the
//! difference and writes it, all at once; counters, acts, `commit` and the end of the script flush. What the door takes and gives is plain
//! data, so that a door can one day stand in another process.

mod around;
mod claims;
mod company;
mod exchange;
mod gate;
pub mod guard;
pub mod journal;
mod ledger;
mod named;
mod outside;
mod overlay;
pub mod past;
mod permit;
pub mod raw;
pub mod record;
mod revert;
mod rules;
pub mod select;
mod sites;
mod sockets;
pub mod status;
mod step;
#[cfg(test)]
mod tests;
pub mod undo;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::around::{Around, Seen};
pub use self::gate::{Ask, Audit, Bound as Limit, Caller, Callers, Gate, Party, Place, Reply};
pub use self::guard::{Guard, Stance};
pub use self::journal::{Journal, Shelf};
use self::ledger::Ledger;
use self::named::Queue;
pub use self::outside::Text;
use self::overlay::Overlay;
use self::record::MACHINE;
pub use self::record::{Batch, Bound, Context, Module, RunKind, RunRecord, RunState, Source, Term, TermState, Until};
use self::revert::{Job, revert};
use self::sites::Away;
use self::undo::Desk;
use crate::kernel::Kernel;
use crate::kernel::lock::{self, RunLock};
use crate::kernel::machine::{Machine, Places};
use crate::kernel::process::{Stop, enough};
use crate::kernel::recent::{self, Source as RecentSource};
use crate::kernel::shadow::Shadow;
use crate::model::iptables::{Chain, ChainName, ChainRef, Owner, Rule, RunId, Table, Words};
use crate::model::named::Scope;
use crate::model::netns::{Site, Word};
use crate::model::sockets::{Filter, Holders, Socket};
use crate::model::{Change, Family, Fault, Intent, Inventory, Object, Origin, Report, State, netns, tc};

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
    /// Objects that are known by a name of their own.
    Named(Scope),
    /// One of those objects.
    State(Object),
    /// What was counted of the queues of a device: the changes queued so far are written first.
    Queues(tc::Device),
    /// A network namespace that somebody means, as long as it is there.
    Site(Word),
    /// The network namespace in which the run is at work.
    Here,
    /// A text outside of the kernel; nothing that is queued is in it.
    Text(Text),
    /// What is around: processes, and what the machine can do.
    Around(Around),
    /// The sockets that a filter means.
    Sockets(Filter),
    /// One socket again, with what the protocol keeps about it.
    Socket(Box<Socket>),
    /// Who holds which socket.
    Holders,
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
    /// Objects with their states.
    Named(Inventory),
    /// The state of an object; none where it is not there.
    State(Option<State>),
    /// What was counted of each queue.
    Queues(Vec<(tc::Object, tc::Counted)>),
    /// A network namespace.
    Site(Site),
    /// A text, if there is one.
    Text(Option<String>),
    /// What was seen around.
    Around(Seen),
    /// Sockets.
    Sockets(Vec<Socket>),
    /// A socket, if it is still there.
    Socket(Option<Box<Socket>>),
    /// Who holds which socket.
    Holders(Holders),
}

/// What is done and cannot be lifted.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Sets the counters of a chain, or of one rule of it, to zero.
    Zero(ChainRef, Option<usize>),
    /// Changes a list of remembered sources.
    Recent(String, recent::Edit),
    /// Takes a network namespace away, with all that is in it.
    Destroy(netns::Name),
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
    /// What has to permit all that is touched.
    pub gate: Gate,
}

/// The one way to the kernel, shared by everything in a script that holds a handle.
#[derive(Clone)]
pub struct Door(Arc<Mutex<Transaction>>, Caller);

impl Door {
    /// Opens the door.
    pub fn open(setup: Setup) -> Self {
        Self(Arc::new(Mutex::new(Transaction::new(setup))), Caller::default())
    }

    /// Opens a door to a fresh namespace that is in memory only, with its journal.
    pub fn over_nothing() -> Self {
        let context = Context { pid: std::process::id(), ..Context::default() };
        let kernel = Box::new(Machine::in_memory(Box::new(Shadow::over_nothing()), &Places::default()));
        let (journal, past) = (Shelf::Memory, Shelf::Memory);
        let begun = Box::new(|_: &RunId| Ok(()));
        Self::open(Setup { kernel, journal, past, context, random: 0, now: || 0, begun, guard: Guard::asleep(), gate: Gate::open() })
    }

    fn lock(&self) -> MutexGuard<'_, Transaction> {
        // A panic in a native function ends the run, and the rollback still has to come through here.
        let mut transaction = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        transaction.caller.clone_from(&self.1);
        transaction
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
        self.lock().there(|it| it.read(query))
    }

    /// Queues a change.
    pub fn change(&self, intent: impl Into<Intent>, origin: Origin) -> Result<(), Fault> {
        let intent = intent.into();
        self.lock().there(|it| {
            it.permit_change(&intent, &origin)?;
            it.change(intent, origin)
        })
    }

    /// Does something that cannot be lifted, after everything that is queued.
    pub fn act(&self, act: Act, origin: Origin) -> Result<(), Fault> {
        self.lock().there(|it| it.act(&act, &origin))
    }

    /// Writes everything that is queued.
    pub fn commit(&self) -> Result<(), Fault> {
        self.lock().there(Transaction::flush)
    }

    /// Ends the run well: writes what is queued, takes out what it replaces, and closes its entry in the journal.
    pub fn finish(&self) -> Result<Report, Fault> {
        self.lock().finish()
    }

    /// Begins a call that a Ctrl-C ends early: the script may still say what came of it.
    pub fn until_enough(&self) -> enough::Call {
        enough::Call::begin()
    }

    /// Ends the run by lifting everything that it did.
    pub fn rollback(&self) -> Result<Report, Fault> {
        self.lock().rollback()
    }
}

struct Transaction {
    kernel: Box<dyn Kernel>,
    named: Queue,
    overlay: Overlay,
    ledger: Ledger,
    guard: Guard,
    gate: Gate,
    /// Who calls just now.
    caller: Caller,
    /// Whether the kernel has been told which tags count.
    ready: bool,
    /// What belongs to the namespaces in which the run is not at work now.
    away: Vec<Away>,
    /// The namespaces to which it comes back, the next one last.
    path: Vec<Site>,
    /// The sockets that are open for packets.
    wires: raw::Wires,
    changes: Vec<Change>,
    acts: Vec<String>,
}

impl Transaction {
    fn new(setup: Setup) -> Self {
        let run = RunId::from_bits(setup.random);
        Self {
            kernel: setup.kernel,
            named: Queue::default(),
            overlay: Overlay::new(setup.context.owner.clone(), run.clone()),
            ledger: Ledger::new(run, setup.context, setup.now, (setup.journal, setup.past), setup.begun),
            guard: setup.guard,
            gate: setup.gate,
            caller: Caller::default(),
            ready: false,
            away: Vec::new(),
            path: Vec::new(),
            wires: raw::Wires::default(),
            changes: Vec::new(),
            acts: Vec::new(),
        }
    }

    fn read(&mut self, query: Query) -> Result<Reading, Fault> {
        self.permit_read(&query)?;
        match query {
            Query::RecentLists => self.kernel.recent().lists().map(Reading::RecentLists),
            Query::Recent(list) => self.kernel.recent().read(&list).map(Reading::Recent),
            Query::Queues(device) => {
                self.flush()?;
                self.kernel.named().counted(&device).map(Reading::Queues)
            }
            Query::Text(text) => self.text(&text).map(Reading::Text),
            Query::Around(around) => around.look().map(Reading::Around),
            Query::Sockets(filter) => self.kernel.sockets().list(&filter).map(Reading::Sockets),
            Query::Socket(socket) => self.kernel.sockets().details(&socket).map(|found| Reading::Socket(found.map(Box::new))),
            Query::Holders => self.kernel.sockets().holders().map(Reading::Holders),
            Query::Site(word) => self.site(&word).map(Reading::Site),
            Query::Here => Ok(Reading::Site(self.ledger.site.clone())),
            Query::State(object) if object.is_of_the_machine() => {
                self.at_home(|it| it.named.state(&object, it.kernel.named())).map(Reading::State)
            }
            Query::Named(scope) if scope.is_of_the_machine() => {
                self.at_home(|it| it.named.read(&scope, it.kernel.named())).map(Reading::Named)
            }
            Query::State(object) => self.named.state(&object, self.kernel.named()).map(Reading::State),
            Query::Named(scope) => self.named.read(&scope, self.kernel.named()).map(Reading::Named),
            of_rules => self.read_rules(of_rules),
        }
    }

    /// Queues a change. What is asked of one kind of objects is written before what is asked of the other, so that a batch is of one kind, and is done
    /// and put back in the order of the script.
    fn change(&mut self, intent: Intent, origin: Origin) -> Result<(), Fault> {
        match intent {
            Intent::Rules(intent) => {
                if !self.named.is_clean() {
                    self.flush()?;
                }
                self.change_rules(intent, origin)
            }
            Intent::Named(edits) if !self.ledger.is_home() && edits.iter().any(|edit| edit.object().is_of_the_machine()) => {
                self.flush()?;
                self.at_home(|it| it.change(Intent::Named(edits), origin).and_then(|()| it.flush()))
            }
            Intent::Named(edits) => {
                if !self.overlay.is_clean() || edits.iter().any(|edit| self.named.is_to_be_written_before(edit)) {
                    self.flush()?;
                }
                if self.named.is_clean() {
                    // What was read for an edit that was refused may be old.
                    self.named.flushed();
                }
                edits.iter().try_for_each(|edit| self.own_named(edit))?;
                self.named.add(edits, origin, self.kernel.named())
            }
        }
    }

    fn act(&mut self, act: &Act, origin: &Origin) -> Result<(), Fault> {
        self.permit_act(act, origin)?;
        self.flush()?;
        let what = match act {
            Act::Zero(chain, None) => format!("zeroed the counters of {chain}"),
            Act::Zero(chain, Some(place)) => format!("zeroed the counters of rule {place} of {chain}"),
            Act::Recent(list, recent::Edit::Add(address)) => format!("added {address} to the recent list {list}"),
            Act::Recent(list, recent::Edit::Remove(address)) => format!("removed {address} from the recent list {list}"),
            Act::Recent(list, recent::Edit::Clear) => format!("cleared the recent list {list}"),
            Act::Destroy(name) => format!("took away the network namespace {name}, with all that was in it"),
        };
        let what = self.named_here(what);
        if let Act::Zero(..) = act {
            self.get_ready()?;
        }
        self.ledger.act(&what, origin)?;
        match act {
            Act::Zero(chain, place) => self.kernel.xtables()?.zero(chain, *place)?,
            Act::Recent(list, edit) => self.kernel.recent().edit(list, edit)?,
            Act::Destroy(name) => self.take_away(name)?,
        }
        self.acts.push(what);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if !self.named.is_clean() {
            let outcome = self.patiently(Self::write_named);
            self.named.flushed();
            outcome?;
        }
        if !self.overlay.is_clean() {
            let outcome = self.patiently(Self::write_rules);
            self.overlay.flushed();
            outcome?;
        }
        Ok(())
    }

    /// Writes when it is this run's turn, and again as long as what is in the way may pass.
    fn patiently(&mut self, write: fn(&mut Self) -> Result<Option<Fault>, Fault>) -> Result<(), Fault> {
        let begun = Instant::now();
        loop {
            match self.in_turn(lock::TO_BEGIN, write)? {
                None => return Ok(()),
                // A run that ends is soon out of the way, and it can end only when it is its turn.
                Some(_) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Some(in_the_way) => return Err(in_the_way),
            }
        }
    }

    /// Does work while no other run of fyke writes here: who waited sees the tags of who came before.
    fn in_turn<T>(&mut self, patience: Duration, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let machine = self.named.is_of_the_machine().then_some(MACHINE);
        let places = machine.into_iter().chain([self.ledger.site.namespace]).collect();
        self.in_turns(&places, patience, work)
    }

    fn in_turns<T>(
        &mut self,
        of: &BTreeSet<u64>,
        patience: Duration,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let turns = self.ledger.turns(of, patience)?;
        let done = work(self);
        turns.into_iter().for_each(RunLock::remove);
        done
    }

    /// Lifts of a refused batch what was or may have been done, and forgets it.
    fn lift_batch(&mut self, number: i64, done: &dyn Fn(&Change) -> bool) -> Result<(), Fault> {
        let run = self.ledger.run.clone();
        let journal = self.ledger.journal()?;
        for batch in journal.batches(&run)?.iter().filter(|batch| batch.number == number) {
            let changes: Vec<Change> = batch.changes.iter().filter(|change| done(change)).cloned().collect();
            revert(self.kernel.as_mut(), &Job { untouched: true, ..Job::of(&changes) }, &mut |_| Ok(()))?;
            journal.withdrawn(&run, number, &[])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Report, Fault> {
        let is_over = enough::is_heard();
        if is_over && self.ledger.has_changed() {
            return Err(Stop::Interrupt.fault("keep what was changed"));
        }
        self.there(Self::flush)?;
        if !is_over {
            self.everywhere(Self::retire)?;
        }
        self.ledger.close()?;
        let (changes, acts) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.acts));
        Ok(Report { run: self.ledger.entered().cloned(), changes, acts, lockouts: self.told(), ..Report::default() })
    }

    /// Takes out what the run replaces, where it is at work.
    fn retire(&mut self) -> Result<(), Fault> {
        if self.ready {
            self.overlay.retire(self.kernel.xtables()?)?;
            self.flush()?;
            // One that changes nothing because all is there already relies on it to stay.
            self.ledger.nothing_is_armed()?;
        }
        Ok(())
    }

    fn forget_queued(&mut self) {
        self.named.flushed();
        self.overlay.flushed();
    }

    fn rollback(&mut self) -> Result<Report, Fault> {
        self.go_home();
        self.forget_queued();
        let Some(run) = self.ledger.entered().cloned() else { return Ok(Report::default()) };
        let (context, now) = (self.ledger.context.clone(), (self.ledger.now)());
        let places = self.ledger.places()?;
        self.in_turns(&places, lock::TO_LIFT, |it| {
            let (kernel, journal) = (it.kernel.as_mut(), it.ledger.journal()?);
            Desk { kernel, journal, context: &context, now, force: false }.lift(&run, RunState::RolledBack)
        })
    }
}
