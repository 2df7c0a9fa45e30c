//! The page of a package: what it says of itself, where it comes from, and what it may touch.

use super::html::Html;
use super::site::{Page, Site};
use super::{page_of, page_of_package};
use crate::host::book::PackageDoc;

/// Writes the page.
pub(super) fn page(site: &Site, package: &PackageDoc) -> String {
    let manifest = &package.manifest;
    let (file, title) = (page_of_package(&manifest.name), manifest.title());
    let mut body = Html::default();
    body.markup("<h1>").text(manifest.name.as_str()).markup(" ").element("span", &[("class", "version")], &manifest.version.to_string());
    body.markup("</h1>\n<div class=\"lead\">").add(&site.line(&manifest.description)).markup("</div>\n");
    if package.entry.is_none() {
        body.markup("<p>This is the project itself.</p>\n");
    } else if !package.is_direct {
        body.markup("<p>Other packages need it. The project does not name it, and so cannot import it.</p>\n");
    }
    body.add(&gives(site, package));
    body.markup("<h2>What it may touch</h2>\n");
    let allowed = &manifest.permissions.allow;
    if allowed.is_empty() {
        body.markup("<p>Nothing.</p>\n");
    } else {
        body.markup("<p>It asks for this; what the project grants stands in its <code>fyke.toml</code>.</p>\n<ul>\n");
        for permission in allowed {
            body.markup("<li>").element("code", &[], &permission.to_string()).markup(": ").text(permission.power.told()).markup("</li>\n");
        }
        body.markup("</ul>\n");
    }
    body.add(&facts(site, package));
    site.framed(&Page { file: &file, title: &title, about: &manifest.description, body, outline: Vec::new() })
}

/// Lists the modules and the recipes.
fn gives(site: &Site, package: &PackageDoc) -> Html {
    let manifest = &package.manifest;
    let mut html = Html::default();
    if !manifest.modules.is_empty() {
        html.markup("<h2>Modules</h2>\n<dl>\n");
        for chapter in site.modules(&manifest.name) {
            html.markup("<dt>").open("a", &[("href", &page_of(chapter))]).element("code", &[], &chapter.title()).markup("</a></dt>\n<dd>");
            html.add(&site.line(&chapter.summary)).markup("</dd>\n");
        }
        html.markup("</dl>\n");
    }
    if !manifest.recipes.is_empty() {
        html.markup("<h2>Recipes</h2>\n<dl>\n");
        for recipe in site.book.recipes.iter().filter(|recipe| recipe.package.as_ref() == Some(&manifest.name)) {
            let href = format!("recipes.html#{}", recipe.word);
            html.markup("<dt>").open("a", &[("href", &href)]).element("code", &[], &recipe.word).markup("</a></dt>\n<dd>");
            html.add(&site.line(&recipe.interface.header.summary)).markup("</dd>\n");
        }
        html.markup("</dl>\n");
    }
    html
}

/// Lists what there is to know of where it comes from.
fn facts(site: &Site, package: &PackageDoc) -> Html {
    let manifest = &package.manifest;
    let mut rows: Vec<(&str, String)> = vec![("Licence", manifest.license.clone()), ("Authors", manifest.authors.join(", "))];
    if let Some(entry) = &package.entry {
        rows.push(("From", entry.source.to_string()));
        rows.push(("Revision", entry.revision.as_ref().map(ToString::to_string).unwrap_or_default()));
        rows.push(("Content", entry.content.to_string()));
        rows.push(("Signed by", entry.signed.clone().unwrap_or_else(|| "nobody".to_owned())));
        rows.push(("Taken because", entry.why.join("; ")));
    }
    let mut html = Html::default();
    html.markup("<h2>Where it comes from</h2>\n<dl class=\"facts\">\n");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        html.element("dt", &[], name).markup("\n").element("dd", &[], value).markup("\n");
    }
    if !manifest.dependencies.is_empty() {
        html.markup("<dt>Needs</dt>\n<dd>");
        for (at, name) in manifest.dependencies.keys().enumerate() {
            html.markup(if at == 0 { "" } else { ", " });
            match site.book.packages.iter().any(|package| package.manifest.name == *name) {
                true => html.link(&page_of_package(name), name.as_str()),
                false => html.text(name.as_str()),
            };
        }
        html.markup("</dd>\n");
    }
    html.markup("</dl>\n");
    html
}
