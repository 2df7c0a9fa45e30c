//! What the cases of the kernel for traffic control have shown, in the virtual machine, and what docs/conformance.md says of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::findings::folder;

/// What stands in front of the findings that the guest hands over in a line.
pub(crate) const MARK: &str = "FINDINGS ";

/// The figures of one file of cases.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The cases that must succeed, and be shown as the suite expects.
    pub(crate) wanted: usize,
    pub(crate) wanted_by_tool: usize,
    pub(crate) wanted_by_fyke: usize,
    /// Those that both the tool and fyke pass.
    pub(crate) wanted_by_both: usize,
    /// The cases that must be refused.
    pub(crate) unwanted: usize,
    pub(crate) refused_by_tool: usize,
    pub(crate) refused_by_fyke: usize,
    /// The cases that fyke has taken, and those of them that its undo has lifted to an equal state.
    pub(crate) taken: usize,
    pub(crate) undone: usize,
}

impl Figures {
    fn row(&self, name: &str) -> String {
        let Self { wanted, wanted_by_tool, wanted_by_fyke, wanted_by_both, unwanted, refused_by_tool, refused_by_fyke, taken, undone } =
            self;
        format!(
            "| {name} | {wanted} | {wanted_by_tool} | {wanted_by_fyke} | {wanted_by_both} | {unwanted} | {refused_by_tool} | {refused_by_fyke} \
             | {taken} | {undone} |\n"
        )
    }

    fn add(&mut self, other: &Self) {
        self.wanted += other.wanted;
        self.wanted_by_tool += other.wanted_by_tool;
        self.wanted_by_fyke += other.wanted_by_fyke;
        self.wanted_by_both += other.wanted_by_both;
        self.unwanted += other.unwanted;
        self.refused_by_tool += other.refused_by_tool;
        self.refused_by_fyke += other.refused_by_fyke;
        self.taken += other.taken;
        self.undone += other.undone;
    }
}

/// What the suite has shown.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// The versions of what was compared.
    pub(crate) machine: String,
    /// The figures by the names of the files.
    pub(crate) kinds: BTreeMap<String, Figures>,
    /// The cases that the tool does not pass.
    pub(crate) of_the_tool: Vec<String>,
    /// Where fyke falls short: over which case, and how.
    pub(crate) wrong: Vec<(String, String)>,
}

impl Findings {
    /// Keeps what the guest has said for the page.
    pub(crate) fn keep(said: &str) {
        // The name of the test stands in front of it.
        if let Some((_, findings)) = said.lines().find_map(|line| line.split_once(MARK)) {
            fs::create_dir_all(folder()).unwrap();
            fs::write(file(), findings).unwrap();
        }
    }

    /// Gives what the last run of everything has shown.
    pub(super) fn of_last_run() -> Option<Self> {
        serde_json::from_slice(&fs::read(file()).ok()?).ok()
    }
}

fn file() -> PathBuf {
    folder().join("traffic.json")
}

const TEXT: &str = "
## The kernel's cases for traffic control

From `tools/testing/selftests/tc-testing` of Linux 6.18, those of the kinds that the room `tc` knows, in a virtual machine. Each is a command for tc that
must succeed and then be shown by tc in the words that the suite expects, or must be refused. fyke gets the words behind `tc`, after the same
preparation; in the place of the suite's teardown stands `fyke undo`, after which tc must show what it showed before the command.

";

const COLUMNS: &str = "\
| kind | must succeed | tc does | fyke does | both do | must be refused | tc does | fyke does | taken by fyke | undone to an equal state |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// Writes what the page says of the suite.
pub(super) fn section(findings: &Findings) -> String {
    let mut text = format!("{TEXT}The last run compared {}.\n\n{COLUMNS}", findings.machine);
    let mut all = Figures::default();
    for (name, figures) in &findings.kinds {
        text += &figures.row(name);
        all.add(figures);
    }
    text += &all.row("all");
    text += &list("What tc itself does not pass", findings.of_the_tool.iter().map(|case| format!("`{case}`")));
    text += &list(
        "Where fyke falls short",
        findings.wrong.iter().map(|(case, how)| format!("`{case}`: {}", how.lines().next().unwrap_or_default())),
    );
    text
}

fn list(title: &str, items: impl Iterator<Item = String>) -> String {
    let mut text = format!("\n{title}:");
    let before = text.len();
    items.for_each(|item| write!(text, "\n- {item}").unwrap());
    if text.len() == before { text + " nothing.\n" } else { text.replacen(":\n", ":\n\n", 1) + "\n" }
}
