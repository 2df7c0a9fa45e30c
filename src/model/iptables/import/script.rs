//! A shell script, followed as far as that needs no shell: plain variables, plain loops, and lines for iptables and ipset.

use std::collections::HashMap;

use super::collect::Collector;
use super::command::{self, Verb};
use super::condition::{Before, Condition, Look};
use super::shell::{Command, Item, Part, expandable, is_name, items};
use super::{Param, Piece, Word, names, save, sets};
use crate::model::Family;
use crate::model::iptables::Table;

/// The most commands that loops may become.
const MOST: usize = 20_000;

/// The most loops inside of each other.
const DEEPEST: usize = 16;

/// The most bytes of a variable: one that is made of itself twice, again and again, would fill the memory.
const LONGEST: usize = 64 << 10;

/// Commands that only talk, or that end the script.
const SILENT: &[&str] = &[":", "true", "echo", "printf", "exit", "return", "set", "shift", "unset", "logger", "sleep"];

/// Words that stand before a command and do not change what it does.
const PREFIXES: &[&str] = &["sudo", "exec", "command"];

/// Reads a script; with a family, all of it is for that one.
pub(super) fn read(into: &mut Collector, text: &str, family: Option<Family>) {
    let items = items(text);
    let mut assigned: HashMap<String, usize> = HashMap::new();
    for item in &items {
        let Item::Command(command) = item else { continue };
        for (name, _) in command.words.iter().filter_map(|word| assignment(word)) {
            *assigned.entry(name).or_default() += 1;
        }
    }
    let begin = items.iter().position(|item| *item != Item::Blank).unwrap_or(0);
    let head = items[begin..].iter().take_while(|item| matches!(item, Item::Comment(_))).count();
    let is_head = items.get(begin + head) == Some(&Item::Blank);
    let (variables, before, part) = (HashMap::new(), Before::Other, Condition::Always);
    let mut script = Script { into, family, assigned, variables, left: MOST, depth: 0, before, part, ended: false };
    script.all(&items[..begin + head]);
    if is_head {
        script.into.import.head = script.into.take_notes();
    }
    script.all(&items[begin + head..]);
}

pub(super) struct Script<'a> {
    pub(super) into: &'a mut Collector,
    family: Option<Family>,
    /// How often each variable is set.
    assigned: HashMap<String, usize>,
    /// The variables whose values are known, as they are at this place.
    variables: HashMap<String, Vec<Piece>>,
    /// How many more commands loops may become.
    left: usize,
    /// How many loops and conditions the present command stands in.
    pub(super) depth: usize,
    /// What the command before was.
    pub(super) before: Before,
    /// What the present part of the script depends on.
    pub(super) part: Condition,
    /// Whether the script has ended by itself.
    ended: bool,
}

