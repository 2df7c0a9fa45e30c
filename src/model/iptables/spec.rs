//! A rule as a map of typed values, turned into the tool's words.

use std::collections::BTreeMap;

use super::Words;
use crate::model::duration::Span;
use crate::model::ipset::SetName;
use crate::model::near::did_you_mean;
use crate::model::net::{InterfaceMatch, Ports, Prefix};
use crate::model::{Family, Fault};

/// A value as a script has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: the key counts as not given.
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// A range of whole numbers, both ends included.
    Range(i64, i64),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Map),
    /// Something else, by the name of its type.
    Other(String),
}

/// A map as a script has it.
pub type Map = BTreeMap<String, Value>;

/// The keys of a rule, in the order of the words that they become.
pub const KEYS: &[&str] = &[
    "source",
    "destination",
    "in_interface",
    "out_interface",
    "proto",
    "sport",
    "dport",
    "icmp_type",
    "state",
    "mark",
    "limit",
    "match_set",
    "recent",
    "words",
    "comment",
    "jump",
    "log_prefix",
    "log_level",
    "reject_with",
    "to_destination",
    "to_source",
    "to_ports",
    "set_mark",
];

/// The keys of `recent`.
const RECENT: &[&str] = &["set", "update", "rcheck", "remove", "name", "seconds", "hitcount", "mask", "side", "reap", "rttl", "not"];

/// The keys of `limit` as a map.
const LIMIT: &[&str] = &["rate", "burst"];

/// Turns a map into words; the family is told apart where words or addresses differ by it.
pub fn words(map: &Map, family: Family) -> Result<Words, Fault> {
    let mut rule = Writer { family, words: Vec::new() };
    known_keys(map, KEYS, "rule")?;
    for key in KEYS {
        if let Some(value) = map.get(*key).filter(|value| !is_absent(key, value)) {
            rule.key(key, value)?;
        }
    }
    Ok(Words::join(rule.words))
}

/// Tells the family of a rule, if its addresses have one.
pub fn family(map: &Map) -> Result<Option<Family>, Fault> {
    let mut found = None;
    for key in ["source", "destination"] {
        if let Some(Value::Text(text)) = map.get(key) {
            let of_this = text.trim_start_matches("! ").parse::<Prefix>()?.family();
            if found.replace(of_this).is_some_and(|other| other != of_this) {
                return Err(Fault::input("use the rule", "it holds addresses of both families"));
            }
        }
    }
    Ok(found)
}

/// An empty interface is any, as the parameters of recipes have it; an empty address or port is a slip, and must not match everything.
fn is_absent(key: &str, value: &Value) -> bool {
    *value == Value::Nothing || (key.ends_with("_interface") && *value == Value::Text(String::new()))
}

fn known_keys(map: &Map, keys: &[&str], what: &str) -> Result<(), Fault> {
    let Some(odd) = map.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let fault = Fault::input(format!("use the key `{odd}` of a {what}"), "there is no such key");
    Err(fault.hint(match did_you_mean(odd, keys.iter().copied()) {
        Some(hint) => hint,
        None => format!("the keys are {}; `words` takes anything else in the tool's own words", keys.join(", ")),
    }))
}

struct Writer {
    family: Family,
    words: Vec<String>,
}

