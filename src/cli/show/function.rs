//! The documentation of a function that scripts can call.

use super::{Paint, markdown};
use crate::host::reflect::FunctionDoc;

/// Writes signature and documentation of a function.
pub(crate) fn function(function: &FunctionDoc, paint: Paint, width: usize) -> String {
    let doc = markdown(&function.doc, paint, width);
    let indented: String = doc.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
    format!("{}\n{indented}\n", paint.bold(&function.signature()))
}
