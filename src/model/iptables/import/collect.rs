//! The chains as the text leaves them, command by command.

use std::collections::BTreeSet;

use super::command::{Request, Verb};
use super::{Chain, Import, Kept, Param, Rule, Word, sets};
use crate::model::Family;
use crate::model::ipset::SetName;
use crate::model::iptables::{ChainName, Table, Words, border};

/// Builds up what a text does.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) import: Import,
    /// Comments that wait for what they are about.
    notes: Vec<String>,
    /// Chains that could not be read: what jumps there cannot be, either.
    refused: BTreeSet<(Family, Table, String)>,
}

impl Collector {
    /// Takes a comment, which belongs to what follows.
    pub(super) fn note(&mut self, text: &str) {
        if !(text.is_empty() && self.notes.is_empty()) {
            self.notes.push(text.to_owned());
        }
    }

    /// Takes the comments that wait.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Keeps a line that is no part of the rules.
    pub(super) fn keep(&mut self, line: usize, text: &str, why: &str, is_rule: bool) {
        self.import.kept.push(Kept { line, text: text.to_owned(), why: why.to_owned(), is_rule, is_noted: false });
    }

    /// Does what a command asks for, or keeps it.
    pub(super) fn request(&mut self, line: usize, text: &str, request: Result<Request, String>) {
        let request = match request {
            Ok(Request { verb: Verb::Look | Verb::Check(_), .. }) => return self.keep(line, text, "it changes nothing", false),
            Ok(request) => request,
            Err(why) => return self.keep(line, text, &why, true),
        };
        for family in request.families.clone() {
            if let Err(why) = self.apply(family, &request) {
                let chain = match &request.verb {
                    Verb::Append(chain) | Verb::Insert(chain, _) => self.find(family, request.table, chain),
                    _ => None,
                };
                let noted = chain.map(|chain| chain.notes.push(format!("line {line} is not imported ({why}): {text}")));
                self.keep(line, text, &why, true);
                if let (Some(()), Some(kept)) = (noted, self.import.kept.last_mut()) {
                    kept.is_noted = true;
                }
            }
        }
    }

