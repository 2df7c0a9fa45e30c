//! What a script gives as a set or as an element, turned into the words of ipset(8).

use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::model::Fault;

/// Reads one value or an array of them, each as a line of ipset(8). `first` is the key of a map whose value comes first.
pub(super) fn lines(ctx: &NativeCallContext, value: &Dynamic, first: &str) -> Answer<Vec<ImmutableString>> {
    match value.read_lock::<Array>() {
        Some(list) => list.iter().map(|value| line(ctx, value, first)).collect(),
        None => Ok(vec![line(ctx, value, first)?]),
    }
}

/// Reads a value as a line of ipset(8).
pub(super) fn line(ctx: &NativeCallContext, value: &Dynamic, first: &str) -> Answer<ImmutableString> {
    if let Some(map) = value.read_lock::<Map>() {
        return of_map(ctx, &map, first);
    }
    word(ctx, value)
}

/// Writes the options of a map behind the value of its first key: true is the option alone, false and `()` are none.
fn of_map(ctx: &NativeCallContext, map: &Map, first: &str) -> Answer<ImmutableString> {
    let Some(begin) = map.get(first) else {
        let fault = Fault::input("use a map as words of ipset(8)", format!("the key `{first}` is missing"));
        return Err(call::fault(ctx, fault));
    };
    let mut line = word(ctx, begin)?.to_string();
    for (key, value) in map.iter().filter(|(key, _)| *key != first) {
        match value.as_bool() {
            Ok(false) => continue,
            Ok(true) => line.push_str(&format!(" {key}")),
            Err(_) if value.is_unit() => continue,
            Err(_) => line.push_str(&format!(" {key} {}", quoted(ctx, &word(ctx, value)?)?)),
        }
    }
    Ok(line.into())
}

fn word(ctx: &NativeCallContext, value: &Dynamic) -> Answer<ImmutableString> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.clone());
    }
    let odd = || {
        let fault = Fault::input("use a value in a set", format!("it is of type {}", value.type_name()));
        call::fault(ctx, fault.hint("a text in the words of ipset(8) (\"10.0.0.1 timeout 60\"), a map of them, or a number"))
    };
    match value {
        _ if value.is_int() => Ok(value.to_string().into()),
        _ if value.is_unit() || value.is_bool() || value.is_float() || value.is_array() || value.is_map() || value.is_fnptr() => Err(odd()),
        // Values of fyke's own are written as they show themselves.
        _ => ctx.call_native_fn::<ImmutableString>("to_string", (value.clone(),)).map_err(|_| odd()),
    }
}

/// Sees to it that a value stays one word.
fn quoted(ctx: &NativeCallContext, word: &str) -> Answer<String> {
    match word {
        _ if word.contains('"') => {
            Err(call::fault(ctx, Fault::input(format!("use {word:?} as a word of ipset(8)"), "a quote cannot stand in it")))
        }
        "" => Ok("\"\"".into()),
        _ if word.contains(char::is_whitespace) => Ok(format!("\"{word}\"")),
        _ => Ok(word.to_owned()),
    }
}
