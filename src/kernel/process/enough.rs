//! A Ctrl-C that says "enough": it ends the call of the script that it finds under way, as it ends the loop of ping(8) and of tcpdump(8), and the script
//! may still say what came of it.
//!
//! From then on a run is over but for words. It can change and send nothing any more ([`over`]), what it has changed is lifted at its end, and it ends with the
//! code of an interrupt. The guardian, which has heard the same Ctrl-C, gives it the grace for that; a second one ends it at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::signals::{self, Stop};
use crate::model::Fault;

static MAY: AtomicBool = AtomicBool::new(false);
static HEARD: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Lets the script of this process sum up after a Ctrl-C. Without that it ends the script at once, wherever it is.
pub fn let_sum_up() {
    MAY.store(true, Ordering::Release);
}

pub(super) fn may_sum_up() -> bool {
    MAY.load(Ordering::Acquire)
}

/// A call that a Ctrl-C ends early, until it is dropped. Functions of the script that it calls meanwhile are not torn by that Ctrl-C.
#[must_use]
pub struct Call(());

impl Call {
    /// Begins one.
    pub fn begin() -> Self {
        CALLS.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells whether a Ctrl-C waits for the call that is under way.
pub fn is_awaited() -> bool {
    may_sum_up()
        && CALLS.load(Ordering::Acquire) > 0
        && !HEARD.load(Ordering::Acquire)
        && signals::pending() == Some(Stop::Interrupt)
        && !signals::is_urgent()
}

/// Asks, as a call does in its loop, whether it is to end early. Fails when the run has to stop.
pub fn take(tried: &str) -> Result<bool, Fault> {
    if !is_awaited() {
        return signals::check(tried).map(|()| false);
    }
    HEARD.store(true, Ordering::Release);
    signals::forgive_interrupt();
    // What came at the last moment is not forgotten with it.
    if signals::is_urgent() { Err(Stop::Interrupt.fault(tried)) } else { Ok(true) }
}

/// Tells whether a Ctrl-C has ended a call: the run is over but for words.
pub fn is_heard() -> bool {
    HEARD.load(Ordering::Acquire)
}

/// Refuses to begin anything once a Ctrl-C has ended a call. `tried` is the end of "cannot ...".
pub fn over(tried: &str) -> Result<(), Fault> {
    if is_heard() { Err(Stop::Interrupt.fault(tried)) } else { Ok(()) }
}

/// Tells what asks a step of the script to stop. A Ctrl-C that waits for the call in which the step is taken does not.
pub fn pending() -> Option<Stop> {
    signals::pending().filter(|_| !is_awaited())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::{Signal, raise};

    use super::*;
    use crate::kernel::tests::aside;

    fn told() -> String {
        signals::listen().unwrap();
        raise(Signal::SIGINT).unwrap();
        let call = Call::begin();
        let before = (is_awaited(), take("wait").is_ok());
        let_sum_up();
        let first = (is_awaited(), pending(), take("wait").unwrap(), is_heard(), pending(), take("wait").unwrap());
        let refused = over("send").unwrap_err().to_string();
        std::thread::sleep(Duration::from_millis(300));
        raise(Signal::SIGINT).unwrap();
        let second = (pending(), take("wait").is_ok());
        drop(call);
        format!("{before:?} {first:?} {refused} {second:?}")
    }

    fn urgent(wait: u64, second: Signal) -> String {
        signals::listen().unwrap();
        let_sum_up();
        let _call = Call::begin();
        raise(Signal::SIGINT).unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        raise(second).unwrap();
        format!("{:?} {:?}", pending(), take("wait").ok())
    }

    fn outside() -> String {
        signals::listen().unwrap();
        let_sum_up();
        raise(Signal::SIGINT).unwrap();
        format!("{:?} {:?}", pending(), take("wait").map_err(|fault| fault.to_string()))
    }

    #[test]
    fn the_first_ends_a_call_and_the_second_the_script() {
        assert_eq!(aside(told), "(false, false) (true, None, true, true, None, false) cannot send: interrupted (Some(Interrupt), false)");
        assert_eq!(aside(|| urgent(300, Signal::SIGINT)), "Some(Interrupt) None", "a second one, before the call has looked up");
        assert_eq!(aside(|| urgent(0, Signal::SIGTERM)), "Some(Interrupt) None", "whatever else comes is no second Ctrl-C");
        assert_eq!(aside(|| urgent(0, Signal::SIGINT)), "None Some(true)", "one key, told by the terminal and by the guardian");
        assert_eq!(aside(outside), "Some(Interrupt) Err(\"cannot wait: interrupted\")", "no call is under way");
    }
}
