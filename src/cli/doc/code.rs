//! Code in colours: the same pieces that the prompt sees.

use super::html::Html;
use crate::host::lex::{self, KEYWORDS, Kind};

/// Marks the pieces of a text in Rhai.
pub(super) fn rhai(text: &str) -> Html {
    let mut html = Html::default();
    let pieces = lex::pieces(text);
    let mut done = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let word = &text[piece.range.clone()];
        html.text(&text[done..piece.range.start]);
        done = piece.range.end;
        let is_called = || pieces.get(at + 1).is_some_and(|next| text[next.range.clone()].starts_with('(') && next.range.start == done);
        let class = match piece.kind {
            Kind::Comment => "c",
            Kind::Text => "s",
            Kind::Number => "n",
            Kind::Word if KEYWORDS.contains(&word) => "k",
            Kind::Word if is_called() => "f",
            _ => {
                html.text(word);
                continue;
            }
        };
        html.element("span", &[("class", class)], word);
    }
    html.text(&text[done..]);
    html
}

/// Makes a block of code of a text in Rhai.
pub(super) fn block(text: &str) -> Html {
    let mut html = Html::default();
    html.markup("<pre><code>").add(&rhai(text.trim_end())).markup("</code></pre>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_text_is_lost() {
        let html = rhai("let a = f(\"<b>\"); // 1 & 2\n").into_string();
        let wanted = "<span class=\"k\">let</span> a = <span class=\"f\">f</span>(<span class=\"s\">&quot;&lt;b&gt;&quot;</span>); \
                      <span class=\"c\">// 1 &amp; 2</span>\n";
        assert_eq!(html, wanted);
    }
}
