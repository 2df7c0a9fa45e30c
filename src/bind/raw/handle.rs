//! A socket, as scripts hold it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rhai::NativeCallContext;

use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::raw::{Received, Report, Spec, Way};
use crate::transaction::Door;
use crate::transaction::raw::Id;

/// A socket for packets; it is closed when the last value that holds it is gone.
#[derive(Clone)]
pub struct Socket(Arc<Open>);

struct Open {
    door: Door,
    id: Id,
    way: Way,
    waiting: Mutex<Waiting>,
}

/// What was received with something else, and is yet to be asked for.
#[derive(Default)]
struct Waiting {
    packets: VecDeque<Received>,
    reports: Vec<Report>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.door.close_raw(self.id);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.way, f)
    }
}

impl Socket {
    /// Opens a socket.
    pub(super) fn open(door: Door, spec: &Spec) -> Result<Self, Fault> {
        let id = door.open_raw(spec)?;
        Ok(Self(Arc::new(Open { door, id, way: spec.way.clone(), waiting: Mutex::default() })))
    }

    /// Closes it.
    pub(super) fn close(&self) {
        self.0.door.close_raw(self.0.id);
    }

    /// Gives the door through which it was opened, as whoever calls just now may use it: what a plan opens stays its own.
    pub(in crate::bind) fn door_of(&self, ctx: &NativeCallContext) -> Answer<Door> {
        Ok(self.0.door.as_used_by(&call::door(ctx)?))
    }

    /// Gives the number that the door knows it by.
    pub(in crate::bind) fn id(&self) -> Id {
        self.0.id
    }

    /// Tells what kind of socket it is.
    pub(in crate::bind) fn way(&self) -> &Way {
        &self.0.way
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives the next packet; none when the time is over.
    pub(super) fn next(&self, door: &Door, patience: Duration) -> Result<Option<Received>, Fault> {
        if !self.waiting().packets.is_empty() {
            door.may_receive_raw()?;
            return Ok(self.waiting().packets.pop_front());
        }
        let begun = std::time::Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let is_over = !self.receive(door, 1, left)?;
            match self.waiting().packets.pop_front() {
                None if is_over => return Ok(None),
                None => {}
                packet => return Ok(packet),
            }
        }
    }

    /// Receives what comes, and keeps it until it is asked for; tells whether something came.
    fn receive(&self, door: &Door, most: usize, patience: Duration) -> Result<bool, Fault> {
        let batch = door.receive_raw(self.id(), most, patience)?;
        let came = !batch.is_empty();
        let mut waiting = self.waiting();
        waiting.reports.extend(batch.reports);
        waiting.packets.extend(batch.packets);
        Ok(came)
    }

    /// Takes what was reported about packets that were sent.
    pub(super) fn reports(&self, door: &Door) -> Result<Vec<Report>, Fault> {
        match self.way() {
            Way::Ping { .. } => drop(self.receive(door, usize::from(u8::MAX), Duration::ZERO)?),
            _ => door.may_receive_raw()?,
        }
        Ok(std::mem::take(&mut self.waiting().reports))
    }
}
