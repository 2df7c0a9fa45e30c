//! Control groups, see cgroups(7): the groups of every hierarchy as folders, who is in them, and the programs that are attached to them.

pub mod bpf;
pub mod mounts;
pub mod probe;
mod tree;

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{errno, processes, sandbox};
use crate::model::cgroup::{ClassId, Group, Hierarchy, Object, Process, Scope, State, Way};
use crate::model::named::Inventory;
use crate::model::{Change, Fault, Kind, change};

/// How long a group is waited for in which somebody still is, and how often it is tried: a process that has ended stays in its group for a moment.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
/// The file of a class id.
const CLASS_ID: &str = "net_cls.classid";

/// Reads what there is. What is not there is left out.
pub fn read(scope: &Scope) -> Result<Inventory, Fault> {
    let mut found = Inventory::new();
    let mut put = |object, state| drop(found.insert(change::Object::Cgroup(object), change::State::Cgroup(state)));
    match scope {
        Scope::Place(process, hierarchy) => {
            let fail = |error| errno::fault(format!("find the cgroup of {process}"), error);
            // Looked at after it was read: then it was this process that was there.
            let place = tree::place(process.pid, hierarchy).map_err(fail)?;
            if let Some(group) = place
                && processes::is(process).map_err(fail)?
            {
                put(Object::Place(*process, hierarchy.clone()), State::In(group));
            }
        }
        Scope::Program(program) => {
            if let Some(folder) = tree::open(&program.group)? {
                put(Object::Group(program.group.clone()), State::Present);
                if bpf::is_attached(&folder, program)? {
                    put(Object::Program(program.clone()), State::Attached);
                }
            }
        }
        Scope::Group(group) => group_with_all(group, &mut put)?,
    }
    Ok(found)
}

fn group_with_all(group: &Group, put: &mut impl FnMut(Object, State)) -> Result<(), Fault> {
    let folder = match tree::open(group) {
        Ok(folder) => folder,
        // Where a hierarchy is not mounted there are no groups of it.
        Err(fault) if fault.kind == Kind::Unsupported => None,
        Err(fault) => return Err(fault),
    };
    if let Some(above) = group.parent().filter(|above| folder.is_some() || matches!(tree::open(above), Ok(Some(_)))) {
        put(Object::Group(above), State::Present);
    }
    let Some(folder) = folder else { return Ok(()) };
    put(Object::Group(group.clone()), State::Present);
    for name in tree::groups(&folder) {
        put(Object::Group(group.child(&name)), State::Present);
    }
    let fail = |error| errno::fault(format!("read the cgroup {group}"), error);
    for process in tree::members(&folder).map_err(fail)? {
        put(Object::Place(process, group.hierarchy().clone()), State::In(group.clone()));
    }
    if let Some(class) = tree::read(&folder, CLASS_ID).map_err(fail)?.and_then(|text| text.trim().parse().ok()) {
        put(Object::ClassId(group.clone()), State::ClassId(ClassId(class)));
    }
    Ok(())
}

/// Makes a change of a batch.
pub fn write(change: &Change, batch: &[Change]) -> Result<(), Fault> {
    let change::Object::Cgroup(object) = &change.object else { return Ok(()) };
    // What a run only relies on is there already; attached once more, a program would be there twice.
    if change.is_claim() {
        return Ok(());
    }
    if sandbox::is_entered() {
        let fault = Fault::new(Kind::Unsupported, format!("change the {object}"), "a sandbox shares the control groups of the machine");
        return Err(fault.hint("plan it, or run it without --sandbox"));
    }
    let after = change.after.as_ref().and_then(change::State::of_cgroups);
    match (object, after) {
        (Object::Group(group), Some(_)) => tree::make(group),
        (Object::Group(group), None) => remove(group, batch),
        (Object::Place(process, _), Some(State::In(group))) => put(process, group),
        (Object::ClassId(group), Some(State::ClassId(class))) => set_class(group, *class),
        // It ends with its group.
        (Object::ClassId(_), _) => Ok(()),
        (Object::Program(program), Some(_)) => bpf::attach(&tree::open_there(&program.group, &format!("attach the {program}"))?, program),
        (Object::Program(program), None) => tree::open(&program.group)?.map_or(Ok(()), |folder| bpf::detach(&folder, program)),
        (Object::Place(..), _) => Ok(()),
    }
}

/// Moves a process with all its threads. One that has ended meanwhile is nowhere, and that is fine: so it is with those that it has started.
fn put(process: &Process, group: &Group) -> Result<(), Fault> {
    let tried = format!("move {process} into the cgroup {group}");
    let folder = tree::open_there(group, &tried)?;
    let Some(held) = processes::hold(process).map_err(|error| errno::fault(&tried, error))? else { return Ok(()) };
    let moved = tree::write(&folder, "cgroup.procs", &process.pid.to_string());
    if !held.is_alive() {
        return Ok(());
    }
    moved.map_err(|error| not_moved(tried, &error))
}

