//! External programs, run safely: found on a fixed path, one word per argument, a fixed environment, bounded output and time.

mod attached;
mod spawn;
mod wait;

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{Seek, Write, pipe};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

use self::spawn::Program;
use self::wait::{Ears, Running};
use super::{errno, identity};
use crate::model::{Fault, Kind};

/// Where programs are looked for by their names.
pub const SEARCH_PATH: [&str; 6] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
const TIMEOUT: Duration = Duration::from_secs(30);
/// A table of 100,000 rules is some 10 MB of text.
const OUTPUT: usize = 256 << 20;

/// Makes the process itself search programs where [`Tool`] does, for a library that starts one by its name.
///
/// Called first of all in `main`, while there is one thread.
#[allow(unsafe_code)]
pub fn fix_search_path() {
    // SAFETY: no other thread can read the environment meanwhile; there is none yet.
    unsafe { std::env::set_var("PATH", SEARCH_PATH.join(":")) };
}

/// An external program that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    path: PathBuf,
}

impl Tool {
    /// Finds a program by name on the fixed search path. For root it counts only if nobody else could have put it there.
    pub fn find(name: &str) -> Result<Tool, Fault> {
        let tried = format!("find the program {name}");
        if name.is_empty() || name.contains(['/', '\0']) {
            return Err(Fault::input(tried, "it is looked for by its plain name"));
        }
        let candidates = SEARCH_PATH.map(|folder| Path::new(folder).join(name));
        let Some((path, about)) = candidates.into_iter().find_map(|path| Some((fs::metadata(&path).ok()?, path)).map(|(a, p)| (p, a)))
        else {
            return Err(Fault::new(Kind::Unsupported, tried, format!("it is not in {}", SEARCH_PATH.join(", "))));
        };
        let foreign = about.uid() != 0 || about.mode() & 0o022 != 0;
        if foreign && identity::is_root_of_the_host() {
            let why = format!("{} belongs to, or can be written by, somebody other than root", path.display());
            return Err(Fault::new(Kind::Permission, tried, why));
        }
        Ok(Tool { path })
    }

    /// Takes the program at a path from the root on. Whoever names it so has chosen it, wherever it lies.
    pub fn at(path: &str) -> Result<Tool, Fault> {
        let tried = format!("run {path}");
        let about = fs::metadata(path).map_err(|error| errno::fault(&tried, error))?;
        if !about.is_file() || about.mode() & 0o111 == 0 {
            return Err(Fault::input(tried, "it is no file that can be run"));
        }
        Ok(Tool { path: path.into() })
    }

    /// Gives its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives its plain name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// One run of a tool, described.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    tool: &'a Tool,
    args: Vec<OsString>,
    stdin: &'a [u8],
    env: Vec<(&'a str, OsString)>,
    netns: Option<BorrowedFd<'a>>,
    timeout: Duration,
    output: usize,
    interruptible: bool,
    covers: Option<Vec<(PathBuf, PathBuf)>>,
}

impl<'a> Request<'a> {
    /// Describes a run without arguments and input, in the present network namespace, that may take 30 s.
    pub fn new(tool: &'a Tool) -> Self {
        Self {
            tool,
            args: Vec::new(),
            stdin: &[],
            env: Vec::new(),
            netns: None,
            timeout: TIMEOUT,
            output: OUTPUT,
            interruptible: false,
            covers: None,
        }
    }

    /// Adds an argument: one word, whatever is in it.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.args.push(word.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, words: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.args.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, bytes: &'a [u8]) -> Self {
        self.stdin = bytes;
        self
    }

    /// Adds a variable to its environment, which otherwise holds a fixed PATH and LC_ALL=C only.
    #[must_use]
    pub fn env(mut self, name: &'a str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name, value.as_ref().to_owned()));
        self
    }

    /// Runs it in another network namespace.
    #[must_use]
    pub fn netns(mut self, netns: BorrowedFd<'a>) -> Self {
        self.netns = Some(netns);
        self
    }

    /// Bounds its time; after it the tool is killed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Bounds what it may write to its standard output, in bytes; beyond it the tool is killed.
    #[must_use]
    pub fn output(mut self, most: usize) -> Self {
        self.output = most;
        self
    }

    /// Kills it when the run is asked to stop. Not for a tool that writes to the kernel: those are short, and a rollback needs them, too.
    #[must_use]
    pub fn interruptible(mut self) -> Self {
        self.interruptible = true;
        self
    }

    /// Lets it see /sys of its network namespace, and in the place of the second file of each pair the first one. Nobody else sees that.
    #[must_use]
    pub fn covers(mut self, covers: Option<Vec<(PathBuf, PathBuf)>>) -> Self {
        self.covers = covers;
        self
    }

