//! Faults, in the look of rustc: what cannot be done and why, the source line with a caret, the calls that led there, and what to do.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin as Place, Renderer, Snippet};

use super::Lines;
use crate::host::value::escaped;
use crate::model::{Fault, Origin};

/// Writes a fault, as an error or as a warning.
pub(crate) fn text(fault: &Fault, error: bool, line: Lines, colours: bool, width: usize) -> String {
    let level = if error { Level::ERROR } else { Level::WARNING };
    let title = level.primary_title(escaped(&fault.to_string())).id(fault.kind.name());
    let mut groups = vec![Group::with_title(title).elements(body(fault, line))];
    for later in &fault.after {
        let title = Level::NOTE.secondary_title(escaped(&format!("then, while putting it right: {later}")));
        groups.push(Group::with_title(title).elements(body(later, line)));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(width).render(&groups)
}

fn body(fault: &Fault, line: Lines) -> Vec<Element<'static>> {
    let mut elements = fault.origin.as_ref().map_or_else(Vec::new, |origin| place(origin, line));
    elements.extend(fault.hint.as_ref().map(|hint| Level::HELP.message(escaped(hint)).into()));
    elements
}

fn place(origin: &Origin, line: Lines) -> Vec<Element<'static>> {
    let at = &origin.at;
    let mut elements: Vec<Element<'static>> = vec![match line(at) {
        Some(text) => {
            let text = escaped(&text);
            let span = word(&text, at.column);
            let snippet = Snippet::source(text).line_start(at.line as usize).path(escaped(&at.file));
            snippet.annotation(AnnotationKind::Primary.span(span)).into()
        }
        None => Place::path(escaped(&at.file)).line(at.line as usize).char_column(at.column as usize).into(),
    }];
    elements.extend(origin.frames.iter().map(|frame| {
        let text = format!("in {}, called from {}", frame.function, frame.called_at);
        Level::NOTE.message(escaped(&text)).into()
    }));
    elements
}

/// Finds the bytes of the word at a column, which is counted in characters from 1.
fn word(text: &str, column: u32) -> std::ops::Range<usize> {
    let skipped = (column as usize).saturating_sub(1);
    let start = text.char_indices().nth(skipped).map_or(text.len(), |(at, _)| at);
    let rest = &text[start..];
    let long = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    start..start + long.max(rest.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Frame, Kind, Position};

    fn shown(fault: &Fault) -> String {
        let text = |at: &Position| (&*at.file == "my.rhai").then(|| "    chain.append(\"-p tcp --dprot 22\");".to_owned());
        text_of(fault, &text)
    }

    fn text_of(fault: &Fault, line: Lines) -> String {
        text(fault, true, line, false, 100)
    }

    #[test]
    fn a_fault_shows_the_line_the_calls_and_the_cure() {
        let frames = [Frame { function: "protect".to_owned(), called_at: Position { file: "main.rhai".into(), line: 3, column: 1 } }];
        let origin = Origin { frames: Arc::new(frames), ..Origin::at("my.rhai", 12, 11) };
        let fault = Fault::new(Kind::Refused, "append to filter/INPUT (IPv4)", "unknown option \"--dprot\"")
            .hint("did you mean --dport?")
            .at(origin);
        let wanted = "\
error[refused]: cannot append to filter/INPUT (IPv4): unknown option \"--dprot\"
  --> my.rhai:12:11
   |
12 |     chain.append(\"-p tcp --dprot 22\");
   |           ^^^^^^
   |
   = note: in protect, called from main.rhai:3:1
   = help: did you mean --dport?";
        assert_eq!(shown(&fault), wanted);
    }

    #[test]
    fn what_failed_later_is_shown_after_the_cause() {
        let later = Fault::new(Kind::Incomplete, "take out filter/INPUT rule 3", "it is not there any more");
        let fault = Fault::input("read \"a\" as a port", "it is no number").followed_by([later]).at(Origin::at("other.rhai", 2, 4));
        let wanted = "\
error[input]: cannot read \"a\" as a port: it is no number
--> other.rhai:2:4
 |
note: then, while putting it right: cannot take out filter/INPUT rule 3: it is not there any more";
        assert_eq!(shown(&fault), wanted);
    }

    #[test]
    fn no_text_of_others_reaches_the_terminal_raw() {
        let fault = Fault::input("use \x1b[2J", "\u{202e}evil\0").hint("\x07").at(Origin::at("a\x1b.rhai", 1, 1));
        let line = |_: &Position| Some("x\x1b]0;title\x07".to_owned());
        let shown = text_of(&fault, &line);
        assert!(!shown.contains(['\x1b', '\u{202e}', '\0', '\x07']), "{shown:?}");
    }

    #[test]
    fn columns_beyond_the_line_are_no_reason_to_panic() {
        for (line, column) in [("", 1), ("ab", 3), ("ab", 99), ("日本語", 2), ("a", u32::MAX), ("", 0)] {
            let fault = Fault::input("x", "y").at(Origin::at("f", 1, column));
            assert!(text_of(&fault, &|_: &Position| Some(line.to_owned())).contains("f:1:"));
        }
    }
}
