//! What is done inside of a namespace.

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, NativeCallContext};

use super::handle::{self, Netns as Handle};
use crate::bind::call::{self, Answer};
use crate::bind::sys::program;
use crate::model::command::View;
use crate::model::netns::Site;

/// Does work in a namespace, and comes back also when it fails.
fn within<T>(ctx: &NativeCallContext, site: &Site, work: impl FnOnce() -> Answer<T>) -> Answer<T> {
    let door = call::door(ctx)?;
    door.enter(site).map_err(|f| call::fault(ctx, f))?;
    let outcome = work();
    // Who was stopped has nothing more to write; who fails may be caught, and goes on with what was done until then.
    let stopped = matches!(&outcome, Err(error) if matches!(error.unwrap_inner(), EvalAltResult::ErrorTerminated(..)));
    match (door.leave(!stopped), outcome) {
        (Ok(()), outcome) => outcome,
        (Err(fault), Ok(_)) => Err(call::fault(ctx, fault)),
        (Err(fault), Err(error)) => {
            let first = match error.unwrap_inner() {
                EvalAltResult::ErrorRuntime(value, _) => call::fault_in(value),
                _ => None,
            };
            Err(call::fault(ctx, fault.followed_by(first)))
        }
    }
}

fn exec(ctx: &NativeCallContext, netns: &Handle, name: &str, words: Array, options: &Map) -> Answer<Map> {
    let words: Array = [Dynamic::from(name.to_owned())].into_iter().chain(words).collect();
    let mut command = program::command(&words, options).map_err(|f| call::fault(ctx, f))?;
    command.view = View::Netns(netns.name());
    within(ctx, &netns.site, || {
        let ran = call::door(ctx)?.run(&command, call::origin(ctx)).map_err(|f| call::fault(ctx, f))?;
        Ok(program::shown(ran))
    })
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    type Netns = Handle;

    /// Gives the name of the namespace, or how it was found: a path, `pid:` and a number, or `anonymous`.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue").name == "blue"
    /// ```
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(netns: &mut Netns) -> ImmutableString {
        netns.site.home.as_str().into()
    }

    /// Gives the number that the kernel knows the namespace by, which no other one gets before the next boot.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue").cookie == netns::get("blue").cookie
    /// ```
    #[rhai_fn(get = "cookie", global, pure)]
    pub fn cookie(netns: &mut Netns) -> i64 {
        netns.site.namespace.cast_signed()
    }

    /// Does everything that a function does in a namespace, and gives what the function gives. All rooms work in the namespace meanwhile.
    ///
    /// - `name`: its name, or with a slash in it a path
    /// - `work`: the function; it may go into other namespaces, too. Also when it fails, the script goes on where it was before
    ///
    /// What is queued is written first, and what it queued at its end. What it changes is a batch of its own in the journal, and undo puts it
    /// back in this namespace, wherever it is by then; a namespace that is gone has taken it along. Handles of chains and sets belong to no
    /// namespace: they mean what is there where they are used.
    ///
    /// # Changes
    /// What the function changes, in the namespace.
    ///
    /// # Fails
    /// `not-found`: there is no such namespace. `permission`: this user may not enter it.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::enter("blue", || {
    ///     iptables::table("filter").chain("INPUT").append("-p tcp --dport 80 -j DROP");
    ///     sysctl::find("net.ipv4.ip_forward")
    /// });
    /// ```
    ///
    /// # Source
    /// setns(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn enter(ctx: NativeCallContext, name: &str, work: FnPtr) -> Answer<Dynamic> {
        let netns = Handle::find(&ctx, handle::word(&ctx, name)?)?;
        within(&ctx, &netns.site, || work.call_within_context(&ctx, ()))
    }

    /// Does everything that a function does in a namespace, and gives what the function gives.
    ///
    /// - `netns`: the namespace; the function may use it, too
    /// - `work`: the function
    ///
    /// # Changes
    /// What the function changes, in the namespace.
    ///
    /// # Fails
    /// `not-found`: the namespace is gone.
    ///
    /// # Example
    /// ```rhai
    /// let blue = netns::ensure("blue");
    /// netns::enter(blue, || print(blue.exec("ip", ["-br", "link"]).output));
    /// ```
    ///
    /// # Source
    /// setns(2)
    #[rhai_fn(name = "enter", return_raw, volatile)]
    pub fn enter_it(ctx: NativeCallContext, netns: Netns, work: FnPtr) -> Answer<Dynamic> {
        run(ctx, netns, work)
    }

    /// Does everything that a function does in the namespace, and gives what the function gives; as `netns::enter`.
    ///
    /// - `work`: the function; it must not use the variable on which it is called
    ///
    /// # Changes
    /// What the function changes, in the namespace.
    ///
    /// # Fails
    /// `not-found`: the namespace is gone.
    ///
    /// # Example
    /// ```rhai
    /// let blue = netns::ensure("blue");
    /// blue.run(|| iptables::table("filter").chain("INPUT").append("-p tcp --dport 80 -j DROP"));
    /// ```
    ///
    /// # Source
    /// setns(2)
    #[rhai_fn(global, return_raw, volatile)]
    pub fn run(ctx: NativeCallContext, netns: Netns, work: FnPtr) -> Answer<Dynamic> {
        within(&ctx, &netns.site, || work.call_within_context(&ctx, ()))
    }

    /// Runs a program in the namespace and waits for its end. Gives a map: its exit `status`, its `output`, and its `errors`.
    ///
    /// - `program`: a plain name that is looked up in the folders of the system, or a path from the root on
    /// - `words`: its arguments, each an element; there is no shell
    ///
    /// As with `ip netns exec` it sees /sys of the namespace, and the files of /etc/netns/NAME in the place of those of /etc: a `resolv.conf` of its
    /// own. All else is as with `sys::run`.
    ///
    /// # Changes
    /// What the program changes, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// As `sys::run`. `not-found`: the namespace is gone, or a file of /etc/netns/NAME has nothing in /etc that it could stand for.
    ///
    /// # Example
    /// ```rhai
    /// let blue = netns::ensure("blue");
    /// print(blue.exec("ip", ["-br", "link"]).output);
    /// ```
    ///
    /// # Source
    /// ip-netns(8), exec
    #[rhai_fn(global, return_raw, volatile)]
    pub fn exec(ctx: NativeCallContext, netns: Netns, program: &str, words: Array) -> Answer<Map> {
        super::exec(&ctx, &netns, program, words, &Map::new())
    }

    /// Runs a program in the namespace, with options.
    ///
    /// - `program`: a plain name, or a path from the root on
    /// - `words`: its arguments, each an element
    /// - `options`: those of `sys::run`
    ///
    /// # Changes
    /// What the program changes, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown or of the wrong type.
    ///
    /// # Example
    /// ```rhai
    /// let blue = netns::ensure("blue");
    /// let reached = blue.exec("ping", ["-c1", "192.0.2.1"], #{ check: false, timeout: "2s" }).status == 0;
    /// ```
    ///
    /// # Source
    /// ip-netns(8), exec
    #[rhai_fn(name = "exec", global, return_raw, volatile)]
    pub fn exec_with(ctx: NativeCallContext, netns: Netns, program: &str, words: Array, options: Map) -> Answer<Map> {
        super::exec(&ctx, &netns, program, words, &options)
    }

    /// Shows the namespace.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn shown(netns: &mut Netns) -> ImmutableString {
        netns.site.to_string().into()
    }
}
