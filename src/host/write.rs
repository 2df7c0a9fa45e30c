//! The text of a recipe, written by the program.

use super::recipe::Risk;
use super::spelling;

/// Writes the `//!` lines of a recipe.
pub fn header<S: AsRef<str>>(summary: &str, rooms: &[S], risk: Risk) -> String {
    let rooms: Vec<&str> = rooms.iter().map(AsRef::as_ref).collect();
    let needs = if rooms.is_empty() { String::new() } else { format!("//! needs: {}\n", rooms.join(", ")) };
    format!("//! {}\n{needs}//! risk: {risk}\n", one_line(summary))
}

/// Writes a comment of one line.
pub fn comment(text: &str) -> String {
    format!("// {}", one_line(text)).trim_end().to_owned()
}

/// Writes a string.
pub fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if is_odd(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A part of a string that is put together when the recipe runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text as it is.
    Text(&'a str),
    /// The value of a variable.
    Variable(&'a str),
}

/// Writes a string with variables in it.
pub fn template(parts: &[Part<'_>]) -> String {
    if let [] | [Part::Text(_)] = parts {
        return literal(parts.first().map_or("", |part| if let Part::Text(text) = part { text } else { "" }));
    }
    let mut out = String::from("`");
    for part in parts {
        match part {
            Part::Variable(name) => out.push_str(&format!("${{{name}}}")),
            Part::Text(text) => text.chars().for_each(|c| match c {
                // Between back-ticks nothing can be escaped, so what means something there comes from a string.
                c if is_odd(c) || matches!(c, '`' | '$' | '\\') => out.push_str(&format!("${{{}}}", literal(&c.to_string()))),
                c => out.push(c),
            }),
        }
    }
    out.push('`');
    out
}

/// Tells whether a character cannot be seen, or deceives the eye.
fn is_odd(c: char) -> bool {
    c.is_control() || spelling::reorders(c)
}

fn one_line(text: &str) -> String {
    let shown = |c: char| if c == '\n' || c == '\t' { ' ' } else { c };
    text.chars().map(shown).filter(|c| !is_odd(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::engine::{Functions, Limits, language};
    use proptest::prelude::*;

    fn value(text: &str) -> String {
        language(&Limits::default(), Functions::Sought)
            .eval(&format!("let name = \"x\"; {text}"))
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_header_is_read_back() {
        let header: crate::host::Header = header("Sets\nit.", &["iptables"], Risk::Disrupts).parse().unwrap();
        assert_eq!((header.summary.as_str(), header.needs.len(), header.risk), ("Sets it.", 1, Some(Risk::Disrupts)));
    }

    #[test]
    fn a_comment_stays_one_line() {
        assert_eq!((comment("a\nb\r\u{202e}c"), comment("")), ("// a bc".to_owned(), "//".to_owned()));
    }

    proptest! {
        #[test]
        fn a_written_string_is_the_text(text in "(\\PC|[\"'`${}\\\\\n\r\t\u{1b}\u{202e}]){0,24}") {
            prop_assert_eq!(value(&literal(&text)), text.clone());
            let parts = [Part::Text(&text), Part::Variable("name"), Part::Text(&text)];
            prop_assert_eq!(value(&template(&parts)), format!("{text}x{text}"));
            prop_assert_eq!(value(&template(&parts[1..])), format!("x{text}"));
        }
    }
}
