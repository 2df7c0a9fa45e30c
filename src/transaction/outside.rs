//! What a script reads and runs beside the objects of the kernel: files, variables of the environment, programs.

use std::path::Path;

use super::{Door, Transaction};
use crate::kernel::{files, text};
use crate::model::command::{Command, Ran};
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

impl Text {
    /// Reads it; nothing where a variable is not set.
    pub(super) fn read(&self) -> Result<Option<String>, Fault> {
        match self {
            Text::File(path) => text::file(path).map(Some),
            Text::Variable(name) => text::variable(name),
        }
    }
}

impl Door {
    /// Reads the bytes of a file.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, Fault> {
        files::read_bounded(Path::new(path), MOST)
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
    fn write(&mut self, path: &str, bytes: &[u8], origin: &Origin) -> Result<(), Fault> {
        self.flush()?;
        let what = format!("wrote {path:?}");
        self.ledger.act(&what, origin)?;
        self.kernel.write_file(path, bytes)?;
        self.acts.push(what);
        Ok(())
    }

    fn run(&mut self, command: &Command, origin: &Origin) -> Result<Ran, Fault> {
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
