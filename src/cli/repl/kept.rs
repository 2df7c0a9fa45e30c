//! What was typed, for the case that the process does not live to the end of the session.

use std::path::PathBuf;

use crate::cli::show::Screen;
use crate::kernel::{files, state};

/// A file with the statements that were done so far; nobody but the user reads it.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<PathBuf>);

impl Kept {
    /// Gives the file of this session. Where there is no place for it, nothing is kept.
    pub(super) fn new() -> Self {
        let file = format!("repl-{}.rhai", std::process::id());
        Self(state::make_of_user().ok().map(|folder| folder.join(file)))
    }

    /// Keeps a statement that was done. That it cannot be kept is no reason not to go on.
    pub(super) fn keep(&self, text: &str) {
        let Some(path) = &self.0 else { return };
        let text = format!("{}\n", super::save::ended(text));
        let _ = if files::exists(path) { files::append(path, text.as_bytes()) } else { files::write_new(path, text.as_bytes()) };
    }

    /// Ends the session: in order, or so that somebody will want to go on from the file.
    pub(super) fn end(&self, screen: &Screen, orderly: bool) {
        match self.0.as_deref().filter(|path| files::exists(path)) {
            Some(path) if orderly => files::remove(path),
            Some(path) => screen.note(&format!("what was typed before is kept; to do it again: :load {}", path.display())),
            None => {}
        }
    }
}
