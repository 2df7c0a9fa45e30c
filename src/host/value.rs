//! Plain values: what a script gives back, and what a parameter may be.

use std::borrow::Cow;
use std::fmt::{self, Write};

use rhai::{Array, Blob, Dynamic, Engine, Map, NativeCallContext, Position};
use serde::{Serialize, Serializer};

use super::rows::Rows;
use super::spelling;
use crate::bind;
use crate::bind::field::{Field, Fields};
use crate::model::{Fault, Kind};

/// How deep a result may nest: deeper ones are the work of a mistake, and walking them could exhaust the stack.
const DEEPEST: usize = 64;

/// A value without any tie to the interpreter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing, `()`; `null` in JSON.
    Unit,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; `null` in JSON when it is not finite.
    Float(f64),
    /// A string or a character.
    Text(Cow<'static, str>),
    /// An array, or the bytes of a blob.
    List(Vec<Value>),
    /// A map; its entries keep their order.
    #[serde(serialize_with = "as_map")]
    Map(Vec<(Cow<'static, str>, Value)>),
    /// An array of things that have the same fields, as maps in JSON.
    Rows(Box<Rows>),
}

impl Value {
    /// Takes a value over from the interpreter. A type of fyke's own becomes its fields, else what it prints: the functions `to_map` and
    /// `to_string` that are registered for it say which.
    pub fn take(engine: &Engine, value: &Dynamic) -> Result<Self, Fault> {
        Self::take_at(engine, value, 0)
    }

    fn take_at(engine: &Engine, value: &Dynamic, depth: usize) -> Result<Self, Fault> {
        if depth > DEEPEST {
            return Err(Fault::new(Kind::Limit, "show the result", format!("it nests deeper than {DEEPEST}")));
        }
        if let Some(scalar) = Self::scalar(value) {
            return Ok(scalar);
        }
        if let Some(list) = value.read_lock::<Array>() {
            if let Some(rows) = Rows::take(&list, |field| Self::said(engine, field, depth + 1))? {
                return Ok(Value::Rows(Box::new(rows)));
            }
            return list.iter().map(|v| Self::take_at(engine, v, depth + 1)).collect::<Result<_, _>>().map(Value::List);
        }
        if let Some(map) = value.read_lock::<Map>() {
            let entry = |(k, v): (&str, _)| -> Result<_, Fault> { Ok((k.to_owned().into(), Self::take_at(engine, v, depth + 1)?)) };
            return map.iter().map(|(k, v)| entry((k.as_str(), v))).collect::<Result<_, _>>().map(Value::Map);
        }
        if let Some(bytes) = value.read_lock::<Blob>() {
            return Ok(Value::List(bytes.iter().map(|b| Value::Int(i64::from(*b))).collect()));
        }
        if let Some(fields) = bind::fields(value) {
            return Self::told(engine, fields, depth);
        }
        match method(engine, value, "to_map") {
            Some(fields) if fields.is_map() => Self::take_at(engine, &fields, depth + 1),
            _ => Ok(Value::text(method(engine, value, "to_string").map_or_else(|| value.type_name().to_owned(), |s| s.to_string()))),
        }
    }

    /// Takes the fields of a thing over.
    fn told(engine: &Engine, fields: Fields, depth: usize) -> Result<Self, Fault> {
        let field = |(name, field): (&'static str, Field)| Ok((name.into(), Self::said(engine, field, depth)?));
        fields.into_iter().map(field).collect::<Result<_, Fault>>().map(Value::Map)
    }

    /// Takes what a field says over.
    fn said(engine: &Engine, field: Field, depth: usize) -> Result<Self, Fault> {
        match field {
            Field::Word(word) => Ok(Value::Text(word.into())),
            Field::Text(text) => Ok(Value::Text(text.into())),
            Field::Holders(holders) => {
                let each = holders.iter().map(|holder| Self::told(engine, holder.fields(), depth + 2));
                each.collect::<Result<_, _>>().map(Value::List)
            }
            Field::Value(value) => Self::take_at(engine, &value, depth + 1),
        }
    }

    /// Makes a value of a text.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(Cow::Owned(text.into()))
    }

    fn scalar(value: &Dynamic) -> Option<Self> {
        Some(match value {
            v if v.is_unit() => Value::Unit,
            v if v.is_bool() => Value::Bool(v.as_bool().ok()?),
            v if v.is_int() => Value::Int(v.as_int().ok()?),
            v if v.is_float() => Value::Float(v.as_float().ok()?),
            v if v.is_string() => Value::text(v.as_immutable_string_ref().ok()?.as_str()),
            v if v.is_char() => Value::text(v.as_char().ok()?),
            _ => return None,
        })
    }

    /// Takes a literal of a source over; nothing when it is no literal of these types.
    pub(super) fn literal(value: &Dynamic) -> Option<Self> {
        if let Some(list) = value.read_lock::<Array>() {
            return list.iter().map(Self::literal).collect::<Option<_>>().map(Value::List);
        }
        if let Some(map) = value.read_lock::<Map>() {
            return map.iter().map(|(k, v)| Some((k.to_string().into(), Self::literal(v)?))).collect::<Option<_>>().map(Value::Map);
        }
        Self::scalar(value)
    }

    /// Gives the value to the interpreter.
    pub(super) fn to_dynamic(&self) -> Dynamic {
        match self {
            Value::Unit => Dynamic::UNIT,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(s) => (&**s).into(),
            Value::List(list) => Dynamic::from_array(list.iter().map(Self::to_dynamic).collect()),
            Value::Map(map) => Dynamic::from_map(map.iter().map(|(k, v)| ((&**k).into(), v.to_dynamic())).collect()),
            Value::Rows(rows) => Dynamic::from_array(rows.maps().map(|map| map.to_dynamic()).collect()),
        }
    }

    /// Names the type as scripts know it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Unit => "nothing",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) | Value::Rows(_) => "array",
            Value::Map(_) => "map",
        }
    }

    /// Gives the value as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }

    /// Writes the value as a literal of the language, strings quoted.
    pub fn quoted(&self) -> String {
        match self {
            Value::Text(s) => format!("{s:?}"),
            Value::List(list) => format!("[{}]", joined(list.iter().map(Self::quoted))),
            Value::Map(map) => format!("#{{{}}}", joined(map.iter().map(|(k, v)| format!("{k}: {}", v.quoted())))),
            Value::Rows(rows) => format!("[{}]", joined(rows.maps().map(|map| map.quoted()))),
            Value::Unit => "()".to_owned(),
            scalar => scalar.to_string(),
        }
    }
}

