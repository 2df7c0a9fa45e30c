//! The site in a browser: somebody searches, reads on a phone and in the dark, and opens the pages of a package that tries everything.

use super::Docs;
use super::browser::Browser;

/// What an expression needs to ask for what was found.
const FOUND: &str = "[...document.querySelectorAll('[role=option] b')].map((b) => b.textContent)";

#[test]
fn somebody_searches_with_the_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    let index = docs.folder().join("index.html");
    browser.screen(1200, 900, "light");
    browser.open(&index, "");
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), ":search");
    assert_eq!(browser.value("document.activeElement.value"), "", "the key that goes there is not typed there");
    browser.write("append");
    assert_eq!(browser.value(FOUND)[0], "Chain.append");
    browser.picture("search.png");
    let chosen = "document.querySelector('[aria-selected=true] b').textContent";
    assert_eq!(browser.value(chosen), "Chain.append");
    browser.press("ArrowDown");
    let second = browser.value(&format!("{FOUND}[1]"));
    assert_eq!(browser.value(chosen), second);
    assert_eq!(
        browser
            .value("document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).querySelector('b').textContent"),
        second
    );
    browser.press("ArrowUp");
    browser.press("Enter");
    browser.until("location.href.endsWith('/iptables.html#Chain.append') && document.readyState === 'complete'");
    let top = browser.value("document.querySelector(':target').getBoundingClientRect().top");
    assert!((0.0..300.0).contains(&top.as_f64().unwrap()), "what was found is in sight: {top}");
    browser.press("/");
    browser.write("teamlib close");
    let found = browser.value(FOUND);
    assert!(found.as_array().unwrap().iter().any(|title| title == "limits::close"), "a function is found by its package: {found}");
    browser.press("Escape");
    assert_eq!(browser.value("document.getElementById(':results').hidden"), true);
}

#[test]
fn a_search_has_an_address() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    browser.open(&docs.folder().join("tc.html"), "#q=close%20port");
    let found = browser.value(FOUND);
    assert!(found.as_array().unwrap().iter().any(|title| title == "teamlib/close-port"), "{found}");
    // By the words of the page about a function, and of what is in a package.
    for (words, wanted) in
        [("ssh-rate", "ssh-rate-limit"), ("tc-htb(8)", "tc::class"), ("hostile odd", "hostile/odd"), ("NAT::SHARE", "nat::share")]
    {
        browser.open(&docs.folder().join("index.html"), &format!("#q={words}"));
        let found = browser.value(FOUND);
        assert!(found.as_array().unwrap().iter().any(|title| title == wanted), "{words}: {found}");
    }
    browser.open(&docs.folder().join("index.html"), "#q=qqqq");
    assert_eq!(browser.value("document.querySelector('.none').textContent"), "Nothing has these words.");
    browser.open(&docs.folder().join("index.html"), "#q=%E0%A4%A");
    assert_eq!(browser.value("document.getElementById(':results').hidden"), true);
}

#[test]
fn nothing_is_wider_than_a_phone() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    browser.screen(360, 740, "light");
    for (name, _) in docs.pages() {
        browser.open(&docs.folder().join(&name), "");
        browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        assert_eq!(browser.value("document.documentElement.scrollWidth"), 360, "{name}");
        // What is cut off cannot be scrolled to.
        let cut = "[...document.querySelectorAll('main *')].filter((one) => !one.closest('pre, .scroll') && one.getBoundingClientRect().right > 360.5).length";
        assert_eq!(browser.value(cut), 0, "{name}");
    }
    browser.open(&docs.folder().join("tc.html"), "");
    let pre = browser.value("[...document.querySelectorAll('pre')].some((pre) => pre.scrollWidth > pre.clientWidth)");
    assert_eq!(pre, true, "code scrolls by itself");
    browser.picture("phone.png");
    browser.open(&docs.folder().join("index.html"), "#q=rule");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 360);
    let list = browser.value("document.getElementById(':results').getBoundingClientRect().right");
    assert!(list.as_f64().unwrap() <= 360.0, "{list}");
    browser.picture("phone-search.png");
}

