//! Rules that others wrote, read for a recipe: texts of iptables-save(8) and `ipset save`, and shell scripts of iptables(8) and ipset(8) lines.
//!
//! Nothing of the input is ever run. What cannot be read is kept with the reason, never guessed.

mod collect;
mod command;
mod condition;
mod names;
mod propose;
mod save;
mod script;
mod sets;
mod shell;

use std::collections::{BTreeMap, HashSet};

use super::words::is_plain_word;
use super::{ChainName, Policy, Table, Words};
use crate::model::Family;

use collect::Collector;
pub use sets::{Made, Set, Sets, Step, pieces};

/// What the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of iptables-save(8).
    Save,
    /// The text of `ipset save`.
    Sets,
    /// A shell script.
    Shell,
}

impl Format {
    /// Tells by its first lines what a text is: only that of iptables-save names a table with a `*`, and only that of `ipset save` makes a set.
    pub fn of(text: &str) -> Self {
        match text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) {
            Some(line) if line.starts_with('*') => Format::Save,
            Some(line) if line.starts_with("create ") => Format::Sets,
            _ => Format::Shell,
        }
    }
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The value of a parameter, by its number.
    Param(usize),
}

/// One word of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Piece>);

impl Word {
    /// Makes a word of a text.
    pub fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Gives the word as it reads with the defaults of the parameters.
    pub fn text(&self, params: &[Param]) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Param(number) => params.get(*number).map(|param| param.value.clone()).unwrap_or_default(),
        };
        self.0.iter().map(text).collect()
    }
}

/// A rule with the comments that stood before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Comments, and lines before it that could not be read.
    pub notes: Vec<String>,
    /// Its words.
    pub words: Vec<Word>,
    /// Whether the text asks first whether it is there, and then leaves it where it is.
    pub is_needed: bool,
}

impl Rule {
    /// Gives its words as they read with the defaults of the parameters.
    pub fn text(&self, params: &[Param]) -> Words {
        Words::join(self.words.iter().map(|word| word.text(params)))
    }

    /// Gives its line in pieces, quoted for [`Words::parse`].
    pub fn line(&self, params: &[Param]) -> Vec<Piece> {
        let mut line = Vec::new();
        for word in &self.words {
            if !line.is_empty() {
                push(&mut line, " ");
            }
            let text = word.text(params);
            // Between single quotes nothing needs a backslash.
            let mark = match text.contains('\'') {
                _ if is_plain_word(&text) => "",
                true => "\"",
                false => "'",
            };
            push(&mut line, mark);
            for piece in &word.0 {
                match piece {
                    Piece::Text(text) if mark == "\"" => push(&mut line, &text.replace('\\', "\\\\").replace('"', "\\\"")),
                    Piece::Text(text) => push(&mut line, text),
                    param => line.push(param.clone()),
                }
            }
            push(&mut line, mark);
        }
        line
    }
}

fn push(line: &mut Vec<Piece>, text: &str) {
    match line.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => line.push(Piece::Text(text.to_owned())),
    }
}

/// A value that occurs in rules and that a user may want to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name in the recipe.
    pub name: String,
    /// The value in the text that was read.
    pub value: String,
    /// What it is.
    pub doc: String,
    /// Whether it is the number of a port.
    pub is_port: bool,
    /// In how many places it stands.
    pub uses: usize,
}

/// The rules of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The name.
    pub name: ChainName,
    /// Whether the text makes this chain.
    pub is_made: bool,
    /// Whether the text takes out first what is in it.
    pub is_flushed: bool,
    /// The policy, and whether it is said on purpose: iptables-save names each.
    pub policy: Option<(Policy, bool)>,
    /// The rules in their order.
    pub rules: Vec<Rule>,
    /// How many of them go before all rules that are there.
    pub head: usize,
    /// The rules that are taken out, and not put in again.
    pub gone: Vec<Rule>,
    /// What stood after the last rule.
    pub notes: Vec<String>,
    /// Its rules in one spelling, as far as that has been asked.
    index: Option<HashSet<Words>>,
}

/// What the text does to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tabled {
    /// Whether all that is in the table gives way first.
    pub is_flushed: bool,
    /// Chains, the built-in ones first.
    pub chains: Vec<Chain>,
    /// Chains that are taken away, and not made again.
    pub gone: Vec<ChainName>,
}

/// A line that is no part of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it stands, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// Why it could not be read.
    pub why: String,
    /// Whether it is for iptables or ipset, so that a rule or a set may be missing.
    pub is_rule: bool,
    /// Whether it stands in the notes of a chain already.
    pub is_noted: bool,
}

/// All that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// The comment that the text begins with, if it is about the whole.
    pub head: Vec<String>,
    /// Parameters, of which some may have no use.
    pub params: Vec<Param>,
    /// What is done to each table.
    pub tables: BTreeMap<(Family, Table), Tabled>,
    /// What is done to sets.
    pub sets: Sets,
    /// What could not be read, in the order of the text.
    pub kept: Vec<Kept>,
    /// Comments after the last rule.
    pub notes: Vec<String>,
}

impl Import {
    /// Counts the rules.
    pub fn rules(&self) -> usize {
        self.tables.values().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
    }

    /// Tells whether nothing was read that a recipe could set.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.sets == Sets::default()
    }

    /// Counts the lines for iptables and ipset that could not be read.
    pub fn lost(&self) -> usize {
        self.kept.iter().filter(|kept| kept.is_rule).count()
    }
}

/// Reads a text; `family` is that of its rules where the text does not say it.
pub fn read(text: &str, format: Format, family: Option<Family>) -> Import {
    let mut collector = Collector::default();
    match format {
        Format::Save => save::read(&mut collector, text, family.unwrap_or_else(|| save::family(text)), 1, true),
        Format::Sets => sets::read(&mut collector, text, 1, false),
        Format::Shell => script::read(&mut collector, text, family),
    }
    let mut import = collector.finish();
    propose::propose(&mut import);
    import
}

#[cfg(test)]
mod tests;
