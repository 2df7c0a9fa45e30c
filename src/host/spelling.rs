//! Texts that look like something else: words of two scripts, and marks that reorder a line.

use crate::model::{Fault, Origin};

/// Finds what deceives the eye in a source. Rhai itself refuses such letters in names; in strings they are legal.
pub(super) fn findings(file: &str, text: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let chars: Vec<char> = line.chars().collect();
        let at = |column: usize| Origin::at(file, number, u32::try_from(column + 1).unwrap_or(u32::MAX));
        if let Some(column) = chars.iter().position(|c| reorders(*c)) {
            let why = format!("U+{:04X} changes the order of its characters", chars[column] as u32);
            found.push(Fault::input("show the line as it is", why).at(at(column)));
        }
        let mut column = 0;
        for word in chars.split(|c| !c.is_alphanumeric()) {
            if let Some(foreign) = word.iter().find(|c| looks_latin(**c)).filter(|_| word.iter().any(char::is_ascii_alphabetic)) {
                let shown: String = word.iter().collect();
                let why = format!("it mixes Latin letters with {foreign:?} (U+{:04X})", *foreign as u32);
                found.push(Fault::input(format!("tell {shown:?} from its look-alike"), why).at(at(column)));
            }
            column += word.len() + 1;
        }
    }
    found
}

/// Tells whether a character changes the order of those around it.
pub(super) fn reorders(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Greek and Cyrillic letters, many of which look like Latin ones; the Greek mu stands in units (`10μs`).
fn looks_latin(c: char) -> bool {
    matches!(c, '\u{0370}'..='\u{03ff}' | '\u{0400}'..='\u{052f}') && c != '\u{03bc}'
}
