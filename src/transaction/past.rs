//! What is remembered of a run when its journal is gone: its head, how much it changed, and the first of its changes.

use serde::{Deserialize, Serialize};

use super::record::RunRecord;
use crate::model::iptables::RunId;
use crate::model::{Change, Fault, Kind};

/// The most changes that are remembered of one run.
const CHANGES: usize = 100;
/// The most bytes of a line.
const BYTES: usize = 64 << 10;

/// A run as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its head, in the state in which it was when this was written.
    #[serde(flatten)]
    pub record: RunRecord,
    /// How many changes it made; none where an earlier line says so.
    pub count: Option<usize>,
    /// The first of them.
    #[serde(default)]
    pub made: Vec<Change>,
    /// What it did that cannot be lifted.
    #[serde(default)]
    pub acts: Vec<String>,
}

impl Past {
    /// Takes what is to be remembered of a run; without changes, what an earlier line says of them holds.
    pub fn new(record: RunRecord, made: Option<&[Change]>, acts: Vec<String>) -> Self {
        let visible = || made.unwrap_or_default().iter().filter(|change| change.is_visible());
        Self { record, count: made.map(|_| visible().count()), made: visible().take(CHANGES).cloned().collect(), acts }
    }

    /// Writes a line of bounded length.
    pub fn line(mut self) -> Result<String, Fault> {
        loop {
            let line = serde_json::to_string(&self).map_err(|error| Fault::new(Kind::System, "remember the run", error.to_string()))?;
            if line.len() <= BYTES || (self.made.is_empty() && self.acts.is_empty()) {
                return Ok(line);
            }
            self.made.truncate(self.made.len() / 2);
            self.acts.truncate(self.acts.len() / 2);
        }
    }

    /// Reads lines, the oldest first: the last word on a run counts. What cannot be read is left out.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for past in lines.into_iter().filter_map(|line| serde_json::from_str::<Self>(line).ok()) {
            let same = |other: &&mut Self| other.record.id == past.record.id && other.record.context.boot == past.record.context.boot;
            match found.iter_mut().rev().find(same) {
                Some(earlier) if past.count.is_none() => earlier.record = past.record,
                Some(earlier) => *earlier = past,
                None => found.push(past),
            }
        }
        found
    }

    /// Tells whether these are about a run.
    pub fn is_of(&self, run: &RunId) -> bool {
        self.record.id == *run
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::iptables::{ChainName, ChainRef, Rule, Table, Words};
    use crate::model::{Family, Object, Place, State};
    use crate::transaction::record::{Term, TermState, Until};
    use crate::transaction::{Context, RunKind, RunState};

    fn record(bits: u64, state: RunState) -> RunRecord {
        let context = Context { namespace: u64::MAX, boot: "one".into(), command: "fyke \u{1b} \"run\"".into(), ..Context::default() };
        let until = Some(Until { term: Term::Lease, deadline: 7, state: TermState::Over });
        RunRecord {
            id: RunId::from_bits(bits),
            parent: None,
            kind: RunKind::Run,
            state,
            context,
            started: 5,
            until,
            elsewhere: Vec::new(),
            machine: false,
        }
    }

    fn change(words: &str) -> Change {
        let at = ChainRef::new(Family::V4, Table::Filter, ChainName::listed("INPUT"));
        Change::new(Object::Rule(at), None, Some(State::Rule(Rule::new(Words::listed(words)), Place::default().into())))
    }

    #[test]
    fn what_is_written_is_read() {
        let past = Past::new(record(1, RunState::Done), Some(&[change("-j DROP")]), vec!["an act".into()]);
        let line = past.clone().line().unwrap();
        assert_eq!(Past::read([&*line]), std::slice::from_ref(&past));
        let torn = &line[..line.len() / 2];
        assert_eq!(Past::read([torn, "", "{}", &line]), [past]);
    }

    #[test]
    fn the_last_word_on_a_run_counts_and_its_changes_stay() {
        let lines = [
            Past::new(record(1, RunState::Done), Some(&[change("-j DROP")]), Vec::new()),
            Past::new(record(2, RunState::Done), Some(&[]), Vec::new()),
            Past::new(record(1, RunState::Lifted), None, Vec::new()),
        ]
        .map(|past| past.line().unwrap());
        let found = Past::read(lines.iter().map(String::as_str));
        let told: Vec<_> = found.iter().map(|past| (past.record.state, past.count, past.made.len())).collect();
        assert_eq!(told, [(RunState::Lifted, Some(1), 1), (RunState::Done, Some(0), 0)]);
        assert!(found[0].is_of(&RunId::from_bits(1)));
    }

    #[test]
    fn a_line_is_bounded() {
        let many = vec![change(&format!("-m comment --comment \"{}\"", "x".repeat(4000))); 1000];
        let line = Past::new(record(1, RunState::Done), Some(&many), Vec::new()).line().unwrap();
        let found = Past::read([&*line]).pop().unwrap();
        assert!(line.len() <= BYTES && found.count == Some(1000) && !found.made.is_empty());
    }
}
