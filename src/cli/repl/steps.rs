//! The statements that were done, and what of them is in force.

use crate::model::{Change, Report};

/// A statement that was done.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What was typed, or what the file says that was loaded.
    pub(super) text: String,
    /// The file that was loaded, if one was.
    file: Option<String>,
    /// Where the run stood before it.
    pub(super) mark: i64,
    /// Where it stood behind it.
    pub(super) end: i64,
    /// What it changed.
    pub(super) changes: Vec<Change>,
    /// What became of it.
    pub(super) fate: Fate,
}

impl Step {
    /// Gives the words by which whoever typed it knows it.
    pub(super) fn said(&self) -> String {
        self.file.as_ref().map_or_else(|| self.text.clone(), |file| format!(":load {file}"))
    }

    /// Tells whether it is to be done again, when the session is: it was done, and has not been lifted.
    pub(super) fn counts(&self) -> bool {
        matches!(self.fate, Fate::Done | Fate::Looked)
    }
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was done.
    Done,
    /// It was done to see its value, and nothing else.
    Looked,
    /// It was lifted again.
    Undone,
    /// It was planned, and would have changed something.
    Planned,
}

/// The statements of a session, in order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    all: Vec<Step>,
    acted: bool,
}

impl Steps {
    /// Adds a statement that took the run from one mark to another. `looked` says that it was for its value only.
    pub(super) fn add(&mut self, text: &str, (mark, end): (i64, i64), report: &Report, planned: bool, looked: bool) {
        self.acted |= !planned && !report.acts.is_empty();
        let changes = if planned { Vec::new() } else { report.changes.clone() };
        let fate = match report.changes.is_empty() {
            true if looked && report.acts.is_empty() => Fate::Looked,
            false if planned => Fate::Planned,
            _ => Fate::Done,
        };
        self.all.push(Step { text: text.trim().to_owned(), file: None, mark, end, changes, fate });
    }

    /// Notes that the last one was the text of a file.
    pub(super) fn came_from(&mut self, file: &str) {
        self.all.iter_mut().next_back().into_iter().for_each(|step| step.file = Some(file.to_owned()));
    }

    /// Gives all of them.
    pub(super) fn all(&self) -> &[Step] {
        &self.all
    }

    /// Gives those whose changes are in force, the oldest first.
    pub(super) fn standing(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.all.iter().filter(|step| step.fate == Fate::Done && !step.changes.is_empty())
    }

    /// Counts those whose changes are in force.
    pub(super) fn in_force(&self) -> usize {
        self.standing().count()
    }

    /// Gives all changes in force.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.standing().flat_map(|step| step.changes.clone()).collect()
    }

    /// Tells whether anything was done that cannot be lifted.
    pub(super) fn have_acted(&self) -> bool {
        self.acted
    }

    /// Notes what was lifted: everything but the batches that are still in force.
    pub(super) fn only(&mut self, in_force: &[i64]) {
        let stands = |step: &Step| in_force.iter().any(|batch| (step.mark + 1..=step.end).contains(batch));
        self.all.iter_mut().filter(|step| !step.changes.is_empty() && !stands(step)).for_each(|step| step.fate = Fate::Undone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::iptables::{ChainRef, Table};
    use crate::model::{Family, Object, State};

    #[test]
    fn the_last_statement_that_changed_something_is_lifted_first() {
        let at = ChainRef::new(Family::V4, Table::Filter, crate::model::iptables::ChainName::listed("X"));
        let change = Change::new(Object::Chain(at), None, Some(State::Present));
        let made = Report { changes: vec![change], ..Report::default() };
        let mut steps = Steps::default();
        steps.add("a", (0, 1), &made, false, true);
        steps.add("b", (1, 1), &Report::default(), false, true);
        steps.add("c", (1, 3), &made, false, false);
        steps.add("d", (3, 3), &made, true, false);
        assert_eq!((steps.in_force(), steps.changes().len()), (2, 2));
        steps.only(&[1, 3]);
        assert_eq!(steps.in_force(), 2);
        steps.only(&[1]);
        let standing: Vec<&str> = steps.standing().map(|step| step.text.as_str()).collect();
        assert_eq!(standing, ["a"]);
        let fates: Vec<Fate> = steps.all().iter().map(|step| step.fate).collect();
        assert_eq!(fates, [Fate::Done, Fate::Looked, Fate::Undone, Fate::Planned]);
        steps.came_from("d.rhai");
        let again: Vec<(String, bool)> = steps.all().iter().map(|step| (step.said(), step.counts())).collect();
        assert_eq!(
            again,
            [("a", true), ("b", true), ("c", false), (":load d.rhai", false)].map(|(said, counts)| (said.to_owned(), counts))
        );
        steps.only(&[]);
        assert_eq!(steps.in_force(), 0);
    }
}
