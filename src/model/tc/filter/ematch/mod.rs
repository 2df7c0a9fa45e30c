//! Trees of matches, as `basic`, `cgroup` and `flow` have them: `cmp(u16 at 3 gt 20) and not (meta(nf_mark eq 1) or u32(u8 1 0xff at 9))`.

mod kinds;

use std::fmt::Write as _;

use crate::model::Fault;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;
use kinds::{of_kind, one_shown};

const HEADER: u16 = 1;
const LIST: u16 = 2;

const AND: u16 = 1;
const OR: u16 = 2;
const INVERT: u16 = 4;

/// One match of a list that is bound by `and` and `or`.
struct Match {
    flags: u16,
    what: What,
}

enum What {
    Inside(Vec<Match>),
    Match(u16, Vec<u8>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(Vec<u8>),
    Open,
    Close,
}

/// Takes words apart: a parenthesis ends a word, and quotes hold text with escapes as in C.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let (mut found, mut rest) = (Vec::new(), text.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            '"' => found.push(Token::Quoted(quoted(&mut rest)?)),
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|next| !next.is_whitespace() && *next != '(' && *next != ')') {
                    word.push(next);
                }
                found.push(Token::Word(word));
            }
        }
    }
    Some(found)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match rest.next()? {
            '"' => return Some(bytes),
            '\\' => match rest.next()? {
                'x' => {
                    let digits: String = (0..2).map_while(|_| rest.next_if(char::is_ascii_hexdigit)).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).ok()?);
                }
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'v' => bytes.push(0x0b),
                'b' => bytes.push(0x08),
                'f' => bytes.push(0x0c),
                'a' => bytes.push(0x07),
                c if c.is_digit(8) => {
                    let mut digits = String::from(c);
                    digits.extend((0..2).map_while(|_| rest.next_if(|c| c.is_digit(8))));
                    bytes.push(u8::from_str_radix(&digits, 8).ok()?);
                }
                c if c.is_ascii_digit() => return None,
                c => bytes.extend(c.to_string().bytes()),
            },
            c => bytes.extend(c.to_string().bytes()),
        }
    }
}

/// Reads the words of a tree, and gives the tree as the kernel has it.
pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut reader = Reader { argv, tokens: Vec::new(), at: 0 };
    let tree = reader.expression()?;
    if reader.at < reader.tokens.len() {
        return Err(reader.argv.odd("no end of a match"));
    }
    Ok(sent(tree))
}

struct Reader<'a> {
    argv: &'a mut Argv,
    /// The tokens of the words that were taken so far.
    tokens: Vec<Token>,
    at: usize,
}

impl Reader<'_> {
    /// Gives the token at hand; words are taken as they are needed.
    fn peek(&mut self) -> Result<Option<Token>, Fault> {
        if self.at >= self.tokens.len() {
            if self.argv.is_end() {
                return Ok(None);
            }
            let word = self.argv.next_word()?;
            self.tokens = tokens(&word).ok_or_else(|| self.argv.odd("no match: a quote in it is odd"))?;
            self.at = 0;
        }
        Ok(self.tokens.get(self.at).cloned())
    }

    fn next(&mut self) -> Result<Token, Fault> {
        let token = self.peek()?.ok_or_else(|| self.argv.refuse("a match is not ended"))?;
        self.at += 1;
        Ok(token)
    }

    /// Reads matches that are bound by `and` and `or`.
    fn expression(&mut self) -> Result<Vec<Match>, Fault> {
        let mut list = vec![self.one()?];
        while let Some(relation) = self.relation()? {
            if let Some(last) = list.last_mut() {
                last.flags |= relation;
            }
            list.push(self.one()?);
        }
        Ok(list)
    }

    /// Reads `and` or `or`. A word that is neither belongs to what comes behind the tree, and is not taken.
    fn relation(&mut self) -> Result<Option<u16>, Fault> {
        let of = |word: &str| match word.to_ascii_lowercase().as_str() {
            "and" => Some(AND),
            "or" => Some(OR),
            _ => None,
        };
        let found = match self.tokens.get(self.at) {
            Some(Token::Word(word)) => of(word),
            Some(_) => None,
            None => self.argv.peek().and_then(|word| of(word.split(['(', ' ']).next().unwrap_or_default())),
        };
        if found.is_some() {
            self.next()?;
        }
        Ok(found)
    }

    fn one(&mut self) -> Result<Match, Fault> {
        let mut flags = 0;
        let mut token = self.next()?;
        if matches!(&token, Token::Word(word) if word.eq_ignore_ascii_case("not")) {
            flags = INVERT;
            token = self.next()?;
        }
        let what = match token {
            Token::Open => {
                let inside = self.expression()?;
                if self.next()? != Token::Close {
                    return Err(self.argv.odd("no match: `)` is missing"));
                }
                What::Inside(inside)
            }
            Token::Word(kind) if self.next()? == Token::Open => {
                let mut arguments = Vec::new();
                loop {
                    match self.next()? {
                        Token::Close => break,
                        Token::Open => return Err(self.argv.odd("no match: a parenthesis is in another")),
                        argument => arguments.push(argument),
                    }
                }
                let (number, bytes) = of_kind(&kind, &arguments).map_err(|why| self.argv.refuse(format!("in `{kind}(…)` {why}")))?;
                What::Match(number, bytes)
            }
            _ => return Err(self.argv.odd("no match: cmp(…), u32(…), nbyte(…), meta(…)")),
        };
        Ok(Match { flags, what })
    }
}

