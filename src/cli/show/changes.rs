//! Changes: as a diff by table and chain, as the commands that would do the same, and as JSON.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Paint, links, named, netns, ports};
use crate::host::value::escaped;
use crate::kernel::xtables::Backend;
use crate::model::Family;
use crate::model::change::{Change, Drift, Object, Report, State};
use crate::model::iptables::{ChainName, ChainRef, Rule, RunId, Table};
use crate::model::link::far;
use crate::model::named::{doubt, remarks as remarks_of};

/// Writes the changes as a diff: tables with their chains, and the rules of each with their places; those of other network namespaces apart.
///
/// `+` is added, at its place after all changes; `-` is taken out, from its place before them; `~` is changed in place.
pub(crate) fn diff(changes: &[Change], paint: Paint) -> String {
    let mut places: Vec<&Option<Arc<str>>> = Vec::new();
    for change in changes {
        if !places.contains(&&change.netns) {
            places.push(&change.netns);
        }
    }
    let mut text = String::new();
    for place in places {
        let mine: Vec<Change> = changes.iter().filter(|change| change.netns == *place).cloned().collect();
        let body = diff_here(&mine, paint);
        if let (Some(name), false) = (place, body.is_empty()) {
            text.push_str(&(paint.bold(&format!("in the network namespace {}", escaped(name))) + "\n"));
        }
        text.push_str(&body);
    }
    text
}

/// Writes the changes of one network namespace.
fn diff_here(changes: &[Change], paint: Paint) -> String {
    let mut text = named::diff(changes, paint);
    let mut families: Vec<(Table, Vec<Family>, String)> = Vec::new();
    for (family, table) in tables(changes) {
        let mine: Vec<&Change> =
            changes.iter().filter(|change| at(change).is_some_and(|at| (at.family, at.table) == (family, table))).collect();
        let body: String = chains(&mine).iter().map(|name| chain(name, &mine, paint)).collect();
        // Most recipes say the same for both families: saying it once is easier to read.
        match families.iter_mut().find(|(of, _, same)| *of == table && *same == body) {
            Some((_, more, _)) => more.push(family),
            None => families.push((table, vec![family], body)),
        }
    }
    for (table, families, body) in families {
        let names: Vec<&str> = families.iter().map(|family| family.label()).collect();
        text.push_str(&paint.bold(&format!("{table} ({})", names.join(" and "))));
        text.push('\n');
        text.push_str(&body);
    }
    text
}

/// Counts the changes that would be made: `4 to add, 1 to take out`.
pub(crate) fn planned(changes: &[Change]) -> String {
    count(changes, ["to add", "to change", "to take out"]).unwrap_or_else(|| "nothing would change".to_owned())
}

/// Counts the changes by what is done: added, changed, taken out.
fn count(changes: &[Change], verbs: [&str; 3]) -> Option<String> {
    let count = |of: &dyn Fn(&Change) -> bool| far::without_moved(changes).filter(|change| change.is_visible() && of(change)).count();
    let moves = |change: &Change| far::moved(change).is_some();
    let counts = [
        count(&|change| change.before.is_none() && !moves(change)),
        count(&|change| change.before.is_some() && change.after.is_some() || moves(change)),
        count(&|change| change.after.is_none() && !moves(change)),
    ];
    let parts: Vec<String> =
        counts.iter().zip(verbs).filter(|(count, _)| **count > 0).map(|(count, verb)| format!("{count} {verb}")).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Says what a run has done, and the way back.
pub(crate) fn done(report: &Report, way_back: &str, paint: Paint) -> String {
    let changes = match visible(&report.changes) {
        0 if relies(report) => "nothing changed, but this relies on what another recipe has set".to_owned(),
        0 => "nothing changed".to_owned(),
        1 => "1 change".to_owned(),
        many => format!("{many} changes"),
    };
    let told: String = told(&report.changes).iter().map(|remark| format!("{} {remark}\n", paint.yellow("! note:"))).collect();
    format!("{changes}{way_back}\n{}{told}", remarks(report, paint))
}

/// Says what changes do that whoever asks for them may not expect.
pub(crate) fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().flat_map(remarks_of).map(|remark| escaped(&remark).to_string()).collect()
}

/// Tells whether a run relies on what another one has set.
fn relies(report: &Report) -> bool {
    report.changes.iter().any(|change| change.is_claim() && change.origin.is_some())
}

/// Says how what a run has done is lifted again; nothing where nothing was done.
pub(crate) fn lift_with(report: &Report, paint: Paint) -> String {
    match &report.run {
        Some(run) if visible(&report.changes) > 0 || relies(report) => format!("; lift with: {}", paint.cyan(&format!("fyke undo {run}"))),
        _ => String::new(),
    }
}