impl Writer {
    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.words.extend(words.map(str::to_owned));
    }

    /// Writes an option with a value that `! ` may stand before.
    fn option(&mut self, option: &str, text: &str, check: impl Fn(&str) -> Result<String, Fault>) -> Result<(), Fault> {
        let (not, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
        let text = check(text)?;
        if not {
            self.push(["!"]);
        }
        self.push([option, &text]);
        Ok(())
    }

    fn key(&mut self, key: &str, value: &Value) -> Result<(), Fault> {
        let family = self.family;
        match key {
            "source" => self.option("-s", text(key, value)?, |text| address(text, family)),
            "destination" => self.option("-d", text(key, value)?, |text| address(text, family)),
            "in_interface" => self.option("-i", text(key, value)?, |text| Ok(text.parse::<InterfaceMatch>()?.to_string())),
            "out_interface" => self.option("-o", text(key, value)?, |text| Ok(text.parse::<InterfaceMatch>()?.to_string())),
            "proto" => self.option("-p", &word(key, value)?, |text| protocol(text, family)),
            "sport" | "dport" => self.ports(key, value),
            "icmp_type" => self.icmp(&word(key, value)?),
            "state" => self.state(value),
            "mark" => {
                self.push(["-m", "mark"]);
                self.option("--mark", &word(key, value)?, mark)
            }
            "limit" => self.limit(value),
            "match_set" => self.match_set(text(key, value)?),
            "recent" => self.recent(value),
            "words" => {
                let words = Words::parse(text(key, value)?)?;
                super::border::check(&words)?;
                self.words.extend(words.split());
                Ok(())
            }
            "comment" => {
                let comment = bounded(key, text(key, value)?, 255)?;
                self.push(["-m", "comment", "--comment", &comment]);
                Ok(())
            }
            "jump" => self.value("-j", &plain(key, text(key, value)?)?),
            "log_prefix" => self.value("--log-prefix", &bounded(key, text(key, value)?, 29)?),
            "log_level" => self.value("--log-level", &plain(key, &word(key, value)?)?),
            "reject_with" => self.value("--reject-with", &plain(key, text(key, value)?)?),
            "to_destination" => self.value("--to-destination", &plain(key, text(key, value)?)?),
            "to_source" => self.value("--to-source", &plain(key, text(key, value)?)?),
            "to_ports" => self.value("--to-ports", &ports(value)?.to_string().replace(':', "-")),
            _ => self.value("--set-mark", &mark(&word(key, value)?)?),
        }
    }

    fn value(&mut self, option: &str, value: &str) -> Result<(), Fault> {
        self.push([option, value]);
        Ok(())
    }

    fn ports(&mut self, key: &str, value: &Value) -> Result<(), Fault> {
        let Value::List(list) = value else {
            let (not, value) = match value {
                Value::Text(text) if text.starts_with('!') => (true, Value::Text(text[1..].trim_start().to_owned())),
                other => (false, other.clone()),
            };
            let range = ports(&value)?.to_string();
            if not {
                self.push(["!"]);
            }
            return self.value(&format!("--{key}"), &range);
        };
        let all = list.iter().map(ports).collect::<Result<Vec<Ports>, Fault>>()?;
        // A range takes two of the fifteen places that the kernel has, see multiport in iptables-extensions(8).
        let places: usize = all.iter().map(|range| if range.first == range.last { 1 } else { 2 }).sum();
        if !(1..=15).contains(&places) {
            return Err(Fault::input(format!("use {places} ports as `{key}`"), "a rule takes 1 to 15, a range counting as two"));
        }
        let joined = all.iter().map(Ports::to_string).collect::<Vec<_>>().join(",");
        self.push(["-m", "multiport", &format!("--{key}s"), &joined]);
        Ok(())
    }

    fn icmp(&mut self, kind: &str) -> Result<(), Fault> {
        let (module, option) = if self.family == Family::V4 { ("icmp", "--icmp-type") } else { ("icmp6", "--icmpv6-type") };
        self.push(["-m", module]);
        self.option(option, kind, |kind| plain("icmp_type", kind))
    }

    fn state(&mut self, value: &Value) -> Result<(), Fault> {
        const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"];
        let joined = match value {
            Value::List(list) => list.iter().map(|state| text("state", state).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?.join(","),
            other => text("state", other)?.to_owned(),
        };
        self.push(["-m", "conntrack"]);
        self.option("--ctstate", &joined, |states| match states.split(',').find(|state| !STATES.contains(state)) {
            Some(odd) => Err(Fault::input(format!("use {odd:?} as a connection state"), format!("the states are {}", STATES.join(", ")))),
            None => Ok(states.to_owned()),
        })
    }

    fn limit(&mut self, value: &Value) -> Result<(), Fault> {
        let (rate, burst) = match value {
            Value::Map(map) => {
                known_keys(map, LIMIT, "limit")?;
                (map.get("rate").unwrap_or(&Value::Nothing), map.get("burst"))
            }
            rate => (rate, None),
        };
        let rate = text("limit", rate)?;
        let parts = rate.split_once('/').map(|(number, unit)| (number.parse::<u32>(), unit));
        match parts {
            Some((Ok(1..=10_000), "s" | "sec" | "second" | "m" | "min" | "minute" | "h" | "hour" | "d" | "day")) => {}
            _ => {
                let why = "a limit is a number from 1 to 10000 and a unit: 10/second, 5/minute, 3/hour, 1/day";
                return Err(Fault::input(format!("use {rate:?} as a limit"), why));
            }
        }
        self.push(["-m", "limit", "--limit", rate]);
        if let Some(burst) = burst {
            let burst = number("burst", burst, 1, 10_000)?;
            self.value("--limit-burst", &burst)?;
        }
        Ok(())
    }

    /// Asks a set for addresses of the packet, or ports: `blocked src`, `! blocked src,dst`.
    fn match_set(&mut self, given: &str) -> Result<(), Fault> {
        let (not, rest) = given.strip_prefix('!').map_or((false, given), |rest| (true, rest.trim_start()));
        let (name, sides) = rest.split_once(' ').unwrap_or((rest, ""));
        let sides = sides.trim_start();
        if !sides.split(',').all(|side| ["src", "dst"].contains(&side)) || sides.split(',').count() > 6 {
            let fault =
                Fault::input(format!("use {given:?} as `match_set`"), "behind the name of the set stands src or dst for each of its parts");
            return Err(fault.hint("\"blocked src\", \"! friends src,dst\""));
        }
        let name: SetName = name.parse()?;
        self.push(["-m", "set"]);
        if not {
            self.push(["!"]);
        }
        self.push(["--match-set", name.as_str(), sides]);
        Ok(())
    }

    fn recent(&mut self, value: &Value) -> Result<(), Fault> {
        let tried = "use a `recent` match";
        let Value::Map(map) = value else { return Err(Fault::input(tried, format!("it is {}, not a map", kind(value)))) };
        known_keys(map, RECENT, "recent match")?;
        let flag = |key: &str| match map.get(key) {
            None | Some(Value::Bool(false) | Value::Nothing) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(other) => Err(Fault::input(format!("use `{key}` of a recent match"), format!("it is {}, not true or false", kind(other)))),
        };
        let verbs =
            ["set", "update", "rcheck", "remove"].into_iter().map(|verb| Ok((verb, flag(verb)?))).collect::<Result<Vec<_>, Fault>>()?;
        let chosen: Vec<&str> = verbs.iter().filter(|(_, given)| *given).map(|(verb, _)| *verb).collect();
        let [verb] = chosen[..] else {
            return Err(Fault::input(tried, "it needs just one of `set`, `update`, `rcheck` and `remove`"));
        };
        self.push(["-m", "recent"]);
        if flag("not")? {
            self.push(["!"]);
        }
        self.push([&format!("--{verb}")]);
        if let Some(seconds) = map.get("seconds").filter(|value| **value != Value::Nothing) {
            self.value("--seconds", &whole_seconds(seconds)?)?;
        }
        if flag("reap")? {
            self.push(["--reap"]);
        }
        if let Some(hitcount) = map.get("hitcount").filter(|value| **value != Value::Nothing) {
            self.value("--hitcount", &number("hitcount", hitcount, 1, 65_535)?)?;
        }
        if flag("rttl")? {
            self.push(["--rttl"]);
        }
        if let Some(name) = map.get("name").filter(|value| **value != Value::Nothing) {
            self.value("--name", &list_name(text("name", name)?)?)?;
        }
        if let Some(mask) = map.get("mask").filter(|value| **value != Value::Nothing) {
            let length: u8 = number("mask", mask, 0, if self.family == Family::V4 { 32 } else { 128 })?.parse().unwrap_or(0);
            let mask = netmask(self.family, length);
            self.value("--mask", &mask)?;
        }
        match map.get("side") {
            None | Some(Value::Nothing) => self.push(["--rsource"]),
            Some(Value::Text(side)) if side == "source" => self.push(["--rsource"]),
            Some(Value::Text(side)) if side == "destination" => self.push(["--rdest"]),
            Some(_) => return Err(Fault::input(tried, "`side` is \"source\" or \"destination\"")),
        }
        Ok(())
    }
}

/// Checks the name of a list of remembered sources: it is a file name under /proc/net/xt_recent.
pub fn list_name(name: &str) -> Result<String, Fault> {
    let refuse = |why: &str| Err(Fault::input(format!("use {name:?} as the name of a recent list"), why));
    match name {
        "" => refuse("it is empty"),
        "." | ".." => refuse("it is a file name in /proc/net/xt_recent"),
        // XT_RECENT_NAME_LEN is 200 with the final NUL.
        long if long.len() > 199 => refuse("199 bytes are the most"),
        odd if odd.chars().any(|c| c == '/' || c.is_whitespace() || c.is_control() || "\"'\\".contains(c))
            || odd.starts_with(['-', '!']) =>
        {
            refuse("blanks, quotes, '/' and a leading '-' or '!' may not stand in it")
        }
        fine => Ok(fine.to_owned()),
    }
}

fn netmask(family: Family, length: u8) -> String {
    match family {
        Family::V4 => std::net::Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_string(),
        Family::V6 => std::net::Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).to_string(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Nothing => "nothing".into(),
        Value::Bool(_) => "a truth value".into(),
        Value::Int(_) => "a number".into(),
        Value::Text(_) => "a text".into(),
        Value::Range(..) => "a range".into(),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a map".into(),
        Value::Other(name) => name.clone(),
    }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Fault> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(Fault::input(format!("use `{key}` of a rule"), format!("it is {}, not a text", kind(other)))),
    }
}

