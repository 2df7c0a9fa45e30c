//! The programs of iptables: how they are called, and what their complaints mean.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Backend;
use crate::kernel::netns::Netns;
use crate::kernel::tool::{End, Listener, Output, Request, Tool, listen_to_all};
use crate::model::iptables::Table;
use crate::model::{Family, Fault, Kind};

/// The longest complaint that is passed on; iptables can repeat a word of any length.
const COMPLAINT: usize = 600;
/// A hundred thousand rules take seconds; what takes longer than this hangs.
const BOUND: Duration = Duration::from_secs(120);

/// One call of a program.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// The family, which chooses `iptables` or `ip6tables`.
    family: Family,
    /// What stands behind the backend: `-restore`, `-save`, or nothing.
    verb: &'static str,
    args: Vec<String>,
    input: &'a str,
}

impl<'a> Call<'a> {
    /// Makes a call of `iptables-restore --noflush`.
    pub(super) fn restore(family: Family, input: &'a str) -> Self {
        Self { family, verb: "-restore", args: vec!["--noflush".into()], input }
    }

    /// Makes a call of `iptables-save -c`, for all tables or for one.
    pub(super) fn save(family: Family, table: Option<Table>) -> Self {
        let mut args = vec!["-c".to_owned()];
        args.extend(table.into_iter().flat_map(|table| ["-t".to_owned(), table.to_string()]));
        Self { family, verb: "-save", args, input: NOTHING }
    }

    /// Makes a call of `iptables` itself.
    pub(super) fn command(family: Family, args: Vec<String>) -> Self {
        Self { family, verb: "", args, input: NOTHING }
    }
}

/// What a program reads that reads nothing: not an empty file, because its standard input is its lock as well.
const NOTHING: &str = "\n";

/// What a program said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Its exit status.
    pub(super) status: u8,
    /// Its output.
    pub(super) output: String,
    /// Its complaints.
    pub(super) complaint: String,
}

/// The programs of one backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Programs {
    backend: Backend,
}

impl Programs {
    /// Takes the programs of a backend.
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend }
    }

    /// Runs calls side by side, in the network namespace of the calling thread or in another one.
    pub(super) fn run(self, calls: &[Call<'_>], netns: Option<&Netns>) -> Result<Vec<Said>, Fault> {
        self.listen(calls, netns, &mut |_, _| ())
    }

    /// Does the same, and meanwhile lets somebody work on what they have written.
    pub(super) fn listen(self, calls: &[Call<'_>], netns: Option<&Netns>, listener: &mut Listener<'_>) -> Result<Vec<Said>, Fault> {
        let tools = calls.iter().map(|call| self.tool(call)).collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Request<'_>> = calls.iter().zip(&tools).map(|(call, tool)| request(call, tool, netns)).collect();
        listen_to_all(&requests, listener).into_iter().zip(&tools).map(|(output, tool)| said(output?, tool)).collect()
    }

    /// Runs one call.
    pub(super) fn run_one(self, call: &Call<'_>, netns: Option<&Netns>) -> Result<Said, Fault> {
        let tool = self.tool(call)?;
        said(request(call, &tool, netns).run()?, &tool)
    }

    fn tool(self, call: &Call<'_>) -> Result<Tool, Fault> {
        let found = Tool::find(&format!("{}{}{}", call.family.command(), self.backend.suffix(), call.verb));
        found.map_err(|fault| match fault.kind {
            Kind::Unsupported => fault.hint("on Debian it is in the package `iptables`"),
            _ => fault,
        })
    }
}

fn request<'a>(call: &'a Call<'_>, tool: &'a Tool, netns: Option<&'a Netns>) -> Request<'a> {
    // fyke itself holds /run/xtables.lock. What the programs lock instead is their own standard input.
    let request = Request::new(tool).args(&call.args).stdin(call.input.as_bytes()).env("XTABLES_LOCKFILE", "/proc/self/fd/0");
    let request = request.timeout(BOUND);
    match netns {
        Some(netns) => request.netns(netns.as_fd()),
        None => request,
    }
}

fn said(output: Output, tool: &Tool) -> Result<Said, Fault> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    match output.end {
        End::Code(status) => Ok(Said { status, output: text(output.stdout), complaint: text(output.stderr) }),
        End::Signal(_) => Err(Fault::new(Kind::System, format!("run {}", tool.name()), output.complaint())),
    }
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
        self.status == 0
    }

    /// Gives the output of iptables-save, if each rule of it is whole and on one line. A comment can hold a line break, and then the rest of
    /// the rule reads like another rule: `x"`, line break, `-A INPUT -j ACCEPT`.
    pub(super) fn listing(&self, family: Family) -> Result<&str, Fault> {
        // A match whose library it cannot load, or that it cannot ask the kernel about, it leaves out; and it ends with 0 all the same.
        let left_out = |line: &&str| line.contains(".so: ") || line.contains("Extension ") && line.contains(" is not supported");
        if let Some(complaint) = self.complaint.lines().find(left_out) {
            let why = format!("iptables-save left out words: {}", strip(complaint));
            return Err(Fault::new(Kind::System, format!("read the {family} tables"), why).hint("cure that, or try again"));
        }
        match self.output.lines().find(|line| !closed(line)) {
            None => Ok(&self.output),
            Some(line) => Err(Fault::new(
                Kind::Unsupported,
                format!("read the {family} tables"),
                format!("a rule has a line break in it, which iptables-save cannot word: {line}"),
            )
            .hint("delete that rule by its number, see `iptables -L --line-numbers`")),
        }
    }

    /// Tells whether the words were not even understood, so that the kernel was not asked.
    pub(super) fn parsing(&self) -> bool {
        self.status == 2
    }

    /// Gives the number of the line that the complaint names.
    pub(super) fn line(&self) -> Option<usize> {
        let number = |line: &str| {
            let rest = line.strip_prefix("Error occurred at line: ").or_else(|| unnamed(line).strip_prefix("line "))?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        self.complaint.lines().find_map(number)
    }

    /// Gives the complaint without what only a reader of iptables' own messages needs: its name, line numbers, the pointer to its help,
    /// and warnings, which can be about any rule of a batch.
    pub(super) fn why(&self) -> String {
        let warning = |line: &&str| line.to_ascii_lowercase().starts_with("warn");
        let noise = |line: &&str| line.is_empty() || line.starts_with("Try `") || line.starts_with("Error occurred at line");
        let lines: Vec<&str> = self.complaint.lines().map(strip).filter(|line| !noise(line)).collect();
        let (warnings, reasons): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(warning);
        let mut why = match &reasons[..] {
            [] => warnings.last().map_or_else(|| format!("it ended with status {}", self.status), |line| (*line).to_owned()),
            reasons => reasons.iter().map(|line| kernel_words(line)).collect::<Vec<_>>().join("; "),
        };
        let missing = ["by that name", "No such file"].iter().any(|words| why.contains(words));
        if let Some(warning) = warnings.iter().find(|line| missing && line.contains("kernel module")) {
            why = format!("{why} ({})", warning.trim_start_matches("Warning: "));
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
        } else if has("Table does not exist") || has("unable to initialize table") {
            Fault::new(Kind::Unsupported, tried, why)
                .hint("the kernel lacks the module of this table (iptable_filter, iptable_nat and the like)")
        } else if why.starts_with("the kernel") {
            Fault::new(Kind::Refused, tried, why).hint("the kernel's log (`dmesg`) may say more")
        } else {
            Fault::new(Kind::Refused, tried, why)
        }
    }
}

