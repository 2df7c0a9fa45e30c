//! The journal: what was intended, what was done, what was lifted. Written before the kernel is touched.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::kernel::store::{Store, Value};
use crate::model::iptables::{Owner, RunId};
use crate::model::{Change, Fault, Kind, Object, Origin, State};

const VERSION: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE runs (
    id TEXT PRIMARY KEY, parent TEXT, kind TEXT NOT NULL, state TEXT NOT NULL,
    recipe TEXT NOT NULL, instance TEXT NOT NULL, hash TEXT NOT NULL,
    user TEXT NOT NULL, command TEXT NOT NULL, pid INTEGER NOT NULL,
    boot TEXT NOT NULL, namespace INTEGER NOT NULL, backend TEXT NOT NULL, started INTEGER NOT NULL
);
CREATE TABLE batches (
    run TEXT NOT NULL REFERENCES runs, number INTEGER NOT NULL, state TEXT NOT NULL, changes TEXT NOT NULL, PRIMARY KEY (run, number)
);
CREATE TABLE made (object TEXT NOT NULL, run TEXT NOT NULL, batch INTEGER NOT NULL, FOREIGN KEY (run, batch) REFERENCES batches);
CREATE INDEX made_by_object ON made (object);
CREATE INDEX made_by_batch ON made (run, batch);
CREATE TABLE acts (run TEXT NOT NULL REFERENCES runs, body TEXT NOT NULL, origin TEXT NOT NULL);
";

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It has begun; if its process is gone, it is to be recovered.
    Running,
    /// It has ended well, and its changes are in force.
    Done,
    /// It failed, and its changes were lifted at once.
    RolledBack,
    /// Its changes were lifted later.
    Lifted,
    /// Its changes could not all be lifted.
    Stuck,
}

impl RunState {
    const ALL: [RunState; 5] = [RunState::Running, RunState::Done, RunState::RolledBack, RunState::Lifted, RunState::Stuck];

    /// Gives the name of the state.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Done => "done",
            RunState::RolledBack => "rolled-back",
            RunState::Lifted => "lifted",
            RunState::Stuck => "stuck",
        }
    }

    /// Tells whether changes of the run may be in force.
    pub fn is_open(self) -> bool {
        matches!(self, RunState::Running | RunState::Done | RunState::Stuck)
    }
}

/// What a run is: a recipe that sets something, or an undo that lifts another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// A script.
    Run,
    /// An undo of the parent.
    Undo,
}

/// Who runs what, where: the head of a run in the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Context {
    /// The recipe and its instance.
    pub owner: Owner,
    /// The hash of the recipe's text; empty where there is none.
    pub hash: String,
    /// The user, also behind sudo.
    pub user: String,
    /// The command line.
    pub command: String,
    /// The process.
    pub pid: u32,
    /// The boot id.
    pub boot: String,
    /// The cookie of the network namespace.
    pub namespace: u64,
    /// The backend of iptables that was written to; empty where there is none.
    pub backend: String,
}

/// A run as the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRecord {
    /// The id.
    pub id: RunId,
    /// The run that this one lifts.
    pub parent: Option<RunId>,
    /// What it is.
    pub kind: RunKind,
    /// Its state.
    pub state: RunState,
    /// Who, what, where.
    #[serde(flatten)]
    pub context: Context,
    /// When it began, in seconds since 1970.
    pub started: i64,
}

/// One flush of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Batch {
    /// Its number within the run, from 1.
    pub number: i64,
    /// Whether the kernel has taken all of it; otherwise it may have taken any part.
    pub done: bool,
    /// Whether it was lifted.
    pub lifted: bool,
    /// The changes in the order in which they were made.
    pub changes: Vec<Change>,
}

/// Where a journal is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Shelf {
    /// In a file of a folder that is there.
    File(PathBuf),
    /// In memory, for plans and tests.
    Memory,
    /// Nowhere: without a journal there are no changes, and this says why.
    Refused(Fault),
}

/// The journal.
pub struct Journal {
    store: Store,
}

impl Journal {
    /// Opens a journal, making it if need be.
    pub fn open(shelf: &Shelf) -> Result<Self, Fault> {
        let store = match shelf {
            Shelf::File(path) => Store::open(path, SCHEMA, VERSION)?,
            Shelf::Memory => Store::in_memory(SCHEMA, VERSION)?,
            Shelf::Refused(fault) => return Err(fault.clone()),
        };
        Ok(Self { store })
    }

