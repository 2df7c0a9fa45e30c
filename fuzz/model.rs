//! The model of fyke under its usual name, so that what must hold reads the same here and in the tests.
#![allow(missing_docs, dead_code)]

#[path = "../src/model/mod.rs"]
pub mod model;
