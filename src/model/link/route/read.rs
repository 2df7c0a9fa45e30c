//! The words of a route, one after the other.

use std::net::IpAddr;

use super::{BOOT, Fate, Given, Hop, Key, MEASURES, METRIC_V6, PREFS, Route, Way, usual_scope, usual_table};
use crate::model::address::Address;
use crate::model::link::names::{PROTOCOLS, SCOPES, TABLES};
use crate::model::link::words::Words;
use crate::model::link::{Dev, Raw};
use crate::model::prefix::Prefix;
use crate::model::{Family, Fault};

/// What has been read of a route.
#[derive(Default)]
pub(super) struct Reader {
    family: Option<Family>,
    to: Option<Prefix>,
    is_default: bool,
    fate: Option<Fate>,
    table: Option<u32>,
    metric: Option<u32>,
    tos: u8,
    from: Option<Prefix>,
    proto: Option<u8>,
    scope: Option<u8>,
    src: Option<IpAddr>,
    pref: u8,
    congctl: Option<String>,
    measures: Vec<(u16, u32)>,
    locked: u32,
    hops: Vec<Hop>,
    /// Whether ways out have been listed.
    is_list: bool,
    /// Whether it has to lead somewhere.
    is_whole: bool,
}

impl Reader {
    /// Begins to read, for a family where it is known: all of a route, or a part that names one.
    pub(super) fn new(family: Option<Family>, is_whole: bool) -> Self {
        Self { family, is_whole, ..Self::default() }
    }

    /// Reads a word with what belongs to it.
    pub(super) fn word(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        match word {
            "to" => self.destination(words.after(word)?, words)?,
            "table" => self.table = Some(words.named(word, TABLES, u32::MAX)?),
            "metric" | "preference" | "priority" => self.metric = Some(words.number(word, u32::MAX)?),
            "tos" | "dsfield" => self.tos = words.number(word, u8::MAX)?,
            "from" => self.from = Some(self.prefix(words.after(word)?, words)?),
            "proto" | "protocol" => self.proto = Some(words.named(word, PROTOCOLS, 255)? as u8),
            "scope" => self.scope = Some(words.named(word, SCOPES, 255)? as u8),
            "src" => self.src = Some(words.address(word, self.family)?),
            "pref" => self.pref = words.named(word, PREFS, 3)? as u8,
            "congctl" => self.congctl = Some(words.after(word)?.to_owned()),
            "nexthop" => {
                self.is_list = true;
                self.hops.push(Hop { weight: 1, ..Hop::default() });
            }
            "via" | "dev" | "onlink" | "weight" => self.hop(word, words)?,
            _ => match MEASURES.iter().find(|(name, _)| *name == word) {
                Some((_, number)) => self.measure(word, *number, words)?,
                None => self.fate_or_destination(word, words)?,
            },
        }
        Ok(())
    }

    fn fate_or_destination(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        match Fate::ALL.iter().find(|(_, name, _)| *name == word) {
            Some((fate, ..)) if self.fate.is_none() && self.to.is_none() => self.fate = Some(*fate),
            _ if self.to.is_none() => self.destination(word, words)?,
            _ => return Err(words.odd(word)),
        }
        Ok(())
    }

    fn destination(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        if self.to.is_some() || self.is_default {
            return Err(words.fault("it leads to two places"));
        }
        match word {
            "default" => self.is_default = true,
            _ => self.to = Some(self.prefix(word, words)?),
        }
        Ok(())
    }

    fn prefix(&mut self, word: &str, words: &Words<'_>) -> Result<Prefix, Fault> {
        let prefix = Prefix::exact(word)?;
        match self.family {
            Some(family) if family != prefix.family() => Err(words.fault(format!("{word} is of another family"))),
            _ => {
                self.family = Some(prefix.family());
                Ok(prefix)
            }
        }
    }

