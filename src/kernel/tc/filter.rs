//! The filters of a device, and the actions that filters share.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::{Duration, Instant};

use nix::net::if_::{if_nameindex, if_nametoindex};

use crate::kernel::errno;
use crate::kernel::named::Refusal;
use crate::kernel::netlink::message::Messages;
use crate::kernel::netlink::tc::filter::{self as wire, Listed};
use crate::kernel::netlink::tc::{Deed, Head, Noun, Order};
use crate::kernel::netlink::{Socket, Stopped};
use crate::model::named::Inventory;
use crate::model::tc::action::{self, Action, Links};
use crate::model::tc::filter::{Filter, Key, is_table};
use crate::model::tc::{Counted, Device, Handle, Object, Qdisc, State};
use crate::model::{self, Change, Fault};

/// The devices of this network namespace; they are listed when a name is asked for.
#[derive(Default)]
pub(super) struct Devices(OnceCell<Vec<(u32, String)>>);

impl Links for Devices {
    fn name(&self, index: u32) -> Option<String> {
        let list = || {
            let all = if_nameindex().ok();
            all.iter().flat_map(|all| all.iter()).map(|one| (one.index(), one.name().to_string_lossy().into_owned())).collect()
        };
        self.0.get_or_init(list).iter().find(|(other, _)| *other == index).map(|(_, name)| name.clone())
    }

    fn index(&self, name: &str) -> Option<u32> {
        if_nametoindex(name).ok()
    }
}

/// What is known of the filters of u32 of a device when some of them are changed.
#[derive(Default)]
pub(super) struct Roots {
    /// The first tables, by parent, chain and priority: the kernel numbers them as it likes.
    numbers: BTreeMap<(Handle, u32, u16), u32>,
    /// The filters that are there, and the tables that somebody made.
    filters: BTreeMap<Key, Filter>,
}

impl Roots {
    fn number(&self, key: &Key) -> Option<u32> {
        self.numbers.get(&(key.parent, key.chain, key.prio)).copied()
    }

    fn of_u32(&self) -> impl Iterator<Item = (&Key, &Filter)> {
        self.filters.iter().filter(|(_, filter)| filter.kind == "u32")
    }
}

/// Gives what may have filters: qdiscs, and each class.
pub(super) fn parents(inventory: &Inventory) -> Vec<Handle> {
    let of_qdisc = |qdisc: &Qdisc| match qdisc.kind.as_str() {
        "ingress" => vec![Handle::CLSACT_INGRESS],
        "clsact" => vec![Handle::CLSACT_INGRESS, Handle::CLSACT_EGRESS],
        // These ask no filters.
        "pfifo" | "bfifo" | "pfifo_fast" | "tbf" | "netem" | "noqueue" | "mq" => Vec::new(),
        _ => vec![qdisc.handle],
    };
    let of = |entry: (&model::Object, &model::State)| match entry {
        (_, model::State::Tc(State::Qdisc(qdisc))) => of_qdisc(qdisc),
        (model::Object::Tc(Object::Class(_, class)), _) => vec![*class],
        _ => Vec::new(),
    };
    inventory.iter().flat_map(of).collect()
}

/// Lists the filters that one qdisc or class asks, with the tables of u32.
fn list(socket: &mut Socket, link: u32, parent: Handle) -> io::Result<Vec<Listed>> {
    let mut listed: Vec<Listed> = Vec::new();
    let head = Head { link, parent, ..Head::default() };
    socket.list_tc(Noun::Filter, head, &mut |body| {
        // What has no handle only tells that there is such a priority.
        listed.extend(Listed::read(body).filter(|one| one.head.link == link && one.head.handle != Handle::NONE));
    })?;
    Ok(listed)
}

/// Reads what was counted of the filters that one qdisc or class asks, and that have actions: only these count.
pub(super) fn counted(socket: &mut Socket, device: &Device, link: u32, parent: Handle) -> io::Result<Vec<(Object, Counted)>> {
    let listed = list(socket, link, parent)?;
    let mut roots = BTreeMap::new();
    for one in listed.iter().filter(|one| one.kind == "u32" && is_table(one.head.handle.bits())) {
        roots.insert((one.chain, one.prio()), one.head.handle.bits());
    }
    let devices = Devices::default();
    let of = |one: Listed| {
        let counted = one.counted()?;
        let root = roots.get(&(one.chain, one.prio())).copied().unwrap_or(0);
        Some((Object::Filter(device.clone(), one.parts(parent, root, &devices).0), counted))
    };
    Ok(listed.into_iter().filter_map(of).collect())
}

