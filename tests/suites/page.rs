//! docs/conformance.md, written from what the last run of everything has found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::findings::{Difference, Findings, machine_of_last_run};
use super::{packets, traffic};
use crate::kernel::world::Backend;

const HEAD: &str = "<!-- written by `make test-suites` -->
# Conformance

What others wrote for iptables, tc and packets, given to fyke. Every case of iptables and tc is first given to the tool that is installed, in a network namespace of its own, then
to fyke, as a recipe with the same words: both should refuse the same and list the rest alike, and `fyke undo` must give back the state before, by
what `iptables-save` and `nft` say of it. `make test-suites` does all of it again and writes this page (minutes, as root); `make test` takes a sample.

";

const RULES: &str = "
## The suite of iptables itself

One rule a case, from `extensions/*.t` of iptables 1.8.11, for iptables and ip6tables. A case is passed if the rule is accepted and listed in the
words that the suite expects, or refused if the suite wants that.

";

const RULES_ROWS: &[(&str, &str)] = &[
    ("cases", "cases"),
    ("passed by the tool", "tool passes"),
    ("passed by fyke", "fyke passes"),
    ("of those that the tool passes, passed by fyke", "fyke passes of these"),
    ("accepted by the tool", "tool accepts"),
    ("accepted by fyke", "fyke accepts"),
    ("accepted by both, and listed by fyke as the tool lists it", "listed equal"),
    ("accepted by fyke, and undone to an equal state", "undone equal"),
];

const FERM: &str = "
## The firewalls of ferm's suite

Lists of iptables commands, each given to the tool through iptables-restore (command by command where it names no line), and to fyke as one run.

";

const DUMPS: &str = "
## Dumps of real hosts

Files of iptables-save, collected by the project Iptables_Semantics. Hardware addresses that somebody made unreadable (`XX:XX:…`) are replaced by one
for documentation. The last firewall is all dumps together as one ruleset, set by one run.

";

const FIREWALL_ROWS: &[(&str, &str)] = &[
    ("firewalls", "firewalls"),
    ("of arptables and ebtables only: not tried", "of other tools"),
    ("rules in them", "rules"),
    ("rules, chains and policies in them", "steps"),
    ("of these refused by the tool", "tool refuses"),
    ("of these refused by fyke", "fyke refuses"),
    ("firewalls that fyke and the tool list alike, after either has set them", "listed equal"),
    ("firewalls undone to an equal state", "undone equal"),
];

/// What is said of each kind of difference.
const KINDS: &[(Difference, &str)] = &[
    (Difference::Caught, "Refusals that the suite wants, and that the tool misses"),
    (Difference::Stricter, "Refused by fyke, accepted by the tool"),
    (Difference::Laxer, "Accepted by fyke, refused by the tool"),
    (Difference::Listed, "Listed otherwise"),
    (Difference::Left, "Not undone"),
];

/// Writes the page where `make test-suites` asks for it.
#[test]
fn the_page_is_written_from_the_run() {
    if std::env::var_os("FYKE_SUITES").is_none_or(|which| which != "page") {
        println!("skipped: `make test-suites` asks for the page");
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let before = fs::read_to_string(&file).unwrap_or_default();
    if Findings::of_last_run("rules", Backend::Nft).is_none() {
        // Packets need neither root nor the other suites: their section can be written alone.
        return fs::write(&file, with_packets(&before, &packets::section(&before))).unwrap();
    }
    let mut page = format!("{HEAD}The last run compared {}.\n", machine_of_last_run());
    let mut differences = BTreeMap::new();
    for (suite, text, rows) in [("rules", RULES, RULES_ROWS), ("ferm", FERM, FIREWALL_ROWS), ("dumps", DUMPS, FIREWALL_ROWS)] {
        let found = [Backend::Legacy, Backend::Nft].map(|backend| (backend, Findings::of_last_run(suite, backend).unwrap()));
        page += text;
        page += &table(rows, &found);
        page += &of_the_tool(suite, &found);
        for (backend, findings) in found {
            let note = |(how, over, why)| {
                differences
                    .entry(how)
                    .or_insert_with(BTreeMap::new)
                    .entry((over, why))
                    .or_insert_with(BTreeSet::new)
                    .insert(backend.name());
            };
            findings.differences.into_iter().for_each(note);
        }
    }
    page += &traffic::Findings::of_last_run().map(|findings| traffic::section(&findings)).unwrap_or_default();
    page += &packets::section(&before);
    page += "\n## Differences, one by one\n";
    for (how, title) in KINDS {
        page += &list(title, differences.remove(how).unwrap_or_default());
    }
    fs::write(file, page).unwrap();
}

/// Puts the section of packets into a page, in the place of the one that it has.
fn with_packets(page: &str, section: &str) -> String {
    const LAST: &str = "\n## Differences, one by one\n";
    let (before, last) = page.split_once(LAST).unwrap();
    let before = before.split_once(packets::TITLE).map_or(before, |(before, _)| before);
    format!("{before}{section}{LAST}{last}")
}

/// Says what the installed tool does not take.
fn of_the_tool(suite: &str, found: &[(Backend, Findings)]) -> String {
    let names: BTreeSet<&String> =
        found.iter().flat_map(|(_, findings)| findings.of_the_tool.keys()).filter(|name| !name.is_empty()).collect();
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.replace('`', "'"))).collect();
    let what = if suite == "rules" { "What the tool does not pass is in these files" } else { "What the tool refuses, in its own words" };
    format!("\n{what}: {}.\n", names.join(", "))
}

fn table(rows: &[(&str, &str)], found: &[(Backend, Findings)]) -> String {
    let mut text = "| |".to_owned();
    found.iter().for_each(|(backend, _)| write!(text, " {} |", backend.name()).unwrap());
    text += "\n|---|--:|--:|\n";
    for (title, name) in rows {
        let figures: Vec<usize> = found.iter().map(|(_, findings)| findings.figures.get(*name).copied().unwrap_or_default()).collect();
        if figures.iter().any(|figure| *figure > 0) || name.contains("refuses") {
            write!(text, "| {title} |").unwrap();
            figures.iter().for_each(|figure| write!(text, " {figure} |").unwrap());
            text += "\n";
        }
    }
    text
}

/// Lists the differences of one kind by their reasons.
fn list(title: &str, differences: BTreeMap<(String, String), BTreeSet<&str>>) -> String {
    let mut text = format!("\n### {title}\n\n");
    if differences.is_empty() {
        return text + "None.\n";
    }
    for ((over, why), backends) in differences {
        let backends = if backends.len() == 1 { format!(" ({} only)", backends.first().unwrap()) } else { String::new() };
        // What is repeated of the rule in the reason says nothing new.
        let why = why.rsplit("`: ").next().unwrap_or(&why).lines().next().unwrap_or_default().to_owned();
        writeln!(text, "- `{over}`{backends}: {why}").unwrap();
    }
    text
}
