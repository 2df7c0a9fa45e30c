//! The site: which files it has, and what all of its pages have in common.

use std::collections::BTreeMap;

use super::html::Html;
use super::markdown::{self, Links};
use super::{chapter, index, package, page_of, page_of_package, pages, recipes};
use crate::host::book::{Book, Chapter, Shelf};
use crate::model::Fault;

/// What is the same in every site: `site/`, by the names that the pages ask for.
const ASSETS: &[(&str, &str)] = &[
    ("style.css", include_str!("../../../site/style.css")),
    ("theme.js", include_str!("../../../site/theme.js")),
    ("search.js", include_str!("../../../site/search.js")),
];

/// What a page may load: what lies beside it. Where the site is opened as files, some browsers do not take those for `'self'`.
const POLICY: &str = "default-src 'none'; style-src 'self' file:; script-src 'self' file:; base-uri 'none'; form-action 'none'";

/// Where a page is read, in the words of an identifier; a colon is in no name of a function or recipe.
const MAIN: &str = ":main";
const CONTENTS: &str = ":contents";

/// Makes all files of the site, by name. The same book gives the same bytes.
pub(super) fn files(book: &Book) -> Result<Vec<(String, String)>, Fault> {
    let site = Site::new(book);
    let mut files: Vec<(String, String)> = ASSETS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    files.push(("index.js".to_owned(), index::entries(&site)?));
    files.push(("index.html".to_owned(), index::page(&site)));
    files.push(("recipes.html".to_owned(), recipes::page(&site)));
    files.extend(book.chapters.iter().map(|chapter| (page_of(chapter), chapter::page(&site, chapter))));
    files.extend(book.packages.iter().map(|package| (page_of_package(&package.manifest.name), package::page(&site, package))));
    Ok(files)
}

/// A book, and where everything of it is on the site.
pub(super) struct Site<'a> {
    pub(super) book: &'a Book,
    links: Links,
}

/// A page before it has a frame.
pub(super) struct Page<'a> {
    /// Its file.
    pub(super) file: &'a str,
    /// Its title.
    pub(super) title: &'a str,
    /// What it is about, in one line of text.
    pub(super) about: &'a str,
    /// What is on it.
    pub(super) body: Html,
    /// What can be jumped to on it, by groups: a heading, and identifiers with texts.
    pub(super) outline: Vec<(String, Vec<(String, String)>)>,
}

impl<'a> Site<'a> {
    fn new(book: &'a Book) -> Self {
        let mut names = BTreeMap::new();
        for chapter in &book.chapters {
            for (anchor, function) in chapter::anchors(chapter) {
                // The first of several of a name is the one of fyke.
                if !function.method && !function.property && !function.bare {
                    names.entry(function.qualified()).or_insert_with(|| format!("{}#{anchor}", page_of(chapter)));
                }
            }
        }
        Self { book, links: Links { names, pages: pages(book).collect() } }
    }

    /// Turns markdown into HTML.
    pub(super) fn markdown(&self, text: &str) -> Html {
        markdown::html(text, &self.links)
    }

    /// Turns a line of markdown into HTML.
    pub(super) fn line(&self, text: &str) -> Html {
        markdown::line(text, &self.links)
    }

