//! One test, in a worker: a picture of the sandbox, the run, its undo, another picture.
//!
//! The worker is the guardian of the run, so it sees what is left however the run has ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::outcome::Note;
use crate::cli::args::{Options, Rights, Safety, Timeout, Undo};
use crate::cli::permission;
use crate::cli::place::Place;
use crate::cli::session::{Script, Session, Told};
use crate::cli::show::{Lines, Screen};
use crate::cli::undo;
use crate::host::{Case, Mode};
use crate::kernel::picture;
use crate::kernel::process::workers::Slip;
use crate::kernel::process::{self, Limits};
use crate::model::picture::{Difference, Picture};
use crate::model::{Drift, Fault, Kind};
use crate::transaction::{Journal, Stance};

/// How long the kernel may take to let go of what was taken away: of sets that rules have asked, of links.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs a test, and notes what came of it. Gives an exit code of which only that it is one counts.
pub(super) fn attempt(screen: &Screen, options: &Options, rights: &Rights, case: &Case, slip: &Slip) -> u8 {
    let options = Options { sandbox: true, timeout: options.timeout.or(Some(Timeout::OF_TESTS)), ..options.clone() };
    // What it prints is kept for whoever started the tests: here is no terminal.
    let screen = screen.again(&options);
    let told = |fault: &Fault, _: u8, lines: Lines| tell(slip, &Note::fault(fault, lines));
    let result = in_sandbox(&screen, &options, rights, case, slip, &told);
    result.unwrap_or_else(|fault| {
        told(&fault, 1, &|_| None);
        1
    })
}

fn in_sandbox(screen: &Screen, options: &Options, rights: &Rights, case: &Case, slip: &Slip, told: &Told<'_>) -> Result<u8, Fault> {
    let gate = permission::gate(screen, rights, false)?;
    let session = Session::open(screen, options, Mode::Run, Script::Case(case), Stance::Allow)?.gated(gate).telling(told);
    let before = picture::take()?;
    let code = session.run(|outcome| {
        tell(slip, &Note::Done { exit: outcome.exit });
        Ok(0)
    })?;
    // A program that still runs could go on to change things when all has been looked at.
    let running: Vec<String> = process::fell_the_rest().into_iter().map(|name| format!("a program that still ran: {name}")).collect();
    let code = lift(options, session.place(), told)?.max(code);
    let mut left = left(&before)?;
    left.others.extend(running);
    if left.is_empty() {
        return Ok(code);
    }
    tell(slip, &Note::Left { changes: left.changes, others: left.others });
    Ok(code.max(1))
}

/// Adds a note. One that cannot be added is missed by who reads them.
fn tell(slip: &Slip, note: &Note) {
    if let Ok(line) = serde_json::to_string(note) {
        let _ = slip.note(&line);
    }
}

/// Lifts all that is in force in the sandbox, as an ordinary undo does: under a guardian of its own, so that nothing tears it.
fn lift(options: &Options, place: &Place, told: &Told<'_>) -> Result<u8, Fault> {
    let work = || -> Result<Vec<Fault>, Fault> {
        let Some(mut journal) = Journal::open_existing(&place.shelf())? else { return Ok(Vec::new()) };
        let safety = Safety { allow_lockout: true };
        let words = Undo { safety, runs: Vec::new(), all: true, recipe: None, force: false };
        let runs: Vec<_> = place.here(&journal).in_force()?.into_iter().map(|run| run.id).collect();
        let mut faults = Vec::new();
        for run in &runs {
            let report = undo::lift(options, place, &mut journal, &words, run, &runs)?;
            faults.extend(report.left().map(Drift::fault));
        }
        Ok(faults)
    };
    let limits = Limits::default();
    let runner = |page: &process::Page| {
        // Asked to end, it gets the time that a rollback gets: it is one.
        page.roll_back();
        let faults = work().unwrap_or_else(|fault| vec![fault]);
        page.settle();
        faults.iter().for_each(|fault| told(fault, 1, &|_| None));
        u8::from(!faults.is_empty())
    };
    process::guarded(&limits, runner, |_, ending| {
        ending.fault(&limits).iter().for_each(|fault| told(fault, 1, &|_| None));
        ending.exit_code()
    })
}

/// Finds what is otherwise than before, when the kernel has had the time to let go of it.
fn left(before: &Picture) -> Result<Difference, Fault> {
    let begun = Instant::now();
    loop {
        let after = picture::take().map_err(|fault| Fault { kind: Kind::Incomplete, ..fault })?;
        let found = before.difference(&after);
        if found.is_empty() || begun.elapsed() > PATIENCE {
            return Ok(found);
        }
        sleep(PAUSE);
    }
}
