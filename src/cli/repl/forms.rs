//! Functions that were defined more than once: what an earlier form has done is done by that form in a recipe, too, under a name of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::items::{What, items, mentions};
use crate::host::lex::{self, Kind};

/// The forms that the functions of a session had.
pub(super) struct Forms<'a> {
    /// The inputs.
    inputs: Vec<&'a str>,
    /// What was defined: in which input, name and number of parameters, and the text.
    all: Vec<(usize, (String, usize), &'a str)>,
    /// Whether any of them has two forms: most sessions need no more than this.
    again: bool,
    /// The names of the earlier forms, by their own name and all that they call.
    named: BTreeMap<(String, BTreeSet<&'a str>), String>,
}

impl<'a> Forms<'a> {
    /// Finds the functions of the inputs but those that are left out.
    pub(super) fn new(inputs: &[&'a str], out: &BTreeSet<usize>) -> Self {
        let mut all = Vec::new();
        for (index, text) in inputs.iter().enumerate().filter(|(index, _)| !out.contains(index)) {
            for item in items(text) {
                if let What::Function(name, arity) = item.what {
                    all.push((index, (name, arity), text[item.range].trim()));
                }
            }
        }
        let mut last = BTreeMap::new();
        let again = all.iter().any(|(_, name, text)| last.insert(name, *text).is_some_and(|before| before != *text));
        Self { inputs: inputs.to_vec(), again, all, named: BTreeMap::new() }
    }

    /// Writes a statement of an input so that it calls the forms of that time. Those that are none of the last are added to `early`.
    pub(super) fn of_then(&mut self, text: &str, at: usize, early: &mut String) -> String {
        let pieces = lex::pieces(text);
        let (mut written, mut end) = (String::new(), 0);
        for (index, piece) in pieces.iter().enumerate() {
            let word = &text[piece.range.clone()];
            let called = pieces.get(index + 1).is_some_and(|next| &text[next.range.clone()] == "(");
            written.push_str(&text[end..piece.range.start]);
            end = piece.range.end;
            written.push_str(&match piece.kind {
                Kind::Word if called && self.is_early(word, at) => self.name(word, at, early),
                Kind::Text if word.starts_with('`') => self.in_template(word, at, early),
                _ => word.to_owned(),
            });
        }
        written + &text[end..]
    }

    /// Does the same with the expressions in a string.
    fn in_template(&mut self, text: &str, at: usize, early: &mut String) -> String {
        let mut parts = text.split("${");
        let mut written = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_once('}').unwrap_or((part, ""));
            let close = if code.len() < part.len() { "}" } else { "" };
            written.push_str(&format!("${{{}{close}{rest}", self.of_then(code, at, early)));
        }
        written
    }

    /// Names an early form; the first time it is written down.
    fn name(&mut self, function: &str, at: usize, early: &mut String) -> String {
        let form = (function.to_owned(), self.reach(function, at));
        if let Some(name) = self.named.get(&form) {
            return name.clone();
        }
        let taken = |name: &String| self.named.values().any(|known| known == name) || self.inputs.iter().any(|text| mentions(text, name));
        let name = (1..).map(|number| format!("{function}_{number}")).find(|name| !taken(name)).unwrap_or_default();
        self.named.insert(form, name.clone());
        for text in self.then(function, at).into_values() {
            let own = self.of_then(text, at, early);
            early.push_str(&format!("{own}\n"));
        }
        name
    }

    /// Tells whether a function was another one then, or called another one.
    fn is_early(&self, function: &str, at: usize) -> bool {
        self.again && !self.reach(function, at).is_subset(&self.reach(function, usize::MAX))
    }

    /// Collects the text of a function as it was then, and of all that it called.
    fn reach(&self, function: &str, at: usize) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = self.then(function, at).into_values().collect();
        while let Some(text) = open.pop() {
            if found.insert(text) {
                let called = self.all.iter().filter(|(_, (name, _), _)| mentions(text, name));
                open.extend(called.flat_map(|(_, (name, _), _)| self.then(name, at).into_values()));
            }
        }
        found
    }

    /// Gives the forms that the functions of a name had then, by their numbers of parameters.
    fn then(&self, function: &str, at: usize) -> BTreeMap<usize, &'a str> {
        self.all
            .iter()
            .filter(|(input, (name, _), _)| *input <= at && name == function)
            .map(|(_, (_, arity), text)| (*arity, *text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn then(inputs: &[&str], at: usize) -> (String, String) {
        let mut early = String::new();
        let text = Forms::new(inputs, &BTreeSet::new()).of_then(inputs[at], at, &mut early);
        (early, text)
    }

    #[test]
    fn an_early_form_has_a_name_of_its_own() {
        let inputs = ["fn g() { 1 }", "fn f(a) { g() + a }", "f(1) + `${f(2)}`.len()", "fn g() { 2 }", "f(3)", "fn f(a, b) { a }"];
        assert_eq!(then(&inputs, 2), ("fn g_1() { 1 }\nfn f_1(a) { g_1() + a }\n".into(), "f_1(1) + `${f_1(2)}`.len()".into()));
        assert_eq!(then(&inputs, 4), (String::new(), "f(3)".into()));
        // One that calls itself, a name that is taken, and one that was only typed again.
        let inputs = ["fn f(a) { if a { f(false) } }", "f(true); let f_1 = 1;", "fn f(a) { a }"];
        assert_eq!(then(&inputs, 1).0, "fn f_2(a) { if a { f_2(false) } }\n");
        assert_eq!(then(&["fn f(a) { a }", "f(1)", "fn f(a) { a }"], 1), (String::new(), "f(1)".into()));
    }
}
