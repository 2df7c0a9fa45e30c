//! A shell script, taken apart into commands. Nothing is expanded here, and nothing is ever run.

use std::iter::Peekable;
use std::str::CharIndices;

/// A part of a word of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text, and whether it was quoted.
    Text(String, bool),
    /// A variable with what stands for it where it is not set, and whether it was quoted.
    Variable(String, Option<String>, bool),
    /// Something that only a shell can know.
    Unknown(String),
}

/// A command with its words, as it stands in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The line where it begins, from 1.
    pub(super) line: usize,
    /// Its text.
    pub(super) raw: String,
    /// Its words.
    pub(super) words: Vec<Vec<Part>>,
    /// What stands before it: `&&`, `||` or `|`.
    pub(super) after: Option<&'static str>,
    /// Whether its output goes to another command.
    pub(super) is_piped: bool,
    /// Whether it reads a file.
    pub(super) reads: bool,
    /// The text that it reads: the line where that begins, the text, and whether variables in it are expanded.
    pub(super) here: Option<(usize, String, bool)>,
    /// The comment on its line.
    pub(super) comment: Option<String>,
}

/// A command or a comment on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A command.
    Command(Command),
    /// A comment, without its `#`.
    Comment(String),
    /// A line with nothing on it.
    Blank,
}

/// Takes a script apart.
pub(super) fn items(text: &str) -> Vec<Item> {
    let mut lexer = Lexer::new(text);
    lexer.all();
    lexer.items
}

/// Takes the variables in a text that the shell would expand, as in a here-document.
pub(super) fn expandable(text: &str) -> Vec<Part> {
    let mut lexer = Lexer::new(text);
    let mut parts = Vec::new();
    while let Some(c) = lexer.next() {
        match c {
            '$' => lexer.dollar(&mut parts, true),
            '`' => lexer.backtick(&mut parts),
            '\\' => match lexer.next() {
                Some(c @ ('$' | '`' | '\\')) => add(&mut parts, c, true),
                Some('\n') | None => {}
                Some(c) => ['\\', c].into_iter().for_each(|c| add(&mut parts, c, true)),
            },
            c => add(&mut parts, c, true),
        }
    }
    parts
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    line: usize,
    items: Vec<Item>,
    now: Command,
    /// Where the text of the present command begins.
    start: Option<usize>,
    /// Here-documents whose text begins on the next line: the number of the item, the end mark, whether tabs are taken off, whether it is expanded.
    waiting: Vec<(usize, String, bool, bool)>,
}

impl<'a> Lexer<'a> {
    /// Begins at the beginning of a text.
    fn new(text: &'a str) -> Self {
        let chars = text.char_indices().peekable();
        Self { text, chars, line: 1, items: Vec::new(), now: Command::default(), start: None, waiting: Vec::new() }
    }
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn take(&mut self, c: char) -> bool {
        self.peek() == Some(c) && self.next().is_some()
    }