/// Reads the filters that one qdisc or class asks.
pub(super) fn read(socket: &mut Socket, device: &Device, link: u32, parent: Handle, into: (&mut Inventory, &mut Roots)) -> io::Result<()> {
    let listed = list(socket, link, parent)?;
    let (inventory, roots) = into;
    // Of the tables of a priority the one that was there first is told last.
    for one in listed.iter().filter(|one| one.kind == "u32" && is_table(one.head.handle.bits())) {
        roots.numbers.insert((parent, one.chain, one.prio()), one.head.handle.bits());
    }
    let devices = Devices::default();
    for one in listed {
        let root = roots.numbers.get(&(parent, one.chain, one.prio())).copied().unwrap_or(0);
        if one.kind == "u32" && one.head.handle.bits() == root {
            continue;
        }
        let (key, mut filter) = one.parts(parent, root, &devices);
        filter.link = link;
        roots.filters.insert(key.clone(), filter.clone());
        inventory.insert(model::Object::Tc(Object::Filter(device.clone(), key)), model::State::Tc(State::Filter(Box::new(filter))));
    }
    Ok(())
}

/// Tells whether the number of a first table has to be known to make a change.
pub(super) fn needs_root(change: &Change) -> bool {
    let of = |state: &Option<model::State>| matches!(state, Some(model::State::Tc(State::Filter(filter))) if filter.kind == "u32");
    matches!(&change.object, model::Object::Tc(Object::Filter(..))) && of(&change.before) && !change.is_claim()
}

/// The filters of u32 while some of them are changed. With the last one that looks at packets the kernel takes away its priority and the tables of that, if
/// the qdisc has no other priority of u32 (`u32_delete` of net/sched/cls_u32.c); those that nobody took away have to be made again.
pub(super) struct Last<'a> {
    roots: &'a HashMap<Device, Roots>,
    /// The filters that look at packets, by device and qdisc.
    left: HashMap<(&'a Device, u16), BTreeSet<Key>>,
    /// What is taken away, whether that is done yet or not.
    leaving: BTreeSet<(&'a Device, &'a Key)>,
}

impl<'a> Last<'a> {
    pub(super) fn of(changes: &'a [Change], roots: &'a HashMap<Device, Roots>) -> Self {
        let leaving = changes.iter().filter(|change| change.after.is_none()).filter_map(|change| match &change.object {
            model::Object::Tc(Object::Filter(device, key)) => Some((device, key)),
            _ => None,
        });
        let mut left: HashMap<(&Device, u16), BTreeSet<Key>> = HashMap::new();
        for (device, roots) in roots {
            for (key, _) in roots.of_u32().filter(|(key, _)| key.looks) {
                left.entry((device, key.parent.major())).or_default().insert(key.clone());
            }
        }
        Self { roots, left, leaving: leaving.collect() }
    }

    /// Follows a filter that is put in.
    pub(super) fn put(&mut self, device: &'a Device, key: &Key) {
        if key.looks {
            self.left.entry((device, key.parent.major())).or_default().insert(key.clone());
        }
    }

    /// Follows a filter that is taken out, and gives the tables that went with it and stay.
    pub(super) fn take(&mut self, device: &'a Device, key: &Key) -> Vec<(&'a Key, &'a Filter)> {
        let (left, major) = (self.left.entry((device, key.parent.major())).or_default(), key.parent.major());
        let was_last = left.remove(key) && left.is_empty();
        let Some(roots) = self.roots.get(device).filter(|_| was_last) else { return Vec::new() };
        let is_alone = roots.numbers.keys().filter(|(parent, ..)| parent.major() == major).count() == 1;
        let stays = |key: &Key| !key.looks && key.parent.major() == major && !self.leaving.contains(&(device, key));
        roots.of_u32().filter(|(key, _)| is_alone && stays(key)).collect()
    }
}

/// Gives the orders that take away priorities of u32 in which nothing is left, each behind the last change that took something out: the kernel does so
/// by itself only where there is no other one.
pub(super) fn emptied(changes: &[Change], roots: &HashMap<Device, Roots>, is_gone: &dyn Fn(&Object) -> bool) -> Vec<(usize, Order)> {
    let mut priorities: BTreeMap<(&Device, Key), (usize, u32)> = BTreeMap::new();
    let (mut out, mut into) = (BTreeSet::new(), BTreeSet::new());
    for (at, change) in changes.iter().enumerate() {
        let model::Object::Tc(object @ Object::Filter(device, key)) = &change.object else { continue };
        match (&change.before, &change.after) {
            (_, Some(_)) => drop(into.insert((device, key))),
            (Some(model::State::Tc(State::Filter(filter))), None) if filter.kind == "u32" && !is_gone(object) => {
                out.insert((device, key));
                priorities.insert((device, Key { looks: true, handle: 0, ..key.clone() }), (at, filter.link));
            }
            _ => {}
        }
    }
    let is_empty = |device: &Device, of: &Key| {
        let is_in = |key: &Key| (key.parent, key.chain, key.prio) == (of.parent, of.chain, of.prio);
        let stays = roots.get(device).is_none_or(|roots| roots.filters.keys().any(|key| is_in(key) && !out.contains(&(device, key))));
        !stays && !into.iter().any(|(other, key)| *other == device && is_in(key))
    };
    let order = |((device, key), (at, link)): ((&Device, Key), (usize, u32))| {
        is_empty(device, &key).then(|| (at, Order::priority(link, &key, "u32")))
    };
    priorities.into_iter().filter_map(order).collect()
}

