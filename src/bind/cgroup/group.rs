//! One group: who is in it, its class id, and what drops its packets.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::handle::{self, Group};
use crate::bind::call::{self, Answer};
use crate::bind::process::handle::Process;
use crate::model::cgroup::{ClassId, Filter, Object as OfCgroups, State as OfCgroup, Way};
use crate::model::named::Edit;
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::{Around, Seen};

fn class(ctx: &NativeCallContext, given: &Dynamic) -> Answer<ClassId> {
    let text = if given.is_int() || given.is_string() { given.to_string() } else { given.type_name().to_owned() };
    text.parse().map_err(|f| call::fault(ctx, f))
}

fn set_class(ctx: &NativeCallContext, group: &Group, given: &Dynamic) -> Answer<()> {
    let class = class(ctx, given)?;
    if group.class(ctx)?.is_none() && group.path.hierarchy().controller() != "net_cls" {
        let fault =
            Fault::new(Kind::Unsupported, format!("set the class id of the cgroup {}", group.path), "only groups of net_cls have one");
        return Err(call::fault(ctx, fault.hint("its path begins with `net_cls:/`")));
    }
    handle::change(ctx, vec![Edit::Ensure(group.class_object(), State::Cgroup(OfCgroup::ClassId(class)))])
}

/// Reads the cookies of sockets that are given as numbers, or as `process.sockets()` gives them.
fn cookies(ctx: &NativeCallContext, sockets: &Array) -> Answer<Filter> {
    let odd = || call::fault(ctx, Fault::input("use a value as a socket", "it is neither a cookie nor what `process.sockets()` gives"));
    let cookie = |value: &Dynamic| {
        let of_map = |map: &Map| map.get("cookie").and_then(|cookie| cookie.as_int().ok());
        let number = value.as_int().ok().or_else(|| value.read_lock::<Map>().and_then(|map| of_map(&map)));
        number.map(i64::cast_unsigned).ok_or_else(odd)
    };
    let cookies = sockets.iter().map(cookie).collect::<Answer<Vec<u64>>>()?;
    if cookies.is_empty() || cookies.len() > Filter::MOST {
        let fault = Fault::input("drop packets of sockets", format!("{} are given, and 1 to {} can be", cookies.len(), Filter::MOST));
        return Err(call::fault(ctx, fault));
    }
    Ok(Filter::sockets(cookies))
}

