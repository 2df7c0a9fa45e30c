//! The integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_inputs;
mod cli;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod golden;
mod journey;
mod kernel;
mod pages;
mod program;
mod reference;
mod suites;
mod tidy;
