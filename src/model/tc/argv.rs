//! The words of a command of tc(8), one after the other.
//!
//! tc takes the beginning of most of its words for the word (`prio` for `priority`), and numbers in the bases that strtoul(3) knows. What it takes,
//! is taken here; what it overlooks (a value behind which something follows), is not.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::Fault;
use crate::model::quantity::Quantity;
use crate::model::rate::Rate;
use crate::model::size::Size;

/// The words of a command, and how far they are read.
#[derive(Clone, Debug)]
pub struct Argv {
    words: Vec<String>,
    at: usize,
    line: String,
}

impl Argv {
    /// Takes a line apart at its blanks. Blanks stay in quotes, of either sort.
    pub fn read(line: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| Err(Fault::input(format!("read {line:?}"), why));
        if line.contains('\0') {
            return refuse("it has a NUL byte in it");
        }
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match quote {
                Some(end) if c == end => quote = None,
                Some(_) => word.get_or_insert_default().push(c),
                None if c == '"' || c == '\'' => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                None if c.is_whitespace() => words.extend(word.take()),
                None => word.get_or_insert_default().push(c),
            }
        }
        if quote.is_some() {
            return refuse("a quote is not closed");
        }
        words.extend(word);
        Ok(Self { words, at: 0, line: line.trim().to_owned() })
    }

    /// Gives the word at hand; nothing at the end.
    pub fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    /// Tells whether all words are read.
    pub fn is_end(&self) -> bool {
        self.at >= self.words.len()
    }

    /// Tells whether the word at hand is this one.
    pub fn is(&self, word: &str) -> bool {
        self.peek() == Some(word)
    }

    /// Tells whether the word at hand is this one, or begins it.
    pub fn begins(&self, word: &str) -> bool {
        self.peek().is_some_and(|given| !given.is_empty() && word.starts_with(given))
    }

    /// Reads the word at hand if it is this one.
    pub fn take(&mut self, word: &str) -> bool {
        let is = self.is(word);
        self.at += usize::from(is);
        is
    }

    /// Reads the word at hand if it is one of these, or begins one.
    pub fn take_short(&mut self, words: &[&str]) -> bool {
        let is = words.iter().any(|word| self.begins(word));
        self.at += usize::from(is);
        is
    }

    /// Reads the next word, whatever it is. What it follows tells what is missing.
    pub fn next_word(&mut self) -> Result<String, Fault> {
        let word = self.peek().map(str::to_owned);
        self.at += 1;
        let behind = self.at.checked_sub(2).and_then(|at| self.words.get(at));
        word.ok_or_else(|| match behind {
            Some(last) => self.refuse(format!("something is missing behind {last:?}")),
            None => self.refuse("it is empty"),
        })
    }

    /// Goes back by a word.
    pub fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Makes a fault about the whole line.
    pub fn refuse(&self, why: impl Into<String>) -> Fault {
        Fault::input(format!("read {:?} as words of tc(8)", self.line), why)
    }

    /// Makes a fault about the word that was read last.
    pub fn odd(&self, what: &str) -> Fault {
        let last = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        self.refuse(format!("{:?} is {what}", last.map_or("", String::as_str)))
    }

    /// Reads a number in a base (0 is decimal, or hexadecimal behind `0x`, or octal behind `0`), up to the most that there may be.
    pub fn number<N: TryFrom<u64>>(&mut self, base: u32, most: u64) -> Result<N, Fault> {
        let word = self.next_word()?;
        let found = number(&word, base).filter(|n| *n <= most).and_then(|n| N::try_from(n).ok());
        found.ok_or_else(|| self.odd(&format!("no number from 0 to {most}{}", if base == 16 { ", in hexadecimal digits" } else { "" })))
    }

    /// Reads a number of 8 bits.
    pub fn u8(&mut self, base: u32) -> Result<u8, Fault> {
        self.number(base, u8::MAX.into())
    }

    /// Reads a number of 16 bits.
    pub fn u16(&mut self, base: u32) -> Result<u16, Fault> {
        self.number(base, u16::MAX.into())
    }

    /// Reads a number of 32 bits.
    pub fn u32(&mut self, base: u32) -> Result<u32, Fault> {
        self.number(base, u32::MAX.into())
    }

    /// Reads a number of 64 bits.
    pub fn u64(&mut self, base: u32) -> Result<u64, Fault> {
        self.number(base, u64::MAX)
    }

    /// Reads a number of 32 bits that may have a sign.
    pub fn integer(&mut self) -> Result<i32, Fault> {
        let word = self.next_word()?;
        let found = match word.strip_prefix('-') {
            Some(digits) => number(digits, 0).and_then(|n| i64::try_from(n).ok()).map(|n| -n),
            None => number(&word, 0).and_then(|n| i64::try_from(n).ok()),
        };
        found.and_then(|n| i32::try_from(n).ok()).ok_or_else(|| self.odd("no whole number"))
    }

    /// Reads a rate; without a unit it is in bits per second. What is given is in whole bytes per second, as the kernel counts.
    pub fn rate(&mut self) -> Result<u64, Fault> {
        let word = self.next_word()?;
        let whole = if plain(&word) { format!("{word}bit") } else { word };
        whole.parse::<Rate>().map(|rate| rate.count() / 8).map_err(|fault| self.refuse(fault.why).hint(fault.hint.unwrap_or_default()))
    }

    /// Reads a size; without a unit it is in bytes.
    pub fn size(&mut self) -> Result<u32, Fault> {
        let word = self.next_word()?;
        self.as_size(&word)
    }

    /// Reads a size out of a word, or out of a part of one.
    pub fn as_size(&self, word: &str) -> Result<u32, Fault> {
        let whole = if plain(word) { format!("{word}b") } else { word.to_owned() };
        let size = whole.parse::<Size>().map_err(|fault| self.refuse(fault.why).hint(fault.hint.unwrap_or_default()))?;
        u32::try_from(size.count()).map_err(|_| self.odd("more than 4 gigabytes"))
    }

    /// Reads an IPv4 address with the length of its prefix. `any` is all addresses.
    pub fn prefix4(&mut self) -> Result<(Ipv4Addr, u8), Fault> {
        let word = self.next_word()?;
        prefix(&word, 32, Ipv4Addr::UNSPECIFIED).ok_or_else(|| self.odd("no IPv4 address, with or without a prefix"))
    }

    /// Reads an IPv6 address with the length of its prefix. `any` is all addresses.
    pub fn prefix6(&mut self) -> Result<(Ipv6Addr, u8), Fault> {
        let word = self.next_word()?;
        prefix(&word, 128, Ipv6Addr::UNSPECIFIED).ok_or_else(|| self.odd("no IPv6 address, with or without a prefix"))
    }
}

