//! The value of a script: a table for a list of things, fields for one thing, plain text for the rest.

use serde_json::{Map, Value};

use super::table::fields;
use super::{Paint, Table};

/// Writes a value. Nothing is an empty text; everything else ends in a newline.
pub(crate) fn value(value: &Value, paint: Paint, bound: Option<usize>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(items) => match columns(items) {
            Some(names) => table(items, &names, paint, bound),
            None => items.iter().map(|item| format!("{}\n", paint.text(&inline(item)))).collect(),
        },
        Value::Object(fields) => record(fields, paint, bound),
        scalar => format!("{}\n", paint.text(&inline(scalar))),
    }
}

/// Writes a value for somebody who has asked for it: what is empty shows that it is.
pub(crate) fn shown(it: &Value, paint: Paint, bound: Option<usize>) -> String {
    match it {
        Value::String(text) if text.is_empty() => "\"\"\n".to_owned(),
        Value::Array(items) if items.is_empty() => format!("{}\n", inline(it)),
        Value::Object(fields) if fields.is_empty() => format!("{}\n", inline(it)),
        _ => value(it, paint, bound),
    }
}

/// Gives the names of the fields, in the order of their first appearance, if all items are maps.
fn columns(items: &[Value]) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for item in items {
        for name in item.as_object()?.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    (!names.is_empty()).then_some(names)
}

fn table(items: &[Value], names: &[&str], paint: Paint, bound: Option<usize>) -> String {
    let mut table = Table::new(names.iter().map(|name| paint.text(name)));
    for item in items {
        table.row(names.iter().map(|name| item.get(name).map_or_else(String::new, |value| paint.text(&inline(value)).into_owned())));
    }
    table.text(paint, bound)
}

/// Writes the fields of a thing; those that have fields of their own as a tree.
fn record(of: &Map<String, Value>, paint: Paint, bound: Option<usize>) -> String {
    let plain = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    let mut text = String::new();
    for run in of.iter().collect::<Vec<_>>().chunk_by(|(_, a), (_, b)| plain(a) && plain(b)) {
        match run {
            [(name, Value::Object(inner))] if !inner.is_empty() => {
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
fn inline(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(fields) if fields.is_empty() => "#{}".to_owned(),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}: {}", inline(value))).collect::<Vec<_>>().join(", "),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(it: Value) -> String {
        value(&it, Paint::none(), None)
    }

    #[test]
    fn what_is_empty_shows_that_it_is() {
        let asked = |it: Value| super::shown(&it, Paint::none(), None);
        assert_eq!((asked(json!([])), asked(json!({})), asked(json!(""))), ("[]\n".into(), "#{}\n".into(), "\"\"\n".into()));
        assert_eq!((asked(json!(null)), asked(json!([{ "a": [], "b": {} }]))), (String::new(), "a   b\n[]  #{}\n".into()));
    }

    #[test]
    fn a_thing_in_a_thing_is_a_branch() {
        let packet = json!({ "length": 60, "ip": { "source": "192.0.2.1", "tcp": { "dport": 22 } }, "at": "some words that are long" });
        let wanted = "length  60\nip\n  source  192.0.2.1\n  tcp\n    dport  22\nat  some words that\n    are long\n";
        assert_eq!(value(&packet, Paint::none(), Some(22)), wanted);
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
