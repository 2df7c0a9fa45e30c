//! The words of the verbs about packages.

use std::ffi::OsString;

use clap::{ArgAction, Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke new teamlib
  fyke new .")]
/// Make a package, or a project that uses packages
///
/// Writes a fyke.toml, and for a new folder a module, a recipe and a test to begin with.
pub(crate) struct New {
    /// The folder of the package: a new one, or one that has no fyke.toml yet
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) folder: OsString,
    /// Call it so; without this it has the name of its folder
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke add https://git.example.org/net/teamlib.git
  fyke add --at-least 1.2 git@git.example.org:net/teamlib.git
  fyke add --grant ../teamlib
  fyke add teamlib-1.0.0.tar.gz")]
/// Add a package to the project
///
/// Looks at a git repository, a folder or an archive, chooses a version, and writes the package into fyke.toml and all that it needs into
/// fyke.lock. It says what each of them may touch; what you grant is written into fyke.toml. Of a git repository the latest release is taken,
/// unless something else is asked for.
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

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke remove teamlib")]
/// Take a package out of the project
pub(crate) struct Names {
    /// Packages, by their names
    #[arg(required = true, value_name = "PACKAGE")]
    pub(crate) names: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke update
  fyke update teamlib
  fyke update --grant teamlib")]
/// Take later versions of packages into the project
///
/// Of packages with a version the latest release of the same line is taken, of a branch its latest commit, of a folder what is in it now; of all
/// packages, or of those that are named. A package that may touch more than before stops the update until that is granted; so does a tag that
/// was moved, and another signature.
pub(crate) struct Packages {
    /// Packages, by their names; all of them without this
    #[arg(value_name = "PACKAGE")]
    pub(crate) names: Vec<String>,
    /// Grant what the packages ask for that is new
    #[arg(long)]
    pub(crate) grant: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke fetch
  fyke fetch --locked
  fyke fetch --frozen")]
/// Get all packages that fyke.lock names
///
/// Gets what is not on this machine yet, several at a time, and checks everything against fyke.lock. Where there is no fyke.lock, or fyke.toml has
/// changed since, it is written. A run never fetches anything, and never changes fyke.lock.
pub(crate) struct Fetch {
    /// Fail where fyke.lock would have to change
    #[arg(long)]
    pub(crate) locked: bool,
    /// Fail also where something would have to be fetched: only check what is here
    #[arg(long)]
    pub(crate) frozen: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke publish
  fyke publish --tag
  fyke publish && minisign -Sm dist/teamlib-1.0.0.sums -x fyke.minisig")]
/// Check the package of this folder, and make its archive
///
/// Checks that the manifest is complete, that all modules and recipes are there and good, and that all is committed; then writes
/// dist/NAME-VERSION.tar.gz, which is the same on every machine, and the list of its files, which minisign(1) can sign.
pub(crate) struct Publish {
    /// Make the tag that stands for the version
    #[arg(long)]
    pub(crate) tag: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke trust
  fyke trust net-team RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3
  fyke trust net-team minisign.pub
  fyke trust --remove net-team
  fyke trust --require yes")]
/// Say whose signatures count, and whether all packages must have one
///
/// Without arguments it lists the keys. They are in the table [trust] of fyke.toml; those of /etc/fyke/fyke.toml count for all projects of the
/// machine.
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