/// Tells whether a word is a number without a unit.
fn plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Reads an address with the length of its prefix.
pub fn prefix<A: std::str::FromStr>(word: &str, most: u8, any: A) -> Option<(A, u8)> {
    if ["any", "all", "default"].contains(&word) {
        return Some((any, 0));
    }
    let (address, length) = match word.split_once('/') {
        Some((address, mask)) => (address, bits(mask, most)?),
        None => (word, most),
    };
    Some((address.parse().ok()?, length))
}

/// Reads the length of a prefix, or a mask of IPv4.
fn bits(word: &str, most: u8) -> Option<u8> {
    if let Some(bits) = number(word, 0) {
        return u8::try_from(bits).ok().filter(|bits| *bits <= most);
    }
    let mask = u32::from(word.parse::<Ipv4Addr>().ok()?);
    (mask.leading_ones() + mask.trailing_zeros().min(32) >= 32 && most == 32).then(|| mask.leading_ones() as u8)
}

/// Reads a number without a sign in a base, as strtoul(3) does.
pub fn number(text: &str, base: u32) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, base) = match (base, hexadecimal) {
        (0 | 16, Some(digits)) => (digits, 16),
        (0, None) if text.len() > 1 && text.starts_with('0') => (text, 8),
        (0, None) => (text, 10),
        (base, _) => (text, base),
    };
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, base).ok() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_strtoul() {
        for (text, base, value) in [("10", 0, 10), ("0x10", 0, 16), ("010", 0, 8), ("ff", 16, 255), ("0xff", 16, 255), ("0", 0, 0)] {
            assert_eq!(number(text, base), Some(value), "{text}");
        }
        for (text, base) in [("", 0), ("0x", 0), ("-1", 0), ("+1", 0), ("1 ", 0), ("0x10", 10), ("08", 0), ("99999999999999999999", 0)] {
            assert_eq!(number(text, base), None, "{text:?}");
        }
        assert_eq!(Argv::read("-8").unwrap().integer().unwrap(), -8);
    }

    #[test]
    fn quotes_keep_blanks_and_short_words_are_taken() {
        let mut argv = Argv::read(" pri  'a b' \"c\"d ").unwrap();
        assert!(argv.take_short(&["preference", "priority"]) && !argv.take("a"));
        assert_eq!((argv.next_word().unwrap(), argv.next_word().unwrap()), ("a b".into(), "cd".into()));
        assert_eq!(argv.next_word().unwrap_err().why, "something is missing behind \"cd\"");
        assert!(Argv::read("a 'b").is_err());
    }

    #[test]
    fn prefixes_and_quantities() {
        let read = |line: &str| Argv::read(line).unwrap();
        assert_eq!(read("10.0.0.0/8").prefix4().unwrap(), (Ipv4Addr::new(10, 0, 0, 0), 8));
        assert_eq!(read("10.0.0.0/255.255.0.0").prefix4().unwrap().1, 16);
        assert_eq!(read("any").prefix4().unwrap().1, 0);
        for odd in ["10.0.0.0/33", "10.0.0", "10.0.0.0/255.0.255.0", "::1"] {
            assert!(read(odd).prefix4().is_err(), "{odd}");
        }
        assert_eq!((read("1mbit").rate().unwrap(), read("8000").rate().unwrap()), (125_000, 1000));
        assert_eq!((read("10k").size().unwrap(), read("1600").size().unwrap()), (10_240, 1600));
        assert!(read("-1mbit").rate().is_err() && read("5gb").size().is_err());
    }
}
