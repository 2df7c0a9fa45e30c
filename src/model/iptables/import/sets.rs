//! Lines of ipset(8), read, and the sets as they leave them.

use super::collect::Collector;
use super::{Param, Piece, Rule, Word, push};
use crate::model::Fault;
use crate::model::ipset::{Definition, SetName, words};

/// A set that the text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The name.
    pub name: SetName,
    /// How the text makes it, if it does.
    pub made: Option<Made>,
    /// Whether the text takes out first what is in it.
    pub is_flushed: bool,
    /// What is put in and taken out, in this order.
    pub steps: Vec<Step>,
}

/// How a set is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Comments before it.
    pub notes: Vec<String>,
    /// The words of its definition.
    pub words: Vec<Word>,
    definition: Definition,
}

/// Elements that go into a set, or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether they are put in.
    pub puts: bool,
    /// The elements, each with its options and the comments before it.
    pub elements: Vec<Rule>,
}

/// What the text does to sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// The sets that it names and leaves, in its order.
    pub all: Vec<Set>,
    /// Those that it takes away, and those that it takes away before it makes them.
    pub gone: Vec<SetName>,
    /// Whether every set that is there is taken away first.
    pub is_destroyed: bool,
    /// Whether every set that is there is emptied first.
    pub is_flushed: bool,
}

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Add,
    Del,
    Flush,
    Destroy,
    Swap,
    Restore,
    /// It only looks.
    Look,
}

/// A command that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What is asked for.
    pub(super) verb: Verb,
    /// Whether it may be so already.
    pub(super) exist: bool,
    /// What stands behind the verb.
    pub(super) words: Vec<Word>,
}

const VERBS: &[(&[&str], Verb)] = &[
    (&["create", "n", "-N", "--create"], Verb::Create),
    (&["add", "a", "-A", "--add"], Verb::Add),
    (&["del", "d", "-D", "--del"], Verb::Del),
    (&["flush", "f", "-F", "--flush"], Verb::Flush),
    (&["destroy", "x", "-X", "--destroy"], Verb::Destroy),
    (&["swap", "w", "-W", "--swap"], Verb::Swap),
    (&["restore", "r", "-R", "--restore"], Verb::Restore),
    (&["list", "l", "-L", "--list", "save", "s", "-S", "--save", "test", "t", "-T", "--test"], Verb::Look),
    (&["version", "v", "-V", "--version", "help", "h", "-H", "--help"], Verb::Look),
];

/// Reads the words of a command, without the name of the program.
pub(super) fn request(words: &[Word], params: &[Param]) -> Result<Request, String> {
    let is_one = |word: &&Word, options: &[&str]| options.contains(&word.text(params).as_str());
    let exist = words.iter().any(|word| is_one(&word, &["-exist", "--exist", "-!"]));
    let quiet = ["-exist", "--exist", "-!", "-quiet", "--quiet", "-q"];
    let mut rest = words.iter().filter(|word| !is_one(word, &quiet));
    let verb = rest.next().ok_or("it asks for nothing")?.text(params);
    let (_, verb) =
        VERBS.iter().find(|(names, _)| names.contains(&verb.as_str())).ok_or_else(|| format!("`{verb}` cannot be told by a recipe"))?;
    Ok(Request { verb: *verb, exist, words: rest.cloned().collect() })
}

/// Reads lines that begin at a line, as `ipset restore` takes them; `exist` says whether they may be done already.
pub(super) fn read(into: &mut Collector, text: &str, first: usize, exist: bool) {
    for (number, line) in (first..).zip(text.lines().map(str::trim)) {
        match line.strip_prefix('#') {
            Some(note) => into.note(note.trim()),
            None if line.is_empty() || line == "COMMIT" => {}
            None => {
                let read = words::split(line).map_err(|fault| fault.why).and_then(|words| {
                    let words: Vec<Word> = words.into_iter().map(Word::plain).collect();
                    request(&words, &[])
                });
                into.set(number, line, read.map(|request| Request { exist: exist || request.exist, ..request.in_short() }));
            }
        }
    }
}