/// Gives the texts that have too little contrast with what is behind them, as WCAG 2.2 counts it (1.4.3, 4.5 to 1).
const PALE: &str = "(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => rgba(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => { for (; one; one = one.parentElement) { const colour = getComputedStyle(one).backgroundColor; if (rgba(colour)[3] === 255) return colour; } };
  const texts = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    return { text: one.textContent.slice(0, 40), ratio: (a + 0.05) / (b + 0.05) };
  }).filter(({ ratio }) => ratio < 4.5);
})()";

#[test]
fn it_can_be_read_in_the_light_and_in_the_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    for scheme in ["light", "dark"] {
        browser.screen(1300, 900, scheme);
        for (page, place) in [
            ("iptables.html", "#Chain.append"),
            ("recipes.html", "#ssh-rate-limit"),
            ("package.teamlib.html", ""),
            ("index.html", "#q=rule"),
        ] {
            browser.open(&docs.folder().join(page), place);
            let pale = browser.value(PALE);
            assert!(pale.as_array().unwrap().is_empty(), "{scheme}, {page}: {pale}");
            browser.picture(&format!("{scheme}-{page}.png"));
        }
        // What is pale is seen.
        browser.value("document.querySelector('main .lead').style.color = 'color-mix(in srgb, var(--ink), var(--paper) 60%)'");
        let pale = browser.value(PALE);
        assert_eq!(pale.as_array().map(Vec::len), Some(1), "{scheme}: {pale}");
    }
    let ground = "getComputedStyle(document.body).backgroundColor";
    browser.open(&docs.folder().join("index.html"), "");
    let dark = browser.value(ground);
    browser.value("document.getElementById(':theme').click()");
    let light = browser.value(ground);
    assert_ne!(dark, light);
    // The choice stays, on the other pages as well.
    browser.open(&docs.folder().join("tc.html"), "");
    assert_eq!(browser.value(ground), light);
}

#[test]
fn it_is_read_without_javascript() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true }));
    browser.open(&docs.folder().join("package.teamlib.limits.html"), "#close");
    assert_eq!(browser.value("document.querySelector('.search').checkVisibility()"), false);
    assert_eq!(browser.value("document.querySelector('noscript').checkVisibility()"), true);
    let text = browser.value("document.querySelector(':target').innerText");
    assert!(text.as_str().unwrap().contains("the port, 1 to 65535"), "{text}");
}

#[test]
fn a_hostile_package_runs_nothing_and_loads_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let docs = Docs::new();
    let mut seen = 0;
    for (name, text) in docs.pages() {
        browser.open(&docs.folder().join(&name), if name == "index.html" { "#q=window.caught" } else { "" });
        browser.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        assert_eq!(browser.value("typeof window.caught"), "undefined", "{name}");
        assert_eq!(browser.value("document.querySelectorAll('img, script:not([src]), [onerror], main script').length"), 0, "{name}");
        let bad =
            "[...document.querySelectorAll('a')].filter((a) => !['file:', 'https:', 'http:'].includes(a.protocol)).map((a) => a.href)";
        assert_eq!(browser.value(bad), serde_json::json!([]), "{name}");
        for told in std::mem::take(&mut browser.told) {
            let method = told["method"].as_str().unwrap_or_default();
            assert!(!["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"].contains(&method), "{name}: {told}");
            let url = told["params"]["request"]["url"].as_str().unwrap_or("file://");
            assert!(url.starts_with("file://"), "{name} asks for {url}");
        }
        seen += usize::from(text.contains("window.caught"));
    }
    // Its words are shown, as words: on its two pages, and on those of the recipes and of everything.
    assert_eq!(seen, 4);
    assert!(browser.value(FOUND).is_array());
}