    fn all(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    let at = self.at();
                    if self.start.is_none() && self.text[..at].ends_with('\n') {
                        self.items.push(Item::Blank);
                    }
                    self.end(None);
                    self.next();
                    self.here_documents();
                }
                ' ' | '\t' | '\r' => drop(self.next()),
                '#' => self.comment(),
                ';' => {
                    self.end(None);
                    self.next();
                    while self.take(';') {}
                }
                '&' | '|' => self.joint(c),
                '<' | '>' => self.redirection(),
                _ => self.word(),
            }
        }
        self.end(None);
    }

    /// Reads `&`, `&&`, `|`, `||` and `&>`.
    fn joint(&mut self, c: char) {
        let at = self.at();
        if self.text[at..].starts_with("&>") {
            self.next();
            return self.redirection();
        }
        let joint = match (&self.text[at..], c) {
            (rest, _) if rest.starts_with("&&") => Some("&&"),
            (rest, _) if rest.starts_with("||") => Some("||"),
            (_, '|') => Some("|"),
            _ => None,
        };
        self.now.is_piped = joint == Some("|");
        self.end(joint);
        self.next();
        if joint.is_some_and(|joint| joint.len() == 2) {
            self.next();
        }
        // A line that ends so goes on.
        while self.peek().is_some_and(|c| joint.is_some() && matches!(c, ' ' | '\t' | '\n')) {
            self.next();
        }
    }

    /// Ends the present command, if there is one; `next` is what stands between it and the next.
    fn end(&mut self, next: Option<&'static str>) {
        let end = self.at();
        let command = std::mem::take(&mut self.now);
        self.now.after = next;
        if let Some(start) = self.start.take() {
            let raw = self.text[start..end].trim().to_owned();
            self.items.push(Item::Command(Command { raw, ..command }));
        }
    }

    fn begin(&mut self) {
        if self.start.is_none() {
            self.start = Some(self.at());
            self.now.line = self.line;
        }
    }

    fn comment(&mut self) {
        let at = self.at();
        let text = self.text[at..].lines().next().unwrap_or_default();
        let own = text.trim_start_matches('#').trim().to_owned();
        match self.start {
            Some(_) => {
                // The text of the command ends before its comment.
                self.now.comment = Some(own);
                let command = self.now.clone();
                self.end(None);
                if let Some(Item::Command(last)) = self.items.last_mut() {
                    last.comment = command.comment;
                }
            }
            None if !text.starts_with("#!") => self.items.push(Item::Comment(own)),
            None => {}
        }
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
    }

    /// Reads `> FILE`, `2>&1`, `< FILE`, `<< END`.
    fn redirection(&mut self) {
        self.begin();
        let reads = self.peek() == Some('<');
        self.next();
        let here = reads && self.take('<');
        let tabs = here && self.take('-');
        while self.peek().is_some_and(|c| matches!(c, '>' | '&' | '|' | '<')) {
            self.next();
        }
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.next();
        }
        let target = self.parts();
        if here {
            let quoted = target.iter().any(|part| matches!(part, Part::Text(_, true)));
            let mark = target.iter().map(|part| if let Part::Text(text, _) = part { text.as_str() } else { "" }).collect();
            self.waiting.push((self.items.len(), mark, tabs, !quoted));
        }
        self.now.reads |= reads;
    }

    fn here_documents(&mut self) {
        for (item, mark, tabs, expand) in std::mem::take(&mut self.waiting) {
            let (line, mut body) = (self.line, String::new());
            while self.peek().is_some() {
                let at = self.at();
                let text = self.text[at..].lines().next().unwrap_or_default();
                while self.next().is_some_and(|c| c != '\n') {}
                let text = if tabs { text.trim_start_matches('\t') } else { text };
                if text == mark {
                    break;
                }
                body.push_str(text);
                body.push('\n');
            }
            if let Some(Item::Command(command)) = self.items.get_mut(item) {
                command.here = Some((line, body, expand));
            }
        }
    }

    fn word(&mut self) {
        self.begin();
        let start = self.at();
        let parts = self.parts();
        let end = self.at();
        // The number of a stream belongs to its redirection.
        let is_stream = self.text[start..end].bytes().all(|b| b.is_ascii_digit()) && matches!(self.peek(), Some('<' | '>'));
        if !parts.is_empty() && !is_stream {
            self.now.words.push(parts);
        }
    }

    /// Reads the parts of one word.
    fn parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' => break,
                '\r' => drop(self.next()),
                '\'' => {
                    self.next();
                    parts.push(Part::Text(String::new(), true));
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        add(&mut parts, c, true);
                    }
                }
                '"' => self.quoted(&mut parts),
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {
                            if parts.is_empty() {
                                break;
                            }
                        }
                        Some(c) => add(&mut parts, c, true),
                    }
                }
                '$' => {
                    self.next();
                    self.dollar(&mut parts, false);
                }
                '`' => {
                    self.next();
                    self.backtick(&mut parts);
                }
                '(' | ')' => {
                    self.next();
                    parts.push(Part::Unknown(c.to_string()));
                }
                _ => {
                    self.next();
                    add(&mut parts, c, false);
                }
            }
        }
        parts
    }

    fn quoted(&mut self, parts: &mut Vec<Part>) {
        self.next();
        parts.push(Part::Text(String::new(), true));
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => match self.next() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => add(parts, c, true),
                    Some('\n') | None => {}
                    Some(c) => ['\\', c].into_iter().for_each(|c| add(parts, c, true)),
                },
                '$' => self.dollar(parts, true),
                '`' => self.backtick(parts),
                c => add(parts, c, true),
            }
        }
        parts.push(Part::Unknown("\"".to_owned()));
    }

    /// Reads what follows a `$`.
    fn dollar(&mut self, parts: &mut Vec<Part>, quoted: bool) {
        let start = self.at();
        match self.peek() {
            Some('{') => parts.push(self.braces(quoted)),
            Some('(') => parts.push(self.substitution()),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.next();
                }
                let end = self.at();
                parts.push(Part::Variable(self.text[start..end].to_owned(), None, quoted));
            }
            // These two begin a string, which is read as one.
            Some(c @ ('\'' | '"')) if !quoted => parts.push(Part::Unknown(format!("${c}"))),
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                self.next();
                parts.push(Part::Unknown(format!("${c}")));
            }
            _ => add(parts, '$', quoted),
        }
    }

    /// Reads `{NAME}` and `{NAME:-TEXT}`.
    fn braces(&mut self, quoted: bool) -> Part {
        let inside: String = std::iter::from_fn(|| self.next().filter(|c| *c != '}')).skip(1).collect();
        let (name, instead) = inside.split_once(":-").map_or((inside.as_str(), None), |(name, text)| (name, Some(text.to_owned())));
        let is_plain = instead.as_deref().is_none_or(|text| !text.contains(['$', '`', '{', '"', '\'']));
        match is_name(name) && is_plain {
            true => Part::Variable(name.to_owned(), instead, quoted),
            false => Part::Unknown(format!("${{{inside}}}")),
        }
    }

    /// Reads `(COMMAND)`.
    fn substitution(&mut self) -> Part {
        let (start, mut depth) = (self.at(), 0_usize);
        while let Some(c) = self.next() {
            depth = match c {
                '(' => depth + 1,
                ')' => depth.saturating_sub(1),
                _ => depth,
            };
            if depth == 0 {
                break;
            }
        }
        let end = self.at();
        let inside = &self.text[start..end];
        output(inside.trim_matches(['(', ')'])).unwrap_or_else(|| Part::Unknown(format!("${inside}")))
    }

    fn backtick(&mut self, parts: &mut Vec<Part>) {
        let inside: String = std::iter::from_fn(|| self.next().filter(|c| *c != '`')).collect();
        parts.push(output(&inside).unwrap_or_else(|| Part::Unknown(format!("`{inside}`"))));
    }
}

/// Gives the output of a command that looks for a program: its name does as well as its path.
fn output(command: &str) -> Option<Part> {
    let name = ["which ", "command -v ", "type -p "].iter().find_map(|look| command.trim().strip_prefix(look))?.trim();
    let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.".contains(&b));
    is_plain.then(|| Part::Text(name.to_owned(), true))
}

fn add(parts: &mut Vec<Part>, c: char, quoted: bool) {
    match parts.last_mut() {
        Some(Part::Text(text, same)) if *same == quoted => text.push(c),
        _ => parts.push(Part::Text(c.to_string(), quoted)),
    }
}

/// Tells whether a word can be the name of a variable.
pub(super) fn is_name(word: &str) -> bool {
    !word.starts_with(|c: char| c.is_ascii_digit()) && !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