/// What was done with an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It was lifted.
    Lifted,
    /// It was lifted, and what somebody else changed was not spared.
    Forced,
    /// It was set again.
    SetAgain,
}

/// Says what was done with an earlier run; with `all`, every change.
pub(crate) fn deed(deed: Deed, report: &Report, all: bool, paint: Paint) -> String {
    let verb = if deed == Deed::SetAgain { "set again" } else { "lifted" };
    let run = report.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let left = !report.is_clean();
    let mut text = match (count(&report.changes, ["added", "changed", "taken out"]), left) {
        (Some(made), false) => format!("{verb} {run}: {made}\n"),
        (Some(made), true) => format!("{verb} a part of {run}: {made}\n"),
        (None, false) => format!("{verb} {run}: nothing was left to do\n"),
        (None, true) => format!("{verb} nothing of {run}\n"),
    };
    if all {
        text.push_str(&diff(&report.changes, paint));
    }
    text.push_str(&remarks(report, paint));
    if deed != Deed::SetAgain {
        let doubts = report.changes.iter().filter_map(doubt);
        text.extend(doubts.map(|doubt| format!("{} {}\n", paint.yellow("! note:"), escaped(&doubt))));
    }
    let more = || paint.cyan(&format!("fyke undo --force {run}"));
    match deed {
        Deed::Lifted if left => text.push_str(&format!("what somebody else changed is left as it is; {} does not spare it\n", more())),
        Deed::Forced if left => text.push_str("what is left stands on somebody else's rules: to be taken out by hand\n"),
        _ => {}
    }
    text
}

/// Names what cannot be lifted, and what is not as it was left.
fn remarks(report: &Report, paint: Paint) -> String {
    let acts = report.acts.iter().map(|act| format!("! {}, which cannot be lifted\n", escaped(act)));
    let drift = report.drift.iter().map(|drift| format!("{} {}: {}\n", paint.yellow("! drift:"), drift.object, escaped(&drift.why)));
    let stays = report.stays.iter().map(|stays| format!("= {}\n", escaped(stays)));
    acts.chain(stays).chain(drift).collect()
}

/// Says what is not as a run left it.
pub(crate) fn drift(run: &RunId, drift: &[Drift], paint: Paint) -> String {
    drift.iter().map(|drift| format!("{} {run}: {}: {}\n", paint.yellow("! drift"), drift.object, escaped(&drift.why))).collect()
}

/// Counts the changes that are worth a line to a person.
pub(crate) fn visible(changes: &[Change]) -> usize {
    far::without_moved(changes).filter(|change| change.is_visible()).count()
}

/// Gives the changes for a program.
pub(crate) fn json(changes: &[Change]) -> Value {
    let entry = |change: &Change| {
        let mut entry = at(change).map_or_else(|| named::json(change), |at| entry(change, at));
        if let Some(netns) = &change.netns {
            entry["netns"] = json!(netns);
        }
        entry
    };
    changes.iter().filter(|change| change.is_visible()).map(entry).collect()
}

fn entry(change: &Change, at: &ChainRef) -> Value {
    let object = match change.object {
        Object::Rule(_) => "rule",
        Object::Policy(_) => "policy",
        Object::ChainName(_) => "chain-name",
        _ => "chain",
    };
    let state = |state: &Option<State>| match state {
        None => Value::Null,
        Some(State::Present) => json!(at.chain),
        Some(State::Policy(policy)) => json!(policy),
        Some(State::Name(name)) => json!(name),
        Some(State::Rule(rule, place)) => json!({ "place": place.number, "rule": rule.words, "tag": rule.tag }),
        Some(other) => json!(other),
    };
    let (before, after) = (state(&change.before), state(&change.after));
    json!({
        "object": object, "family": at.family, "table": at.table, "chain": at.chain, "before": before, "after": after,
        "origin": change.origin.as_ref().map(|origin| origin.at.to_string()),
    })
}

/// Writes the commands that would do the same, one a line, quoted for a shell. `backend` is the one that was asked for, if any was.
pub(crate) fn commands(changes: &[Change], backend: Option<Backend>) -> String {
    let mut text = String::new();
    for mine in changes.chunk_by(|one, next| one.netns == next.netns) {
        let inside = mine.first().and_then(|change| change.netns.as_deref()).map(netns::inside).unwrap_or_default();
        commands_here(mine, backend).lines().for_each(|line| text.push_str(&format!("{inside}{line}\n")));
    }
    text
}