fn as_map<S: Serializer>(entries: &[(Cow<'static, str>, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, value)| (name, value)))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Prints the value plainly: a string as it is, nothing for nothing, the rest as a literal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Unit => Ok(()),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(n) => write!(f, "{n:?}"),
            Value::Text(s) => f.write_str(s),
            other => f.write_str(&other.quoted()),
        }
    }
}

fn method(engine: &Engine, value: &Dynamic, name: &str) -> Option<Dynamic> {
    let global = engine.new_global_runtime_state();
    let context = NativeCallContext::new_with_all_fields(engine, name, None, &global, Position::NONE);
    context.call_native_fn_raw(name, true, &mut [&mut value.clone()]).ok()
}

/// Escapes what could play tricks on a terminal: control characters but newline and tab, and the marks that reorder text.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = spelling::reorders(c);
        if reorders || (c.is_control() && c != '\n' && c != '\t') {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_and_become_json() {
        let engine = Engine::new();
        let value = |script: &str| Value::take(&engine, &engine.eval::<Dynamic>(script).unwrap()).unwrap();
        assert_eq!(value("\"a b\"").to_string(), "a b");
        assert_eq!(value("()").to_string(), "");
        assert_eq!(value("1.0").to_string(), "1.0");
        assert_eq!(value("#{b: [1, 'x'], a: \"q\"}").to_string(), "#{a: \"q\", b: [1, \"x\"]}");
        assert_eq!(value("#{b: [1, ()]}").json().to_string(), "{\"b\":[1,null]}");
        assert_eq!(value("blob(2, 7)"), Value::List(vec![Value::Int(7), Value::Int(7)]));
        let deep = engine.eval::<Dynamic>("let a = []; for i in 0..100 { a = [a]; } a").unwrap();
        assert_eq!(Value::take(&engine, &deep).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn a_type_of_our_own_says_how_it_shows() {
        #[derive(Clone)]
        struct Rate(i64);
        #[derive(Clone)]
        struct Link(Rate);
        let mut engine = Engine::new();
        engine.register_fn("to_string", |rate: &mut Rate| format!("{}mbit", rate.0));
        engine.register_fn("to_map", |link: &mut Link| Map::from([("rate".into(), Dynamic::from(link.0.clone()))]));
        let shown = |value| Value::take(&engine, &value).unwrap();
        assert_eq!(shown(Dynamic::from(Rate(5))), Value::Text("5mbit".into()));
        assert_eq!(shown(Dynamic::from(Link(Rate(5)))).json().to_string(), "{\"rate\":\"5mbit\"}");
        // One that says nothing shows its name.
        assert!(matches!(shown(Dynamic::from(std::time::Duration::ZERO)), Value::Text(name) if name.contains("Duration")));
    }

    #[test]
    fn tricks_are_escaped() {
        assert_eq!(escaped("a\x1b[2J\u{202e}b\tc\n\0"), "a\\u{1b}[2J\\u{202e}b\tc\n\\u{0}");
        assert_eq!(escaped("größe 日本"), "größe 日本");
    }
}
