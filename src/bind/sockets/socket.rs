//! One socket as a value.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::field::{Field, Fields};
use crate::bind::types::address::or_unit;
use crate::model::duration::Span;
use crate::model::sockets::{Details, End, Holder as Process, Holders, Side, Socket as Found};
use crate::model::{Fault, Kind};
use crate::transaction::{Query, Reading};

/// What was listed together.
#[derive(Debug)]
pub(super) struct List {
    pub(super) sockets: Vec<Found>,
    /// Who holds which, once somebody has asked.
    pub(super) holders: OnceLock<Holders>,
}

/// A socket as it was when it was listed.
#[derive(Clone, Debug)]
pub struct Socket {
    list: Arc<List>,
    at: usize,
}

/// A process that has a socket open.
#[derive(Clone, Debug)]
pub struct Holder(Process);

/// Walks through the descriptors of all processes.
pub(super) fn holders(ctx: &NativeCallContext) -> Answer<Holders> {
    match call::door(ctx)?.read(Query::Holders).map_err(|f| call::fault(ctx, f))? {
        Reading::Holders(holders) => Ok(holders),
        _ => Ok(Holders::new()),
    }
}

impl List {
    /// Gives its sockets as values.
    pub(super) fn values(self) -> impl Iterator<Item = Socket> {
        let list = Arc::new(self);
        (0..list.sockets.len()).map(move |at| Socket { list: list.clone(), at })
    }
}

impl Socket {
    /// Gives what was found.
    pub(super) fn found(&self) -> &Found {
        &self.list.sockets[self.at]
    }

    /// Gives what there is to say of the socket: as ss(8) does, and more where more was asked for.
    pub(in crate::bind) fn fields(&self) -> Fields {
        let socket = self.found();
        let mut fields = Fields::with_capacity(10);
        fields.push(("proto", socket.proto.name().into()));
        fields.extend(socket.kind.map(|kind| ("kind", kind.into())));
        fields.extend([
            ("state", socket.state.name().into()),
            ("recv_q", i64::from(socket.recv_q).into()),
            ("send_q", i64::from(socket.send_q).into()),
            ("local", socket.end(Side::Local).into()),
            ("peer", socket.end(Side::Peer).into()),
            ("uid", i64::from(socket.uid).into()),
            ("inode", (socket.inode as i64).into()),
        ]);
        if self.list.holders.get().is_some() {
            fields.push(("processes", Field::Holders(self.known_holders().collect())));
        }
        if let Some(details) = &socket.details {
            let mark = socket.mark.filter(|mark| *mark != 0).map(|mark| ("mark", format!("{mark:#x}").into()));
            fields.extend(mark.into_iter().chain(socket.timer.map(|_| ("timer", timer(socket).into()))));
            fields.extend(details.congestion.as_ref().map(|name| ("congestion", name.clone().into())));
            fields.push(("memory", map(&details.memory).into()));
            fields.extend((!details.info.is_empty()).then(|| ("info", map(&details.info).into())));
        }
        fields
    }

    /// Tells the socket in a few words, with who holds it.
    pub(super) fn told(&self) -> String {
        let holders: Vec<String> = self.known_holders().map(|holder| holder.0.to_string()).collect();
        if holders.is_empty() { self.found().to_string() } else { format!("{} by {}", self.found(), holders.join(", ")) }
    }

    fn known_holders(&self) -> impl Iterator<Item = Holder> {
        self.list.holders.get().and_then(|all| all.get(&self.found().inode)).into_iter().flatten().cloned().map(Holder)
    }

    /// Gives what the protocol keeps about the socket: as it was listed, or as it is now.
    fn details(&self, ctx: &NativeCallContext) -> Answer<Details> {
        if let Some(details) = &self.found().details {
            return Ok((**details).clone());
        }
        let query = Query::Socket(Box::new(self.found().clone()));
        match call::door(ctx)?.read(query).map_err(|f| call::fault(ctx, f))? {
            Reading::Socket(Some(found)) => Ok(found.details.map(|details| *details).unwrap_or_default()),
            _ => Err(call::fault(ctx, Fault::new(Kind::NotFound, format!("read the socket {}", self.found()), "it is gone"))),
        }
    }
}

impl Holder {
    /// Gives what there is to say of the process.
    pub fn fields(&self) -> Fields {
        let Self(holder) = self;
        vec![("name", holder.name.to_string().into()), ("pid", i64::from(holder.pid).into()), ("fd", i64::from(holder.fd).into())]
    }
}

