//! Colours, or none.

use clap::builder::styling::{AnsiColor, Effects, Style};

/// Paints words, when colours are on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    /// Whether colours are on.
    pub(crate) on: bool,
}

impl Paint {
    /// Makes a painter.
    pub(crate) fn new(on: bool) -> Self {
        Self { on }
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