fn not_moved(tried: String, error: &io::Error) -> Fault {
    let why = |kind, why: &str| Fault::new(kind, tried.clone(), why);
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        Errno::EBUSY => why(Kind::Refused, "its groups have controllers, so no process may be in it (cgroups(7), cgroup.subtree_control)"),
        Errno::EOPNOTSUPP => why(Kind::Refused, "it is a group of threads (cgroups(7), cgroup.type)"),
        Errno::EINVAL => why(Kind::Refused, "the kernel does not move it: it is a thread of the kernel's own"),
        Errno::EACCES | Errno::EPERM => why(Kind::Permission, "permission denied")
            .hint("it takes root of the machine, or a part of the tree that was delegated and that holds both groups"),
        other => tree::fault(tried, other),
    }
}

fn set_class(group: &Group, class: ClassId) -> Result<(), Fault> {
    let tried = format!("set the class id of the cgroup {group} to {class}");
    let folder = tree::open_there(group, &tried)?;
    tree::write(&folder, CLASS_ID, &class.0.to_string()).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT) => Fault::new(Kind::Unsupported, tried.clone(), "the groups of this hierarchy have none"),
        number => tree::fault(tried.clone(), Errno::from_raw(number.unwrap_or_default())),
    })?;
    match tree::read(&folder, CLASS_ID).ok().flatten().is_some_and(|text| text.trim() == class.0.to_string()) {
        true => Ok(()),
        false => Err(Fault::new(Kind::Refused, tried, "the kernel made another number of it")),
    }
}

/// Takes a group away. What was started in it by those that the batch moves out follows them.
fn remove(group: &Group, batch: &[Change]) -> Result<(), Fault> {
    let left = |change: &Change| match (&change.before, &change.after) {
        (Some(change::State::Cgroup(State::In(place))), Some(change::State::Cgroup(State::In(home)))) if place == group => {
            Some(home.clone())
        }
        _ => None,
    };
    let (home, begun) = (batch.iter().find_map(left), Instant::now());
    loop {
        match tree::remove(group) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EBUSY) if begun.elapsed() < PATIENCE => {
                if let (Some(home), Some(folder)) = (&home, tree::open(group)?) {
                    // What cannot be read now is tried again.
                    tree::members(&folder).unwrap_or_default().iter().try_for_each(|process| put(process, home))?;
                }
                sleep(PAUSE);
            }
            Err(error) => return Err(tree::fault(format!("take away the cgroup {group}"), error)),
        }
    }
}

/// Tells what is lacking for a way to block a group; none where nothing is. Whether iptables has its match, only a rule can tell.
pub fn lacks(way: Way) -> Option<Fault> {
    let mounted = |hierarchy: Hierarchy| mounts::find(&hierarchy).and_then(|mount| mount.open()).err();
    match way {
        Way::Bpf => mounted(Hierarchy::unified()).or_else(bpf::lacks),
        Way::Path => mounted(Hierarchy::unified()),
        Way::ClassId => mounted(Hierarchy::net_cls()),
    }
}

/// Tells which versions of control groups are in use: `v2`, `v1`, `hybrid` for both, or `none`.
pub fn version() -> &'static str {
    let mounted = mounts::all();
    let has = |version: u8| mounted.iter().any(|mount| mount.version == version && mounts::is_of_cgroups(&mount.point));
    match (has(1), has(2)) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

/// Lists the controllers of the unified hierarchy.
pub fn controllers() -> Vec<String> {
    let folder = tree::open(&Group::root(Hierarchy::unified())).ok().flatten();
    let text = folder.and_then(|folder| tree::read(&folder, "cgroup.controllers").ok().flatten()).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Lists the groups that are in a group, by their names; none where they cannot be read.
pub fn names(group: &Group) -> Vec<String> {
    tree::open(group).ok().flatten().map(|folder| tree::groups(&folder)).unwrap_or_default()
}

/// Lists the programs at a group: their numbers, their names, and the way of the packets that they are asked about.
pub fn programs(group: &Group) -> Result<Vec<(u32, String, &'static str)>, Fault> {
    let tried = format!("list the programs of the cgroup {group}");
    let folder = tree::open_there(group, &tried)?;
    let mut found = Vec::new();
    for direction in crate::model::cgroup::Direction::BOTH {
        let attached = bpf::attached(&folder, direction).map_err(|error| errno::fault(tried.clone(), error))?;
        found.extend(attached.into_iter().map(|(id, name)| (id, name, direction.name())));
    }
    Ok(found)
}
