//! Rules as bytes: `struct fib_rule_hdr` and its attributes.

use std::io;

use super::{Order, Rtnl, address, bytes, family, how, number, prefix, u16_of, u32_of};
use crate::kernel::netlink::message::{Messages, attributes, text};
use crate::model::Family;
use crate::model::link::rule::Action;
use crate::model::link::{Raw, Rule};

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;
const HEADER: usize = 12;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;
/// What stands for no bound of the length of a prefix.
const UNBOUND: u32 = u32::MAX;

/// `FRA_DST` and its like.
mod fra {
    pub(super) const DST: u16 = 1;
    pub(super) const SRC: u16 = 2;
    pub(super) const IIFNAME: u16 = 3;
    pub(super) const GOTO: u16 = 4;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const FWMARK: u16 = 10;
    pub(super) const SUPPRESS_PREFIXLEN: u16 = 14;
    pub(super) const TABLE: u16 = 15;
    pub(super) const FWMASK: u16 = 16;
    pub(super) const OIFNAME: u16 = 17;
    pub(super) const PAD: u16 = 18;
    pub(super) const L3MDEV: u16 = 19;
    pub(super) const UID_RANGE: u16 = 20;
    pub(super) const PROTOCOL: u16 = 21;
    pub(super) const IP_PROTO: u16 = 22;
    pub(super) const SPORT_RANGE: u16 = 23;
    pub(super) const DPORT_RANGE: u16 = 24;
    pub(super) const SPORT_MASK: u16 = 28;
    pub(super) const DPORT_MASK: u16 = 29;
}

impl Rtnl {
    /// Lists the rules of both families.
    pub fn rules(&mut self) -> io::Result<Vec<Rule>> {
        let mut found = Vec::new();
        for family in Family::BOTH {
            let question = [number(family), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            found.extend(self.dump(RTM_GETRULE, &question, &read)?.into_iter().filter(|rule| rule.family == family));
        }
        Ok(found)
    }
}

pub(super) fn read(body: &[u8]) -> Option<Rule> {
    let [of, to_length, from_length, tos, table, _, _, action] = *body.first_chunk::<8>()?;
    let (family, flags) = (family(of)?, u32_of(body.get(8..)?));
    let pair = |value: &[u8]| (u16_of(value), u16_of(value.get(2..).unwrap_or_default()));
    let (mut table, mut goto, mut mark, mut mask) = (u32::from(table), 0, None, u32::MAX);
    let mut rest = Messages::new();
    let mut rule = Rule { not: flags & INVERT != 0, tos: Some(tos).filter(|tos| *tos != 0), ..Rule::empty(family) };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            fra::DST => rule.to = Some(prefix(address(value), to_length, family)),
            fra::SRC => rule.from = Some(prefix(address(value), from_length, family)),
            fra::IIFNAME => rule.iif = Some(text(value).to_owned()),
            fra::OIFNAME => rule.oif = Some(text(value).to_owned()),
            fra::GOTO => goto = u32_of(value),
            fra::PRIORITY => rule.priority = u32_of(value),
            fra::FWMARK => mark = Some(u32_of(value)),
            fra::FWMASK => mask = u32_of(value),
            fra::TABLE => table = u32_of(value),
            fra::SUPPRESS_PREFIXLEN => rule.suppress = Some(u32_of(value)).filter(|length| *length != UNBOUND),
            fra::L3MDEV => rule.l3mdev = value.first().is_some_and(|flag| *flag != 0),
            fra::UID_RANGE => rule.uidrange = Some((u32_of(value), u32_of(value.get(4..)?))),
            fra::PROTOCOL => rule.proto = value.first().copied().unwrap_or(0),
            fra::IP_PROTO => rule.ipproto = value.first().copied(),
            fra::SPORT_RANGE => rule.sport = Some(pair(value)),
            fra::DPORT_RANGE => rule.dport = Some(pair(value)),
            // Of a port that is no range, all bits count unless something else is said.
            fra::SPORT_MASK | fra::DPORT_MASK if u16_of(value) == u16::MAX => {}
            fra::PAD => {}
            _ => rest.attribute(kind, value),
        }
    }
    rule.fwmark = mark.or((mask != u32::MAX).then_some(0)).map(|mark| (mark, mask));
    rule.rest = Raw::of(rest.bytes());
    rule.action = match action {
        1 => Action::Lookup(table),
        2 => Action::Goto(goto),
        3 => Action::Nop,
        6 => Action::Blackhole,
        7 => Action::Unreachable,
        8 => Action::Prohibit,
        _ => return None,
    };
    Some(rule)
}

