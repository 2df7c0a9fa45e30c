//! The integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_inputs;
mod cli;
mod corpus;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod golden;
mod guide;
mod journey;
mod kernel;
mod packages;
mod pages;
mod program;
mod reference;
mod repl;
mod repl_say;
mod site;
mod suites;
mod terminal;
mod testing;
mod tidy;
mod types;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod vm;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn faults() {
    println!("skipped: the tracer of tests/faults knows the registers of x86_64 Linux only");
}
