//! `fyke repl`: statements as they are typed, each a transaction of its own in one run.

mod clock;
mod commands;
mod explain;
mod forms;
mod input;
mod items;
mod kept;
mod leave;
mod lost;
mod save;
mod steps;

use std::cell::RefCell;
use std::io::{IsTerminal, stdin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use self::clock::Clock;
use self::commands::Go;
use self::input::{Editor, Typed};
use self::kept::Kept;
use self::steps::Steps;
use super::args::{Options, Prompt};
use super::session::{STACK, Script, Session};
use super::show::{self, Screen, changes};
use super::{exit_code, permission};
use crate::host::{self, Given, Host, Mode, Output, Value};
use crate::kernel::process::{self, Limits, Page, Stop, signals};
use crate::kernel::stdio::Lines;
use crate::model::{Fault, Kind, Report};
use crate::transaction::Door;

/// Reads statements until somebody leaves, under a guardian: whatever ends this process, what is in force is lifted.
pub(crate) fn run(screen: &Screen, options: &Options, prompt: &Prompt) -> Result<u8, Fault> {
    let screen = &screen.in_lines();
    let terminal = stdin().is_terminal() && screen.is_terminal();
    let id = format!("{} {}", std::process::id(), super::place::now());
    let session = Session::open(screen, options, Mode::Run, Script::Prompt(&id), prompt.safety.stance())?
        .reach(prompt.reach)
        .gated(permission::gate(screen, &prompt.rights, false)?);
    let kept = if terminal { Kept::new() } else { Kept::default() };
    let limits = Limits { interrupt_ends: !terminal, ..Limits::default() };
    let runner = |page: &'static Page| {
        let talk = || {
            let mut talk = Talk::open(screen, options, &session, page, &kept, terminal);
            let code = if terminal { talk.at_a_terminal() } else { talk.at_a_pipe() };
            talk.host.borrow_mut().abandon();
            code
        };
        process::with_big_stack(STACK, talk).unwrap_or_else(|fault| {
            screen.fault(&fault, 1, &|_| None);
            1
        })
    };
    process::guarded(&limits, runner, |page, ending| {
        let code = session.guardian(&limits, page, ending);
        // Who leaves takes the file away: where it still is, the session was ended, and what was in force is lifted.
        let lifted = code != Kind::Incomplete.exit_code() && (ending.is_orderly() || page.open_run().is_some());
        if kept.is_left() || !ending.is_orderly() {
            kept.tell(screen, lifted);
        }
        code
    })
}

/// A session of somebody, or of a program, that gives statements.
struct Talk<'a> {
    screen: Screen,
    options: &'a Options,
    session: &'a Session<'a>,
    page: &'static Page,
    host: Rc<RefCell<Host>>,
    /// The door to the live kernel, also while statements are planned.
    live: Door,
    clock: Clock,
    steps: Steps,
    /// Whether somebody types the statements.
    typed: bool,
    kept: &'a Kept,
    /// What of the output got lost, if any did.
    lost: Arc<Mutex<Option<Fault>>>,
}

impl<'a> Talk<'a> {
    fn open(screen: &'a Screen, options: &'a Options, session: &'a Session<'a>, page: &'static Page, kept: &'a Kept, typed: bool) -> Self {
        let live = session.door(page, Mode::Run);
        let (clock, lost) = (Clock::new(options.timeout().0), Arc::default());
        let mut setup = host::Setup::new(Mode::Run, live.clone());
        let (stop, pause) = (clock.clone(), clock.clone());
        setup.stop = Arc::new(move || stop.stopped());
        setup.pause = Some(Box::new(move |time| pause.sleep(time)));
        setup.output = output(screen, &lost);
        let (log, asking, far) = (screen.clone(), screen.clone(), screen.clone());
        setup.confirm = Some(Box::new(move |question| asking.ask(question)));
        setup.log = Box::new(move |line| log.log(line));
        setup.progress = Box::new(move |line| far.progress(line));
        let host = Rc::new(RefCell::new(Host::open(setup)));
        Self { screen: screen.clone(), options, session, page, host, live, clock, steps: Steps::default(), typed, kept, lost }
    }

    /// Reads from whoever sits at the terminal. A fault is shown, and the session goes on.
    fn at_a_terminal(&mut self) -> u8 {
        let mut editor = match Editor::open(&self.host, self.screen.paint.on) {
            Ok(editor) => editor,
            Err(fault) => return self.lift(fault),
        };
        self.greet();
        loop {
            let (prompt, danger) = self.prompt();
            let text = match editor.read(&prompt, danger) {
                Typed::Text(text) => text,
                Typed::Nothing => continue,
                Typed::End => ":quit".to_owned(),
                Typed::Lost => return self.stop(gone()),
            };
            // The terminal may have been made wider or narrower.
            self.screen = self.screen.again(self.options);
            let over = self.obey(&text).and_then(|go| match go {
                Go::On => Ok(None),
                Go::Leave(code) => Ok(Some(code)),
                Go::Ask(code) => self.ask(code, &mut editor),
            });
            match over {
                Ok(None) => {}
                Ok(Some(code)) => return code,
                Err(fault) => self.failed(fault, &mut editor),
            }
            if let Some(stop) = signals::pending().filter(|stop| *stop != Stop::Interrupt) {
                return self.stop(stop);
            }
        }
    }

