//! Tables: columns as wide as their widest cell, and no wider than the terminal. Where not even that fits, each row becomes fields.

use std::borrow::Cow;

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
    /// The text of all cells.
    text: String,
    /// Where each of them ends in it.
    ends: Vec<usize>,
}

impl Table {
    /// Makes a table with these columns.
    pub(crate) fn new<S: Into<String>>(heading: impl IntoIterator<Item = S>) -> Self {
        Self { heading: heading.into_iter().map(Into::into).collect(), text: String::new(), ends: Vec::new() }
    }

    /// Adds a row, of as many cells as there are columns.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        cells.into_iter().for_each(|cell| self.cell(|text| text.push_str(cell.as_ref())));
    }

    /// Adds a cell to the row that is not full yet. It is shown on one line.
    pub(crate) fn cell(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        if self.text.as_bytes()[start..].iter().any(|byte| [b'\n', b'\t'].contains(byte)) {
            let flat = self.text[start..].replace(['\n', '\t'], " ");
            self.text.truncate(start);
            self.text.push_str(&flat);
        }
        self.ends.push(self.text.len());
    }

    /// Gives the cells, one row after the other.
    fn cells(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut start, *end)..*end])
    }

    /// Writes the table, cut to `bound` columns when there is one.
    pub(crate) fn text(&self, paint: Paint, bound: Option<usize>) -> String {
        let Some(widths) = self.widths(bound) else { return self.records(paint, bound) };
        let columns: Vec<(usize, bool)> = widths.into_iter().zip(self.numbers()).collect();
        let width: usize = columns.iter().map(|(width, _)| width + GAP).sum();
        let rows = self.ends.len() / self.heading.len().max(1);
        let mut text = String::with_capacity(width * (rows + 1));
        line(&mut text, &mut self.heading.iter().map(String::as_str), &columns, |text, cell| text.push_str(&paint.bold(cell)));
        let mut cells = self.cells();
        (0..rows).for_each(|_| line(&mut text, &mut cells, &columns, String::push_str));
        text
    }

    /// Writes each row as fields, a blank line between two of them.
    fn records(&self, paint: Paint, bound: Option<usize>) -> String {
        let cells: Vec<&str> = self.cells().collect();
        let record =
            |row: &[&str]| fields(self.heading.iter().map(String::as_str).zip(row.iter().copied()), |name| paint.bold(name), bound);
        cells.chunks_exact(self.heading.len().max(1)).map(record).collect::<Vec<_>>().join("\n")
    }

    /// Tells which columns hold numbers only, with a unit or without: those line up on the right.
    fn numbers(&self) -> Vec<bool> {
        let mut numbers = vec![!self.ends.is_empty(); self.heading.len()];
        for (at, cell) in self.cells().enumerate() {
            let all = &mut numbers[at % self.heading.len()];
            *all = *all && is_number(cell);
        }
        numbers
    }

    /// Gives the width of each column; nothing if there is no room for them.
    fn widths(&self, bound: Option<usize>) -> Option<Vec<usize>> {
        let mut widths: Vec<usize> = self.heading.iter().map(|cell| width(cell)).collect();
        for (at, cell) in self.cells().enumerate() {
            let widest = &mut widths[at % self.heading.len()];
            *widest = width(cell).max(*widest);
        }
        let room = bound.map_or(usize::MAX, |columns| columns.saturating_sub(GAP * widths.len().saturating_sub(1)));
        // The widest column gives first: it is the one that has most to say, and most to spare.
        while widths.iter().sum::<usize>() > room {
            let over = widths.iter().sum::<usize>() - room;
            let widest = widths.iter_mut().max().filter(|widest| **widest > NARROW)?;
            *widest -= over.min(*widest - NARROW).min((*widest / 8).max(1));
        }
        Some(widths)
    }
}

/// Tells a number, with a unit or without: `12`, `-1.5`, `10ms`.
fn is_number(cell: &str) -> bool {
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return !cell.is_empty();
    }
    let number = cell.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    cell.len() - number.len() < 8 && number.trim_end().parse::<f64>().is_ok()
}

/// Writes names with their values, one below the other. What is wider than `bound` goes on in the next line.
pub(crate) fn fields<'a>(
    rows: impl IntoIterator<Item = (&'a str, &'a str)>,
    paint: impl Fn(&str) -> String,
    bound: Option<usize>,
) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let room = bound.map_or(usize::MAX, |columns| columns.max(NARROW));
    // Names that leave no room beside them stand above their values.
    let beside = room.saturating_sub(width + GAP) >= NARROW.max(width.min(room / 3));
    let indent = if beside { width + GAP } else { GAP };
    let mut text = String::new();
    for (name, value) in rows {
        let mut lines = fold(value, room - indent).into_iter();
        let first = if beside { lines.next().unwrap_or_default() } else { String::new() };
        let head = if beside { pad(name, width + GAP) } else { cut(name, room) };
        let line = if first.is_empty() { paint(head.trim_end()) } else { paint(&head) + &first };
        text.push_str(&format!("{line}\n"));
        lines.filter(|line| !line.is_empty()).for_each(|line| text.push_str(&format!("{}{line}\n", " ".repeat(indent))));
    }
    text
}

