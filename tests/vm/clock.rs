//! The time of a run is counted from the boot: whoever sets the clock moves no deadline.

use super::features::does;
use std::thread::sleep;
use std::time::Duration;

use super::{Tests, tests};
use crate::kernel::confirm::{now, set};
use crate::kernel::world::{World, until};

pub(super) const TESTS: Tests = tests! {
    deadlines_stay_when_the_clock_is_set
    what_is_confirmed_in_time_stays_when_the_clock_is_set
};

/// What the clock is set to: a day ahead and a day back, in seconds.
const SHIFTS: [i64; 2] = [86_400, -86_400];

/// Sets the clock of the guest for as long as something is done.
fn with_clock_moved(seconds: i64, done: impl FnOnce()) {
    let (begun, at) = (now(), does("date +%s").trim().parse::<i64>().unwrap());
    does(&format!("date -s @{}", at + seconds));
    done();
    does(&format!("date -s @{}", at + (now() - begun) / 1000));
}

/// Sees to it that all rules of these tests are gone at a deadline: not before, and little later.
#[track_caller]
fn are_lifted_at(world: &World, deadline: i64) {
    sleep(Duration::from_millis(u64::try_from(deadline - now() - 300).unwrap()));
    assert!(!world.rules("iptables", "INPUT").is_empty(), "lifted too early");
    until("the lifting", || world.rules("iptables", "INPUT").is_empty());
    let late = now() - deadline;
    assert!((0..1_000).contains(&late), "lifted {late} ms after the deadline");
}

fn deadlines_stay_when_the_clock_is_set(world: &World) {
    for shift in SHIFTS {
        for flag in ["--confirm", "--for"] {
            let (_, deadline) = set(world, flag, "30s");
            with_clock_moved(shift, || {
                let history = world.fyke_well(&["history"]).out;
                let seconds = history.split(" s left").next().and_then(|text| text.rsplit([' ', '(']).next()?.parse::<i64>().ok());
                assert!(seconds.is_some_and(|seconds| (20..=30).contains(&seconds)), "{history}");
                are_lifted_at(world, deadline);
            });
        }
    }
}

fn what_is_confirmed_in_time_stays_when_the_clock_is_set(world: &World) {
    for shift in SHIFTS {
        let (run, deadline) = set(world, "--confirm", "30s");
        with_clock_moved(shift, || {
            world.fyke_well(&["confirm", &run]);
            sleep(Duration::from_millis(u64::try_from(deadline - now() + 3_000).unwrap()));
            assert_eq!(world.rules("iptables", "INPUT").len(), 1);
        });
        world.undo();
    }
}
