//! Traffic control, against tc(8).

use std::path::Path;
use std::process::Command;

use crate::measure::{Medians, clock, median, quiet};
use crate::{FYKE, Outcome, Row, script, table};

/// How many classes are made.
const CLASSES: usize = 1_000;

/// Measures classes that are made and lifted.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    quiet("ip link add queues type veth peer name queues2")?;
    let lines: Vec<String> = (1..=CLASSES).map(|number| format!("add dev queues parent 1: classid 1:{number:x} htb rate 1mbit")).collect();
    let listed = lines.iter().map(|line| format!("\"{line}\"")).collect::<Vec<_>>().join(",\n");
    let root = "tc::device(\"queues\").add(\"root\", \"handle 1: htb\");";
    let make = script(scratch, "classes.rhai", &format!("{root}\ntc::class([\n{listed}\n]);\n"))?;
    let adds: String = lines.iter().map(|line| format!("class {line}\n")).collect();
    let batch = script(scratch, "classes", &format!("qdisc add dev queues root handle 1: htb\n{adds}"))?;
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words));
    let mut times: [Vec<f64>; 3] = Default::default();
    for turn in 1..=9 {
        eprintln!("tc, {CLASSES} classes: turn {turn} of 9");
        times[0].push(clock(Command::new("tc").args(["-batch", &batch]))?);
        quiet("tc qdisc del dev queues root")?;
        times[1].push(fyke(&["run", &make])?);
        times[2].push(fyke(&["undo", "last"])?);
    }
    quiet("ip link del queues")?;
    let [theirs, run, undo] = times.map(median);
    let row = |name: &str, ours: f64, goal| Row { name: name.to_owned(), times: Medians { ours, theirs }, goal };
    Ok(table(&[
        row("1,000 classes of htb, journaled, against `tc -batch`", run, Some(1.0)),
        row("undo of them, against the same batch", undo, None),
    ]))
}
