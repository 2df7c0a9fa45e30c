//! Namespaces that have a name, and those that are found otherwise.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::handle::{self, Netns as Handle};
use crate::bind::call::{self, Answer};
use crate::model::named::Edit;
use crate::model::netns::{Name, Object as OfNetns, Site, State as Found, Word};
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::Act;

/// Takes a name from its namespace, and keeps that aside: so it can have it back. Gives whether there was one.
fn take(ctx: &NativeCallContext, name: &Name, options: &Map) -> Answer<bool> {
    let force = handle::forced(options).map_err(|f| call::fault(ctx, f))?;
    let Some(state) = handle::state(ctx, name)? else { return Ok(false) };
    handle::is_free(name, &state, force).map_err(|f| call::fault(ctx, f))?;
    let aside = state.cookie().map(|cookie| Edit::Ensure(Object::Netns(OfNetns::Aside(cookie)), State::Netns(Found::empty(cookie))));
    handle::change(ctx, aside.into_iter().chain([Edit::Del(handle::object(name))]).collect())?;
    Ok(true)
}

fn missing(name: &Name, tried: &str) -> Fault {
    Fault::new(Kind::NotFound, format!("{tried} the network namespace {name}"), "there is no such thing").hint("`absent` does not mind")
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A network namespace.
    pub type Netns = crate::bind::netns::handle::Netns;

    /// Lists the namespaces that have a name: the name of each, its cookie, and how many processes are in it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::list()[0].name == "blue"
    /// ```
    ///
    /// # Source
    /// ip-netns(8), list
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext) -> Answer<Array> {
        let shown = |(name, state)| match state {
            Found::Made { cookie, processes } => {
                let pairs: [(&str, Dynamic); 3] = [
                    ("name", Name::as_str(&name).into()),
                    ("cookie", cookie.cast_signed().into()),
                    ("processes", i64::try_from(processes).unwrap_or(i64::MAX).into()),
                ];
                Some(Dynamic::from_map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map>()))
            }
            Found::Half => None,
        };
        Ok(handle::names(&ctx)?.into_iter().filter_map(shown).collect())
    }

    /// Gives a namespace that is there, or that this script makes.
    ///
    /// - `name`: its name, as `ip netns list` has it; or with a slash in it the path of a file that stands for it
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such namespace. `input`: no namespace can have this name, or the file is no network namespace.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::get("blue").name == "blue"
    /// ```
    ///
    /// # Source
    /// ip-netns(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, name: &str) -> Answer<Netns> {
        Handle::find(&ctx, handle::word(&ctx, name)?)
    }

    /// Gives a namespace, or `()` where there is none of this name.
    ///
    /// - `name`: its name
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: no namespace can have this name.
    ///
    /// # Example
    /// ```rhai
    /// netns::find("blue") == ()
    /// ```
    ///
    /// # Source
    /// ip-netns(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, name: &str) -> Answer<Dynamic> {
        let name = handle::name(&ctx, name)?;
        let cookie = handle::state(&ctx, &name)?.and_then(|state| state.cookie());
        Ok(cookie.map_or(Dynamic::UNIT, |cookie| Dynamic::from(Handle { site: Site::named(cookie, &name) })))
    }

    /// Gives the namespace in which a process is.
    ///
    /// - `pid`: the number of the process; its end does not end what was given
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such process. `permission`: it belongs to somebody else. `input`: no process can have this number.
    ///
    /// # Example
    /// ```rhai
    /// let web = param("pid", 0, "a process of the container");
    /// if web > 0 { netns::of_pid(web).run(|| iptables::table("filter").chain("INPUT").append("-p tcp --dport 80 -j DROP")); }
    /// ```
    ///
    /// # Source
    /// proc_pid_ns(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn of_pid(ctx: NativeCallContext, pid: i64) -> Answer<Netns> {
        // As PID_MAX_LIMIT of linux/threads.h.
        match u32::try_from(pid).ok().filter(|pid| (1..=1 << 22).contains(pid)) {
            Some(pid) => Handle::find(&ctx, Word::Pid(pid)),
            None => Err(call::fault(&ctx, Fault::input(format!("use {pid} as the number of a process"), "those are 1 to 4194304"))),
        }
    }

    /// Makes a namespace without a name, which is gone at the end of the script, unless a process is in it by then.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: this user may not make namespaces.
    ///
    /// # Example
    /// ```rhai
    /// let scratch = netns::anonymous();
    /// scratch.run(|| iptables::table("filter").chain("INPUT").append("-p tcp --dport ssh -j DROP"));
    /// ```
    ///
    /// # Source
    /// unshare(2), CLONE_NEWNET
    #[rhai_fn(return_raw, volatile)]
    pub fn anonymous(ctx: NativeCallContext) -> Answer<Netns> {
        let cookie = call::door(&ctx)?.make_namespace().map_err(|f| call::fault(&ctx, f))?;
        Ok(Handle { site: Site::new(cookie, Site::ANONYMOUS) })
    }

    /// Makes a namespace that is not there. What a killed `ip netns add` has left half made of it is finished.
    ///
    /// - `name`: the name of a file in /run/netns
    ///
    /// # Changes
    /// The namespace is made; undo takes it away with all that is in it, unless processes are in it or a
    /// link of somebody else leads out of it.
    ///
    /// # Fails
    /// `exists`: it is there already. `input`: no namespace can have this name. `permission`: this user may not make namespaces.
    ///
    /// # Example
    /// ```rhai
    /// netns::add("blue");
    /// ```
    ///
    /// # Source
    /// ip-netns(8), add
    #[rhai_fn(return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, name: &str) -> Answer<Netns> {
        handle::make(&ctx, &handle::name(&ctx, name)?)
    }

    /// Makes sure that a namespace is there, whoever made it.
    ///
    /// Where another recipe has made it, this one relies on it: it stays until both are lifted.
    ///
    /// - `name`: the name of a file in /run/netns
    ///
    /// # Changes
    /// The namespace is made, unless it is there; undo takes it away with all that is in it, unless processes are in it or a
    /// link of somebody else leads out of it.
    ///
    /// # Fails
    /// `input`: no namespace can have this name. `permission`: this user may not make namespaces.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue").run(|| sysctl::set("net.ipv4.ip_forward", 1));
    /// ```
    ///
    /// # Source
    /// ip-netns(8), add
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, name: &str) -> Answer<Netns> {
        let name = handle::name(&ctx, name)?;
        match handle::state(&ctx, &name)? {
            Some(state @ Found::Made { cookie, .. }) => {
                handle::change(&ctx, vec![Edit::Ensure(handle::object(&name), State::Netns(state))])?;
                Ok(Handle { site: Site::named(cookie, &name) })
            }
            _ => handle::make(&ctx, &name),
        }
    }

    /// Takes away a namespace.
    ///
    /// It loses its name and is kept aside as it is, until the next boot or until this is undone: it gets its name back with all that was in it. So an
    /// interface at the other end of a wire into it stays, too; `destroy` lets nothing stay.
    ///
    /// - `name`: its name
    ///
    /// # Changes
    /// The namespace has no name; undo gives it the name back.
    ///
    /// # Fails
    /// `not-found`: there is none. `refused`: processes are in it. `input`: no namespace can have this name.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::del("blue");
    /// ```
    ///
    /// # Source
    /// ip-netns(8), delete
    #[rhai_fn(return_raw, volatile)]
    pub fn del(ctx: NativeCallContext, name: &str) -> Answer<()> {
        del_with(ctx, name, Map::new())
    }

    /// Takes away a namespace, with options.
    ///
    /// - `name`: its name
    /// - `options`: with `force: true` also one in which processes are; they stay in it
    ///
    /// # Changes
    /// The namespace has no name; undo gives it the name back.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::del("blue", #{ force: true });
    /// ```
    ///
    /// # Source
    /// ip-netns(8), delete
    #[rhai_fn(name = "del", return_raw, volatile)]
    pub fn del_with(ctx: NativeCallContext, name: &str, options: Map) -> Answer<()> {
        let name = handle::name(&ctx, name)?;
        match take(&ctx, &name, &options)? {
            true => Ok(()),
            false => Err(call::fault(&ctx, missing(&name, "take away"))),
        }
    }

    /// Makes sure that there is no namespace of a name; one that is there is taken away as `del` does it.
    ///
    /// - `name`: the name
    ///
    /// # Changes
    /// The namespace, if there is one, has no name; undo gives it the name back.
    ///
    /// # Fails
    /// `refused`: processes are in it. `input`: no namespace can have this name.
    ///
    /// # Example
    /// ```rhai
    /// netns::absent("blue");
    /// ```
    ///
    /// # Source
    /// ip-netns(8), delete
    #[rhai_fn(return_raw, volatile)]
    pub fn absent(ctx: NativeCallContext, name: &str) -> Answer<()> {
        absent_with(ctx, name, Map::new())
    }

    /// Makes sure that there is no namespace of a name, with options.
    ///
    /// - `name`: the name
    /// - `options`: with `force: true` also one in which processes are; they stay in it
    ///
    /// # Changes
    /// The namespace, if there is one, has no name; undo gives it the name back.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown.
    ///
    /// # Example
    /// ```rhai
    /// netns::absent("blue", #{ force: true });
    /// ```
    ///
    /// # Source
    /// ip-netns(8), delete
    #[rhai_fn(name = "absent", return_raw, volatile)]
    pub fn absent_with(ctx: NativeCallContext, name: &str, options: Map) -> Answer<()> {
        let name = handle::name(&ctx, name)?;
        take(&ctx, &name, &options).map(drop)
    }

    /// Takes away a namespace for good, with all that is in it: its rules, its interfaces, and the other ends of their wires.
    ///
    /// - `name`: its name
    ///
    /// What is queued is written first.
    ///
    /// # Changes
    /// The namespace is gone, which cannot be lifted.
    ///
    /// # Fails
    /// `not-found`: there is none. `refused`: processes are in it. `input`: no namespace can have this name.
    ///
    /// # Example
    /// ```rhai
    /// netns::ensure("blue");
    /// netns::destroy("blue");
    /// ```
    ///
    /// # Source
    /// ip-netns(8), delete
    #[rhai_fn(return_raw, volatile)]
    pub fn destroy(ctx: NativeCallContext, name: &str) -> Answer<()> {
        let name = handle::name(&ctx, name)?;
        let Some(state) = handle::state(&ctx, &name)? else { return Err(call::fault(&ctx, missing(&name, "destroy"))) };
        let free = handle::is_free(&name, &state, false).map_err(|fault| fault.hint("processes keep a namespace alive: end them first"));
        free.and_then(|()| call::door(&ctx).map_or(Ok(()), |door| door.act(Act::Destroy(name), call::origin(&ctx))))
            .map_err(|f| call::fault(&ctx, f))
    }
}
