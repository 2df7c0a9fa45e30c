//! What the journal remembers, as plain values.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::iptables::{Owner, RunId};
use crate::model::netns::Site;
use crate::model::{Change, Fault, Kind, Object};

/// Declares an enumeration whose values have names: in the journal, in JSON, and to people.
macro_rules! named {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $value:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $type {
            $($(#[$doc])* $value,)*
        }

        impl $type {
            /// Gives the name.
            pub fn name(self) -> &'static str {
                match self {
                    $($type::$value => $name,)*
                }
            }

            /// Finds a value by its name.
            pub(super) fn named(name: &str) -> Result<Self, Fault> {
                match name {
                    $($name => Ok($type::$value),)*
                    _ => Err(Fault::new(Kind::System, "read the journal", format!("it holds the word {name:?}, which this fyke does not know"))),
                }
            }
        }
    };
}

named! {
    /// The state of a run.
    RunState {
        /// It has begun; if its process is gone, it is to be recovered.
        Running = "running",
        /// It has ended well, and its changes are in force.
        Done = "done",
        /// It failed, and its changes were lifted at once.
        RolledBack = "rolled-back",
        /// Its changes were lifted later.
        Lifted = "lifted",
        /// Its changes could not all be lifted.
        Stuck = "stuck",
    }
}

impl RunState {
    /// Tells whether changes of the run may be in force.
    pub fn is_open(self) -> bool {
        matches!(self, RunState::Running | RunState::Done | RunState::Stuck)
    }
}

named! {
    /// What a run is.
    RunKind {
        /// A script that sets something.
        Run = "run",
        /// It lifts its parent.
        Undo = "undo",
        /// It sets again what was lifted of its parent.
        Redo = "redo",
    }
}

named! {
    /// Why a run is lifted by itself when its time is over.
    Term {
        /// Nobody said that all is well (`--confirm`).
        Confirm = "confirm",
        /// It was wanted for a time only (`--for`).
        Lease = "lease",
    }
}

named! {
    /// What became of the term of a run.
    TermState {
        /// The run is lifted at the deadline.
        Armed = "armed",
        /// Somebody confirmed: the run stays.
        Confirmed = "confirmed",
        /// The deadline has come, or the run was lifted before.
        Over = "over",
    }
}

/// Until when a run is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// Why it is lifted then.
    pub term: Term,
    /// The deadline, in milliseconds of CLOCK_BOOTTIME.
    pub deadline: i64,
    /// What became of it.
    pub state: TermState,
}

/// For how long a run is to be in force once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Why it is lifted then.
    pub term: Term,
    /// How long that is.
    pub span: Duration,
}

impl Bound {
    /// Gives the term of a run whose time begins now, in milliseconds of CLOCK_BOOTTIME.
    pub fn from(self, now: i64) -> Until {
        let span = i64::try_from(self.span.as_millis()).unwrap_or(i64::MAX);
        Until { term: self.term, deadline: now.saturating_add(span), state: TermState::Armed }
    }
}

/// The text that is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file with its whole path, or the name of a built-in recipe; empty for a line of script.
    pub file: String,
    /// The SHA-256 of the text; empty where there is none.
    pub hash: String,
    /// The words after the name of the recipe: its parameters.
    pub words: Vec<String>,
    /// The words before the name of the recipe that say what it may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The files that were imported; known when the run has ended well.
    pub modules: Vec<Module>,
}

/// A file that a run has imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The file with its whole path, without links.
    pub file: String,
    /// The SHA-256 of the text.
    pub hash: String,
}

/// Who runs what, where: the head of a run in the journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The recipe and its instance.
    pub owner: Owner,
    /// The text.
    #[serde(flatten)]
    pub source: Source,
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
    /// How the namespace is found again: `host`, a name of ip-netns(8), a path, or `pid:` and a process that is in it.
    pub home: String,
    /// The backend of iptables that was written to; empty where there is none.
    pub backend: String,
}

impl Context {
    /// Gives the network namespace in which the run is at home.
    pub fn site(&self) -> Site {
        Site::new(self.namespace, self.home.as_str())
    }

    /// Gives what it would be in another network namespace.
    pub fn at(&self, namespace: u64) -> Self {
        Self { namespace, ..self.clone() }
    }
}

/// The place of what belongs to the machine; no network namespace has this cookie.
pub const MACHINE: u64 = 0;

/// A run as the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The id.
    pub id: RunId,
    /// The run that this one lifts, or sets again.
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
    /// Until when it is in force, if that was bounded.
    pub until: Option<Until>,
    /// The other network namespaces in which it has changed something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Site>,
    /// Whether it has changed what belongs to the machine, and to no network namespace.
    #[serde(skip)]
    pub machine: bool,
}

impl RunRecord {
    /// Gives the places where others have to wait while somebody works on it: the network namespaces that it concerns, by their cookies, and the machine.
    pub fn places(&self) -> BTreeSet<u64> {
        let machine = self.machine.then_some(MACHINE);
        self.elsewhere.iter().map(|site| site.namespace).chain([self.context.namespace]).chain(machine).collect()
    }

    /// Tells whether it is at home in a network namespace, or has changed something there.
    pub fn concerns(&self, namespace: u64) -> bool {
        self.context.namespace == namespace || self.elsewhere.iter().any(|site| site.namespace == namespace)
    }

    /// Tells whether somebody waits for a word that the run may stay.
    pub fn is_armed(&self) -> bool {
        self.state.is_open() && self.until.is_some_and(|until| until.state == TermState::Armed)
    }

    /// Tells whether the run is to be lifted by now, in milliseconds of CLOCK_BOOTTIME: its time is over, or somebody has begun to lift it for
    /// that reason and has not come to an end.
    pub fn is_overdue(&self, now: i64) -> bool {
        match self.until {
            Some(Until { state: TermState::Armed, deadline, .. }) => self.state.is_open() && deadline <= now,
            Some(Until { state: TermState::Over, .. }) => self.state == RunState::Done,
            _ => false,
        }
    }
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
    /// The number of the state that it left, where the kernel counts the changes of everybody.
    pub left: Option<u64>,
    /// The network namespace in which they were made.
    pub site: Site,
    /// The backend of iptables that was written to there; empty where there is none.
    pub backend: String,
    /// The batch of the parent of its run that it lifts or sets again.
    pub of: Option<i64>,
}

impl Batch {
    /// Tells whether it is about objects that are known by a name of their own; a batch is of one kind.
    pub fn is_named(&self) -> bool {
        self.changes.iter().all(|change| change.object.is_named())
    }

    /// Tells whether it is about what belongs to the machine; a batch is, or it is not.
    pub fn is_of_the_machine(&self) -> bool {
        self.changes.iter().any(|change| change.object.is_of_the_machine())
    }

    /// Tells whether it can be about the same objects as another batch.
    pub fn meets(&self, other: &Self) -> bool {
        match self.is_of_the_machine() {
            true => other.is_of_the_machine(),
            false => other.site.namespace == self.site.namespace,
        }
    }

    /// Tells whether what it changed is seen in a network namespace.
    pub fn is_seen_in(&self, namespace: u64) -> bool {
        self.site.namespace == namespace || self.is_of_the_machine()
    }

    /// Tells whether the batch took out rules, which are to return between their neighbours.
    pub fn takes_out_rules(&self) -> bool {
        self.changes.iter().any(|change| matches!((&change.object, &change.after), (Object::Rule(_), None)))
    }
}
