//! A whole firewall as a list of steps, and how the tool and fyke take them.

use std::collections::{BTreeMap, BTreeSet};

use fyke::model::iptables::Words;

use super::cases::why;
use crate::kernel::world::{World, without_tag};
use crate::program::{self, Said};

/// How many steps of one firewall may be refused.
const REFUSALS: usize = 100;

/// Whether a rule goes to the end or to the beginning of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Last,
    First,
}

/// What is done to a table.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Chain(String),
    Policy(String, String),
    Rule(End, String, Words),
}

/// One step of a firewall.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// `iptables` or `ip6tables`.
    pub(super) program: String,
    pub(super) table: String,
    pub(super) deed: Deed,
}

impl Step {
    /// Reads a step from the words behind `iptables -t TABLE`; nothing where it is another one.
    pub(super) fn read(program: &str, table: &str, words: &[String]) -> Option<Self> {
        let deed = match words {
            [verb, chain] if verb == "-N" => Deed::Chain(chain.clone()),
            [verb, chain, policy] if verb == "-P" => Deed::Policy(chain.clone(), policy.clone()),
            [verb, chain, rule @ ..] if verb == "-A" => Deed::Rule(End::Last, chain.clone(), Words::join(rule)),
            [verb, chain, rule @ ..] if verb == "-I" => Deed::Rule(End::First, chain.clone(), Words::join(rule)),
            _ => return None,
        };
        Some(Self { program: program.into(), table: table.into(), deed })
    }

    /// Tells whether it is a rule.
    pub(super) fn is_rule(&self) -> bool {
        matches!(self.deed, Deed::Rule(..))
    }

    /// Gives the line that iptables-restore takes.
    fn line(&self) -> String {
        match &self.deed {
            Deed::Chain(chain) => format!("-N {chain}"),
            Deed::Policy(chain, policy) => format!("-P {chain} {policy}"),
            Deed::Rule(End::Last, chain, words) => format!("-A {chain} {words}"),
            Deed::Rule(End::First, chain, words) => format!("-I {chain} {words}"),
        }
    }

    /// Gives the statement that a recipe has for it.
    fn statement(&self) -> String {
        let text = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let table = format!("{}::table({})", self.program, text(&self.table));
        let chain = |chain: &str| format!("{table}.chain({})", text(chain));
        match &self.deed {
            Deed::Chain(name) => format!("{table}.new_chain({});", text(name)),
            Deed::Policy(name, policy) => format!("{}.set_policy({});", chain(name), text(policy)),
            Deed::Rule(End::Last, name, words) => format!("{}.append({});", chain(name), text(words.as_str())),
            Deed::Rule(End::First, name, words) => format!("{}.insert({});", chain(name), text(words.as_str())),
        }
    }

    /// Gives the step as one would type it.
    pub(super) fn name(&self) -> String {
        format!("{} -t {} {}", self.program, self.table, self.line())
    }
}

/// What came of a firewall: the steps that were refused, by their places, and why.
pub(super) type Refused = BTreeMap<usize, String>;

/// Lets the tool set a firewall, without what it refuses.
pub(super) fn by_tool(world: &World, steps: &[Step]) -> Refused {
    let mut refused = Refused::new();
    for program in ["iptables", "ip6tables"] {
        while let Err((at, why)) = restore(world, program, steps, &refused) {
            match at {
                Some(at) => drop(refused.insert(at, why)),
                // The line of the commit says nothing of the rule: each is tried alone.
                None => return one_by_one(world, steps),
            }
            assert!(refused.len() < REFUSALS, "{refused:?}");
        }
    }
    refused
}

