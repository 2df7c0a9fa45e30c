//! What the oracle says.

use super::*;

/// Reads the cases of iptables' own test suite, as questions; none where the suite is not beside the repository.
fn suite() -> Option<Vec<(Ask, bool)>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites/iptables/cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    let ask = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| case[name].as_str().map(str::to_owned);
        let family = match field("cmd")?.as_str() {
            "iptables" => Family::V4,
            "ip6tables" => Family::V6,
            _ => return None,
        };
        let chain = ChainRef::new(family, field("table")?.parse().ok()?, name(&field("chain")?));
        Some((Ask { chain, words: Words::parse(&field("rule")?).ok()? }, field("result")? == "OK"))
    };
    Some(text.lines().filter_map(ask).collect())
}

#[test]
fn what_the_oracle_gives_is_taken_unchanged() {
    let Some(cases) = suite() else { return };
    on_both(|mut live, backend| {
        // Those that iptables' own suite accepts, and a few of the others.
        let asks: Vec<Ask> = cases
            .iter()
            .enumerate()
            .filter(|(at, (_, fine))| *fine && at % 3 == 0 || at % 50 == 0)
            .map(|(_, (ask, _))| ask.clone())
            .collect();
        let verdicts = live.canonical(&asks, &[]).unwrap();
        let canonical = |(ask, verdict): (&Ask, &Verdict)| match verdict {
            Verdict::Canonical(words) => Some(Ask { chain: ask.chain.clone(), words: words.clone() }),
            _ => None,
        };
        let canonical: Vec<Ask> = asks.iter().zip(&verdicts).filter_map(canonical).collect();
        println!("{backend:?}: {} of {} rules of the suite are accepted", canonical.len(), asks.len());
        assert!(canonical.len() * 10 > asks.len() * 7, "most of the extensions are there");
        // A second oracle, which remembers nothing.
        let again = Live::open(Some(backend)).unwrap().canonical(&canonical, &[]).unwrap();
        let differ: Vec<_> = canonical.iter().zip(&again).filter(|(ask, again)| **again != Verdict::Canonical(ask.words.clone())).collect();
        assert!(differ.is_empty(), "{backend:?}: {differ:#?}");
    });
}

#[test]
fn the_oracle_tells_what_becomes_of_words() {
    on_both(|mut live, backend| {
        let ask = |chain: &str, words: &str| Ask {
            chain: ChainRef::new(Family::V4, Table::Filter, name(chain)),
            words: Words::parse(words).unwrap(),
        };
        let asks = [
            ask("INPUT", "-p tcp --dport ssh -j MINE"),
            ask("INPUT", "-j NOWHERE"),
            ask("OTHER", "-m recent --rcheck --hitcount 65536"),
            ask("INPUT", "-s 192.0.2.1,192.0.2.2 -j DROP"),
            ask("OTHER", "-m set --match-set hosts src"),
            ask("OTHER", "-m comment --comment 'a \"b\" c'"),
            ask("INPUT", "-p tcp --dport ssh -j MINE"),
            ask("INPUT", "-p tcp --dport 99999"),
        ];
        let chains = [ChainRef::new(Family::V4, Table::Filter, name("MINE"))];
        let verdicts = live.canonical(&asks, &chains).unwrap();
        let shown: Vec<String> = verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Canonical(words) => words.to_string(),
                Verdict::Refused(why) => format!("refused: {why}"),
                Verdict::Unknown(why) => format!("unknown: {why}"),
            })
            .collect();
        let nowhere = match backend {
            Backend::Nft => "refused: Chain 'NOWHERE' does not exist",
            Backend::Legacy => "refused: Couldn't load target `NOWHERE':No such file or directory",
        };
        assert_eq!(
            shown,
            [
                "-p tcp -m tcp --dport 22 -j MINE",
                nowhere,
                "refused: the kernel refuses it: Invalid argument",
                "refused: it makes several rules of one, or none: give one address, one port range at a time",
                "unknown: Set hosts doesn't exist.",
                "-m comment --comment \"a \\\"b\\\" c\"",
                "-p tcp -m tcp --dport 22 -j MINE",
                "refused: invalid port/service `99999' specified",
            ]
        );
        assert_eq!(listing(backend).iter().filter(|line| line.starts_with('-')).count(), 0, "nothing was written to the host");
    });
}
