//! The value of a script: a table for a list of things, fields for one thing, plain text for the rest.

use std::borrow::Cow;
use std::fmt::Write;

use super::table::fields;
use super::{Paint, Table};
use crate::host::Value;

/// The fields of one thing.
type Fields = [(Cow<'static, str>, Value)];

/// Writes a value. Nothing is an empty text; everything else ends in a newline.
pub(crate) fn value(value: &Value, paint: Paint, bound: Option<usize>) -> String {
    match value {
        Value::Unit => String::new(),
        Value::Rows(rows) => table(rows.names(), rows.iter().map(|row| row.iter().map(Some)), paint, bound),
        Value::List(items) => match columns(items) {
            Some(names) => table(&names, items.iter().map(|item| in_order(item, &names)), paint, bound),
            None => items.iter().map(|item| format!("{}\n", paint.text(&inline(item)))).collect(),
        },
        Value::Map(fields) => record(fields, paint, bound),
        scalar => format!("{}\n", paint.text(&inline(scalar))),
    }
}

/// Writes a value for somebody who has asked for it: what is empty shows that it is.
pub(crate) fn shown(it: &Value, paint: Paint, bound: Option<usize>) -> String {
    match it {
        Value::Text(text) if text.is_empty() => "\"\"\n".to_owned(),
        Value::List(items) if items.is_empty() => format!("{}\n", inline(it)),
        Value::Map(fields) if fields.is_empty() => format!("{}\n", inline(it)),
        _ => value(it, paint, bound),
    }
}

/// Gives the names of the fields, in the order of their first appearance, if all items are maps.
fn columns(items: &[Value]) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for item in items {
        let Value::Map(fields) = item else { return None };
        // Most have the same ones as those before, in the same order.
        for (at, (name, _)) in fields.iter().enumerate() {
            if names.get(at) != Some(&&**name) && !names.contains(&&**name) {
                names.push(name);
            }
        }
    }
    (!names.is_empty()).then_some(names)
}

/// Gives the fields of a map in the order of some names, and nothing for one that it does not have.
fn in_order<'a>(item: &'a Value, names: &'a [&str]) -> impl Iterator<Item = Option<&'a Value>> {
    let fields: &Fields = if let Value::Map(fields) = item { fields } else { &[] };
    names.iter().enumerate().map(move |(at, name)| {
        let same = fields.get(at).filter(|(other, _)| other == name);
        same.or_else(|| fields.iter().find(|(other, _)| other == name)).map(|(_, value)| value)
    })
}

fn table<'a, R: Iterator<Item = Option<&'a Value>>>(
    names: &[&str],
    rows: impl Iterator<Item = R>,
    paint: Paint,
    bound: Option<usize>,
) -> String {
    let mut table = Table::new(names.iter().map(|name| paint.text(name)));
    for cell in rows.flatten() {
        table.cell(|text| {
            let _ = match cell {
                None => Ok(()),
                Some(Value::Int(number)) => write!(text, "{number}"),
                Some(value) => text.write_str(&paint.text(&inline(value))),
            };
        });
    }
    table.text(paint, bound)
}

/// Writes the fields of a thing; those that have fields of their own as a tree.
fn record(of: &Fields, paint: Paint, bound: Option<usize>) -> String {
    let plain = |value: &Value| !matches!(value, Value::Map(inner) if !inner.is_empty());
    let mut text = String::new();
    for run in of.chunk_by(|(_, a), (_, b)| plain(a) && plain(b)) {
        match run {
            [(name, Value::Map(inner))] if !inner.is_empty() => {
                let inner = record(inner, paint, bound.map(|columns| columns.saturating_sub(2)));
                text.push_str(&format!("{}\n", paint.bold(&paint.text(name))));
                inner.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
            }
            run => {
                let shown: Vec<_> = run.iter().map(|(name, value)| (paint.text(name), paint.text(&inline(value)).into_owned())).collect();
                text.push_str(&fields(shown.iter().map(|(name, value)| (&**name, &**value)), |name| paint.bold(name), bound));
            }
        }
    }
    text
}

/// Writes a value on one line: texts as they are, what is nested as in a script.
fn inline(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Unit => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::List(items) if items.is_empty() => Cow::Borrowed("[]"),
        Value::Map(fields) if fields.is_empty() => Cow::Borrowed("#{}"),
        Value::List(_) | Value::Map(_) | Value::Rows(_) => {
            let mut text = String::new();
            nested(value, &mut text);
            text.into()
        }
        Value::Float(number) if !number.is_finite() => Cow::Borrowed(""),
        Value::Int(number) => number.to_string().into(),
        scalar => scalar.to_string().into(),
    }
}

/// Adds what is nested to a line, without its brackets.
fn nested(value: &Value, text: &mut String) {
    let mut separator = "";
    match value {
        Value::List(items) if !items.is_empty() => items.iter().for_each(|item| {
            text.push_str(std::mem::replace(&mut separator, ", "));
            nested(item, text);
        }),
        Value::Map(fields) if !fields.is_empty() => fields.iter().for_each(|(name, value)| {
            text.extend([std::mem::replace(&mut separator, ", "), name, ": "]);
            nested(value, text);
        }),
        Value::Rows(rows) => rows.iter().flat_map(|row| rows.names().iter().zip(row)).for_each(|(name, value)| {
            text.extend([std::mem::replace(&mut separator, ", "), name, ": "]);
            nested(value, text);
        }),
        scalar => text.push_str(&inline(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Takes JSON for the value of a script.
    fn of(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Unit,
            serde_json::Value::Bool(truth) => Value::Bool(truth),
            serde_json::Value::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int),
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(of).collect()),
            serde_json::Value::Object(fields) => Value::Map(fields.into_iter().map(|(name, value)| (name.into(), of(value))).collect()),
        }
    }

    fn shown(it: serde_json::Value) -> String {
        value(&of(it), Paint::none(), None)
    }

    #[test]
    fn what_is_empty_shows_that_it_is() {
        let asked = |it: serde_json::Value| super::shown(&of(it), Paint::none(), None);
        assert_eq!((asked(json!([])), asked(json!({})), asked(json!(""))), ("[]\n".into(), "#{}\n".into(), "\"\"\n".into()));
        assert_eq!((asked(json!(null)), asked(json!([{ "a": [], "b": {} }]))), (String::new(), "a   b\n[]  #{}\n".into()));
    }

    #[test]
    fn a_thing_in_a_thing_is_a_branch() {
        let packet = json!({ "length": 60, "ip": { "source": "192.0.2.1", "tcp": { "dport": 22 } }, "at": "some words that are long" });
        let wanted = "length  60\nip\n  source  192.0.2.1\n  tcp\n    dport  22\nat  some words that\n    are long\n";
        assert_eq!(value(&of(packet), Paint::none(), Some(22)), wanted);
    }

    #[test]
    fn a_value_prints_as_what_it_is() {
        assert_eq!(shown(json!(null)), "");
        assert_eq!(shown(json!(42)), "42\n");
        assert_eq!(shown(json!("a b")), "a b\n");
        assert_eq!(shown(json!([])), "");
        assert_eq!(shown(json!([1, "x", null])), "1\nx\n\n");
        assert_eq!(shown(json!({ "a": 1, "longer": [1, { "b": "c" }] })), "a       1\nlonger  1, b: c\n");
        assert_eq!(shown(json!([{ "a": 1 }, { "b": "x" }])), "a  b\n1\n   x\n");
    }
}
