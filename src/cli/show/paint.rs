//! What a stream can show: colours, or none; the text of others as it is, or without its tricks.

use std::borrow::Cow;

use clap::builder::styling::{AnsiColor, Effects, Style};

use crate::host::value::escaped;

/// Paints words, when colours are on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    /// Whether colours are on.
    pub(crate) on: bool,
    /// Whether a terminal shows it.
    terminal: bool,
}

impl Paint {
    /// Makes a painter for a terminal, or for something else.
    pub(crate) fn new(on: bool, terminal: bool) -> Self {
        Self { on, terminal }
    }

    /// Makes a painter that leaves everything as it is.
    pub(crate) fn none() -> Self {
        Self::new(false, false)
    }

    /// Gives the text of others as the stream can take it: on a terminal it plays no tricks.
    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        if self.terminal { escaped(text).into() } else { text.into() }
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.on && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Paints what stands out: headings and names.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with(Style::new().effects(Effects::BOLD), text)
    }

    /// Paints what stands back.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with(Style::new().effects(Effects::DIMMED), text)
    }

    /// Paints what is added, or well.
    pub(crate) fn green(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// Paints what is taken out, or missing.
    pub(crate) fn red(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default(), text)
    }

    /// Paints what is changed in place, or doubtful.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// Paints what can be typed.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with(AnsiColor::Cyan.on_default(), text)
    }
}
