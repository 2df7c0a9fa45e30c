//! Words about the time for which a run is in force.

use serde_json::{Value, json};

use super::place::now;
use super::show::Paint;
use crate::kernel::clock;
use crate::model::iptables::RunId;
use crate::transaction::{RunRecord, Term, TermState, Until};

/// Says when a run that has just ended is lifted, and what to do about it.
pub(crate) fn way_back(run: &RunId, until: &Until, paint: Paint) -> String {
    let (at, span) = (clock::hour(wall(until)), span(seconds_left(until)));
    let command = |verb: &str| paint.cyan(&format!("fyke {verb} {run}"));
    match until.term {
        Term::Confirm => format!("lifted at {at} (in {span}) unless confirmed: {}", command("confirm")),
        Term::Lease => format!("lifted at {at} (in {span}); sooner: {}; never: {}", command("undo"), command("confirm")),
    }
}

/// Adds to the state of a run what is left of its time.
pub(crate) fn with_time(state: String, record: &RunRecord) -> String {
    match record.until {
        Some(until) if record.is_armed() && seconds_left(&until) >= 0 => match until.term {
            Term::Confirm => format!("{state}, {} left to confirm", span(seconds_left(&until))),
            Term::Lease => format!("{state}, {} left", span(seconds_left(&until))),
        },
        _ => state,
    }
}

/// Gives the term of a run for a program; `at` is the deadline in seconds since 1970, as far as the clock on the wall is right.
pub(crate) fn json(until: Option<&Until>) -> Value {
    until.map_or(Value::Null, |until| {
        let armed = until.state == TermState::Armed;
        json!({ "term": until.term, "state": until.state, "deadline": until.deadline, "at": armed.then(|| wall(until)) })
    })
}

fn seconds_left(until: &Until) -> i64 {
    // Rounded to the next: five seconds that begin now are five seconds.
    (until.deadline - clock::boottime() + 999).div_euclid(1000)
}

fn wall(until: &Until) -> i64 {
    now() + seconds_left(until)
}

/// Writes a number of seconds in the largest unit that tells enough.
fn span(seconds: i64) -> String {
    match seconds {
        3_600.. if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
