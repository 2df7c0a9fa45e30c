//! `make bench`: fyke against the tools that it replaces, measured side by side, into docs/benchmarks.md.
//!
//! What is compared takes turns in one run (A B A B ...), and medians are compared: a noisy machine is noisy for both. Everything happens in
//! network namespaces of its own.

mod chart;
mod growth;
mod journal;
mod machine;
mod measure;
mod netns;
mod packages;
mod packets;
mod prompt;
mod queues;
mod routes;
mod sets;
mod sockets;
mod streams;

use std::error::Error;
use std::fmt::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use measure::{Medians, clock, median, peak, quiet, take_turns};

/// Anything that goes wrong ends the measurement.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const FYKE: &str = env!("CARGO_BIN_EXE_fyke");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
const RULES: usize = 10_000;
const HEAD: &str = "<!-- written by `make bench` -->
# Benchmarks

fyke against the tools that it replaces. What is compared was measured in turns in one run, in network namespaces made for it, with a release
build; the figures are medians. Ratios travel better to another machine than times do. `make bench` writes this page anew; it takes some
minutes, and root or user namespaces.
";

const GROWTH: &str = "\
From 1,000 to 100,000 rules, appended one by one in a script and journaled, against `iptables-restore --noflush` of the same rules; and listed, each
rule as a value of the script, against `iptables-save`. The medians of 7 turns, down to a single one of 100,000 rules. nf_tables walks a chain from its
start for every piece of a listing, so that there the time of all lists grows with the square of the rules.
";

const PACKETS: &str = "\
Packets as bytes, made and read by a loop in a script of fyke, by one in Python with scapy, and by one in Rust with the same model. For each, the start of
the program is not counted.

";

/// A backend of iptables, with the goals set for fyke on it.
struct Backend {
    name: &'static str,
    recipe: f64,
    append: f64,
    undo_chain: f64,
    undo_rules: f64,
    list: f64,
}

const BACKENDS: [Backend; 2] = [
    Backend { name: "nft", recipe: 0.25, append: 1.3, undo_chain: 0.3, undo_rules: 3.0, list: 1.5 },
    Backend { name: "legacy", recipe: 0.6, append: 2.0, undo_chain: 0.3, undo_rules: 3.0, list: 1.5 },
];

