//! The words of `fyke test`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::Rights;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke test
  fyke test --filter limits -j 2
  fyke test --junit report.xml tests/
  fyke test --doc")]
/// Run the tests of a project, each in a sandbox of its own
///
/// Finds files that are called `*_test.rhai` and runs their functions `test_*` that have no parameters, several at a time. A test fails when its function
/// does, when it takes too long, and when an undo afterwards does not leave the network as it was: what is left is named. Code of the project has the
/// permissions that its fyke.toml declares. No root is needed, and nothing reaches the machine but what a program does that a test runs.
///
/// A file that cannot be read as a script fails, whatever `--filter` says: which tests it has is not known. So does a folder that cannot be listed.
///
/// Exit status: 0 all passed or were skipped, 1 a test failed, 2 no test was found, 130 interrupted.
pub(crate) struct Test {
    /// Files with tests, or folders; without any, the project that you are in, or this folder
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<OsString>,
    /// Run those only that have this text in FILE::FUNCTION
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Run so many at a time; without this, as many as there are processors
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Begin no more after the first that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// List the tests and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// Run the examples of the doc comments of modules, and not the tests
    ///
    /// An example is a block of code that begins with ```rhai or ~~~rhai. Words behind that say what is done with it: `rhai,ignore` leaves it out, `rhai,no_run`
    /// checks it and does not run it, `rhai,should_fail` has to fail when it is run. One that ends with a comparison has to be true.
    #[arg(long)]
    pub(crate) doc: bool,
    /// Write a report for CI systems, as JUnit does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rights: Rights,
}
