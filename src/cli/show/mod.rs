//! The only place that prints. Standard output has what was asked for; standard error has everything else.

pub(crate) mod cases;
mod cgroups;
pub(crate) mod changes;
mod fault;
mod function;
mod links;
mod markdown;
mod named;
mod netns;
mod paint;
mod ports;
pub(crate) mod recipe;
mod sets;
mod table;
mod value;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::cli::args::{self, Options, When};
use crate::host;
use crate::host::value::escaped;
use crate::kernel::{files, stdio};
use crate::model::source::{MAX_BYTES, decode};
use crate::model::{Fault, Kind, Position};

pub(crate) use changes::shell;
pub(crate) use function::function;
pub(crate) use markdown::markdown;
pub(crate) use paint::Paint;
pub(crate) use table::{Table, fields, pad};
pub(crate) use value::{shown, value};

/// Gives the text of a source line, where it is known.
pub(crate) type Lines<'a> = &'a dyn Fn(&Position) -> Option<String>;

/// Reads the text of a source line from its file, as that is now: for faults of what was not run.
pub(crate) fn line_of_file(at: &Position) -> Option<String> {
    let bytes = files::read_bounded(at.file.as_ref().as_ref(), MAX_BYTES).ok()?;
    decode(&at.file, &bytes).ok()?.lines().nth((at.line as usize).checked_sub(1)?).map(str::to_owned)
}

/// The columns that help and faults are fitted to where there is no terminal.
const WIDTH: usize = 100;
/// Why something is not printed that goes into a pipe whose other end is closed.
const NOBODY_READS: &str = "nobody reads it any more";

/// Standard output and standard error, and what is known of them.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// Whether one JSON document is wanted on standard output.
    pub(crate) json: bool,
    /// Whether each JSON document takes one line, as where there are several.
    lines: bool,
    /// Whether more is to be said on standard error.
    pub(crate) verbose: bool,
    /// How to paint what goes to standard output.
    pub(crate) paint: Paint,
    /// How to paint what goes to standard error.
    pub(crate) notes: Paint,
    terminal: bool,
    columns: Option<usize>,
}

impl Screen {
    /// Looks at the streams and at what the user wants of them.
    pub(crate) fn new(options: &Options) -> Self {
        let terminal = io::stdout().is_terminal();
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        Self {
            json: options.json,
            lines: false,
            verbose: options.verbose,
            paint: Paint::new(colours(options.color, terminal), terminal),
            notes: Paint::new(colours(options.color, io::stderr().is_terminal()), io::stderr().is_terminal()),
            terminal,
            columns: if terminal { columns.or_else(stdio::columns) } else { None },
        }
    }

    /// Looks at the streams once more: a terminal may have been made wider.
    pub(crate) fn again(&self, options: &Options) -> Self {
        Self { json: self.json, lines: self.lines, ..Self::new(options) }
    }

    /// Makes a screen on which each JSON document takes one line.
    pub(crate) fn in_lines(&self) -> Self {
        Self { lines: true, ..self.clone() }
    }

    /// Gives the columns to fit text to.
    pub(crate) fn width(&self) -> usize {
        self.columns.unwrap_or(WIDTH)
    }

    /// Gives the columns that a table must be fitted to: those of a terminal; what goes to a file or a pipe is not cut.
    pub(crate) fn bound(&self) -> Option<usize> {
        self.columns
    }

