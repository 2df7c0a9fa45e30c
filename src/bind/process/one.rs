//! One process: what it is, where it is, and what it holds.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::handle::{self, Process as Found};
use crate::bind::call::{self, Answer};
use crate::bind::cgroup::handle::{look, place};
use crate::model::cgroup::Hierarchy;
use crate::model::sockets::{Filter, Proto};
use crate::transaction::{Around, Seen};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A process.
    pub type Process = crate::bind::process::handle::Process;

    /// Gives the number of the process.
    #[rhai_fn(get = "pid", global, pure)]
    pub fn pid(process: &mut Process) -> i64 {
        process.facts.process.pid.into()
    }

    /// Gives the name of the process, at most 15 bytes.
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(process: &mut Process) -> ImmutableString {
        process.facts.name.as_str().into()
    }

    /// Gives the words that the process was started with, with blanks between them.
    #[rhai_fn(get = "command", global, pure)]
    pub fn command(process: &mut Process) -> ImmutableString {
        process.facts.words.join(" ").into()
    }

    /// Gives the number of the process that started it, or has taken it over since.
    #[rhai_fn(get = "parent", global, pure)]
    pub fn parent(process: &mut Process) -> i64 {
        process.facts.parent.into()
    }

    /// Gives the id of the user of the process.
    #[rhai_fn(get = "user", global, pure)]
    pub fn user(process: &mut Process) -> i64 {
        process.facts.user.into()
    }

    /// Lists the process and all that it has started, and these have, as far as they still run.
    ///
    /// One whose parent has ended is below the first process, and not found this way.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// process::get(1).tree()[0].pid == 1
    /// ```
    ///
    /// # Source
    /// proc_pid_stat(5)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn tree(ctx: NativeCallContext, process: Process) -> Answer<Array> {
        Ok(handle::found(&ctx, Around::Tree(process.facts.process))?.into_iter().map(Dynamic::from).collect())
    }

    /// Gives the control group of the unified hierarchy in which the process is; `()` where it has ended.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// if cgroup::lacks("path") == () {
    ///     print(process::get(1).group());
    /// }
    /// ```
    ///
    /// # Source
    /// cgroups(7), /proc/PID/cgroup
    #[rhai_fn(global, return_raw, volatile)]
    pub fn group(ctx: NativeCallContext, process: Process) -> Answer<Dynamic> {
        Ok(place(&ctx, process.facts.process, Hierarchy::unified())?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Gives the control group of a hierarchy in which the process is; `()` where it has ended, or where there is no such hierarchy.
    ///
    /// - `hierarchy`: `"unified"`, or a controller of version 1 like `"net_cls"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no name of a controller.
    ///
    /// # Example
    /// ```rhai
    /// process::get(1).group("no_such_controller") == ()
    /// ```
    ///
    /// # Source
    /// cgroups(7), /proc/PID/cgroup
    #[rhai_fn(name = "group", global, return_raw, volatile)]
    pub fn group_of(ctx: NativeCallContext, process: Process, hierarchy: &str) -> Answer<Dynamic> {
        let hierarchy: Hierarchy = hierarchy.parse().map_err(|f| call::fault(&ctx, f))?;
        Ok(place(&ctx, process.facts.process, hierarchy)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Lists the sockets that the process holds, each as a map.
    ///
    /// The map has `fd`, `family`, `protocol`, the addresses `here` and `peer`, and the `cookie` by which the kernel knows the socket.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: its descriptors may not be looked at. `unsupported`: the kernel is older than 5.6.
    ///
    /// # Example
    /// ```rhai
    /// for socket in process::get(process::list()[0].pid).sockets() {
    ///     print(`${socket.family} ${socket.here}`);
    /// }
    /// ```
    ///
    /// # Source
    /// pidfd_getfd(2), socket(7)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn sockets(ctx: NativeCallContext, process: Process) -> Answer<Array> {
        Ok(process.sockets(&ctx)?.iter().map(handle::shown).collect())
    }

    /// Destroys the TCP sockets that the process holds, those that listen among them: it gets an error from each, its peers a reset. Gives their number.
    ///
    /// # Changes
    /// The sockets are gone, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_ADMIN. `unsupported`: this kernel destroys no sockets.
    ///
    /// # Example
    /// ```rhai
    /// for it in process::by_name("no-such-program") {
    ///     it.destroy_sockets();
    /// }
    /// ```
    ///
    /// # Source
    /// sock_diag(7), SOCK_DESTROY
    #[rhai_fn(global, return_raw, volatile)]
    pub fn destroy_sockets(ctx: NativeCallContext, process: Process) -> Answer<i64> {
        let filter = Filter { protos: vec![Proto::Tcp], pid: Some(process.facts.process.pid), ..Filter::default() };
        let sockets = match handle::open(&ctx, filter) {
            // Who has ended holds none.
            Err(_) if Found::find(&ctx, process.facts.process.pid.into())?.is_none() => return Ok(0),
            sockets => sockets?,
        };
        let done = call::door(&ctx)?.destroy(&sockets, call::origin(&ctx)).map_err(|f| call::fault(&ctx, f))?;
        Ok(done as i64)
    }

    /// Tells whether the process is in this network namespace.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// process::list().some(|it| it.is_here())
    /// ```
    ///
    /// # Source
    /// network_namespaces(7)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn is_here(ctx: NativeCallContext, process: Process) -> Answer<bool> {
        Ok(matches!(look(&ctx, Around::IsHere(process.facts.process))?, Seen::Is(true)))
    }

    /// Prints the process as one line: its number and its name.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(process: &mut Process) -> ImmutableString {
        format!("{} {}", process.facts.process.pid, process.facts.name).into()
    }
}
