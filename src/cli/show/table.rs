//! Tables: columns as wide as their widest cell, and no wider than the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Paint;

/// The gap between two columns.
const GAP: usize = 2;
/// The narrowest that a column is cut to.
const NARROW: usize = 8;

/// A table of text with a heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table with these columns.
    pub(crate) fn new<S: Into<String>>(heading: impl IntoIterator<Item = S>) -> Self {
        Self { heading: heading.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; each cell is shown on one line.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| cell.into().replace(['\n', '\t'], " ")).collect());
    }

    /// Writes the table, cut to `bound` columns when there is one.
    pub(crate) fn text(&self, paint: Paint, bound: Option<usize>) -> String {
        let columns: Vec<(usize, bool)> = self.widths(bound).into_iter().zip(self.numbers()).collect();
        let mut text = line(&self.heading, &columns, |cell| paint.bold(cell));
        for row in &self.rows {
            text.push_str(&line(row, &columns, str::to_owned));
        }
        text
    }

    /// Tells which columns hold numbers only: those line up on the right.
    fn numbers(&self) -> Vec<bool> {
        let number = |at: usize| self.rows.iter().all(|row| row.get(at).is_some_and(|cell| cell.parse::<f64>().is_ok()));
        (0..self.heading.len()).map(|at| !self.rows.is_empty() && number(at)).collect()
    }

    fn widths(&self, bound: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heading.iter().map(|cell| cell.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let room = bound.map_or(usize::MAX, |columns| columns.saturating_sub(GAP * widths.len().saturating_sub(1)));
        // The widest column gives first: it is the one that has most to say, and most to spare.
        while widths.iter().sum::<usize>() > room {
            let over = widths.iter().sum::<usize>() - room;
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROW) else { break };
            *widest -= over.min(*widest - NARROW).min((*widest / 8).max(1));
        }
        widths
    }
}

/// Writes one line; a column is a width, and whether it lines up on the right.
fn line(cells: &[String], columns: &[(usize, bool)], paint: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for (at, (cell, (width, right))) in cells.iter().zip(columns).enumerate() {
        let shown = cut(cell, *width);
        let shown = if *right { format!("{}{shown}", " ".repeat(width.saturating_sub(shown.width()))) } else { shown };
        text.push_str(&paint(&if at + 1 < cells.len() { pad(&shown, width + GAP) } else { shown }));
    }
    let kept = text.trim_end().len();
    text.truncate(kept);
    text.push('\n');
    text
}

/// Fills a text up with blanks to a width.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Cuts a text to a width, with a sign that something was cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= width
    });
    let mut shown: String = fits.collect();
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "what it does"]);
        table.row(["日本", "a rather long sentence about it"]);
        table.row(["b", "x\ny"]);
        table
    }

    #[test]
    fn columns_line_up_by_what_a_terminal_shows() {
        let wanted = "name  what it does\n日本  a rather long sentence about it\nb     x y\n";
        assert_eq!(table().text(Paint::none(), None), wanted);
    }

    #[test]
    fn a_table_is_cut_to_the_terminal() {
        let text = table().text(Paint::none(), Some(20));
        assert_eq!(text, "name  what it does\n日本  a rather long …\nb     x y\n".replace("a rather long …", "a rather long…"));
        assert!(table().text(Paint::none(), Some(1)).lines().all(|line| line.width() <= 14));
        assert_eq!(Table::new(Vec::<String>::new()).text(Paint::new(true, true), Some(3)), "\n");
    }
}
