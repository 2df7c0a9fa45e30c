//! The programs of iptables: how they are called, and what their complaints mean.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Backend;
use crate::model::iptables::Table;
use crate::model::{Family, Fault, Kind};

/// The longest complaint that is passed on; nft and iptables can repeat a line of any length.
const COMPLAINT: usize = 600;

/// One call of a program.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The family, which chooses `iptables` or `ip6tables`.
    pub(super) family: Family,
    /// What stands behind the backend: `restore`, `save`, or nothing.
    pub(super) verb: &'static str,
    /// The arguments.
    pub(super) args: Vec<String>,
    /// What it reads.
    pub(super) input: String,
}

impl Call {
    /// Makes a call of `iptables-restore --noflush`.
    pub(super) fn restore(family: Family, input: String) -> Self {
        Self { family, verb: "-restore", args: vec!["--noflush".into()], input }
    }

    /// Makes a call of `iptables-save -c`.
    pub(super) fn save(family: Family) -> Self {
        Self { family, verb: "-save", args: vec!["-c".into()], input: String::new() }
    }

    /// Makes a call of `iptables-save -c` for one table.
    pub(super) fn save_table(family: Family, table: Table) -> Self {
        Self { args: vec!["-c".into(), "-t".into(), table.to_string()], ..Self::save(family) }
    }

    /// Makes a call of `iptables` itself.
    pub(super) fn command(family: Family, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { family, verb: "", args: args.into_iter().map(Into::into).collect(), input: String::new() }
    }
}

/// What a program said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Its exit status; none where a signal ended it.
    pub(super) status: Option<i32>,
    /// Its output.
    pub(super) output: String,
    /// Its complaints.
    pub(super) complaint: String,
}

/// The programs of one backend.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    backend: Backend,
}

impl Programs {
    /// Takes the programs of a backend.
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend }
    }

    /// Runs calls side by side, in the network namespace of the calling thread.
    pub(super) fn run(&self, calls: &[Call]) -> Result<Vec<Said>, Fault> {
        let running: Vec<_> = calls.iter().map(|call| self.start(call)).collect();
        running.into_iter().map(|running| running?.finish()).collect()
    }

    /// Runs one call.
    pub(super) fn run_one(&self, call: &Call) -> Result<Said, Fault> {
        self.start(call)?.finish()
    }

    fn start(&self, call: &Call) -> Result<Running, Fault> {
        let name = format!("{}{}{}", call.family.command(), self.backend.suffix(), call.verb);
        let tried = format!("run {name}");
        let system = |error: std::io::Error| Fault::new(Kind::System, format!("run {name}"), error.to_string());
        let path = find(&name).ok_or_else(|| {
            Fault::new(Kind::Unsupported, tried, "the program is not installed").hint("on Debian it is in the package `iptables`")
        })?;
        let input = scrap(&name).map_err(system)?;
        let (mut output, mut complaint) = (scrap(&name).map_err(system)?, scrap(&name).map_err(system)?);
        let mut file = input.try_clone().map_err(system)?;
        file.write_all(call.input.as_bytes()).and_then(|()| file.rewind()).map_err(system)?;
        let mut command = Command::new(path);
        command.args(&call.args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        // fyke itself holds /run/xtables.lock. What the programs lock instead is their own standard input.
        command.env("XTABLES_LOCKFILE", "/proc/self/fd/0");
        let descriptor = |file: &mut File| file.try_clone().map(|file| Stdio::from(OwnedFd::from(file))).map_err(system);
        command.stdin(OwnedFd::from(input)).stdout(descriptor(&mut output)?).stderr(descriptor(&mut complaint)?);
        let child = command.spawn().map_err(system)?;
        Ok(Running { name, child, output, complaint })
    }
}

/// A program that runs.
struct Running {
    name: String,
    child: Child,
    output: File,
    complaint: File,
}

impl Running {
    fn finish(mut self) -> Result<Said, Fault> {
        let system = |error: std::io::Error| Fault::new(Kind::System, format!("run {}", self.name), error.to_string());
        let status = self.child.wait().map_err(system)?;
        let read = |file: &mut File| {
            let mut text = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut text)).map_err(system)?;
            Ok::<_, Fault>(String::from_utf8(text).unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
        };
        let said = Said { status: status.code(), output: read(&mut self.output)?, complaint: read(&mut self.complaint)? };
        match said.status {
            None => Err(Fault::new(Kind::System, format!("run {}", self.name), format!("it was ended: {status}"))),
            Some(_) => Ok(said),
        }
    }
}

/// Makes a file in memory. Unlike a pipe it never makes one program wait for another.
fn scrap(name: &str) -> std::io::Result<File> {
    Ok(File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?))
}

