//! The network namespaces in which a run is at work, one after the other. Each has a queue of its own, and a batch of the journal is of one.

use super::named::Queue;
use super::overlay::Overlay;
use super::record::Batch;
use super::select::Here;
use super::{Door, Guard, Transaction, revert};
use crate::kernel::Kernel;
use crate::kernel::xtables::Backend;
use crate::model::grant::{Permission, Power, Uses};
use crate::model::netns::{Name, Object as OfNetns, Site, State as Found, Word};
use crate::model::{Change, Drift, Fault, Kind, Object, State};

/// What belongs to one network namespace while the run is at work in another one.
pub(super) struct Away {
    site: Site,
    backend: String,
    named: Queue,
    overlay: Overlay,
    guard: Guard,
    ready: bool,
}

impl Door {
    /// Works in another network namespace from here on, after everything that is queued, until it is left.
    pub fn enter(&self, site: &Site) -> Result<(), Fault> {
        self.lock().enter(site)
    }

    /// Works again where the namespace was entered from. What is queued is written before, or else forgotten.
    pub fn leave(&self, write: bool) -> Result<(), Fault> {
        self.lock().leave(write)
    }

    /// Makes a network namespace without a name, and gives its cookie. It is gone with this process, unless it gets a name or a process before.
    pub fn make_namespace(&self) -> Result<u64, Fault> {
        let mut transaction = self.lock();
        transaction.permit(None, |_| Ok(Uses::of(Permission::all(Power::Netns))))?;
        transaction.kernel.make_namespace()
    }
}

impl Transaction {
    /// Does work in the namespace in which the run is at work. The calling thread is at home before and afterwards.
    pub(super) fn there<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.ledger.is_home() {
            return work(self);
        }
        let site = self.ledger.site.clone();
        if !self.kernel.go_to(&site)? {
            return Err(gone(&site));
        }
        let done = work(self);
        self.kernel.come_back();
        done
    }

    /// Does work at home, and goes on where the run is at work. What is queued there stays so.
    pub(super) fn at_home<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.ledger.is_home() {
            return work(self);
        }
        let site = self.ledger.site.clone();
        self.kernel.come_back();
        let home = self.ledger.context.site();
        self.move_to(&home);
        let done = work(self);
        self.move_to(&site);
        if self.kernel.go_to(&site)? { done } else { done.and(Err(gone(&site))) }
    }

    /// Does work in every namespace in which the run was at work, the one where it is at home last.
    pub(super) fn everywhere(&mut self, work: fn(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let others: Vec<Site> = self.away.iter().map(|away| away.site.clone()).collect();
        for site in others {
            self.move_to(&site);
            // What is gone needs nothing more.
            if self.kernel.go_to(&site)? {
                let done = work(self);
                self.kernel.come_back();
                done?;
            }
        }
        self.go_home();
        work(self)
    }

    /// Is at home from here on, however deep it was elsewhere; what is queued elsewhere is forgotten.
    pub(super) fn go_home(&mut self) {
        self.kernel.come_back();
        self.path.clear();
        let home = self.ledger.context.site();
        self.move_to(&home);
        for away in &mut self.away {
            away.named.flushed();
            away.overlay.flushed();
        }
    }

    fn enter(&mut self, site: &Site) -> Result<(), Fault> {
        self.permit_enter(site)?;
        self.there(Self::flush)?;
        if site.namespace != self.ledger.context.namespace {
            let is_there = self.kernel.go_to(site)?;
            self.kernel.come_back();
            if !is_there {
                return Err(gone(site));
            }
        }
        self.path.push(self.ledger.site.clone());
        self.move_to(site);
        Ok(())
    }

    fn leave(&mut self, write: bool) -> Result<(), Fault> {
        let done = if write { self.there(Self::flush) } else { Ok(()) };
        self.forget_queued();
        if let Some(site) = self.path.pop() {
            self.move_to(&site);
        }
        done
    }

    /// Takes out of its place what belongs to a namespace, and puts there what belongs to the present one.
    fn move_to(&mut self, site: &Site) {
        if site.namespace == self.ledger.site.namespace {
            return;
        }
        let known = self.away.iter().position(|away| away.site.namespace == site.namespace);
        let mut there = match known {
            Some(at) => self.away.swap_remove(at),
            None => self.fresh(site),
        };
        // Every rule of a run has a number of its own, wherever it is.
        there.overlay.number_after(&self.overlay);
        std::mem::swap(&mut self.ledger.site, &mut there.site);
        std::mem::swap(&mut self.ledger.backend, &mut there.backend);
        std::mem::swap(&mut self.named, &mut there.named);
        std::mem::swap(&mut self.overlay, &mut there.overlay);
        std::mem::swap(&mut self.guard, &mut there.guard);
        std::mem::swap(&mut self.ready, &mut there.ready);
        self.away.push(there);
    }

    fn fresh(&self, site: &Site) -> Away {
        Away {
            site: site.clone(),
            backend: String::new(),
            named: Queue::default(),
            overlay: Overlay::new(self.ledger.context.owner.clone(), self.ledger.run.clone()),
            guard: self.guard.elsewhere(),
            ready: false,
        }
    }

    /// Gives what the guards have told instead of refused.
    pub(super) fn told(&mut self) -> Vec<Fault> {
        let mut told = self.guard.told();
        told.extend(self.away.iter_mut().flat_map(|away| away.guard.told()));
        told
    }

    /// Finds the namespace that somebody means: by its name one that is planned, too.
    pub(super) fn site(&mut self, word: &Word) -> Result<Site, Fault> {
        let Word::Name(name) = word else { return self.kernel.find_namespace(word) };
        let object = Object::Netns(OfNetns::Name(name.clone()));
        match self.at_home(|it| it.named.state(&object, it.kernel.named()))? {
            Some(State::Netns(Found::Made { cookie, .. })) => Ok(Site::named(cookie, name)),
            _ => Err(Fault::new(Kind::NotFound, format!("use the {object}"), "there is no such namespace")),
        }
    }

    /// Takes a namespace away for good.
    pub(super) fn take_away(&mut self, name: &Name) -> Result<(), Fault> {
        let object = Object::Netns(OfNetns::Name(name.clone()));
        self.at_home(|it| {
            let before = it.named.state(&object, it.kernel.named())?;
            let change = Change::new(object.clone(), before, None);
            it.kernel.named().write(&[change]).map_err(|refusal| refusal.fault)
        })
    }

    /// Adds the name of the namespace to what is said of an act, if the run is not at home.
    pub(super) fn named_here(&self, what: String) -> String {
        if self.ledger.is_home() { what } else { format!("{what} in the {}", self.ledger.site) }
    }
}

