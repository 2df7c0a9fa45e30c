//! The sets of the network namespace in which fyke runs.

use std::io;
use std::time::{Duration, Instant};

use super::{Ipset, Refusal, Source, refusal};
use crate::kernel::errno;
use crate::kernel::netlink;
use crate::model::ipset::{Definition, SetName, SetType, Sets, Step};
use crate::model::{Fault, Kind};

/// How long a set is waited for that is still in use, and how often it is tried. nf_tables lets go of it a while after its rule has gone:
/// a worker does that when all processors have passed by.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(4);

/// The sets of a network namespace, over a socket that is opened when it is needed.
#[derive(Default)]
pub struct Live {
    socket: Option<netlink::ipset::Ipset>,
    revisions: Vec<(SetType, u8)>,
}

impl Live {
    fn socket(&mut self) -> Result<&mut netlink::ipset::Ipset, Fault> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => netlink::ipset::Ipset::open().map_err(unavailable)?,
        };
        Ok(self.socket.insert(socket))
    }

    fn list(&mut self, names: Option<&[SetName]>, whole: bool) -> Result<Sets, Fault> {
        self.socket()?.list(names, whole).map_err(|error| errno::fault("list the sets", error))
    }

    /// Gives the latest revision that the kernel has of a type.
    fn revision(&mut self, tried: &str, definition: &Definition) -> Result<u8, Fault> {
        let kind = definition.kind;
        if let Some((_, known)) = self.revisions.iter().find(|(known, _)| *known == kind) {
            return Ok(*known);
        }
        let revision = self.socket()?.revision(definition).map_err(|error| {
            let fault = errno::fault(tried, error);
            if fault.kind == Kind::Permission { fault } else { refusal::unknown_type(tried, kind) }
        })?;
        self.revisions.push((kind, revision));
        Ok(revision)
    }

    /// Does some of the steps, at least one, and gives their number.
    fn some(&mut self, steps: &[Step]) -> Result<usize, Refusal> {
        let tried = |done: usize| steps.get(done).map_or_else(|| "change sets".to_owned(), ToString::to_string);
        let revision = match steps.first() {
            Some(Step::Create(_, definition)) => Some(self.revision(&tried(0), definition)?),
            _ => None,
        };
        let socket = self.socket()?;
        let begun = Instant::now();
        let stopped = loop {
            match socket.order(steps, revision).map_err(|error| errno::fault(tried(0), error))? {
                Ok(taken) => return Ok(taken),
                Err(stopped) if refusal::may_pass(steps.get(stopped.done), stopped.errno) && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(stopped) => break stopped,
            }
        };
        let Some(step) = steps.get(stopped.done) else {
            return Err(Fault::new(Kind::System, tried(0), "the kernel's answer is not understood").into());
        };
        let kind = match step {
            Step::Create(_, definition) => definition.kind.name().to_owned(),
            _ => socket.kind(step.set()).unwrap_or_default(),
        };
        Err(Refusal { fault: refusal::fault(step, &kind, stopped.errno), done: stopped.done })
    }
}

fn unavailable(error: io::Error) -> Fault {
    let fault = errno::fault("talk to the kernel about sets", error);
    match fault.kind {
        Kind::Permission => fault,
        _ => Fault { kind: Kind::Unsupported, ..fault }.hint("this kernel needs ip_set: see `modprobe ip_set`"),
    }
}

impl Source for Live {
    fn read(&mut self, names: Option<&[SetName]>) -> Result<Sets, Fault> {
        self.list(names, true)
    }

    fn definitions(&mut self, names: Option<&[SetName]>) -> Result<Sets, Fault> {
        self.list(names, false)
    }
}

impl Ipset for Live {
    fn write(&mut self, steps: &[Step]) -> Result<(), Refusal> {
        let mut done = 0;
        while let Some(rest) = steps.get(done..).filter(|rest| !rest.is_empty()) {
            done += self.some(rest).map_err(|refusal| Refusal { done: done + refusal.done, ..refusal })?.max(1);
        }
        Ok(())
    }
}
