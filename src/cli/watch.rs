//! What the watcher of a run does, and whoever finds that a watcher is dead: lift the run when its time is over.

use std::time::Duration;

use super::args::Options;
use super::place::{Place, now};
use crate::host::value::escaped;
use crate::kernel::bell::Bell;
use crate::kernel::clock;
use crate::kernel::lock::RunLock;
use crate::kernel::news::{self, Terminal};
use crate::kernel::process::watcher::{self, Leash, Watcher};
use crate::model::Fault;
use crate::model::iptables::{Owner, RunId};
use crate::transaction::undo::Desk;
use crate::transaction::{Journal, RunRecord, RunState, Source, Term, TermState};

/// On whose behalf a run is lifted when its time is over, as the journal has it.
pub(crate) const TIME: &str = "time";

/// How long somebody else who has the run in hand is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pauses between attempts to lift a run: whoever is in the way is given time to end.
const PAUSES: [Duration; 4] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15), Duration::from_secs(60)];

/// Starts the watcher of the run that is going to begin here.
pub(crate) fn start(options: &Options, place: &Place) -> Result<Leash, Fault> {
    let terminal = Terminal::of_this_process();
    watcher::start(|watcher| {
        let Some(text) = watch(options, place, watcher) else { return };
        if let Some(terminal) = terminal {
            terminal.say(&text);
        }
    })
}

/// Watches a run to its end, and then to the end of its time; gives what there is to tell.
fn watch(options: &Options, place: &Place, watcher: &Watcher) -> Option<String> {
    let (run, mut bell) = watcher.hear(|run| Ok((run.parse::<RunId>()?, Bell::hang(&place.state_to_write()?, run)?)))?;
    watcher.wait();
    let outcome = match until_due(place, &run, &mut bell) {
        Ok(true) => insist(|| lapse(options, place, &run)),
        Ok(false) => Ok(None),
        Err(fault) => Err(fault),
    };
    outcome.unwrap_or_else(|fault| {
        // What is left of it makes the next invocation look.
        bell.leave();
        let text = escaped(&format!("run {run} is still in force, though its time is over: {fault}; lift it: fyke undo {run}"));
        news::log(&text);
        Some(text)
    })
}

/// Waits until a run is to be lifted; false when there is nothing to wait for any more.
fn until_due(place: &Place, run: &RunId, bell: &mut Bell) -> Result<bool, Fault> {
    loop {
        // Not kept open: what a process holds for a day is in somebody's way.
        let record = Journal::open(&place.shelf())?.run(run)?;
        match record.until {
            // Its processes have ended, and it has not.
            _ if record.state == RunState::Running => return Ok(true),
            Some(until) if record.is_armed() && until.deadline > clock::boottime() => bell.wait(until.deadline)?,
            _ => return Ok(record.is_overdue(clock::boottime())),
        }
    }
}

fn insist<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    for pause in PAUSES {
        match attempt() {
            Err(_) => std::thread::sleep(pause),
            done => return done,
        }
    }
    attempt()
}

/// Lifts a run whose time is over, or whose processes are dead, and gives the news; nothing when somebody else was faster.
pub(crate) fn lapse(options: &Options, place: &Place, run: &RunId) -> Result<Option<String>, Fault> {
    let mut journal = Journal::open(&place.shelf())?;
    let record = journal.run(run)?;
    // First of all, so that a confirmation is either in time or told that it is late, whatever has to be waited for now.
    if record.is_armed() && !journal.end_term(run, TermState::Over)? {
        return Ok(None);
    }
    let state = place.state_to_write()?;
    let lock = RunLock::take(&state, run.as_str(), PATIENCE)?;
    let on_behalf = if record.state == RunState::Running { "recover" } else { TIME };
    let context = place.context(Owner::new(on_behalf, ""), Source::default());
    let lifted = RunLock::in_turn(&state, place.namespace, || {
        let target = match journal.run(run)? {
            RunRecord { until, .. } if until.is_none_or(|until| until.state != TermState::Over) => return Ok(None),
            RunRecord { state: RunState::Running, .. } => RunState::RolledBack,
            RunRecord { state: RunState::Done | RunState::Stuck, .. } => RunState::Lifted,
            _ => return Ok(None),
        };
        let (kernel, journal) = (&mut *Place::live(options), &mut journal);
        Desk { kernel, journal, context: &context, now: now(), force: false }.lift(run, target).map(Some)
    });
    lock.remove();
    Ok(lifted?.map(|report| {
        let left = report.drift.iter().any(|drift| drift.left);
        let text = news_of(&record, left);
        news::log(&text);
        text
    }))
}

fn news_of(record: &RunRecord, left: bool) -> String {
    let why = match record.until.map(|until| until.term) {
        _ if record.state == RunState::Running => "it was cut short",
        Some(Term::Confirm) => "it was not confirmed in time",
        _ => "its time was over",
    };
    let (id, owner) = (&record.id, escaped(&record.context.owner.to_string()));
    let rest = if left { "; what somebody else changed since is left: fyke status" } else { "" };
    format!("run {id} ({owner}) was lifted: {why}{rest}")
}
