//! Whole firewalls: the results of ferm's suite, and dumps of real hosts.

use std::fs;
use std::path::{Path, PathBuf};

use fyke::model::iptables::Words;

use super::all;
use super::findings::{Difference, Findings};
use super::steps::{Chains, Deed, Step, by_fyke, by_tool, listed_by_fyke, listed_by_tool};
use crate::bad_inputs::shared;
use crate::kernel::world::{State, World};

/// A firewall with the name of its file.
type Firewall = (String, Vec<Step>);

/// Runs what ferm makes of its test inputs: lists of iptables commands.
pub(super) fn ferm(world: &World) {
    let Some(folder) = shared("suites/ferm") else { return };
    let mut findings = Findings::default();
    let mut firewalls = Vec::new();
    for (name, text) in files(&folder).filter(|(name, _)| name.ends_with(".result")) {
        let steps: Vec<Step> = text.lines().filter_map(command).collect();
        match steps.is_empty() {
            true => findings.count("of other tools", true),
            false => firewalls.push((name, steps)),
        }
    }
    let step = if all() { 1 } else { 6 };
    take(world, findings, "ferm", firewalls.into_iter().step_by(step));
}

/// Runs dumps of real hosts, each alone, and then all of them as one ruleset.
pub(super) fn dumps(world: &World) {
    let Some(folder) = shared("suites/iptables-save") else { return };
    let dumps = files(&folder).filter(|(name, _)| !name.ends_with("SOURCE.txt"));
    let mut firewalls: Vec<Firewall> = dumps.map(|(name, text)| (name, dump(&text))).collect();
    if all() {
        let together = firewalls.iter().enumerate().flat_map(|(at, (_, steps))| apart(at, steps)).collect();
        firewalls.push(("all dumps as one ruleset".into(), together));
    } else {
        // One of the large ones, and what is small.
        let mut large = 0;
        firewalls.retain(|(_, steps)| {
            large += usize::from(steps.len() > 1_000);
            steps.len() < 300 || steps.len() > 1_000 && large == 1
        });
    }
    take(world, Findings::default(), "dumps", firewalls);
}

