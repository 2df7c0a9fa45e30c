//! The journal: what was intended, what was done, what was lifted. Written before the kernel is touched.

mod forget;
mod places;

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;

use super::claims::Inheritance;
use super::record::{Batch, Context, Module, RunKind, RunRecord, RunState, Source, Term, TermState, Until};
use crate::kernel::store::{Statement, Store, Value};
use crate::model::iptables::rule::fingerprint;
use crate::model::iptables::{Owner, RunId};
use crate::model::netns::Site;
use crate::model::{Change, Fault, Kind, Object, Origin, State};

const VERSION: i64 = 10;

const SCHEMA: &str = "
CREATE TABLE runs (
    id TEXT PRIMARY KEY, parent TEXT, kind TEXT NOT NULL, state TEXT NOT NULL,
    recipe TEXT NOT NULL, instance TEXT NOT NULL, file TEXT NOT NULL, hash TEXT NOT NULL, words TEXT NOT NULL, options TEXT NOT NULL,
    user TEXT NOT NULL, command TEXT NOT NULL, pid INTEGER NOT NULL,
    boot TEXT NOT NULL, namespace INTEGER NOT NULL, home TEXT NOT NULL, backend TEXT NOT NULL, started INTEGER NOT NULL,
    term TEXT, deadline INTEGER, term_state TEXT, modules TEXT NOT NULL
);
CREATE INDEX runs_by_parent ON runs (parent);
CREATE TABLE batches (
    run TEXT NOT NULL REFERENCES runs, number INTEGER NOT NULL, state TEXT NOT NULL, left INTEGER,
    namespace INTEGER NOT NULL, home TEXT NOT NULL, backend TEXT NOT NULL, machine INTEGER NOT NULL,
    of INTEGER,
    PRIMARY KEY (run, number)
);
CREATE INDEX batches_by_place ON batches (run, namespace);
CREATE INDEX batches_of_the_machine ON batches (run) WHERE machine;
CREATE TABLE bodies (
    run TEXT NOT NULL, batch INTEGER NOT NULL, changes TEXT NOT NULL,
    PRIMARY KEY (run, batch), FOREIGN KEY (run, batch) REFERENCES batches ON DELETE CASCADE
);
CREATE TABLE made (object TEXT NOT NULL, run TEXT NOT NULL, batch INTEGER NOT NULL, FOREIGN KEY (run, batch) REFERENCES batches);
CREATE INDEX made_by_object ON made (object);
CREATE INDEX made_by_batch ON made (run, batch);
CREATE TABLE acts (run TEXT NOT NULL REFERENCES runs, body TEXT NOT NULL, origin TEXT NOT NULL);
";

