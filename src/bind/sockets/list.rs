//! Lists of sockets, and their end.

use std::sync::OnceLock;

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::given::Given;
use super::socket::{List, Socket, holders};
use crate::bind::call::{self, Answer};
use crate::model::ports::PortSet;
use crate::model::sockets::{Expr, Filter, Proto, Side, Socket as Found, State};
use crate::model::{Fault, Kind};
use crate::transaction::{Query, Reading};

/// Lists what is asked for.
fn read(ctx: &NativeCallContext, given: &Given) -> Answer<List> {
    let reading = call::door(ctx)?.read(Query::Sockets(given.filter.clone())).map_err(|f| call::fault(ctx, f))?;
    let mut list = List { sockets: if let Reading::Sockets(found) = reading { found } else { Vec::new() }, holders: OnceLock::new() };
    if given.processes || given.process.is_some() {
        let holders = list.holders.get_or_init(|| holders(ctx).unwrap_or_default());
        let is_held =
            |socket: &Found, name: &str| holders.get(&socket.inode).is_some_and(|all| all.iter().any(|holder| &*holder.name == name));
        if let Some(name) = &given.process {
            list.sockets.retain(|socket| is_held(socket, name));
        }
    }
    Ok(list)
}

fn given(ctx: &NativeCallContext, value: &Dynamic) -> Answer<Given> {
    Given::read(value).map_err(|f| call::fault(ctx, f))
}

/// Lists the sockets of TCP and UDP that have one of these ports as their own, with who holds them.
fn of_ports(ctx: &NativeCallContext, ports: &PortSet) -> Answer<List> {
    let own = ports.ranges().into_iter().map(|range| Expr::Port(Side::Local, range)).collect();
    let filter = Filter { protos: vec![Proto::Tcp, Proto::Udp], all: vec![Expr::Or(own)], ..Filter::default() };
    read(ctx, &Given { filter, processes: true, process: None })
}

/// Lists who has ports, as values.
pub(in crate::bind) fn with_ports(ctx: &NativeCallContext, ports: &PortSet) -> Answer<Array> {
    Ok(of_ports(ctx, ports)?.values().map(Dynamic::from).collect())
}

/// Tells who has ports: each socket in a few words. What waits for late packets only is in nobody's way.
pub(in crate::bind) fn on_ports(ctx: &NativeCallContext, ports: &PortSet) -> Answer<Vec<String>> {
    let held = of_ports(ctx, ports)?.values().filter(|socket| socket.found().state != State::TimeWait);
    Ok(held.map(|socket| socket.told()).collect())
}

