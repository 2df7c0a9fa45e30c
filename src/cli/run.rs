//! `fyke run`: a recipe against the live kernel.

use serde_json::json;

use super::args::{Options, Start};
use super::session::{Outcome, Script, Session};
use super::show::{self, Screen, changes};
use super::{permission, recipe_of, term, wants_help};
use crate::host::Mode;
use crate::model::Fault;

/// Runs a recipe, and says what it changed and how to lift it.
pub(crate) fn run(screen: &Screen, options: &Options, start: &Start) -> Result<u8, Fault> {
    let (recipe, words) = recipe_of(&start.recipe.words)?;
    if wants_help(&words) {
        return super::help::recipe(screen, &recipe);
    }
    if let Some(undo) = super::undo::of_recipe(&recipe, &words, start.safety)? {
        return super::undo::run(screen, options, &undo);
    }
    Session::open(screen, options, Mode::Run, Script::Recipe(&recipe, &words), start.safety.stance())?
        .reach(start.reach)
        .gated(permission::gate(screen, &start.rights, start.ask)?)
        .said_with([start.rights.words(), start.reach.words()].concat())
        .bound(start.stay.bound())?
        .run(|outcome| tell(screen, outcome, true))
}

/// Prints the value of a script, and says what it changed; `announce` says so even if that is nothing.
pub(crate) fn tell(screen: &Screen, outcome: &Outcome, announce: bool) -> Result<u8, Fault> {
    let report = &outcome.report;
    let code = outcome.exit.unwrap_or(0);
    if screen.json {
        screen.document(&json!({
            "run": report.run, "value": outcome.data.as_ref().unwrap_or(&outcome.value), "changes": changes::json(&report.changes), "acts": report.acts,
            "drift": report.drift, "until": term::json(outcome.until.as_ref()), "exit": code,
        }))?;
        return Ok(code);
    }
    if screen.verbose && !report.changes.is_empty() {
        screen.note(&changes::diff(&report.changes, screen.notes));
    }
    // The way back comes first: it must be told even when nobody reads the result.
    if announce || outcome.bound.is_some() || !report.changes.is_empty() || !report.acts.is_empty() {
        screen.note(&changes::done(report, &way_back(screen, outcome), screen.notes));
    }
    screen.print(&show::value(&outcome.value, screen.paint, screen.bound()))?;
    Ok(code)
}

/// Says how the changes are lifted again, and whether they are lifted by themselves.
fn way_back(screen: &Screen, outcome: &Outcome) -> String {
    match (&outcome.report.run, &outcome.until) {
        (Some(run), Some(until)) => format!("; {}", term::way_back(run, until, screen.notes)),
        _ if outcome.passing && changes::visible(&outcome.report.changes) > 0 => ", gone with the sandbox".to_owned(),
        (None, _) if outcome.bound.is_some() => ", so there is nothing to lift or to confirm".to_owned(),
        _ => changes::lift_with(&outcome.report, screen.notes),
    }
}
