//! What came of a test.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::show::{Lines, changes, line_of_file};
use crate::host::{Case, Way};
use crate::kernel::process::Stop;
use crate::kernel::process::workers::Ended;
use crate::model::{Change, Fault, Kind, Position};

/// What a worker notes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Note {
    /// The function came to its end.
    Done {
        /// The code of its own `exit(n)`.
        exit: Option<u8>,
    },
    /// Something failed.
    Fault {
        /// What.
        fault: Fault,
        /// The source lines that it is about.
        lines: Vec<(Position, String)>,
    },
    /// The network is not as it was.
    Left {
        /// What can be told as changes.
        changes: Vec<Change>,
        /// What cannot.
        others: Vec<String>,
    },
}

impl Note {
    /// Takes the source lines of a fault along.
    pub(super) fn fault(fault: &Fault, lines: Lines) -> Self {
        let origins = std::iter::once(fault).chain(&fault.after).filter_map(|fault| fault.origin.as_ref());
        let lines = origins.filter_map(|origin| Some((origin.at.clone(), lines(&origin.at)?))).collect();
        Self::Fault { fault: fault.clone(), lines }
    }
}

/// What is wrong, with what is needed to show it.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// Source lines.
    lines: Vec<(Position, String)>,
    /// What is left of the test, if that is what is wrong.
    pub(crate) left: Option<(Vec<Change>, Vec<String>)>,
}

impl Complaint {
    /// Makes one without a source.
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, lines: Vec::new(), left: None }
    }

    /// Makes one of a file, with the line that it is about.
    pub(super) fn in_file(fault: Fault) -> Self {
        let lines = fault.origin.iter().filter_map(|origin| Some((origin.at.clone(), line_of_file(&origin.at)?))).collect();
        Self { fault, lines, left: None }
    }

    /// Says where a case begins.
    fn at(self, case: &Case) -> Self {
        let origin = case.origin();
        let lines = case.text_of_line().map(|text| (origin.at.clone(), text.to_owned())).into_iter().collect();
        Self { fault: self.fault.at(origin), lines, ..self }
    }

    /// Gives the text of a source line, where it is known.
    pub(crate) fn line(&self, at: &Position) -> Option<String> {
        self.lines.iter().find(|(of, _)| of == at).map(|(_, text)| text.clone())
    }
}

/// How a test ended.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// What it states is so, and nothing is left of it.
    Passed,
    /// What is wrong.
    Failed(Vec<Complaint>),
    /// Why it was left out.
    Skipped(String),
}

/// What came of a test, or of a file that is no script.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The file.
    pub(crate) file: String,
    /// What people call it: the file and the function.
    pub(crate) title: String,
    /// The function; empty for a file that is no script.
    pub(crate) name: String,
    /// The line in which it begins.
    pub(crate) line: u32,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// How long it took.
    pub(crate) time: Duration,
    /// What it printed.
    pub(crate) printed: String,
}

impl Outcome {
    /// Reads what a worker has left.
    pub(super) fn of(case: &Case, ended: &Ended) -> Self {
        let failed = |why: String| Complaint::new(Fault::new(Kind::Script, format!("run {}", case.name), why));
        let (mut complaints, mut exit, mut skipped) = (Vec::new(), None, None);
        for note in ended.notes.lines().map(serde_json::from_str) {
            match note {
                Ok(Note::Done { exit: own }) => exit = own.filter(|code| *code != 0),
                Ok(Note::Fault { fault, .. }) if fault.kind == Kind::Skipped && fault.after.is_empty() => skipped = Some(fault.why),
                Ok(Note::Fault { fault, lines }) => complaints.push(Complaint { fault, lines, left: None }),
                Ok(Note::Left { changes, others }) => {
                    let fault = Fault::new(Kind::Incomplete, "leave the network as it was", "this is left when all is lifted");
                    complaints.push(Complaint { left: Some((changes, others)), ..Complaint::new(fault) });
                }
                // It was cut where it was too long.
                Err(_) => complaints.push(failed("there is too much wrong with it to be told".to_owned())),
            }
        }
        complaints.extend(exit.map(|code| failed(format!("it ended itself with the code {code}"))));
        complaints.extend(ended.status.err().map(|signal| {
            let killed = failed(format!("its process was killed by signal {signal}"));
            let kind = if Stop::from_number(signal).is_some() { Kind::Interrupted } else { Kind::System };
            Complaint { fault: Fault { kind, ..killed.fault.clone() }, ..killed }
        }));
        if complaints.is_empty() && skipped.is_none() && ended.status != Ok(0) {
            complaints.push(failed("its process ended without a word".to_owned()));
        }
        if case.way == Way::Fail && skipped.is_none() {
            let wanted = complaints.iter().position(|complaint| complaint.left.is_none() && is_of_script(&complaint.fault));
            match wanted {
                Some(at) => drop(complaints.remove(at)),
                None if complaints.is_empty() => {
                    let ended_well = failed("it ended well, and its block says `should_fail`".to_owned());
                    complaints.push(ended_well.at(case));
                }
                None => {}
            }
        }
        let verdict = match (complaints.is_empty(), skipped) {
            (true, Some(reason)) => Verdict::Skipped(reason),
            (true, None) => Verdict::Passed,
            (false, _) => Verdict::Failed(complaints),
        };
        let (file, name) = (case.file.clone(), case.name.clone());
        Self { file, title: case.title(), name, line: case.line, verdict, time: ended.time, printed: ended.printed.clone() }
    }

    /// Makes that of a file that is no script.
    pub(super) fn broken(file: &str, complaint: Complaint) -> Self {
        let line = complaint.fault.origin.as_ref().map_or(1, |origin| origin.at.line);
        let (file, verdict) = (file.to_owned(), Verdict::Failed(vec![complaint]));
        Self { title: file.clone(), file, name: String::new(), line, verdict, time: Duration::ZERO, printed: String::new() }
    }

    /// Tells whether it failed.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }

    /// Tells whether it failed because it was asked to end.
    pub(super) fn is_interrupted(&self) -> bool {
        let is_asked = |complaint: &Complaint| complaint.fault.kind == Kind::Interrupted;
        matches!(&self.verdict, Verdict::Failed(complaints) if complaints.iter().any(is_asked))
    }

    /// Gives it for programs.
    pub(super) fn json(&self) -> Value {
        let outcome = match &self.verdict {
            Verdict::Passed => json!({ "outcome": "passed" }),
            Verdict::Skipped(reason) => json!({ "outcome": "skipped", "reason": reason }),
            Verdict::Failed(complaints) => {
                let faults: Vec<&Fault> = complaints.iter().map(|complaint| &complaint.fault).collect();
                let left = complaints.iter().find_map(|complaint| complaint.left.as_ref());
                let left = left.map(|(found, others)| json!({ "changes": changes::json(found), "others": others }));
                json!({ "outcome": "failed", "faults": faults, "left": left })
            }
        };
        let mut about = json!({
            "test": self.title, "file": self.file, "function": self.name, "line": self.line, "seconds": self.time.as_secs_f64(), "printed": self.printed,
        });
        if let (Some(about), Value::Object(outcome)) = (about.as_object_mut(), outcome) {
            about.extend(outcome);
        }
        about
    }
}

/// Tells whether a fault is one that a script can be meant to end with: not what came from outside, nor what is left behind.
fn is_of_script(fault: &Fault) -> bool {
    let is_from_outside = [Kind::Incomplete, Kind::Limit, Kind::Interrupted, Kind::System].contains(&fault.kind);
    !is_from_outside && fault.after.is_empty()
}