fn text(text: &str) -> Dynamic {
    text.into()
}

fn map(of: &[(&'static str, u64)]) -> Dynamic {
    let entries = of.iter().map(|(name, value)| ((*name).into(), i64::try_from(*value).unwrap_or(i64::MAX).into()));
    Dynamic::from_map(entries.collect::<Map>())
}

fn timer(socket: &Found) -> Dynamic {
    let Some(timer) = socket.timer else { return Dynamic::UNIT };
    let left = Span(Duration::from_millis(timer.left.into()));
    let entries: [(&str, Dynamic); 3] =
        [("name", timer.name.into()), ("left", Dynamic::from(left)), ("tries", i64::from(timer.tries).into())];
    Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn address(end: &End) -> Dynamic {
    or_unit(end.address().map(|address| address.to_canonical()))
}

fn port(end: &End) -> Dynamic {
    end.port().filter(|port| *port != 0).map_or(Dynamic::UNIT, |port| i64::from(port).into())
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A socket.
    pub type Socket = super::Socket;
    /// A process that has a socket open.
    pub type Holder = super::Holder;

    /// Gives the protocol: `"tcp"`, `"udp"`, `"raw"`, `"unix"` or `"packet"`.
    #[rhai_fn(get = "proto", global, pure)]
    pub fn proto(socket: &mut Socket) -> ImmutableString {
        socket.found().proto.name().into()
    }

    /// Gives the type of a unix or packet socket: `"stream"`, `"dgram"`, `"seqpacket"`, `"raw"`; `()` of others.
    #[rhai_fn(get = "kind", global, pure)]
    pub fn kind(socket: &mut Socket) -> Dynamic {
        socket.found().kind.map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Gives the state in the words of filters of ss(8): `"established"`, `"listening"`, `"time-wait"`, `"unconnected"`.
    #[rhai_fn(get = "state", global, pure)]
    pub fn state(socket: &mut Socket) -> ImmutableString {
        socket.found().state.name().into()
    }

    /// Gives the own end as ss(8) prints it: `"192.0.2.1:22"`, `"*:22"` for both families.
    #[rhai_fn(get = "local", global, pure)]
    pub fn local(socket: &mut Socket) -> ImmutableString {
        socket.found().end(Side::Local).into()
    }

    /// Gives the far end as ss(8) prints it; `"0.0.0.0:*"` where nobody is there.
    #[rhai_fn(get = "peer", global, pure)]
    pub fn peer(socket: &mut Socket) -> ImmutableString {
        socket.found().end(Side::Peer).into()
    }

    /// Gives the own address; `()` of a socket without addresses.
    #[rhai_fn(get = "address", global, pure)]
    pub fn own_address(socket: &mut Socket) -> Dynamic {
        address(&socket.found().local)
    }

    /// Gives the own port, of a raw socket its protocol; `()` where it has none.
    #[rhai_fn(get = "port", global, pure)]
    pub fn own_port(socket: &mut Socket) -> Dynamic {
        port(&socket.found().local)
    }

    /// Gives the far address; `()` of a socket without addresses.
    #[rhai_fn(get = "peer_address", global, pure)]
    pub fn peer_address(socket: &mut Socket) -> Dynamic {
        address(&socket.found().peer)
    }

    /// Gives the far port; `()` where there is none.
    #[rhai_fn(get = "peer_port", global, pure)]
    pub fn peer_port(socket: &mut Socket) -> Dynamic {
        port(&socket.found().peer)
    }

    /// Gives the interface that the socket is bound to; `()` for any.
    #[rhai_fn(get = "interface", global, pure)]
    pub fn interface(socket: &mut Socket) -> Dynamic {
        socket.found().interface.as_deref().map_or(Dynamic::UNIT, text)
    }

    /// Gives the bytes that came and were not read; of a socket that listens, the connections that wait to be accepted.
    #[rhai_fn(get = "recv_q", global, pure)]
    pub fn recv_q(socket: &mut Socket) -> i64 {
        socket.found().recv_q.into()
    }

    /// Gives the bytes that were sent and are not acknowledged; of a socket that listens, the most connections that may wait.
    #[rhai_fn(get = "send_q", global, pure)]
    pub fn send_q(socket: &mut Socket) -> i64 {
        socket.found().send_q.into()
    }

    /// Gives the user id of whose socket it is.
    #[rhai_fn(get = "uid", global, pure)]
    pub fn uid(socket: &mut Socket) -> i64 {
        socket.found().uid.into()
    }

    /// Gives the inode of its file (`struct socket`), as in `/proc/PID/fd`; 0 where no program has it any more.
    #[rhai_fn(get = "inode", global, pure)]
    pub fn inode(socket: &mut Socket) -> i64 {
        socket.found().inode as i64
    }

    /// Gives the mark of its packets; `()` without CAP_NET_ADMIN.
    #[rhai_fn(get = "mark", global, pure)]
    pub fn mark(socket: &mut Socket) -> Dynamic {
        socket.found().mark.map_or(Dynamic::UNIT, |mark| i64::from(mark).into())
    }

    /// Gives the id of the cgroup that it was made in: the inode of the folder, for version 2; `()` where the kernel does not tell.
    #[rhai_fn(get = "cgroup_id", global, pure)]
    pub fn cgroup_id(socket: &mut Socket) -> Dynamic {
        socket.found().cgroup.map_or(Dynamic::UNIT, |id| (id as i64).into())
    }

    /// Gives the timer that runs, as a map: `name` (`"on"`: to send again, `"keepalive"`, `"timewait"`, `"persist"`), `left`, `tries`; `()` without one.
    #[rhai_fn(get = "timer", global, pure)]
    pub fn timer(socket: &mut Socket) -> Dynamic {
        super::timer(socket.found())
    }

    /// Gives the memory of the socket in bytes, as a map by the names of `struct sock`: `rmem_alloc`, `rcvbuf`, `wmem_alloc`, `sndbuf` and so on.
    #[rhai_fn(get = "memory", global, return_raw, volatile)]
    pub fn memory(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Dynamic> {
        Ok(map(&socket.details(&ctx)?.memory))
    }

    /// Gives the name of the congestion control; `()` of what has none.
    #[rhai_fn(get = "congestion", global, return_raw, volatile)]
    pub fn congestion(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Dynamic> {
        Ok(socket.details(&ctx)?.congestion.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Gives what `struct tcp_info` tells, as a map by the names of its fields: `rtt` in microseconds, `snd_cwnd`, `retrans`, `bytes_acked` and so on.
    #[rhai_fn(get = "info", global, return_raw, volatile)]
    pub fn info(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Dynamic> {
        Ok(map(&socket.details(&ctx)?.info))
    }

    /// Lists the processes that have the socket open. The first question of all sockets of one list walks through the descriptors of all processes.
    #[rhai_fn(get = "processes", global, return_raw, volatile)]
    pub fn processes(ctx: NativeCallContext, socket: &mut Socket) -> Answer<Array> {
        if socket.list.holders.get().is_none() {
            let found = holders(&ctx)?;
            socket.list.holders.get_or_init(|| found);
        }
        Ok(socket.known_holders().map(Dynamic::from).collect())
    }

    /// Gives the socket as a map: what its list shows of it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// sockets::list(#{ proto: "tcp" }).map(|socket| socket.to_map())
    /// ```
    ///
    /// # Source
    /// ss(8)
    #[rhai_fn(global, pure)]
    pub fn to_map(socket: &mut Socket) -> Map {
        socket.fields().into_iter().map(|(name, value)| (name.into(), value.value())).collect()
    }

    /// Prints the socket as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(socket: &mut Socket) -> ImmutableString {
        socket.found().to_string().into()
    }

    /// Gives the number of the process.
    #[rhai_fn(get = "pid", global, pure)]
    pub fn pid(holder: &mut Holder) -> i64 {
        holder.0.pid.into()
    }

    /// Gives the descriptor by which the process has the socket.
    #[rhai_fn(get = "fd", global, pure)]
    pub fn fd(holder: &mut Holder) -> i64 {
        holder.0.fd.into()
    }

    /// Gives the name of the process.
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(holder: &mut Holder) -> ImmutableString {
        (&*holder.0.name).into()
    }

    /// Gives the path of the cgroup of the process; that of the hierarchy of systemd where there are several.
    #[rhai_fn(get = "cgroup", global, pure)]
    pub fn cgroup(holder: &mut Holder) -> ImmutableString {
        (&*holder.0.cgroup).into()
    }

    /// Gives the unit of systemd that the process belongs to, by its cgroup; `()` for none.
    #[rhai_fn(get = "unit", global, pure)]
    pub fn unit(holder: &mut Holder) -> Dynamic {
        holder.0.unit().map_or(Dynamic::UNIT, text)
    }

    /// Prints the process as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn holder_to_string(holder: &mut Holder) -> ImmutableString {
        holder.0.to_string().into()
    }
}
