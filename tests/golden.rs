//! What each verb does to a given ruleset, without a kernel: a folder a case, `tests/golden/NOUN/CASE`.
//!
//! `before` and `recipe.rhai` are given; `plan` (the changes), `after` and `undo` (the rulesets, as iptables-save writes them) are compared with
//! what comes out. `FYKE_BLESS=1` writes them anew, for a person to review.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use fyke::host::{Host, Mode, Recipe, Setup};
use fyke::kernel::Kernel;
use fyke::kernel::shadow::{Shadow, Shared};
use fyke::model::iptables::{Policy, Ruleset, save};
use fyke::model::named::Told;
use fyke::model::{Change, Family, State};
use fyke::transaction::select::Here;
use fyke::transaction::undo::Desk;
use fyke::transaction::{self, Context, Door, Journal, RunState, Shelf};

use crate::program::Folder;

#[test]
fn every_case_comes_out_as_it_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folders = |path: &Path| {
        let mut all: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
        all.sort();
        all
    };
    let cases: Vec<PathBuf> = folders(&root).iter().flat_map(|noun| folders(noun)).collect();
    assert!(cases.len() >= 12, "{cases:?}");
    let wrong: Vec<String> = cases.iter().flat_map(|case| compare(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a case, and tells what is different.
fn compare(case: &Path) -> Vec<String> {
    let outcome = Outcome::of(case);
    let mut wrong = Vec::new();
    for (name, text) in [("plan", outcome.plan), ("after", outcome.after), ("undo", outcome.undo)] {
        let path = case.join(name);
        if std::env::var_os("FYKE_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        if wanted != text {
            wrong.push(format!("{} is\n{wanted}and came out as\n{text}", path.display()));
        }
    }
    wrong
}

struct Outcome {
    plan: String,
    after: String,
    undo: String,
}

impl Outcome {
    fn of(case: &Path) -> Self {
        let before = fs::read_to_string(case.join("before")).unwrap();
        let recipe = Recipe::read(case.join("recipe.rhai").to_str().unwrap()).unwrap();
        let planned = World::read(&before);
        let plan = changes(&planned.run(&recipe, Mode::Plan, &Shelf::Memory));

        let world = World::read(&before);
        let folder = Folder::new();
        let shelf = Shelf::File(folder.path().join("journal"));
        let made = world.run(&recipe, Mode::Run, &shelf);
        assert_eq!(changes(&made), plan, "{}: a plan is what the run does", case.display());
        let after = world.text();
        if recipe.text.contains("ensure") || recipe.text.contains("absent") {
            let again = world.run(&recipe, Mode::Plan, &shelf);
            assert!(again.is_empty(), "{}: a second run would change {}", case.display(), changes(&again));
        }

        let mut journal = Journal::open(&shelf).unwrap();
        let run = Here { journal: &journal, boot: "boot", namespace: 1 }.in_force().unwrap().remove(0).id;
        let (kernel, context) = (&mut world.0.clone(), context());
        let mut desk = Desk { kernel, journal: &mut journal, context: &context, now: 0, force: false };
        let report = desk.lift(&run, RunState::Lifted).unwrap();
        assert!(report.drift.is_empty(), "{}: {:?}", case.display(), report.drift);
        Self { plan, after, undo: world.text() }
    }
}

/// Writes changes, one a line.
fn changes(changes: &[Change]) -> String {
    let state = |state: &State| match state {
        State::Present => String::new(),
        State::Policy(policy) => format!(" {policy}"),
        State::Name(name) => format!(" {name}"),
        State::Rule(rule, place) => format!(" at {}: {}", place.number, rule.words),
        other => format!(" {}", Told(other)),
    };
    let mut text = String::new();
    for change in changes.iter().filter(|change| change.is_visible()) {
        let line = match (&change.before, &change.after) {
            (None, Some(after)) => format!("+ {}{}", change.object, state(after)),
            (Some(before), None) => format!("- {}{}", change.object, state(before)),
            (before, after) => {
                format!(
                    "~ {}{} ->{}",
                    change.object,
                    before.as_ref().map_or(String::new(), state),
                    after.as_ref().map_or(String::new(), state)
                )
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn context() -> Context {
    Context { boot: "boot".into(), namespace: 1, ..Context::default() }
}

/// A kernel in memory that is looked at while a door has it.
#[derive(Clone)]
struct World(Shared);

impl World {
    /// Reads the rules of IPv4; those of IPv6 follow after a line `# IPv6`.
    fn read(text: &str) -> Self {
        let mut shadow = Shadow::over_nothing();
        let (four, six) = text.split_once("# IPv6\n").unwrap_or((text, ""));
        for (family, text) in [(Family::V4, four), (Family::V6, six)] {
            save::read(shadow.ruleset(family).unwrap(), text, &|_| true).unwrap();
        }
        Self(Shared::new(shadow))
    }

    fn text(&self) -> String {
        let mut shadow = self.0.lock();
        let mut text = write(shadow.ruleset(Family::V4).unwrap());
        let six = write(shadow.ruleset(Family::V6).unwrap());
        if !six.is_empty() {
            text = format!("{text}# IPv6\n{six}");
        }
        text
    }

    /// Runs a recipe, and gives what it changed. A plan is a run against a copy.
    fn run(&self, recipe: &Recipe, mode: Mode, journal: &Shelf) -> Vec<Change> {
        let kernel: Box<dyn Kernel> = match mode {
            Mode::Run => Box::new(self.0.clone()),
            Mode::Plan => Box::new(World::read(&self.text()).0),
        };
        let (past, journal) = (journal.clone(), if mode == Mode::Run { journal.clone() } else { Shelf::Memory });
        let setup = transaction::Setup {
            kernel,
            journal,
            past,
            context: context(),
            random: 0,
            now: || 0,
            begun: Box::new(|_| Ok(())),
            guard: transaction::Guard::asleep(),
            gate: transaction::Gate::open(),
        };
        let door = Door::open(setup);
        let mut host = Host::open(Setup::new(mode, door.clone()));
        host.run(recipe, &[]).unwrap_or_else(|fault| panic!("{}: {fault}", recipe.file));
        door.finish().unwrap().changes
    }
}

/// Writes a ruleset as iptables-save does, without tables in which nothing is.
fn write(set: &Ruleset) -> String {
    let mut text = String::new();
    for (table, state) in &set.tables {
        let used = state.registered || state.chains.values().any(|chain| !chain.rules.is_empty() || chain.policy != Some(Policy::Accept));
        if !used {
            continue;
        }
        let _ = writeln!(text, "*{table}");
        for (name, chain) in &state.chains {
            let policy = chain.policy.map_or("-", Policy::name);
            let _ = writeln!(text, ":{name} {policy} [0:0]");
        }
        for (name, chain) in &state.chains {
            for entry in &chain.rules {
                let counters = entry.rule.counters.filter(|counters| counters.packets > 0);
                let counted = counters.map_or(String::new(), |counters| format!("[{}:{}] ", counters.packets, counters.bytes));
                let _ = writeln!(text, "{counted}-A {name} {}", entry.rule.line());
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}