/// Breaks a text into lines of a width, between words where it can.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for mut rest in text.split('\n') {
        loop {
            let fits = prefix(rest, width);
            if fits == rest.len() {
                break;
            }
            let blank = rest[..fits].rfind(' ').filter(|blank| !rest[fits..].starts_with(' ') && !rest[..*blank].trim().is_empty());
            let (line, more) = rest.split_at(blank.unwrap_or(fits));
            lines.push(line.trim_end().to_owned());
            rest = more.trim_start();
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// Measures the beginning of a text that fits into a width, in bytes: one character at the least.
fn prefix(text: &str, width: usize) -> usize {
    let mut used = 0;
    let over = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > width
    });
    over.map_or(text.len(), |(at, c)| if at == 0 { c.len_utf8() } else { at })
}

/// Writes one line; a column is a width, and whether it lines up on the right.
fn line(text: &mut String, cells: &mut dyn Iterator<Item = &str>, columns: &[(usize, bool)], paint: impl Fn(&mut String, &str)) {
    for (at, (column, right)) in columns.iter().enumerate() {
        let cell = cells.next().unwrap_or_default();
        let shown = if width(cell) <= *column { Cow::Borrowed(cell) } else { cut(cell, *column).into() };
        let room = column.saturating_sub(width(&shown));
        let (before, after) = if *right { (room, 0) } else { (0, room) };
        blanks(text, before);
        paint(text, &shown);
        if at + 1 < columns.len() {
            blanks(text, after + GAP);
        }
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// Adds blanks to a text.
fn blanks(text: &mut String, mut count: usize) {
    const BLANKS: &str = "                                                                ";
    while count > 0 {
        let some = count.min(BLANKS.len());
        text.push_str(&BLANKS[..some]);
        count -= some;
    }
}

/// Measures a text in columns of a terminal.
fn width(text: &str) -> usize {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) { text.len() } else { text.width() }
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
        assert!(table().text(Paint::none(), Some(1)).lines().all(|line| line.width() <= NARROW));
        assert_eq!(Table::new(Vec::<String>::new()).text(Paint::new(true, true), Some(3)), "\n");
    }

    /// A table of rules, as a listing gives them.
    fn rules() -> Table {
        let mut table = Table::new(["family", "chain", "place", "packets", "bytes", "rule", "recipe"]);
        table.row([
            "ipv4",
            "INPUT",
            "1",
            "12",
            "1024",
            "-p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT",
            "ssh-rate-limit/22",
        ]);
        table.row(["ipv4", "日本日本日本", "2", "", "", "-j DROP", ""]);
        table
    }

    #[test]
    fn a_wide_terminal_shows_all() {
        let wanted = "\
family  chain         place  packets  bytes  rule                                                           recipe
ipv4    INPUT             1  12       1024   -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT  ssh-rate-limit/22
ipv4    日本日本日本      2                  -j DROP
";
        assert_eq!(rules().text(Paint::none(), Some(200)), wanted);
    }

    #[test]
    fn a_narrower_one_shows_the_beginnings() {
        let wanted = "\
family  chain         place  packets  bytes  rule               recipe
ipv4    INPUT             1  12       1024   -p tcp -m tcp --…  ssh-rate-limit/…
ipv4    日本日本日本      2                  -j DROP
";
        let text = rules().text(Paint::none(), Some(80));
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_narrow_one_shows_fields() {
        let wanted = "\
family   ipv4
chain    INPUT
place    1
packets  12
bytes    1024
rule     -p tcp -m tcp --dport 22 -m
         conntrack --ctstate NEW -j
         ACCEPT
recipe   ssh-rate-limit/22

family   ipv4
chain    日本日本日本
place    2
packets
bytes
rule     -j DROP
recipe
";
        assert_eq!(rules().text(Paint::none(), Some(40)), wanted);
        for bound in 8..200 {
            let text = rules().text(Paint::none(), Some(bound));
            assert!(text.lines().all(|line| line.width() <= bound), "{bound}:\n{text}");
        }
    }

    #[test]
    fn numbers_with_units_line_up_on_the_right() {
        let mut table = Table::new(["time"]);
        table.row(["1.5ms"]);
        table.row(["10s"]);
        assert_eq!(table.text(Paint::none(), None), " time\n1.5ms\n  10s\n");
        assert!(!is_number("192.0.2.1") && !is_number("1/2") && !is_number("ms") && !is_number("192.0.2.0/24"));
    }
}
