//! Programs that a script runs: the words of one, and what came of it.

use std::fmt;
use std::time::Duration;

use super::Fault;
use super::netns::Name;

/// A program with its arguments: words, never a line for a shell.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program and its arguments, checked by [`Command::new`].
    words: Vec<String>,
    /// What it can read from its standard input.
    pub input: String,
    /// After how long it is killed.
    pub timeout: Duration,
    /// Whether it is a fault when it ends with another status than 0.
    pub check: bool,
    /// Whether it runs in the user's place, with what the user types and sees, but in a network without interfaces; it has no limit of time of its own.
    pub isolated: bool,
    /// Which files of the system it sees.
    pub view: View,
}

/// Which files of the system a program sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Those that everybody sees.
    #[default]
    Common,
    /// /sys of the network namespace that it is in, and the files of /etc/netns/NAME in the place of those of /etc, if that has a name.
    Netns(Option<Name>),
}

impl Command {
    /// The time that a program has if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Makes a command without input, that may take 30 seconds and has to end well.
    pub fn new(words: Vec<String>) -> Result<Self, Fault> {
        let refuse = |why: &str, hint: &str| Err(Fault::input(format!("run {words:?}"), why).hint(hint));
        let program = words.first().map_or("", String::as_str);
        if program.is_empty() {
            return refuse("it names no program", "the first word is the program: [\"ip\", \"-j\", \"link\"]");
        }
        if words.iter().any(|word| word.contains('\0')) {
            return refuse("a word has a NUL byte in it", "words of a program end there");
        }
        if program.contains(char::is_whitespace) && !program.starts_with('/') {
            return refuse("its name has a blank in it", "each word is an element of its own: [\"ip\", \"-j\", \"link\"]");
        }
        if program.contains('/') && !program.starts_with('/') {
            return refuse("its path does not begin at the root", "write the whole path, or a plain name");
        }
        Ok(Self { words, input: String::new(), timeout: Self::TIMEOUT, check: true, isolated: false, view: View::Common })
    }

    /// Gives the program: a plain name, or a path from the root on.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Gives the words after it.
    pub fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Prints the words, those with anything odd in them in quotes. It is for people, no shell reads it.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,+=@%".contains(c));
        for (at, word) in self.words.iter().enumerate() {
            f.write_str(if at > 0 { " " } else { "" })?;
            if plain(word) { f.write_str(word)? } else { write!(f, "{word:?}")? }
        }
        Ok(())
    }
}

/// How a program ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; 128 and the number of the signal that killed it.
    pub status: i64,
    /// What it wrote to its standard output.
    pub output: String,
    /// The beginning of what it wrote to its standard error.
    pub errors: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Result<Command, Fault> {
        Command::new(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_command_is_shown_word_by_word() {
        let shown = command(&["ip", "-j", "link", "a b", "", "$(id)\n", "it's"]).unwrap().to_string();
        assert_eq!(shown, r#"ip -j link "a b" "" "$(id)\n" "it's""#);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for words in [&[][..], &[""], &["ip link"], &["./x"], &["a/b"], &["ip", "a\0b"], &["\0"]] {
            assert!(command(words).is_err(), "{words:?}");
        }
        assert_eq!(command(&["/bin/x", "y"]).unwrap().arguments(), ["y"]);
    }
}