/// Gives the files below a folder with their paths in it, in order.
fn files(folder: &Path) -> impl Iterator<Item = (String, String)> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { below(&entry, found) } else { found.push(entry) }
        }
    }
    let mut found = Vec::new();
    below(folder, &mut found);
    found.sort();
    let folder = folder.to_owned();
    found.into_iter().map(move |path| (path.strip_prefix(&folder).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
}

/// Reads a command of iptables; nothing where it is one of another tool.
fn command(line: &str) -> Option<Step> {
    let words = Words::parse(line).unwrap().split();
    match &words[..] {
        [program, option, table, rest @ ..] if option == "-t" && ["iptables", "ip6tables"].contains(&program.as_str()) => {
            Some(Step::read(program, table, rest).unwrap_or_else(|| panic!("{line}")))
        }
        _ => None,
    }
}

/// Reads a dump.
fn dump(text: &str) -> Vec<Step> {
    let (mut steps, mut table) = (Vec::new(), String::new());
    for line in text.lines() {
        let read = |words: &[String]| Step::read("iptables", &table, words).unwrap_or_else(|| panic!("{line}"));
        match line.as_bytes().first() {
            Some(b'*') => table = line[1..].trim().to_owned(),
            Some(b':') => {
                let words: Vec<&str> = line[1..].split(' ').collect();
                let (chain, policy) = (words[0].to_owned(), words[1].to_owned());
                let built_in = policy != "-";
                steps.push(read(&if built_in { vec!["-P".into(), chain, policy] } else { vec!["-N".into(), chain] }));
            }
            // Somebody has made the hardware addresses unreadable; these are for documentation (RFC 7042).
            Some(b'-') => steps.push(read(&Words::listed(&line.replace("XX:XX:XX:XX:XX:XX", "00:00:5E:00:53:01")).split())),
            _ => {}
        }
    }
    steps
}

/// Gives a firewall with other names for its own chains, so that it can be in force beside others.
fn apart(number: usize, steps: &[Step]) -> Vec<Step> {
    let own: Vec<(&str, &str)> =
        steps.iter().filter_map(|step| if let Deed::Chain(name) = &step.deed { Some((&*step.table, &**name)) } else { None }).collect();
    let rename = |table: &str, name: &str| if own.contains(&(table, name)) { format!("{number}.{name}") } else { name.to_owned() };
    let other = |step: &Step| {
        let table = &step.table;
        let deed = match &step.deed {
            Deed::Chain(name) => Deed::Chain(rename(table, name)),
            Deed::Rule(end, chain, words) => {
                let words = words.target().map_or_else(|| words.clone(), |target| words.retarget(&target, &rename(table, &target)));
                Deed::Rule(*end, rename(table, chain), words)
            }
            policy => policy.clone(),
        };
        Step { deed, ..step.clone() }
    };
    steps.iter().map(other).collect()
}

/// Takes firewalls one by one, and judges.
fn take(world: &World, mut findings: Findings, suite: &str, firewalls: impl IntoIterator<Item = Firewall>) {
    let before = world.state();
    for (name, steps) in firewalls {
        firewall(world, &mut findings, &before, &name, &steps);
    }
    findings.conclude(suite, world.backend);
}

/// Lets the tool and fyke set a firewall: both refuse the same of it, list the rest alike, and fyke lifts it.
fn firewall(world: &World, findings: &mut Findings, before: &State, name: &str, steps: &[Step]) {
    let refused_by_tool = by_tool(world, steps);
    let mut listed = listed_by_tool(world);
    world.wipe();
    assert!(world.state() == *before, "{name}: the wipe leaves something");
    let refused = by_fyke(world, steps);
    let (shown, listed_of_fyke) = (listed_by_tool(world), listed_by_fyke(world));
    // Of a firewall that is refused as a whole there is nothing to undo.
    let undone = if shown.is_empty() { None } else { Some(world.fyke(&["undo", "last"])) };
    let well = undone.as_ref().is_none_or(|said| said.code == Some(0) && !said.out.contains("drift")) && world.state() == *before;
    if !well {
        findings.differ(Difference::Left, name, format!("{undone:?}"));
        world.wipe();
    }
    for (at, step) in steps.iter().enumerate() {
        let over = format!("{name}: {}", step.name());
        match (refused_by_tool.get(&at), refused.get(&at)) {
            (None, Some(why)) => findings.differ(Difference::Stricter, &over, why),
            (Some(why), None) => findings.differ(Difference::Laxer, &over, why),
            _ => {}
        }
    }
    if !refused.keys().eq(refused_by_tool.keys()) {
        let rest: Vec<Step> = steps.iter().enumerate().filter(|(at, _)| !refused.contains_key(at)).map(|(_, step)| step.clone()).collect();
        by_tool(world, &rest);
        listed = listed_by_tool(world);
        world.wipe();
    }
    let equal = listed == shown && listed == listed_of_fyke;
    if !equal {
        findings.differ(Difference::Listed, name, first_difference(&listed, &shown, &listed_of_fyke));
    }
    for why in refused_by_tool.values() {
        *findings.of_the_tool.entry(reason(why)).or_default() += 1;
    }
    findings.count("firewalls", true);
    findings.add("rules", steps.iter().filter(|step| step.is_rule()).count());
    findings.add("steps", steps.len());
    findings.add("tool refuses", refused_by_tool.len());
    findings.add("fyke refuses", refused.len());
    findings.count("listed equal", equal);
    findings.count("undone equal", well);
}

/// Gives what the tool complains of, without its own name and what it says of its help.
fn reason(complaint: &str) -> String {
    let said = |line: &&str| !line.to_ascii_lowercase().starts_with("warn") && !line.starts_with("# ");
    let line = complaint.lines().filter(|line| !line.is_empty()).find(said).or(complaint.lines().next()).unwrap_or_default();
    line.split_once(": ").map_or(line, |(_, why)| why).trim_end_matches('.').to_owned()
}

/// Names the first chain that is not the same for all.
fn first_difference(listed: &Chains, shown: &Chains, ours: &Chains) -> String {
    let mut names: Vec<&String> = listed.keys().chain(shown.keys()).chain(ours.keys()).collect();
    names.sort();
    let other = names.into_iter().find(|name| !(listed.get(*name) == shown.get(*name) && listed.get(*name) == ours.get(*name)));
    let Some(name) = other else { return String::new() };
    let [a, b, c] = [listed, shown, ours].map(|chains| chains.get(name).cloned().unwrap_or_default());
    let longest = a.len().max(b.len()).max(c.len());
    let line = (0..longest).find(|at| !(a.get(*at) == b.get(*at) && a.get(*at) == c.get(*at))).unwrap_or_default();
    format!("{name}, line {line}: {:?}, {:?} after fyke, {:?} by fyke", a.get(line), b.get(line), c.get(line))
}
