//! The words of the verbs about packages.

use std::ffi::OsString;

use clap::{ArgAction, Args, ValueHint};

/// What `new` takes.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// The folder of the package: a new one, or one that has no fyke.toml yet
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: OsString,
    /// Call it so; without this it has the name of its folder
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// What `add` takes.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// A git repository, a folder with a package in it, or an archive (.tar, .tar.gz, .tgz): an address or a path
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) source: OsString,
    /// Take this version, or a later one of the same line that another package needs
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["tag", "branch", "rev"])]
    pub(crate) at_least: Option<String>,
    /// Take what a tag stands for, and nothing else
    #[arg(long, conflicts_with_all = ["branch", "rev"])]
    pub(crate) tag: Option<String>,
    /// Take what is on a branch
    #[arg(long, conflicts_with = "rev")]
    pub(crate) branch: Option<String>,
    /// Take one commit, by its whole hash
    #[arg(long, value_name = "REVISION")]
    pub(crate) rev: Option<String>,
    /// Grant what the packages ask for
    #[arg(long)]
    pub(crate) grant: bool,
}

/// The names of packages that the project needs.
#[derive(Args, Debug)]
pub(crate) struct Names {
    /// Packages, by their names
    #[arg(required = true, value_name = "PACKAGE")]
    pub(crate) names: Vec<String>,
}

/// What `update` takes.
#[derive(Args, Debug)]
pub(crate) struct Packages {
    /// Packages, by their names; all of them without this
    #[arg(value_name = "PACKAGE")]
    pub(crate) names: Vec<String>,
    /// Grant what the packages ask for that is new
    #[arg(long)]
    pub(crate) grant: bool,
}

/// What `fetch` takes.
#[derive(Args, Debug)]
pub(crate) struct Fetch {
    /// Fail where fyke.lock would have to change
    #[arg(long)]
    pub(crate) locked: bool,
    /// Fail also where something would have to be fetched: only check what is here
    #[arg(long)]
    pub(crate) frozen: bool,
}

/// What `publish` takes.
#[derive(Args, Debug)]
pub(crate) struct Publish {
    /// Make the tag that stands for the version
    #[arg(long)]
    pub(crate) tag: bool,
}

/// What `trust` takes.
#[derive(Args, Debug)]
pub(crate) struct Key {
    /// What to call the key of a team
    #[arg(requires = "key")]
    pub(crate) name: Option<String>,
    /// The key: the last line of minisign.pub, or that file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<String>,
    /// Take a key out
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub(crate) remove: Option<String>,
    /// Refuse every package that none of the keys has signed, or no longer
    #[arg(long, value_name = "yes|no", action = ArgAction::Set, value_parser = yes_or_no)]
    pub(crate) require: Option<bool>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is neither yes nor no".to_owned()),
    }
}
