//! Reads a table of TOML key by key: what nobody asked for is a key that nobody knows, and every fault has its place.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::str::FromStr;

use toml_edit::{Document, Item, TableLike, Value};

use crate::model::near::did_you_mean;
use crate::model::{Fault, Origin};

/// A text of TOML, with the name by which faults call it.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    name: &'a str,
    document: Document<&'a str>,
}

impl<'a> Text<'a> {
    /// Parses a text.
    pub fn parse(name: &'a str, text: &'a str) -> Result<Self, Fault> {
        let document = Document::parse(text).map_err(|error| {
            let why = error.message().trim().replace('\n', ", ");
            Fault::input(format!("read {name}"), why).at(place(name, text, error.span()))
        })?;
        Ok(Self { name, document })
    }

    /// Gives the table of the whole text.
    pub fn reader(&self) -> Reader<'_> {
        let (name, text) = (self.name, self.document.raw());
        Reader { name, text, table: self.document.as_table(), span: None, known: RefCell::default() }
    }
}

/// One table while it is read.
pub struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    table: &'a dyn TableLike,
    span: Option<Range<usize>>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Reader<'a> {
    /// Makes a fault about the table.
    pub fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::input(format!("read {}", self.name), why).at(place(self.name, self.text, self.span.clone()))
    }

    /// Makes a fault about the value of a key.
    pub fn fault_at(&self, key: &str, why: impl Into<String>) -> Fault {
        let span = self.table.get(key).and_then(Item::span).or_else(|| self.table.key(key).and_then(toml_edit::Key::span));
        Fault::input(format!("read {}", self.name), why).at(place(self.name, self.text, span))
    }

    /// Gives the place of a key.
    pub fn origin(&self, key: &str) -> Origin {
        place(self.name, self.text, self.table.key(key).and_then(toml_edit::Key::span))
    }

    /// Gives all keys, for a table whose keys are names that its writer chose.
    pub fn keys(&self) -> Vec<String> {
        self.table.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// Tells whether the key is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.item(key).is_some()
    }

    fn item(&self, key: &'static str) -> Option<&'a Item> {
        self.known.borrow_mut().insert(key);
        self.table.get(key).filter(|item| !item.is_none())
    }

    /// Gives a string.
    pub fn text(&self, key: &'static str) -> Result<Option<&'a str>, Fault> {
        let wrong = || self.fault_at(key, format!("`{key}` is no string"));
        self.item(key).map(|item| item.as_str().ok_or_else(wrong)).transpose()
    }

    /// Gives what a string says.
    pub fn parsed<T: FromStr<Err = Fault>>(&self, key: &'static str) -> Result<Option<T>, Fault> {
        self.text(key)?.map(|text| text.parse().map_err(|fault: Fault| fault.at(self.fault_at(key, "").origin_or_start()))).transpose()
    }

    /// Gives what a string says that must be there.
    pub fn needed<T: FromStr<Err = Fault>>(&self, key: &'static str) -> Result<T, Fault> {
        self.parsed(key)?.ok_or_else(|| self.fault(format!("it has no `{key}`")))
    }

    /// Gives a truth value.
    pub fn truth(&self, key: &'static str) -> Result<Option<bool>, Fault> {
        let wrong = || self.fault_at(key, format!("`{key}` is neither true nor false"));
        self.item(key).map(|item| item.as_bool().ok_or_else(wrong)).transpose()
    }

    /// Gives the truth value of a key that the writer chose, if it is one.
    pub fn truth_of(&self, key: &str) -> Option<bool> {
        self.table.get(key).and_then(Item::as_bool)
    }

    /// Gives a whole number.
    pub fn number(&self, key: &'static str) -> Result<Option<i64>, Fault> {
        let wrong = || self.fault_at(key, format!("`{key}` is no whole number"));
        self.item(key).map(|item| item.as_integer().ok_or_else(wrong)).transpose()
    }

    /// Gives strings; none where the key is not there.
    pub fn texts(&self, key: &'static str) -> Result<Vec<String>, Fault> {
        self.item(key).map_or(Ok(Vec::new()), |item| self.strings(key, item))
    }

    /// Gives the strings of a key that the writer chose: one, or an array of them.
    pub fn texts_of(&self, key: &str) -> Result<Vec<String>, Fault> {
        self.table.get(key).map_or(Ok(Vec::new()), |item| match item.as_str() {
            Some(one) => Ok(vec![one.to_owned()]),
            None => self.strings(key, item),
        })
    }

    fn strings(&self, key: &str, item: &Item) -> Result<Vec<String>, Fault> {
        let wrong = || self.fault_at(key, format!("`{key}` is no list of strings"));
        item.as_array().ok_or_else(wrong)?.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    /// Gives the table of a key.
    pub fn table(&self, key: &'static str) -> Result<Option<Reader<'a>>, Fault> {
        self.item(key).map(|item| self.inside(key, item)).transpose()
    }

    /// Gives the table of a key that the writer chose.
    pub fn table_of(&self, key: &str) -> Result<Reader<'a>, Fault> {
        let item = self.table.get(key).ok_or_else(|| self.fault(format!("it has no `{key}`")))?;
        self.inside(key, item)
    }

    fn inside(&self, key: &str, item: &'a Item) -> Result<Reader<'a>, Fault> {
        let table = item.as_table_like().ok_or_else(|| self.fault_at(key, format!("`{key}` is no table")))?;
        let span = item.span().or_else(|| self.table.key(key).and_then(toml_edit::Key::span));
        Ok(Reader { name: self.name, text: self.text, table, span, known: RefCell::default() })
    }

    /// Gives the tables of an array of tables.
    pub fn tables(&self, key: &'static str) -> Result<Vec<Reader<'a>>, Fault> {
        let Some(item) = self.item(key) else { return Ok(Vec::new()) };
        let wrong = || self.fault_at(key, format!("`{key}` is no array of tables"));
        let of = |table: &'a dyn TableLike, span| Reader { name: self.name, text: self.text, table, span, known: RefCell::default() };
        if let Some(tables) = item.as_array_of_tables() {
            return Ok(tables.iter().map(|table| of(table, table.span())).collect());
        }
        let inline = |value: &'a Value| value.as_inline_table().map(|table| of(table, value.span())).ok_or_else(wrong);
        item.as_array().ok_or_else(wrong)?.iter().map(inline).collect()
    }

    /// Refuses keys that nobody asked for.
    pub fn finish(&self) -> Result<(), Fault> {
        let known = self.known.borrow();
        let Some((odd, _)) = self.table.iter().find(|(key, _)| !known.contains(key)) else { return Ok(()) };
        let fault = Fault::input(format!("read {}", self.name), format!("there is no key `{odd}` here")).at(self.origin(odd));
        let all = || format!("it can have {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "));
        Err(fault.hint(did_you_mean(odd, known.iter().copied()).unwrap_or_else(all)))
    }
}

impl Fault {
    /// Gives the place of a fault that was made with one.
    fn origin_or_start(self) -> Origin {
        self.origin.unwrap_or_else(|| Origin::at("", 1, 1))
    }
}

/// Turns the bytes of a span into a line and a column.
fn place(name: &str, text: &str, span: Option<Range<usize>>) -> Origin {
    let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Origin::at(name, number(line), number(column))
}
