//! Sets, against ipset(8).

use std::path::Path;
use std::process::Command;

use crate::measure::{Medians, clock, median, quiet};
use crate::{FYKE, Outcome, RULES, Row, script, table};

/// Measures a set that is filled, filled again, and lifted.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    let addresses: Vec<String> = (0..RULES).map(|number| format!("10.0.{}.{}", number / 256, number % 256)).collect();
    let listed = addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(",\n");
    let fill = script(scratch, "sets.rhai", &format!("ipset::ensure_set(\"many\", \"hash:ip\").ensure([\n{listed}\n]);\n"))?;
    let adds: String = addresses.iter().map(|address| format!("add many {address}\n")).collect();
    let restore = script(scratch, "sets", &format!("create many hash:ip\n{adds}"))?;
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words));
    let mut times: [Vec<f64>; 4] = Default::default();
    for turn in 1..=5 {
        eprintln!("sets, {RULES} elements: turn {turn} of 5");
        let mut note = |row: usize, time: f64| times[row].push(time);
        note(0, clock(Command::new("ipset").args(["restore", "-file", &restore]))?);
        quiet("ipset destroy many")?;
        note(1, fyke(&["run", &fill])?);
        note(2, fyke(&["run", &fill])?);
        note(3, fyke(&["undo", "last"])?);
    }
    let [theirs, fill, again, undo] = times.map(median);
    let row = |name: &str, ours: f64| Row { name: name.to_owned(), times: Medians { ours, theirs }, goal: None };
    Ok(table(&[
        row("10,000 addresses in one `ensure`, journaled, against `ipset restore`", fill),
        row("the same a second time, against the same restore", again),
        row("undo of it, against the same restore", undo),
    ]))
}
