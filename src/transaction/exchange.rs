//! Requests with their answers: sending them is one act.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::raw::foretold;
use super::{Door, Transaction};
use crate::kernel::raw::Desk;
use crate::model::link::Name;
use crate::model::packet::Packet;
use crate::model::packet::exchange::Outcome;
use crate::model::raw::exchange::Sockets;
use crate::model::raw::{Query, reach};
use crate::model::{Fault, Kind, Origin};

impl Door {
    /// Opens the sockets for an exchange, after everything that is queued is written. That requests will be sent is an act: what was sent cannot be taken back.
    pub fn exchange(&self, requests: &[Packet], link: Option<&Name>, origin: &Origin) -> Result<Box<dyn Desk>, Fault> {
        self.lock().there(|it| {
            it.permit_raw(Some(origin))?;
            it.exchange(requests, link, origin)
        })
    }

    /// Tells an exchange by what was sent of it, where it has ended early.
    pub fn sent_less(&self, requests: &[Packet], sent: usize) {
        let mut it = self.lock();
        let (all, less) = (told(requests, None), told(requests, Some(sent)));
        let (all, less) = (it.named_here(all), it.named_here(less));
        it.acts.iter_mut().rev().find(|act| **act == all).into_iter().for_each(|act| act.clone_from(&less));
    }

    /// Asks a server over a connection, after everything that is queued is written. It is an act: what was asked cannot be taken back.
    pub fn query(&self, query: &mut Query, origin: &Origin) -> Result<Outcome, Fault> {
        self.lock().there(|it| {
            it.permit_raw(Some(origin))?;
            it.query(query, origin)
        })
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
        let destinations: BTreeSet<IpAddr> = requests.iter().flat_map(reach::stops).collect();
        destinations.into_iter().try_for_each(|to| self.guard.reach(to, origin))?;
        let desk = self.desk(requests, link)?;
        let what = self.named_here(told(requests, None));
        self.ledger.act(&what, origin)?;
        self.acts.push(what);
        Ok(desk)
    }

    fn query(&mut self, query: &mut Query, origin: &Origin) -> Result<Outcome, Fault> {
        self.flush()?;
        self.guard.reach(query.server, origin)?;
        let what = self.named_here(format!("asked {} by TCP: {}", query.server, query.line()));
        self.ledger.act(&what, origin)?;
        self.acts.push(what);
        self.kernel.query(query)
    }

    /// Opens raw sockets, or where that takes a capability that is missing, others.
    fn desk(&mut self, requests: &[Packet], link: Option<&Name>) -> Result<Box<dyn Desk>, Fault> {
        let chosen = Sockets::choose(requests, link)?;
        let unprivileged = || Sockets::unprivileged(requests, link);
        let refused = match self.kernel.desk(&chosen) {
            Err(fault) if fault.kind == Kind::Permission => fault,
            Err(fault) => return Err(fault),
            Ok(desk) => {
                self.foretell(&chosen, unprivileged());
                return Ok(desk);
            }
        };
        let Some(unprivileged) = unprivileged() else { return Err(refused) };
        self.kernel.desk(&unprivileged).map_err(|other| match other.kind {
            Kind::Permission => neither(refused, &other),
            _ => other,
        })
    }

    /// Tells beside a plan what is in the way of the sockets of a run, and of the others as well, if there are others.
    fn foretell(&mut self, chosen: &Sockets, unprivileged: Option<Sockets>) {
        let mut refused = |chosen: &Sockets| chosen.specs.iter().find_map(|spec| self.kernel.would_refuse(&spec.way));
        let fault = match (refused(chosen), unprivileged) {
            (Some(fault), Some(other)) => refused(&other).map(|other| neither(fault, &other)),
            (fault, _) => fault,
        };
        fault.into_iter().for_each(|fault| self.guard.tell(foretold(fault)));
    }
}

/// Makes one fault of two kinds of sockets that may not be opened.
fn neither(refused: Fault, other: &Fault) -> Fault {
    let hints: Vec<String> = [&refused.hint, &other.hint].into_iter().flatten().cloned().collect();
    let why = format!("{}, or a ping socket, and {}", refused.why, other.why);
    Fault::new(Kind::Permission, refused.tried, why).hint(hints.join("; "))
}

/// Tells an exchange: which packets with whom, and how many of them were sent if not all.
fn told(requests: &[Packet], sent: Option<usize>) -> String {
    let (mut kinds, mut hosts) = (BTreeSet::new(), Vec::new());
    for request in requests {
        let found = request.layers();
        kinds.extend(found.layers.last().map(|layer| layer.protocol.name));
        let asked = found.layer("arp").and_then(|layer| layer.read(&request.bytes, "dst")?.address());
        hosts.extend(asked.or_else(|| reach::destination(request)).filter(|host| hosts.last() != Some(host)));
    }
    let many = if requests.len() == 1 { "a packet".to_owned() } else { format!("{} packets", requests.len()) };
    let with = hosts.first().map(|first| format!(" with {first}")).unwrap_or_default();
    let others = match hosts.iter().collect::<BTreeSet<_>>().len() {
        0 | 1 => String::new(),
        2 => " and another host".to_owned(),
        hosts => format!(" and {} other hosts", hosts - 1),
    };
    let many = sent.map_or(many.clone(), |sent| format!("{sent} of {many}"));
    format!("exchanged {many} of {}{with}{others}", kinds.into_iter().collect::<Vec<_>>().join(" and "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::packet::{Draft, Stack, Value, named};

    fn packet(below: &str, name: &str, dst: &str) -> Packet {
        let layer = |name: &str, given: Vec<(String, Value)>| Draft::new(named(name).unwrap(), given).unwrap();
        let to = vec![("dst".to_owned(), Value::text(dst))];
        let layers = match below {
            "ethernet" => vec![layer(below, Vec::new()), layer(name, to)],
            _ => vec![layer(below, to), layer(name, Vec::new())],
        };
        Stack { layers, payload: Vec::new() }.build().unwrap()
    }

    #[test]
    fn an_exchange_is_told_in_a_line() {
        let arp = |last: u8| packet("ethernet", "arp", &format!("10.0.0.{last}"));
        let told = |requests: &[Packet]| super::told(requests, None);
        assert_eq!(told(&[arp(1)]), "exchanged a packet of arp with 10.0.0.1");
        assert_eq!(told(&[arp(1), arp(2)]), "exchanged 2 packets of arp with 10.0.0.1 and another host");
        assert_eq!(told(&(1..=9).map(arp).collect::<Vec<_>>()), "exchanged 9 packets of arp with 10.0.0.1 and 8 other hosts");
        assert_eq!(super::told(&[arp(1), arp(1)], Some(1)), "exchanged 1 of 2 packets of arp with 10.0.0.1");
        let both = [packet("ipv4", "tcp", "10.0.0.1"), packet("ipv4", "icmp", "10.0.0.1")];
        assert_eq!(told(&both), "exchanged 2 packets of icmp and tcp with 10.0.0.1");
    }
}