    /// Reads what belongs to a way out: to the last one that was begun.
    fn hop(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        if self.hops.is_empty() {
            self.hops.push(Hop { weight: 1, ..Hop::default() });
        }
        let is_list = self.is_list;
        let Some(hop) = self.hops.last_mut() else { return Err(words.odd(word)) };
        match word {
            "via" => {
                // A neighbour of the other family is named with its family.
                let family = match words.peek() {
                    Some("inet6") => words.next().map(|_| Family::V6),
                    Some("inet") => words.next().map(|_| Family::V4),
                    _ => self.family,
                };
                let via = words.address(word, family)?;
                self.family = self.family.or(Some(Address(via).family()));
                hop.via = Some(via);
            }
            "dev" => hop.dev = Some(Dev::named(words.value(word)?)),
            "onlink" => hop.onlink = true,
            _ if !is_list => return Err(words.fault("a weight belongs to a `nexthop`")),
            _ => {
                hop.weight = words.number(word, 256)?;
                if hop.weight == 0 || hop.weight > 256 {
                    return Err(words.fault("a weight is a number from 1 to 256"));
                }
            }
        }
        Ok(())
    }

    fn measure(&mut self, word: &str, number: u16, words: &mut Words<'_>) -> Result<(), Fault> {
        if words.peek() == Some("lock") {
            words.next();
            self.locked |= 1 << number;
        }
        self.measures.push((number, words.number(word, u32::MAX)?));
        Ok(())
    }

    /// Makes a route of what was read.
    pub(super) fn end(mut self, words: &Words<'_>) -> Result<Route, Fault> {
        let family = self.family.unwrap_or(Family::V4);
        let anywhere = || if family == Family::V4 { Prefix::new([0; 4].into(), 0) } else { Prefix::new([0; 16].into(), 0) };
        let Some(to) = self.to.or_else(|| self.is_default.then(anywhere)) else {
            return Err(words.fault("it leads nowhere").hint("`default`, or a prefix"));
        };
        let fate = self.fate.unwrap_or_default();
        if fate.ends() && !self.hops.is_empty() {
            return Err(words.fault(format!("a route of the type {} has no way out", fate.word())));
        }
        if self.is_whole && !fate.ends() && (self.hops.is_empty() || self.hops.iter().any(|hop| hop.dev.is_none() && hop.via.is_none())) {
            return Err(words.fault("it has no way out").hint("say `via` a neighbour, `dev` a link, or both"));
        }
        if family == Family::V6 && self.tos != 0 || family == Family::V4 && (self.from.is_some() || self.pref != 0) {
            return Err(words.fault(if family == Family::V6 { "IPv6 has no `tos`" } else { "`from` and `pref` are of IPv6" }));
        }
        if self.src.is_some_and(|src| Address(src).family() != family) {
            return Err(words.fault("its `src` is of another family"));
        }
        if self.hops.iter().any(|hop| hop.onlink && hop.dev.is_none()) {
            return Err(words.fault("`onlink` needs a `dev`"));
        }
        self.measures.sort_unstable();
        self.measures.dedup_by_key(|(number, _)| *number);
        let given = Given {
            table: self.table.is_some(),
            metric: self.metric.is_some(),
            fate: self.fate.is_some(),
            proto: self.proto.is_some(),
            scope: self.scope.is_some(),
        };
        let scope = usual_scope(family, fate, &self.hops);
        let metric = self.metric.filter(|metric| *metric > 0).unwrap_or(if family == Family::V6 { METRIC_V6 } else { 0 });
        Ok(Route {
            key: Key {
                table: self.table.filter(|table| *table > 0).unwrap_or(usual_table(fate)),
                to,
                metric,
                tos: self.tos,
                from: self.from,
                twin: 0,
            },
            way: Way {
                fate,
                hops: self.hops,
                proto: self.proto.unwrap_or(BOOT),
                scope: if family == Family::V6 { 0 } else { self.scope.unwrap_or(scope) },
                src: self.src,
                measures: self.measures,
                locked: self.locked,
                congctl: self.congctl,
                pref: self.pref,
                rest: Raw::default(),
            },
            given,
        })
    }
}
