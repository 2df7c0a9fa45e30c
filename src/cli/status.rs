//! `fyke status`: what is in force, and what is not as it was left.

use serde_json::json;

use super::args::{Options, Status};
use super::history::{ago, state, what_and_where};
use super::notice;
use super::place::{Place, now};
use super::show::{Screen, Table, changes};
use super::term::{self, with_time};
use crate::kernel::machine::Machine;
use crate::model::{Fault, Kind};
use crate::transaction::status::{Standing, status};
use crate::transaction::{Journal, RunState};

/// Lists the runs that are in force here, each with its drift.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Status) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    let standing = match Journal::open_existing(&place.shelf())? {
        // What is in force is told of both backends.
        Some(journal) => status(&mut Machine::live(None), &place.here(&journal))?,
        None => Vec::new(),
    };
    let drifted = standing.iter().any(|one| !one.drift.is_empty() || one.run.state == RunState::Stuck);
    let code = if words.exit_code && drifted { Kind::Drift.exit_code() } else { 0 };
    if screen.json {
        let runs: Vec<_> = standing.iter().map(|one| document(&place, one)).collect();
        return screen.document(&json!({ "in_force": runs, "drift": drifted, "exit": code })).map(|()| code);
    }
    if standing.is_empty() {
        screen.note("nothing is in force here");
    }
    let mut table = Table::new(["run", "what", "when", "user", "changes", "state"]);
    for one in &standing {
        let run = &one.run;
        let (when, count) = (ago(now() - run.started), visible(one).to_string());
        table.row([
            run.id.to_string(),
            what_and_where(&place, run),
            when,
            run.context.user.clone(),
            count,
            with_time(in_words(&place, one), run),
        ]);
    }
    if !standing.is_empty() {
        screen.print(&table.text(screen.paint, screen.bound()))?;
    }
    standing.iter().try_for_each(|one| screen.print(&changes::drift(&one.run.id, &one.drift, screen.paint)))?;
    Ok(code)
}

/// Tells the state of a run that is in force.
fn in_words(place: &Place, one: &Standing) -> String {
    match one.run.state {
        RunState::Done if one.drift.is_empty() => "in force".to_owned(),
        RunState::Done => "drifted".to_owned(),
        _ => state(place, &one.run),
    }
}

fn visible(one: &Standing) -> usize {
    one.batches.iter().map(|batch| changes::visible(&batch.changes)).sum()
}

fn document(place: &Place, one: &Standing) -> serde_json::Value {
    let mut document = json!(one.run);
    document["state"] = json!(in_words(place, one));
    document["until"] = term::json(one.run.until.as_ref());
    document["changes"] = json!(visible(one));
    document["drift"] = json!(one.drift);
    document
}
