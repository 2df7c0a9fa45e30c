//! A program that a test has started and that goes on beside it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::unistd::Pid;

use crate::program::Said;

/// A program that runs. It is killed with the test.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a command.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Starts a command and waits until it says a line.
    #[track_caller]
    pub(crate) fn until_it_says(command: Command, line: &str) -> Self {
        let mut running = Self::of(command);
        let mut said = String::new();
        while !said.ends_with(&format!("{line}\n")) {
            if running.out.read_line(&mut said).unwrap() == 0 {
                panic!("it did not say {line:?}: {:?}", running.end());
            }
        }
        running
    }

    /// Gives the process that the command started: the guardian.
    pub(crate) fn guardian(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Gives the guardian's child: the runner.
    pub(crate) fn runner(&self) -> Pid {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
    }

    /// Waits for the end of the program, and of everybody who holds its streams.
    pub(crate) fn end(mut self) -> Said {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Said { code: self.child.wait().unwrap().code(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
