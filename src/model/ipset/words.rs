//! The words of a line of ipset(8).

use std::str::FromStr;

use crate::model::Fault;

/// Takes a line apart at its blanks. A word in double quotes may hold blanks; nothing is escaped in it, as in ipset(8).
pub(in crate::model) fn split(line: &str) -> Result<Vec<&str>, Fault> {
    let refuse = |why: &str| Fault::input(format!("read {line:?}"), why);
    if line.contains(['\n', '\0']) {
        return Err(refuse("it is more than one line"));
    }
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| refuse("a quote is not closed"))?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
            return Err(refuse("something follows a closed quote"));
        }
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// The options of a line: each once, most with a value behind.
pub(super) struct Options<'a> {
    words: std::slice::Iter<'a, &'a str>,
    seen: Vec<&'a str>,
    tried: String,
}

impl<'a> Options<'a> {
    /// Begins with the first of the words. `tried` is the end of "cannot ...".
    pub(super) fn new(words: &'a [&'a str], tried: String) -> Self {
        Self { words: words.iter(), seen: Vec::new(), tried }
    }

    /// Gives the next option.
    pub(super) fn next(&mut self) -> Result<Option<&'a str>, Fault> {
        let Some(option) = self.words.next() else { return Ok(None) };
        if self.seen.contains(option) {
            return Err(self.refuse(format!("`{option}` stands twice")));
        }
        self.seen.push(option);
        Ok(Some(option))
    }

    /// Gives the value of the last option.
    pub(super) fn value(&mut self) -> Result<&'a str, Fault> {
        let last = self.seen.last().copied().unwrap_or_default();
        self.words.next().copied().ok_or_else(|| self.refuse(format!("the value of `{last}` is missing")))
    }

    /// Gives the value of the last option as a number from `least` to `most`, decimal or hexadecimal.
    pub(super) fn number<N: TryFrom<u64>>(&mut self, least: u64, most: u64) -> Result<N, Fault> {
        let value = self.value()?;
        let found = number(value).filter(|n| (least..=most).contains(n)).and_then(|n| N::try_from(n).ok());
        let last = self.seen.last().copied().unwrap_or_default();
        found.ok_or_else(|| self.refuse(format!("the value of `{last}` must be a number from {least} to {most}, not {value:?}")))
    }

    /// Makes a fault about the options.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Fault {
        Fault::input(self.tried.clone(), why)
    }
}

/// Reads a number without a sign, decimal or `0x` hexadecimal.
pub(super) fn number<N: TryFrom<u64>>(text: &str) -> Option<N> {
    let value = match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16),
        None if text.bytes().all(|b| b.is_ascii_digit()) => u64::from_str(text),
        _ => return None,
    };
    N::try_from(value.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_keeps_its_blanks() {
        assert_eq!(split(" add a  1.1.1.1 comment \"a \\ b\" ").unwrap(), ["add", "a", "1.1.1.1", "comment", "a \\ b"]);
        assert_eq!(split("comment \"\"").unwrap(), ["comment", ""]);
        assert_eq!(split("").unwrap(), [""; 0]);
        for line in ["comment \"a", "comment \"a\"b", "a\nb"] {
            assert!(split(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn numbers_have_no_sign() {
        assert_eq!((number::<u32>("0xff"), number::<u32>("10"), number::<u8>("256")), (Some(255), Some(10), None));
        for text in ["", "0x", "-1", "+1", "0x+1", "1 ", "١"] {
            assert_eq!(number::<u64>(text), None, "{text:?}");
        }
    }
}
