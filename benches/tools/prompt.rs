//! The prompt: how soon it is there, how soon Tab answers, and what a statement costs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use fyke::host::{Host, Mode, Setup};
use fyke::transaction::Door;
use nix::pty::openpty;

use super::measure::{clock, median};
use super::{FYKE, Outcome, machine, script};

const NAMES: usize = 9_990;
const STATEMENTS: usize = 1_000;

/// Measures all of it.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    let mut text = "| | time | goal |\n|---|--:|--:|\n".to_owned();
    let mut row = |name: &str, seconds: f64, goal: f64| {
        let missed = if seconds * 1e3 <= goal { "" } else { " (missed)" };
        text += &format!("| {name} | {:.2} ms | {goal} ms{missed} |\n", seconds * 1e3);
    };
    row("from the start of `fyke repl` to its prompt on the screen", median(times(31, || prompt(scratch))?), 20.0);
    let (first, later) = completion()?;
    row("the first completion of a session, with 10,000 variables", first, 10.0);
    row("a later one", later, 10.0);
    let eval = median(times(31, || clock(Command::new(FYKE).args(["eval", "1 + 1"])))?);
    let plain = statements(scratch, "1 + 1")?;
    let rule = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\")";
    let change = statements(scratch, rule)?;
    machine::clear("nft")?;
    let alone = median(times(15, || clock(Command::new(FYKE).args(["--backend", "nft", "eval", rule])))?);
    text +=
        &format!("\nA statement that changes nothing takes {:.3} ms at the prompt, and {:.1} ms as `fyke eval`. ", plain * 1e3, eval * 1e3);
    text += &format!("One that appends a rule takes {:.1} ms, and {:.1} ms as `fyke eval`.\n", change * 1e3, alone * 1e3);
    Ok(text)
}

fn times(turns: usize, mut one: impl FnMut() -> Outcome<f64>) -> Outcome<Vec<f64>> {
    (0..turns).map(|_| one()).collect()
}

/// Starts the prompt in a terminal, and gives the seconds until it is on the screen. The start of setsid(1), which makes the terminal the controlling
/// one, is among them.
fn prompt(scratch: &Path) -> Outcome<f64> {
    let pair = openpty(None, None)?;
    let end = || -> Outcome<Stdio> { Ok(pair.slave.try_clone()?.into()) };
    let begun = Instant::now();
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", FYKE, "repl"]).env("XDG_STATE_HOME", scratch).env("TERM", "xterm");
    let mut child = command.stdin(end()?).stdout(end()?).stderr(end()?).spawn()?;
    let mut master = File::from(pair.master);
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&shown).contains("fyke> ") {
        let length = master.read(&mut bytes)?;
        shown.extend_from_slice(&bytes[..length]);
    }
    let taken = begun.elapsed().as_secs_f64();
    master.write_all(b"\x04")?;
    child.wait()?;
    Ok(taken)
}

/// Gives the seconds of the first completion in a session that has many names, and of a later one.
fn completion() -> Outcome<(f64, f64)> {
    let fault = |fault: fyke::model::Fault| fault.to_string();
    let mut host = Host::open(Setup::new(Mode::Run, Door::over_nothing()));
    let names: String = (0..NAMES).map(|n| format!("let name_{n} = {n};")).collect();
    host.input(&names).map_err(fault)?;
    let complete = || -> Outcome<f64> {
        let begun = Instant::now();
        let found = host.complete("1 + name_").candidates.len();
        let taken = begun.elapsed().as_secs_f64();
        if found == NAMES { Ok(taken) } else { Err(format!("{found} of {NAMES} names are offered").into()) }
    };
    Ok((complete()?, median(times(15, complete)?)))
}

/// Gives the seconds that one of many statements takes.
fn statements(scratch: &Path, statement: &str) -> Outcome<f64> {
    let many = script(scratch, "statements", &format!("{statement}\n").repeat(STATEMENTS))?;
    let one = script(scratch, "statement", &format!("{statement}\n"))?;
    let run = |file: &str| -> Outcome<f64> {
        machine::clear("nft")?;
        clock(Command::new(FYKE).args(["--backend", "nft", "repl"]).stdin(fs::File::open(file)?))
    };
    Ok((median(times(3, || run(&many))?) - median(times(3, || run(&one))?)) / (STATEMENTS - 1) as f64)
}
