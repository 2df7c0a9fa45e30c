//! How a runner came to its end.

use nix::sys::signal::Signal;

use super::limits::Limits;
use super::page::{Cause, Page};
use super::signals::Stop;
use crate::model::{Fault, Kind};

/// How a runner came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself, with this status.
    Exited(u8),
    /// A panic went through all of it: a defect of fyke, with its message and place.
    Panicked(String),
    /// It could not begin: why.
    Unready(String),
    /// It used up its memory limit.
    OutOfMemory,
    /// It used up the stack of its script thread.
    StackOverflow,
    /// A signal killed it: the signal's number.
    Killed(i32),
    /// It was asked to stop, did not, and was killed.
    Overdue(Stop),
}

impl Ending {
    /// Judges what waitpid(2) told. The runner's own last words count for more: who could still say why it ends leaves by exit.
    pub(super) fn of(page: &Page, status: Result<i32, i32>, overdue: Option<Stop>) -> Ending {
        match (page.last_words(), status, overdue) {
            ((Cause::Panic, words), ..) => Ending::Panicked(words),
            ((Cause::Unready, words), ..) => Ending::Unready(words),
            ((Cause::Memory, _), ..) => Ending::OutOfMemory,
            ((Cause::Stack, _), ..) => Ending::StackOverflow,
            (_, Err(libc::SIGKILL), Some(stop)) => Ending::Overdue(stop),
            (_, Err(signal), _) => Ending::Killed(signal),
            (_, Ok(code), _) => Ending::Exited(code as u8),
        }
    }

    /// Tells whether the runner ended by itself. Otherwise what it left behind is dead, and its changes are to be lifted.
    pub fn is_orderly(&self) -> bool {
        matches!(self, Ending::Exited(_))
    }

    /// Gives the exit code of the run, when its changes are lifted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Ending::Exited(code) => *code,
            Ending::Panicked(_) | Ending::Unready(_) => 1,
            Ending::OutOfMemory | Ending::StackOverflow => Kind::Limit.exit_code(),
            Ending::Overdue(stop) => stop.exit_code(),
            Ending::Killed(signal) => Stop::from_number(*signal).map_or(1, Stop::exit_code),
        }
    }

    /// Says what happened, for every ending but an orderly one.
    pub fn fault(&self, limits: &Limits) -> Option<Fault> {
        let tried = "finish the run";
        Some(match self {
            Ending::Exited(_) => return None,
            Ending::Panicked(words) => {
                Fault::new(Kind::System, tried, format!("fyke itself failed: {words}")).hint("this is a defect of fyke, please report it")
            }
            Ending::Unready(why) => Fault::new(Kind::System, "start the runner", why),
            Ending::OutOfMemory => Fault::new(Kind::Limit, tried, format!("it used up its memory{}", limits.memory_in_words())),
            Ending::StackOverflow => Fault::new(Kind::Limit, tried, "it nested too deep for its stack"),
            Ending::Overdue(stop) => {
                let asked = stop.fault(tried);
                let why = format!("{}, it did not stop within {:?}, and was killed", asked.why, limits.grace);
                Fault { why, ..asked }
            }
            Ending::Killed(signal) => {
                let name = Signal::try_from(*signal).map_or("an unnamed signal", Signal::as_str);
                let kind = Stop::from_number(*signal).map_or(Kind::System, |_| Kind::Interrupted);
                Fault::new(kind, tried, format!("the process was killed ({name})"))
            }
        })
    }
}

impl Limits {
    fn memory_in_words(&self) -> String {
        self.memory.map_or(String::new(), |bytes| format!(" of {} MiB", bytes >> 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_but_an_orderly_one_explains_itself() {
        let limits = Limits::default();
        let why = |ending: Ending| (ending.exit_code(), ending.fault(&limits).map(|fault| fault.why));
        let is = |code, text: &str| (code, Some(text.to_owned()));
        assert_eq!(why(Ending::Exited(7)), (7, None));
        assert_eq!(why(Ending::OutOfMemory), is(8, "it used up its memory of 1024 MiB"));
        assert_eq!(why(Ending::StackOverflow), is(8, "it nested too deep for its stack"));
        assert_eq!(why(Ending::Killed(9)), is(1, "the process was killed (SIGKILL)"));
        assert_eq!(why(Ending::Overdue(Stop::Interrupt)), is(130, "interrupted, it did not stop within 2s, and was killed"));
        assert_eq!(why(Ending::Overdue(Stop::Deadline)), is(8, "the deadline is over, it did not stop within 2s, and was killed"));
        assert_eq!(why(Ending::Unready("no pipe".into())), is(1, "no pipe"));
        assert_eq!(why(Ending::Panicked("odd".into())), is(1, "fyke itself failed: odd"));
    }
}
