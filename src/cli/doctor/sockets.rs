//! What `fyke doctor` says of sockets and ports.

use super::Line;
use crate::kernel::sockets::{Here, Sockets};
use crate::kernel::{reserved_ports, sockets};
use crate::model::Fault;
use crate::model::sockets::{Filter, Proto, State, States};

/// Looks at the ways to each kind of sockets, whether they can be destroyed, and at the reserved ports.
pub(super) fn lines() -> Vec<Line> {
    let line = |room: &'static str, what: &str, found: Result<String, Fault>| Line { room, what: what.to_owned(), found };
    let mut here = Here::default();
    let mut listed = |proto: Proto| {
        let filter = Filter { protos: vec![proto], states: States::only(State::Listening), ..Filter::default() };
        here.list(&filter).map(|_| sockets::way(proto).to_owned())
    };
    let mut lines: Vec<Line> = Proto::ALL.into_iter().map(|proto| line("sockets", proto.name(), listed(proto))).collect();
    lines.push(line("sockets", "destroy", here.can_destroy().map(|()| "possible".to_owned())));
    let reserved = reserved_ports::read().map(|reserved| match reserved.len() {
        0 => "possible, none is".to_owned(),
        many => format!("possible, {many} are"),
    });
    lines.push(line("ports", "reserve", reserved));
    lines
}
