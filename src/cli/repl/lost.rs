//! Variables that have no value in a recipe, since the statement that gave it is not there: whoever reads one cannot be there either.

use std::collections::BTreeSet;

use crate::host::lex::{self, Kind, Piece};

/// The variables whose value is lost, as far as the recipe is written.
#[derive(Debug, Default)]
pub(super) struct Lost(BTreeSet<String>);

impl Lost {
    /// Tells whether a statement reads one of them.
    pub(super) fn is_read(&self, text: &str) -> bool {
        let code = Code::of(text);
        !self.0.is_empty()
            && (0..code.pieces.len()).any(|at| match code.pieces[at].kind {
                Kind::Word => self.0.contains(code.word(at)) && code.is_read(at),
                Kind::Text => code.word(at).starts_with('`') && self.is_read(code.word(at).trim_matches('`')),
                _ => false,
            })
    }

    /// Notes a statement that is in the recipe: what it surely gives a value has one again.
    pub(super) fn keep(&mut self, text: &str) {
        let code = Code::of(text);
        let declares = matches!(code.word(0), "let" | "const");
        if declares || code.is_set(0) {
            self.0.remove(code.word(usize::from(declares)));
        }
    }

    /// Notes a statement that is not: what it gives a value, or a part of it, has not that value there.
    pub(super) fn lose(&mut self, text: &str) {
        let code = Code::of(text);
        let set: Vec<usize> = (0..code.pieces.len()).filter(|at| code.is_set(*at) || code.is_updated(*at)).collect();
        // `m.key = 1` and `a[0] = 1` name their variable first.
        let first = (!set.is_empty() || code.has_part_set()).then_some(0);
        let names = set.into_iter().chain(first).map(|at| code.word(at));
        self.0.extend(names.filter(|name| !lex::KEYWORDS.contains(name)).map(str::to_owned));
    }
}

/// The pieces of a statement, without comments.
struct Code<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

impl<'a> Code<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, pieces: lex::pieces(text).into_iter().filter(|piece| piece.kind != Kind::Comment).collect() }
    }

    fn word(&self, at: usize) -> &'a str {
        self.pieces.get(at).map_or("", |piece| &self.text[piece.range.clone()])
    }

    /// Tells whether a `=` stands there that is no part of `==` or `=>`.
    fn is_equals(&self, at: usize) -> bool {
        self.word(at) == "=" && !matches!(self.word(at + 1), "=" | ">")
    }

    /// Tells whether a word is the name of a member or a key, and of no variable.
    fn is_member(&self, at: usize) -> bool {
        let before = |by: usize| at.checked_sub(by).map_or("", |at| self.word(at));
        // Two points are a range.
        self.word(at + 1) == ":" || before(1) == "?." || (before(1) == "." && before(2) != ".")
    }

    fn is_set(&self, at: usize) -> bool {
        self.pieces.get(at).is_some_and(|piece| piece.kind == Kind::Word) && self.is_equals(at + 1) && !self.is_member(at)
    }

    /// Tells whether a word is followed by the likes of `+=`.
    fn is_updated(&self, at: usize) -> bool {
        self.pieces[at].kind == Kind::Word
            && matches!(self.word(at + 1), "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^")
            && self.is_equals(at + 2)
            && !self.is_member(at)
    }

    fn has_part_set(&self) -> bool {
        (1..self.pieces.len()).any(|at| self.is_equals(at) && (self.word(at - 1) == "]" || self.is_member(at - 1)))
    }

    fn is_read(&self, at: usize) -> bool {
        let declared = at.checked_sub(1).is_some_and(|before| matches!(self.word(before), "let" | "const"));
        !declared && !self.is_set(at) && !self.is_member(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(text: &str) -> Vec<String> {
        let mut lost = Lost::default();
        lost.lose(text);
        lost.0.into_iter().collect()
    }

    #[test]
    fn what_a_statement_gives_a_value_is_lost_with_it() {
        for statement in ["let c = t.new_chain(\"X\")", "c = 1", "c += t.x", "c.key = t", "c[0] = 1", "if t == 1 { c = 2 }"] {
            assert_eq!(lost(statement), ["c"], "{statement}");
        }
        for statement in ["c.append(\"a=b\")", "c == 1", "switch c { c => 1 }", "c <= 1", "f(#{ c: 1 })"] {
            assert_eq!(lost(statement), [""; 0], "{statement}");
        }
    }

    #[test]
    fn what_is_lost_is_found_where_it_is_read() {
        let mut names = Lost(["c".to_owned()].into());
        for reads in ["let n = c.count", "f(`a ${c.name}`)", "c += 1", "c.key = 1", "c == 1", "for i in 0..c { }", "c = c.list()"] {
            assert!(names.is_read(reads), "{reads}");
        }
        for other in ["c = 1", "let c = 1", "let c;", "x.c", "x?.c = 1", "#{ c: 1 }", "\"c\" // c", "if a { c = 1 }"] {
            assert!(!names.is_read(other), "{other}");
        }
        names.keep("if a { c = 1 }");
        assert!(names.is_read("c"));
        names.keep("c = 1");
        assert!(!names.is_read("c"));
    }
}