/// Writes the commands of one network namespace.
fn commands_here(changes: &[Change], backend: Option<Backend>) -> String {
    let suffix = match backend {
        None => "",
        Some(Backend::Nft) => "-nft",
        Some(Backend::Legacy) => "-legacy",
    };
    let new: BTreeSet<&ChainRef> = changes
        .iter()
        .filter_map(|change| match &change.object {
            Object::Chain(at) if change.before.is_none() => Some(at),
            _ => None,
        })
        .collect();
    let gone: BTreeSet<&ChainRef> = changes
        .iter()
        .filter_map(|change| match &change.object {
            Object::Chain(at) if change.after.is_none() => Some(at),
            _ => None,
        })
        .collect();
    let (mut text, mut told) = (String::new(), links::Told::default());
    for change in changes {
        let Some(at) = at(change) else {
            text.extend(named::command(change, &mut told));
            continue;
        };
        let mut line = |at: &ChainRef, words: &str| text.push_str(&format!("{}{suffix} -w -t {} {words}\n", at.family.command(), at.table));
        let chain = shell(at.chain.as_str());
        match (&change.object, &change.before, &change.after) {
            (Object::ChainName(_), Some(State::Name(from)), Some(State::Name(to))) => {
                line(at, &format!("-E {} {}", shell(from.as_str()), shell(to.as_str())));
            }
            (Object::Chain(_), None, _) => line(at, &format!("-N {chain}")),
            (Object::Chain(_), _, None) => {
                line(at, &format!("-F {chain}"));
                line(at, &format!("-X {chain}"));
            }
            (Object::Policy(_), _, Some(State::Policy(policy))) => line(at, &format!("-P {chain} {policy}")),
            (Object::Rule(_), None, Some(State::Rule(rule, _))) if new.contains(at) => line(at, &format!("-A {chain} {}", words(rule))),
            (Object::Rule(_), None, Some(State::Rule(rule, place))) => line(at, &format!("-I {chain} {} {}", place.number, words(rule))),
            (Object::Rule(_), Some(State::Rule(rule, _)), None) if !gone.contains(at) => line(at, &format!("-D {chain} {}", words(rule))),
            _ => {}
        }
    }
    text.push_str(&ports::commands(changes));
    text
}

fn words(rule: &Rule) -> String {
    rule.words.split().iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a POSIX shell, where it needs it.
pub(crate) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn at(change: &Change) -> Option<&ChainRef> {
    change.object.chain().filter(|_| change.is_visible())
}

fn tables(changes: &[Change]) -> Vec<(Family, Table)> {
    let mut found = Vec::new();
    for at in changes.iter().filter_map(at) {
        if !found.contains(&(at.family, at.table)) {
            found.push((at.family, at.table));
        }
    }
    found
}

fn chains<'a>(changes: &[&'a Change]) -> Vec<&'a ChainName> {
    let mut found = Vec::new();
    for at in changes.iter().copied().filter_map(at) {
        if !found.contains(&&at.chain) {
            found.push(&at.chain);
        }
    }
    found
}

fn chain(name: &ChainName, changes: &[&Change], paint: Paint) -> String {
    let mine: Vec<&Change> = changes.iter().copied().filter(|change| at(change).is_some_and(|at| at.chain == *name)).collect();
    let mut heading = format!("    chain {}\n", escaped(name.as_str()));
    let mut body = String::new();
    for change in &mine {
        match (&change.object, &change.before, &change.after) {
            (Object::Chain(_), None, _) => heading = paint.green(&format!("  + chain {}", escaped(name.as_str()))) + "\n",
            (Object::Chain(_), _, None) => heading = paint.red(&format!("  - chain {}", escaped(name.as_str()))) + "\n",
            (Object::ChainName(_), Some(State::Name(from)), _) => {
                heading = paint.yellow(&format!("  ~ chain {} becomes {}", escaped(from.as_str()), escaped(name.as_str()))) + "\n";
            }
            (Object::Policy(_), Some(State::Policy(before)), Some(State::Policy(after))) => {
                body.push_str(&(paint.yellow(&format!("      ~ policy {before} becomes {after}")) + "\n"));
            }
            _ => {}
        }
    }
    let rules = places(&mine);
    let width = rules.iter().map(|row| row.number.to_string().len()).max().unwrap_or(0);
    for row in rules {
        let line = format!("      {} {:>width$}  {}", if row.added { '+' } else { '-' }, row.number, escaped(row.rule.words.as_str()));
        body.push_str(&if row.added { paint.green(&line) } else { paint.red(&line) });
        body.push('\n');
    }
    heading + &body
}