/// Gives all steps of one family that are not refused to iptables-restore, which takes them or names one.
fn restore(world: &World, program: &str, steps: &[Step], refused: &Refused) -> Result<(), (Option<usize>, String)> {
    let (mut text, mut lines) = (String::new(), Vec::new());
    let tables: BTreeSet<&str> = steps.iter().map(|step| step.table.as_str()).collect();
    for table in tables {
        text += &format!("*{table}\n");
        lines.push(None);
        let mine = |(at, step): &(usize, &Step)| step.program == program && step.table == table && !refused.contains_key(at);
        for (at, step) in steps.iter().enumerate().filter(mine) {
            text += &format!("{}\n", step.line());
            lines.push(Some(at));
        }
        text += "COMMIT\n";
        lines.push(None);
    }
    let rules = world.folder.file("rules", text);
    let backend = world.backend.name();
    let said: Said = program::shell(&format!("{} --noflush {rules}", program.replacen("tables", &format!("tables-{backend}-restore"), 1)));
    if said.code == Some(0) {
        return Ok(());
    }
    // Tables that are done already would be done twice.
    world.wipe();
    let number = said.err.split("line").skip(1).find_map(|rest| {
        let digits: String = rest.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let at = number.and_then(|number| *lines.get(number.checked_sub(1)?)?);
    Err((at, said.err))
}

/// Lets the tool take the steps one by one.
fn one_by_one(world: &World, steps: &[Step]) -> Refused {
    world.wipe();
    let refuses = |step: &Step| {
        let program = step.program.replacen("tables", &format!("tables-{}", world.backend.name()), 1);
        let words = Words::listed(&step.line()).split();
        let said: Said = std::process::Command::new(program).args(["-t", &step.table]).args(words).output().unwrap().into();
        (said.code != Some(0)).then_some(said.err)
    };
    steps.iter().enumerate().filter_map(|(at, step)| Some((at, refuses(step)?))).collect()
}

/// How many steps a source of fyke gets, which may have a megabyte.
const PART: usize = 8_000;

/// Lets fyke set a firewall as one run, without what it refuses.
pub(super) fn by_fyke(world: &World, steps: &[Step]) -> Refused {
    let mut refused = Refused::new();
    loop {
        let said = world.run("firewall", &recipe(world, steps, &refused));
        match said.code {
            Some(0) => return refused,
            Some(1 | 2) => {
                let at = blamed(&said.err).filter(|at| !refused.contains_key(at) && *at < steps.len());
                refused.insert(at.unwrap_or_else(|| panic!("{said:?}")), why(&said.err));
            }
            _ => panic!("{said:?}"),
        }
        assert!(refused.len() < REFUSALS, "{refused:?}");
    }
}

/// Writes the parts of a recipe, one step a line, and gives the one that imports them.
fn recipe(world: &World, steps: &[Step], refused: &Refused) -> String {
    let statement = |(at, step): (usize, &Step)| if refused.contains_key(&at) { "\n".into() } else { step.statement() + "\n" };
    let statements: Vec<String> = steps.iter().enumerate().map(statement).collect();
    let part = |(number, statements): (usize, &[String])| {
        world.recipe(&format!("part-{number}"), &statements.concat());
        format!("import \"part-{number}\" as part_{number};\n")
    };
    statements.chunks(PART).enumerate().map(part).collect()
}

/// Finds the step that a fault names.
fn blamed(fault: &str) -> Option<usize> {
    let mut place = fault.split_once("part-")?.1.split([':', '.']);
    let part: usize = place.next()?.parse().ok()?;
    let line: usize = place.nth(1)?.parse().ok()?;
    Some(part * PART + line.checked_sub(1)?)
}

/// All chains of both families: what is behind their names, and their rules in order.
pub(super) type Chains = BTreeMap<String, Vec<String>>;

/// Lists all chains as the tool does. Empty chains that accept are left out: the tool registers them with others.
pub(super) fn listed_by_tool(world: &World) -> Chains {
    let mut chains = Chains::new();
    for program in ["iptables", "ip6tables"] {
        let (listing, mut table) = (world.iptables(&format!("{program}-save")), "");
        for line in listing.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some(chain) = line.strip_prefix(':') {
                let (name, policy) = chain.split_once(' ').unwrap();
                chains.insert(format!("{program} {table} {name}"), vec![policy.split(' ').next().unwrap().to_owned()]);
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let (name, words) = rule.split_once(' ').unwrap_or((rule, ""));
                let words = without_tag(&format!(" {words}")).trim_start().to_owned();
                chains.get_mut(&format!("{program} {table} {name}")).unwrap().push(words);
            }
        }
    }
    chains.retain(|_, rules| rules != &["ACCEPT"]);
    chains
}

const LIST: &str = "\
fn show(program, name, table) {
    for chain in table.list_chains() {
        let chain = table.chain(chain);
        print(`:${program} ${name} ${chain.name}`);
        print(if chain.policy == () { \"-\" } else { chain.policy });
        for rule in chain.list() { print(rule.words); }
    }
}
for name in [\"filter\", \"nat\", \"mangle\", \"raw\", \"security\"] {
    show(\"iptables\", name, iptables::table(name));
    show(\"ip6tables\", name, ip6tables::table(name));
}
";

/// Lists all chains as fyke does.
pub(super) fn listed_by_fyke(world: &World) -> Chains {
    let said = world.run("list", LIST);
    assert_eq!(said.code, Some(0), "{said:?}");
    let (mut chains, mut last) = (Chains::new(), String::new());
    for line in said.out.lines() {
        match line.strip_prefix(':') {
            Some(name) => last = name.to_owned(),
            None => chains.entry(last.clone()).or_default().push(line.to_owned()),
        }
    }
    chains.retain(|_, rules| rules != &["ACCEPT"]);
    chains
}
