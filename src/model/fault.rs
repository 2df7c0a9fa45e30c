//! What went wrong, told so that the reader knows what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::origin::Origin;

/// The kind of a fault; scripts see its name as `kind` in `catch`, the shell sees its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The words, a value or a file are not acceptable.
    Input,
    /// The script itself failed: a thrown value, an unknown function, a wrong type.
    Script,
    /// The thing asked for is not there.
    NotFound,
    /// The thing to be made is there already.
    Exists,
    /// The kernel or a tool refused the change.
    Refused,
    /// A rollback, an undo or a recovery could not be finished.
    Incomplete,
    /// Somebody else holds a lock, and the bound of waiting is over.
    Busy,
    /// The user, the capability or the grant does not suffice.
    Permission,
    /// The change could cut the connection by which the user is logged in.
    Lockout,
    /// The present is not what the journal or the recipe says it is.
    Drift,
    /// This kernel, or a tool on this host, cannot do it.
    Unsupported,
    /// The script itself says that it cannot do it here: a test that is left out.
    Skipped,
    /// A limit or the deadline was reached.
    Limit,
    /// A signal asked the run to end.
    Interrupted,
    /// A plan met a value that only the changed kernel could know.
    Unknown,
    /// The operating system failed where nobody is to blame: an unreadable file, a full disk.
    System,
}

impl Kind {
    /// The name that scripts and JSON see.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Input => "input",
            Kind::Script => "script",
            Kind::NotFound => "not-found",
            Kind::Exists => "exists",
            Kind::Refused => "refused",
            Kind::Incomplete => "incomplete",
            Kind::Busy => "busy",
            Kind::Permission => "permission",
            Kind::Lockout => "lockout",
            Kind::Drift => "drift",
            Kind::Unsupported => "unsupported",
            Kind::Skipped => "skipped",
            Kind::Limit => "limit",
            Kind::Interrupted => "interrupted",
            Kind::Unknown => "unknown",
            Kind::System => "system",
        }
    }

    /// The exit code of a fault that ends a run in which something may have begun (and was rolled back).
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Incomplete => 3,
            Kind::Busy => 4,
            Kind::Permission | Kind::Lockout => 5,
            Kind::Drift => 6,
            Kind::Unsupported | Kind::Skipped => 7,
            Kind::Limit => 8,
            Kind::Interrupted => 130,
            _ => 1,
        }
    }
}

/// A fault: what was tried, why it failed, what to do next, and where the script asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind.
    pub kind: Kind,
    /// What was tried, on what, as the end of "cannot ...": `append to filter/INPUT (IPv4)`.
    pub tried: String,
    /// Why it failed, in the kernel's or the tool's words where there are any.
    pub why: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where the script asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What failed after this one, in the course of putting things right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Fault>,
}

impl Fault {
    /// Makes a fault. `tried` is the end of "cannot ...".
    pub fn new(kind: Kind, tried: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, tried: tried.into(), why: why.into(), hint: None, origin: None, after: Vec::new() }
    }

    /// Makes a fault about a value that is not acceptable.
    pub fn input(tried: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Input, tried, why)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the script position, unless there is one already (the innermost is the right one).
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin.get_or_insert(origin);
        self
    }

    /// Adds a fault of the clean-up, so that the first one stays the cause.
    #[must_use]
    pub fn followed_by(mut self, later: impl IntoIterator<Item = Fault>) -> Self {
        self.after.extend(later);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.tried, self.why)
    }
}

impl std::error::Error for Fault {}
