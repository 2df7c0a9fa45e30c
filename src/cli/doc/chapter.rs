//! The page of a room or a module: what it is about, and its functions.

use std::collections::BTreeMap;

use super::html::Html;
use super::site::{Page, Site};
use super::{code, page_of, page_of_package};
use crate::host::book::{Chapter, Comment, Parameter, Shelf};
use crate::host::reflect::FunctionDoc;

/// The sections of a comment that are a few words; the example is code.
const TERMS: [&str; 3] = ["Changes", "Fails", "Source"];

/// Writes the page.
pub(super) fn page(site: &Site, chapter: &Chapter) -> String {
    let (file, title) = (page_of(chapter), chapter.title());
    let mut body = Html::default();
    body.element("h1", &[("class", if chapter.shelf == Shelf::Everywhere { "" } else { "code" })], &title).markup("\n");
    body.markup("<div class=\"lead\">").add(&site.line(&chapter.summary)).markup("</div>\n");
    if let Some(import) = chapter.import() {
        body.add(&code::block(&format!("import \"{import}\" as {};", chapter.alias())));
    }
    if let Shelf::Package(name) = &chapter.shelf {
        body.markup("<p>A module of the package ").link(&page_of_package(name), name.as_str()).markup(".</p>\n");
    }
    body.add(&site.markdown(&chapter.details));
    let mut outline: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (anchor, function) in anchors(chapter) {
        let group = group(function);
        if outline.last().is_none_or(|(last, _)| *last != group) {
            body.element("h2", &[], &group).markup("\n");
            outline.push((group, Vec::new()));
        }
        body.add(&entry(site, &anchor, function));
        if let Some((_, entries)) = outline.last_mut()
            && entries.last().is_none_or(|(_, name)| *name != function.name)
        {
            entries.push((anchor, function.name.clone()));
        }
    }
    if let Some(text) = &chapter.text {
        body.markup("<details>\n<summary>Source of the module</summary>\n").add(&code::block(text)).markup("</details>\n");
    }
    site.framed(&Page { file: &file, title: &title, about: &chapter.summary, body, outline })
}

/// Gives the functions of a chapter in the order of its page, each with its identifier there: `table`, `Chain.append`, and `exit-2` for the second
/// of a name.
pub(super) fn anchors(chapter: &Chapter) -> Vec<(String, &FunctionDoc)> {
    let mut functions: Vec<&FunctionDoc> = chapter.functions.iter().collect();
    functions.sort_by_key(|function| (receiver(function).map(str::to_owned), function.name.clone(), function.params.len()));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let anchored = functions.into_iter().map(|function| {
        let name = receiver(function).map_or_else(|| function.name.clone(), |of| format!("{of}.{}", function.name));
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        (if *count == 1 { name } else { format!("{name}-{count}") }, function)
    });
    anchored.collect()
}

/// Gives the type that a method or property is one of.
pub(super) fn receiver(function: &FunctionDoc) -> Option<&str> {
    let of = function.params.first().filter(|_| function.method || function.property)?;
    Some(of.1.as_str())
}

fn group(function: &FunctionDoc) -> String {
    receiver(function).map_or_else(|| "Functions".to_owned(), |of| format!("On a {of}"))
}

/// Writes everything about a function.
fn entry(site: &Site, anchor: &str, function: &FunctionDoc) -> Html {
    let comment = Comment::of(function);
    let mut html = Html::default();
    html.open("section", &[("class", "function"), ("id", anchor)]).markup("\n<h3>");
    html.open("a", &[("href", &format!("#{anchor}"))])
        .markup("<code>")
        .add(&code::rhai(&function.signature()))
        .markup("</code></a></h3>\n");
    html.add(&site.markdown(&comment.description));
    html.add(&parameters(site, &comment.params));
    html.add(&sections(site, &comment));
    html.markup("</section>\n");
    html
}

/// Writes the sections: those that are text as a list of terms, the example below it.
fn sections(site: &Site, comment: &Comment) -> Html {
    let is_term = |(heading, _): &&(String, String)| TERMS.contains(&heading.as_str());
    let mut html = Html::default();
    if comment.sections.iter().any(|section| is_term(&section)) {
        html.markup("<dl class=\"terms\">\n");
        for (heading, text) in comment.sections.iter().filter(is_term) {
            html.element("dt", &[], heading).markup("\n<dd>").add(&site.line(text)).markup("</dd>\n");
        }
        html.markup("</dl>\n");
    }
    for (heading, text) in comment.sections.iter().filter(|section| !is_term(section)) {
        html.element("h4", &[], heading).markup("\n").add(&site.markdown(text));
    }
    html
}

fn parameters(site: &Site, params: &[Parameter]) -> Html {
    let mut html = Html::default();
    if params.iter().all(|param| param.doc.is_empty()) {
        return html;
    }
    html.markup("<dl>\n");
    for param in params {
        html.markup("<dt>").element("code", &[], &param.name);
        if !param.of.is_empty() {
            html.markup(" ").element("span", &[("class", "type")], &param.of);
        }
        html.markup("</dt>\n<dd>").add(&site.line(&param.doc)).markup("</dd>\n");
    }
    html.markup("</dl>\n");
    html
}
