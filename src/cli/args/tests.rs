use super::*;
use crate::transaction::{Stance, Term};

fn line(words: &[&str]) -> Line {
    Line::try_parse_from(std::iter::once("fyke").chain(words.iter().copied())).unwrap()
}

fn words(line: Line) -> Vec<OsString> {
    match line.verb {
        Verb::Run(start) => start.recipe.words,
        Verb::Plan(plan) => plan.recipe.words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_declaration_is_sound() {
    command().debug_assert();
}

#[test]
fn what_follows_the_recipe_is_the_recipes() {
    for own in [&["--json"][..], &["--help"], &["--port", "22"], &["-v"], &["--", "-x"], &["--timeout=x", "--color"]] {
        let all: Vec<&str> = ["run", "x.rhai"].iter().chain(own).copied().collect();
        let line = line(&all);
        assert!(!line.options.json && !line.options.verbose);
        assert_eq!(words(line), all[1..]);
    }
}

#[test]
fn own_flags_stand_before_or_after_the_verb() {
    let run = line(&["run", "--allow-lockout", "x", "--allow-lockout"]);
    assert!(matches!(&run.verb, Verb::Run(start) if start.safety.stance() == Stance::Allow));
    assert_eq!(words(run), ["x", "--allow-lockout"]);
    assert!(line(&["--json", "run", "x"]).options.json);
    assert!(line(&["run", "--json", "x"]).options.json);
    assert!(Line::try_parse_from(["fyke", "run", "--nonsense", "x"]).is_err());
    assert_eq!(words(line(&["run", "--", "-x", "--port", "1"])), ["-x", "--port", "1"]);
    assert_eq!(words(line(&["plan", "--exit-code", "-", "--exit-code"])), ["-", "--exit-code"]);
}

#[test]
fn a_term_has_bounds_and_one_reason() {
    let bound = |words: &[&str]| match Line::try_parse_from(["fyke", "run"].iter().chain(words)).ok()?.verb {
        Verb::Run(start) => start.stay.bound().map(|bound| (bound.term, bound.span.as_secs())),
        other => panic!("{other:?}"),
    };
    assert_eq!(bound(&["--confirm", "60s", "x"]), Some((Term::Confirm, 60)));
    assert_eq!(bound(&["--for", "24h", "x", "--confirm", "1s"]), Some((Term::Lease, 86_400)));
    assert_eq!(bound(&["--confirm", "5s", "--for", "5s", "x"]), None);
    for bad in ["4s", "4999ms", "25h", "24h1us", "0", "0s", "", "60", "-5s", "soon", "5 s"] {
        assert_eq!(bound(&["--confirm", bad, "x"]), None, "{bad}");
    }
    assert!(Line::try_parse_from(["fyke", "plan", "--confirm", "60s", "x"]).is_err());
}