impl Request {
    /// Leaves out what goes without saying, and what the kernel chooses: `ipset save` writes all of it.
    fn in_short(mut self) -> Self {
        if let (Verb::Create, Some((_, definition))) = (self.verb, self.words.split_first())
            && let Ok(definition) = line(definition, &[]).and_then(|line| line.parse::<Definition>().map_err(|fault| fault.why))
        {
            self.words.truncate(1);
            self.words.extend(definition.in_short().to_string().split(' ').map(Word::plain));
        }
        self
    }

    /// Gives the name that stands first behind the verb.
    pub(super) fn name(&self, params: &[Param]) -> Result<Option<SetName>, String> {
        self.words.first().map(|word| word.text(params).parse().map_err(|fault: Fault| fault.why)).transpose()
    }

    /// Gives the set that is taken away.
    pub(super) fn destroys(&self, params: &[Param]) -> Option<SetName> {
        if self.verb == Verb::Destroy { self.name(params).ok()? } else { None }
    }
}

impl Sets {
    /// Gives all words behind the names of sets.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        let made = self.all.iter().flat_map(|set| &set.made).flat_map(|made| &made.words);
        let elements = self.all.iter().flat_map(|set| &set.steps).flat_map(|step| &step.elements);
        made.chain(elements.flat_map(|element| &element.words))
    }

    /// Sees to it that a rule names the sets of the text by the names that they are made by.
    pub(super) fn keep_names(&self, rule: &mut Rule, params: &[Param]) {
        let is_ours = |text: &str| self.all.iter().any(|set| set.name.as_str() == text);
        for at in places(rule).collect::<Vec<_>>() {
            let text = rule.words[at].text(params);
            if is_ours(&text) {
                rule.words[at] = Word::plain(&text);
            }
        }
    }

    /// Does what a command asks for; says whether it asks for anything.
    pub(super) fn apply(&mut self, request: Request, notes: Vec<String>, params: &[Param]) -> Result<bool, String> {
        let name = request.name(params)?;
        let Request { verb, exist, mut words } = request;
        match (verb, name) {
            (Verb::Look, _) => return Ok(false),
            (Verb::Restore, _) => return Err("its lines are not in this text".to_owned()),
            (Verb::Flush, None) => {
                self.is_flushed = true;
                self.all.iter_mut().for_each(Set::empty);
            }
            (Verb::Destroy, None) => {
                self.is_destroyed = true;
                self.all.clear();
            }
            (_, None) => return Err("it lacks the name of a set".to_owned()),
            (Verb::Create, Some(name)) => self.make(name, Made::new(notes, words.split_off(1), params)?, exist)?,
            (Verb::Add | Verb::Del, Some(name)) => {
                let element = Rule { notes, words: words.split_off(1), is_needed: false };
                self.named(name).put(verb == Verb::Add, element, params)?;
            }
            (Verb::Flush, Some(name)) => self.named(name).empty(),
            (Verb::Destroy, Some(name)) => {
                self.all.retain(|set| set.name != name);
                self.gone.retain(|gone| *gone != name);
                self.gone.push(name);
            }
            (Verb::Swap, Some(name)) => {
                let other = words.get(1).and_then(|word| word.text(params).parse().ok()).ok_or("it lacks the name of the other set")?;
                self.swap(&name, &other)?;
            }
        }
        Ok(true)
    }

    /// Gives a set of this name, which is there already if the text does not make it.
    fn named(&mut self, name: SetName) -> &mut Set {
        let at = self.all.iter().position(|set| set.name == name).unwrap_or_else(|| {
            self.all.push(Set { name, made: None, is_flushed: false, steps: Vec::new() });
            self.all.len() - 1
        });
        &mut self.all[at]
    }

    fn make(&mut self, name: SetName, made: Made, exist: bool) -> Result<(), String> {
        let is_anew = self.is_destroyed || self.gone.contains(&name);
        let set = self.named(name);
        match &set.made {
            Some(_) if exist => Ok(()),
            Some(_) => Err("the set is made already".to_owned()),
            None if !set.steps.is_empty() => Err("the set is in use before".to_owned()),
            None => {
                set.made = Some(made);
                set.is_flushed |= is_anew;
                Ok(())
            }
        }
    }

    /// Gives two sets each other's content, as a text does that fills a new one before it takes the place of the old one.
    fn swap(&mut self, one: &SetName, other: &SetName) -> Result<(), String> {
        let find = |name: &SetName| self.all.iter().position(|set| set.name == *name && set.made.is_some());
        let (Some(one), Some(other)) = (find(one), find(other)) else {
            return Err("what is in both sets is not known from this text".to_owned());
        };
        self.all.swap(one, other);
        let (first, second) = (self.all[one].name.clone(), self.all[other].name.clone());
        (self.all[one].name, self.all[other].name) = (second, first);
        // Nothing of what was in it before stays with the name.
        self.all[one].is_flushed = true;
        self.all[other].is_flushed = true;
        Ok(())
    }
}

