//! Packets that are sent and received: sending is an act, of which the journal has one entry for many packets of a kind.

mod stream;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Door, Transaction};
use crate::kernel::process::enough;
use crate::kernel::raw::Wire;
use crate::model::link::Scope;
use crate::model::named::Scope as Named;
use crate::model::raw::{Batch, Opt, Outgoing, Setting, Spec, Way, reach};
use crate::model::{Fault, Kind, Object, Origin, link};

/// As many kinds of packets of one socket are named in the journal; the others are told together.
const NAMED: usize = 20;

/// The number by which an open socket is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(u64);

/// The sockets that a run has open.
#[derive(Default)]
pub(super) struct Wires {
    open: BTreeMap<Id, Open>,
    last: u64,
}

/// A socket with what was sent through it.
struct Open {
    way: Way,
    wire: Box<dyn Wire>,
    sent: Vec<Sent>,
}

/// Packets of a kind, with their entry among the acts of the run.
struct Sent {
    what: String,
    count: u64,
    at: usize,
}

impl Sent {
    fn told(&self, way: &Way) -> String {
        let Self { what, count, .. } = self;
        let many = if *count == 1 { "a packet".to_owned() } else { format!("{count} packets") };
        format!("sent {many} of {what} through a {way}")
    }
}

impl Door {
    /// Opens a socket for packets, after everything that is queued is written.
    pub fn open_raw(&self, spec: &Spec) -> Result<Id, Fault> {
        self.lock().there(|it| {
            it.permit_raw(None)?;
            it.open_raw(spec)
        })
    }

    /// Closes a socket; one that is closed stays so.
    pub fn close_raw(&self, id: Id) {
        self.lock().wires.open.remove(&id);
    }

    /// Sends a packet, after everything that is queued is written, and tells when, since 1970. It is an act: what was sent cannot be taken back.
    pub fn send_raw(&self, id: Id, packet: &Outgoing, origin: &Origin) -> Result<Duration, Fault> {
        self.lock().there(|it| {
            it.permit_raw(Some(origin))?;
            it.send_raw(id, packet, origin)
        })
    }

    /// Receives what has come, up to so many packets; waits until something comes, or the time is over. Only the network knows it: a plan ends there.
    pub fn receive_raw(&self, id: Id, most: usize, patience: Duration) -> Result<Batch, Fault> {
        self.lock().there(|it| {
            it.permit_raw(None)?;
            it.flush()?;
            let open = it.wires.get(id)?;
            open.way.may_receive()?;
            open.wire.receive(most, patience)
        })
    }

    /// Refuses what was received already to whoever may not receive it.
    pub fn may_receive_raw(&self) -> Result<(), Fault> {
        self.lock().permit_raw(None)
    }

    /// Sets an option of a socket.
    pub fn set_raw(&self, id: Id, setting: Setting) -> Result<(), Fault> {
        let mut transaction = self.lock();
        transaction.permit_raw(None)?;
        let open = transaction.wires.get(id)?;
        setting.option.fits(&open.way)?;
        open.wire.set(setting)
    }

    /// Reads an option of a socket.
    pub fn get_raw(&self, id: Id, option: Opt) -> Result<i64, Fault> {
        let mut transaction = self.lock();
        let open = transaction.wires.get(id)?;
        option.fits(&open.way)?;
        open.wire.get(option)
    }

    /// Tells how many packets the kernel has dropped for want of room.
    pub fn drops_raw(&self, id: Id) -> Result<u64, Fault> {
        self.lock().wires.get(id)?.wire.drops()
    }

    /// Gives the address from which packets to another one are sent.
    pub fn source_raw(&self, id: Id, to: IpAddr) -> Result<IpAddr, Fault> {
        self.lock().there(|it| {
            it.flush()?;
            it.wires.get(id)?.wire.source(to)
        })
    }
}

impl Wires {
    fn get(&mut self, id: Id) -> Result<&mut Open, Fault> {
        self.open.get_mut(&id).ok_or_else(|| Fault::input("use a socket", "it is closed"))
    }
}

/// Says of a refusal what it is of, where that is told beside a plan.
pub(super) fn foretold(refused: Fault) -> Fault {
    Fault { why: format!("cannot {}: {}", refused.tried, refused.why), ..refused }
}

impl Transaction {
    fn open_raw(&mut self, spec: &Spec) -> Result<Id, Fault> {
        self.flush()?;
        let way = &spec.way;
        spec.settings.iter().try_for_each(|setting| setting.option.fits(way))?;
        let named = if let Way::Packet { link, .. } = way { Some(link) } else { spec.link.as_ref() };
        if let Some(name) = named {
            let links = self.named.read(&Named::Link(Scope::Links), self.kernel.named())?;
            let is_it = |object: &Object| matches!(object, Object::Link(link::Object::Link(dev)) if dev.name == *name);
            if !links.keys().any(is_it) {
                return Err(Fault::new(Kind::NotFound, format!("open a {way}"), format!("there is no link {name} here")));
            }
        }
        if let Some(refused) = self.kernel.would_refuse(way) {
            self.guard.tell(foretold(refused));
        }
        let wire = self.kernel.raw(spec)?;
        self.wires.last += 1;
        let id = Id(self.wires.last);
        self.wires.open.insert(id, Open { way: way.clone(), wire, sent: Vec::new() });
        Ok(id)
    }

    fn send_raw(&mut self, id: Id, packet: &Outgoing, origin: &Origin) -> Result<Duration, Fault> {
        self.flush()?;
        let way = self.wires.get(id)?.way.clone();
        self.may_go(packet, &way, origin)?;
        self.enter_sent(id, &packet.what, 1, origin)?;
        self.wires.get(id)?.wire.send(packet)
    }

    /// Decides about where a packet goes: by what the kernel is told, and by what it says itself.
    fn may_go(&mut self, packet: &Outgoing, way: &Way, origin: &Origin) -> Result<(), Fault> {
        reach::stops_of(packet, way).into_iter().try_for_each(|to| self.guard.reach(to, origin))
    }

    /// Writes down that packets are sent: the first of a kind in the journal, all of them among the acts.
    fn enter_sent(&mut self, id: Id, what: &str, count: u64, origin: &Origin) -> Result<(), Fault> {
        enough::over("send anything more")?;
        let here = self.named_here(String::new());
        let Self { wires, ledger, acts, .. } = self;
        let Open { way, sent, .. } = wires.get(id)?;
        let what = match sent.iter().any(|sent| sent.what == what) || sent.len() < NAMED {
            true => what.to_owned(),
            false => "other kinds, or to other addresses,".to_owned(),
        };
        let at = sent.iter().position(|sent| sent.what == what);
        let entry = match at {
            Some(at) => &mut sent[at],
            None => {
                ledger.act(&format!("sent packets of {what} through a {way}{here}"), origin)?;
                sent.push(Sent { what, count: 0, at: usize::MAX });
                let last = sent.len() - 1;
                &mut sent[last]
            }
        };
        let before = format!("{}{here}", entry.told(way));
        entry.count += count;
        let told = format!("{}{here}", entry.told(way));
        // Its entry is the old one, unless what was done up to now has been told.
        match acts.get_mut(entry.at).filter(|act| **act == before) {
            Some(act) => *act = told,
            None => {
                entry.count = count;
                entry.at = acts.len();
                acts.push(format!("{}{here}", entry.told(way)));
            }
        }
        Ok(())
    }
}
