//! Doc comments as the text that is meant: `///` before each line, or `/**` and `*/` around them, with or without a star before each.

/// Follows the lines of a source, or of its comments, and takes the marks off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Comments {
    /// The `/**` that has had no `*/` yet.
    open: Option<Open>,
}

/// A comment of several lines.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// What its lines are indented by, where they have no stars.
    indent: Option<usize>,
}

impl Comments {
    /// Gives how many bytes of a line stand before its text, and the text; nothing for a line that is no doc comment.
    pub(super) fn text<'a>(&mut self, line: &'a str) -> Option<(usize, &'a str)> {
        let rest = line.trim_start();
        if self.open.is_none() {
            if let Some(text) = rest.strip_prefix("///").filter(|text| !text.starts_with('/')) {
                return Some(placed(line, text));
            }
            let text = rest.strip_prefix("/**").filter(|text| !text.starts_with(['*', '/']))?;
            self.open = Some(Open::default());
            return Some(self.ended(placed(line, text)));
        }
        let text = match rest.strip_prefix('*').filter(|text| !text.starts_with('/')) {
            Some(text) => placed(line, text),
            None => self.indented(line),
        };
        Some(self.ended(text))
    }

    /// Takes off a line without a star what the first of them is indented by.
    fn indented<'a>(&mut self, line: &'a str) -> (usize, &'a str) {
        let own = line.len() - line.trim_start().len();
        let open = self.open.get_or_insert_default();
        let most = if line.trim().is_empty() { own } else { *open.indent.get_or_insert(own) };
        let cut = own.min(most);
        (cut, &line[cut..])
    }

    /// Ends the comment where the line has its end.
    fn ended<'a>(&mut self, (at, text): (usize, &'a str)) -> (usize, &'a str) {
        match text.split_once("*/") {
            Some((text, _)) => {
                self.open = None;
                (at, text)
            }
            None => (at, text),
        }
    }
}

/// Gives the text behind a mark without the blank that parts the two, and where in the line it begins.
fn placed<'a>(line: &'a str, text: &'a str) -> (usize, &'a str) {
    let text = text.strip_prefix(' ').unwrap_or(text);
    (line.len() - text.len(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut comments = Comments::default();
        text.lines().map(|line| comments.text(line).map_or("-".to_owned(), |(at, text)| format!("{at} {text}"))).collect()
    }

    #[test]
    fn marks_are_taken_off() {
        assert_eq!(told("/// a\n  ///  b\n///\n//// c\n// d\n//! e\nfn f() {}"), ["4 a", "6  b", "3 ", "-", "-", "-", "-"]);
        assert_eq!(told("/** a */\nfn f() {}"), ["4 a ", "-"]);
        assert_eq!(told("/**\n * a\n *   b\n *\n */\nx"), ["3 ", "3 a", "3   b", "2 ", "1 ", "-"]);
        assert_eq!(told("  /**\n    a\n\n      b\n   c\n  */\nx"), ["5 ", "4 a", "0 ", "4   b", "3 c", "2 ", "-"]);
        assert_eq!(told("/*** a\n/**/ b\n/* c */"), ["-", "-", "-"]);
    }
}