/// One line of the table: a name, the time of fyke, that of the other tool, and the most that their ratio should be.
struct Row {
    name: String,
    times: Medians,
    goal: Option<f64>,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let outcome = match words.first().map(String::as_str) {
        Some("inside") if words.iter().any(|word| word == "prompt") => alone(prompt::all),
        Some("inside") if words.iter().any(|word| word == "queues") => alone(queues::all),
        Some("inside") if words.iter().any(|word| word == "growth") => alone(growth),
        Some("inside") if words.iter().any(|word| word == "sockets") => alone(sockets::all),
        Some("inside") if words.iter().any(|word| word == "netns") => alone(netns::all),
        Some("inside") if words.iter().any(|word| word == "streams") => alone(streams::all),
        Some("inside") if words.iter().any(|word| word == "packages") => alone(packages::all),
        Some("inside") if words.iter().any(|word| word == "routes") => alone(routes::all),
        Some("inside") if words.iter().any(|word| word == "packets") => alone(packets::all),
        Some("inside") => measure_all(),
        Some("peak") => peak::of(&words[1..]),
        _ => move_inside(&words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program again in namespaces of its own: with the rights of root, or else as root of a user namespace.
fn move_inside(words: &[String]) -> Outcome {
    machine::install_modules();
    let unshare = |user: bool| {
        let mut unshare = Command::new("unshare");
        unshare.args(if user { &["--user", "--map-root-user"][..] } else { &[] }).args(["--mount", "--", "unshare", "--net", "--"]);
        unshare
    };
    let user = !unshare(false).arg("true").output().is_ok_and(|output| output.status.success());
    Err(unshare(user).arg(env::current_exe()?).arg("inside").args(words).exec().into())
}

fn measure_all() -> Outcome {
    // The journal lies in /run.
    quiet("mount -t tmpfs tmpfs /run")?;
    let scratch = PathBuf::from("/run/bench");
    fs::create_dir_all(&scratch)?;
    let mut page = HEAD.to_owned();
    write!(page, "\n## Machine\n\n{}", machine::describe()?)?;
    write!(page, "\n## Start\n\n{}", start()?)?;
    for backend in &BACKENDS {
        write!(page, "\n## iptables on {}\n\n{}", backend.name, rules(backend, &scratch)?)?;
    }
    write!(page, "\n## Growth\n\n{GROWTH}{}", growth(&scratch)?)?;
    write!(page, "\n## Sets\n\n{}", sets::all(&scratch)?)?;
    write!(page, "\n## Sockets\n\n{}", sockets::all(&scratch)?)?;
    write!(page, "\n## Network namespaces\n\n{}", netns::all(&scratch)?)?;
    write!(page, "\n## Packets sent and captured\n\n{}", streams::all(&scratch)?)?;
    write!(page, "\n## Traffic control\n\n{}", queues::all(&scratch)?)?;
    write!(page, "\n## Routes\n\n{}", routes::all(&scratch)?)?;
    write!(page, "\n## Packets\n\n{PACKETS}{}", packets::all(&scratch)?)?;
    write!(page, "\n## Packages\n\n{}", packages::all(&scratch)?)?;
    write!(page, "\n## The journal\n\n{}", journal::share(&scratch)?)?;
    write!(page, "\n## The prompt\n\n{}", prompt::all(&scratch)?)?;
    write!(page, "\n## Size\n\n{}", size(&scratch)?)?;
    fs::write(PAGE, &page)?;
    println!("\nwritten: {PAGE}");
    Ok(())
}

/// Measures one thing alone, and prints what the page would say of it.
fn alone(measure: fn(&Path) -> Outcome<String>) -> Outcome {
    quiet("mount -t tmpfs tmpfs /run")?;
    let scratch = PathBuf::from("/run/bench");
    fs::create_dir_all(&scratch)?;
    println!("{}", measure(&scratch)?);
    Ok(())
}

/// Measures how the times grow, on both backends.
fn growth(scratch: &Path) -> Outcome<String> {
    let mut text = String::new();
    for Backend { name, list, .. } in &BACKENDS {
        let row =
            Row { name: "28,000 rules listed, against `iptables-save`".into(), times: growth::list(name, scratch)?, goal: Some(*list) };
        write!(text, "\n### {name}\n\n{}\n{}", table(&[row]), growth::table(name, scratch)?)?;
    }
    Ok(text)
}

fn table(rows: &[Row]) -> String {
    let mut text = "| | fyke | the other | ratio | goal |\n|---|--:|--:|--:|--:|\n".to_owned();
    for Row { name, times: Medians { ours, theirs }, goal } in rows {
        let ratio = ours / theirs;
        let goal = goal
            .map_or(String::new(), |goal| format!("{}{}", (goal * 100.0).round() / 100.0, if ratio <= goal { "" } else { " (missed)" }));
        text += &format!("| {name} | {:.1} ms | {:.1} ms | {ratio:.2} | {goal} |\n", ours * 1e3, theirs * 1e3);
    }
    text
}

fn start() -> Outcome<String> {
    let eval = || clock(Command::new(FYKE).args(["eval", "1"]));
    let bash = take_turns("start, bash", 101, eval, || clock(Command::new("bash").args(["-c", "true"])))?;
    let Medians { ours, theirs } = bash;
    let (more, goal) = ((ours - theirs) * 1e3, 3.0);
    let mut text = format!(
        "`fyke eval 1` takes {:.1} ms, `bash -c true` {:.1} ms: {more:.1} ms more (goal: {goal}{}).\n",
        ours * 1e3,
        theirs * 1e3,
        if more <= goal { "" } else { ", missed" }
    );
    text += &match machine::python("pyroute2") {
        Ok(python) => {
            let import = || clock(Command::new(&python).args(["-c", "import pyroute2"]));
            let Medians { ours, theirs } = take_turns("start, pyroute2", 15, eval, import)?;
            format!("`python3 -c 'import pyroute2'` takes {:.1} ms: {:.0} times as long as `fyke eval 1`.\n", theirs * 1e3, theirs / ours)
        }
        Err(why) => format!("Against python3 importing pyroute2: skipped ({why}).\n"),
    };
    Ok(text)
}

/// Measures what is done to rules, on one backend.
fn rules(backend: &Backend, scratch: &Path) -> Outcome<String> {
    let name = backend.name;
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(["--backend", name]).args(words));
    let bash = script(scratch, "limit.sh", &machine::ssh_rate_limit(name))?;
    let recipe = take_turns(
        &format!("{name}, ssh-rate-limit"),
        15,
        || machine::clear(name).and_then(|()| fyke(&["run", "ssh-rate-limit"])),
        || machine::clear(name).and_then(|()| clock(Command::new("bash").arg(&bash))),
    )?;
    let append = script(scratch, "append.rhai", &machine::appends("INPUT", RULES))?;
    let chain = script(scratch, "chain.rhai", &machine::appends("OWN", RULES))?;
    let ensure = script(scratch, "ensure.rhai", &machine::ensures(RULES))?;
    let text = script(scratch, "rules", &machine::restore_text(RULES))?;
    let mut times: [Vec<f64>; 6] = Default::default();
    for turn in 1..=5 {
        eprintln!("{name}, {RULES} rules: turn {turn} of 5");
        let mut note = |row: usize, time: f64| times[row].push(time);
        machine::clear(name)?;
        note(0, clock(Command::new(format!("iptables-{name}-restore")).arg("--noflush").stdin(fs::File::open(&text)?))?);
        note(5, clock(Command::new(format!("iptables-{name}-save")).arg("-c"))?);
        machine::clear(name)?;
        // Somebody else's rules before and behind: what is undone cannot just be emptied.
        quiet(&format!("iptables-{name} -A INPUT -s 198.51.100.1 -j ACCEPT"))?;
        note(1, fyke(&["run", &append])?);
        quiet(&format!("iptables-{name} -A INPUT -s 198.51.100.2 -j ACCEPT"))?;
        note(2, fyke(&["undo", "last"])?);
        fyke(&["run", &chain])?;
        note(3, fyke(&["undo", "last"])?);
        fyke(&["run", &ensure])?;
        note(4, fyke(&["run", &ensure])?);
    }
    let [theirs, append, undo_rules, undo_chain, ensure, save] = times.map(median);
    let row = |name: &str, ours: f64, goal: Option<f64>| Row { name: name.to_owned(), times: Medians { ours, theirs }, goal };
    let rows = [
        Row { name: "`ssh-rate-limit`, against a bash script of 14 iptables calls".into(), times: recipe, goal: Some(backend.recipe) },
        row("10,000 rules appended one by one, journaled, against `iptables-restore --noflush`", append, Some(backend.append)),
        row("10,000 `ensure`s run a second time, against the same restore", ensure, None),
        row("undo of an own chain of 10,000 rules, against the same restore", undo_chain, Some(backend.undo_chain)),
        row("undo of 10,000 single rules between two of somebody else, against the same restore", undo_rules, Some(backend.undo_rules)),
    ];
    let (save, ratio) = (save * 1e3, save / theirs);
    let floor = format!("\nTo read 10,000 rules back with `iptables-save` alone takes {save:.0} ms, {ratio:.2} of the restore.\n");
    Ok(table(&rows) + &floor)
}

fn size(scratch: &Path) -> Outcome<String> {
    machine::clear("nft")?;
    let append = scratch.join("append.rhai").display().to_string();
    let text = scratch.join("rules").display().to_string();
    let rows = [
        ("`fyke eval 1`", format!("{FYKE} eval 1")),
        ("`fyke run` that appends 10,000 rules", format!("{FYKE} --backend nft run {append}")),
        ("`fyke undo` of it", format!("{FYKE} --backend nft undo last")),
        ("`iptables-nft-restore` of the same rules", format!("iptables-nft-restore --noflush {text}")),
    ];
    let mut page = format!("The binary has {:.1} MB.\n\n", fs::metadata(FYKE)?.len() as f64 / 1e6);
    page += "| | peak memory of the largest process |\n|---|--:|\n";
    for (name, command) in rows {
        writeln!(page, "| {name} | {:.0} MB |", peak::measure(&command)?)?;
    }
    Ok(page)
}

fn script(folder: &Path, name: &str, text: &str) -> Outcome<String> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}