/// The tree as a list, in the order in which tc(8) sends it: what is in parentheses stands behind all that is at hand.
fn sent(tree: Vec<Match>) -> Attributes {
    let mut list: Vec<(u16, What)> = tree.into_iter().map(|one| (one.flags, one.what)).collect();
    flatten(&mut list, 0);
    let count = list.len() as u16;
    let element = |(flags, what): (u16, What)| {
        let (kind, data) = match what {
            What::Match(kind, data) => (kind, data),
            // Flattened, it holds where its list begins.
            What::Inside(_) => (0, Vec::new()),
        };
        [[0u16, kind, flags, 0].into_iter().flat_map(u16::to_ne_bytes).collect(), data].concat()
    };
    let mut attributes = Attributes::default();
    attributes.put(HEADER, [count.to_ne_bytes(), 0u16.to_ne_bytes()].concat());
    attributes.put_nest(LIST, &(1..).zip(list.into_iter().map(element)).collect());
    attributes
}

fn flatten(list: &mut Vec<(u16, What)>, first: usize) {
    let end = list.len();
    for at in first..end {
        if let What::Inside(inside) = &mut list[at].1 {
            let inside = std::mem::take(inside);
            let begin = list.len();
            list[at].1 = What::Match(0, (begin as u32).to_ne_bytes().to_vec());
            list.extend(inside.into_iter().map(|one| (one.flags, one.what)));
            flatten(list, begin);
        }
    }
}

/// Puts a tree into the order of its attributes.
pub(super) fn settled(tree: &Attributes) -> Attributes {
    let mut settled = tree.clone();
    settled.sort();
    settled
}

/// Tells whether there is no match in a tree.
pub(super) fn is_empty(tree: &Attributes) -> bool {
    tree.nest(LIST).is_none_or(|list| list.iter().next().is_none())
}

/// Shows a tree in the words of tc(8).
pub(super) fn shown(tree: &Attributes) -> String {
    let list: Vec<Vec<u8>> = tree.nest(LIST).unwrap_or_default().iter().map(|(_, bytes)| bytes.to_vec()).collect();
    // A tree that refers to itself would have no end.
    sequence(&list, 0, &mut (list.len() * 2))
}

fn sequence(list: &[Vec<u8>], first: usize, left: &mut usize) -> String {
    let mut line = String::new();
    for bytes in list.get(first..).unwrap_or_default() {
        if *left == 0 || bytes.len() < 8 {
            break;
        }
        *left -= 1;
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let (kind, flags, data) = (half(2), half(4), &bytes[8..]);
        if flags & INVERT != 0 {
            line.push_str("not ");
        }
        match kind {
            0 => {
                let inside = data.first_chunk().map_or(usize::MAX, |bytes| u32::from_ne_bytes(*bytes) as usize);
                let _ = write!(line, "({})", sequence(list, inside, left));
            }
            _ => line.push_str(&one_shown(kind, data)),
        }
        match flags & 3 {
            AND => line.push_str(" and "),
            OR => line.push_str(" or "),
            _ => break,
        }
    }
    line
}
