//! The words of `fyke doc`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fyke doc
  fyke doc --out /srv/www/fyke
  fyke doc --definitions .rhai
  fyke --json doc > fyke.json")]
/// Write what there is to know about all functions and recipes as a web site
///
/// Writes pages about the rooms, the standard library and the built-in recipes, and about the modules and recipes of the project around and of the
/// packages that it needs, as far as they are on this machine. The site needs no server and no network: open its index.html. The folder is a new one,
/// an empty one, or one that was written so before: what is no longer there is removed from it, what fyke has not put there is not touched.
///
/// With `--json`, prints the same as one document, and writes nothing.
pub(crate) struct Doc {
    /// Write the site into this folder; without it, into dist/doc of the project, or of the present folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Write definition files for the language server of Rhai into this folder, and no site
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with = "out")]
    pub(crate) definitions: Option<PathBuf>,
}
