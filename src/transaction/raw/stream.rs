//! Many packets at once: sent as copies of one, or captured.

use super::Id;
use crate::kernel::raw::Step;
use crate::model::raw::{Limits, Outgoing, Sent, Spec, Template, Way};
use crate::model::{Fault, Kind, Origin};
use crate::transaction::{Door, Transaction};

impl Door {
    /// Sends packets like one, each with some fields of its own, until a limit is reached, after everything that is queued is written. It is one act,
    /// however many they are. A plan lists it and ends there.
    pub fn stream_raw(
        &self,
        id: Id,
        packet: &Outgoing,
        template: Template,
        limits: &Limits,
        news: &mut dyn FnMut(&Sent),
        origin: &Origin,
    ) -> Result<Sent, Fault> {
        self.lock().there(|it| {
            it.permit_raw(Some(origin))?;
            it.stream_raw(id, packet, template, limits, news, origin)
        })
    }

    /// Begins to capture, after everything that is queued is written: from here on nothing is missed. A file that is written is an act.
    pub fn capture_raw(&self, spec: &Spec, limits: &Limits, file: Option<&str>, origin: &Origin) -> Result<Id, Fault> {
        self.lock().there(|it| {
            it.permit_raw(Some(origin))?;
            it.capture_raw(spec, limits, file, origin)
        })
    }

    /// Goes on with a capture for a short time, or until there are as many packets as are wanted.
    pub fn capture_on(&self, id: Id, want: usize) -> Result<Step, Fault> {
        self.lock().there(|it| {
            it.flush()?;
            it.wires.get(id)?.wire.capture(want)
        })
    }
}

impl Transaction {
    fn stream_raw(
        &mut self,
        id: Id,
        packet: &Outgoing,
        template: Template,
        limits: &Limits,
        news: &mut dyn FnMut(&Sent),
        origin: &Origin,
    ) -> Result<Sent, Fault> {
        self.flush()?;
        let way = self.wires.get(id)?.way.clone();
        self.may_go(packet, &way, origin)?;
        if self.guard.bounds_reach() {
            template.destinations()?.into_iter().try_for_each(|to| self.guard.reach(to, origin))?;
        }
        let open = self.wires.get(id)?;
        let what = format!("up to {} packets of {} through a {}", limits.count, packet.what, open.way);
        self.ledger.act(&self.named_here(format!("sent {what}")), origin)?;
        let outcome = self.wires.get(id)?.wire.stream(packet, template, limits, news);
        let told = match &outcome {
            Ok(sent) => format!("sent {} packets of {} through a {}", sent.packets, packet.what, self.wires.get(id)?.way),
            Err(_) => format!("sent {what}"),
        };
        let told = self.named_here(told);
        self.acts.push(told);
        outcome
    }

    fn capture_raw(&mut self, spec: &Spec, limits: &Limits, file: Option<&str>, origin: &Origin) -> Result<Id, Fault> {
        if !matches!(spec.way, Way::Packet { cooked: false, .. } | Way::Every) {
            return Err(Fault::new(Kind::Input, format!("capture through a {}", spec.way), "frames are captured through packet sockets"));
        }
        let place = file.map(|path| self.place(path, origin)).transpose()?.flatten();
        let id = self.open_raw(spec)?;
        if let Some(path) = file {
            let what = format!("wrote {path:?}");
            self.ledger.act(&what, origin)?;
            self.acts.push(what);
        }
        let found = place.map(|found| found.handle().display().to_string());
        self.wires.get(id)?.wire.begin_capture(limits, found.as_deref().or(file))?;
        Ok(id)
    }
}
