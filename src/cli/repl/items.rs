//! The statements of an input, one by one: what defines or names something outlives the changes beside it.

use std::ops::Range;

use super::save::is_look;
use crate::host::lex::{self, Kind, Piece};

/// The words that begin a statement which ends with its block.
const BLOCKS: &[&str] = &["fn", "private", "if", "for", "while", "loop", "switch", "try", "{"];

/// What a statement is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It defines a function of this name, with so many parameters.
    Function(String, usize),
    /// It imports a module.
    Import,
    /// It makes a variable of this name; the flag says that its value comes of looking only.
    Let(String, bool),
    /// It gives a variable another value, which comes of looking only.
    Assign,
    /// It ends the input with a value, which begins at this byte of the text.
    Return(usize),
    /// Anything else.
    Deed,
}

/// A statement of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// What it is for.
    pub(super) what: What,
    /// Where it is, with the comments before it; together the items are the whole text.
    pub(super) range: Range<usize>,
}

/// Takes an input into its statements.
pub(super) fn items(text: &str) -> Vec<Item> {
    let pieces = lex::pieces(text);
    let mut found = Vec::new();
    let (mut begin, mut first) = (0, 0);
    while first < pieces.len() {
        let mut last = end(text, &pieces, first);
        // A comment at the end belongs to the statement before it.
        if pieces[last + 1..].iter().all(|piece| piece.kind == Kind::Comment) {
            last = pieces.len() - 1;
        }
        let finish = if last + 1 == pieces.len() { text.len() } else { pieces[last].range.end };
        let code: Vec<&Piece> = pieces[first..=last].iter().filter(|piece| piece.kind != Kind::Comment).collect();
        found.push(Item { what: what(text, &code), range: begin..finish });
        (begin, first) = (finish, last + 1);
    }
    found
}

/// Finds the last piece of the statement that begins with a piece.
fn end(text: &str, pieces: &[Piece], first: usize) -> usize {
    let word = |at: usize| pieces.get(at).map_or("", |piece| &text[piece.range.clone()]);
    let code = |from: usize| (from..pieces.len()).find(|at| pieces[*at].kind != Kind::Comment).unwrap_or(pieces.len());
    let begin = code(first);
    let is_block = BLOCKS.contains(&word(begin));
    let mut open = Vec::new();
    for (at, piece) in pieces.iter().enumerate().skip(begin) {
        match piece.kind {
            Kind::Open => open.push(word(at)),
            Kind::Close => {
                let block = open.pop() == Some("{") && open.is_empty();
                if block && is_block && !matches!(word(code(at + 1)), "else" | "catch") {
                    return at;
                }
            }
            Kind::Sign if word(at) == ";" && open.is_empty() => return at,
            _ => {}
        }
    }
    pieces.len() - 1
}

/// Tells whether a statement ends with its block, and needs no semicolon.
pub(super) fn is_block(text: &str) -> bool {
    let pieces = lex::pieces(text);
    pieces.iter().find(|piece| piece.kind != Kind::Comment).is_some_and(|first| BLOCKS.contains(&&text[first.range.clone()]))
}

fn what(text: &str, code: &[&Piece]) -> What {
    let words: Vec<&str> = code.iter().map(|piece| &text[piece.range.clone()]).collect();
    // What stands behind the first words of an item, without its semicolon.
    let looks = |from: usize| {
        let rest = code.get(from).map_or("", |piece| &text[piece.range.start..code[code.len() - 1].range.end]);
        is_look(rest.trim_end_matches(';'))
    };
    match words.as_slice() {
        ["private", "fn", rest @ ..] | ["fn", rest @ ..] => {
            let head: Vec<&str> = rest.iter().take_while(|word| **word != "(").copied().collect();
            let params = rest[head.len()..].iter().take_while(|word| **word != ")").skip(1);
            let named = params.filter(|word| **word != ",").count();
            What::Function(head.concat(), named)
        }
        ["import", ..] => What::Import,
        ["return", ..] => What::Return(code[0].range.end),
        ["let" | "const", name, "=", ..] => What::Let((*name).to_owned(), looks(3)),
        ["let", name, ..] => What::Let((*name).to_owned(), true),
        [_, "=", next, ..] if *next != "=" && code[0].kind == Kind::Word && looks(2) => What::Assign,
        _ => What::Deed,
    }
}

/// Tells whether a text mentions a name.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    lex::pieces(text).iter().any(|piece| match piece.kind {
        Kind::Word => &text[piece.range.clone()] == name,
        Kind::Text => text[piece.range.clone()].starts_with('`') && mentions(text[piece.range.clone()].trim_matches('`'), name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(What, &str)> {
        items(text).into_iter().map(|item| (item.what, text[item.range].trim())).collect()
    }

    #[test]
    fn an_input_is_taken_into_statements() {
        let text = "/// Doubles.\nfn twice(a, b) { a * 2 } let x = \"};\"; if x == #{ a: 1 }.a { f(); } else { g() } x = 1; // so\nx.pop()";
        let wanted = [
            (What::Function("twice".into(), 2), "/// Doubles.\nfn twice(a, b) { a * 2 }"),
            (What::Let("x".into(), true), "let x = \"};\";"),
            (What::Deed, "if x == #{ a: 1 }.a { f(); } else { g() }"),
            (What::Assign, "x = 1;"),
            (What::Deed, "// so\nx.pop()"),
        ];
        assert_eq!(shown(text), wanted);
        let whats = |text: &str| items(text).into_iter().map(|item| item.what).collect::<Vec<_>>();
        assert_eq!(whats("private fn f() { 1 }\nimport \"a\" as b"), [What::Function("f".into(), 0), What::Import]);
        assert_eq!(
            whats("let c = t.new_chain(\"X\"); let d; x == 1"),
            [What::Let("c".into(), false), What::Let("d".into(), true), What::Deed]
        );
        assert_eq!(whats("let f = |x| { x }; try { 1 } catch (e) { 2 }").len(), 2);
        assert_eq!(whats("x = a.pop()"), [What::Deed]);
        assert_eq!(whats("/* x */ return 1"), [What::Return(14)]);
        assert_eq!((whats(""), whats("// only")), (vec![], vec![What::Deed]));
    }

    #[test]
    fn the_items_are_the_whole_text() {
        for text in ["let x = 1; f(x) /* so */", "fn f() {\n}\n\n1", "((", "x;;y", "  // a\n", "日; 本"] {
            assert_eq!(items(text).into_iter().map(|item| &text[item.range]).collect::<String>(), text);
        }
    }

    #[test]
    fn a_name_is_found_where_it_is_meant() {
        assert!(mentions("f(`a ${c.name}`)", "c") && mentions("c = 1", "c"));
        assert!(!mentions("\"c\" // c", "c") && !mentions("cc", "c"));
    }
}
