//! A request of an exchange, with what came of it.

use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString};

use crate::bind::field::Fields;
use crate::bind::packet::handle::Packet;
use crate::bind::types::address::or_unit;
use crate::model::duration::Span;
use crate::model::packet::exchange::{self, Answered, Outcome};

/// A request of an exchange, with what came of it.
#[derive(Clone, Debug)]
pub struct Row(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request: Packet,
    answer: Option<Packet>,
    others: Vec<Packet>,
    row: exchange::Row,
}

fn packet(answered: &Answered) -> Option<Packet> {
    let packet = answered.packet.as_ref()?;
    Some(Packet::read(packet.bytes.to_vec(), packet.first, Some((answered.at, packet.bytes.len()))))
}

impl Row {
    /// Takes a row as it is by now.
    pub(super) fn of(request: Packet, row: &exchange::Row) -> Self {
        let answer = if let Outcome::Answered(answered) = &row.outcome { packet(answered) } else { None };
        let others = row.others.iter().filter_map(packet).collect();
        Self(Arc::new(Inner { request, answer, others, row: row.clone() }))
    }

    fn answered(&self) -> Option<&Answered> {
        if let Outcome::Answered(answered) = &self.0.row.outcome { Some(answered) } else { None }
    }

    fn kind(&self) -> &'static str {
        match &self.0.row.outcome {
            Outcome::Answered(answered) => answered.reply.kind,
            Outcome::Unsent(_) => "unsent",
            Outcome::Broken(_) => "broken",
            Outcome::Silent => "silent",
            // Only an exchange that somebody has ended leaves one open.
            Outcome::Open => "interrupted",
        }
    }

    fn from(&self) -> Dynamic {
        or_unit(self.answered().map(|answered| answered.reply.from))
    }

    fn rtt(&self) -> Dynamic {
        self.answered().map_or(Dynamic::UNIT, |answered| Dynamic::from(Span(answered.rtt)))
    }

    fn answer(&self) -> Dynamic {
        self.0.answer.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Gives what there is to say of the row.
    pub(in crate::bind) fn fields(&self) -> Fields {
        vec![
            ("from", self.from().into()),
            ("kind", self.kind().into()),
            ("rtt", self.rtt().into()),
            ("request", Dynamic::from(self.0.request.clone()).into()),
            ("answer", self.answer().into()),
            ("tries", i64::from(self.0.row.tries).into()),
            ("duplicates", (self.0.row.duplicates as i64).into()),
        ]
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A request of an exchange, with what came of it.
    pub type Row = super::Row;

    /// Gives the packet that was sent, with what was filled in.
    #[rhai_fn(get = "request", global, pure)]
    pub fn request(row: &mut Row) -> Dynamic {
        Dynamic::from(row.0.request.clone())
    }

    /// Gives the packet that answered; `()` if none did, or if only a report of the kernel tells of it.
    #[rhai_fn(get = "answer", global, pure)]
    pub fn answer(row: &mut Row) -> Dynamic {
        row.answer()
    }

    /// Gives what came of the request: `"reply"`, `"syn-ack"`, `"reset"`, `"ack"`, `"silent"`, `"unsent"`, `"broken"`, `"interrupted"`, or what an ICMP error says.
    #[rhai_fn(get = "kind", global, pure)]
    pub fn kind(row: &mut Row) -> ImmutableString {
        row.kind().into()
    }

    /// Gives the address of whoever answered; `()` if nobody did.
    #[rhai_fn(get = "from", global, pure)]
    pub fn from(row: &mut Row) -> Dynamic {
        row.from()
    }

    /// Gives how long the answer took, by the clock of the kernel; `()` if there is none.
    #[rhai_fn(get = "rtt", global, pure)]
    pub fn rtt(row: &mut Row) -> Dynamic {
        row.rtt()
    }

    /// Gives how often the request was sent.
    #[rhai_fn(get = "tries", global, pure)]
    pub fn tries(row: &mut Row) -> i64 {
        i64::from(row.0.row.tries)
    }

    /// Gives how many more answers came.
    #[rhai_fn(get = "duplicates", global, pure)]
    pub fn duplicates(row: &mut Row) -> i64 {
        row.0.row.duplicates as i64
    }

    /// Gives the further answers, 16 of them at most.
    #[rhai_fn(get = "others", global, pure)]
    pub fn others(row: &mut Row) -> Array {
        row.0.others.iter().cloned().map(Dynamic::from).collect()
    }

    /// Gives why the kernel did not send the request, or what is wrong with what came; `()` where there is nothing to say.
    #[rhai_fn(get = "error", global, pure)]
    pub fn error(row: &mut Row) -> Dynamic {
        match &row.0.row.outcome {
            Outcome::Unsent(fault) | Outcome::Broken(fault) => fault.why.to_string().into(),
            _ => Dynamic::UNIT,
        }
    }

    /// Tells the row in one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn line(row: &mut Row) -> ImmutableString {
        let from =
            row.answered().map_or_else(String::new, |answered| format!(" from {} after {}", answered.reply.from, Span(answered.rtt)));
        format!("{}{from}", row.kind()).into()
    }
}
