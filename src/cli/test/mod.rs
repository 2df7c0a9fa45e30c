//! `fyke test`: the tests of a project, each in a sandbox of its own.
//!
//! ```text
//!   find      which files and functions             (here)
//!   attempt   one test, and what is left of it      (in a worker, with a runner of its own)
//!   outcome   what its notes mean                   (here again)
//!   junit     the report for CI systems
//! ```

mod attempt;
mod find;
mod junit;
mod outcome;

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::{Options, Test};
use super::show::{Screen, cases};
use crate::kernel::files;
use crate::kernel::process::workers::{Ended, Slip, side_by_side};
use crate::model::{Fault, Kind};

use find::Found;
pub(crate) use outcome::{Complaint, Outcome, Verdict};

/// Finds the tests, runs them, and says what came of them.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Test) -> Result<u8, Fault> {
    if options.netns.is_some() {
        return Err(Fault::input("run tests in a network namespace", "each has a sandbox of its own").hint("leave --netns out"));
    }
    // A report that cannot be written is told before, and not after the tests; and that of a former run is not taken for one of this.
    words.junit.as_deref().filter(|_| !words.list).map_or(Ok(()), |file| write(file, &[]))?;
    let mut found = find::find(words)?;
    found.odd.iter().for_each(|odd| screen.finding(&odd.fault, false, &|at| odd.line(at)));
    if let Some(text) = &words.filter {
        found.keep(text)?;
    }
    if words.list {
        return list(screen, &found);
    }
    run_all(screen, options, words, &found)
}

fn list(screen: &Screen, found: &Found) -> Result<u8, Fault> {
    let code = u8::from(!found.broken.is_empty());
    let titles: Vec<String> = found.cases.iter().map(|case| case.title()).collect();
    if screen.json {
        let broken: Vec<&Fault> = found.broken.iter().map(|(_, complaint)| &complaint.fault).collect();
        return screen.document(&json!({ "tests": titles, "faults": broken, "exit": code })).map(|()| code);
    }
    titles.iter().try_for_each(|title| screen.print_line(title))?;
    found.broken.iter().for_each(|(_, complaint)| screen.finding(&complaint.fault, true, &|at| complaint.line(at)));
    Ok(code)
}

fn run_all(screen: &Screen, options: &Options, words: &Test, found: &Found) -> Result<u8, Fault> {
    let begun = Instant::now();
    let mut tally = Tally::new(screen, found);
    let jobs = words.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let work = |at: usize, slip: &Slip| attempt::attempt(screen, options, &words.rights, &found.cases[at], slip);
    let mut ended = |ended: Ended| {
        let outcome = Outcome::of(&found.cases[ended.at], &ended);
        let goes_on = !words.fail_fast || !outcome.is_failed();
        tally.add(ended.at, outcome);
        goes_on
    };
    let goes_on = !words.fail_fast || found.broken.is_empty();
    let stop = if goes_on { side_by_side(jobs, found.cases.len(), &work, &mut ended)? } else { None };
    let (outcomes, lost) = tally.end(stop.is_some());
    let failed = outcomes.iter().any(Outcome::is_failed);
    let code = stop.map_or(u8::from(failed), |stop| stop.exit_code());
    words.junit.as_deref().map_or(Ok(()), |file| write(file, &outcomes))?;
    lost.map_or(Ok(()), Err)?;
    tell(screen, &outcomes, found.cases.len() + found.broken.len(), begun.elapsed(), code).map(|()| code)
}

fn write(file: &Path, outcomes: &[Outcome]) -> Result<(), Fault> {
    if file.extension().is_some_and(|end| end == "rhai" || end == "toml") {
        let why = "it is called like a script or a manifest, which a report would replace";
        return Err(
            Fault::input(format!("write the report {}", file.display()), why).hint("--junit FILE: the name of the report stands behind it")
        );
    }
    files::report(file, junit::report(outcomes).as_bytes())
}

fn tell(screen: &Screen, outcomes: &[Outcome], count: usize, time: Duration, code: u8) -> Result<(), Fault> {
    let of = |which: fn(&Verdict) -> bool| outcomes.iter().filter(|outcome| which(&outcome.verdict)).count();
    let passed = of(|verdict| matches!(verdict, Verdict::Passed));
    let skipped = of(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let failed = outcomes.len() - passed - skipped;
    if screen.json {
        let tests: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
        return screen.document(&json!({
            "tests": tests, "passed": passed, "failed": failed, "skipped": skipped, "not_run": count - outcomes.len(),
            "seconds": time.as_secs_f64(), "exit": code,
        }));
    }
    screen.print(&cases::failures(screen, outcomes))?;
    screen.print(&cases::summary([passed, failed, skipped, count - outcomes.len()], time, screen.paint))
}

/// What has come in, told in the order of the tests however they end.
struct Tally<'a> {
    screen: &'a Screen,
    broken: Vec<Outcome>,
    outcomes: Vec<Option<Outcome>>,
    /// How many of them were told.
    told: usize,
    /// What kept one from being told.
    lost: Option<Fault>,
}

impl<'a> Tally<'a> {
    fn new(screen: &'a Screen, found: &Found) -> Self {
        let broken: Vec<Outcome> = found.broken.iter().map(|(file, complaint)| Outcome::broken(file, complaint.clone())).collect();
        let mut tally = Self { screen, broken: Vec::new(), outcomes: vec![None; found.cases.len()], told: 0, lost: None };
        broken.iter().for_each(|outcome| tally.line(outcome));
        tally.broken = broken;
        tally.progress();
        tally
    }

    fn line(&mut self, outcome: &Outcome) {
        if self.screen.json {
            return;
        }
        self.screen.progress("");
        if let Err(fault) = self.screen.print(&cases::line(outcome, self.screen.verbose, self.screen.paint)) {
            self.lost.get_or_insert(fault);
        }
    }

    fn progress(&self) {
        let (done, all) = (self.outcomes.iter().flatten().count(), self.outcomes.len());
        self.screen.progress(&if done < all { format!("{done} of {all} tests have ended") } else { String::new() });
    }

    fn add(&mut self, at: usize, outcome: Outcome) {
        self.outcomes[at] = Some(outcome);
        // Whether one that was asked to end has failed is known at the end: when all were asked, it has not.
        while let Some(next) = self.outcomes.get(self.told).cloned().flatten().filter(|next| !next.is_interrupted()) {
            self.line(&next);
            self.told += 1;
        }
        self.progress();
    }

    /// Tells the rest, and gives all but those that were not run to their end because somebody did not want it; and what kept one from being told.
    fn end(mut self, is_interrupted: bool) -> (Vec<Outcome>, Option<Fault>) {
        let counts = |outcome: &Outcome| !(is_interrupted && outcome.is_interrupted());
        let rest: Vec<Outcome> = self.outcomes.iter().skip(self.told).flatten().filter(|outcome| counts(outcome)).cloned().collect();
        rest.iter().for_each(|outcome| self.line(outcome));
        self.screen.progress("");
        let all = self.broken.into_iter().chain(self.outcomes.into_iter().flatten()).filter(counts).collect();
        (all, self.lost)
    }
}

/// Makes the fault of a search that has found nothing.
fn nothing(tried: &str, why: &str, hint: &str) -> Fault {
    Fault::new(Kind::NotFound, tried, why).hint(hint)
}
