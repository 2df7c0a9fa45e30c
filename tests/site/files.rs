//! The site as text: every link leads somewhere, every page is whole, and nothing of a stranger's is markup.

use std::collections::{BTreeMap, BTreeSet};

use super::Docs;

/// An element that begins or ends.
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
    ends: bool,
}

impl Tag {
    fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }
}

/// Elements that have no end.
const VOID: &[&str] = &["!doctype", "meta", "link", "input", "br", "hr"];
/// Everything that a page of ours is made of.
const ELEMENTS: &str = "!doctype html head meta title link script body a header div label input kbd ul li ol p button span noscript main nav h1 h2 h3 h4 \
                        section dl dt dd pre code strong em b details summary table thead tbody tr th td footer br hr blockquote";

/// Reads the elements of a page; what the pages are written with leaves no `>` in an attribute.
fn tags(page: &str) -> Vec<Tag> {
    let mut all = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (inside, next) = after.split_once('>').expect("every `<` has its `>`");
        rest = next;
        let (ends, inside) = (inside.starts_with('/'), inside.trim_start_matches('/'));
        let (name, mut words) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut attributes = BTreeMap::new();
        while !words.is_empty() {
            let (attribute, value) = match words.split_once("=\"") {
                Some((attribute, value)) if !attribute.contains(' ') => {
                    let (value, more) = value.split_once('"').expect("a value has its end");
                    words = more.trim_start();
                    (attribute, value)
                }
                _ => {
                    let (attribute, more) = words.split_once(' ').unwrap_or((words, ""));
                    words = more;
                    (attribute, "")
                }
            };
            let value = value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            assert!(attributes.insert(attribute.to_owned(), value).is_none(), "{attribute} is there twice in <{inside}>");
        }
        all.push(Tag { name: name.to_owned(), attributes, ends });
    }
    all
}

#[test]
fn every_link_leads_somewhere() {
    let docs = Docs::new();
    let files: BTreeMap<String, String> = docs.files().into_iter().collect();
    let ids: BTreeMap<&str, BTreeSet<String>> = files
        .iter()
        .map(|(name, text)| (name.as_str(), if name.ends_with(".html") { tags(text) } else { Vec::new() }))
        .map(|(name, tags)| (name, tags.iter().filter_map(|tag| tag.get("id").map(str::to_owned)).collect()))
        .collect();
    let mut count = 0;
    let mut leads = |from: &str, href: &str| {
        count += 1;
        if href.starts_with("https://") || href.starts_with("http://") {
            return;
        }
        let (file, id) = href.split_once('#').map_or((href, None), |(file, id)| (file, Some(id)));
        let file = if file.is_empty() { from } else { file };
        let there = ids.get(file).unwrap_or_else(|| panic!("{from}: {href:?}: there is no {file}"));
        assert!(id.is_none_or(|id| there.contains(id)), "{from}: {href:?}: there is no such place");
    };
    for (name, page) in docs.pages() {
        for tag in tags(&page) {
            ["href", "src"].iter().filter_map(|attribute| tag.get(attribute)).for_each(|href| leads(&name, href));
        }
    }
    let index = files["index.js"].strip_prefix("const FYKE_INDEX = ").unwrap().trim_end().trim_end_matches(';');
    let rows: Vec<[String; 5]> = serde_json::from_str(index).unwrap();
    rows.iter().for_each(|row| leads("index.js", &row[2]));
    assert!(count > 2000, "{count} links");
    for wanted in ["Chain.append", "nat::share", "limits::close", "teamlib/close-port", "ssh-rate-limit", "teamlib"] {
        assert!(rows.iter().any(|row| row[0] == wanted), "{wanted} cannot be found");
    }
    assert!(!rows.iter().any(|row| row[0].contains("hidden")), "what is private is no part of a module");
}

