//! What a recipe is about, and the parameters that it takes.

use std::fmt::Write;

use serde_json::{Value, json};

use super::changes::shell;
use super::{Paint, markdown};
use crate::host::{Interface, Param};

/// Writes the help of a recipe.
pub(crate) fn recipe(name: &str, word: &str, interface: &Interface, paint: Paint, width: usize) -> String {
    let header = &interface.header;
    let mut text = format!("{}\n", paint.bold(name));
    if !header.summary.is_empty() {
        text.push_str(&markdown(&paint.text(&header.summary), paint, width));
    }
    if !header.details.is_empty() {
        let _ = write!(text, "\n{}", markdown(&paint.text(&header.details), paint, width));
    }
    text.push('\n');
    if !header.needs.is_empty() {
        let _ = writeln!(text, "{} {}", paint.bold("Needs:"), paint.text(&header.needs.join(", ")));
    }
    if let Some(risk) = header.risk {
        let _ = writeln!(text, "{}  {risk}", paint.bold("Risk:"));
    }
    let some = if interface.params.is_empty() { "" } else { " [PARAMETER...]" };
    let _ = writeln!(text, "{} fyke run {}{some}", paint.bold("Usage:"), paint.text(&shell(word)));
    if !interface.params.is_empty() {
        let _ = write!(text, "\n{}\n{}", paint.bold("Parameters:"), parameters(&interface.params, paint));
    }
    text
}

fn parameters(params: &[Param], paint: Paint) -> String {
    let flags: Vec<String> = params.iter().map(flag).collect();
    let width = flags.iter().map(String::len).max().unwrap_or(0);
    let line = |(param, flag): (&Param, &String)| {
        format!(
            "  {}{}  {}{}\n",
            paint.cyan(flag),
            " ".repeat(width - flag.len()),
            paint.text(&param.doc),
            paint.dim(&paint.text(&notes(param)))
        )
    };
    params.iter().zip(&flags).map(line).collect()
}

/// Writes a parameter as it is given on the command line, with the kind of its value.
pub(crate) fn flag(param: &Param) -> String {
    use crate::host::Value::{Bool, Float, Int, List, Text};
    let flag = param.flag();
    match &param.default {
        Bool(true) => format!("--no-{flag}"),
        Bool(false) => format!("--{flag}"),
        Int(_) | Float(_) => format!("--{flag} NUMBER"),
        Text(_) => format!("--{flag} TEXT"),
        List(_) if param.rest => "-- WORD...".to_owned(),
        List(_) => format!("--{flag} A,B,..."),
        _ => format!("--{flag} VALUE"),
    }
}

/// Tells the default, the bounds, and whether the parameter makes an instance of its own.
pub(crate) fn notes(param: &Param) -> String {
    use crate::host::Value::{Bool, List, Text, Unit};
    let mut notes = Vec::new();
    match &param.default {
        _ if param.required => notes.push("required".to_owned()),
        Unit | Bool(_) => {}
        Text(text) if text.is_empty() => {}
        List(list) if list.is_empty() => {}
        List(list) => notes.push(format!("default {}", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))),
        default => notes.push(format!("default {default}")),
    }
    match (param.min, param.max) {
        (Some(min), Some(max)) => notes.push(format!("{min} to {max}")),
        (Some(min), None) => notes.push(format!("at least {min}")),
        (None, Some(max)) => notes.push(format!("at most {max}")),
        (None, None) => {}
    }
    if !param.choices.is_empty() {
        notes.push(format!("one of {}", param.choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    if param.key {
        notes.push("one instance for each value".to_owned());
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

/// Gives the help of a recipe for a program.
pub(crate) fn json(name: &str, interface: &Interface) -> Value {
    let header = &interface.header;
    let params = interface.params.iter().map(|param| {
        json!({
            "name": param.name, "flag": format!("--{}", param.flag()), "default": param.default, "doc": param.doc, "key": param.key,
            "required": param.required, "min": param.min, "max": param.max, "choices": param.choices,
        })
    });
    json!({
        "recipe": name, "summary": header.summary, "details": header.details, "needs": header.needs,
        "risk": header.risk.map(|risk| risk.to_string()), "parameters": params.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Recipe;

    const TEXT: &str = "\
//! Drop a source that opens too many new connections to a port.
//! needs: iptables
//! risk: disrupts
let port = param(\"port\", 22, \"TCP port to protect\", #{ key: true, min: 1, max: 65535 });
let except = param(\"except\", [\"lo\", \"br0\"], \"what is not meant\", #{ required: false });
let to = param(\"to\", \"\", \"where to\", #{ required: true });
let log_prefix = param(\"log_prefix\", \"\", \"what the log says\");
let quiet = param(\"quiet\", false, \"do not log\");
";

    #[test]
    fn the_help_of_a_recipe_is_read_from_its_text() {
        let wanted = "\
limit
Drop a source that opens too many new connections to a port.

Needs: iptables
Risk:  disrupts
Usage: fyke run limit [PARAMETER...]

Parameters:
  --port NUMBER      TCP port to protect (default 22; 1 to 65535; one instance for each value)
  --except A,B,...   what is not meant (default lo,br0)
  --to TEXT          where to (required)
  --log-prefix TEXT  what the log says
  --quiet            do not log
";
        let interface = Recipe::inline("limit", TEXT).interface().unwrap();
        assert_eq!(recipe("limit", "limit", &interface, Paint::none(), 100), wanted);
        assert_eq!(json("limit", &interface)["parameters"][0]["default"], 22);
    }
}
