//! The first page, and what the search looks through.

use super::html::Html;
use super::site::{Page, Site};
use super::{chapter, page_of, page_of_package};
use crate::host::book::{Comment, Shelf};
use crate::host::value::escaped;
use crate::model::{Fault, Kind};

/// Tells whether a shelf is one of those below a heading.
type Holds = fn(&Shelf) -> bool;

const ABOUT: &str = "Everything that a recipe can call, and every recipe that can be run.";

/// Writes the first page.
pub(super) fn page(site: &Site) -> String {
    let mut body = Html::default();
    body.markup("<h1>")
        .text(site.book.project.as_deref().unwrap_or("fyke"))
        .markup("</h1>\n<p class=\"lead\">")
        .text(ABOUT)
        .markup("</p>\n");
    if !site.book.left_out.is_empty() {
        body.markup("<p class=\"note\">Not on the machine where this was written, and so left out: ");
        let names: Vec<&str> = site.book.left_out.iter().map(|(name, _)| name.as_str()).collect();
        body.text(&names.join(", ")).markup(".</p>\n");
    }
    if !site.book.packages.is_empty() {
        body.markup("<h2>Packages</h2>\n<ul class=\"cards\">\n");
        for package in &site.book.packages {
            card(&mut body, site, &page_of_package(&package.manifest.name), &package.manifest.title(), &package.manifest.description);
        }
        body.markup("</ul>\n");
    }
    let shelves: [(&str, Holds); 3] = [
        ("Rooms", |shelf| matches!(shelf, Shelf::Room | Shelf::Everywhere)),
        ("Standard library", |shelf| *shelf == Shelf::Standard),
        ("Modules of packages", |shelf| matches!(shelf, Shelf::Package(_))),
    ];
    for (heading, holds) in shelves {
        let chapters: Vec<_> = site.book.chapters.iter().filter(|chapter| holds(&chapter.shelf)).collect();
        if chapters.is_empty() {
            continue;
        }
        body.element("h2", &[], heading).markup("\n<ul class=\"cards\">\n");
        chapters.iter().for_each(|chapter| card(&mut body, site, &page_of(chapter), &chapter.title(), &chapter.summary));
        body.markup("</ul>\n");
    }
    body.markup("<h2>Recipes</h2>\n<ul class=\"cards\">\n");
    for recipe in &site.book.recipes {
        card(&mut body, site, &format!("recipes.html#{}", recipe.word), &recipe.word, &recipe.interface.header.summary);
    }
    body.markup("</ul>\n");
    site.framed(&Page { file: "index.html", title: "Overview", about: ABOUT, body, outline: Vec::new() })
}

fn card(html: &mut Html, site: &Site, href: &str, title: &str, about: &str) {
    html.markup("<li>").link(href, title).markup("<div>").add(&site.line(about)).markup("</div></li>\n");
}

/// Writes what can be found, as a script that only names it: a page that was opened as a file may load a script from beside it, but no data.
pub(super) fn entries(site: &Site) -> Result<String, Fault> {
    let mut all = Vec::new();
    // What is it called, what is it, where is it, what does it say, and by which other words is it found.
    let mut add = |title: &str, kind: &str, href: &str, summary: &str, words: &str| {
        all.push([title.to_owned(), kind.to_owned(), href.to_owned(), plain(summary), escaped(words)])
    };
    for chapter in &site.book.chapters {
        let (page, title) = (page_of(chapter), chapter.title());
        let kind = if chapter.shelf == Shelf::Room { "room" } else { "module" };
        add(&title, kind, &page, &chapter.summary, "");
        for (anchor, function) in chapter::anchors(chapter) {
            let name = chapter::receiver(function).map_or_else(|| function.qualified(), |of| format!("{of}.{}", function.name));
            let comment = Comment::of(function);
            let words: Vec<&str> = comment.params.iter().map(|param| param.name.as_str()).chain(comment.section("Source")).collect();
            add(&name, &title, &format!("{page}#{anchor}"), function.summary(), &words.join(" "));
        }
    }
    for recipe in &site.book.recipes {
        let words: Vec<String> = recipe.params().iter().map(|param| param.flag()).chain(recipe.interface.header.needs.clone()).collect();
        add(&recipe.word, "recipe", &format!("recipes.html#{}", recipe.word), &recipe.interface.header.summary, &words.join(" "));
    }
    for package in &site.book.packages {
        let (name, about) = (&package.manifest.name, &package.manifest.description);
        add(name.as_str(), "package", &page_of_package(name), about, &package.manifest.version.to_string());
    }
    let row =
        |row: &[String; 5]| serde_json::to_string(row).map_err(|error| Fault::new(Kind::System, "write the index", error.to_string()));
    let rows = all.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("const FYKE_INDEX = [\n{}\n];\n", rows.join(",\n")))
}

/// Takes the marks of code off a line that is shown as text.
fn plain(markdown: &str) -> String {
    escaped(&markdown.replace('`', ""))
}
