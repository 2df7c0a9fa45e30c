//! Network namespaces, against a shell script of ip-netns(8).

use std::path::Path;
use std::process::Command;

use crate::measure::{clock, take_turns};
use crate::{FYKE, Outcome, Row, script, table};

/// How many namespaces are made.
const MANY: usize = 100;

/// A wire with both ends in the namespace.
const WIRE: &str = "one type veth peer name other";

/// Measures namespaces that are made, empty and with a wire in each, and taken away again.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    let each = |line: &str| (0..MANY).map(|number| line.replace("LAB", &format!("lab{number}")) + "\n").collect::<String>();
    let add = format!("let labs = []; for number in 0..{MANY} {{ labs.push(netns::add(`lab${{number}}`)); }}\n");
    let wired = format!("{add}for lab in labs {{ lab.run(|| link::add(\"{WIRE}\")); }}\n");
    let (add_all, delete_all) = (each("ip netns add LAB"), each("ip netns delete LAB"));
    let wire_all = each(&format!("ip -n LAB link add {WIRE}"));
    let empty = compare(scratch, "namespaces", (&add, &format!("set -e\n{add_all}{delete_all}")))?;
    let wired = compare(scratch, "namespaces with a veth pair each", (&wired, &format!("set -e\n{add_all}{wire_all}{delete_all}")))?;
    Ok(table(&[empty, wired]))
}

/// Measures a recipe with its undo against a script for the shell.
fn compare(scratch: &Path, what: &str, (recipe, shell): (&str, &str)) -> Outcome<Row> {
    let (recipe, shell) = (script(scratch, "netns.rhai", recipe)?, script(scratch, "netns.sh", shell)?);
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words));
    let times = take_turns(
        &format!("{MANY} {what}"),
        7,
        || Ok(fyke(&["run", &recipe])? + fyke(&["undo", "last"])?),
        || clock(Command::new("bash").arg(&shell)),
    )?;
    let name = format!("{MANY} {what}, made and undone, against a shell script of `ip`");
    Ok(Row { name, times, goal: Some(0.5) })
}
