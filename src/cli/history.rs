//! `fyke history`: the runs that the journal knows, and those that are remembered from earlier boots.

use serde_json::{Value, json};

use super::args::{History, Options};
use super::notice;
use super::place::{Place, now};
use super::show::{Screen, Table, changes, pad};
use super::term::{self, with_time};
use super::watch::TIME;
use crate::kernel::archive;
use crate::model::netns::Site;
use crate::model::{Change, Fault};
use crate::transaction::past::Past;
use crate::transaction::{Journal, RunKind, RunRecord};

/// Lists the runs, or shows one of them with its changes.
pub(crate) fn run(screen: &Screen, options: &Options, history: &History) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    let runs = runs(&place, history.run.is_some())?;
    match &history.run {
        Some(word) => show(screen, &place, find(&runs, word)?),
        None => list(screen, &place, &runs),
    }
}

/// Gives the runs of the journal, and before them those that it does not know any more; `whole` ones with their changes.
fn runs(place: &Place, whole: bool) -> Result<Vec<Past>, Fault> {
    let journal = Journal::open_existing(&place.shelf())?;
    let mut here = Vec::new();
    if let Some(journal) = &journal {
        for record in journal.all_runs()? {
            let (mut made, acts) = (made(journal, &record)?, journal.acts(&record.id)?);
            let count = Some(changes::visible(&made));
            if !whole {
                made.clear();
                made.shrink_to_fit();
            }
            here.push(Past { record, count, made, acts });
        }
    }
    let lines = archive::folder().map_or(Vec::new(), |folder| archive::lines(&folder));
    let mut runs = Past::read(lines.iter().map(String::as_str));
    runs.retain(|past| !here.iter().any(|known| known.is_of(&past.record.id)));
    runs.extend(here);
    Ok(runs)
}

fn list(screen: &Screen, place: &Place, runs: &[Past]) -> Result<u8, Fault> {
    if screen.json {
        return screen.document(&runs.iter().map(|past| document(place, past)).collect::<Vec<_>>()).map(|()| 0);
    }
    if runs.is_empty() {
        screen.note("the journal is empty");
        return Ok(0);
    }
    let mut table = Table::new(["run", "when", "what", "user", "changes", "state"]);
    for past in runs {
        let record = &past.record;
        let (when, what, count) = (ago(now() - record.started), what_and_where(place, record), past.count.unwrap_or(0).to_string());
        table.row([record.id.to_string(), when, what, record.context.user.clone(), count, in_words(place, record)]);
    }
    screen.print(&table.text(screen.paint, screen.bound())).map(|()| 0)
}

fn show(screen: &Screen, place: &Place, past: &Past) -> Result<u8, Fault> {
    let Past { record, made, acts, count } = past;
    if screen.json {
        let mut document = document(place, past);
        document["acts"] = json!(acts);
        document["all_changes"] = changes::json(made);
        return screen.document(&document).map(|()| 0);
    }
    let context = &record.context;
    let (state, when) = (with_time(state(place, record), record), ago(now() - record.started));
    let fields = [
        ("what", &*what_and_where(place, record)),
        ("state", &state),
        ("when", &when),
        ("user", &context.user),
        ("command", &context.command),
    ];
    screen.print_line(&format!("{}  {}", pad("run", 7), record.id))?;
    fields.iter().try_for_each(|(name, value)| screen.print_line(&format!("{}  {value}", pad(name, 7))))?;
    screen.print(&changes::diff(made, screen.paint))?;
    let more = count.unwrap_or(0).saturating_sub(changes::visible(made));
    if more > 0 {
        screen.print_line(&format!("and {more} more changes, which were not kept"))?;
    }
    acts.iter().try_for_each(|act| screen.print_line(&format!("! {act}, which cannot be lifted")))?;
    Ok(0)
}

fn made(journal: &Journal, record: &RunRecord) -> Result<Vec<Change>, Fault> {
    Ok(journal.batches(&record.id)?.into_iter().flat_map(|batch| batch.changes).collect())
}

fn document(place: &Place, past: &Past) -> Value {
    let mut document = json!(past.record);
    document["state"] = json!(state(place, &past.record));
    document["until"] = term::json(past.record.until.as_ref());
    document["changes"] = json!(past.count.unwrap_or(0));
    document
}

/// Finds a run by its id, the beginning of one, or as `last`.
fn find<'a>(runs: &'a [Past], word: &str) -> Result<&'a Past, Fault> {
    let is_meant = |past: &&Past| !word.is_empty() && past.record.id.as_str().starts_with(word);
    let last = || runs.iter().rfind(|past| past.record.kind == RunKind::Run);
    let found = if word == "last" { last() } else { runs.iter().rfind(is_meant) };
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

/// Says what a run is, and in which other network namespaces it has changed something.
pub(super) fn what_and_where(place: &Place, record: &RunRecord) -> String {
    let here = |site: &&Site| site.namespace == place.namespace;
    let home = (record.context.namespace != place.namespace && record.elsewhere.iter().any(|site| here(&site)))
        .then_some(record.context.home.as_str());
    let others = record.elsewhere.iter().filter(|site| !here(site)).map(|site| site.home.as_str());
    let places: Vec<&str> = home.into_iter().chain(others).collect();
    match places.is_empty() {
        true => what(record),
        false => format!("{}, also in {}", what(record), places.join(", ")),
    }
}

/// Tells the state, as far as it still means anything here.
pub(crate) fn state(place: &Place, record: &RunRecord) -> String {
    match () {
        () if record.context.boot != place.boot => "gone with the reboot".to_owned(),
        () if !record.concerns(place.namespace) => format!("{}, in another namespace", record.state.name()),
        () => record.state.name().to_owned(),
    }
}

/// Tells the state with what is left of its time; that of an earlier boot was counted by another clock.
fn in_words(place: &Place, record: &RunRecord) -> String {
    let state = state(place, record);
    if record.context.boot == place.boot { with_time(state, record) } else { state }
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
