//! Blocks of code in Markdown: where one begins, what it says of itself, and where it ends (CommonMark 0.31, section 4.5).

/// Follows a text line by line, and knows which of the lines are code.
#[derive(Clone, Debug, Default)]
pub struct Fences {
    open: Option<Fence>,
    /// The column in which the text of the list item begins that the line is in.
    item: usize,
}

/// A line of code around a block: so many backticks or tildes.
#[derive(Clone, Copy, Debug)]
struct Fence {
    of: char,
    length: usize,
    indent: usize,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// It is no code.
    Text,
    /// A block of code begins behind it.
    Opens(Info<'a>),
    /// It is code, without what the block is indented by.
    Code(&'a str),
    /// The block ends before it.
    Closes,
}

/// What stands behind the backticks or tildes that open a block: a language, and words behind commas or blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    /// Takes the text of one.
    pub fn of(text: &'a str) -> Self {
        Self(text)
    }

    fn parts(self) -> impl Iterator<Item = &'a str> {
        self.0.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty())
    }

    /// Tells whether the block is of a language.
    pub fn is(self, language: &str) -> bool {
        self.parts().next() == Some(language)
    }

    /// Gives the words behind the language.
    pub fn words(self) -> impl Iterator<Item = &'a str> {
        self.parts().skip(1)
    }
}

impl Fences {
    /// Tells what the next line is.
    pub fn line<'a>(&mut self, line: &'a str) -> Line<'a> {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = &line[indent..];
        if let Some(open) = self.open {
            let (length, behind) = run(rest, open.of);
            if length >= open.length && behind.trim().is_empty() {
                self.open = None;
                return Line::Closes;
            }
            return Line::Code(&line[indent.min(open.indent)..]);
        }
        if !rest.is_empty() && indent < self.item {
            self.item = 0;
        }
        let opens = ['`', '~'].into_iter().find_map(|of| {
            let (length, info) = run(rest, of);
            // One with a backtick behind it is code in a line; one that is indented further is shown as it is.
            let is_fence = length >= 3 && !(of == '`' && info.contains('`')) && indent < self.item + 4;
            is_fence.then_some((Fence { of, length, indent }, Info(info.trim())))
        });
        if let Some((fence, info)) = opens {
            self.open = Some(fence);
            return Line::Opens(info);
        }
        if let Some(width) = marker(rest).filter(|_| indent < self.item + 4) {
            self.item = indent + width;
        }
        Line::Text
    }
}

/// Counts how often a character stands at the beginning, and gives what follows.
fn run(text: &str, of: char) -> (usize, &str) {
    let rest = text.trim_start_matches(of);
    (text.len() - rest.len(), rest)
}

/// Gives the width of what begins the item of a list, `- ` or `1. `, with the blanks behind it.
fn marker(text: &str) -> Option<usize> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let ends: &[char] = if digits > 0 { &['.', ')'] } else { &['-', '*', '+'] };
    let behind = text[digits..].strip_prefix(ends)?;
    let blanks = behind.len() - behind.trim_start_matches(' ').len();
    (blanks > 0).then_some(digits + 1 + if blanks > 4 { 1 } else { blanks })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes for each line what it is: text, opens, code, closes.
    fn kinds(text: &str) -> String {
        let mut fences = Fences::default();
        let kind = |line| match fences.line(line) {
            Line::Text => 't',
            Line::Opens(_) => 'o',
            Line::Code(_) => 'c',
            Line::Closes => 'e',
        };
        text.lines().map(kind).collect()
    }

    #[test]
    fn blocks_begin_and_end_as_markdown_has_it() {
        for (text, wanted) in [
            ("a\n```\nb\n```\nc", "tocet"),
            ("~~~ x\n```\n~~~\n", "oce"),
            ("````\n```\n`````  \na", "ocet"),
            ("```\n``` x\n```", "oce"),
            ("```\n~~~\n", "oc"),
            ("``\n``", "tt"),
            ("``` a`b\n", "t"),
            ("~~~ a`b\n", "o"),
            ("   ```\na\n  ```", "oce"),
            ("    ```\na", "tt"),
            ("- a\n  ```\n  b\n  ```\n", "toce"),
            ("- a\n      ```\n", "tt"),
            ("10. a\n\n    ```\n    b\n    ```\nc\n    ```", "ttocett"),
        ] {
            assert_eq!(kinds(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_a_block_is_indented_by_is_no_code() {
        let mut fences = Fences::default();
        let lines: Vec<_> = "  ```rhai\n    a\n b\n\n  ```".lines().map(|line| fences.line(line)).collect();
        assert_eq!(lines, [Line::Opens(Info("rhai")), Line::Code("  a"), Line::Code("b"), Line::Code(""), Line::Closes]);
    }

    #[test]
    fn a_language_is_told_from_the_words_behind_it() {
        let words = |text| Info::of(text).words().collect::<Vec<_>>();
        assert!(Info::of("rhai").is("rhai") && Info::of("rhai,no_run").is("rhai") && Info::of(" rhai  ignore").is("rhai"));
        assert!(!Info::of("").is("rhai") && !Info::of("rhaix").is("rhai") && !Info::of("text rhai").is("rhai"));
        assert_eq!((words("rhai"), words("rhai, no_run ignore")), (vec![], vec!["no_run", "ignore"]));
    }
}
