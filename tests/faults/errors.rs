//! Calls of the runner and of the tools fail: whatever the kernel says, fyke does all or nothing, and says what is wrong.

use super::calls;
use super::sweep::{Stage, Tally, some};
use super::tracer::{Deed, Trace, Who};

/// Lets the calls of a run fail, one in each run, with each error that fits.
pub(super) fn in_a_run(stage: &Stage<'_>) {
    let whole = stage.trace(&stage.run(), None);
    stage.reset();
    let calls = whole.calls.iter().filter(|call| call.point.who != Who::Guardian && !call.is_spared);
    let all = calls.flat_map(|call| calls::errors(call.number).iter().map(|error| (call.point, *error)));
    let mut tally = Tally::of(format!("run of {stage}, a call failed"));
    for (point, error) in some(all.collect(), 12) {
        let trace = stage.trace(&stage.run(), Some((point, Deed::Fail(error))));
        tally.count(&trace, borne(stage, &trace).map_err(|why| format!("{error}: {why}")));
        stage.reset();
    }
    tally.close();
}

/// Compares what a run says of itself with what it left behind. Gives whether all was done.
fn borne(stage: &Stage<'_>, trace: &Trace) -> Result<bool, String> {
    let said = &trace.said;
    let wrong = |why: &str| Err(format!("{why}: {said:?}"));
    if said.code != Some(0) && said.err.is_empty() {
        return wrong("it did not say why it failed");
    }
    if ["panicked", "fyke itself failed"].iter().any(|words| said.err.contains(words)) {
        return wrong("it panicked");
    }
    match said.code {
        None => return wrong("the guardian was killed"),
        // The rollback was disturbed, and that is told.
        Some(3) => drop(stage.fyke(&["recover"])),
        Some(_) => {}
    }
    match stage.judge() {
        Ok(true) if said.code == Some(0) => Ok(true),
        Ok(false) if said.code != Some(0) => Ok(false),
        Ok(all) => wrong(if all { "all of it is there" } else { "nothing of it is there" }),
        Err(why) => wrong(&why),
    }
}