    /// Ends the reading.
    pub(super) fn finish(mut self) -> Import {
        self.import.notes = self.take_notes();
        for (key, tabled) in &mut self.import.tables {
            let place = |chain: &Chain| key.1.builtin_chains().iter().position(|name| *name == chain.name.as_str()).unwrap_or(usize::MAX);
            tabled.chains.sort_by_key(place);
            let made: Vec<ChainName> = tabled.chains.iter().map(|chain| chain.name.clone()).collect();
            tabled.gone.retain(|gone| !made.contains(gone));
            // A chain keeps the name that the text made it by.
            let jumps = |word: &mut Word| match word.text(&self.import.params) {
                text if made.iter().any(|name| name.as_str() == text) => *word = Word::plain(&text),
                _ => {}
            };
            tabled.chains.iter_mut().for_each(|chain| chain.join(&self.import.params));
            for rule in tabled.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
                self.import.sets.keep_names(rule, &self.import.params);
                jump(rule).and_then(|at| rule.words.get_mut(at)).into_iter().for_each(jumps);
            }
        }
        self.import
    }

    /// Tells whether a rule of the text names a set.
    fn names(&self, set: &SetName) -> bool {
        let chains = self.import.tables.values().flat_map(|tabled| &tabled.chains);
        chains.flat_map(|chain| &chain.rules).any(|rule| sets::named(rule).any(|word| word.text(&self.import.params) == set.as_str()))
    }

    /// Does to the sets what a command asks for, or keeps it.
    pub(super) fn set(&mut self, line: usize, text: &str, request: Result<sets::Request, String>) {
        let notes = self.take_notes();
        let done = request.and_then(|request| match request.destroys(&self.import.params).is_some_and(|set| self.names(&set)) {
            true => Err("a rule names the set".to_owned()),
            false => self.import.sets.apply(request, notes, &self.import.params),
        });
        match done {
            Ok(true) => {}
            Ok(false) => self.keep(line, text, "it changes nothing", false),
            Err(why) => self.keep(line, text, &why, true),
        }
    }

    fn find(&mut self, family: Family, table: Table, name: &str) -> Option<&mut Chain> {
        self.import.tables.get_mut(&(family, table))?.chains.iter_mut().find(|chain| chain.name.as_str() == name)
    }

    /// Gives a chain of a table, as far as there can be one of this name.
    fn chain(&mut self, family: Family, table: Table, name: &str) -> Result<&mut Chain, String> {
        if self.refused.contains(&(family, table, name.to_owned())) {
            return Err(format!("the chain {name:?} could not be made"));
        }
        let parsed: ChainName = name.parse().map_err(|_| format!("{name:?} is no name for a chain"))?;
        let elsewhere = Table::ALL.into_iter().any(|other| parsed.is_builtin(other));
        if elsewhere && !parsed.is_builtin(table) {
            return Err(format!("the table {table} has no chain {name}"));
        }
        let tabled = self.import.tables.entry((family, table)).or_default();
        let at = match tabled.chains.iter().position(|chain| chain.name == parsed) {
            Some(at) => at,
            None => {
                tabled.chains.push(Chain::new(parsed));
                tabled.chains.len() - 1
            }
        };
        Ok(&mut tabled.chains[at])
    }

    fn apply(&mut self, family: Family, request: &Request) -> Result<(), String> {
        let table = request.table;
        match &request.verb {
            Verb::Append(chain) => self.put(family, request, chain, None),
            Verb::Insert(chain, place) => self.put(family, request, chain, Some(*place)),
            Verb::Delete(chain) => request.rules.iter().try_for_each(|rule| self.delete(family, table, chain, rule)),
            Verb::DeleteAt(chain, place) => self.at(family, table, chain, *place).map(|(chain, at)| drop(chain.remove(at))),
            Verb::Replace(chain, place) => {
                let [rule] = request.rules.as_slice() else { return Err("it has more than one address".to_owned()) };
                self.is_good(family, table, rule)?;
                let (chain, at) = self.at(family, table, chain, *place)?;
                chain.index = None;
                chain.rules[at].words.clone_from(rule);
                Ok(())
            }
            Verb::New(chain) => self.make(family, table, chain),
            Verb::Policy(name, policy, on_purpose) => {
                let chain = self.chain(family, table, name)?;
                if !chain.name.is_builtin(table) {
                    return Err("only built-in chains have a policy".to_owned());
                }
                chain.policy = Some((*policy, *on_purpose));
                Ok(())
            }
            Verb::Flush(Some(chain)) => {
                let chain = self.chain(family, table, chain)?;
                chain.empty();
                chain.is_flushed = true;
                Ok(())
            }
            Verb::Flush(None) => {
                let tabled = self.import.tables.entry((family, table)).or_default();
                tabled.is_flushed = true;
                tabled.chains.iter_mut().for_each(Chain::empty);
                Ok(())
            }
            Verb::DeleteChain(name) => self.delete_chains(family, table, name.as_deref()),
            Verb::Rename(from, to) => self.rename(family, table, from, to),
            Verb::Look | Verb::Check(_) => Ok(()),
        }
    }

    fn make(&mut self, family: Family, table: Table, name: &str) -> Result<(), String> {
        let notes = self.take_notes();
        let made = self.chain(family, table, name).and_then(|chain| match chain.name.is_builtin(table) {
            true => Err(format!("{name} is there by itself")),
            false => {
                chain.is_made = true;
                chain.notes.extend(notes);
                Ok(())
            }
        });
        if made.is_err() && !table.builtin_chains().contains(&name) {
            self.refused.insert((family, table, name.to_owned()));
        }
        made
    }

    /// Sees to it that fyke takes a rule.
    fn is_good(&self, family: Family, table: Table, rule: &[Word]) -> Result<(), String> {
        let words = text(rule, &self.import.params);
        if words.as_str().contains(char::REPLACEMENT_CHARACTER) {
            return Err("it is not UTF-8".to_owned());
        }
        match border::check(&words) {
            Err(fault) => return Err(fault.why),
            Ok(Some(other)) if other != family => return Err(format!("its addresses are of {other}")),
            Ok(_) => {}
        }
        match words.target().filter(|target| self.refused.contains(&(family, table, target.clone()))) {
            Some(target) => Err(format!("it jumps to the chain {target:?}, which could not be made")),
            None => Ok(()),
        }
    }

    fn put(&mut self, family: Family, request: &Request, name: &str, place: Option<usize>) -> Result<(), String> {
        let Request { table, rules, is_needed, .. } = request;
        rules.iter().try_for_each(|rule| self.is_good(family, *table, rule))?;
        let params = self.import.params.clone();
        let is_empty = self.import.tables.get(&(family, *table)).is_some_and(|tabled| tabled.is_flushed);
        self.chain(family, *table, name)?;
        let mut notes = self.take_notes();
        let chain = self.chain(family, *table, name)?;
        let is_known = is_empty || chain.is_made || chain.is_flushed;
        for rule in rules {
            let at = match place {
                None => chain.rules.len(),
                Some(place) if place <= chain.rules.len() + 1 => place - 1,
                Some(place) => return Err(format!("what place {place} is depends on the rules that are there")),
            };
            let wanted = same(rule, &params);
            if *is_needed && chain.has(&wanted, &params) {
                continue;
            }
            if let Some(index) = &mut chain.index {
                index.insert(wanted.clone());
            }
            let gone = chain.gone.len();
            if gone > 0 {
                chain.gone.retain(|gone| same(&gone.words, &params) != wanted);
            }
            let is_needed = *is_needed && !is_known && chain.gone.len() == gone;
            let mut all = std::mem::take(if at == chain.rules.len() { &mut chain.notes } else { &mut notes });
            all.append(&mut notes);
            let is_head = place.is_some() && at <= chain.head && !is_known;
            chain.head += usize::from(is_head);
            chain.rules.insert(at, Rule { notes: all, words: rule.clone(), is_needed });
        }
        Ok(())
    }

    fn delete(&mut self, family: Family, table: Table, name: &str, rule: &[Word]) -> Result<(), String> {
        self.is_good(family, table, rule)?;
        let params = self.import.params.clone();
        let chain = self.chain(family, table, name)?;
        let wanted = same(rule, &params);
        match chain.rules.iter().position(|rule| same(&rule.words, &params) == wanted) {
            Some(at) => drop(chain.remove(at)),
            None if chain.is_made || chain.is_flushed => {}
            None => chain.gone.push(Rule { words: rule.to_vec(), ..Rule::default() }),
        }
        Ok(())
    }

    /// Finds a rule by its place, where the text itself decides what stands there.
    fn at(&mut self, family: Family, table: Table, name: &str, place: usize) -> Result<(&mut Chain, usize), String> {
        let is_empty = self.import.tables.get(&(family, table)).is_some_and(|tabled| tabled.is_flushed);
        let chain = self.chain(family, table, name)?;
        let known = if is_empty || chain.is_made || chain.is_flushed { chain.rules.len() } else { chain.head };
        match place <= known {
            true => Ok((chain, place - 1)),
            false => Err("which rule that is depends on the rules that are there".to_owned()),
        }
    }

    fn delete_chains(&mut self, family: Family, table: Table, name: Option<&str>) -> Result<(), String> {
        let params = self.import.params.clone();
        let tabled = self.import.tables.entry((family, table)).or_default();
        let jumps: BTreeSet<String> =
            tabled.chains.iter().flat_map(|chain| &chain.rules).filter_map(|rule| rule.text(&params).target()).collect();
        let goes = |chain: &Chain| chain.is_made && chain.rules.is_empty() && !jumps.contains(chain.name.as_str());
        match name {
            None => tabled.chains.retain(|chain| !goes(chain)),
            Some(name) => match tabled.chains.iter().find(|chain| chain.name.as_str() == name) {
                Some(chain) if chain.is_made && !goes(chain) => return Err("it is in use".to_owned()),
                _ => {
                    let parsed: ChainName = name.parse().map_err(|_| format!("{name:?} is no name for a chain"))?;
                    if parsed.is_builtin(table) {
                        return Err("built-in chains stay".to_owned());
                    }
                    tabled.chains.retain(|chain| chain.name != parsed);
                    tabled.gone.push(parsed);
                }
            },
        }
        Ok(())
    }

    fn rename(&mut self, family: Family, table: Table, from: &str, to: &str) -> Result<(), String> {
        let new: ChainName = to.parse().map_err(|_| format!("{to:?} is no name for a chain"))?;
        match self.find(family, table, from) {
            Some(chain) if chain.is_made => chain.name = new,
            _ => return Err(format!("the chain {from} is not of this text")),
        }
        let tabled = self.import.tables.get_mut(&(family, table));
        for chain in tabled.into_iter().flat_map(|tabled| &mut tabled.chains) {
            chain.index = None;
            for rule in &mut chain.rules {
                match jump(rule).and_then(|at| rule.words.get_mut(at)) {
                    Some(word) if *word == Word::plain(from) => *word = Word::plain(to),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Chain {
    fn new(name: ChainName) -> Self {
        let (rules, gone, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, is_made: false, is_flushed: false, policy: None, rules, head: 0, gone, notes, index: None }
    }

    fn empty(&mut self) {
        (self.rules, self.gone, self.head, self.index) = (Vec::new(), Vec::new(), 0, None);
    }

    /// Makes one list of all where a rule stands twice: `ensure` would take the first of the twins for the second.
    fn join(&mut self, params: &[Param]) {
        let (head, tail) = self.rules.split_at(self.head);
        let known: BTreeSet<Words> = head.iter().map(|rule| same(&rule.words, params)).collect();
        if tail.iter().any(|rule| known.contains(&same(&rule.words, params))) {
            self.rules[0].notes.push(format!("The original puts the first {} before the rules that are there.", self.head));
            self.head = 0;
        }
        if self.rules.iter().any(|rule| rule.is_needed) {
            let all: BTreeSet<Words> = self.rules.iter().map(|rule| same(&rule.words, params)).collect();
            let is_twice = all.len() < self.rules.len();
            self.rules.iter_mut().for_each(|rule| rule.is_needed &= !is_twice);
        }
    }

    /// Tells whether the text has put in such a rule.
    fn has(&mut self, wanted: &Words, params: &[Param]) -> bool {
        let rules = &self.rules;
        self.index.get_or_insert_with(|| rules.iter().map(|rule| same(&rule.words, params)).collect()).contains(wanted)
    }

    /// Takes a rule out; its comments stay with the next one.
    fn remove(&mut self, at: usize) -> Rule {
        let mut rule = self.rules.remove(at);
        self.index = None;
        self.head -= usize::from(at < self.head);
        let notes = self.rules.get_mut(at).map_or(&mut self.notes, |next| &mut next.notes);
        notes.splice(0..0, rule.notes.drain(..));
        rule
    }
}

/// Finds the word of a rule that names where it jumps to.
fn jump(rule: &Rule) -> Option<usize> {
    let is_jump = |word: &Word| ["-j", "-g", "--jump", "--goto"].iter().any(|option| *word == Word::plain(option));
    rule.words.iter().rposition(is_jump).map(|at| at + 1)
}

fn text(rule: &[Word], params: &[Param]) -> Words {
    Words::join(rule.iter().map(|word| word.text(params)))
}

/// Gives the words of a rule in one spelling, as far as that needs no knowledge of extensions.
pub(super) fn same(rule: &[Word], params: &[Param]) -> Words {
    let short = |word: String| match word.as_str() {
        "--source" | "--src" => "-s".to_owned(),
        "--destination" | "--dst" => "-d".to_owned(),
        "--in-interface" => "-i".to_owned(),
        "--out-interface" => "-o".to_owned(),
        "--protocol" | "--proto" => "-p".to_owned(),
        "--jump" => "-j".to_owned(),
        "--match" => "-m".to_owned(),
        _ => word,
    };
    Words::join(rule.iter().map(|word| short(word.text(params)))).with_protocol_match()
}
