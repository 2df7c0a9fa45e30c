//! The words of ip(8), one after the other.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use crate::model::address::Address;
use crate::model::{Family, Fault, netns};

/// Words that are being read as one thing.
pub(super) struct Words<'a> {
    what: &'static str,
    text: &'a str,
    rest: std::str::SplitWhitespace<'a>,
}

impl<'a> Words<'a> {
    /// Begins to read a text as `what`: "a route".
    pub(super) fn new(what: &'static str, text: &'a str) -> Self {
        Self { what, text, rest: text.split_whitespace() }
    }

    /// Gives the next word.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// Gives the next word without taking it.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest.clone().next()
    }

    /// Makes a fault about the whole.
    pub(super) fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::input(format!("read {:?} as {}", self.text, self.what), why)
    }

    /// Makes a fault about a word that does not belong here.
    pub(super) fn odd(&self, word: &str) -> Fault {
        self.fault(format!("{word:?} is not understood"))
    }

    /// Gives the word behind a key.
    pub(super) fn after(&mut self, key: &str) -> Result<&'a str, Fault> {
        self.rest.next().ok_or_else(|| self.fault(format!("nothing follows {key:?}")))
    }

    /// Reads the word behind a key.
    pub(super) fn value<T: FromStr<Err = Fault>>(&mut self, key: &str) -> Result<T, Fault> {
        let word = self.after(key)?;
        word.parse().map_err(|fault: Fault| self.fault(format!("{key}: {}", inner(&fault))).hint_of(fault))
    }

    /// Reads the number behind a key.
    pub(super) fn number<T: TryFrom<u64> + PartialOrd + Display>(&mut self, key: &str, most: T) -> Result<T, Fault> {
        let word = self.after(key)?;
        number(word)
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| *number <= most)
            .ok_or_else(|| self.fault(format!("{key} takes a number from 0 to {most}, not {word:?}")))
    }

    /// Reads the number behind a key, or one of some names of numbers.
    pub(super) fn named(&mut self, key: &str, names: &[(&str, u32)], most: u32) -> Result<u32, Fault> {
        let word = self.after(key)?;
        let known = names.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
        let given = || number(word).and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= most);
        known.or_else(given).ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            self.fault(format!("{key} takes a number from 0 to {most} or one of {}, not {word:?}", names.join(", ")))
        })
    }

    /// Reads what stands for a network namespace behind a key: a name, a path or the number of a process.
    pub(super) fn netns(&mut self, key: &str) -> Result<String, Fault> {
        let word = self.after(key)?;
        let read: Result<netns::Word, Fault> = word.parse();
        read.map(|_| word.to_owned()).map_err(|fault| self.fault(format!("{key}: {}", inner(&fault))).hint_of(fault))
    }

    /// Reads the address behind a key.
    pub(super) fn address(&mut self, key: &str, family: Option<Family>) -> Result<IpAddr, Fault> {
        let address: Address = self.value(key)?;
        match family {
            Some(family) if family != address.family() => Err(self.fault(format!("{key} {address} is of another family"))),
            _ => Ok(address.0),
        }
    }
}

/// Reads a whole number in decimal, or in hexadecimal behind 0x.
pub(super) fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
        None if word.bytes().all(|b| b.is_ascii_digit()) && !(word.len() > 1 && word.starts_with('0')) => word.parse().ok(),
        _ => None,
    }
}

fn inner(fault: &Fault) -> String {
    format!("cannot {}: {}", fault.tried, fault.why)
}

/// Keeps the hint of another fault.
trait HintOf {
    fn hint_of(self, other: Fault) -> Self;
}

impl HintOf for Fault {
    fn hint_of(mut self, other: Fault) -> Self {
        self.hint = other.hint;
        self
    }
}

/// Writes words with blanks between them.
#[derive(Default)]
pub(super) struct Line(String);

impl Line {
    /// Adds a word.
    pub(super) fn word(&mut self, word: impl Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&word.to_string());
        self
    }

    /// Adds a key with a value, if there is one.
    pub(super) fn pair(&mut self, key: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.word(key).word(value);
        }
        self
    }

    /// Adds a word if something is so.
    pub(super) fn flag(&mut self, so: bool, word: &str) -> &mut Self {
        if so { self.word(word) } else { self }
    }

    /// Gives the line.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}
