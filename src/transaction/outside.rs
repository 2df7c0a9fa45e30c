//! What a script reads and runs beside the objects of the kernel: files, variables of the environment, programs.

use std::path::Path;

use super::{Door, Transaction, permit};
use crate::kernel::files::{self, Found};
use crate::kernel::text;
use crate::model::command::{Command, Ran};
use crate::model::grant::Power;
use crate::model::{Fault, Kind, Origin};

/// The most bytes of a file that are read at once.
const MOST: usize = 256 << 20;

/// Something outside of the kernel that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A file, by its path.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

impl Door {
    /// Reads the bytes of a file.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, Fault> {
        self.lock().bytes(path, MOST)
    }

    /// Writes a file, after everything that is queued is written. What it held before is gone.
    pub fn write(&self, path: &str, bytes: &[u8], origin: Origin) -> Result<(), Fault> {
        self.lock().there(|it| it.write(path, bytes, &origin))
    }

    /// Runs a program, after everything that is queued is written. It is an act that answers: what the program does cannot be lifted.
    pub fn run(&self, command: &Command, origin: Origin) -> Result<Ran, Fault> {
        self.lock().there(|it| it.run(command, &origin))
    }
}

impl Transaction {
    /// Reads a text; nothing where a variable is not set.
    pub(super) fn text(&mut self, text: &Text) -> Result<Option<String>, Fault> {
        match text {
            Text::File(path) => self.bytes(path, text::MOST).and_then(|bytes| text::of(path, bytes)).map(Some),
            Text::Variable(name) => text::variable(name),
        }
    }

    fn bytes(&mut self, path: &str, most: usize) -> Result<Vec<u8>, Fault> {
        if self.is_open() {
            return files::read_bounded(Path::new(path), most);
        }
        // By its words first: where nothing is permitted, nothing is looked for.
        let spelled = files::spelled(Path::new(path))?;
        self.pass(&permit::file(Power::Read, &spelled)?, None)?;
        let found = Found::file(path)?;
        if found.real() != spelled {
            self.pass(&permit::file(Power::Read, found.real())?, None)?;
        }
        files::read_bounded(&found.handle(), most).map_err(|fault| Fault { tried: format!("read {path}"), ..fault })
    }

    fn write(&mut self, path: &str, bytes: &[u8], origin: &Origin) -> Result<(), Fault> {
        let place = self.place(path, origin)?;
        self.flush()?;
        let what = format!("wrote {path:?}");
        self.ledger.act(&what, origin)?;
        let to = place.as_ref().map_or_else(|| path.to_owned(), |found| found.handle().display().to_string());
        self.kernel.write_file(&to, bytes).map_err(|fault| Fault { tried: format!("write {path}"), ..fault })?;
        self.acts.push(what);
        Ok(())
    }

    /// Asks for a file that is to be written, and finds the folder that it is in; none where nothing has to be asked.
    pub(super) fn place(&mut self, path: &str, origin: &Origin) -> Result<Option<Found>, Fault> {
        if self.is_open() {
            return Ok(None);
        }
        let spelled = files::spelled(Path::new(path))?;
        self.pass(&permit::file(Power::Write, &spelled)?, Some(origin))?;
        let found = Found::place(path)?;
        if found.real() != spelled {
            self.pass(&permit::file(Power::Write, found.real())?, Some(origin))?;
        }
        Ok(Some(found))
    }

    fn run(&mut self, command: &Command, origin: &Origin) -> Result<Ran, Fault> {
        self.permit_run(command, origin)?;
        self.flush()?;
        let apart = if command.isolated { " in a network without interfaces" } else { "" };
        let what = self.named_here(format!("ran `{command}`{apart}"));
        self.ledger.act(&what, origin)?;
        let outcome = self.kernel.run(command);
        // Also one that fails may have done something; a plan has not run it.
        if outcome.as_ref().err().is_none_or(|fault| fault.kind != Kind::Unknown) {
            self.acts.push(what);
        }
        outcome
    }
}
