//! `fyke undo`: takes back what runs changed.

use serde_json::{Value, json};

use super::args::{Options, Safety, Undo};
use super::ended::remember;
use super::notice;
use super::place::{Place, now};
use super::session::guarded;
use super::show::Screen;
use super::show::changes::{self, Deed};
use super::trace::{self, Patience};
use super::{exit_code, redo};
use crate::host::{Recipe, params};
use crate::model::iptables::{Owner, RunId};
use crate::model::{Change, Fault, Kind, Report};
use crate::transaction::select::{Here, Task};
use crate::transaction::undo::Desk;
use crate::transaction::{Journal, RunState, Source};

/// Lifts runs, and says what could not be lifted. What keeps one of them from being lifted does not keep the others.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Undo) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    guarded(screen, || {
        let mut journal = place.journal_to_write()?;
        let tasks = tasks(&place.here(&journal), words)?;
        let lifted: Vec<RunId> =
            tasks.iter().filter_map(|task| if let Task::Lift(run) = task { Some(run.id.clone()) } else { None }).collect();
        let deed = if words.force { Deed::Forced } else { Deed::Lifted };
        let outcomes = tasks.iter().map(|task| match task {
            Task::Lift(run) => (deed, lift(options, &place, &mut journal, words, &run.id, &lifted)),
            Task::Redo(run) => (Deed::SetAgain, redo::again(options, &place, &mut journal, run, (words.force, words.safety.stance()))),
        });
        tell(screen, &place, outcomes.collect())
    })
}

/// Tells what a recipe lifts, if that is all that it does: what another one has set, of the instance that the same parameters make.
pub(crate) fn of_recipe(recipe: &Recipe, words: &[String], safety: Safety) -> Result<Option<Undo>, Fault> {
    // The head alone tells it: most recipes lift nothing, and are parsed where they run.
    let Some(lifted) = recipe.header()?.lifts else { return Ok(None) };
    let instance = params::parse(&recipe.name, &recipe.interface()?, words)?.instance;
    // A recipe of a package speaks of those of the same package.
    let lifted = recipe.package.as_ref().map_or_else(|| lifted.clone(), |unit| format!("{}:{lifted}", unit.package));
    let lifted = Owner::new(&lifted, &instance).to_string();
    Ok(Some(Undo { safety, runs: Vec::new(), all: false, recipe: Some(lifted), force: false }))
}

/// Shows what lifting would change, where nobody has changed it since.
pub(crate) fn plan(screen: &Screen, options: &Options, words: &Undo) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    let journal = Journal::open_existing(&place.shelf())?;
    let mut back = Vec::new();
    if let Some(journal) = &journal {
        for task in tasks(&place.here(journal), words)? {
            let (Task::Lift(run) | Task::Redo(run)) = task;
            let changes = journal.standing(&run.id)?.into_iter().flat_map(|batch| batch.changes).rev();
            back.extend(changes.filter(|change| !change.is_claim()).map(|change| Change::new(change.object, change.after, change.before)));
        }
    }
    if screen.json {
        return screen.document(&json!({ "complete": true, "changes": changes::json(&back), "exit": 0 })).map(|()| 0);
    }
    screen.print(&changes::diff(&back, screen.paint))?;
    screen.print(&format!("{}\n", changes::planned(&back))).map(|()| 0)
}

/// Finds what is to be done, in the order in which it can be done.
fn tasks(here: &Here<'_>, words: &Undo) -> Result<Vec<Task>, Fault> {
    let all = |runs: Vec<_>| runs.into_iter().map(Task::Lift).collect();
    if words.all {
        return here.in_force().map(all);
    }
    if let Some(recipe) = &words.recipe {
        return here.of_recipe(recipe).map(all);
    }
    let mut tasks = words.runs.iter().map(|word| here.to_undo(word)).collect::<Result<Vec<_>, _>>()?;
    let order: Vec<RunId> = here.in_force()?.into_iter().map(|run| run.id).collect();
    // What is set again comes last: it may need the place.
    let place = |task: &Task| match task {
        Task::Lift(run) => order.iter().position(|id| *id == run.id).unwrap_or(order.len()),
        Task::Redo(_) => order.len() + 1,
    };
    tasks.sort_by_key(place);
    tasks.dedup();
    Ok(tasks)
}

/// Lifts one run; `with` are those that are lifted with it.
pub(crate) fn lift(
    options: &Options,
    place: &Place,
    journal: &mut Journal,
    words: &Undo,
    run: &RunId,
    with: &[RunId],
) -> Result<Report, Fault> {
    let context = place.context(Owner::new("undo", ""), Source::default());
    trace::at_work(place, run, Patience::ASKED, || {
        // Somebody else may have been faster.
        let record = place.here(journal).open(journal.run(run)?)?;
        if !words.force {
            place.here(journal).nothing_stands_on(&record, with)?;
        }
        let mut kernel = Place::live(options);
        Place::guard(words.safety.stance()).put_back(kernel.as_mut(), &place.here(journal), &Task::Lift(record))?;
        Desk { kernel: kernel.as_mut(), journal, context: &context, now: now(), force: words.force }.lift(run, RunState::Lifted)
    })
}

/// Says what was done with each run, what is left of it, and what failed.
pub(crate) fn tell(screen: &Screen, place: &Place, outcomes: Vec<(Deed, Result<Report, Fault>)>) -> Result<u8, Fault> {
    let (mut reports, mut faults) = (Vec::new(), Vec::new());
    for (deed, outcome) in outcomes {
        match outcome {
            Ok(report) => {
                remember(screen, place, &report);
                reports.push((deed, report));
            }
            Err(fault) => faults.push(fault),
        }
    }
    // One that fails alone is the fault of the whole.
    if reports.is_empty() && faults.len() == 1 {
        return Err(faults.swap_remove(0));
    }
    let left = reports.iter().any(|(_, report)| !report.is_clean());
    let code = match faults.first() {
        Some(fault) if faults.len() == 1 && !left => exit_code(fault, false),
        Some(_) => Kind::Incomplete.exit_code(),
        None if left => Kind::Incomplete.exit_code(),
        None => 0,
    };
    if screen.json {
        let document = |again: bool| -> Vec<Value> {
            let mine = reports.iter().filter(|(deed, _)| (*deed == Deed::SetAgain) == again);
            let entry = |report: &Report| json!({ "run": report.run, "changes": changes::json(&report.changes), "not_lifted": report.acts, "stays": report.stays, "drift": report.drift });
            mine.map(|(_, report)| entry(report)).collect()
        };
        let failed: Vec<Value> = faults.iter().map(|fault| json!(fault)).collect();
        let (lifted, again) = (document(false), document(true));
        return screen.document(&json!({ "lifted": lifted, "set_again": again, "failed": failed, "exit": code })).map(|()| code);
    }
    reports.iter().try_for_each(|(deed, report)| screen.print(&changes::deed(*deed, report, screen.verbose, screen.paint)))?;
    faults.iter().for_each(|fault| screen.fault(fault, code, &|_| None));
    if reports.is_empty() && faults.is_empty() {
        screen.note("nothing is in force here");
    }
    Ok(code)
}
