//! A rule: its words, who set it, and what it counted.

use serde::{Deserialize, Serialize};

use super::{Tag, Words};

/// What a rule or a chain has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A rule of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The argument words, without the tag.
    pub words: Words,
    /// Who set it; none where it is somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// What it has counted; none where the kernel does not have the rule yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// What goes before a tag in a rule.
const COMMENT: &str = "-m comment --comment ";

impl Rule {
    /// Makes a rule that nobody has set yet.
    pub fn new(words: Words) -> Self {
        Self { words, tag: None, counters: None }
    }

    /// Reads a rule of iptables-save(8) without its `-A CHAIN`; the tag is taken off where it is one that `known` accepts.
    pub fn listed(line: &str, counters: Option<Counters>, known: &dyn Fn(&Tag) -> bool) -> Self {
        match split_tag(line).filter(|(_, tag)| known(tag)) {
            Some((rest, tag)) => Self { words: Words::listed(&rest.concat()), tag: Some(tag), counters },
            None => Self { words: Words::listed(line), tag: None, counters },
        }
    }

    /// Gives the whole line with its tag, as iptables-restore(8) takes it.
    pub fn line(&self) -> String {
        let words = self.words.as_str();
        match &self.tag {
            Some(tag) if words.is_empty() => format!("{COMMENT}\"{tag}\""),
            Some(tag) => format!("{words} {COMMENT}\"{tag}\""),
            None => words.to_owned(),
        }
    }

    /// Gives a number that stands for the rule when a place is described by its neighbours.
    pub fn fingerprint(&self) -> u64 {
        match &self.tag {
            Some(tag) => fingerprint(&tag.to_string()),
            None => fingerprint(self.words.as_str()),
        }
    }
}

/// Takes the last comment off a line if it is a tag: gives what the line is without it, in pieces.
fn split_tag(line: &str) -> Option<([&str; 3], Tag)> {
    // Most rules have none, and to look from the front is several times faster.
    if !line.contains("\"fyke:") {
        return None;
    }
    // The quote before "fyke:" cannot stand inside of another string: there it would be written \".
    let at = line.rfind("-m comment --comment \"fyke:")?;
    let (before, value) = (&line[..at], &line[at + COMMENT.len() + 1..]);
    let (tag, after) = value.split_once('"')?;
    let (before, after) = (before.trim_end(), after.trim_start());
    let between = if before.is_empty() || after.is_empty() { "" } else { " " };
    Some(([before, between, after], tag.parse().ok()?))
}

/// Hashes a text to 64 bits (FNV-1a). Stable over versions, because it is written into the journal.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::tag::{Owner, RunId};
    use super::*;

    fn tag() -> Tag {
        Tag { owner: Owner::new("x", ""), run: RunId::from_bits(7), number: 3 }
    }

    #[test]
    fn a_tag_comes_off_the_line_it_was_put_on() {
        for words in ["-p tcp -m comment --comment mine -j DROP", "-j DROP", ""] {
            let rule = Rule { words: Words::listed(words), tag: Some(tag()), counters: None };
            assert_eq!(Rule::listed(&rule.line(), None, &|_| true), rule);
        }
        let listed = format!("-p tcp -m comment --comment \"{}\" -j LOG --log-prefix \"a b\"", tag());
        let rule = Rule::listed(&listed, None, &|_| true);
        assert_eq!((rule.words.as_str(), rule.tag), ("-p tcp -j LOG --log-prefix \"a b\"", Some(tag())));
    }

    #[test]
    fn a_tag_that_the_journal_does_not_know_is_a_comment() {
        let line = format!("-m comment --comment \"{}\" -j DROP", tag());
        assert_eq!(Rule::listed(&line, None, &|_| false).words.as_str(), line);
    }

    #[test]
    fn a_string_that_quotes_a_tag_is_not_one() {
        let line = format!("-j LOG --log-prefix \"-m comment --comment \\\"{}\\\"\"", tag());
        assert_eq!(Rule::listed(&line, None, &|_| true).tag, None);
    }
}
