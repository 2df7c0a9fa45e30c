//! A doc comment, taken apart into what the house rules put into it: description, parameters, and sections with headings.

use crate::host::reflect::FunctionDoc;
use crate::model::fence::{Fences, Line};

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// The type in the words of scripts; empty where it is not declared.
    pub of: String,
    /// What it means, with unit and range, as markdown; empty where the comment does not say it.
    pub doc: String,
}

/// What a doc comment says, by parts, each as markdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// What stands before the first heading, without the parameters.
    pub description: String,
    /// The parameters, the receiver of a method not among them.
    pub params: Vec<Parameter>,
    /// The sections below headings of the first level, in their order: `Changes`, `Fails`, `Example`, `Source`.
    pub sections: Vec<(String, String)>,
}

impl Comment {
    /// Takes the comment of a function apart.
    pub fn of(function: &FunctionDoc) -> Self {
        let (head, sections) = sections(&function.doc);
        let receivers = usize::from(function.method || function.property);
        let params = function.params.iter().skip(receivers).filter(|_| !function.property);
        let mut params: Vec<Parameter> =
            params.map(|(name, of)| Parameter { name: name.clone(), of: of.clone(), doc: String::new() }).collect();
        let description = describe(&head, &mut params);
        Self { description, params, sections }
    }

    /// Gives the section below a heading.
    pub fn section(&self, heading: &str) -> Option<&str> {
        self.sections.iter().find(|(name, _)| name == heading).map(|(_, text)| text.as_str())
    }
}

/// Splits a comment at its headings of the first level; a `#` in a block of code is none.
fn sections(doc: &str) -> (String, Vec<(String, String)>) {
    let (mut head, mut sections): (String, Vec<(String, String)>) = (String::new(), Vec::new());
    let mut fences = Fences::default();
    for line in doc.lines() {
        let is_text = fences.line(line) == Line::Text;
        if let Some(heading) = line.strip_prefix("# ").filter(|_| is_text) {
            sections.push((heading.trim().to_owned(), String::new()));
            continue;
        }
        let text = sections.last_mut().map_or(&mut head, |(_, text)| text);
        text.push_str(line);
        text.push('\n');
    }
    let trimmed = sections.into_iter().map(|(heading, text)| (heading, text.trim().to_owned())).collect();
    (head, trimmed)
}

/// Gives to each parameter the item of the list that begins with its name, and gives back what is left.
fn describe(head: &str, params: &mut [Parameter]) -> String {
    let mut rest = String::new();
    let mut at = None;
    for line in head.lines() {
        let item = line.strip_prefix("- `").and_then(|item| item.split_once("`:"));
        let known = item.and_then(|(name, text)| Some((params.iter().position(|p| p.name == name && p.doc.is_empty())?, text)));
        match (known, at) {
            (Some((param, text)), _) => {
                params[param].doc.push_str(text.trim());
                at = Some(param);
            }
            // An item goes on in the lines that are indented below it.
            (None, Some(param)) if line.starts_with("  ") => {
                let doc = &mut params[param].doc;
                doc.push('\n');
                doc.push_str(line.strip_prefix("  ").unwrap_or(line));
            }
            _ => {
                at = None;
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    rest.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_its_parts() {
        let doc = "Drops a port.\n\nMore of it.\n\n- `port`: the port, 1 to\n  65535\n- `other`: no parameter\n\n# Changes\nA rule.\n\n# Example\n```rhai\n# x\nclose(1);\n```";
        let param = |name: &str, of: &str| (name.to_owned(), of.to_owned());
        let function = FunctionDoc {
            room: "x".to_owned(),
            name: "close".to_owned(),
            params: vec![param("chain", "Chain"), param("port", "int"), param("how", "")],
            returns: String::new(),
            bare: false,
            method: true,
            property: false,
            doc: doc.to_owned(),
        };
        let comment = Comment::of(&function);
        assert_eq!(comment.description, "Drops a port.\n\nMore of it.\n\n- `other`: no parameter");
        let parameter = |name: &str, of: &str, doc: &str| Parameter { name: name.to_owned(), of: of.to_owned(), doc: doc.to_owned() };
        assert_eq!(comment.params, [parameter("port", "int", "the port, 1 to\n65535"), parameter("how", "", "")]);
        assert_eq!(comment.section("Changes"), Some("A rule."));
        assert_eq!(comment.section("Example"), Some("```rhai\n# x\nclose(1);\n```"));
        let doc = "A.\n\n# Example\n~~~~rhai\n```\n# x\n~~~\n# y\n~~~~\n# Source\nB.";
        let comment = Comment::of(&FunctionDoc { doc: doc.to_owned(), ..function });
        assert_eq!(comment.section("Example"), Some("~~~~rhai\n```\n# x\n~~~\n# y\n~~~~"));
        assert_eq!(comment.section("Source"), Some("B."));
    }

    #[test]
    fn our_own_comments_name_their_parameters() {
        // Four of five: a text for all words of a tool stands in the place of one for each.
        let all: Vec<Parameter> = crate::host::reflect::functions().iter().flat_map(|f| Comment::of(f).params).collect();
        let told = all.iter().filter(|param| !param.doc.is_empty()).count();
        assert!(told * 5 > all.len() * 4, "{told} of {}", all.len());
    }
}
