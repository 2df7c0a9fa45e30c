//! What a script reads and runs beside the objects of the kernel: files, variables of the environment, programs.

use super::{Door, Transaction};
use crate::kernel::text;
use crate::model::command::{Command, Ran};
use crate::model::{Fault, Kind, Origin};

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
    /// Runs a program, after everything that is queued is written. It is an act that answers: what the program does cannot be lifted.
    pub fn run(&self, command: &Command, origin: Origin) -> Result<Ran, Fault> {
        self.lock().run(command, &origin)
    }
}

impl Transaction {
    fn run(&mut self, command: &Command, origin: &Origin) -> Result<Ran, Fault> {
        self.flush()?;
        let what = format!("ran `{command}`{}", if command.isolated { " in a network without interfaces" } else { "" });
        self.ledger.act(&what, origin)?;
        let outcome = self.kernel.run(command);
        // Also one that fails may have done something; a plan has not run it.
        if outcome.as_ref().err().is_none_or(|fault| fault.kind != Kind::Unknown) {
            self.acts.push(what);
        }
        outcome
    }
}
