//! Kinds of qdiscs, by their names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The name of a kind of qdisc.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(Arc<str>);

/// The kinds whose options are understood.
pub const KNOWN: &[&str] = &[
    "netem",
    "tbf",
    "htb",
    "fq_codel",
    "prio",
    "sfq",
    "fq",
    "cake",
    "ingress",
    "clsact",
    "pfifo",
    "bfifo",
    "pfifo_head_drop",
    "pfifo_fast",
    "noqueue",
    "mq",
];

/// The other kinds that Linux has or had: net/sched/ and tc(8).
const OTHERS: &[&str] = &[
    "atm",
    "blackhole",
    "cbq",
    "cbs",
    "choke",
    "codel",
    "drr",
    "dsmark",
    "dualpi2",
    "etf",
    "ets",
    "fq_pie",
    "gred",
    "hfsc",
    "hhf",
    "mqprio",
    "multiq",
    "pie",
    "plug",
    "qfq",
    "red",
    "rr",
    "sfb",
    "skbprio",
    "taprio",
];

impl Kind {
    /// Says what may be meant by a name that no kind has.
    pub fn hint(&self) -> Option<String> {
        let all = || KNOWN.iter().chain(OTHERS).copied();
        let is_one = all().any(|kind| kind == self.as_str()) || self.as_str().starts_with("teql");
        let list = || format!("there are {} and what else tc(8) names", KNOWN.join(", "));
        (!is_one).then(|| did_you_mean(self.as_str(), all()).unwrap_or_else(list))
    }

    /// Takes a name as the kernel gives it.
    pub fn listed(name: &str) -> Self {
        Self(name.into())
    }

    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether two are the same, as far as both are known.
    pub(super) fn may_be_same(one: Option<&Self>, other: Option<&Self>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }

    /// Tells whether its place is where packets arrive.
    pub fn is_ingress(&self) -> bool {
        matches!(&*self.0, "ingress" | "clsact")
    }

    /// Tells whether its classes are made by hand; those of others come and go with the qdisc.
    pub fn has_classes(&self) -> bool {
        matches!(&*self.0, "htb" | "hfsc" | "drr" | "qfq" | "ets" | "cbq")
    }

    /// Tells whether the kernel can change it where it is, so that what is in it stays. Those without options have nothing to change.
    pub fn can_change(&self) -> bool {
        !matches!(&*self.0, "htb" | "ingress" | "clsact" | "mq" | "noqueue" | "pfifo_fast" | "drr")
    }

    /// Gives the name of the kernel module that has it.
    pub fn module(&self) -> String {
        match &*self.0 {
            "clsact" => "sch_ingress".to_owned(),
            name => format!("sch_{name}"),
        }
    }
}

impl FromStr for Kind {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text {
            // IFNAMSIZ is 16 with the final NUL.
            _ if (1..=15).contains(&text.len()) && text.chars().all(plain) => Ok(Self(text.into())),
            _ => Err(Fault::input(format!("use {text:?} as a kind of qdisc"), "no kind has such a name")
                .hint(format!("those that fyke understands are {}", KNOWN.join(", ")))),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
