//! Rules: which table a packet asks, after ip-rule(8).

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Raw;
use super::names::{PROTOCOLS, TABLES, shown};
use super::words::{Line, Words, number};
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// What becomes of a packet that a rule matches: `FR_ACT_TO_TBL` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It asks a table.
    Lookup(u32),
    /// It goes on at the rule of this priority.
    Goto(u32),
    /// It goes on at the next rule.
    Nop,
    /// It is dropped.
    Blackhole,
    /// It is dropped, and the sender is told that there is no way.
    Unreachable,
    /// It is dropped, and the sender is told that it may not pass.
    Prohibit,
}

/// A rule. All of it is its name: the kernel has no two that are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The family.
    pub family: Family,
    /// Rules are asked in this order.
    pub priority: u32,
    /// Whether it means all packets that do not match.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// Where packets come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Prefix>,
    /// Where packets go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Prefix>,
    /// By which link they came, by its name; `lo` for those of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// To which link their socket is bound, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// Their type of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// Their mark, and the bits of it that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<(u32, u32)>,
    /// Their protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipproto: Option<u8>,
    /// Their source ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sport: Option<(u16, u16)>,
    /// Their destination ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dport: Option<(u16, u16)>,
    /// The users of their sockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidrange: Option<(u32, u32)>,
    /// Whether a virtual routing domain chooses the table.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub l3mdev: bool,
    /// What becomes of them.
    pub action: Action,
    /// Routes with a prefix of no more bits do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<u32>,
    /// Who has set it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub proto: u8,
    /// What fyke does not look into.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub rest: Raw,
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// What the kernel sets by itself.
const KERNEL: u8 = 2;

impl Rule {
    /// Makes one that asks nothing and says nothing.
    pub fn empty(family: Family) -> Self {
        Self {
            family,
            priority: 0,
            not: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            tos: None,
            fwmark: None,
            ipproto: None,
            sport: None,
            dport: None,
            uidrange: None,
            l3mdev: false,
            action: Action::Nop,
            suppress: None,
            proto: 0,
            rest: Raw::default(),
        }
    }

    /// Tells whether the kernel has set it by itself.
    pub fn is_automatic(&self) -> bool {
        self.proto == KERNEL
    }

    /// Tells whether packets could be chosen by more than where they come from and go to.
    pub fn asks_more(&self) -> bool {
        self.iif.is_some()
            || self.oif.is_some()
            || self.tos.is_some()
            || self.fwmark.is_some()
            || self.ipproto.is_some()
            || self.sport.is_some()
            || self.dport.is_some()
            || self.uidrange.is_some()
            || self.l3mdev
            || !self.rest.is_empty()
    }

    /// Gives the priority that the kernel gives where none is given: one less than that of the second rule there is (fib_default_rule_pref() of
    /// net/core/fib_rules.c).
    pub fn next_priority<'a>(rules: impl Iterator<Item = &'a Self>) -> u32 {
        let mut priorities: Vec<u32> = rules.map(|rule| rule.priority).collect();
        priorities.sort_unstable();
        priorities.get(1).and_then(|second| second.checked_sub(1)).unwrap_or(0)
    }
}

/// A rule as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The rule; its priority is 0 where none was given.
    pub rule: Rule,
    /// Whether a priority was given.
    pub has_priority: bool,
    /// Whether it was said what becomes of the packets.
    pub has_action: bool,
}

impl Wanted {
    /// Tells whether a rule is the one that is meant.
    pub fn means(&self, rule: &Rule) -> bool {
        let plain = |rule: &Rule| Rule { proto: 0, priority: 0, action: Action::Nop, rest: Raw::default(), ..rule.clone() };
        (!self.has_priority || rule.priority == self.rule.priority)
            && (!self.has_action || rule.action == self.rule.action)
            && plain(&self.rule) == plain(rule)
    }

