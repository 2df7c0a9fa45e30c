//! What a script gives as a qdisc or a class, turned into words of tc(8); and what it gets, as a map that can be given again.

use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::types;
use crate::model::Fault;
use crate::model::duration::Span;
use crate::model::quantity::Quantity;
use crate::model::rate::Rate;
use crate::model::size::Size;
use crate::model::tc::units;

/// Reads what was given as words of tc(8): a text, or a map with its `kind`.
pub(super) fn words(ctx: &NativeCallContext, value: &Dynamic) -> Answer<String> {
    let Some(map) = value.read_lock::<Map>() else { return word(ctx, value) };
    let of = |key: &str| map.get(key).map(|value| word(ctx, value)).transpose();
    let Some(kind) = of("kind")? else {
        let fault = Fault::input("use a map as words of tc(8)", "the key `kind` is missing");
        return Err(call::fault(ctx, fault.hint("#{ kind: \"netem\", delay: \"100ms\" }")));
    };
    let mut line = String::new();
    for key in IN_FRONT.iter().copied() {
        line.extend(of(key)?.map(|value| format!("{key} {value} ")));
    }
    line.push_str(&kind);
    for (key, value) in map.iter().filter(|(key, value)| ![IN_PLACE, IN_FRONT].concat().contains(&key.as_str()) && !value.is_unit()) {
        match (value.as_bool(), key.as_str()) {
            (Ok(false), _) => {}
            (Ok(true), key) => line.push_str(&format!(" {key}")),
            // These stand behind the delay, and mean nothing without one.
            (_, "jitter" | "correlation") => {}
            (_, "delay") => {
                line.push_str(&format!(" delay {}", word(ctx, value)?));
                for more in ["jitter", "correlation"] {
                    line.extend(of(more)?.map(|more| format!(" {more}")));
                }
            }
            (_, key) => line.push_str(&format!(" {key} {}", word(ctx, value)?)),
        }
    }
    let alone = ["jitter", "correlation"].into_iter().find(|key| map.contains_key(*key) && !map.contains_key("delay"));
    match alone {
        Some(key) => Err(call::fault(ctx, Fault::input(format!("use the key `{key}`"), "it belongs to a delay, and there is none"))),
        None => Ok(line),
    }
}

/// Keys of a map that stand in front of the kind.
const IN_FRONT: &[&str] = &["handle", "stab", "ingress_block", "egress_block"];

/// Keys of a map that only tell what something is, and where.
const IN_PLACE: &[&str] = &["kind", "dev", "place", "classid", "parent"];

/// Reads a value as words of tc(8).
pub(super) fn word(ctx: &NativeCallContext, value: &Dynamic) -> Answer<String> {
    if let Some(list) = value.read_lock::<Array>() {
        return Ok(list.iter().map(|value| word(ctx, value)).collect::<Answer<Vec<_>>>()?.join(" "));
    }
    if let Some(span) = value.read_lock::<Span>() {
        return Ok(format!("{}us", span.count()));
    }
    // tc(8) knows no days and no hours, and takes every size in bytes.
    if let Some(size) = value.read_lock::<Size>() {
        return Ok(format!("{}b", size.count()));
    }
    match value {
        _ if value.is_int() || value.is_float() => Ok(value.to_string()),
        _ => types::text(value).ok_or_else(|| {
            let fault = Fault::input("use a value as words of tc(8)", format!("it is of type {}", value.type_name()));
            call::fault(ctx, fault.hint("a text, a number, a duration, a rate, a size, or an array of them"))
        }),
    }
}

/// Words of tc(8) behind which a value stands that does not begin with a digit.
const NAMED: &[&str] = &["distribution", "loss", "linklayer", "slot"];

/// Words that belong to the slots of netem, and mean nothing in front of them.
const IN_SLOT: &[&str] = &["packets", "bytes"];

/// Turns printed options into a map: durations, rates, sizes and numbers are what they are, all else is text.
pub(super) fn options(printed: &str, map: &mut Map) {
    let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
    for word in printed.split_whitespace() {
        let is_value = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        match parts.last_mut() {
            Some((key, values)) if is_value || values.is_empty() && NAMED.contains(key) => values.push(word),
            Some((key, values)) if *key == "slot" && (values.as_slice() == ["distribution"] || IN_SLOT.contains(&word)) => {
                values.push(word)
            }
            _ => parts.push((word, Vec::new())),
        }
    }
    for (key, values) in parts {
        match (key, &values[..]) {
            ("delay", [delay, more @ ..]) => {
                map.insert("delay".into(), typed(delay));
                for (name, value) in ["jitter", "correlation"].into_iter().zip(more) {
                    map.insert(name.into(), typed(value));
                }
            }
            (key, []) => drop(map.insert(key.into(), true.into())),
            (key, [value]) => drop(map.insert(key.into(), typed(value))),
            (key, values) => drop(map.insert(key.into(), values.join(" ").into())),
        }
    }
}

fn typed(word: &str) -> Dynamic {
    if let Ok(number) = word.strip_suffix('p').unwrap_or(word).parse::<i64>() {
        return number.into();
    }
    let exact = |nanos: i64| (nanos % 1000 == 0).then(|| Span::of((nanos / 1000) as u128, String::new).ok()).flatten();
    if word.ends_with("bit") {
        return units::rate(word)
            .ok()
            .and_then(|bytes| Rate::of(u128::from(bytes) * 8, String::new).ok())
            .map_or(word.into(), Dynamic::from);
    }
    if let Some(span) = word.ends_with('s').then(|| units::time(word, 1).ok().and_then(exact)).flatten() {
        return Dynamic::from(span);
    }
    if let Some(size) =
        word.ends_with('b').then(|| units::size(word).ok()).flatten().and_then(|bytes| Size::of(bytes.into(), String::new).ok())
    {
        return Dynamic::from(size);
    }
    word.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(printed: &str) -> Map {
        let mut map = Map::new();
        options(printed, &mut map);
        map
    }

    #[test]
    fn options_become_values_of_their_types() {
        let map = told("limit 1000 delay 100ms 10ms 25% loss gemodel 1% 99% ecn rate 1500Kbit");
        let shown = |key: &str| {
            format!(
                "{}:{}",
                map[key].type_name().rsplit("::").next().unwrap(),
                types::text(&map[key]).unwrap_or_else(|| map[key].to_string())
            )
        };
        assert_eq!(
            ["limit", "delay", "jitter", "correlation", "loss", "ecn", "rate"].map(shown),
            ["i64:1000", "Span:100ms", "Span:10ms", "string:25%", "string:gemodel 1% 99%", "bool:true", "Rate:1500kbit"]
        );
        let map = told("limit 10240p target 4999us memory_limit 32Mb bands 3 priomap 1 2 2");
        assert_eq!((map["limit"].as_int(), map["priomap"].to_string().as_str()), (Ok(10240), "1 2 2"));
        assert_eq!(map["memory_limit"].read_lock::<Size>().unwrap().count(), 32 << 20);
        assert_eq!(told("slot distribution pareto 1ms 100us packets 5")["slot"].to_string(), "distribution pareto 1ms 100us packets 5");
    }
}
