//! The words of `fyke import`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// What `import` takes.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file with the rules, or `-` for standard input
    #[arg(default_value = "-", hide_default_value = true, value_hint = ValueHint::FilePath)]
    pub(crate) file: OsString,
    /// What the file is; without this, its first line tells
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<RuleFormat>,
    /// Take all rules for IPv4 or IPv6; without this, the programs, comments and addresses tell
    #[arg(long, value_name = "4|6")]
    pub(crate) family: Option<RuleFamily>,
    /// Write the recipe to a new file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Call the rules so in the first line of the recipe
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Let what is in the tables give way where the original does
    #[arg(long)]
    pub(crate) exact: bool,
}

/// What rules can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleFormat {
    /// The text of iptables-save(8)
    Save,
    /// The text of `ipset save`
    Sets,
    /// A shell script
    Shell,
}

/// The family of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleFamily {
    /// IPv4
    #[value(name = "4")]
    V4,
    /// IPv6
    #[value(name = "6")]
    V6,
}