/// Reads the actions of a kind.
pub(super) fn read_actions(socket: &mut Socket, kind: &str) -> io::Result<Inventory> {
    let devices = Devices::default();
    let sequence = socket.next_sequence();
    let mut question = Messages::new();
    wire::ask_actions(&mut question, sequence, kind);
    let mut found = Inventory::new();
    socket.dump(question.bytes(), sequence, &mut |message, body| {
        for action in wire::actions(message, body, &devices) {
            let key = action::Key::new(&action.kind, action.index());
            found.insert(model::Object::Action(key), model::State::Action(Box::new(action)));
        }
    })?;
    Ok(found)
}

/// How long the kernel may hold on to what a filter used that is gone: it lets go in a work queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells whether an order takes away a whole priority.
pub(super) fn is_priority(order: &Order) -> bool {
    order.noun == Noun::Filter && order.deed == Deed::Del && order.head.handle == Handle::NONE
}

/// Tells whether a change takes away what filters that are gone may still hold on to: a table, or an action that was shared.
pub(super) fn is_let_go_later(change: &Change) -> bool {
    let is_one = matches!(&change.object, model::Object::Action(_))
        || matches!(&change.object, model::Object::Tc(Object::Filter(_, key)) if !key.looks);
    is_one && change.after.is_none()
}

/// Sends orders, and once more for a while where the kernel says that something is in use, if that may pass.
pub(super) fn patiently(passes: bool, mut send: impl FnMut() -> io::Result<Option<Stopped>>) -> io::Result<Option<Stopped>> {
    let begun = Instant::now();
    loop {
        match send() {
            // With the last filter the kernel takes away the tables, too.
            Ok(Some(Stopped { refused, .. })) if passes && refused.errno == libc::ENOENT => return Ok(None),
            Ok(Some(Stopped { refused, .. }))
                if passes && [libc::EBUSY, libc::EPERM].contains(&refused.errno) && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            sent => return sent,
        }
    }
}

/// Makes changes of actions, in their order.
pub(super) fn write_actions(socket: &mut Socket, changes: &[(usize, &Change)]) -> Result<(), Refusal> {
    let devices = Devices::default();
    for (at, change) in changes {
        let mut odd = None;
        let sent = patiently(is_let_go_later(change), || {
            socket.order(1, |messages, _, sequence| match (&change.object, &change.before, &change.after) {
                (model::Object::Action(_), before, Some(model::State::Action(action))) => {
                    let deed = if before.is_some() { Deed::Replace } else { Deed::Add };
                    odd = wire::set_action(messages, sequence, deed, action, &devices).err();
                }
                (model::Object::Action(key), _, None) => wire::del_action(messages, sequence, &key.kind, key.index),
                _ => {}
            })
        });
        let fault = match (odd, sent) {
            (None, Ok(None)) => continue,
            (Some(fault), _) => fault,
            (None, Ok(Some(stopped))) => super::refusal::of(Some(change), &stopped.refused),
            (None, Err(error)) => errno::fault("change the actions", error),
        };
        return Err(Refusal { fault, at: *at });
    }
    Ok(())
}

/// Gives the orders that make a change of a filter.
pub(super) fn orders<'a>(
    (device, key): (&'a Device, &Key),
    states: (Option<&Filter>, Option<&Filter>),
    link: u32,
    (roots, last): (&Roots, &mut Last<'a>),
) -> Result<Vec<Order>, Fault> {
    let devices = Devices::default();
    let root = roots.number(key);
    let del = |filter: &Filter| Order::filter(Deed::Del, link, key, filter, root, &devices);
    let add = |filter: &Filter| Order::filter(Deed::Add, link, key, filter, None, &devices);
    match states {
        (None, None) => Ok(Vec::new()),
        (Some(before), Some(after)) if before.becomes(after) => Ok(vec![Order::filter(Deed::Change, link, key, after, root, &devices)?]),
        (before, after) => {
            let mut orders = Vec::new();
            if let Some(before) = before {
                orders.push(del(before)?);
                for (key, table) in last.take(device, key) {
                    orders.push(Order::filter(Deed::Add, link, key, table, None, &devices)?);
                }
            }
            if let Some(after) = after {
                orders.push(add(after)?);
                if after.kind == "u32" {
                    last.put(device, key);
                }
            }
            Ok(orders)
        }
    }
}

/// Reads the actions of a kind over a socket, as a fault says it.
pub(super) fn actions(socket: &mut Socket, kind: &str) -> Result<Inventory, Fault> {
    read_actions(socket, kind).or_else(|error| match error.raw_os_error() {
        // The kernel has no such kind, and so none of them is there.
        Some(libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP) => Ok(Inventory::new()),
        _ => Err(errno::fault(format!("read the actions of kind {kind}"), error)),
    })
}

/// What is looked at is never an action alone.
pub(super) fn of_action(change: &Change) -> Option<&Action> {
    match (&change.before, &change.after) {
        (_, Some(model::State::Action(action))) | (Some(model::State::Action(action)), None) => Some(action),
        _ => None,
    }
}
