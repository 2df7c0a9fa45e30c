//! What a script gives, turned into the words of ip(8).

use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::netns::Netns;
use crate::bind::types;
use crate::model::{Family, Fault};

/// How a map becomes words.
pub(super) struct Form {
    /// What it is: "a route".
    pub(super) what: &'static str,
    /// The keys whose values come first, bare.
    pub(super) bare: &'static [&'static str],
    /// The key whose value begins what belongs to the kind of a link; all keys that are not in `known` come behind it.
    pub(super) kind: Option<(&'static str, &'static [&'static str])>,
    /// Whether it is about links as such, of which much is on or off.
    pub(super) is_of_links: bool,
}

/// A line of words, and the family where it was told apart from them.
pub(super) struct Line {
    /// The words.
    pub(super) words: String,
    /// The family.
    pub(super) family: Option<Family>,
}

/// Reads one value or an array of them.
pub(super) fn lines(ctx: &NativeCallContext, value: &Dynamic, form: &Form) -> Answer<Vec<Line>> {
    match value.read_lock::<Array>() {
        Some(list) => list.iter().map(|value| line(ctx, value, form)).collect(),
        None => Ok(vec![line(ctx, value, form)?]),
    }
}

/// Reads a value as a line of ip(8). As there, a family may stand before it: `-6 default dev eth0`.
pub(super) fn line(ctx: &NativeCallContext, value: &Dynamic, form: &Form) -> Answer<Line> {
    if let Some(map) = value.read_lock::<Map>() {
        return of_map(ctx, &map, form);
    }
    let words = text(ctx, value, form)?;
    let of = |flag: &str, family| words.strip_prefix(flag).map(|rest| Line { words: rest.to_owned(), family: Some(family) });
    Ok(of("-6 ", Family::V6).or_else(|| of("-4 ", Family::V4)).unwrap_or(Line { words, family: None }))
}

fn of_map(ctx: &NativeCallContext, map: &Map, form: &Form) -> Answer<Line> {
    let (mut front, mut middle, mut back) = (Vec::new(), Vec::new(), Vec::new());
    let mut family = None;
    for key in form.bare {
        if let Some(value) = map.get(*key).filter(|value| !value.is_unit()) {
            front.push(word(ctx, value, form)?);
        }
    }
    for (key, value) in map.iter().filter(|(key, _)| !form.bare.contains(&key.as_str())) {
        // Where `type` would have to be quoted.
        let key = if form.kind.is_some() && key == "kind" { "type" } else { key.as_str() };
        match key {
            "family" => family = Some(text(ctx, value, form)?.parse().map_err(|f| call::fault(ctx, f))?),
            "nexthops" => back.extend(hops(ctx, value, form)?),
            _ => {
                let words = pair(ctx, key, value, form)?;
                match form.kind {
                    Some((kind, _)) if kind == key => back.splice(0..0, words).for_each(drop),
                    Some((_, known)) if !known.contains(&key) => back.extend(words),
                    _ => middle.extend(words),
                }
            }
        }
    }
    front.extend(middle);
    front.extend(back);
    Ok(Line { words: front.join(" "), family })
}

/// Writes a key with its value: true is the key alone, false and `()` are nothing, but for what is on or off of a link.
fn pair(ctx: &NativeCallContext, key: &str, value: &Dynamic, form: &Form) -> Answer<Vec<String>> {
    let of_kind = form.kind.is_some_and(|(kind, known)| key != kind && !known.contains(&key));
    match value.as_bool() {
        Ok(up) if key == "up" && form.is_of_links => Ok(vec![if up { "up" } else { "down" }.to_owned()]),
        Ok(on) if form.is_of_links && (of_kind || FLAGS.contains(&key)) => {
            Ok(vec![key.to_owned(), if on { "on" } else { "off" }.to_owned()])
        }
        Ok(true) => Ok(vec![key.to_owned()]),
        Ok(false) => Ok(Vec::new()),
        Err(_) if value.is_unit() => Ok(Vec::new()),
        Err(_) if let ("peer", Some(end)) = (key, value.read_lock::<Map>()) => other_end(ctx, &end, form),
        Err(_) if MAY_BE_TWO.contains(&key) => Ok(vec![key.to_owned(), text(ctx, value, form)?]),
        Err(_) => Ok(vec![key.to_owned(), word(ctx, value, form)?]),
    }
}

/// Writes the other end of a veth: its name, and the namespace that it is put in.
fn other_end(ctx: &NativeCallContext, end: &Map, form: &Form) -> Answer<Vec<String>> {
    let mut words = vec!["peer".to_owned()];
    for key in ["name", "netns"] {
        if let Some(value) = end.get(key).filter(|value| !value.is_unit()) {
            words.extend([key.to_owned(), word(ctx, value, form)?]);
        }
    }
    match end.keys().find(|key| !["name", "netns"].contains(&key.as_str())) {
        None => Ok(words),
        Some(odd) => {
            let fault = Fault::input("use `peer`", format!("it has a key {odd:?}"));
            Err(call::fault(ctx, fault.hint("#{ name: \"b\", netns: \"lab\" }; the rest is set in that namespace")))
        }
    }
}

/// What of a link is on or off.
const FLAGS: &[&str] = &["arp", "multicast", "allmulticast", "promisc"];

/// The keys whose value may have a word before it: `via inet6 fe80::1`, `mtu lock 1400`.
const MAY_BE_TWO: &[&str] = &["via", "mtu", "window", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit", "initcwnd", "initrwnd"];

fn hops(ctx: &NativeCallContext, value: &Dynamic, form: &Form) -> Answer<Vec<String>> {
    let refuse = || call::fault(ctx, Fault::input("use `nexthops`", "it is no array of maps").hint("[#{ via: \"192.0.2.1\", weight: 2 }]"));
    let list = value.read_lock::<Array>().ok_or_else(refuse)?;
    let mut words = Vec::new();
    for hop in list.iter() {
        let map = hop.read_lock::<Map>().ok_or_else(refuse)?;
        words.push("nexthop".to_owned());
        for (key, value) in map.iter() {
            words.extend(pair(ctx, key, value, form)?);
        }
    }
    Ok(words)
}

/// Reads a value as one word.
fn word(ctx: &NativeCallContext, value: &Dynamic, form: &Form) -> Answer<String> {
    let word = text(ctx, value, form)?;
    match word.is_empty() || word.contains(char::is_whitespace) {
        true => Err(call::fault(ctx, Fault::input(format!("use {word:?} in {}", form.what), "it is not one word"))),
        false => Ok(word),
    }
}

fn text(ctx: &NativeCallContext, value: &Dynamic, form: &Form) -> Answer<String> {
    let text = types::text(value).or_else(|| value.as_int().ok().map(|number| number.to_string()));
    let text = text.or_else(|| value.read_lock::<super::handle::Link>().map(|link| link.dev.name.to_string()));
    let text = text.or_else(|| value.read_lock::<Netns>().map(|netns| netns.word()));
    text.ok_or_else(|| {
        let fault = Fault::input(format!("use a value in {}", form.what), format!("it is of the type {}", value.type_name()));
        call::fault(ctx, fault.hint("the words of ip(8), or a map of them"))
    })
}