    /// Opens a journal if there is one.
    pub fn open_existing(shelf: &Shelf) -> Result<Option<Self>, Fault> {
        match shelf {
            Shelf::File(path) if Store::exists(path) => Self::open(shelf).map(Some),
            _ => Ok(None),
        }
    }

    /// Begins a run.
    pub fn begin(&mut self, id: &RunId, kind: RunKind, parent: Option<&RunId>, context: &Context, started: i64) -> Result<(), Fault> {
        let kind = if kind == RunKind::Undo { "undo" } else { "run" };
        let values = vec![
            id.as_str().into(),
            parent.map_or(Value::Null, |parent| parent.as_str().into()),
            kind.into(),
            RunState::Running.name().into(),
            (*context.owner.recipe).into(),
            (*context.owner.instance).into(),
            context.hash.as_str().into(),
            context.user.as_str().into(),
            context.command.as_str().into(),
            i64::from(context.pid).into(),
            context.boot.as_str().into(),
            context.namespace.cast_signed().into(),
            context.backend.as_str().into(),
            started.into(),
        ];
        self.store.write([("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)])
    }

    /// Writes down what a batch is going to change. Called again for the same batch, it replaces what it wrote.
    pub fn intend(&mut self, run: &RunId, batch: i64, changes: &[Change]) -> Result<(), Fault> {
        let key = || vec![Value::from(run.as_str()), batch.into()];
        // One text for all: ten thousand rows would cost more than ten thousand rules cost the kernel of legacy iptables.
        let body = json(changes)?;
        let mut statements = vec![
            ("DELETE FROM made WHERE run = ? AND batch = ?", key()),
            ("DELETE FROM batches WHERE run = ? AND number = ?", key()),
            ("INSERT INTO batches VALUES (?, ?, 'intended', ?)", [key(), vec![body.into()]].concat()),
        ];
        for change in changes.iter().filter(|change| change.before.is_none() && change.after == Some(State::Present)) {
            let values = [vec![json(&change.object)?.into()], key()].concat();
            statements.push(("INSERT INTO made VALUES (?, ?, ?)", values));
        }
        self.store.write(statements)
    }

    /// Marks a batch: the kernel has taken it.
    pub fn done(&mut self, run: &RunId, batch: i64) -> Result<(), Fault> {
        self.mark(run, batch, "done")
    }

    /// Marks a batch: it was lifted.
    pub fn lifted(&mut self, run: &RunId, batch: i64) -> Result<(), Fault> {
        self.mark(run, batch, "lifted")
    }

    fn mark(&mut self, run: &RunId, batch: i64, state: &str) -> Result<(), Fault> {
        let values = vec![state.into(), run.as_str().into(), batch.into()];
        self.store.write([("UPDATE batches SET state = ? WHERE run = ? AND number = ?", values)])
    }

    /// Writes down something that cannot be lifted.
    pub fn act(&mut self, run: &RunId, what: &str, origin: &Origin) -> Result<(), Fault> {
        let values = vec![run.as_str().into(), what.into(), origin.at.to_string().into()];
        self.store.write([("INSERT INTO acts VALUES (?, ?, ?)", values)])
    }

    /// Sets the state of a run.
    pub fn set_state(&mut self, run: &RunId, state: RunState) -> Result<(), Fault> {
        self.store.write([("UPDATE runs SET state = ? WHERE id = ?", vec![state.name().into(), run.as_str().into()])])
    }

    /// Gives the runs of one boot and one network namespace, the oldest first.
    pub fn runs(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let values = vec![boot.into(), namespace.cast_signed().into()];
        self.select("WHERE boot = ? AND namespace = ? ORDER BY rowid", values)
    }

    /// Gives a run.
    pub fn run(&self, id: &RunId) -> Result<RunRecord, Fault> {
        let found = self.select("WHERE id = ?", vec![id.as_str().into()])?.pop();
        found.ok_or_else(|| Fault::new(Kind::NotFound, format!("read run {id} in the journal"), "there is no such run"))
    }

    /// Gives all runs, the oldest first.
    pub fn all_runs(&self) -> Result<Vec<RunRecord>, Fault> {
        self.select("ORDER BY rowid", Vec::new())
    }

    fn select(&self, which: &str, values: Vec<Value>) -> Result<Vec<RunRecord>, Fault> {
        let columns = "id, parent, kind, state, recipe, instance, hash, user, command, pid, boot, namespace, backend, started";
        let rows = self.store.read(&format!("SELECT {columns} FROM runs {which}"), values)?;
        rows.iter().map(|row| record(row)).collect()
    }

    /// Gives the ids of the runs whose tags count in a network namespace.
    pub fn known(&self, boot: &str, namespace: u64) -> Result<HashSet<RunId>, Fault> {
        Ok(self.runs(boot, namespace)?.into_iter().map(|run| run.id).collect())
    }

    /// Gives the batches of a run with their changes, the oldest first.
    pub fn batches(&self, run: &RunId) -> Result<Vec<Batch>, Fault> {
        let sql = "SELECT number, state, changes FROM batches WHERE run = ? ORDER BY number";
        let rows = self.store.read(sql, vec![run.as_str().into()])?;
        let batch = |row: &Vec<Value>| {
            Ok(Batch {
                number: row[0].integer(),
                done: row[1].text() != "intended",
                lifted: row[1].text() == "lifted",
                changes: serde_json::from_str(row[2].text()).map_err(|error| damaged(run.as_str(), &error.to_string()))?,
            })
        };
        rows.iter().map(batch).collect()
    }

    /// Gives the tables and built-in chains that any run made nf_tables register, lifted or not: whoever leaves them empty lets go of them, for
    /// the one that made them may have been lifted when others still used them, and two may be lifted at the same time.
    pub fn registrations(&self, boot: &str, namespace: u64) -> Result<Vec<Change>, Fault> {
        let sql = "SELECT DISTINCT object, runs.id FROM made JOIN runs ON runs.id = made.run \
                   WHERE boot = ? AND namespace = ? ORDER BY object DESC";
        let rows = self.store.read(sql, vec![boot.into(), namespace.cast_signed().into()])?;
        let objects =
            rows.iter().map(|row| serde_json::from_str(row[0].text()).map_err(|error| damaged(row[1].text(), &error.to_string())));
        let mut changes: Vec<Change> = Vec::new();
        for object in objects {
            let object: Object = object?;
            if matches!(object, Object::Table(..) | Object::BaseChain(_)) && !changes.iter().any(|change| change.object == object) {
                changes.push(Change::new(object, None, Some(State::Present)));
            }
        }
        Ok(changes)
    }

    /// Gives what a run did that cannot be lifted.
    pub fn acts(&self, run: &RunId) -> Result<Vec<String>, Fault> {
        let rows = self.store.read("SELECT body FROM acts WHERE run = ? ORDER BY rowid", vec![run.as_str().into()])?;
        Ok(rows.iter().map(|row| row[0].text().to_owned()).collect())
    }

    /// Tells who made an object that is still in force, the latest maker if there were several.
    pub fn maker(&self, object: &Object, boot: &str, namespace: u64) -> Result<Option<Owner>, Fault> {
        let sql = "SELECT recipe, instance FROM made JOIN runs ON runs.id = made.run \
                   WHERE object = ? AND boot = ? AND namespace = ? AND state IN ('running', 'done', 'stuck') ORDER BY runs.rowid DESC LIMIT 1";
        let rows = self.store.read(sql, vec![json(object)?.into(), boot.into(), namespace.cast_signed().into()])?;
        Ok(rows.first().map(|row| Owner { recipe: row[0].text().into(), instance: row[1].text().into() }))
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::new(Kind::System, "write to the journal", error.to_string()))
}

fn damaged(run: &str, why: &str) -> Fault {
    Fault::new(Kind::System, format!("read run {run} in the journal"), why).hint("the journal is damaged; nothing of this run is lifted")
}

fn record(row: &[Value]) -> Result<RunRecord, Fault> {
    let [id, parent, kind, state, recipe, instance, hash, user, command, pid, boot, namespace, backend, started] = row else {
        return Err(Fault::new(Kind::System, "read the journal", "a row has the wrong number of columns"));
    };
    let state = RunState::ALL.into_iter().find(|known| known.name() == state.text());
    Ok(RunRecord {
        id: id.text().parse()?,
        parent: if *parent == Value::Null { None } else { Some(parent.text().parse()?) },
        kind: if kind.text() == "undo" { RunKind::Undo } else { RunKind::Run },
        state: state.ok_or_else(|| Fault::new(Kind::System, format!("read run {} in the journal", id.text()), "its state is not known"))?,
        context: Context {
            owner: Owner { recipe: recipe.text().into(), instance: instance.text().into() },
            hash: hash.text().to_owned(),
            user: user.text().to_owned(),
            command: command.text().to_owned(),
            pid: u32::try_from(pid.integer()).unwrap_or(0),
            boot: boot.text().to_owned(),
            namespace: namespace.integer().cast_unsigned(),
            backend: backend.text().to_owned(),
        },
        started: started.integer(),
    })
}
