//! Times and memory of commands.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;

/// The median times of two commands, in seconds.
pub(crate) struct Medians {
    /// That of fyke.
    pub(crate) ours: f64,
    /// That of the tool it is compared with.
    pub(crate) theirs: f64,
}

/// Measures two things in turns.
pub(crate) fn take_turns(
    name: &str,
    turns: usize,
    mut ours: impl FnMut() -> Outcome<f64>,
    mut theirs: impl FnMut() -> Outcome<f64>,
) -> Outcome<Medians> {
    eprintln!("{name}: {turns} turns");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    // The first turn fills caches, for both.
    for turn in 0..=turns {
        let (one, other) = (ours()?, theirs()?);
        if turn > 0 {
            a.push(one);
            b.push(other);
        }
    }
    Ok(Medians { ours: median(a), theirs: median(b) })
}

/// Gives the middle of some times.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Gives the seconds from the start of a command to its end, which must be a good one.
pub(crate) fn clock(command: &mut Command) -> Outcome<f64> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let output = command.spawn()?.wait_with_output()?;
    let time = begun.elapsed().as_secs_f64();
    match output.status.success() {
        true => Ok(time),
        false => Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()).into()),
    }
}

/// Runs a command given as one line of plain words.
pub(crate) fn quiet(line: &str) -> Outcome {
    let mut words = line.split(' ');
    clock(Command::new(words.next().unwrap_or_default()).args(words)).map(drop)
}

/// Peak memory. The kernel keeps the highest of all children together, so that each command gets a parent of its own.
pub(crate) mod peak {
    use std::env;
    use std::process::Command;

    use nix::sys::resource::{UsageWho, getrusage};

    use super::clock;
    use crate::Outcome;

    /// Runs a command, and prints the peak memory of the largest of its processes in bytes.
    pub(crate) fn of(words: &[String]) -> Outcome {
        let (program, arguments) = words.split_first().ok_or("no command")?;
        clock(Command::new(program).args(arguments))?;
        println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024);
        Ok(())
    }

    /// Gives the peak memory of a command in megabytes.
    pub(crate) fn measure(line: &str) -> Outcome<f64> {
        let output = Command::new(env::current_exe()?).arg("peak").args(line.split(' ')).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let bytes: f64 = text.trim().parse().map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok(bytes / 1e6)
    }
}
