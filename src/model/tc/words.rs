//! The words of a command of tc(8), one after the other.

use super::units;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// Words that are read one after the other.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    /// What they belong to, for faults.
    of: &'a str,
}

impl<'a> Words<'a> {
    /// Splits a line at its blanks. `of` tells in a fault what the words belong to.
    pub fn of(line: &'a str, of: &'a str) -> Self {
        Self { words: line.split_ascii_whitespace().collect(), at: 0, of }
    }

    /// Names what the following words belong to.
    pub fn go_on_with(&mut self, of: &'a str) {
        self.of = of;
    }

    /// Gives the next word without taking it.
    pub fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    /// Takes the next word, if it is this one or may be short for it, as tc(8) lets most of its words be cut.
    pub fn take(&mut self, word: &str) -> bool {
        let taken = self.peek().is_some_and(|next| !next.is_empty() && word.starts_with(next));
        self.at += usize::from(taken);
        taken
    }

    /// Goes back by a word.
    pub fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Gives the rest, as one line.
    pub fn rest(&mut self) -> Vec<&'a str> {
        let rest = self.words.get(self.at..).unwrap_or_default().to_vec();
        self.at = self.words.len();
        rest
    }

    /// Takes a value that has to follow. `name` tells what it is.
    pub fn value(&mut self, name: &str) -> Result<&'a str, Fault> {
        let Some(value) = self.peek() else {
            return Err(Fault::input(format!("read the words of {}", self.of), format!("a value is missing behind {name}")));
        };
        self.at += 1;
        Ok(value)
    }

    /// Takes a value that may follow, and is known by its first character, a digit.
    pub fn digits(&mut self) -> Option<&'a str> {
        let value = self.peek().filter(|next| next.starts_with(|c: char| c.is_ascii_digit()))?;
        self.at += 1;
        Some(value)
    }

    /// Takes a number that may follow and may be negative.
    pub fn signed(&mut self) -> Option<&'a str> {
        let value = self.peek().filter(|next| next.starts_with(|c: char| c.is_ascii_digit() || c == '-'))?;
        self.at += 1;
        Some(value)
    }

    /// Says that a value is not acceptable.
    pub fn refuse(&self, name: &str, value: &str, why: impl Into<String>) -> Fault {
        Fault::input(format!("use {value:?} as {name} of {}", self.of), why)
    }

    /// Says that the options together are not acceptable.
    pub fn wrong(&self, why: impl Into<String>) -> Fault {
        Fault::input(format!("read the words of {}", self.of), why)
    }

    /// Says that the next word is none of those that may stand here.
    pub fn unknown(&self, known: &[&str]) -> Fault {
        let word = self.peek().unwrap_or_default();
        let fault = Fault::input(format!("read the words of {}", self.of), format!("{word:?} is not one of its words"));
        match did_you_mean(word, known.iter().copied()) {
            Some(hint) => fault.hint(hint),
            None if known.is_empty() => fault.hint("it takes none"),
            None => fault.hint(format!("those are {}", known.join(", "))),
        }
    }

    /// Takes a whole number up to a bound, decimal, or hexadecimal behind `0x`.
    pub fn number<N: TryFrom<u64>>(&mut self, name: &str) -> Result<N, Fault> {
        let value = self.value(name)?;
        self.as_number(name, value)
    }

    /// Reads a value as a whole number up to a bound.
    pub fn as_number<N: TryFrom<u64>>(&self, name: &str, value: &str) -> Result<N, Fault> {
        let number = units::number(value).and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| self.refuse(name, value, format!("it is a whole number of up to {} bits", size_of::<N>() * 8)))
    }

    /// Takes a number of bytes, as `1500b` or `32kb`.
    pub fn size<N: TryFrom<u64>>(&mut self, name: &str) -> Result<N, Fault> {
        let value = self.value(name)?;
        let size = units::size(value).map_err(|why| self.refuse(name, value, why))?;
        N::try_from(size).map_err(|_| self.refuse(name, value, "it is more than 4294967295 bytes"))
    }

    /// Takes a rate, and gives it in bytes per second; nothing would pass at a rate of 0.
    pub fn rate(&mut self, name: &str) -> Result<u64, Fault> {
        let value = self.value(name)?;
        let rate = units::rate(value).map_err(|why| self.refuse(name, value, why))?;
        if rate == 0 { Err(self.refuse(name, value, "it is less than a byte per second")) } else { Ok(rate) }
    }

    /// Takes a span of time, and gives it in microseconds.
    pub fn micros(&mut self, name: &str) -> Result<u32, Fault> {
        let value = self.value(name)?;
        let nanos = units::time(value, 1000).map_err(|why| self.refuse(name, value, why))?;
        Ok((nanos / 1000) as u32)
    }

    /// Takes a span of time, and gives it in nanoseconds.
    pub fn nanos(&mut self, name: &str) -> Result<i64, Fault> {
        let value = self.value(name)?;
        self.as_nanos(name, value)
    }

    /// Reads a value as a span of time in nanoseconds.
    pub fn as_nanos(&self, name: &str, value: &str) -> Result<i64, Fault> {
        units::time(value, 1).map_err(|why| self.refuse(name, value, why))
    }

    /// Takes a percentage, and gives it as a part of 2^32 - 1.
    pub fn percent(&mut self, name: &str) -> Result<u32, Fault> {
        let value = self.value(name)?;
        self.as_percent(name, value)
    }

    /// Reads a value as a percentage.
    pub fn as_percent(&self, name: &str, value: &str) -> Result<u32, Fault> {
        units::percent(value).map_err(|why| self.refuse(name, value, why))
    }
}