impl Script<'_> {
    fn all(&mut self, items: &[Item]) {
        let mut at = 0;
        while let Some(item) = items.get(at) {
            at += 1;
            match item {
                Item::Comment(text) => self.into.note(text),
                Item::Blank => {}
                Item::Command(command) => match opens(command) {
                    0 => self.command(command),
                    _ => {
                        let end = block_end(items, at - 1);
                        if self.ended || !(self.unrolled(&items[at - 1..end]) || self.asked(&items[at - 1..end])) {
                            self.keep_block(&items[at - 1..end]);
                        }
                        at = end;
                    }
                },
            }
        }
    }

    /// Does a loop over plain words, word by word.
    fn unrolled(&mut self, items: &[Item]) -> bool {
        let [Item::Command(head), body @ .., Item::Command(_)] = items else { return false };
        let [first, name, within, list @ ..] = head.words.as_slice() else { return false };
        let is_for = plain(first) == Some("for") && plain(within) == Some("in");
        let (Some(name), true) = (plain(name).filter(|name| is_name(name)), is_for) else { return false };
        let is_odd =
            |item: &Item| matches!(item, Item::Command(command) if ["break", "continue", "return", "exit"].contains(&first_word(command)));
        let expanded: Result<Vec<Vec<Word>>, String> = list.iter().map(|word| self.expand(word)).collect();
        let Ok(values) = expanded else { return false };
        let values: Vec<Word> = values.into_iter().flatten().collect();
        let has_pattern = values.iter().any(|value| value.text(&self.into.import.params).contains(['*', '?', '[', '~', '{']));
        let size = values.len().saturating_mul(body.len());
        if body.iter().any(is_odd) || has_pattern || size > self.left || self.depth == DEEPEST {
            return false;
        }
        let Some(Item::Command(start)) = body.first() else { return false };
        let Some(start) = without_first(start, "do") else { return false };
        let mut body: Vec<Item> = body.to_vec();
        body[0] = Item::Command(start);
        self.left -= size;
        self.depth += 1;
        for value in values {
            self.variables.insert(name.to_owned(), value.0);
            self.all(&body);
            body.retain(|item| !matches!(item, Item::Comment(_)));
        }
        self.depth -= 1;
        true
    }

    /// Keeps what only a shell could decide.
    fn keep_block(&mut self, items: &[Item]) {
        for item in items {
            let Item::Command(command) = item else { continue };
            for (name, _) in command.words.iter().filter_map(|word| assignment(word)) {
                self.variables.remove(&name);
            }
            let names_it =
                |word: &Vec<Part>| self.expand(word).is_ok_and(|words| words.iter().any(|word| program(&self.text(word)).is_some()));
            let is_rule = command.words.iter().take(4).any(names_it);
            self.into.keep(command.line, &command.raw, "it is in a part that only a shell can follow", is_rule);
        }
        self.before = Before::Other;
    }

    pub(super) fn command(&mut self, command: &Command) {
        if let Some(comment) = command.comment.as_ref().filter(|_| assignment_only(command).is_none()) {
            self.into.note(comment);
        }
        let before = std::mem::replace(&mut self.before, Before::Other);
        if let Some(assignments) = assignment_only(command) {
            return assignments.into_iter().for_each(|(name, value)| self.assign(command, &name, &value));
        }
        let expanded: Result<Vec<Vec<Word>>, String> = command.words.iter().map(|word| self.expand(word)).collect();
        let names_it = |words: &Result<Vec<Vec<Word>>, String>| {
            let first = |word: &Vec<Part>| {
                self.expand(word).ok().and_then(|words| words.first().and_then(|word| program(&self.text(word)))).is_some()
            };
            words.is_err() && command.words.iter().take(3).any(first)
        };
        let is_rule = names_it(&expanded);
        let words: Vec<Word> = match expanded {
            Ok(words) => words.into_iter().flatten().collect(),
            Err(why) => return self.into.keep(command.line, &command.raw, &why, is_rule),
        };
        let is_not = words.first().is_some_and(|word| self.text(word) == "!");
        let words = self.without_prefix(&words[usize::from(is_not)..]);
        let Some(name) = words.first().map(|word| self.text(word)) else { return };
        let is_silent = SILENT.contains(&name.as_str()) && !command.raw.contains('>');
        let condition = self.part.and(command.after, before);
        match program(&name) {
            Some(_) if self.ended => self.into.keep(command.line, &command.raw, "the script has ended before it", false),
            None if is_silent => self.before = Before::Change,
            None => self.into.keep(command.line, &command.raw, "it is no command of iptables or ipset", false),
            Some(Program::Restore(family)) => self.restore(command, &condition, family, &words[1..]),
            Some(Program::Tables(family)) => self.iptables(command, &condition, is_not, family, &words[1..]),
            Some(Program::Sets) => self.ipset(command, &condition, is_not, &words[1..]),
        }
        if command.is_piped {
            // Whether all of it succeeds is told by the last command of a pipe.
            self.before = Before::Other;
        }
        self.ended |= command.after.is_none() && self.depth == 0 && ["exit", "return", "exec"].contains(&first_word(command));
    }

    fn iptables(&mut self, command: &Command, condition: &Condition, is_not: bool, family: Family, words: &[Word]) {
        let params = &self.into.import.params;
        let read = command::request(words, params, self.family.unwrap_or(family), Table::Filter);
        self.before = Before::Change;
        let read = match read {
            Ok(request) if matches!(request.verb, Verb::Check(_)) => {
                self.before = Before::Look(Look::Rule(Box::new(request)), is_not);
                return;
            }
            read => read.and_then(|request| condition.rule(request, params)),
        };
        self.into.request(command.line, &command.raw, read);
    }

    fn ipset(&mut self, command: &Command, condition: &Condition, is_not: bool, words: &[Word]) {
        let params = &self.into.import.params;
        self.before = Before::Change;
        let read = sets::request(words, params);
        match &read {
            Ok(request) if request.verb == sets::Verb::Look => {
                if let Ok(Some(name)) = request.name(params) {
                    self.before = Before::Look(Look::Set(name), is_not);
                    return;
                }
            }
            Ok(sets::Request { verb: sets::Verb::Restore, exist, .. }) => return self.restore_sets(command, condition, *exist),
            _ => {}
        }
        let read = read.and_then(|request| condition.set(request, params));
        self.into.set(command.line, &command.raw, read);
    }

    /// Gives the text that a command is given in the script itself, and the line where it begins.
    fn here(&self, command: &Command, condition: &Condition) -> Result<(usize, String), String> {
        condition.always()?;
        let (line, text, expand) = command.here.as_ref().ok_or("what it reads is not in this text")?;
        match expand {
            false => Ok((*line, text.clone())),
            true => self.pieces(&expandable(text)).map(|pieces| (*line, self.text(&Word(pieces)))),
        }
    }

    /// Reads the text that iptables-restore is given in the script itself.
    fn restore(&mut self, command: &Command, condition: &Condition, family: Family, words: &[Word]) {
        let flushes = !words.iter().any(|word| ["-n", "--noflush"].contains(&self.text(word).as_str()));
        self.before = Before::Change;
        match self.here(command, condition) {
            Ok((line, text)) if save::is_save(&text) => save::read(self.into, &text, self.family.unwrap_or(family), line, flushes),
            Ok(_) => self.into.keep(command.line, &command.raw, "what it reads is no text of iptables-save", true),
            Err(why) => self.into.keep(command.line, &command.raw, &why, true),
        }
    }

    /// Reads the lines that `ipset restore` is given in the script itself.
    fn restore_sets(&mut self, command: &Command, condition: &Condition, exist: bool) {
        let (first, text) = match self.here(command, condition) {
            Ok(here) => here,
            Err(why) => return self.into.keep(command.line, &command.raw, &why, true),
        };
        sets::read(self.into, &text, first, exist);
    }

    fn assign(&mut self, command: &Command, name: &str, value: &[Part]) {
        let Some(pieces) = self.pieces(value).ok().filter(|pieces| self.text(&Word(pieces.clone())).len() <= LONGEST) else {
            self.variables.remove(name);
            return self.into.keep(command.line, &command.raw, "only a shell can know the value", false);
        };
        let params = &mut self.into.import.params;
        let text = Word(pieces.clone()).text(params);
        let own = matches!(pieces.as_slice(), [Piece::Text(_)]) && self.assigned.get(name) == Some(&1) && can_be_given(&text);
        let pieces = match own {
            false => pieces,
            true => {
                let is_port = text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == text);
                let doc = command.comment.clone().unwrap_or_else(|| format!("{name} of the script"));
                params.push(Param { name: names::of_variable(name), value: text, doc, is_port, uses: 0 });
                vec![Piece::Param(params.len() - 1)]
            }
        };
        self.variables.insert(name.to_owned(), pieces);
    }

    fn text(&self, word: &Word) -> String {
        word.text(&self.into.import.params)
    }

    /// Takes away what stands before the command proper.
    fn without_prefix<'w>(&self, words: &'w [Word]) -> &'w [Word] {
        let is_prefix = |word: &Word| PREFIXES.contains(&self.text(word).as_str());
        match words {
            [first, option, rest @ ..] if is_prefix(first) && ["-n", "-E", "--"].contains(&self.text(option).as_str()) => {
                self.without_prefix(rest)
            }
            [first, rest @ ..] if is_prefix(first) => self.without_prefix(rest),
            words => words,
        }
    }

    /// Puts the values of variables in.
    fn pieces(&self, parts: &[Part]) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Text(text, _) => pieces.push(Piece::Text(text.clone())),
                Part::Variable(name, instead, _) => pieces.extend(self.value(name, instead.as_deref())?),
                Part::Unknown(text) => return Err(format!("only a shell can know {text}")),
            }
        }
        Ok(joined(pieces))
    }

    fn value(&self, name: &str, instead: Option<&str>) -> Result<Vec<Piece>, String> {
        match (self.variables.get(name), instead) {
            (Some(pieces), _) => Ok(pieces.clone()),
            (None, Some(text)) => Ok(vec![Piece::Text(text.to_owned())]),
            (None, None) => Err(format!("the variable {name} is not known")),
        }
    }

    /// Makes words of a word: the value of a variable without quotes is split at its blanks.
    fn expand(&self, parts: &[Part]) -> Result<Vec<Word>, String> {
        let mut words: Vec<Word> = Vec::new();
        let mut word: Option<Vec<Piece>> = None;
        for part in parts {
            let (pieces, splits) = match part {
                Part::Text(text, _) => (vec![Piece::Text(text.clone())], false),
                Part::Variable(name, instead, quoted) => (self.value(name, instead.as_deref())?, !quoted),
                Part::Unknown(text) => return Err(format!("only a shell can know {text}")),
            };
            for piece in pieces {
                match piece {
                    Piece::Text(text) if splits => {
                        for (number, part) in text.split([' ', '\t', '\n']).enumerate() {
                            if number > 0 {
                                words.extend(word.take().map(|pieces| Word(joined(pieces))));
                            }
                            if !part.is_empty() {
                                word.get_or_insert_default().push(Piece::Text(part.to_owned()));
                            }
                        }
                    }
                    piece => word.get_or_insert_default().push(piece),
                }
            }
        }
        words.extend(word.map(|pieces| Word(joined(pieces))));
        Ok(words)
    }
}

