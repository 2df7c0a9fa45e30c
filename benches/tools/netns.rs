//! Network namespaces, against a shell script of ip-netns(8).

use std::path::Path;
use std::process::Command;

use crate::measure::{clock, take_turns};
use crate::{FYKE, Outcome, Row, script, table};

/// How many namespaces are made.
const MANY: usize = 100;

/// Measures namespaces that are made, and taken away again.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    let recipe = script(scratch, "netns.rhai", &format!("for number in 0..{MANY} {{ netns::add(`lab${{number}}`); }}\n"))?;
    let lines = |verb: &str| (0..MANY).map(|number| format!("ip netns {verb} lab{number}\n")).collect::<String>();
    let shell = script(scratch, "netns.sh", &format!("set -e\n{}{}", lines("add"), lines("delete")))?;
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words));
    let times = take_turns(
        &format!("{MANY} namespaces"),
        7,
        || Ok(fyke(&["run", &recipe])? + fyke(&["undo", "last"])?),
        || clock(Command::new("bash").arg(&shell)),
    )?;
    let name = format!("{MANY} namespaces made and taken away, journaled, against a shell script of `ip netns`");
    Ok(table(&[Row { name, times, goal: Some(0.5) }]))
}
