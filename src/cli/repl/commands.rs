//! What is no statement: the commands of the prompt, which begin with a colon, and the questions.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Steps, Talk, save};
use crate::cli::args::{self, Options};
use crate::cli::show::{changes, fields, markdown};
use crate::cli::{doctor, list};
use crate::host::{self, Candidate, Completion, Given, Host, Mode, Recipe};
use crate::kernel::files;
use crate::model::near::did_you_mean;
use crate::model::{Fault, Kind};

/// The commands: name, what stands behind it, and what it does.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    ("help", "[NAME]", "explains a function, a room, a recipe or a variable; so do ?NAME and help(NAME)"),
    ("undo", "[all]", "lifts what the last statement changed, or all of them"),
    ("changes", "", "shows what is in force of this session"),
    ("plan", "[on|off]", "statements show what they would change, and change nothing"),
    ("type", "STATEMENT", "shows the type of its value"),
    ("time", "STATEMENT", "shows how long it takes"),
    ("load", "FILE", "does what is in a file, as one statement"),
    ("save", "FILE", "writes the statements as a recipe; :save! takes the place of a file"),
    ("json", "", "shows values as JSON"),
    ("table", "", "shows values as text and tables"),
    ("recipes", "", "lists the built-in recipes"),
    ("doctor", "", "says what this kernel and this user can do"),
    ("quit", "[keep|lift]", "leaves; what is in force stays, or is lifted"),
];

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    /// It does.
    On,
    /// It is over, with this exit code.
    Leave(u8),
    /// It is to be over, with this exit code; whether what is in force stays has not been said.
    Ask(u8),
}

impl Go {
    /// Tells what an input wants: one that calls `exit(n)` wants to leave.
    pub(super) fn after(given: &Given) -> Self {
        given.exit.map_or(Go::On, Go::Ask)
    }
}

/// What somebody typed, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words<'a> {
    /// A statement.
    Statement(&'a str),
    /// A question about a name.
    Question(&'a str),
    /// A command and what stands behind it.
    Command(&'a str, &'a str),
}

/// Tells a command or question from a statement.
fn words(text: &str) -> Words<'_> {
    let text = text.trim();
    if let Some(command) = text.strip_prefix(':').filter(|rest| !rest.starts_with(':')) {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        return Words::Command(name, rest.trim());
    }
    let bare = text.trim_end_matches(';').trim_end();
    let asked = bare.strip_prefix("help").filter(|rest| rest.is_empty() || rest.starts_with([' ', '(']));
    match (text.strip_prefix('?'), asked) {
        (Some(name), _) => Words::Question(name.trim()),
        (None, Some(rest)) => Words::Question(rest.trim_matches(|c: char| c.is_whitespace() || "()\"".contains(c))),
        _ if bare == "quit" || bare == "exit" => Words::Command("quit", ""),
        _ => Words::Statement(text),
    }
}

/// Tells whether a text is a command or a question, which is whole as it stands.
pub(super) fn is_command(text: &str) -> bool {
    !matches!(words(text), Words::Statement(_))
}

/// Finds the command of a name, or of the beginning of one.
pub(super) fn command(name: &str) -> Result<&'static str, Fault> {
    let all = || COMMANDS.iter().map(|(name, ..)| *name);
    let begun: Vec<&str> = all().filter(|known| !name.is_empty() && known.starts_with(name)).collect();
    match (begun.iter().find(|known| **known == name), begun.as_slice()) {
        (Some(exact), _) | (None, [exact]) => Ok(exact),
        (None, []) => {
            let hint = did_you_mean(name, all()).map(|hint| hint.replacen('`', "`:", 1));
            let fault = Fault::input(format!("do :{name}"), "there is no such command");
            Err(fault.hint(hint.unwrap_or_else(|| "`:help` lists them".to_owned())))
        }
        (None, several) => {
            let hint = format!("it may be {}", several.iter().map(|name| format!(":{name}")).collect::<Vec<_>>().join(" or "));
            Err(Fault::input(format!("do :{name}"), "several commands begin so").hint(hint))
        }
    }
}