/// Joins texts that stand side by side.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => all.push(piece),
        }
    }
    all
}

/// Tells whether a user can give such a value in the place of this one: it is one word that needs no quotes.
fn can_be_given(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'\\,`$".contains(c);
    !text.is_empty() && !text.starts_with(['-', '!']) && !text.contains(odd)
}

/// Tells of a word of the shell whether it sets a variable, and to what.
fn assignment(word: &[Part]) -> Option<(String, Vec<Part>)> {
    let [Part::Text(first, false), rest @ ..] = word else { return None };
    let (name, value) = first.split_once('=').filter(|(name, _)| is_name(name))?;
    let value = if value.is_empty() { None } else { Some(Part::Text(value.to_owned(), false)) };
    Some((name.to_owned(), value.into_iter().chain(rest.iter().cloned()).collect()))
}

/// Gives what a command sets, if it does nothing else.
pub(super) fn assignment_only(command: &Command) -> Option<Vec<(String, Vec<Part>)>> {
    let words = match command.words.split_first() {
        Some((first, rest)) if ["export", "readonly"].contains(&plain(first).unwrap_or_default()) => rest,
        _ => &command.words[..],
    };
    let all: Option<Vec<_>> = words.iter().map(|word| assignment(word)).collect();
    all.filter(|all| !all.is_empty())
}

