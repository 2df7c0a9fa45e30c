//! The kernel's own cases for traffic control (tools/testing/selftests/tc-testing): by the tool, then by fyke, whose undo takes the place of the
//! teardown. `make test` takes a sample; `make test-suites` takes all of them and writes docs/conformance.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::features::does;
use super::image::{SUITE, SUITE_IN_THE_GUEST};
use super::{Tests, tests};
use crate::bad_inputs::shared;
use crate::kernel::world::World;
use crate::program::{Said, shell};
use crate::suites::all;
use crate::suites::traffic::{Findings, MARK};

pub(super) const TESTS: Tests = tests! {
    cases_of_the_kernel_come_and_go
};

/// The files of the suite that are about kinds which the room knows.
const KINDS: &[&str] = &[
    "qdiscs/netem",
    "qdiscs/tbf",
    "qdiscs/htb",
    "qdiscs/fq_codel",
    "qdiscs/prio",
    "qdiscs/sfq",
    "qdiscs/fq",
    "qdiscs/cake",
    "qdiscs/ingress",
    "qdiscs/fifo",
    "filters/u32",
    "filters/matchall",
    "filters/flower",
    "filters/fw",
    "filters/basic",
    "filters/cgroup",
    "actions/police",
    "actions/mirred",
    "actions/gact",
];

/// How many cases lie between two of a sample.
const STEP: usize = 9;

/// The devices of the suite, and their variables.
const DEVICES: [(&str, &str); 3] = [("$DUMMY", "dummy1"), ("$DEV0", "v0p0"), ("$DEV1", "v0p1")];

/// Where the words are kept that a case has for tc.
const TOLD: &str = "/tmp/told";

/// Stands in the place of tc, and keeps what it is told.
const RECORDER: &str = "#!/bin/sh\nif [ \"$1\" = -b ]; then cat; else echo \"$*\"; fi >>/tmp/told\n";

struct Case {
    kind: &'static str,
    setup: Vec<String>,
    command: String,
    /// Whether it must succeed.
    is_wanted: bool,
    verify: String,
    pattern: String,
    count: String,
}

impl Case {
    fn read(kind: &'static str, case: &Value) -> Self {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        // A step is a command, or a list of one with the codes that it may end with.
        let step = |step: &Value| step.as_str().or_else(|| step[0].as_str()).unwrap().to_owned();
        Self {
            kind,
            setup: case["setup"].as_array().unwrap().iter().map(step).collect(),
            command: text("cmdUnderTest"),
            is_wanted: text("expExitCode") == "0",
            verify: text("verifyCmd"),
            pattern: text("matchPattern"),
            count: text("matchCount"),
        }
    }

    /// Gives the case as one would type it.
    fn name(&self) -> String {
        with_names(&self.command, "tc")
    }

    /// Clears the devices, and does what the case begins with.
    fn prepare(&self) {
        let clear = DEVICES
            .map(|(_, device)| format!("qdisc del dev {device} root\nqdisc del dev {device} ingress\nqdisc del dev {device} clsact\n"))
            .concat();
        let _: Said = shell(&format!("tc -force -batch - <<'END'\n{clear}END"));
        for step in &self.setup {
            shell(&with_names(step, "tc"));
        }
    }

    /// Tells whether tc shows what the suite expects, as often.
    fn is_shown(&self) -> bool {
        let shown: Said = shell(&with_names(&self.verify, "tc"));
        let path = "/tmp/shown";
        fs::write(path, shown.out).unwrap();
        // As Python's findall does with DOTALL and MULTILINE.
        let found = Command::new("grep").args(["-ozP", "-e", &format!("(?sm){}", self.pattern), path]).output().unwrap();
        found.stdout.iter().filter(|byte| **byte == 0).count().to_string() == self.count
    }

    /// Gives the case as a recipe: the words behind tc, each time that it is started.
    fn recipe(&self) -> String {
        let _ = fs::remove_file(TOLD);
        shell(&with_names(&self.command, "/tmp/recorder"));
        let told = fs::read_to_string(TOLD).unwrap();
        let statement = |line: &str| {
            let (noun, words) = line.split_once(' ').unwrap();
            format!("tc::{noun}({words:?});\n")
        };
        told.lines().map(statement).collect()
    }
}

/// Puts the names of devices and programs in the places of their variables.
fn with_names(command: &str, tc: &str) -> String {
    DEVICES.iter().fold(command.replace("$TC", tc).replace("$IP", "ip"), |command, (variable, device)| command.replace(variable, device))
}

fn cases() -> Vec<Case> {
    let folder = Path::new(SUITE_IN_THE_GUEST);
    let of_kind = |kind: &&'static str| -> Vec<Case> {
        let Ok(text) = fs::read_to_string(folder.join(format!("{kind}.json"))) else { return Vec::new() };
        serde_json::from_str::<Vec<Value>>(&text).unwrap().iter().map(|case| Case::read(kind, case)).collect()
    };
    KINDS.iter().flat_map(of_kind).step_by(if all() { 1 } else { STEP }).collect()
}