impl Made {
    fn new(notes: Vec<String>, words: Vec<Word>, params: &[Param]) -> Result<Self, String> {
        let definition = line(&words, params)?.parse().map_err(|fault: Fault| fault.why)?;
        Ok(Self { notes, words, definition })
    }
}

impl Set {
    fn empty(&mut self) {
        self.steps.clear();
        self.is_flushed = true;
    }

    fn put(&mut self, puts: bool, element: Rule, params: &[Param]) -> Result<(), String> {
        let text = line(&element.words, params)?;
        if let Some(made) = &self.made {
            made.definition.members(&text).map_err(|fault| fault.why)?;
        }
        match self.steps.last_mut() {
            Some(step) if step.puts == puts => step.elements.push(element),
            _ => self.steps.push(Step { puts, elements: vec![element] }),
        }
        Ok(())
    }
}

/// Writes words as a line of ipset(8).
fn line(words: &[Word], params: &[Param]) -> Result<String, String> {
    let texts: Vec<String> = words.iter().map(|word| quoted(&word.text(params))).collect();
    let line = texts.join(" ");
    match line.is_empty() || texts.iter().any(|text| text.trim_matches('"').contains(['"', '\n', char::REPLACEMENT_CHARACTER])) {
        true => Err("ipset could not read it".to_owned()),
        false => Ok(line),
    }
}

fn quoted(word: &str) -> String {
    if needs_quotes(word) { format!("\"{word}\"") } else { word.to_owned() }
}

fn needs_quotes(word: &str) -> bool {
    word.is_empty() || word.contains(char::is_whitespace)
}

/// Gives a line of ipset(8) in pieces.
pub fn pieces(words: &[Word], params: &[Param]) -> Vec<Piece> {
    let mut line = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let mark = if needs_quotes(&word.text(params)) { "\"" } else { "" };
        push(&mut line, if at > 0 { " " } else { "" });
        push(&mut line, mark);
        word.0.iter().for_each(|piece| match piece {
            Piece::Text(text) => push(&mut line, text),
            param => line.push(param.clone()),
        });
        push(&mut line, mark);
    }
    line
}

/// Finds the words of a rule that name a set.
fn places(rule: &Rule) -> impl Iterator<Item = usize> {
    let is_option = |word: &Word| ["--match-set", "--add-set", "--del-set", "--map-set"].iter().any(|option| *word == Word::plain(option));
    (1..rule.words.len()).filter(move |at| is_option(&rule.words[at - 1]))
}

/// Gives the words of a rule that name a set.
pub(super) fn named(rule: &Rule) -> impl Iterator<Item = &Word> {
    places(rule).map(|at| &rule.words[at])
}