/// Takes a text or a number.
fn word(key: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::Int(number) => Ok(number.to_string()),
        other => text(key, other).map(str::to_owned),
    }
}

/// Checks a text for control characters and length; it is never cut.
fn bounded(key: &str, text: &str, most: usize) -> Result<String, Fault> {
    let refuse = |why: String| Err(Fault::input(format!("use {text:?} as `{key}`"), why));
    if text.len() > most {
        return refuse(format!("it has {} bytes, and {most} are the most", text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(bad) => refuse(format!("it holds the control character {bad:?}")),
        None => Ok(text.to_owned()),
    }
}

/// Checks a text that is to be one plain word.
fn plain(key: &str, text: &str) -> Result<String, Fault> {
    let odd = text.is_empty()
        || text.starts_with(['-', '!'])
        || text.chars().any(|c| c.is_whitespace() || c.is_control() || "\"'\\;|&$`<>".contains(c));
    if odd { Err(Fault::input(format!("use {text:?} as `{key}`"), "it is not one plain word")) } else { bounded(key, text, 255) }
}

fn address(text: &str, family: Family) -> Result<String, Fault> {
    let prefix: Prefix = text.parse()?;
    if prefix.family() == family {
        return Ok(prefix.to_string());
    }
    let fault = Fault::input(format!("use {text:?} as an address"), format!("it is {}, and the table is {family}", prefix.family()));
    Err(fault.hint(format!("`{}::table(..)` is for {}", prefix.family().command(), prefix.family())))
}

fn protocol(text: &str, family: Family) -> Result<String, Fault> {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if number && text.parse::<u8>().is_err() {
        return Err(Fault::input(format!("use {text:?} as `proto`"), "a protocol is a name or a number from 0 to 255"));
    }
    match (text, family) {
        ("icmp", Family::V6) => Ok("ipv6-icmp".into()),
        _ => plain("proto", text),
    }
}

fn ports(value: &Value) -> Result<Ports, Fault> {
    match value {
        Value::Int(port) => Ports::new(*port, *port),
        Value::Range(first, last) => Ports::new(*first, *last),
        Value::Text(text) => text.parse(),
        other => Err(Fault::input("use a port", format!("it is {}, not a number, a range or a text", kind(other)))),
    }
}

fn number(key: &str, value: &Value, least: i64, most: i64) -> Result<String, Fault> {
    match value {
        Value::Int(number) if (least..=most).contains(number) => Ok(number.to_string()),
        Value::Int(number) => Err(Fault::input(format!("use {number} as `{key}`"), format!("it must be from {least} to {most}"))),
        other => Err(Fault::input(format!("use `{key}`"), format!("it is {}, not a number", kind(other)))),
    }
}

fn whole_seconds(value: &Value) -> Result<String, Fault> {
    let Value::Text(text) = value else { return number("seconds", value, 1, 31_622_400) };
    let span: Span = text.parse()?;
    let seconds = span.0.as_secs();
    if seconds == 0 || span.0.subsec_nanos() > 0 {
        return Err(Fault::input(format!("use {text:?} as `seconds`"), "it must be whole seconds, at least one"));
    }
    Ok(seconds.to_string())
}

/// Checks a mark, with a mask or without: 32 bits each.
fn mark(text: &str) -> Result<String, Fault> {
    let number = |digits: &str| match digits.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
        _ => digits.parse().ok().filter(|_: &u32| !digits.starts_with('+')),
    };
    let fine = match text.split_once('/') {
        Some((value, mask)) => number(value).zip(number(mask)).is_some(),
        None => number(text).is_some(),
    };
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Fault::input(format!("use {text:?} as a mark"), "a mark is a number of 32 bits, with a mask or without: 0x1/0xff"))
    }
}

#[cfg(test)]
mod tests;