#[test]
fn every_page_is_whole_and_accessible() {
    let docs = Docs::new();
    for (name, page) in docs.pages() {
        let (mut open, mut ids, mut level) = (Vec::new(), BTreeSet::new(), 0);
        let all = tags(&page);
        for tag in &all {
            assert!(ELEMENTS.split_whitespace().any(|one| one == tag.name), "{name}: <{}>", tag.name);
            assert!(tag.attributes.keys().all(|attribute| !attribute.starts_with("on") && attribute != "style"), "{name}: <{}>", tag.name);
            if tag.ends {
                assert_eq!(open.pop().as_ref(), Some(&tag.name), "{name}: what ends is what began last");
                continue;
            }
            if !VOID.contains(&tag.name.as_str()) {
                open.push(tag.name.clone());
            }
            assert!(tag.get("id").is_none_or(|id| ids.insert(id.to_owned())), "{name}: {:?} is there twice", tag.get("id"));
            // Headings nest without a gap; those of the lists beside the text are for themselves.
            if let Some(number) = tag.name.strip_prefix('h').and_then(|number| number.parse::<u32>().ok()) {
                assert!(number <= level + 1, "{name}: a heading of level {number} stands below one of level {level}");
                level = number;
            }
            assert!(tag.name != "nav" || tag.get("aria-label").is_some(), "{name}: a list of links without a name");
        }
        assert_eq!(open, Vec::<String>::new(), "{name}: all is closed");
        let count = |element: &str| all.iter().filter(|tag| tag.name == element && !tag.ends).count();
        assert_eq!((count("h1"), count("main"), count("title")), (1, 1, 1), "{name}");
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}");
        for input in all.iter().filter(|tag| tag.name == "input") {
            assert!(all.iter().any(|tag| tag.name == "label" && tag.get("for") == input.get("id")), "{name}: an input without a label");
        }
    }
}

#[test]
fn every_page_loads_only_what_lies_beside_it() {
    let docs = Docs::new();
    for (name, page) in docs.pages() {
        let all = tags(&page);
        let policy =
            all.iter().find(|tag| tag.get("http-equiv") == Some("Content-Security-Policy")).and_then(|tag| tag.get("content")).unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{name}: {policy}");
        let first = all.iter().position(|tag| ["script", "link"].contains(&tag.name.as_str())).unwrap();
        let before = all.iter().position(|tag| tag.get("http-equiv").is_some()).unwrap();
        assert!(before < first, "{name}: what was loaded before the policy does not heed it");
        let scripts: Vec<_> = all.iter().filter(|tag| tag.name == "script" && !tag.ends).map(|tag| tag.get("src")).collect();
        assert_eq!(scripts, [Some("theme.js"), Some("index.js"), Some("search.js")], "{name}");
        let sheets: Vec<_> = all.iter().filter(|tag| tag.name == "link").map(|tag| tag.get("href")).collect();
        assert_eq!(sheets, [Some("style.css")], "{name}");
    }
    for (name, text) in docs.files().iter().filter(|(name, _)| name.ends_with(".css") || name.ends_with("h.js") || name.ends_with("e.js")) {
        for word in ["http:", "https:", "@import", "url(", "fetch(", "innerHTML", "eval("] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn what_a_function_says_is_on_its_page() {
    let docs = Docs::new();
    let pages: BTreeMap<String, String> = docs.pages().into_iter().collect();
    let module = &pages["package.teamlib.limits.html"];
    for part in [
        "Limits for hosts.",
        "<a href=\"iptables.html#table\"><code>iptables::table</code></a>",
        "<a href=\"https://example.org/\" rel=\"noopener noreferrer\">the web</a>",
        "id=\"close\"",
        "Closes a TCP port.",
        "<dt><code>port</code></dt>\n<dd>the port, 1 to 65535</dd>",
        "<dt>Changes</dt>\n<dd>A rule of filter/INPUT.</dd>",
        "<h4>Example</h4>",
        "<span class=\"k\">import</span> <span class=\"s\">&quot;teamlib/limits&quot;</span> <span class=\"k\">as</span> limits;",
    ] {
        assert!(module.contains(part), "{part} is not in {module}");
    }
    assert!(!module.contains("id=\"hidden\""));
    let package = &pages["package.teamlib.html"];
    for part in ["Limits that all our hosts have.", "iptables: filter/INPUT", "../teamlib", "sha256:", "recipes.html#teamlib/close-port"] {
        assert!(package.contains(part), "{part} is not in {package}");
    }
    let recipes = &pages["recipes.html"];
    for part in
        ["id=\"teamlib/close-port\"", "--port NUMBER", "TCP port to close", "default 23; one instance for each value", "risk disrupts"]
    {
        assert!(recipes.contains(part), "{part}");
    }
    // All that fyke itself has: each function has its page, its place, and what it says of itself.
    let functions = fyke::host::reflect::functions();
    for function in &functions {
        let page = match function.room.as_str() {
            "" => "functions.html".to_owned(),
            room => format!("{}.html", room.replace(':', ".")),
        };
        let id = if function.method || function.property {
            format!("{}.{}", function.params[0].1, function.name)
        } else {
            function.name.clone()
        };
        assert!(pages[&page].contains(&format!("id=\"{id}\"")), "{page}#{id}");
    }
}