    /// Prints text of our own as it is.
    pub(crate) fn print(&self, text: &str) -> Result<(), Fault> {
        let lost = |why: String| Fault::new(Kind::System, "write to standard output", why);
        if stdio::output_was_closed() && !text.is_empty() {
            return Err(lost("it is closed".to_owned()));
        }
        write(text).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => lost(NOBODY_READS.to_owned()),
            _ => lost(error.to_string()),
        })
    }

    /// Prints a line of somebody else's text; on a terminal it cannot play tricks.
    pub(crate) fn print_line(&self, text: &str) -> Result<(), Fault> {
        self.print_text(&format!("{text}\n"))
    }

    /// Prints somebody else's text, line ends and all; on a terminal it cannot play tricks.
    pub(crate) fn print_text(&self, text: &str) -> Result<(), Fault> {
        self.print(&self.paint.text(text))
    }

    /// Tells whether what a script prints goes to a terminal, where it must not play tricks.
    pub(crate) fn escapes(&self) -> bool {
        if self.json { io::stderr().is_terminal() } else { self.terminal }
    }

    /// Prints a line of a script. With `--json`, standard output belongs to the one document.
    pub(crate) fn print_of_script(&self, line: &str) -> Result<(), Fault> {
        if self.json {
            self.note(line);
            return Ok(());
        }
        self.print(&format!("{line}\n"))
    }

    /// Shows a line that a script logs.
    pub(crate) fn log(&self, line: &str) {
        self.note(&escaped(line));
    }

    /// Shows on a terminal how far something has come, in one line that the next one takes the place of; an empty one takes it away.
    pub(crate) fn progress(&self, line: &str) {
        let mut terminal = io::stderr().lock();
        if io::stderr().is_terminal() {
            let line: String = line.chars().take(self.width().saturating_sub(1)).collect();
            let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
        }
    }

    /// Asks whoever sits at the terminal, and takes only a plain yes for one.
    pub(crate) fn ask(&self, question: &str) -> Result<bool, Fault> {
        if !self.can_ask() {
            return Err(host::nobody_to_ask(question));
        }
        Ok(matches!(self.choose(question, "y/N")?.as_str(), "y" | "yes"))
    }

    /// Tells whether somebody sits at a terminal who can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Asks whoever sits at the terminal, and gives the answer in small letters; an empty one at the end of the input.
    pub(crate) fn choose(&self, question: &str, answers: &str) -> Result<String, Fault> {
        let _ = write!(io::stderr().lock(), "{} [{answers}] ", escaped(question));
        let answer = stdio::Lines::default().next_line();
        if !matches!(answer, Ok(Some(_))) {
            // What is said next begins a line.
            self.note("");
        }
        Ok(answer?.map(|answer| answer.trim().to_lowercase()).unwrap_or_default())
    }

    /// Prints a JSON document: the only one, or one a line.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), Fault> {
        if self.lines {
            return self.json_line(document);
        }
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Fault::new(Kind::System, "write the result as JSON", error.to_string()))?;
        self.print(&format!("{text}\n"))
    }

    fn json_line(&self, document: &impl Serialize) -> Result<(), Fault> {
        let text =
            serde_json::to_string(document).map_err(|error| Fault::new(Kind::System, "write the result as JSON", error.to_string()))?;
        self.print(&format!("{text}\n"))
    }

    /// Tells whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Says something beside the result. That nobody listens is no fault.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
    }

    /// Shows a fault with its source line, or as JSON on standard output.
    pub(crate) fn fault(&self, fault: &Fault, exit: u8, line: Lines) {
        if nobody_reads(fault) {
            return;
        }
        if !self.json || self.document(&json!({ "fault": fault, "exit": exit })).is_err() {
            self.note(&fault::text(fault, true, line, self.notes.on, self.width()));
        }
    }

    /// Shows a finding of `check`, an error or a warning.
    pub(crate) fn finding(&self, finding: &Fault, error: bool, line: Lines) {
        self.note(&fault::text(finding, error, line, self.notes.on, self.width()));
    }
}

/// Tells whether all that is wrong is that nobody reads what is printed: whoever took the first lines has what it wanted. Where
/// that has stopped a script, it is told.
pub(crate) fn nobody_reads(fault: &Fault) -> bool {
    fault.kind == Kind::System && fault.why == NOBODY_READS && fault.origin.is_none()
}

/// Prints what clap has to say, help and version to standard output and a misuse to standard error, and gives the exit code.
pub(crate) fn usage(error: &clap::Error, color: When) -> ExitCode {
    let text = error.render();
    if error.use_stderr() && std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json") {
        let why = text.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let fault = Fault::input("read the command line", why).hint("`fyke --help` lists verbs and flags");
        let _ = write(&format!("{:#}\n", serde_json::json!({ "fault": fault, "exit": 2 })));
        return 2.into();
    }
    let painted = |terminal| if colours(color, terminal) { text.ansi().to_string() } else { text.to_string() };
    if error.use_stderr() {
        let mut text = painted(io::stderr().is_terminal());
        // clap leaves the usage out where a value is wrong.
        if !text.contains("Usage:") {
            text.push_str(&format!("\n{}\n", args::command().render_usage()));
        }
        let _ = io::stderr().write_all(text.as_bytes());
        return 2.into();
    }
    let text = painted(io::stdout().is_terminal());
    u8::from(stdio::output_was_closed() || write(&text).is_err()).into()
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn colours(when: When, terminal: bool) -> bool {
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !refused() && !dumb(),
    }
}
