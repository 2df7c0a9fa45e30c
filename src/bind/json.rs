//! JSON in and out.

use rhai::plugin::*;
use rhai::{Array, Blob, Dynamic, ImmutableString, Map, NativeCallContext};
use serde_json::{Number, Value};

use super::call::{self, Answer};
use super::{fields, types};
use crate::model::{Fault, Kind};

/// How deep a value may nest: as deep as JSON that is read.
const DEEPEST: usize = 127;

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Reads JSON: objects become maps, `null` becomes `()`.
    ///
    /// - `text`: any JSON, an array or a single value as well
    ///
    /// Whole numbers that fit into 64 bits stay whole, all others become numbers with a fraction.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no JSON; the fault names line and column.
    ///
    /// # Example
    /// ```rhai
    /// let links = parse_json(`[{"ifname": "lo", "mtu": 65536}]`);
    /// links[0].mtu == 65536
    /// ```
    ///
    /// # Source
    /// RFC 8259
    #[rhai_fn(return_raw)]
    pub fn parse_json(ctx: NativeCallContext, text: &str) -> Answer<Dynamic> {
        let refuse = |error: serde_json::Error| call::fault(&ctx, Fault::input("read the text as JSON", error.to_string()));
        serde_json::from_str(text).map(value).map_err(refuse)
    }

    /// Writes a value as JSON, on one line.
    ///
    /// - `value`: any value; `()` becomes `null`, a value of fyke's own becomes what it prints, a rule becomes an object
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `limit`: it nests too deep.
    ///
    /// # Example
    /// ```rhai
    /// to_json(#{ net: prefix("10.0.0.0/8"), ports: [22, 80] }) == `{"net":"10.0.0.0/8","ports":[22,80]}`
    /// ```
    ///
    /// # Source
    /// RFC 8259
    #[rhai_fn(return_raw)]
    pub fn to_json(ctx: NativeCallContext, value: Dynamic) -> Answer<ImmutableString> {
        json(&value, 0).map(|json| json.to_string().into()).map_err(|f| call::fault(&ctx, f))
    }

    /// Writes a map as JSON, on one line.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `limit`: it nests too deep.
    ///
    /// # Example
    /// ```rhai
    /// #{ port: 22 }.to_json() == `{"port":22}`
    /// ```
    ///
    /// # Source
    /// RFC 8259
    #[rhai_fn(name = "to_json", return_raw)]
    pub fn map_to_json(ctx: NativeCallContext, map: Map) -> Answer<ImmutableString> {
        // The language has a function for maps alone, which would be found before that for all values.
        to_json(ctx, Dynamic::from_map(map))
    }
}

fn value(json: Value) -> Dynamic {
    match json {
        Value::Null => Dynamic::UNIT,
        Value::Bool(truth) => truth.into(),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().map_or(Dynamic::UNIT, Dynamic::from), Dynamic::from),
        Value::String(text) => text.into(),
        Value::Array(list) => Dynamic::from_array(list.into_iter().map(value).collect()),
        Value::Object(map) => Dynamic::from_map(map.into_iter().map(|(key, of)| (key.into(), value(of))).collect()),
    }
}

fn json(value: &Dynamic, depth: usize) -> Result<Value, Fault> {
    if depth > DEEPEST {
        return Err(Fault::new(Kind::Limit, "write the value as JSON", format!("it nests deeper than {DEEPEST}")));
    }
    let below = |value: &Dynamic| json(value, depth + 1);
    if let Some(list) = value.read_lock::<Array>() {
        return list.iter().map(below).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.iter().map(|(key, value)| Ok((key.to_string(), below(value)?))).collect::<Result<_, _>>().map(Value::Object);
    }
    if let Some(bytes) = value.read_lock::<Blob>() {
        return Ok(bytes.iter().map(|byte| Value::from(*byte)).collect());
    }
    if let Some(fields) = fields(value) {
        return fields
            .into_iter()
            .map(|(key, field)| Ok((key.to_owned(), below(&field.value())?)))
            .collect::<Result<_, _>>()
            .map(Value::Object);
    }
    Ok(match value {
        v if v.is_unit() => Value::Null,
        v if v.is_bool() => v.as_bool().unwrap_or_default().into(),
        v if v.is_int() => v.as_int().unwrap_or_default().into(),
        // What is not finite has no number in JSON.
        v if v.is_float() => Number::from_f64(v.as_float().unwrap_or_default()).map_or(Value::Null, Value::Number),
        v => Value::String(types::text(v).unwrap_or_else(|| v.to_string())),
    })
}