/// Tells whether every quote of a line is closed.
fn closed(line: &str) -> bool {
    if !line.contains('"') {
        return true;
    }
    let mut bytes = line.bytes();
    let mut open = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => open = !open,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    !open
}

/// Gives an error of the kernel in the same words for every program.
fn kernel_words(line: &str) -> String {
    let nft = line.split_once(" failed (").and_then(|(_, rest)| rest.split_once("): ")).map(|(error, _)| error);
    let legacy = line.strip_suffix(" Run `dmesg' for more information.").map(|error| error.trim_end_matches('.'));
    nft.or(legacy).map_or_else(|| line.to_owned(), |error| format!("the kernel refuses it: {error}"))
}

/// Takes the names of program, version and line off a line of complaint.
fn strip(line: &str) -> &str {
    let rest = unnamed(line);
    let Some(after) = rest.strip_prefix("line ") else { return rest };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    after.strip_prefix(" failed").unwrap_or(after).trim_start_matches(':').trim()
}

/// Takes the names of program and version off a line of complaint.
fn unnamed(line: &str) -> &str {
    let line = line.trim();
    let named = line.starts_with("iptables") || line.starts_with("ip6tables");
    // "iptables-nft-restore v1.8.9 (nf_tables): " ends in a blank that the trimming above has taken.
    let rest = if named { line.split_once(": ").map(|(_, rest)| rest).or(line.ends_with(':').then_some("")) } else { None };
    rest.unwrap_or(line).trim()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(complaint: &str) -> Said {
        Said { status: 1, output: String::new(), complaint: complaint.into() }
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
                "the kernel refuses it: Invalid argument",
            ),
            ("iptables-restore: line 5 failed\n", Some(5), "it ended with status 1"),
            ("ip6tables: Invalid argument. Run `dmesg' for more information.\n", None, "the kernel refuses it: Invalid argument"),
        ];
        for (complaint, line, why) in cases {
            assert_eq!((said(complaint).line(), said(complaint).why().as_str()), (line, why), "{complaint}");
        }
    }

    #[test]
    fn a_listing_that_lacks_words_is_none() {
        let listing = |complaint: &str| Said { output: "-A INPUT -p udp -j ACCEPT".into(), ..said(complaint) };
        for complaint in
            ["Warning: Extension udp is not supported, missing kernel module?\n", "/x/libxt_udp.so: cannot open shared object file\n"]
        {
            assert!(listing(complaint).listing(Family::V4).is_err(), "{complaint}");
        }
        assert!(listing("Warning: cannot open /etc/xtables/connlabel.conf: No such file or directory\n").listing(Family::V4).is_ok());
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
