//! Traffic control of one network namespace: what there is on a device, and changes of it, over rtnetlink(7).

mod filter;
mod refusal;
mod write;

use std::collections::HashMap;
use std::io;

use nix::errno::Errno;
use nix::net::if_::{if_nameindex, if_nametoindex};

use super::errno;
use super::named::Refusal;
use super::netlink::Socket;
use super::netlink::message::Messages;
use super::netlink::tc::{self as wire, Head, Noun, Order};
use super::netns::Netns;
use crate::model::named::Inventory;
use crate::model::tc::{Counted, Device, Handle, Kind, Object, Qdisc, Scope, State};
use crate::model::{self, Change, Fault};

/// How often a list is read until it is the same twice.
const READS: usize = 5;

/// The traffic control of a network namespace, over a socket that is opened when it is needed.
#[derive(Default)]
pub struct Live {
    socket: Option<Socket>,
    /// Kinds that are known to be there.
    kinds: Vec<Kind>,
}

impl Live {
    fn socket(&mut self) -> Result<&mut Socket, Fault> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open()?,
        };
        Ok(self.socket.insert(socket))
    }

    /// Reads what there is. What is not there is left out.
    pub fn read(&mut self, scope: &Scope) -> Result<Inventory, Fault> {
        match scope {
            Scope::Devices => devices(),
            Scope::Kind(kind) => self.probe(kind).map(|()| Inventory::new()),
            Scope::Distribution(name) => wire::tables::find(name).map(|_| Inventory::new()),
            Scope::Device(device) => self.on(device),
        }
    }

    /// Reads all that is on a device, until it is the same twice: these lists have no mark that tells of a change in the middle.
    fn on(&mut self, device: &Device) -> Result<Inventory, Fault> {
        let tried = || format!("read the qdiscs of {device}");
        let Some(link) = index(device).map_err(|error| errno::fault(tried(), error))? else { return Ok(Inventory::new()) };
        let mut last = None;
        for _ in 0..READS {
            let found = self.once(device, link).map_err(|error| errno::fault(tried(), error))?;
            match last.replace(found) {
                Some(before) if last.as_ref() == Some(&before) => return Ok(before),
                _ => {}
            }
        }
        Err(Fault::new(model::Kind::Busy, tried(), format!("somebody changes them all the time: {READS} lists were all different")))
    }

    /// Reads what was counted on a device, also of what the kernel put there by itself.
    pub fn counted(&mut self, device: &Device) -> Result<Vec<(Object, Counted)>, Fault> {
        let tried = || format!("read what was counted on {device}");
        let link = if_nametoindex(device.as_str()).map_err(|error| errno::fault(tried(), error))?;
        let (socket, mut found, head) = (self.socket()?, Vec::new(), Head { link, ..Head::default() });
        let listed = socket.list_tc(Noun::Qdisc, head, &mut |body| {
            let listed = wire::qdisc(body).filter(|listed| listed.head.link == link);
            found.extend(listed.map(|listed| (Object::Qdisc(device.clone(), listed.head.parent), listed.counted)));
        });
        listed.map_err(|error| errno::fault(tried(), error))?;
        let listed = socket.list_tc(Noun::Class, head, &mut |body| {
            let listed = wire::class(body).filter(|listed| listed.head.link == link);
            found.extend(listed.map(|listed| (Object::Class(device.clone(), listed.head.handle), listed.counted)));
        });
        listed.map_err(|error| errno::fault(tried(), error))?;
        let there = self.on(device)?;
        for parent in filter::parents(&there) {
            found.extend(filter::counted(self.socket()?, device, link, parent).map_err(|error| errno::fault(tried(), error))?);
        }
        Ok(found)
    }

    fn once(&mut self, device: &Device, link: u32) -> io::Result<Inventory> {
        self.once_with_roots(device, link).map(|(found, _)| found)
    }

    fn once_with_roots(&mut self, device: &Device, link: u32) -> io::Result<(Inventory, filter::Roots)> {
        let socket = self.socket().map_err(|fault| io::Error::other(fault.to_string()))?;
        let mut found = Inventory::new();
        let mut put = |object: Object, state: State| drop(found.insert(model::Object::Tc(object), model::State::Tc(state)));
        put(Object::Device(device.clone()), State::Link(link));
        let head = Head { link, ..Head::default() };
        let mut by_hand = false;
        let of_this = |listed: &Head| listed.link == link;
        socket.list_tc(Noun::Qdisc, head, &mut |body| {
            if let Some(listed) = wire::qdisc(body).filter(|listed| of_this(&listed.head)) {
                by_hand |= listed.what.kind.has_classes();
                // One without a handle is what the kernel puts there when nobody else does.
                if listed.what.handle != Handle::NONE {
                    put(Object::Qdisc(device.clone(), listed.head.parent), State::Qdisc(Box::new(listed.what)));
                }
            }
        })?;
        if by_hand {
            socket.list_tc(Noun::Class, head, &mut |body| {
                if let Some(listed) = wire::class(body).filter(|listed| of_this(&listed.head) && listed.what.kind.has_classes()) {
                    put(Object::Class(device.clone(), listed.head.handle), State::Class(Box::new(listed.what)));
                }
            })?;
        }
        let mut roots = filter::Roots::default();
        for parent in filter::parents(&found) {
            filter::read(socket, device, link, parent, (&mut found, &mut roots))?;
        }
        model::tc::tell_what_they_are_in(&mut found);
        Ok((found, roots))
    }

    /// Finds the numbers of the first tables of u32 on the devices where a change needs one, and what is beside it: a priority in which nothing is known
    /// to be would be taken away whole.
    fn roots(&mut self, changes: &[Change]) -> Result<HashMap<Device, filter::Roots>, Refusal> {
        let mut found = HashMap::new();
        for (at, change) in changes.iter().enumerate().filter(|(_, change)| filter::needs_root(change)) {
            let model::Object::Tc(object) = &change.object else { continue };
            let device = object.device();
            if found.contains_key(device) {
                continue;
            }
            let fault = |error| Refusal { fault: errno::fault(format!("read the filters of {device}"), error), at };
            // One that is gone is refused where its index is asked for.
            if let Some(link) = index(device).map_err(fault)? {
                found.insert(device.clone(), self.once_with_roots(device, link).map_err(fault)?.1);
            }
        }
        Ok(found)
    }

    /// Reads the actions of a kind that filters can share.
    pub fn actions(&mut self, kind: &str) -> Result<Inventory, Fault> {
        filter::actions(self.socket()?, kind)
    }

    /// Makes changes of actions, in their order.
    fn write_actions(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let is_action = |change: &Change| matches!(change.object, model::Object::Action(_)) && !change.is_claim();
        let mine: Vec<(usize, &Change)> = changes.iter().enumerate().filter(|(_, change)| is_action(change)).collect();
        if mine.is_empty() {
            return Ok(());
        }
        let socket = self.socket().map_err(|fault| Refusal { fault, at: mine[0].0 })?;
        filter::write_actions(socket, &mine)
    }

    /// Makes changes, in their order.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let is_action = |change: &Change| matches!(change.object, model::Object::Action(_));
        let mut first = 0;
        // What is shared is there before those that use it, and goes after them.
        while let Some(change) = changes.get(first) {
            let part = changes[first..].iter().take_while(|other| is_action(other) == is_action(change)).count();
            let part = &changes[first..first + part];
            let done = if is_action(change) { self.write_actions(part) } else { self.write_queues(part) };
            done.map_err(|refusal| Refusal { at: first + refusal.at, ..refusal })?;
            first += part.len();
        }
        Ok(())
    }

    fn write_queues(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        let roots = self.roots(changes)?;
        let orders = write::orders(changes, &roots)?;
        let Some((at, _)) = orders.first() else { return Ok(()) };
        let socket = self.socket().map_err(|fault| Refusal { fault, at: *at })?;
        // What may still be in use for a while is taken away on its own.
        let waits = |(at, order): &(usize, Order)| {
            filter::is_priority(order) || order.deed == wire::Deed::Del && changes.get(*at).is_some_and(filter::is_let_go_later)
        };
        let mut rest = &orders[..];
        while let Some(order) = rest.first() {
            let count = if waits(order) { 1 } else { rest.iter().take_while(|order| !waits(order)).count() };
            let (part, behind) = rest.split_at(count);
            let sent = filter::patiently(waits(order), || {
                socket.order(part.len(), |messages, number, sequence| {
                    if let Some((_, order)) = part.get(number) {
                        order.write(messages, sequence);
                    }
                })
            });
            let at = |order: usize| part.get(order).map_or(0, |(at, _)| *at);
            match sent {
                Ok(None) => rest = behind,
                Ok(Some(stopped)) => {
                    let at = at(stopped.at);
                    return Err(Refusal { fault: refusal::of(changes.get(at), &stopped.refused), at });
                }
                Err(error) => return Err(Refusal { fault: errno::fault("change the qdiscs", error), at: at(0) }),
            }
        }
        Ok(())
    }

    /// Refuses a kind that the kernel does not have. Where that cannot be found out, nobody knows, and the kernel says so when it is told to use it.
    pub fn probe(&mut self, kind: &Kind) -> Result<(), Fault> {
        if self.kinds.contains(kind) {
            return Ok(());
        }
        match has(kind) {
            Some(false) => Err(lacks(kind)),
            Some(true) => {
                self.kinds.push(kind.clone());
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Says that the kernel does not have a kind, and what has it.
pub fn lacks(kind: &Kind) -> Fault {
    refusal::unknown(&format!("use the qdisc {kind}"), kind)
}

/// Finds out whether the kernel has a kind, in a network namespace that is made for it and goes again; nothing where none can be made.
pub fn has(kind: &Kind) -> Option<bool> {
    let wanted = kind.clone();
    let asked = Netns::create().ok()?.run(move || {
        let link = if_nametoindex("lo").map_err(|error| errno::fault("find lo", error))?;
        let place = if wanted.is_ingress() { Handle::INGRESS } else { Handle::ROOT };
        let order = Order::qdisc(wire::Deed::Add, place, &Qdisc { link, ..Qdisc::new(wanted, model::tc::Options::None) }, None)?;
        let sent = open()?.order(1, |messages: &mut Messages, _, sequence| order.write(messages, sequence));
        sent.map_err(|error| errno::fault("ask for a kind", error))
    });
    // Any other refusal, also that options are missing, comes from the kind itself.
    Some(!asked.ok()?.is_some_and(|stopped| refusal::is_unknown_kind(&stopped.refused)))
}

fn open() -> Result<Socket, Fault> {
    Socket::open(libc::NETLINK_ROUTE).map_err(|error| errno::fault("talk to the kernel over rtnetlink", error))
}

/// Gives the index of a device, if there is one: a question that fails is no answer.
fn index(device: &Device) -> io::Result<Option<u32>> {
    match if_nametoindex(device.as_str()) {
        Ok(index) => Ok(Some(index)),
        Err(Errno::ENODEV) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn devices() -> Result<Inventory, Fault> {
    let all = if_nameindex().map_err(|error| errno::fault("list the devices", error))?;
    let device = |one: &nix::net::if_::Interface| {
        let device = Device::listed(&one.name().to_string_lossy());
        (model::Object::Tc(Object::Device(device)), model::State::Tc(State::Link(one.index())))
    };
    Ok(all.iter().map(device).collect())
}