    /// Says what went wrong. An interrupt is for what was typed ahead, too.
    fn failed(&self, fault: Fault, editor: &mut Editor) {
        let mut fault = fault;
        if fault.kind == Kind::Interrupted {
            // The terminal has shown ^C, and is still on that line.
            self.screen.note("");
            fault = fault.followed_by(editor.forget().err());
        }
        self.tell(&fault, exit_code(&fault, true));
    }

    /// Reads from a file or a program. The first fault ends it, and all is lifted.
    fn at_a_pipe(&mut self) -> u8 {
        let mut lines = Lines::default();
        loop {
            let done = match next_input(&mut lines) {
                Ok(Some(text)) => self.obey(&text),
                Ok(None) => Ok(Go::Ask(0)),
                Err(fault) => Err(fault),
            };
            match done {
                Ok(Go::On) => {}
                Ok(Go::Leave(code)) => return code,
                // Nobody is there to be asked.
                Ok(Go::Ask(code)) => return self.keep(code),
                Err(fault) => return self.lift(fault),
            }
        }
    }

    /// Evaluates a statement and shows what it gives and changes.
    fn statement(&mut self, text: &str) -> Result<Go, Fault> {
        let given = self.evaluate(text)?;
        self.show(&given)?;
        Ok(Go::after(&given))
    }

    fn evaluate(&mut self, text: &str) -> Result<Given, Fault> {
        let mark = self.live.mark();
        self.clock.start();
        let given = self.host.borrow_mut().input(text);
        self.clock.stop();
        let given = given?;
        let looked = given.value != Value::Unit && save::is_look(text);
        let marks = (mark, self.live.mark());
        self.steps.add(text, marks, &given.report, self.clock.is_planning(), looked);
        self.kept.add(&self.steps);
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        lost.map_or(Ok(given), Err)
    }

    fn show(&self, given: &Given) -> Result<(), Fault> {
        if self.screen.json {
            return self.screen.document(&self.document(given));
        }
        self.show_changes(&given.report);
        self.screen.print(&show::shown(&given.value, self.screen.paint, self.screen.bound()))
    }

    /// Gives what a statement gave, for a program: its value; where it is planned, what it would change, too.
    fn document(&self, given: &Given) -> serde_json::Value {
        match self.clock.is_planning() {
            true => json!({ "value": given.value, "planned": changes::json(&given.report.changes) }),
            false => given.value.json(),
        }
    }

    /// Shows what a statement changed, or would change. What a program has changed at the end of a pipe, it knows.
    fn show_changes(&self, report: &Report) {
        let (found, paint) = (&report.changes, self.screen.notes);
        if changes::visible(found) > 0 && (self.typed || self.clock.is_planning()) {
            self.screen.note(&changes::diff(found, paint));
        }
        if self.clock.is_planning() && changes::visible(found) > 0 {
            self.screen.note(&changes::planned(found));
        }
        report.acts.iter().for_each(|act| self.screen.note(&format!("! {}, which cannot be lifted", host::value::escaped(act))));
    }

    fn tell(&self, fault: &Fault, code: u8) {
        if self.screen.json {
            // That nobody reads it is found out by the next statement.
            let _ = self.screen.document(&json!({ "fault": fault, "exit": code }));
            return;
        }
        let host = self.host.borrow();
        self.screen.fault(fault, code, &|at| host.sources().line(at).map(str::to_owned));
    }
}

/// Reads lines until they are a whole input; nothing after the last one.
fn next_input(lines: &mut Lines) -> Result<Option<String>, Fault> {
    let mut text = String::new();
    while let Some(line) = lines.next_line()? {
        text.push_str(&line);
        if !text.trim().is_empty() && (commands::is_command(&text) || !host::wants_more(&text)) {
            return Ok(Some(text));
        }
        text.push('\n');
    }
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// Tells why nothing more can be read: somebody asked for the end, or the terminal is there no more.
fn gone() -> Stop {
    signals::pending().filter(|stop| *stop != Stop::Interrupt).unwrap_or(Stop::HangUp)
}

/// Gives the place where `print` goes; the first line that does not get there is a fault.
fn output(screen: &Screen, lost: &Arc<Mutex<Option<Fault>>>) -> Output {
    let (screen, lost, escape) = (screen.clone(), lost.clone(), screen.escapes());
    let print = move |line: &str| {
        if let Err(fault) = screen.print_of_script(line) {
            lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        }
    };
    Output { sink: Arc::new(print), escape }
}
