//! fyke is killed at its system calls, and lied to: what is left is the state before or the state after, never one between.

mod calls;
mod rooms;
mod sweep;
mod tracer;

use self::rooms::{Room, room};
use self::sweep::{Stage, Tally, points, some};
use self::tracer::{Deed, Trace};
use crate::kernel::world::{World, on_both};

on_both! {
    killed_in_the_tables
    killed_in_ssh_rate_limit
    killed_in_a_rollback
}

fn killed_in_the_tables(world: &World) {
    kills(world, room("iptables"));
}

fn killed_in_ssh_rate_limit(world: &World) {
    kills(world, room("ssh-rate-limit"));
}

fn killed_in_a_rollback(world: &World) {
    kills(world, room("throws"));
}

/// Kills a run at its calls, and recovers.
fn kills(world: &World, room: &Room) {
    let stage = Stage::new(world, room);
    let whole = stage.trace(&stage.run(), None);
    assert_eq!((whole.hung, whole.said.code), (false, Some(room.code)), "{:?}", whole.said);
    stage.reset();
    for (deed, name) in [(Deed::KillAll, "all"), (Deed::Kill, "one")] {
        let mut tally = Tally::of(format!("{}, {}: kills of {name}", room.name, world.backend.name()));
        for point in some(points(&whole.calls), 40) {
            let trace = stage.trace(&stage.run(), Some((point, deed)));
            let verdict = recovered(&stage, &trace);
            tally.count(&trace, verdict);
            stage.reset();
        }
        tally.close();
    }
    stage.wipe();
}

/// Recovers from a kill. Gives whether all was done, or else nothing.
fn recovered(stage: &Stage<'_>, trace: &Trace) -> Result<bool, String> {
    let said = stage.fyke(&["recover"]);
    if said.code != Some(0) {
        return Err(format!("after {:?} recover said {said:?}", trace.said));
    }
    match stage.state() {
        state if state == stage.before => Ok(false),
        state if state == stage.after => Ok(true),
        state => Err(format!("between: after {:?} recover said {said:?}\n{state}", trace.said)),
    }
}
