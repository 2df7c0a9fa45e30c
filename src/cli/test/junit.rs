//! The report of the tests in the form that JUnit has made common: what CI systems read.

use std::fmt::Write;
use std::time::Duration;

use super::{Complaint, Outcome, Verdict};
use crate::cli::show::{Paint, cases};

/// The columns to which faults are fitted.
const WIDTH: usize = 120;

/// Writes the report: a suite for each file, in it a case for each test.
pub(super) fn report(outcomes: &[Outcome]) -> String {
    let counts = Counts::of(outcomes.iter());
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fyke\"{counts}>\n");
    let mut files: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !files.contains(&outcome.file.as_str()) {
            files.push(&outcome.file);
        }
    }
    for file in files {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.file == file).collect();
        let counts = Counts::of(own.iter().copied());
        let _ = writeln!(text, "  <testsuite name=\"{}\"{counts}>", quoted(file));
        own.iter().for_each(|outcome| case(&mut text, outcome));
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

/// What stands at the head of a suite.
struct Counts {
    tests: usize,
    failures: usize,
    skipped: usize,
    time: Duration,
}

impl Counts {
    fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut counts = Self { tests: 0, failures: 0, skipped: 0, time: Duration::ZERO };
        for outcome in outcomes {
            counts.tests += 1;
            counts.failures += usize::from(outcome.is_failed());
            counts.skipped += usize::from(matches!(outcome.verdict, Verdict::Skipped(_)));
            counts.time += outcome.time;
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tests, failures, skipped, time } = self;
        write!(f, " tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\"", time.as_secs_f64())
    }
}

fn case(text: &mut String, outcome: &Outcome) {
    let name = if outcome.name.is_empty() { "(the file)" } else { &outcome.name };
    let (file, time) = (quoted(&outcome.file), outcome.time.as_secs_f64());
    let head = format!("classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\" time=\"{time:.3}\"", quoted(name), outcome.line);
    let verdict = match &outcome.verdict {
        Verdict::Passed => None,
        Verdict::Skipped(reason) => Some(format!("<skipped message=\"{}\"/>", quoted(reason))),
        Verdict::Failed(complaints) => complaints.first().map(|first| failure(first, complaints)),
    };
    let printed = (!outcome.printed.is_empty()).then(|| format!("<system-out>{}</system-out>", element(&outcome.printed)));
    let inside: String = verdict.into_iter().chain(printed).map(|line| format!("      {line}\n")).collect();
    let _ = match inside.is_empty() {
        true => writeln!(text, "    <testcase {head}/>"),
        false => writeln!(text, "    <testcase {head}>\n{inside}    </testcase>"),
    };
}

/// Writes what is wrong as one failure: of several, most readers take the first only.
fn failure(first: &Complaint, all: &[Complaint]) -> String {
    let whole: Vec<String> = all.iter().map(|complaint| cases::complaint(complaint, Paint::none(), WIDTH)).collect();
    let (kind, message) = (first.fault.kind.name(), quoted(&first.fault.to_string()));
    format!("<failure type=\"{kind}\" message=\"{message}\">{}</failure>", element(whole.join("\n").trim_end()))
}

/// Writes text so that it can stand in an element, where lines may end as they do.
fn element(text: &str) -> String {
    quoted(text).replace("&#10;", "\n")
}

/// Writes text so that it can stand in an attribute, too. XML 1.0 has no form at all for most control characters (section 2.2).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, verdict: Verdict, printed: &str) -> Outcome {
        Outcome {
            file: "a<b>_test.rhai".to_owned(),
            title: String::new(),
            name: name.to_owned(),
            line: 3,
            verdict,
            time: Duration::from_millis(1500),
            printed: printed.to_owned(),
        }
    }

    #[test]
    fn a_report_has_all_that_readers_look_for() {
        let text =
            report(&[outcome("test_a", Verdict::Passed, "\u{1b}[2J&\n"), outcome("test_b", Verdict::Skipped("no \"x\"".to_owned()), "")]);
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <testsuites name=\"fyke\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"3.000\">\n\
            \x20 <testsuite name=\"a&lt;b&gt;_test.rhai\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"3.000\">\n\
            \x20   <testcase classname=\"a&lt;b&gt;_test.rhai\" name=\"test_a\" file=\"a&lt;b&gt;_test.rhai\" line=\"3\" time=\"1.500\">\n\
            \x20     <system-out>\\u{1b}[2J&amp;\n</system-out>\n\
            \x20   </testcase>\n\
            \x20   <testcase classname=\"a&lt;b&gt;_test.rhai\" name=\"test_b\" file=\"a&lt;b&gt;_test.rhai\" line=\"3\" time=\"1.500\">\n\
            \x20     <skipped message=\"no &quot;x&quot;\"/>\n\
            \x20   </testcase>\n\
            \x20 </testsuite>\n\
            </testsuites>\n";
        assert_eq!(text, wanted);
    }
}
