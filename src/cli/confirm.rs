//! `fyke confirm`: lets a run stay that would be lifted otherwise.

use serde_json::json;

use super::args::{Confirm, Options};
use super::notice;
use super::place::Place;
use super::show::Screen;
use crate::kernel::bell;
use crate::model::{Fault, Kind};
use crate::transaction::select::Here;
use crate::transaction::{Journal, RunRecord, RunState, TermState};

/// Confirms a run. Of a confirmation and a deadline that come together, one is told that it was too late.
pub(crate) fn run(screen: &Screen, options: &Options, words: &Confirm) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    notice::heed(screen, options, &place)?;
    let mut journal = Journal::open_existing(&place.shelf())?.ok_or_else(nothing_waits)?;
    let run = find(&place.here(&journal), &words.run)?;
    let confirmed = may_be(&run)? && journal.end_term(&run.id, TermState::Confirmed)?;
    if confirmed {
        bell::ring(place.state.as_ref().map_err(Fault::clone)?, run.id.as_str());
    } else if may_be(&journal.run(&run.id)?)? {
        return Err(Fault::new(Kind::Busy, tried(&run), "somebody else ends its time at this moment").hint("try again"));
    }
    if screen.json {
        return screen.document(&json!({ "run": run.id, "confirmed": true, "already": !confirmed, "exit": 0 })).map(|()| 0);
    }
    let already = if confirmed { "" } else { " already" };
    screen.note(&format!("run {} ({}) is confirmed{already}: it stays", run.id, run.context.owner));
    Ok(0)
}

fn find(here: &Here<'_>, word: &str) -> Result<RunRecord, Fault> {
    match word {
        // One that is not armed any more says better what has come of it than the word that none is.
        "last" => {
            let mut bounded = here.journal.runs(here.boot, here.namespace)?;
            bounded.retain(|run| run.until.is_some());
            let last = bounded.iter().rposition(RunRecord::is_armed);
            last.map(|at| bounded.swap_remove(at)).or_else(|| bounded.pop()).ok_or_else(nothing_waits)
        }
        id => here.find(id),
    }
}

/// Tells whether a run waits for its confirmation; false when it has it. What can have none is a fault.
fn may_be(run: &RunRecord) -> Result<bool, Fault> {
    let refuse = |kind, why: &str| Err(Fault::new(kind, tried(run), why));
    match (run.until.map(|until| until.state), run.state) {
        (None, _) => refuse(Kind::Input, "nobody waits for it: it was run without --confirm and --for"),
        (_, RunState::Running) => refuse(Kind::Busy, "it has not ended yet").map_err(|fault| fault.hint("confirm it when it has")),
        (_, RunState::Lifted) => {
            refuse(Kind::Refused, "it is lifted already").map_err(|fault| fault.hint(format!("set it again: fyke redo {}", run.id)))
        }
        (_, RunState::RolledBack) => refuse(Kind::Refused, "it failed and was rolled back"),
        (Some(TermState::Over), _) => refuse(Kind::Refused, "its time is over, and it is being lifted"),
        (Some(TermState::Confirmed), _) => Ok(false),
        (Some(TermState::Armed), _) => Ok(true),
    }
}

fn tried(run: &RunRecord) -> String {
    format!("confirm run {}", run.id)
}

fn nothing_waits() -> Fault {
    Fault::input("find a run to confirm", "none waits for it here")
        .hint("`fyke history` lists the runs; `--netns` goes to another namespace")
}