/// Gives a word that is plain text.
fn plain(word: &[Part]) -> Option<&str> {
    match word {
        [Part::Text(text, false)] => Some(text),
        _ => None,
    }
}

pub(super) fn first_word(command: &Command) -> &str {
    command.words.first().and_then(|word| plain(word)).unwrap_or_default()
}

pub(super) fn without_first(command: &Command, word: &str) -> Option<Command> {
    let mut command = command.clone();
    if first_word(&command) != word {
        return None;
    }
    command.words.remove(0);
    command.raw = command.raw.trim_start_matches(word).trim_start().to_owned();
    Some(command)
}

/// Counts the blocks that a command begins, less those that it ends.
pub(super) fn opens(command: &Command) -> i32 {
    let mut depth = 0;
    let mut words = command.words.iter();
    while let Some(word) = words.next() {
        let is_function =
            matches!(word.as_slice(), [Part::Text(..), Part::Unknown(open), Part::Unknown(close)] if open == "(" && close == ")");
        match plain(word) {
            Some("if" | "while" | "until" | "{") => depth += 1,
            Some("for" | "case" | "select") => return depth + 1,
            Some("fi" | "done" | "esac" | "}") => return depth - 1,
            Some("then" | "else" | "elif" | "do" | "!") => {}
            Some("function") => drop(words.next()),
            _ if is_function => {}
            _ => break,
        }
    }
    depth
}

/// Finds the end of the block that begins at an item: the number after its last item.
fn block_end(items: &[Item], start: usize) -> usize {
    let mut depth = 0;
    for (at, item) in items.iter().enumerate().skip(start) {
        depth += if let Item::Command(command) = item { opens(command) } else { 0 };
        if depth <= 0 {
            return at + 1;
        }
    }
    items.len()
}

/// A program whose lines are read.
enum Program {
    Tables(Family),
    Restore(Family),
    Sets,
}

/// Tells which program a word names.
fn program(word: &str) -> Option<Program> {
    let name = word.rsplit('/').next().unwrap_or(word);
    let (family, rest) = match name.strip_prefix("ip6tables") {
        _ if name == "ipset" => return Some(Program::Sets),
        Some(rest) => (Family::V6, rest),
        None => (Family::V4, name.strip_prefix("iptables")?),
    };
    let rest = rest.strip_prefix("-nft").or_else(|| rest.strip_prefix("-legacy")).unwrap_or(rest);
    match rest {
        "" => Some(Program::Tables(family)),
        "-restore" => Some(Program::Restore(family)),
        _ => None,
    }
}
