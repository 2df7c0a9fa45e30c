//! Runs of fyke that are at work at the same time: two of them do not change the same object.

use std::collections::HashSet;

use super::journal::{Journal, Shelf};
use super::record::{Context, RunKind, RunRecord};
use crate::kernel::lock::RunLock;
use crate::model::iptables::RunId;
use crate::model::netns::Site;
use crate::model::{Change, Fault, Kind, Object, State};

/// Another run that has not ended, with what it has changed so far.
pub(super) struct Other {
    run: RunRecord,
    alive: bool,
    /// Where it is at home, if it does not concern this namespace.
    home: Option<Site>,
    changes: Vec<Change>,
}

/// Finds the other runs that have begun and not ended, with what they changed in this namespace and on the machine.
pub(super) fn others(journal: &Journal, shelf: &Shelf, own: &RunId, context: &Context) -> Result<Vec<Other>, Fault> {
    let unfinished = journal.unfinished(&context.boot, context.namespace)?;
    let other = |run: RunRecord| {
        let changes = journal.standing_at(&run.id, context.namespace)?.into_iter().flat_map(|batch| batch.changes).collect();
        let alive = matches!(shelf, Shelf::File(path) if path.parent().is_some_and(|state| RunLock::is_held(state, run.id.as_str())));
        let home = (!run.concerns(context.namespace)).then(|| run.context.site());
        Ok(Other { run, alive, home, changes })
    };
    unfinished.into_iter().filter(|run| run.id != *own && run.kind == RunKind::Run).map(other).collect()
}

/// What is in the way of a change.
pub(super) struct InTheWay {
    /// Who it is.
    pub(super) fault: Fault,
    /// Whether it may be out of the way soon.
    pub(super) passes: bool,
}

/// Finds out whether another run, which has not ended, has changed what is going to be changed.
pub(super) fn in_the_way(others: &[Other], changes: &[Change]) -> Option<InTheWay> {
    others.iter().find_map(|other| {
        let named: HashSet<&Object> = other.changes.iter().map(|theirs| &theirs.object).filter(|object| object.is_named()).collect();
        let is_met = |change: &Change| match change.object.is_named() {
            true => named.contains(&change.object),
            false => other.changes.iter().any(|theirs| meet(change, theirs, &other.run.id)),
        };
        let change = changes.iter().find(|change| is_met(change))?;
        let Other { run, alive, home, .. } = other;
        let (tried, owner) = (format!("change the {}", change.object), &run.context.owner);
        let fault = match alive {
            true => {
                let why = format!("run {} ({owner}) has changed it and is still at work (pid {})", run.id, run.context.pid);
                Fault::new(Kind::Busy, tried, why).hint("wait for its end, or end it")
            }
            false => {
                let why = format!("run {} ({owner}) has changed it and was left half done", run.id);
                let home = home.iter().map(|home| format!(" in the {home}")).collect::<String>();
                Fault::new(Kind::Busy, tried, why).hint(format!("`fyke recover`{home} lifts it first"))
            }
        };
        let fault = change.origin.iter().fold(fault, |fault, origin| fault.at(origin.clone()));
        Some(InTheWay { fault, passes: *alive })
    })
}

/// Tells whether a change of rules is about what another run has changed.
fn meet(change: &Change, theirs: &Change, run: &RunId) -> bool {
    match (&change.object, &theirs.object) {
        (Object::Rule(_), Object::Rule(_)) => {
            matches!(&change.before, Some(State::Rule(rule, _)) if rule.tag.as_ref().is_some_and(|tag| tag.run == *run))
        }
        (Object::Policy(a), Object::Policy(b)) => a == b,
        (Object::Chain(a) | Object::ChainName(a), Object::Chain(b) | Object::ChainName(b)) => a == b,
        _ => false,
    }
}