/// A rule of a diff.
struct Row<'a> {
    added: bool,
    /// The place in the chain that has the old rules as well as the new ones.
    merged: usize,
    number: usize,
    rule: &'a Rule,
}

/// Lists the rules of one chain in the order in which they stand.
///
/// The journal counts additions in the merged chain, where the old rules are still there, and removals in the old one.
fn places<'a>(changes: &[&'a Change]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for change in changes {
        if let (None, Some(State::Rule(rule, place))) = (&change.before, &change.after) {
            rows.push(Row { added: true, merged: place.number, number: 0, rule });
        }
    }
    let added: BTreeSet<usize> = rows.iter().map(|row| row.merged).collect();
    let mut gone = Vec::new();
    for change in changes {
        if let (Some(State::Rule(rule, place)), None) = (&change.before, &change.after) {
            let merged = added.iter().fold(place.number, |merged, at| if *at <= merged { merged + 1 } else { merged });
            gone.push(merged);
            rows.push(Row { added: false, merged, number: place.number, rule });
        }
    }
    gone.sort_unstable();
    for row in rows.iter_mut().filter(|row| row.added) {
        row.number = row.merged - gone.partition_point(|at| *at < row.merged);
    }
    rows.sort_by_key(|row| row.merged);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Place;
    use crate::model::iptables::{Policy, Words};

    fn chain_ref(family: Family, name: &str) -> ChainRef {
        ChainRef::new(family, Table::Filter, ChainName::listed(name))
    }

    fn rule(number: usize, words: &str) -> Option<State> {
        Some(State::Rule(Rule::new(Words::listed(words)), Place { number, ..Place::default() }.into()))
    }

    fn changes(family: Family) -> Vec<Change> {
        let (input, log) = (chain_ref(family, "INPUT"), chain_ref(family, "LOGDROP"));
        vec![
            Change::new(Object::Table(family, Table::Filter), None, Some(State::Present)),
            Change::new(Object::Chain(log.clone()), None, Some(State::Present)),
            Change::new(Object::Policy(input.clone()), Some(State::Policy(Policy::Accept)), Some(State::Policy(Policy::Drop))),
            Change::new(Object::Rule(input.clone()), None, rule(1, "-p tcp -j LOGDROP")),
            Change::new(Object::Rule(input.clone()), None, rule(4, "-j LOG --log-prefix \"it's a\"")),
            Change::new(Object::Rule(input.clone()), rule(2, "-s 192.0.2.1/32 -j DROP"), None),
            Change::new(Object::Rule(log), None, rule(1, "-j DROP")),
        ]
    }

    #[test]
    fn a_diff_shows_each_rule_where_it_stands() {
        let wanted = "\
filter (IPv4 and IPv6)
  + chain LOGDROP
      + 1  -j DROP
    chain INPUT
      ~ policy ACCEPT becomes DROP
      + 1  -p tcp -j LOGDROP
      - 2  -s 192.0.2.1/32 -j DROP
      + 3  -j LOG --log-prefix \"it's a\"
";
        let both = [changes(Family::V4), changes(Family::V6)].concat();
        assert_eq!(diff(&both, Paint::none()), wanted);
        assert_eq!(planned(&changes(Family::V4)), "4 to add, 1 to change, 1 to take out");
        assert_eq!((diff(&[], Paint::new(true, true)), planned(&[])), (String::new(), "nothing would change".to_owned()));
    }

    #[test]
    fn commands_are_quoted_for_a_shell() {
        let wanted = "\
iptables -w -t filter -N LOGDROP
iptables -w -t filter -P INPUT DROP
iptables -w -t filter -I INPUT 1 -p tcp -j LOGDROP
iptables -w -t filter -I INPUT 4 -j LOG --log-prefix 'it'\\''s a'
iptables -w -t filter -D INPUT -s 192.0.2.1/32 -j DROP
iptables -w -t filter -A LOGDROP -j DROP
";
        assert_eq!(commands(&changes(Family::V4), None), wanted);
        assert!(commands(&changes(Family::V6), Some(Backend::Legacy)).starts_with("ip6tables-legacy -w -t filter -N LOGDROP\n"));
    }

    #[test]
    fn json_names_the_object_and_both_states() {
        let all = json(&changes(Family::V6));
        assert_eq!(all.as_array().map(Vec::len), Some(6));
        assert_eq!(all[1]["before"], "ACCEPT");
        assert_eq!(all[2]["after"]["rule"], "-p tcp -j LOGDROP");
        assert_eq!((&all[4]["object"], &all[4]["family"], &all[4]["after"]), (&json!("rule"), &json!("ipv6"), &Value::Null));
    }
}