/// Which runs concern a network namespace: those that are at home there, and those that have changed something there.
const CONCERNS: &str = "boot = ?1 AND \
                        (namespace = ?2 OR EXISTS (SELECT 1 FROM batches WHERE batches.run = runs.id AND batches.namespace = ?2))";

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

    /// Looks for damage in all that it holds.
    pub fn check(&self) -> Result<(), Fault> {
        let tried = "check the journal";
        let found = self.store.read("PRAGMA quick_check(1)", Vec::new())?;
        if let Some(why) = found.first().map(|row| row[0].text()).filter(|text| *text != "ok") {
            return Err(Fault::new(Kind::System, tried, why).hint("keep a copy, and move it away to go on without it"));
        }
        for run in self.all_runs()? {
            self.batches(&run.id)
                .map_err(|fault| fault.hint(format!("its rules have {} in their comment: take them out by hand", run.id)))?;
        }
        Ok(())
    }

    /// Begins a run. One that is not to stay is armed by the same write: there is no moment in which it is there without its deadline.
    pub fn begin(
        &mut self,
        id: &RunId,
        kind: RunKind,
        parent: Option<&RunId>,
        context: &Context,
        started: i64,
        until: Option<&Until>,
    ) -> Result<(), Fault> {
        let values = vec![
            id.as_str().into(),
            parent.map_or(Value::Null, |parent| parent.as_str().into()),
            kind.name().into(),
            RunState::Running.name().into(),
            (*context.owner.recipe).into(),
            (*context.owner.instance).into(),
            context.source.file.as_str().into(),
            context.source.hash.as_str().into(),
            json(&context.source.words)?.into(),
            json(&context.source.options)?.into(),
            context.user.as_str().into(),
            context.command.as_str().into(),
            i64::from(context.pid).into(),
            context.boot.as_str().into(),
            context.namespace.cast_signed().into(),
            context.home.as_str().into(),
            context.backend.as_str().into(),
            started.into(),
            until.map_or(Value::Null, |until| until.term.name().into()),
            until.map_or(Value::Null, |until| until.deadline.into()),
            until.map_or(Value::Null, |until| until.state.name().into()),
            json(&context.source.modules)?.into(),
        ];
        self.store.write([("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)])
    }

    /// Ends a run well, and writes down what it has imported: a script may import something after its first change. One that is still armed
    /// gets its deadline anew by the same write: its time begins when it has ended.
    pub fn close(&mut self, run: &RunId, modules: &[Module], deadline: Option<i64>) -> Result<(), Fault> {
        let imported = ("UPDATE runs SET modules = ? WHERE id = ?", vec![json(modules)?.into(), run.as_str().into()]);
        let mut statements = vec![imported, state_is(run, RunState::Done)];
        if let Some(deadline) = deadline {
            let values = vec![deadline.into(), run.as_str().into(), TermState::Armed.name().into()];
            statements.push(("UPDATE runs SET deadline = ? WHERE id = ? AND term_state = ?", values));
        }
        self.store.write(statements)
    }

    /// Ends the term of a run, if nobody else has ended it: of a confirmation and a deadline that come together, one is told that it did it.
    pub fn end_term(&mut self, run: &RunId, state: TermState) -> Result<bool, Fault> {
        let values = vec![state.name().into(), run.as_str().into(), TermState::Armed.name().into()];
        self.store.change(("UPDATE runs SET term_state = ? WHERE id = ? AND term_state = ?", values)).map(|rows| rows == 1)
    }

    /// Writes down what a batch is going to change, in which network namespace, and in which backend of iptables. Called again for the same batch,
    /// it replaces what it wrote. `of` is the batch of its parent that it lifts or sets again.
    pub fn intend(
        &mut self,
        run: &RunId,
        batch: i64,
        (site, backend): (&Site, &str),
        of: Option<i64>,
        changes: &[Change],
    ) -> Result<(), Fault> {
        let key = || vec![Value::from(run.as_str()), batch.into()];
        // One text for all: ten thousand rows would cost more than ten thousand rules cost the kernel of legacy iptables.
        let body = sealed(&json(changes)?);
        let of = of.map_or(Value::Null, Value::from);
        let machine = i64::from(changes.iter().any(|change| change.object.is_of_the_machine()));
        let place = vec![site.namespace.cast_signed().into(), site.home.as_str().into(), backend.into(), machine.into(), of];
        let mut statements = vec![
            ("DELETE FROM made WHERE run = ? AND batch = ?", key()),
            ("DELETE FROM batches WHERE run = ? AND number = ?", key()),
            ("INSERT INTO batches VALUES (?, ?, 'intended', NULL, ?, ?, ?, ?, ?)", [key(), place].concat()),
            ("INSERT INTO bodies VALUES (?, ?, ?)", [key(), vec![body.into()]].concat()),
        ];
        for change in changes.iter().filter(|change| change.makes() && change.object.is_asked_for_its_maker()) {
            let values = [vec![json(&change.object)?.into()], key()].concat();
            statements.push(("INSERT INTO made VALUES (?, ?, ?)", values));
        }
        self.store.write(statements)
    }

    /// Writes down which backend of iptables a run writes to.
    pub fn uses(&mut self, run: &RunId, backend: &str) -> Result<(), Fault> {
        self.store.write([("UPDATE runs SET backend = ? WHERE id = ?", vec![backend.into(), run.as_str().into()])])
    }

    /// Marks a batch: the kernel has taken it. `left` is the number of the state that it left, where the kernel counts.
    pub fn done(&mut self, run: &RunId, batch: i64, left: Option<u64>) -> Result<(), Fault> {
        let values = vec![left.map_or(Value::Null, |left| left.cast_signed().into()), run.as_str().into(), batch.into()];
        self.store.write([("UPDATE batches SET state = 'done', left = ? WHERE run = ? AND number = ?", values)])
    }

    /// Marks a batch: it was lifted. What other runs take over of it, they take over by the same write.
    pub(super) fn lifted(&mut self, run: &RunId, batch: i64, inherited: &[Inheritance]) -> Result<(), Fault> {
        self.end_batch(run, batch, "lifted", inherited)
    }

    /// Marks a batch: it was lifted for good, and no redo sets it again.
    pub(super) fn withdrawn(&mut self, run: &RunId, batch: i64, inherited: &[Inheritance]) -> Result<(), Fault> {
        self.end_batch(run, batch, "withdrawn", inherited)
    }

    fn end_batch(&mut self, run: &RunId, batch: i64, state: &str, inherited: &[Inheritance]) -> Result<(), Fault> {
        let values = vec![state.into(), run.as_str().into(), batch.into()];
        let mut statements = vec![("UPDATE batches SET state = ? WHERE run = ? AND number = ?", values)];
        for Inheritance { heir, batch, .. } in inherited {
            let values = vec![sealed(&json(&batch.changes)?).into(), heir.as_str().into(), batch.number.into()];
            statements.push(("UPDATE bodies SET changes = ? WHERE run = ? AND batch = ?", values));
        }
        self.store.write(statements)
    }

    /// Writes down something that cannot be lifted.
    pub fn act(&mut self, run: &RunId, what: &str, origin: &Origin) -> Result<(), Fault> {
        let values = vec![run.as_str().into(), what.into(), origin.at.to_string().into()];
        self.store.write([("INSERT INTO acts VALUES (?, ?, ?)", values)])
    }

    /// Sets the state of a run.
    pub fn set_state(&mut self, run: &RunId, state: RunState) -> Result<(), Fault> {
        self.store.write([state_is(run, state)])
    }

    /// Opens a lifted run once more, because it is set again: who finds it half done lifts it.
    pub fn reopen(&mut self, run: &RunId) -> Result<(), Fault> {
        self.set_state(run, RunState::Running)
    }

    /// Writes down that a batch of a run that was lifted is going to be set again. Those that nobody has come to yet stay lifted: what they would be
    /// lifted from is not there.
    pub fn intend_again(&mut self, run: &RunId, batch: i64) -> Result<(), Fault> {
        let sql = "UPDATE batches SET state = 'intended', left = NULL WHERE run = ? AND number = ? AND state <> 'withdrawn'";
        self.store.write([(sql, vec![run.as_str().into(), batch.into()])])
    }

    /// Closes a run that was set again together with the redo that has done it: of a run that is open and whose redo is not, it could not be told that it
    /// had been lifted before. Who sets it again wants it to stay.
    pub fn close_again(&mut self, run: &RunId, redo: &RunId) -> Result<(), Fault> {
        let values = vec![TermState::Confirmed.name().into(), run.as_str().into()];
        self.store.write([
            ("UPDATE runs SET term_state = ? WHERE id = ? AND term IS NOT NULL", values),
            state_is(run, RunState::Done),
            state_is(redo, RunState::Done),
            ("UPDATE batches SET state = 'done', left = NULL WHERE run = ? AND state <> 'withdrawn'", vec![run.as_str().into()]),
        ])
    }

    /// Gives the liftings of a run that are in force, the latest first.
    pub fn liftings(&self, run: &RunId) -> Result<Vec<RunId>, Fault> {
        let sql = "SELECT id FROM runs WHERE parent = ? AND kind = 'undo' AND state IN ('done', 'stuck') ORDER BY rowid DESC";
        self.store.read(sql, vec![run.as_str().into()])?.iter().map(|row| row[0].text().parse()).collect()
    }

    /// Gives what was done last with a run: an undo, a redo.
    pub fn last_done_with(&self, run: &RunId) -> Result<Option<RunRecord>, Fault> {
        Ok(self.select("WHERE parent = ? ORDER BY rowid DESC LIMIT 1", vec![run.as_str().into()])?.pop())
    }

    /// Gives the runs of one boot that concern a network namespace, the oldest first.
    pub fn runs(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let values = vec![boot.into(), namespace.cast_signed().into()];
        self.select(&format!("WHERE {CONCERNS} ORDER BY rowid"), values)
    }

    /// Gives the scripts whose changes may be in force, in the order in which they were set, or set again. One that is over and has changed nothing is
    /// none of them, whatever it has sent.
    pub fn in_force(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let has_changed = "EXISTS (SELECT 1 FROM batches WHERE batches.run = runs.id)";
        self.last_done("redo", &format!("(state IN ('running', 'stuck') OR state = 'done' AND {has_changed})"), boot, namespace)
    }

    /// Gives the scripts that were lifted, in the order in which that was done.
    pub fn taken_back(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        self.last_done("undo", "state = 'lifted'", boot, namespace)
    }

    /// Gives scripts in some states, in the order in which they ran, or something of this kind was done with them.
    fn last_done(&self, kind: &str, are_meant: &str, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let which = format!(
            "WHERE kind = 'run' AND {are_meant} AND {CONCERNS} ORDER BY max(rowid, (SELECT coalesce(max(other.rowid), 0) \
             FROM runs AS other WHERE other.parent = runs.id AND other.kind = '{kind}' AND other.state <> 'rolled-back'))"
        );
        self.select(&which, vec![boot.into(), namespace.cast_signed().into()])
    }

    /// Gives the runs that are not settled: half done, or with a term.
    pub fn unsettled(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let values = vec![boot.into(), namespace.cast_signed().into()];
        let open = "(state = 'running' OR (state IN ('done', 'stuck') AND term_state IN ('armed', 'over')))";
        self.select(&format!("WHERE {CONCERNS} AND {open} ORDER BY rowid"), values)
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
        let rows = self.store.read(&format!("SELECT * FROM runs {which}"), values)?;
        let mut records = rows.iter().map(|row| record(row)).collect::<Result<Vec<_>, _>>()?;
        self.locate(&mut records)?;
        Ok(records)
    }

    /// Gives the ids of the runs whose tags count in a network namespace.
    pub fn known(&self, boot: &str, namespace: u64) -> Result<HashSet<RunId>, Fault> {
        let values = vec![boot.into(), namespace.cast_signed().into()];
        self.store.read(&format!("SELECT id FROM runs WHERE {CONCERNS}"), values)?.iter().map(|row| row[0].text().parse()).collect()
    }

    /// Gives the batches of a run with their changes, the oldest first.
    pub fn batches(&self, run: &RunId) -> Result<Vec<Batch>, Fault> {
        let sql = "SELECT number, state, changes, left, namespace, home, backend, of FROM batches \
                   LEFT JOIN bodies ON bodies.run = batches.run AND bodies.batch = number WHERE batches.run = ? ORDER BY number";
        let rows = self.store.read(sql, vec![run.as_str().into()])?;
        let batch = |row: &Vec<Value>| {
            Ok(Batch {
                number: row[0].integer(),
                done: row[1].text() != "intended",
                lifted: matches!(row[1].text(), "lifted" | "withdrawn"),
                changes: unsealed(row[2].text()).map_err(|why| damaged(run.as_str(), &why))?,
                left: row[3].number().map(i64::cast_unsigned),
                site: Site::new(row[4].integer().cast_unsigned(), row[5].text()),
                backend: row[6].text().to_owned(),
                of: row[7].number(),
            })
        };
        rows.iter().map(batch).collect()
    }

    /// Gives the batches of a run that were not lifted, the oldest first.
    pub fn standing(&self, run: &RunId) -> Result<Vec<Batch>, Fault> {
        Ok(self.batches(run)?.into_iter().filter(|batch| !batch.lifted && !batch.changes.is_empty()).collect())
    }

    /// Gives the tables and built-in chains that any run made nf_tables register, lifted or not: whoever leaves them empty lets go of them, for
    /// the one that made them may have been lifted when others still used them, and two may be lifted at the same time.
    pub fn registrations(&self, boot: &str, namespace: u64) -> Result<Vec<Change>, Fault> {
        let sql = "SELECT DISTINCT object, runs.id FROM made JOIN runs ON runs.id = made.run \
                   JOIN batches ON batches.run = made.run AND batches.number = made.batch \
                   WHERE boot = ? AND batches.namespace = ? ORDER BY object DESC";
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

    /// Tells which script made an object that is still in force, the latest if there were several. An undo or a redo that brought it back did not make it.
    pub fn maker(&self, object: &Object, boot: &str, namespace: u64) -> Result<Option<Owner>, Fault> {
        let sql = "SELECT recipe, instance FROM made JOIN runs ON runs.id = made.run \
                   JOIN batches ON batches.run = made.run AND batches.number = made.batch \
                   WHERE object = ? AND boot = ? AND (batches.namespace = ? OR batches.machine) AND kind = 'run' AND runs.state IN ('running', 'done', 'stuck') \
                   ORDER BY runs.rowid DESC LIMIT 1";
        let rows = self.store.read(sql, vec![json(object)?.into(), boot.into(), namespace.cast_signed().into()])?;
        Ok(rows.first().map(|row| Owner { recipe: row[0].text().into(), instance: row[1].text().into() }))
    }
}

fn state_is(run: &RunId, state: RunState) -> Statement<'static> {
    ("UPDATE runs SET state = ? WHERE id = ?", vec![state.name().into(), run.as_str().into()])
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::new(Kind::System, "write to the journal", error.to_string()))
}

/// Puts a fingerprint before a text. A flipped bit leaves most texts readable, and would lift something else than what was done.
fn sealed(text: &str) -> String {
    format!("{:016x}{text}", fingerprint(text))
}

/// Reads the changes of a batch, if they are what was written.
fn unsealed(body: &str) -> Result<Vec<Change>, String> {
    let (seal, text) = body.split_at_checked(16).ok_or("its changes are cut short")?;
    match seal == format!("{:016x}", fingerprint(text)) {
        true => serde_json::from_str(text).map_err(|error| error.to_string()),
        false => Err("its changes are not what was written".to_owned()),
    }
}

fn damaged(run: &str, why: &str) -> Fault {
    Fault::new(Kind::System, format!("read run {run} in the journal"), why).hint("the journal is damaged; nothing of this run is lifted")
}

fn record(row: &[Value]) -> Result<RunRecord, Fault> {
    let [
        id,
        parent,
        kind,
        state,
        recipe,
        instance,
        file,
        hash,
        words,
        options,
        user,
        command,
        pid,
        boot,
        namespace,
        home,
        backend,
        started,
        until @ ..,
        modules,
    ] = row
    else {
        return Err(Fault::new(Kind::System, "read the journal", "a row has the wrong number of columns"));
    };
    let text = |value: &Value| value.text().to_owned();
    let unread = |error: serde_json::Error| damaged(id.text(), &error.to_string());
    let source = Source {
        file: text(file),
        hash: text(hash),
        words: serde_json::from_str(words.text()).map_err(unread)?,
        options: serde_json::from_str(options.text()).map_err(unread)?,
        modules: serde_json::from_str(modules.text()).map_err(unread)?,
    };
    Ok(RunRecord {
        id: id.text().parse()?,
        parent: if *parent == Value::Null { None } else { Some(parent.text().parse()?) },
        kind: RunKind::named(kind.text())?,
        state: RunState::named(state.text())?,
        context: Context {
            owner: Owner { recipe: recipe.text().into(), instance: instance.text().into() },
            source,
            user: text(user),
            command: text(command),
            pid: u32::try_from(pid.integer()).unwrap_or(0),
            boot: text(boot),
            namespace: namespace.integer().cast_unsigned(),
            home: text(home),
            backend: text(backend),
        },
        started: started.integer(),
        until: match until {
            [term, deadline, state] if *term != Value::Null => {
                Some(Until { term: Term::named(term.text())?, deadline: deadline.integer(), state: TermState::named(state.text())? })
            }
            _ => None,
        },
        elsewhere: Vec::new(),
        machine: false,
    })
}

#[cfg(test)]
mod tests;
