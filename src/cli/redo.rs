//! `fyke redo`: sets again what an undo has lifted.

use super::args::{Options, Redo};
use super::notice;
use super::place::{Place, now};
use super::session::guarded;
use super::show::Screen;
use super::show::changes::Deed;
use super::trace::{self, Patience};
use super::undo::tell;
use crate::model::iptables::Owner;
use crate::model::{Fault, Report};
use crate::transaction::select::Task;
use crate::transaction::undo::Desk;
use crate::transaction::{Journal, RunRecord, Source, Stance};

/// Sets a run again, and says what could not be put back.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Redo) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    guarded(screen, || {
        let mut journal = place.journal_to_write()?;
        let run = place.here(&journal).to_redo(&words.run)?;
        tell(screen, &place, vec![(Deed::SetAgain, again(options, &place, &mut journal, &run, (words.force, words.safety.stance())))])
    })
}

/// Sets a run again.
pub(crate) fn again(
    options: &Options,
    place: &Place,
    journal: &mut Journal,
    run: &RunRecord,
    how: (bool, Stance),
) -> Result<Report, Fault> {
    let context = place.context(Owner::new("redo", ""), Source::default());
    trace::at_work(place, &run.id, Patience::ASKED, || {
        let run = place.here(journal).again(journal.run(&run.id)?)?;
        let (mut kernel, (force, stance)) = (Place::live(options), how);
        Place::guard(stance).put_back(kernel.as_mut(), &place.here(journal), &Task::Redo(run.clone()))?;
        Desk { kernel: kernel.as_mut(), journal, context: &context, now: now(), force }.redo(&run)
    })
}
