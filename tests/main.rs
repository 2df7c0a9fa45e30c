//! The integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_inputs;
mod cli;
mod golden;
mod journey;
mod kernel;
mod pages;
mod program;
mod reference;
mod repl;
mod suites;
mod terminal;
mod tidy;
mod tutorial;
