//! Linux, and its shadow: the only layer that is `unsafe`, opens files and starts programs.

pub mod xtables;