    /// Reads the words, for a family where the words alone do not tell it.
    pub fn parse(text: &str, family: Option<Family>) -> Result<Self, Fault> {
        let mut words = Words::new("a rule", text);
        let mut read = Reader { family, rule: Rule::empty(Family::V4), ..Reader::default() };
        while let Some(word) = words.next() {
            read.word(word, &mut words)?;
        }
        read.end(&words)
    }
}

impl FromStr for Wanted {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text, None)
    }
}

struct Reader {
    family: Option<Family>,
    rule: Rule,
    priority: Option<u32>,
    action: Option<Action>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { family: None, rule: Rule::empty(Family::V4), priority: None, action: None }
    }
}

impl Reader {
    fn word(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        match word {
            "not" => self.rule.not = true,
            "from" | "to" => self.end_point(word, words)?,
            "iif" | "dev" => self.rule.iif = Some(words.value::<super::Name>(word)?.to_string()),
            "oif" => self.rule.oif = Some(words.value::<super::Name>(word)?.to_string()),
            "tos" | "dsfield" => self.rule.tos = Some(words.number(word, u8::MAX)?).filter(|tos| *tos > 0),
            "fwmark" => self.rule.fwmark = Some(mark(word, words)?),
            "ipproto" => self.rule.ipproto = Some(protocol(word, words)?),
            "sport" => self.rule.sport = Some(ports(word, words)?),
            "dport" => self.rule.dport = Some(ports(word, words)?),
            "uidrange" => {
                self.rule.uidrange = Some(range(words.after(word)?, 0..=u32::MAX - 1).ok_or_else(|| words.fault("uidrange is 1000-1999"))?)
            }
            "priority" | "preference" | "pref" | "order" => self.priority = Some(words.number(word, u32::MAX)?),
            "suppress_prefixlength" => self.rule.suppress = Some(words.number(word, 128)?),
            "protocol" | "proto" => self.rule.proto = words.named(word, PROTOCOLS, 255)? as u8,
            "table" | "lookup" => {
                let table = words.named(word, TABLES, u32::MAX)?;
                self.act(Action::Lookup(table), words)?;
            }
            "goto" => {
                let to = words.number(word, u32::MAX)?;
                self.act(Action::Goto(to), words)?;
            }
            "nop" => self.act(Action::Nop, words)?,
            "blackhole" => self.act(Action::Blackhole, words)?,
            "unreachable" => self.act(Action::Unreachable, words)?,
            "prohibit" => self.act(Action::Prohibit, words)?,
            _ => return Err(words.odd(word)),
        }
        Ok(())
    }

    fn act(&mut self, action: Action, words: &Words<'_>) -> Result<(), Fault> {
        match self.action.replace(action) {
            None => Ok(()),
            Some(_) => Err(words.fault("it does two things")),
        }
    }

    fn end_point(&mut self, key: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        let text = words.after(key)?;
        if ["all", "any", "default"].contains(&text) {
            return Ok(());
        }
        let prefix = Prefix::exact(text)?;
        if self.family.is_some_and(|family| family != prefix.family()) {
            return Err(words.fault(format!("{text} is of another family")));
        }
        self.family = Some(prefix.family());
        // All of a family is what the kernel has for nothing.
        let prefix = Some(prefix).filter(|prefix| prefix.length() > 0);
        if key == "from" {
            self.rule.from = prefix
        } else {
            self.rule.to = prefix
        }
        Ok(())
    }

