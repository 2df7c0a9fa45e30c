//! A sample of the suite of iptables itself: what it takes is listed as it lists it, and lifted; what it refuses is refused.

use std::fs;

use serde_json::Value;

use crate::bad_inputs::shared;
use crate::kernel::world::{Backend, World, on_both, tool, without_tag};
use crate::program::{self, Said};

on_both! {
    rules_of_the_suite_come_and_go
}

/// How many cases are taken, spread over the suite; `make test-faults` takes all.
fn sample() -> usize {
    if program::all_faults() { usize::MAX } else { 200 }
}

const RECIPE: &str = "\
let family = param(\"family\", \"iptables\", \"the program\");
let name = param(\"table\", \"filter\", \"the table\");
let chain = param(\"chain\", \"INPUT\", \"the chain\");
let rule = param(\"rule\", \"\", \"the rule\");
let table = if family == \"iptables\" { iptables::table(name) } else { ip6tables::table(name) };
table.chain(chain).append(rule);
commit();
print(table.chain(chain).list()[0].words);
";

#[derive(Default, Debug)]
struct Counts {
    /// Taken and lifted, and listed as the tool lists it.
    taken: usize,
    /// Refused, as the suite wants it.
    refused: usize,
    /// The suite is of a later version: the tool that is installed is of another mind.
    tool_differs: usize,
    /// Refused by fyke, though the tool takes it.
    stricter: Vec<String>,
    wrong: Vec<String>,
}

struct Case {
    program: String,
    table: String,
    chain: String,
    rule: String,
    good: bool,
}

fn cases(text: &str, backend: Backend) -> Vec<Case> {
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mine = all.filter(|case| matches!(case["cmd"].as_str(), Some("iptables" | "ip6tables")));
    let mine = mine.filter(|case| backend == Backend::Legacy || case["variant"].is_null());
    let cases: Vec<Case> = mine
        .map(|case| Case {
            program: text(&case["cmd"]),
            table: text(&case["table"]),
            chain: text(&case["chain"]),
            rule: text(&case["rule"]),
            good: case["result"] == "OK",
        })
        .collect();
    let step = (cases.len() / sample()).max(1);
    cases.into_iter().step_by(step).collect()
}

fn rules_of_the_suite_come_and_go(world: &World) {
    let Some(path) = shared("suites/iptables/cases.jsonl") else { return };
    let recipe = world.recipe("suite", RECIPE);
    let mut counts = Counts::default();
    let before = world.state();
    for case in cases(&fs::read_to_string(path).unwrap(), world.backend) {
        let by_tool = by_tool(world, &case);
        let said = world.fyke(&[
            "run",
            &recipe,
            "--family",
            &case.program,
            "--table",
            &case.table,
            "--chain",
            &case.chain,
            &format!("--rule={}", case.rule),
        ]);
        let name = format!("{} -t {} -A {} {}", case.program, case.table, case.chain, case.rule);
        match (&by_tool, said.code) {
            (Some(listed), Some(0)) => {
                if said.out.trim_end() != listed {
                    counts.wrong.push(format!("{name}: listed as {:?}, and by the tool as {listed:?}", said.out.trim_end()));
                }
                let undone = world.fyke(&["undo", "last"]);
                if undone.code != Some(0) || undone.out.contains("drift") {
                    counts.wrong.push(format!("{name}: {undone:?}"));
                }
                if case.good { counts.taken += 1 } else { counts.tool_differs += 1 }
            }
            (None, Some(1 | 2)) if case.good => counts.tool_differs += 1,
            (_, Some(1 | 2)) if !case.good => counts.refused += 1,
            (Some(_), Some(1 | 2)) => counts.stricter.push(format!("{name}: {}", said.err.lines().next().unwrap_or_default())),
            _ => counts.wrong.push(format!("{name}: {said:?}, and by the tool {by_tool:?}")),
        }
        if world.state() != before {
            counts.wrong.push(format!("{name}: something stayed behind: {:?}", world.state()));
            world.wipe();
        }
    }
    let Counts { taken, refused, tool_differs, stricter, wrong } = counts;
    println!("{taken} taken and lifted, {refused} refused as wanted, {tool_differs} where the installed tool differs from the suite");
    println!("{} that the tool takes are refused:\n{}", stricter.len(), stricter.join("\n"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken * 20 >= (taken + stricter.len()) * 19, "too many are refused");
}

/// Lets the tool set the rule, and gives what it lists then; nothing where it refuses.
fn by_tool(world: &World, case: &Case) -> Option<String> {
    let name = if world.backend == Backend::Nft { "nft" } else { "legacy" };
    let program = case.program.replacen("tables", &format!("tables-{name}"), 1);
    let Case { table, chain, rule, .. } = case;
    let said: Said = program::shell(&format!("{program} -t {table} -A {chain} {rule}"));
    let listed = tool(&program, &["-t", table, "-S", chain], "");
    let listed = listed.lines().find_map(|line| line.strip_prefix(&format!("-A {chain}")));
    let listed = (said.code == Some(0)).then(|| without_tag(listed.unwrap_or_default()).trim_start().to_owned());
    match world.backend {
        Backend::Nft => drop(tool("nft", &["flush", "ruleset"], "")),
        Backend::Legacy => drop(tool(&program, &["-t", table, "-F"], "")),
    }
    listed
}
