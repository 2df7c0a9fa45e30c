//! The run's own page in the journal, opened at the first change; before that, nothing is written anywhere.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::Begun;
use super::claims;
use super::company::{self, Other};
use super::journal::{Journal, Shelf};
use super::record::{Bound, Context, RunKind, RunRecord, Until};
use crate::kernel::lock::RunLock;
use crate::kernel::process::enough;
use crate::kernel::{clock, files, state};
use crate::model::iptables::{Owner, RunId};
use crate::model::netns::Site;
use crate::model::{Change, Fault, Inventory, Kind, Object, Origin, State};

/// A run and its journal.
pub(super) struct Ledger {
    pub(super) run: RunId,
    pub(super) context: Context,
    pub(super) now: fn() -> i64,
    /// The network namespace in which the run is at work.
    pub(super) site: Site,
    /// The backend of iptables that it writes to there.
    pub(super) backend: String,
    /// For how long the run is to be in force, if not for good.
    pub(super) bound: Option<Bound>,
    /// Until when it is, once it has ended.
    pub(super) until: Option<Until>,
    shelf: Shelf,
    past: Shelf,
    begun: Begun,
    journal: Option<Journal>,
    /// The journal of earlier runs, as long as this one has not opened it as its own.
    earlier: Option<Journal>,
    entered: bool,
    /// The namespaces in which the run may change what others of its instance have set.
    free: BTreeSet<u64>,
    batches: i64,
}

impl Ledger {
    pub(super) fn new(run: RunId, context: Context, now: fn() -> i64, (shelf, past): (Shelf, Shelf), begun: Begun) -> Self {
        let (site, backend) = (context.site(), context.backend.clone());
        Self {
            run,
            context,
            now,
            site,
            backend,
            bound: None,
            until: None,
            shelf,
            past,
            begun,
            journal: None,
            earlier: None,
            entered: false,
            free: BTreeSet::new(),
            batches: 0,
        }
    }

    /// Tells whether the run is at work where it is at home.
    pub(super) fn is_home(&self) -> bool {
        self.site.namespace == self.context.namespace
    }

    /// Gives the name of the namespace in which the run is at work, if it is not at home.
    pub(super) fn label(&self) -> Option<Arc<str>> {
        (!self.is_home()).then(|| self.site.home.as_str().into())
    }

    fn here(&self) -> Context {
        self.context.at(self.site.namespace)
    }

    /// Gives the id of the run, if it has changed anything.
    pub(super) fn entered(&self) -> Option<&RunId> {
        self.entered.then_some(&self.run)
    }

    /// Tells whether the run has changed anything, also if it has lifted that itself.
    pub(super) fn has_changed(&self) -> bool {
        self.batches > 0
    }

    /// Gives the runs whose tags count here, this one among them.
    pub(super) fn known(&mut self) -> Result<HashSet<RunId>, Fault> {
        let (boot, namespace) = (self.context.boot.clone(), self.site.namespace);
        let runs = |journal: &Journal| journal.known(&boot, namespace);
        let mut known = self.earlier()?.map(runs).transpose()?.unwrap_or_default();
        known.extend(self.journal.as_ref().map(runs).transpose()?.unwrap_or_default());
        known.insert(self.run.clone());
        Ok(known)
    }

    /// Completes what was read with what the kernel does not tell, where a run that is in force has set it.
    pub(super) fn recall(&mut self, present: &mut Inventory) -> Result<(), Fault> {
        if !present.values().any(State::is_told_in_part) {
            return Ok(());
        }
        let (boot, namespace) = (self.context.boot.clone(), self.site.namespace);
        let set = |journal: &Journal| -> Result<Vec<Change>, Fault> {
            let open = journal.runs(&boot, namespace)?.into_iter().filter(|run| run.state.is_open());
            let batches = open.map(|run| journal.standing(&run.id)).collect::<Result<Vec<_>, _>>()?;
            Ok(batches.into_iter().flatten().flat_map(|batch| batch.changes).collect())
        };
        let mut known = self.earlier()?.map(set).transpose()?.unwrap_or_default();
        known.extend(self.journal.as_ref().map(set).transpose()?.unwrap_or_default());
        for change in &known {
            if let Some(state) = present.get_mut(&change.object) {
                state.recall(change);
            }
        }
        Ok(())
    }

    /// Tells who made an object that is in force, this run or an earlier one.
    pub(super) fn maker(&mut self, object: &Object) -> Result<Option<Owner>, Fault> {
        let (boot, namespace) = (self.context.boot.clone(), self.site.namespace);
        let maker = |journal: &Journal| journal.maker(object, &boot, namespace);
        match self.journal.as_ref().map(maker).transpose()?.flatten() {
            Some(owner) => Ok(Some(owner)),
            None => Ok(self.earlier()?.map(maker).transpose()?.flatten()),
        }
    }

    /// Refuses an object that is there and that this recipe did not make.
    pub(super) fn own(&mut self, object: &Object) -> Result<(), Fault> {
        let fault = |why: String| Err(Fault::new(Kind::Exists, format!("make the {object}"), why));
        match self.maker(object)? {
            Some(maker) if maker == self.context.owner => Ok(()),
            Some(maker) => fault(format!("it belongs to {maker}")),
            None => fault("somebody else made one of that name".into()),
        }
    }

    /// Gives the journal of earlier runs, if there is one and it is not this run's own.
    fn earlier(&mut self) -> Result<Option<&Journal>, Fault> {
        let own = self.journal.is_some() && self.shelf == self.past;
        if self.earlier.is_none() && !own {
            self.earlier = Journal::open_existing(&self.past)?;
        }
        Ok(self.earlier.as_ref())
    }

