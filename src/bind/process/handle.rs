//! What a script holds of a process: what was known of it when it was found.

use rhai::{Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::cgroup::handle::look;
use crate::kernel::processes::{Facts, Socket};
use crate::model::cgroup;
use crate::model::net::Ports;
use crate::model::sockets::{Expr, Filter, Proto, Side, Socket as Open, State};
use crate::model::{Fault, Kind};
use crate::transaction::{Around, Query, Reading, Seen};

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    pub(in crate::bind) facts: Facts,
}

impl Process {
    /// Finds the process of a number, if there is one.
    pub(in crate::bind) fn find(ctx: &NativeCallContext, pid: i64) -> Answer<Option<Self>> {
        let pid = cgroup::Process::number(pid).map_err(|f| call::fault(ctx, f))?;
        Ok(found(ctx, Around::Process(pid))?.pop())
    }

    /// Finds the process of a number; there has to be one.
    pub(in crate::bind) fn numbered(ctx: &NativeCallContext, pid: i64) -> Answer<Self> {
        let missing = || Fault::new(Kind::NotFound, format!("use the process {pid}"), "there is no such process, or it has ended");
        Self::find(ctx, pid)?.ok_or_else(|| call::fault(ctx, missing()))
    }

    /// Lists its sockets.
    pub(super) fn sockets(&self, ctx: &NativeCallContext) -> Answer<Vec<Socket>> {
        match look(ctx, Around::Sockets(self.facts.process))? {
            Seen::Sockets(sockets) => Ok(sockets),
            _ => Ok(Vec::new()),
        }
    }
}

/// Looks for processes.
pub(in crate::bind) fn found(ctx: &NativeCallContext, around: Around) -> Answer<Vec<Process>> {
    match look(ctx, around)? {
        Seen::Processes(all) => Ok(all.into_iter().map(|facts| Process { facts }).collect()),
        _ => Ok(Vec::new()),
    }
}

/// Gives a socket as a map.
pub(super) fn shown(socket: &Socket) -> Dynamic {
    let protocol = match (socket.is_of_internet(), socket.protocol) {
        (true, 6) => "tcp".to_owned(),
        (true, 17) => "udp".to_owned(),
        (_, other) => other.to_string(),
    };
    let end = |end: Option<std::net::SocketAddr>| end.map_or(Dynamic::UNIT, |end| end.to_string().into());
    let entries: [(&str, Dynamic); 6] = [
        ("fd", i64::from(socket.fd).into()),
        ("family", socket.family().into()),
        ("protocol", protocol.into()),
        ("here", end(socket.here)),
        ("peer", end(socket.peer)),
        ("cookie", socket.cookie.cast_signed().into()),
    ];
    Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
}

/// Lists the sockets of this network that a filter means.
pub(super) fn open(ctx: &NativeCallContext, filter: Filter) -> Answer<Vec<Open>> {
    match call::door(ctx)?.read(Query::Sockets(filter)).map_err(|f| call::fault(ctx, f))? {
        Reading::Sockets(sockets) => Ok(sockets),
        _ => Ok(Vec::new()),
    }
}

/// Lists the sockets that listen on a TCP port of this network, or wait at a UDP port.
pub(super) fn waiting(ctx: &NativeCallContext, port: u16) -> Answer<Vec<Open>> {
    let at = Expr::Port(Side::Local, Ports { first: port, last: port });
    let mut found = open(ctx, Filter { protos: vec![Proto::Tcp, Proto::Udp], all: vec![at], ..Filter::default() })?;
    found.retain(|socket| socket.state == State::Listening || (socket.proto == Proto::Udp && socket.state == State::Closed));
    Ok(found)
}
