//! How a qdisc queues, and how much a class has of its rate: options of tc(8), kind by kind.

mod netem;
mod queue;
mod red;
mod settings;
mod shaper;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Kind;
use super::words::Words;
use crate::model::Fault;

pub use netem::{Loss, Netem, Pace, Slot};
pub use queue::{Fifo, Prio, Sfq};
pub use red::Red;
pub use settings::Settings;

/// Tells whether the options of a kind are single numbers.
pub fn are_settings(kind: &str) -> bool {
    settings::table(kind).is_some()
}
pub use shaper::{Burst, Framing, Htb, HtbClass, Tbf};

/// The options of a qdisc or of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Options {
    /// None: the kind has none, or all are as the kernel chooses them.
    None,
    /// Delay, loss and the other troubles of a network.
    Netem(Box<Netem>),
    /// A token bucket.
    Tbf(Tbf),
    /// Classes that share a rate.
    Htb(Htb),
    /// A class of them.
    HtbClass(HtbClass),
    /// Bands, of which the first goes first.
    Prio(Prio),
    /// A fair queue of flows.
    Sfq(Sfq),
    /// A plain queue.
    Fifo(Fifo),
    /// Single settings by their numbers.
    Settings(Settings),
    /// Bytes that are not understood. They are written as they were read.
    Opaque(Vec<u8>),
}

impl Options {
    /// Reads the options of a qdisc, behind its kind.
    pub fn of_qdisc(kind: &Kind, words: &mut Words<'_>) -> Result<Self, Fault> {
        let options = match kind.as_str() {
            "netem" => Self::Netem(Box::new(Netem::read(words)?)),
            "tbf" => Self::Tbf(Tbf::read(words)?),
            "htb" => Self::Htb(Htb::read(words)?),
            "prio" => Self::Prio(Prio::read(words)?),
            "sfq" => Sfq::read(words)?.map_or(Self::None, Self::Sfq),
            "pfifo" | "bfifo" | "pfifo_head_drop" => Fifo::read(words)?.map_or(Self::None, Self::Fifo),
            name if settings::table(name).is_some() => Self::Settings(Settings::read(name, words)?),
            _ => Self::None,
        };
        match words.peek() {
            None => Ok(options),
            Some(_) if super::kind::KNOWN.contains(&kind.as_str()) => Err(words.unknown(&[])),
            Some(_) => {
                let fault = Fault::input(format!("read the options of {kind}"), "fyke does not know the options of this kind");
                Err(fault.hint(kind.hint().unwrap_or_else(|| "it can be set without any, and it is put back as it was".to_owned())))
            }
        }
    }

    /// Reads the options of a class, behind the kind of its qdisc.
    pub fn of_class(kind: &Kind, words: &mut Words<'_>) -> Result<Self, Fault> {
        match kind.as_str() {
            "htb" => Ok(Self::HtbClass(HtbClass::read(words)?)),
            _ => Err(Fault::input(format!("read the options of a class of {kind}"), "fyke makes classes of htb only")
                .hint("those of other kinds are put back as they were")),
        }
    }

    /// Tells whether others are the same, as far as somebody has chosen them.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Netem(one), Self::Netem(other)) => one.agrees(other),
            (Self::Tbf(one), Self::Tbf(other)) => one.agrees(other),
            (Self::Htb(one), Self::Htb(other)) => one.agrees(other),
            (Self::HtbClass(one), Self::HtbClass(other)) => one.agrees(other),
            (Self::Sfq(one), Self::Sfq(other)) => one.agrees(other),
            (Self::Settings(one), Self::Settings(other)) => one.agrees(other),
            // What the kernel chooses is whatever it is.
            (Self::None, _) | (_, Self::None) => true,
            (one, other) => one == other,
        }
    }

    /// Tells whether the kernel can make others of them without making the qdisc anew.
    pub fn can_become(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Netem(now), Self::Netem(next)) => now.can_become(next),
            (Self::Sfq(now), Self::Sfq(next)) => now.can_become(next),
            (Self::Opaque(_), _) | (_, Self::Opaque(_)) => self == next,
            _ => true,
        }
    }

    /// Completes what was read with what the kernel does not tell, from what is known to have been set in the place of others.
    pub fn recall(&mut self, known: &Self, before: Option<&Self>) {
        if let (Self::Netem(now), Self::Netem(known)) = (self, known) {
            now.recall(known, before.and_then(Self::netem));
        }
    }

    /// Learns what the kernel does not tell from others that agree.
    pub fn learn(&mut self, said: &Self) {
        if let (Self::Netem(now), Self::Netem(said)) = (self, said) {
            now.learn(said);
        }
    }

    /// Gives those of a netem.
    pub fn netem(&self) -> Option<&Netem> {
        if let Self::Netem(netem) = self { Some(netem) } else { None }
    }
}

impl fmt::Display for Options {
    /// Writes them as tc(8) takes them, each word behind a blank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Netem(netem) => write!(f, "{netem}"),
            Self::Tbf(tbf) => write!(f, "{tbf}"),
            Self::Htb(htb) => write!(f, "{htb}"),
            Self::HtbClass(class) => write!(f, "{class}"),
            Self::Prio(prio) => write!(f, "{prio}"),
            Self::Sfq(sfq) => write!(f, "{sfq}"),
            Self::Fifo(fifo) => write!(f, "{fifo}"),
            Self::Settings(settings) => write!(f, "{settings}"),
            Self::Opaque(bytes) => write!(f, " ({} bytes of options)", bytes.len()),
        }
    }
}
