//! The pieces of a text that somebody is still typing: what the parser refuses has brackets and strings, too.

use std::ops::Range;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A string or a character.
    Text,
    /// A comment.
    Comment,
    /// An opening bracket; that of a map is `#{`.
    Open,
    /// A closing bracket.
    Close,
    /// Any other sign; `::` and `?.` are one.
    Sign,
}

/// One piece of a text; blanks are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// Whether its end was found, if it is a string or a comment.
    pub closed: bool,
}

/// The keywords of the language, those that `help` and completion offer.
pub const KEYWORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "while", "loop", "do", "until", "for", "in", "break", "continue", "return", "throw", "try",
    "catch", "fn", "private", "import", "export", "as", "global", "this", "true", "false",
];

/// Takes a text into pieces.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length, closed) = piece(&text[at..], first);
        found.push(Piece { kind, range: at..at + length, closed });
        at += length;
    }
    found
}

/// Measures the piece that a text begins with.
fn piece(rest: &str, first: char) -> (Kind, usize, bool) {
    let while_in = |inside: &dyn Fn(char) -> bool| rest.find(|c| !inside(c)).unwrap_or(rest.len());
    let until = |end: &str| rest[2..].find(end).map_or((rest.len(), false), |at| (at + 2, true));
    match first {
        _ if rest.starts_with("//") => (Kind::Comment, while_in(&|c| c != '\n'), true),
        _ if rest.starts_with("/*") => {
            let (at, closed) = until("*/");
            (Kind::Comment, if closed { at + 2 } else { at }, closed)
        }
        _ if rest.starts_with("#{") => (Kind::Open, 2, true),
        _ if rest.starts_with("::") || rest.starts_with("?.") => (Kind::Sign, 2, true),
        '(' | '[' | '{' => (Kind::Open, 1, true),
        ')' | ']' | '}' => (Kind::Close, 1, true),
        '"' | '\'' => {
            let (length, closed) = string(rest, first);
            (Kind::Text, length, closed)
        }
        '`' => {
            let (length, closed) = template(rest);
            (Kind::Text, length, closed)
        }
        c if c.is_alphabetic() || c == '_' => (Kind::Word, while_in(&|c| c.is_alphanumeric() || c == '_'), true),
        c if c.is_ascii_digit() => (Kind::Number, number(rest), true),
        c => (Kind::Sign, c.len_utf8(), true),
    }
}

/// Measures a string, which ends at its line at the latest.
fn string(rest: &str, quote: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return (at, false),
            c if c == quote => return (at + 1, true),
            _ => {}
        }
    }
    (rest.len(), false)
}

/// Measures a string in back-ticks, with the expressions in it.
fn template(rest: &str) -> (usize, bool) {
    let (mut depth, mut before) = (0_usize, ' ');
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '`' if depth == 0 => return (at + 1, true),
            '{' if depth > 0 || before == '$' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = c;
    }
    (rest.len(), false)
}

/// Measures a number: the dot of `1.max(2)` and that of `1..3` are none of it.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut at = (0..).find(|at| !digit(*at)).unwrap_or(0);
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        at = (at + 1..).find(|at| !digit(*at)).unwrap_or(at);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(Kind, &str)> {
        pieces(text).into_iter().map(|piece| (piece.kind, &text[piece.range])).collect()
    }

    #[test]
    fn a_text_is_taken_into_pieces() {
        use Kind::*;
        let text = "a::b(#{x: 1.5}, \"(\\\"\") // c";
        let wanted = [
            (Word, "a"),
            (Sign, "::"),
            (Word, "b"),
            (Open, "("),
            (Open, "#{"),
            (Word, "x"),
            (Sign, ":"),
            (Number, "1.5"),
            (Close, "}"),
            (Sign, ","),
            (Text, "\"(\\\"\""),
            (Close, ")"),
            (Comment, "// c"),
        ];
        assert_eq!(shown(text), wanted);
        assert_eq!(shown("0x1f.max(2)")[0], (Number, "0x1f"));
        assert_eq!(shown("`a${f(\"}\")}b` größe"), [(Text, "`a${f(\"}\")}b`"), (Word, "größe")]);
    }

    #[test]
    fn what_is_still_open_is_a_piece() {
        for (text, last) in [("f(\"ab", "\"ab"), ("`a\n${x", "`a\n${x"), ("/* a", "/* a"), ("\"日", "\"日"), ("x /", "/"), ("'", "'")] {
            assert_eq!(&text[pieces(text).last().unwrap().range.clone()], last);
        }
        assert!(!pieces("\"a\\").last().unwrap().closed);
    }
}
