//! One rule as argument words, with the quoting of iptables-restore(8).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// What stands before the number of a rule that iptables cannot word.
const OPAQUE: &str = "handle ";

/// The argument words of a rule, kept as one line in the quoting of iptables-restore(8).
///
/// One line and not a list, because a host can hold a hundred thousand rules and most of them are only compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(Arc<str>);

impl Words {
    /// The most bytes of one word: iptables-restore reads each into a buffer of 1024.
    pub const MAX_WORD: usize = 1023;
    /// The most words of a rule: iptables-restore keeps 255 arguments, some of which are fyke's own.
    pub const MAX_WORDS: usize = 240;

    /// Takes a line of iptables-save(8) as it is, without `-A CHAIN`.
    pub fn listed(line: &str) -> Self {
        Self(line.into())
    }

    /// Joins words that are given one by one; each stays one word, whatever is in it.
    pub fn join<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Self {
        let mut line = String::new();
        for word in words {
            if !line.is_empty() {
                line.push(' ');
            }
            quote(word.as_ref(), &mut line);
        }
        Self(line.into())
    }

    /// Splits a line as a shell does: blanks separate, single and double quotes and backslashes protect; nothing is expanded.
    pub fn parse(line: &str) -> Result<Self, Fault> {
        let unclosed = |quote: char| Fault::input(format!("read the rule {line:?}"), format!("a quote {quote} is not closed"));
        if is_plain(line) {
            return Ok(Self(line.into()));
        }
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                ' ' | '\t' => words.extend(word.take()),
                '\'' | '"' => {
                    let into = word.get_or_insert_default();
                    loop {
                        match chars.next().ok_or_else(|| unclosed(c))? {
                            end if end == c => break,
                            '\\' if c == '"' => into.push(chars.next().ok_or_else(|| unclosed(c))?),
                            other => into.push(other),
                        }
                    }
                }
                '\\' => {
                    let next = chars.next().ok_or_else(|| Fault::input(format!("read the rule {line:?}"), "it ends in a backslash"))?;
                    word.get_or_insert_default().push(next);
                }
                other => word.get_or_insert_default().push(other),
            }
        }
        words.extend(word);
        Ok(Self::join(words))
    }

    /// Makes a text for a rule that iptables cannot word, of its number and of the chain to which it jumps. No rule can read so: the first
    /// word of a rule is an option or a `!`.
    pub fn opaque(handle: u64, jump: Option<&str>) -> Self {
        let jump = jump.map(|chain| format!(" -j {chain}")).unwrap_or_default();
        Self(format!("{OPAQUE}{handle}{jump}").into())
    }

    /// Tells whether this stands for a rule that iptables cannot word.
    pub fn is_opaque(&self) -> bool {
        self.0.starts_with(OPAQUE)
    }

    /// Gives the line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Splits the line into its words, by the rules of iptables-restore: a closing quote ends a word.
    pub fn split(&self) -> Vec<String> {
        self.iter().map(Cow::into_owned).collect()
    }

    /// Gives the words one by one, as [`Words::split`] has them; a word without a quote is a part of the line itself.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let mut rest = self.0.trim_start_matches(BLANK);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (word, end) = first(rest);
            rest = rest[end..].trim_start_matches(BLANK);
            Some(word)
        })
    }

    /// Gives the chain or target that the rule jumps or goes to.
    pub fn target(&self) -> Option<String> {
        let words: Vec<Cow<'_, str>> = self.iter().collect();
        let at = words.iter().rposition(|word| ["-j", "-g", "--jump", "--goto"].contains(&&**word))?;
        words.into_iter().nth(at + 1).map(Cow::into_owned)
    }

    /// Tells whether the rule asks a set of this name, or puts something into it.
    pub fn names_set(&self, name: &str) -> bool {
        let words: Vec<Cow<'_, str>> = self.iter().collect();
        words.windows(2).any(|pair| ["--match-set", "--add-set", "--del-set", "--map-set"].contains(&&*pair[0]) && pair[1] == name)
    }

    /// Gives the rule with a jump to `from` turned into a jump to `to`, as the kernel does when a chain is renamed.
    pub fn retarget(&self, from: &str, to: &str) -> Self {
        let mut words = self.split();
        for at in 1..words.len() {
            if words[at] == from && ["-j", "-g", "--jump", "--goto"].contains(&words[at - 1].as_str()) {
                words[at] = to.to_owned();
            }
        }
        Self::join(words)
    }
}