    fn end(self, words: &Words<'_>) -> Result<Wanted, Fault> {
        let ports = self.rule.sport.is_some() || self.rule.dport.is_some();
        if ports && self.rule.ipproto.is_none() {
            return Err(words.fault("ports belong to an `ipproto`, as in `ipproto tcp dport 22`"));
        }
        if matches!(self.action, Some(Action::Lookup(0))) {
            return Err(words.fault("there is no table 0"));
        }
        let (has_priority, has_action) = (self.priority.is_some(), self.action.is_some());
        let rule = Rule {
            family: self.family.unwrap_or(Family::V4),
            priority: self.priority.unwrap_or(0),
            action: self.action.unwrap_or(Action::Lookup(super::route::MAIN)),
            ..self.rule
        };
        match rule.action {
            Action::Goto(to) if has_priority && to <= rule.priority => Err(words.fault("a rule goes only forward: to a higher priority")),
            _ => Ok(Wanted { rule, has_priority, has_action }),
        }
    }
}

fn mark(key: &str, words: &mut Words<'_>) -> Result<(u32, u32), Fault> {
    let text = words.after(key)?;
    let (mark, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    let bits = |text: &str| number(text).and_then(|number| u32::try_from(number).ok());
    match (bits(mark), bits(mask)) {
        (Some(mark), Some(mask)) => Ok((mark, mask)),
        _ => Err(words.fault(format!("fwmark takes a mark, or a mark/mask, of 32 bits, not {text:?}"))),
    }
}

const PROTOS: &[(&str, u32)] =
    &[("icmp", 1), ("tcp", 6), ("udp", 17), ("dccp", 33), ("gre", 47), ("esp", 50), ("ipv6-icmp", 58), ("sctp", 132)];

fn protocol(key: &str, words: &mut Words<'_>) -> Result<u8, Fault> {
    Ok(words.named(key, PROTOS, 255)? as u8)
}

fn ports(key: &str, words: &mut Words<'_>) -> Result<(u16, u16), Fault> {
    let text = words.after(key)?;
    let range = range(text, 1..=65_535)
        .ok_or_else(|| words.fault(format!("{key} takes a port or a range of ports, as in 1000-1999, not {text:?}")))?;
    Ok((range.0 as u16, range.1 as u16))
}

fn range(text: &str, bounds: RangeInclusive<u32>) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let bound = |text: &str| number(text).and_then(|number| u32::try_from(number).ok()).filter(|number| bounds.contains(number));
    let (first, last) = (bound(first)?, bound(last)?);
    (first <= last).then_some((first, last))
}

impl Rule {
    fn write(&self, line: &mut Line) {
        line.word("priority").word(self.priority).flag(self.not, "not");
        match (self.from, self.family) {
            (Some(from), _) => line.word("from").word(from),
            // The family has to be told.
            (None, Family::V6) if self.to.is_none() => line.word("from ::/0"),
            _ => line.word("from all"),
        };
        line.pair("to", self.to).pair("iif", self.iif.as_ref()).pair("oif", self.oif.as_ref());
        line.pair("tos", self.tos.map(|tos| format!("{tos:#04x}")));
        line.pair(
            "fwmark",
            self.fwmark.map(|(mark, mask)| if mask == u32::MAX { format!("{mark:#x}") } else { format!("{mark:#x}/{mask:#x}") }),
        );
        line.pair("ipproto", self.ipproto.map(|proto| shown(PROTOS, proto.into())));
        let range = |(first, last): (u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
        line.pair("sport", self.sport.map(range)).pair("dport", self.dport.map(range));
        line.pair("uidrange", self.uidrange.map(|(first, last)| format!("{first}-{last}")));
        match self.action {
            Action::Lookup(table) => line.word("lookup").word(shown(TABLES, table)),
            Action::Goto(to) => line.word("goto").word(to),
            Action::Nop => line.word("nop"),
            Action::Blackhole => line.word("blackhole"),
            Action::Unreachable => line.word("unreachable"),
            Action::Prohibit => line.word("prohibit"),
        };
        line.pair("suppress_prefixlength", self.suppress);
        line.pair("proto", (self.proto != 0).then(|| shown(PROTOCOLS, self.proto.into())));
    }
}

impl fmt::Display for Rule {
    /// Writes the words behind `ip rule add`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        self.write(&mut line);
        f.write_str(line.text())
    }
}
