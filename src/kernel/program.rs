//! Programs that a script asks for.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errno;
use super::netns::Netns;
use super::tool::{self, End, Request, Tool};
use crate::model::command::{Command, Ran, View};
use crate::model::netns::Name;
use crate::model::{Fault, Kind};

/// The most that a program may write to its standard output, in bytes.
const OUTPUT: usize = 16 << 20;

/// Runs a program in a network namespace that has no interfaces but a loopback that is down, from its first instruction on.
fn run_isolated(command: &Command) -> Result<Ran, Fault> {
    let tried = |fault: Fault| Fault { tried: format!("run `{command}` in a network without interfaces"), ..fault };
    let netns = Netns::create().map_err(tried).map_err(|fault| match fault.kind {
        Kind::Permission => fault.hint("it takes CAP_SYS_ADMIN; an ordinary user has it in a sandbox: fyke --sandbox run ..."),
        _ => fault,
    })?;
    let tool = tool(command).map_err(tried)?;
    let end = Request::new(&tool).args(command.arguments()).netns(netns.as_fd()).run_attached().map_err(tried)?;
    Ok(Ran { status: status(end), output: String::new(), errors: String::new() })
}

fn tool(command: &Command) -> Result<Tool, Fault> {
    find(command.program())
}

fn find(program: &str) -> Result<Tool, Fault> {
    if program.starts_with('/') { Tool::at(program) } else { Tool::find(program) }
}

/// Gives what a program is called in permissions, by its words alone: its name where it lies in a folder of the system, else its path.
pub fn called(program: &str) -> Arc<str> {
    let plain = |path: &str| path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
    if !program.contains('/') {
        return program.into();
    }
    let path = format!("/{}", plain(program));
    match path.rsplit_once('/') {
        Some((folder, name)) if tool::SEARCH_PATH.contains(&folder) && name != ".." => name.into(),
        _ => path.into(),
    }
}

/// Gives what the file is called that a program really is, behind all links; none where there is no such program.
pub fn real(program: &str) -> Option<Arc<str>> {
    let path = find(program).ok()?.path().canonicalize().ok()?;
    path.to_str().map(called)
}

/// Gives the exit status of a program as shells do.
fn status(end: End) -> i64 {
    match end {
        End::Code(code) => i64::from(code),
        End::Signal(signal) => 128 + i64::from(signal),
    }
}

/// Runs a program and waits for its end. A request to stop kills it, and all that it has started.
pub fn run(command: &Command) -> Result<Ran, Fault> {
    if command.isolated {
        return run_isolated(command);
    }
    let tried = |fault: Fault| Fault { tried: format!("run `{command}`"), ..fault };
    let tool = tool(command).map_err(tried)?;
    let covers = match &command.view {
        View::Common => None,
        View::Netns(name) => Some(name.as_ref().map_or(Ok(Vec::new()), covers).map_err(tried)?),
    };
    let request = Request::new(&tool).covers(covers).args(command.arguments()).stdin(command.input.as_bytes()).timeout(command.timeout);
    let output = request.output(OUTPUT).interruptible().run().map_err(tried)?;
    if command.check && !output.success() {
        let status = match output.end {
            End::Code(code) => format!("it ended with status {code}"),
            End::Signal(signal) => format!("it was killed by signal {signal}"),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let why = if said.trim().is_empty() { status } else { format!("{status}: {}", said.trim()) };
        return Err(tried(Fault::new(Kind::Refused, "", why)).hint("`check: false` gives the status to the script instead"));
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned());
    Ok(Ran { status: status(output.end), output: text(output.stdout), errors: text(output.stderr) })
}

/// Lists the files of /etc/netns/NAME, each with the one of /etc that it stands for.
fn covers(name: &Name) -> Result<Vec<(PathBuf, PathBuf)>, Fault> {
    let folder = Path::new("/etc/netns").join(name.as_str());
    let files = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(|error| errno::fault("", error))?,
    };
    let mut found = Vec::new();
    for file in files.flatten() {
        let (own, common) = (file.path(), Path::new("/etc").join(file.file_name()));
        if fs::metadata(&common).is_err() {
            let why = format!("{} would stand in the place of {}, which is not there", own.display(), common.display());
            return Err(Fault::new(Kind::NotFound, "", why).hint("make an empty file there"));
        }
        found.push((own, common));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn command(words: &[&str]) -> Command {
        Command::new(words.iter().map(|word| (*word).to_owned()).collect()).unwrap()
    }

    fn told(command: &Command) -> String {
        let fault = run(command).unwrap_err();
        format!("{}: {fault}", fault.kind.name())
    }

    #[test]
    fn a_program_gets_its_words_and_gives_what_it_says() {
        let mut cat = command(&["/bin/sh", "-c", "cat; printf %s \"$1\" >&2", "sh", "$HOME; id"]);
        cat.input = "in".to_owned();
        assert_eq!(run(&cat).unwrap(), Ran { status: 0, output: "in".into(), errors: "$HOME; id".into() });
        assert_eq!(run(&command(&["printf", "\\377"])).unwrap().output, "\u{fffd}");
    }

    #[test]
    fn how_it_ends_is_told_or_given() {
        for (script, why, status) in [
            ("echo no >&2; exit 3", "it ended with status 3: no", 3),
            ("exit 4", "it ended with status 4", 4),
            ("kill -9 $$", "it was killed by signal 9", 137),
        ] {
            let mut command = command(&["sh", "-c", script]);
            assert_eq!(told(&command), format!("refused: cannot run `sh -c {script:?}`: {why}"));
            command.check = false;
            assert_eq!(run(&command).unwrap().status, status);
        }
    }

    #[test]
    fn time_output_and_names_are_bounded() {
        let mut slow = command(&["sleep", "50"]);
        slow.timeout = Duration::from_millis(50);
        assert_eq!(told(&slow), "limit: cannot run `sleep 50`: it did not end within 50ms");
        assert_eq!(told(&command(&["cat", "/dev/zero"])), "limit: cannot run `cat /dev/zero`: it wrote more than 16 MiB");
        assert!(told(&command(&["no-such-tool"])).starts_with("unsupported: cannot run `no-such-tool`: it is not in /usr/sbin"));
        for path in ["/etc", "/etc/passwd"] {
            assert_eq!(told(&command(&[path])), format!("input: cannot run `{path}`: it is no file that can be run"));
        }
        assert_eq!(told(&command(&["/no/such"])), "not-found: cannot run `/no/such`: No such file or directory");
    }
}
