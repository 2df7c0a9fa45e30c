//! Groups: made, found, taken away; and what this machine can do with them.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::handle::{self, Group};
use crate::bind::call::{self, Answer};
use crate::model::cgroup::{State as OfCgroup, Way};
use crate::model::instance;
use crate::model::iptables::rule::fingerprint;
use crate::model::named::Edit;
use crate::model::{Object, State};
use crate::transaction::{Around, Seen};

/// The most bytes of a part of a path.
const NAME: usize = 255;

fn make(ctx: &NativeCallContext, path: &str, edit: fn(Object, State) -> Edit) -> Answer<Group> {
    let group = Group::named(ctx, path)?;
    handle::change(ctx, vec![edit(group.object(), State::Cgroup(OfCgroup::Present))])?;
    Ok(group)
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Tells which versions of control groups are in use: `"v2"`, `"v1"`, `"hybrid"` for both, or `"none"`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::version() in ["v2", "v1", "hybrid", "none"]
    /// ```
    ///
    /// # Source
    /// cgroups(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn version(ctx: NativeCallContext) -> Answer<ImmutableString> {
        match handle::look(&ctx, Around::Version)? {
            Seen::Word(word) => Ok(word.into()),
            _ => Ok("none".into()),
        }
    }

    /// Lists the hierarchies that are mounted, each as a map: its `version`, its `controllers`, and the `path` where it is mounted.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::hierarchies().all(|it| it.version == 1 || it.version == 2)
    /// ```
    ///
    /// # Source
    /// cgroups(7), proc_pid_mountinfo(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn hierarchies(ctx: NativeCallContext) -> Answer<Array> {
        let Seen::Hierarchies(found) = handle::look(&ctx, Around::Hierarchies)? else { return Ok(Array::new()) };
        let shown = |(mount, controllers): (crate::kernel::cgroup::mounts::Mount, Vec<String>)| {
            let controllers: Array = controllers.into_iter().map(Dynamic::from).collect();
            let entries: [(&str, Dynamic); 3] = [
                ("version", i64::from(mount.version).into()),
                ("controllers", controllers.into()),
                ("path", mount.point.display().to_string().into()),
            ];
            Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
        };
        Ok(found.into_iter().map(shown).collect())
    }

    /// Tells what is lacking for a way to keep a group from the network; gives `()` where nothing is.
    ///
    /// - `way`: `"bpf"` (a program at the group), `"classid"` (net_cls of version 1 and a rule) or `"path"` (a rule that asks for the group); whether
    ///   iptables has its match for the last two, only a rule can tell
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such way.
    ///
    /// # Example
    /// ```rhai
    /// let lacking = cgroup::lacks("bpf");
    /// lacking == () || lacking.len() > 0
    /// ```
    ///
    /// # Source
    /// bpf(2), iptables-extensions(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn lacks(ctx: NativeCallContext, way: &str) -> Answer<Dynamic> {
        let way: Way = way.parse().map_err(|f| call::fault(&ctx, f))?;
        match handle::look(&ctx, Around::Lacks(way))? {
            Seen::Lack(Some(fault)) => {
                let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                Ok(format!("{fault}{hint}").into())
            }
            _ => Ok(Dynamic::UNIT),
        }
    }

    /// Gives a group that is there, or that this script makes.
    ///
    /// - `path`: from the root of the unified hierarchy on, as /proc/self/cgroup shows it; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `unsupported`: the hierarchy is not mounted. `input`: no group can have this path.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("path") == () {
    ///     print(cgroup::group("/").list());
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn group(ctx: NativeCallContext, path: &str) -> Answer<Group> {
        let group = Group::named(&ctx, path)?;
        group.inside(&ctx).map(|_| group)
    }

    /// Gives a group, or `()` where there is none of this path.
    ///
    /// - `path`: from the root of the unified hierarchy on; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: no group can have this path.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::find("/no-such-group") == ()
    /// ```
    ///
    /// # Source
    /// cgroups(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, path: &str) -> Answer<Dynamic> {
        let group = Group::named(&ctx, path)?;
        Ok(if group.is_there(&ctx)? { Dynamic::from(group) } else { Dynamic::UNIT })
    }

    /// Makes the name of a group for this instance of the recipe: two blocked processes have two groups.
    ///
    /// - `base`: the name, without slashes
    ///
    /// A name that would have more than 255 bytes is cut and ends in a hash.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a group cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::group_name("blocked") == "blocked"
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn group_name(ctx: NativeCallContext, base: &str) -> Answer<ImmutableString> {
        let instance = call::session(&ctx)?.call().instance.replace(['/', ':'], "-");
        let name = instance::name(base, &instance, NAME);
        let group = Group::named(&ctx, &name)?;
        Ok(group.path.name().into())
    }

    /// Makes a class id for this instance of the recipe, by which a rule can know its packets. It is of the classes `f1ce:`, which nobody makes by hand.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::instance_class_id() >> 16 == 0xf1ce
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn instance_class_id(ctx: NativeCallContext) -> Answer<i64> {
        let session = call::session(&ctx)?;
        let call = session.call();
        let number = fingerprint(&format!("{}/{}", call.recipe, call.instance)) & 0xffff;
        Ok(0xf1ce_0000 | number as i64)
    }

    /// Makes a group that is not there. The group that it is in has to be there.
    ///
    /// - `path`: from the root of the unified hierarchy on; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// The group is made; undo moves the processes out that are in it then, and takes it away.
    ///
    /// # Fails
    /// `exists`: the group is there already. `not-found`: what it is to be in is not. `permission`: it takes root of the machine. `input`: no group
    /// can have this path.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::new_group("/fyke-example").path == "/fyke-example"
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), mkdir(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn new_group(ctx: NativeCallContext, path: &str) -> Answer<Group> {
        make(&ctx, path, Edit::Add)
    }

    /// Makes a group of this recipe, or takes it as it is if this recipe (with the same key parameters) made it before.
    ///
    /// - `path`: from the root of the unified hierarchy on; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// The group is made, unless it is there; undo moves the processes out that are in it then, and takes it away.
    ///
    /// # Fails
    /// `exists`: somebody else made a group of this path. `not-found`: what it is to be in is not there. `permission`: it takes root of the machine.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     let group = cgroup::ensure_group("/" + cgroup::group_name("fyke-example"));
    ///     group.processes().is_empty()
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), mkdir(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure_group(ctx: NativeCallContext, path: &str) -> Answer<Group> {
        make(&ctx, path, Edit::Ensure)
    }

    /// Takes away a group in which nobody is.
    ///
    /// - `path`: from the root of the unified hierarchy on; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// The group is gone; undo makes it again. What others had attached to it, and its limits, do not come back.
    ///
    /// # Fails
    /// `not-found`: there is no such group. `busy`: processes or groups are in it.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("bpf") == () {
    ///     cgroup::new_group("/fyke-example");
    ///     cgroup::delete_group("/fyke-example");
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), rmdir(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn delete_group(ctx: NativeCallContext, path: &str) -> Answer<()> {
        let object = Group::named(&ctx, path)?.object();
        handle::change(&ctx, vec![Edit::Del(object)])
    }

    /// Sees to it that a group is not there; nobody may be in it.
    ///
    /// - `path`: from the root of the unified hierarchy on; `net_cls:/path` is in a hierarchy of version 1
    ///
    /// # Changes
    /// The group is gone, if it was there; undo makes it again. What others had attached to it, and its limits, do not come back.
    ///
    /// # Fails
    /// `busy`: processes or groups are in it.
    ///
    /// # Example
    /// ```rhai
    /// cgroup::absent_group("/no-such-group");
    /// ```
    ///
    /// # Source
    /// cgroups(7), rmdir(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn absent_group(ctx: NativeCallContext, path: &str) -> Answer<()> {
        let object = Group::named(&ctx, path)?.object();
        handle::change(&ctx, vec![Edit::Absent(object)])
    }
}
