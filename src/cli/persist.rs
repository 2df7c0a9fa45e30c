//! `fyke persist`: a run that comes back with the next boot.

use std::path::Path;

use serde_json::json;

use super::args::{Options, Persist, Saved};
use super::place::Place;
use super::show::Screen;
use crate::host::Recipe;
use crate::host::check::check;
use crate::kernel::xtables::Backend;
use crate::kernel::{identity, trust};
use crate::model::iptables::excerpt;
use crate::model::systemd::Unit;
use crate::model::{Change, Family, Fault, Kind};
use crate::transaction::select::Here;
use crate::transaction::{Journal, RunKind, RunRecord, RunState, TermState};

/// Where the units of the administrator are, see systemd.unit(5).
const UNITS: &str = "/etc/systemd/system";

/// Prints or installs a unit that does at boot what a run did, or prints what the run has in force.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Persist) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    let nothing =
        || Fault::input(format!("find the run {:?}", words.run), "nothing is in force here").hint("`fyke history` lists the runs");
    let journal = Journal::open_existing(&place.shelf())?.ok_or_else(nothing)?;
    let record = find(&place.here(&journal), &words.run)?.ok_or_else(nothing)?;
    is_in_force(&record)?;
    if let Some(saved) = words.print {
        return print(screen, options, &journal, &record, saved);
    }
    let unit = unit(&record)?;
    let (name, text) = (unit.name(), unit.text()?);
    let path = Path::new(UNITS).join(&name);
    if words.install {
        trust::install(&path, &text, &unit.mark())?;
    }
    if screen.json {
        return screen.document(&json!({ "run": record.id, "path": path, "installed": words.install, "text": text })).map(|()| 0);
    }
    if words.install {
        screen.print_line(&path.display().to_string())?;
        screen.note(&format!("now: systemctl daemon-reload && systemctl enable --now {name}"));
    } else {
        screen.print_text(&text)?;
    }
    Ok(0)
}

/// Finds the run that is meant: of a redo, what it has set again.
fn find(here: &Here<'_>, word: &str) -> Result<Option<RunRecord>, Fault> {
    if word == "last" {
        return Ok(here.in_force()?.into_iter().next());
    }
    let run = here.find(word)?;
    match (run.kind, &run.parent) {
        (RunKind::Redo, Some(parent)) => here.journal.run(parent).map(Some),
        _ => Ok(Some(run)),
    }
}

fn refused(record: &RunRecord, why: impl Into<String>) -> Fault {
    Fault::input(format!("persist run {}", record.id), why)
}

fn is_in_force(record: &RunRecord) -> Result<(), Fault> {
    match (record.kind, record.state) {
        (RunKind::Run, RunState::Done) => {}
        (RunKind::Run, state) => return Err(refused(record, format!("it is {}", state.name()))),
        _ => return Err(refused(record, "it is no run of a recipe")),
    }
    match record.until {
        Some(until) if until.state == TermState::Armed => {
            Err(refused(record, "it is not to stay: it is lifted by itself").hint("confirm it first, or run it without a term"))
        }
        _ => Ok(()),
    }
}

/// Makes the unit of a run, if it can come back and may be trusted.
fn unit(record: &RunRecord) -> Result<Unit, Fault> {
    let (context, source) = (&record.context, &record.context.source);
    let netns = match context.home.as_str() {
        "host" => None,
        home if home.starts_with("pid:") || home.starts_with("/proc/") => {
            return Err(refused(record, "it ran in a network namespace without a name, which is not there after a reboot"));
        }
        home => Some(home.to_owned()),
    };
    if source.file.is_empty() {
        return Err(refused(record, "it was no recipe: only a file or a built-in recipe can be run again")
            .hint("write the script to a file, and run that"));
    }
    if !source.file.starts_with('/') && source.file.contains('/') {
        return Err(refused(record, "its recipe is found from the folder of a project only, and at boot there is none")
            .hint("write a recipe that imports the package, beside its fyke.toml, and persist that one"));
    }
    is_trusted(record)?;
    let program = identity::program()?;
    trust::only_root_writes(Path::new(&program))?;
    Ok(Unit {
        owner: context.owner.clone(),
        run: record.id.clone(),
        program,
        recipe: source.file.clone(),
        words: source.words.clone(),
        options: source.options.clone(),
        backend: context.backend.clone(),
        netns,
    })
}

/// Refuses a run if its recipe or what that imports has changed, or may be changed by others than root: at boot nothing is compared any more.
fn is_trusted(record: &RunRecord) -> Result<(), Fault> {
    let source = &record.context.source;
    let is_same = |now: &Recipe, hash: &str| match now.hash == hash {
        true => Ok(()),
        false => Err(refused(record, format!("{} has changed since", now.file)).hint("run it once more, and persist that run")),
    };
    let recipe = Recipe::find(&source.file)?;
    is_same(&recipe, &source.hash)?;
    for module in &source.modules {
        is_same(&Recipe::read(&module.file)?, &module.hash)?;
    }
    if recipe.path.is_some() {
        trust::only_root_writes(Path::new(&source.file))?;
    }
    // What this run did not import, one at boot may: an import can depend on what is there.
    let (_, library) = check(&recipe);
    source.modules.iter().chain(&library.imported()).try_for_each(|module| trust::only_root_writes(Path::new(&module.file)))
}

/// Prints what a run has in force in one family, to be restored without fyke.
fn print(screen: &Screen, options: &Options, journal: &Journal, record: &RunRecord, saved: Saved) -> Result<u8, Fault> {
    let family = match saved {
        Saved::IptablesSave => Family::V4,
        Saved::Ip6tablesSave => Family::V6,
    };
    let changes: Vec<Change> = journal.standing(&record.id)?.into_iter().flat_map(|batch| batch.changes).collect();
    let mut kernel = Place::live(options);
    Backend::named(&record.context.backend).map_or(Ok(()), |backend| kernel.return_to(backend))?;
    let tables = kernel.xtables()?;
    tables.know(&[record.id.clone()].into());
    let rules = excerpt::text(&tables.read(family)?, &record.id, &changes);
    let (id, command) = (&record.id, family.command());
    let text = format!("# What run {id} of fyke has in force. To set it in an empty place: {command}-restore --noflush < FILE\n{rules}");
    if screen.json {
        return screen.document(&json!({ "run": id, "family": family, "text": text })).map(|()| 0);
    }
    if rules.is_empty() {
        return Err(Fault::new(Kind::NotFound, format!("print the {family} rules of run {id}"), "it has none in force"));
    }
    screen.print_text(&text).map(|()| 0)
}
