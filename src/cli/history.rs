//! `fyke history`: the runs that the journal knows.

use serde_json::{Value, json};

use super::args::{History, Options};
use super::notice;
use super::place::{Place, now};
use super::show::{Screen, Table, changes, pad};
use super::term::{self, with_time};
use super::watch::TIME;
use crate::model::{Change, Fault};
use crate::transaction::{Journal, RunKind, RunRecord};

/// Lists the runs, or shows one of them with its changes.
pub(crate) fn run(screen: &Screen, options: &Options, history: &History) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    let journal = Journal::open_existing(&place.shelf())?;
    let runs = journal.as_ref().map_or(Ok(Vec::new()), Journal::all_runs)?;
    match (&history.run, &journal) {
        (Some(word), Some(journal)) => show(screen, &place, journal, find(&runs, word)?),
        (Some(word), None) => find(&[], word).map(|_| 0),
        (None, journal) => list(screen, &place, journal.as_ref(), &runs),
    }
}

fn list(screen: &Screen, place: &Place, journal: Option<&Journal>, runs: &[RunRecord]) -> Result<u8, Fault> {
    let mut table = Table::new(["run", "when", "what", "user", "changes", "state"]);
    let mut documents = Vec::new();
    for record in runs {
        let made = journal.map_or(Ok(Vec::new()), |journal| made(journal, record))?;
        if screen.json {
            documents.push(document(place, record, &made));
            continue;
        }
        let count = changes::visible(&made).to_string();
        let (when, what) = (ago(now() - record.started), what(record));
        table.row([record.id.to_string(), when, what, record.context.user.clone(), count, with_time(state(place, record), record)]);
    }
    if screen.json {
        screen.document(&documents)?;
    } else if runs.is_empty() {
        screen.note("the journal is empty");
    } else {
        screen.print(&table.text(screen.paint, screen.bound()))?;
    }
    Ok(0)
}

fn show(screen: &Screen, place: &Place, journal: &Journal, record: &RunRecord) -> Result<u8, Fault> {
    let made = made(journal, record)?;
    if screen.json {
        let mut document = document(place, record, &made);
        document["acts"] = json!(journal.acts(&record.id)?);
        document["all_changes"] = changes::json(&made);
        return screen.document(&document).map(|()| 0);
    }
    let context = &record.context;
    let (state, when) = (with_time(state(place, record), record), ago(now() - record.started));
    let fields = [("what", &*what(record)), ("state", &state), ("when", &when), ("user", &context.user), ("command", &context.command)];
    screen.print_line(&format!("{}  {}", pad("run", 7), record.id))?;
    fields.iter().try_for_each(|(name, value)| screen.print_line(&format!("{}  {value}", pad(name, 7))))?;
    screen.print(&changes::diff(&made, screen.paint))?;
    journal.acts(&record.id)?.iter().try_for_each(|act| screen.print_line(&format!("! {act}, which cannot be lifted")))?;
    Ok(0)
}

fn made(journal: &Journal, record: &RunRecord) -> Result<Vec<Change>, Fault> {
    Ok(journal.batches(&record.id)?.into_iter().flat_map(|batch| batch.changes).collect())
}

fn document(place: &Place, record: &RunRecord, made: &[Change]) -> Value {
    let mut document = json!(record);
    document["state"] = json!(state(place, record));
    document["until"] = term::json(record.until.as_ref());
    document["changes"] = json!(changes::visible(made));
    document
}

/// Finds a run by its id, the beginning of one, or as `last`.
fn find<'a>(runs: &'a [RunRecord], word: &str) -> Result<&'a RunRecord, Fault> {
    let is_meant = |run: &&RunRecord| !word.is_empty() && run.id.as_str().starts_with(word);
    let found = if word == "last" { runs.iter().rfind(|run| run.kind == RunKind::Run) } else { runs.iter().find(is_meant) };
    found.ok_or_else(|| Fault::input(format!("find the run {word:?}"), "there is no such run").hint("`fyke history` lists the runs"))
}

/// Says what a run is.
pub(super) fn what(record: &RunRecord) -> String {
    match (&record.kind, &record.parent) {
        (RunKind::Undo, Some(parent)) if *record.context.owner.recipe == *TIME => format!("undo of {parent}, its time over"),
        (RunKind::Undo, Some(parent)) => format!("undo of {parent}"),
        (RunKind::Redo, Some(parent)) => format!("redo of {parent}"),
        _ => record.context.owner.to_string(),
    }
}

/// Tells the state, as far as it still means anything here.
pub(crate) fn state(place: &Place, record: &RunRecord) -> String {
    match () {
        () if record.context.boot != place.boot => "gone with the reboot".to_owned(),
        () if record.context.namespace != place.namespace => format!("{}, in another namespace", record.state.name()),
        () => record.state.name().to_owned(),
    }
}

/// Tells how long ago something was.
pub(crate) fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