    /// Runs it and waits for its end.
    pub fn run(&self) -> Result<Output, Fault> {
        let mut running = self.start()?;
        wait::wait(&mut [(0, &mut running)], &mut |_, _| ());
        running.result()
    }

    fn tried(&self) -> String {
        format!("run {}", self.tool.name())
    }

    /// Gives a word as the kernel takes it.
    fn word(&self, word: &OsStr) -> Result<CString, Fault> {
        CString::new(word.as_bytes()).map_err(|_| Fault::input(self.tried(), format!("the word {word:?} has a NUL byte in it")))
    }

    /// Gives the words that it is started with, its own path first.
    fn words(&self) -> Result<Vec<CString>, Fault> {
        // By their own names the multi-call binaries of iptables know what they are.
        [self.tool.path.as_os_str()].into_iter().chain(self.args.iter().map(OsString::as_os_str)).map(|word| self.word(word)).collect()
    }

    fn start(&self) -> Result<Running<'_>, Fault> {
        let fail = |error: std::io::Error| errno::fault(self.tried(), error);
        let stdin = self.input().map_err(fail)?;
        let (stdout_read, stdout) = pipe().map_err(fail)?;
        let (stderr_read, stderr) = pipe().map_err(fail)?;
        let (stdout, stderr) = (OwnedFd::from(stdout), OwnedFd::from(stderr));
        let path = self.word(self.tool.path.as_os_str())?;
        let args = self.words()?;
        let fixed = [("PATH", OsString::from(SEARCH_PATH.join(":"))), ("LC_ALL", "C".into())];
        let env = fixed.iter().chain(&self.env).map(|(name, value)| {
            let mut pair = OsString::from(name);
            pair.push("=");
            pair.push(value);
            self.word(&pair)
        });
        let env = env.collect::<Result<_, _>>()?;
        let cover = |(own, common): &(PathBuf, PathBuf)| Ok([self.word(own.as_os_str())?, self.word(common.as_os_str())?]);
        let covers = self.covers.as_ref().map(|covers| covers.iter().map(cover).collect::<Result<_, Fault>>()).transpose()?;
        let program = Program { path, args, env, stdio: [&stdin, &stdout, &stderr], netns: self.netns.map(|fd| fd.as_raw_fd()), covers };
        let ears = Ears::new(self, stdout_read.into(), stderr_read.into()).map_err(|error| fail(error.into()))?;
        let child = spawn::spawn(&program).map_err(|error| fail(error.into()))?;
        Ok(Running::new(self, child, ears))
    }

    /// Puts the input into a file in memory: unlike a pipe, nobody has to feed it.
    fn input(&self) -> std::io::Result<OwnedFd> {
        if self.stdin.is_empty() {
            return Ok(File::open("/dev/null")?.into());
        }
        let mut file = File::from(memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(self.stdin)?;
        file.rewind()?;
        Ok(file.into())
    }
}

/// How a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

/// What a tool said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub end: End,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of what it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Tells whether it ended with 0.
    pub fn success(&self) -> bool {
        self.end == End::Code(0)
    }

    /// Gives what it wrote to its standard error as text, or how it ended when it wrote nothing.
    pub fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        match (text.trim(), self.end) {
            ("", End::Code(code)) => format!("it ended with code {code}, and no word"),
            ("", End::Signal(signal)) => format!("it was killed by signal {signal}"),
            (text, _) => text.to_owned(),
        }
    }
}

/// Is told which of several tools has written something, and all that it has written so far.
pub type Listener<'a> = dyn FnMut(usize, &[u8]) + 'a;

/// Runs several tools at the same time, one for each IP family perhaps, and gives their results in the same order.
pub fn run_all(requests: &[Request<'_>]) -> Vec<Result<Output, Fault>> {
    listen_to_all(requests, &mut |_, _| ())
}

/// Does the same, and meanwhile lets somebody work on what they have written.
pub fn listen_to_all(requests: &[Request<'_>], listener: &mut Listener<'_>) -> Vec<Result<Output, Fault>> {
    let mut started: Vec<Result<Running<'_>, Fault>> = requests.iter().map(Request::start).collect();
    let mut running: Vec<_> = started.iter_mut().enumerate().filter_map(|(at, tool)| Some((at, tool.as_mut().ok()?))).collect();
    wait::wait(&mut running, listener);
    started.into_iter().map(|running| running.and_then(Running::result)).collect()
}

#[cfg(test)]
mod tests;
