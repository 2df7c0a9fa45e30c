//! A run, an undo, a rollback and a recovery are killed at their system calls.

use super::sweep::{Stage, Tally, full, sample, some};
use super::tracer::{Deed, Point};
use crate::program::Said;

/// What is killed, and what makes ready for it.
struct Scene<'a> {
    name: String,
    stage: &'a Stage<'a>,
    prepare: &'a dyn Fn(),
    words: Vec<&'a str>,
    /// The exit code, when nothing disturbs it.
    code: i32,
    /// Whether it does its work as if nothing had happened when it was recovered from, and nothing of it is left.
    works_again: bool,
}

impl Scene<'_> {
    /// Does everything once undisturbed, and gives its calls.
    fn calls(&self) -> Vec<Point> {
        (self.prepare)();
        let whole = self.stage.trace(&self.words, None);
        assert!(!whole.hung && whole.said.code == Some(self.code), "{}: {:?}", self.name, whole.said);
        self.stage.reset();
        whole.calls.iter().map(|call| call.point).collect()
    }

    /// Kills at each of these calls, and recovers.
    fn sweep(&self, deed: Deed, points: Vec<Point>) {
        let whose = if deed == Deed::KillAll { "all processes" } else { "one process" };
        let mut tally = Tally::of(format!("{}, {whose} killed", self.name));
        for (number, point) in points.into_iter().enumerate() {
            (self.prepare)();
            let trace = self.stage.trace(&self.words, Some((point, deed)));
            let mut verdict = recovered(self.stage, &trace.said, number % 8 == 0);
            if self.works_again && number % 2 == 0 && verdict == Ok(false) {
                verdict = again(self.stage, &self.words).map(|()| false);
            }
            tally.count(&trace, verdict);
            self.stage.reset();
        }
        tally.close();
    }
}

/// Kills a run of a recipe; one that fails is killed in its rollback, too.
pub(super) fn of_a_run(stage: &Stage<'_>) {
    let scene =
        Scene { name: format!("run of {stage}"), stage, prepare: &|| (), words: stage.run(), code: stage.room.code, works_again: false };
    let calls = scene.calls();
    scene.sweep(Deed::KillAll, some(calls.clone(), 12));
    scene.sweep(Deed::Kill, some(calls, 6));
}

/// Kills the undo of a run.
pub(super) fn of_an_undo(stage: &Stage<'_>) {
    let prepare = || assert_eq!(stage.fyke(&stage.run()).code, Some(0));
    let name = format!("undo of {stage}");
    let scene = Scene { name, stage, prepare: &prepare, words: vec!["undo", "last"], code: 0, works_again: false };
    let calls = scene.calls();
    scene.sweep(Deed::KillAll, some(calls.clone(), 9));
    scene.sweep(Deed::Kill, some(calls, 5));
}

/// Kills what sets a run again that was lifted.
pub(super) fn of_a_redo(stage: &Stage<'_>) {
    let prepare = || {
        assert_eq!(stage.fyke(&stage.run()).code, Some(0));
        assert_eq!(stage.fyke(&["undo", "last"]).code, Some(0));
    };
    let scene = Scene { name: format!("redo of {stage}"), stage, prepare: &prepare, words: vec!["redo"], code: 0, works_again: true };
    let calls = scene.calls();
    scene.sweep(Deed::KillAll, some(calls.clone(), 9));
    scene.sweep(Deed::Kill, some(calls, 5));
}

/// Kills a run in the middle, then the recovery from it, and then the recovery from that, too.
pub(super) fn of_a_recovery(stage: &Stage<'_>) {
    let middle = middle(stage);
    let words = || vec!["recover"];
    let open = || drop(stage.trace(&stage.run(), Some((middle, Deed::KillAll))));
    let once = Scene { name: format!("recovery of {stage}"), stage, prepare: &open, words: words(), code: 0, works_again: false };
    let calls = once.calls();
    once.sweep(Deed::KillAll, some(calls.clone(), 6));
    once.sweep(Deed::Kill, some(calls.clone(), 4));
    for first in sample(calls, if full() { 12 } else { 2 }) {
        let again = || {
            open();
            stage.trace(&words(), Some((first, Deed::KillAll)));
        };
        let name = format!("recovery of {stage}, killed before at {} #{}", first.who, first.at);
        let twice = Scene { name, stage, prepare: &again, words: words(), code: 0, works_again: false };
        twice.sweep(Deed::KillAll, sample(twice.calls(), if full() { 60 } else { 4 }));
    }
}

/// Finds a call at which a killed run leaves something behind that a recovery lifts: the last of a few.
fn middle(stage: &Stage<'_>) -> Point {
    let calls = stage.trace(&stage.run(), None).calls;
    stage.reset();
    let is_open = |point: &Point| {
        stage.trace(&stage.run(), Some((*point, Deed::KillAll)));
        let left = stage.state() != stage.before;
        let lifted = left && recovered(stage, &stage.fyke(&["history"]), false) == Ok(false);
        stage.reset();
        lifted
    };
    let points = calls.iter().rev().map(|call| call.point).step_by(calls.len() / 24);
    points.into_iter().find(is_open).expect("no call leaves anything open")
}

/// Does once more what was killed and recovered from: all is done, and nobody is told of anybody else.
fn again(stage: &Stage<'_>, words: &[&str]) -> Result<(), String> {
    let said = stage.fyke(words);
    match stage.judge() {
        Ok(true) if said.code == Some(0) && !said.err.contains("somebody") => Ok(()),
        verdict => Err(format!("done once more, {verdict:?}: {said:?}")),
    }
}

/// Recovers from a kill. Gives whether all was done, or else nothing; `twice` looks whether another recovery changes anything.
fn recovered(stage: &Stage<'_>, killed: &Said, twice: bool) -> Result<bool, String> {
    let said = stage.fyke(&["recover"]);
    let verdict = match stage.judge() {
        Ok(verdict) if said.code == Some(0) => verdict,
        Ok(_) => return Err(format!("recover did not end well: {said:?}")),
        Err(why) => return Err(format!("{why}\nafter {killed:?}\nrecover said {said:?}")),
    };
    if twice {
        let again = stage.fyke(&["recover"]);
        if again.code != Some(0) || !again.err.contains("nothing to recover") || stage.judge() != Ok(verdict) {
            return Err(format!("a second recovery did something: {again:?}"));
        }
    }
    Ok(verdict)
}