/// Adds to the fault of a statement that it may have been meant as a command.
fn meant(fault: Fault, text: &str) -> Fault {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_command = fault.hint.is_none() && fault.kind == Kind::Input && COMMANDS.iter().any(|(name, ..)| *name == first);
    if is_command { fault.hint(format!("a command begins with a colon: `:{}`", text.trim())) } else { fault }
}

/// Finds what can stand at the end of a text, which may be a command.
pub(super) fn complete(text: &str, host: &Host) -> Completion {
    let begins = |start: usize, names: Vec<String>| {
        let candidates = names.into_iter().filter(|name| name.starts_with(&text[start..]));
        Completion { start, candidates: candidates.map(|name| Candidate { shown: name.clone(), text: name }).collect() }
    };
    // What stands behind a command begins where its own text ends.
    let behind = |rest: &str| text.len() - rest.len();
    let inside = |rest: &str| {
        let found = host.complete(rest);
        Completion { start: found.start + behind(rest), ..found }
    };
    // What can be asked for is more than what can be said, and a recipe may have a dash in its name.
    let asked = |name: &str| {
        let mut found = begins(behind(name), Recipe::built_in().map(|recipe| recipe.name).collect());
        let said = inside(name);
        match found.candidates.is_empty() {
            false if said.start == found.start => found.candidates.extend(said.candidates),
            false => {}
            true => found = said,
        }
        found
    };
    if let Some(name) = text.strip_prefix('?') {
        return asked(name);
    }
    let Some(line) = text.strip_prefix(':') else { return host.complete(text) };
    let Some((name, rest)) = line.split_once(' ') else {
        return begins(0, COMMANDS.iter().map(|(name, ..)| format!(":{name}")).collect());
    };
    match name {
        "load" | "save" | "save!" => begins(behind(rest), host::paths(rest)),
        "undo" => begins(behind(rest), vec!["all".to_owned()]),
        "plan" => begins(behind(rest), vec!["off".to_owned(), "on".to_owned()]),
        "quit" => begins(behind(rest), vec!["keep".to_owned(), "lift".to_owned()]),
        "help" => asked(rest),
        "type" | "time" => inside(rest),
        _ => Completion::default(),
    }
}