    /// Gives the journal that this run shares with others; who only plans shares none.
    fn shared(&mut self) -> Result<Option<&Journal>, Fault> {
        match (self.shelf == self.past, self.journal.is_some()) {
            (false, _) => Ok(None),
            (true, true) => Ok(self.journal.as_ref()),
            (true, false) => self.earlier(),
        }
    }

    /// Gives the journal, opening it if need be.
    pub(super) fn journal(&mut self) -> Result<&mut Journal, Fault> {
        match &mut self.journal {
            Some(journal) => Ok(journal),
            closed => Ok(closed.insert(match self.earlier.take_if(|_| self.shelf == self.past) {
                Some(same) => same,
                None => Journal::open(&self.shelf)?,
            })),
        }
    }

    /// Waits until no other run of fyke writes to these namespaces, and keeps the others waiting as long as what it gives is held.
    pub(super) fn turns(&self, namespaces: &BTreeSet<u64>, patience: Duration) -> Result<Vec<RunLock>, Fault> {
        let Shelf::File(journal) = &self.shelf else { return Ok(Vec::new()) };
        let Some(folder) = journal.parent() else { return Ok(Vec::new()) };
        if !files::exists(folder) {
            state::make(folder)?;
        }
        RunLock::turns(folder, namespaces, patience)
    }

    /// Gives the places where others have to wait while the run is lifted.
    pub(super) fn places(&mut self) -> Result<BTreeSet<u64>, Fault> {
        let run = self.run.clone();
        Ok(self.journal()?.run(&run)?.places())
    }

    /// Refuses to build on a run of the same instance that is lifted as soon as its time is over: it would pull the ground from under this one.
    pub(super) fn nothing_is_armed(&mut self) -> Result<(), Fault> {
        let (boot, namespace, owner) = (self.context.boot.clone(), self.site.namespace, self.context.owner.clone());
        let runs = self.shared()?.map_or(Ok(Vec::new()), |journal| journal.unsettled(&boot, namespace))?;
        match runs.into_iter().find(|run| run.is_armed() && run.context.owner == owner && run.id != self.run) {
            None => Ok(()),
            Some(RunRecord { id, .. }) => {
                let why = format!("run {id} of it is lifted when its time is over");
                let fault = Fault::new(Kind::Busy, format!("change what {owner} has set"), why);
                Err(fault.hint(format!("let it stay: fyke confirm {id}; or lift it now: fyke undo {id}")))
            }
        }
    }

    /// Enters the run, and tells the guardian, before anything is touched.
    fn enter(&mut self) -> Result<&mut Journal, Fault> {
        enough::over("begin anything more")?;
        if self.free.insert(self.site.namespace) {
            self.nothing_is_armed()?;
        }
        if !self.entered {
            (self.begun)(&self.run)?;
            let (run, context, now) = (self.run.clone(), self.context.clone(), (self.now)());
            let until = self.bound.map(|bound| bound.from(clock::boottime()));
            self.journal()?.begin(&run, RunKind::Run, None, &context, now, until.as_ref())?;
            self.entered = true;
        }
        self.journal()
    }

    /// Writes down which backend of iptables is written to: it is known at the first use of a table.
    pub(super) fn uses(&mut self, backend: &str) -> Result<(), Fault> {
        self.backend = backend.to_owned();
        if !self.is_home() {
            return Ok(());
        }
        self.context.backend = backend.to_owned();
        let run = self.run.clone();
        if self.entered { self.journal()?.uses(&run, backend) } else { Ok(()) }
    }

    /// Gives the number of the next batch.
    pub(super) fn next_batch(&self) -> i64 {
        self.batches + 1
    }

    /// Gives the other runs that are at work in this namespace. They are in nobody's way who only plans.
    pub(super) fn others(&mut self) -> Result<Vec<Other>, Fault> {
        let (run, context, shelf) = (self.run.clone(), self.here(), self.shelf.clone());
        self.shared()?.map_or(Ok(Vec::new()), |journal| company::others(journal, &shelf, &run, &context))
    }

    /// Gives those of the claims on which another recipe stands.
    pub(super) fn relied_on(&mut self, claims: Vec<Change>) -> Result<Vec<Change>, Fault> {
        let (run, context) = (self.run.clone(), self.here());
        self.shared()?.map_or(Ok(Vec::new()), |journal| claims::relied_on(journal, &run, &context, claims))
    }

    /// Writes down what a batch is going to change; more than once, if the plan is made anew.
    pub(super) fn intend(&mut self, batch: i64, changes: &[Change]) -> Result<(), Fault> {
        let (run, site, backend) = (self.run.clone(), self.site.clone(), self.backend.clone());
        self.enter()?.intend(&run, batch, (&site, &backend), None, changes)?;
        self.batches = batch;
        Ok(())
    }

    /// Writes down that the kernel has taken a batch.
    pub(super) fn done(&mut self, batch: i64, left: Option<u64>) -> Result<(), Fault> {
        let run = self.run.clone();
        self.journal()?.done(&run, batch, left)
    }

    /// Writes down something that cannot be lifted.
    pub(super) fn act(&mut self, what: &str, origin: &Origin) -> Result<(), Fault> {
        let run = self.run.clone();
        self.enter()?.act(&run, what, origin)
    }

    /// Writes down that the run has ended well, if there is anything to say of it.
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        let Some(run) = self.entered().cloned() else { return Ok(()) };
        let until = self.bound.map(|bound| bound.from(clock::boottime()));
        let modules = std::mem::take(&mut self.context.source.modules);
        self.journal()?.close(&run, &modules, until.map(|until| until.deadline))?;
        self.until = until;
        Ok(())
    }
}
