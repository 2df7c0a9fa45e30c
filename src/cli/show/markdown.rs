//! Documentation on a terminal: the little of Markdown that doc comments use.

use super::Paint;
use crate::model::fence::{Fences, Line};

/// Writes headings bold, code cyan, and wraps paragraphs at `width`.
pub(crate) fn markdown(text: &str, paint: Paint, width: usize) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut fences = Fences::default();
    for line in text.lines() {
        let kind = fences.line(line);
        let apart = kind != Line::Text || line.trim().is_empty() || line.starts_with('#') || line.starts_with('|') || item(line);
        if apart && !paragraph.is_empty() {
            out.push_str(&wrapped(&paragraph, paint, width));
            paragraph.clear();
        }
        if let Line::Code(code) = kind {
            out.push_str(&format!("    {}\n", paint.cyan(code)));
        } else if kind != Line::Text {
            // What stands around a block is seen by its indentation.
        } else if line.starts_with('#') {
            out.push_str(&format!("{}\n", paint.bold(line.trim_start_matches('#').trim_start())));
        } else if line.trim().is_empty() || line.starts_with('|') {
            out.push_str(line);
            out.push('\n');
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    out.push_str(&wrapped(&paragraph, paint, width));
    out
}

fn item(line: &str) -> bool {
    line.trim_start().starts_with(['-', '*']) && line.trim_start()[1..].starts_with(' ')
}

/// Wraps a paragraph between words, the further lines of a list item indented.
fn wrapped(paragraph: &str, paint: Paint, width: usize) -> String {
    // Backticks give way to colours, and so take no room when there are any.
    let columns = |text: &str| text.chars().filter(|c| !(paint.on && *c == '`')).count();
    let indent = if item(paragraph) { "  " } else { "" };
    let mut out = String::new();
    let mut line = String::new();
    for word in paragraph.split_whitespace() {
        if !line.trim().is_empty() && columns(&line) + 1 + columns(word) > width {
            out.push_str(&line);
            out.push('\n');
            line = indent.to_owned();
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&line);
        out.push('\n');
    }
    spans(&out, paint)
}

/// Paints what stands between backticks, without the backticks when there is paint.
fn spans(text: &str, paint: Paint) -> String {
    if !paint.on {
        return text.to_owned();
    }
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { paint.cyan(part) } else { part.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_wraps_and_code_does_not() {
        let text = "Appends a rule\nto the end of it.\n\n# Fails\n- when `x` is a word that is too long\n\n```rhai\nlet a = 1;   // a line that is far too long\n```";
        let wanted = "Appends a rule to\nthe end of it.\n\nFails\n- when `x` is a\n  word that is too\n  long\n\n    let a = 1;   // a line that is far too long\n";
        assert_eq!(markdown(text, Paint::none(), 18), wanted);
        assert_eq!(markdown("a\n~~~~rhai,no_run\n```\n~~~\n~~~~\nb", Paint::none(), 18), "a\n    ```\n    ~~~\nb\n");
    }
}
