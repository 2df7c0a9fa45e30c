//! The kernel's own cases of qdiscs (tc-testing), of those kinds that fyke understands: what tc(8) takes is taken, and what it refuses is refused, or
//! left to the kernel.

use std::fs;

use fyke::model::tc::command::OfQdisc;

use crate::bad_inputs::shared;

/// The kinds, by the names of their files.
const KINDS: &[&str] = &["netem", "tbf", "prio", "fq_codel", "cake", "ingress"];

#[test]
fn the_kernels_own_cases_are_read() {
    let Some(folder) = shared("suites/tc-testing/tc-tests/qdiscs") else { return };
    let (mut taken, mut refused, mut left, mut wrong) = (0, 0, 0, Vec::new());
    for kind in KINDS {
        let text = fs::read_to_string(folder.join(format!("{kind}.json"))).unwrap();
        let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
        for case in cases.as_array().unwrap() {
            let command = case["cmdUnderTest"].as_str().unwrap();
            let Some(line) = command.strip_prefix("$TC qdisc ") else { continue };
            let line = line.replace("$DUMMY", "dummy1").replace("$DEV1", "dev1");
            // 0: it works; 2: the kernel refuses it; all else: tc(8) itself does.
            match (case["expExitCode"].as_str().unwrap(), OfQdisc::read(&line)) {
                ("0", Ok(_)) => taken += 1,
                ("2", Ok(_)) => left += 1,
                (code, Err(_)) if code != "0" => refused += 1,
                (code, outcome) => wrong.push(format!("{line}: {code}, {outcome:?}")),
            }
        }
    }
    println!("{taken} taken, {refused} refused, {left} left to the kernel");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 60 && refused > 5, "{taken} {refused}");
}
