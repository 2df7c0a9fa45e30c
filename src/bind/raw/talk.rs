//! Who talked to whom in a capture.

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString};

use crate::bind::field::Fields;
use crate::bind::types::address::or_unit;
use crate::model::raw;

/// Packets of a protocol from one host to another.
#[derive(Clone, Debug)]
pub struct Talk {
    pub(super) talk: raw::Talk,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Talk {
    /// Gives what there is to say of the talk.
    pub(in crate::bind) fn fields(&self) -> Fields {
        vec![
            ("proto", self.talk.protocol().into()),
            ("src", or_unit(self.talk.src).into()),
            ("dst", or_unit(self.talk.dst).into()),
            ("packets", number(self.packets).into()),
            ("bytes", number(self.bytes).into()),
        ]
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// Packets of a protocol from one host to another.
    pub type Talk = super::Talk;

    /// Gives the protocol: that of IP, or what a frame carries instead.
    #[rhai_fn(get = "proto", global, pure)]
    pub fn proto(talk: &mut Talk) -> ImmutableString {
        talk.talk.protocol().into()
    }

    /// Gives who sends; `()` where the frame does not say it.
    #[rhai_fn(get = "src", global, pure)]
    pub fn src(talk: &mut Talk) -> Dynamic {
        or_unit(talk.talk.src)
    }

    /// Gives who is sent to; `()` where the frame does not say it.
    #[rhai_fn(get = "dst", global, pure)]
    pub fn dst(talk: &mut Talk) -> Dynamic {
        or_unit(talk.talk.dst)
    }

    /// Gives how many packets there were.
    #[rhai_fn(get = "packets", global, pure)]
    pub fn packets(talk: &mut Talk) -> i64 {
        number(talk.packets)
    }

    /// Gives how many bytes they had on the wire.
    #[rhai_fn(get = "bytes", global, pure)]
    pub fn bytes(talk: &mut Talk) -> i64 {
        number(talk.bytes)
    }

    /// Tells the talk in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn line(talk: &mut Talk) -> ImmutableString {
        talk.fields().into_iter().map(|(name, value)| format!("{name} {}", value.value())).collect::<Vec<_>>().join(" ").into()
    }
}