/// Writes the order to set a rule.
pub fn add(rule: &Rule) -> Order {
    Order::new(RTM_NEWRULE, how::CREATE | how::EXCL, &[], |m| body(m, rule))
}

/// Writes the order to take a rule away.
pub fn del(rule: &Rule) -> Order {
    Order::new(RTM_DELRULE, 0, &[libc::ENOENT], |m| body(m, rule))
}

fn body(m: &mut Messages, rule: &Rule) {
    let (action, table) = match rule.action {
        Action::Lookup(table) => (1, table),
        Action::Goto(_) => (2, 0),
        Action::Nop => (3, 0),
        Action::Blackhole => (6, 0),
        Action::Unreachable => (7, 0),
        Action::Prohibit => (8, 0),
    };
    let length = |prefix: Option<crate::model::prefix::Prefix>| prefix.map_or(0, |prefix| prefix.length());
    let short = u8::try_from(table).unwrap_or(0);
    m.raw(&[number(rule.family), length(rule.to), length(rule.from), rule.tos.unwrap_or(0), short, 0, 0, action]);
    m.raw(&(if rule.not { INVERT } else { 0 }).to_ne_bytes());
    m.attribute(fra::PRIORITY, &rule.priority.to_ne_bytes());
    if rule.proto != 0 {
        m.attribute(fra::PROTOCOL, &[rule.proto]);
    }
    if let Some(to) = rule.to {
        m.attribute(fra::DST, &bytes(to.network().0));
    }
    if let Some(from) = rule.from {
        m.attribute(fra::SRC, &bytes(from.network().0));
    }
    if let Some(name) = &rule.iif {
        m.text(fra::IIFNAME, name);
    }
    if let Some(name) = &rule.oif {
        m.text(fra::OIFNAME, name);
    }
    if let Some((mark, mask)) = rule.fwmark {
        m.attribute(fra::FWMARK, &mark.to_ne_bytes());
        if mask != u32::MAX {
            m.attribute(fra::FWMASK, &mask.to_ne_bytes());
        }
    }
    if table > u32::from(u8::MAX) {
        m.attribute(fra::TABLE, &table.to_ne_bytes());
    }
    if let Action::Goto(to) = rule.action {
        m.attribute(fra::GOTO, &to.to_ne_bytes());
    }
    who(m, rule);
    m.raw(rule.rest.bytes());
}

/// Writes what a rule asks of the socket and of the ports.
fn who(m: &mut Messages, rule: &Rule) {
    let pair = |first: [u8; 2], last: [u8; 2]| [first, last].concat();
    if let Some(length) = rule.suppress {
        m.attribute(fra::SUPPRESS_PREFIXLEN, &length.to_ne_bytes());
    }
    if rule.l3mdev {
        m.attribute(fra::L3MDEV, &[1]);
    }
    if let Some((first, last)) = rule.uidrange {
        m.attribute(fra::UID_RANGE, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some(proto) = rule.ipproto {
        m.attribute(fra::IP_PROTO, &[proto]);
    }
    if let Some((first, last)) = rule.sport {
        m.attribute(fra::SPORT_RANGE, &pair(first.to_ne_bytes(), last.to_ne_bytes()));
    }
    if let Some((first, last)) = rule.dport {
        m.attribute(fra::DPORT_RANGE, &pair(first.to_ne_bytes(), last.to_ne_bytes()));
    }
}