/// Finds a program where the system keeps its own, never along the user's PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}

impl Backend {
    /// Gives what the programs of the backend have behind `iptables`.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Backend::Nft => "-nft",
            Backend::Legacy => "-legacy",
        }
    }
}

impl Said {
    /// Tells whether the program did what it was told.
    pub(super) fn well(&self) -> bool {
        self.status == Some(0)
    }

    /// Tells whether the words were not even understood, so that the kernel was not asked.
    pub(super) fn parsing(&self) -> bool {
        self.status == Some(2)
    }

    /// Gives the number of the line that the complaint names.
    pub(super) fn line(&self) -> Option<usize> {
        let at = self.complaint.find("line ").map(|at| at + 5);
        let at = self.complaint.find("at line: ").map(|at| at + 9).or(at)?;
        let digits: String = self.complaint[at..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    /// Gives the complaint without what only a reader of iptables' own messages needs: its name, line numbers, the pointer to its help.
    pub(super) fn why(&self) -> String {
        let noise = |line: &&str| !line.is_empty() && !line.starts_with("Try `") && !line.starts_with("Error occurred at line");
        let lines: Vec<&str> = self.complaint.lines().map(strip).filter(noise).collect();
        let mut why = lines.join("; ");
        if why.is_empty() {
            why = format!("it ended with status {}", self.status.unwrap_or(-1));
        }
        if let Some((cut, _)) = why.char_indices().nth(COMPLAINT) {
            why.truncate(cut);
            why.push('…');
        }
        why
    }

    /// Makes a fault of a complaint, with the kind that it has and a cure where there is one.
    pub(super) fn fault(&self, tried: impl Into<String>) -> Fault {
        let why = self.why();
        let has = |words: &str| self.complaint.contains(words);
        if has("you must be root") || has("Permission denied") || has("Operation not permitted") {
            Fault::new(Kind::Permission, tried, why)
                .hint("it takes CAP_NET_ADMIN: run as root, or with `--sandbox` in a throw-away namespace")
        } else if has("holding the xtables lock") {
            Fault::new(Kind::Busy, tried, why)
        } else if has("Table does not exist") || has("table `") && has("can't initialize") {
            Fault::new(Kind::Unsupported, tried, why)
                .hint("the kernel lacks the module of this table (iptable_filter, iptable_nat and the like)")
        } else {
            Fault::new(Kind::Refused, tried, why)
        }
    }
}

/// Takes the names of program, version and line off a line of complaint.
fn strip(line: &str) -> &str {
    let mut rest = line.trim();
    for names in ["iptables", "ip6tables"] {
        if let Some(after) = rest.strip_prefix(names) {
            rest = after.split_once(": ").map_or(if after.ends_with(':') { "" } else { rest }, |(_, rest)| rest).trim();
        }
    }
    if let Some(after) = rest.strip_prefix("line ") {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        rest = after.strip_prefix(" failed").map_or(after, |after| if after.is_empty() { "" } else { after });
        rest = rest.trim_start_matches(':').trim();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(complaint: &str) -> Said {
        Said { status: Some(1), output: String::new(), complaint: complaint.into() }
    }

    #[test]
    fn the_line_and_the_reason_are_taken_out_of_every_kind_of_complaint() {
        let cases = [
            ("iptables-nft-restore: line 2 failed: Chain already exists.\n", Some(2), "Chain already exists."),
            (
                "iptables-nft-restore v1.8.9 (nf_tables): unknown option \"--bad\"\nError occurred at line: 4\nTry `iptables-nft-restore -h' or 'iptables-nft-restore --help' for more information.\n",
                Some(4),
                "unknown option \"--bad\"",
            ),
            (
                "iptables-nft-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (Invalid argument): rule in chain A\n",
                Some(3),
                "RULE_APPEND failed (Invalid argument): rule in chain A",
            ),
            ("iptables-restore: line 5 failed\n", Some(5), "it ended with status 1"),
            (
                "ip6tables: Invalid argument. Run `dmesg' for more information.\n",
                None,
                "Invalid argument. Run `dmesg' for more information.",
            ),
        ];
        for (complaint, line, why) in cases {
            assert_eq!((said(complaint).line(), said(complaint).why().as_str()), (line, why), "{complaint}");
        }
    }

    #[test]
    fn a_long_complaint_is_cut() {
        assert_eq!(said(&"ä".repeat(5000)).why().chars().count(), COMPLAINT + 1);
    }

    #[test]
    fn what_only_root_may_do_is_a_matter_of_permission() {
        let fault =
            said("iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n")
                .fault("x");
        assert_eq!((fault.kind, fault.hint.is_some()), (Kind::Permission, true));
    }
}