impl Words {
    /// Writes out the match that a protocol brings along, as a listing does: `-p tcp --dport 22` is `-p tcp -m tcp --dport 22`.
    pub fn with_protocol_match(&self) -> Self {
        let implied = ["tcp", "udp"].into_iter().find_map(|name| {
            let option = format!("-p {name} ");
            let at = self.0.find(&option)? + option.len();
            self.0[at..].starts_with("--").then(|| format!("{}-m {name} {}", &self.0[..at], &self.0[at..]))
        });
        implied.map_or_else(|| self.clone(), |line| Self(line.into()))
    }
}

/// What stands between words.
const BLANK: [char; 2] = [' ', '\t'];

/// Takes the first word off a line that does not begin with a blank, and tells where it ends.
fn first(line: &str) -> (Cow<'_, str>, usize) {
    let end = line.find([' ', '\t', '"']).unwrap_or(line.len());
    if !line[end..].starts_with('"') {
        return (Cow::Borrowed(&line[..end]), end);
    }
    let mut word = line[..end].to_owned();
    let mut chars = line[end + 1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Cow::Owned(word), end + 1 + at + 1),
            '\\' => word.extend(chars.next().map(|(_, c)| c)),
            other => word.push(other),
        }
    }
    (Cow::Owned(word), line.len())
}

/// Tells whether a line that a script gives stays as it is: single spaces between words without quotes. Most rules are like that.
fn is_plain(line: &str) -> bool {
    let odd = |byte: u8| matches!(byte, b'\t' | b'"' | b'\'' | b'\\');
    !(line.starts_with(' ') || line.ends_with(' ') || line.contains("  ") || line.bytes().any(odd))
}

/// Appends a word, quoted where iptables-restore needs it.
fn quote(word: &str, line: &mut String) {
    if is_plain_word(word) {
        line.push_str(word);
        return;
    }
    line.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

/// Tells whether a word needs no quotes.
pub(super) fn is_plain_word(word: &str) -> bool {
    !word.is_empty() && !word.contains([' ', '\t', '"', '\'', '\\'])
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_split_as_a_shell_splits_it() {
        let words = Words::parse(r#"-m comment --comment 'it is "so"' -p  tcp --x "a \" b" c\ d ''"#).unwrap();
        assert_eq!(words.split(), ["-m", "comment", "--comment", "it is \"so\"", "-p", "tcp", "--x", "a \" b", "c d", ""]);
        assert_eq!(words.as_str(), r#"-m comment --comment "it is \"so\"" -p tcp --x "a \" b" "c d" """#);
    }

    #[test]
    fn the_match_of_a_protocol_is_written_out() {
        let full = |line: &str| Words::listed(line).with_protocol_match().as_str().to_owned();
        assert_eq!(full("-i lo -p tcp --dport 22 -j DROP"), "-i lo -p tcp -m tcp --dport 22 -j DROP");
        for same in ["-p tcp -m tcp --dport 22", "-p tcp -j DROP", "-p icmp --icmp-type 8", ""] {
            assert_eq!(full(same), same);
        }
    }

    #[test]
    fn an_open_quote_is_refused() {
        assert!(Words::parse("-m comment --comment \"x").is_err());
        assert!(Words::parse("-m comment --comment x\\").is_err());
    }

    #[test]
    fn the_target_is_the_last_jump() {
        assert_eq!(Words::parse("-p tcp -j LOG --log-prefix '-j '").unwrap().target().as_deref(), Some("LOG"));
        assert_eq!(Words::parse("-p tcp").unwrap().target(), None);
        assert_eq!(Words::parse("-g A -m comment --comment A").unwrap().retarget("A", "B").as_str(), "-g B -m comment --comment A");
    }

    proptest! {
        #[test]
        fn joined_words_come_apart_unchanged(words in proptest::collection::vec("[^\\x00-\\x1f\\x7f]{0,12}", 0..8)) {
            prop_assert_eq!(Words::join(&words).split(), words.clone());
            prop_assert_eq!(Words::parse(Words::join(&words).as_str()).unwrap().split(), words);
        }
    }
}