impl Talk<'_> {
    /// Does what was typed.
    pub(super) fn obey(&mut self, text: &str) -> Result<Go, Fault> {
        match words(text) {
            // The text as it was typed: its blanks count for the places of faults.
            Words::Statement(_) => self.statement(text).map_err(|fault| meant(fault, text)),
            Words::Question(name) => self.explain(name).map(|()| Go::On),
            Words::Command(name, rest) => self.command(name, rest),
        }
    }

    fn command(&mut self, name: &str, rest: &str) -> Result<Go, Fault> {
        let (name, force) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        match (command(name)?, rest) {
            ("help", _) => self.explain(rest)?,
            ("undo", "") => self.undo(false)?,
            ("undo", "all") => self.undo(true)?,
            ("changes", "") => self.changes()?,
            ("plan", "on" | "") => self.plan(true)?,
            ("plan", "off") => self.plan(false)?,
            ("type", statement) if !statement.is_empty() => self.type_of(statement)?,
            ("time", statement) if !statement.is_empty() => return self.time(statement),
            ("load", file) if !file.is_empty() => return self.load(file),
            ("save", file) if !file.is_empty() => self.save(file, force)?,
            ("json", "") => self.answer_in(true)?,
            ("table", "") => self.answer_in(false)?,
            ("recipes", "") => drop(list::run(&self.screen, &args::List { names: false })?),
            ("doctor", "") => drop(doctor::run_in(&self.screen, self.options, self.session.place())?),
            ("quit", "") => return Ok(Go::Ask(0)),
            ("quit", "keep") => return Ok(Go::Leave(self.keep(0))),
            ("quit", "lift") => return Ok(Go::Leave(self.lift_quietly(0))),
            (name, _) => {
                let takes = COMMANDS.iter().find(|(known, ..)| *known == name).map_or("", |(_, takes, _)| takes);
                let (given, right) = (format!(":{name} {rest}"), format!(":{name} {takes}"));
                return Err(Fault::input(format!("do {}", given.trim_end()), format!("it is given as `{}`", right.trim_end())));
            }
        }
        Ok(Go::On)
    }

    fn undo(&mut self, all: bool) -> Result<(), Fault> {
        let last =
            |steps: &Steps| (if all { steps.standing().next() } else { steps.standing().next_back() }).map(|step| (step.mark, step.said()));
        let nothing = || Fault::new(Kind::NotFound, "undo", "nothing of this session is in force");
        let (mark, text) = last(&self.steps).ok_or_else(nothing)?;
        let lifted = self.live.withdraw(mark);
        self.steps.only(&self.live.in_force()?);
        self.kept.again(&self.steps);
        let report = lifted?;
        let drift = report.run.as_ref().map(|run| changes::drift(run, &report.drift, self.screen.notes)).unwrap_or_default();
        for news in [changes::diff(&report.changes, self.screen.notes), drift].iter().filter(|news| !news.is_empty() && !self.screen.json) {
            self.screen.note(news);
        }
        if report.drift.iter().any(|drift| drift.left) {
            return Err(Fault::new(Kind::Drift, "lift all of it", "somebody else changed some of it, and that is left as it is"));
        }
        let what = if all { "all" } else { text.lines().next().unwrap_or_default() };
        let document = json!({ "lifted": what, "changes": changes::json(&report.changes), "drift": report.drift });
        self.answer(&format!("lifted: {}", host::value::escaped(what)), &document)
    }

    /// Answers a command: with a document where that is wanted, else with a sentence beside the result.
    fn answer(&self, sentence: &str, document: &Value) -> Result<(), Fault> {
        if self.screen.json {
            return self.screen.document(document);
        }
        self.screen.note(sentence);
        Ok(())
    }

    /// Shows values as JSON, or as text, from here on.
    fn answer_in(&mut self, json: bool) -> Result<(), Fault> {
        if self.screen.json {
            self.screen.document(&json!({ "json": json }))?;
        }
        self.screen.json = json;
        Ok(())
    }

    fn changes(&self) -> Result<(), Fault> {
        if self.screen.json {
            let document = |step: &super::steps::Step| json!({ "statement": step.text, "changes": changes::json(&step.changes) });
            return self.screen.document(&self.steps.standing().map(document).collect::<Vec<_>>());
        }
        if self.steps.in_force() == 0 {
            return self.screen.print("nothing of this session is in force\n");
        }
        for step in self.steps.standing() {
            self.screen.print(&format!("{}\n", self.screen.paint.dim(&host::value::escaped(&step.said()))))?;
            self.screen.print(&changes::diff(&step.changes, self.screen.paint))?;
        }
        Ok(())
    }

    /// Takes a shadow in place of the kernel, or the kernel again.
    fn plan(&mut self, on: bool) -> Result<(), Fault> {
        if on {
            let shadow = self.session.door(self.page, Mode::Plan);
            drop(self.host.borrow().use_door(shadow));
        } else {
            drop(self.host.borrow().use_door(self.live.clone()));
        }
        self.clock.plan(on);
        let sentence = if on {
            "statements are planned from here on; :plan off goes back"
        } else {
            "statements are done again; what was planned is forgotten"
        };
        self.answer(sentence, &json!({ "plan": on }))
    }

    fn type_of(&mut self, statement: &str) -> Result<(), Fault> {
        let known = self.host.borrow().type_of(statement);
        let of = match known {
            Some(of) => of,
            None => {
                let given = self.evaluate(statement)?;
                if !self.screen.json {
                    self.show_changes(&given.report);
                }
                given.of
            }
        };
        let of = if of == "()" { "nothing" } else { &of };
        if self.screen.json { self.screen.document(&json!({ "type": of })) } else { self.screen.print_line(of) }
    }

    fn time(&mut self, statement: &str) -> Result<Go, Fault> {
        let begun = Instant::now();
        let given = self.evaluate(statement)?;
        let took = begun.elapsed();
        if self.screen.json {
            self.screen.document(&json!({ "given": self.document(&given), "seconds": took.as_secs_f64() }))?;
        } else {
            self.show(&given)?;
            self.screen.note(&format!("{took:.1?}"));
        }
        Ok(Go::after(&given))
    }

    fn load(&mut self, file: &str) -> Result<Go, Fault> {
        let saved = save::file(file);
        let file = if files::exists(Path::new(file)) || !files::exists(Path::new(&saved)) { file } else { &saved };
        let given = self.evaluate(&Recipe::read(file)?.text)?;
        self.steps.came_from(file);
        self.show(&given)?;
        Ok(Go::after(&given))
    }

    fn save(&self, file: &str, force: bool) -> Result<(), Fault> {
        let file = save::file(file);
        let out = save::write(&file, self.steps.all(), force)?;
        let path = save::path(&file);
        let without = match out {
            0 => String::new(),
            _ => format!("\n{out} of the statements cannot be in a recipe; each stands there as a comment: left out"),
        };
        let sentence = format!("saved; it runs with: fyke run {}{without}", crate::cli::show::shell(&path));
        self.answer(&sentence, &json!({ "saved": path, "left_out": out }))
    }

    /// Says where one is, and how one gets on.
    pub(super) fn greet(&self) {
        let Options { sandbox, netns, .. } = self.options;
        let place = match netns {
            _ if *sandbox => "a network of your own: whatever you do here is gone when you leave".to_owned(),
            Some(name) => format!("the network namespace {}; what you do is lifted again with :undo", name.to_string_lossy()),
            None => "your own network; what you do is lifted again with :undo".to_owned(),
        };
        let keys = "Tab completes, ?name explains, :help lists the commands, Ctrl-D leaves";
        let fitted = |text: &str| markdown(text, self.screen.notes, self.screen.width());
        let text = format!("fyke {}, in {}", env!("CARGO_PKG_VERSION"), host::value::escaped(&place));
        self.screen.note(&format!("{}{}", fitted(&text), self.screen.notes.dim(&fitted(keys))));
    }

    /// Writes the prompt, and tells whether a statement changes the machine itself.
    pub(super) fn prompt(&self) -> (String, bool) {
        let place = match &self.options.netns {
            _ if self.options.sandbox => " sandbox".to_owned(),
            Some(name) => format!(" {}", host::value::escaped(&name.to_string_lossy())),
            None => String::new(),
        };
        let planning = self.clock.is_planning();
        let plan = if planning { " plan" } else { "" };
        let standing = match self.steps.in_force() {
            0 => String::new(),
            many => format!(" +{many}"),
        };
        (format!("fyke{place}{plan}{standing}> "), !planning && !self.options.sandbox)
    }

    /// Lists the commands, or one of them.
    pub(super) fn commands(&self, only: Option<&str>) -> Result<(), Fault> {
        let commands = || COMMANDS.iter().filter(|(name, ..)| only.is_none_or(|only| only == *name));
        if self.screen.json {
            let document = |(name, takes, about): &_| json!({ "command": format!(":{name}"), "takes": takes, "about": about });
            return self.screen.document(&commands().map(document).collect::<Vec<_>>());
        }
        let named: Vec<_> = commands().map(|(name, takes, about)| (format!(":{name} {takes}"), *about)).collect();
        let rows = named.iter().map(|(name, about)| (name.trim_end(), *about));
        self.screen.print(&fields(rows, |name| self.screen.paint.cyan(name), self.screen.bound()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_statements() {
        assert_eq!(words(" :undo  all "), Words::Command("undo", "all"));
        assert_eq!(words("?iptables::table"), Words::Question("iptables::table"));
        for help in ["help(table)", "help table", "help(\"table\");"] {
            assert_eq!(words(help), Words::Question("table"), "{help}");
        }
        assert_eq!((words("help"), words("exit")), (Words::Question(""), Words::Command("quit", "")));
        for statement in ["helper(1)", "exit(3)", "x", "::x", "quit + 1"] {
            assert_eq!(words(statement), Words::Statement(statement));
        }
    }

    #[test]
    fn a_command_may_be_cut_short_and_a_wrong_one_is_corrected() {
        assert_eq!((command("q"), command("undo"), command("li").is_err()), (Ok("quit"), Ok("undo"), true));
        let hint = |name: &str| command(name).unwrap_err().hint.unwrap_or_default();
        assert_eq!(hint("chnages"), "did you mean `:changes`?");
        assert_eq!(hint("t"), "it may be :type or :time or :table");
        assert_eq!(hint(""), "`:help` lists them");
    }
}
