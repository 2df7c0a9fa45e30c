//! Where in a script something was asked for.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a source: file, line and column, both counted from one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The file as the user named it, or the name of a built-in source (`std:firewall`, `ssh-rate-limit`).
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One step of a call chain: the function that was called, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The name of the function, `closure` for an anonymous one.
    pub function: String,
    /// Where it was called.
    pub called_at: Position,
}

/// The script position that asked for a change, with the calls that led there, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The position of the native call.
    pub at: Position,
    /// The script functions around it; empty at the top level of a script.
    #[serde(default, skip_serializing_if = "no_frames")]
    pub frames: Arc<[Frame]>,
}

fn no_frames(frames: &Arc<[Frame]>) -> bool {
    frames.is_empty()
}

impl Origin {
    /// Makes an origin at the top level of a source.
    pub fn at(file: &str, line: u32, column: u32) -> Self {
        Self::of(Position { file: file.into(), line, column })
    }

    /// Makes an origin of a position, without the calls around it.
    pub fn of(at: Position) -> Self {
        Self { at, frames: Arc::new([]) }
    }
}
