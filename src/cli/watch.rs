//! What the watcher of a run does, and whoever finds that a watcher is dead: lift the run when its time is over.

use std::time::Duration;

use super::args::Options;
use super::place::{Place, now};
use super::trace::{self, Patience};
use crate::host::value::escaped;
use crate::kernel::bell::Bell;
use crate::kernel::clock;
use crate::kernel::news::{self, Terminal};
use crate::kernel::process::watcher::{self, Leash, Watcher};
use crate::model::Fault;
use crate::model::iptables::{Owner, RunId};
use crate::transaction::undo::Desk;
use crate::transaction::{Journal, RunRecord, RunState, Source, Term, TermState};

/// On whose behalf a run is lifted when its time is over, as the journal has it.
pub(crate) const TIME: &str = "time";

/// The pauses between attempts to lift a run grow from the first to the last: whoever is in the way is given time to end.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// What a watcher does next.
enum Next {
    /// It waits, until its bell rings or until a time in milliseconds of CLOCK_BOOTTIME.
    Wait(i64),
    /// It leaves, for its run is lifted, confirmed or gone; and tells this.
    Leave(Vec<String>),
}

/// Starts the watcher of the run that is going to begin here.
pub(crate) fn start(options: &Options, place: &Place) -> Result<Leash, Fault> {
    let terminal = Terminal::of_this_process();
    let say = |text: &str| terminal.iter().for_each(|terminal| terminal.say(text));
    watcher::start(|watcher| watch(options, place, watcher, &say))
}

/// Watches a run to its end, and then until it is lifted or may stay. It never gives up: who has locked himself out can do nothing else.
fn watch(options: &Options, place: &Place, watcher: &Watcher, say: &dyn Fn(&str)) {
    let Some((run, mut bell)) = watcher.hear(|run| Ok((run.parse::<RunId>()?, Bell::hang(&place.state_to_write()?, run)?))) else { return };
    watcher.wait();
    let ([first, longest], mut told) = (PAUSES, false);
    let mut pause = first;
    loop {
        let failed = match attend(options, place, &run) {
            Ok(Next::Leave(news)) => return news.iter().for_each(|text| say(text)),
            Ok(Next::Wait(until)) => bell.wait(until).err(),
            Err(fault) => Some(fault),
        };
        let Some(fault) = failed else {
            (pause, told) = (first, false);
            continue;
        };
        if !told {
            let text = escaped(&format!("the watcher of run {run} cannot do its work yet, and tries again until it can: {fault}"));
            news::log(&text);
            say(&text);
            told = true;
        }
        std::thread::sleep(pause);
        pause = longest.min(pause * 2);
    }
}

/// Does what is to be done about a run whose processes have ended.
fn attend(options: &Options, place: &Place, run: &RunId) -> Result<Next, Fault> {
    // The journal is not kept open: what a process holds for a day is in somebody's way.
    let Some(record) = trace::find(place, run)? else { return Ok(Next::Leave(Vec::new())) };
    match record.until {
        Some(until) if record.state == RunState::Done && record.is_armed() && until.deadline > clock::boottime() => {
            Ok(Next::Wait(until.deadline))
        }
        _ if record.state == RunState::Running || trace::is_due(place, &record) => {
            lapse(options, place, run, Patience::BOUND).map(Next::Leave)
        }
        _ => Ok(Next::Leave(Vec::new())),
    }
}

/// Lifts a run whose time is over, or whose processes are dead; then those that it had kept from being lifted. Gives the news: nothing when
/// somebody else was faster.
pub(crate) fn lapse(options: &Options, place: &Place, run: &RunId, patience: Patience) -> Result<Vec<String>, Fault> {
    let mut journal = Journal::open(&place.shelf())?;
    // First of all, so that a confirmation is either in time or told that it is late, whatever has to be waited for now.
    journal.end_term(run, TermState::Over)?;
    let lifted = lift(options, place, &mut journal, run, patience)?;
    let stuck = journal.unsettled(&place.boot, place.namespace).unwrap_or_default();
    let again = stuck.iter().rev().filter(|left| left.id != *run && trace::is_stuck(left));
    let freed = again.filter_map(|left| lift(options, place, &mut journal, &left.id, Patience::ASKED).ok()?.filter(|news| news.clean));
    let news: Vec<String> = lifted.into_iter().chain(freed).map(|news| news.text).collect();
    news.iter().for_each(|text| news::log(text));
    Ok(news)
}

/// What is told of a run that was lifted.
struct News {
    text: String,
    /// Whether all of it was.
    clean: bool,
}

fn lift(options: &Options, place: &Place, journal: &mut Journal, run: &RunId, patience: Patience) -> Result<Option<News>, Fault> {
    trace::at_work(place, run, patience, || {
        let record = journal.run(run)?;
        let target = match record.state {
            _ if record.until.is_none_or(|until| until.state != TermState::Over) => return Ok(None),
            RunState::Running => RunState::RolledBack,
            RunState::Done | RunState::Stuck => RunState::Lifted,
            _ => return Ok(None),
        };
        let on_behalf = if record.state == RunState::Running { "recover" } else { TIME };
        let context = place.context(Owner::new(on_behalf, ""), Source::default());
        let kernel = &mut *Place::live(options);
        let report = Desk { kernel, journal, context: &context, now: now(), force: false }.lift(run, target)?;
        let clean = report.is_clean();
        Ok(Some(News { text: news_of(&record, !clean), clean }))
    })
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