/// Gives all that tc shows of the devices, without what counts users.
fn shown() -> String {
    let nouns = [("qdisc", ""), ("class", ""), ("filter", ""), ("filter", "ingress"), ("filter", "egress")];
    let of = |(_, device): (&str, &str)| nouns.map(|(noun, place)| format!("{noun} show dev {device} {place}\n")).concat();
    let shown: Said = shell(&format!("tc -d -force -batch - <<'END'\n{}END", DEVICES.map(of).concat()));
    let words: Vec<&str> = shown.out.split(' ').collect();
    let counts = |at: usize| words[at] == "refcnt" || at > 0 && words[at - 1] == "refcnt";
    (0..words.len()).filter(|at| !counts(*at)).map(|at| words[at]).collect::<Vec<_>>().join(" ")
}

fn cases_of_the_kernel_come_and_go(world: &World) {
    fs::write("/tmp/recorder", RECORDER).unwrap();
    shell("chmod +x /tmp/recorder");
    for line in ["dummy1 type dummy", "v0p1 type veth peer name v0p0"] {
        does(&format!("ip link add {line}"));
    }
    DEVICES.iter().for_each(|(_, device)| drop(does(&format!("ip link set {device} up"))));
    let machine = format!("{} on Linux {}", does("tc -V").trim().replace("tc utility, ", ""), does("uname -r").trim());
    let mut findings = Findings { machine, ..Findings::default() };
    for case in cases() {
        let passed = by_tool(&mut findings, &case);
        by_fyke(world, &mut findings, &case, passed);
    }
    for device in ["dummy1", "v0p1"] {
        does(&format!("ip link del {device}"));
    }
    println!("{MARK}{}", serde_json::to_string(&findings).unwrap());
    assert!(findings.wrong.is_empty(), "{:#?}", findings.wrong);
}

/// Lets the tool do a case, and tells whether it passes.
fn by_tool(findings: &mut Findings, case: &Case) -> bool {
    let figures = findings.kinds.entry(case.kind.to_owned()).or_default();
    case.prepare();
    let passed = (shell(&with_names(&case.command, "tc")).code == Some(0)) == case.is_wanted && case.is_shown();
    match case.is_wanted {
        true => (figures.wanted, figures.wanted_by_tool) = (figures.wanted + 1, figures.wanted_by_tool + usize::from(passed)),
        false => (figures.unwanted, figures.refused_by_tool) = (figures.unwanted + 1, figures.refused_by_tool + usize::from(passed)),
    }
    if !passed {
        findings.of_the_tool.push(case.name());
    }
    passed
}

/// Lets fyke do a case, and undo it.
fn by_fyke(world: &World, findings: &mut Findings, case: &Case, passed_by_tool: bool) {
    case.prepare();
    let (before, mut wrong) = (shown(), Vec::new());
    let said = world.run("case", &case.recipe());
    let is_taken = said.code == Some(0);
    if !is_taken && !said.err.starts_with("error[") || said.code == Some(3) {
        wrong.push(format!("it ends badly: {said:?}"));
    }
    let passed = is_taken == case.is_wanted && case.is_shown();
    if passed_by_tool && !passed {
        wrong.push(match is_taken {
            true => format!("it is taken, and tc shows `{}`", shell(&with_names(&case.verify, "tc")).out.trim()),
            false => format!("it is refused: {}", said.err.lines().next().unwrap_or_default()),
        });
    }
    // A run without a change leaves nothing to undo.
    let undone = if is_taken && !said.err.contains("nothing changed") { world.fyke(&["undo", "last"]) } else { said };
    let is_undone = shown() == before && (!is_taken || undone.code == Some(0)) && !undone.out.contains("drift");
    if !is_undone {
        wrong.push(format!("it is not undone: {undone:?}\nbefore:\n{before}\nafter:\n{}", shown()));
    }
    let figures = findings.kinds.entry(case.kind.to_owned()).or_default();
    match case.is_wanted {
        true => figures.wanted_by_fyke += usize::from(passed),
        false => figures.refused_by_fyke += usize::from(passed),
    }
    figures.wanted_by_both += usize::from(case.is_wanted && passed && passed_by_tool);
    figures.taken += usize::from(is_taken);
    figures.undone += usize::from(is_taken && is_undone);
    findings.wrong.extend(wrong.into_iter().map(|how| (case.name(), how)));
}

/// Keeps the findings that the guest has printed, where all cases were wanted.
pub(super) fn keep(said: &str) {
    if all() {
        Findings::keep(said);
    }
}

/// Tells whether the suite is here at all: where it is not, that is no fault of the guest.
pub(super) fn is_here() -> bool {
    shared(SUITE).is_some()
}
