//! Tests: a line for each, what failed, and how many.

use std::collections::HashSet;
use std::time::Duration;

use super::{Paint, Screen, changes, fault};
use crate::cli::test::{Complaint, Outcome, Verdict};
use crate::host::value::escaped;

/// The most lines of what a test leaves that are shown.
const MOST: usize = 50;

/// Writes the line of a test; with `verbose`, how long it took.
pub(crate) fn line(outcome: &Outcome, verbose: bool, paint: Paint) -> String {
    let (verdict, reason) = match &outcome.verdict {
        Verdict::Passed => (paint.green("pass"), String::new()),
        Verdict::Failed(_) => (paint.red("FAIL"), String::new()),
        Verdict::Skipped(reason) => (paint.yellow("skip"), format!(": {}", escaped(&reason.replace('\n', " ")))),
    };
    let time = if verbose { format!(" ({})", seconds(outcome.time)) } else { String::new() };
    format!("{verdict}  {}{reason}{time}\n", escaped(&outcome.title.replace('\n', "\\n")))
}

/// Writes why tests failed, and what they printed. What is wrong with a whole file is written at the first of its tests.
pub(crate) fn failures(screen: &Screen, outcomes: &[Outcome]) -> String {
    let (mut text, mut told) = (String::new(), HashSet::new());
    for outcome in outcomes.iter().filter(|outcome| outcome.is_failed()) {
        let why = why(screen, outcome);
        let title = screen.paint.bold(&escaped(&outcome.title));
        text.push_str(&match told.contains(&why) {
            true => format!("\n{title}\nthe same as above\n"),
            false => format!("\n{title}\n{why}"),
        });
        told.insert(why);
    }
    text
}

fn why(screen: &Screen, outcome: &Outcome) -> String {
    let Verdict::Failed(complaints) = &outcome.verdict else { return String::new() };
    let mut text: String = complaints.iter().map(|one| complaint(one, screen.paint, screen.width())).collect();
    if !outcome.printed.is_empty() {
        text.push_str("it printed:\n");
        outcome.printed.lines().for_each(|line| text.push_str(&format!("  {}\n", screen.paint.text(line))));
    }
    text
}

/// Writes what is wrong with a test.
pub(crate) fn complaint(complaint: &Complaint, paint: Paint, width: usize) -> String {
    let mut text = fault::text(&complaint.fault, true, &|at| complaint.line(at), paint.on, width) + "\n";
    if let Some((found, others)) = &complaint.left {
        let diff = changes::diff(found, paint);
        let others = others.iter().map(|line| escaped(line).to_string());
        let lines: Vec<String> = diff.lines().map(str::to_owned).chain(others).collect();
        lines.iter().take(MOST).for_each(|line| text.push_str(&format!("  {line}\n")));
        if lines.len() > MOST {
            text.push_str(&format!("  and {} lines more\n", lines.len() - MOST));
        }
    }
    text
}

/// Says how many passed, failed, were skipped, and were not run.
pub(crate) fn summary([passed, failed, skipped, not_run]: [usize; 4], time: Duration, paint: Paint) -> String {
    let more = [(failed, "failed"), (skipped, "skipped"), (not_run, "not run")].into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = std::iter::once((passed, "passed")).chain(more).map(|(count, word)| format!("{count} {word}")).collect();
    let text = format!("{} in {}", counts.join(", "), seconds(time));
    let painted = match (failed, not_run) {
        (0, 0) => paint.green(&text),
        (0, _) => paint.yellow(&text),
        _ => paint.red(&text),
    };
    format!("\n{painted}\n")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
