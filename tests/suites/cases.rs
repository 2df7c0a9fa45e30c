//! The suite of iptables itself: single rules, with what they are listed as, and rules that must be refused.

use std::fs;

use serde_json::Value;

use super::all;
use super::findings::{Difference, Findings};
use crate::bad_inputs::shared;
use crate::kernel::world::{Backend, World, tool, without_tag};
use crate::program;

/// How many cases a sample takes, spread over the suite.
const SAMPLE: usize = 80;

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

struct Case {
    program: String,
    table: String,
    chain: String,
    rule: String,
    /// What it is listed as; nothing where it must be refused.
    listed: Option<String>,
    /// The file of the suite.
    file: String,
}

impl Case {
    /// Gives the case as one would type it. What differs by the chain only differs in the same way.
    fn name(&self) -> String {
        format!("{} -t {} {}", self.program, self.table, self.rule)
    }
}

fn cases(text: &str, backend: Backend) -> Vec<Case> {
    let all_of_them = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mine = all_of_them.filter(|case| matches!(case["cmd"].as_str(), Some("iptables" | "ip6tables")));
    let mine = mine.filter(|case| backend == Backend::Legacy || case["variant"].is_null());
    let cases: Vec<Case> = mine
        .map(|case| Case {
            program: text(&case["cmd"]),
            table: text(&case["table"]),
            chain: text(&case["chain"]),
            rule: text(&case["rule"]),
            listed: (case["result"] == "OK").then(|| text(&case["save"])),
            file: text(&case["file"]),
        })
        .collect();
    let step = if all() { 1 } else { (cases.len() / SAMPLE).max(1) };
    cases.into_iter().step_by(step).collect()
}

/// Takes the cases one by one: what the tool takes is listed as it lists it, and lifted; what it refuses is refused.
pub(super) fn run(world: &World) {
    let Some(path) = shared("suites/iptables/cases.jsonl") else { return };
    let recipe = world.recipe("suite", RECIPE);
    let mut findings = Findings::default();
    let before = world.state();
    for case in cases(&fs::read_to_string(path).unwrap(), world.backend) {
        let by_tool = by_tool(world, &case);
        let by_fyke = by_fyke(world, &recipe, &case);
        judge(&mut findings, &case, by_tool.as_deref(), &by_fyke);
        if by_fyke.is_ok() {
            let undone = world.fyke(&["undo", "last"]);
            let well = undone.code == Some(0) && !undone.out.contains("drift") && world.state() == before;
            findings.count("undone equal", well);
            if !well {
                findings.differ(Difference::Left, &case.name(), format!("{undone:?}"));
                world.wipe();
            }
        } else if world.state() != before {
            findings.differ(Difference::Left, &case.name(), "refused, and something is there");
            world.wipe();
        }
    }
    // More than the tool passes, but nothing less.
    assert_eq!(findings.figures.get("fyke passes of these"), findings.figures.get("tool passes"), "{findings:?}");
    findings.conclude("rules", world.backend);
}

fn judge(findings: &mut Findings, case: &Case, by_tool: Option<&str>, by_fyke: &Result<String, String>) {
    let name = case.name();
    let passes = |listed: Option<&str>| listed == case.listed.as_deref();
    let ours = by_fyke.as_ref().ok().map(String::as_str);
    findings.count("cases", true);
    findings.count("tool passes", passes(by_tool));
    findings.count("fyke passes", passes(ours));
    findings.count("fyke passes of these", passes(by_tool) && passes(ours));
    findings.count("tool accepts", by_tool.is_some());
    findings.count("fyke accepts", ours.is_some());
    findings.count("listed equal", by_tool.is_some() && by_tool == ours);
    if !passes(by_tool) {
        *findings.of_the_tool.entry(case.file.clone()).or_default() += 1;
    }
    match (by_tool, by_fyke) {
        (Some(listed), Ok(ours)) if listed != ours => {
            findings.differ(Difference::Listed, &name, format!("the tool lists `{listed}`, fyke `{ours}`"));
        }
        (Some(_), Err(why)) => {
            let how = if case.listed.is_none() { Difference::Caught } else { Difference::Stricter };
            findings.differ(how, &name, why);
        }
        (None, Ok(ours)) => findings.differ(Difference::Laxer, &name, format!("fyke lists `{ours}`")),
        _ => {}
    }
}

/// Lets fyke set the rule, and gives what it lists then, or why it refuses.
fn by_fyke(world: &World, recipe: &str, case: &Case) -> Result<String, String> {
    let Case { program, table, chain, rule, .. } = case;
    let rule = format!("--rule={rule}");
    let said = world.fyke(&["run", recipe, "--family", program, "--table", table, "--chain", chain, &rule]);
    match said.code {
        Some(0) => Ok(said.out.trim_end().to_owned()),
        Some(1 | 2) => Err(why(&said.err)),
        _ => panic!("{}: {said:?}", case.name()),
    }
}

/// Gives the sentence of a fault that says why.
pub(super) fn why(fault: &str) -> String {
    let first = fault.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// Lets the tool set the rule, and gives what it lists then; nothing where it refuses.
fn by_tool(world: &World, case: &Case) -> Option<String> {
    let program = case.program.replacen("tables", &format!("tables-{}", world.backend.name()), 1);
    let Case { table, chain, rule, .. } = case;
    let accepted = program::shell(&format!("{program} -t {table} -A {chain} {rule}")).code == Some(0);
    let listed = tool(&program, &["-t", table, "-S", chain], "");
    let listed = listed.lines().find_map(|line| line.strip_prefix(&format!("-A {chain}")));
    let listed = accepted.then(|| without_tag(listed.unwrap_or_default()).trim_start().to_owned());
    match world.backend {
        Backend::Nft => drop(tool("nft", &["flush", "ruleset"], "")),
        Backend::Legacy => drop(tool(&program, &["-t", table, "-F"], "")),
    }
    listed
}
