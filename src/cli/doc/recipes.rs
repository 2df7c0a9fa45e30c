//! The page of the recipes: what each of them does, needs and takes.

use super::code;
use super::html::Html;
use super::site::{Page, Site};
use crate::cli::show::{recipe, shell};
use crate::host::book::RecipeDoc;

const ABOUT: &str = "Ready scripts: each is planned before it runs, journaled while it runs, and lifted when you are done with it.";

/// Writes the page.
pub(super) fn page(site: &Site) -> String {
    let mut body = Html::default();
    body.markup("<h1>Recipes</h1>\n<p class=\"lead\">").text(ABOUT).markup("</p>\n");
    body.markup("<pre><code>fyke plan RECIPE [PARAMETER...]\nfyke run RECIPE [PARAMETER...]\nfyke undo last</code></pre>\n");
    let mut outline: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for doc in &site.book.recipes {
        let group = doc.package.as_ref().map_or_else(|| "Built in".to_owned(), |package| format!("Of {package}"));
        if outline.last().is_none_or(|(last, _)| *last != group) {
            body.element("h2", &[], &group).markup("\n");
            outline.push((group, Vec::new()));
        }
        body.add(&entry(site, doc));
        if let Some((_, entries)) = outline.last_mut() {
            entries.push((doc.word.clone(), doc.word.rsplit('/').next().unwrap_or_default().to_owned()));
        }
    }
    site.framed(&Page { file: "recipes.html", title: "Recipes", about: ABOUT, body, outline })
}

fn entry(site: &Site, doc: &RecipeDoc) -> Html {
    let header = &doc.interface.header;
    let mut html = Html::default();
    html.open("section", &[("class", "function"), ("id", &doc.word)]).markup("\n<h3>");
    html.open("a", &[("href", &format!("#{}", doc.word))]).element("code", &[], &doc.word).markup("</a>");
    if let Some(risk) = header.risk {
        let risk = risk.to_string();
        html.markup(" ").element("span", &[("class", &format!("risk {risk}"))], &risk);
    }
    html.markup("</h3>\n").add(&site.markdown(&header.summary)).add(&site.markdown(&header.details));
    if let Some(lifts) = &header.lifts {
        html.markup("<p>It lifts what ").element("code", &[], lifts).markup(" has set.</p>\n");
    }
    if !header.needs.is_empty() {
        html.markup("<h4>Works with</h4>\n<p>");
        for (at, room) in header.needs.iter().enumerate() {
            html.markup(if at == 0 { "" } else { ", " });
            let file = format!("{room}.html");
            match site.book.chapters.iter().any(|chapter| super::page_of(chapter) == file) {
                true => html.open("a", &[("href", &file)]).element("code", &[], room).close("a"),
                false => html.element("code", &[], room),
            };
        }
        html.markup("</p>\n");
    }
    html.markup("<h4>Run it</h4>\n<pre><code>");
    html.text(&format!("fyke run {}{}", shell(&doc.word), if doc.params().is_empty() { "" } else { " [PARAMETER...]" }));
    html.markup("</code></pre>\n");
    if !doc.params().is_empty() {
        html.markup("<h4>Parameters</h4>\n<dl>\n");
        for param in doc.params() {
            html.markup("<dt>").element("code", &[], &recipe::flag(param)).markup("</dt>\n<dd>").text(&param.doc);
            html.element("span", &[("class", "type")], &recipe::notes(param)).markup("</dd>\n");
        }
        html.markup("</dl>\n");
    }
    html.markup("<details>\n<summary>Source of the recipe</summary>\n").add(&code::block(&doc.text)).markup("</details>\n</section>\n");
    html
}