fn attached() -> State {
    State::Cgroup(OfCgroup::Attached)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A control group.
    pub type Group = crate::bind::cgroup::handle::Group;

    /// Gives the path of the group.
    #[rhai_fn(get = "path", global, pure)]
    pub fn path(group: &mut Group) -> ImmutableString {
        group.path.to_string().into()
    }

    /// Gives the last part of the path; empty for the root.
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(group: &mut Group) -> ImmutableString {
        group.path.name().into()
    }

    /// Lists the groups that are in the group, by their paths.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such group.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("path") == () {
    ///     cgroup::group("/").list().all(|path| path.starts_with("/"))
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, group: Group) -> Answer<Array> {
        Ok(group.groups(&ctx)?.into_iter().map(Dynamic::from).collect())
    }

    /// Lists the processes that are in the group, not those in groups below it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such group.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("path") == () {
    ///     print(cgroup::group("/").processes().map(|it| it.name));
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), cgroup.procs
    #[rhai_fn(global, return_raw, volatile)]
    pub fn processes(ctx: NativeCallContext, group: Group) -> Answer<Array> {
        let mut found = Array::new();
        for process in group.members(&ctx)? {
            found.extend(Process::find(&ctx, process.pid.into())?.map(Dynamic::from));
        }
        Ok(found)
    }

    /// Sees to it that processes are in the group, each with all its threads. What they start from then on is in it, too.
    ///
    /// - `processes`: one or an array, each a number or what `process::get(pid)` gives; `it.tree()` are a process and all below it
    ///
    /// A process that has ended by the time of the move is left out. Sockets that are there stay with the group in which they were made (version 2), or
    /// come along (net_cls).
    ///
    /// # Changes
    /// In which group of the hierarchy the processes are; undo moves them back, where they still are what and where they were.
    ///
    /// # Fails
    /// `not-found`: there is no such process or group. `input`: it is the first process, a thread of the kernel or fyke itself. `refused`: the
    /// kernel allows no process in it. `permission`: it takes root of the machine.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     let group = cgroup::new_group("/fyke-example");
    ///     group.add([]);
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), cgroup.procs
    #[rhai_fn(global, return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, group: Group, processes: Dynamic) -> Answer<()> {
        group.inside(&ctx)?;
        let mut edits = Vec::new();
        for process in handle::processes(&ctx, &processes)? {
            handle::may_move(&process).map_err(|f| call::fault(&ctx, f))?;
            let object = Object::Cgroup(OfCgroups::Place(process.facts.process, group.path.hierarchy().clone()));
            // Who has ended since it was found is in no group any more.
            if handle::place(&ctx, process.facts.process, group.path.hierarchy().clone())?.is_some() {
                edits.push(Edit::Ensure(object, State::Cgroup(OfCgroup::In(group.path.clone()))));
            }
        }
        if edits.is_empty() { Ok(()) } else { handle::change(&ctx, edits) }
    }

    /// Gives the class id that net_cls puts on packets of the group; `()` where groups of the hierarchy have none, 0 where none is set.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such group.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("classid") == () {
    ///     print(cgroup::group("net_cls:/").class_id());
    /// }
    /// ```
    ///
    /// # Source
    /// Linux Documentation/admin-guide/cgroup-v1/net_cls.rst
    #[rhai_fn(global, return_raw, volatile)]
    pub fn class_id(ctx: NativeCallContext, group: Group) -> Answer<Dynamic> {
        Ok(group.class(&ctx)?.map_or(Dynamic::UNIT, |class| i64::from(class.0).into()))
    }

    /// Sees to it that net_cls puts a class id on packets of the group, those of sockets that are there already among them.
    ///
    /// - `class`: a number of 32 bits, or a class as tc(8) writes it (`"10:1"`); 0 is none
    ///
    /// # Changes
    /// The class id; undo gives it the one that it had.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `unsupported`: groups of its hierarchy have none. `input`: it is no class id.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("classid") == () {
    ///     cgroup::new_group("net_cls:/fyke-example").ensure_class_id("10:1");
    /// }
    /// ```
    ///
    /// # Source
    /// Linux Documentation/admin-guide/cgroup-v1/net_cls.rst
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_class_id(ctx: NativeCallContext, group: Group, class: Dynamic) -> Answer<()> {
        set_class(&ctx, &group, &class)
    }

    /// Sees to it that every packet to and from sockets that are made in the group, or below it, is dropped, whatever the network namespace.
    ///
    /// A program is attached to the group beside those of others. Sockets that were made before their process came into the group are those of their former
    /// group: see `ensure_drop_of`. Packet sockets and sockets of the machine itself (unix) have no such packets.
    ///
    /// # Changes
    /// The programs of the group; undo detaches this one.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `permission`: it takes CAP_BPF and CAP_NET_ADMIN of the machine. `unsupported`: this kernel has no
    /// programs at groups. `refused`: somebody else's program allows none beside it.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::new_group("/fyke-example").ensure_drop();
    /// }
    /// ```
    ///
    /// # Source
    /// bpf(2), BPF_CGROUP_INET_INGRESS and BPF_CGROUP_INET_EGRESS
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_drop(ctx: NativeCallContext, group: Group) -> Answer<()> {
        group.program(&ctx, &Filter::All, |object| Edit::Ensure(object, attached()))
    }

    /// Sees to it that packets to and from some sockets that were made in the group, or below it, are dropped.
    ///
    /// Those are meant that a process had before it was moved elsewhere. At the root of the hierarchy it does not matter where they were made.
    ///
    /// - `sockets`: at least one, each a cookie or what `process.sockets()` gives
    ///
    /// The sockets stay open, and go on when this is lifted. What is accepted from a socket that listens is a socket of its own; nobody can open one, because
    /// the first packet is dropped.
    ///
    /// # Changes
    /// The programs of the group; undo detaches this one.
    ///
    /// # Fails
    /// As `ensure_drop`. `input`: it is no socket, or there are more than 8000.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::new_group("/fyke-example").ensure_drop_of([4711]);
    /// }
    /// ```
    ///
    /// # Source
    /// bpf(2), bpf-helpers(7), bpf_get_socket_cookie
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_drop_of(ctx: NativeCallContext, group: Group, sockets: Array) -> Answer<()> {
        let filter = cookies(&ctx, &sockets)?;
        group.program(&ctx, &filter, |object| Edit::Ensure(object, attached()))
    }

    /// Sees to it that no program of fyke drops all packets of the group; those of others stay.
    ///
    /// # Changes
    /// The programs of the group; undo attaches this one again.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `permission`: it takes CAP_BPF and CAP_NET_ADMIN of the machine.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::group("/").absent_drop();
    /// }
    /// ```
    ///
    /// # Source
    /// bpf(2), BPF_PROG_DETACH
    #[rhai_fn(global, return_raw, volatile)]
    pub fn absent_drop(ctx: NativeCallContext, group: Group) -> Answer<()> {
        group.program(&ctx, &Filter::All, Edit::Absent)
    }

    /// Tells whether a program of fyke drops all packets of the group, in both directions. What groups above drop is not asked.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_ADMIN of the machine, and CAP_SYS_ADMIN.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     !cgroup::group("/").is_dropped()
    /// }
    /// ```
    ///
    /// # Source
    /// bpf(2), BPF_PROG_QUERY
    #[rhai_fn(global, return_raw, volatile)]
    pub fn is_dropped(ctx: NativeCallContext, group: Group) -> Answer<bool> {
        for program in group.programs_of(&Filter::All) {
            if handle::state(&ctx, program)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists the programs that are attached to the group for packets, whoever attached them: `id`, `name`, and `direction`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `permission`: it takes CAP_NET_ADMIN of the machine.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::group("/").programs().all(|it| it.direction in ["ingress", "egress"])
    /// }
    /// ```
    ///
    /// # Source
    /// bpf(2), BPF_PROG_QUERY
    #[rhai_fn(global, return_raw, volatile)]
    pub fn programs(ctx: NativeCallContext, group: Group) -> Answer<Array> {
        let Seen::Programs(found) = handle::look(&ctx, Around::Programs(group.path))? else { return Ok(Array::new()) };
        let shown = |(id, name, direction): (u32, String, &str)| {
            let entries: [(&str, Dynamic); 3] =
                [("id", i64::from(id).into()), ("name", name.into()), ("direction", direction.to_owned().into())];
            Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
        };
        Ok(found.into_iter().map(shown).collect())
    }

    /// Proves that processes in the group are kept from the network: one of fyke's own goes into it and tries to send, and to receive.
    ///
    /// - `way`: how they are kept from it: `"bpf"`, `"classid"` or `"path"`. With the last two only what leaves is tried, because rules know too late whose
    ///   socket something is for
    ///
    /// What is queued is written first. In a plan nothing is tried.
    ///
    /// # Changes
    /// Nothing. What was queued is written.
    ///
    /// # Fails
    /// `refused`: something passes, or the loopback of this network passes nothing and so proves nothing.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     let group = cgroup::new_group("/fyke-example");
    ///     group.ensure_drop();
    ///     group.prove_blocked("bpf");
    /// }
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, return_raw, volatile)]
    pub fn prove_blocked(ctx: NativeCallContext, group: Group, way: &str) -> Answer<()> {
        let way: Way = way.parse().map_err(|f| call::fault(&ctx, f))?;
        group.inside(&ctx)?;
        call::door(&ctx)?.probe(&group.path, way, &call::origin(&ctx)).map_err(|f| call::fault(&ctx, f))
    }

    /// Prints the group's path as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(group: &mut Group) -> ImmutableString {
        format!("cgroup {}", group.path).into()
    }
}