/// Finds the sockets that are to be destroyed.
fn doomed(ctx: &NativeCallContext, what: &Dynamic) -> Answer<Vec<Found>> {
    if let Some(one) = what.read_lock::<Socket>() {
        return Ok(vec![one.found().clone()]);
    }
    if let Some(list) = what.read_lock::<Array>() {
        let each = list.iter().map(|one| match one.read_lock::<Socket>() {
            Some(socket) => Ok(socket.found().clone()),
            None => Err(call::fault(ctx, Fault::input("destroy sockets", format!("one of them is of type {}", one.type_name())))),
        });
        return each.collect();
    }
    let mut given = given(ctx, what)?;
    if given.filter.is_empty() && given.process.is_none() {
        let fault = Fault::input("destroy sockets", "the filter names none in particular, and that would be all");
        return Err(call::fault(ctx, fault.hint("say which: #{ peer_address: \"192.0.2.7\" }, #{ port: 8080 }, #{ pid: 4711 }")));
    }
    if given.filter.protos.is_empty() {
        given.filter.protos = Proto::ALL.into_iter().filter(|proto| proto.is_inet()).collect();
    }
    Ok(read(ctx, &given)?.sockets)
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Lists all sockets of this network namespace: TCP, UDP, raw, unix and packet.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `unsupported`: the kernel has no sock_diag(7).
    ///
    /// # Example
    /// ```rhai
    /// sockets::list().filter(|socket| socket.state == "listening")
    /// ```
    ///
    /// # Source
    /// ss(8), sock_diag(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext) -> Answer<Array> {
        list_of(ctx, Map::new().into())
    }

    /// Lists the sockets that a filter means.
    ///
    /// - `filter`: the words of ss(8) (`"state established ( sport = :22 or dst 192.0.2.0/24 )"`), or a map. Its keys:
    ///   `proto` (`"tcp"`, `"udp"`, `"raw"`, `"unix"`, `"packet"`), `state` (`"listening"`, `"time-wait"`, `"connected"` and what else ss has),
    ///   `port` and `peer_port` (a port, a range, a set), `address` and `peer_address` (a prefix), `local` and `peer` (an end as ss has it, or the path
    ///   of a unix socket, with `*` for anything), `interface`, `mark` (`"0x1/0xff"`), `uid`, `pid`, `process` (a name), `filter` (words beside
    ///   all that). Most of them may be arrays: one of these. With `processes: true` it is found out who holds them, in one walk through the
    ///   descriptors of all processes; with `extended: true` what the protocol keeps about them is read, too
    ///
    /// Ports and addresses are compared by the kernel. The marks of sockets are seen with CAP_NET_ADMIN only. What others hold, root sees only.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such key, state, port or prefix. `not-found`: there is no process of this number. `permission`: a mark is asked for
    /// without CAP_NET_ADMIN. `unsupported`: the kernel has no sock_diag(7).
    ///
    /// # Example
    /// ```rhai
    /// sockets::list(#{ proto: "tcp", state: "listening", port: 1..=1023, processes: true })
    /// ```
    ///
    /// # Source
    /// ss(8), sock_diag(7)
    #[rhai_fn(name = "list", return_raw, volatile)]
    pub fn list_of(ctx: NativeCallContext, filter: Dynamic) -> Answer<Array> {
        Ok(read(&ctx, &given(&ctx, &filter)?)?.values().map(Dynamic::from).collect())
    }

    /// Finds the first socket that a filter means; `()` where there is none.
    ///
    /// - `filter`: as for `list`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// As `list`.
    ///
    /// # Example
    /// ```rhai
    /// sockets::find("state listening sport = :1") == ()
    /// ```
    ///
    /// # Source
    /// ss(8), sock_diag(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, filter: Dynamic) -> Answer<Dynamic> {
        Ok(read(&ctx, &given(&ctx, &filter)?)?.values().next().map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Gives the first socket that a filter means.
    ///
    /// - `filter`: as for `list`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is none. Else as `list`.
    ///
    /// # Example
    /// ```rhai
    /// try {
    ///     print(sockets::get(#{ proto: "tcp", port: 22, state: "listening" }).local);
    /// } catch (error) {
    ///     print(error.message);
    /// }
    /// ```
    ///
    /// # Source
    /// ss(8), sock_diag(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, filter: Dynamic) -> Answer<Socket> {
        let missing = || call::fault(&ctx, Fault::new(Kind::NotFound, format!("get a socket of {filter}"), "there is none"));
        read(&ctx, &given(&ctx, &filter)?)?.values().next().ok_or_else(missing)
    }

    /// Destroys sockets, and tells how many there were: their programs get an error (ECONNABORTED), the other sides of TCP connections a reset.
    ///
    /// - `what`: a filter as for `list`, which has to name something, a socket, or an array of them
    ///
    /// TCP, UDP and raw only. What is queued is written first. A plan lists them, and tells how many there would be. The connection by which somebody is
    /// logged in is not destroyed unless `--allow-lockout` is given.
    ///
    /// # Changes
    /// The sockets, which cannot be lifted.
    ///
    /// # Fails
    /// `input`: the filter names none in particular. `permission`: it takes CAP_NET_ADMIN. `lockout`: one of them is that of the login.
    /// `unsupported`: they are unix or packet sockets, or the kernel does not destroy any.
    ///
    /// # Example
    /// ```rhai
    /// let ended = sockets::destroy(#{ proto: "tcp", state: "established", peer_address: "192.0.2.7" });
    /// print(`${ended} connections ended`);
    /// ```
    ///
    /// # Source
    /// ss(8), `--kill`; RFC 793, ABORT
    #[rhai_fn(return_raw, volatile)]
    pub fn destroy(ctx: NativeCallContext, what: Dynamic) -> Answer<i64> {
        let doomed = doomed(&ctx, &what)?;
        let count = call::door(&ctx)?.destroy(&doomed, call::origin(&ctx)).map_err(|f| call::fault(&ctx, f))?;
        Ok(count as i64)
    }
}
