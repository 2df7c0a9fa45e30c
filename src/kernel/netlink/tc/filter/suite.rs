//! The kernel's own cases for filters and actions: what the installed tc(8) reads of them, fyke reads, and sends the same.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use super::tests::{actions_of, comes_back, differences, filter_of};
use super::tool;
use crate::kernel::netlink::tc::Head;
use crate::model::tc::action;
use crate::model::tc::filter::Command;

fn folder() -> Option<PathBuf> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["..", "../.."].map(|up| from.join(up).join("shared/suites/tc-testing/tc-tests")).into_iter().find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: the cases of the kernel are not there");
    }
    found
}

/// Gives the commands of the cases that are about filters and actions, as tc(8) is given them.
fn commands(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["actions", "filters", "qdiscs"] {
        let mut files: Vec<_> = std::fs::read_dir(folder.join(part)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            for case in cases.as_array().unwrap() {
                let setup = case["setup"].as_array().into_iter().flatten().map(|step| if step.is_array() { &step[0] } else { step });
                for command in setup.chain([&case["cmdUnderTest"]]).filter_map(|step| step.as_str()) {
                    found.extend(of_tc(command));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Gives the words behind `tc`, with the names of devices in them, if it is about filters or actions.
fn of_tc(command: &str) -> Option<String> {
    let line =
        command.trim().strip_prefix("$TC ")?.replace("$DEV1", "lo").replace("$DUMMY", "lo").replace("$DEV2", "lo").replace("$DEV0", "lo");
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_one = matches!(words[..], ["filter" | "actions" | "action", "add" | "change" | "replace" | "del" | "delete", ..]);
    (is_one && !line.contains('$') && !line.contains("\n")).then_some(line)
}

/// What fyke makes of a command: what it sends, or why it refuses.
fn ours(line: &str) -> Result<Vec<tool::Sent>, String> {
    if line.starts_with("filter") {
        let command: Command = line.parse().map_err(|fault: crate::model::Fault| fault.to_string())?;
        return filter_of(&command).map(|sent| vec![sent]).map_err(|fault| fault.to_string());
    }
    let command: action::Command = line.parse().map_err(|fault: crate::model::Fault| fault.to_string())?;
    actions_of(&command).map_err(|fault| fault.to_string())
}

#[test]
fn the_cases_of_the_kernel_are_read_as_tc_reads_them() {
    let Some(folder) = folder().filter(|_| tool::is_there()) else { return };
    let commands = commands(&folder);
    let theirs = tool::sends(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut both, mut neither, mut stricter, mut faults) = (0, 0, Vec::new(), Vec::new());
    for (line, theirs) in commands.iter().zip(theirs) {
        match (theirs, ours(line)) {
            (None, Err(_)) => neither += 1,
            (None, Ok(_)) => faults.push(format!("tc refuses, and fyke takes: {line}")),
            (Some(_), Err(why)) => stricter.push(format!("{line}\n    {why}")),
            (Some(theirs), Ok(ours)) => {
                both += 1;
                let head = if line.starts_with("filter") { Head::SIZE } else { 4 };
                // fyke sends each of several actions on its own.
                let odd = if ours.len() == 1 { differences(head, &theirs, &ours[0]) } else { Vec::new() };
                if !odd.is_empty() {
                    faults.push(format!("{line}\n    {}", odd.join("\n    ")));
                }
                if let Some(Ok(command)) = line.starts_with("filter").then(|| line.parse::<Command>()) {
                    faults.extend(comes_back(line, &command, &theirs));
                }
            }
        }
    }
    eprintln!(
        "{} commands: both take {both}, both refuse {neither}, fyke alone refuses {}:\n{}",
        commands.len(),
        stricter.len(),
        stricter.join("\n")
    );
    assert!(faults.is_empty(), "{}:\n{}", faults.len(), faults.join("\n"));
    assert!(both > 300, "the cases are few: {both}");
}