fn gone(site: &Site) -> Fault {
    Fault::new(Kind::NotFound, format!("work in the {site}"), "it is gone")
}

/// Does work where a batch was made, with the tables as the batch has them; nothing where its namespace is gone.
pub(super) fn at<T>(
    kernel: &mut dyn Kernel,
    here: &Here<'_>,
    batch: &Batch,
    work: impl FnOnce(&mut dyn Kernel) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if !go_to(kernel, here, batch)? {
        return Ok(None);
    }
    let done = work(kernel);
    kernel.come_back();
    done.map(Some)
}

/// Goes to where a batch was made, and makes the tables ready for it; false, and still at home, where its namespace is gone.
pub(super) fn go_to(kernel: &mut dyn Kernel, here: &Here<'_>, batch: &Batch) -> Result<bool, Fault> {
    if batch.site.namespace != here.namespace && !kernel.go_to(&batch.site)? {
        return Ok(false);
    }
    let ready = make_ready(kernel, here, batch);
    if ready.is_err() {
        kernel.come_back();
    }
    ready.map(|()| true)
}

/// Makes the tables ready for a batch: the backend in which its rules are, whatever holds rules by now, and the tags that count there.
fn make_ready(kernel: &mut dyn Kernel, here: &Here<'_>, batch: &Batch) -> Result<(), Fault> {
    if batch.is_named() {
        return Ok(());
    }
    Backend::named(&batch.backend).map_or(Ok(()), |backend| kernel.return_to(backend))?;
    kernel.xtables()?.know(&here.journal.known(here.boot, batch.site.namespace)?);
    Ok(())
}

/// Says that what a batch has changed is gone with its namespace.
pub(super) fn gone_with(batch: &Batch) -> Option<Drift> {
    let mut changes = batch.changes.iter().filter(|change| change.is_visible());
    let first = changes.next()?;
    let more = match changes.count() {
        0 => String::new(),
        more => format!(", and {more} more of this run"),
    };
    Some(Drift { object: first.object.clone(), why: format!("it is gone with the {}{more}", batch.site), left: false })
}

/// Looks what is not as some batches left it, the latest batch first, each as if the ones before were put back. Gives the drift of each.
pub(super) fn look(kernel: &mut dyn Kernel, here: &Here<'_>, batches: &[&Batch]) -> Result<Vec<Vec<Drift>>, Fault> {
    let mut found: Vec<Vec<Drift>> = vec![Vec::new(); batches.len()];
    let mut open: Vec<usize> = (0..batches.len()).collect();
    while let Some(first) = open.first().map(|at| batches[*at]) {
        // What is looked at together is in one namespace, and of one kind.
        let kind =
            |batch: &Batch| (batch.site.namespace, batch.is_named(), if batch.is_named() { None } else { Backend::named(&batch.backend) });
        let (mine, others): (Vec<usize>, Vec<usize>) = open.into_iter().partition(|at| kind(batches[*at]) == kind(first));
        let changes: Vec<&[Change]> = mine.iter().map(|at| &batches[*at].changes[..]).collect();
        match at(kernel, here, first, |kernel| revert::look(kernel, &changes))? {
            Some(drifts) => mine.into_iter().zip(drifts).for_each(|(at, drift)| found[at] = drift),
            None => mine.into_iter().for_each(|at| found[at] = gone_with(batches[at]).into_iter().collect()),
        }
        open = others;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
