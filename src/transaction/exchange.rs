//! Requests with their answers: sending them is one act.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{Door, Transaction};
use crate::kernel::raw::Desk;
use crate::model::link::Name;
use crate::model::packet::Packet;
use crate::model::raw::exchange::Sockets;
use crate::model::raw::reach;
use crate::model::{Fault, Kind, Origin};

impl Door {
    /// Opens the sockets for an exchange, after everything that is queued is written. That requests will be sent is an act: what was sent cannot be taken back.
    pub fn exchange(&self, requests: &[Packet], link: Option<&Name>, origin: &Origin) -> Result<Box<dyn Desk>, Fault> {
        self.lock().there(|it| it.exchange(requests, link, origin))
    }

    /// Gives the own end of packets to a host: the address that the routes choose, and a port that is free; in a plan both are open.
    pub fn own_end(&self, to: IpAddr, link: Option<&Name>) -> Result<SocketAddr, Fault> {
        self.lock().there(|it| {
            it.flush()?;
            it.kernel.own_end(to, link)
        })
    }
}

impl Transaction {
    fn exchange(&mut self, requests: &[Packet], link: Option<&Name>, origin: &Origin) -> Result<Box<dyn Desk>, Fault> {
        self.flush()?;
        let destinations: BTreeSet<IpAddr> = requests.iter().filter_map(reach::destination).collect();
        destinations.into_iter().try_for_each(|to| self.guard.reach(to, origin))?;
        let desk = self.desk(requests, link)?;
        let what = self.named_here(told(requests));
        self.ledger.act(&what, origin)?;
        self.acts.push(what);
        Ok(desk)
    }

    /// Opens raw sockets, or where that takes a capability that is missing, others.
    fn desk(&mut self, requests: &[Packet], link: Option<&Name>) -> Result<Box<dyn Desk>, Fault> {
        let refused = match self.kernel.desk(&Sockets::choose(requests, link)?) {
            Err(fault) if fault.kind == Kind::Permission => fault,
            opened => return opened,
        };
        let Some(unprivileged) = Sockets::unprivileged(requests, link) else { return Err(refused) };
        self.kernel.desk(&unprivileged).map_err(|other| match other.kind {
            Kind::Permission => {
                let hints: Vec<String> = [&refused.hint, &other.hint].into_iter().flatten().cloned().collect();
                let why = format!("{}, or a ping socket, and {}", refused.why, other.why);
                Fault::new(Kind::Permission, refused.tried, why).hint(hints.join("; "))
            }
            _ => other,
        })
    }
}

fn told(requests: &[Packet]) -> String {
    let first = requests.first().map(Packet::line).unwrap_or_default();
    match requests.len() {
        1 => format!("exchanged a packet: {first}"),
        many => format!("exchanged {many} packets: {first}, and {} more", many - 1),
    }
}
