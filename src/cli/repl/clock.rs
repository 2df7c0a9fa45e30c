//! When a statement must stop, and how it waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::kernel::process::signals;
use crate::model::{Fault, Kind};

/// The clock of a session; a clone is the same clock.
#[derive(Clone)]
pub(super) struct Clock {
    bound: Option<Duration>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    deadline: Option<Instant>,
    planning: bool,
}

impl Clock {
    /// Makes a clock that gives each statement so much time.
    pub(super) fn new(bound: Option<Duration>) -> Self {
        Self { bound, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the time of a statement.
    pub(super) fn start(&self) {
        self.state().deadline = self.bound.map(|bound| Instant::now() + bound);
    }

    /// Ends the time of a statement.
    pub(super) fn stop(&self) {
        self.state().deadline = None;
    }

    /// Sets whether statements are planned: then nothing waits.
    pub(super) fn plan(&self, on: bool) {
        self.state().planning = on;
    }

    /// Tells whether statements are planned.
    pub(super) fn is_planning(&self) -> bool {
        self.state().planning
    }

    /// Tells whether the statement must stop now.
    pub(super) fn stopped(&self) -> Option<Fault> {
        let late = || self.state().deadline.is_some_and(|deadline| Instant::now() >= deadline);
        signals::pending().map(|stop| stop.fault("evaluate the input")).or_else(|| late().then(|| over("evaluate the input")))
    }

    /// Waits, as far as the statement has time.
    pub(super) fn sleep(&self, time: Duration) -> Result<(), Fault> {
        if self.is_planning() {
            return Ok(());
        }
        let left = self.state().deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        signals::sleep(left.map_or(time, |left| left.min(time))).map_err(|stop| stop.fault("sleep on"))?;
        if left.is_some_and(|left| left < time) { Err(over("sleep on")) } else { Ok(()) }
    }
}

fn over(tried: &str) -> Fault {
    Fault::new(Kind::Limit, tried, "the time of a statement is over").hint("--timeout sets it; 0 is no limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_its_time_and_a_plan_does_not_wait() {
        let clock = Clock::new(Some(Duration::from_millis(30)));
        clock.start();
        assert!(clock.stopped().is_none());
        assert_eq!(clock.sleep(Duration::from_secs(60)).unwrap_err().kind, Kind::Limit);
        assert_eq!(clock.stopped().map(|fault| fault.kind), Some(Kind::Limit));
        clock.stop();
        assert!(clock.stopped().is_none());
        clock.plan(true);
        assert_eq!(clock.sleep(Duration::from_secs(60)), Ok(()));
    }
}
