//! What a script holds of a group: its path. What is in it, the door knows.

use rhai::{Array, Dynamic, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::process::handle::Process;
use crate::model::cgroup::{self, Group as Path, Hierarchy};
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::{Fault, Inventory, Kind, Object, State};
use crate::transaction::{Around, Query, Reading, Seen};

/// A control group.
#[derive(Clone, Debug)]
pub struct Group {
    pub(in crate::bind) path: Path,
}

impl Group {
    /// Points at a group, which may be there or not.
    pub(super) fn named(ctx: &NativeCallContext, path: &str) -> Answer<Self> {
        Ok(Self { path: path.parse().map_err(|f| call::fault(ctx, f))? })
    }

    /// Gives the group as an object.
    pub(super) fn object(&self) -> Object {
        Object::Cgroup(cgroup::Object::Group(self.path.clone()))
    }

    /// Reads the group, with everything that is queued on top.
    fn read(&self, ctx: &NativeCallContext) -> Answer<Inventory> {
        let scope = Scope::Cgroup(cgroup::Scope::Group(self.path.clone()));
        match call::door(ctx)?.read(Query::Named(scope)).map_err(|f| call::fault(ctx, f))? {
            Reading::Named(found) => Ok(found),
            _ => Ok(Inventory::new()),
        }
    }

    /// Tells whether it is there.
    pub(super) fn is_there(&self, ctx: &NativeCallContext) -> Answer<bool> {
        Ok(self.read(ctx)?.contains_key(&self.object()))
    }

    /// Reads what is in it; it has to be there.
    pub(super) fn inside(&self, ctx: &NativeCallContext) -> Answer<Inventory> {
        let found = self.read(ctx)?;
        match found.contains_key(&self.object()) {
            true => Ok(found),
            false => Err(self.missing(ctx)),
        }
    }

    fn missing(&self, ctx: &NativeCallContext) -> Box<rhai::EvalAltResult> {
        let fault = Fault::new(Kind::NotFound, format!("use the cgroup {}", self.path), "there is no such group");
        let near: Vec<String> = self.path.parent().map(|path| Self { path }.groups(ctx).unwrap_or_default()).unwrap_or_default();
        let hint = did_you_mean(&self.path.to_string(), near.iter().map(String::as_str));
        call::fault(ctx, fault.hint(hint.unwrap_or_else(|| "`cgroup::ensure_group(path)` makes one".to_owned())))
    }

    /// Lists the groups in it, by their paths.
    pub(super) fn groups(&self, ctx: &NativeCallContext) -> Answer<Vec<String>> {
        let found = self.inside(ctx)?;
        let path = |object: &Object| match object {
            Object::Cgroup(cgroup::Object::Group(other)) if other.parent().as_ref() == Some(&self.path) => Some(other.to_string()),
            _ => None,
        };
        Ok(found.keys().filter_map(path).collect())
    }

    /// Lists the processes in it.
    pub(super) fn members(&self, ctx: &NativeCallContext) -> Answer<Vec<cgroup::Process>> {
        let found = self.inside(ctx)?;
        let member = |(object, state): (&Object, &State)| match (object, state.of_cgroups()) {
            (Object::Cgroup(cgroup::Object::Place(process, _)), Some(cgroup::State::In(place))) if *place == self.path => Some(*process),
            _ => None,
        };
        Ok(found.iter().filter_map(member).collect())
    }

    /// Gives its class id, if groups of its hierarchy have one.
    pub(super) fn class(&self, ctx: &NativeCallContext) -> Answer<Option<cgroup::ClassId>> {
        let found = self.inside(ctx)?;
        match found.get(&self.class_object()).and_then(State::of_cgroups) {
            Some(cgroup::State::ClassId(class)) => Ok(Some(*class)),
            _ => Ok(None),
        }
    }

    /// Gives its class id as an object.
    pub(super) fn class_object(&self) -> Object {
        Object::Cgroup(cgroup::Object::ClassId(self.path.clone()))
    }

    /// Queues an edit of a program for packets in both directions.
    pub(super) fn program(&self, ctx: &NativeCallContext, filter: &cgroup::Filter, edit: impl Fn(Object) -> Edit) -> Answer<()> {
        let group = &self.path;
        if !group.hierarchy().is_unified() {
            let fault =
                Fault::input(format!("attach a program to the cgroup {group}"), "only groups of the unified hierarchy have programs");
            return Err(call::fault(ctx, fault));
        }
        self.inside(ctx)?;
        change(ctx, self.programs_of(filter).map(edit).into())
    }

    /// Gives the programs of a filter as objects, one for each direction.
    pub(super) fn programs_of(&self, filter: &cgroup::Filter) -> [Object; 2] {
        let program = |direction| cgroup::Program { group: self.path.clone(), direction, filter: filter.clone() };
        cgroup::Direction::BOTH.map(|direction| Object::Cgroup(cgroup::Object::Program(program(direction))))
    }
}

/// Refuses to move what must stay: the first process, what belongs to the kernel, and fyke itself.
pub(super) fn may_move(process: &Process) -> Result<(), Fault> {
    let pid = process.facts.process.pid;
    let refuse = |why: &str| Err(Fault::input(format!("move the process {pid} ({})", process.facts.name), why));
    let own = [std::process::id(), std::os::unix::process::parent_id()];
    match u32::try_from(pid) {
        Ok(1) => refuse("it is the first process: all others come from it"),
        Ok(pid) if own.contains(&pid) => refuse("it is fyke itself, which could not lift it again"),
        _ if process.facts.is_of_kernel => refuse("it is a thread of the kernel's own"),
        _ => Ok(()),
    }
}

/// Finds the group of a hierarchy in which a process is, with everything that is queued on top.
pub(in crate::bind) fn place(ctx: &NativeCallContext, process: cgroup::Process, hierarchy: Hierarchy) -> Answer<Option<Group>> {
    let object = Object::Cgroup(cgroup::Object::Place(process, hierarchy));
    match state(ctx, object)? {
        Some(State::Cgroup(cgroup::State::In(path))) => Ok(Some(Group { path })),
        _ => Ok(None),
    }
}

/// Reads the state of one object.
pub(super) fn state(ctx: &NativeCallContext, object: Object) -> Answer<Option<State>> {
    match call::door(ctx)?.read(Query::State(object)).map_err(|f| call::fault(ctx, f))? {
        Reading::State(state) => Ok(state),
        _ => Ok(None),
    }
}

/// Reads one process or an array of them, each as a value of the room `process` or as a number.
pub(super) fn processes(ctx: &NativeCallContext, given: &Dynamic) -> Answer<Vec<Process>> {
    let one = |value: &Dynamic| match (value.read_lock::<Process>(), value.as_int()) {
        (Some(process), _) => Ok(process.clone()),
        (None, Ok(pid)) => Process::numbered(ctx, pid),
        (None, Err(kind)) => {
            let fault = Fault::input("use a value as a process", format!("it is of type {kind}"));
            Err(call::fault(ctx, fault.hint("a number, or what `process::get(pid)` gives")))
        }
    };
    match given.read_lock::<Array>() {
        Some(list) => list.iter().map(one).collect(),
        None => Ok(vec![one(given)?]),
    }
}

/// Queues edits, all of them or none.
pub(super) fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

/// Looks at something around.
pub(in crate::bind) fn look(ctx: &NativeCallContext, around: Around) -> Answer<Seen> {
    match call::door(ctx)?.read(Query::Around(around)).map_err(|f| call::fault(ctx, f))? {
        Reading::Around(seen) => Ok(seen),
        _ => Ok(Seen::Lack(None)),
    }
}
