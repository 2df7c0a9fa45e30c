//! Routes, against ip(8).

use std::path::Path;
use std::process::Command;

use crate::measure::{Medians, clock, median, quiet};
use crate::{FYKE, Outcome, RULES, Row, script, table};

/// The most that fyke should take of the time of `ip -batch`: for what it adds and takes away again, a process and a journal each.
const GOAL: f64 = 0.6;

/// Measures routes that are added, and taken away again.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    quiet("ip link add many0 type veth peer name many1")?;
    quiet("ip link set many0 up")?;
    quiet("ip link set many1 up")?;
    quiet("ip addr add 192.0.2.1/24 dev many0")?;
    let routes: Vec<String> = (0..RULES).map(|number| format!("10.{}.{}.0/24 via 192.0.2.2 dev many0", number / 256, number % 256)).collect();
    let listed = routes.iter().map(|route| format!("\"{route}\"")).collect::<Vec<_>>().join(",\n");
    let add = script(scratch, "routes.rhai", &format!("link::routes().add([\n{listed}\n]);\n"))?;
    let batch = |verb: &str| script(scratch, verb, &routes.iter().map(|route| format!("route {verb} {route}\n")).collect::<String>());
    let (adds, dels) = (batch("add")?, batch("del")?);
    let ip = |file: &str| clock(Command::new("ip").args(["-batch", file]));
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words));
    let mut times: [Vec<f64>; 4] = Default::default();
    for turn in 1..=7 {
        eprintln!("routes, {RULES}: turn {turn} of 7");
        let mut note = |row: usize, time: f64| times[row].push(time);
        note(0, ip(&adds)?);
        note(1, ip(&dels)?);
        note(2, fyke(&["run", &add])?);
        note(3, fyke(&["undo", "last"])?);
    }
    quiet("ip link del many0")?;
    let [theirs_add, theirs_del, run, undo] = times.map(median);
    let row = |name: &str, ours: f64, theirs: f64, goal: Option<f64>| Row { name: name.to_owned(), times: Medians { ours, theirs }, goal };
    Ok(table(&[
        row("10,000 routes added and taken away again, both journaled, against `ip -batch`", run + undo, theirs_add + theirs_del, Some(GOAL)),
        row("of these: added in one `add`, against `ip -batch`", run, theirs_add, None),
        row("of these: the undo, against `ip -batch`", undo, theirs_del, None),
    ]))
}
