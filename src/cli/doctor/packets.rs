//! What `fyke doctor` says of sockets for packets.

use super::Line;
use crate::kernel::raw;
use crate::model::Family;
use crate::model::raw::Way;

/// Tries each kind.
pub(super) fn lines() -> Vec<Line> {
    let line =
        |what: &str, way: Way| Line { room: "raw", what: what.to_owned(), found: raw::may_open(&way).map(|()| "possible".to_owned()) };
    let family = Family::V4;
    vec![line("raw", Way::Raw { family, protocol: 1, header: false }), line("ping", Way::Ping { family })]
}
