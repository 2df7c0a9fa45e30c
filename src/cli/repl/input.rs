//! The line editor: completion, hints, colours, matched brackets, and input that goes on until it is whole.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, ColorMode, CompletionType, Config, Context, EventHandler, KeyCode, KeyEvent, Modifiers};

use super::commands;
use crate::cli::show::Paint;
use crate::host::lex::{self, KEYWORDS, Kind};
use crate::host::{self, Host};
use crate::kernel::process::signals;
use crate::kernel::{state, stdio};
use crate::model::{Fault, Kind as FaultKind};

/// How many inputs the history keeps.
const HISTORY: usize = 10_000;

/// What came from the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// An input.
    Text(String),
    /// Nothing: an empty line, or Ctrl-C.
    Nothing,
    /// Ctrl-D.
    End,
    /// The terminal is gone, or somebody asked this process to end.
    Lost,
}

/// The editor with its history.
pub(super) struct Editor {
    editor: Line,
    history: Option<PathBuf>,
}

type Line = rustyline::Editor<Helper, FileHistory>;

impl Editor {
    /// Opens the editor on the terminal.
    pub(super) fn open(host: &Rc<RefCell<Host>>, colours: bool) -> Result<Self, Fault> {
        let helper = Helper { host: host.clone(), paint: Paint::new(colours, true), danger: Cell::new(false), answer: Cell::new(false) };
        let mut editor = line(helper, None)?;
        signals::wake_editor()?;
        let history = state::make_of_user().ok().map(|folder| folder.join("prompt-history"));
        if let Some(history) = &history {
            // The first session has none.
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, history })
    }

    /// Reads an input. `danger` says that it will change the machine itself.
    pub(super) fn read(&mut self, prompt: &str, danger: bool) -> Typed {
        self.set(danger, false);
        let typed = self.line(prompt);
        if let (Typed::Text(text), Some(history)) = (&typed, &self.history)
            && self.editor.add_history_entry(text.trim_end()).unwrap_or(false)
        {
            // A session without a history is better than none.
            let _ = self.editor.append_history(history);
        }
        typed
    }

    /// Asks something; the answer is no input, and nothing that was typed before the question.
    pub(super) fn ask(&mut self, question: &str) -> Result<Typed, Fault> {
        self.forget()?;
        self.set(false, true);
        Ok(self.line(question))
    }

    /// Forgets what was typed ahead: what the terminal holds, and what the editor has read of it already.
    pub(super) fn forget(&mut self) -> Result<(), Fault> {
        stdio::forget_input()?;
        if let Some(helper) = self.editor.helper().cloned() {
            // The editor lets go of what it has read at its end only.
            self.editor = line(helper, Some(std::mem::take(self.editor.history_mut())))?;
        }
        Ok(())
    }

    fn set(&mut self, danger: bool, answer: bool) {
        if let Some(helper) = self.editor.helper() {
            helper.danger.set(danger);
            helper.answer.set(answer);
        }
    }

    fn line(&mut self, prompt: &str) -> Typed {
        let stopped = || signals::pending().is_some_and(|stop| stop != signals::Stop::Interrupt);
        // What an interrupt was for is over; one that comes from now on is for what is typed next.
        signals::forgive_interrupt();
        let typed = self.editor.readline(prompt);
        signals::forgive_interrupt();
        match typed {
            _ if stopped() => Typed::Lost,
            Ok(text) if text.trim().is_empty() => Typed::Nothing,
            Ok(text) => Typed::Text(text),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Typed::Nothing,
            Err(ReadlineError::Eof) => Typed::End,
            Err(_) => Typed::Lost,
        }
    }
}

/// Makes an editor that has read nothing yet.
fn line(helper: Helper, history: Option<FileHistory>) -> Result<Line, Fault> {
    let fail = |error: ReadlineError| Fault::new(FaultKind::System, "open the line editor", error.to_string());
    let builder = Config::builder().max_history_size(HISTORY).and_then(|builder| builder.history_ignore_dups(true)).map_err(fail)?;
    // As with shells, what begins with a blank is not remembered.
    let config = builder
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .color_mode(if helper.paint.on { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let history = history.unwrap_or_else(|| FileHistory::with_config(&config));
    let mut editor = rustyline::Editor::with_history(config, history).map_err(fail)?;
    editor.set_helper(Some(helper));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline));
    Ok(editor)
}

/// What the editor asks while somebody types.
#[derive(Clone)]
struct Helper {
    host: Rc<RefCell<Host>>,
    paint: Paint,
    danger: Cell<bool>,
    /// Whether an answer is typed, and no input.
    answer: Cell<bool>,
}