    /// Puts the frame around a page.
    pub(super) fn framed(&self, page: &Page) -> String {
        let whose = self.book.project.as_deref().unwrap_or("fyke");
        let mut html = Html::default();
        html.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]).markup("\n");
        html.markup(
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
        );
        html.markup("<meta name=\"color-scheme\" content=\"light dark\">\n");
        html.open("meta", &[("name", "description"), ("content", page.about)]).markup("\n");
        let title = if page.file == "index.html" { format!("{whose}: reference") } else { format!("{} · {whose}", page.title) };
        html.element("title", &[], &title).markup("\n");
        html.markup("<link rel=\"stylesheet\" href=\"style.css\">\n<script src=\"theme.js\"></script>\n");
        html.markup("<script src=\"index.js\" defer></script>\n<script src=\"search.js\" defer></script>\n</head>\n<body>\n");
        html.element("a", &[("class", "skip"), ("href", &format!("#{MAIN}"))], "Skip to the page").markup("\n");
        self.header(&mut html, whose);
        html.markup("<div class=\"columns\">\n");
        html.open("main", &[("id", MAIN)]).markup("\n").add(&page.body).markup("</main>\n");
        outline(&mut html, page);
        self.contents(&mut html, page.file);
        html.markup("</div>\n<footer>Written by <code>fyke doc</code>, fyke ")
            .text(env!("CARGO_PKG_VERSION"))
            .markup(".</footer>\n</body>\n</html>\n");
        html.into_string()
    }

    fn header(&self, html: &mut Html, whose: &str) {
        let name = whose.split(' ').next().unwrap_or(whose);
        html.markup("<header>\n<a class=\"brand\" href=\"index.html\">").text(name).markup("</a>\n");
        html.element("a", &[("class", "to-contents"), ("href", &format!("#{CONTENTS}"))], "Contents");
        html.markup(
            "\n<div class=\"search\" role=\"search\">\n<label for=\":search\">Search</label>\n\
             <input id=\":search\" type=\"search\" role=\"combobox\" aria-expanded=\"false\" aria-controls=\":results\" aria-autocomplete=\"list\" \
             autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\" placeholder=\"Search: append, netem, close port\">\n\
             <kbd aria-hidden=\"true\">/</kbd>\n<ul id=\":results\" role=\"listbox\" aria-label=\"What was found\" hidden></ul>\n\
             <p id=\":status\" class=\"unseen\" role=\"status\"></p>\n</div>\n\
             <button id=\":theme\" type=\"button\" aria-label=\"Light or dark\" title=\"Light or dark\"><span aria-hidden=\"true\">◐</span></button>\n\
             </header>\n<noscript><p class=\"note\">Without JavaScript there is no search; everything else is here.</p></noscript>\n",
        );
    }

    /// Lists all pages.
    fn contents(&self, html: &mut Html, here: &str) {
        html.open("nav", &[("class", "contents"), ("id", CONTENTS), ("aria-label", "All pages")]).markup("\n");
        let entry = |html: &mut Html, file: &str, text: &str, class: &str| {
            html.open("li", &[("class", class)]);
            let mut attributes = vec![("href", file)];
            attributes.extend((file == here).then_some(("aria-current", "page")));
            html.element("a", &attributes, text).markup("</li>\n");
        };
        let of = |shelf: fn(&Shelf) -> bool| self.book.chapters.iter().filter(move |chapter| shelf(&chapter.shelf));
        html.markup("<ul>\n");
        entry(html, "index.html", "Overview", "");
        entry(html, "recipes.html", "Recipes", "");
        html.markup("</ul>\n<h2>Rooms</h2>\n<ul>\n");
        of(|shelf| *shelf == Shelf::Everywhere).for_each(|chapter| entry(html, &page_of(chapter), "without a room", ""));
        of(|shelf| *shelf == Shelf::Room).for_each(|chapter| entry(html, &page_of(chapter), &chapter.title(), "code"));
        html.markup("</ul>\n<h2>Standard library</h2>\n<ul>\n");
        of(|shelf| *shelf == Shelf::Standard).for_each(|chapter| entry(html, &page_of(chapter), &chapter.title(), "code"));
        html.markup("</ul>\n");
        if !self.book.packages.is_empty() {
            html.markup("<h2>Packages</h2>\n<ul>\n");
            for package in &self.book.packages {
                entry(html, &page_of_package(&package.manifest.name), package.manifest.name.as_str(), "");
                // The modules of the others are one step away: a project may have fifty packages.
                let is_here = here.starts_with(&format!("package.{}.", package.manifest.name));
                self.modules(&package.manifest.name)
                    .filter(|_| is_here)
                    .for_each(|chapter| entry(html, &page_of(chapter), &chapter.title(), "code below"));
            }
            html.markup("</ul>\n");
        }
        html.markup("</nav>\n");
    }

    /// Gives the modules of a package.
    pub(super) fn modules(&self, package: &crate::model::package::Name) -> impl Iterator<Item = &'a Chapter> {
        let shelf = Shelf::Package(package.clone());
        self.book.chapters.iter().filter(move |chapter| chapter.shelf == shelf)
    }
}

/// Lists what is on the page.
fn outline(html: &mut Html, page: &Page) {
    if page.outline.is_empty() {
        return;
    }
    html.markup("<nav class=\"outline\" aria-label=\"On this page\">\n");
    for (heading, entries) in &page.outline {
        html.element("h2", &[], heading).markup("\n<ul>\n");
        for (anchor, text) in entries {
            html.markup("<li>").link(&format!("#{anchor}"), text).markup("</li>\n");
        }
        html.markup("</ul>\n");
    }
    html.markup("</nav>\n");
}
