//! Markdown of doc comments as HTML. It may come from strangers: no HTML of theirs gets through, and no link but to the web and to pages of this site.

use std::collections::BTreeMap;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::code;
use super::html::Html;
use crate::model::fence::Info;

/// What a text can link to.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Names that stand in code, `iptables::table`, and where they are explained.
    pub(super) names: BTreeMap<String, String>,
    /// The pages of the site.
    pub(super) pages: Vec<String>,
}

impl Links {
    /// Tells whether a link of a comment is one that is kept.
    fn allows(&self, href: &str) -> bool {
        let lower = href.to_ascii_lowercase();
        let is_web = lower.starts_with("https://") || lower.starts_with("http://");
        is_web || self.pages.iter().any(|page| page == href)
    }
}

/// Turns a text into HTML.
pub(super) fn html(text: &str, links: &Links) -> Html {
    let mut state = State { links, kept: Vec::new(), code: None };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).flat_map(|event| state.event(event));
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    Html::trusted(out)
}

/// Turns a text of one paragraph into HTML that can stand in a line; a longer one is turned into blocks.
pub(super) fn line(text: &str, links: &Links) -> Html {
    let html = html(text, links).into_string();
    let inner = html.trim().strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>")).filter(|inner| !inner.contains("<p>"));
    Html::trusted(inner.unwrap_or(&html).to_owned())
}

/// What is known while the events of a text pass.
struct State<'a> {
    links: &'a Links,
    /// For each link that is open, whether it is shown as one.
    kept: Vec<bool>,
    /// What the block of code that is open has in it, and whether that is Rhai.
    code: Option<(String, bool)>,
}

impl State<'_> {
    /// Replaces an event by what may stand in its place. Everything that has text or an address in it is written here, not by the crate.
    fn event<'e>(&mut self, event: Event<'e>) -> Vec<Event<'e>> {
        let is_in_link = self.kept.contains(&true);
        let mut html = Html::default();
        match event {
            Event::Text(text) if self.code.is_some() => {
                if let Some((code, _)) = &mut self.code {
                    code.push_str(&text);
                }
                return Vec::new();
            }
            // Of other people's HTML the text is shown.
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => html.text(&text),
            Event::Code(text) => {
                let name = text.split('(').next().unwrap_or_default();
                match self.links.names.get(name).filter(|_| !is_in_link) {
                    Some(href) => html.open("a", &[("href", href)]).element("code", &[], &text).close("a"),
                    None => html.element("code", &[], &text),
                }
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let is_rhai = matches!(&kind, CodeBlockKind::Fenced(info) if Info::of(info).is("rhai"));
                self.code = Some((String::new(), is_rhai));
                return Vec::new();
            }
            Event::End(TagEnd::CodeBlock) => match self.code.take() {
                Some((code, true)) => html.add(&code::block(&code)),
                code => html.markup("<pre><code>").text(&code.unwrap_or_default().0).markup("</code></pre>\n"),
            },
            Event::Start(Tag::Link { dest_url, .. }) => {
                let is_kept = self.links.allows(&dest_url) && !is_in_link;
                self.kept.push(is_kept);
                match is_kept {
                    true => html.open("a", &[("href", &dest_url), ("rel", "noopener noreferrer")]),
                    false => return Vec::new(),
                }
            }
            Event::End(TagEnd::Link) => match self.kept.pop() {
                Some(true) => html.close("a"),
                _ => return Vec::new(),
            },
            // Of an image the text that stands for it is shown.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return Vec::new(),
            // The headings of a page are ours.
            Event::Start(Tag::Heading { .. }) => html.markup("<p><strong>"),
            Event::End(TagEnd::Heading(_)) => html.markup("</strong></p>\n"),
            Event::Start(Tag::Table(columns)) => {
                html.markup("<div class=\"scroll\">");
                // How columns are aligned would be said in a style, which the policy of the page refuses.
                return vec![own(html), Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))];
            }
            Event::End(TagEnd::Table) => {
                html.markup("</div>\n");
                return vec![event, own(html)];
            }
            other => return vec![other],
        };
        vec![own(html)]
    }
}

fn own<'e>(html: Html) -> Event<'e> {
    Event::InlineHtml(html.into_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let links = Links { names: [("nat::share".to_owned(), "std.nat.html#share".to_owned())].into(), pages: vec!["tc.html".to_owned()] };
        html(text, &links).into_string()
    }

    #[test]
    fn the_little_that_comments_use_is_there() {
        assert_eq!(shown("One *two*\n\n- `a`: b\n"), "<p>One <em>two</em></p>\n<ul>\n<li><code>a</code>: b</li>\n</ul>\n");
        assert_eq!(shown("`nat::share(..)`"), "<p><a href=\"std.nat.html#share\"><code>nat::share(..)</code></a></p>\n");
        assert_eq!(shown("```rhai\n1 < 2\n```"), "<pre><code><span class=\"n\">1</span> &lt; <span class=\"n\">2</span></code></pre>\n");
        assert_eq!(shown("~~~ rhai,no_run\n1\n~~~"), "<pre><code><span class=\"n\">1</span></code></pre>\n");
        assert_eq!(shown("```\n<b>\n```"), "<pre><code>&lt;b&gt;\n</code></pre>\n");
        assert!(shown("|a|b|\n|-:|-|\n|1|<i>|").contains("<td>1</td><td>&lt;i&gt;</td>"));
        assert_eq!(
            shown("## Head\n[t](tc.html)"),
            "<p><strong>Head</strong></p>\n<p><a href=\"tc.html\" rel=\"noopener noreferrer\">t</a></p>\n"
        );
    }

    #[test]
    fn strangers_bring_no_html_and_no_scripts() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick=\"x()\">\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java&#115;cript:alert(1))",
            "[x](data:text/html;base64,AA)",
            "[x](//evil.example/)",
            "[x](../../etc/passwd)",
            "<javascript:alert(1)>",
            "![x](javascript:alert(1) \"t\")",
            "[x]: javascript:alert(1)\n\n[x]",
            "`</code><script>`",
            "```\"><script>\nx\n```",
            "# <script>",
            "|<script>|\n|-|\n|</table><script>|",
            "<!-- --><![CDATA[ <script> ]]><?php ?>",
            "&lt;script&gt; &#60;script&#62;",
            "[<script>](https://ok.example/\"onmouseover=x)",
        ] {
            let html = shown(text);
            let mut rest = html.as_str();
            while let Some((_, tag)) = rest.split_once('<') {
                let (tag, after) = tag.split_once('>').unwrap();
                let ours = ["p", "/p", "code", "/code", "pre", "/pre", "strong", "/strong", "/a", "div class=\"scroll\"", "/div"];
                let table = ["table", "/table", "thead", "/thead", "tbody", "/tbody", "tr", "/tr", "th", "/th", "td", "/td"];
                let is_link = tag.starts_with("a href=\"https://") && tag.matches('"').count() == 4;
                assert!(is_link || ours.contains(&tag) || table.contains(&tag), "{text:?} gives <{tag}> in {html}");
                rest = after;
            }
        }
    }
}
