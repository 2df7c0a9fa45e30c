//! The value of a script: a table for a list of things, fields for one thing, plain text for the rest.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use super::{Paint, Table, pad};

/// Writes a value. Nothing is an empty text; everything else ends in a newline.
pub(crate) fn value(value: &Value, paint: Paint, bound: Option<usize>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(items) => match columns(items) {
            Some(names) => table(items, &names, paint, bound),
            None => items.iter().map(|item| format!("{}\n", paint.text(&inline(item)))).collect(),
        },
        Value::Object(fields) => record(fields, paint),
        scalar => format!("{}\n", paint.text(&inline(scalar))),
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

fn record(fields: &Map<String, Value>, paint: Paint) -> String {
    let names: Vec<_> = fields.keys().map(|name| paint.text(name)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let lines = names.iter().zip(fields.values());
    lines.map(|(name, value)| format!("{}  {}\n", paint.bold(&pad(name, width)), paint.text(&inline(value)))).collect()
}

/// Writes a value on one line: texts as they are, what is nested as in a script.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
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
