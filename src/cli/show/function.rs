//! The documentation of a function that scripts can call.

use super::{Paint, markdown};
use crate::host::reflect::FunctionDoc;

/// Writes signature and documentation of a function.
pub(crate) fn function(function: &FunctionDoc, paint: Paint, width: usize) -> String {
    // It may be one of a package, and so somebody else's text.
    let doc = markdown(&paint.text(&function.doc), paint, width);
    let indented: String = doc.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
    format!("{}\n{indented}\n", paint.bold(&function.signature()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_package_play_no_tricks_on_a_terminal() {
        let function_doc = FunctionDoc {
            room: "teamlib/limits".to_owned(),
            name: "close".to_owned(),
            params: Vec::new(),
            returns: String::new(),
            bare: false,
            method: false,
            property: false,
            doc: "Closes\u{1b}]0;owned\u{7} a port.".to_owned(),
        };
        let shown = function(&function_doc, Paint::new(false, true), 80);
        assert_eq!(shown, "limits::close()\n  Closes\\u{1b}]0;owned\\u{7} a port.\n\n");
    }
}
