//! The texts of a run, each with its own range of line numbers.
//!
//! Rhai names the wrong file for a closure that is called back from another module, but its line numbers are right. So every source is
//! compiled with as many newlines in front as there are lines before it, and a line number alone finds file and line.

use std::sync::Arc;

use super::fault::{Fault, Kind};
use super::origin::Position;

/// The most bytes that a source may have: room for a firewall of fifty thousand rules.
pub const MAX_BYTES: usize = 8 << 20;

/// The most lines that all sources of one run may have together: Rhai counts lines in 16 bits, and the last number also means "beyond".
pub const MAX_LINES: u32 = u16::MAX as u32 - 1;

/// One text with its place in the range of line numbers.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file as the user named it, or the name of a built-in source.
    pub name: Arc<str>,
    /// The text, without byte order mark and interpreter line.
    pub text: Arc<str>,
    /// How many lines lie before it.
    pub before: u32,
    /// How many lines it has.
    pub lines: u32,
}

impl Source {
    /// Gives the text to compile: newlines in front, so that line numbers are unique in the run.
    pub fn padded(&self) -> String {
        let mut text = "\n".repeat(self.before as usize);
        text.push_str(&self.text);
        text
    }

    /// Gives a line by its number in the file, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.text.lines().nth(number.checked_sub(1)? as usize)
    }
}

/// All sources of a run, in the order in which they were loaded.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Adds a text and gives it the next free range of lines.
    pub fn add(&mut self, name: &str, text: &str) -> Result<Source, Fault> {
        let before = self.all.last().map_or(0, |s| s.before + s.lines);
        let lines = u32::try_from(text.matches('\n').count()).map_or(u32::MAX, |n| n.saturating_add(1));
        if before.saturating_add(lines) > MAX_LINES {
            let why = format!("it has {lines} lines, and {before} of the {MAX_LINES} lines that one run may have are taken");
            return Err(Fault::new(Kind::Limit, format!("load {name}"), why));
        }
        let source = Source { name: name.into(), text: text.into(), before, lines };
        self.all.push(source.clone());
        Ok(source)
    }

    /// Forgets the last source, if it has this name: its lines are free again.
    pub fn forget(&mut self, name: &str) {
        self.all.pop_if(|last| &*last.name == name);
    }

    /// Finds the source that a line number of the run lies in.
    pub fn at(&self, line: u32) -> Option<&Source> {
        let after = self.all.partition_point(|s| s.before < line);
        self.all.get(after.checked_sub(1)?).filter(|s| line <= s.before + s.lines)
    }

    /// Turns a line and column of the run into a position in a file.
    pub fn position(&self, line: u32, column: u32) -> Option<Position> {
        let source = self.at(line)?;
        Some(Position { file: source.name.clone(), line: line - source.before, column: column.max(1) })
    }

    /// Finds the latest source of this name.
    pub fn named(&self, name: &str) -> Option<&Source> {
        self.all.iter().rev().find(|s| &*s.name == name)
    }

    /// Gives the text of the line at a position.
    pub fn line(&self, at: &Position) -> Option<&str> {
        self.named(&at.file)?.line(at.line)
    }
}

/// Turns the bytes of a source into text: takes a byte order mark and an interpreter line away, refuses what is no text.
pub fn decode(name: &str, bytes: &[u8]) -> Result<String, Fault> {
    let tried = || format!("read {name}");
    if bytes.len() > MAX_BYTES {
        return Err(Fault::input(tried(), format!("it has {} bytes; a source has {MAX_BYTES} at most", bytes.len())));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Fault::input(tried(), "it is UTF-16 (byte offset 0)").hint("save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Fault::input(tried(), format!("it is not UTF-8 (byte offset {})", e.valid_up_to())).hint("save it as UTF-8"))?;
    if let Some(offset) = text.find('\0') {
        return Err(Fault::input(tried(), format!("it has a NUL byte (byte offset {offset})")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A comment keeps the numbers of the lines; three slashes would make it a doc comment.
    Ok(text.strip_prefix("#!").map_or_else(|| text.to_owned(), |rest| format!("// {rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_number_finds_its_file() {
        let mut sources = Sources::default();
        let a = sources.add("a", "one\ntwo\n").unwrap();
        let b = sources.add("b", "").unwrap();
        let c = sources.add("c", "x\ny").unwrap();
        assert_eq!((a.before, b.before, c.before), (0, 3, 4));
        assert_eq!(c.padded(), "\n\n\n\nx\ny");
        let at = sources.position(6, 1).unwrap();
        assert_eq!(at.to_string(), "c:2:1");
        assert_eq!(sources.line(&at), Some("y"));
        assert_eq!(sources.position(4, 1).unwrap().to_string(), "b:1:1");
        assert_eq!(sources.position(1, 0).unwrap().to_string(), "a:1:1");
        sources.forget("b");
        assert_eq!(sources.add("d", "").unwrap().before, 6);
        sources.forget("d");
        assert!(sources.position(0, 1).is_none() && sources.position(7, 1).is_none());
    }

    #[test]
    fn lines_run_out_with_a_fault() {
        let mut sources = Sources::default();
        sources.add("a", &"\n".repeat(65_000)).unwrap();
        let fault = sources.add("b", &"\n".repeat(1000)).unwrap_err();
        assert_eq!(fault.to_string(), "cannot load b: it has 1001 lines, and 65001 of the 65534 lines that one run may have are taken");
    }

    #[test]
    fn text_is_told_from_bytes() {
        assert_eq!(decode("a", b"\xef\xbb\xbfprint(1);").unwrap(), "print(1);");
        assert_eq!(decode("a", b"#!/usr/bin/env fyke\nx").unwrap(), "// /usr/bin/env fyke\nx");
        assert_eq!(decode("a", b"let a = \"\xff\"").unwrap_err().why, "it is not UTF-8 (byte offset 9)");
        assert_eq!(decode("a", b"\xff\xfea\0").unwrap_err().why, "it is UTF-16 (byte offset 0)");
        assert_eq!(decode("a", b"ab\0").unwrap_err().why, "it has a NUL byte (byte offset 2)");
        assert!(decode("a", &vec![b' '; MAX_BYTES + 1]).is_err());
    }
}
