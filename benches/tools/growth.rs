//! How the times grow with the number of rules: a table, and a chart beside the page.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use super::chart::{Line, draw};
use super::measure::{Medians, clock, median, take_turns};
use super::{FYKE, Outcome, machine, script};

/// How many rules, and how often they are measured.
const SIZES: [(usize, usize); 5] = [(1_000, 7), (3_000, 5), (10_000, 5), (30_000, 3), (100_000, 1)];

/// How many rules are listed against iptables-save, for which there is a goal.
pub(crate) const LISTED: usize = 28_000;

const LIST: &str = "iptables::table(\"filter\").list().len()";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// The median times at one size.
struct Growth {
    rules: usize,
    append: f64,
    restore: f64,
    list: f64,
    save: f64,
}

/// Measures how long fyke lists rules of which nobody knows yet, beside iptables-save.
pub(crate) fn list(backend: &str, scratch: &Path) -> Outcome<Medians> {
    machine::clear(backend)?;
    let text = script(scratch, "rules-listed", &machine::restore_text(LISTED))?;
    clock(Command::new(format!("iptables-{backend}-restore")).arg("--noflush").stdin(File::open(text)?))?;
    take_turns(&format!("{backend}, list"), 7, || listed(backend), || saved(backend))
}

fn listed(backend: &str) -> Outcome<f64> {
    clock(Command::new(FYKE).args(["--backend", backend, "eval", LIST]))
}

fn saved(backend: &str) -> Outcome<f64> {
    clock(&mut Command::new(format!("iptables-{backend}-save")))
}

/// Measures all sizes, draws the chart, and gives the table.
pub(crate) fn table(backend: &str, scratch: &Path) -> Outcome<String> {
    let rows = SIZES.iter().map(|(rules, turns)| one(backend, scratch, *rules, *turns)).collect::<Outcome<Vec<_>>>()?;
    let line = |name, colour, dashed, time: fn(&Growth) -> f64| {
        let points = rows.iter().map(|row| (row.rules as f64, time(row))).collect();
        Line { name, colour, dashed, points }
    };
    let lines = [
        line("fyke run", "#2f81f7", false, |row| row.append),
        line("iptables-restore", "#2f81f7", true, |row| row.restore),
        line("fyke, list", "#c77d10", false, |row| row.list),
        line("iptables-save", "#c77d10", true, |row| row.save),
    ];
    let name = format!("growth-{backend}.svg");
    fs::write(Path::new(FOLDER).join(&name), draw(&format!("iptables on {backend}: time by number of rules"), "rules", &lines))?;
    let mut text = format!("![the times of the table as lines]({name})\n\n");
    text += "| rules | `fyke run` | `iptables-restore` | ratio | `fyke`, list | `iptables-save` | ratio |\n|--:|--:|--:|--:|--:|--:|--:|\n";
    for Growth { rules, append, restore, list, save } in &rows {
        let [a, b, c, d] = [append, restore, list, save].map(|time| format!("{:.0} ms", time * 1e3));
        text += &format!("| {rules} | {a} | {b} | {:.2} | {c} | {d} | {:.2} |\n", append / restore, list / save);
    }
    Ok(text)
}

/// Measures one size: the rules appended by fyke, journaled, against a restore; and then listed, against iptables-save.
fn one(backend: &str, scratch: &Path, rules: usize, turns: usize) -> Outcome<Growth> {
    eprintln!("{backend}, {rules} rules: {turns} turns");
    let text = script(scratch, "rules-growth", &machine::restore_text(rules))?;
    let append = script(scratch, "growth.rhai", &machine::appends("INPUT", rules))?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..turns {
        machine::clear(backend)?;
        times[1].push(clock(Command::new(format!("iptables-{backend}-restore")).arg("--noflush").stdin(File::open(&text)?))?);
        machine::clear(backend)?;
        times[0].push(clock(Command::new(FYKE).args(["--backend", backend, "run", &append]))?);
        times[3].push(saved(backend)?);
        times[2].push(listed(backend)?);
        // The rules go with the next clear, and so the journal of the run has to go.
        match fs::remove_dir_all("/run/fyke") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    machine::clear(backend)?;
    let [append, restore, list, save] = times.map(median);
    Ok(Growth { rules, append, restore, list, save })
}
