//! Starts the program, and keeps what it says.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// Gives the program: the one just built, or another that `FYKE_BIN` names.
pub(crate) fn binary() -> OsString {
    std::env::var_os("FYKE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_fyke").into())
}

/// Gives a command that runs the program with an environment that says nothing about its user.
pub(crate) fn command<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(words).env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs the program.
pub(crate) fn fyke<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Said {
    command(words).output().unwrap().into()
}

/// Runs the program with a text on standard input.
pub(crate) fn fyke_with(input: &[u8], words: &[&str]) -> Said {
    let mut child = command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

/// Runs a shell script in which `$FYKE` is the program.
pub(crate) fn shell(script: &str) -> Said {
    Command::new("bash").args(["-c", script]).env("FYKE", binary()).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs a script where nothing else is: `$FYKE` is the program, `dump` prints all rules without counters and tags.
pub(crate) fn inside(script: &str) -> Said {
    let map = if is_root() { "" } else { "--map-root-user" };
    let dump = "dump() { for t in iptables ip6tables; do $t${BACKEND:+-$BACKEND}-save; done \
                | sed -E '/^#/d; s/ -m comment --comment \"fyke:[^\"]*\"//; s/\\[[0-9:]+\\]//'; }";
    shell(&format!(
        "export FYKE; PATH=$PATH:/usr/sbin:/sbin unshare {map} --net --mount bash -c '{}'",
        format!("mount -t tmpfs run /run; {dump}; {script}").replace('\'', "'\\''")
    ))
}

/// Tells whether the tests run as root.
pub(crate) fn is_root() -> bool {
    shell("id -u").out.trim() == "0"
}

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that everybody may read.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fyke-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Gives the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
