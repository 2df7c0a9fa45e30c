//! What a suite has shown on one backend: figures, and where fyke and the tool differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::all;
use crate::kernel::world::{Backend, tool};

/// How fyke and the tool can differ over a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Difference {
    /// fyke refuses what the suite wants to be refused, and the tool takes it.
    Caught,
    /// fyke refuses what the tool takes, and the suite does not ask for that.
    Stricter,
    /// fyke takes what the tool refuses.
    Laxer,
    /// fyke lists something else than the tool.
    Listed,
    /// The state after the undo is not the one before.
    Left,
}

impl Difference {
    /// Tells whether it is a defect of fyke, or at least no merit.
    fn is_wrong(self) -> bool {
        !matches!(self, Difference::Caught | Difference::Stricter)
    }
}

/// What a suite has shown on one backend.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    /// The figures by their names.
    pub(super) figures: BTreeMap<String, usize>,
    /// The differences: of which kind, over what, and why.
    pub(super) differences: Vec<(Difference, String, String)>,
    /// What the installed tool does not take: for rules by the file of the suite, for firewalls by its complaint.
    pub(super) of_the_tool: BTreeMap<String, usize>,
}

impl Findings {
    /// Counts one more of something.
    pub(super) fn count(&mut self, name: &str, yes: bool) {
        *self.figures.entry(name.to_owned()).or_default() += usize::from(yes);
    }

    /// Counts several more of something.
    pub(super) fn add(&mut self, name: &str, more: usize) {
        *self.figures.entry(name.to_owned()).or_default() += more;
    }

    /// Notes a difference.
    pub(super) fn differ(&mut self, how: Difference, over: &str, why: impl Into<String>) {
        self.differences.push((how, over.to_owned(), why.into()));
    }

    /// Prints the figures, keeps them for the page, and fails where fyke is wrong.
    #[track_caller]
    pub(super) fn conclude(self, suite: &str, backend: Backend) {
        println!("{suite} on {}: {:?}", backend.name(), self.figures);
        self.differences.iter().for_each(|(how, over, why)| println!("{how:?}: {over}: {why}"));
        if all() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(file(suite, backend), serde_json::to_vec_pretty(&self).unwrap()).unwrap();
            fs::write(folder().join("machine"), machine()).unwrap();
        }
        let wrong: Vec<_> = self.differences.iter().filter(|(how, ..)| how.is_wrong()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Gives what the last run of a suite has shown.
    pub(super) fn of_last_run(suite: &str, backend: Backend) -> Option<Self> {
        serde_json::from_slice(&fs::read(file(suite, backend)).ok()?).ok()
    }
}

/// Gives the versions of what was compared.
fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    format!("{} on Linux {}", tool("iptables", &["-V"], "").split(" (").next().unwrap(), kernel.trim())
}

/// Gives the versions of what the last run has compared.
pub(super) fn machine_of_last_run() -> String {
    fs::read_to_string(folder().join("machine")).unwrap_or_default()
}

/// Gives the folder of what the last run of everything has found.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("suites")
}

fn file(suite: &str, backend: Backend) -> PathBuf {
    folder().join(format!("{suite}-{}.json", backend.name()))
}