impl rustyline::Helper for Helper {}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some(text) = line.get(..at).filter(|_| !self.answer.get()) else { return Ok((at, Vec::new())) };
        let found = commands::complete(text, &self.host.borrow());
        let pairs = found.candidates.into_iter().map(|candidate| Pair { display: candidate.shown, replacement: candidate.text });
        Ok((found.start, pairs.collect()))
    }
}

impl Hinter for Helper {
    type Hint = Shown;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<Shown> {
        let whole = at == line.len() && !line.starts_with(':') && !self.answer.get();
        whole.then(|| self.host.borrow().hint(line)).flatten().map(Shown)
    }
}

/// A hint that is shown and cannot be taken over.
struct Shown(String);

impl rustyline::hint::Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Validator for Helper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let more = !self.answer.get() && !commands::is_command(text) && host::wants_more(text);
        Ok(if more { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, at: usize) -> Cow<'l, str> {
        if !self.paint.on || self.answer.get() { line.into() } else { painted(line, at, self.paint).into() }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let paint = self.paint;
        if self.danger.get() { paint.red(prompt) } else { paint.green(prompt) }.into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        self.paint.dim(hint).into()
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::ForcedRefresh
    }
}

/// Paints a text as the language reads it; the brackets at the cursor stand out.
fn painted(text: &str, at: usize, paint: Paint) -> String {
    let pieces = lex::pieces(text);
    let pair = matched(&pieces, at);
    let mut out = String::with_capacity(text.len() * 2);
    let mut end = 0;
    for (index, piece) in pieces.iter().enumerate() {
        let word = &text[piece.range.clone()];
        out.push_str(&text[end..piece.range.start]);
        end = piece.range.end;
        let qualifies = pieces.get(index + 1).is_some_and(|next| &text[next.range.clone()] == "::");
        out.push_str(&match piece.kind {
            Kind::Open | Kind::Close if pair.is_some_and(|(a, b)| index == a || index == b) => paint.bold(&paint.cyan(word)),
            Kind::Text if piece.closed => paint.green(word),
            Kind::Text => paint.yellow(word),
            Kind::Comment => paint.dim(word),
            Kind::Word if KEYWORDS.contains(&word) => paint.bold(word),
            Kind::Word if qualifies => paint.cyan(word),
            _ => word.to_owned(),
        });
    }
    out.push_str(&text[end..]);
    out
}

/// Finds the bracket at the cursor, or just before it, and its other half.
fn matched(pieces: &[lex::Piece], at: usize) -> Option<(usize, usize)> {
    let touches =
        |piece: &lex::Piece| matches!(piece.kind, Kind::Open | Kind::Close) && (piece.range.contains(&at) || piece.range.end == at);
    let here = pieces.iter().rposition(touches)?;
    let mut depth = 0;
    let mut closes = |index: &usize| {
        depth += i32::from(pieces[*index].kind == Kind::Open) - i32::from(pieces[*index].kind == Kind::Close);
        depth == 0
    };
    let other =
        if pieces[here].kind == Kind::Open { (here..pieces.len()).find(|i| closes(i)) } else { (0..=here).rev().find(|i| closes(i)) };
    other.map(|other| (here, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_find_their_other_half() {
        let text = "f(a[1], \")\") { x }";
        let pieces = lex::pieces(text);
        let shown = |at: usize| matched(&pieces, at).map(|(a, b)| (pieces[a].range.start, pieces[b].range.start));
        assert_eq!((shown(1), shown(2), shown(12)), (Some((1, 11)), Some((1, 11)), Some((11, 1))));
        assert_eq!((shown(3), shown(6)), (Some((3, 5)), Some((5, 3))));
        // A bracket in a string is none, and one that is still open has no other half.
        assert_eq!(shown(9), None);
        assert_eq!(matched(&lex::pieces("f(("), 3), None);
    }

    #[test]
    fn colours_change_no_letter() {
        for text in ["let x = iptables::table(\"日本\") // c\n  + 1", "\"open", "/* open", "", "((", "`a${x}`"] {
            let painted = painted(text, text.len(), Paint::new(true, true));
            let mut plain = String::new();
            let mut escape = false;
            for c in painted.chars() {
                match c {
                    '\x1b' => escape = true,
                    'm' if escape => escape = false,
                    c if !escape => plain.push(c),
                    _ => {}
                }
            }
            assert_eq!(plain, text);
            assert_eq!(painted.contains('\x1b'), text.len() > 2, "{painted:?}");
        }
    }
}
